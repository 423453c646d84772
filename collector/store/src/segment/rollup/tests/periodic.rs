//! What is done every minute reads as much after ten times the history.

use std::time::Duration;

use super::*;
use crate::ledger::Sums;

/// Days that are sealed and tended.
fn history(days: u64) -> (LossyBackend, Store, UnixMillis) {
    let disk = LossyBackend::new();
    let store = store_on(&disk);
    let mut long = plan(1);
    long.expires = UnixMillis(START.0 + 100 * 86_400_000);
    store.put_plan(&signed(&long), &long).unwrap();
    let mut world = World::default();
    for day in 0..days {
        world.ahead_days = day;
        world.store(&store, Place { epoch: 0, day }, 3);
        world.seal(&store);
    }
    let now = UnixMillis(START.0 + (days + 3) * 86_400_000 + 12 * 3_600_000); // no day ends soon
    while tend(&store, now) {}
    let later = Duration::from_millis(now.0) + Duration::from_secs(600); // files wait so long, however long the history is
    store.remove_replaced(later).unwrap();
    (disk, store, now)
}

/// All that the sealer looks for in a minute; whether there was anything.
fn tend(store: &Store, now: UnixMillis) -> bool {
    store.remove_replaced(Duration::from_millis(now.0)).unwrap();
    store.retain(now).unwrap().is_some()
        || store.seal(now).unwrap().is_some()
        || store.compact(now).unwrap().is_some()
        || store.fold_rollups(now).unwrap().is_some()
        || store.roll_up_again(now).unwrap().is_some()
}

fn reads(store: &Store, work: impl FnOnce(&Store)) -> u64 {
    let before = store.rows_read();
    work(store);
    store.rows_read() - before
}

#[test]
fn ten_times_the_history_is_no_more_to_read_in_a_minute_in_which_nothing_is_to_do() {
    let counts = [4, 40].map(|days| {
        let (_disk, store, now) = history(days);
        let files: usize = Tier::ALL
            .iter()
            .map(|tier| store.segment_files(*tier).unwrap().len())
            .sum();
        assert!(files as u64 >= days, "{files} files");
        let mut sums = Sums::default();
        sums.update(&store, now).unwrap();
        store.damage().unwrap();
        let later = |minutes: u64| UnixMillis(now.0 + minutes * 60_000);
        let sealer = reads(&store, |store| assert!(!tend(store, later(1))));
        let hour = reads(&store, |store| assert!(!tend(store, later(61)))); // retention looks again
        let account = reads(&store, |store| sums.update(store, later(62)).unwrap());
        let watch = reads(&store, |store| {
            store.damaged_rows().unwrap();
            store.damage().unwrap();
            assert_eq!(store.shortfall(), None);
        });
        let named = reads(&store, |store| {
            store.beginning().unwrap();
            store.segment_files(Tier::Hour).unwrap();
        });
        [sealer, hour, account, watch, named]
    });
    let [few, many] = counts;
    for (what, (few, many)) in ["sealer", "hour", "account", "watch", "named"]
        .iter()
        .zip(few.into_iter().zip(many))
    {
        assert!(
            many <= few + 4,
            "{what}: {few} rows, {many} after ten times the history"
        );
    }
}
