//! Place names of people ("Berlin, DE") to coordinates.

use isochrone_coverage::cities;

/// A place on the map.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// ISO 3166 code.
    pub country: String,
    /// Other cities of that name in that country, all smaller.
    pub namesakes: usize,
}

/// Finds "City, CC" among the cities above 15,000 people.
///
/// # Errors
/// Says what to write instead.
pub fn find(text: &str) -> Result<Place, UnknownPlace> {
    let Some(city) = cities::find(text) else {
        let meant = largest_called(text).filter(|_| !text.contains(','));
        return Err(match meant {
            Some(meant) => UnknownPlace::NoCountry {
                text: text.to_owned(),
                meant,
            },
            None => UnknownPlace::NotKnown(text.to_owned()),
        });
    };
    Ok(Place {
        namesakes: cities::table().called(&city).count() - 1,
        latitude: city.position.latitude(),
        longitude: city.position.longitude(),
        country: city.country.to_string(),
    })
}

/// "City, CC" of the largest city that is called `name`, whatever its country.
#[must_use]
pub fn largest_called(name: &str) -> Option<String> {
    let city = cities::table().largest_called(name)?;
    Some(format!("{}, {}", city.name, city.country))
}

/// The country code at the end of "City, CC", if there is one.
#[must_use]
pub fn country_in(text: &str) -> Option<String> {
    let code = text.rsplit_once(',')?.1.trim();
    (code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase())).then(|| code.to_owned())
}

/// No such city in the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownPlace {
    /// A city of that name is known, but the text names no country.
    #[error("{text:?} lacks its country; did you mean {meant:?}?")]
    NoCountry {
        /// What was written.
        text: String,
        /// The largest city of that name.
        meant: String,
    },
    /// None.
    #[error(
        "no city above 15,000 people is called {0:?}; write \"City, CC\" with the country's two letters, or give coordinates"
    )]
    NotKnown(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn city_without_its_country_is_told_what_was_meant() {
        let words = |text| find(text).unwrap_err().to_string();
        assert_eq!(
            words("berlin"),
            "\"berlin\" lacks its country; did you mean \"Berlin, DE\"?"
        );
        assert!(words("Nosuchplace").starts_with("no city above 15,000 people is called \"Nosuchplace\""));
        assert!(words("Berlin, XX").starts_with("no city"));
    }

    #[test]
    fn namesakes_of_a_city_are_counted_in_its_country() {
        assert!(find("Springfield, US").unwrap().namesakes > 1);
        assert_eq!(find("Tokyo, JP").unwrap().namesakes, 0);
    }
}
