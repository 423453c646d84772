//! What the table knows of a country: found by what people write, its name, its continent.

use crate::country::{Continent, Country};

impl Country {
    /// Finds a known country by ISO code (two or three letters) or English name: `DE`, `deu`, `Germany`.
    pub fn find(text: &str) -> Option<Self> {
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
}
