use std::ops::ControlFlow;

use isochrone_proto::ids::{Digest, Sequence};
use proptest::prelude::*;

use super::flip::Part;
use crate::ingest::fixture::*;
use crate::ingest::{Ingested, quarantined};
use crate::ledger::{self, Totals};
use crate::lossy::LossyBackend;
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
    for table in super::set_aside::RECORDS {
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
    let tables = super::set_aside::RECORDS.into_iter();
    tables
        .map(|table| Records::<String>::new(store.clone(), table).list().unwrap().len())
        .sum()
}

fn totals(store: &Store) -> Totals {
    ledger::read(store, cut_of(40)).unwrap().totals()
}

const WHOLE: u64 = 7 * ROWS;

/// Opens the store and reads everything as a start and its readers do; nothing may end for what is damaged, and
/// nothing may be told wrongly.
fn check(disk: &LossyBackend, table: &str, what: &str) {
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
    let is_record = super::set_aside::RECORDS.contains(&table);
    assert_eq!(
        listed,
        3 * super::set_aside::RECORDS.len() - usize::from(is_record),
        "{what}"
    );
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
    let tables = store_on(&whole.snapshot()).table_rows().unwrap();
    assert_eq!(tables.len(), 26, "{tables:?}");
    for (table, rows) in tables {
        for place in [0, rows / 2, rows - 1] {
            // of the value: its first byte, one of the middle, its checksum
            let bits = [
                (Part::Key, 3),
                (Part::Key, 9),
                (Part::Value, 1),
                (Part::Value, 77),
                (Part::Value, 1 << 20),
            ];
            for (part, bit) in bits {
                let disk = whole.snapshot();
                if flip(&disk, table, place, part, bit) {
                    check(&disk, table, &format!("{table}, row {place}, {part:?} bit {bit}"));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_bit_flips_is_found(table in 0_usize..25, place in 0_usize..40, is_key: bool, bit in 0_usize..100_000) {
        let disk = rich();
        let tables = store_on(&disk.snapshot()).table_rows().unwrap();
        let (table, _) = tables[table];
        let part = if is_key { Part::Key } else { Part::Value };
        if flip(&disk, table, place, part, bit) {
            check(&disk, table, &format!("{table}, row {place}, {part:?} bit {bit}"));
        }
    }
}

#[test]
fn damaged_mark_shuts_its_epoch_and_counts_nothing_twice() {
    let (disk, store) = store_with_plan();
    let ingest = inline(&store);
    let digest = store_honest(&ingest, EPOCH, 3);
    drop(ingest);
    assert!(store.flip_bit("epochs", 0, Part::Value, 12).unwrap());
    drop(store);
    let store = store_on(&disk.snapshot());
    let ingest = inline(&store);
    let again = honest(EPOCH, 1, Digest::ZERO);
    assert_eq!(submit(&ingest, again), Ingested::Already { mark: Sequence(3) });
    let next = honest(EPOCH, 4, digest);
    let sequence = Sequence(4);
    assert_eq!(submit(&ingest, next), Ingested::Shut { sequence });
    let account = totals(&store);
    assert_eq!((account.stored, account.forked), (3 * ROWS, ROWS));
    assert!(ledger::read(&store, cut_of(3)).unwrap().is_balanced());
    let audit = ledger::verify(&store).unwrap();
    assert_eq!((audit.lost, audit.twice, audit.damaged), (0, 0, 1), "{audit:?}");
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
        let is_shut = ["epochs", "seen"].contains(&table);
        let taken = matches!(answer, Ingested::Stored { .. });
        assert_eq!(taken, !is_shut, "{table}: {answer:?}");
        assert!(
            matches!(answer, Ingested::Stored { .. } | Ingested::Shut { .. }),
            "{table}: {answer:?}"
        );
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
