//! How alike two places are, seen from anywhere else.

use super::Place;
use crate::geo::UnitVector;
use crate::observations::Network;

/// A place, ready for many distances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    unit: UnitVector,
    network: Option<Network>,
}

impl Spot {
    pub(super) fn new(place: &Place) -> Self {
        Self {
            unit: place.position.unit(),
            network: place.network,
        }
    }

    pub(super) fn km(&self, other: &Self) -> f64 {
        self.unit.distance_km(other.unit)
    }

    pub(super) fn unit(&self) -> UnitVector {
        self.unit
    }

    /// How far the nearest of some spots is; infinitely far of none.
    pub(super) fn nearest_km(of: &[Self], to: &Self) -> f64 {
        let chord = |one: &&Self| one.unit.chord_squared(to.unit);
        let nearest = of.iter().min_by(|a, b| chord(a).total_cmp(&chord(b)));
        nearest.map_or(f64::INFINITY, |nearest| nearest.km(to))
    }
}

/// The covariance of what two places' round-trip times have beyond the curve, towards one and the same third
/// place. A pair's covariance is the product of both its ends', so the constant times the nugget is a node's own
/// height, the constant times the rest its neighbours' mean height, and the nugget times the rest what is special
/// about one node towards one part of the world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kernel {
    /// Over how many kilometres likeness falls to 1/e.
    pub(super) length_km: f64,
    /// What one node has to itself.
    pub(super) nugget: f64,
}

/// What all places share.
const CONSTANT: f64 = 0.3;
/// What places in one network share beside.
const SAME_NETWORK: f64 = 0.02;

impl Kernel {
    /// For measurements that are at hand.
    pub(super) const OWN: Self = Self {
        length_km: 4000.0,
        nugget: 0.05,
    };
    /// For measurements of others that are years old: their nugget stands for 8 ms of noise.
    pub(super) const OLD: Self = Self {
        length_km: 4000.0,
        nugget: 0.15,
    };

    /// Between two different nodes.
    pub(super) fn between(&self, a: &Spot, b: &Spot) -> f64 {
        let network = match (a.network, b.network) {
            (Some(a), Some(b)) if a == b => SAME_NETWORK,
            _ => 0.0,
        };
        CONSTANT + (-a.km(b) / self.length_km).exp() + network
    }

    /// Of one node with itself.
    pub(super) fn variance(&self) -> f64 {
        CONSTANT + 1.0 + self.nugget
    }
}
