//! A probe as a vantage: who it is, where it stands, and its own line.

use std::net::IpAddr;

use isochrone_base::roster::ProbeEntry;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::Family;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::line::Line;

/// One probe.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Vantage {
    pub(super) probe: ProbeId,
    /// `None` for one that the roster does not know: it judges nobody.
    #[serde(skip)]
    pub(super) entry: Option<ProbeEntry>,
    /// Its worker's number in the engine.
    pub(super) worker: Option<usize>,
    /// Where its sessions come from, by family.
    pub(super) addresses: [Option<IpAddr>; 2],
    /// A batch of it arrived last.
    pub(super) heard: UnixMillis,
    /// Nothing was asked of it at that time: its silence begins later.
    pub(super) excused: UnixMillis,
    pub(super) session: Session,
    /// Places of its cells.
    pub(super) cells: Vec<usize>,
    pub(super) lines: [Line; 2],
    /// The shortest interval of its checks says how long it may be quiet.
    pub(super) quiet_ms: u64,
    /// A batch named its plan since the engine began.
    pub(super) is_plan_known: bool,
}

/// Its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Session {
    /// Nothing was ever said of it.
    Unknown,
    /// It stands.
    Up,
    /// It ended then.
    Down(UnixMillis),
}

/// Place of a family in arrays.
pub(super) const fn of(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

/// Both, in the order of arrays.
pub(crate) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

impl Vantage {
    pub(super) fn new(probe: ProbeId) -> Self {
        Self {
            probe,
            entry: None,
            worker: None,
            addresses: [None; 2],
            heard: UnixMillis(0),
            excused: UnixMillis(0),
            session: Session::Unknown,
            cells: Vec::new(),
            lines: [Line::default(), Line::default()],
            quiet_ms: u64::MAX,
            is_plan_known: false,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.active)
    }

    pub(super) fn network(&self) -> Option<u32> {
        self.entry.as_ref().and_then(|entry| entry.network)
    }
}

/// How long light needs between two places, there and back, in microseconds; 0 if one is not known. Places are
/// cities: 50 km are forgiven.
pub(super) fn light_us(one: (Option<f64>, Option<f64>), other: (Option<f64>, Option<f64>)) -> u32 {
    const EARTH_KM: f64 = 6_371.0;
    const KM_PER_MS: f64 = 299.792;
    const FORGIVEN_KM: f64 = 50.0;
    let ((Some(lat1), Some(lon1)), (Some(lat2), Some(lon2))) = (one, other) else {
        return 0;
    };
    let (lat1, lat2) = (lat1.to_radians(), lat2.to_radians());
    let (north, east) = ((lat2 - lat1) / 2.0, (lon2 - lon1).to_radians() / 2.0);
    let chord = north.sin().powi(2) + lat1.cos() * lat2.cos() * east.sin().powi(2);
    let km = 2.0 * EARTH_KM * chord.sqrt().clamp(0.0, 1.0).asin();
    let ms = 2.0 * (km - FORGIVEN_KM).max(0.0) / KM_PER_MS;
    (ms * 1_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_needs_a_tenth_of_a_second_half_around_the_earth_and_back() {
        let berlin = (Some(52.52), Some(13.4));
        let antipode = (Some(-52.52), Some(-166.6));
        let us = light_us(berlin, antipode);
        assert!((130_000..134_000).contains(&us), "{us}");
        assert_eq!(light_us(berlin, berlin), 0);
        assert_eq!(light_us(berlin, (None, Some(1.0))), 0);
    }
}
