//! Reads `sites.csv`.

use std::collections::{BTreeMap, HashMap};

use super::table::{Coordinates, Table};
use super::{FileError, FileText, MOST_SITES, doubts};
use crate::cities;
use crate::country::Country;
use crate::geo::Position;
use crate::names::composed;
use crate::note::Note;
use crate::observations::Network;

/// A place without a country is taken to lie in its nearest city's, up to this distance.
const CITY_WITHIN_KM: f64 = 150.0;

/// All sites of a file.
pub(super) struct Sites {
    pub(super) all: Vec<Site>,
    pub(super) by_name: HashMap<String, usize>,
}

pub(super) struct Site {
    pub(super) name: String,
    /// Where it lies; `None`: it gives no coordinates, or only the other way round.
    pub(super) position: Option<Position>,
    /// That one, or the nearest city's.
    pub(super) country: Option<Country>,
    /// The AS it sits in, from the optional column `network`; what is no number is none.
    pub(super) network: Option<Network>,
}

/// A place's country and how it is known.
pub(crate) struct Origin {
    pub(crate) country: Option<Country>,
    known_by: KnownBy,
}

enum KnownBy {
    File,
    NearestCity,
    NearestCityForUnknownName,
}

/// The country a file names, or that of the nearest city.
pub(crate) fn country_of(given: &str, position: Position) -> Origin {
    if let Some(country) = Country::find(given) {
        return Origin {
            country: Some(country),
            known_by: KnownBy::File,
        };
    }
    let near = cities::table()
        .nearest(position)
        .filter(|(_, km)| *km <= CITY_WITHIN_KM);
    let known_by = if given.is_empty() {
        KnownBy::NearestCity
    } else {
        KnownBy::NearestCityForUnknownName
    };
    Origin {
        country: near.map(|(city, _)| city.country),
        known_by,
    }
}

/// The sites, and what a reader of the report must know about them.
pub(super) fn read(file: &FileText) -> Result<(Sites, Vec<Note>), FileError> {
    let mut table = Table::open(file)?;
    let (site, latitude) = (table.column("site")?, table.column("latitude")?);
    let (longitude, country) = (table.column("longitude")?, table.find("country"));
    table.only_once("country")?;
    let network = table.find("network");
    table.only_once("network")?;
    let (mut all, mut written) = (Vec::new(), Vec::new());
    let (mut lines, mut notes) = (HashMap::new(), Notes::default());
    while let Some(row) = table.next_row()? {
        let name = row.name(site, "site")?.to_owned();
        row.once(&mut lines, name.clone(), "site", &name)?;
        let coordinates = row.coordinates(latitude, longitude)?;
        let given = country.map_or("", |column| row.text(column));
        let position = match coordinates {
            Coordinates::Given(position) => Some(position),
            Coordinates::Missing | Coordinates::OtherWayRound => None,
        };
        notes.place(&name, coordinates);
        let country = match position {
            Some(position) => {
                let origin = country_of(given, position);
                notes.add(&name, given, &origin);
                origin.country
            }
            None => Country::find(given),
        };
        written.push(doubts::Given {
            position,
            is_other_way_round: coordinates == Coordinates::OtherWayRound,
            country: Country::find(given),
        });
        all.push(Site {
            name,
            position,
            country,
            network: network.and_then(|column| network_of(row.text(column))),
        });
        if all.len() > MOST_SITES {
            return Err(row.too_many(MOST_SITES));
        }
    }
    if all.is_empty() {
        return Err(table.no_rows());
    }
    let by_name = all
        .iter()
        .enumerate()
        .map(|(index, site)| (site.name.clone(), index))
        .collect();
    let mut notes = notes.finish();
    notes.extend(doubts::swapped(file.name(), &written));
    Ok((Sites { all, by_name }, notes))
}

/// `64500` or `AS64500`.
fn network_of(text: &str) -> Option<Network> {
    let number = text
        .trim()
        .trim_start_matches(['A', 'a'])
        .trim_start_matches(['S', 's']);
    number.parse().ok().map(Network)
}

impl Sites {
    /// The sites that have coordinates, by index, and by site its number among them.
    pub(super) fn placed(&self) -> (Vec<(usize, Position)>, Vec<Option<usize>>) {
        let (mut placed, mut number) = (Vec::new(), Vec::new());
        for (index, site) in self.all.iter().enumerate() {
            number.push(site.position.map(|_| placed.len()));
            placed.extend(site.position.map(|position| (index, position)));
        }
        (placed, number)
    }

    /// The sites that are nodes, by index.
    pub(super) fn nodes(&self, file: &str, names: &[impl AsRef<str>]) -> Result<Vec<usize>, FileError> {
        let mut nodes = Vec::new();
        for name in names
            .iter()
            .map(|name| composed(name.as_ref().trim()))
            .filter(|name| !name.is_empty())
        {
            let index = self
                .by_name
                .get(&name)
                .copied()
                .ok_or_else(|| FileError::UnknownNode {
                    nearest: self.alike(&name),
                    node: name.clone(),
                    file: file.to_owned(),
                })?;
            if nodes.contains(&index) {
                return Err(FileError::NodeTwice { node: name });
            }
            nodes.push(index);
        }
        if nodes.is_empty() {
            let example = self
                .all
                .iter()
                .take(2)
                .map(|site| site.name.as_str())
                .collect::<Vec<_>>()
                .join(",");
            return Err(FileError::NoNodes { example });
        }
        Ok(nodes)
    }

    /// The site spelled most alike: the longest common start, of at least three letters.
    fn alike(&self, name: &str) -> Option<String> {
        let wanted = cities::fold(name);
        let common = |site: &&Site| {
            cities::fold(&site.name)
                .chars()
                .zip(wanted.chars())
                .take_while(|(a, b)| a == b)
                .count()
        };
        self.all
            .iter()
            .max_by_key(common)
            .filter(|site| common(site) >= 3)
            .map(|site| site.name.clone())
    }
}

/// Collects how countries were found, so that a thousand sites make one note.
#[derive(Default)]
struct Notes {
    derived: usize,
    nowhere: Vec<String>,
    unknown_names: BTreeMap<String, Country>,
    missing: Vec<String>,
    other_way_round: Vec<String>,
}

impl Notes {
    fn place(&mut self, site: &str, coordinates: Coordinates) {
        match coordinates {
            Coordinates::Given(_) => {}
            Coordinates::Missing => self.missing.push(site.to_owned()),
            Coordinates::OtherWayRound => self.other_way_round.push(site.to_owned()),
        }
    }

    fn add(&mut self, site: &str, given: &str, origin: &Origin) {
        match (&origin.known_by, origin.country) {
            (KnownBy::File, _) => {}
            (_, None) => self.nowhere.push(site.to_owned()),
            (KnownBy::NearestCity, Some(_)) => self.derived += 1,
            (KnownBy::NearestCityForUnknownName, Some(country)) => {
                self.unknown_names.insert(given.to_owned(), country);
            }
        }
    }

    fn finish(self) -> Vec<Note> {
        let derived = (self.derived > 0).then_some(Note::NearestCity { sites: self.derived });
        let unknown = self.unknown_names.into_iter();
        let unknown = unknown.map(|(given, taken)| Note::UnknownCountry { given, taken });
        let more = self.nowhere.len().saturating_sub(1);
        let nowhere = self.nowhere.into_iter().next().map(|site| Note::Nowhere {
            site,
            more,
            within_km: CITY_WITHIN_KM,
        });
        let some = |sites: Vec<String>| (!sites.is_empty()).then_some(sites);
        let missing = some(self.missing).map(|sites| Note::NoCoordinates { sites });
        let swapped = some(self.other_way_round).map(|sites| Note::OtherWayRound { sites });
        let places = missing.into_iter().chain(swapped);
        derived
            .into_iter()
            .chain(unknown)
            .chain(nowhere)
            .chain(places)
            .collect()
    }
}
