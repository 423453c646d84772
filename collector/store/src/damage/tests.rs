mod disk;

use std::ops::ControlFlow;

use isochrone_proto::control::EpochState;
use isochrone_proto::ids::{Digest, Sequence};
use proptest::prelude::*;

use super::flip::Part;
use crate::aside::SetAside;
use crate::ingest::fixture::*;
use crate::ingest::{Ingested, quarantined};
use crate::ledger::{self, Totals};
use crate::lossy::LossyBackend;
use crate::twice::RECORDS;
use crate::{Records, ScanRange, Store};

/// A store with something in every table of the accounts: two epochs, a tombstone, a fork, a refused batch, records.
fn rich() -> LossyBackend {
    let (disk, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 4);
    submit(&ingest, honest(EPOCH, 5, Digest::of(b"a clone")));
    submit(&ingest, tombstone(EPOCH, 5, 6));
    let mut header = header(EPOCH, 7, Digest::of(&6_u64.to_be_bytes()));
    header.hours = vec![count_at(7)];
    submit(&ingest, incoming(header, &[echo(9, cut_of(6).0, 5)]));
    let mut previous = Digest::ZERO;
    for sequence in 1..=3 {
        let mut header = self::header(LATER_EPOCH, sequence, previous);
        let shift = 30 * STEP_MS;
        header.cut.0 += shift;
        header.adopted.first_slot.0 += shift;
        for skipped in &mut header.skipped {
            skipped.first_slot.0 += shift;
        }
        header.hours = vec![count_of_later(sequence)];
        let rows: Vec<_> = measurements(sequence, 0)
            .into_iter()
            .map(|mut row| {
                row.slot.0 += shift;
                row
            })
            .collect();
        let batch = incoming(header, &rows);
        previous = batch.digest;
        let mark = Sequence(sequence);
        assert_eq!(submit(&ingest, batch), Ingested::Stored { mark });
    }
    store
        .write(|transaction| transaction.end_plans(ADA, cut_of(60)))
        .unwrap();
    for (table, _) in RECORDS {
        let records: Records<String> = Records::new(store.clone(), table);
        for key in ["one", "two", "three"] {
            records.put(key, &format!("{table} {key}")).unwrap();
        }
    }
    disk.snapshot()
}

fn count_of_later(sequence: u64) -> isochrone_proto::ledger::HourCount {
    isochrone_proto::ledger::HourCount {
        hour: cut_of(30).hour(),
        planned: sequence * (ROWS + 1),
        run: sequence * ROWS,
        skipped: sequence,
        pending: 0,
    }
}

fn served(store: &Store) -> u64 {
    let mut rows = 0;
    store
        .scan(ScanRange::default(), |stored| {
            rows += stored.batch.rows() as u64;
            ControlFlow::Continue(())
        })
        .unwrap();
    rows
}

fn records(store: &Store) -> usize {
    let tables = RECORDS.into_iter();
    tables
        .map(|(table, _)| Records::<String>::new(store.clone(), table).list().unwrap().len())
        .sum()
}

fn totals(store: &Store) -> Totals {
    ledger::read(store, cut_of(40)).unwrap().totals()
}

const WHOLE: u64 = 7 * ROWS;
/// Tables in which the rich store has rows.
const TABLES: usize = 43;

/// Opens the store and reads everything as a start and its readers do; nothing may end for what is damaged, and
/// nothing may be told wrongly.
fn check(disk: &LossyBackend, table: &str, (before, what): (Totals, &str)) {
    let store = store_on(disk);
    let (rows, listed) = (served(&store), records(&store));
    let audit = ledger::verify(&store).unwrap();
    let damage = store.damage().unwrap();
    assert!(damage.rows > 0, "{what}: nothing was found");
    let named = damage.set_aside.iter().any(|row| row.table == table);
    assert!(named || table == "set aside", "{what}: {damage:?}");
    assert!(
        damage.set_aside.iter().all(|row| !row.consequence.is_empty()),
        "{what}"
    );
    assert_eq!(audit.damaged, damage.lost, "{what}");
    assert_eq!(audit.twice, 0, "{what}: {audit:?}");
    assert_eq!(audit.lost, 0, "{what}: what is lost is in the account: {audit:?}");
    let only_named = audit.findings.iter().all(|found| found.starts_with("table "));
    assert!(only_named, "{what}: {audit:?}");
    let account = totals(&store);
    match table {
        "plans" => {} // what was planned cannot be counted
        "log" => {
            let lost = Totals {
                stored: before.stored - ROWS,
                dropped: before.dropped + ROWS,
                damaged: ROWS,
                ..before
            };
            assert_eq!(account, lost, "{what}");
        }
        _ => assert_eq!(account, before, "{what}"),
    }
    match table {
        "log" => {
            assert_eq!(rows, WHOLE - ROWS, "{what}");
            assert_eq!((account.stored, account.damaged), (WHOLE - ROWS, ROWS), "{what}");
            assert_eq!(damage.measurements, ROWS, "{what}");
        }
        "plans" => {
            assert_eq!((rows, account.stored), (0, WHOLE), "{what}");
            assert_eq!(damage.withheld, WHOLE, "{what}");
        }
        _ => assert_eq!((rows, account.stored), (WHOLE, WHOLE), "{what}"),
    }
    assert_eq!(listed, 3 * RECORDS.len(), "{what}: each is kept twice");
    assert_eq!(store.commit_number().unwrap(), 7, "{what}");

    // the same once more, from what was written of it
    let rows_set_aside = damage.rows;
    drop(store);
    let store = store_on(&disk.snapshot());
    assert_eq!(served(&store), rows, "{what}");
    assert_eq!(totals(&store), account, "{what}");
    assert_eq!(ledger::verify(&store).unwrap().findings, audit.findings, "{what}");
    assert_eq!(store.damage().unwrap().rows, rows_set_aside, "{what}: found once");
}

fn flip(disk: &LossyBackend, table: &str, place: usize, part: Part, bit: usize) -> bool {
    store_on(disk).flip_bit(table, place, part, bit).unwrap()
}

#[test]
fn one_flipped_bit_of_any_table_is_named_and_everything_else_is_served() {
    let whole = rich();
    let before = totals(&store_on(&whole.snapshot()));
    let tables = store_on(&whole.snapshot()).table_rows().unwrap();
    assert_eq!(tables.len(), TABLES, "{tables:?}");
    for (table, rows) in tables {
        for place in [rows / 2, rows - 1] {
            // of the value: one of the middle, its checksum
            let bits = [(Part::Key, 9), (Part::Value, 77), (Part::Value, 1 << 20)];
            for (part, bit) in bits {
                let disk = whole.snapshot();
                if flip(&disk, table, place, part, bit) {
                    let what = format!("{table}, row {place}, {part:?} bit {bit}");
                    check(&disk, table, (before, &what));
                }
            }
        }
    }
}

#[test]
fn of_several_damaged_rows_only_those_that_the_copy_has_are_called_whole() {
    for (table, copy) in RECORDS {
        for lost in 0..3 {
            let disk = rich();
            let (by_value, by_key) = ((lost + 1) % 3, (lost + 2) % 3);
            let store = store_on(&disk);
            assert!(store.flip_both(table, lost, Part::Value, 77).unwrap());
            assert!(store.flip_bit(table, by_value, Part::Value, 78).unwrap());
            assert!(store.flip_bit(copy, by_key, Part::Key, 9).unwrap());
            drop(store);

            let store = store_on(&disk);
            let records = Records::<String>::new(store.clone(), table);
            let served = records.list().unwrap();
            assert_eq!(served.len(), 2, "{table}, {lost}");
            ledger::verify(&store).unwrap();
            let damage = store.damage().unwrap();
            let is_whole = |row: &SetAside| row.consequence.starts_with("taken from the other copy");
            let (whole, lost_rows): (Vec<_>, Vec<_>) = damage.set_aside.iter().partition(|row| is_whole(row));
            let key = ["one", "three", "two"][lost];
            let keys = |rows: &[&SetAside]| rows.iter().map(|row| row.key == key).collect::<Vec<_>>();
            assert_eq!(keys(&lost_rows), [true, true], "{table}, {lost}: {lost_rows:?}");
            assert_eq!(keys(&whole), [false, false], "{table}, {lost}: {whole:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    #[test]
    fn whatever_bit_flips_is_found(table in 0_usize..TABLES, place in 0_usize..40, is_key: bool, bit in 0_usize..100_000) {
        let disk = rich();
        let tables = store_on(&disk.snapshot()).table_rows().unwrap();
        let (table, _) = tables[table];
        let part = if is_key { Part::Key } else { Part::Value };
        if flip(&disk, table, place, part, bit) {
            let before = totals(&store_on(&rich()));
            check(&disk, table, (before, &format!("{table}, row {place}, {part:?} bit {bit}")));
        }
    }
}

#[test]
fn epoch_whose_row_was_damaged_goes_on_from_its_mark() {
    for (table, part, bit) in [
        ("epochs", Part::Value, 12),
        ("epochs", Part::Key, 9),
        ("seen", Part::Value, 12),
        ("seen", Part::Key, 9),
    ] {
        let (disk, store) = store_with_plan();
        let ingest = inline(&store);
        let digest = store_honest(&ingest, EPOCH, 3);
        let mut bad = header(EPOCH, 4, digest);
        bad.hours = vec![count_at(4)];
        let bad = incoming(bad, &[echo(9, cut_of(3).0, 5)]);
        let previous = bad.digest;
        let refused = submit(&ingest, bad);
        let Ingested::Refused { so_far, .. } = refused else {
            panic!("{refused:?}");
        };
        drop(ingest);
        assert!(store.flip_bit(table, 0, part, bit).unwrap());
        drop(store);

        let what = format!("{table}, {part:?}");
        let store = store_on(&disk.snapshot());
        let ingest = inline(&store);
        let state = EpochState {
            epoch: EPOCH,
            first_slot: START,
            first_held: Sequence(1),
            closed: false,
            last: Sequence(4),
            last_digest: previous,
        };
        let marks = now(async { ingest.hello(ADA, vec![state]).await }).unwrap();
        assert_eq!(
            (marks[0].stored, marks[0].digest, marks[0].refused),
            (Sequence(4), previous, so_far),
            "{what}"
        );
        let mark = Sequence(5);
        assert_eq!(
            submit(&ingest, honest(EPOCH, 5, previous)),
            Ingested::Stored { mark },
            "{what}"
        );
        let twice = incoming(
            header(EPOCH, 6, honest(EPOCH, 5, previous).digest),
            &measurements(1, 0),
        );
        assert!(
            matches!(submit(&ingest, twice), Ingested::Refused { .. }),
            "{what}: what was seen is known"
        );
        let account = totals(&store);
        assert_eq!((account.stored, account.forked), (4 * ROWS, 0), "{what}");
        let audit = ledger::verify(&store).unwrap();
        assert!(audit.is_sound(), "{what}: {audit:?}");
    }
}

#[test]
fn row_that_is_damaged_while_batches_come_is_put_right_under_way() {
    for table in ["epochs", "hours", "seen", "stream", "probe hours", "log"] {
        let (disk, store) = store_with_plan();
        let digest = store_honest(&inline(&store), EPOCH, 3);
        drop(store);
        let store = store_on(&disk.snapshot());
        let ingest = inline(&store); // knows nothing by heart yet
        store.flip_bit(table, 0, Part::Value, 12).unwrap();
        let answer = submit(&ingest, honest(EPOCH, 4, digest));
        assert!(matches!(answer, Ingested::Stored { .. }), "{table}: {answer:?}");
        let audit = ledger::verify(&store).unwrap();
        assert_eq!((audit.lost, audit.twice), (0, 0), "{table}: {audit:?}");
        assert_eq!(store.damage().unwrap().set_aside.last().unwrap().table, table);
    }
}

#[test]
fn plan_that_a_probe_returns_brings_its_batches_back() {
    let (disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 3);
    store.flip_bit("plans", 0, Part::Value, 200).unwrap();
    drop(store);
    let store = store_on(&disk);
    assert_eq!(served(&store), 0);
    assert_eq!(store.missing_plans(ADA), [version(1)]);
    assert!(store.latest_plan(ADA).unwrap().is_none());
    let ledger = ledger::read(&store, cut_of(3)).unwrap();
    assert!(!ledger.is_balanced(), "what was planned cannot be counted");
    assert_eq!(
        (ledger.damage.withheld, ledger.totals().stored),
        (3 * ROWS, 3 * ROWS)
    );
    drop(store);

    let store = store_on(&disk);
    assert_eq!(store.missing_plans(ADA), [version(1)], "known after a restart");
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    assert_eq!(served(&store), 3 * ROWS);
    assert!(store.missing_plans(ADA).is_empty());
    let ledger = ledger::read(&store, cut_of(3)).unwrap();
    assert!(ledger.is_balanced());
    assert_eq!(
        (ledger.damage.rows, ledger.damage.lost, ledger.damage.withheld),
        (1, 0, 0)
    );
    assert!(ledger::verify(&store).unwrap().is_sound(), "it is made good");
}

#[test]
fn damaged_batch_is_dropped_in_the_account_and_the_account_stays_balanced() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 5);
    store.flip_bit("log", 2, Part::Value, 700).unwrap();
    let ledger = ledger::read(&store, cut_of(5)).unwrap();
    assert_eq!(ledger.totals().stored, 5 * ROWS, "nobody has read it yet");
    assert_eq!(served(&store), 4 * ROWS);
    let ledger = ledger::read(&store, cut_of(5)).unwrap();
    let totals = ledger.totals();
    assert_eq!(
        (totals.stored, totals.dropped, totals.damaged),
        (4 * ROWS, ROWS, ROWS)
    );
    assert!(ledger.is_balanced(), "{ledger:?}");
    let row = &ledger.damage.set_aside[0];
    assert_eq!(
        (row.commit, row.sequence, row.measurements),
        (Some(3), Some(3), ROWS)
    );
    assert_eq!(row.probe.as_deref(), Some("0000000000000ada"));
    assert!(row.bytes > 0, "kept raw");
    assert_eq!(quarantined(&store).unwrap().total, 0);
}

#[test]
fn damage_is_told_once() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 3);
    store.flip_bit("log", 0, Part::Value, 700).unwrap();
    served(&store);
    let untold = store.damage_untold().unwrap();
    assert_eq!(untold.len(), 1);
    store
        .write(|transaction| store.damage_told_in(transaction, untold[0].number))
        .unwrap();
    assert!(store.damage_untold().unwrap().is_empty());
    served(&store);
    assert!(store.damage_untold().unwrap().is_empty());
}

#[test]
fn damage_found_while_the_disk_fails_is_passed_over_and_set_aside_once_it_is_well() {
    let (disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 3);
    store.flip_bit("log", 1, Part::Value, 700).unwrap();
    disk.fail_writes(Some(std::io::ErrorKind::StorageFull));
    assert_eq!(served(&store), 2 * ROWS, "the reader is served all the same");
    disk.fail_writes(None);
    assert_eq!(served(&store), 2 * ROWS);
    let damage = store.damage().unwrap();
    assert_eq!((damage.rows, damage.measurements), (1, ROWS));
}

#[test]
fn damaged_batch_is_taken_again_from_its_probe() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 5);
    let before = totals(&store);
    store.flip_bit("log", 2, Part::Value, 700).unwrap();
    store.flip_bit("log", 3, Part::Value, 700).unwrap();
    assert_eq!(served(&store), 3 * ROWS);
    let digests: Vec<Digest> = (1..=5)
        .scan(Digest::ZERO, |previous, sequence| {
            *previous = honest(EPOCH, sequence, *previous).digest;
            Some(*previous)
        })
        .collect();
    let state = EpochState {
        epoch: EPOCH,
        first_slot: START,
        first_held: Sequence(1),
        closed: false,
        last: Sequence(5),
        last_digest: digests[4],
    };
    let marked = || now(async { ingest.hello(ADA, vec![state]).await }).unwrap()[0];
    assert_eq!(
        (marked().stored, marked().digest),
        (Sequence(2), digests[1]),
        "the probe is to send again from there"
    );
    let other = incoming(header(EPOCH, 3, digests[1]), &measurements(3, 5));
    assert!(matches!(submit(&ingest, other), Ingested::Forked { .. }));
    let mark = Sequence(3);
    assert_eq!(
        submit(&ingest, honest(EPOCH, 3, digests[1])),
        Ingested::Stored { mark }
    );
    let mark = Sequence(5);
    assert_eq!(
        submit(&ingest, honest(EPOCH, 4, digests[2])),
        Ingested::Stored { mark }
    );
    assert_eq!((marked().stored, marked().digest), (Sequence(5), digests[4]));
    assert_eq!(served(&store), 5 * ROWS);
    let after = totals(&store);
    assert_eq!(
        (after.stored, after.damaged, after.dropped),
        (before.stored, 0, 0)
    );
    let damage = store.damage().unwrap();
    assert_eq!((damage.rows, damage.lost, damage.measurements), (2, 0, 0));
    assert!(damage.set_aside[0].consequence.contains("sent it again"));
    assert!(ledger::verify(&store).unwrap().is_sound());
}

#[test]
fn damaged_batch_that_its_probe_no_longer_has_is_asked_for_once() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 5);
    store.flip_bit("log", 2, Part::Value, 700).unwrap();
    served(&store);
    let state = EpochState {
        epoch: EPOCH,
        first_slot: START,
        first_held: Sequence(1),
        closed: false,
        last: Sequence(5),
        last_digest: Digest::ZERO,
    };
    let marked = || now(async { ingest.hello(ADA, vec![state]).await }).unwrap()[0].stored;
    assert_eq!(marked(), Sequence(2));
    let mut gone = tombstone(EPOCH, 1, 3);
    let crate::ingest::Item::Tombstone(content) = &mut gone.item else {
        panic!("a tombstone")
    };
    let third = store_digest(3);
    std::sync::Arc::make_mut(content).last_digest = third;
    let mark = Sequence(5);
    assert_eq!(submit(&ingest, gone), Ingested::Already { mark });
    assert_eq!(marked(), Sequence(5));
    assert_eq!(totals(&store).damaged, ROWS);
}

/// The digest of an honest epoch's batch.
fn store_digest(last: u64) -> Digest {
    (1..=last).fold(Digest::ZERO, |previous, sequence| {
        honest(EPOCH, sequence, previous).digest
    })
}
