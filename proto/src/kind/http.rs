//! `http`: a page, asked for and read. `status` and the asset checks have the same outcome and columns.

mod columns;

use std::net::IpAddr;

pub(crate) use self::columns::EndpointColumns;
use super::{Check, Facts, Layout, TargetKind};
use crate::coded::coded;
use crate::failure::{FailureCause, Phase, SendFailure};
use crate::limits::{ENDPOINT_INTERVAL_MIN_MS, THROUGHPUT_BYTES};
use crate::units::Micros;

pub(super) const FACTS: Facts = Facts {
    word: "http",
    target: TargetKind::Endpoint,
    interval_min_ms: ENDPOINT_INTERVAL_MIN_MS,
    timeout_ms: 5_000,
    layout: Layout::Endpoint,
};

/// What became of one request to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointOutcome {
    /// The address that was dialled; `None` if none was.
    pub address: Option<IpAddr>,
    /// HTTP status; `None` before a status line.
    pub http_status: Option<u16>,
    /// `x-cache` of the answer.
    pub cache: CacheState,
    /// End of validity of the certificate shown, in Unix seconds.
    pub certificate_expires: Option<u64>,
    /// Success or failure.
    pub result: EndpointResult,
}

impl EndpointOutcome {
    /// How fast the node sent, in megabits a second: of a run of [`Check::Throughput`] that the node answered from its
    /// cache, from the first byte to the last. `None` for every other one: a range that is shorter ends while TCP still
    /// looks for the way's pace, and what the node has to fetch first comes as fast as its source.
    #[must_use]
    pub fn mbps(&self, check: Check) -> Option<f64> {
        let (bytes, us) = self.whole_range(check)?;
        Some(f64::from(bytes) * 8.0 / f64::from(us))
    }

    /// The same as the time in microseconds, from 1, that 8 MiB ([`THROUGHPUT_BYTES`]) took: some bytes more may have come.
    #[must_use]
    pub fn throughput_us(&self, check: Check) -> Option<u32> {
        let (bytes, us) = self.whole_range(check)?;
        let us = f64::from(us) * f64::from(THROUGHPUT_BYTES) / f64::from(bytes);
        Some((us.round() as u32).max(1)) // not above what it was
    }

    /// Bytes, and the microseconds that they took.
    fn whole_range(&self, check: Check) -> Option<(u32, u32)> {
        let EndpointResult::Ok {
            phases, body_bytes, ..
        } = &self.result
        else {
            return None;
        };
        let is_whole = *body_bytes >= THROUGHPUT_BYTES && phases.transfer.get() > 0;
        let counts = check == Check::Throughput && self.cache == CacheState::Hit && is_whole;
        counts.then_some((*body_bytes, phases.transfer.get()))
    }

    /// A run that ended before an address was dialled.
    #[must_use]
    pub(crate) fn undialled(result: EndpointResult) -> Self {
        Self {
            address: None,
            http_status: None,
            cache: CacheState::Absent,
            certificate_expires: None,
            result,
        }
    }
}

/// Success with its phases, or failure with none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointResult {
    /// The answer was right.
    Ok {
        /// Where the time went.
        phases: Phases,
        /// Body bytes read.
        body_bytes: u32,
        /// A node's own uptime in seconds, from its status.
        node_uptime_s: Option<u64>,
        /// A node's own version, from its status; empty otherwise.
        node_version: String,
    },
    /// It was not. Carries no latency.
    Failed {
        /// How far it came.
        phase: Phase,
        /// What went wrong.
        cause: FailureCause,
        /// The error, verbatim, at most 200 characters.
        text: String,
    },
    /// Never left this machine.
    Unsent(SendFailure),
}

/// Where the time of a successful request went. The phases add up to the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Name to address.
    pub resolve: Micros,
    /// TCP handshake: the endpoint's RTT.
    pub connect: Micros,
    /// TLS handshake; 0 for http.
    pub tls: Micros,
    /// Request written to first byte of the answer.
    pub first_byte: Micros,
    /// First byte to last.
    pub transfer: Micros,
    /// What none of the above holds: the prober's own work.
    pub unattributed: Micros,
}

impl Phases {
    /// Time to first byte: resolve + connect + TLS + first byte, in microseconds.
    #[must_use]
    pub fn ttfb_us(&self) -> u64 {
        [self.resolve, self.connect, self.tls, self.first_byte]
            .iter()
            .map(|p| u64::from(p.get()))
            .sum()
    }

    /// The whole, in microseconds.
    #[must_use]
    pub fn total_us(&self) -> u64 {
        self.ttfb_us() + u64::from(self.transfer.get()) + u64::from(self.unattributed.get())
    }
}

coded! {
    /// `x-cache` of an answer. A cached and an uncached first byte are never mixed.
    CacheState {
        /// No such header, or a status for which it means nothing.
        Absent = 0 "absent",
        /// Served from the node's disk.
        Hit = 1 "hit",
        /// The node is still fetching it.
        Pending = 2 "pending",
        /// The node started fetching it: the first byte measures its source.
        Miss = 3 "miss",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throughput_is_told_of_whole_ranges_from_the_cache_alone() {
        let run = |cache, body_bytes, transfer_us| EndpointOutcome {
            http_status: Some(206),
            cache,
            ..EndpointOutcome::undialled(EndpointResult::Ok {
                phases: Phases {
                    connect: Micros::new(30_000).expect("within bounds"),
                    transfer: Micros::new(transfer_us).expect("within bounds"),
                    ..Phases::default()
                },
                body_bytes,
                node_uptime_s: None,
                node_version: String::new(),
            })
        };
        let whole = run(CacheState::Hit, THROUGHPUT_BYTES, 3_355_443);
        let mbps = whole.mbps(Check::Throughput).expect("a whole range");
        assert!((mbps - 20.0).abs() < 1e-5, "{mbps}");
        assert_eq!(whole.throughput_us(Check::Throughput), Some(3_355_443));
        assert_eq!(whole.mbps(Check::AssetGet), None);
        let more = run(CacheState::Hit, 2 * THROUGHPUT_BYTES, 3_000_001);
        assert_eq!(more.throughput_us(Check::Throughput), Some(1_500_001), "of 8 MiB");
        for none in [
            run(CacheState::Miss, THROUGHPUT_BYTES, 3_355_443),
            run(CacheState::Pending, THROUGHPUT_BYTES, 3_355_443),
            run(CacheState::Absent, THROUGHPUT_BYTES, 3_355_443),
            run(CacheState::Hit, THROUGHPUT_BYTES - 1, 3_355_443),
            run(CacheState::Hit, THROUGHPUT_BYTES, 0),
            EndpointOutcome::undialled(EndpointResult::Unsent(SendFailure::Local)),
        ] {
            assert_eq!(none.mbps(Check::Throughput), None, "{none:?}");
            assert_eq!(none.throughput_us(Check::Throughput), None, "{none:?}");
        }
    }
}
