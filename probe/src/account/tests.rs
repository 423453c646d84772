//! The account against a naive oracle that walks every slot.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_proto::echo::{KeyEpoch, PairKey, ResponderSecret};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::ledger::SkipCause;
use isochrone_proto::plan::{PlannedCheck, ResponderPlan, Target, TargetAddress};
use proptest::prelude::*;

use super::*;

/// A plan whose checks have these (interval, offset), against one peer each.
pub(crate) fn plan_of(number: u64, schedules: &[(u32, u32, u32)], expires: UnixMillis) -> Plan {
    let me = ProbeId(1);
    let target = |index: usize| Target {
        id: TargetId::of_peer(ProbeId(100 + index as u64)),
        name: format!("peer{index}"),
        address: TargetAddress::Peer {
            probe: ProbeId(100 + index as u64),
            v4: Some("192.0.2.1:7472".parse().unwrap()),
            v6: None,
            key: Some((
                KeyEpoch(0),
                PairKey::derive(&ResponderSecret([1; 32]), me, KeyEpoch(0)),
            )),
        },
    };
    let check = |(index, (interval, offset, timeout)): (usize, &(u32, u32, u32))| PlannedCheck {
        kind: Kind::new(Check::Echo, Family::V4),
        target: index as u16,
        schedule: Schedule::new(*interval, offset % interval, *timeout).unwrap(),
    };
    Plan {
        version: PlanVersion { promotion: 0, number },
        probe: me,
        probe_name: "here".into(),
        issued: UnixMillis(0),
        expires,
        targets: (0..schedules.len()).map(target).collect(),
        checks: schedules.iter().enumerate().map(check).collect(),
        responder: ResponderPlan::default(),
    }
}

const BASE: UnixMillis = UnixMillis(472_222 * 3_600_000);

#[test]
fn skipped_range_over_an_hour_is_split_by_its_slots() {
    let plan = plan_of(1, &[(60_000, 0, 1_000)], BASE.plus(Duration::from_secs(86_400)));
    let mut account = Account::default();
    account.adopt(&plan, BASE);
    let range = SkippedRange {
        check: 0,
        first_slot: UnixMillis(BASE.0 + 3_540_000),
        count: 3,
        cause: SkipCause::Late,
    };
    account.skipped(plan.version, &range);
    let counts = account.counts(UnixMillis(BASE.0 + 3_600_000 + 60_001));
    let told: Vec<(u64, u64)> = counts
        .iter()
        .map(|count| (count.skipped, count.pending))
        .collect();
    assert_eq!(told, [(1, 59), (2, 0)]);
}

#[test]
fn plan_without_slots_yet_tells_no_hour() {
    let plan = plan_of(
        1,
        &[(60_000, 30_000, 1_000)],
        BASE.plus(Duration::from_secs(86_400)),
    );
    let mut account = Account::default();
    account.adopt(&plan, BASE);
    assert_eq!(account.counts(UnixMillis(BASE.0 + 1)), []);
    assert_eq!(account.counts(UnixMillis(BASE.0 + 30_001))[0].pending, 1);
}

proptest! {
    /// Random plans taking over from each other, random fates of slots, batches at random times: every
    /// cumulative count is what counting slot by slot gives, and nothing that changed is left untold.
    #[test]
    fn counts_equal_a_walk_over_every_slot(
        schedules in proptest::collection::vec(proptest::collection::vec((1_000u32..200_000, 0u32..200_000), 0..4), 1..4),
        adoptions in proptest::collection::vec(1_000u64..6_000_000, 3),
        cuts in proptest::collection::vec(1u64..2_500_000, 1..12),
        fates in proptest::collection::vec(0u8..10, 64),
        expiry in 1_000_000u64..20_000_000,
    ) {
        let expires = UnixMillis(BASE.0 + expiry);
        let mut account = Account::default();
        let mut slots: BTreeMap<(UnixMillis, usize, u16), bool> = BTreeMap::new(); // resolved?
        let mut firsts = vec![BASE];
        for gap in &adoptions {
            firsts.push(UnixMillis(firsts.last().unwrap().0 + gap));
        }
        let plans: Vec<Plan> = schedules.iter().enumerate().map(|(number, checks)| {
            let checks: Vec<(u32, u32, u32)> = checks.iter().map(|(interval, offset)| (*interval, *offset, 1_000)).collect();
            plan_of(number as u64 + 1, &checks, expires)
        }).collect();
        let (mut cut, mut adopted) = (BASE, 0);
        let mut told: BTreeMap<Hour, HourCount> = BTreeMap::new();
        let mut fate = fates.iter().cycle();
        let mut resolved: BTreeMap<Hour, (u64, u64)> = BTreeMap::new();
        for gap in cuts {
            cut = UnixMillis(cut.0 + gap);
            while adopted < plans.len() && firsts[adopted] < cut {
                account.adopt(&plans[adopted], firsts[adopted]);
                adopted += 1;
            }
            for (number, plan) in plans.iter().enumerate().take(adopted) {
                let from = firsts[number];
                let until = if number + 1 < adopted { firsts[number + 1] } else { cut }.min(cut).min(expires);
                for (index, check) in plan.checks.iter().enumerate() {
                    let mut slot = check.schedule.first_from(from);
                    while slot < until {
                        slots.entry((slot, number, index as u16)).or_insert(false);
                        slot = check.schedule.after(slot);
                    }
                }
            }
            for ((slot, number, check), done) in &mut slots {
                let counts = resolved.entry(slot.hour()).or_default();
                match fate.next().unwrap() {
                    0..4 if !*done => {
                        account.ran(*slot);
                        counts.0 += 1;
                        *done = true;
                    }
                    4 if !*done => {
                        let range = SkippedRange { check: *check, first_slot: *slot, count: 1, cause: SkipCause::Overlap };
                        account.skipped(plans[*number].version, &range);
                        counts.1 += 1;
                        *done = true;
                    }
                    _ => {}
                }
            }
            for count in account.counts(cut) {
                prop_assert_eq!(count.planned, count.run + count.skipped);
                told.insert(count.hour, count);
            }
            let hours: BTreeSet<Hour> = slots.keys().map(|(slot, ..)| slot.hour()).collect();
            for hour in hours {
                let all = slots.keys().filter(|(slot, ..)| slot.hour() == hour).count() as u64;
                let (run, skipped) = resolved[&hour];
                let expected = HourCount { hour, planned: run + skipped, run, skipped, pending: all - run - skipped };
                prop_assert_eq!(told.get(&hour), Some(&expected));
            }
        }
    }
}
