//! Areas: sites that lie together, to be left out together.

use super::kernel::Spot;
use crate::geo::UnitVector;

const ROUNDS: usize = 40;

/// Into at most `count` areas: for each spot the number of its area. The same spots always make the same areas.
pub(super) fn areas(spots: &[Spot], count: usize) -> Vec<usize> {
    let count = count.min(spots.len());
    // Evenly spread over the list: areas are small where sites are many.
    let mut centres: Vec<UnitVector> = (0..count)
        .map(|at| spots[at * spots.len() / count].unit())
        .collect();
    let mut area = vec![0; spots.len()];
    for _ in 0..ROUNDS {
        let next: Vec<usize> = spots.iter().map(|spot| nearest(&centres, spot.unit())).collect();
        let settled = next == area;
        area = next;
        for (at, centre) in centres.iter_mut().enumerate() {
            let members = spots.iter().zip(&area).filter(|(_, area)| **area == at);
            if let Some(mean) = UnitVector::mean(members.map(|(spot, _)| spot.unit())) {
                *centre = mean;
            }
        }
        if settled {
            break;
        }
    }
    area
}

fn nearest(centres: &[UnitVector], unit: UnitVector) -> usize {
    let chord = |at: &usize| centres[*at].chord_squared(unit);
    (0..centres.len())
        .min_by(|a, b| chord(a).total_cmp(&chord(b)))
        .unwrap_or(0)
}

/// The members of each area that has any.
pub(super) fn members(area: &[usize]) -> Vec<Vec<usize>> {
    let count = area.iter().max().map_or(0, |most| most + 1);
    let mut members = vec![Vec::new(); count];
    for (spot, &area) in area.iter().enumerate() {
        members[area].push(spot);
    }
    members.retain(|spots| !spots.is_empty());
    members
}
