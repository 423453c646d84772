//! Where an eye would tell most: all cities against the candidates of the next node.

use std::collections::BTreeSet;

use super::candidates::{Spot, city};
use super::scene::Scene;
use crate::country::Country;
use crate::gaps::{Asked, Contest, Eye, SHORTLIST, Table, choose};
use crate::geo::Position;
use crate::note::Note;
use crate::observations::{Network, Observations, Vantage};
use crate::predict::{ENDS, Place, Point};
use crate::report::forecast::{Cell, Fitted, Further, Known, gather};
use crate::report::gaps::{Contender, Gaps, NothingToRank, WantedEye};
use crate::report::notes;
use crate::report::trust::Trust;
use crate::report::{Interval, Options, ReportError};

/// Degrees a cell is wide, as where nodes are counted.
const DEGREES: f64 = 4.0;
/// So many of the heaviest cells may get an eye.
const CELLS: usize = 600;
/// Within this of an eye or a vantage that measured already another one is not asked for.
const KNOWN_KM: f64 = 100.0;
/// Intervals of countries in which nothing is known are so many times as wide.
const UNSEEN: f64 = 1.5;
/// More are chosen than are asked for: some cells are called by one city.
const SPARE: usize = 5;

/// What to measure next: at most so many eyes.
///
/// # Errors
/// The observations or options contradict themselves; the error says where.
pub fn what_to_measure(
    observations: &Observations,
    options: &Options,
    most: usize,
) -> Result<Gaps, ReportError> {
    let scene = Scene::new(observations, options)?;
    let empty = |why_not: NothingToRank| Gaps {
        nodes: scene.nodes(),
        vantages: scene.measuring(),
        known_eyes: scene.prepared.eyes.len(),
        contenders: Vec::new(),
        eyes: Vec::new(),
        unseen: Vec::new(),
        why_not: Some(why_not),
    };
    let found = notes::of(&scene.prepared, observations, options);
    if observations.notes.iter().chain(&found).any(Note::is_grave) {
        return Ok(empty(NothingToRank::NotBelieved));
    }
    if scene.measuring() == 0 {
        return Ok(empty(NothingToRank::NotMeasured));
    }
    let Some(world) = World::new(&scene) else {
        return Ok(empty(NothingToRank::NotPredicted));
    };
    if world.spots.is_empty() {
        return Ok(empty(NothingToRank::NoCandidate));
    }
    Ok(Gaps {
        why_not: None,
        unseen: world.trust.unseen(),
        ..world.ranked(empty(NothingToRank::NoCandidate), &scene, most)
    })
}

/// Cells, nodes and candidates, and the times between them.
struct World {
    cells: Vec<Cell>,
    weights: Vec<f64>,
    spots: Vec<Spot>,
    nodes: usize,
    table: Table,
    trust: Trust,
}

impl World {
    fn new(scene: &Scene<'_>) -> Option<Self> {
        let prepared = &scene.prepared;
        let vantages: Vec<&Vantage> = scene.members.iter().map(|&one| prepared.vantages[one]).collect();
        let further = Further {
            mesh: scene.options.mesh.as_ref(),
            echoes: &prepared.between(&scene.members, scene.statistic),
            eyes: &prepared.eyes,
            candidates: &scene.options.candidates,
        };
        let time = |vantage: usize, node: usize| scene.ms(vantage, node);
        let known = Known::new(&vantages, &prepared.nodes, further, time);
        let fitted = known.fit(scene.options.prior.get()).ok()?;
        let trust = Trust::new(&fitted.measured, scene.options.prior.get(), &scene.places);
        let cells = gather(&scene.places, DEGREES);
        let spots = scene.candidates(&cells, &fitted, &trust);
        let placed = fitted.placed();
        let sites: Vec<(Place, Point)> = placed
            .iter()
            .map(|(_, place, point)| (*place, point.clone()))
            .chain(spots.iter().map(|spot| seen(&fitted, spot)))
            .collect();
        let cities: Vec<(Place, Point)> = cells
            .iter()
            .map(|cell| {
                let place = at(cell.position);
                (place, fitted.predictor.at(&place))
            })
            .collect();
        let mut table = Table::new(&fitted.predictor, &cities, &sites);
        for (number, cell) in cells.iter().enumerate() {
            table.widen(number, trust.widened(cell.country).unwrap_or(UNSEEN));
            let Some(speaker) = cell.speaker else { continue };
            for (site, (node, ..)) in placed.iter().enumerate() {
                if let Some(ms) = scene.ms(speaker, *node) {
                    table.around(number, site, ms);
                }
            }
        }
        Some(Self {
            weights: cells.iter().map(|cell| cell.weight).collect(),
            nodes: placed.len(),
            cells,
            spots,
            table,
            trust,
        })
    }

    fn ranked(&self, empty: Gaps, scene: &Scene<'_>, most: usize) -> Gaps {
        let of = self.table.scene(&self.weights, self.nodes);
        let contest = Contest::new(&of);
        let short = contest.shortlist(SHORTLIST);
        let cities = self.strangers(scene);
        let asked = Asked {
            cities: &cities,
            candidates: &short,
            most: most.saturating_mul(2).saturating_add(SPARE),
        };
        let contender = |&site: &usize| {
            let (spot, gain) = (&self.spots[site - self.nodes], contest.gains[site - self.nodes]);
            Contender {
                place: spot.name.clone(),
                position: spot.position,
                country: spot.country,
                gain_ms: gain.mean_ms,
                deviation_ms: gain.deviation_ms,
                candidate: spot.candidate.clone(),
                eyes: spot.eyes,
            }
        };
        let best = contest.best().unwrap_or(self.nodes);
        let (mut eyes, mut named) = (Vec::<WantedEye>::new(), BTreeSet::new());
        for eye in choose(&of, &contest, &asked) {
            let wanted = self.wanted(&eye, best, scene);
            let has_room = eyes.len() < most;
            eyes.extend(wanted.filter(|eye| has_room && named.insert(eye.place.clone())));
        }
        Gaps {
            contenders: short.iter().map(contender).collect(),
            eyes,
            ..empty
        }
    }

    /// The heaviest cells for which no vantage speaks and in which no eye stands.
    fn strangers(&self, scene: &Scene<'_>) -> Vec<usize> {
        let eyes: Vec<Position> = scene.prepared.eyes.iter().map(|eye| eye.position).collect();
        let is_open = |&number: &usize| {
            let cell = &self.cells[number];
            let near = |eye: &Position| eye.distance_km(cell.position) <= KNOWN_KM;
            cell.is_silent() && cell.country.is_some() && !eyes.iter().any(near)
        };
        let mut open: Vec<usize> = (0..self.cells.len()).filter(is_open).collect();
        open.sort_by(|&a, &b| self.weights[b].total_cmp(&self.weights[a]));
        open.truncate(CELLS);
        open
    }

    fn wanted(&self, eye: &Eye, best: usize, scene: &Scene<'_>) -> Option<WantedEye> {
        let (cell, of) = (&self.cells[eye.city], self.table.scene(&self.weights, self.nodes));
        let country = cell.country?;
        let (place, position) = city(cell.position, cell.country)?;
        let both = [best, eye.rival];
        let toward = usize::from(of.deviation(eye.city, both[1]) > of.deviation(eye.city, both[0]));
        let (ms, deviation) = (
            of.time(eye.city, both[toward]),
            of.deviation(eye.city, both[toward]),
        );
        let floor = crate::light::least_ms(
            cell.position
                .distance_km(self.spots[both[toward] - self.nodes].position),
        );
        Some(WantedEye {
            city: place
                .rsplit_once(", ")
                .map_or_else(|| place.clone(), |(city, _)| city.to_owned()),
            share: cell.weight / scene.total_weight(),
            worth_ms: eye.worth_ms,
            between: both.map(|site| self.spots[site - self.nodes].name.clone()),
            toward,
            now: Interval {
                low: (ms - ENDS * deviation).max(floor),
                high: ms + ENDS * deviation,
            },
            known_networks: known_networks(scene, country, position),
            networks: Vec::new(),
            place,
            position,
            country,
        })
    }
}

/// Networks that are known in a city of a country already, each once.
fn known_networks(scene: &Scene<'_>, country: Country, here: Position) -> Vec<Network> {
    let vantages = scene.prepared.vantages.iter();
    let vantages = vantages.map(|one| (one.country, one.position, one.network));
    let eyes = scene.prepared.eyes.iter();
    let all = vantages.chain(eyes.map(|eye| (eye.country, eye.position, eye.network)));
    let near =
        all.filter(|(of, position, _)| *of == Some(country) && position.distance_km(here) <= 3.0 * KNOWN_KM);
    let mut known: Vec<Network> = Vec::new();
    for network in near.filter_map(|(_, _, network)| network) {
        if !known.contains(&network) {
            known.push(network);
        }
    }
    known
}

fn at(position: Position) -> Place {
    Place {
        position,
        network: None,
    }
}

fn seen(fitted: &Fitted, spot: &Spot) -> (Place, Point) {
    let place = at(spot.position);
    let point = match &spot.site {
        Some(site) => fitted.predictor.site(site.at),
        None => fitted.predictor.at(&place),
    };
    (place, point)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{node, small_world, vantage};
    use crate::observations::{AccessClass, CandidateSite, CandidateTime, EyeSource, EyeTime, Readings};
    use crate::predict::PriorChoice;
    use crate::weights::Weights;

    fn options() -> Options {
        Options {
            replicates: 40,
            ..Options::new(Weights::people())
        }
    }

    fn eye(place: &str, rtt_ms: f64) -> crate::observations::Eye {
        let of = vantage("", place);
        let time = |node: usize| EyeTime {
            node,
            rtt_ms,
            least_ms: None,
            age_days: 0.0,
            answers: 1,
        };
        crate::observations::Eye {
            name: place.to_owned(),
            source: EyeSource::Atlas,
            site: place.to_owned(),
            position: of.position,
            network: Some(Network(64_511)),
            country: of.country,
            access: AccessClass::Eyeball,
            times: (0..3).map(time).collect(),
        }
    }

    fn candidate(place: &str, times: &[(&str, f64)]) -> CandidateSite {
        let at = node("", place);
        let time = |&(eye, rtt_ms): &(&str, f64)| CandidateTime {
            source: EyeSource::Atlas,
            eye: eye.to_owned(),
            rtt_ms,
            age_days: 0.0,
            answers: 1,
        };
        CandidateSite {
            name: "provider".to_owned(),
            place: place.to_owned(),
            position: at.position.unwrap(),
            country: at.country,
            own: Vec::new(),
            times: times.iter().map(time).collect(),
        }
    }

    #[test]
    fn eyes_are_asked_for_where_people_are_and_nobody_measured_and_the_first_is_worth_most() {
        let gaps = what_to_measure(&small_world(), &options(), 20).unwrap();
        assert_eq!((gaps.why_not, gaps.vantages, gaps.nodes), (None, 3, 3));
        assert_eq!((gaps.eyes.len(), gaps.contenders.len()), (20, SHORTLIST));
        let names: BTreeSet<&str> = gaps.eyes.iter().map(|eye| &*eye.place).collect();
        assert_eq!(names.len(), 20, "{names:?}");
        let worth: f64 = gaps.eyes.iter().map(|eye| eye.worth_ms).sum();
        assert!(
            gaps.eyes[0].worth_ms > worth / 20.0,
            "the first is above the mean"
        );
        for eye in &gaps.eyes {
            assert!(eye.now.low < eye.now.high && eye.worth_ms >= 0.0, "{eye:?}");
            for vantage in &small_world().vantages {
                assert!(
                    vantage.position.distance_km(eye.position) > KNOWN_KM / 2.0,
                    "{eye:?}"
                );
            }
        }
        assert!(gaps.unseen.iter().any(|one| one.country.as_str() == "CN"));
        assert_eq!(
            gaps,
            what_to_measure(&small_world(), &options(), 20).unwrap(),
            "no chance in it"
        );
        assert_eq!(
            what_to_measure(&small_world(), &options(), 3).unwrap().eyes,
            gaps.eyes[..3]
        );
    }

    #[test]
    fn where_an_eye_stands_no_other_is_asked_for_and_its_network_is_known() {
        let before = what_to_measure(&small_world(), &options(), 5).unwrap();
        let first = before.eyes[0].place.clone();
        let mut world = small_world();
        world.eyes = vec![eye(&first, 240.0)];
        let after = what_to_measure(&world, &options(), 5).unwrap();
        assert_eq!(after.known_eyes, 1);
        assert!(
            after.eyes.iter().all(|eye| eye.place != first),
            "{:?}",
            after.eyes
        );
        let (options, wanted) = (options(), &before.eyes[0]);
        let scene = Scene::new(&world, &options).unwrap();
        let known = |country: &str| known_networks(&scene, Country::code(country).unwrap(), wanted.position);
        assert_eq!(known(wanted.country.as_str()), [Network(64_511)]);
        assert_eq!(known("FJ"), [], "another country's network is none of this one's");
    }

    #[test]
    fn candidate_that_eyes_measured_is_a_measured_city_whose_gain_rests_on_their_times() {
        let mut world = small_world();
        world.eyes = vec![
            eye("Delhi, IN", 200.0),
            eye("Mumbai, IN", 210.0),
            eye("Lahore, PK", 220.0),
        ];
        let gain = |ms: f64| {
            let of_eyes = [("Delhi, IN", ms), ("Mumbai, IN", ms), ("Lahore, PK", ms)];
            let options = Options {
                candidates: vec![candidate("Delhi, IN", &of_eyes)],
                count: Some(crate::count::Thresholds::default()),
                ..options()
            };
            let gaps = what_to_measure(&world, &options, 1).unwrap();
            let mut random: rand::rngs::StdRng = rand::SeedableRng::seed_from_u64(7);
            let counted = crate::report::build(&world, &options, &mut random);
            let next = counted.unwrap().count.unwrap().next.unwrap();
            let mut cities = std::iter::once(next.best).chain(next.runners_up);
            let priced = cities.find(|city| city.place == "Delhi, IN");
            let ranked = gaps.contenders.into_iter().find(|city| city.place == "Delhi, IN");
            (ranked, priced)
        };
        let (ranked, priced) = gain(8.0);
        let ranked = ranked.unwrap();
        assert_eq!((ranked.eyes, ranked.candidate.as_deref()), (3, Some("provider")));
        let near = priced.unwrap();
        assert_eq!((near.eyes, near.site.as_deref()), (3, Some("provider")));
        let far = gain(230.0).1.map_or(0.0, |city| city.gain_ms);
        assert!(near.gain_ms > far + 1.0, "{} {far}", near.gain_ms);
    }

    #[test]
    fn where_nothing_can_be_ranked_the_reason_is_given() {
        let mut world = small_world();
        world.readings = Readings::Days(Vec::new());
        let gaps = what_to_measure(&world, &options(), 5).unwrap();
        assert_eq!(
            (gaps.why_not, gaps.eyes.len()),
            (Some(NothingToRank::NotMeasured), 0)
        );
        let alone = Options {
            prior: PriorChoice::None,
            ..options()
        };
        let gaps = what_to_measure(&small_world(), &alone, 5).unwrap();
        assert_eq!(gaps.why_not, Some(NothingToRank::NotPredicted));
    }
}
