//! Prediction, whole reports, where to measure next, and location, judged on the meshes that the prior is made of: what `evaluate where` prints for
//! any folder. Judged sites are taken out of the prior.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use isochrone_coverage::predict::{Measured as Pair, Prior};

use super::{Bound, Figure, Measured};
use crate::evaluate::{self, World, anycast, gaps, locate, predict, shares};

/// This module's figures.
pub(super) const FIGURES: &[Figure] = &[
    Figure::slow(&["predict.…"], predicted),
    Figure::slow(&["interval.…"], intervals),
    Figure::slow(&["gaps.…"], next),
    Figure::quick(&["locate.…"], located),
];

/// Of all splits and draws, as `evaluate where` has it.
const SEED: u64 = 1;
/// The reach.
const REACH: [(&str, Bound); 12] = [
    ("gaps.first_twenty_mean", Bound::AtMost(0.10)),
    ("gaps.first_twenty", Bound::AtMost(0.10)),
    ("predict.area_out_ms", Bound::AtMost(11.0)),
    ("predict.sixteen_ms", Bound::AtMost(7.2)),
    ("predict.sixteen_area_ms", Bound::AtMost(8.5)),
    ("predict.coverage90", Bound::AtLeast(0.87)),
    ("predict.pair_ms_at_10", Bound::AtMost(10.5)),
    ("predict.inside_at_10", Bound::AtLeast(0.87)),
    ("predict.halfwidth_ms_at_10", Bound::AtMost(40.0)),
    ("locate.false_accusations", Bound::AtMost(0.0)),
    ("locate.suspects", Bound::AtMost(0.0)),
    ("locate.lies_found", Bound::AtLeast(0.85)),
];

fn predicted() -> Result<Vec<Measured>> {
    Ok(measured(predict::figures(
        &anchors()?,
        Some(Prior::embedded()),
        SEED,
    )?))
}

fn intervals() -> Result<Vec<Measured>> {
    Ok(measured(shares::figures(
        &anchors()?,
        Some(Prior::embedded()),
        SEED,
    )?))
}

fn next() -> Result<Vec<Measured>> {
    Ok(measured(gaps::figures(
        &anchors()?,
        Some(Prior::embedded()),
        SEED,
    )?))
}

fn located() -> Result<Vec<Measured>> {
    let world = anchors()?;
    let mut figures = locate::figures(&world, SEED);
    figures.extend(anycast::figures(&world, SEED));
    Ok(measured(figures))
}

fn measured(figures: Vec<evaluate::Figure>) -> Vec<Measured> {
    let figures = figures.into_iter().filter(|figure| figure.value.is_finite());
    figures
        .map(|figure| Measured {
            bound: REACH
                .iter()
                .find(|(name, _)| *name == figure.name)
                .map(|(_, bound)| *bound),
            name: figure.name.into(),
            value: figure.value,
            unit: figure.unit,
            how: format!("anchors of 2018, {}", figure.how),
        })
        .collect()
}

/// The larger of the prior's meshes: all that were measured with its first site, or with those.
fn anchors() -> Result<World> {
    let prior = Prior::embedded();
    let mut mesh = BTreeSet::from([0]);
    let mut before = 0;
    while mesh.len() > before {
        before = mesh.len();
        for pair in prior.pairs() {
            if mesh.contains(&pair.a) || mesh.contains(&pair.b) {
                mesh.extend([pair.a, pair.b]);
            }
        }
    }
    ensure!(
        2 * mesh.len() > prior.places().len(),
        "the first mesh is the larger"
    );
    let inside = |pair: &&Pair| mesh.contains(&pair.a);
    let pairs: Vec<Pair> = prior.pairs().iter().filter(inside).copied().collect();
    Ok(World::of(prior.places(), &pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_one_mesh_of_the_prior_without_the_cloud() {
        let world = anchors().unwrap();
        assert_eq!((world.len(), Prior::embedded().places().len()), (227, 259));
    }

    #[test]
    fn reach_stands_beside_the_figure_it_is_for() {
        let figure = |name: &str| evaluate::Figure {
            name: name.to_owned(),
            value: 0.9,
            unit: "",
            how: "n = 400".to_owned(),
        };
        let measured = measured(vec![figure("locate.lies_found"), figure("locate.lies_found_9")]);
        assert_eq!(measured[0].bound, Some(Bound::AtLeast(0.85)));
        assert_eq!(measured[1].bound, None);
    }
}
