//! Round-trip times where nobody measured them, with an interval, or unknown with a reason.
//!
//! A rising curve in distance; on it the field of the prior; on that what was measured here: the field of a mesh
//! that is large and nearly whole, and single pairs by an exact update. Each layer takes what the one below left
//! over. Intervals are conformal: calibrated by leaving out whole nodes and areas. Nothing is ever faster than
//! light in fibre. Method, sources and figures: docs/coverage.md.

mod apart;
mod areas;
mod build;
mod countries;
mod curve;
mod draws;
mod factor;
mod field;
mod intervals;
mod isotonic;
mod kernel;
mod layout;
mod origins;
mod prior;
mod together;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;

use build::LeftOut;
pub(crate) use countries::{KnownCountry, country_at};
pub use draws::{Draws, Errors};
use field::{Axis, Field};
pub(crate) use intervals::ENDS;
pub use intervals::{COVERED, LEAST_GROUPS};
use intervals::{Calibration, Group};
use kernel::Spot;
pub use origins::Origins;
pub use prior::{Prior, PriorChoice, PriorError};
pub(crate) use together::SITE_KM;
pub use together::Together;
use update::{Seen, Update};

use crate::geo::Position;
use crate::light::least_ms;
use crate::observations::Network;

/// Beyond so many kilometres from any known site nothing is predicted.
pub const REACH_KM: f64 = 2500.0;

/// Where a node stands or might stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Where.
    pub position: Position,
    /// The network it sits in, if that is known.
    pub network: Option<Network>,
}

/// A pair of places, by index, and what was measured between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// One end.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// Round-trip time in milliseconds.
    pub rtt_ms: f64,
}

/// What can be said of a pair that was not measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Predicted {
    /// A time and its interval.
    Within(Estimate),
    /// No interval; a best guess may still rank places against each other.
    Unknown {
        /// Why.
        reason: Reason,
        /// The likeliest time in milliseconds, without any warrant.
        guess_ms: f64,
    },
}

/// A predicted time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The likeliest round-trip time in milliseconds.
    pub ms: f64,
    /// The lower end of the interval that holds [`COVERED`] of the truths; never below light in fibre.
    pub low_ms: f64,
    /// Its upper end.
    pub high_ms: f64,
    /// What it rests on.
    pub basis: Basis,
}

/// What a prediction rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Own measurements only.
    Own,
    /// The prior only.
    Prior,
    /// Both.
    OwnAndPrior,
}

impl Basis {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "measurements",
            Self::Prior => "prior",
            Self::OwnAndPrior => "measurements and prior",
        }
    }
}

/// Why there is no interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// An end is farther than [`REACH_KM`] from any site that is known.
    TooFar {
        /// How far.
        km: f64,
    },
    /// Too few groups could be left out to calibrate an interval.
    TooFewGroups {
        /// How many there were.
        groups: usize,
    },
}

impl Predicted {
    /// The likeliest time, whether or not it has an interval.
    #[must_use]
    pub fn ms(&self) -> f64 {
        match self {
            Self::Within(estimate) => estimate.ms,
            Self::Unknown { guess_ms, .. } => *guess_ms,
        }
    }

    /// The estimate, if it has an interval.
    #[must_use]
    pub fn estimate(&self) -> Option<&Estimate> {
        match self {
            Self::Within(estimate) => Some(estimate),
            Self::Unknown { .. } => None,
        }
    }
}

/// Why nothing can be predicted.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// There is neither a measured pair nor a prior.
    #[error("nothing was measured between two places, and there is no prior: nothing can be predicted")]
    Nothing,
    /// A pair names a place that is not there, itself, or a time that is none.
    #[error("pair {a}, {b} cannot be: two different places and a time of 0 ms or more are needed")]
    Pair {
        /// One end.
        a: usize,
        /// The other.
        b: usize,
    },
    /// The covariance could not be inverted.
    #[error("these places and times make no covariance that can be solved")]
    Degenerate,
}

/// Predicts round-trip times.
#[derive(Clone, Debug)]
pub struct Predictor {
    curve: curve::Curve,
    /// How much slower own pairs are than the prior says: what it says is taken so many times.
    slower: f64,
    /// By what share of itself every time may be wrong alike, as a standard deviation.
    level: f64,
    /// The prior's, if there is one, then the own mesh's, if it is large. Each on what the one below left over.
    fields: Vec<Layer>,
    /// How many pairs the own mesh holds.
    inside: usize,
    /// Single pairs, their update, and the places it counts in.
    single: Vec<Measured>,
    /// How much some of them are doubted, by their places, the lower one first.
    doubts: BTreeMap<(usize, usize), f64>,
    update: Option<(Update, Vec<usize>)>,
    places: Vec<Spot>,
    /// Sites that were measured, of the prior too.
    known: Vec<Spot>,
    basis: Basis,
    /// What was wrong about each group that the fields could leave out.
    left_out: Vec<Group>,
    /// How many groups were left out in all.
    groups: usize,
    calibration: Option<Calibration>,
    /// The share of variance that the errors of all pairs have in common.
    common: f64,
    /// The usual deviation that is a pair's own, as a share of its time.
    apart: f64,
}

/// A field and, where its spots are own places, which.
#[derive(Clone, Debug)]
struct Layer {
    field: Arc<Field>,
    places: Vec<usize>,
}

/// A place seen from all that is known: made once, used for many pairs.
#[derive(Clone, Debug)]
pub struct Point {
    spot: Spot,
    axes: Vec<Axis>,
    seen: Option<Seen>,
    /// How much of its variance is open.
    open: f64,
    nearest_km: f64,
}

impl Point {
    /// How much of its variance is open.
    pub(super) fn open(&self) -> f64 {
        self.open
    }
}

impl Predictor {
    /// From pairs measured between places, on a prior if there is one. A pair given twice counts once: the lower.
    ///
    /// # Errors
    /// Nothing to predict from, or pairs that cannot be.
    pub fn fit(places: &[Place], pairs: &[Measured], prior: Option<&Prior>) -> Result<Self, PredictError> {
        build::fit(places, (pairs, &[]), prior)
    }

    /// The same, and pairs that others measured, or long ago: each with how much it is doubted, 0 for not at all and 1 as much
    /// as the prior's old ones. Where a pair is among `pairs` too, that counts alone.
    ///
    /// # Errors
    /// Nothing to predict from, or pairs that cannot be.
    pub fn fit_with(
        places: &[Place],
        pairs: &[Measured],
        doubted: &[(Measured, f64)],
        prior: Option<&Prior>,
    ) -> Result<Self, PredictError> {
        build::fit(places, (pairs, doubted), prior)
    }

    /// The same with more pairs measured between its places.
    ///
    /// # Errors
    /// Pairs that cannot be.
    pub fn with_pairs(&self, pairs: &[Measured]) -> Result<Self, PredictError> {
        build::refit(self, pairs)
    }

    /// How many pairs it rests on, each once: of very many single ones some are left out.
    pub(crate) fn pairs(&self) -> usize {
        self.inside + self.single.len()
    }

    /// Whether enough was left out to give its times intervals.
    #[must_use]
    pub fn is_calibrated(&self) -> bool {
        self.calibration.is_some()
    }

    /// The share of a predicted time's variance that is everybody's error, 0…1: what groups that were left out shared
    /// beyond the field, and how unsure the level of all times is. `usual_ms` is the time's usual deviation.
    pub(crate) fn shared(&self, ms: f64, usual_ms: f64) -> f64 {
        (self.common + (self.level * ms / usual_ms.max(f64::MIN_POSITIVE)).powi(2)).min(1.0)
    }

    /// The share of a predicted time's variance that is its pair's own, 0…1: sites in one place differ by so much.
    pub(crate) fn apart(&self, ms: f64, usual_ms: f64) -> f64 {
        (self.apart * ms / usual_ms.max(f64::MIN_POSITIVE))
            .powi(2)
            .min(1.0)
    }

    /// Whether a place lies within [`REACH_KM`] of a site that was measured.
    pub(crate) fn is_in_reach(&self, place: &Place) -> bool {
        Spot::nearest_km(&self.known, &Spot::new(place)) <= REACH_KM
    }

    /// One of the places that were handed in.
    #[must_use]
    pub fn site(&self, place: usize) -> Point {
        self.point(self.places[place], Some(place))
    }

    /// Any other place.
    #[must_use]
    pub fn at(&self, place: &Place) -> Point {
        self.point(Spot::new(place), None)
    }

    /// The round-trip time between two points.
    #[must_use]
    pub fn between(&self, x: &Point, y: &Point) -> Predicted {
        let ms = self.likeliest_ms(x, y);
        let km = x.nearest_km.max(y.nearest_km);
        self.warranted(ms, (x.open, y.open), km, least_ms(x.spot.km(&y.spot)))
    }

    /// The likeliest time between two points, in milliseconds, without an interval.
    #[must_use]
    pub fn likeliest_ms(&self, x: &Point, y: &Point) -> f64 {
        let km = x.spot.km(&y.spot);
        let prior = usize::from(self.basis != Basis::Own);
        let mut fields = x.axes.iter().zip(&y.axes).map(|(x, y)| Field::between(x, y));
        let old: f64 = fields.by_ref().take(prior).sum();
        let own: f64 = fields.sum();
        let update = match (&x.seen, &y.seen) {
            (Some(x), Some(y)) => Update::between(x, y),
            _ => 0.0,
        };
        ((self.curve.at(km) + old) * self.slower + own + update).max(least_ms(km))
    }

    fn point(&self, spot: Spot, place: Option<usize>) -> Point {
        let number = |places: &[usize]| places.iter().position(|own| Some(*own) == place);
        let axes: Vec<Axis> = self
            .fields
            .iter()
            .map(|layer| layer.field.axis(&spot, number(&layer.places)))
            .collect();
        let seen = self
            .update
            .as_ref()
            .map(|(update, places)| update.see(&spot, number(places), axes.last()));
        let opens = axes
            .iter()
            .map(|axis| axis.open)
            .chain(seen.iter().map(|seen| seen.open));
        Point {
            open: opens.fold(f64::INFINITY, f64::min),
            nearest_km: Spot::nearest_km(&self.known, &spot),
            spot,
            axes,
            seen,
        }
    }
}

#[cfg(test)]
mod tests;
