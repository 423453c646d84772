//! Coordinates that were mistyped: swapped, or with a sign lost.

use super::{World, violates};
use crate::geo::Position;

/// Two places this near are one: times tell them apart hardly, and a reader knows which is theirs.
const SAME_KM: f64 = 500.0;

/// What may have been meant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suggestion {
    /// What happened to the coordinates.
    pub typo: Typo,
    /// The place that fits all witnesses.
    pub position: Position,
}

/// A slip of the hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typo {
    /// Latitude and longitude change places.
    Swapped,
    /// The latitude lost its sign, or got one.
    Latitude,
    /// So did the longitude.
    Longitude,
    /// Both did.
    BothSigns,
}

impl Typo {
    /// The smallest slip first.
    const ALL: [Self; 4] = [Self::Longitude, Self::Latitude, Self::Swapped, Self::BothSigns];

    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Swapped => "latitude and longitude swapped",
            Self::Latitude => "sign of the latitude",
            Self::Longitude => "sign of the longitude",
            Self::BothSigns => "signs of both coordinates",
        }
    }

    /// What undoes it, in words: "with the …".
    #[must_use]
    pub fn undone_in_words(self) -> &'static str {
        match self {
            Self::Swapped => "coordinates the other way round",
            Self::Latitude => "other sign of the latitude",
            Self::Longitude => "other sign of the longitude",
            Self::BothSigns => "other sign of both coordinates",
        }
    }

    fn undone(self, position: Position) -> Option<Position> {
        let (latitude, longitude) = (position.latitude(), position.longitude());
        match self {
            Self::Swapped => Position::new(longitude, latitude),
            Self::Latitude => Position::new(-latitude, longitude),
            Self::Longitude => Position::new(latitude, -longitude),
            Self::BothSigns => Position::new(-latitude, -longitude),
        }
    }
}

/// The slip that would explain everything, if there is just one such place: no witness that is not suspected itself
/// contradicts it. Near the equator and Greenwich one flip more leads to the same place; then the smaller slip is meant.
pub(super) fn suggest(world: &World<'_>, site: usize, suspects: &[usize]) -> Option<Suggestion> {
    let position = world.places[site].position;
    let fits = |candidate: Position| {
        world.partners[site]
            .iter()
            .filter(|(witness, _)| suspects.binary_search(witness).is_err())
            .all(|&(witness, rtt_ms)| !violates(world.places[witness].position, candidate, rtt_ms))
    };
    let mut fitting = Typo::ALL
        .into_iter()
        .filter_map(|typo| Some((typo, typo.undone(position)?)))
        .filter(|(_, candidate)| fits(*candidate));
    let (typo, position) = fitting.next()?;
    fitting
        .all(|(_, other)| other.distance_km(position) <= SAME_KM)
        .then_some(Suggestion { typo, position })
}
