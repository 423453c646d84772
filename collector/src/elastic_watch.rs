//! What the lead is told of Elasticsearch: on the page, by `status`, and by alerts that are told once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use isochrone_base::words::{self, count, date_time};
use isochrone_elastic::sink::{SinkStatus, Standing};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, RemovedUnsent, Store, StoreError};
use isochrone_watch::alert::{Alert, Event, Outbox};
use isochrone_web::view::{Notice, NoticeLevel};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

const TABLE: &str = "elastic_told";
const KEY: &str = "told";
/// A cluster that is restarted is no fault: so long nothing is said of one that does not answer.
const SHORT: Duration = Duration::from_secs(60);
/// After so long it is told.
const LONG: Duration = Duration::from_secs(600);
/// It does not keep up where the oldest measurement that is not there waits for so long,
const LAG: Duration = Duration::from_secs(3_600);
/// and has done for so long: what a new cluster gets first takes its time.
const LAGGING: Duration = Duration::from_secs(6 * 3_600);
/// After refused documents were told, what more is refused is gathered for so long.
const GATHERED: Duration = Duration::from_secs(3_600);
/// What was removed unsent is shown for so long after the last of it.
const SHOWN: Duration = Duration::from_secs(30 * 86_400);

/// Keeps watch over the sink.
pub(crate) struct ElasticWatch {
    status: watch::Receiver<SinkStatus>,
    outbox: Outbox,
    collector: Arc<str>,
    letters: PathBuf,
    records: Records<Told>,
    told: Told,
    /// Since when measurements wait for long though they go.
    lagging: Option<UnixMillis>,
    refused_told: Option<UnixMillis>,
    /// What retention removed before it was sent, as it was read last.
    removed: Option<RemovedUnsent>,
}

/// What was told, kept so that a restart repeats nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    /// That nothing is taken since then.
    stopped: Option<UnixMillis>,
    /// So many dead letters.
    dead: u64,
}

impl ElasticWatch {
    /// Takes up what was told before. `collector`: the name that alerts carry, and where dead letters are kept.
    pub(crate) fn open(
        store: &Store,
        outbox: &Outbox,
        (collector, letters): (&str, PathBuf),
        status: watch::Receiver<SinkStatus>,
    ) -> Result<Self, StoreError> {
        let records: Records<Told> = Records::new(store.clone(), TABLE);
        Ok(Self {
            status,
            outbox: outbox.clone(),
            collector: collector.into(),
            letters,
            told: records.get(KEY)?.unwrap_or_default(),
            records,
            lagging: None,
            refused_told: None,
            removed: store.removed_unsent()?,
        })
    }

    /// Tells what is new.
    pub(crate) fn tick(&mut self, now: UnixMillis) -> Result<(), StoreError> {
        let status = self.status.borrow().clone();
        self.removed = self.records.store().removed_unsent()?;
        let waits = status.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
        let is_lagging = status.failing_since.is_none() && waits >= LAG;
        self.lagging = is_lagging.then(|| self.lagging.unwrap_or(now));
        match (self.stopped(&status, now), self.told.stopped) {
            (Some((since, text)), None) => {
                let told = Told {
                    stopped: Some(since),
                    ..self.told
                };
                self.tell((Event::ElasticStops, since, "elastic-stops"), text, told, now)?;
            }
            (None, Some(since)) if status.standing == Standing::Following => {
                let text = format!(
                    "Elasticsearch takes measurements again; it had not, or not as fast as they come, since {} UTC. What was kept \
                     meanwhile goes there now.",
                    date_time(since)
                );
                let told = Told {
                    stopped: None,
                    ..self.told
                };
                self.tell((Event::ElasticGoesOn, since, "elastic-goes-on"), text, told, now)?;
            }
            _ => {}
        }
        self.look_at_refused(&status, now)
    }

    fn look_at_refused(&mut self, status: &SinkStatus, now: UnixMillis) -> Result<(), StoreError> {
        let told = Told {
            dead: status.dead,
            ..self.told
        };
        if status.server.is_none() || status.dead == self.told.dead {
            return Ok(()); // not known yet, or told
        }
        if status.dead < self.told.dead {
            self.records.put(KEY, &told)?;
            self.told = told;
            return Ok(());
        }
        let is_soon = |last: UnixMillis| last <= now && now.since(last) < GATHERED;
        if self.refused_told.is_some_and(is_soon) {
            return Ok(());
        }
        let text = self.refused_text(status.dead);
        self.tell((Event::ElasticRefuses, now, "elastic-refuses"), text, told, now)?;
        self.refused_told = Some(now);
        Ok(())
    }

    fn tell(
        &mut self,
        (event, since, word): (Event, UnixMillis, &str),
        text: String,
        told: Told,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let id = format!("{:013}-{word}", since.0);
        let alert = Alert::of_collector((event, id), text, &self.collector, now);
        self.records.store().write(|transaction| {
            self.records.put_in(transaction, KEY, &told)?;
            self.outbox.add_in(transaction, &alert, now)
        })?;
        self.told = told;
        self.outbox.refresh()
    }

    /// Since when nothing is taken, and what is told of it, where that is long enough.
    fn stopped(&self, status: &SinkStatus, now: UnixMillis) -> Option<(UnixMillis, String)> {
        let Some(since) = status.failing_since else {
            return self.lags(status, now);
        };
        let patience = match status.standing {
            Standing::Blocked => SHORT,
            Standing::Waiting => LONG,
            Standing::Starting | Standing::Following => return None,
        };
        (now.since(since) >= patience).then(|| (since, self.trouble_text(status, since)))
    }

    /// The same of a cluster that takes less than there comes.
    fn lags(&self, status: &SinkStatus, now: UnixMillis) -> Option<(UnixMillis, String)> {
        let since = self.lagging.filter(|since| now.since(*since) >= LAGGING)?;
        let text = format!(
            "{} What comes waits for more than {} since {} UTC: Elasticsearch takes less than there comes. Give it more nodes or \
             faster disks, or measure less; what waits for twice `retention.raw` is removed unsent.",
            lag_text(status, now),
            words::duration(LAG.as_millis() as u64),
            date_time(since)
        );
        Some((since, text))
    }

    /// What the page and `status` say.
    pub(crate) fn notices(&self, now: UnixMillis) -> Vec<Notice> {
        let status = self.status.borrow().clone();
        let at = words::timestamp(now);
        let notice = |level, text| Notice { level, text, at };
        let mut notices = Vec::new();
        match status.failing_since {
            Some(since) if status.standing == Standing::Blocked || now.since(since) >= LONG => {
                notices.push(notice(NoticeLevel::Error, self.trouble_text(&status, since)));
            }
            Some(since) if now.since(since) >= SHORT => {
                notices.push(notice(NoticeLevel::Warning, self.trouble_text(&status, since)));
            }
            _ => notices.push(match self.lags(&status, now) {
                Some((_, text)) => notice(NoticeLevel::Error, text),
                None => notice(NoticeLevel::Info, lag_text(&status, now)),
            }),
        }
        if status.dead > 0 {
            notices.push(notice(NoticeLevel::Error, self.refused_text(status.dead)));
        }
        if let Some(removed) = self.removed
            && now.since(removed.last) < SHOWN
        {
            notices.push(notice(NoticeLevel::Warning, removed_text(&removed)));
        }
        notices
    }

    fn trouble_text(&self, status: &SinkStatus, since: UnixMillis) -> String {
        let reason = status
            .last_error
            .as_ref()
            .map_or("", |(_, reason)| reason.as_str());
        let (says, what) = match status.standing {
            Standing::Blocked => ("takes nothing", "somebody has to put that right"),
            _ => ("does not keep up or does not answer", "it is tried again"),
        };
        let kept = match self.removed {
            Some(removed) if removed.last >= since => "some of it was removed unsent",
            _ => "nothing is lost, all of it is in the store",
        };
        format!(
            "Elasticsearch {says} since {} UTC: {reason}; {what}. {} behind; {kept}.",
            date_time(since),
            batches(status.behind())
        )
    }

    fn refused_text(&self, dead: u64) -> String {
        let file = self.letters.display();
        format!(
            "Elasticsearch refused {} for what is in them: they are kept in {file} with the reasons. Put that right, then \
             `elastic retry {file}`.",
            count(dead as usize, "document")
        )
    }
}

fn lag_text(status: &SinkStatus, now: UnixMillis) -> String {
    let Some(server) = &status.server else {
        return "Elasticsearch was not reached yet since the start.".to_owned();
    };
    let lag = status
        .oldest
        .map_or(0, |oldest| now.since(oldest).as_millis() as u64);
    let last = match &status.last_error {
        Some((at, reason)) => format!(" Last error, at {} UTC: {reason}", date_time(*at)),
        None => String::new(),
    };
    match status.behind() {
        0 => format!("{server} has all that is stored.{last}"),
        behind => format!(
            "{server} is {} behind ({}).{last}",
            batches(behind),
            words::duration(lag)
        ),
    }
}

fn removed_text(removed: &RemovedUnsent) -> String {
    format!(
        "Retention removed {} before Elasticsearch had taken them, at {} UTC last: they are not there, and will not be. \
         Unsent measurements are kept for twice `retention.raw`, while the disk and `retention.total` have room.",
        count(removed.measurements as usize, "measurement"),
        date_time(removed.last)
    )
}

fn batches(behind: u64) -> String {
    match behind {
        1 => "1 batch".to_owned(),
        several => format!("{several} batches"),
    }
}

#[cfg(test)]
mod tests;
