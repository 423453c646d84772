//! Sureness carried outwards: who answered a sure site in time t stands within t · c / 3 of it.

use super::{Located, Verdict, World};
use crate::light::most_km;

/// Confirms whom a chain of times reaches from a sure site; radii add up along the way.
pub(super) fn confirm(world: &World<'_>, sites: &mut [Located]) {
    let mut reached = vec![(f64::INFINITY, 0); sites.len()];
    let fits = |site: &usize| match sites[*site].verdict {
        Verdict::Impossible => false,
        _ => sites[*site].violations == 0 || world.sure.contains(site),
    };
    let mut open: Vec<usize> = (0..sites.len()).filter(fits).collect();
    for &site in world.sure.iter().filter(|site| open.contains(site)) {
        reached[site] = (0.0, site);
    }
    while let Some((at, &site)) = open
        .iter()
        .enumerate()
        .min_by(|a, b| reached[*a.1].0.total_cmp(&reached[*b.1].0))
    {
        let (radius_km, root) = reached[site];
        if radius_km.is_infinite() {
            break;
        }
        open.swap_remove(at);
        sites[site].verdict = Verdict::Confirmed { radius_km, root };
        for &(partner, rtt_ms) in &world.partners[site] {
            let through = radius_km + most_km(rtt_ms);
            if open.contains(&partner) && through < reached[partner].0 {
                reached[partner] = (through, root);
                sites[partner].witnesses = vec![site];
            }
        }
    }
}
