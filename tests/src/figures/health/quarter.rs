//! How often a mesh whose nodes are well would have paged in a quarter.

use anyhow::{Result, anyhow};
use isochrone_watch::judge::{Output, What};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::super::process::thread_ns;
use super::links::Links;
use super::mesh::Mesh;
use super::trouble::{Trouble, one_network};

/// What one seed gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quarter {
    pub(super) pages: u64,
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
    let (mut pages, mut silences) = (0, 0);
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
                _ => pages += u64::from(telling.pages()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_of_losses_bursts_and_reloads_pages_nobody() {
        let quarter = quarter(1, 1).unwrap();
        assert_eq!(quarter.pages, 0);
        assert!(quarter.rows > 700_000, "{}", quarter.rows);
    }
}
