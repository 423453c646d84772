//! Is a site where it says it is? Light gives the only hard bound: an answer that came back in time t came from at
//! most t · c / 3 away.
//!
//! A pair violates when its claimed places lie farther apart than that, with some slack. Light accuses a pair, never
//! a site: the smallest set of sites whose wrong places explain all violations is looked for, and a site is called
//! impossible only where two witnesses from different places or networks contradict it. No violation proves nothing,
//! for a site can answer late: the radius that is published is what the nearest witness proves, if that witness
//! stands where it says. Method and sources: docs/coverage.md.

mod anycast;
mod confirm;
mod cover;
mod eyes;
mod fit;
mod region;
mod survey;
mod typo;

pub use anycast::{Anycast, anycast};
pub use eyes::{EyeContradiction, EyeLocated, EyeVerdict, contradicted_by, judge_eye};
pub use region::{Bestline, Disc, Estimate, Region, estimate};
pub use survey::{
    Contradiction, Impossible, Misplaced, Site, SiteKind, Survey, Surveyed, impossible, impossible_by,
};
pub use typo::{Suggestion, Typo};

use crate::geo::Position;
use crate::light::most_km;
use crate::predict::{Measured, Place};
use cover::Cover;

/// So many kilometres more than light allows are forgiven: coordinates are those of a city, not of a rack.
pub const SLACK_KM: f64 = 50.0;
/// Witnesses farther apart than this, or in different networks, are independent.
pub const APART_KM: f64 = 50.0;
/// So many independent witnesses call a place impossible.
pub const LEAST_WITNESSES: usize = 2;

/// What can be said about one site's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Located {
    /// The verdict.
    pub verdict: Verdict,
    /// What bears it out, nearest first: for an impossible place those that contradict it, otherwise the one that
    /// proves the radius.
    pub witnesses: Vec<usize>,
    /// Pairs of the site that light forbids.
    pub violations: usize,
    /// What the place may have been meant to be, if it is impossible.
    pub suggestion: Option<Suggestion>,
}

/// Whether a site can be where it says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// It cannot: at least two independent witnesses were answered too soon, or one that is sure.
    Impossible,
    /// It can; it could be anywhere within so many kilometres of its nearest witness.
    Consistent {
        /// What the nearest witness proves, if it stands where it says.
        radius_km: f64,
    },
    /// It stands within so many kilometres of a site whose place is sure: not of its own claim.
    Confirmed {
        /// As many.
        radius_km: f64,
        /// The site that is sure.
        root: usize,
    },
    /// Nobody measured it, or only those that contradict each other.
    Unknown,
}

impl Verdict {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Impossible => "impossible",
            Self::Consistent { .. } => "consistent",
            Self::Confirmed { .. } => "confirmed",
            Self::Unknown => "unknown",
        }
    }

    /// The provable radius, if there is one.
    #[must_use]
    pub fn radius_km(self) -> Option<f64> {
        match self {
            Self::Consistent { radius_km } | Self::Confirmed { radius_km, .. } => Some(radius_km),
            Self::Impossible | Self::Unknown => None,
        }
    }
}

/// What can be said about all sites.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// By site, in the order they were given in.
    pub sites: Vec<Located>,
    /// The smallest set of sites whose wrong places explain all violations, none of them sure; ascending. Of several such
    /// sets the one whose times follow the claimed distances least.
    pub suspects: Vec<usize>,
    /// Whether no smaller set can explain them.
    pub smallest: bool,
}

impl Located {
    /// The site whose surroundings the radius bounds, if there is one: what is sure, or else the nearest witness.
    #[must_use]
    pub fn centre(&self) -> Option<usize> {
        match self.verdict {
            Verdict::Confirmed { root, .. } => Some(root),
            Verdict::Consistent { .. } => self.witnesses.first().copied(),
            Verdict::Impossible | Verdict::Unknown => None,
        }
    }
}

/// Judges claimed places by the times between them: raw round-trip times, with nothing subtracted. `sure` are sites
/// whose place is known from elsewhere: they are never suspected, one of them suffices as witness, and nobody else
/// confirms. Of sure sites that contradict each other none is.
#[must_use]
pub fn locate(places: &[Place], pairs: &[Measured], sure: &[usize]) -> Location {
    let world = World::new(places, pairs, sure);
    let cover = world.suspects();
    let located = |site| world.located(site, &cover.sites);
    let mut sites: Vec<Located> = (0..places.len()).map(located).collect();
    world.doubt(&mut sites);
    confirm::confirm(&world, &mut sites);
    for (site, located) in sites.iter_mut().enumerate() {
        if located.verdict == Verdict::Impossible {
            located.suggestion = typo::suggest(&world, site, &cover.sites);
        }
    }
    Location {
        sites,
        suspects: cover.sites,
        smallest: cover.smallest,
    }
}

/// Claimed places, and who measured whom.
struct World<'a> {
    places: &'a [Place],
    /// By site: its partners with the time between them, the shortest first.
    partners: Vec<Vec<(usize, f64)>>,
    violations: Vec<(usize, usize)>,
    /// Sites whose place is known from elsewhere.
    sure: Vec<usize>,
}

impl<'a> World<'a> {
    fn new(places: &'a [Place], pairs: &[Measured], sure: &[usize]) -> Self {
        let mut partners = vec![Vec::new(); places.len()];
        let mut violations = Vec::new();
        for pair in pairs.iter().filter(|pair| pair.a != pair.b) {
            partners[pair.a].push((pair.b, pair.rtt_ms));
            partners[pair.b].push((pair.a, pair.rtt_ms));
            if violates(places[pair.a].position, places[pair.b].position, pair.rtt_ms) {
                violations.push((pair.a.min(pair.b), pair.a.max(pair.b)));
            }
        }
        for partners in &mut partners {
            partners.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        }
        violations.sort_unstable();
        violations.dedup();
        let contradicted = |site: &usize| {
            let by_another =
                |&(a, b): &(usize, usize)| a == *site && sure.contains(&b) || b == *site && sure.contains(&a);
            violations.iter().any(by_another)
        };
        Self {
            places,
            partners,
            sure: sure.iter().copied().filter(|site| !contradicted(site)).collect(),
            violations,
        }
    }

    /// The smallest set of sites that explains all violations: whoever contradicts a sure site, and the fewest others.
    fn suspects(&self) -> Cover {
        let mut forced: Vec<usize> = self
            .violations
            .iter()
            .filter_map(|&(a, b)| match (self.sure.contains(&a), self.sure.contains(&b)) {
                (true, _) => Some(b),
                (_, true) => Some(a),
                _ => None,
            })
            .collect();
        forced.sort_unstable();
        forced.dedup();
        let open = |(a, b): &(usize, usize)| !forced.contains(a) && !forced.contains(b);
        let left: Vec<(usize, usize)> = self.violations.iter().copied().filter(open).collect();
        let mut cover = cover::smallest(&self.misfits(), &left);
        cover.sites.extend(forced);
        cover.sites.sort_unstable();
        cover
    }

    /// Whom a site's claim contradicts.
    fn against(&self, site: usize) -> Vec<usize> {
        let other = |&(a, b): &(usize, usize)| match site {
            _ if a == site => Some(b),
            _ if b == site => Some(a),
            _ => None,
        };
        self.violations.iter().filter_map(other).collect()
    }

    fn located(&self, site: usize, suspects: &[usize]) -> Located {
        let suspected = |site: &usize| suspects.binary_search(site).is_ok();
        let against = self.against(site);
        let violations = against.len();
        let honest = |&(witness, _): &(usize, f64)| !suspected(&witness) && !against.contains(&witness);
        let mut nearest = self.partners[site].iter().copied().filter(honest);
        let (verdict, witnesses) = if suspected(&site) {
            let mut against: Vec<usize> = against.into_iter().filter(|other| !suspected(other)).collect();
            against.sort_by(|a, b| self.time(site, *a).total_cmp(&self.time(site, *b)));
            let one_is_sure = against.iter().any(|witness| self.sure.contains(witness));
            if one_is_sure || self.independent(&against) {
                (Verdict::Impossible, against)
            } else {
                (Verdict::Unknown, against)
            }
        } else if let Some((witness, rtt_ms)) = nearest.next() {
            let radius_km = most_km(rtt_ms);
            (Verdict::Consistent { radius_km }, vec![witness])
        } else {
            (Verdict::Unknown, Vec::new())
        };
        Located {
            verdict,
            witnesses,
            violations,
            suggestion: None,
        }
    }

    /// How little each site's times follow the distances to its partners: 0 in the same order, 2 in the opposite.
    fn misfits(&self) -> Vec<f64> {
        let misfit = |(site, partners): (usize, &Vec<(usize, f64)>)| {
            let here = self.places[site].position;
            let km: Vec<f64> = partners
                .iter()
                .map(|(other, _)| here.distance_km(self.places[*other].position))
                .collect();
            let ms: Vec<f64> = partners.iter().map(|(_, rtt_ms)| *rtt_ms).collect();
            1.0 - fit::rank_correlation(&km, &ms).unwrap_or(0.0)
        };
        self.partners.iter().enumerate().map(misfit).collect()
    }

    fn time(&self, a: usize, b: usize) -> f64 {
        let found = self.partners[a].iter().find(|partner| partner.0 == b);
        found.map_or(f64::INFINITY, |partner| partner.1)
    }

    /// Whether two of the witnesses stand in different places or networks.
    fn independent(&self, witnesses: &[usize]) -> bool {
        let mut kept: Vec<usize> = Vec::new();
        for &witness in witnesses {
            if kept.iter().all(|&other| self.apart(other, witness)) {
                kept.push(witness);
            }
        }
        kept.len() >= LEAST_WITNESSES
    }

    /// Whether two sites stand in different places or networks.
    fn apart(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.places[a], &self.places[b]);
        let networks = a.network.zip(b.network).is_some_and(|(a, b)| a != b);
        networks || a.position.distance_km(b.position) > APART_KM
    }

    /// Where two sites contradict each other and nobody else decides, nothing is known of either.
    fn doubt(&self, sites: &mut [Located]) {
        for &(a, b) in &self.violations {
            if sites[a].verdict != Verdict::Impossible && sites[b].verdict != Verdict::Impossible {
                sites[a].verdict = Verdict::Unknown;
                sites[b].verdict = Verdict::Unknown;
            }
        }
    }
}

/// Whether light forbids the time between two places.
fn violates(a: Position, b: Position, rtt_ms: f64) -> bool {
    a.distance_km(b) > most_km(rtt_ms) + SLACK_KM
}

#[cfg(test)]
mod tests;
