//! The disk is full from each write of sealing, compaction, folding and making rollups again on, and has room again later.

use super::*;
use crate::ledger;

/// Everything is there once, alone and added up.
fn check_same(store: &Store, before: &Oracle, what: &str) {
    before.compare(
        &rolled(store, &RollupRange::of(Period::Day, EVER.0, EVER.1)),
        what,
    );
    check(store, what);
}

/// Fills the disk at each write of `work` on a store that `made` gives.
fn fill(made: impl Fn() -> (LossyBackend, Store), work: impl Fn(&Store) -> bool) {
    let (mut finished, mut failed) = (0, 0);
    for operations in 0..400 {
        let (disk, store) = made();
        let before = Oracle::of(&store, Period::Day);
        let what = |then: &str| format!("full after {operations} writes, {then}");
        disk.full_after(Some(operations));
        match work(&store) {
            true => finished += 1,
            false => failed += 1,
        }
        check_same(&store, &before, &what("while it is full"));
        disk.full_after(None);
        check_same(&store, &before, &what("with room again"));
        assert!(work(&store), "{}", what("it goes on"));
        check_same(&store, &before, &what("after another go"));
        let audit = ledger::verify(&store).unwrap();
        assert!(audit.is_sound(), "{}: {audit:?}", what("counted again"));
        drop(store);
        let found = disk.crash(operations);
        check_same(&store_on(&found), &before, &what("after a start"));
        if finished > 3 {
            break;
        }
    }
    assert!(finished > 3 && failed > 10, "{finished} {failed}");
}

#[test]
fn disk_that_is_full_at_any_write_of_sealing_loses_and_doubles_nothing() {
    let made = || {
        let (disk, store) = store_with_plan();
        World::default().store(&store, Place::default(), 6);
        (disk, store)
    };
    fill(made, |store| {
        store
            .seal_before(UnixMillis(u64::MAX), UnixMillis(u64::MAX))
            .is_ok()
    });
}

#[test]
fn disk_that_is_full_at_any_write_of_compaction_loses_and_doubles_nothing() {
    fill(sealed_twice, |store| {
        let compacted = store.compact(next_day());
        compacted.and(ten_minutes_pass(store)).is_ok()
    });
}

#[test]
fn disk_that_is_full_at_any_write_of_folding_loses_and_doubles_nothing() {
    fill(sealed_twice, |store| {
        let mut folded = store.fold_rollups(next_day());
        while folded.as_ref().is_ok_and(Option::is_some) {
            folded = store.fold_rollups(next_day()); // hours and days, of each kind
        }
        folded.and(ten_minutes_pass(store)).is_ok()
    });
}

#[test]
fn disk_that_is_full_at_any_write_of_rolling_up_again_loses_and_doubles_nothing() {
    let made = || {
        let (disk, store) = sealed_twice();
        let marked = store.write_tables(|transaction| marks::mark_all(transaction, store.found()));
        marked.unwrap();
        (disk, store)
    };
    fill(made, |store| {
        let again = store.roll_up_again(next_day());
        again.and(ten_minutes_pass(store)).is_ok()
    });
}
