//! Outages of one node's check, from what every vantage saw.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::roster::count_networks;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use isochrone_watch::health::{NETWORKS, VANTAGES};

/// A vantage fails in `[from, until)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) probe: ProbeId,
    pub(super) network: Option<u32>,
    pub(super) from: UnixMillis,
    pub(super) until: UnixMillis,
    pub(super) is_open: bool,
    /// How long its runs stay fresh.
    pub(super) fresh_ms: u64,
}

/// Enough vantages fail at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) start: UnixMillis,
    pub(super) end: UnixMillis,
    pub(super) is_open: bool,
    pub(super) vantages: BTreeSet<ProbeId>,
}

/// Sweeps over the periods: an outage is where they are of two networks (or of two vantages, while the mesh has
/// one network; `mesh_networks` says how many it has at an instant). It begins with the first failure that is
/// still fresh at its completion.
pub(super) fn sweep(periods: &[Period], mesh_networks: impl Fn(UnixMillis) -> usize) -> Vec<Outage> {
    let mut edges: Vec<UnixMillis> = periods
        .iter()
        .flat_map(|period| [period.from, period.until])
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let mut outages: Vec<Outage> = Vec::new();
    for pair in edges.windows(2) {
        let (from, until) = (pair[0], pair[1]);
        let failing: Vec<_> = periods
            .iter()
            .filter(|period| period.from <= from && until <= period.until)
            .collect();
        if !is_quorum(&failing, || mesh_networks(from)) {
            continue;
        }
        let vantages = failing.iter().map(|period| period.probe);
        let is_open = failing
            .iter()
            .any(|period| period.is_open && period.until == until);
        match outages.last_mut().filter(|outage| outage.end == from) {
            Some(outage) => {
                (outage.end, outage.is_open) = (until, is_open);
                outage.vantages.extend(vantages);
            }
            None => {
                let reach_ms = failing.iter().map(|period| period.fresh_ms).max().unwrap_or(0);
                let near = failing.iter().map(|period| period.from);
                let near = near.filter(|first| first.0 + reach_ms >= from.0);
                let earliest = outages.last().map_or(UnixMillis(0), |outage| outage.end);
                outages.push(Outage {
                    start: near.min().unwrap_or(from).max(earliest),
                    end: until,
                    is_open,
                    vantages: vantages.collect(),
                });
            }
        }
    }
    outages
}

/// Joins the outages of several kinds of one check where they overlap or touch.
pub(super) fn join(mut outages: Vec<Outage>) -> Vec<Outage> {
    outages.sort_by_key(|outage| (outage.start, outage.end));
    let mut joined: Vec<Outage> = Vec::new();
    for outage in outages {
        match joined.last_mut().filter(|last| outage.start <= last.end) {
            Some(last) => {
                if outage.end >= last.end {
                    (last.end, last.is_open) = (outage.end, outage.is_open || last.is_open);
                }
                last.vantages.extend(outage.vantages);
            }
            None => joined.push(outage),
        }
    }
    joined
}

fn is_quorum(failing: &[&Period], mesh_networks: impl Fn() -> usize) -> bool {
    let vantages: BTreeMap<_, _> = failing
        .iter()
        .map(|period| (period.probe, period.network))
        .collect();
    let enough = vantages.len() >= VANTAGES;
    count_networks(vantages.into_values()) >= NETWORKS || (enough && mesh_networks() < NETWORKS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn period(probe: u64, network: u32, from: u64, until: u64) -> Period {
        Period {
            probe: ProbeId(probe),
            network: Some(network),
            from: UnixMillis(from),
            until: UnixMillis(until),
            is_open: false,
            fresh_ms: 0,
        }
    }

    fn spans(outages: &[Outage]) -> Vec<(u64, u64)> {
        outages
            .iter()
            .map(|outage| (outage.start.0, outage.end.0))
            .collect()
    }

    #[test]
    fn outage_is_where_two_networks_fail() {
        let periods = [period(1, 1, 10, 50), period(2, 2, 20, 60), period(3, 2, 0, 100)];
        assert_eq!(spans(&sweep(&periods, |_| 3)), [(10, 50)]);
        let reaching = periods.map(|period| Period {
            fresh_ms: 10,
            ..period
        });
        assert_eq!(
            spans(&sweep(&reaching, |_| 3)),
            [(0, 50)],
            "begins with a failure near by"
        );
        assert!(sweep(&periods[1..], |_| 3).is_empty(), "one network of three");
        assert_eq!(
            spans(&sweep(&periods[1..], |_| 1)),
            [(20, 60)],
            "two vantages where there is no second"
        );
        let joined_at_40 = |at| if at < UnixMillis(40) { 1 } else { 2 };

        assert_eq!(
            spans(&sweep(&periods[1..], joined_at_40)),
            [(20, 60)],
            "it began when there was no second network"
        );
    }

    #[test]
    fn outages_of_two_kinds_are_joined_where_they_overlap() {
        let outage = |start, end| Outage {
            start: UnixMillis(start),
            end: UnixMillis(end),
            is_open: false,
            vantages: BTreeSet::from([ProbeId(start)]),
        };
        let joined = join(vec![outage(30, 40), outage(0, 20), outage(10, 25)]);
        assert_eq!(spans(&joined), [(0, 25), (30, 40)]);
        assert_eq!(joined[0].vantages.len(), 2);
    }

    proptest! {
        /// The oracle asks at every instant how many networks fail.
        #[test]
        fn sweep_agrees_with_the_oracle(
            rows in prop::collection::vec((0u64..6, 0u64..50, 1u64..20), 0..12),
            networks in 1usize..3,
        ) {
            let periods: Vec<_> = rows
                .iter()
                .map(|&(probe, from, length)| period(probe, probe as u32 % 3, from, from + length))
                .collect();
            let outages = sweep(&periods, |_| networks);
            for instant in 0..80u64 {
                let failing: BTreeMap<u64, u32> = periods
                    .iter()
                    .filter(|p| p.from.0 <= instant && instant < p.until.0)
                    .map(|p| (p.probe.0, p.network.unwrap()))
                    .collect();
                let of: BTreeSet<_> = failing.values().collect();
                let expected = of.len() >= 2 || (networks < 2 && failing.len() >= 2);
                let got = outages.iter().any(|o| o.start.0 <= instant && instant < o.end.0);
                prop_assert_eq!(got, expected, "at {}", instant);
            }
        }
    }
}
