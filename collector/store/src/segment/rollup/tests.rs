//! Rollups against a naive oracle over the measurements themselves.

mod broken;
mod crashes;
mod full;
mod periodic;
mod verified;
mod world;

use std::ops::ControlFlow;

use isochrone_coverage::histogram::LogHistogram;
use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;
use proptest::prelude::*;

use self::world::*;
use super::{Day, Loss, Period, Rollup, RollupRange, Timing, added_up};
use crate::ingest::fixture::*;
use crate::lossy::LossyBackend;
use crate::segment::file::Facts;
use crate::segment::marks;
use crate::{Store, Tier};

const EVER: (UnixMillis, UnixMillis) = (UnixMillis(0), UnixMillis(u64::MAX));

fn rolled(store: &Store, range: &RollupRange) -> Vec<Rollup> {
    let mut all = Vec::new();
    let read = store.rolled(range, |rollup| {
        all.push(rollup);
        ControlFlow::Continue(())
    });
    read.unwrap();
    all
}

/// Compares all rollups with the oracle's.
fn check(store: &Store, what: &str) {
    for period in [Period::Hour, Period::Day] {
        let expected = Oracle::of(store, period);
        let given = rolled(store, &RollupRange::of(period, EVER.0, EVER.1));
        assert!(given.is_sorted_by_key(|rollup| rollup.key()), "{what}");
        expected.compare(&given, &format!("{what}, {period:?}"));
    }
}

fn named(store: &Store, tier: Tier) -> Vec<String> {
    let files = store.segment_files(tier).unwrap();
    let names = files.iter().map(|file| file.path.file_name().unwrap());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

fn sealed_twice() -> (LossyBackend, Store) {
    let (disk, store) = store_with_plan();
    let mut world = World::default();
    for _ in 0..2 {
        world.store(&store, Place::default(), 5);
        world.seal(&store);
    }
    (disk, store)
}

#[test]
fn sealed_spans_leave_pieces_that_become_one_file_of_a_kind_and_day() {
    let (_disk, store) = store_with_plan();
    let mut world = World::default();
    for _ in 0..3 {
        world.store(&store, Place::default(), 40);
        world.seal(&store);
    }
    world.store(&store, Place::default(), 5);
    check(&store, "pieces");
    assert_eq!(named(&store, Tier::Hour).len(), 3 * 2, "of two kinds");
    assert_eq!(named(&store, Tier::Day).len(), 3 * 2);
    assert_eq!(
        store.fold_rollups(cut_of(200)).unwrap(),
        None,
        "its day is not over, and they are few"
    );
    while store.fold_rollups(next_day()).unwrap().is_some() {}
    check(&store, "folded");
    for (tier, prefix) in [(Tier::Hour, "hours-"), (Tier::Day, "days-")] {
        let names = named(&store, tier);
        assert_eq!(names.len(), 2);
        assert!(
            names[0].starts_with(&format!("{prefix}echo4-2026-11-22-")),
            "{names:?}"
        );
        let files = store.segment_files(tier).unwrap();
        assert!(
            files
                .iter()
                .all(|file| (file.first_commit, file.generation) == (1, 2))
        );
    }
    assert!(
        named(&store, Tier::Raw)
            .iter()
            .all(|name| name.starts_with("echo4") || name.starts_with("status4"))
    );
}

#[test]
fn pieces_of_a_day_that_is_not_over_stay_few_and_are_written_again_a_few_times_only() {
    let (_disk, store) = store_with_plan();
    let mut world = World::default();
    let mut written = 0;
    for span in 1..=130_u64 {
        world.store(&store, Place::default(), 2);
        world.seal(&store);
        while let Some(folded) = store.fold_rollups(cut_of(200)).unwrap() {
            written += folded.measurements;
        }
        let most = 7 * 2 * (1 + span.ilog(8) as usize);
        for tier in [Tier::Hour, Tier::Day] {
            let names = named(&store, tier);
            assert!(names.len() <= most, "{} files after {span} spans", names.len());
        }
    }
    check(&store, "folded by generations");
    let measurements: u64 = store
        .segment_files(Tier::Raw)
        .unwrap()
        .iter()
        .map(|file| file.rows)
        .sum();
    assert!(
        written <= 2 * 2 * measurements,
        "{written} of {measurements}, twice in each of two tiers at most"
    );
    while store.fold_rollups(next_day()).unwrap().is_some() {}
    check(&store, "its day is over");
    assert_eq!(named(&store, Tier::Hour).len(), 2, "of two kinds");
}

/// Files of earlier releases hold none of these, so that their columns need no other version.
#[test]
fn range_of_a_throughput_is_added_up_and_read_back_from_its_file() {
    use isochrone_proto::measurement::{
        CacheState, EndpointOutcome, EndpointResult, Measurement, Outcome, Phases,
    };
    use isochrone_proto::units::Micros;

    let kind: Kind = "throughput4".parse().unwrap();
    let mut plan = plan(1);
    plan.checks[2].kind = kind;
    let run = |place: u64, cache, body_bytes, transfer_us| Measurement {
        slot: UnixMillis(START.0 + place * 6 * 3_600_000),
        outcome: Outcome::Endpoint(Box::new(EndpointOutcome {
            address: None,
            http_status: Some(206),
            cache,
            certificate_expires: None,
            result: EndpointResult::Ok {
                phases: Phases {
                    transfer: Micros::new(transfer_us).unwrap(),
                    ..Phases::default()
                },
                body_bytes,
                node_uptime_s: None,
                node_version: String::new(),
            },
        })),
        ..status(START.0, false)
    };
    let rows = [
        run(0, CacheState::Hit, 8 << 20, 3_000_000),
        run(1, CacheState::Hit, 16 << 20, 2_000_000),
        run(2, CacheState::Miss, 0, 5),
    ];
    let rollups = added_up(Period::Day, &plan, &rows);
    let ranges: Vec<_> = rollups
        .iter()
        .map(|rollup| {
            let ranges = rollup.sums.times(Timing::Range);
            (rollup.cache, ranges.count(), ranges.min_us(), ranges.max_us())
        })
        .collect();
    let hit = (CacheState::Hit, 2, Some(1_000_000.0), Some(3_000_000.0));
    assert_eq!(ranges, [hit, (CacheState::Miss, 0, None, None)]);
    let facts = Facts {
        kind,
        day: Day::of(START),
        commits: (1, 1),
        generation: 1,
    };
    let file = super::write(&facts, Period::Day, &rollups).unwrap();
    let mut read = Vec::new();
    super::file::read(file.into(), kind, &super::file::Asked::EVERY, &mut |rollup| {
        read.push(rollup)
    })
    .unwrap();
    assert_eq!(read, rollups);
}

#[test]
fn times_that_nobody_asks_for_are_not_read() {
    let (_disk, store) = store_with_plan();
    let mut world = World::default();
    world.store(&store, Place::default(), 100);
    world.seal(&store);
    let status: Kind = "status4".parse().unwrap();
    let of = |timings: Option<Vec<Timing>>| {
        let range = RollupRange {
            kinds: Some(vec![status]),
            timings,
            ..RollupRange::of(Period::Hour, EVER.0, EVER.1)
        };
        rolled(&store, &range)
    };
    let (all, some) = (of(None), of(Some(vec![Timing::FirstByte])));
    assert!(
        all.iter()
            .any(|rollup| !rollup.sums.times(Timing::Connect).is_empty())
    );
    assert_eq!(all.len(), some.len());
    for (whole, part) in all.iter().zip(&some) {
        assert_eq!(whole.key(), part.key());
        assert_eq!(
            whole.sums.times(Timing::FirstByte),
            part.sums.times(Timing::FirstByte)
        );
        assert_eq!(
            (whole.sums.run, whole.sums.ok, &whole.sums.losses),
            (part.sums.run, part.sums.ok, &part.sums.losses)
        );
    }
    // what is in the log still has them
    let is_left_out = |part: &Rollup| part.sums.ok > 0 && part.sums.times(Timing::Connect).is_empty();
    assert!(some.iter().any(is_left_out) && !all.iter().any(is_left_out));
}

#[test]
fn range_of_periods_probe_target_and_kind_leaves_out_the_others() {
    let (_disk, store) = store_with_plan();
    let mut world = World::default();
    world.store(&store, Place::default(), 100);
    world.seal(&store);
    world.store(&store, Place::default(), 100);
    let all = rolled(&store, &RollupRange::of(Period::Hour, EVER.0, EVER.1));
    let hour = |number: u64| UnixMillis(START.hour().start().0 + number * 3_600_000);
    let status: Kind = "status4".parse().unwrap();
    let peer = all[0].target;
    let ranges = [
        RollupRange::of(Period::Hour, hour(1), hour(3)),
        RollupRange {
            kinds: Some(vec![status]),
            ..RollupRange::of(Period::Hour, hour(0), hour(9))
        },
        RollupRange {
            target: Some(peer),
            ..RollupRange::of(Period::Hour, hour(1), hour(9))
        },
        RollupRange {
            probe: Some(ADA),
            ..RollupRange::of(Period::Hour, hour(2), hour(3))
        },
    ];
    for range in ranges {
        let expected: Vec<Rollup> = all
            .iter()
            .filter(|rollup| {
                (range.from..range.until).contains(&rollup.start)
                    && range
                        .kinds
                        .as_ref()
                        .is_none_or(|kinds| kinds.contains(&rollup.kind))
                    && range.target.is_none_or(|target| target == rollup.target)
            })
            .cloned()
            .collect();
        assert!(!expected.is_empty() && expected.len() < all.len(), "{range:?}");
        assert_eq!(rolled(&store, &range), expected, "{range:?}");
    }
    let mut first = Vec::new();
    let read = store.rolled(&RollupRange::of(Period::Hour, EVER.0, EVER.1), |rollup| {
        first.push(rollup);
        ControlFlow::Break(())
    });
    read.unwrap();
    assert_eq!(first, all[..1]);
}

#[test]
fn words_of_losses_are_read_back() {
    let (_disk, store) = store_with_plan();
    let mut world = World::default();
    world.store(&store, Place::default(), 60);
    let all = rolled(&store, &RollupRange::of(Period::Day, EVER.0, EVER.1));
    let losses: Vec<Loss> = all
        .iter()
        .flat_map(|rollup| rollup.sums.losses.keys().copied())
        .collect();
    assert!(losses.len() > 5, "{losses:?}");
    for loss in losses {
        assert_eq!(Loss::parse(&loss.to_string()), Some(loss));
    }
    for odd in [
        "",
        "timed",
        "connect",
        "connect/nothing",
        "unsent/",
        "nowhere/refused",
    ] {
        assert_eq!(Loss::parse(odd), None, "{odd}");
    }
}

#[derive(Clone, Debug)]
enum Act {
    Store {
        place: Place,
        batches: u64,
    },
    Seal,
    Compact,
    Fold,
    Again,
    Remove,
    Start,
    /// A file of rollups, by its place in the list.
    Damage(usize),
    /// Its days are marked.
    Mark,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let place = (0..3_u64, 0..3_u64).prop_map(|(epoch, day)| Place { epoch, day });
    let act = prop_oneof![
        4 => (place, 1..40_u64).prop_map(|(place, batches)| Act::Store { place, batches }),
        4 => Just(Act::Seal),
        1 => Just(Act::Compact),
        2 => Just(Act::Fold),
        1 => Just(Act::Again),
        1 => Just(Act::Remove),
        1 => Just(Act::Start),
        1 => (0..50_usize).prop_map(Act::Damage),
        1 => Just(Act::Mark),
    ];
    prop::collection::vec(act, 1..16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn rollups_are_what_the_measurements_add_up_to_whatever_is_sealed_folded_and_damaged(acts in acts()) {
        let (disk, mut store) = store_with_plan();
        let mut world = World::default();
        let late = UnixMillis(next_day().0 + 5 * 86_400_000);
        for act in &acts {
            match act {
                Act::Store { place, batches } => world.store(&store, *place, *batches),
                Act::Seal => world.seal(&store),
                Act::Compact => { store.compact(late).unwrap(); }
                Act::Fold => { store.fold_rollups(late).unwrap(); }
                Act::Again => { store.roll_up_again(late).unwrap(); }
                Act::Remove => { ten_minutes_pass(&store).unwrap(); }
                Act::Start => { drop(store); store = store_on(&disk); }
                Act::Damage(place) => {
                    let names = [named(&store, Tier::Hour), named(&store, Tier::Day)].concat();
                    if !names.is_empty() {
                        disk.flip_in_file(&names[place % names.len()], 777);
                    }
                }
                Act::Mark => {
                    store.write_tables(|transaction| marks::mark_all(transaction, store.found())).unwrap();
                }
            }
        }
        check(&store, &format!("{acts:?}"));
        while store.roll_up_again(late).unwrap().is_some() {}
        while store.fold_rollups(late).unwrap().is_some() {}
        check(&store, &format!("in the end, {acts:?}"));
        let marked = store.read(|transaction| marks::read(transaction, store.found())).unwrap();
        prop_assert!(marked.is_empty());
    }
}
