//! What goes, what stays counted, and what a crash leaves.

use std::ops::ControlFlow;
use std::time::Duration;

use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::units::UnixMillis;

use super::*;
use crate::ingest::Ingested;
use crate::ingest::fixture::*;
use crate::ledger::{self, Totals};
use crate::limits::{Retention, Shortfall};
use crate::lossy::LossyBackend;
use crate::numbers::Numbers;
use crate::tables::{META_FORMAT, META_RAW_FROM, NUMBERS};
use crate::{ScanRange, StoreOptions, Tier, whole};

const DAY_MS: u64 = 86_400_000;

fn after_days(days: u64) -> UnixMillis {
    UnixMillis(START.0 + days * DAY_MS)
}

/// Seals the batches up to `sequence`.
fn seal(store: &Store, sequence: u64) {
    let until = UnixMillis(cut_of(sequence).0 + 31);
    while store.seal_before(until, UnixMillis(u64::MAX)).unwrap().is_some() {}
}

/// Thirty batches of half an hour in three spans of segments; `left` more in the log.
fn sealed(left: u64) -> (LossyBackend, Store) {
    let (disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 30 + left);
    for sequence in [10, 20, 30] {
        seal(&store, sequence);
    }
    (disk, store)
}

/// Everything that is due at `now`.
fn retain(store: &Store, now: UnixMillis) -> Removed {
    let mut sum = Removed::default();
    while let Some(step) = store.retain(now).unwrap() {
        sum.files += step.files;
        sum.bytes += step.bytes;
        sum.measurements += step.measurements;
        sum.rows += step.rows;
    }
    sum
}

fn served(store: &Store) -> u64 {
    let mut rows = 0;
    let each = |stored: crate::Stored| {
        rows += stored.batch.rows() as u64;
        ControlFlow::Continue(())
    };
    store.scan(ScanRange::default(), each).unwrap();
    rows
}

/// The account as a whole: what is kept by the hour, and what was before.
fn account(store: &Store, now: UnixMillis) -> Totals {
    let ledger = ledger::read(store, now).unwrap();
    let lines = ledger.removed.iter().map(|line| line.totals);
    lines.fold(ledger.totals(), |sum, line| sum.plus(&line))
}

/// Counted again, nothing is missing; the page's sums are those of the ledger.
fn assert_sound(store: &Store, sums: &mut ledger::Sums, now: UnixMillis) {
    let audit = ledger::verify(store).unwrap();
    assert!(audit.is_sound(), "{audit:?}");
    sums.update(store, now).unwrap();
    let ledger = ledger::read(store, now).unwrap();
    assert_eq!(sums.totals(), ledger.totals());
    assert_eq!(sums.first_hour(), ledger.rows.iter().map(|row| row.hour).min());
    assert!(ledger.is_balanced() && sums.is_balanced());
}

#[test]
fn measurements_that_are_too_old_go_by_whole_segments_and_stay_counted() {
    let (_, store) = sealed(3);
    let mut sums = ledger::Sums::default();
    assert_sound(&store, &mut sums, cut_of(33));
    let before = account(&store, after_days(31));
    assert_eq!(retain(&store, after_days(29)).files, 0);
    assert_eq!(served(&store), 33 * ROWS);

    let removed = retain(&store, after_days(31));
    assert_eq!((removed.measurements, removed.files), (30 * ROWS, 6));
    assert!(store.segment_files(Tier::Raw).unwrap().is_empty());
    assert!(store.segment_bytes() > 0, "what they add up to is kept");
    assert_eq!(served(&store), 3 * ROWS, "the log is not touched");
    let after = account(&store, after_days(31));
    assert_eq!(after.removed, 30 * ROWS);
    assert_eq!(Totals { removed: 0, ..after }, before, "and nothing else changed");
    assert_sound(&store, &mut sums, after_days(31));
    assert_eq!(retain(&store, after_days(31)), Removed::default());
}

/// Everything that is due by the clock, which shows `wall` so many minutes after the machine started.
fn retain_by_clock(store: &Store, wall: UnixMillis, minutes: u64) -> Removed {
    let since_boot = Duration::from_secs(minutes * 60);
    retain(store, store.retention_time(wall, since_boot).unwrap())
}

#[test]
fn clock_that_jumps_ahead_removes_nothing_and_neither_does_one_that_is_ahead_at_a_start() {
    let (disk, store) = sealed(3);
    let before = account(&store, after_days(1));
    let at = |minutes: u64| cut_of(33 + minutes);
    assert_eq!(retain_by_clock(&store, at(0), 0), Removed::default());
    let ahead = |minutes: u64, days: u64| UnixMillis(at(minutes).0 + days * DAY_MS);
    for minutes in 1..=30 {
        for days in [40, 400] {
            assert_eq!(
                retain_by_clock(&store, ahead(minutes, days), minutes),
                Removed::default()
            );
        }
    }
    drop(store);
    let store = store_on(&disk); // while it is ahead
    for minutes in 31..=60 {
        assert_eq!(
            retain_by_clock(&store, ahead(minutes, 400), minutes),
            Removed::default()
        );
    }
    assert_eq!(retain_by_clock(&store, at(61), 61), Removed::default());
    assert_eq!(account(&store, after_days(1)), before);
    assert_eq!(served(&store), 33 * ROWS);
}

#[test]
fn retention_follows_the_clock_and_catches_up_after_the_collector_was_off() {
    let (disk, store) = sealed(0);
    let day = 24 * 60;
    for days in 0..=32 {
        retain_by_clock(&store, after_days(days), days * day);
        assert_eq!(served(&store) == 0, days >= 31, "after {days} days");
    }
    let time = |store: &Store, days: u64| {
        let since_boot = Duration::from_secs(days * 86_400);
        store.retention_time(after_days(days), since_boot).unwrap()
    };
    assert_eq!(time(&store, 32), after_days(32));
    assert_eq!(
        store
            .retention_time(after_days(2), Duration::from_secs(32 * 86_400))
            .unwrap(),
        after_days(2),
        "a clock that is behind is followed at once"
    );
    assert_eq!(time(&store, 33), after_days(33), "and costs nothing");
    drop(store);
    let store = store_on(&disk); // it was off for ten days
    let times: Vec<UnixMillis> = [43, 44, 48, 53, 54]
        .into_iter()
        .map(|days| time(&store, days))
        .collect();
    assert_eq!(times, [33, 35, 43, 53, 54].map(after_days));
}

#[test]
fn files_stay_ten_minutes_and_while_somebody_reads_them() {
    let (disk, store) = sealed(0);
    let now = after_days(31);
    let raw = || {
        disk.file_names()
            .iter()
            .filter(|name| name.starts_with("echo4"))
            .count()
    };
    let files = raw();
    retain(&store, now);
    assert!(store.segment_files(Tier::Raw).unwrap().is_empty());
    for seconds in [5, 604] {
        store.remove_replaced(Duration::from_secs(seconds)).unwrap();
        assert!(raw() == files && files > 0);
    }
    store.remove_replaced(Duration::from_secs(605)).unwrap();
    assert_eq!(raw(), 0);
}

#[test]
fn hours_without_measurements_become_one_line_and_the_sums_agree() {
    let (_, store) = sealed(0);
    let mut sums = ledger::Sums::default();
    let before = account(&store, after_days(32));
    assert_sound(&store, &mut sums, after_days(1));
    retain(&store, after_days(32));
    let ledger = ledger::read(&store, after_days(32)).unwrap();
    let [line] = ledger.removed.as_slice() else {
        panic!("{:?}", ledger.removed);
    };
    assert_eq!(line.probe_name, "ada-1");
    assert_eq!(
        (line.from, line.until),
        (
            START.hour(),
            crate::segment::Day::of(after_days(2)).start().hour()
        )
    );
    assert_eq!((line.totals.stored, line.totals.removed), (30 * ROWS, 30 * ROWS));
    assert_eq!(line.unbalanced, 0);
    assert!(ledger.rows.iter().all(|row| row.hour >= line.until));
    let after = account(&store, after_days(32));
    assert_eq!(Totals { removed: 0, ..after }, before);
    assert_sound(&store, &mut sums, after_days(32));
}

#[test]
fn epoch_of_which_nothing_is_kept_goes_and_the_newest_plan_stays() {
    let (disk, store) = sealed(0);
    let mut sums = ledger::Sums::default();
    assert_sound(&store, &mut sums, after_days(1));
    let before = account(&store, after_days(100));
    store.put_plan(&signed(&plan(2)), &plan(2)).unwrap();
    retain(&store, after_days(100));
    assert_sound(&store, &mut sums, after_days(100));
    let after = account(&store, after_days(100));
    assert_eq!(Totals { removed: 0, ..after }, before);
    assert!(ledger::read(&store, after_days(100)).unwrap().rows.is_empty());
    assert_eq!(store.plan(ADA, version(1)).unwrap(), None);
    assert!(store.plan(ADA, version(2)).unwrap().is_some());
    let left = [
        "epochs",
        "stream",
        "seen",
        "hours",
        "probe hours",
        "log hours",
        "sealed batches",
    ];
    for (table, rows) in store.table_rows().unwrap() {
        assert!(
            !left.contains(&table) || rows == 0,
            "{rows} rows of {table} are left"
        );
    }
    drop(store);
    assert_sound(&store_on(&disk), &mut ledger::Sums::default(), after_days(100));
}

#[test]
fn batch_that_comes_again_below_what_is_known_is_taken_as_known() {
    let (_, store) = sealed(0);
    let ingest = inline(&store);
    let first = honest(EPOCH, 1, Digest::ZERO);
    let mark = Sequence(30);
    let other = || incoming(header(EPOCH, 2, first.digest), &measurements(2, 5));
    assert_eq!(
        submit(&ingest, other()),
        Ingested::Forked {
            sequence: Sequence(2)
        }
    );
    retain(&store, after_days(5));
    assert_eq!(submit(&ingest, first.clone()), Ingested::Already { mark });
    assert_eq!(
        submit(&ingest, other()),
        Ingested::Already { mark },
        "its digest is gone"
    );
    assert_eq!(served(&store), 30 * ROWS);
    let last = incoming(header(EPOCH, 30, first.digest), &measurements(30, 5));
    let forked = Ingested::Forked {
        sequence: Sequence(30),
    };
    assert_eq!(submit(&ingest, last), forked, "at the mark it is known");
    let audit = ledger::verify(&store).unwrap();
    assert!(audit.is_sound(), "{audit:?}");
}

#[test]
fn batch_that_comes_after_its_epoch_was_trimmed_goes_on_from_the_mark() {
    let (_, store) = sealed(0);
    let ingest = inline(&store);
    let last = {
        let mut previous = Digest::ZERO;
        for sequence in 1..=30 {
            previous = honest(EPOCH, sequence, previous).digest;
        }
        previous
    };
    retain(&store, after_days(5));
    let next = honest(EPOCH, 31, last);
    assert_eq!(submit(&ingest, next), Ingested::Stored { mark: Sequence(31) });
    assert_sound(&store, &mut ledger::Sums::default(), after_days(5));
}

#[test]
fn over_the_size_the_oldest_measurements_go_but_never_the_last_week() {
    let disk = LossyBackend::new();
    let options = || StoreOptions {
        retention: Retention {
            total: 1,
            ..Retention::default()
        },
        ..StoreOptions::default()
    };
    let store = Store::on_lossy(disk.clone(), options()).unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&store), EPOCH, 20);
    seal(&store, 10);
    seal(&store, 20);
    let bytes = store.segment_bytes();
    assert_eq!(store.shortfall(), None, "nobody looked yet");
    assert_eq!(retain(&store, after_days(6)).files, 0);
    assert_eq!(store.shortfall(), Some(Shortfall { bytes, total: 1 }));
    let removed = retain(&store, after_days(8));
    assert_eq!(removed.measurements, 20 * ROWS);
    assert_eq!(removed.bytes, bytes, "hours and days went after them");
    assert_eq!(store.shortfall(), None);
    let audit = ledger::verify(&store).unwrap();
    assert!(audit.is_sound(), "{audit:?}");
}

#[test]
fn crash_at_any_write_of_retention_loses_and_doubles_nothing() {
    let (whole, store) = sealed(2);
    let now = after_days(31);
    let before = account(&store, now);
    drop(store);
    let (mut finished, mut crashed) = (0, 0);
    for operations in (0..240).step_by(2) {
        let disk = whole.snapshot();
        let store = store_on(&disk);
        disk.die_after(operations);
        let mut result = Ok(());
        loop {
            match store
                .retain(now)
                .and_then(|step| ten_minutes_pass(&store).map(|_| step))
            {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        match result {
            Ok(()) => finished += 1,
            Err(_) => crashed += 1,
        }
        for seed in 0..2 {
            let store = store_on(&disk.crash(operations * 3 + seed));
            let what = format!("after {operations} writes, seed {seed}");
            assert!(store.damage().unwrap().is_none(), "{what}: {:?}", store.damage());
            for is_last in [false, true] {
                let audit = ledger::verify(&store).unwrap();
                assert!(audit.is_sound(), "{what}: {audit:?}");
                let after = account(&store, now);
                assert_eq!(served(&store) + after.removed, 32 * ROWS, "{what}");
                assert_eq!(Totals { removed: 0, ..after }, before, "{what}");
                if !is_last {
                    retain(&store, now);
                    assert_eq!(served(&store), 2 * ROWS, "{what}: and it goes on");
                }
            }
        }
    }
    assert!(finished > 5 && crashed > 10, "{finished} {crashed}");
}

#[test]
fn row_of_every_version_before_is_read() {
    let row = crate::HourRow {
        stored: 7,
        planned: 9,
        ..crate::HourRow::default()
    };
    let mut old = row.encode();
    (old[0], _) = (2, old.pop()); // without what was removed
    assert_eq!(crate::HourRow::decode(&old).unwrap(), row);
    let row = crate::EpochRow {
        ordinal: 3,
        mark: Sequence(4),
        ..crate::EpochRow::default()
    };
    let mut old = row.encode();
    old[0] = 3;
    old.truncate(old.len() - 3);
    assert_eq!(crate::EpochRow::decode(&old).unwrap(), row);
}

#[test]
fn rolled_up_figures_stay_when_the_measurements_are_gone() {
    let (_, store) = sealed(0);
    let figures = |store: &Store, period| {
        let mut all = Vec::new();
        let range = crate::RollupRange::of(period, UnixMillis(0), UnixMillis(u64::MAX));
        let each = |rollup| {
            all.push(rollup);
            ControlFlow::Continue(())
        };
        store.rolled(&range, each).unwrap();
        all
    };
    let periods = [crate::Period::Hour, crate::Period::Day];
    let before = periods.map(|period| figures(&store, period));
    assert!(before.iter().all(|rollups| !rollups.is_empty()));
    retain(&store, after_days(31));
    assert_eq!(served(&store), 0);
    assert!(periods.map(|period| figures(&store, period)) == before);
    retain(&store, after_days(181));
    let [hours, days] = periods.map(|period| figures(&store, period));
    assert!(hours.is_empty() && days == before[1]);
    retain(&store, after_days(3 * 365 + 2));
    assert!(figures(&store, crate::Period::Day).is_empty());
    assert_eq!(store.segment_bytes(), 0);
}

#[test]
fn heads_that_are_lost_after_their_digests_are_counted_as_damaged() {
    let (_, store) = sealed(2);
    let now = after_days(5);
    let before = account(&store, now);
    retain(&store, now);
    for table in ["sealed batches", "sealed batches again"] {
        assert!(store.flip_bit(table, 0, crate::Part::Value, 77).unwrap());
    }
    let kept = served(&store);
    assert!(kept < 32 * ROWS);
    let audit = ledger::verify(&store).unwrap();
    assert_eq!((audit.lost, audit.twice), (0, 0), "{audit:?}");
    let after = account(&store, now);
    assert_eq!((after.stored, after.damaged), (kept, 32 * ROWS - kept));
    assert_eq!(after.planned, before.planned);
    let ledger = ledger::read(&store, now).unwrap();
    assert!(ledger.is_balanced());
    assert_eq!(ledger.damage.measurements, 32 * ROWS - kept);
    let findings = |audit: &ledger::Audit| {
        audit
            .findings
            .iter()
            .any(|found| found.contains("were committed"))
    };
    assert!(!findings(&audit), "{audit:?}");
}

#[test]
fn damaged_file_goes_when_its_measurements_would_be_kept_no_longer() {
    let (disk, store) = sealed(3);
    let names = || disk.file_names().into_iter();
    let first = names().find(|name| name.starts_with("echo4")).unwrap();
    disk.flip_in_file(&first, 3_000);
    served(&store); // finds it
    let is_there = || names().any(|name| name == format!("{first}.damaged"));
    assert!(is_there());
    retain(&store, after_days(30));
    assert!(is_there());
    retain(&store, after_days(31));
    assert!(!is_there());
}

/// What retention removed before it was sent.
fn removed_unsent(store: &Store) -> Option<u64> {
    let unsent = store.removed_unsent().unwrap();
    unsent.map(|unsent| unsent.measurements)
}

#[test]
fn unsent_measurements_wait_for_whoever_sends_them_and_go_when_they_were_sent() {
    let (_, store) = sealed(3);
    store.note_sent(20);
    let removed = retain(&store, after_days(31));
    assert_eq!(removed.measurements, 20 * ROWS, "what was sent goes in its time");
    assert_eq!(served(&store), 13 * ROWS);
    assert_sound(&store, &mut ledger::Sums::default(), after_days(31));
    store.note_sent(33);
    let removed = retain(&store, after_days(32));
    assert_eq!(removed.measurements, 10 * ROWS);
    assert_eq!(removed_unsent(&store), None);
    assert_sound(&store, &mut ledger::Sums::default(), after_days(32));
}

#[test]
fn unsent_measurements_go_after_twice_the_time_and_are_counted_by_commit() {
    let (disk, store) = sealed(3);
    store.note_sent(25); // in the middle of a file
    assert_eq!(retain(&store, after_days(59)).measurements, 20 * ROWS);
    assert_eq!(removed_unsent(&store), None);
    let removed = retain(&store, after_days(61));
    assert_eq!(removed.measurements, 10 * ROWS);
    assert_eq!(removed_unsent(&store), Some(5 * ROWS));
    assert_sound(&store, &mut ledger::Sums::default(), after_days(61));
    drop(store);
    let store = store_on(&disk);
    let unsent = store.removed_unsent().unwrap().unwrap();
    assert_eq!((unsent.measurements, unsent.last), (5 * ROWS, after_days(61)));
}

#[test]
fn nobody_who_sends_keeps_nothing_and_counts_nothing() {
    let (_, store) = sealed(3);
    assert_eq!(retain(&store, after_days(31)).measurements, 30 * ROWS);
    assert_eq!(removed_unsent(&store), None);
}

#[test]
fn full_disk_lets_unsent_measurements_go_at_once_and_counts_them() {
    let free = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(u64::MAX));
    let asked = std::sync::Arc::clone(&free);
    let options = StoreOptions {
        free_space: Some(crate::FreeSpace::new(move || {
            Ok(asked.load(std::sync::atomic::Ordering::Relaxed))
        })),
        ..StoreOptions::default()
    };
    let store = Store::on_lossy(LossyBackend::new(), options).unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&store), EPOCH, 10);
    seal(&store, 10);
    store.note_sent(0);
    assert_eq!(retain(&store, after_days(31)).files, 0);
    free.store(1, std::sync::atomic::Ordering::Relaxed);
    let removed = retain(&store, after_days(31)); // within the same hour
    assert_eq!(removed.measurements, 10 * ROWS);
    assert_eq!(removed_unsent(&store), Some(10 * ROWS));
}

#[test]
fn what_segments_may_take_stands_above_what_was_not_sent() {
    let options = StoreOptions {
        retention: Retention {
            total: 1,
            ..Retention::default()
        },
        ..StoreOptions::default()
    };
    let store = Store::on_lossy(LossyBackend::new(), options).unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&store), EPOCH, 10);
    seal(&store, 10);
    store.note_sent(0);
    assert_eq!(
        retain(&store, after_days(6)).measurements,
        0,
        "the last week stays"
    );
    assert_eq!(retain(&store, after_days(8)).measurements, 10 * ROWS);
    assert_eq!(removed_unsent(&store), Some(10 * ROWS));
}

/// The store's number of a tier.
fn whole_from(store: &Store, tier: Tier) -> u64 {
    store.whole_from(tier).unwrap().0
}

#[test]
fn tier_is_whole_from_where_retention_stopped_however_old_what_comes_late_is() {
    let (_, store) = sealed(3);
    assert_eq!(Tier::ALL.map(|tier| whole_from(&store, tier)), [0, 0, 0]);
    retain(&store, after_days(31));
    let from = whole_from(&store, Tier::Raw);
    let mut oldest = u64::MAX;
    let each = |stored: crate::Stored| {
        let slots = stored.batch.measurements().map(|run| run.slot.0);
        oldest = slots.chain([oldest]).min().unwrap();
        ControlFlow::Continue(())
    };
    store.scan(ScanRange::default(), each).unwrap();
    assert!(from > START.0 && from <= oldest, "{from} {oldest}");
    store_honest(&inline(&store), isochrone_proto::ids::EpochId([9; 16]), 3); // as old as what is gone
    assert_eq!(store.oldest_hour().unwrap(), Some(START.hour()));
    assert_eq!(whole_from(&store, Tier::Raw), from);
    assert_eq!(whole_from(&store, Tier::Hour), 0);
    retain(&store, after_days(181));
    assert!(whole_from(&store, Tier::Hour) > START.0);
    assert_eq!(whole_from(&store, Tier::Day), 0);
}

#[test]
fn store_that_does_not_say_from_when_a_tier_is_whole_finds_it() {
    let (disk, store) = sealed(3);
    retain(&store, after_days(31));
    let from = whole_from(&store, Tier::Raw);
    let is_found = |store: &Store| (from..after_days(3).0).contains(&whole_from(store, Tier::Raw));
    let healed = store.write_tables(|transaction| {
        for copy in NUMBERS {
            copy.open(transaction, store.found())?
                .remove(META_RAW_FROM.as_bytes())?;
        }
        whole::find(transaction, store.found())
    });
    healed.unwrap();
    assert!(is_found(&store), "both copies were lost");
    let made_old = store.write_tables(|transaction| {
        let mut numbers = Numbers::open(transaction, store.found())?;
        numbers.set(META_RAW_FROM, 0)?;
        numbers.set(META_FORMAT, 7)
    });
    made_old.unwrap();
    drop(store);
    assert!(is_found(&store_on(&disk)), "it is of the format before");
}
