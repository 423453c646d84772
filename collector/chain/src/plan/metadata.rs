//! Families described anew: areas and latency targets as measurements have them.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::words::count;
use serde_json::{Map, Value, json};

use super::{Act, Draft};
use crate::facts::Standing;
use crate::rule::{Rule, Subject};
use crate::topology::{Area, Family};
use crate::whereabouts::{Whereabouts, is_code, words};

/// So many hosts are proposed to be timed.
const TARGETS: usize = 5;
/// What a family's description can mend.
const RULES: [Rule; 4] = [
    Rule::NoAreas,
    Rule::OnlyContinents,
    Rule::BadArea,
    Rule::NoLatencyTargets,
];

pub(super) fn draft(draft: &mut Draft<'_>) {
    for family in &draft.topology.families {
        let subject = Subject::Family(family.id);
        let of: Vec<_> = RULES
            .into_iter()
            .filter(|rule| draft.has(*rule, &subject))
            .map(|rule| (rule, subject.clone()))
            .collect();
        if of.is_empty() {
            continue;
        }
        if family.altered {
            let what = format!(
                "Describe {} by hand: its metadata holds texts that are not kept letter by letter here, and the command writes all of it.",
                family.label()
            );
            draft.add(Act::Later { what }, "", of);
            continue;
        }
        let (areas, why_areas) = areas(draft, family);
        let (targets, why_targets) = targets(draft, family);
        if areas == family.areas && targets == family.latency_test_targets {
            let what = format!(
                "Describe {} by hand: nothing measured says which areas it serves.",
                family.label()
            );
            draft.add(Act::Later { what }, "", of);
            continue;
        }
        let reason = [why_areas, why_targets]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ");
        let act = Act::DescribeFamily {
            family: family.id,
            metadata: document(family, &areas, &targets),
        };
        draft.add(act, reason, of);
    }
}

/// As the chain's command reads it. What is empty is left out: the command keeps it.
fn document(family: &Family, areas: &[Area], targets: &[String]) -> Value {
    let mut document = Map::new();
    for (key, text) in [("region", &family.region), ("description", &family.description)] {
        if !text.is_empty() {
            document.insert(key.to_owned(), json!(text));
        }
    }
    let areas: Vec<Value> = areas
        .iter()
        .map(|area| json!({ area.key(): area.code() }))
        .collect();
    if !areas.is_empty() {
        document.insert("areas".to_owned(), areas.into());
    }
    if !targets.is_empty() {
        document.insert("latencyTestTargets".to_owned(), json!(targets));
    }
    document.into()
}

fn areas(draft: &Draft<'_>, family: &Family) -> (Vec<Area>, Option<String>) {
    let sound: Vec<Area> = family
        .areas
        .iter()
        .filter(|area| is_code(area))
        .cloned()
        .collect();
    let is_fine = sound.iter().any(|area| !matches!(area, Area::Continent(_)));
    if is_fine {
        let dropped = family.areas.len() - sound.len();
        let why = (dropped > 0).then(|| format!("{} without meaning goes.", count(dropped, "area")));
        return (sound, why);
    }
    let measured = draft.facts.reach.get(&family.id).map(|reach| &reach.countries);
    if let Some(countries) = measured.filter(|countries| !countries.is_empty()) {
        let vantages: usize = countries.values().sum();
        let areas = countries.keys().cloned().map(Area::Country).collect();
        let why = format!(
            "Its nodes answer {} in {} soonest: these are proposed as its areas; countries without a vantage are for you to add.",
            count(vantages, "vantage"),
            names(countries.keys())
        );
        return (areas, Some(why));
    }
    let countries: BTreeSet<String> = places(draft, family);
    if countries.is_empty() {
        return (family.areas.clone(), None);
    }
    let why = format!(
        "Nobody measured whom it serves best; its nodes stand in {}, and that is proposed as its areas.",
        names(countries.iter())
    );
    (countries.into_iter().map(Area::Country).collect(), Some(why))
}

fn names<'a>(codes: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = codes.map(|code| words(&Area::Country(code.clone()))).collect();
    names.join(", ")
}

/// The countries in which its nodes stand, of those that nothing contradicts.
fn places(draft: &Draft<'_>, family: &Family) -> BTreeSet<String> {
    let mut countries = BTreeMap::new();
    for bucket in &family.buckets {
        for operator in bucket.active() {
            let subject = Subject::Operator(bucket.operator_id(operator));
            let doubts = [
                Rule::Measured,
                Rule::SwappedPlace,
                Rule::InvalidPlace,
                Rule::OtherCountry,
                Rule::OutsideAreas,
                Rule::AnotherFamilyNearer,
            ];
            if doubts.iter().any(|rule| draft.has(*rule, &subject)) {
                continue;
            }
            if let Some(here) =
                Whereabouts::of(&operator.place).filter(|here| here.km <= crate::whereabouts::COUNTRY_KM)
            {
                countries.insert(here.city.country.to_string(), ());
            }
        }
    }
    countries.into_keys().collect()
}

fn targets(draft: &Draft<'_>, family: &Family) -> (Vec<String>, Option<String>) {
    let known = &family.latency_test_targets;
    if known.iter().any(|target| !target.trim().is_empty()) {
        return (known.clone(), None);
    }
    let mut hosts = BTreeSet::new();
    for bucket in family.buckets.iter().filter(|bucket| bucket.distributing) {
        for operator in bucket.active() {
            let id = bucket.operator_id(operator);
            let Some(endpoint) = operator.endpoint() else {
                continue;
            };
            let is_up = draft
                .facts
                .nodes
                .get(&endpoint)
                .is_some_and(|node| node.standing == Standing::Up);
            if is_up && !draft.facts.misplaced.contains_key(&id) {
                hosts.insert(endpoint.host().to_owned());
            }
        }
    }
    let hosts: Vec<String> = hosts.into_iter().take(TARGETS).collect();
    if hosts.is_empty() {
        return (known.clone(), None);
    }
    let why = format!(
        "{} of its nodes that are up and not contradicted as to their place: users can time these.",
        count(hosts.len(), "host")
    );
    (hosts, Some(why))
}
