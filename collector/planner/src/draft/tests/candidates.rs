//! Candidates: every probe connects to each of them, seldom; nothing else is asked of them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::*;
use crate::targets::Candidate;

fn candidate(name: &str, host: &str) -> Candidate {
    let text = format!(
        "[[candidate]]\nname = \"{name}\"\nurl = \"https://{host}/\"\nlatitude = 1.0\nlongitude = 1.0\n"
    );
    Targets::parse(&text, Path::new("targets.toml"))
        .unwrap()
        .candidates
        .remove(0)
}

fn with(candidates: Vec<Candidate>, probes: u64) -> PlanInput {
    PlanInput {
        candidates,
        ..input(probes, vec![node("berlin", "192.0.2.80")])
    }
}

/// The checks of a candidate, by probe.
fn checks(drafted: &Drafted, name: &str) -> Vec<(ProbeId, Vec<(Kind, Schedule)>)> {
    let id = TargetId::of_candidate(name);
    let of_probe = |(probe, draft): &(ProbeId, Draft)| {
        let is_it = |check: &&PlannedCheck| draft.targets[usize::from(check.target)].id == id;
        let checks = draft.checks.iter().filter(is_it);
        let checks: Vec<_> = checks.map(|check| (check.kind, check.schedule)).collect();
        (!checks.is_empty()).then_some((*probe, checks))
    };
    drafted.drafts.iter().filter_map(of_probe).collect()
}

#[test]
fn every_probe_connects_to_each_candidate_and_asks_nothing_else() {
    let names = ["nairobi-provider", "lagos-provider"];
    let plain = with(Vec::new(), 10);
    let both = names.map(|name| candidate(name, &format!("{name}.example.org")));
    let mut measured = with(both.to_vec(), 10);
    measured.probes[3].v4 = None; // IPv6 alone, which the fourth has
    let drafted = drafted(&measured);
    for name in names {
        let checks = checks(&drafted, name);
        assert_eq!(checks.len(), 10);
        for (probe, checks) in &checks {
            let kind = if *probe == measured.probes[3].id {
                "connect6"
            } else {
                "connect4"
            };
            assert_eq!(checks.len(), 1, "{checks:?}");
            assert_eq!(checks[0].0, kind.parse().unwrap());
            assert_eq!(checks[0].1.interval_ms(), 300_000);
        }
        let offsets: BTreeSet<u64> = checks
            .iter()
            .map(|(_, checks)| checks[0].1.first_from(UnixMillis(0)).0)
            .collect();
        assert_eq!(offsets.len(), 10, "each at a time of its own");
    }
    let (before, after) = (super::drafted(&plain), super::drafted(&with(both.to_vec(), 10)));
    assert_eq!(after.seats, before.seats, "nobody's seat at a node moves");
    for ((_, before), (_, after)) in before.drafts.iter().zip(&after.drafts) {
        assert_eq!(after.checks[..before.checks.len()], before.checks[..]);
        assert_eq!(after.checks.len(), before.checks.len() + 2);
    }
}

#[test]
fn node_that_was_a_candidate_is_another_target() {
    assert_ne!(TargetId::of_candidate("oslo"), TargetId::of_node("oslo"));
}

#[test]
fn fleet_of_any_size_connects_to_a_candidate_every_five_seconds_at_most() {
    for (probes, vantages, interval_ms) in [
        (1, 1, 300_000),
        (60, 60, 300_000),
        (61, 61, 600_000),
        (5_000, 5_000, 38_400_000),
        (15_361, 15_360, 76_800_000),
    ] {
        let mut fleet = with(vec![candidate("lagos", "lagos.example.org")], 1);
        fleet.probes = (1..=probes)
            .map(|number| Participant {
                v4: None, // no mesh, which takes long to draw
                ..participant(number, false)
            })
            .collect();
        let drafted = drafted(&fleet);
        let checks = checks(&drafted, "lagos");
        assert_eq!(checks.len(), vantages, "of {probes}");
        assert!(
            checks
                .iter()
                .all(|(_, checks)| checks[0].1.interval_ms() == interval_ms)
        );
        let a_second: f64 = checks
            .iter()
            .map(|(_, checks)| 1_000.0 / f64::from(checks[0].1.interval_ms()))
            .sum();
        assert!(a_second <= 0.2 + 1e-9, "{a_second} of {probes}");
    }
}

#[test]
fn candidates_share_the_rate_of_a_host_and_of_a_prefix_with_nodes() {
    let on = |host: fn(usize) -> String, count: usize| -> Vec<Candidate> {
        (0..count)
            .map(|place| candidate(&format!("c{place}"), &host(place)))
            .collect()
    };
    let one_host = |_: usize| "one.example.org".to_owned();
    // 60 probes: 0.2 a second each, and a host takes ten
    assert_eq!(drafted(&with(on(one_host, 50), 60)).limits.stretches, []);
    let stretched = drafted(&with(on(one_host, 51), 60));
    assert_eq!(stretched.limits.stretches.len(), 51);
    let [(_, checks), ..] = &checks(&stretched, "c0")[..] else {
        panic!("nobody measures it");
    };
    assert_eq!(checks[0].1.interval_ms(), 306_000);

    let many = |place: usize| format!("h{place}.example.org");
    let mut near = with(on(many, 140), 60);
    assert_eq!(drafted(&near).limits.stretches, []);
    for place in 0..140 {
        near.prefixes.note(&many(place), IpAddr::from([192, 0, 2, 1]));
    }
    let names: Vec<_> = drafted(&near)
        .limits
        .stretches
        .into_iter()
        .map(|stretch| stretch.target)
        .collect();
    assert_eq!(names.len(), 141, "the node of that prefix too: {names:?}");
    assert_eq!(names[0], "berlin");
}

#[test]
fn plan_without_room_leaves_candidates_out_before_nodes() {
    let candidates =
        (0..12_000).map(|n| candidate(&format!("c{n}"), &format!("{n}.{}.example.org", "x".repeat(60))));
    let full = with(candidates.collect(), 3);
    let drafted = drafted(&full);
    assert_eq!(drafted.limits.left_out.len(), 3);
    for left_out in &drafted.limits.left_out {
        assert_eq!(left_out.nodes, 0);
        assert!(left_out.candidates > 0 && left_out.candidates < 12_000);
        assert_eq!(left_out.checks, left_out.candidates);
    }
    for (_, draft) in drafted.drafts {
        assert!(draft.targets.iter().any(|target| target.name == "berlin"));
        plan_of(draft).check().unwrap();
    }
}
