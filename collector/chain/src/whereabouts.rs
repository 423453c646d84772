//! In which country, continent and subdivision a place lies, by the nearest city, and which areas it is part of.

use isochrone_coverage::cities::{self, City};
use isochrone_coverage::country::{Continent, Country};
use isochrone_coverage::geo::Position;
use isochrone_coverage::subdivision::Subdivision;

use crate::topology::{Area, Claim};

/// So far from a country's nearest city a place may lie and still be in that country.
pub(crate) const COUNTRY_KM: f64 = 100.0;
/// So far beyond an area's nearest city a place still counts to it.
const BORDER_KM: f64 = 50.0;

/// Where a place lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whereabouts {
    position: Position,
    /// The nearest city; of the claimed country, where that is near enough.
    pub(crate) city: City,
    pub(crate) km: f64,
}

impl Whereabouts {
    /// Of a claim: its own country is believed where one of its cities is near.
    pub(crate) fn of(claim: &Claim) -> Option<Self> {
        let position = claim.position()?;
        let claimed = country(&claim.country)
            .and_then(|country| cities::table().nearest_of(country, position))
            .filter(|(_, km)| *km <= COUNTRY_KM);
        let (city, km) = claimed.or_else(|| cities::table().nearest(position))?;
        Some(Self { position, city, km })
    }

    /// Of a place whose nearest city is known.
    pub(crate) fn near(position: Position, (city, km): (City, f64)) -> Self {
        Self { position, city, km }
    }

    /// Of a place without a claim.
    pub(crate) fn at(position: Position) -> Option<Self> {
        let (city, km) = cities::table().nearest(position)?;
        Some(Self { position, city, km })
    }

    /// Whether it is part of an area. What the code does not say is not held against it.
    pub(crate) fn is_in(&self, area: &Area) -> bool {
        match area {
            Area::Continent(code) => match Continent::find(code) {
                Some(continent) => self.city.country.continent() == Some(continent),
                None => true,
            },
            Area::Country(code) => match country(code) {
                Some(country) => self.city.country == country || self.borders(country),
                None => true,
            },
            Area::Subdivision(code) => match Subdivision::code(code) {
                Some(area) => {
                    let of_city = self
                        .city
                        .subdivision
                        .filter(|_| self.city.country == area.country());
                    match of_city {
                        Some(here) => here == area || area.name().is_none(),
                        None => self.city.country == area.country(),
                    }
                }
                None => true,
            },
        }
    }

    fn borders(&self, country: Country) -> bool {
        let nearest = cities::table().nearest_of(country, self.position);
        nearest.is_some_and(|(_, km)| km <= BORDER_KM)
    }
}

/// A country that the table knows, by its code.
pub(crate) fn country(code: &str) -> Option<Country> {
    Country::code(code).filter(|country| country.continent().is_some())
}

/// Whether an area's code is one.
pub(crate) fn is_code(area: &Area) -> bool {
    match area {
        Area::Continent(code) => Continent::find(code).is_some(),
        Area::Country(code) => country(code).is_some(),
        Area::Subdivision(code) => {
            Subdivision::code(code).is_some_and(|area| area.country().continent().is_some())
        }
    }
}

/// An area in words.
pub(crate) fn words(area: &Area) -> String {
    let name = match area {
        Area::Continent(code) => Continent::find(code).map(|continent| continent.name().to_owned()),
        Area::Country(code) => country(code).map(|country| country.name().to_owned()),
        Area::Subdivision(code) => {
            Subdivision::code(code).and_then(|area| area.name().map(|name| format!("{name} ({code})")))
        }
    };
    name.unwrap_or_else(|| area.code().to_owned())
}
