//! Countries and continents, as ISO 3166 and GeoNames name them.

use std::fmt;

use crate::cities;

/// A country's ISO 3166-1 code of two letters, upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads a two-letter code in either case, whether or not the table knows such a country.
    pub fn code(text: &str) -> Option<Self> {
        let &[a, b] = text.trim().as_bytes() else {
            return None;
        };
        let both = a.is_ascii_alphabetic() && b.is_ascii_alphabetic();
        both.then(|| Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
    }

    /// Finds a known country by ISO code (two or three letters) or English name: `DE`, `deu`, `Germany`.
    pub fn find(text: &str) -> Option<Self> {
        let wanted = text.trim();
        let alias = ALIASES
            .iter()
            .find(|(alias, _)| wanted.eq_ignore_ascii_case(alias));
        let wanted = alias.map_or(wanted, |(_, code)| code);
        let folded = cities::fold(wanted);
        let table = cities::table();
        table
            .countries()
            .iter()
            .find(|facts| facts.is_called(wanted, &folded))
            .map(|facts| facts.country)
    }

    /// The two letters, upper case.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("two ASCII letters")
    }

    /// Its English name; the code itself if the table does not know it.
    pub fn name(&self) -> &str {
        cities::table()
            .facts(*self)
            .map_or(self.as_str(), |facts| facts.name.as_str())
    }

    /// The continent it belongs to, if the table knows the country.
    pub fn continent(self) -> Option<Continent> {
        cities::table().facts(self).map(|facts| facts.continent)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

/// A continent, by GeoNames' code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Continent {
    /// Africa, `AF`.
    Africa,
    /// Antarctica, `AN`.
    Antarctica,
    /// Asia, `AS`.
    Asia,
    /// Europe, `EU`.
    Europe,
    /// North and Central America and the Caribbean, `NA`.
    NorthAmerica,
    /// Oceania, `OC`.
    Oceania,
    /// South America, `SA`.
    SouthAmerica,
}

impl Continent {
    const ALL: [Self; 7] = [
        Self::Africa,
        Self::Antarctica,
        Self::Asia,
        Self::Europe,
        Self::NorthAmerica,
        Self::Oceania,
        Self::SouthAmerica,
    ];

    /// GeoNames' code of two letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Africa => "AF",
            Self::Antarctica => "AN",
            Self::Asia => "AS",
            Self::Europe => "EU",
            Self::NorthAmerica => "NA",
            Self::Oceania => "OC",
            Self::SouthAmerica => "SA",
        }
    }

    /// Its English name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Africa => "Africa",
            Self::Antarctica => "Antarctica",
            Self::Asia => "Asia",
            Self::Europe => "Europe",
            Self::NorthAmerica => "North America",
            Self::Oceania => "Oceania",
            Self::SouthAmerica => "South America",
        }
    }

    pub(crate) fn find(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|continent| continent.as_str() == code)
    }
}

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
