//! Every slot is handed out exactly once, however irregularly the time passes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::account::tests::plan_of;

const BASE: UnixMillis = UnixMillis(472_222 * 3_600_000);

fn at(millis: u64) -> UnixMillis {
    UnixMillis(BASE.0 + millis)
}

fn us(millis: u64) -> u64 {
    at(millis).0 * 1_000
}

fn all(grid: &mut Grid, now_us: u64) -> Vec<Due> {
    std::iter::from_fn(|| grid.pop(now_us)).collect()
}

#[test]
fn long_suspension_gives_one_range_and_no_storm() {
    let plan = plan_of(1, &[(100, 0, 50); 8], at(100_000_000));
    let mut grid = Grid::new(Arc::new(plan), BASE);
    let due = all(&mut grid, us(3_600_000));
    let runs = due.iter().filter(|due| matches!(due, Due::Run { .. })).count();
    assert!(runs <= 2 * 8, "{runs} runs at once");
    assert_eq!(due.len() - runs, 8, "one range for each check");
}

#[test]
fn slots_up_to_a_second_late_still_run() {
    let plan = plan_of(1, &[(10_000, 0, 500)], at(100_000));
    let mut grid = Grid::new(Arc::new(plan), BASE);
    let due_us = grid.next_due_us().unwrap();
    assert!(grid.pop(due_us - 1).is_none());
    assert!(matches!(grid.pop(due_us + 1_000_000), Some(Due::Run { .. })));
    let due_us = grid.next_due_us().unwrap();
    assert!(matches!(grid.pop(due_us + 1_000_001), Some(Due::Skip(range)) if range.count == 1));
}

#[test]
fn overlap_beyond_the_timeout_is_skipped() {
    let plan = plan_of(1, &[(1_000, 0, 2_500)], at(100_000)); // three may overlap
    let mut grid = Grid::new(Arc::new(plan), BASE);
    let mut fates = Vec::new();
    for second in 0..5 {
        for due in all(&mut grid, us(second * 1_000 + 999)) {
            match due {
                Due::Run { check, .. } => {
                    grid.started(check);
                    fates.push("run");
                }
                Due::Skip(range) => {
                    assert_eq!(range.cause, SkipCause::Overlap);
                    fates.push("skip");
                }
            }
        }
    }
    assert_eq!(fates, ["run", "run", "run", "skip", "skip"]);
    grid.ended(0);
    assert!(
        matches!(all(&mut grid, us(5_999))[..], [Due::Run { .. }]),
        "room again"
    );
}

#[test]
fn expired_plan_has_no_slots() {
    let plan = plan_of(1, &[(1_000, 0, 500)], at(3_500));
    let mut grid = Grid::new(Arc::new(plan), BASE);
    let slots: u32 = (0..20)
        .map(|step| all(&mut grid, us(step * 500)).len() as u32)
        .sum();
    assert_eq!(slots, 4); // 0, 1, 2, 3 s
    assert!(grid.is_over());
}

proptest! {
    /// Coverage: whatever the wake-ups, the plan's end and the shutdown, each planned slot is run or
    /// skipped, once.
    #[test]
    fn every_slot_is_run_or_skipped_once(
        schedules in proptest::collection::vec((100u32..20_000, 0u32..20_000, 50u32..5_000), 1..6),
        wakes in proptest::collection::vec(prop_oneof![5 => 1u64..200, 3 => 200u64..3_000, 1 => 3_000u64..200_000], 1..60),
        end in 0u64..400_000,
        expiry in 1u64..600_000,
    ) {
        let plan = Arc::new(plan_of(1, &schedules, at(expiry)));
        let mut grid = Grid::new(Arc::clone(&plan), BASE);
        let mut seen: BTreeMap<(u16, UnixMillis), u32> = BTreeMap::new();
        let mut note = |check: u16, first: UnixMillis, count: u32| {
            let interval = u64::from(plan.checks[usize::from(check)].schedule.interval_ms());
            for n in 0..u64::from(count) {
                *seen.entry((check, UnixMillis(first.0 + n * interval))).or_default() += 1;
            }
        };
        let (mut now, stop) = (0, at(end));
        grid.end_at(stop);
        for wake in wakes {
            now += wake;
            while let Some(due) = grid.pop(us(now)) {
                match due {
                    Due::Run { check, slot, due_us } => {
                        prop_assert!(us(now) - due_us <= 1_000_000);
                        note(check, slot, 1);
                        if now % 3 == 0 { grid.started(check); }
                    }
                    Due::Skip(range) => note(range.check, range.first_slot, range.count),
                }
            }
        }
        let closing = at(now + 1);
        for range in grid.skip_until(closing, SkipCause::Shutdown) {
            note(range.check, range.first_slot, range.count);
        }
        let until = closing.min(stop).min(plan.expires);
        for (index, check) in plan.checks.iter().enumerate() {
            let mut slot = check.schedule.first_from(BASE);
            while slot < until {
                prop_assert_eq!(seen.remove(&(index as u16, slot)), Some(1), "slot {:?} of check {}", slot, index);
                slot = check.schedule.after(slot);
            }
        }
        prop_assert!(seen.is_empty(), "more than was planned: {:?}", seen);
    }
}
