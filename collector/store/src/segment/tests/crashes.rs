//! The power is cut at each write of sealing and of compaction, and whatever of it was not synced is kept or lost.

use proptest::prelude::*;

use super::*;

/// What is found after a crash: everything, once, and no file too many.
fn check(disk: &LossyBackend, before: &[Given], what: &str) -> Store {
    let store = store_on(disk);
    drop(store.alone().unwrap()); // what was not written to its end goes
    assert!(everything(&store) == before, "{what}");
    assert!(store.damage().unwrap().is_none(), "{what}: {:?}", store.damage());
    assert!(ledger::verify(&store).unwrap().is_sound(), "{what}");
    let files = disk.file_names();
    let listed = Tier::ALL.map(|tier| store.segment_files(tier).unwrap());
    let named: Vec<String> = listed
        .iter()
        .flatten()
        .map(|file| file.path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(named.iter().all(|name| files.contains(name)), "{what}");
    let replaced = store.read(|transaction| crate::tables::REPLACED.read(transaction, store.found())?.len());
    assert!(
        files.len() <= named.len() + replaced.unwrap() as usize,
        "{what}: a stray"
    );
    store
}

#[test]
fn crash_at_any_write_of_sealing_loses_and_doubles_nothing() {
    let (mut finished, mut crashed) = (0, 0);
    for operations in 0..60 {
        let (disk, store) = store_with_plan();
        store_honest(&inline(&store), EPOCH, 6);
        let before = everything(&store);
        disk.die_after(operations);
        let sealed = store.seal_before(cut_of(6), UnixMillis(u64::MAX));
        match sealed {
            Ok(_) => finished += 1,
            Err(_) => crashed += 1,
        }
        for seed in 0..3 {
            let found = disk.crash(operations * 3 + seed);
            let store = check(
                &found,
                &before,
                &format!("after {operations} writes, seed {seed}"),
            );
            seal(&store, 6);
            assert!(
                in_log(&store) < 2 && everything(&store) == before,
                "and it goes on"
            );
        }
    }
    assert!(finished > 5 && crashed > 10, "{finished} {crashed}");
}

#[test]
fn crash_at_any_write_of_compaction_loses_and_doubles_nothing() {
    let (whole, store, before) = sealed_thrice();
    drop(store);
    let (mut finished, mut crashed) = (0, 0);
    for operations in 0..60 {
        let disk = whole.snapshot();
        let store = store_on(&disk);
        disk.die_after(operations);
        let compacted = store.compact(next_day());
        let removed = ten_minutes_pass(&store);
        match compacted.and(removed) {
            Ok(_) => finished += 1,
            Err(_) => crashed += 1,
        }
        for seed in 0..3 {
            let found = disk.crash(operations * 3 + seed);
            let store = check(
                &found,
                &before,
                &format!("after {operations} writes, seed {seed}"),
            );
            store.compact(next_day()).unwrap();
            ten_minutes_pass(&store).unwrap();
            assert_eq!(raw_files(&found).len(), 2);
            assert!(everything(&store) == before, "and it goes on");
        }
    }
    assert!(finished > 5 && crashed > 10, "{finished} {crashed}");
}

#[derive(Clone, Debug)]
enum Act {
    Store(u64),
    Seal(u64),
    Compact,
    Remove,
    Start,
    Crash { operations: u64, seed: u64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (1_u64..5).prop_map(Act::Store),
        3 => (0_u64..4).prop_map(Act::Seal),
        1 => Just(Act::Compact),
        1 => Just(Act::Remove),
        1 => Just(Act::Start),
        2 => (0_u64..40, any::<u64>()).prop_map(|(operations, seed)| Act::Crash { operations, seed }),
    ];
    prop::collection::vec(act, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// The oracle: every batch that was acknowledged is there once, in its order, whatever was done in between.
    #[test]
    fn acknowledged_batches_are_there_once_whatever_is_sealed_compacted_and_cut(acts in acts()) {
        let (mut disk, mut store) = store_with_plan();
        let (mut acknowledged, mut previous) = (0_u64, Digest::ZERO);
        for act in acts {
            // a disk that dies makes errors: what counts is what is found afterwards
            match act {
                Act::Store(batches) => {
                    let ingest = inline(&store);
                    for _ in 0..batches {
                        let batch = honest(EPOCH, acknowledged + 1, previous);
                        let digest = batch.digest;
                        match submit(&ingest, batch) {
                            Ingested::Stored { .. } | Ingested::Already { .. } => {
                                (acknowledged, previous) = (acknowledged + 1, digest);
                            }
                            _ => break,
                        }
                    }
                }
                Act::Seal(but) => {
                    let until = cut_of(acknowledged.saturating_sub(but));
                    store.seal_before(until, UnixMillis(u64::MAX)).ok();
                }
                Act::Compact => { store.compact(next_day()).ok(); }
                Act::Remove => { ten_minutes_pass(&store).ok(); }
                Act::Start => {
                    drop(store);
                    disk = disk.crash(acknowledged);
                    store = store_on(&disk);
                }
                Act::Crash { operations, seed } => {
                    disk.die_after(operations);
                    store.seal_before(cut_of(acknowledged), UnixMillis(u64::MAX)).ok();
                    store.compact(next_day()).ok();
                    ten_minutes_pass(&store).ok();
                    drop(store);
                    disk = disk.crash(seed);
                    store = store_on(&disk);
                }
            }
        }
        let sequences: Vec<u64> = everything(&store).iter().map(|batch| batch.header.sequence.0).collect();
        prop_assert_eq!(sequences, (1..=acknowledged).collect::<Vec<_>>());
        prop_assert!(ledger::verify(&store).unwrap().is_sound());
    }
}
