//! Reports from measurements that lie in Elasticsearch, and what must be said of those: from when on there are any, and
//! what is lacking.

use isochrone_base::words::{self, count, date_time};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Scan, Store};
use serde::Serialize;
use serde_json::Value;

use crate::Printed;
use crate::frame::Frame;
use crate::kept::{BeforeKept, Within};
use crate::lines::Lines;
use crate::log::{DAY_MS, Window};
use crate::tables::Table;

/// Measurements that lie elsewhere, and the store of the collector whose they are. What the collector alone knows is read
/// from the store: how far clocks were off, whence sessions came, which incidents were told, what was imported.
#[derive(Debug)]
pub struct Elsewhere<'a, S> {
    /// Where the measurements are.
    pub rows: &'a S,
    /// Where all else is.
    pub store: &'a Store,
}

impl<S> Copy for Elsewhere<'_, S> {}

impl<S> Clone for Elsewhere<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Scan> Elsewhere<'_, S> {
    /// As every JSON says it: whatever is a demo's is marked as that.
    pub(crate) fn source(&self) -> &'static str {
        match self.store.is_demo() {
            true => "demo",
            false => "elasticsearch",
        }
    }
}

/// What Elasticsearch holds, and what it lacks of a window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Holdings {
    /// The node that is named first.
    pub url: String,
    /// The slot of the first measurement, RFC 3339; `null`: there is none.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub from: Option<UnixMillis>,
    /// The slot of the last one.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub to: Option<UnixMillis>,
    /// Measurements of the window that are in the store and were not sent yet.
    pub unsent: u64,
    /// Why what was sent within the last refresh interval may not be seen yet; `null`: it is.
    pub not_refreshed: Option<String>,
    /// Documents, of whatever time, that were refused and lie in the file of dead letters.
    pub dead_letters: u64,
    /// Measurements, of whatever time, that retention removed before they were sent.
    pub removed_unsent: u64,
    /// Documents of the window that are no measurements of a collector of this release: in no figure.
    pub foreign: u64,
    /// The first of them, with its index and what is wrong with it.
    pub foreign_example: Option<String>,
    /// Measurements of the window by probes that this collector does not know: in no figure.
    pub unknown_probes: u64,
    /// Indices of the window, between the first and the last measurement, that are not there or are closed.
    pub missing_indices: Vec<String>,
}

fn rfc3339_or_null<S: serde::Serializer>(at: &Option<UnixMillis>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(words::rfc3339).serialize(serializer)
}

impl Holdings {
    /// The part of a window that is there at all, and what was asked for before: whole days, as of a store.
    #[must_use]
    pub fn within(&self, asked: Window, now: UnixMillis) -> Within {
        let until = asked.until.min(now);
        let day = self.from.map(|from| UnixMillis(from.0 / DAY_MS * DAY_MS));
        let from = asked.from.max(day.unwrap_or(until)).min(until);
        let before = self.from.is_none_or(|first| asked.from < first);
        Within {
            window: Window { from, until },
            before: before.then_some(BeforeKept {
                asked_from: asked.from,
                kept_from: self.from,
                removed: false,
                is_elsewhere: true,
            }),
        }
    }

    /// Where the figures are from.
    #[must_use]
    pub fn sentence(&self) -> String {
        let minute = |at| date_time(at)[..16].to_owned();
        match self.from.zip(self.to) {
            Some((from, to)) => format!(
                "Measurements are those in Elasticsearch at {}: it holds some from {} to {} (UTC). Who is who, clocks, told \
                 incidents and imports are the collector's own.",
                self.url,
                minute(from),
                minute(to)
            ),
            None => format!(
                "Elasticsearch at {} holds no measurement: `isochrone-collector status` says whether any is sent.",
                self.url
            ),
        }
    }

    /// What these figures lack, in sentences; none: nothing that is known.
    #[must_use]
    pub fn lacks(&self) -> Vec<String> {
        let mut lacks = Vec::new();
        let many = |number: u64, what: &str| count(usize::try_from(number).unwrap_or(usize::MAX), what);
        if self.unsent > 0 {
            lacks.push(format!(
                "{} of this window wait in the store to be sent to Elasticsearch, and are in no figure here",
                many(self.unsent, "measurement")
            ));
        }
        if let Some(why) = &self.not_refreshed {
            lacks.push(format!(
                "Elasticsearch did not make searchable what was sent last ({why}): measurements of the last 15 seconds before \
                 this may be in no figure here; ask again then, or compare the account's role with `elastic setup --role`"
            ));
        }
        if self.dead_letters > 0 {
            lacks.push(format!(
                "{} were refused by Elasticsearch and are in no figure here, whichever window they are of; put right why, \
                 then `elastic retry` their file",
                many(self.dead_letters, "document")
            ));
        }
        if self.removed_unsent > 0 {
            lacks.push(format!(
                "{} were removed by retention before Elasticsearch had taken them, and are in no figure here, whichever \
                 window they are of",
                many(self.removed_unsent, "measurement")
            ));
        }
        if self.foreign > 0 {
            let example = self.foreign_example.as_deref().unwrap_or("no example");
            lacks.push(format!(
                "{} at {} are no measurements of this release's collectors, and are in no figure here ({example}); \
                 `elastic verify` finds them, whoever wrote them may delete them",
                many(self.foreign, "document"),
                self.url
            ));
        }
        if self.unknown_probes > 0 {
            lacks.push(format!(
                "{} of this window are of probes that this collector does not know, another's or an earlier one's, and are \
                 in no figure here",
                many(self.unknown_probes, "measurement")
            ));
        }
        if !self.missing_indices.is_empty() {
            lacks.push(format!(
                "{} {} not there, or closed: what it would hold is in no figure here; open it, or send what the store still \
                 has with `elastic backfill`",
                self.missing_indices.join(", "),
                if self.missing_indices.len() == 1 { "is" } else { "are" },
            ));
        }
        lacks
    }
}

/// A report, and what is to be said of where its measurements were.
#[derive(Debug)]
pub struct FromElasticsearch<'a, R> {
    /// The report.
    pub report: &'a R,
    /// Where its measurements were.
    pub holdings: &'a Holdings,
}

impl<R: Printed> Printed for FromElasticsearch<'_, R> {
    fn frame(&self) -> Frame {
        let mut frame = self.report.frame();
        let lacks = self.holdings.lacks().into_iter().map(|lack| lack + ".");
        frame.method.splice(0..0, lacks);
        frame.method.push(self.holdings.sentence());
        frame
    }

    fn write(&self, lines: &mut Lines) {
        self.report.write(lines);
    }

    fn html_in(&self, frame: Frame) -> String {
        self.report.html_in(frame)
    }

    fn csv_table(&self) -> Table {
        self.report.csv_table()
    }

    fn json(&self) -> Value {
        with(self.report.json(), self.holdings)
    }
}

/// A report's JSON, with what Elasticsearch holds.
#[must_use]
pub fn with(mut report: Value, holdings: &Holdings) -> Value {
    if let Some(report) = report.as_object_mut() {
        let holdings = serde_json::to_value(holdings).expect("strings as keys and whole numbers are JSON");
        report.insert("elasticsearch".to_owned(), holdings);
    }
    report
}

/// The same below a report in text.
#[must_use]
pub fn text(holdings: &Holdings, width: usize) -> String {
    let mut lines = Lines::text(width);
    lines.blank();
    for lack in holdings.lacks() {
        lines.wrapped(&(lack + "."));
    }
    lines.wrapped(&holdings.sentence());
    lines.finish()
}

#[cfg(test)]
mod tests;
