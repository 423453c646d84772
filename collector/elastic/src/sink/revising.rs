//! Documents that may be revised, sent once a minute: of what changed since they were sent last, and nothing else.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use isochrone_proto::units::{Hour, UnixMillis};
use isochrone_store::{StoreError, Tier};
use tokio::time::Instant;

use super::{Sink, SinkError, SinkParts};
use crate::Server;
use crate::cursor::Cursor;
use crate::document::Document;
use crate::index::{Family, Histograms, Layout, Names};
use crate::revised::sent::{Digest, Sent};
use crate::revised::{Group, Groups, Revised};

/// What is sent again, and when.
pub(super) struct Revising {
    revised: Revised,
    sent: Sent,
    /// What the cluster has of the families that are looked at as a whole.
    there: BTreeMap<Family, BTreeMap<Hour, Digest>>,
    /// When the last round began; before the first, when this was opened.
    last: Instant,
    /// What the next round has to do: what none did yet, or was too much for the last.
    is_unfinished: bool,
    /// When the ledger was looked at last.
    ledger: Option<Instant>,
}

impl Revising {
    pub(super) fn open(
        parts: &SinkParts,
        (names, cluster): (&Names, &str),
        histograms: Histograms,
    ) -> Result<Self, StoreError> {
        let sent = Sent::of(&parts.store, names, cluster);
        let mut there = BTreeMap::new();
        for family in Family::REVISED {
            there.insert(family, sent.all(family)?);
        }
        let source = (parts.store.clone(), parts.incidents.clone());
        Ok(Self {
            revised: Revised::new(source, names.clone(), histograms),
            sent,
            there,
            last: parts.clock.now(),
            is_unfinished: true,
            ledger: None,
        })
    }
}

/// Where a cluster begins: the form of histograms that it takes, for good, and with the first time every hour that is kept.
pub(super) fn begin(parts: &SinkParts, server: &Server, cursor: &mut Cursor) -> Result<Layout, StoreError> {
    let layout = Layout::of(&server.can);
    let histograms = match cursor.histograms {
        Some(histograms) => histograms,
        None => {
            let now = parts.clock.wall();
            let begun = parts.store.beginning()?.map_or(now, |beginning| beginning.from);
            let kept = parts.store.whole_from(Tier::Hour)?;
            // what the cursor still comes by marks its hours itself
            let until = match cursor.commit {
                0 => parts.store.whole_from(Tier::Raw)?.min(now),
                _ => now,
            };
            cursor.hours.insert(begun.max(kept).hour(), until.hour());
            cursor.histograms = Some(layout.histograms); // kept with the cursor's next step
            layout.histograms
        }
    };
    Ok(Layout { histograms, ..layout })
}

/// Hours in ranges that are read at once: the log is gone through for each of them.
fn together(hours: &[Hour]) -> Vec<Range<Hour>> {
    let mut ranges: Vec<Range<Hour>> = Vec::new();
    for hour in hours {
        match ranges.last_mut() {
            Some(range) if range.end == *hour && range.end.0 - range.start.0 < AT_ONCE => {
                range.end = hour.next();
            }
            _ => ranges.push(*hour..hour.next()),
        }
    }
    ranges
}

impl Sink<'_> {
    /// Whether there is more to revise than one round takes.
    pub(super) const fn is_revising(&self) -> bool {
        self.revising.is_unfinished
    }

    /// A round, where it is time for one: while single measurements are behind, these come first. `false`: the cluster is
    /// another one now.
    pub(super) async fn revise_when_due(&mut self, is_idle: bool) -> Result<bool, SinkError> {
        let start = self.parts.clock.now();
        let patience = match (is_idle, self.revising.is_unfinished) {
            (true, true) => Duration::ZERO,
            (true, false) => EVERY,
            (false, _) => PATIENCE,
        };
        if start.duration_since(self.revising.last) < patience {
            return Ok(true);
        }
        self.revising.last = start;
        let now = self.parts.clock.wall();
        if !self.revise(Family::Incident, now).await? {
            return Ok(false);
        }
        let is_due = |last: Instant| start.duration_since(last) >= LEDGER_EVERY;
        if self.revising.ledger.is_none_or(is_due) {
            if !self.revise(Family::Ledger, now).await? {
                return Ok(false);
            }
            self.revising.ledger = Some(start);
        }
        let Some(is_all) = self.revise_rollups(now).await? else {
            return Ok(false);
        };
        self.revising.is_unfinished = !is_all;
        if is_all {
            self.status.send_modify(|status| status.revised_at = Some(now));
        }
        Ok(true)
    }

    /// Sends what changed of a family that is looked at as a whole.
    async fn revise(&mut self, family: Family, now: UnixMillis) -> Result<bool, SinkError> {
        let groups = self.groups(family, Hour(0)..Hour(u32::MAX), now).await?;
        let there = self.revising.there.entry(family).or_default();
        let gone: Vec<Hour> = there
            .keys()
            .filter(|hour| !groups.contains_key(hour))
            .copied()
            .collect();
        let is_new = |(hour, group): &(Hour, Group)| there.get(hour) != Some(&group.digest);
        let changed: Vec<(Hour, Group)> = groups.into_iter().filter(is_new).collect();
        self.send_groups(family, changed, gone).await
    }

    /// Sends the hours that are over and of which something came since; whether that was all, or `None`: the cluster is
    /// another one now.
    async fn revise_rollups(&mut self, now: UnixMillis) -> Result<Option<bool>, SinkError> {
        let kept = self.parts.store.whole_from(Tier::Hour)?.hour();
        let is_over = |hour: &Hour| hour.end().0 + SETTLED.as_millis() as u64 <= now.0;
        let mut due: Vec<Hour> = self.cursor.hours.iter().take_while(is_over).collect();
        let is_all = due.len() <= HOURS;
        due.truncate(HOURS);
        let Some(last) = due.last() else {
            return Ok(Some(true));
        };
        let last = *last;
        for hours in together(&due) {
            let groups = self.groups(Family::Rollup, hours, now).await?;
            let there = self.revising.there.entry(Family::Rollup).or_default();
            let is_new = |(hour, group): &(Hour, Group)| there.get(hour) != Some(&group.digest);
            let changed: Vec<(Hour, Group)> = groups.into_iter().filter(is_new).collect();
            if !self.send_groups(Family::Rollup, changed, Vec::new()).await? {
                return Ok(None);
            }
        }
        let there = self.revising.there.entry(Family::Rollup).or_default();
        let gone: Vec<Hour> = there.range(..kept.min(last)).map(|(hour, _)| *hour).collect();
        self.send_groups(Family::Rollup, Vec::new(), gone).await?;
        let mut cursor = self.cursor.clone();
        due.into_iter().for_each(|hour| cursor.hours.remove(hour));
        self.put(cursor).await?;
        Ok(Some(is_all))
    }

    async fn groups(
        &mut self,
        family: Family,
        hours: Range<Hour>,
        now: UnixMillis,
    ) -> Result<Groups, SinkError> {
        // before anything is read: whoever reads later writes over it, and not the other way round
        let version = now.0.max(self.cursor.version + 1);
        let revised = self.revising.revised.clone();
        let made =
            tokio::task::spawn_blocking(move || revised.groups(family, (hours, now), version)).await??;
        self.cursor.version = version; // durable before any of them is sent
        Ok(made)
    }

    async fn send_groups(
        &mut self,
        family: Family,
        changed: Vec<(Hour, Group)>,
        gone: Vec<Hour>,
    ) -> Result<bool, SinkError> {
        if changed.is_empty() && gone.is_empty() {
            return Ok(true);
        }
        let digests: Vec<(Hour, Digest)> = changed
            .iter()
            .map(|(hour, group)| (*hour, group.digest))
            .collect();
        let documents: Vec<Document> = changed
            .into_iter()
            .flat_map(|(_, group)| group.documents)
            .collect();
        let count = documents.len() as u64;
        if count > 0 {
            self.put(self.cursor.clone()).await?;
            if !self.send(documents).await? {
                return Ok(false);
            }
        }
        let sent = self.revising.sent.clone();
        let (noted, forgotten) = (digests.clone(), gone.clone());
        tokio::task::spawn_blocking(move || sent.note(family, &noted, &forgotten)).await??;
        let there = self.revising.there.entry(family).or_default();
        there.extend(digests);
        there.retain(|hour, _| !gone.contains(hour));
        let dead = self.letters.count();
        self.status.send_modify(|status| status.revised(count, dead));
        Ok(true)
    }
}

/// How often it is looked for what changed.
const EVERY: Duration = Duration::from_secs(60);
/// How often while single measurements are behind.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often of the ledger, which is counted from the ground.
const LEDGER_EVERY: Duration = Duration::from_secs(300);
/// An hour is added up so long after its end: most of what is late has come then, and what comes later revises it.
const SETTLED: Duration = Duration::from_secs(120);
/// Hours whose documents are in memory at once: of a large mesh some 40 MB.
const AT_ONCE: u32 = 6;
/// Hours in one round, before single measurements have their turn again.
const HOURS: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_that_follow_each_other_are_read_together_and_not_too_many() {
        let hours: Vec<Hour> = [1, 2, 3, 4, 5, 6, 7, 9].map(Hour).into();
        let ranges: Vec<_> = together(&hours)
            .iter()
            .map(|range| (range.start.0, range.end.0))
            .collect();
        assert_eq!(ranges, [(1, 7), (7, 8), (9, 10)]);
    }
}
