//! Cities of one country that lie together and are spoken for alike, as one place.

use std::collections::BTreeMap;

use crate::country::Country;
use crate::geo::Position;
use crate::report::WeightedPlace;
use crate::subdivision::Subdivision;

/// Degrees a cell is usually wide: 222 km from south to north, less from west to east. Within one the predicted times
/// differ by far less than their intervals.
pub(crate) const DEGREES: f64 = 2.0;

/// Some cities as one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Their weighted middle.
    pub(crate) position: Position,
    pub(crate) country: Option<Country>,
    /// Their subdivision, where cells are told apart by it.
    pub(crate) subdivision: Option<Subdivision>,
    pub(crate) weight: f64,
    /// Who speaks for them, by index in the class.
    pub(crate) speaker: Option<usize>,
}

impl Cell {
    /// Whether no vantage speaks for it.
    pub(crate) fn is_silent(&self) -> bool {
        self.speaker.is_none()
    }
}

/// Gathers places into cells that are so many degrees wide, of one subdivision each if that is asked for; those that
/// weigh nothing are left out.
pub(crate) fn gather<'a>(
    places: impl IntoIterator<Item = &'a WeightedPlace>,
    wide: f64,
    by_subdivision: bool,
) -> Vec<Cell> {
    let mut sums: BTreeMap<_, (f64, f64, f64)> = BTreeMap::new();
    for place in places.into_iter().filter(|place| place.weight > 0.0) {
        let (latitude, longitude) = (place.position.latitude(), place.position.longitude());
        let at = |degrees: f64| (degrees / wide).floor() as i32;
        let sum = sums
            .entry((
                (place.country, place.subdivision.filter(|_| by_subdivision)),
                place.speaker,
                at(latitude),
                at(longitude),
            ))
            .or_default();
        sum.0 += place.weight;
        sum.1 += place.weight * latitude;
        sum.2 += place.weight * longitude;
    }
    let cell = |(((country, subdivision), speaker, _, _), (weight, north, east))| {
        let (latitude, longitude): (f64, f64) = (north / weight, east / weight);
        Some(Cell {
            position: Position::new(latitude.clamp(-90.0, 90.0), longitude.clamp(-180.0, 180.0))?,
            country,
            subdivision,
            weight,
            speaker,
        })
    };
    sums.into_iter().filter_map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(latitude: f64, country: &str, weight: f64, speaker: Option<usize>) -> WeightedPlace {
        WeightedPlace {
            position: Position::new(latitude, 10.2).unwrap(),
            weight,
            speaker,
            country: Country::code(country),
            subdivision: None,
        }
    }

    #[test]
    fn cell_holds_one_country_and_one_speaker_and_no_weight_is_lost() {
        let places = [
            place(50.1, "DE", 3.0, None),
            place(50.5, "DE", 1.0, None),
            place(50.3, "DE", 2.0, Some(0)),
            place(50.3, "FR", 4.0, None),
            place(53.3, "DE", 5.0, None),
            place(53.4, "DE", 0.0, None),
        ];
        let cells = gather(&places, DEGREES, false);
        assert_eq!(cells.len(), 4);
        assert_eq!(cells.iter().map(|cell| cell.weight).sum::<f64>(), 15.0);
        let joined = cells
            .iter()
            .find(|cell| cell.weight == 4.0 && cell.country == Country::code("DE"));
        assert!((joined.unwrap().position.latitude() - 50.2).abs() < 1e-9);
    }
}
