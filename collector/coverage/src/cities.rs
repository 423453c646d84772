//! GeoNames' cities above 15,000 people, and the countries they lie in.

mod decode;
mod fold;
mod known;

use std::ops::Range;
use std::sync::LazyLock;

pub use fold::fold;

use crate::country::{Continent, Country};
use crate::geo::{Position, UnitVector};
use crate::subdivision::Subdivision;

/// Who made the table, to be repeated wherever its figures are shown.
pub const ATTRIBUTION: &str =
    "people and cities: GeoNames (geonames.org), cities above 15,000 people, CC BY 4.0";

/// The table made by `data/make_cities.py`.
const PACKED: &[u8] = include_bytes!("../data/cities.bin.zst");

static TABLE: LazyLock<CityTable> =
    LazyLock::new(|| decode::unpack(PACKED).expect("the embedded table is whole: a test reads it"));

/// A row of the embedded table of cities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct City {
    /// Its name, as GeoNames spells it.
    pub name: &'static str,
    /// ISO 3166 code.
    pub country: Country,
    /// The ISO 3166-2 subdivision it lies in, where that is known.
    pub subdivision: Option<Subdivision>,
    /// Where it lies, to 0.001 degree.
    pub position: Position,
    /// People in the city proper, as GeoNames counts them.
    pub(crate) people: u32,
}

impl City {
    /// People in the city proper.
    #[must_use]
    pub fn people(&self) -> u32 {
        self.people
    }
}

/// The whole table, unpacked at its first use.
pub fn table() -> &'static CityTable {
    &TABLE
}

/// Finds a city by `City, Country`, the country as ISO code or English name: `Berlin, DE`. Accents, case
/// and hyphens do not matter; other names of large cities are known (`Cologne, DE`). Among
/// cities of one name the largest is meant.
pub fn find(place: &str) -> Option<City> {
    let (city, country) = place.rsplit_once(',')?;
    table().find(city, Country::find(country)?)
}

/// What GeoNames says about one country.
#[derive(Clone, Debug)]
pub struct CountryFacts {
    /// Its code.
    pub country: Country,
    /// The continent it is counted to.
    pub continent: Continent,
    /// Its English name.
    pub name: String,
    /// People in the whole country.
    pub(crate) people: u64,
    iso3: String,
    folded: String,
    cities: Range<usize>,
}

impl CountryFacts {
    pub(crate) fn is_called(&self, text: &str, folded: &str) -> bool {
        text.eq_ignore_ascii_case(self.country.as_str())
            || text.eq_ignore_ascii_case(&self.iso3)
            || without_article(folded) == without_article(&self.folded)
    }
}

fn without_article(name: &str) -> &str {
    name.strip_prefix("the ").unwrap_or(name)
}

/// All cities, ordered by country, and all countries, ordered by code.
#[derive(Debug)]
pub struct CityTable {
    countries: Vec<CountryFacts>,
    names: String,
    cities: Vec<Row>,
    /// Ascending, with their names.
    subdivisions: Vec<(Subdivision, String)>,
    /// (city, folded other name), ascending by city.
    other_names: Vec<(u32, String)>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    name: (u32, u32),
    country: u16,
    subdivision: Option<Subdivision>,
    position: Position,
    unit: UnitVector,
    people: u32,
}

impl CityTable {
    /// How many cities there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.cities.len()
    }

    /// All cities, ordered by country.
    pub fn all(&'static self) -> impl Iterator<Item = City> {
        (0..self.cities.len()).map(|index| self.city(index))
    }

    /// All countries, ordered by code.
    pub(crate) fn countries(&self) -> &[CountryFacts] {
        &self.countries
    }

    /// What is known about one country.
    pub(crate) fn facts(&self, country: Country) -> Option<&CountryFacts> {
        let at = self
            .countries
            .binary_search_by_key(&country, |facts| facts.country)
            .ok()?;
        Some(&self.countries[at])
    }

    /// What a subdivision is called.
    pub(crate) fn subdivision_name(&self, subdivision: Subdivision) -> Option<&str> {
        let at = self
            .subdivisions
            .binary_search_by_key(&subdivision, |(known, _)| *known)
            .ok()?;
        Some(&self.subdivisions[at].1)
    }

    /// The cities of a country.
    pub(crate) fn of(&'static self, country: Country) -> impl Iterator<Item = City> {
        let range = self.facts(country).map_or(0..0, |facts| facts.cities.clone());
        range.map(|index| self.city(index))
    }

    /// The city nearest to a place, and its distance in kilometres.
    pub fn nearest(&'static self, position: Position) -> Option<(City, f64)> {
        let unit = position.unit();
        let squared = |row: &Row| row.unit.chord_squared(unit);
        let nearest = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
        let rows = self
            .cities
            .iter()
            .enumerate()
            .map(|(index, row)| (index, squared(row)));
        let (index, _) = rows.min_by(nearest)?;
        Some((self.city(index), self.cities[index].unit.distance_km(unit)))
    }

    /// The city of a country that is nearest to a place, and its distance in kilometres; `None` of a country without one.
    pub fn nearest_of(&'static self, country: Country, position: Position) -> Option<(City, f64)> {
        let (unit, range) = (position.unit(), self.facts(country)?.cities.clone());
        let apart = range.map(|index| (index, self.cities[index].unit.chord_squared(unit)));
        let (index, _) = apart.min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some((self.city(index), self.cities[index].unit.distance_km(unit)))
    }

    /// The largest city within a distance of a place, whatever its country: what people call that place.
    pub fn largest_near(&'static self, position: Position, km: f64) -> Option<City> {
        let unit = position.unit();
        let near = (0..self.cities.len()).filter(|&index| self.cities[index].unit.distance_km(unit) <= km);
        near.max_by_key(|&index| self.cities[index].people)
            .map(|index| self.city(index))
    }

    /// The largest city of a country within so many kilometres of a place.
    pub(crate) fn largest_within(
        &'static self,
        country: Country,
        position: Position,
        km: f64,
    ) -> Option<City> {
        let unit = position.unit();
        let range = self.facts(country)?.cities.clone();
        let near = range.filter(|&index| self.cities[index].unit.distance_km(unit) <= km);
        near.max_by_key(|&index| self.cities[index].people)
            .map(|index| self.city(index))
    }

    /// The largest city of this name, whatever its country.
    pub fn largest_called(&'static self, name: &str) -> Option<City> {
        let wanted = fold(name);
        let called = (0..self.cities.len()).filter(|&index| fold(self.city(index).name) == wanted);
        called
            .max_by_key(|&index| self.cities[index].people)
            .map(|index| self.city(index))
    }

    /// The cities of the same name in the same country, this one among them.
    pub fn called(&'static self, city: &City) -> impl Iterator<Item = City> {
        let wanted = fold(city.name);
        self.of(city.country)
            .filter(move |other| fold(other.name) == wanted)
    }

    fn find(&'static self, name: &str, country: Country) -> Option<City> {
        let (wanted, range) = (fold(name), self.facts(country)?.cities.clone());
        if wanted.is_empty() {
            return None;
        }
        let own = range
            .clone()
            .filter(|&index| fold(self.city(index).name) == wanted);
        let largest = |found: Vec<usize>| found.into_iter().max_by_key(|&index| self.cities[index].people);
        let found = largest(own.collect()).or_else(|| {
            let from = self
                .other_names
                .partition_point(|(city, _)| (*city as usize) < range.start);
            let names = self.other_names[from..]
                .iter()
                .take_while(|(city, _)| (*city as usize) < range.end);
            largest(
                names
                    .filter(|(_, other)| *other == wanted)
                    .map(|(city, _)| *city as usize)
                    .collect(),
            )
        });
        found.map(|index| self.city(index))
    }

    fn city(&'static self, index: usize) -> City {
        let row = &self.cities[index];
        City {
            name: &self.names[row.name.0 as usize..row.name.1 as usize],
            country: self.countries[usize::from(row.country)].country,
            subdivision: row.subdivision,
            position: row.position,
            people: row.people,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(place: &str) -> Option<(String, i64, i64)> {
        find(place).map(|city| {
            let degrees = |value: f64| value.round() as i64;
            (
                city.name.to_owned(),
                degrees(city.position.latitude()),
                degrees(city.position.longitude()),
            )
        })
    }

    #[test]
    fn embedded_table_is_whole_and_small() {
        assert!(PACKED.len() <= 1_000_000);
        assert!(table().len() > 25_000, "{}", table().len());
        let people: u64 = table().countries().iter().map(|facts| facts.people).sum();
        assert!((7_000_000_000..9_000_000_000).contains(&people), "{people}");
        assert!(
            table()
                .countries()
                .windows(2)
                .all(|pair| pair[0].country < pair[1].country)
        );
        assert_eq!(
            table()
                .countries()
                .iter()
                .map(|facts| facts.cities.len())
                .sum::<usize>(),
            table().len()
        );
    }

    #[test]
    fn damaged_table_is_refused() {
        for at in [0, PACKED.len() / 3, PACKED.len() / 2, PACKED.len() - 1] {
            let mut bytes = PACKED.to_vec();
            bytes[at] ^= 0x10;
            assert!(decode::unpack(&bytes).is_err(), "byte {at}");
        }
        assert!(decode::unpack(&PACKED[..PACKED.len() - 10]).is_err());
        assert!(decode::unpack(&[]).is_err());
    }

    #[test]
    fn city_is_found_by_name_and_country() {
        assert_eq!(found("Berlin, DE"), Some(("Berlin".into(), 53, 13)));
        assert_eq!(found("berlin,Germany"), Some(("Berlin".into(), 53, 13)));
        assert_eq!(found("Zurich, CH"), Some(("Zürich".into(), 47, 9)));
        assert_eq!(found("Sao Paulo, BR"), Some(("São Paulo".into(), -24, -47)));
        assert_eq!(found("Cologne, DE"), Some(("Köln".into(), 51, 7)));
        assert_eq!(found("San Jose, US"), Some(("San Jose".into(), 37, -122)));
        assert_eq!(found("Tokyo, JP"), Some(("Tokyo".into(), 36, 140)));
        assert_eq!(found("Singapore, SG"), Some(("Singapore".into(), 1, 104)));
        for nowhere in ["Berlin", "Berlin, FR", "Nowhere, DE", ", DE", "Berlin, XX", ""] {
            assert_eq!(found(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn nearest_city_agrees_with_looking_at_all() {
        for (latitude, longitude) in [
            (52.4, 13.1),
            (-33.0, 151.0),
            (0.0, -160.0),
            (64.0, -21.0),
            (10.0, 179.9),
        ] {
            let here = Position::new(latitude, longitude).unwrap();
            let (city, km) = table().nearest(here).unwrap();
            let least = table()
                .countries()
                .iter()
                .flat_map(|facts| table().of(facts.country))
                .map(|city| city.position.distance_km(here))
                .fold(f64::INFINITY, f64::min);
            assert!((km - least).abs() < 1e-6 && (city.position.distance_km(here) - km).abs() < 1e-6);
        }
    }
}
