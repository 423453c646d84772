//! How long a node took, hour by hour: percentiles of the single runs of vantages that are not its own.

use isochrone_base::roster::{NodeEntry, Roster};
use isochrone_base::words;
use isochrone_proto::kind::Kind;
use isochrone_proto::units::{Hour, Micros, UnixMillis};
use isochrone_store::{HourOfTarget, Runs, Store, StoreError};
use isochrone_watch::spans::Span;
use serde::{Serialize, Serializer};

use crate::lines::Lines;
use crate::log::Window;
use crate::tables::{Cell, Column, Table};
use crate::words::ms;

/// Hours of text; JSON holds all.
const SHOWN: usize = 24;

/// One hour of the node in one kind of check, all vantages together that are not its own worker's. Times are those to
/// connect; percentiles are of the times themselves, by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HourLine {
    /// When it begins, RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub hour: Hour,
    /// Such as `connect4`.
    #[serde(serialize_with = "text")]
    pub kind: Kind,
    /// Checks that were run.
    pub checks: u64,
    /// Those that were answered.
    pub answered: u64,
    /// The median time; `null`: there are no times.
    pub connect_p50_ms: Option<f64>,
    /// 95th percentile.
    pub connect_p95_ms: Option<f64>,
    /// 99th percentile.
    pub connect_p99_ms: Option<f64>,
}

fn rfc3339<S: Serializer>(hour: &Hour, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&words::rfc3339(hour.start()))
}

fn text<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}

/// Every hour of `window`, by hour and kind, as far back as single measurements are there: from `rows_from` on.
pub(super) fn read(
    store: &Store,
    (roster, node): (&Roster, &NodeEntry),
    window: Window,
    rows_from: UnixMillis,
) -> Result<Vec<HourLine>, StoreError> {
    let asked = asked((roster, node), (window.from.max(rows_from), window.until));
    let mut hours = Vec::new();
    if asked.from < asked.until {
        store.hourly(&asked, |hour| hours.push(line(&hour)))?;
    }
    Ok(hours)
}

/// All runs of those that are not its own worker's.
pub(super) fn asked((roster, node): (&Roster, &NodeEntry), (from, until): Span) -> Runs {
    let own = roster.probes().filter(|probe| node.is_own(probe));
    Runs {
        from,
        until,
        target: Some(node.id),
        without: own.map(|probe| probe.id).collect(),
        ..Runs::default()
    }
}

pub(super) fn line(hour: &HourOfTarget) -> HourLine {
    let of = |percentile: usize| {
        let us = hour.percentiles.map(|us: [Micros; 3]| us[percentile].get());
        us.map(|us| f64::from(us) / 1e3)
    };
    HourLine {
        hour: hour.hour,
        kind: hour.kind,
        checks: hour.runs,
        answered: hour.answered,
        connect_p50_ms: of(0),
        connect_p95_ms: of(1),
        connect_p99_ms: of(2),
    }
}

/// The newest hours of the kind that was answered most often.
pub(super) fn write(hours: &[HourLine], lines: &mut Lines) {
    let answered = |kind: Kind| -> u64 {
        let of_kind = hours.iter().filter(|line| line.kind == kind);
        of_kind.map(|line| line.answered).sum()
    };
    let kinds = hours.iter().map(|line| line.kind);
    let Some(kind) = kinds.max_by_key(|kind| (answered(*kind), std::cmp::Reverse(*kind))) else {
        return;
    };
    let of_kind: Vec<&HourLine> = hours.iter().filter(|line| line.kind == kind).collect();
    let shown = &of_kind[of_kind.len().saturating_sub(SHOWN)..];
    lines.blank();
    lines.wrapped(&format!("Hour by hour, {kind}, all vantages but its own"));
    let counts = ["checks", "answered", "p50 ms", "p95 ms", "p99 ms"].map(Column::figures);
    let columns = std::iter::once(Column::names("hour (UTC)").whole()).chain(counts);
    lines.table(&Table::new("Hours", columns).rows(shown.iter().map(|line| line.row())));
    let rest = "The times are those to connect, of single measurements";
    lines.wrapped(&match hours.len() > shown.len() {
        true => format!("{rest}; --format json holds every hour and check."),
        false => format!("{rest}."),
    });
}

impl HourLine {
    fn row(&self) -> Vec<Cell> {
        let hour = words::date_time(self.hour.start())[..16].to_owned();
        let counts = [self.checks, self.answered].map(|count| count.to_string());
        let times = [self.connect_p50_ms, self.connect_p95_ms, self.connect_p99_ms].map(ms);
        let cells = std::iter::once(hour).chain(counts).chain(times);
        cells.map(Cell::from).collect()
    }
}
