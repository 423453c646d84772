//! What a user's own line adds to a time that does not hold it, by region, as the lead configured it.

use std::collections::BTreeMap;

use crate::country::{Continent, Country};
use crate::observations::AccessClass;

/// Milliseconds that the access network adds, by country, continent, or everywhere; none by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offsets {
    everywhere: f64,
    continents: BTreeMap<Continent, f64>,
    countries: BTreeMap<Country, f64>,
    given: Vec<(String, f64)>,
}

/// An offset that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OffsetError {
    /// No such region.
    #[error("access offset `{region}`: write a country's ISO code, a continent as `continent:EU`, or `*`")]
    Region {
        /// As it was given.
        region: String,
    },
    /// No time.
    #[error("access offset of `{region}`: {ms} is not a time of 0 ms to 1000 ms")]
    Time {
        /// As it was given.
        region: String,
        /// As it was given.
        ms: f64,
    },
}

impl Offsets {
    /// From regions: a country's ISO code, `continent:EU`, or `*` for all that is not named.
    ///
    /// # Errors
    /// A region that is none, or a time that is none.
    pub fn new<'a>(given: impl IntoIterator<Item = (&'a str, f64)>) -> Result<Self, OffsetError> {
        let mut offsets = Self::default();
        for (region, ms) in given {
            if !(0.0..=1000.0).contains(&ms) {
                let region = region.to_owned();
                return Err(OffsetError::Time { region, ms });
            }
            offsets.add(region, ms)?;
            offsets.given.push((region.to_owned(), ms));
        }
        Ok(offsets)
    }

    fn add(&mut self, region: &str, ms: f64) -> Result<(), OffsetError> {
        let unknown = || OffsetError::Region {
            region: region.to_owned(),
        };
        if region == "*" {
            self.everywhere = ms;
        } else if let Some(code) = region.strip_prefix("continent:") {
            let continent = Continent::find(code).ok_or_else(unknown)?;
            self.continents.insert(continent, ms);
        } else {
            self.countries
                .insert(Country::find(region).ok_or_else(unknown)?, ms);
        }
        Ok(())
    }

    /// What is added in a country to what a class measured: only users' own lines hold it already. Files do not say
    /// from where they measured; whoever configures an offset for them says that it was not from users' lines.
    pub(crate) fn in_class(&self, access: AccessClass, country: Option<Country>) -> f64 {
        match access {
            AccessClass::DataCentre | AccessClass::Unknown => self.of(country),
            AccessClass::Eyeball => 0.0,
        }
    }

    /// What is added in a country: its own offset, its continent's, or what holds everywhere.
    pub(crate) fn of(&self, country: Option<Country>) -> f64 {
        let own = country.and_then(|country| self.countries.get(&country));
        let continent = country.and_then(Country::continent);
        let of_continent = continent.and_then(|continent| self.continents.get(&continent));
        own.or(of_continent).copied().unwrap_or(self.everywhere)
    }

    /// As they were given: regions and milliseconds.
    #[must_use]
    pub fn given(&self) -> &[(String, f64)] {
        &self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_region_that_is_named_decides() {
        let offsets = Offsets::new([("*", 5.0), ("continent:AF", 20.0), ("NG", 30.0)]).unwrap();
        let of = |code: &str| offsets.of(Country::code(code));
        assert_eq!([of("NG"), of("KE"), of("DE")], [30.0, 20.0, 5.0]);
        assert_eq!(Offsets::default().of(Country::code("DE")), 0.0);
    }

    #[test]
    fn only_users_own_lines_hold_the_offset_already() {
        let offsets = Offsets::new([("*", 5.0)]).unwrap();
        let of = |access| offsets.in_class(access, Country::code("DE"));
        assert_eq!(AccessClass::ALL.map(of), [5.0, 0.0, 5.0]);
    }

    #[test]
    fn region_or_time_that_is_none_is_refused() {
        let region = Offsets::new([("Atlantis", 5.0)]).unwrap_err();
        assert!(region.to_string().contains("`Atlantis`"), "{region}");
        assert!(Offsets::new([("DE", -1.0)]).is_err());
        assert!(Offsets::new([("DE", f64::NAN)]).is_err());
    }
}
