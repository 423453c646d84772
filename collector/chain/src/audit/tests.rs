use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::fixture::{planted, world};

fn found(world: &crate::fixture::World) -> Vec<(Rule, Subject)> {
    let findings = audit(&world.topology, &world.facts);
    findings
        .into_iter()
        .map(|finding| (finding.rule, finding.subject))
        .collect()
}

#[test]
fn clean_copy_has_no_finding() {
    let world = world(48, 4);
    assert_eq!(audit(&world.topology, &world.facts), []);
}

#[test]
fn each_planted_fault_is_found_with_its_subject_and_nothing_beside_it() {
    let (each, _) = planted();
    assert!(each.len() >= 60, "{}", each.len());
    let mut times: BTreeMap<Rule, usize> = BTreeMap::new();
    for planted in &each {
        assert_eq!(found(&planted.world), planted.expected);
        *times.entry(planted.expected[0].0).or_default() += 1;
    }
    assert_eq!(times.len(), Rule::ALL.len(), "a rule without a planted fault");
    assert!(times.values().all(|times| *times >= 2), "{times:?}");
}

#[test]
fn all_planted_faults_are_found_in_one_chain_and_nothing_else() {
    let (_, all) = planted();
    let found: BTreeSet<_> = found(&all.world).into_iter().collect();
    let expected: BTreeSet<_> = all.expected.into_iter().collect();
    assert_eq!(
        found.difference(&expected).collect::<Vec<_>>(),
        Vec::<&_>::new(),
        "false findings"
    );
    assert_eq!(
        expected.difference(&found).collect::<Vec<_>>(),
        Vec::<&_>::new(),
        "missed"
    );
}

#[test]
fn every_finding_is_a_whole_sentence_about_its_subject() {
    let (each, _) = planted();
    for planted in &each {
        let finding = audit(&planted.world.topology, &planted.world.facts).remove(0);
        assert!(
            finding.says.ends_with('.') && finding.says.len() < 300,
            "{}",
            finding.says
        );
        let is_begun = finding.says.starts_with(|first: char| first.is_uppercase());
        assert!(
            is_begun || finding.says.starts_with("targets.toml"),
            "{}",
            finding.says
        );
        for sentence in &finding.evidence {
            assert!(sentence.ends_with(['.', '?']), "{sentence}");
        }
    }
}

#[test]
fn what_is_not_known_judges_nothing() {
    let mut world = world(12, 3);
    world.facts = crate::facts::Facts {
        now: crate::fixture::NOW,
        ..crate::facts::Facts::default()
    };
    assert_eq!(found(&world), []);
}

#[test]
fn node_that_is_down_for_minutes_is_left_to_the_alerts() {
    let mut world = world(2, 2);
    let since = isochrone_proto::units::UnixMillis(crate::fixture::NOW.0 - 10 * 60_000);
    world.node(0, 0).standing = crate::facts::Standing::Down { since };
    assert_eq!(found(&world), []);
}

#[test]
fn nothing_is_concluded_from_a_bucket_that_could_not_be_read() {
    let mut world = world(2, 1);
    world.family(1).buckets.clear();
    world.family(1).partial = true;
    assert_eq!(found(&world), []);
}
