//! Rules about families: what they say of themselves, and whom they serve.

use isochrone_base::words::count;

use super::Found;
use crate::facts::{Facts, Reach};
use crate::rule::{Rule, Subject};
use crate::topology::{Area, Family, Topology};
use crate::whereabouts::is_code;

/// So many vantages in a family's areas are needed to speak of its users.
const VANTAGES_MIN: usize = 2;

pub(super) fn judge(topology: &Topology, facts: &Facts, found: &mut Found) {
    for family in &topology.families {
        described(family, found);
        let is_on = family.buckets.iter().any(|bucket| bucket.distributing);
        if !is_on && !family.partial {
            let says = format!("No bucket of {} is on: it sends users nowhere.", family.label());
            let buckets = count(family.buckets.len(), "bucket");
            found
                .add(Rule::NothingDistributing, Subject::Family(family.id), says)
                .because(format!("It has {buckets}, none of them distributing."));
        }
        if is_on && let Some(reach) = facts.reach.get(&family.id) {
            served(topology, family, reach, found);
        }
    }
}

fn described(family: &Family, found: &mut Found) {
    let subject = Subject::Family(family.id);
    let label = family.label();
    if family.region.trim().is_empty() {
        let says = format!("{} has no name of a region.", capital(&label));
        found.add(Rule::NoRegion, subject.clone(), says);
    }
    let is_continent = |area: &Area| matches!(area, Area::Continent(_));
    if family.areas.is_empty() {
        let says = format!("{} names no area that it is meant to serve.", capital(&label));
        found.add(Rule::NoAreas, subject.clone(), says);
    } else if family.areas.iter().all(is_continent) {
        let areas: Vec<&str> = family.areas.iter().map(Area::code).collect();
        let says = format!(
            "The areas of {label} are continents only: a family that is meant for all of a continent is best for a part of it."
        );
        found
            .add(Rule::OnlyContinents, subject.clone(), says)
            .because(format!("Its areas: {}.", areas.join(", ")));
    }
    let bad: Vec<String> = family
        .areas
        .iter()
        .filter(|area| !is_code(area))
        .take(6)
        .map(|area| format!("{} {:?}", area.key(), area.code()))
        .collect();
    if !bad.is_empty() {
        let says = format!("An area of {label} has a code that means nothing.");
        found
            .add(Rule::BadArea, subject.clone(), says)
            .because(format!("{}.", bad.join(", ")));
    }
    if family
        .latency_test_targets
        .iter()
        .all(|target| target.trim().is_empty())
    {
        let says = format!(
            "{} names nobody whom a user's program could time (latencyTestTargets).",
            capital(&label)
        );
        found.add(Rule::NoLatencyTargets, subject, says);
    }
}

fn served(topology: &Topology, family: &Family, reach: &Reach, found: &mut Found) {
    if reach.vantages < VANTAGES_MIN || reach.best > 0 {
        return;
    }
    let says = format!(
        "None of the {} in the areas of {} is served best by it.",
        count(reach.vantages, "vantage"),
        family.label()
    );
    let finding = found.add(Rule::ServesNobodyBest, Subject::Family(family.id), says);
    for (other, vantages) in &reach.instead {
        let label = topology
            .family(*other)
            .map_or_else(|| format!("family {other}"), Family::label);
        finding.because(format!(
            "A node of {label} answers {} soonest.",
            count(*vantages, "vantage")
        ));
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}
