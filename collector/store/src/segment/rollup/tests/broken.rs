//! Rollups, or what they hang on, are not what was written.

use super::*;
use crate::Part;
use crate::found::{Damaged, Fault};
use crate::tables::{META_FORMAT, PLANS, SEGMENTS, plan_key};

fn sealed_thrice() -> (LossyBackend, Store) {
    let (disk, store) = store_with_plan();
    let mut world = World::default();
    for day in 0..3 {
        world.store(
            &store,
            Place {
                epoch: 0,
                day: day / 2,
            },
            70,
        );
        world.seal(&store);
    }
    (disk, store)
}

fn marked(store: &Store) -> usize {
    store
        .read(|transaction| marks::read(transaction, store.found()))
        .unwrap()
        .len()
}

#[test]
fn damaged_file_of_rollups_is_named_and_made_again() {
    for tier in [Tier::Hour, Tier::Day] {
        let (disk, store) = sealed_thrice();
        let name = named(&store, tier).remove(0);
        disk.flip_in_file(&name, 5_000);
        check(&store, "read from the measurements");
        let damage = store.damage().unwrap();
        assert_eq!((damage.rows, damage.measurements), (1, 0), "{damage:?}");
        assert!(damage.set_aside[0].reason.contains(&name), "{damage:?}");
        assert!(disk.file_names().contains(&format!("{name}.damaged")));
        assert_eq!(marked(&store), 1);
        let of_other_days = named(&store, tier).len();
        let again = store.roll_up_again(next_day()).unwrap().unwrap();
        assert!(again.measurements >= 70 * ROWS, "{again:?}");
        assert_eq!(
            (marked(&store), store.roll_up_again(next_day()).unwrap()),
            (0, None)
        );
        assert!(named(&store, tier).len() > of_other_days);
        check(&store, "made again");
        drop(store);
        check(&store_on(&disk.snapshot()), "after a start");
    }
}

/// The measurements are kept no longer.
fn without_measurements() -> (LossyBackend, Store) {
    let (disk, store) = sealed_thrice();
    let now = UnixMillis(next_day().0 + 32 * 86_400_000);
    while store.retain(now).unwrap().is_some() {}
    assert!(named(&store, Tier::Raw).is_empty() && !named(&store, Tier::Hour).is_empty());
    (disk, store)
}

#[test]
fn damaged_days_whose_measurements_are_gone_are_read_and_made_again_from_hours() {
    for is_folded in [false, true] {
        let (disk, store) = without_measurements();
        let ranges = [Period::Hour, Period::Day].map(|period| RollupRange::of(period, EVER.0, EVER.1));
        let before = ranges.clone().map(|range| rolled(&store, &range));
        while is_folded && store.fold_rollups(next_day()).unwrap().is_some() {}
        let mut names = named(&store, Tier::Day);
        let others = names.split_off(1);
        for names in [names, others] {
            names.iter().for_each(|name| disk.flip_in_file(name, 5_000));
            let what = format!("{names:?} are damaged");
            let after = ranges.clone().map(|range| rolled(&store, &range));
            assert!(after == before, "{what}");
            assert_eq!(
                (store.damage().unwrap().lost_sums, marked(&store)),
                (0, 0),
                "{what}"
            );
        }
        while store.fold_rollups(next_day()).unwrap().is_some() {}
        assert_eq!(named(&store, Tier::Day).len(), 4, "of two kinds and days");
        drop(store);
        let store = store_on(&disk.snapshot());
        assert!(
            ranges.clone().map(|range| rolled(&store, &range)) == before,
            "made again"
        );
    }
}

#[test]
fn damaged_hours_whose_measurements_are_gone_are_told_of_until_somebody_accepts_it() {
    let (disk, store) = without_measurements();
    let days = RollupRange::of(Period::Day, EVER.0, EVER.1);
    let before = rolled(&store, &days);
    disk.flip_in_file(&named(&store, Tier::Hour)[0], 5_000);
    rolled(&store, &RollupRange::of(Period::Hour, EVER.0, EVER.1));
    let damage = store.damage().unwrap();
    assert_eq!((damage.lost_sums, damage.measurements), (1, 0), "{damage:?}");
    assert_eq!(
        store.fold_rollups(next_day()).unwrap().map(|_| ()),
        Some(()),
        "the others of that day"
    );
    assert!(rolled(&store, &days) == before, "days know it still");
    store
        .write(|transaction| store.accept_damage_in(transaction, None))
        .unwrap();
    store.damage_accepted();
    assert_eq!(store.damage().unwrap().lost_sums, 0);
}

#[test]
fn damaged_file_of_rollups_on_a_full_disk_is_passed_over_and_the_rest_is_served() {
    let (disk, store) = sealed_thrice();
    let days = RollupRange::of(Period::Day, EVER.0, EVER.1);
    let run = |rollups: Vec<Rollup>| rollups.iter().map(|rollup| rollup.sums.run).sum::<u64>();
    let before = run(rolled(&store, &days));
    disk.flip_in_file(&named(&store, Tier::Day)[0], 5_000);
    disk.full_after(Some(0));
    let while_full = run(rolled(&store, &days));
    assert!(while_full > 0 && while_full < before, "{while_full} of {before}");
    disk.full_after(None);
    rolled(&store, &days); // what was found is set aside behind it
    assert_eq!(run(rolled(&store, &days)), before, "from the measurements");
    assert_eq!(marked(&store), 1);
}

#[test]
fn measurements_of_lost_heads_count_no_more_until_they_come_again() {
    let (disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 15);
    for sequence in [4, 8, 12] {
        store
            .seal_before(UnixMillis(cut_of(sequence).0 + 31), UnixMillis(u64::MAX))
            .unwrap();
    }
    assert!(store.flip_both("sealed batches", 1, Part::Value, 90).unwrap());
    drop(store);
    let store = store_on(&disk);
    check(&store, "without four batches");
    assert_eq!(marked(&store), 1);
    store.roll_up_again(next_day()).unwrap().unwrap();
    check(&store, "made again without them");
    let mut previous = isochrone_proto::ids::Digest::ZERO;
    for sequence in 1..=15 {
        let batch = honest(EPOCH, sequence, previous);
        previous = batch.digest;
        submit(&inline(&store), batch);
    }
    check(&store, "they came again");
    while store
        .seal_before(UnixMillis(u64::MAX), UnixMillis(u64::MAX))
        .unwrap()
        .is_some()
    {}
    check(&store, "and were sealed");
    let run: u64 = rolled(&store, &RollupRange::of(Period::Day, EVER.0, EVER.1))
        .iter()
        .map(|rollup| rollup.sums.run)
        .sum();
    assert_eq!(run, 15 * ROWS);
}

#[test]
fn hours_whose_measurements_are_removed_keep_their_rollups_when_heads_are_lost() {
    let (_disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 30); // 10:40 to 11:10
    for sequence in [10, 20, 30] {
        store
            .seal_before(UnixMillis(cut_of(sequence).0 + 31), UnixMillis(u64::MAX))
            .unwrap();
    }
    let periods = [Period::Hour, Period::Day];
    let rollups =
        |store: &Store| periods.map(|period| rolled(store, &RollupRange::of(period, EVER.0, EVER.1)));
    let run = |rollups: &[Rollup]| rollups.iter().map(|rollup| rollup.sums.run).sum::<u64>();
    let before = rollups(&store);
    let month_later = UnixMillis(cut_of(15).0 + 30 * 86_400_000);
    assert_eq!(
        store.remove_due(month_later).unwrap().unwrap().measurements,
        10 * ROWS
    );
    assert!(store.flip_both("sealed batches", 1, Part::Value, 90).unwrap());
    Oracle::of(&store, Period::Hour); // reads the heads, and so finds it
    assert_eq!(marked(&store), 1);
    while store.roll_up_again(next_day()).unwrap().is_some() {}
    let [hours, days] = rollups(&store);
    let of_first = |rollups: &[Rollup]| {
        rollups
            .iter()
            .filter(|it| it.start.hour() == START.hour())
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(
        of_first(&hours) == of_first(&before[0]),
        "the hour that is partly removed stays"
    );
    assert_eq!((run(&hours), run(&days)), (20 * ROWS, 20 * ROWS));
    let mut previous = isochrone_proto::ids::Digest::ZERO;
    for sequence in 1..=30 {
        let batch = honest(EPOCH, sequence, previous);
        previous = batch.digest;
        submit(&inline(&store), batch);
    }
    let [hours, days] = rollups(&store);
    assert_eq!(
        (run(&hours), run(&days)),
        (30 * ROWS, 30 * ROWS),
        "what comes again counts once"
    );
}

#[test]
fn rollups_that_decay_after_they_were_checked_are_not_folded() {
    for tier in [Tier::Hour, Tier::Day] {
        let (disk, store) = sealed_thrice();
        disk.keep_stamps();
        check(&store, "whole");
        disk.flip_in_file(&named(&store, tier).remove(0), 5_000);
        while store.fold_rollups(next_day()).unwrap().is_some() {}
        assert_eq!(store.damage().unwrap().rows, 1);
        while store.roll_up_again(next_day()).unwrap().is_some() {}
        check(&store, "made again");
    }
}

#[test]
fn measurements_that_decayed_are_not_rolled_up_again() {
    let (disk, store) = sealed_thrice();
    disk.keep_stamps();
    let before = Oracle::of(&store, Period::Hour);
    store
        .write_tables(|transaction| marks::mark_all(transaction, store.found()))
        .unwrap();
    disk.flip_in_file(&named(&store, Tier::Raw)[0], 3_000);
    while store.roll_up_again(next_day()).unwrap().is_some() {}
    assert_eq!(store.damage().unwrap().rows, 1);
    before.compare(
        &rolled(&store, &RollupRange::of(Period::Hour, EVER.0, EVER.1)),
        "hours know more",
    );
}

#[test]
fn rollups_of_a_damaged_segment_of_measurements_stay() {
    let (disk, store) = sealed_thrice();
    let before = rolled(&store, &RollupRange::of(Period::Hour, EVER.0, EVER.1));
    disk.flip_in_file(&named(&store, Tier::Raw)[0], 3_000);
    let counted = Oracle::of(&store, Period::Hour); // reads it, and so finds it
    assert_eq!(store.damage().unwrap().rows, 1);
    assert_eq!(
        rolled(&store, &RollupRange::of(Period::Hour, EVER.0, EVER.1)),
        before
    );
    assert_eq!(marked(&store), 0, "the measurements are fewer now");
    drop(counted);
}

#[test]
fn store_of_the_format_before_rollups_gets_them() {
    let (disk, store) = sealed_thrice();
    let made_old = store.write_tables(|transaction| {
        let mut segments = SEGMENTS.open(transaction, store.found())?;
        for number in 1..30 {
            let row = segments.get_as(number, crate::segment::Segment::decode)?;
            if row.is_some_and(|segment| segment.tier != Tier::Raw) {
                segments.remove(number)?;
            }
        }
        crate::numbers::Numbers::open(transaction, store.found())?.set(META_FORMAT, 6)
    });
    made_old.unwrap();
    drop(store);
    let store = store_on(&disk);
    assert_eq!(marked(&store), 2, "days");
    check(&store, "added up from the measurements");
    assert!(named(&store, Tier::Hour).is_empty());
    while store.roll_up_again(next_day()).unwrap().is_some() {}
    check(&store, "made");
    assert_eq!((marked(&store), named(&store, Tier::Hour).len()), (0, 4));
}

#[test]
fn one_flipped_bit_of_what_names_rollups_changes_nothing() {
    let (whole, store) = sealed_thrice();
    let expected = Oracle::of(&store, Period::Hour);
    store
        .write_tables(|transaction| marks::mark_all(transaction, store.found()))
        .unwrap();
    store.roll_up_again(next_day()).unwrap();
    drop(store);
    for table in [
        "segments",
        "segments again",
        "days without rollups",
        "days without rollups again",
    ] {
        for (place, part, bit) in [
            (0, Part::Key, 9),
            (4, Part::Key, 1),
            (7, Part::Value, 77),
            (1, Part::Value, 3),
        ] {
            for both in [false, true] {
                let disk = whole.snapshot();
                let store = store_on(&disk);
                let flipped = match both {
                    true if table.starts_with("days") => store.flip_both(table, place, part, bit).unwrap(),
                    _ => store.flip_bit(table, place, part, bit).unwrap(),
                };
                if !flipped {
                    continue;
                }
                drop(store);
                let store = store_on(&disk);
                let what = format!("{table} {place} {part:?} {bit} {both}");
                let given = rolled(&store, &RollupRange::of(Period::Hour, EVER.0, EVER.1));
                expected.compare(&given, &what);
                while store.roll_up_again(next_day()).unwrap().is_some() {}
                check(&store, &what);
            }
        }
    }
}

#[test]
fn day_under_a_missing_plan_is_rolled_up_once_it_is_back() {
    let (disk, store) = sealed_thrice();
    let before = Oracle::of(&store, Period::Day);
    let key = plan_key(ADA, version(1));
    let lost = store.write_tables(|transaction| {
        marks::mark_all(transaction, store.found())?;
        PLANS.open(transaction, store.found())?.remove(&key)?;
        store.forget_plans(&[Damaged {
            table: PLANS.name,
            key: key.to_vec(),
            what: Fault::Missing,
        }]);
        Ok(())
    });
    lost.unwrap();
    assert_eq!(store.roll_up_again(next_day()).unwrap(), None);
    let opened = disk.files_opened();
    assert_eq!(store.roll_up_again(next_day()).unwrap(), None);
    assert_eq!(
        disk.files_opened(),
        opened,
        "it is not looked at again each minute"
    );
    let days = RollupRange::of(Period::Day, EVER.0, EVER.1);
    assert_eq!((marked(&store), rolled(&store, &days)), (2, Vec::new()));
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    before.compare(&rolled(&store, &days), "it is back");
    while store.roll_up_again(next_day()).unwrap().is_some() {}
    before.compare(&rolled(&store, &days), "made");
    assert_eq!(marked(&store), 0);
}

#[test]
fn measurements_under_a_missing_plan_go_in_their_time_and_what_they_add_up_to_stays() {
    let (_disk, store) = sealed_thrice();
    let days = RollupRange::of(Period::Day, EVER.0, EVER.1);
    let before = rolled(&store, &days);
    let key = plan_key(ADA, version(1));
    let lost = store.write_tables(|transaction| {
        marks::mark_all(transaction, store.found())?;
        PLANS.open(transaction, store.found())?.remove(&key)?;
        store.forget_plans(&[Damaged {
            table: PLANS.name,
            key: key.to_vec(),
            what: Fault::Missing,
        }]);
        Ok(())
    });
    lost.unwrap();
    let month_later = UnixMillis(START.0 + 40 * 86_400_000);
    while let Some(removed) = store.retain(month_later).unwrap() {
        assert_eq!(removed.files, 0, "they are to be added up");
    }
    assert_eq!(store.roll_up_again(month_later).unwrap(), None);
    let next_hour = UnixMillis(month_later.0 + 3_600_000);
    while store.retain(next_hour).unwrap().is_some() {}
    assert!(store.segment_files(Tier::Raw).unwrap().is_empty());
    let day_later = UnixMillis(month_later.0 + 86_400_000);
    while store.roll_up_again(day_later).unwrap().is_some() {}
    assert_eq!(marked(&store), 0);
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    assert!(rolled(&store, &days) == before);
}
