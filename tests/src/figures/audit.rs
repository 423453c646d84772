//! What the audit of the chain finds of planted faults, and how long a large chain takes.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use isochrone_chain::fixture::{Planted, planted, world};
use isochrone_chain::{Rule, Subject, audit};

use super::process::thread_ns;
use super::{Bound, Figure, Measured};

/// This module's figures.
pub const FIGURES: &[Figure] = &[
    Figure::quick(&["audit.rules", "audit.found_of_planted"], found),
    Figure::quick(&["audit.10k_buckets_ms"], large),
];

const FAMILIES: u32 = 200;
const BUCKETS: u32 = 50;
const ROUNDS: usize = 9;

fn of(planted: &Planted) -> BTreeSet<(Rule, Subject)> {
    let findings = audit(&planted.world.topology, &planted.world.facts);
    findings
        .into_iter()
        .map(|finding| (finding.rule, finding.subject))
        .collect()
}

fn found() -> Result<Vec<Measured>> {
    let (each, all) = planted();
    let clean = world(48, 4);
    let falsely = audit(&clean.topology, &clean.facts).len();
    let (mut right, mut beside) = (0, falsely);
    for planted in &each {
        let found = of(planted);
        let expected: BTreeSet<_> = planted.expected.iter().cloned().collect();
        right += found.intersection(&expected).count();
        beside += found.difference(&expected).count();
    }
    let expected: BTreeSet<_> = all.expected.iter().cloned().collect();
    let together = of(&all);
    ensure!(
        together == expected,
        "all faults in one chain are not found as each alone is"
    );
    ensure!(beside == 0, "{beside} false findings");
    let count = each.len();
    Ok(vec![
        Measured {
            name: "audit.rules".into(),
            value: Rule::ALL.len() as f64,
            unit: "rules",
            how: "each with an id, a severity and planted faults".to_owned(),
            bound: Some(Bound::AtLeast(18.0)),
        },
        Measured {
            name: "audit.found_of_planted".into(),
            value: right as f64 / count as f64,
            unit: "share",
            how: format!(
                "{right} of {count} planted faults with the right subject, each alone, and all of them in one chain; 0 false ones, \
                 none on a clean copy of 192 buckets"
            ),
            bound: Some(Bound::AtLeast(1.0)),
        },
    ])
}

fn large() -> Result<Vec<Measured>> {
    let world = world(FAMILIES, BUCKETS);
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..=ROUNDS {
        let before = thread_ns()?;
        let findings = audit(&world.topology, &world.facts);
        times.push((thread_ns()? - before) as f64 / 1e6);
        ensure!(
            findings.is_empty(),
            "a clean chain has findings: {:?}",
            findings.first()
        );
    }
    times.remove(0); // it unpacks the table of cities
    times.sort_by(f64::total_cmp);
    Ok(vec![Measured {
        name: "audit.10k_buckets_ms".into(),
        value: times[ROUNDS / 2],
        unit: "ms",
        how: format!(
            "{FAMILIES} families, {} buckets with a node each, all rules; median of {ROUNDS} rounds, processor time of one thread",
            FAMILIES * BUCKETS
        ),
        bound: Some(Bound::AtMost(200.0)),
    }])
}
