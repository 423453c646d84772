//! Names of places that may get a node: today's nodes, candidates, and any city.

use super::candidates::Spot;
use super::scene::Scene;
use super::stage::Stage;
use crate::cities;
use crate::country::Country;
use crate::geo::Position;
use crate::report::placement::{GivenPlace, PlacementError};

/// Sites by number: today's nodes, then candidates.
pub(super) struct Places<'a> {
    scene: &'a Scene<'a>,
    spots: &'a [Spot],
}

impl<'a> Places<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, spots: &'a [Spot]) -> Self {
        Self { scene, spots }
    }

    pub(super) fn len(&self) -> usize {
        self.scene.nodes() + self.spots.len()
    }

    /// The candidate of a site, if it is no node.
    pub(super) fn spot(&self, site: usize) -> Option<&'a Spot> {
        self.spots.get(site.checked_sub(self.scene.nodes())?)
    }

    pub(super) fn name(&self, site: usize) -> String {
        match self.spot(site) {
            Some(spot) => spot.name.clone(),
            None => self.scene.node_name(site),
        }
    }

    pub(super) fn position(&self, site: usize) -> Option<Position> {
        match self.spot(site) {
            Some(spot) => Some(spot.position),
            None => self.scene.prepared.nodes[site].position,
        }
    }

    pub(super) fn country(&self, site: usize) -> Option<Country> {
        match self.spot(site) {
            Some(spot) => spot.country,
            None => self.scene.prepared.nodes[site].country,
        }
    }

    /// The site of a name: a node's, a candidate's, or that of the site which was measured there.
    pub(super) fn called(&self, name: &str) -> Option<usize> {
        let node = (0..self.scene.nodes()).find(|&node| self.scene.node_name(node) == name);
        let spot = self.spots.iter().position(|spot| spot.is_called(name));
        node.or_else(|| spot.map(|at| self.scene.nodes() + at))
    }

    /// All sites in a country.
    pub(super) fn within(&self, country: Country) -> Vec<usize> {
        (0..self.len())
            .filter(|&site| self.country(site) == Some(country))
            .collect()
    }

    /// Sites that today's nodes can be priced as, and candidates if anything is predicted towards them.
    pub(super) fn usable(&self, stage: &Stage) -> Vec<usize> {
        let first = self.scene.nodes();
        let further = (first..self.len()).filter(|_| stage.is_predicted());
        stage.priceable().into_iter().chain(further).collect()
    }

    /// The candidate that a given place is, if it says no other place itself.
    pub(super) fn called_spot(&self, place: &GivenPlace) -> Option<Spot> {
        self.spot_called(&place.name).filter(|_| place.position.is_none())
    }

    /// The candidate of a name.
    pub(super) fn spot_called(&self, name: &str) -> Option<Spot> {
        self.spots.iter().find(|spot| spot.is_called(name)).cloned()
    }

    /// An example of a name.
    pub(super) fn example(&self) -> Option<String> {
        (self.len() > 0).then(|| self.name(0))
    }
}

/// The candidate of a given place: what it says itself, or the city that is called so.
pub(super) fn given(place: &GivenPlace) -> Result<Spot, PlacementError> {
    if let Some(position) = place.position {
        return Ok(Spot::new(place.name.clone(), position, country_near(position)));
    }
    city(&place.name).ok_or_else(|| PlacementError::NoPlace {
        name: place.name.clone(),
    })
}

/// A city as a candidate, or a place by its latitude and longitude.
pub(super) fn city(name: &str) -> Option<Spot> {
    if let Some(position) = coordinates(name) {
        return Some(Spot::new(name.to_owned(), position, country_near(position)));
    }
    let city = cities::find(name)?;
    let called = format!("{}, {}", city.name, city.country);
    Some(Spot::new(called, city.position, Some(city.country)))
}

fn country_near(position: Position) -> Option<Country> {
    cities::table().nearest(position).map(|(city, _)| city.country)
}

/// `-33.9,18.4`
fn coordinates(text: &str) -> Option<Position> {
    let (latitude, longitude) = text.split_once(',')?;
    Position::new(latitude.trim().parse().ok()?, longitude.trim().parse().ok()?)
}
