//! Countries and continents, as ISO 3166 and GeoNames name them.

use std::fmt;

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

    /// The two letters, upper case.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("two ASCII letters")
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A continent, by GeoNames' code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Continent {
    /// Africa, `AF`.
    Africa,
    /// `AN`.
    Antarctica,
    /// `AS`.
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

    /// Reads GeoNames' code, in upper case.
    #[must_use]
    pub fn find(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|continent| continent.as_str() == code)
    }
}
