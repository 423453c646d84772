//! How fast results of public platforms are read.

use anyhow::{Result, ensure};
use isochrone_borrowed::fixture::{NOW, Rows, atlas_ping, atlas_probes, atlas_tls, targets};
use isochrone_borrowed::{AtlasResults, Outcome, Probes, Refusals};

use super::process::{resident_mb, thread_ns};
use super::{Bound, Figure, Measured};

/// This module's figures.
pub const FIGURES: &[Figure] = &[
    Figure::quick(
        &[
            "import.atlas_rows_per_second",
            "import.atlas_tls_rows_per_second",
            "import.atlas_rows_per_second_of_values",
        ],
        atlas_rows,
    ),
    Figure::slow(&["import.atlas_mb_of_4_gb"], atlas_memory),
];

const ROWS: u64 = 100_000;
const PROBES: u32 = 2_000;
const ROUNDS: usize = 9;

fn atlas_rows() -> Result<Vec<Measured>> {
    let mut probes = Probes::default();
    probes.read(atlas_probes(PROBES).as_bytes(), &mut Refusals::default())?;
    let pings = file(|number| atlas_ping(number, PROBES));
    let handshakes = file(|number| atlas_tls(number, PROBES));
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        rates[0].push(rate(|| read(&pings, &probes))?);
        rates[1].push(rate(|| read(&handshakes, &probes))?);
        rates[2].push(rate(|| values(&pings))?);
    }
    let [ours, tls, plain] = rates.map(median);
    let how = |what: &str, file: &[u8], rate: f64| {
        let bytes = file.len() as f64 / ROWS as f64;
        format!(
            "{what} of {bytes:.0} bytes in one array, {:.0} MB a second; {ROWS} rows, median of {ROUNDS} rounds, \
             processor time of one thread",
            rate * bytes / 1e6
        )
    };
    let figure = |name: &'static str, value: f64, how: String, bound| Measured {
        name: name.into(),
        value,
        unit: "rows/s",
        how,
        bound,
    };
    Ok(vec![
        figure(
            "import.atlas_rows_per_second",
            ours,
            how("pings", &pings, ours),
            Some(Bound::AtLeast(500_000.0)),
        ),
        figure(
            "import.atlas_tls_rows_per_second",
            tls,
            how("handshakes of TLS with two certificates", &handshakes, tls),
            None,
        ),
        figure(
            "import.atlas_rows_per_second_of_values",
            plain,
            how(
                "the same pings as plain values of serde_json, unchecked,",
                &pings,
                plain,
            ),
            None,
        ),
    ])
}

/// An array of rows, as the API gives it.
fn file(row: impl Fn(u64) -> String) -> Vec<u8> {
    let rows: Vec<String> = (0..ROWS).map(|number| row(number * 31)).collect();
    format!("[{}]", rows.join(",")).into_bytes()
}

/// Reads a file as an import does; the sum of its round trips.
fn read(file: &[u8], probes: &Probes) -> Result<u64> {
    let targets = targets();
    let mut results = AtlasResults::new(file, probes, &targets, NOW);
    let (mut rows, mut sum) = (0, 0);
    loop {
        let is_more = results.read(5_000, |_, measured| {
            if let Outcome::Answered(answer) = &measured.outcome {
                rows += 1;
                sum += answer.round_trip().map_or(0, |us| u64::from(us.get()));
            }
        })?;
        if !is_more {
            break;
        }
    }
    ensure!(
        rows == ROWS,
        "{rows} rows of {ROWS}: {:?}",
        results.refusals().listed()
    );
    Ok(sum)
}

/// The same by the reader that asks for nothing: everything becomes a value.
fn values(file: &[u8]) -> Result<u64> {
    let rows: Vec<serde_json::Value> = serde_json::from_slice(file)?;
    let mins = rows.iter().filter_map(|row| row["min"].as_f64());
    Ok(mins.map(|millis| (millis * 1_000.0).round() as u64).sum())
}

/// Rows in a second of this thread's processor time.
fn rate(read: impl FnOnce() -> Result<u64>) -> Result<f64> {
    let start = thread_ns()?;
    let sum = read()?;
    let took = (thread_ns()? - start) as f64 / 1e9;
    ensure!(sum > 0, "nothing was read");
    Ok(ROWS as f64 / took)
}

/// What reading 4 GB of one array adds to this process's memory at its highest; every thousandth row is broken.
fn atlas_memory() -> Result<Vec<Measured>> {
    let mut probes = Probes::default();
    probes.read(atlas_probes(PROBES).as_bytes(), &mut Refusals::default())?;
    let mut ready: Vec<String> = (0..1_000).map(|number| atlas_ping(number, PROBES)).collect();
    ready[7].truncate(300);
    ready[7].push('}'); // balanced, and no JSON
    let bytes: usize = ready.iter().map(|row| row.len() + 1).sum();
    let rows = 4_000_000_000 / bytes as u64 * 1_000;
    let file = Rows::new(rows, true, |number| ready[number as usize % ready.len()].clone());
    let targets = targets();
    let mut results = AtlasResults::new(file, &probes, &targets, NOW);
    let (mut taken, before, mut highest) = (0_u64, resident()?, 0.0_f64);
    while results.read(100_000, |_, _| taken += 1)? {
        highest = highest.max(resident()?);
    }
    let refused = results.refusals().total();
    ensure!(
        taken + refused == rows && refused == rows / 1_000,
        "{taken} and {refused} of {rows}"
    );
    Ok(vec![Measured {
        name: "import.atlas_mb_of_4_gb".into(),
        value: (highest - before).max(0.0),
        unit: "MB",
        how: format!("growth of VmRSS, looked at every 100,000 of {rows} rows; {refused} of them broken"),
        bound: Some(Bound::AtMost(8.0)),
    }])
}

fn resident() -> Result<f64> {
    resident_mb(&std::fs::read_to_string("/proc/self/status")?)
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_readers_find_the_same_round_trips() {
        let mut probes = Probes::default();
        probes
            .read(atlas_probes(PROBES).as_bytes(), &mut Refusals::default())
            .unwrap();
        let pings = file(|number| atlas_ping(number, PROBES));
        assert_eq!(read(&pings, &probes).unwrap(), values(&pings).unwrap());
    }
}
