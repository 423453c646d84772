//! A node over time on one axis: how its checks went, and its outages below.

use isochrone_base::words::duration;
use isochrone_proto::units::UnixMillis;
use maud::{Markup, html};

use super::values::{NodeReport, NodesReport, OutageReport, Slice};
use super::words::{end, outage_line, share_of, slice_line};
use crate::charts::{self, Axis, Cell, Span};

const HOUR_MS: u64 = 3_600_000;

/// The window as an axis.
pub(super) fn axis(report: &NodesReport) -> Axis {
    Axis::new(report.from.0, report.to.0)
}

/// What share of its checks succeeded, over time.
pub(super) fn strip(report: &NodesReport, node: &NodeReport) -> Markup {
    let each = node
        .slices
        .first()
        .map_or(HOUR_MS, |slice| slice.until.0 - slice.from.0);
    let title = format!(
        "Checks of {} that succeeded, in steps of {}",
        node.node,
        duration(each.max(HOUR_MS))
    );
    let failed: Vec<&Slice> = node
        .slices
        .iter()
        .filter(|slice| slice.good < slice.judged)
        .collect();
    let worst = failed
        .iter()
        .min_by(|one, other| good(one).total_cmp(&good(other)));
    let worst = worst.map_or(String::new(), |slice| format!("; worst: {}", slice_line(slice)));
    let words = format!(
        "{} of all succeeded{worst}",
        share_of(node.whole.good, node.whole.judged)
    );
    let cells: Vec<Cell> = node
        .slices
        .iter()
        .map(|slice| Cell {
            from: slice.from.0,
            until: slice.until.0,
            good: (slice.judged > 0).then(|| good(slice)),
        })
        .collect();
    let says = |cell: &Cell| {
        let slice = failed.iter().find(|slice| slice.from.0 == cell.from);
        slice.map_or(String::new(), |slice| slice_line(slice))
    };
    charts::strip(axis(report), (&title, &words), &cells, says)
}

fn good(slice: &Slice) -> f64 {
    slice.good as f64 / slice.judged as f64
}

pub(super) fn span(
    report: &NodesReport,
    outage: &OutageReport,
    (from, until): (UnixMillis, Option<UnixMillis>),
) -> Span {
    Span {
        from: from.0,
        until: until.unwrap_or(report.to).0,
        hollow: outage.cause == "path",
        title: outage_line(outage),
    }
}

/// The outages of all its checks in one lane, for below its strip; nothing where there are none.
pub(super) fn outage_marks(report: &NodesReport, node: &NodeReport) -> Markup {
    let whole = |outage: &OutageReport| span(report, outage, (outage.start, end(outage)));
    let spans: Vec<Span> = node.outages.iter().map(whole).collect();
    let title = format!("Outages of {}", node.node);
    let lines: Vec<&str> = spans.iter().map(|span| span.title.as_str()).collect();
    html! {
        @if !spans.is_empty() {
            (charts::timeline_of(axis(report), (&title, &lines.join("; ")), &spans))
        }
    }
}
