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
    pub(crate) weight: f64,
    /// Who speaks for them, by index in the class.
    pub(crate) speaker: Option<usize>,
    /// Its number among the cells that were gathered with it.
    pub(crate) number: usize,
}

impl Cell {
    /// Whether no vantage speaks for it.
    pub(crate) fn is_silent(&self) -> bool {
        self.speaker.is_none()
    }
}

/// By number of a cell: what of its weight lies in which subdivision.
pub(crate) type Subdivided = Vec<Vec<(Option<Subdivision>, f64)>>;

/// Country, speaker, and degrees from the equator and from Greenwich in units of a cell's width.
type Key = (Option<Country>, Option<usize>, i32, i32);

fn key(place: &WeightedPlace, wide: f64) -> Key {
    let at = |degrees: f64| (degrees / wide).floor() as i32;
    let (latitude, longitude) = (place.position.latitude(), place.position.longitude());
    (place.country, place.speaker, at(latitude), at(longitude))
}

/// Gathers places into cells that are so many degrees wide; those that weigh nothing are left out. Subdivisions part no
/// cell: whatever figures are given by, all of them rest on the same cells.
pub(crate) fn gather<'a>(places: impl IntoIterator<Item = &'a WeightedPlace>, wide: f64) -> Vec<Cell> {
    let mut sums: BTreeMap<Key, (f64, f64, f64)> = BTreeMap::new();
    for place in places.into_iter().filter(|place| place.weight > 0.0) {
        let sum = sums.entry(key(place, wide)).or_default();
        sum.0 += place.weight;
        sum.1 += place.weight * place.position.latitude();
        sum.2 += place.weight * place.position.longitude();
    }
    let cell = |(number, ((country, speaker, _, _), (weight, north, east)))| {
        let (latitude, longitude): (f64, f64) = (north / weight, east / weight);
        Some(Cell {
            position: Position::new(latitude.clamp(-90.0, 90.0), longitude.clamp(-180.0, 180.0))?,
            country,
            weight,
            speaker,
            number,
        })
    };
    sums.into_iter().enumerate().filter_map(cell).collect()
}

/// How the weights of the cells of the same places lie in subdivisions.
pub(crate) fn subdivided<'a>(places: impl IntoIterator<Item = &'a WeightedPlace>, wide: f64) -> Subdivided {
    let mut sums: BTreeMap<Key, BTreeMap<Option<Subdivision>, f64>> = BTreeMap::new();
    for place in places.into_iter().filter(|place| place.weight > 0.0) {
        let of_cell = sums.entry(key(place, wide)).or_default();
        *of_cell.entry(place.subdivision).or_default() += place.weight;
    }
    sums.into_values()
        .map(|of_cell| of_cell.into_iter().collect())
        .collect()
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
        let cells = gather(&places, DEGREES);
        assert_eq!(cells.len(), 4);
        assert_eq!(cells.iter().map(|cell| cell.weight).sum::<f64>(), 15.0);
        let joined = cells
            .iter()
            .find(|cell| cell.weight == 4.0 && cell.country == Country::code("DE"));
        assert!((joined.unwrap().position.latitude() - 50.2).abs() < 1e-9);
    }
}
