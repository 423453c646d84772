//! What is refused for its content.

use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{Outcome, SendFailure};

use super::*;

/// Each stands in the ledger: in the hour of its slots where that may be, else in the present one.
#[test]
fn slots_of_a_wrong_clock_are_refused_and_counted() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let batch = Batch::pack(header(EPOCH, 1, Digest::ZERO), &measurements(1, 0)).unwrap();
    let rows = batch.rows() as u64;
    for (number, received) in [
        (1, START.0 - 600_000),               // the probe's clock is ahead
        (2, START.0 + 31 * 86_400_000),       // or it was away for a month
        (3, START.0 - 20 * 365 * 86_400_000), // or it lives in the far future
    ] {
        let mut batch = batch.clone();
        batch.header.epoch = EpochId([number; 16]);
        match submit(&ingest, incoming_at(&batch, UnixMillis(received))) {
            Ingested::Refused { reason, so_far, .. } => {
                assert!(reason.is_for_time(), "{reason}");
                assert_eq!((so_far.rows, so_far.rows_for_time), (rows, rows));
                assert!(
                    reason.to_string().contains("this collector's clock ("),
                    "{reason}"
                );
            }
            other => panic!("{other:?}"),
        }
        let ledger = ledger::read(&store, UnixMillis(received)).unwrap();
        let own = ledger.rows.iter().filter(|row| row.epoch == batch.header.epoch);
        let (refused, others): (u64, u64) = own.fold((0, 0), |(refused, others), row| {
            assert!(row.balanced, "{row:?}");
            (
                refused + row.refused,
                others + row.stored + row.spooled + row.dropped,
            )
        });
        assert_eq!((refused, others), (rows, 0), "{number}");
    }
    assert_eq!(quarantined(&store).unwrap().total, 3);
}

/// The collector's clock was ten minutes behind for one batch, which crosses the hour: what was refused then is no
/// longer "spooled", nor later "not running".
#[test]
fn account_of_a_batch_that_was_refused_for_its_time_is_kept() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let early = UnixMillis(cut_of(1).0 - 600_000);
    let first = Batch::pack(header(EPOCH, 1, Digest::ZERO), &measurements(1, 0)).unwrap();
    let (first, rows) = (incoming_at(&first, early), first.rows() as u64);
    let previous = first.digest;
    assert!(refusal(submit(&ingest, first)).1.is_for_time());
    let second = incoming(header(EPOCH, 2, previous), &measurements(2, 0));
    let digest = second.digest;
    assert_eq!(submit(&ingest, second), Ingested::Stored { mark: Sequence(2) });
    let ledger = ledger::read(&store, cut_of(2)).unwrap();
    let totals = ledger.totals();
    assert!(ledger.is_balanced(), "{:?}", ledger.rows);
    assert_eq!((totals.refused, totals.spooled, totals.absent), (rows, 0, 0));
    assert_eq!(totals.stored + totals.refused, totals.run);
    assert!(ledger::verify(&store).unwrap().is_sound());
    let again = inline(&store); // another process refuses on top of what this one did
    let third = incoming(header(EPOCH, 3, digest), &[echo(9, cut_of(2).0, 5)]);
    let Ingested::Refused { so_far, .. } = submit(&again, third) else {
        panic!("refused");
    };
    assert_eq!(
        (so_far.batches, so_far.rows, so_far.rows_for_time),
        (2, rows + 1, rows)
    );
}

#[test]
fn nothing_is_taken_that_was_measured_after_the_probe_was_revoked() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let previous = store_honest(&ingest, EPOCH, 1);
    let before = ledger::read(&store, cut_of(1)).unwrap().totals();
    store
        .write(|transaction| transaction.end_plans(ADA, cut_of(1)))
        .unwrap();
    let later = incoming(header(EPOCH, 2, previous), &measurements(2, 0));
    let Item::Batch(batch) = &later.item else {
        panic!("a batch");
    };
    let rows = batch.rows() as u64;
    let reason = RefuseReason::Revoked { at: cut_of(1) };
    assert_eq!(refusal(submit(&ingest, later)), (Sequence(2), reason));
    let ledger = ledger::read(&store, cut_of(60)).unwrap();
    let totals = ledger.totals();
    assert!(ledger.is_balanced(), "{:?}", ledger.rows);
    assert_eq!(
        totals.planned,
        before.planned + rows,
        "nothing else is planned any more"
    );
    assert_eq!((totals.refused, totals.stored), (rows, before.stored));
}

#[test]
fn tombstone_that_reaches_beyond_the_revocation_moves_no_account() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 1);
    store
        .write(|transaction| transaction.end_plans(ADA, cut_of(1)))
        .unwrap();
    let before = ledger::read(&store, cut_of(60)).unwrap().totals();
    let reason = RefuseReason::Revoked { at: cut_of(1) };
    assert_eq!(
        refusal(submit(&ingest, tombstone(EPOCH, 2, 3))),
        (Sequence(3), reason)
    );
    assert_eq!(ledger::read(&store, cut_of(60)).unwrap().totals(), before);
}

#[test]
fn cut_ahead_of_the_clock_is_refused() {
    for ahead_ms in [301_000, 2 * 86_400_000] {
        let mut header = header(EPOCH, 1, Digest::ZERO);
        header.cut = UnixMillis(cut_of(1).0 + ahead_ms);
        let batch = Batch::pack(header.clone(), &measurements(1, 0)).unwrap();
        let (_, store) = store_with_plan();
        let answer = submit(&inline(&store), incoming_at(&batch, cut_of(1)));
        let (cut, now) = (header.cut, cut_of(1));
        let kept = store.retention().accounts();
        let reason = RefuseReason::CutOutOfRange { cut, now, kept };
        assert_eq!(refusal(answer), (Sequence(1), reason));
    }
}

#[test]
fn check_outside_the_plan_is_refused() {
    let reason = refused(header(EPOCH, 1, Digest::ZERO), &[echo(9, START.0, 5)]);
    assert_eq!(reason, RefuseReason::NoSuchCheck { check: 9, checks: 3 });
}

#[test]
fn slot_off_the_grid_is_refused() {
    let slot = UnixMillis(START.0 + 1);
    let reason = refused(header(EPOCH, 1, Digest::ZERO), &[echo(0, slot.0, 5)]);
    assert_eq!(reason, RefuseReason::OffGrid { check: 0, slot });
}

#[test]
fn slot_before_the_adoption_is_refused() {
    let slot = UnixMillis(START.0 - 10_000);
    let reason = refused(header(EPOCH, 1, Digest::ZERO), &[echo(0, slot.0, 5)]);
    assert_eq!(reason, RefuseReason::OutsidePlan { check: 0, slot });
}

#[test]
fn echo_for_an_endpoint_check_is_refused() {
    let reason = refused(header(EPOCH, 1, Digest::ZERO), &[echo(2, START.0, 5)]);
    assert_eq!(reason, RefuseReason::KindMismatch { check: 2 });
    let mut endpoint = status(START.0, false);
    endpoint.check = 0;
    let reason = refused(header(EPOCH, 1, Digest::ZERO), &[endpoint]);
    assert_eq!(reason, RefuseReason::KindMismatch { check: 0 });
}

#[test]
fn connection_for_a_check_that_asks_is_refused() {
    let mut connection = status(START.0, false);
    connection.outcome = Outcome::unsent(Check::Connect, SendFailure::NoRoute);
    let reason = refused(header(EPOCH, 1, Digest::ZERO), &[connection]);
    assert_eq!(reason, RefuseReason::KindMismatch { check: 2 });
}

#[test]
fn slot_told_twice_in_one_batch_is_refused() {
    let mut twice = measurements(1, 0);
    twice.push(echo(0, START.0, 77));
    let slot = START;
    let reason = refused(header(EPOCH, 1, Digest::ZERO), &twice);
    assert_eq!(reason, RefuseReason::Duplicate { check: 0, slot });
}

#[test]
fn skipped_slot_that_also_ran_is_refused() {
    let mut header = header(EPOCH, 1, Digest::ZERO);
    header.skipped.push(SkippedRange {
        check: 0,
        first_slot: START,
        count: 2,
        cause: SkipCause::Late,
    });
    let reason = refused(header, &measurements(1, 0));
    assert_eq!(
        reason,
        RefuseReason::Duplicate {
            check: 0,
            slot: START
        }
    );
}

#[test]
fn slot_of_an_earlier_batch_is_refused_even_after_a_restart() {
    let (disk, store) = store_with_plan();
    let previous = store_honest(&inline(&store), EPOCH, 2);
    drop(store);
    let store = store_on(&disk.snapshot());
    let again = incoming(header(EPOCH, 3, previous), &measurements(2, 0));
    let slot = cut_of(1);
    let reason = RefuseReason::Duplicate { check: 0, slot };
    let answer = submit(&inline(&store), again);
    assert_eq!(refusal(answer), (Sequence(3), reason));
    assert!(ledger::verify(&store).unwrap().is_sound());
}

#[test]
fn refused_batch_leaves_its_slots_free() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let mut bad = measurements(1, 0);
    bad.push(echo(9, START.0, 5));
    let bad = incoming(header(EPOCH, 1, Digest::ZERO), &bad);
    let previous = bad.digest;
    assert!(matches!(submit(&ingest, bad), Ingested::Refused { .. }));
    let mut second = header(EPOCH, 2, previous);
    second.skipped[0].first_slot = UnixMillis(cut_of(0).0 + 50_000); // the first minute's
    let answer = submit(&ingest, incoming(second, &measurements(1, 0)));
    assert_eq!(answer, Ingested::Stored { mark: Sequence(2) });
}

#[test]
fn counts_above_twice_the_plan_are_refused() {
    let mut header = header(EPOCH, 1, Digest::ZERO);
    // 20 minutes of the hour are left: 2 x 120 echoes and 20 checks, twice.
    header.hours[0].planned = 521;
    header.hours[0].run = 521;
    header.hours[0].skipped = 0;
    let reason = refused(header, &measurements(1, 0));
    let hour = START.hour();
    assert_eq!(
        reason,
        RefuseReason::Counts {
            hour,
            found: 521,
            allowed: 520
        }
    );
}

#[test]
fn counts_that_fall_are_refused() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let previous = store_honest(&ingest, EPOCH, 2);
    let mut third = header(EPOCH, 3, previous);
    third.hours = vec![count_at(1)];
    let reason = RefuseReason::CountsWentBack { hour: START.hour() };
    let answer = submit(&ingest, incoming(third, &measurements(3, 0)));
    assert_eq!(refusal(answer), (Sequence(3), reason));
}

#[test]
fn plan_that_was_not_adopted_is_refused() {
    let (_, store) = store_with_plan();
    store.put_plan(&signed(&plan(2)), &plan(2)).unwrap();
    let mut first = header(EPOCH, 1, Digest::ZERO);
    first.plan = version(2);
    let answer = submit(&inline(&store), incoming(first, &measurements(1, 0)));
    let reason = RefuseReason::NotAdopted { version: version(2) };
    assert_eq!(refusal(answer), (Sequence(1), reason));
}

#[test]
fn adoption_that_goes_back_is_refused() {
    let (_, store) = store_with_plan();
    store.put_plan(&signed(&plan(2)), &plan(2)).unwrap();
    store.put_plan(&signed(&plan(0)), &plan(0)).unwrap();
    let ingest = inline(&store);
    let mut previous = store_honest(&ingest, EPOCH, 2);
    let slots_that_were_run = (version(2), cut_of(1));
    let lower_version = (version(0), cut_of(3));
    for (sequence, (version, first_slot)) in [(3, slots_that_were_run), (4, lower_version)] {
        let mut header = header(EPOCH, sequence, previous);
        header.adopted = Adoption { version, first_slot };
        let batch = incoming(header, &measurements(sequence, 0));
        previous = batch.digest;
        let mark = Sequence(sequence);
        let reason = RefuseReason::Adoption { version, first_slot };
        assert_eq!(refusal(submit(&ingest, batch)), (mark, reason));
    }
}

#[test]
fn rows_of_the_earlier_plan_may_come_after_the_change() {
    let (_, store) = store_with_plan();
    store.put_plan(&signed(&plan(2)), &plan(2)).unwrap();
    let ingest = inline(&store);
    let previous = store_honest(&ingest, EPOCH, 1);
    let adopted = Adoption {
        version: version(2),
        first_slot: cut_of(2),
    };
    let mut second = header(EPOCH, 2, previous);
    second.adopted = adopted; // plan 1's rows, under plan 2's adoption
    let second = incoming(second, &measurements(2, 0));
    let previous = second.digest;
    assert_eq!(submit(&ingest, second), Ingested::Stored { mark: Sequence(2) });
    let mut third = header(EPOCH, 3, previous);
    third.adopted = adopted; // the third minute is no longer plan 1's
    let third = incoming(third, &measurements(3, 0));
    let previous = third.digest;
    let reason = RefuseReason::OutsidePlan {
        check: 0,
        slot: cut_of(2),
    };
    assert_eq!(refusal(submit(&ingest, third)), (Sequence(3), reason));
    let mut fourth = header(EPOCH, 4, previous);
    (fourth.adopted, fourth.plan) = (adopted, version(2));
    assert_eq!(
        submit(&ingest, incoming(fourth, &measurements(4, 0))),
        Ingested::Stored { mark: Sequence(4) }
    );
    assert!(ledger::verify(&store).unwrap().is_sound());
    assert!(ledger::read(&store, cut_of(4)).unwrap().is_balanced());
}
