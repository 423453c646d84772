//! How soon a dead node is told, and how often a mesh that is well would have paged: simulations of the engine
//! itself, row by row, on evenly spaced seats as plans have them.

mod deaths;
mod links;
mod mesh;
mod quarter;
mod trouble;

use anyhow::Result;

use self::deaths::{Death, Spread};
use super::{Bound, Figure, Measured};

/// The figures of this subject.
pub const FIGURES: &[Figure] = &[Figure::quick(
    &[
        "alert.refused_s",
        "alert.refused_p50_s",
        "alert.silent_s",
        "alert.silent_p50_s",
        "alert.refused_six_in_one_s",
        "alert.silent_six_in_one_s",
        "health.false_pages_per_quarter",
    ],
    measure,
)];

const DEATHS: u64 = 1_000;
const QUARTERS: u64 = 10;
const DAYS: u64 = 90;

fn measure() -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for (death, [p99, p50, six_in_one], most) in [
        (
            Death::Refused,
            [
                "alert.refused_s",
                "alert.refused_p50_s",
                "alert.refused_six_in_one_s",
            ],
            22.0,
        ),
        (
            Death::Silent,
            [
                "alert.silent_s",
                "alert.silent_p50_s",
                "alert.silent_six_in_one_s",
            ],
            26.0,
        ),
    ] {
        let bound = Some(Bound::AtMost(most));
        let apart = told(death, Spread::Apart);
        measured.push(quantile(p99, 0.99, &apart, bound));
        measured.push(quantile(p50, 0.5, &apart, None));
        measured.push(quantile(six_in_one, 0.99, &told(death, Spread::SixInOne), bound));
    }
    measured.push(false_pages()?);
    Ok(measured)
}

/// Seconds until each death was told, the soonest first, and how it was measured.
struct Told {
    seconds: Vec<f64>,
    how: String,
}

fn told(death: Death, spread: Spread) -> Told {
    let mut seconds = deaths::seconds_until_told(death, spread, DEATHS);
    seconds.sort_by(f64::total_cmp);
    let networks = match spread {
        Spread::Apart => "",
        Spread::SixInOne => ", six of them in one network",
    };
    Told {
        seconds,
        how: format!("{DEATHS} deaths at random phases, ten probes{networks}, losses of 0.1-1 %"),
    }
}

fn quantile(name: &'static str, share: f64, told: &Told, bound: Option<Bound>) -> Measured {
    let rank = (share * told.seconds.len() as f64).ceil() as usize;
    Measured {
        name: name.into(),
        value: told.seconds[rank.clamp(1, told.seconds.len()) - 1],
        unit: "s",
        how: format!("p{} of {}", share * 100.0, told.how),
        bound,
    }
}

fn false_pages() -> Result<Measured> {
    let quarters = quarter::pages(QUARTERS, DAYS)?;
    for page in quarters.iter().flat_map(|quarter| &quarter.pages) {
        eprintln!("false page: {page}");
    }
    let pages: usize = quarters.iter().map(|quarter| quarter.pages.len()).sum();
    let worst = quarters.iter().map(|quarter| quarter.pages.len()).max();
    let worst = worst.unwrap_or(0);
    let silences: u64 = quarters.iter().map(|quarter| quarter.silences).sum();
    let rows: u64 = quarters.iter().map(|quarter| quarter.rows).sum();
    let nanos: u64 = quarters.iter().map(|quarter| quarter.nanos).sum();
    Ok(Measured {
        name: "health.false_pages_per_quarter".into(),
        value: pages as f64 / quarters.len() as f64,
        unit: "pages",
        how: format!(
            "mean of {QUARTERS} seeds x {DAYS} days, ten probes, nine nodes, connect, status and asset, reloads, broken \
             sessions and probes that are off; the worst {worst}; {:.0} true alerts of silent probes a quarter beside them; \
             {:.0} ns of processor time a row, simulation included",
            silences as f64 / quarters.len() as f64,
            nanos as f64 / rows as f64
        ),
        bound: Some(Bound::AtMost(1.0)),
    })
}
