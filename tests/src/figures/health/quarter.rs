//! How often a mesh whose nodes are well would have paged in a quarter.

use anyhow::{Result, anyhow};
use isochrone_watch::judge::Output;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::super::process::thread_ns;
use super::mesh::Mesh;
use super::trouble::{OF_ONE_NETWORK, Trouble};

/// What one seed gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quarter {
    pub(super) pages: u64,
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
    let networks = std::array::from_fn(|i| if i < OF_ONE_NETWORK { 1 } else { i as u32 });
    let mut mesh = Mesh::new(networks, &mut rng);
    let mut trouble = Trouble::new(&mut rng);
    let mut draws = StdRng::seed_from_u64(seed + 1_000_000);
    let mut pages = 0;
    while mesh.second < days * 86_400 {
        let outputs = mesh.step(
            &mut rng,
            |seat, at_ms| trouble.sees(seat, at_ms, &mut draws),
            |_| true,
        );
        for output in &outputs {
            if let Output::Told(telling) = output
                && telling.pages()
            {
                pages += 1;
            }
        }
    }
    Ok(Quarter {
        pages,
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
