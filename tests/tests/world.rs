//! The simulated mesh under random faults: whatever strikes, an acknowledged measurement is stored exactly once,
//! nothing is stored that never ran, and the ledger accounts for every planned slot (invariants 1 and 2).
//!
//! A failure prints its seed. To see it alone:
//! `ISOCHRONE_SEED=17 cargo test -p isochrone-tests --test world one_seed -- --nocapture`
//! (`RUST_LOG=info` shows the mesh's own words). The long run:
//! `ISOCHRONE_SEEDS=10000 cargo test -p isochrone-tests --test world seeds`.

use std::time::Duration;

use isochrone_store::ingest::PlantedBug;
use isochrone_tests::world::faults::{Outcome, play, play_restarted};
use isochrone_tests::world::{Scale, World, on_virtual_time};

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
        let played = std::panic::catch_unwind(|| play(seed));
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
    let outcome = play(seed);
    println!("{}", tell(seed, &outcome));
    assert!(outcome.faults.is_empty(), "seed {seed}");
}

#[test]
fn same_seed_sends_the_same_datagrams_and_stores_the_same_bytes() {
    for seed in [3, 4, 5] {
        let (first, again) = (play(seed), play(seed));
        assert_eq!(first.story, again.story, "seed {seed}");
        assert_eq!(first.digest, again.digest, "seed {seed}: the stores differ");
        assert_eq!(first.trace, again.trace, "seed {seed}: the datagrams differ");
    }
    assert_ne!(play(3).trace, play(4).trace);
}

/// Each of the first seeds is sound without the bug, and some show it, in these words.
fn find(bug: PlantedBug, words: &str) {
    let mut found = 0;
    for seed in 0..12 {
        let sound = play_restarted(seed, None);
        assert!(sound.faults.is_empty(), "without the bug: {}", tell(seed, &sound));
        let played = play_restarted(seed, Some(bug));
        println!("{}", tell(seed, &played));
        found += usize::from(played.faults.0.iter().any(|fault| fault.contains(words)));
    }
    println!("{found} of 12");
    assert!(found > 0, "the checks do not see {bug:?}");
}

#[test]
fn mark_advanced_over_a_gap_is_found() {
    find(PlantedBug::MarkOverGap, "nothing stands at sequences");
}

#[test]
fn acknowledgement_before_the_commit_is_found() {
    find(PlantedBug::AckBeforeCommit, "acknowledged and not stored");
}

/// What was acknowledged is missed also where a collector was restored before, and a probe had no room: that
/// excuses other batches.
#[test]
fn loss_of_acknowledged_batches_is_found_beside_an_excuse() {
    on_virtual_time(async {
        const SOME_TIME: Duration = Duration::from_secs(10);
        let mut world = World::new(1, &Scale::default()).await;
        tokio::time::sleep(SOME_TIME).await;
        let backup = world.collector.disk.snapshot();
        tokio::time::sleep(SOME_TIME).await;
        world.collector.crash(1).await;
        world.restore_collector(backup);
        world.start_collector();
        let full = &world.machines[0];
        world.record.may_drop(full.probe);
        full.disk.set_capacity(Some(full.disk.bytes()));
        tokio::time::sleep(SOME_TIME).await;
        full.disk.set_capacity(None);
        let back = |world: &World| (0..3).all(|machine| world.is_settled(machine));
        world.until("all is stored again", 6 * SOME_TIME, back).await;
        let older = world.collector.disk.snapshot();
        tokio::time::sleep(SOME_TIME).await;
        world.collector.crash(2).await;
        world.check_acknowledged();
        assert!(world.found.is_empty(), "{}", world.found);
        world.collector.disk = older;
        world.check_acknowledged();
        for machine in &world.machines {
            let probe = format!("(probe {},", machine.probe);
            let mut found = world.found.0.iter().filter(|fault| fault.contains(&probe));
            assert!(
                found.any(|fault| fault.starts_with("acknowledged and not stored")),
                "{probe} {}",
                world.found
            );
        }
    });
}
