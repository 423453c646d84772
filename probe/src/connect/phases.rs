//! Where a connection's time went. The phases add up to the whole.

use std::time::{Duration, Instant};

use isochrone_proto::measurement::ConnectPhases;

use crate::reach::{Spans, Stopwatch, whole_micros};

/// The phases of a connection that stood. Their sum is the total, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    spans: Spans,
    unattributed: Duration,
    total: Duration,
}

impl Phases {
    /// Of an attempt that reached its endpoint at `end`. `None` if the clock ran backwards.
    pub(super) fn of(watch: &Stopwatch, end: Instant) -> Option<Self> {
        let (spans, total) = (watch.spans()?, watch.total(end)?);
        Some(Self {
            spans,
            unattributed: total.checked_sub(spans.sum())?,
            total,
        })
    }

    /// Name to address; 0 where the URL holds an address.
    pub fn resolve(&self) -> Duration {
        self.spans.resolve
    }

    /// TCP connect: SYN out to SYN-ACK in, one round trip of the network.
    pub fn connect(&self) -> Duration {
        self.spans.connect
    }

    /// TLS handshake; 0 over plain HTTP.
    pub fn tls(&self) -> Duration {
        self.spans.tls
    }

    /// What lies between the phases: this machine's own delays.
    pub fn unattributed(&self) -> Duration {
        self.unattributed
    }

    /// Start to the end of the last handshake.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// Names and durations in order, without the total.
    pub fn parts(&self) -> [(&'static str, Duration); 4] {
        [
            ("resolve", self.spans.resolve),
            ("connect", self.spans.connect),
            ("tls", self.spans.tls),
            ("unattributed", self.unattributed),
        ]
    }

    /// As it is stored and sent; `None` above 100 s.
    pub(super) fn to_wire(self) -> Option<ConnectPhases> {
        let parts = [self.spans.resolve, self.spans.connect, self.spans.tls];
        let ([resolve, connect, tls], unattributed) = whole_micros(parts, self.total)?;
        Some(ConnectPhases {
            resolve,
            connect,
            tls,
            unattributed,
        })
    }
}
