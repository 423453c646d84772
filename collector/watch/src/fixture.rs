//! A monitor for the tests of other crates.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use isochrone_base::roster::Roster;
use isochrone_proto::units::UnixMillis;
use isochrone_store::Store;

use crate::alert::Outbox;
use crate::judge::Patience;
use crate::monitor::{Monitor, MonitorParts};

/// One that begins now over what `store` holds, with nobody to tell.
pub fn monitor(store: &Store, roster: &Roster, now: UnixMillis) -> Monitor {
    let parts = MonitorParts {
        patience: Patience::default(),
        outbox: Outbox::open(store, vec![], now).unwrap(),
        collector: "lead".to_owned(),
        longest_interval: Duration::ZERO,
        roster: roster.clone(),
    };
    Monitor::open(store, parts, now).unwrap()
}
