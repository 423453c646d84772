//! A segment, or what names it, is not what was written: that is named and counted, and the rest is served.

use super::*;
use crate::Part;
use crate::ledger::Totals;

fn totals(store: &Store) -> Totals {
    totals_at(store, 20)
}

fn totals_at(store: &Store, sequence: u64) -> Totals {
    ledger::read(store, cut_of(sequence)).unwrap().totals()
}

fn rows(store: &Store) -> u64 {
    everything(store)
        .iter()
        .map(|batch| batch.rows.len() as u64)
        .sum()
}

fn first_file(disk: &LossyBackend, kind: &str) -> String {
    let names = disk.file_names();
    names.into_iter().find(|name| name.starts_with(kind)).unwrap()
}

/// One file of 44 echoes is lost.
fn assert_named(disk: &LossyBackend, store: &Store, before: &Totals, name: &str) {
    let lost = 4 * 11;
    assert_eq!(rows(store), 15 * ROWS - lost);
    let damage = store.damage().unwrap();
    assert_eq!((damage.rows, damage.lost, damage.measurements), (1, 1, lost));
    let row = &damage.set_aside[0];
    assert_eq!((row.table.as_str(), row.measurements), ("segments", lost));
    assert!(row.reason.contains(name), "{row:?}");
    let account = totals(store);
    let expected = Totals {
        stored: before.stored - lost,
        dropped: before.dropped + lost,
        damaged: lost,
        ..*before
    };
    assert_eq!(account, expected);
    assert!(ledger::read(store, cut_of(20)).unwrap().is_balanced());
    let audit = ledger::verify(store).unwrap();
    assert_eq!((audit.lost, audit.twice, audit.damaged), (0, 0, 1), "{audit:?}");
    assert_eq!(store.segment_files(Tier::Raw).unwrap().len(), 5);
    assert!(!disk.file_names().contains(&name.to_owned()));
}

#[test]
fn damage_that_a_full_disk_lets_nobody_put_right_is_passed_over_until_it_has_room() {
    for tables in [
        &["sealed batches", "sealed batches again"][..],
        &["segments", "segments again"][..],
    ] {
        let (disk, store, before) = sealed_thrice();
        for table in tables {
            store.flip_bit(table, 0, Part::Value, 77).unwrap();
        }
        store.0.segments.known.forget(); // else it is not read again
        disk.fail_writes(Some(std::io::ErrorKind::StorageFull));
        for round in 0..3 {
            let found = everything(&store);
            let is_whole = |batch: &Given| before.contains(batch);
            assert!(
                found.len() >= 7 && found[4..].iter().all(is_whole),
                "{tables:?}, {round}"
            );
        }
        disk.fail_writes(None);
        everything(&store);
        let damage = store.damage().unwrap();
        assert!(damage.rows > 0, "{tables:?}: {damage:?}");
        let audit = ledger::verify(&store).unwrap();
        assert_eq!((audit.lost, audit.twice), (0, 0), "{tables:?}: {audit:?}");
    }
}

#[test]
fn damaged_segment_is_set_aside_and_named_and_the_rest_is_served() {
    for bit in [5, 4_000, usize::MAX / 16] {
        let (disk, store, _) = sealed_thrice();
        let before = totals(&store);
        let name = first_file(&disk, "echo4");
        disk.flip_in_file(&name, bit);
        assert_named(&disk, &store, &before, &name);
        let kept = format!("{name}.damaged");
        assert!(disk.file_names().contains(&kept), "its bytes are kept");
        drop(store);
        let store = store_on(&disk.snapshot());
        assert_eq!(rows(&store), 15 * ROWS - 44, "found once");
        assert_eq!(store.damage().unwrap().rows, 1);
    }
}

#[test]
fn damaged_file_has_no_other_read_again_but_those_of_its_hours() {
    let (disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 300); // 10:40 to 15:40
    for sequence in (20..=300).step_by(20) {
        seal(&store, sequence);
    }
    let (before, given) = (totals_at(&store, 300), rows(&store));
    let name = first_file(&disk, "echo4");
    disk.flip_in_file(&name, 4_000);
    let opened = disk.files_opened();
    let read = store.scan(ScanRange::slots(START, cut_of(1)), |_| ControlFlow::Continue(()));
    read.unwrap();
    let opened = disk.files_opened() - opened;
    assert!(
        (2..=8).contains(&opened),
        "{opened} of {}",
        disk.file_names().len()
    );
    let lost = given - rows(&store);
    assert!((200..=240).contains(&lost), "{lost}");
    let after = totals_at(&store, 300);
    assert_eq!((after.stored, after.damaged), (before.stored - lost, lost));
    let audit = ledger::verify(&store).unwrap();
    assert_eq!((audit.lost, audit.twice, audit.damaged), (0, 0, 1), "{audit:?}");
}

#[test]
fn missing_segment_is_named_and_the_rest_is_served() {
    let (disk, store, _) = sealed_thrice();
    let before = totals(&store);
    let name = first_file(&disk, "echo4");
    disk.lose_file(&name);
    assert_named(&disk, &store, &before, &name);
}

#[test]
fn damaged_segment_is_never_compacted_away() {
    let (disk, store, _) = sealed_thrice();
    disk.flip_in_file(&first_file(&disk, "echo4"), 999);
    assert_eq!(
        store.compact(next_day()).unwrap(),
        None,
        "it was found on the way"
    );
    assert_eq!(store.damage().unwrap().rows, 1);
    let compacted = store.compact(next_day()).unwrap().unwrap();
    assert_eq!(compacted.measurements, 12 * ROWS - 44);
    assert_eq!(rows(&store), 15 * ROWS - 44);
    assert!(disk.file_names().iter().any(|name| name.ends_with(".damaged")));
}

#[test]
fn accounts_are_counted_again_from_segments() {
    for table in ["hours", "epochs", "seen", "stream"] {
        let (disk, store, before) = sealed_thrice();
        let account = totals(&store);
        assert!(store.flip_both(table, 0, Part::Value, 90).unwrap());
        drop(store);
        let store = store_on(&disk);
        assert!(everything(&store) == before, "{table}");
        assert_eq!(totals(&store), account, "{table}");
        let audit = ledger::verify(&store).unwrap();
        assert_eq!((audit.lost, audit.twice), (0, 0), "{table}: {audit:?}");
        assert_eq!(totals(&store), account, "{table}");
        // the epoch goes on, and takes nothing twice
        let mut previous = Digest::ZERO;
        for sequence in 1..=15 {
            let batch = honest(EPOCH, sequence, previous);
            previous = batch.digest;
            assert!(
                matches!(submit(&inline(&store), batch), Ingested::Already { .. }),
                "{table}"
            );
        }
        let next = submit(&inline(&store), honest(EPOCH, 16, previous));
        assert!(matches!(next, Ingested::Stored { .. }), "{table}: {next:?}");
        assert_eq!(rows(&store), 16 * ROWS, "{table}");
    }
}

#[test]
fn batches_without_their_heads_are_lost_and_come_again_from_their_probe() {
    let (disk, store, before) = sealed_thrice();
    let account = totals(&store);
    assert!(store.flip_both("sealed batches", 1, Part::Value, 90).unwrap());
    drop(store);
    let store = store_on(&disk);
    assert_eq!(rows(&store), 11 * ROWS, "four batches had their heads in there");
    assert_eq!(totals(&store).damaged, 4 * ROWS);
    let mut previous = Digest::ZERO;
    for sequence in 1..=15 {
        let batch = honest(EPOCH, sequence, previous);
        previous = batch.digest;
        submit(&inline(&store), batch);
    }
    assert_eq!(rows(&store), 15 * ROWS);
    assert_eq!(totals(&store), account);
    let mut sequences: Vec<_> = everything(&store)
        .iter()
        .map(|batch| batch.header.sequence.0)
        .collect();
    sequences.sort_unstable();
    assert_eq!(
        sequences,
        before
            .iter()
            .map(|batch| batch.header.sequence.0)
            .collect::<Vec<_>>()
    );
    assert_sound(&store);
}

#[test]
fn one_flipped_bit_of_what_names_segments_loses_nothing() {
    let (whole, store, before) = sealed_thrice();
    store.compact(next_day()).unwrap();
    drop(store);
    for table in [
        "segments",
        "segments again",
        "sealed batches",
        "sealed batches again",
        "replaced segments",
        "numbers",
    ] {
        for place in 0..3 {
            for (part, bit) in [
                (Part::Key, 9),
                (Part::Key, 1),
                (Part::Value, 77),
                (Part::Value, 1 << 20),
            ] {
                let disk = whole.snapshot();
                let store = store_on(&disk);
                if !store.flip_bit(table, place, part, bit).unwrap() {
                    continue;
                }
                drop(store);
                let what = format!("{table} {place} {part:?} {bit}");
                let store = store_on(&disk);
                assert!(everything(&store) == before, "{what}");
                let audit = ledger::verify(&store).unwrap();
                assert!(audit.is_sound(), "{what}: {audit:?}");
                let damage = store.damage().unwrap();
                assert!(damage.rows > 0 && damage.lost == 0, "{what}: {damage:?}");
                assert!(everything(&store) == before, "{what}");
                assert_eq!(store.segment_files(Tier::Raw).unwrap().len(), 2, "{what}");
            }
        }
    }
}

#[test]
fn file_with_an_unreadable_sector_is_set_aside_and_the_rest_is_served() {
    let (disk, store, _) = sealed_thrice();
    let before = totals(&store);
    let name = first_file(&disk, "echo4");
    disk.fail_reads_of(&name, true);
    assert_named(&disk, &store, &before, &name);
}

#[test]
fn disk_that_gives_no_file_at_all_sets_nothing_aside() {
    let (disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 30);
    let before = everything(&store);
    (1..=30).for_each(|sequence| drop(seal(&store, sequence)));
    let names = disk.file_names();
    for name in &names {
        disk.fail_reads_of(name, true);
    }
    let scanned = store.scan(ScanRange::default(), |_| ControlFlow::Continue(()));
    assert!(matches!(scanned, Err(StoreError::Segment { .. })), "{scanned:?}");
    for name in &names {
        disk.fail_reads_of(name, false);
    }
    assert!(everything(&store) == before);
    assert!(store.damage().unwrap().is_none());
}

/// What decays without a write, after it was found whole.
#[test]
fn file_that_decays_after_it_was_checked_is_not_compacted() {
    let (disk, store, before) = sealed_thrice();
    disk.keep_stamps();
    assert!(everything(&store) == before);
    for (bit, kind) in [(999, "echo4"), (5_000, "status4")] {
        disk.flip_in_file(&first_file(&disk, kind), bit);
    }
    assert_eq!(store.compact(next_day()).unwrap(), None);
    assert_eq!(store.damage().unwrap().rows, 2);
    let lost = 4 * ROWS;
    assert_eq!(rows(&store), 15 * ROWS - lost);
    let compacted = store.compact(next_day()).unwrap().unwrap();
    assert_eq!(compacted.measurements, 12 * ROWS - lost);
}

#[test]
fn run_that_cannot_be_compacted_is_not_read_again_and_again() {
    let (disk, store, _) = sealed_thrice();
    assert!(store.flip_both("sealed batches", 1, Part::Value, 90).unwrap());
    let given = everything(&store);
    assert_eq!(given.len(), 11);
    store.compact(next_day()).unwrap();
    let opened = disk.files_opened();
    assert_eq!(store.compact(next_day()).unwrap(), None);
    assert_eq!(disk.files_opened(), opened);
    assert!(everything(&store) == given);
}

#[test]
fn every_file_is_read_again_within_a_week() {
    let (disk, store, before) = sealed_thrice();
    disk.keep_stamps();
    assert!(everything(&store) == before);
    let minute = |minute: u64| UnixMillis(START.0 + minute * 60_000);
    let mut files = 0;
    for hour in 0..7 * 24 {
        files += store
            .check_files(minute(hour * 60), minute(hour * 60 + 60))
            .unwrap();
    }
    assert_eq!(files, disk.file_names().len() as u64, "each once");
    let name = first_file(&disk, "echo4");
    disk.flip_in_file(&name, 4_000);
    assert!(store.damage().unwrap().is_none());
    for tick in 0..=7 * 24 * 60 {
        store.check_files(minute(tick), minute(tick + 1)).unwrap();
    }
    let damage = store.damage().unwrap();
    assert!(damage.set_aside[0].reason.contains(&name), "{damage:?}");
}
