//! How soon a dead node is told, and how often a mesh that is well would have paged: simulations of the engine
//! itself, row by row, on evenly spaced seats as plans have them.

mod deaths;
mod mesh;
mod quarter;
mod trouble;

use anyhow::Result;

use self::deaths::Death;
use super::{Bound, Figure, Measured};

/// The figures of this subject.
pub const FIGURES: &[Figure] = &[Figure::quick(
    &[
        "alert.refused_s",
        "alert.refused_p50_s",
        "alert.silent_s",
        "alert.silent_p50_s",
        "health.false_pages_per_quarter",
    ],
    measure,
)];

const DEATHS: u64 = 1_000;
const QUARTERS: u64 = 10;
const DAYS: u64 = 90;

fn measure() -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    measured.extend(told(
        Death::Refused,
        ["alert.refused_s", "alert.refused_p50_s"],
        22.0,
    ));
    measured.extend(told(
        Death::Silent,
        ["alert.silent_s", "alert.silent_p50_s"],
        26.0,
    ));
    measured.push(false_pages()?);
    Ok(measured)
}

fn told(death: Death, [p99, p50]: [&'static str; 2], most: f64) -> [Measured; 2] {
    let mut seconds = deaths::seconds_until_told(death, DEATHS);
    seconds.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let rank = (share * seconds.len() as f64).ceil() as usize;
        seconds[rank.clamp(1, seconds.len()) - 1]
    };
    let how = |of: &str| format!("{of} of {DEATHS} deaths at random phases, ten probes, losses of 0.1-1 %");
    let of = |name: &'static str, share, of: &str, bound| Measured {
        name: name.into(),
        value: quantile(share),
        unit: "s",
        how: how(of),
        bound,
    };
    [
        of(p99, 0.99, "p99", Some(Bound::AtMost(most))),
        of(p50, 0.5, "p50", None),
    ]
}

fn false_pages() -> Result<Measured> {
    let quarters = quarter::pages(QUARTERS, DAYS)?;
    let pages: u64 = quarters.iter().map(|quarter| quarter.pages).sum();
    let worst = quarters.iter().map(|quarter| quarter.pages).max().unwrap_or(0);
    let rows: u64 = quarters.iter().map(|quarter| quarter.rows).sum();
    let nanos: u64 = quarters.iter().map(|quarter| quarter.nanos).sum();
    Ok(Measured {
        name: "health.false_pages_per_quarter".into(),
        value: pages as f64 / quarters.len() as f64,
        unit: "pages",
        how: format!(
            "mean of {QUARTERS} seeds x {DAYS} days, ten probes, nine nodes, the worst {worst}; {:.0} ns of processor time a row, simulation included",
            nanos as f64 / rows as f64
        ),
        bound: Some(Bound::AtMost(1.0)),
    })
}
