//! Rules about where nodes claim to stand.

use std::collections::HashMap;

use isochrone_coverage::cities;
use isochrone_coverage::geo::Position;

use super::Found;
use crate::facts::Facts;
use crate::rule::{Rule, Subject};
use crate::topology::{Claim, Family, Operator, OperatorId, Status, Topology};
use crate::whereabouts::{COUNTRY_KM, Whereabouts, country, words};

/// Further from its city no node stands that is said to be there.
const CITY_KM: f64 = 300.0;
/// A place this near to another city fits it.
const NEAR_KM: f64 = 100.0;

/// Where cities of a name lie, by country and name as they were written: many nodes stand in one city.
type Named = HashMap<(String, String), Vec<Position>>;

pub(super) fn judge(topology: &Topology, facts: &Facts, found: &mut Found) {
    let mut named = Named::new();
    for (family, bucket, operator) in topology.operators() {
        if operator.status != Status::Active {
            continue;
        }
        let id = bucket.operator_id(operator);
        if let Some(here) = sound(id, operator, &mut named, found) {
            areas(family, id, &here, found);
        }
        measured(id, &operator.place, facts, found);
    }
}

/// Where the claim is, if it makes sense by itself; what follows from a claim that does not is not told as well.
fn sound(id: OperatorId, operator: &Operator, named: &mut Named, found: &mut Found) -> Option<Whereabouts> {
    let subject = Subject::Operator(id);
    let claim = &operator.place;
    let Some((latitude, longitude)) = claim.coordinates else {
        let says =
            format!("Operator {id} claims no coordinates: the players' back end cannot sort it by distance.");
        found.add(Rule::NoPlace, subject, says);
        return None;
    };
    let written = format!("It is written as latitude {latitude}, longitude {longitude}.");
    let is_null = latitude == 0.0 && longitude == 0.0;
    let Some(position) = claim.position().filter(|_| !is_null) else {
        let swapped = Position::new(longitude, latitude).filter(|_| !is_null);
        if let Some(there) = swapped.and_then(|swapped| fits(claim, swapped)) {
            let says = format!(
                "Latitude and longitude of operator {id} look swapped: the other way round they lie at {there}."
            );
            found.add(Rule::SwappedPlace, subject, says).because(written);
        } else {
            let says = match is_null {
                true => format!("Operator {id} claims 0, 0, in the sea off Ghana: nobody filled it in."),
                false => format!("The coordinates of operator {id} are nowhere on Earth."),
            };
            found.add(Rule::InvalidPlace, subject, says).because(written);
        }
        return None;
    };
    let Some(claimed) = country(&claim.country) else {
        return Whereabouts::of(claim); // no country to hold it against
    };
    let nearest = cities::table().nearest_of(claimed, position);
    let is_there = nearest.is_none_or(|(_, km)| km <= COUNTRY_KM);
    if !is_there {
        if let Some(there) = Position::new(longitude, latitude).and_then(|swapped| fits(claim, swapped)) {
            let says = format!(
                "Latitude and longitude of operator {id} look swapped: the other way round they lie at {there}."
            );
            found.add(Rule::SwappedPlace, subject, says).because(written);
            return None;
        }
        let km = nearest.map_or(0.0, |(_, km)| km);
        let says = format!(
            "Operator {id} says it is in {}, and its coordinates lie {km:.0} km from any city there.",
            claimed.name()
        );
        let finding = found.add(Rule::OtherCountry, subject, says);
        finding.because(written);
        if let Some(here) = Whereabouts::at(position).filter(|here| here.km <= COUNTRY_KM) {
            finding.because(format!(
                "They lie near {}, {}.",
                here.city.name,
                here.city.country.name()
            ));
        }
        return None;
    }
    city(id, claim, position, (written, named), found);
    nearest.map(|nearest| Whereabouts::near(position, nearest))
}

fn city(
    id: OperatorId,
    claim: &Claim,
    position: Position,
    (written, named): (String, &mut Named),
    found: &mut Found,
) {
    let key = (claim.country.clone(), claim.city.clone());
    let places = named.entry(key).or_insert_with(|| called(claim));
    let apart = places.iter().map(|place| place.distance_km(position));
    let Some(km) = apart.min_by(f64::total_cmp) else {
        return;
    };
    if km > CITY_KM {
        let says = format!(
            "Operator {id} says it is in {}, and its coordinates lie {km:.0} km from there.",
            claim.city
        );
        found
            .add(Rule::OtherCity, Subject::Operator(id), says)
            .because(written);
    }
}

/// Where the cities of the claimed name lie.
fn called(claim: &Claim) -> Vec<Position> {
    let Some(named) = cities::find(&format!("{},{}", claim.city, claim.country)) else {
        return Vec::new();
    };
    cities::table().called(&named).map(|city| city.position).collect()
}

/// The claimed country's city that a place lies at, if it lies at one.
fn fits(claim: &Claim, position: Position) -> Option<String> {
    let nearest = match country(&claim.country) {
        Some(claimed) => cities::table().nearest_of(claimed, position),
        None => cities::table().nearest(position),
    };
    let (city, _) = nearest.filter(|(_, km)| *km <= NEAR_KM)?;
    Some(format!("{}, {}", city.name, city.country))
}

fn areas(family: &Family, id: OperatorId, here: &Whereabouts, found: &mut Found) {
    if family.areas.is_empty() {
        return; // said of the family
    }
    if family.areas.iter().any(|area| here.is_in(area)) {
        return;
    }
    let areas: Vec<String> = family.areas.iter().take(6).map(words).collect();
    let more = if family.areas.len() > areas.len() {
        ", …"
    } else {
        ""
    };
    let says = format!(
        "Operator {id} serves {} from {}, {}, which is none of the family's areas.",
        family.label(),
        here.city.name,
        here.city.country.name()
    );
    found
        .add(Rule::OutsideAreas, Subject::Operator(id), says)
        .because(format!("The family's areas: {}{more}.", areas.join(", ")));
}

fn measured(id: OperatorId, claim: &Claim, facts: &Facts, found: &mut Found) {
    let Some(misplaced) = facts.misplaced.get(&id) else {
        return;
    };
    let place = claim.position().and_then(Whereabouts::at);
    let place = place.map_or_else(String::new, |here| {
        format!(", near {}, {},", here.city.name, here.city.country.name())
    });
    let says = format!(
        "The node of operator {id} cannot stand where the chain says{place} for it answers sooner than light would."
    );
    let finding = found.add(Rule::Measured, Subject::Operator(id), says);
    for witness in &misplaced.witnesses {
        finding.because(witness);
    }
    if let Some(meant) = misplaced.meant {
        finding.because(format!("Meant to be {}? Every witness fits that.", near(meant)));
    } else if let Some(probably) = misplaced.probably {
        finding.because(format!("It probably stands {}.", near(probably)));
    }
}

fn near(position: Position) -> String {
    let at = format!("{:.2}, {:.2}", position.latitude(), position.longitude());
    match Whereabouts::at(position) {
        Some(here) => format!("{at}, near {}, {}", here.city.name, here.city.country.name()),
        None => at,
    }
}
