//! A survey of named sites: who claims to stand where, what was measured between them, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Anycast, Bestline, Disc, Estimate, Located, Location, Verdict, anycast, estimate, locate, violates,
};
use crate::files::Mesh;
use crate::light::least_ms;
use crate::note::Note;
use crate::observations::{Observations, Readings, Source, Statistic, Window};
use crate::predict::{Measured, Place};

/// Named sites and the times between them.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Where the times come from.
    pub source: Source,
    /// The window of time they lie in, if it is known.
    pub window: Option<Window>,
    /// What one number says about a pair. Whatever it is, it is never shorter than the shortest time.
    pub statistic: Statistic,
    /// The sites, in any order.
    pub sites: Vec<Site>,
    /// Raw round-trip times between them: nothing subtracted.
    pub pairs: Vec<Measured>,
    /// What a reader must know of how they were read.
    pub notes: Vec<Note>,
}

/// A site that claims a place.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Its name, unique in its kind.
    pub name: String,
    /// What it is.
    pub kind: SiteKind,
    /// The claimed place's name; empty: coordinates alone.
    pub site: String,
    /// Where it claims to stand, and its network.
    pub place: Place,
}

/// What stands at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SiteKind {
    /// A row of a file.
    Site,
    /// A probe.
    Probe,
    /// A node.
    Node,
}

impl SiteKind {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Probe => "probe",
            Self::Node => "node",
        }
    }
}

/// What a survey says of each site, and of all together.
#[derive(Clone, Debug)]
pub struct Surveyed {
    /// What was looked at.
    pub survey: Survey,
    /// What follows, by site.
    pub location: Location,
    /// What is told beside it of each site that is impossible: by its index.
    pub impossible: BTreeMap<usize, Misplaced>,
    /// Sites that answer from several places.
    pub anycast: Vec<Anycast>,
}

/// A site that cannot stand where it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Misplaced {
    /// Who says so, and by what; in the order of the site's witnesses.
    pub contradictions: Vec<Contradiction>,
    /// Where it probably stands.
    pub estimate: Option<Estimate>,
}

/// A witness that was answered sooner than light allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contradiction {
    /// Its index.
    pub witness: usize,
    /// What it measured, in milliseconds.
    pub rtt_ms: f64,
    /// How far away the site claims to stand.
    pub km: f64,
    /// What light in fibre needs for that, in milliseconds.
    pub least_ms: f64,
}

impl Survey {
    /// All sites of two files.
    #[must_use]
    pub fn of_mesh(mesh: Mesh) -> Self {
        let sites = mesh.names.into_iter().zip(mesh.places);
        Self {
            source: Source::Files,
            window: None,
            statistic: mesh.statistic,
            sites: sites
                .map(|(name, place)| Site {
                    name,
                    kind: SiteKind::Site,
                    site: String::new(),
                    place,
                })
                .collect(),
            pairs: mesh.pairs,
            notes: mesh.notes,
        }
    }

    /// Judges every claimed place; `sure` are sites whose place is known from elsewhere. Of times or places that are wrong as
    /// a whole none is taken.
    #[must_use]
    pub fn judge(self, sure: &[usize]) -> Surveyed {
        let places: Vec<Place> = self.sites.iter().map(|site| site.place).collect();
        let believed = !self.notes.iter().any(Note::is_grave);
        let pairs = if believed { self.pairs.as_slice() } else { &[] };
        let location = locate(&places, pairs, sure);
        let anycast = anycast(&places, pairs, &location);
        let lines = Lines::new(&places, pairs, &location);
        let impossible = (0..places.len())
            .filter(|&site| location.sites[site].verdict == Verdict::Impossible)
            .map(|site| (site, lines.misplaced(site, &location.sites[site])))
            .collect();
        Surveyed {
            survey: self,
            location,
            impossible,
            anycast,
        }
    }
}

/// What each witness's times say of distance.
struct Lines<'a> {
    places: &'a [Place],
    /// By site: its partners and the time to each.
    partners: Vec<BTreeMap<usize, f64>>,
    suspects: &'a [usize],
}

impl<'a> Lines<'a> {
    fn new(places: &'a [Place], pairs: &[Measured], location: &'a Location) -> Self {
        let mut partners = vec![BTreeMap::new(); places.len()];
        for pair in pairs {
            for (site, other) in [(pair.a, pair.b), (pair.b, pair.a)] {
                let shortest: &mut f64 = partners[site].entry(other).or_insert(pair.rtt_ms);
                *shortest = shortest.min(pair.rtt_ms);
            }
        }
        Self {
            places,
            partners,
            suspects: &location.suspects,
        }
    }

    fn km(&self, a: usize, b: usize) -> f64 {
        self.places[a].position.distance_km(self.places[b].position)
    }

    /// Those whom nothing is held against, with their times to a site.
    fn honest(&self, site: usize) -> impl Iterator<Item = (usize, f64)> {
        let partners = self.partners[site].iter().map(|(other, ms)| (*other, *ms));
        partners.filter(|(other, _)| self.suspects.binary_search(other).is_err())
    }

    fn misplaced(&self, site: usize, located: &Located) -> Misplaced {
        let contradiction = |&witness: &usize| {
            let km = self.km(site, witness);
            Contradiction {
                witness,
                rtt_ms: self.partners[site].get(&witness).copied().unwrap_or(f64::NAN),
                km,
                least_ms: least_ms(km),
            }
        };
        let discs: Vec<Disc> = self
            .honest(site)
            .map(|(witness, rtt_ms)| {
                let seen = self.honest(witness).filter(|(other, _)| *other != site);
                let seen: Vec<(f64, f64)> = seen.map(|(other, ms)| (self.km(witness, other), ms)).collect();
                Disc {
                    centre: self.places[witness].position,
                    radius_km: Bestline::under(&seen).most_km(rtt_ms),
                }
            })
            .collect();
        Misplaced {
            contradictions: located.witnesses.iter().map(contradiction).collect(),
            estimate: estimate(&discs),
        }
    }
}

/// What of observations cannot stand where it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impossible {
    /// Indices into [`Observations::nodes`], ascending.
    pub nodes: Vec<usize>,
    /// Indices into [`Observations::vantages`], ascending.
    pub vantages: Vec<usize>,
    /// So many places contradict the times that not the places are at fault, but the times: of a mesh on one machine,
    /// or of files that do not belong together. Then nobody is named above; this is how many sites it would be.
    pub too_many: usize,
    /// Sites that contradict each other while nobody decides between them, by name, in order.
    pub undecided: Vec<String>,
}

/// The nodes and vantages of observations that cannot stand where they say: by all that was measured between sites if
/// that is given, otherwise by the times between vantages and nodes alone. A vantage says nothing of its own node. A
/// site that is vantage and node of a file counts once.
#[must_use]
pub fn impossible(observations: &Observations, mesh: Option<&Mesh>) -> Impossible {
    match mesh {
        Some(mesh) => {
            let at = |name: &String| mesh.names.iter().position(|site| site == name);
            let numbered = Numbered {
                nodes: observations.nodes.iter().map(|node| at(&node.name)).collect(),
                vantages: observations
                    .vantages
                    .iter()
                    .map(|vantage| at(&vantage.name))
                    .collect(),
            };
            numbered.accused(observations, &mesh.places, &mesh.pairs)
        }
        None => of_vantages_and_nodes(observations),
    }
}

/// The same by a whole survey: what probes measured among each other counts too, as it does where places are judged by
/// themselves.
#[must_use]
pub fn impossible_by(observations: &Observations, survey: &Survey) -> Impossible {
    let at = |name: &str, kind: SiteKind| {
        let same = |site: &Site| site.kind == kind && site.name == name;
        survey.sites.iter().position(same)
    };
    let (nodes, vantages) = (observations.nodes.iter(), observations.vantages.iter());
    let places: Vec<Place> = survey.sites.iter().map(|site| site.place).collect();
    let numbered = Numbered {
        nodes: nodes.map(|node| at(&node.name, SiteKind::Node)).collect(),
        vantages: vantages
            .map(|vantage| at(&vantage.name, SiteKind::Probe))
            .collect(),
    };
    numbered.accused(observations, &places, &survey.pairs)
}

fn of_vantages_and_nodes(observations: &Observations) -> Impossible {
    let mut places: Vec<Place> = observations
        .vantages
        .iter()
        .map(|vantage| Place {
            position: vantage.position,
            network: vantage.network,
        })
        .collect();
    let mut nodes: Vec<Option<usize>> = Vec::with_capacity(observations.nodes.len());
    for node in &observations.nodes {
        let same_site = |name: &String| observations.source == Source::Files && *name == node.name;
        let known = observations
            .vantages
            .iter()
            .position(|vantage| same_site(&vantage.name));
        nodes.push(known.or_else(|| {
            let position = node.position?;
            places.push(Place {
                position,
                network: None,
            });
            Some(places.len() - 1)
        }));
    }
    let pairs: Vec<Measured> = shortest_ms(observations)
        .into_iter()
        .filter(|((vantage, node), _)| !observations.vantages[*vantage].owns(&observations.nodes[*node]))
        .filter_map(|((vantage, node), rtt_ms)| {
            let (a, b) = (vantage, nodes[node]?);
            Some(Measured { a, b, rtt_ms })
        })
        .collect();
    let vantages = (0..observations.vantages.len()).map(Some).collect();
    Numbered { nodes, vantages }.accused(observations, &places, &pairs)
}

/// So many accuse each other by a single time.
const PAIR: usize = 2;

/// Which of the places that are judged each node and each vantage has.
struct Numbered {
    nodes: Vec<Option<usize>>,
    vantages: Vec<Option<usize>>,
}

impl Numbered {
    fn accused(&self, observations: &Observations, places: &[Place], pairs: &[Measured]) -> Impossible {
        let sites = locate(places, pairs, &[]).sites;
        let is_impossible = |site: usize| sites[site].verdict == Verdict::Impossible;
        let measured: BTreeSet<usize> = pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
        let of = |numbers: &[Option<usize>], holds: &dyn Fn(usize) -> bool| -> Vec<usize> {
            let holding = numbers
                .iter()
                .enumerate()
                .filter(|(_, site)| site.is_some_and(holds));
            holding.map(|(at, _)| at).collect()
        };
        let contradicts = |pair: &&Measured| {
            let is_explained = is_impossible(pair.a) || is_impossible(pair.b);
            !is_explained && violates(places[pair.a].position, places[pair.b].position, pair.rtt_ms)
        };
        let open: BTreeSet<usize> = pairs
            .iter()
            .filter(contradicts)
            .flat_map(|pair| [pair.a, pair.b])
            .collect();
        let is_open = |site: usize| open.contains(&site);
        let is_accused = |site: &&usize| is_impossible(**site) || is_open(**site);
        let accused = measured.iter().filter(is_accused).count();
        if accused > PAIR && 2 * accused >= measured.len() {
            return Impossible {
                too_many: accused,
                ..Impossible::default()
            };
        }
        let nodes = of(&self.nodes, &is_open).into_iter();
        let vantages = of(&self.vantages, &is_open).into_iter();
        let undecided: BTreeSet<String> = nodes
            .map(|node| observations.nodes[node].name.clone())
            .chain(vantages.map(|vantage| observations.vantages[vantage].name.clone()))
            .collect();
        Impossible {
            nodes: of(&self.nodes, &is_impossible),
            vantages: of(&self.vantages, &is_impossible),
            too_many: 0,
            undecided: undecided.into_iter().collect(),
        }
    }
}

/// By vantage and node: the shortest time that was measured, in milliseconds.
fn shortest_ms(observations: &Observations) -> BTreeMap<(usize, usize), f64> {
    let mut shortest = BTreeMap::new();
    let mut seen = |pair: (usize, usize), ms: f64| {
        let known = shortest.entry(pair).or_insert(ms);
        *known = ms.min(*known);
    };
    match &observations.readings {
        Readings::Days(days) => {
            for day in days {
                if let Some(us) = day.rtt.times.min_us() {
                    seen((day.vantage, day.node), us / 1_000.0);
                }
            }
        }
        Readings::Single { values, .. } => {
            values
                .iter()
                .for_each(|value| seen((value.vantage, value.node), value.rtt_ms));
        }
    }
    shortest
}

#[cfg(test)]
mod tests;
