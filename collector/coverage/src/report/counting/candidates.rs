//! Where a further node might stand: sites that were measured and are no nodes, and the heaviest cities.

use crate::cities;
use crate::country::Country;
use crate::files::Mesh;
use crate::geo::Position;
use crate::report::count::Candidate;
use crate::report::forecast::Cell;

/// Candidates nearer than this to a node, or to a heavier candidate, add nothing new.
const APART_KM: f64 = 250.0;
/// A measured site this near to a node is no further city: what it would gain is another network in the same one.
const CITY_KM: f64 = 50.0;
/// A cell is called by its largest city within this.
const AROUND_KM: f64 = 80.0;

/// A place that might get a node.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) name: String,
    pub(super) position: Position,
    pub(super) country: Option<Country>,
    /// Its number among the mesh's sites, if it is one.
    pub(super) site: Option<usize>,
}

/// At most so many, the mesh's sites first and then the heaviest cells' cities.
pub(super) fn candidates(cells: &[Cell], nodes: &[Position], mesh: Option<&Mesh>, most: usize) -> Vec<Spot> {
    let mut spots = sites(nodes, mesh);
    let mut heavy: Vec<&Cell> = cells.iter().collect();
    heavy.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let mut taken: Vec<_> = nodes.iter().map(|node| node.unit()).collect();
    taken.extend(spots.iter().map(|spot| spot.position.unit()));
    let most = spots.len() + most;
    for cell in heavy {
        if spots.len() >= most {
            break;
        }
        let Some(city) = city(cell.position, cell.country) else {
            continue;
        };
        let unit = city.1.unit();
        if taken.iter().all(|other| other.distance_km(unit) >= APART_KM) {
            taken.push(unit);
            spots.push(Spot {
                name: city.0,
                position: city.1,
                country: cell.country,
                site: None,
            });
        }
    }
    spots
}

fn sites(nodes: &[Position], mesh: Option<&Mesh>) -> Vec<Spot> {
    let Some(mesh) = mesh else { return Vec::new() };
    let free = |position: Position| nodes.iter().all(|node| node.distance_km(position) > CITY_KM);
    let site = |(at, name): (usize, &String)| {
        let position = mesh.places[at].position;
        free(position).then(|| Spot {
            name: name.clone(),
            position,
            country: cities::table().nearest(position).map(|(city, _)| city.country),
            site: Some(at),
        })
    };
    mesh.names.iter().enumerate().filter_map(site).collect()
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

/// Of candidates in one city only the first: another network there is no other city.
pub(super) fn one_of_each_city(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        let near = |other: &Candidate| other.position.distance_km(candidate.position) <= CITY_KM;
        if !kept.iter().any(near) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::Place;

    fn mesh(sites: &[(&str, &str)]) -> Mesh {
        let place = |city: &str| Place {
            position: cities::find(city).expect(city).position,
            network: None,
        };
        Mesh {
            names: sites.iter().map(|(name, _)| (*name).to_owned()).collect(),
            places: sites.iter().map(|(_, city)| place(city)).collect(),
            pairs: Vec::new(),
            statistic: crate::observations::Statistic::Min,
            notes: Vec::new(),
        }
    }

    #[test]
    fn site_in_the_city_of_a_node_is_no_further_city() {
        let mesh = mesh(&[("potsdam", "Potsdam, DE"), ("paris", "Paris, FR")]);
        let berlin = cities::find("Berlin, DE").unwrap().position;
        let names: Vec<String> = candidates(&[], &[berlin], Some(&mesh), 9)
            .into_iter()
            .map(|spot| spot.name)
            .collect();
        assert_eq!(names, ["paris"]);
    }

    #[test]
    fn best_of_several_networks_in_one_city_stands_for_it() {
        let candidate = |place: &str, city: &str, gain_ms| Candidate {
            place: place.to_owned(),
            position: cities::find(city).expect(city).position,
            country: None,
            gain_ms,
            interval: None,
            predicted: false,
        };
        let kept = one_of_each_city(vec![
            candidate("fra-1", "Frankfurt am Main, DE", 4.0),
            candidate("fra-2", "Frankfurt am Main, DE", 3.0),
            candidate("paris", "Paris, FR", 2.0),
        ]);
        let names: Vec<&str> = kept.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(names, ["fra-1", "paris"]);
    }
}
