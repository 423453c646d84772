//! How much each place counts.

mod from_file;
mod internet;

use std::collections::BTreeSet;

pub use internet::{InternetShares, InternetSummary};

use crate::cities;
use crate::country::Country;
use crate::files::{FileError, FileText};
use crate::geo::Position;
use crate::observations::Vantage;
use crate::subdivision::Subdivision;

/// How much each place counts.
#[derive(Clone, Debug)]
pub struct Weights {
    kind: WeightKind,
    source: WeightSource,
    basis: Basis,
    internet: Option<InternetShares>,
}

/// What a city counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightKind {
    /// People in cities.
    People,
    /// Every vantage counts 1.
    Sites,
    /// A file's figures.
    File,
}

impl WeightKind {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Sites => "sites",
            Self::File => "file",
        }
    }
}

/// Whom weights come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightSource {
    /// The table of cities.
    Cities,
    /// Nobody: every vantage counts 1.
    Vantages,
    /// As somebody's own table says.
    File {
        /// Without its folder.
        name: String,
        /// It holds countries; what they weigh was spread over the table's cities.
        spread: bool,
    },
}

#[derive(Clone, Debug)]
enum Basis {
    People,
    /// A country's weight, spread over its cities as its people are.
    Countries(Vec<(Country, f64)>),
    Points(Vec<Point>),
    Sites,
    /// Weights of vantages' sites; the rest count nothing.
    NamedSites(Vec<NamedSite>),
}

/// A place that carries weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) position: Position,
    pub(crate) country: Option<Country>,
    pub(crate) subdivision: Option<Subdivision>,
    pub(crate) weight: f64,
}

#[derive(Clone, Debug)]
struct NamedSite {
    site: String,
    weight: f64,
    /// Where it stands in the file, for an error.
    file: String,
    line: u64,
}

/// The places that carry weight, as one report needs them.
pub(crate) enum Demand {
    /// Places for which vantages speak.
    Places(Vec<Point>),
    /// The weight of each vantage, in the order they were given: each speaks for itself.
    Vantages(Vec<f64>),
}

impl Weights {
    /// People in GeoNames' cities above 15,000; the rest of a country's people is spread over its cities.
    pub fn people() -> Self {
        Self {
            kind: WeightKind::People,
            source: WeightSource::Cities,
            basis: Basis::People,
            internet: None,
        }
    }

    /// Every vantage counts 1.
    pub fn sites() -> Self {
        Self {
            kind: WeightKind::Sites,
            source: WeightSource::Vantages,
            basis: Basis::Sites,
            internet: None,
        }
    }

    /// A CSV file with a column `weight` and either `country` (spread over its cities by people), or
    /// `latitude` and `longitude` (and, if wanted, `country`), or `site` (a vantage's).
    ///
    /// # Errors
    /// The first bad row, with its line.
    pub fn from_file(file: &FileText) -> Result<Self, FileError> {
        let basis = from_file::read(file)?;
        let source = WeightSource::File {
            name: file.name().to_owned(),
            spread: matches!(basis, Basis::Countries(_)),
        };
        Ok(Self {
            kind: WeightKind::File,
            source,
            basis,
            internet: None,
        })
    }

    /// People multiplied by their country's share of internet users; other weights stay as they are, for they count
    /// use already.
    #[must_use]
    pub fn with_internet(self, shares: InternetShares) -> Self {
        Self {
            internet: Some(shares),
            ..self
        }
    }

    /// Whether and how shares of internet users were applied.
    pub fn internet(&self) -> Option<InternetSummary> {
        let shares = self.internet.as_ref()?;
        Some(shares.summary(matches!(self.basis, Basis::People)))
    }

    /// Whether people or numbers from a file.
    pub fn kind(&self) -> WeightKind {
        self.kind
    }

    /// Whether they are those of vantages themselves, and not of places for which vantages speak.
    pub(crate) fn are_of_vantages(&self) -> bool {
        matches!(self.basis, Basis::Sites | Basis::NamedSites(_))
    }

    /// Whom they come from.
    pub fn source(&self) -> &WeightSource {
        &self.source
    }

    /// # Errors
    /// A site of the file that is none of those measured from.
    pub(crate) fn check(&self, known: &BTreeSet<&str>) -> Result<(), FileError> {
        let Basis::NamedSites(sites) = &self.basis else {
            return Ok(());
        };
        let missing = sites.iter().find(|named| !known.contains(&*named.site));
        missing.map_or(Ok(()), |named| {
            Err(FileError::UnknownSite {
                file: named.file.clone(),
                line: named.line,
                site: named.site.clone(),
                known_from: "the vantages".to_owned(),
            })
        })
    }

    pub(crate) fn demand(&self, vantages: &[&Vantage]) -> Demand {
        match &self.basis {
            Basis::People => {
                let countries = cities::table().countries().iter();
                let mut points: Vec<Point> =
                    countries.flat_map(|facts| spread(facts.country, None)).collect();
                if let Some(shares) = &self.internet {
                    shares.apply(&mut points);
                }
                Demand::Places(points)
            }
            Basis::Countries(countries) => Demand::Places(
                countries
                    .iter()
                    .flat_map(|&(country, weight)| spread(country, Some(weight)))
                    .collect(),
            ),
            Basis::Points(points) => Demand::Places(points.clone()),
            Basis::Sites => Demand::Vantages(vec![1.0; vantages.len()]),
            Basis::NamedSites(sites) => Demand::Vantages(
                vantages
                    .iter()
                    .map(|vantage| {
                        let peers = vantages.iter().filter(|other| other.site == vantage.site).count();
                        let named = sites.iter().find(|named| named.site == vantage.site);
                        named.map_or(0.0, |named| named.weight / peers as f64)
                    })
                    .collect(),
            ),
        }
    }
}

/// A country's cities; their weights add up to its people, or to a given weight.
fn spread(country: Country, weight: Option<f64>) -> impl Iterator<Item = Point> {
    let table = cities::table();
    let in_cities: f64 = table.of(country).map(|city| f64::from(city.people)).sum();
    // Some territories are listed with no people at all: there the cities' own count stands.
    let people = table
        .facts(country)
        .map(|facts| facts.people as f64)
        .filter(|&people| people > 0.0);
    let total = weight.or(people).unwrap_or(in_cities);
    table.of(country).map(move |city| Point {
        position: city.position,
        country: Some(country),
        subdivision: city.subdivision,
        weight: f64::from(city.people) * total / in_cities,
    })
}

#[cfg(test)]
mod tests;
