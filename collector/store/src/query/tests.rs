//! Answers by column against what a scan of whole batches gives.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{EchoOutcome, Measurement, Outcome, SendFailure, Stamp};
use isochrone_proto::units::{Micros, UnixMillis};
use proptest::prelude::*;

use super::*;
use crate::found::{Damaged, Fault};
use crate::ingest::fixture::*;
use crate::ingest::{Incoming, Ingested};
use crate::lossy::LossyBackend;
use crate::tables::{PLANS, plan_key};
use crate::{Part, ScanRange, Store};

const BOB: ProbeId = ProbeId(0xb0b);
const BATCHES: u64 = 90; // an hour and a half

fn next(random: &mut u64) -> u64 {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    *random >> 33
}

/// The rows of a batch, with echoes of any kind.
fn rows(sequence: u64, random: &mut u64) -> Vec<Measurement> {
    let mut rows = measurements(sequence, 0);
    for row in rows
        .iter_mut()
        .filter(|row| matches!(row.outcome, Outcome::Echo(_)))
    {
        let chance = next(random);
        row.outcome = Outcome::Echo(match chance % 10 {
            0 => EchoOutcome::TimedOut,
            1 => EchoOutcome::Unsent(SendFailure::Local),
            _ => EchoOutcome::Replied {
                rtt: Micros::new(1 + next(random) % 300_000).unwrap(),
                claimed_delay: Micros::default(),
                stamp: Stamp::Kernel,
                suspect: chance % 10 == 2,
            },
        });
    }
    rows
}

/// Two probes' measurements; sealed after the batches that `seals` names, and compacted if `is_compacted`.
fn filled(seed: u64, seals: &[u64], is_compacted: bool) -> (LossyBackend, Store) {
    let (disk, store) = store_with_plan();
    let mut of_bob = plan(1);
    (of_bob.probe, of_bob.probe_name) = (BOB, "bob-1".to_owned());
    store.put_plan(&signed(&of_bob), &of_bob).unwrap();
    let (ingest, mut random) = (inline(&store), seed);
    let mut previous = [Digest::ZERO; 2];
    for sequence in 1..=BATCHES {
        for (probe, previous) in [ADA, BOB].into_iter().zip(&mut previous) {
            let batch =
                Batch::pack(header(EPOCH, sequence, *previous), &rows(sequence, &mut random)).unwrap();
            let payload = Bytes::from(codec::encode_batch(&batch));
            let incoming = Incoming::batch(probe, payload, cut_of(sequence)).unwrap();
            *previous = incoming.digest;
            assert!(matches!(submit(&ingest, incoming), Ingested::Stored { .. }));
        }
        if seals.contains(&sequence) {
            let until = UnixMillis(cut_of(sequence).0 + 1);
            while store.seal_before(until, UnixMillis(u64::MAX)).unwrap().is_some() {}
        }
    }
    if is_compacted {
        while store.compact(UnixMillis(START.0 + 86_400_000)).unwrap().is_some() {}
    }
    (disk, store)
}

type Key = (TargetId, Kind, ProbeId);

/// What whole batches say.
fn oracle(store: &Store, asked: &Runs) -> BTreeMap<Key, Vec<Point>> {
    let mut all: BTreeMap<Key, Vec<Point>> = BTreeMap::new();
    let scanned = store.scan(ScanRange::default(), |stored| {
        for run in stored.batch.measurements() {
            let (check, target) = stored.plan.target_of(run.check).unwrap();
            let is_asked = (asked.from..asked.until).contains(&run.slot)
                && (asked.kinds.is_empty() || asked.kinds.contains(&check.kind))
                && asked.probe.is_none_or(|probe| probe == stored.probe)
                && !asked.without.contains(&stored.probe)
                && asked.target.is_none_or(|asked| asked == target.id);
            if is_asked {
                let line = all.entry((target.id, check.kind, stored.probe)).or_default();
                line.push(Point {
                    slot: run.slot,
                    said: Said::of(&run.outcome),
                });
            }
        }
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    for line in all.values_mut() {
        line.sort_by_key(|point| point.slot);
    }
    all
}

fn hours_of(lines: &BTreeMap<Key, Vec<Point>>) -> Vec<HourOfTarget> {
    let mut hours: BTreeMap<_, (u64, u64, Vec<Micros>)> = BTreeMap::new();
    for ((target, kind, _), line) in lines {
        for point in line {
            let hour = hours.entry((point.slot.hour(), *kind, *target)).or_default();
            hour.0 += 1;
            if let Said::Answered { rtt, suspect } = point.said {
                hour.1 += 1;
                hour.2.extend((!suspect).then_some(rtt));
            }
        }
    }
    let hours = hours
        .into_iter()
        .map(|((hour, kind, target), (runs, answered, mut times))| {
            times.sort_unstable();
            let of = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
            HourOfTarget {
                hour,
                kind,
                target,
                runs,
                answered,
                timed: times.len() as u64,
                percentiles: (!times.is_empty()).then(|| [of(50), of(95), of(99)]),
            }
        });
    hours.collect()
}

fn series_of(store: &Store, asked: &Runs) -> BTreeMap<Key, Vec<Point>> {
    let mut all = BTreeMap::new();
    let each = |series: Series| {
        let key = (series.target, series.kind, series.probe);
        assert!(all.insert(key, series.points).is_none());
    };
    store.series(asked, each).unwrap();
    all
}

fn hourly_of(store: &Store, asked: &Runs) -> Vec<HourOfTarget> {
    let mut hours = Vec::new();
    store.hourly(asked, |hour| hours.push(hour)).unwrap();
    hours
}

/// Compares both answers with what batches say; returns how many runs were asked for.
fn compare(store: &Store, asked: &Runs) -> usize {
    let lines = oracle(store, asked);
    assert_eq!(series_of(store, asked), lines, "{asked:?}");
    assert_eq!(hourly_of(store, asked), hours_of(&lines), "{asked:?}");
    lines.values().map(Vec::len).sum()
}

fn asked() -> impl Strategy<Value = Runs> {
    let minutes = (0_u64..100, 0_u64..100);
    let kinds = prop::sample::subsequence(vec![Check::Echo, Check::Status], 0..=2);
    let probe = prop::option::of(prop::sample::select(vec![ADA, BOB]));
    let targets = vec![
        TargetId::of_node("berlin"),
        TargetId::of_peer(BOB),
        TargetId::of_peer(ADA),
    ];
    let target = prop::option::of(prop::sample::select(targets));
    let without = prop::sample::subsequence(vec![ADA, BOB], 0..=1);
    (minutes, kinds, (probe, without), target).prop_map(|((from, many), kinds, (probe, without), target)| {
        Runs {
            from: UnixMillis(START.0 + from * 60_000 + 5_000),
            until: UnixMillis(START.0 + (from + many) * 60_000),
            kinds: kinds
                .into_iter()
                .map(|check| Kind::new(check, Family::V4))
                .collect(),
            probe,
            without,
            target,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn answers_by_column_are_those_of_whole_batches(
        seed in any::<u64>(),
        seals in prop::collection::vec(1..=BATCHES, 0..4),
        is_compacted in any::<bool>(),
        questions in prop::collection::vec(asked(), 12),
    ) {
        let (_, store) = filled(seed, &seals, is_compacted);
        assert_eq!(compare(&store, &Runs::default()) as u64, 2 * BATCHES * ROWS);
        for asked in &questions {
            compare(&store, asked);
        }
    }
}

#[test]
fn damaged_segment_is_named_and_the_rest_is_answered() {
    let (disk, store) = filled(1, &[30, 60], false);
    let name = disk
        .file_names()
        .into_iter()
        .find(|name| name.starts_with("echo4"))
        .unwrap();
    disk.flip_in_file(&name, 4_000);
    let hours = hourly_of(&store, &Runs::default());
    let runs: u64 = hours.iter().map(|hour| hour.runs).sum();
    assert_eq!(runs, 2 * (BATCHES * ROWS - 30 * 11));
    let damage = store.damage().unwrap();
    assert_eq!((damage.rows, damage.measurements), (1, 2 * 30 * 11));
    assert!(damage.set_aside[0].reason.contains(&name));
    compare(&store, &Runs::default());
}

#[test]
fn rows_whose_head_is_lost_do_not_count() {
    let (disk, store) = filled(2, &[30, 60], false);
    assert_eq!(compare(&store, &Runs::default()) as u64, 2 * BATCHES * ROWS);
    assert!(store.flip_both("sealed batches", 0, Part::Value, 90).unwrap());
    drop(store);
    let store = store_on(&disk.snapshot());
    let runs: u64 = hourly_of(&store, &Runs::default())
        .iter()
        .map(|hour| hour.runs)
        .sum();
    assert_eq!(runs, 2 * (BATCHES - 30) * ROWS);
    compare(&store, &Runs::default());
}

#[test]
fn heads_that_were_known_and_are_lost_later_are_missed() {
    let (_, store) = filled(3, &[30, 60], false);
    compare(&store, &Runs::default());
    assert!(store.flip_both("sealed batches", 1, Part::Value, 90).unwrap());
    let mut batches = 0;
    let scanned = store.scan(ScanRange::default(), |_| {
        batches += 1;
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    assert_eq!(batches, 2 * (BATCHES - 30));
    assert_eq!(
        compare(&store, &Runs::default()) as u64,
        2 * (BATCHES - 30) * ROWS
    );
}

#[test]
fn file_that_was_checked_is_not_read_again_until_it_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.redb"), crate::StoreOptions::default()).unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&store), EPOCH, 25);
    store.seal(UnixMillis(START.0 + 3 * 3_600_000)).unwrap().unwrap();
    let runs = |store: &Store| {
        hourly_of(store, &Runs::default())
            .iter()
            .map(|hour| hour.runs)
            .sum::<u64>()
    };
    assert_eq!((runs(&store), runs(&store)), (25 * ROWS, 25 * ROWS));
    let files = store.segment_files(crate::Tier::Raw).unwrap();
    let echoes = files.iter().find(|file| file.kind == "echo4").unwrap();
    let mut content = std::fs::read(&echoes.path).unwrap();
    content[1_000] ^= 4;
    std::fs::write(&echoes.path, content).unwrap();
    assert_eq!(runs(&store), 25, "the checks of the node's status are left");
    assert_eq!(store.damage().unwrap().rows, 1);
}

#[test]
fn batch_whose_plan_is_missing_is_passed_over() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 5);
    let key = plan_key(ADA, version(1));
    let lost = store.write_tables(|transaction| PLANS.open(transaction, store.found())?.remove(&key));
    lost.unwrap();
    store.forget_plans(&[Damaged {
        table: PLANS.name,
        key: key.to_vec(),
        what: Fault::Missing,
    }]);
    assert_eq!(hourly_of(&store, &Runs::default()), []);
    assert_eq!(store.missing_plans(ADA), [version(1)]);
}
