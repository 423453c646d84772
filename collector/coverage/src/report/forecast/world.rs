//! Cells and sites with the times that are predicted between them, ready to be drawn.

use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng as _};

use super::cells::Cell;
use crate::light::least_ms;
use crate::predict::{Draws, ENDS, Estimate, Origins, Place, Point, Predictor, SITE_KM, Together};
use crate::report::trust::Trust;

/// So many threads share the draws.
const THREADS: usize = 2;

/// Cells within reach, and the times to some sites.
pub(crate) struct World {
    pub(crate) cells: Vec<Cell>,
    /// Out of reach, or in a country that is not predicted.
    pub(crate) unknown: Vec<Cell>,
    sites: usize,
    /// The first so many sites are nodes; the others are places that might get one.
    nodes: usize,
    /// Cell after cell.
    times: Vec<Time>,
    origins: Origins,
    draws: Option<Draws>,
}

/// One predicted time; `ms` is NaN where it is unknown.
#[derive(Clone, Copy, Debug)]
struct Time {
    ms: f32,
    /// Milliseconds a usual deviation below and above.
    below: f32,
    above: f32,
    floor: f32,
    /// How much of its error is its neighbours' too, its own, and everybody's: squares add up to 1.
    alike: f32,
    own: f32,
    shared: f32,
}

/// Sites towards which times are predicted.
#[derive(Clone, Copy)]
pub(crate) struct Toward<'a> {
    /// With their places, as the predictor sees them: nodes first.
    pub(crate) sites: &'a [(Place, Point)],
    /// How many of them are nodes.
    pub(crate) nodes: usize,
    /// How many times as wide as usual the intervals towards each are.
    pub(crate) widened: &'a [f64],
}

impl World {
    pub(crate) fn new(predictor: &Predictor, cells: Vec<Cell>, toward: Toward<'_>, trust: &Trust) -> Self {
        let Toward {
            sites,
            nodes,
            widened,
        } = toward;
        let place = |cell: &Cell| Place {
            position: cell.position,
            network: None,
        };
        let places: Vec<Place> = cells.iter().map(place).collect();
        let origins = predictor.origins(&places);
        let crowded = crowded(sites);
        let mut times = Vec::with_capacity(cells.len() * sites.len());
        let mut reached = Vec::new();
        for (at, from) in places.iter().enumerate() {
            let Some(wide) = trust.widened(cells[at].country) else {
                continue;
            };
            let row = sites
                .iter()
                .zip(widened)
                .zip(&crowded)
                .map(|(((site, point), widened), crowded)| {
                    let floor = least_ms(from.position.distance_km(site.position));
                    let predicted = predictor.from_origin(&origins, at, point);
                    predicted.estimate().map_or(Time::UNKNOWN, |estimate| {
                        Time::new(predictor, estimate, (wide.max(*widened), *crowded), floor)
                    })
                });
            let row: Vec<Time> = row.collect();
            if row.iter().any(|time| !time.ms.is_nan()) {
                reached.push(at);
                times.extend(row);
            }
        }
        let (mut inside, mut unknown) = (Vec::with_capacity(reached.len()), Vec::new());
        let mut next = reached.iter().peekable();
        for (at, cell) in cells.into_iter().enumerate() {
            match next.next_if(|&&reached| reached == at) {
                Some(_) => inside.push(cell),
                None => unknown.push(cell),
            }
        }
        Self {
            origins: origins.only(&reached),
            draws: None,
            cells: inside,
            unknown,
            sites: sites.len(),
            nodes,
            times,
        }
    }

    /// Ready to be drawn; the sites are those that it was made with.
    pub(crate) fn with_draws(self, predictor: &Predictor, sites: &[(Place, Point)]) -> Self {
        let nodes = predictor.origins(&sites.iter().map(|(place, _)| *place).collect::<Vec<_>>());
        let points: Vec<&Point> = sites.iter().map(|(_, point)| point).collect();
        Self {
            draws: Some(Draws::new(&Together::new(&self.origins, &nodes, &points))),
            ..self
        }
    }

    /// The likeliest time from a cell to a site; NaN: unknown.
    pub(crate) fn ms(&self, cell: usize, site: usize) -> f64 {
        f64::from(self.times[cell * self.sites + site].ms)
    }

    /// The weight of cells within reach that a vantage speaks for.
    pub(crate) fn spoken_weight(&self) -> f64 {
        let spoken = self.cells.iter().filter(|cell| !cell.is_silent());
        spoken.map(|cell| cell.weight).sum()
    }

    /// Light takes so long from a cell to a site, in milliseconds.
    pub(crate) fn floor(&self, cell: usize, site: usize) -> f64 {
        f64::from(self.times[cell * self.sites + site].floor)
    }

    /// The node that is likeliest to be nearest.
    pub(crate) fn best(&self, cell: usize) -> Option<usize> {
        (0..self.nodes)
            .filter(|&site| self.ms(cell, site).is_finite())
            .min_by(|&a, &b| self.ms(cell, a).total_cmp(&self.ms(cell, b)))
    }

    /// Draws so many times, over two threads that share the draws; `add` gets the draw, the cell, and its times to
    /// all sites. The same randomness gives the same draws, whatever the machine.
    pub(crate) fn draw<T: Send>(
        &self,
        draws: usize,
        random: &mut impl Rng,
        make: impl Fn(Range<usize>) -> T + Sync,
        add: impl Fn(&mut T, usize, usize, &[f32]) + Sync,
    ) -> Vec<T> {
        let Some(drawn) = &self.draws else {
            return Vec::new();
        };
        let part = draws.div_ceil(THREADS).max(1);
        let ranges = (0..draws)
            .step_by(part)
            .map(|first| first..draws.min(first + part));
        let seeded: Vec<(Range<usize>, u64)> = ranges.map(|range| (range, random.random())).collect();
        let work = |range: Range<usize>, seed: u64| {
            let (mut tally, mut row) = (make(range.clone()), vec![0.0; self.sites]);
            let mut random = StdRng::seed_from_u64(seed);
            drawn.run(range.len(), &mut random, |draw, cell, errors| {
                let times = &self.times[cell * self.sites..(cell + 1) * self.sites];
                let each = errors.alike.iter().zip(errors.own);
                for ((time, (alike, own)), value) in times.iter().zip(each).zip(&mut row) {
                    *value = time.drawn(*alike, errors.differ * own, errors.shared);
                }
                add(&mut tally, range.start + draw, cell, &row);
            });
            tally
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = seeded
                .into_iter()
                .map(|(range, seed)| scope.spawn(move || work(range, seed)))
                .collect();
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(tally) => tally,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.collect()
        })
    }
}

impl Time {
    const UNKNOWN: Self = Self {
        ms: f32::NAN,
        below: 0.0,
        above: 0.0,
        floor: 0.0,
        alike: 1.0,
        own: 0.0,
        shared: 0.0,
    };

    fn new(predictor: &Predictor, estimate: &Estimate, (wide, crowded): (f64, bool), floor: f64) -> Self {
        let below = wide * (estimate.ms - estimate.low_ms) / ENDS;
        let above = wide * (estimate.high_ms - estimate.ms) / ENDS;
        let shared = predictor.shared(estimate.ms, below.max(above));
        // Nodes of one site err alike but for this; of others it is in what is open about each.
        let own = match crowded {
            true => predictor.apart(estimate.ms, below.max(above)).min(1.0 - shared),
            false => 0.0,
        };
        Self {
            ms: estimate.ms as f32,
            below: below as f32,
            above: above as f32,
            floor: floor as f32,
            alike: (1.0 - shared - own).max(0.0).sqrt() as f32,
            own: own.sqrt() as f32,
            shared: shared.sqrt() as f32,
        }
    }

    /// With errors that it shares with its neighbours, of its own, and everybody's, in usual deviations.
    fn drawn(&self, alike: f32, own: f32, everybody: f32) -> f32 {
        if self.ms.is_nan() {
            return f32::NAN;
        }
        let error = self.alike * alike + self.own * own + self.shared * everybody;
        let span = if error < 0.0 { self.below } else { self.above };
        (self.ms + error * span).max(self.floor)
    }
}

/// By site: whether another one stands beside it.
fn crowded(sites: &[(Place, Point)]) -> Vec<bool> {
    let near = |one: usize, other: usize| {
        other != one && sites[one].0.position.distance_km(sites[other].0.position) <= SITE_KM
    };
    let sites = 0..sites.len();
    sites
        .clone()
        .map(|one| sites.clone().any(|other| near(one, other)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cities;
    use crate::predict::Prior;
    use crate::report::WeightedPlace;
    use crate::report::forecast::{DEGREES, gather};

    #[test]
    fn nodes_of_one_site_err_alike_but_for_what_sites_in_one_place_differ_by() {
        let at = |name: &str| Place {
            position: cities::find(name).expect(name).position,
            network: None,
        };
        let (berlin, potsdam, madrid) = (at("Berlin, DE"), at("Potsdam, DE"), at("Madrid, ES"));
        let predictor = Predictor::fit(&[berlin, potsdam, madrid], &[], Some(Prior::embedded())).unwrap();
        let vienna = cities::find("Vienna, AT").unwrap();
        let places = [WeightedPlace {
            position: vienna.position,
            weight: 1.0,
            speaker: None,
            country: Some(vienna.country),
            subdivision: None,
        }];
        let differ = |sites: [Place; 2], numbers: [usize; 2]| {
            let points = numbers.map(|number| predictor.site(number));
            let sites: Vec<(Place, Point)> = sites.into_iter().zip(points).collect();
            let toward = Toward {
                sites: &sites,
                nodes: 2,
                widened: &[1.0, 1.0],
            };
            let own = Place {
                position: vienna.position,
                network: None,
            };
            let trust = Trust::new(&[own], None, &places);
            let world = World::new(&predictor, gather(&places, DEGREES), toward, &trust);
            let own = world.times.iter().map(|time| time.own).fold(0.0, f32::max);
            let world = world.with_draws(&predictor, &sites);
            let mut random = StdRng::seed_from_u64(3);
            let drawn = world.draw(
                400,
                &mut random,
                |_| Vec::new(),
                |all: &mut Vec<f32>, _, _, times| all.push(times[0] - times[1]),
            );
            let mut drawn: Vec<f32> = drawn.concat();
            drawn.sort_by(f32::total_cmp);
            let at = |share: f64| drawn[(share * drawn.len() as f64) as usize];
            (own, at(0.95) - at(0.05))
        };
        let (own, spread) = differ([berlin, potsdam], [0, 1]);
        assert!(own > 0.1 && spread > 2.0, "{own} {spread}");
        let (own, _) = differ([berlin, madrid], [0, 2]);
        assert_eq!(own, 0.0);
    }

    #[test]
    fn interval_of_a_country_that_is_predicted_badly_is_wider_by_its_own_factor() {
        let at = |name: &str| cities::find(name).expect(name);
        let place = |name: &str| Place {
            position: at(name).position,
            network: None,
        };
        let prior = Prior::embedded();
        let predictor = Predictor::fit(&[place("Frankfurt am Main, DE")], &[], Some(prior)).unwrap();
        let delhi = at("Delhi, IN");
        let places = [WeightedPlace {
            position: delhi.position,
            weight: 1.0,
            speaker: None,
            country: Some(delhi.country),
            subdivision: delhi.subdivision,
        }];
        let sites = [(place("Frankfurt am Main, DE"), predictor.site(0))];
        let above = |trust: &Trust| {
            let toward = Toward {
                sites: &sites,
                nodes: 1,
                widened: &[1.0],
            };
            let world = World::new(&predictor, gather(&places, DEGREES), toward, trust);
            f64::from(world.times[0].above)
        };
        let trusted = Trust::new(&[place("Delhi, IN")], None, &places);
        let doubted = Trust::new(&[], Some(prior), &places);
        let factor = doubted.widened(Some(delhi.country)).unwrap();
        assert!(factor > 1.2);
        assert!((above(&doubted) / above(&trusted) / factor - 1.0).abs() < 1e-3);
    }
}
