//! Plans and schedules beyond their bounds, each refused with its own error.

use super::dice::Dice;
use super::samples;
use crate::codec::{self, DecodeError};
use crate::ids::{ProbeId, TargetId};
use crate::kind::{Check, Family, Kind};
use crate::limits::{PLAN_CHECKS_MAX, PROBERS_MAX, TEXT_BYTES_MAX, TIMEOUT_MAX_MS};
use crate::plan::{Plan, PlanError, PlannedCheck, Target, TargetAddress};
use crate::schedule::Schedule;
use crate::serializer::{self, Unreadable};

fn plan() -> Plan {
    let mut plan = samples::plan(&mut Dice::of(1));
    plan.targets.truncate(2); // a peer and an endpoint
    plan.checks = vec![check(Check::Echo, 0, 100), check(Check::Status, 1, 1_000)];
    plan
}

fn check(check: Check, target: u16, interval_ms: u32) -> PlannedCheck {
    PlannedCheck {
        kind: Kind::new(check, Family::V4),
        target,
        schedule: Schedule::new(interval_ms, 0, 1).expect("within bounds"),
    }
}

/// An endpoint on a host of its own.
fn host(number: usize) -> Target {
    Target {
        id: TargetId(number as u64),
        name: format!("n{number}"),
        address: TargetAddress::Endpoint {
            url: format!("https://n{number}.example.org/"),
            asset: Some("1".into()),
        },
    }
}

/// Four endpoint checks of a target over both families: eight.
fn eight_checks(target: u16, interval_ms: u32) -> Vec<PlannedCheck> {
    let mut checks = Vec::new();
    for kind in [Check::Status, Check::AssetHead, Check::AssetGet, Check::Connect] {
        for family in [Family::V4, Family::V6] {
            let mut line = check(kind, target, interval_ms);
            line.kind.family = family;
            checks.push(line);
        }
    }
    checks
}

fn refused_plan(change: impl FnOnce(&mut Plan)) -> PlanError {
    let mut plan = plan();
    change(&mut plan);
    match codec::decode_plan(&codec::encode_plan(&plan)) {
        Err(DecodeError::Plan(error)) => error,
        other => panic!("not refused for its content: {other:?}"),
    }
}

#[test]
fn plan_at_its_bounds_is_taken() {
    let mut plan = plan();
    plan.probe_name = "n".repeat(TEXT_BYTES_MAX);
    plan.targets = (0..PLAN_CHECKS_MAX / 8).map(host).collect();
    plan.targets[1].name = "n".repeat(TEXT_BYTES_MAX);
    plan.responder.secrets.truncate(2);
    plan.responder.probers = (0..PROBERS_MAX as u64).map(ProbeId).collect();
    plan.checks = (0..plan.targets.len() as u16)
        .flat_map(|target| eight_checks(target, 60_000))
        .collect();
    assert_eq!(plan.checks.len(), PLAN_CHECKS_MAX);
    assert_eq!(codec::decode_plan(&codec::encode_plan(&plan)), Ok(plan));
}

#[test]
fn plan_beyond_a_bound_is_refused_with_its_name() {
    let found = refused_plan(|plan| plan.checks = vec![check(Check::Echo, 0, 100); PLAN_CHECKS_MAX + 1]);
    assert_eq!(
        found,
        PlanError::TooLarge {
            checks: PLAN_CHECKS_MAX + 1,
            targets: 2
        }
    );
    let found = refused_plan(|plan| {
        plan.checks.clear();
        plan.targets[1].name.clear();
        plan.targets[1].address = TargetAddress::Endpoint {
            url: String::new(),
            asset: None,
        };
        plan.targets = vec![plan.targets[1].clone(); PLAN_CHECKS_MAX + 1];
    });
    assert_eq!(
        found,
        PlanError::TooLarge {
            checks: 0,
            targets: PLAN_CHECKS_MAX + 1
        }
    );
    let found = refused_plan(|plan| plan.checks.push(check(Check::Echo, 2, 100)));
    assert_eq!(found, PlanError::NoSuchTarget { check: 2, target: 2 });
    let found = refused_plan(|plan| {
        let secret = (crate::echo::KeyEpoch(1), crate::echo::ResponderSecret([0; 32]));
        plan.responder.secrets = vec![secret; 3];
    });
    assert_eq!(found, PlanError::Secrets);
    let found = refused_plan(|plan| plan.responder.probers = vec![ProbeId(1); PROBERS_MAX + 1]);
    assert_eq!(
        found,
        PlanError::Probers {
            probers: PROBERS_MAX + 1
        }
    );
    let found = refused_plan(|plan| plan.probe_name = "n".repeat(TEXT_BYTES_MAX + 1));
    assert_eq!(found, PlanError::ProbeName);
}

/// Else two rows would have one measurement's id.
#[test]
fn check_or_target_that_is_there_twice_is_refused() {
    let found = refused_plan(|plan| plan.checks.push(plan.checks[0]));
    assert!(matches!(found, PlanError::SameCheck { kind, .. } if kind.check == Check::Echo));
    let found = refused_plan(|plan| plan.checks.push(check(Check::Status, 1, 7_000))); // on another grid
    assert!(matches!(found, PlanError::SameCheck { kind, .. } if kind.check == Check::Status));
    let found = refused_plan(|plan| {
        plan.targets[1].id = plan.targets[0].id;
    });
    let id = plan().targets[0].id;
    assert_eq!(found, PlanError::SameTarget { target: id });
}

/// Invariant 4: 20 endpoint checks a second to one host, however many targets and spellings it has.
#[test]
fn rate_of_one_host_is_held_from_both_sides() {
    let spelled = |urls: &[&str], intervals: &[u32]| {
        let mut plan = plan();
        plan.targets = (0..urls.len()).map(host).collect();
        for (target, url) in plan.targets.iter_mut().zip(urls) {
            target.address = TargetAddress::Endpoint {
                url: (*url).into(),
                asset: Some("1".into()),
            };
        }
        let places = 0..urls.len() as u16;
        plan.checks = places
            .zip(intervals)
            .flat_map(|(place, interval)| eight_checks(place, *interval))
            .collect();
        plan.check()
    };
    let urls = [
        "https://node.example.org/",
        "http://NODE.example.org.:8080/distributor/",
        "https://user@node.example.org?x",
    ];
    assert_eq!(spelled(&urls, &[1_000, 1_000, 2_000]), Ok(())); // 8 + 8 + 4 = 20 a second
    assert_eq!(
        spelled(&urls, &[1_000, 1_000, 1_999]),
        Err(PlanError::HostRate {
            host: "node.example.org".into(),
            asked: 21
        })
    );
    let six = [
        "http://[2001:db8::1]/",
        "http://[2001:db8::1]:81/",
        "http://[2001:DB8::1]:82/",
    ];
    let found = spelled(&six, &[1_000; 3]);
    assert!(matches!(found, Err(PlanError::HostRate { host, .. }) if host == "[2001:db8::1]"));
    for loopback in ["http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost:1/"] {
        assert_eq!(spelled(&[loopback; 3], &[1_000; 3]), Ok(()));
    }
}

/// Invariant 4: 500 endpoint checks a second in all.
#[test]
fn rate_of_all_hosts_is_held_from_both_sides() {
    let of_hosts = |hosts: usize, more: u32| {
        let mut plan = plan();
        plan.targets = (0..=hosts).map(host).collect();
        plan.checks = (0..hosts as u16)
            .flat_map(|place| eight_checks(place, 1_000))
            .collect();
        plan.checks.push(check(Check::Status, hosts as u16, more));
        plan.checks
            .extend(eight_checks(hosts as u16, 2_000).into_iter().skip(2));
        plan.check()
    };
    assert_eq!(of_hosts(62, 1_000), Ok(())); // 496 + 1 + 3
    assert_eq!(of_hosts(63, 1_000), Err(PlanError::Rate { asked: 508 }));
}

#[test]
fn endpoint_check_faster_than_a_second_is_refused() {
    let found = refused_plan(|plan| plan.checks[1] = check(Check::Status, 1, 999));
    assert!(matches!(found, PlanError::BelowFloor { kind, .. } if kind.check == Check::Status));
}

#[test]
fn texts_of_a_plan_are_bounded() {
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let url = |url: &str, asset: &str| TargetAddress::Endpoint {
        url: url.into(),
        asset: Some(asset.into()),
    };
    for change in [
        |plan: &mut Plan, long: &str, _: &dyn Fn(&str, &str) -> TargetAddress| {
            plan.targets[1].name = long.into()
        },
        |plan: &mut Plan, long: &str, url: &dyn Fn(&str, &str) -> TargetAddress| {
            plan.targets[1].address = url(long, "")
        },
        |plan: &mut Plan, long: &str, url: &dyn Fn(&str, &str) -> TargetAddress| {
            plan.targets[1].address = url("", long)
        },
    ] {
        let id = plan().targets[1].id;
        let found = refused_plan(|plan| change(plan, &long, &url));
        assert_eq!(found, PlanError::Text { target: id });
    }
}

#[test]
fn check_that_does_not_fit_its_target_is_refused() {
    let mismatch = |change: fn(&mut Plan)| {
        let found = refused_plan(change);
        assert!(matches!(found, PlanError::KindMismatch { .. }), "{found:?}");
    };
    mismatch(|plan| plan.checks[0] = check(Check::Status, 0, 1_000)); // status of a peer
    mismatch(|plan| plan.checks[1] = check(Check::Echo, 1, 1_000)); // echo of an endpoint
    mismatch(|plan| {
        if let TargetAddress::Peer { v4, .. } = &mut plan.targets[0].address {
            *v4 = None;
        }
    });
    mismatch(|plan| {
        plan.checks[0].kind.family = Family::V6;
        if let TargetAddress::Peer { v6, .. } = &mut plan.targets[0].address {
            *v6 = None;
        }
    });
    for asset_check in [
        |plan: &mut Plan| plan.checks[1] = check(Check::AssetHead, 1, 1_000),
        |plan: &mut Plan| {
            plan.checks[1] = check(Check::AssetGet, 1, 1_000);
        },
    ] {
        let found = refused_plan(|plan| {
            asset_check(plan);
            plan.targets[1].address = TargetAddress::Endpoint {
                url: "u".into(),
                asset: None,
            };
        });
        assert!(matches!(found, PlanError::KindMismatch { .. }), "{found:?}");
    }
}

/// A schedule cannot be decoded into one that could not be made.
#[test]
fn schedule_outside_its_bounds_is_refused_when_decoded() {
    let decode = |raw: (u32, u32, u32)| serializer::decode::<Schedule, 100>(&serializer::encode(&raw));
    for raw in [
        (100, 0, 1),
        (100, 99, TIMEOUT_MAX_MS),
        (86_400_000, 86_399_999, 1),
    ] {
        assert_eq!(
            decode(raw),
            Ok(Schedule::new(raw.0, raw.1, raw.2).expect("within bounds"))
        );
    }
    for raw in [
        (99, 0, 1),
        (86_400_001, 0, 1),
        (100, 100, 1),
        (100, 0, 0),
        (100, 0, TIMEOUT_MAX_MS + 1),
    ] {
        let reason = Schedule::new(raw.0, raw.1, raw.2)
            .expect_err("outside")
            .to_string();
        let Err(Unreadable::Malformed { reason: found }) = decode(raw) else {
            panic!("{raw:?} is taken");
        };
        assert!(found.contains(&reason), "{found}");
    }
}
