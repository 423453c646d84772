//! Subdivisions of countries, by their ISO 3166-2 codes.

use std::fmt;

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

    /// Reads a code of ISO 3166-2, such as `US-CA`, in either case, whether or not the table knows it.
    #[must_use]
    pub fn code(text: &str) -> Option<Self> {
        let (country, part) = text.trim().split_once('-')?;
        Self::new(Country::code(country)?, &part.to_ascii_uppercase())
    }

    /// The country that it is part of.
    #[must_use]
    pub fn country(self) -> Country {
        self.country
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
