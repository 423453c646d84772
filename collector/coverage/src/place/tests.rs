//! Held against trying every set, with those who carry whom found by a program of their own.

use good_lp::{Expression, ProblemVariables, Solution as _, SolverModel as _, constraint, microlp, variable};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

#[derive(Clone, Debug)]
struct World {
    table: Table,
    weights: Vec<f64>,
    sites: Vec<Site>,
    fixed: Vec<usize>,
    forbidden: Vec<usize>,
    k: usize,
}

impl World {
    fn problem(&self, objective: Objective) -> Problem<'_> {
        Problem {
            times: &self.table,
            weights: &self.weights,
            sites: &self.sites,
            fixed: &self.fixed,
            forbidden: &self.forbidden,
            k: self.k,
            objective,
        }
    }

    fn whole(&self) -> f64 {
        self.weights.iter().sum()
    }

    fn ms(&self, point: usize, site: usize) -> f64 {
        f64::from(self.table.ms[point * self.sites.len() + site])
    }

    fn cost(&self, objective: Objective, point: usize, site: usize) -> f64 {
        match objective {
            Objective::Mean => self.ms(point, site),
            Objective::Cover(budget) => f64::from(u8::from(self.ms(point, site) > budget)),
            Objective::Max => unreachable!(),
        }
    }

    /// The least weighted sum for a set, by who carries how much of whom; `None`: not everybody can be carried.
    fn carried(
        &self,
        set: &[usize],
        cost: impl Fn(usize, usize) -> f64,
        outside: Option<f64>,
    ) -> Option<f64> {
        let mut variables = ProblemVariables::new();
        let mut sum = Expression::from(0.0);
        let mut loads = vec![Expression::from(0.0); set.len()];
        let mut rows = Vec::new();
        for (point, &weight) in self.weights.iter().enumerate() {
            let mut whole = Expression::from(0.0);
            for (slot, &site) in set.iter().enumerate() {
                let part = variables.add(variable().min(0.0).max(1.0));
                sum += weight * cost(point, site) * part;
                whole += part;
                loads[slot] += weight * part;
            }
            if let Some(outside) = outside {
                let part = variables.add(variable().min(0.0).max(1.0));
                sum += weight * outside * part;
                whole += part;
            }
            rows.push(constraint!(whole == 1.0));
        }
        let mut model = variables.minimise(sum.clone()).using(microlp);
        for row in rows {
            model.add_constraint(row);
        }
        for (load, &site) in loads.into_iter().zip(set) {
            if let Some(capacity) = self.sites[site].capacity {
                model.add_constraint(constraint!(load <= capacity));
            }
        }
        Some(model.solve().ok()?.eval(sum))
    }

    /// What a set reaches, costs included: the less the better.
    fn reached(&self, set: &[usize], objective: Objective) -> Option<f64> {
        let costs: f64 = set.iter().map(|&site| self.sites[site].cost).sum();
        let least = match objective {
            Objective::Max => {
                let mut all: Vec<f64> = self.table.ms.iter().map(|&ms| f64::from(ms)).collect();
                all.sort_by(f64::total_cmp);
                let within = |budget: &f64| {
                    let beyond = |point, site| f64::from(u8::from(self.ms(point, site) > *budget));
                    self.carried(set, beyond, None).is_some_and(|sum| sum < 1e-6)
                };
                all.into_iter().find(within)?
            }
            Objective::Cover(_) => {
                let cost = |point, site| self.cost(objective, point, site);
                self.carried(set, cost, Some(1.0))? / self.whole()
            }
            Objective::Mean => {
                let cost = |point, site| self.cost(objective, point, site);
                self.carried(set, cost, None)? / self.whole()
            }
        };
        Some(least + costs)
    }

    /// The best of all sets.
    fn best(&self, objective: Objective) -> f64 {
        let fewer = self.sites.iter().any(|site| site.cost > 0.0);
        let sets = (1_u32..1 << self.sites.len()).map(|bits| {
            (0..self.sites.len())
                .filter(|site| bits >> site & 1 == 1)
                .collect::<Vec<usize>>()
        });
        let may = |set: &Vec<usize>| {
            (set.len() == self.k || fewer && set.len() < self.k)
                && self.fixed.iter().all(|site| set.contains(site))
                && !self.forbidden.iter().any(|site| set.contains(site))
        };
        sets.filter(may)
            .filter_map(|set| self.reached(&set, objective))
            .fold(f64::INFINITY, f64::min)
    }
}

/// What a solution reaches, costs included: the less the better.
fn told(solution: &Solution, objective: Objective) -> f64 {
    match objective {
        Objective::Cover(_) => 1.0 - solution.value + solution.costs,
        Objective::Mean | Objective::Max => solution.value + solution.costs,
    }
}

fn world(points: usize, sites: usize) -> impl Strategy<Value = World> {
    let times = prop::collection::vec(1.0..200.0f32, points * sites);
    let weights = prop::collection::vec(0.5..10.0f64, points);
    (
        times,
        weights,
        0..sites,
        0..sites,
        1..=3usize,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(move |(ms, weights, fixed, forbidden, k, fix, forbid)| World {
            table: Table { sites, ms },
            weights,
            sites: (0..sites).map(|site| Site::new(&format!("s{site}"))).collect(),
            fixed: if fix { vec![fixed] } else { vec![] },
            forbidden: if forbid && forbidden != fixed {
                vec![forbidden]
            } else {
                vec![]
            },
            k,
        })
}

const OBJECTIVES: [Objective; 3] = [Objective::Mean, Objective::Cover(60.0), Objective::Max];

fn solved(world: &World, objective: Objective, effort: &Effort) -> Solution {
    let mut random = StdRng::seed_from_u64(7);
    solve(&world.problem(objective), effort, &mut random)
        .expect("a problem that contradicts itself in nothing")
}

/// What holds of every answer, however much was done for it; gives the least that any set reaches.
fn holds(world: &World, objective: Objective, solution: &Solution) -> f64 {
    let best = world.best(objective);
    let reached = told(solution, objective);
    assert!(
        (world.reached(&solution.chosen, objective).expect("carried") - reached).abs() < 1e-4,
        "{solution:?}"
    );
    assert!(world.fixed.iter().all(|site| solution.chosen.contains(site)));
    assert!(!world.forbidden.iter().any(|site| solution.chosen.contains(site)));
    assert!(reached > best - 1e-4, "{reached} {best}");
    let bound = if let Objective::Cover(_) = objective {
        1.0 - solution.bound
    } else {
        solution.bound
    };
    assert!(bound < best + 1e-4, "{solution:?}: best {best}");
    if solution.proven {
        assert!(
            (reached - best).abs() < 1e-4 && solution.gap == 0.0,
            "{solution:?}: best {best}"
        );
    }
    if objective == Objective::Mean {
        assert!(
            (reached - best) / best <= solution.gap + 1e-5,
            "{solution:?}: best {best}"
        );
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn every_objective_finds_the_best_of_all_sets_and_proves_it(world in world(9, 7)) {
        for objective in OBJECTIVES {
            let solution = solved(&world, objective, &Effort::default());
            prop_assert_eq!(solution.chosen.len(), world.k);
            let best = holds(&world, objective, &solution);
            prop_assert!(solution.proven, "{:?} {:?}: best {}", objective, solution, best);
        }
    }

    #[test]
    fn bound_without_a_program_is_never_above_the_best(world in world(12, 8)) {
        let effort = Effort { proof_seconds: 0.0, restarts: 0, ..Effort::default() };
        for objective in OBJECTIVES {
            holds(&world, objective, &solved(&world, objective, &effort));
        }
    }

    #[test]
    fn sites_that_cost_are_opened_only_where_they_are_worth_it(world in world(8, 6), costs in prop::collection::vec(0.0..0.2f64, 6)) {
        for (objective, unit) in [(Objective::Mean, 100.0), (Objective::Cover(60.0), 1.0)] {
            let mut world = world.clone();
            for (site, cost) in world.sites.iter_mut().zip(&costs) {
                site.cost = cost * unit;
            }
            let solution = solved(&world, objective, &Effort::default());
            holds(&world, objective, &solution);
            prop_assert!(solution.proven, "{:?}", solution);
        }
    }

    #[test]
    fn nobody_carries_more_than_it_can(world in world(7, 5), room in prop::collection::vec(0.3..1.2f64, 5)) {
        for objective in OBJECTIVES {
            let mut world = world.clone();
            let whole = world.whole();
            for (site, room) in world.sites.iter_mut().zip(&room) {
                site.capacity = Some(room * whole);
            }
            let problem = world.problem(objective);
            match solve(&problem, &Effort::default(), &mut StdRng::seed_from_u64(7)) {
                Ok(solution) => {
                    holds(&world, objective, &solution);
                    prop_assert!(solution.proven, "{:?} {:?}", objective, solution);
                }
                Err(PlaceError::Capacity { .. }) => prop_assert!(world.best(objective).is_infinite()),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn rivals_lose_what_they_say(world in world(9, 7)) {
        let solution = solved(&world, Objective::Mean, &Effort::default());
        for rival in &solution.rivals {
            let other: Vec<usize> = solution
                .chosen
                .iter()
                .map(|&site| if site == rival.leaves { rival.comes } else { site })
                .collect();
            let reached = world.reached(&other, Objective::Mean).expect("carried");
            prop_assert!((reached - solution.value - rival.worse).abs() < 1e-3);
            prop_assert!(rival.worse > -1e-3);
        }
    }
}

/// Points and sites on a plane, so many milliseconds apart.
struct Plane {
    points: Vec<(f32, f32)>,
    sites: Vec<(f32, f32)>,
}

impl Plane {
    fn new(points: usize, sites: usize) -> (Self, Vec<f64>) {
        let mut random = StdRng::seed_from_u64(11);
        let mut place = || (random.random::<f32>(), random.random::<f32>());
        let plane = Self {
            points: (0..points).map(|_| place()).collect(),
            sites: (0..sites).map(|_| place()).collect(),
        };
        (
            plane,
            (0..points).map(|_| random.random_range(0.5..5.0)).collect(),
        )
    }
}

impl Times for Plane {
    fn points(&self) -> usize {
        self.points.len()
    }

    fn row(&self, point: usize, into: &mut [f32]) {
        let here = self.points[point];
        for (ms, site) in into.iter_mut().zip(&self.sites) {
            *ms = 3.0 + 200.0 * (here.0 - site.0).hypot(here.1 - site.1);
        }
    }
}

#[test]
fn many_points_are_gathered_and_priced_one_by_one() {
    let (plane, weights) = Plane::new(6_000, 40);
    let sites: Vec<Site> = (0..40).map(|site| Site::new(&format!("s{site}"))).collect();
    let problem = Problem {
        times: &plane,
        weights: &weights,
        sites: &sites,
        fixed: &[3],
        forbidden: &[4],
        k: 5,
        objective: Objective::Mean,
    };
    let solution = solve(&problem, &Effort::default(), &mut StdRng::seed_from_u64(1)).unwrap();
    let groups = solution.gathered.expect("gathered");
    assert!(groups < GATHER_ABOVE && groups > 100, "{groups}");
    let mut row = vec![0.0; 40];
    let mean = |set: &[usize], row: &mut Vec<f32>| {
        let sum: f64 = (0..6_000)
            .map(|point| {
                plane.row(point, row);
                weights[point] * f64::from(set.iter().map(|&site| row[site]).fold(f32::INFINITY, f32::min))
            })
            .sum();
        sum / weights.iter().sum::<f64>()
    };
    let value = mean(&solution.chosen, &mut row);
    assert!((value - solution.value).abs() < 1e-3, "{value} {solution:?}");
    // On all points, without gathering, the same within the gap.
    let mut ms = Vec::new();
    for point in 0..6_000 {
        plane.row(point, &mut row);
        ms.extend_from_slice(&row);
    }
    let few = Problem {
        times: &Table {
            sites: 40,
            ms: ms[..4_000 * 40].to_vec(),
        },
        weights: &weights[..4_000],
        ..problem
    };
    assert!(
        solve(&few, &Effort::default(), &mut StdRng::seed_from_u64(1))
            .unwrap()
            .gathered
            .is_none()
    );
    assert!(solution.bound <= value && solution.gap < 0.05, "{solution:?}");
}

#[test]
fn same_seed_gives_the_same_set_whichever_thread_is_faster() {
    let (plane, weights) = Plane::new(300, 60);
    let sites: Vec<Site> = (0..60).map(|site| Site::new(&format!("s{site}"))).collect();
    let problem = Problem {
        times: &plane,
        weights: &weights,
        sites: &sites,
        fixed: &[],
        forbidden: &[],
        k: 9,
        objective: Objective::Cover(30.0),
    };
    let effort = Effort {
        proof_seconds: 0.0,
        ..Effort::default()
    };
    let once = || solve(&problem, &effort, &mut StdRng::seed_from_u64(5)).unwrap();
    let first = once();
    (0..5).for_each(|_| assert_eq!(once(), first));
}

#[test]
fn what_contradicts_itself_is_said_in_a_clear_sentence() {
    let world = World {
        table: Table {
            sites: 3,
            ms: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        },
        weights: vec![6.0, 4.0],
        sites: ["paris", "lagos", "tokyo"].map(Site::new).to_vec(),
        fixed: vec![],
        forbidden: vec![],
        k: 2,
    };
    let said = |change: &dyn Fn(&mut World), objective: Objective| {
        let mut world = world.clone();
        change(&mut world);
        let error = solve(
            &world.problem(objective),
            &Effort::default(),
            &mut StdRng::seed_from_u64(1),
        );
        error.expect_err("contradicts itself").to_string()
    };
    let mean = |change: &dyn Fn(&mut World)| said(change, Objective::Mean);
    assert_eq!(
        mean(&|world| (world.k, world.forbidden) = (3, vec![1])),
        "k is 3, but there are only 2 places that may be chosen: ask for fewer, or name more candidates"
    );
    assert_eq!(
        mean(&|world| (world.fixed, world.forbidden) = (vec![1], vec![1])),
        "lagos is fixed and forbidden: leave it out of one of the two"
    );
    assert_eq!(
        mean(&|world| (world.fixed, world.k) = (vec![0, 1], 1)),
        "2 sites are fixed, but k is 1: the fixed ones count too, so k must be 2 or more"
    );
    let small = |world: &mut World| world.sites.iter_mut().for_each(|site| site.capacity = Some(4.0));
    assert_eq!(
        mean(&small),
        "the 2 places that carry most, fixed ones among them, carry 8 together, but the demand is 10: raise capacities or k"
    );
    assert_eq!(said(&small, Objective::Max), mean(&small));
    assert_eq!(mean(&|world| world.k = 0), "k is 0: ask for one site or more");
    assert_eq!(
        mean(&|world| world.sites[2].cost = -1.0),
        "tokyo has the cost -1: it must be a number of 0 or more"
    );
    assert!(said(&|world| world.sites[0].cost = 1.0, Objective::Max).starts_with("paris has a cost"));
    assert_eq!(
        mean(&|world| world.table.ms[4] = f32::NAN),
        "the time from demand point 1 to lagos is NaN: it must be known, and not negative"
    );
    assert_eq!(
        said(&|_| {}, Objective::Cover(0.0)),
        "a budget of 0 ms is none: it must be above 0"
    );
    assert_eq!(
        mean(&|world| world.weights = vec![0.0, 0.0]),
        "there is no demand: nothing can be placed"
    );
}
