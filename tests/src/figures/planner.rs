//! Planning: what a full draft of every probe's plan takes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use isochrone_planner::draft::{Draft, Drafted, HostPrefixes, Participant, PlanInput, Seats};
use isochrone_planner::pace::Pace;
use isochrone_planner::targets::{Node, Targets};
use isochrone_proto::echo::{KeyEpoch, ResponderSecret};
use isochrone_proto::ids::ProbeId;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::process::thread_ns;
use super::{Bound, Figure, Measured};
use crate::statistics::median;

/// This module's figures.
pub const FIGURES: &[Figure] = &[
    Figure::quick(&["planner.draft_200_ms"], || {
        draft("planner.draft_200_ms", (200, NODES), 41, Some(5.0))
    }),
    Figure::quick(&["planner.draft_5000_ms"], || {
        draft("planner.draft_5000_ms", (5_000, NODES), 9, Some(500.0))
    }),
    Figure::quick(&["planner.draft_500_nodes_ms"], || {
        draft("planner.draft_500_nodes_ms", (1_000, 500), 9, None)
    }),
    Figure::quick(&["planner.join_ms", "planner.leave_ms"], || change(5_000, 9)),
];

const NODES: usize = 20;
const COUNTRIES: usize = 60;

fn draft(
    name: &'static str,
    (probes, nodes): (usize, usize),
    rounds: usize,
    most_ms: Option<f64>,
) -> Result<Vec<Measured>> {
    let input = input(probes, nodes)?;
    let before = input.draft(&Seats::default());
    ensure!(before.drafts.len() == probes, "a plan for each probe");
    let (ms, again) = timed(&input, &before.seats, rounds)?;
    ensure!(
        again.drafts == before.drafts,
        "the same input gives the same plans"
    );
    let checks: usize = before.drafts.iter().map(|(_, draft)| draft.checks.len()).sum();
    Ok(vec![Measured {
        name: name.into(),
        value: ms,
        unit: "ms",
        how: format!(
            "processor time of drafting every plan anew: {probes} probes in {COUNTRIES} countries, a third with IPv6, {nodes} nodes, {checks} checks; median of {rounds}"
        ),
        bound: most_ms.map(Bound::AtMost),
    }])
}

/// A probe joins, and one leaves.
fn change(probes: usize, rounds: usize) -> Result<Vec<Measured>> {
    let mut input = input(probes + 1, NODES)?;
    let joined = input.probes.pop().context("one more")?;
    let before = input.draft(&Seats::default());
    input.probes.push(joined);
    let (join_ms, with) = timed(&input, &before.seats, rounds)?;
    input.probes.pop();
    let (leave_ms, without) = timed(&input, &with.seats, rounds)?;
    let changed = |one: &Drafted, other: &Drafted| {
        let known: BTreeMap<ProbeId, &Draft> = one.drafts.iter().map(|(id, draft)| (*id, draft)).collect();
        let drafts = other.drafts.iter();
        drafts.filter(|(id, draft)| known.get(id) != Some(&draft)).count()
    };
    let measured = |name: &'static str, value, plans| Measured {
        name: name.into(),
        value,
        unit: "ms",
        how: format!(
            "processor time; {probes} probes, {NODES} nodes, {plans} plans change; median of {rounds}"
        ),
        bound: None,
    };
    Ok(vec![
        measured("planner.join_ms", join_ms, changed(&before, &with)),
        measured("planner.leave_ms", leave_ms, changed(&with, &without)),
    ])
}

/// Milliseconds of processor time that drafting takes, the median of `rounds`, and what comes of it.
fn timed(input: &PlanInput, before: &Seats, rounds: usize) -> Result<(f64, Drafted)> {
    let mut taken = Vec::with_capacity(rounds);
    loop {
        let started = thread_ns()?;
        let drafted = input.draft(before);
        taken.push((thread_ns()? - started) as f64 / 1e6);
        if taken.len() >= rounds {
            return Ok((median(&taken), drafted));
        }
    }
}

/// Probes of many countries and networks, and nodes as they usually are.
fn input(probes: usize, nodes: usize) -> Result<PlanInput> {
    let mut random = StdRng::seed_from_u64(8);
    Ok(PlanInput {
        probes: (0..probes).map(|place| participant(place, &mut random)).collect(),
        nodes: nodes_of(nodes)?,
        candidates: Vec::new(),
        pace: Pace::default(),
        prefixes: HostPrefixes::default(),
        downloads: BTreeSet::new(),
    })
}

fn participant(place: usize, random: &mut StdRng) -> Participant {
    let [high, low] = (place as u16).to_be_bytes();
    let has_v6 = random.random_ratio(1, 3);
    Participant {
        id: ProbeId(random.random()),
        name: format!("worker-{place}-city"),
        worker: format!("worker-{place}"),
        country: Some(format!("C{}", random.random_range(0..COUNTRIES))),
        network: Some(64_500 + random.random_range(0..200)),
        secrets: vec![(KeyEpoch(1), ResponderSecret(random.random()))],
        known_secret: Some(KeyEpoch(1)),
        unread: Vec::new(),
        v4: Some(std::net::SocketAddrV4::new([198, high, low, 1].into(), 7_472)),
        v6: has_v6.then(|| {
            let address = [0x2001, 0xdb8, place as u16, 0, 0, 0, 0, 1].into();
            std::net::SocketAddrV6::new(address, 7_472, 0, 0)
        }),
    }
}

fn nodes_of(count: usize) -> Result<Vec<Node>> {
    let node = |number: usize| {
        format!(
            "[[node]]\nnode = \"node-{number}\"\nkind = \"argus\"\nurl = \"https://n{number}.example.org/\"\n\
             worker = \"worker-{number}\"\nlatitude = 1.0\nlongitude = 1.0\nasset = \"1343\"\n"
        )
    };
    let text: String = (0..count).map(node).collect();
    let targets = Targets::parse(&text, Path::new("targets.toml")).context("the sample's nodes")?;
    Ok(targets.nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_are_timed_and_hold_what_they_should() {
        let measured = draft("planner.draft_200_ms", (60, NODES), 1, None).unwrap();
        assert!(measured[0].value > 0.0);
        let drafted = input(60, NODES).unwrap().draft(&Seats::default());
        assert!(drafted.limits.left_out.is_empty() && drafted.limits.stretches.is_empty());
        assert_eq!(drafted.seats.of("node-3").len(), 20);
    }
}
