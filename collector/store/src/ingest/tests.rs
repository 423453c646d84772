use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use isochrone_proto::batch::Batch;
use isochrone_proto::control::EpochState;
use isochrone_proto::ledger::{Adoption, SkipCause, SkippedRange};

use super::fixture::*;
use super::*;
use crate::ledger;
use crate::lossy::LossyBackend;
use crate::{FreeSpace, ScanRange, StoreOptions};

mod model;
mod refusals;

/// Mark and reason of a refusal.
fn refusal(answer: Ingested) -> (Sequence, RefuseReason) {
    match answer {
        Ingested::Refused { mark, reason, .. } => (mark, reason),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn refused(
    header: isochrone_proto::batch::BatchHeader,
    rows: &[isochrone_proto::measurement::Measurement],
) -> RefuseReason {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let incoming = incoming(header, rows);
    let payload = incoming.payload.clone();
    match submit(&ingest, incoming) {
        Ingested::Refused { mark, reason, so_far } => {
            assert_eq!((so_far.batches, so_far.rows), (1, rows.len() as u64));
            assert_eq!(mark, Sequence(1));
            assert_eq!(store.commit_number().unwrap(), 0, "nothing of it is in the log");
            let quarantine = quarantined(&store).unwrap();
            assert_eq!(quarantine.total, 1);
            assert_eq!(quarantine.kept[0].1, payload, "kept raw");
            assert_eq!(quarantine.kept[0].0.reason, reason.to_string());
            reason
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn honest_batches_are_stored_and_acknowledged_again() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 3);
    let again = honest(EPOCH, 1, Digest::ZERO);
    assert_eq!(submit(&ingest, again), Ingested::Already { mark: Sequence(3) });
    let audit = ledger::verify(&store).unwrap();
    assert!(audit.is_sound(), "{audit:?}");
    assert_eq!((audit.batches, audit.measurements), (3, 3 * ROWS));
}

#[test]
fn batch_after_a_gap_changes_nothing() {
    let (disk, store) = store_with_plan();
    let ingest = inline(&store);
    let previous = store_honest(&ingest, EPOCH, 2);
    let syncs = disk.syncs();
    let answer = submit(&ingest, honest(EPOCH, 4, previous));
    assert_eq!(
        answer,
        Ingested::Gap {
            expected: Sequence(3)
        }
    );
    assert_eq!(disk.syncs(), syncs, "nothing was written");
    assert_eq!(store.commit_number().unwrap(), 2);
}

#[test]
fn wrong_predecessor_is_a_fork_counted_once_a_digest() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 2);
    let forked = Ingested::Forked {
        sequence: Sequence(3),
    };
    for _ in 0..3 {
        assert_eq!(submit(&ingest, honest(EPOCH, 3, Digest::of(b"a clone"))), forked);
    }
    let totals = ledger::read(&store, cut_of(2)).unwrap().totals();
    assert_eq!((totals.forked, totals.stored), (ROWS, 2 * ROWS));
    assert!(ledger::read(&store, cut_of(2)).unwrap().is_balanced());
    assert_eq!(submit(&ingest, honest(EPOCH, 3, Digest::of(b"another"))), forked);
    assert_eq!(ledger::read(&store, cut_of(2)).unwrap().totals().forked, 2 * ROWS);
}

#[test]
fn what_follows_a_fork_belongs_to_it_however_far_above_the_mark() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 2);
    let mut previous = Digest::of(b"a clone");
    for sequence in 3..8 {
        let batch = honest(EPOCH, sequence, previous);
        previous = batch.digest;
        let sequence = Sequence(sequence);
        assert_eq!(submit(&ingest, batch), Ingested::Forked { sequence });
    }
    assert_eq!(ledger::read(&store, cut_of(2)).unwrap().totals().forked, 5 * ROWS);
    let stranger = honest(EPOCH, 5, Digest::of(b"another clone"));
    let expected = Sequence(3);
    assert_eq!(submit(&ingest, stranger), Ingested::Gap { expected });
}

#[test]
fn tombstone_in_a_fork_and_what_follows_it_belong_to_the_fork() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 2);
    let forked = |sequence| Ingested::Forked {
        sequence: Sequence(sequence),
    };
    assert_eq!(
        submit(&ingest, honest(EPOCH, 3, Digest::of(b"a clone"))),
        forked(3)
    );
    assert_eq!(submit(&ingest, tombstone(EPOCH, 4, 5)), forked(5));
    let after = honest(EPOCH, 6, Digest::of(&5_u64.to_be_bytes()));
    assert_eq!(submit(&ingest, after), forked(6));
    assert_eq!(ledger::read(&store, cut_of(2)).unwrap().totals().forked, 2 * ROWS);
}

#[test]
fn other_digest_at_the_mark_is_a_fork() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 1);
    let clone = incoming(header(EPOCH, 1, Digest::ZERO), &measurements(1, 99));
    assert_eq!(
        submit(&ingest, clone),
        Ingested::Forked {
            sequence: Sequence(1)
        }
    );
}

#[test]
fn tombstone_counts_what_was_dropped_and_moves_the_mark() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 2);
    let dropped = tombstone(EPOCH, 2, 5); // 2 was stored before
    assert_eq!(
        submit(&ingest, dropped.clone()),
        Ingested::Stored { mark: Sequence(5) }
    );
    assert_eq!(submit(&ingest, dropped), Ingested::Already { mark: Sequence(5) });
    let answer = submit(&ingest, honest(EPOCH, 6, Digest::of(&5_u64.to_be_bytes())));
    assert_eq!(answer, Ingested::Stored { mark: Sequence(6) });
    let ledger = ledger::read(&store, cut_of(6)).unwrap();
    let totals = ledger.totals();
    assert_eq!(
        (totals.stored, totals.dropped),
        (3 * ROWS, 3 * ROWS),
        "batch 2 counts as stored"
    );
    assert_eq!(
        (totals.planned, totals.run, totals.absent),
        (6 * (ROWS + 1), 6 * ROWS, 0)
    );
    assert!(ledger.is_balanced(), "{ledger:?}");
    assert!(ledger::verify(&store).unwrap().is_sound());
}

#[test]
fn tombstone_after_a_gap_is_refused_as_a_gap() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 1);
    assert_eq!(
        submit(&ingest, tombstone(EPOCH, 3, 4)),
        Ingested::Gap {
            expected: Sequence(2)
        }
    );
}

#[test]
fn batch_inside_a_tombstone_is_not_acknowledged() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    submit(&ingest, tombstone(EPOCH, 1, 4));
    let answer = submit(&ingest, honest(EPOCH, 2, Digest::ZERO));
    assert_eq!(
        answer,
        Ingested::Forked {
            sequence: Sequence(2)
        }
    );
}

#[test]
fn unknown_plan_is_asked_for_before_anything_is_judged() {
    let disk = LossyBackend::new();
    let store = store_on(&disk);
    let ingest = inline(&store);
    let batch = honest(EPOCH, 1, Digest::ZERO);
    assert_eq!(
        submit(&ingest, batch.clone()),
        Ingested::NeedPlans(vec![version(1)])
    );
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    assert_eq!(submit(&ingest, batch), Ingested::Stored { mark: Sequence(1) });
}

#[test]
fn plan_lost_on_both_sides_is_refused_and_blocks_nothing() {
    let disk = LossyBackend::new();
    let store = store_on(&disk);
    let ingest = inline(&store);
    let mut batch = honest(EPOCH, 1, Digest::ZERO);
    batch.plans_lost = true;
    let reason = RefuseReason::PlanLost { version: version(1) };
    let mark = Sequence(1);
    assert_eq!(refusal(submit(&ingest, batch)), (mark, reason));
}

#[test]
fn short_disk_stops_acknowledgements_and_nothing_else() {
    let free = Arc::new(AtomicU64::new(2 << 30));
    let answer = Arc::clone(&free);
    let options = StoreOptions {
        free_space: Some(FreeSpace::new(move || Ok(answer.load(Ordering::Relaxed)))),
        ..StoreOptions::default()
    };
    let store = Store::on_lossy(LossyBackend::new(), options).unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    let ingest = inline(&store);
    let previous = store_honest(&ingest, EPOCH, 1);
    free.store((1 << 30) - 1, Ordering::Relaxed);
    let second = honest(EPOCH, 2, previous);
    let free_bytes = (1 << 30) - 1;
    let unavailable = Ingested::Unavailable(Unavailable::DiskReserve { free_bytes });
    assert_eq!(submit(&ingest, second.clone()), unavailable);
    store.put_plan(&signed(&plan(2)), &plan(2)).unwrap(); // the registry still works
    free.store(2 << 30, Ordering::Relaxed);
    assert_eq!(submit(&ingest, second), Ingested::Stored { mark: Sequence(2) });
}

#[test]
fn failed_disk_acknowledges_nothing_and_works_again_when_it_is_well() {
    let (disk, store) = store_with_plan();
    let ingest = inline(&store);
    let previous = store_honest(&ingest, EPOCH, 1);
    let second = honest(EPOCH, 2, previous);
    disk.fail_writes(Some(io::ErrorKind::StorageFull));
    let failed = Ingested::Unavailable(Unavailable::Storage);
    assert_eq!(submit(&ingest, second.clone()), failed);
    assert_eq!(submit(&ingest, second.clone()), failed);
    disk.fail_writes(None);
    assert_eq!(submit(&ingest, second), Ingested::Stored { mark: Sequence(2) });
    assert!(ledger::verify(&store).unwrap().is_sound());
}

#[test]
fn disk_that_takes_no_byte_is_read_and_works_again_when_it_does() {
    let (disk, store) = store_with_plan();
    let ingest = inline(&store);
    let previous = store_honest(&ingest, EPOCH, 3);
    let served = |store: &crate::Store| {
        let mut rows = 0;
        let scanned = store.scan(crate::ScanRange::default(), |stored| {
            rows += stored.batch.rows() as u64;
            std::ops::ControlFlow::Continue(())
        });
        scanned.map(|()| rows)
    };
    let next = honest(EPOCH, 4, previous);
    let now = cut_of(5);
    let before = ledger::read(&store, now).unwrap();
    for round in 0..3 {
        disk.fail_writes(Some(io::ErrorKind::StorageFull));
        let failed = Ingested::Unavailable(Unavailable::Storage);
        assert_eq!(submit(&ingest, next.clone()), failed, "{round}");
        assert_eq!(served(&store).unwrap(), 3 * ROWS, "{round}");
        assert_eq!(ledger::read(&store, now).unwrap(), before, "{round}");
        assert!(
            store.seal_before(cut_of(3), UnixMillis(u64::MAX)).is_err(),
            "{round}"
        );
        assert!(store.trouble().is_some(), "{round}");
        assert_eq!(served(&store).unwrap(), 3 * ROWS, "{round}");
    }
    disk.fail_writes(None);
    assert_eq!(submit(&ingest, next), Ingested::Stored { mark: Sequence(4) });
    assert_eq!(store.trouble(), None);
    assert_eq!(served(&store).unwrap(), 4 * ROWS);
    assert!(ledger::verify(&store).unwrap().is_sound());
}

#[test]
fn acknowledged_batch_survives_any_crash_after_it() {
    for seed in 0..20 {
        let (disk, store) = store_with_plan();
        store_honest(&inline(&store), EPOCH, 3);
        let store = store_on(&disk.crash(seed));
        assert_eq!(store.commit_number().unwrap(), 3, "seed {seed}");
        assert!(ledger::verify(&store).unwrap().is_sound(), "seed {seed}");
    }
}

#[test]
fn hello_tells_marks_and_ends_earlier_epochs() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let digest = store_honest(&ingest, EPOCH, 2);
    let state = |epoch, first_slot, last| EpochState {
        epoch,
        first_slot,
        first_held: Sequence(0),
        last: Sequence(last),
        last_digest: Digest::ZERO,
        closed: false,
    };
    let hello = vec![state(EPOCH, START, 2), state(LATER_EPOCH, cut_of(10), 0)];
    let marks = now(ingest.hello(ADA, hello)).unwrap();
    assert_eq!((marks[0].stored, marks[0].digest), (Sequence(2), digest));
    assert_eq!((marks[1].stored, marks[1].digest), (Sequence(0), Digest::ZERO));
    assert_eq!(marks[0].safe, Sequence::NONE, "measurements go nowhere else");
    let commits = store.commit_number().unwrap();
    for (sent, safe) in [(commits - 1, 0), (commits, 2)] {
        store.note_sent(sent);
        let again = now(ingest.hello(
            ADA,
            vec![state(EPOCH, START, 2), state(LATER_EPOCH, cut_of(10), 0)],
        ))
        .unwrap();
        assert_eq!(
            again[0].safe,
            Sequence(safe),
            "all commits were sent, or it is not said"
        );
    }
    let ledger = ledger::read(&store, cut_of(30)).unwrap();
    let totals = ledger.totals();
    assert_eq!(
        totals.planned,
        10 * (ROWS + 1),
        "until the later epoch's first slot"
    );
    assert_eq!(
        (totals.absent, totals.skipped),
        (0, 2 + 8 * (ROWS + 1)),
        "the probe was not running"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sessions_share_commits_and_the_live_state_sees_each_batch() {
    let (disk, store) = store_with_plan();
    let (live, mut watched) = mpsc::channel(4);
    let options = IngestOptions {
        gather: Duration::from_millis(20),
        ..IngestOptions::default()
    };
    let (ingest, thread) = Ingest::start(store.clone(), live, options).unwrap();
    let syncs = disk.syncs();
    let mut receipts = Vec::new();
    for session in 0..40_u8 {
        let mut previous = Digest::ZERO;
        for sequence in 1..=2 {
            let batch = honest(EpochId([session; 16]), sequence, previous);
            previous = batch.digest;
            receipts.push((sequence, ingest.submit(batch).await));
        }
    }
    drop(ingest);
    let mut seen = Vec::new();
    while let Some(committed) = watched.recv().await {
        seen.push(committed.commit);
    }
    for (sequence, receipt) in receipts {
        assert_eq!(
            receipt.await,
            Ingested::Stored {
                mark: Sequence(sequence)
            }
        );
    }
    thread.join().unwrap();
    assert_eq!(seen, (1..=80).collect::<Vec<u64>>());
    assert!(disk.syncs() - syncs < 80, "one sync serves many batches");
    let mut scanned = 0;
    store
        .scan(ScanRange::slots(cut_of(1), cut_of(2)), |_| {
            scanned += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(
        scanned, 40,
        "only the second batches hold a slot of the second minute"
    );
}

#[test]
fn search_by_time_finds_what_reading_everything_finds() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 150);
    store_honest(&ingest, EpochId([9; 16]), 70); // late: after hours that are newer
    let commits = |range| {
        let mut commits = Vec::new();
        let each = |stored: crate::Stored| {
            commits.push((
                stored.commit,
                stored.batch.slots().map(|(_, slot)| slot).collect::<Vec<_>>(),
            ));
            std::ops::ControlFlow::Continue(())
        };
        store.scan(range, each).unwrap();
        commits
    };
    let all = commits(ScanRange::default());
    assert_eq!(all.len(), 220);
    for (from, until) in [
        (1, 300),
        (40, 41),
        (59, 61),
        (90, 300),
        (149, 150),
        (150, 300),
        (250, 300),
    ] {
        let (from, until) = (cut_of(from), cut_of(until));
        let expected: Vec<_> = all
            .iter()
            .filter(|(_, slots)| slots.iter().any(|slot| (from..until).contains(slot)))
            .cloned()
            .collect();
        assert_eq!(
            commits(ScanRange::slots(from, until)),
            expected,
            "{from:?} to {until:?}"
        );
    }
}

fn with_bug(store: &Store, bug: PlantedBug) -> Ingest {
    let (live, _) = mpsc::channel(1);
    Ingest::inline_with_bug(store.clone(), live, bug)
}

#[test]
fn planted_acknowledgement_before_the_commit_loses_what_was_acknowledged() {
    let (disk, store) = store_with_plan();
    store_honest(&with_bug(&store, PlantedBug::AckBeforeCommit), EPOCH, 3);
    let found = (0..20).any(|seed| store_on(&disk.crash(seed)).commit_number().unwrap() < 3);
    assert!(found, "no crash found the bug");
}

#[test]
fn planted_mark_over_a_gap_is_found_by_the_audit() {
    let (_, store) = store_with_plan();
    let ingest = with_bug(&store, PlantedBug::MarkOverGap);
    let previous = store_honest(&ingest, EPOCH, 1);
    let answer = submit(&ingest, honest(EPOCH, 3, previous));
    assert_eq!(answer, Ingested::Stored { mark: Sequence(3) });
    assert_eq!(ledger::verify(&store).unwrap().lost, 1);
}

#[test]
fn tombstone_that_counts_less_than_before_takes_nothing_back() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 3);
    let mut dropped = tombstone(EPOCH, 4, 4);
    let Item::Tombstone(told) = &dropped.item else {
        panic!()
    };
    let mut told = (**told).clone();
    told.hours = vec![isochrone_proto::ledger::HourCount {
        planned: ROWS + 1,
        run: ROWS,
        skipped: 1,
        pending: 40,
        ..told.hours[0]
    }];
    dropped.item = Item::Tombstone(Arc::new(told));
    assert_eq!(submit(&ingest, dropped), Ingested::Stored { mark: Sequence(4) });
    let totals = ledger::read(&store, cut_of(3)).unwrap().totals();
    assert_eq!(
        (totals.stored, totals.dropped, totals.run),
        (3 * ROWS, 0, 3 * ROWS)
    );
}

#[test]
fn stopped_committer_says_so() {
    let (_, store) = store_with_plan();
    let (queue, receiver) = mpsc::channel(1);
    drop(receiver);
    let ingest = Ingest(Way::Thread(queue));
    let answer = submit(&ingest, honest(EPOCH, 1, Digest::ZERO));
    assert_eq!(answer, Ingested::Unavailable(Unavailable::Stopped));
    assert_eq!(store.commit_number().unwrap(), 0);
}

#[test]
fn epochs_of_one_probe_share_its_quota() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let epoch = |number: u8| EpochId([number; 16]);
    let minutes = 20; // of the hour are left: 260 slots
    for number in 1..=6 {
        store_honest(&ingest, epoch(number), minutes);
    }
    let reason = RefuseReason::Counts {
        hour: START.hour(),
        found: 6 * 260 + 13,
        allowed: 2 * 780,
    };
    let refused = (Sequence(1), reason);
    let seventh = submit(&ingest, honest(epoch(7), 1, Digest::ZERO));
    assert_eq!(refusal(seventh), refused);
    let again = inline(&store); // a new process knows it from the store
    let eighth = submit(&again, honest(epoch(8), 1, Digest::ZERO));
    assert_eq!(refusal(eighth), refused);
}

/// A probe may name whatever it likes; what is kept of it has a bound, and what it stores is untouched by that.
#[test]
fn epochs_known_by_word_alone_are_kept_within_a_bound() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let named = |hello: u16, place: u16| {
        let mut id = [0; 16];
        (id[..2]).copy_from_slice(&hello.to_be_bytes());
        (id[2..4]).copy_from_slice(&place.to_be_bytes());
        EpochState {
            epoch: EpochId(id),
            first_slot: START,
            first_held: Sequence(1),
            last: Sequence(1),
            last_digest: Digest::ZERO,
            closed: false,
        }
    };
    for hello in 1..=30 {
        let epochs: Vec<_> = (0..1_000).map(|place| named(hello, place)).collect();
        let marks = now(ingest.hello(ADA, epochs)).unwrap();
        assert_eq!(marks.len(), 1_000, "each has its mark, noted or not");
        let opened = now(ingest.epoch_opened(ADA, named(hello, 2_000))).unwrap();
        assert_eq!(opened.stored, Sequence::NONE);
    }
    let kept = || {
        let count = |transaction: &redb::ReadTransaction| {
            let table = crate::tables::EPOCHS.read(transaction, store.found())?;
            Ok(table.iter()?.count())
        };
        store.read(count).unwrap()
    };
    assert_eq!(kept(), 1_024);
    store_honest(&ingest, EPOCH, 2);
    assert_eq!(kept(), 1_025, "one of which batches come is noted");
    assert!(ledger::verify(&store).unwrap().is_sound());
}
