use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::kind::Family;

/// Slots in `[from, until)`, by looking at every millisecond.
fn slots(schedule: &Schedule, from: u64, until: u64) -> Vec<u64> {
    let is_slot = |ms: &u64| {
        *ms >= u64::from(schedule.offset_ms)
            && (ms - u64::from(schedule.offset_ms)).is_multiple_of(u64::from(schedule.interval_ms))
    };
    (from..until).filter(is_slot).collect()
}

fn schedule() -> impl Strategy<Value = Schedule> {
    (100u32..3_000).prop_flat_map(|interval| {
        (Just(interval), 0..interval, 1u32..60_000).prop_map(|(interval, offset, timeout)| {
            Schedule::new(interval, offset, timeout).expect("within bounds")
        })
    })
}

proptest! {
    #[test]
    fn counting_agrees_with_looking_at_every_millisecond(schedule in schedule(), from in 0u64..10_000, length in 0u64..10_000) {
        let until = from + length;
        let expected = slots(&schedule, from, until);
        prop_assert_eq!(schedule.count(UnixMillis(from), UnixMillis(until)), expected.len() as u64);
        let first = slots(&schedule, from, from + 6_000)[0]; // an interval and an offset are below 6 s
        prop_assert_eq!(schedule.first_from(UnixMillis(from)), UnixMillis(first));
        for ms in from..until {
            prop_assert_eq!(schedule.contains(UnixMillis(ms)), expected.contains(&ms));
        }
        let mut walked = Vec::new();
        let mut slot = schedule.first_from(UnixMillis(from));
        while slot.0 < until {
            walked.push(slot.0);
            slot = schedule.after(slot);
        }
        prop_assert_eq!(walked, expected);
    }

    /// Wherever an interval is cut in two, the parts add up: no slot is lost or counted twice at an edge.
    #[test]
    fn counts_of_parts_add_up(schedule in schedule(), from: u32, first: u32, second: u32) {
        let from = u64::from(from);
        let (middle, until) = (from + u64::from(first), from + u64::from(first) + u64::from(second));
        let count = |from, until| schedule.count(UnixMillis(from), UnixMillis(until));
        prop_assert_eq!(count(from, middle) + count(middle, until), count(from, until));
    }

    #[test]
    fn backwards_interval_has_no_slots(schedule in schedule(), from: u32, length: u32) {
        let earlier = UnixMillis(u64::from(from.saturating_sub(length)));
        prop_assert_eq!(schedule.count(UnixMillis(u64::from(from)), earlier), 0);
    }

    #[test]
    fn jitter_is_within_one_percent_and_50_ms(interval in 100u32..86_400_000, target: u64, slot: u64) {
        let schedule = Schedule::new(interval, 0, 1).expect("within bounds");
        let jitter = schedule.jitter_us(TargetId(target), UnixMillis(slot));
        prop_assert!(jitter < 50_000 && jitter * 100 < u64::from(interval) * 1_000);
        prop_assert_eq!(jitter, schedule.jitter_us(TargetId(target), UnixMillis(slot)));
    }

    #[test]
    fn runs_that_can_overlap_are_the_timeout_in_intervals(interval in 100u32..5_000, timeout in 1u32..60_000) {
        let schedule = Schedule::new(interval, 0, timeout).expect("within bounds");
        let naive = (0..timeout).step_by(interval as usize).count();
        prop_assert_eq!(schedule.in_flight_max() as usize, naive);
    }
}

#[test]
fn bounds_hold_from_both_sides() {
    assert!(Schedule::new(100, 0, 1).is_ok());
    assert!(Schedule::new(86_400_000, 86_399_999, 60_000).is_ok());
    assert_eq!(
        Schedule::new(99, 0, 1),
        Err(ScheduleError::Interval { interval_ms: 99 })
    );
    assert_eq!(
        Schedule::new(86_400_001, 0, 1),
        Err(ScheduleError::Interval {
            interval_ms: 86_400_001
        })
    );
    assert_eq!(
        Schedule::new(100, 100, 1),
        Err(ScheduleError::Offset {
            offset_ms: 100,
            interval_ms: 100
        })
    );
    assert_eq!(
        Schedule::new(100, 0, 0),
        Err(ScheduleError::Timeout { timeout_ms: 0 })
    );
    assert_eq!(
        Schedule::new(100, 0, 60_001),
        Err(ScheduleError::Timeout { timeout_ms: 60_001 })
    );
}

#[test]
fn floors_are_100_ms_for_echo_a_second_for_endpoints_and_six_hours_for_throughput() {
    let every = |interval_ms| Schedule::new(interval_ms, 0, 1).expect("within bounds");
    assert!(every(100).respects_floor(Check::Echo));
    for check in &Check::ALL[1..6] {
        assert!(!every(999).respects_floor(*check));
        assert!(every(1_000).respects_floor(*check));
    }
    assert_eq!(Check::ALL[6], Check::Throughput);
    assert!(!every(21_599_999).respects_floor(Check::Throughput));
    assert!(every(21_600_000).respects_floor(Check::Throughput));
}

#[test]
fn fleet_is_spread_over_the_interval() {
    let kind = Kind::new(Check::Echo, Family::V4);
    let offsets: HashSet<u32> = (0..200)
        .map(|probe| {
            let schedule = Schedule::spread(ProbeId(probe), TargetId(1), kind, 10_000, 1_000);
            schedule.expect("within bounds").offset_ms
        })
        .collect();
    assert!(offsets.len() > 190, "{} different offsets of 200", offsets.len());
    let halves = offsets.iter().filter(|offset| **offset < 5_000).count();
    assert!((60..140).contains(&halves), "{halves} of 200 in the first half");
}

#[test]
fn plan_counts_the_slots_of_all_checks_up_to_its_expiry() {
    use crate::plan::{Plan, PlannedCheck, ResponderPlan};
    let schedules = [(1_000, 300), (700, 0), (2_500, 2_499)];
    let check = |(interval, offset)| PlannedCheck {
        kind: Kind::new(Check::Echo, Family::V4),
        target: 0,
        schedule: Schedule::new(interval, offset, 1).expect("within bounds"),
    };
    let plan = Plan {
        version: crate::ids::PlanVersion::default(),
        probe: ProbeId(1),
        probe_name: String::new(),
        issued: UnixMillis(0),
        expires: UnixMillis(8_000),
        targets: vec![],
        checks: schedules.into_iter().map(check).collect(),
        responder: ResponderPlan::default(),
    };
    for (from, until) in [
        (0, 1),
        (0, 8_000),
        (0, 50_000),
        (1_300, 7_700),
        (7_999, 9_000),
        (8_000, 9_000),
    ] {
        let naive: usize = plan
            .checks
            .iter()
            .map(|check| slots(&check.schedule, from, until.min(8_000)).len())
            .sum();
        assert_eq!(
            plan.count_slots(UnixMillis(from), UnixMillis(until)),
            naive as u64,
            "[{from}, {until})"
        );
    }
}
