//! Where a further node might stand: cities where a site was measured that is no node, and the heaviest other cities.

use std::collections::BTreeMap;

use crate::cities;
use crate::country::Country;
use crate::geo::{Position, UnitVector};
use crate::observations::CandidateSite;
use crate::report::forecast::{Cell, Fitted};

/// Candidates nearer than this to a node, or to an earlier candidate, add nothing new.
const APART_KM: f64 = 250.0;
/// A cell is called by its largest city within this.
const AROUND_KM: f64 = 80.0;

/// A place that might get a node.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// `City, CC`.
    pub(super) name: String,
    pub(super) position: Position,
    pub(super) country: Option<Country>,
    /// The site that was measured there, if one was.
    pub(super) site: Option<Site>,
    /// What the lead calls it, where it is one that they named.
    pub(super) candidate: Option<String>,
    /// How many of our vantages measured it, where it is such a one.
    pub(super) vantages: usize,
    /// How many borrowed eyes measured it.
    pub(super) eyes: usize,
}

impl Spot {
    /// A place that nobody measured.
    pub(super) fn new(name: String, position: Position, country: Option<Country>) -> Self {
        Self {
            name,
            position,
            country,
            site: None,
            candidate: None,
            vantages: 0,
            eyes: 0,
        }
    }

    /// Whether it goes by a name: its own, the lead's, or that of the site which was measured there.
    pub(super) fn is_called(&self, name: &str) -> bool {
        cities::fold(&self.name) == cities::fold(name)
            || self.candidate.as_deref() == Some(name)
            || self.site.as_ref().is_some_and(|site| site.name == name)
    }
}

/// A site that was measured.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// Its number as a place.
    pub(super) at: usize,
    pub(super) name: String,
}

/// Candidates that stand apart from the nodes and from each other.
pub(super) struct Candidates {
    taken: Vec<UnitVector>,
    spots: Vec<Spot>,
}

impl Candidates {
    pub(super) fn beside(nodes: &[Position]) -> Self {
        Self {
            taken: nodes.iter().map(|node| node.unit()).collect(),
            spots: Vec::new(),
        }
    }

    /// Places that the lead named, wherever they stand: those that were measured are sites like others.
    pub(super) fn named(mut self, named: &[CandidateSite], fitted: &Fitted) -> Self {
        for (site, known) in named.iter().zip(&fitted.candidates) {
            let is_measured = known.vantages + known.eyes > 0;
            let near = || {
                cities::table()
                    .nearest(site.position)
                    .map(|(city, _)| city.country)
            };
            let country = site.country.or_else(near);
            let around = || city(site.position, country).map_or_else(|| site.name.clone(), |(city, _)| city);
            let name = match site.place.is_empty() {
                true => around(),
                false => site.place.clone(),
            };
            if let Some(other) = self.spots.iter().position(|other| other.name == name) {
                if self.spots[other].site.is_some() || !is_measured {
                    continue;
                }
                self.spots.remove(other); // one that was measured stands for its city
            }
            self.taken.push(site.position.unit());
            self.spots.push(Spot {
                name,
                position: site.position,
                country,
                site: is_measured.then(|| Site {
                    at: known.at,
                    name: site.name.clone(),
                }),
                candidate: Some(site.name.clone()),
                vantages: known.vantages,
                eyes: known.eyes,
            });
        }
        self
    }

    /// The cities of sites between which something was measured, those with most pairs first: the first places, by their
    /// names; `country` says in which one a site stands, by its name.
    pub(super) fn measured(
        mut self,
        names: &[&str],
        fitted: &Fitted,
        country: impl Fn(&str) -> Option<Country>,
    ) -> Self {
        let mut pairs: BTreeMap<usize, usize> = BTreeMap::new();
        let ends = fitted.pairs.iter().flat_map(|pair| [pair.a, pair.b]);
        for end in ends.filter(|end| *end < names.len()) {
            *pairs.entry(end).or_default() += 1;
        }
        let mut sites: Vec<(usize, usize)> = pairs.into_iter().collect();
        sites.sort_by_key(|&(_, pairs)| std::cmp::Reverse(pairs));
        for (at, _) in sites {
            let (position, name) = (fitted.places[at].position, names[at]);
            let near = || cities::table().nearest(position).map(|(city, _)| city.country);
            let country = country(name).or_else(near);
            let site = Site {
                at,
                name: name.to_owned(),
            };
            self.add(Spot {
                name: city(position, country).map_or_else(|| name.to_owned(), |(city, _)| city),
                position,
                country,
                site: Some(site),
                candidate: None,
                vantages: 0,
                eyes: 0,
            });
        }
        self
    }

    /// The cities of the heaviest cells, at most so many.
    pub(super) fn heaviest(mut self, mut cells: Vec<Cell>, most: usize) -> Vec<Spot> {
        cells.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let most = self.spots.len() + most;
        for cell in cells {
            if self.spots.len() >= most {
                break;
            }
            if let Some((name, position)) = city(cell.position, cell.country) {
                self.add(Spot {
                    name,
                    position,
                    country: cell.country,
                    site: None,
                    candidate: None,
                    vantages: 0,
                    eyes: 0,
                });
            }
        }
        self.spots
    }

    fn add(&mut self, spot: Spot) {
        let unit = spot.position.unit();
        let apart = self.taken.iter().all(|other| other.distance_km(unit) >= APART_KM);
        if apart && self.spots.iter().all(|other| other.name != spot.name) {
            self.taken.push(unit);
            self.spots.push(spot);
        }
    }
}

/// The largest city around a place, as `City, CC`, and where it lies.
pub(super) fn city(position: Position, country: Option<Country>) -> Option<(String, Position)> {
    let table = cities::table();
    let city = match country {
        Some(country) => table.largest_within(country, position, AROUND_KM),
        None => table.largest_near(position, AROUND_KM),
    };
    let city = city.or_else(|| table.nearest(position).map(|(city, _)| city))?;
    Some((format!("{}, {}", city.name, city.country), city.position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::{Measured, Place, Predictor, Prior};

    /// Each site with so many pairs, to Berlin.
    fn measured(sites: &[(&str, &str, usize)]) -> Fitted {
        let place = |city: &str| Place {
            position: cities::find(city).expect(city).position,
            network: None,
        };
        let pair = |a: usize| Measured {
            a,
            b: sites.len(),
            rtt_ms: 9.0,
        };
        let mut places: Vec<Place> = sites.iter().map(|(_, city, _)| place(city)).collect();
        places.push(place("Berlin, DE"));
        let pairs = sites.iter().enumerate();
        Fitted {
            predictor: Predictor::fit(&places, &[], Some(Prior::embedded())).unwrap(),
            nodes: Vec::new(),
            candidates: Vec::new(),
            places,
            measured: Vec::new(),
            pairs: pairs
                .flat_map(|(at, &(_, _, count))| vec![pair(at); count])
                .collect(),
        }
    }

    fn beside_berlin(sites: &[(&str, &str, usize)]) -> Vec<(String, Option<String>)> {
        let berlin = cities::find("Berlin, DE").unwrap().position;
        let names: Vec<&str> = sites.iter().map(|(name, _, _)| *name).collect();
        let spots = Candidates::beside(&[berlin]).measured(&names, &measured(sites), |_| None);
        let spots = spots.heaviest(Vec::new(), 9);
        let named = |spot: Spot| (spot.name, spot.site.map(|site| site.name));
        spots.into_iter().map(named).collect()
    }

    #[test]
    fn site_near_a_node_is_no_further_city_and_one_without_pairs_is_none_at_all() {
        let sites = [
            ("potsdam", "Potsdam, DE", 1),
            ("madrid", "Madrid, ES", 0),
            ("par-1", "Paris, FR", 1),
        ];
        assert_eq!(
            beside_berlin(&sites),
            [("Paris, FR".to_owned(), Some("par-1".to_owned()))]
        );
    }

    #[test]
    fn of_several_networks_in_one_city_the_one_with_most_pairs_stands_for_it() {
        let sites = [
            ("par-1", "Paris, FR", 1),
            ("mad-1", "Madrid, ES", 2),
            ("par-2", "Paris, FR", 3),
        ];
        let sites: Vec<Option<String>> = beside_berlin(&sites).into_iter().map(|(_, site)| site).collect();
        assert_eq!(sites, [Some("par-2".to_owned()), Some("mad-1".to_owned())]);
    }
}
