//! The simulated mesh under random faults: whatever strikes, an acknowledged measurement is stored exactly once,
//! nothing is stored that never ran, and the ledger accounts for every planned slot (invariants 1 and 2).
//!
//! A failure prints its seed. To see it alone:
//! `ISOCHRONE_SEED=17 cargo test -p isochrone-tests --test world one_seed -- --nocapture`
//! (`RUST_LOG=info` shows the mesh's own words). The long run:
//! `ISOCHRONE_SEEDS=10000 cargo test -p isochrone-tests --test world seeds`.

use std::sync::atomic::{AtomicU64, Ordering};

use isochrone_collector::ingest::PlantedBug;
use isochrone_tests::world::faults::{Outcome, play};

/// Seeds of a plain `cargo test`, in all parts together.
const SEEDS: u64 = 240;
/// Parts that the test harness runs beside each other.
const PARTS: u64 = 4;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

fn tell(seed: u64, outcome: &Outcome) -> String {
    let story = outcome.story.join("\n  ");
    format!(
        "seed {seed}: {} runs, {} stored\n  {story}\n{}repeat it: ISOCHRONE_SEED={seed} cargo test -p isochrone-tests --test world one_seed -- --nocapture",
        outcome.runs, outcome.stored, outcome.faults
    )
}

fn part(part: u64) {
    let seeds = number("ISOCHRONE_SEEDS").unwrap_or(SEEDS);
    let mut failed = Vec::new();
    for seed in (0..seeds).filter(|seed| seed % PARTS == part) {
        let played = std::panic::catch_unwind(|| play(seed, None));
        match played {
            Ok(outcome) if outcome.faults.is_empty() => {
                assert!(
                    outcome.stored > 0,
                    "seed {seed} stored nothing: the world did not run"
                );
            }
            Ok(outcome) => failed.push(tell(seed, &outcome)),
            Err(_) => failed.push(format!("seed {seed} panicked; see above")),
        }
        if failed.len() >= 5 {
            break;
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn seeds_part_0_lose_nothing_and_count_nothing_twice() {
    part(0);
}

#[test]
fn seeds_part_1_lose_nothing_and_count_nothing_twice() {
    part(1);
}

#[test]
fn seeds_part_2_lose_nothing_and_count_nothing_twice() {
    part(2);
}

#[test]
fn seeds_part_3_lose_nothing_and_count_nothing_twice() {
    part(3);
}

/// One seed with its story; without `ISOCHRONE_SEED` the first.
#[test]
fn one_seed() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    if let Ok(filter) = filter {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer()
            .init();
    }
    let seed = number("ISOCHRONE_SEED").unwrap_or(0);
    let outcome = play(seed, None);
    println!("{}", tell(seed, &outcome));
    assert!(outcome.faults.is_empty(), "seed {seed}");
}

#[test]
fn same_seed_sends_the_same_datagrams_and_stores_the_same_bytes() {
    for seed in [3, 4, 5] {
        let (first, again) = (play(seed, None), play(seed, None));
        assert_eq!(first.story, again.story, "seed {seed}");
        assert_eq!(first.digest, again.digest, "seed {seed}: the stores differ");
        assert_eq!(first.trace, again.trace, "seed {seed}: the datagrams differ");
    }
    assert_ne!(play(3, None).trace, play(4, None).trace);
}

/// How many of the first seeds find a planted bug, at the latest after so many.
fn found(bug: PlantedBug, most: u64) -> u64 {
    let found = AtomicU64::new(0);
    for seed in 0..most {
        let caught = std::panic::catch_unwind(|| play(seed, Some(bug)));
        if caught.is_err() || caught.is_ok_and(|outcome| !outcome.faults.is_empty()) {
            found.fetch_add(1, Ordering::Relaxed);
        }
    }
    found.into_inner()
}

#[test]
fn mark_advanced_over_a_gap_is_found() {
    assert!(
        found(PlantedBug::MarkOverGap, 12) > 0,
        "the checks do not see a mark that was advanced over a gap"
    );
}

#[test]
fn acknowledgement_before_the_commit_is_found() {
    assert!(
        found(PlantedBug::AckBeforeCommit, 12) > 0,
        "the checks do not see an acknowledgement before the commit"
    );
}
