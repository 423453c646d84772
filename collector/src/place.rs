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
}

/// Finds "City, CC" among the cities above 15,000 people.
///
/// # Errors
/// Says what to write instead.
pub fn find(text: &str) -> Result<Place, UnknownPlace> {
    let city = cities::find(text).ok_or_else(|| UnknownPlace(text.to_owned()))?;
    Ok(Place {
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
#[error(
    "no city above 15,000 people is called {0:?}; write \"City, CC\" with the country's two letters, or give coordinates"
)]
pub struct UnknownPlace(String);
