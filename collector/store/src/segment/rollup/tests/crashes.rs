//! The power is cut at each write of sealing, of folding and of making rollups again.

use super::*;

/// What is found after a crash: every measurement in one rollup, and no file too many.
fn check_found(disk: &LossyBackend, what: &str) -> Store {
    let store = store_on(disk);
    drop(store.alone().unwrap()); // what was not written to its end goes
    check(&store, what);
    assert!(store.damage().unwrap().is_none(), "{what}: {:?}", store.damage());
    let files = disk.file_names();
    let counted: Vec<String> = Tier::ALL
        .into_iter()
        .flat_map(|tier| named(&store, tier))
        .collect();
    assert!(counted.iter().all(|name| files.contains(name)), "{what}");
    let replaced = store.read(|transaction| crate::tables::REPLACED.read(transaction, store.found())?.len());
    let marks = store
        .read(|transaction| marks::read(transaction, store.found()))
        .unwrap();
    assert!(
        !marks.is_empty() || files.len() <= counted.len() + replaced.unwrap() as usize,
        "{what}: a stray"
    );
    store
}

/// Cuts the power at each write of `work` on a store that `made` gives.
fn cut(made: impl Fn() -> (LossyBackend, Store), work: impl Fn(&Store) -> bool) {
    let (mut finished, mut crashed) = (0, 0);
    for operations in 0..400 {
        let (disk, store) = made();
        disk.die_after(operations);
        match work(&store) {
            true => finished += 1,
            false => crashed += 1,
        }
        for seed in 0..2 {
            let found = disk.crash(operations * 3 + seed);
            let store = check_found(&found, &format!("after {operations} writes, seed {seed}"));
            assert!(work(&store), "it goes on");
            check(&store, "after another go");
        }
        if finished > 3 {
            break;
        }
    }
    assert!(finished > 3 && crashed > 10, "{finished} {crashed}");
}

#[test]
fn crash_at_any_write_of_sealing_leaves_each_measurement_in_one_rollup() {
    let made = || {
        let (disk, store) = store_with_plan();
        World::default().store(&store, Place::default(), 6);
        (disk, store)
    };
    cut(made, |store| {
        store
            .seal_before(UnixMillis(u64::MAX), UnixMillis(u64::MAX))
            .is_ok()
    });
}

#[test]
fn crash_at_any_write_of_folding_leaves_each_measurement_in_one_rollup() {
    cut(sealed_twice, |store| {
        let mut folded = store.fold_rollups(next_day());
        while folded.as_ref().is_ok_and(Option::is_some) {
            folded = store.fold_rollups(next_day()); // hours and days, of each kind
        }
        folded.and(ten_minutes_pass(store)).is_ok()
    });
}

/// While the day goes on: eight spans are folded, and a further one is sealed behind them.
#[test]
fn crash_at_any_write_of_folding_an_open_day_leaves_each_measurement_in_one_rollup() {
    let made = || {
        let (disk, store) = store_with_plan();
        let mut world = World::default();
        for _ in 0..8 {
            world.store(&store, Place::default(), 2);
            world.seal(&store);
        }
        world.store(&store, Place::default(), 2);
        (disk, store)
    };
    cut(made, |store| {
        let fold = || {
            let mut folded = store.fold_rollups(cut_of(200));
            while folded.as_ref().is_ok_and(Option::is_some) {
                folded = store.fold_rollups(cut_of(200)); // hours and days, of each kind
            }
            folded
        };
        let sealed = || store.seal_before(UnixMillis(u64::MAX), UnixMillis(u64::MAX));
        fold().and_then(|_| sealed()).and_then(|_| fold()).is_ok()
    });
}

#[test]
fn crash_at_any_write_of_rolling_up_again_leaves_each_measurement_in_one_rollup() {
    let made = || {
        let (disk, store) = sealed_twice();
        let marked = store.write_tables(|transaction| marks::mark_all(transaction, store.found()));
        marked.unwrap();
        (disk, store)
    };
    cut(made, |store| {
        let again = store.roll_up_again(next_day());
        again.and(ten_minutes_pass(store)).is_ok()
    });
}
