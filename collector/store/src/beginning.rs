//! Since when anything is kept.

use isochrone_proto::units::{Hour, UnixMillis};
use redb::ReadTransaction;

use crate::ledger::RemovedHours;
use crate::segment::{Day, Segment};
use crate::tables::{LOG_HOURS, REMOVED};
use crate::{Store, StoreError, Tier};

/// Since when anything is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The hour of the oldest measurement, alone or added up; where only sums of days are left, the day.
    pub from: UnixMillis,
    /// There was something before, and retention removed it.
    pub is_removed: bool,
}

impl Store {
    /// Since when anything is kept, in whatever tier; `None`: nothing was stored yet.
    ///
    /// # Errors
    /// When the store failed.
    pub fn beginning(&self) -> Result<Option<Beginning>, StoreError> {
        self.read(|transaction| {
            let log = LOG_HOURS.read(transaction, self.found())?;
            let log = log.iter()?.next().transpose()?;
            let log = log.map(|(hour, _)| Hour(hour.value()).start());
            let catalogue = self.0.segments.known.read(transaction, self.found())?;
            let Some(from) = oldest(&catalogue.segments, log) else {
                return Ok(None);
            };
            let is_removed = self.removed_before(transaction, from)?;
            Ok(Some(Beginning { from, is_removed }))
        })
    }

    /// Whether retention removed measurements of an hour before `from`.
    fn removed_before(&self, transaction: &ReadTransaction, from: UnixMillis) -> Result<bool, StoreError> {
        let lines = REMOVED.read(transaction, self.found())?;
        for row in lines.iter()? {
            let (probe, row) = row?;
            let line = lines.decode(probe.value(), &row, RemovedHours::decode);
            if line.is_some_and(|line| line.totals.removed > 0 && line.hours.0.start() < from) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The first instant of which anything is left: of the oldest day what is finest.
fn oldest(segments: &[Segment], log: Option<UnixMillis>) -> Option<UnixMillis> {
    let days = segments.iter().map(|segment| Day::of(segment.slots.0));
    let day = days.chain(log.map(Day::of)).min()?;
    let finer = segments.iter().filter(|segment| segment.tier != Tier::Day);
    let firsts = finer.map(|segment| segment.slots.0).chain(log);
    let first = firsts.filter(|first| Day::of(*first) == day).min();
    Some(first.map_or(day.start(), |first| first.hour().start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Span;

    fn segment(tier: Tier, first: u64) -> Segment {
        Segment {
            number: 1,
            tier,
            kind: "connect4".parse().unwrap(),
            day: Day::of(UnixMillis(first)),
            span: Span { first: 1, last: 2 },
            slots: (UnixMillis(first), UnixMillis(first + 1_000)),
            rows: 1,
            measurements: 1,
            bytes: 1,
            checksum: 0,
            generation: 1,
        }
    }

    #[test]
    fn oldest_day_begins_with_the_finest_that_is_left_of_it() {
        let day = 20_000 * 86_400_000;
        let hour = |of: u64| day + of * 3_600_000;
        let days = segment(Tier::Day, day);
        let hours = segment(Tier::Hour, hour(7));
        let rows = segment(Tier::Raw, hour(7) + 1_234);
        assert_eq!(oldest(&[], None), None);
        assert_eq!(oldest(&[], Some(UnixMillis(hour(9)))), Some(UnixMillis(hour(9))));
        let all = [days.clone(), hours.clone(), rows.clone()];
        assert_eq!(oldest(&all, Some(UnixMillis(hour(9)))), Some(UnixMillis(hour(7))));
        assert_eq!(oldest(&[days.clone(), rows], None), Some(UnixMillis(hour(7))));
        let later = segment(Tier::Hour, hour(24));
        assert_eq!(oldest(&[days, later], None), Some(UnixMillis(day)));
    }
}
