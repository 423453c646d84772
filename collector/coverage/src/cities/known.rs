//! What the table knows of a country: found by what people write, its name, its continent; and of a subdivision.

use crate::country::{Continent, Country};
use crate::subdivision::Subdivision;

impl Country {
    /// Finds a known country by ISO code (two or three letters) or English name: `DE`, `deu`, `Germany`.
    pub(crate) fn find(text: &str) -> Option<Self> {
        let wanted = text.trim();
        let alias = ALIASES
            .iter()
            .find(|(alias, _)| wanted.eq_ignore_ascii_case(alias));
        let wanted = alias.map_or(wanted, |(_, code)| code);
        let folded = super::fold(wanted);
        let table = super::table();
        table
            .countries()
            .iter()
            .find(|facts| facts.is_called(wanted, &folded))
            .map(|facts| facts.country)
    }

    /// Its English name; the code itself if the table does not know it.
    pub fn name(&self) -> &str {
        super::table()
            .facts(*self)
            .map_or(self.as_str(), |facts| facts.name.as_str())
    }

    /// The continent it belongs to, if the table knows the country.
    pub fn continent(self) -> Option<Continent> {
        super::table().facts(self).map(|facts| facts.continent)
    }
}

impl Subdivision {
    /// Its name, as GeoNames spells it; `None`: the table does not know it.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        super::table().subdivision_name(self)
    }
}

/// What people write that is neither ISO nor GeoNames' name.
const ALIASES: [(&str, &str); 12] = [
    ("UK", "GB"),
    ("Great Britain", "GB"),
    ("England", "GB"),
    ("UAE", "AE"),
    ("USA", "US"),
    ("United States of America", "US"),
    ("Holland", "NL"),
    ("Czech Republic", "CZ"),
    ("Korea", "KR"),
    ("Republic of Korea", "KR"),
    ("Türkiye", "TR"),
    ("Russian Federation", "RU"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn country_is_found_by_code_and_by_name() {
        let cases = [
            ("de", "DE"),
            ("DEU", "DE"),
            ("Germany", "DE"),
            ("south africa", "ZA"),
            ("UAE", "AE"),
            ("United States", "US"),
            ("uk", "GB"),
            ("Hong Kong", "HK"),
            ("Czech Republic", "CZ"),
            ("Netherlands", "NL"),
        ];
        for (text, code) in cases {
            assert_eq!(
                Country::find(text).map(|country| country.to_string()).as_deref(),
                Some(code),
                "{text}"
            );
        }
        assert_eq!(Country::find("Atlantis"), None);
        assert_eq!(Country::find("ZZ"), None);
        assert_eq!(Country::find(""), None);
    }

    #[test]
    fn country_knows_its_name_and_continent() {
        let brazil = Country::code("br").unwrap();
        assert_eq!(
            (brazil.name(), brazil.continent()),
            ("Brazil", Some(Continent::SouthAmerica))
        );
        let unknown = Country::code("zz").unwrap();
        assert_eq!((unknown.name(), unknown.continent()), ("ZZ", None));
    }

    fn of(city: &str) -> Option<String> {
        let city = crate::cities::find(city).expect(city);
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
