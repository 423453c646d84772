//! A proof by an integer program: what the bound leaves open, and no more.
//!
//! Sites that the reduced costs of the bound shut out, or demand, are out or in. For what is left every point pays its
//! nearest cost, and the difference to the next one for as long as none of the nearer sites is chosen (Cornuejols,
//! Nemhauser, Wolsey 1980). Points that have the same nearer sites pay in one variable. With capacities it says who
//! carries how much of whom.

use std::collections::BTreeMap;

use good_lp::{
    Expression, ProblemVariables, SolutionStatus, SolverModel as _, Variable, WithTimeLimit as _, constraint,
    microlp, variable,
};

use super::bound::Bound;
use super::local::Game;

/// Larger programs are not begun: their time cannot be foreseen.
const MOST_ROWS: usize = 20_000;
/// The program's own tolerance, as a share of the sum.
const TOLERANCE: f64 = 1e-7;

/// What was proved: the set, and the least that any adds up to.
pub(super) struct Proved {
    pub(super) set: Vec<usize>,
    pub(super) least: f64,
}

/// Sites that may still be in a better set than one that adds up to `total`.
struct Open {
    sites: Vec<usize>,
    /// Of these: those that any better set holds.
    demanded: Vec<bool>,
}

/// The best set; `None`: it was not found in time, or not tried.
pub(super) fn prove(game: &Game<'_>, bound: &Bound, total: f64, seconds: f64) -> Option<Proved> {
    let open = Open::of(game, bound, total);
    match game.capacities {
        None => served(game, &open, seconds),
        Some(_) => carried(game, &open, seconds),
    }
}

impl Open {
    fn of(game: &Game<'_>, bound: &Bound, total: f64) -> Self {
        let slack = (total - bound.least).max(0.0) + total.abs() * TOLERANCE;
        let more = game.k - game.fixed.len();
        let mut by_cost: Vec<usize> = game.free.to_vec();
        by_cost.sort_by(|&a, &b| bound.reduced[a].total_cmp(&bound.reduced[b]).then(a.cmp(&b)));
        let ends = |at: Option<&usize>| at.map_or(f64::INFINITY, |&site| bound.reduced[site]);
        // The dearest that the prices choose, and the cheapest that they do not.
        let (last, next) = match game.fewer {
            true => (f64::NEG_INFINITY, f64::INFINITY),
            false => (
                more.checked_sub(1)
                    .map_or(f64::NEG_INFINITY, |at| ends(by_cost.get(at))),
                ends(by_cost.get(more)),
            ),
        };
        let (mut sites, mut demanded) = (game.fixed.to_vec(), vec![true; game.fixed.len()]);
        for (at, &site) in by_cost.iter().enumerate() {
            let reduced = bound.reduced[site];
            let out = match game.fewer {
                true => reduced > slack,
                false => at >= more && reduced - last > slack,
            };
            if !out {
                sites.push(site);
                demanded.push(!game.fewer && at < more && next - reduced > slack);
            }
        }
        Self { sites, demanded }
    }
}

/// A site's variable: chosen or not.
fn choices(variables: &mut ProblemVariables, open: &Open) -> Vec<Variable> {
    let choice = |demanded: &bool| match demanded {
        true => variable().binary().min(1.0),
        false => variable().binary(),
    };
    open.demanded
        .iter()
        .map(|demanded| variables.add(choice(demanded)))
        .collect()
}

/// Without capacities: by what each point pays beyond its nearest cost.
fn served(game: &Game<'_>, open: &Open, seconds: f64) -> Option<Proved> {
    let (always, steps) = steps(game, open);
    if steps.len() > MOST_ROWS {
        return None;
    }
    let mut variables = ProblemVariables::new();
    let choices = choices(&mut variables, open);
    let mut sum = Expression::from(always);
    for (&site, &choice) in open.sites.iter().zip(&choices) {
        sum += game.opening[site] * choice;
    }
    let mut rows = Vec::with_capacity(steps.len());
    for (nearer, paid) in steps {
        let unserved = variables.add(variable().min(0.0).max(1.0));
        sum += paid * unserved;
        let chosen: Expression = nearer.iter().map(|&at| choices[at as usize]).sum();
        rows.push(constraint!(chosen + unserved >= 1.0));
    }
    let mut model = variables.minimise(sum).using(microlp).with_time_limit(seconds);
    model.add_constraint(count(game, &choices));
    for row in rows {
        model.add_constraint(row);
    }
    proved(game, open, &choices, model.solve().ok()?)
}

/// As many as are asked for, or at most so many.
fn count(game: &Game<'_>, choices: &[Variable]) -> good_lp::Constraint {
    let all: Expression = choices.iter().sum();
    match game.fewer {
        true => constraint!(all <= game.k as f64),
        false => constraint!(all == game.k as f64),
    }
}

/// Nearer sites, by number among the open ones.
type Nearer = Vec<u16>;

/// What is paid in any case, and by nearer sites what is paid beside if none of them is chosen.
fn steps(game: &Game<'_>, open: &Open) -> (f64, BTreeMap<Nearer, f64>) {
    let (mut always, mut steps) = (0.0, BTreeMap::<Nearer, f64>::new());
    // So many sites are chosen in any case, so that of more nearer ones than the others one is.
    let least = if game.fewer { 1 } else { game.k };
    for point in 0..game.costs.points() {
        let cost = |at: usize| f64::from(game.costs.at(point, open.sites[at]));
        let mut order: Vec<usize> = (0..open.sites.len()).collect();
        order.sort_by(|&a, &b| cost(a).total_cmp(&cost(b)));
        always += order.first().map_or(0.0, |&nearest| cost(nearest));
        for at in 1..order.len() {
            let more = cost(order[at]) - cost(order[at - 1]);
            let certain = order.len() - at < least || open.demanded[order[at - 1]];
            if certain {
                break;
            }
            if more > 0.0 {
                let mut nearer: Nearer = order[..at].iter().map(|&at| at as u16).collect();
                nearer.sort_unstable();
                *steps.entry(nearer).or_default() += more;
            }
        }
    }
    (always, steps)
}

/// With capacities: by how much of each point each site carries.
fn carried(game: &Game<'_>, open: &Open, seconds: f64) -> Option<Proved> {
    let capacities = game.capacities?;
    let points: Vec<usize> = (0..capacities.weights.len())
        .filter(|&point| capacities.weights[point] > 0.0)
        .collect();
    if points.len() * open.sites.len() > MOST_ROWS / 4 {
        return None;
    }
    let mut variables = ProblemVariables::new();
    let choices = choices(&mut variables, open);
    let mut sum = Expression::from(0.0);
    for (&site, &choice) in open.sites.iter().zip(&choices) {
        sum += game.opening[site] * choice;
    }
    let mut loads = vec![Expression::from(0.0); open.sites.len()];
    let mut rows = Vec::new();
    for &point in &points {
        let mut whole = Expression::from(0.0);
        for (at, &site) in open.sites.iter().enumerate() {
            let part = variables.add(variable().min(0.0).max(1.0));
            sum += f64::from(game.costs.at(point, site)) * part;
            whole += part;
            loads[at] += capacities.weights[point] * part;
            rows.push(constraint!(part <= choices[at]));
        }
        if let Some(outside) = &capacities.outside {
            let part = variables.add(variable().min(0.0).max(1.0));
            sum += f64::from(outside[point]) * part;
            whole += part;
        }
        rows.push(constraint!(whole == 1.0));
    }
    for ((load, &site), &choice) in loads.into_iter().zip(&open.sites).zip(&choices) {
        if capacities.most[site].is_finite() {
            rows.push(constraint!(load <= capacities.most[site] * choice));
        }
    }
    let mut model = variables.minimise(sum).using(microlp).with_time_limit(seconds);
    model.add_constraint(count(game, &choices));
    for row in rows {
        model.add_constraint(row);
    }
    proved(game, open, &choices, model.solve().ok()?)
}

/// The set of a solution that was found to be the best.
fn proved(
    game: &Game<'_>,
    open: &Open,
    choices: &[Variable],
    found: impl good_lp::Solution,
) -> Option<Proved> {
    match found.status() {
        SolutionStatus::Optimal => {}
        SolutionStatus::TimeLimit | SolutionStatus::GapLimit => return None,
    }
    let both = open.sites.iter().zip(choices);
    let chosen = both.filter(|(_, choice)| found.value(**choice) > 0.5);
    let set: Vec<usize> = chosen.map(|(&site, _)| site).collect();
    let total = game.total(&set);
    // The program's own sum is by its tolerance only; the set's is ours.
    Some(Proved {
        least: total - total.abs() * TOLERANCE,
        set,
    })
}
