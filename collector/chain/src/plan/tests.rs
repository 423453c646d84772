use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::audit::audit;
use crate::facts::Nearest;
use crate::fixture::{NOW, World, planted, world};
use crate::topology::{Area, Status};

fn drafted(world: &World) -> Plan {
    let findings = audit(&world.topology, &world.facts);
    plan(&world.topology, &world.facts, &findings, 60_000)
}

fn commands(plan: &Plan) -> Vec<String> {
    plan.steps.iter().filter_map(|step| step.act.command()).collect()
}

/// A world in which bucket 1:0 is served from where family 0's users are.
fn misassigned() -> World {
    let mut world = world(3, 2);
    world.operator(1, 0).place = world.operator(0, 0).place.clone();
    world.node(1, 0).nearest = Some(Nearest {
        family: 0,
        vantage: "probe-0".to_owned(),
        ms: 2.0,
        others: BTreeMap::from([(1, ("probe-1".to_owned(), 90.0))]),
    });
    world
}

#[test]
fn clean_copy_needs_nothing() {
    assert_eq!(drafted(&world(4, 2)).steps, []);
}

#[test]
fn plan_is_withheld_on_a_copy_over_an_hour_old() {
    let world = misassigned();
    let findings = audit(&world.topology, &world.facts);
    let plan_at = |age_ms| plan(&world.topology, &world.facts, &findings, age_ms);
    assert!(plan_at(AGE_MAX_MS).withheld.is_none());
    let late = plan_at(AGE_MAX_MS + 1);
    assert_eq!(late.steps, []);
    assert!(late.withheld.unwrap().contains("import topology"));
}

#[test]
fn bags_go_over_before_anything_is_switched_off() {
    let mut world = misassigned();
    (world.bucket(0, 0).distributing, world.bucket(0, 0).accepting) = (false, false);
    (world.bucket(0, 1).distributing, world.bucket(0, 1).accepting) = (false, false);
    let plan = drafted(&world);
    let lines: Vec<String> = plan
        .steps
        .iter()
        .map(|step| step.act.command().or_else(|| step.act.by_hand()).unwrap())
        .collect();
    let at = |part: &str| {
        lines
            .iter()
            .position(|line| line.contains(part))
            .unwrap_or_else(|| panic!("{part}: {lines:#?}"))
    };
    let order = [
        at("leader:update-bucket-mode -B 0:0 -d on"),
        at("leader:update-bucket-status -B 0:0 -a yes"),
        at("leader:update-bucket-status -B 1:0 -a no"),
        at("Reassign the 40 bags of bucket 1:0 to 0:0 one by one"),
        at("Once bucket 1:0 holds no bag"),
    ];
    assert!(order.is_sorted(), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("-d off")), "{lines:#?}");
    assert_eq!(plan.block, Some(crate::fixture::BLOCK));
}

#[test]
fn emptied_bucket_is_switched_off_and_nothing_is_moved() {
    let mut world = misassigned();
    world.bucket(1, 0).bags = Some(0);
    let commands = commands(&drafted(&world));
    assert_eq!(
        commands,
        [
            "leader:update-bucket-status -B 1:0 -a no",
            "leader:update-bucket-mode -B 1:0 -d off"
        ]
    );
}

#[test]
fn place_that_is_wrong_on_the_chain_alone_moves_nothing() {
    let mut world = world(2, 1);
    let id = world.operator_id(1, 0);
    world.operator(1, 0).place = world.operator(0, 0).place.clone();
    world.facts.misplaced.insert(
        id,
        crate::facts::Misplaced {
            witnesses: vec!["It answered a in 2.0 ms.".to_owned()],
            probably: None,
            meant: None,
        },
    );
    let plan = drafted(&world);
    assert!(commands(&plan).is_empty(), "{plan:?}");
    assert!(
        plan.steps
            .iter()
            .any(|step| matches!(step.act, Act::AskOperator { .. }))
    );
}

#[test]
fn family_of_continents_gets_the_countries_it_was_measured_to_serve_best() {
    let mut world = world(1, 1);
    world.family(0).areas = vec![Area::Continent("EU".to_owned())];
    world.family(0).latency_test_targets.clear();
    world.facts.reach.get_mut(&0).unwrap().countries =
        BTreeMap::from([("DE".to_owned(), 2), ("PL".to_owned(), 1)]);
    let plan = drafted(&world);
    assert_eq!(
        commands(&plan),
        ["leader:set-bucket-family-metadata -f 0 -i family-0.json"]
    );
    let (file, metadata) = plan.steps[0].act.file().unwrap();
    assert_eq!(file, "family-0.json");
    assert_eq!(
        *metadata,
        serde_json::json!({
            "region": "region-0",
            "description": "Users in DE",
            "areas": [{ "countryCode": "DE" }, { "countryCode": "PL" }],
            "latencyTestTargets": ["node-0-0.example.org"],
        })
    );
    assert!(
        plan.steps[0].reason.contains("3 vantages in Germany, Poland"),
        "{}",
        plan.steps[0].reason
    );
}

#[test]
fn family_whose_texts_are_not_kept_whole_is_described_by_hand() {
    let mut world = world(1, 1);
    world.family(0).areas.clear();
    world.family(0).altered = true;
    let plan = drafted(&world);
    assert!(commands(&plan).is_empty() && plan.steps.len() == 1, "{plan:?}");
}

/// Whether users of a bucket's bags are answered: it is on, and one of its active nodes is not down.
fn serves(world: &World, id: BucketId) -> bool {
    let family = world.topology.family(id.family).unwrap();
    let bucket = family.buckets.iter().find(|bucket| bucket.id == id).unwrap();
    bucket.distributing
        && bucket.operators.iter().any(|one| {
            let node = one
                .endpoint()
                .and_then(|endpoint| world.facts.nodes.get(&endpoint).cloned());
            let is_down = node.is_some_and(|node| matches!(node.standing, Standing::Down { .. }));
            one.status == Status::Active && one.endpoint().is_some() && !is_down
        })
}

/// Carries a plan out, step by step; after each, whoever's bags were served before still has them served.
fn carried_out_leaves_no_bag_unserved(mut world: World) {
    let plan = drafted(&world);
    // where the bags of each bucket are now
    let mut holder: BTreeMap<BucketId, BucketId> = BTreeMap::new();
    let mut served = BTreeSet::new();
    for (_, bucket) in world.topology.buckets() {
        holder.insert(bucket.id, bucket.id);
        if serves(&world, bucket.id) && bucket.bags != Some(0) {
            served.insert(bucket.id);
        }
    }
    for step in &plan.steps {
        match &step.act {
            Act::Distribute { bucket, on } => world.bucket(bucket.family, bucket.index).distributing = *on,
            Act::Accept { bucket, yes } => world.bucket(bucket.family, bucket.index).accepting = *yes,
            Act::MoveBags { from, to, .. } => holder
                .values_mut()
                .filter(|at| **at == *from)
                .for_each(|at| *at = *to),
            Act::AskOperator { .. } | Act::DescribeFamily { .. } | Act::Later { .. } => {}
        }
        for bags in &served {
            assert!(
                serves(&world, holder[bags]),
                "{step:?} leaves bags of {bags} unserved in {plan:#?}"
            );
        }
    }
}

#[test]
fn no_plan_leaves_a_bag_unserved_at_any_step() {
    let (each, all) = planted();
    each.into_iter()
        .for_each(|planted| carried_out_leaves_no_bag_unserved(planted.world));
    carried_out_leaves_no_bag_unserved(all.world);
    carried_out_leaves_no_bag_unserved(misassigned());
}

proptest::proptest! {
    #[test]
    fn no_plan_for_any_chain_leaves_a_bag_unserved(dice in proptest::collection::vec(0_u8..=255, 24)) {
        let mut world = world(4, 3);
        for (at, dice) in dice.iter().enumerate() {
            let (family, index) = (u32::try_from(at % 4).unwrap(), u32::try_from(at / 4 % 3).unwrap());
            let bucket = world.bucket(family, index);
            match dice % 8 {
                0 => bucket.distributing = false,
                1 => bucket.accepting = false,
                2 => bucket.bags = Some(0),
                3 => bucket.bags = None,
                4 => {
                    let since = isochrone_proto::units::UnixMillis(NOW.0 - 7_200_000);
                    world.node(family, index).standing = Standing::Down { since };
                }
                5 | 6 => {
                    let other = u32::from(dice / 8) % 4;
                    world.operator(family, index).place = world.operator(other, 0).place.clone();
                    world.node(family, index).nearest = Some(Nearest {
                        family: other,
                        vantage: "there".to_owned(),
                        ms: 1.0,
                        others: (0..4).map(|family| (family, ("here".to_owned(), 100.0))).collect(),
                    });
                }
                _ => {}
            }
        }
        carried_out_leaves_no_bag_unserved(world);
    }
}

#[test]
fn every_step_gives_a_reason_and_names_what_it_answers() {
    let (_, all) = planted();
    let plan = drafted(&all.world);
    assert!(plan.steps.len() > 20, "{}", plan.steps.len());
    for step in &plan.steps {
        assert!(!step.of.is_empty(), "{step:?}");
        let is_one = step.act.command().is_some() ^ step.act.by_hand().is_some();
        assert!(is_one, "{step:?}");
        assert!(
            step.act.command().is_none() || !step.reason.is_empty(),
            "{step:?}"
        );
    }
}
