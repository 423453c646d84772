mod crashes;
mod damage;
mod strays;

use std::ops::ControlFlow;
use std::time::Duration;

use isochrone_proto::batch::BatchHeader;
use isochrone_proto::ids::{Digest, EpochId, ProbeId};
use isochrone_proto::measurement::Measurement;
use isochrone_proto::units::UnixMillis;

use crate::found::{Damaged, Fault};
use crate::ingest::Ingested;
use crate::ingest::fixture::*;
use crate::lossy::LossyBackend;
use crate::tables::{LOG, PLANS, plan_key};
use crate::{ScanRange, Sealed, Store, StoreError, StoreOptions, Tier, ledger};

/// Everything about a stored batch but the digest of the one before it.
#[derive(Clone, Debug, PartialEq)]
struct Given {
    commit: u64,
    probe: ProbeId,
    received: UnixMillis,
    header: BatchHeader,
    rows: Vec<Measurement>,
}

fn given(store: &Store, range: ScanRange) -> Vec<Given> {
    let mut all = Vec::new();
    let scanned = store.scan(range, |stored| {
        all.push(Given {
            commit: stored.commit,
            probe: stored.probe,
            received: stored.received,
            rows: stored.batch.measurements().collect(),
            header: BatchHeader {
                previous: Digest::ZERO,
                ..stored.batch.header
            },
        });
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    all
}

fn everything(store: &Store) -> Vec<Given> {
    given(store, ScanRange::default())
}

/// Seals all batches up to `sequence` of an honest epoch.
fn seal(store: &Store, sequence: u64) -> Vec<Sealed> {
    let until = UnixMillis(cut_of(sequence).0 + 31);
    let next = || store.seal_before(until, UnixMillis(u64::MAX)).unwrap();
    std::iter::from_fn(next).collect()
}

/// The files of measurements.
fn raw_files(disk: &LossyBackend) -> Vec<String> {
    let mut names = disk.file_names();
    names.retain(|name| !name.starts_with("hours-") && !name.starts_with("days-"));
    names
}

fn in_log(store: &Store) -> u64 {
    store
        .read(|transaction| LOG.read(transaction, store.found())?.len())
        .unwrap()
}

/// A store with three spans of segments, and three batches in the log.
fn sealed_thrice() -> (LossyBackend, Store, Vec<Given>) {
    let (disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 15);
    let before = everything(&store);
    for sequence in [4, 8, 12] {
        assert_eq!(seal(&store, sequence).len(), 1);
    }
    (disk, store, before)
}

fn lose_plan(store: &Store, number: u64) {
    let key = plan_key(ADA, version(number));
    let lost = store.write_tables(|transaction| {
        PLANS.open(transaction, store.found())?.remove(&key)?;
        store.forget_plans(&[Damaged {
            table: PLANS.name,
            key: key.to_vec(),
            what: Fault::Missing,
        }]);
        Ok(())
    });
    lost.unwrap();
}

/// When the day of the fixture is over.
fn next_day() -> UnixMillis {
    UnixMillis(START.0 + 24 * 3_600_000)
}

fn assert_sound(store: &Store) {
    let audit = ledger::verify(store).unwrap();
    assert!(audit.is_sound(), "{audit:?}");
}

#[test]
fn sealed_batches_are_given_as_they_were_in_the_log() {
    let (_, store, before) = sealed_thrice();
    assert_eq!(in_log(&store), 3);
    assert!(everything(&store) == before);
    let slots = |from: u64, until: u64| ScanRange::slots(cut_of(from), cut_of(until));
    let after = |after_commit| ScanRange {
        after_commit,
        ..ScanRange::default()
    };
    for range in [slots(2, 5), slots(3, 14), slots(13, 14), after(6), after(13)] {
        let expected: Vec<_> = before
            .iter()
            .filter(|batch| {
                let slots = || batch.rows.iter().map(|row| row.slot);
                batch.commit > range.after_commit
                    && slots().max() >= Some(range.from)
                    && slots().min() < Some(range.until)
            })
            .cloned()
            .collect();
        assert!(
            !expected.is_empty() && given(&store, range) == expected,
            "{range:?}"
        );
    }
    let of = |probe| ScanRange {
        probe: Some(probe),
        ..ScanRange::default()
    };
    assert_eq!(given(&store, of(ADA)).len(), 15);
    assert_eq!(given(&store, of(ProbeId(1))).len(), 0);
    assert_eq!(store.oldest_hour().unwrap(), Some(START.hour()));
    assert_sound(&store);
}

#[test]
fn scan_that_breaks_within_a_segment_is_given_nothing_more() {
    let (_, store, _) = sealed_thrice();
    for last in [1, 6, 12, 13] {
        let mut commits = Vec::new();
        let scanned = store.scan(ScanRange::default(), |stored| {
            commits.push(stored.commit);
            match stored.commit == last {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        scanned.unwrap();
        assert_eq!(commits, (1..=last).collect::<Vec<_>>());
    }
}

#[test]
fn batches_that_came_within_the_hour_stay_in_the_log() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 30); // 10:40 to 11:10
    let an_hour_later = |sequence: u64| cut_of(sequence + 60);
    assert_eq!(
        store.seal(an_hour_later(10)).unwrap(),
        None,
        "of 10:50: its hour is not over"
    );
    let sealed = store.seal(an_hour_later(25)).unwrap().unwrap();
    assert_eq!(
        (sealed.batches, sealed.measurements),
        (19, 19 * ROWS),
        "what came until 11:00"
    );
    assert_eq!(
        sealed.files, 6,
        "echo4 and status4 of one day: each, by hours and by days"
    );
    assert_eq!(store.seal(an_hour_later(25)).unwrap(), None);
    assert_eq!(in_log(&store), 11);
}

#[test]
fn batch_that_came_by_a_clock_far_ahead_holds_nothing_up() {
    let (_, store) = store_with_plan();
    let mut ahead = honest(EPOCH, 1, Digest::ZERO);
    ahead.received = UnixMillis(START.0 + 20 * 86_400_000);
    let previous = ahead.digest;
    let stored = |mark| Ingested::Stored {
        mark: isochrone_proto::ids::Sequence(mark),
    };
    let ingest = inline(&store);
    assert_eq!(submit(&ingest, ahead), stored(1));
    assert_eq!(submit(&ingest, honest(EPOCH, 2, previous)), stored(2));
    let sealed = store.seal(cut_of(200)).unwrap().unwrap();
    assert_eq!(sealed.batches, 2);
}

#[test]
fn batches_behind_one_that_came_by_a_clock_a_little_ahead_are_sealed() {
    for ahead in [1, 3, 9] {
        let (_, store) = store_with_plan();
        let (ingest, mut previous) = (inline(&store), Digest::ZERO);
        for sequence in 1..=30 {
            let mut batch = honest(EPOCH, sequence, previous); // 10:40 to 11:10
            if sequence <= ahead {
                batch.received = cut_of(sequence + 50);
            }
            previous = batch.digest;
            assert!(matches!(submit(&ingest, batch), Ingested::Stored { .. }));
        }
        let before = everything(&store);
        let sealed = store.seal(cut_of(85)).unwrap().unwrap();
        assert_eq!(sealed.batches, 19, "what came until 11:00, {ahead} ahead");
        assert_eq!(store.seal(cut_of(85)).unwrap(), None);
        assert!(everything(&store) == before);
    }
}

#[test]
fn span_over_midnight_has_a_file_of_each_day() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 810);
    let before = everything(&store);
    assert_eq!(seal(&store, 810).len(), 1);
    let files = store.segment_files(Tier::Raw).unwrap();
    let named: Vec<_> = files
        .iter()
        .map(|file| (file.kind.as_str(), file.day.as_str(), file.rows))
        .collect();
    let first = 800; // minutes until midnight
    let second = 10;
    assert_eq!(
        named,
        [
            ("echo4", "2026-11-22", first * 11),
            ("echo4", "2026-11-23", second * 11),
            ("status4", "2026-11-22", first),
            ("status4", "2026-11-23", second),
        ]
    );
    assert!(everything(&store) == before);
}

#[test]
fn ingest_goes_on_over_what_is_sealed_and_takes_nothing_twice() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    store_honest(&ingest, EPOCH, 5);
    seal(&store, 5);
    let digests: Vec<Digest> = (1..=5)
        .scan(Digest::ZERO, |previous, sequence| {
            *previous = honest(EPOCH, sequence, *previous).digest;
            Some(*previous)
        })
        .collect();
    let mark = |mark| isochrone_proto::ids::Sequence(mark);
    let again = submit(&ingest, honest(EPOCH, 3, digests[1]));
    assert_eq!(again, Ingested::Already { mark: mark(5) });
    let other = incoming(header(EPOCH, 3, digests[1]), &measurements(3, 5));
    assert!(matches!(submit(&ingest, other), Ingested::Forked { .. }));
    let next = submit(&ingest, honest(EPOCH, 6, digests[4]));
    assert_eq!(next, Ingested::Stored { mark: mark(6) });
    assert_eq!(everything(&store).len(), 6);
    assert_sound(&store);
}

#[test]
fn batch_whose_plan_is_missing_waits_in_the_log_until_it_is_back() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let previous = store_honest(&ingest, EPOCH, 6);
    let before = everything(&store);
    lose_plan(&store, 1);
    assert_eq!(seal(&store, 6), []);
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    assert_eq!(seal(&store, 6).len(), 1);
    assert!(everything(&store) == before);
    let next = submit(&ingest, honest(EPOCH, 7, previous));
    assert!(matches!(next, Ingested::Stored { .. }));
}

#[test]
fn batches_left_in_the_log_are_sealed_later_within_the_spans_around_them() {
    let (_, store) = store_with_plan();
    store.put_plan(&signed(&plan(2)), &plan(2)).unwrap();
    let ingest = inline(&store);
    let mut previous = [Digest::ZERO; 2];
    for sequence in 1..=8 {
        for (place, epoch) in [EPOCH, LATER_EPOCH].into_iter().enumerate() {
            let mut header = header(epoch, sequence, previous[place]);
            header.adopted.version = version(place as u64 + 1);
            header.plan = header.adopted.version;
            let batch = incoming(header, &measurements(sequence, 0));
            previous[place] = batch.digest;
            assert!(matches!(submit(&ingest, batch), Ingested::Stored { .. }));
        }
    }
    let before = everything(&store);
    lose_plan(&store, 2);
    assert_eq!(seal(&store, 4)[0].batches, 4);
    assert_eq!(seal(&store, 8)[0].batches, 4);
    store.put_plan(&signed(&plan(2)), &plan(2)).unwrap();
    assert!(everything(&store) == before);
    let sealed: Vec<_> = seal(&store, 8).iter().map(|sealed| sealed.batches).collect();
    assert_eq!(
        sealed,
        [3, 1, 3, 1],
        "within the spans, and between and behind them"
    );
    assert!(everything(&store) == before);
    assert_eq!(in_log(&store), 0);
    store.compact(next_day()).unwrap().unwrap();
    assert_eq!(store.segment_files(Tier::Raw).unwrap().len(), 2);
    assert!(everything(&store) == before);
    assert_sound(&store);
}

#[test]
fn segments_of_a_day_that_is_over_become_one_of_each_kind() {
    let (disk, store, before) = sealed_thrice();
    assert_eq!(store.compact(START).unwrap(), None, "the day goes on");
    let compacted = store.compact(next_day()).unwrap().unwrap();
    assert_eq!((compacted.replaced, compacted.files), (6, 2));
    assert_eq!(compacted.measurements, 12 * ROWS);
    assert_eq!(store.compact(next_day()).unwrap(), None);
    assert!(everything(&store) == before);
    let files = store.segment_files(Tier::Raw).unwrap();
    let commits: Vec<_> = files
        .iter()
        .map(|file| (file.first_commit, file.last_commit, file.generation))
        .collect();
    assert_eq!(commits, [(1, 12, 2), (1, 12, 2)]);
    assert_sound(&store);
    assert_eq!(raw_files(&disk).len(), 8, "the replaced ones are still there");
}

#[test]
fn replaced_files_stay_ten_minutes_and_while_a_reader_may_open_them() {
    let (disk, store, before) = sealed_thrice();
    let minutes = |minutes: u64| Duration::from_secs(3_600 + minutes * 60);
    let (mut seen, mut reads) = (Vec::new(), 0);
    store
        .scan(ScanRange::default(), |stored| {
            seen.push(stored.commit);
            reads += 1;
            if reads == 1 {
                store.compact(next_day()).unwrap().unwrap();
            }
            for passed in [0, 60] {
                let removed = store.remove_replaced(minutes(passed)).unwrap();
                assert_eq!(removed, 0, "this scan still reads them");
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, (1..=15).collect::<Vec<_>>());
    assert!(store.damage().unwrap().is_none());
    let store = {
        drop(store);
        store_on(&disk) // a start in between keeps them, too
    };
    for passed in [61, 70] {
        assert_eq!(store.remove_replaced(minutes(passed)).unwrap(), 0);
    }
    assert_eq!(raw_files(&disk).len(), 8);
    assert_eq!(store.remove_replaced(minutes(71)).unwrap(), 6);
    assert_eq!(raw_files(&disk).len(), 2);
    assert_eq!(store.remove_replaced(minutes(81)).unwrap(), 0);
    assert!(everything(&store) == before);
}

#[test]
fn files_that_nothing_names_are_put_aside_before_any_is_written_and_half_written_ones_go() {
    use super::Folder as _;
    let (disk, store, before) = sealed_thrice();
    let known = disk.file_names();
    for name in [
        "echo4-2026-11-22-0000000099.parquet",
        "echo4-2026-11-22-0000000098.parquet.unfinished",
        "mine.parquet",
        "notes.txt",
    ] {
        disk.write(name, b"something").unwrap();
    }
    drop(store);
    let found = disk.file_names();
    let store = store_on(&disk);
    assert_eq!(disk.file_names(), found, "who only looks changes nothing");
    assert_eq!(store.compact(START).unwrap(), None);
    let others = [
        "echo4-2026-11-22-0000000099.parquet.stray",
        "mine.parquet",
        "notes.txt",
    ];
    let mut expected: Vec<String> = known.into_iter().chain(others.map(str::to_owned)).collect();
    expected.sort();
    assert_eq!(disk.file_names(), expected);
    store.compact(next_day()).unwrap().unwrap();
    let numbers = store.segment_files(Tier::Raw).unwrap();
    let is_new = |file: &crate::SegmentFile| file.path.to_string_lossy().contains("-00000001");
    assert!(
        numbers.iter().all(is_new),
        "no number is given twice: {numbers:?}"
    );
    assert!(everything(&store) == before);
}

#[test]
fn store_on_a_file_system_seals_into_the_folder_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let open = || Store::open(&file, StoreOptions::default());
    let store = open().unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&store), EPOCH, 6);
    let before = everything(&store);
    seal(&store, 6);
    let files = store.segment_files(Tier::Raw).unwrap();
    let bytes = |file: &crate::SegmentFile| std::fs::metadata(&file.path).unwrap().len();
    assert!(files.len() == 2 && files.iter().all(|file| bytes(file) == file.bytes));
    assert!(files[0].path.starts_with(folder.path().join("segments")));
    drop(store);
    let store = open().unwrap();
    assert!(everything(&store) == before);
    drop(store);
    std::fs::rename(folder.path().join("segments"), folder.path().join("elsewhere")).unwrap();
    let error = open().unwrap_err();
    assert!(
        matches!(error, StoreError::NoSegments { segments: 6, .. }),
        "{error}"
    );
    std::fs::rename(folder.path().join("elsewhere"), folder.path().join("segments")).unwrap();
    assert!(everything(&open().unwrap()) == before);
}

#[test]
fn head_of_any_batch_comes_back_as_it_was() {
    use isochrone_proto::ids::Sequence;
    use isochrone_proto::ledger::{Event, SkipCause, SkippedRange};
    let mut heads: Vec<crate::heads::Head> = (1..=6)
        .map(|sequence| crate::heads::Head {
            commit: sequence * sequence,
            probe: ProbeId(sequence % 2),
            received: UnixMillis(START.0.wrapping_sub(sequence * 77)),
            rows: (sequence % 3) as u16,
            slots: (cut_of(sequence), cut_of(sequence + 1)),
            header: header(EpochId([sequence as u8 % 3; 16]), sequence, Digest::ZERO),
        })
        .collect();
    for head in heads.iter_mut().filter(|head| head.rows == 0) {
        head.slots = (UnixMillis(u64::MAX), UnixMillis(0));
    }
    heads[1].header.plan = version(9);
    heads[2].header.sequence = Sequence(u64::MAX);
    heads[2].header.cut = UnixMillis(u64::MAX);
    heads[3].header.source_ports = vec![1, 65_535];
    heads[4].header.events = vec![
        Event::ClockStep { step_ms: i64::MIN },
        Event::LateReplies { count: 1 },
        Event::DuplicateReplies { count: 2 },
        Event::ForeignDatagrams { count: 3 },
        Event::SelfStall { worst_us: u32::MAX },
        Event::CorruptRecords { count: 5 },
        Event::Closed,
    ];
    let causes = [
        SkipCause::Overlap,
        SkipCause::Late,
        SkipCause::NotRunning,
        SkipCause::Shutdown,
        SkipCause::NoKey,
    ];
    heads[5].header.skipped = causes
        .into_iter()
        .map(|cause| SkippedRange {
            check: 7,
            first_slot: START,
            count: u32::MAX,
            cause,
        })
        .collect();
    let bytes = crate::heads::encode(&heads);
    assert_eq!(crate::heads::decode(&bytes).unwrap(), heads);
    for length in 0..bytes.len() {
        assert!(crate::heads::decode(&bytes[..length]).is_err());
    }
}
