use isochrone_proto::batch::Batch;
use isochrone_proto::ids::Sequence;
use isochrone_proto::ledger::Adoption;

use super::*;
use crate::ingest::Ingested;
use crate::ingest::fixture::*;
use crate::tables::{HOURS, LOG};

/// A minute's slots: 12 are run, 1 is skipped.
const PLANNED: u64 = ROWS + 1;

#[test]
fn every_slot_stored_leaves_a_balanced_ledger_with_nothing_absent() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 25); // crosses the hour
    let ledger = read(&store, cut_of(25)).unwrap();
    assert!(ledger.is_balanced());
    let hours: Vec<_> = ledger
        .rows
        .iter()
        .map(|row| (row.planned, row.run, row.skipped, row.absent))
        .collect();
    assert_eq!(
        hours,
        [(20 * PLANNED, 20 * ROWS, 20, 0), (5 * PLANNED, 5 * ROWS, 5, 0)]
    );
    assert!(
        ledger
            .rows
            .iter()
            .all(|row| row.stored == row.run && row.probe_name == "ada-1")
    );
}

#[test]
fn host_that_is_off_leaves_absent_slots_until_the_plan_expires() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 2);
    let an_hour_later = read(&store, cut_of(62)).unwrap();
    assert!(an_hour_later.is_balanced(), "absent may be above 0");
    assert_eq!(an_hour_later.totals().absent, 60 * PLANNED);
    let a_year_later = read(&store, UnixMillis(START.0 + 365 * 86_400_000)).unwrap();
    assert_eq!(
        a_year_later.totals().planned,
        7 * 24 * 60 * PLANNED,
        "the plan lives 7 days"
    );
}

#[test]
fn later_epoch_turns_the_unexplained_into_not_running_once_drained() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let previous = store_honest(&ingest, EPOCH, 2);
    let mut header = header(LATER_EPOCH, 1, isochrone_proto::ids::Digest::ZERO);
    let start = cut_of(10);
    header.adopted = Adoption {
        version: version(1),
        first_slot: start,
    };
    (header.cut, header.skipped, header.hours) = (UnixMillis(start.0 + 10_000), Vec::new(), Vec::new());
    header.hours.push(isochrone_proto::ledger::HourCount {
        hour: start.hour(),
        planned: 3,
        run: 3,
        skipped: 0,
        pending: 0,
    });
    let rows = [echo(0, start.0, 9), echo(1, start.0, 9), status(start.0, false)];
    let stored = |mark| Ingested::Stored { mark: Sequence(mark) };
    assert_eq!(submit(&ingest, incoming(header, &rows)), stored(1));
    let now = UnixMillis(start.0 + 10_000);

    let not_drained = read(&store, now).unwrap();
    assert_eq!(
        not_drained.totals().absent,
        8 * PLANNED,
        "its spool may still explain them"
    );
    assert_eq!(submit(&ingest, closing(EPOCH, 3, previous)), stored(3));
    let drained = read(&store, now).unwrap();
    assert!(drained.is_balanced(), "{drained:?}");
    let totals = drained.totals();
    assert_eq!((totals.absent, totals.skipped), (0, 3 + 7 * PLANNED));
    assert_eq!(
        drained.rows.iter().map(|row| row.not_running).sum::<u64>(),
        7 * PLANNED
    );
    assert_eq!((totals.planned, totals.run), (10 * PLANNED + 3, 3 * ROWS + 3));
}

#[test]
fn slots_under_way_at_the_cut_are_no_imbalance() {
    let (_, store) = store_with_plan();
    let mut header = header(EPOCH, 1, isochrone_proto::ids::Digest::ZERO);
    let late = 2; // the last echo of both checks is still under way
    header.skipped = Vec::new();
    (header.hours[0].planned, header.hours[0].run) = (PLANNED - late, PLANNED - late);
    (header.hours[0].skipped, header.hours[0].pending) = (0, late);
    let mut rows = measurements(1, 0);
    rows.retain(|row| row.slot != UnixMillis(START.0 + 50_000));
    let batch = Batch::pack(header, &rows).unwrap();
    let answer = submit(&inline(&store), incoming_at(&batch, cut_of(1)));
    assert_eq!(answer, Ingested::Stored { mark: Sequence(1) });
    let ledger = read(&store, cut_of(1)).unwrap();
    assert!(ledger.is_balanced(), "{ledger:?}");
    assert_eq!(ledger.totals().absent, late, "nothing was heard of them yet");
}

#[test]
fn probe_that_counts_otherwise_is_not_balanced() {
    let (_, store) = store_with_plan();
    let mut header = header(EPOCH, 1, isochrone_proto::ids::Digest::ZERO);
    header.hours[0].planned += 1;
    header.hours[0].skipped += 1;
    submit(&inline(&store), incoming(header, &measurements(1, 0)));
    let ledger = read(&store, cut_of(1)).unwrap();
    assert!(!ledger.is_balanced());
}

#[test]
fn audit_finds_a_batch_that_vanished_from_the_log() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 3);
    store
        .write_tables(|transaction| {
            let mut log = LOG.open(transaction, store.found())?;
            log.remove(2)?;
            Ok(())
        })
        .unwrap();
    let audit = verify(&store).unwrap();
    assert_eq!((audit.lost, audit.twice), (ROWS, 0));
    assert!(!audit.is_sound());
}

#[test]
fn audit_finds_a_batch_that_stands_twice_in_the_log() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 2);
    store
        .write_tables(|transaction| {
            let mut log = LOG.open(transaction, store.found())?;
            let first = log.get(1)?.unwrap().value().to_vec();
            log.insert(3, &first)?;
            Ok(())
        })
        .unwrap();
    let audit = verify(&store).unwrap();
    assert_eq!(
        (audit.lost, audit.twice),
        (0, 2 * ROWS),
        "as doubled ids, and beyond the ledger"
    );
}

#[test]
fn audit_finds_a_ledger_that_claims_too_much() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 1);
    store
        .write_tables(|transaction| {
            let mut hours = HOURS.open(transaction, store.found())?;
            let (key, mut row) = {
                let (key, row) = hours.iter()?.next().unwrap()?;
                (*key.value(), HourRow::decode(row.value()).unwrap())
            };
            row.stored += 5;
            hours.insert(&key, &row.encode())?;
            Ok(())
        })
        .unwrap();
    assert_eq!(verify(&store).unwrap().lost, 5);
}

#[test]
fn audit_finds_a_mark_above_a_gap() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 2);
    store
        .write_tables(|transaction| {
            use crate::tables::{EPOCHS, epoch_key};
            let mut epochs = EPOCHS.open(transaction, store.found())?;
            let key = epoch_key(ADA, EPOCH);
            let mut row = crate::EpochRow::decode(epochs.get(&key)?.unwrap().value()).unwrap();
            row.mark = Sequence(4);
            epochs.insert(&key, &row.encode())?;
            Ok(())
        })
        .unwrap();
    let audit = verify(&store).unwrap();
    assert_eq!(audit.lost, 1);
    assert!(
        audit.findings[0].contains("sequences 3 to 4"),
        "{:?}",
        audit.findings
    );
}

#[test]
fn reading_while_batches_are_committed_never_looks_unbalanced() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let writer = std::thread::spawn(move || store_honest(&ingest, EPOCH, 60));
    let mut readings = 0;
    while !writer.is_finished() || readings == 0 {
        let ledger = read(&store, cut_of(60)).unwrap();
        assert!(ledger.is_balanced(), "{ledger:?}");
        readings += 1;
    }
    writer.join().unwrap();
}
