//! Evaluation on measured data: how well the mathematics of coverage predicts and locates what it was not shown.
//!
//! `cargo run --release -p isochrone-tests --bin evaluate -- where --data FOLDER`, any folder of `sites.csv` and
//! `rtt.csv`. Splits are seeded. Nothing is tuned on what is judged, and judged sites are never in the prior.

pub mod anycast;
pub mod gaps;
pub mod locate;
pub mod next;
pub mod predict;
pub mod shares;
pub mod splits;
mod synthetic;
pub mod world;

use isochrone_coverage::predict::Prior;

pub use synthetic::detours;
pub use world::World;

/// A figure's name, value and unit, and how it was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// `predict.area_out_ms`.
    pub name: String,
    /// The value; a figure that cannot be taken is left out instead.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// How it was taken, with its count.
    pub how: String,
}

impl Figure {
    fn new(name: impl Into<String>, value: f64, unit: &'static str, how: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            how: how.into(),
        }
    }
}

/// All figures of `where`, in the order in which they are printed.
///
/// # Errors
/// The data cannot be predicted from at all.
pub fn whereabouts(world: &World, prior: Option<&Prior>, seed: u64) -> anyhow::Result<Vec<Figure>> {
    let mut figures = predict::figures(world, prior, seed)?;
    figures.extend(shares::figures(world, prior, seed)?);
    figures.extend(gaps::figures(world, prior, seed)?);
    figures.extend(locate::figures(world, seed));
    figures.extend(anycast::figures(world, seed));
    figures.retain(|figure| figure.value.is_finite());
    Ok(figures)
}
