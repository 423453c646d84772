//! How often a mesh whose nodes are well would have paged in a quarter.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use isochrone_watch::judge::{Output, Telling, What};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::super::process::thread_ns;
use super::links::Links;
use super::mesh::Mesh;
use super::trouble::{Trouble, one_network};

/// What one seed gave.
#[derive(Clone, Debug)]
pub(super) struct Quarter {
    /// Each in a line: when, about whom, and what they saw who said so.
    pub(super) pages: Vec<String>,
    /// Of probes that really were silent; none of the above.
    pub(super) silences: u64,
    pub(super) rows: u64,
    /// Of processor time.
    pub(super) nanos: u64,
}

/// `seeds` quarters of `days` days each, two at a time.
pub(super) fn pages(seeds: u64, days: u64) -> Result<Vec<Quarter>> {
    let half = |first: u64| {
        move || {
            (first..seeds)
                .step_by(2)
                .map(|seed| quarter(seed, days))
                .collect()
        }
    };
    std::thread::scope(|scope| {
        let halves = [scope.spawn(half(0)), scope.spawn(half(1))];
        let mut quarters: Vec<Quarter> = Vec::new();
        for half in halves {
            let of_half: Result<Vec<Quarter>> = half.join().map_err(|_| anyhow!("a simulation panicked"))?;
            quarters.extend(of_half?);
        }
        Ok(quarters)
    })
}

fn quarter(seed: u64, days: u64) -> Result<Quarter> {
    let began = thread_ns()?;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut mesh = Mesh::new(one_network(), &mut rng);
    let mut trouble = Trouble::new(&mut rng);
    let mut links = Links::new(&mut rng);
    let mut draws = StdRng::seed_from_u64(seed + 1_000_000);
    let (mut pages, mut silences) = (Vec::new(), 0);
    while mesh.second < days * 86_400 {
        let asleep = links.turn(&mut mesh, &trouble, &mut draws);
        let outputs = mesh.step(
            &mut rng,
            |seat, at_ms| trouble.sees(seat, at_ms, &mut draws),
            asleep,
        );
        for output in &outputs {
            let Output::Told(telling) = output else { continue };
            match telling.what {
                What::Silent => silences += 1,
                _ if telling.pages() => pages.push(page(seed, mesh.second, telling)),
                _ => {}
            }
        }
    }
    Ok(Quarter {
        pages,
        silences,
        rows: mesh.rows,
        nanos: thread_ns()? - began,
    })
}

/// "seed 3, day 12 04:11:22: Down, node-4 (asset: 4 vantages, first-byte)".
fn page(seed: u64, second: u64, telling: &Telling) -> String {
    let about = telling.incidents.iter().map(|incident| {
        let phases: BTreeSet<String> = incident
            .evidence
            .iter()
            .map(|cell| cell.phase.to_string())
            .collect();
        let phases: Vec<String> = phases.into_iter().collect();
        format!(
            "{} ({}: {} vantages, {})",
            incident.target,
            incident.check,
            incident.witnesses().0,
            phases.join(" and ")
        )
    });
    let about: Vec<String> = about.collect();
    let (day, hour, minute) = (second / 86_400, second / 3_600 % 24, second / 60 % 60);
    format!(
        "seed {seed}, day {day} {hour:02}:{minute:02}:{:02}: {:?}, {}",
        second % 60,
        telling.what,
        about.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_of_losses_bursts_and_reloads_pages_nobody() {
        let quarter = quarter(1, 1).unwrap();
        assert!(quarter.pages.is_empty(), "{:?}", quarter.pages);
        assert!(quarter.rows > 700_000, "{}", quarter.rows);
    }
}
