//! Place names of people ("Berlin, DE") to coordinates.

use std::fmt::Write as _;

use isochrone_coverage::cities::{self, City};
use isochrone_coverage::geo::Position;

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

/// Several cities of one name in one country, of which none is much larger than the rest.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{text:?} may be any of {} cities: {}", places.len(), in_words(places))]
pub struct UnclearPlace {
    text: String,
    /// Degrees north and east, and people; the largest first.
    places: Vec<(f64, f64, u32)>,
}

/// Which cities `text` may mean, where the largest is not what nearly everybody means.
///
/// # Errors
/// Names them.
pub fn check_clear(text: &str) -> Result<(), UnclearPlace> {
    let places: Vec<_> = called(text)
        .iter()
        .map(|city| (city.position.latitude(), city.position.longitude(), city.people()))
        .collect();
    match places[..] {
        [(_, _, largest), (_, _, second), ..] if largest < second.saturating_mul(CLEARLY) => {
            let text = text.to_owned();
            Err(UnclearPlace { text, places })
        }
        _ => Ok(()),
    }
}

/// What is odd about coordinates that were given beside a city's name, or instead of one: most likely a slip.
#[must_use]
pub fn misfit(text: &str, latitude: f64, longitude: f64) -> Option<String> {
    let here = Position::new(latitude, longitude)?;
    let swapped = Position::new(longitude, latitude);
    let cities = called(text);
    let km_to = |place: Position| {
        let far = cities.iter().map(|city| city.position.distance_km(place));
        far.fold(f64::INFINITY, f64::min)
    };
    if cities.is_empty() {
        let km_to_any = |place: Position| cities::table().nearest(place).map_or(f64::INFINITY, |(_, km)| km);
        let (city, _) = cities::table().nearest(swapped?)?;
        return (km_to_any(here) > FAR_KM / 2.0 && km_to_any(swapped?) < FAR_KM / 10.0).then(|| {
            format!(
                "latitude and longitude look swapped: the other way round they lie at {}, {}",
                city.name, city.country
            )
        });
    }
    if km_to(here) <= FAR_KM {
        return None;
    }
    Some(match swapped {
        Some(swapped) if km_to(swapped) <= FAR_KM => {
            format!("latitude and longitude look swapped: the other way round they lie at {text}")
        }
        _ => format!("its coordinates lie {:.0} km from {text}", km_to(here)),
    })
}

/// The cities that are called so, the largest first.
fn called(text: &str) -> Vec<City> {
    let Some(found) = cities::find(text) else {
        return Vec::new();
    };
    let mut cities: Vec<_> = cities::table().called(&found).collect();
    cities.sort_by_key(|city| std::cmp::Reverse(city.people()));
    cities
}

fn in_words(places: &[(f64, f64, u32)]) -> String {
    let mut words = String::new();
    for (at, (latitude, longitude, people)) in places.iter().take(TOLD).enumerate() {
        let comma = if at == 0 { "" } else { "; " };
        write!(words, "{comma}{latitude:.2},{longitude:.2} ({people} people)")
            .expect("writing into a String cannot fail");
    }
    if places.len() > TOLD {
        words.push_str("; and smaller ones");
    }
    words
}

/// So much larger than the next of its name a city must be to be meant without a doubt.
const CLEARLY: u32 = 10;
/// Of so many cities each is told.
const TOLD: usize = 6;
/// Further from its city no site stands that is said to be there.
const FAR_KM: f64 = 300.0;

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

    #[test]
    fn city_that_is_not_much_larger_than_its_namesakes_is_unclear() {
        let words = check_clear("Springfield, US").unwrap_err().to_string();
        assert!(
            words.starts_with("\"Springfield, US\" may be any of ") && words.contains("37.2"),
            "{words}"
        );
        for clear in ["Berlin, DE", "Tokyo, JP", "Nowhere, DE"] {
            assert_eq!(check_clear(clear), Ok(()), "{clear}");
        }
    }

    #[test]
    fn swapped_coordinates_are_noticed_with_and_without_a_name() {
        assert_eq!(misfit("Berlin, DE", 52.5, 13.4), None);
        let swapped = misfit("Berlin, DE", 13.4, 52.5).unwrap();
        assert!(
            swapped.contains("swapped") && swapped.contains("Berlin, DE"),
            "{swapped}"
        );
        let unnamed = misfit("", 13.4, 52.5).unwrap();
        assert!(unnamed.contains("swapped"), "{unnamed}");
        assert_eq!(misfit("", 52.5, 13.4), None);
        assert_eq!(
            misfit("our cellar", -77.85, 166.67),
            None,
            "a place far from cities"
        );
        let far = misfit("Berlin, DE", 48.86, 2.35).unwrap();
        assert!(far.contains("km from Berlin, DE"), "{far}");
    }

    #[test]
    fn name_of_letters_and_marks_apart_is_found() {
        assert_eq!(find("Zu\u{308}rich, CH"), find("Zürich, CH"));
    }
}
