//! What the mesh's times say of the chain: claimed places that light forbids, whose users a node is near to, and whom each
//! family serves best. Vantages stand for users; they are servers, and the report says so.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_coverage::locate::{SiteKind, Survey, Surveyed};

use crate::endpoint::Endpoint;
use crate::facts::{Misplaced, Nearest, Reach};
use crate::topology::{Claim, OperatorId, Status, Topology};
use crate::whereabouts::Whereabouts;

/// Claims of one node that differ are judged so often at most.
const ROUNDS_MAX: usize = 4;
/// Witnesses that are told of one place.
const WITNESSES_TOLD: usize = 4;

/// What follows.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// By operator: why its claimed place cannot be.
    pub misplaced: BTreeMap<OperatorId, Misplaced>,
    /// By endpoint: whose users are nearest.
    pub nearest: BTreeMap<Endpoint, Nearest>,
    /// By family: whom it serves.
    pub reach: BTreeMap<u32, Reach>,
}

/// Judges `topology` by `survey`. `names`: by endpoint, the node's name in the survey.
#[must_use]
pub fn measured(topology: &Topology, survey: &Survey, names: &BTreeMap<Endpoint, String>) -> Measured {
    let sites: BTreeMap<&str, usize> = survey
        .sites
        .iter()
        .enumerate()
        .filter(|(_, site)| site.kind == SiteKind::Node)
        .map(|(at, site)| (site.name.as_str(), at))
        .collect();
    let mut claims: Vec<(OperatorId, &Claim, usize, Endpoint)> = Vec::new();
    for (_, bucket, operator) in topology.operators() {
        let Some(endpoint) = operator.endpoint().filter(|_| operator.status == Status::Active) else {
            continue;
        };
        let site = names.get(&endpoint).and_then(|name| sites.get(name.as_str()));
        if let Some(&site) = site {
            claims.push((bucket.operator_id(operator), &operator.place, site, endpoint));
        }
    }
    let mut measured = Measured::default();
    misplaced(survey, &claims, &mut measured);
    distances(topology, survey, &claims, &mut measured);
    measured
}

/// Places as the chain claims them, judged by light as all places are.
fn misplaced(survey: &Survey, claims: &[(OperatorId, &Claim, usize, Endpoint)], measured: &mut Measured) {
    let mut waiting: Vec<_> = claims
        .iter()
        .filter(|(_, claim, ..)| claim.position().is_some())
        .collect();
    for _ in 0..ROUNDS_MAX {
        let mut placed: BTreeMap<usize, &Claim> = BTreeMap::new();
        let mut judged = Vec::new();
        waiting.retain(|one| {
            let (_, claim, site, _) = one;
            let is_now = *placed.entry(*site).or_insert(claim) == *claim;
            if is_now {
                judged.push(*one);
            }
            !is_now
        });
        if judged.is_empty() {
            return;
        }
        let mut survey = survey.clone();
        for (site, claim) in placed {
            if let Some(position) = claim.position() {
                survey.sites[site].place.position = position;
            }
        }
        let surveyed = survey.judge(&[]);
        for (operator, _, site, _) in judged {
            if let Some(found) = of_site(&surveyed, *site) {
                measured.misplaced.insert(*operator, found);
            }
        }
    }
}

fn of_site(surveyed: &Surveyed, site: usize) -> Option<Misplaced> {
    let found = surveyed.impossible.get(&site)?;
    let name = |site: usize| surveyed.survey.sites[site].name.as_str();
    let told = found.contradictions.iter().take(WITNESSES_TOLD);
    let witnesses = told.map(|one| {
        format!(
            "It answered {} in {:.1} ms; light needs {:.0} ms for the {:.0} km.",
            name(one.witness),
            one.rtt_ms,
            one.least_ms,
            one.km
        )
    });
    Some(Misplaced {
        witnesses: witnesses.collect(),
        probably: found.estimate.as_ref().map(|estimate| estimate.position),
        meant: surveyed.location.sites[site]
            .suggestion
            .map(|meant| meant.position),
    })
}

/// A vantage's soonest nodes.
type Times = BTreeMap<usize, BTreeMap<usize, f64>>;

fn distances(
    topology: &Topology,
    survey: &Survey,
    claims: &[(OperatorId, &Claim, usize, Endpoint)],
    measured: &mut Measured,
) {
    let of_node: BTreeMap<usize, &Endpoint> = claims
        .iter()
        .map(|(_, _, site, endpoint)| (*site, endpoint))
        .collect();
    let mut times: Times = BTreeMap::new(); // by vantage, then node
    for pair in &survey.pairs {
        for (vantage, node) in [(pair.a, pair.b), (pair.b, pair.a)] {
            let is_vantage = survey.sites[vantage].kind == SiteKind::Probe;
            if is_vantage && of_node.contains_key(&node) {
                let shortest = times
                    .entry(vantage)
                    .or_default()
                    .entry(node)
                    .or_insert(pair.rtt_ms);
                *shortest = shortest.min(pair.rtt_ms);
            }
        }
    }
    let whereabouts: BTreeMap<usize, Whereabouts> = times
        .keys()
        .filter_map(|vantage| Some((*vantage, Whereabouts::at(survey.sites[*vantage].place.position)?)))
        .collect();
    let inside: BTreeMap<u32, BTreeSet<usize>> = topology
        .families
        .iter()
        .map(|family| {
            let is_in = |here: &Whereabouts| family.areas.iter().any(|area| here.is_in(area));
            let vantages = whereabouts.iter().filter(|(_, here)| is_in(here));
            (family.id, vantages.map(|(vantage, _)| *vantage).collect())
        })
        .collect();
    for (site, endpoint) in &of_node {
        if let Some(nearest) = nearest(survey, &times, &inside, *site) {
            measured.nearest.insert((*endpoint).clone(), nearest);
        }
    }
    reach(topology, claims, &times, &inside, &whereabouts, measured);
}

fn nearest(
    survey: &Survey,
    times: &Times,
    inside: &BTreeMap<u32, BTreeSet<usize>>,
    node: usize,
) -> Option<Nearest> {
    let name = |vantage: usize| survey.sites[vantage].name.clone();
    let mut soonest: BTreeMap<u32, (usize, f64)> = BTreeMap::new();
    for (family, vantages) in inside {
        let timed = vantages
            .iter()
            .filter_map(|vantage| Some((*vantage, *times.get(vantage)?.get(&node)?)));
        if let Some(best) = timed.min_by(|a, b| a.1.total_cmp(&b.1)) {
            soonest.insert(*family, best);
        }
    }
    let (family, (vantage, ms)) = soonest.iter().min_by(|a, b| a.1.1.total_cmp(&b.1.1))?;
    Some(Nearest {
        family: *family,
        vantage: name(*vantage),
        ms: *ms,
        others: soonest
            .iter()
            .map(|(family, (vantage, ms))| (*family, (name(*vantage), *ms)))
            .collect(),
    })
}

fn reach(
    topology: &Topology,
    claims: &[(OperatorId, &Claim, usize, Endpoint)],
    times: &Times,
    inside: &BTreeMap<u32, BTreeSet<usize>>,
    whereabouts: &BTreeMap<usize, Whereabouts>,
    measured: &mut Measured,
) {
    let on: BTreeSet<_> = topology
        .buckets()
        .filter(|(_, bucket)| bucket.distributing)
        .map(|(_, bucket)| bucket.id)
        .collect();
    let mut families_of: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
    for (operator, _, site, _) in claims
        .iter()
        .filter(|(operator, ..)| on.contains(&operator.bucket))
    {
        families_of
            .entry(*site)
            .or_default()
            .insert(operator.bucket.family);
    }
    let served = families_of.values().flatten().copied().collect::<BTreeSet<u32>>();
    measured.reach = served.iter().map(|family| (*family, Reach::default())).collect();
    for (vantage, nodes) in times {
        let seen = nodes
            .iter()
            .filter_map(|(node, ms)| Some((families_of.get(node)?, *ms)));
        let Some((best, _)) = seen.clone().min_by(|a, b| a.1.total_cmp(&b.1)) else {
            continue;
        };
        let country = whereabouts.get(vantage).map(|here| here.city.country.to_string());
        for family in best {
            if let (Some(reach), Some(country)) = (measured.reach.get_mut(family), &country) {
                *reach.countries.entry(country.clone()).or_default() += 1;
            }
        }
        let measures: BTreeSet<u32> = seen.flat_map(|(families, _)| families).copied().collect();
        for (family, vantages) in inside {
            let Some(reach) = measured
                .reach
                .get_mut(family)
                .filter(|_| vantages.contains(vantage))
            else {
                continue;
            };
            if !measures.contains(family) {
                continue; // it cannot say how this family would do
            }
            reach.vantages += 1;
            match best.contains(family) {
                true => reach.best += 1,
                false => best
                    .iter()
                    .for_each(|other| *reach.instead.entry(*other).or_default() += 1),
            }
        }
    }
}

#[cfg(test)]
mod tests;
