//! Networks near a wanted eye in which RIPE Atlas has probes and nothing was measured, by its list of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use isochrone_borrowed::lent::{Lent, lent};
use isochrone_borrowed::{Probes, Refusals, open};
use isochrone_coverage::geo::Position;
use isochrone_coverage::observations::Network;
use isochrone_coverage::report::gaps::{Gaps, NetworkThere};

use crate::cli::GapsArgs;
use crate::commands::CommandError;

/// A probe as far away as this still stands in the city's region.
const NEAR_KM: f64 = 300.0;
/// So many networks are named of one place.
const NAMED: usize = 3;

/// Reads the lists that `--probes` names, so that what they add up to goes along with the command.
///
/// # Errors
/// When one cannot be read, or holds no probes.
pub fn read_probe_lists(args: &mut GapsArgs) -> Result<(), CommandError> {
    let mut probes = Probes::default();
    for path in &args.probes {
        let wrong = |source| CommandError::ProbeList {
            path: path.clone(),
            source,
        };
        let mut refusals = Refusals::default();
        let list = File::open(path).and_then(open).map_err(wrong)?;
        probes.read(list, &mut refusals).map_err(wrong)?;
        if probes.used().next().is_none() {
            return Err(CommandError::NoProbesListed { path: path.clone() });
        }
    }
    args.lent = lent(&probes);
    Ok(())
}

/// Names the networks of each wanted eye: the most probes first, and first of all one that no eye before it was given.
pub(super) fn name(gaps: &mut Gaps, lent: &[Lent]) {
    let mut given: BTreeSet<(String, u32)> = BTreeSet::new();
    for eye in &mut gaps.eyes {
        let country = eye.country.to_string();
        let mut there: BTreeMap<u32, u32> = BTreeMap::new();
        for one in lent.iter().filter(|one| one.country == country) {
            let stands = Position::new(one.latitude.into(), one.longitude.into());
            let is_near = stands.is_some_and(|stands| stands.distance_km(eye.position) <= NEAR_KM);
            if is_near && !eye.known_networks.contains(&Network(one.network)) {
                *there.entry(one.network).or_default() += one.vantages;
            }
        }
        let mut there: Vec<(u32, u32)> = there.into_iter().collect();
        there.sort_by_key(|&(network, vantages)| {
            (
                given.contains(&(country.clone(), network)),
                std::cmp::Reverse(vantages),
                network,
            )
        });
        there.truncate(NAMED);
        given.extend(there.first().map(|&(network, _)| (country, network)));
        eye.networks = there
            .into_iter()
            .map(|(network, vantages)| NetworkThere {
                network: Network(network),
                vantages,
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::draft::tests::{eye, gaps};
    use super::*;

    fn lent(country: &str, latitude: i16, network: u32, vantages: u32) -> Lent {
        Lent {
            country: country.to_owned(),
            latitude,
            longitude: 3,
            network,
            vantages,
        }
    }

    #[test]
    fn networks_nearby_that_nobody_measured_are_named_and_no_two_eyes_begin_with_the_same() {
        let mut wanted = eye("Lagos", "NG"); // at 6.5, 3.4
        wanted.known_networks = vec![Network(64_500)];
        let mut gaps = gaps(vec![wanted, eye("Ibadan", "NG"), eye("Accra", "GH")]);
        let list = [
            lent("NG", 6, 64_500, 9),
            lent("NG", 6, 64_501, 2),
            lent("NG", 7, 64_501, 2),
            lent("NG", 7, 64_502, 3),
            lent("NG", 12, 64_503, 8), // 600 km away
            lent("BJ", 6, 64_504, 8),
        ];
        name(&mut gaps, &list);
        let named = |at: usize| -> Vec<(u32, u32)> {
            let networks = gaps.eyes[at].networks.iter();
            networks.map(|one| (one.network.0, one.vantages)).collect()
        };
        assert_eq!(named(0), [(64_501, 4), (64_502, 3)]);
        assert_eq!(named(1), [(64_500, 9), (64_502, 3), (64_501, 4)]);
        assert_eq!(named(2), []);
    }
}
