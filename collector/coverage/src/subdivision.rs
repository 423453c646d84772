//! Subdivisions of countries, by their ISO 3166-2 codes.

use std::fmt;

use crate::cities;
use crate::country::Country;

/// A subdivision's ISO 3166-2 code, such as `US-CA`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subdivision {
    country: Country,
    /// One to three letters and digits; what is left over is 0.
    code: [u8; 3],
}

impl Subdivision {
    /// From the part of its code after the hyphen; `None` where that is none.
    pub(crate) fn new(country: Country, text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_code = (1..=3).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_alphanumeric);
        let mut code = [0; 3];
        code.get_mut(..bytes.len())?.copy_from_slice(bytes);
        is_code.then_some(Self { country, code })
    }

    /// The country that it is part of.
    #[must_use]
    pub fn country(self) -> Country {
        self.country
    }

    /// Its name, as GeoNames spells it; `None`: the table does not know it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        cities::table().subdivision_name(self)
    }

    fn part(&self) -> &str {
        let length = self.code.iter().take_while(|byte| **byte != 0).count();
        std::str::from_utf8(&self.code[..length]).unwrap_or_default()
    }
}

impl fmt::Display for Subdivision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.country, self.part())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(city: &str) -> Option<String> {
        let city = cities::find(city).expect(city);
        city.subdivision.map(|subdivision| subdivision.to_string())
    }

    #[test]
    fn cities_lie_in_the_subdivision_that_iso_names_today() {
        for (city, code) in [
            ("Los Angeles, US", "US-CA"),
            ("Chicago, US", "US-IL"),
            ("Munich, DE", "DE-BY"),
            ("Shanghai, CN", "CN-SH"),
            ("Guangzhou, CN", "CN-GD"),
            ("Mumbai, IN", "IN-MH"),
            ("Hyderabad, IN", "IN-TS"),
            ("São Paulo, BR", "BR-SP"),
            ("Johannesburg, ZA", "ZA-GP"),
            ("London, GB", "GB-ENG"),
            ("Toronto, CA", "CA-ON"),
            ("Sydney, AU", "AU-NSW"),
        ] {
            assert_eq!(of(city).as_deref(), Some(code), "{city}");
        }
    }

    #[test]
    fn what_no_two_sources_agree_on_is_not_known() {
        assert_eq!(of("Singapore, SG"), None);
        assert_eq!(of("Taipei, TW"), None);
    }

    #[test]
    fn subdivision_has_its_country_and_name() {
        let california = Subdivision::new(Country::code("US").unwrap(), "CA").unwrap();
        assert_eq!(california.name(), Some("California"));
        assert_eq!(california.country().as_str(), "US");
        let nowhere = Subdivision::new(california.country(), "ZZ").unwrap();
        assert_eq!(nowhere.name(), None);
        for text in ["", "ABCD", "A-"] {
            assert_eq!(Subdivision::new(california.country(), text), None, "{text}");
        }
    }
}
