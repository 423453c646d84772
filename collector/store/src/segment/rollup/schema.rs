//! The columns of a rollup. Names carry their unit; they only ever get company, never another meaning.
//!
//! | column | |
//! |---|---|
//! | `probe`, `probe_id` | who measured: name, and id as 16 hexadecimal digits |
//! | `kind` | `echo4`, `asset-head6` and the like |
//! | `target`, `target_id` | what was measured: name, and id as 16 hexadecimal digits |
//! | `start` | when the hour or the UTC day begins: UTC, in milliseconds |
//! | `cache` | `x-cache` of the answers (`absent`, `hit`, `pending`, `miss`): each state has a row of its own |
//! | `suspect` | whether the probe itself was starved while these echoes were answered: they have a row of their own |
//! | `planned` | slots that batches tell of, by slot: `run` + `skipped`. What was planned and never told of is in the ledger only |
//! | `run` | measurements |
//! | `skipped` | slots that the probe skipped; they stand in the row with `cache` absent and `suspect` false |
//! | `ok` | measurements that were answered as they should; a success that no Argus node gives is none |
//! | `losses` | the other measurements by what became of them, as JSON: `{"connect/refused":2,"timed-out":1}`; null: none |
//!
//! Then of each time that a kind has (echo: `rtt`; endpoints: `resolve`, `connect`, `tls`; requests also `first_byte`,
//! which counts from the beginning of the run; throughput also `range`: how long 8 MiB took that the node had in its
//! cache, from the first byte to the last), where any was measured:
//!
//! | column | |
//! |---|---|
//! | `rtt_count` | how many were measured |
//! | `rtt_min_us`, `rtt_max_us` | the shortest and the longest, in microseconds |
//! | `rtt_histogram` | all of them, as `collector/coverage/src/histogram/bytes.rs` says |
//!
//! Several rows may be of the same probe, kind, target, start, cache and suspect, in one file or in several: they are
//! added up (late measurements make more of them).

use isochrone_proto::kind::{Check, Layout};

use super::{Period, Timing};
use crate::segment::schema::{Column, Form, always, maybe};

/// What a rollup is of, and its counts.
pub(super) const COMMON: [Column; 13] = [
    always("probe", Form::Word),
    always("probe_id", Form::Word),
    always("kind", Form::Word),
    always("target", Form::Word),
    always("target_id", Form::Word),
    always("start", Form::Instant),
    always("cache", Form::Word),
    always("suspect", Form::Flag),
    always("planned", Form::Large),
    always("run", Form::Large),
    always("skipped", Form::Large),
    always("ok", Form::Large),
    maybe("losses", Form::Word),
];

const fn timed(count: &'static str, min: &'static str, max: &'static str, all: &'static str) -> [Column; 4] {
    [
        maybe(count, Form::Large),
        maybe(min, Form::Micros),
        maybe(max, Form::Micros),
        maybe(all, Form::Bytes),
    ]
}

const RTT: [Column; 4] = timed("rtt_count", "rtt_min_us", "rtt_max_us", "rtt_histogram");
const RESOLVE: [Column; 4] = timed(
    "resolve_count",
    "resolve_min_us",
    "resolve_max_us",
    "resolve_histogram",
);
const CONNECT: [Column; 4] = timed(
    "connect_count",
    "connect_min_us",
    "connect_max_us",
    "connect_histogram",
);
const TLS: [Column; 4] = timed("tls_count", "tls_min_us", "tls_max_us", "tls_histogram");
const FIRST_BYTE: [Column; 4] = timed(
    "first_byte_count",
    "first_byte_min_us",
    "first_byte_max_us",
    "first_byte_histogram",
);

const RANGE: [Column; 4] = timed("range_count", "range_min_us", "range_max_us", "range_histogram");

/// The times that runs of a check have.
pub(super) const fn timings(check: Check) -> &'static [Timing] {
    if matches!(check, Check::Throughput) {
        return &[
            Timing::Resolve,
            Timing::Connect,
            Timing::Tls,
            Timing::FirstByte,
            Timing::Range,
        ];
    }
    match check.layout() {
        Layout::Echo => &[Timing::Rtt],
        Layout::Connect => &[Timing::Resolve, Timing::Connect, Timing::Tls],
        Layout::Endpoint => &[Timing::Resolve, Timing::Connect, Timing::Tls, Timing::FirstByte],
    }
}

/// Every column of a check, in the file's order.
pub(super) fn columns(check: Check) -> impl Iterator<Item = &'static Column> {
    let of_timings = timings(check).iter().flat_map(|timing| match timing {
        Timing::Rtt => &RTT,
        Timing::Resolve => &RESOLVE,
        Timing::Connect => &CONNECT,
        Timing::Tls => &TLS,
        Timing::FirstByte => &FIRST_BYTE,
        Timing::Range => &RANGE,
    });
    COMMON.iter().chain(of_timings)
}

/// The name of a schema, with the version of its form.
pub(super) const fn name(period: Period, check: Check) -> &'static str {
    match (period, check.layout()) {
        (Period::Hour, Layout::Endpoint) if matches!(check, Check::Throughput) => {
            "isochrone.hour.throughput/1"
        }
        (Period::Day, Layout::Endpoint) if matches!(check, Check::Throughput) => "isochrone.day.throughput/1",
        (Period::Hour, Layout::Echo) => "isochrone.hour.echo/1",
        (Period::Hour, Layout::Connect) => "isochrone.hour.connect/1",
        (Period::Hour, Layout::Endpoint) => "isochrone.hour.http/1",
        (Period::Day, Layout::Echo) => "isochrone.day.echo/1",
        (Period::Day, Layout::Connect) => "isochrone.day.connect/1",
        (Period::Day, Layout::Endpoint) => "isochrone.day.http/1",
    }
}
