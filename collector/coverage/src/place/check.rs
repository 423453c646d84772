//! What a problem must not contradict itself in.

use super::{Objective, Problem};

/// Why no set can be chosen.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlaceError {
    /// Nothing to place, or nowhere.
    #[error("there is no {0}: nothing can be placed")]
    Nothing(&'static str),
    /// A place for nothing.
    #[error("k is 0: ask for one site or more")]
    NoSites,
    /// More sites than places.
    #[error(
        "k is {k}, but there are only {candidates} places that may be chosen: ask for fewer, or name more candidates"
    )]
    TooMany {
        /// What was asked for.
        k: usize,
        /// Places that are not forbidden.
        candidates: usize,
    },
    /// More fixed sites than sites.
    #[error("{fixed} sites are fixed, but k is {k}: the fixed ones count too, so k must be {fixed} or more")]
    FixedAbove {
        /// How many are fixed.
        fixed: usize,
        /// What was asked for.
        k: usize,
    },
    /// Both at once.
    #[error("{0} is fixed and forbidden: leave it out of one of the two")]
    FixedForbidden(String),
    /// A number of a fixed or forbidden site that is none.
    #[error("site number {0} does not exist")]
    NoSuchSite(usize),
    /// A cost or a capacity that is none.
    #[error("{site} has the {what} {value}: it must be a number of 0 or more")]
    Number {
        /// Whose.
        site: String,
        /// `cost` or `capacity`.
        what: &'static str,
        /// Which.
        value: f64,
    },
    /// The longest time cannot be weighed against costs.
    #[error(
        "{0} has a cost, and costs cannot be weighed against the longest time: ask for the mean or for cover, or leave costs out"
    )]
    CostOfMax(String),
    /// A budget that is none.
    #[error("a budget of {0} ms is none: it must be above 0")]
    Budget(f64),
    /// Weights that are none.
    #[error("the weight of demand point {point} is {weight}: it must be a number of 0 or more")]
    Weight {
        /// By number.
        point: usize,
        /// Which.
        weight: f64,
    },
    /// As many weights as points.
    #[error("{weights} weights stand beside {points} demand points")]
    Weights {
        /// Weights.
        weights: usize,
        /// Points.
        points: usize,
    },
    /// A time that is none.
    #[error("the time from demand point {point} to {site} is {ms}: it must be known, and not negative")]
    Time {
        /// By number.
        point: usize,
        /// Whose.
        site: String,
        /// Which.
        ms: f32,
    },
    /// Sites that cannot carry the demand.
    #[error(
        "the {k} places that carry most, fixed ones among them, carry {carried} together, but the demand is {demand}: raise capacities or k"
    )]
    Capacity {
        /// How many.
        k: usize,
        /// What they carry.
        carried: f64,
        /// All weight.
        demand: f64,
    },
}

/// What the problem contradicts itself in.
pub(super) fn check(problem: &Problem<'_>) -> Result<(), PlaceError> {
    let (sites, k) = (problem.sites, problem.k);
    sets(problem)?;
    if let Objective::Cover(budget) = problem.objective
        && !(budget > 0.0 && budget.is_finite())
    {
        return Err(PlaceError::Budget(budget));
    }
    for site in sites {
        let number = |what, value: f64| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => Err(PlaceError::Number {
                site: site.name.clone(),
                what,
                value,
            }),
        };
        number("cost", site.cost)?;
        number("capacity", site.capacity.unwrap_or(0.0))?;
        if problem.objective == Objective::Max && site.cost > 0.0 {
            return Err(PlaceError::CostOfMax(site.name.clone()));
        }
    }
    weights(problem)?;
    let demand: f64 = problem.weights.iter().sum();
    let carried = carried(problem);
    // What lies beyond a budget is carried by nobody.
    if !matches!(problem.objective, Objective::Cover(_)) && carried < demand * (1.0 - 1e-9) {
        return Err(PlaceError::Capacity { k, carried, demand });
    }
    Ok(())
}

fn sets(problem: &Problem<'_>) -> Result<(), PlaceError> {
    let Problem {
        sites,
        fixed,
        forbidden,
        k,
        ..
    } = *problem;
    if problem.times.points() == 0 {
        return Err(PlaceError::Nothing("demand"));
    }
    if sites.is_empty() {
        return Err(PlaceError::Nothing("candidate"));
    }
    if k == 0 {
        return Err(PlaceError::NoSites);
    }
    if let Some(&site) = fixed.iter().chain(forbidden).find(|site| **site >= sites.len()) {
        return Err(PlaceError::NoSuchSite(site));
    }
    if let Some(&site) = fixed.iter().find(|site| forbidden.contains(site)) {
        return Err(PlaceError::FixedForbidden(sites[site].name.clone()));
    }
    let may = |site: &usize| !forbidden.contains(site);
    let candidates = (0..sites.len()).filter(may).count();
    if k > candidates {
        return Err(PlaceError::TooMany { k, candidates });
    }
    let mut distinct = fixed.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    match distinct.len() > k {
        true => Err(PlaceError::FixedAbove {
            fixed: distinct.len(),
            k,
        }),
        false => Ok(()),
    }
}

fn weights(problem: &Problem<'_>) -> Result<(), PlaceError> {
    let (weights, points) = (problem.weights.len(), problem.times.points());
    if weights != points {
        return Err(PlaceError::Weights { weights, points });
    }
    let wrong = |(_, weight): &(usize, &f64)| !(weight.is_finite() && **weight >= 0.0);
    if let Some((point, &weight)) = problem.weights.iter().enumerate().find(wrong) {
        return Err(PlaceError::Weight { point, weight });
    }
    if problem.weights.iter().all(|weight| *weight == 0.0) {
        return Err(PlaceError::Nothing("demand"));
    }
    let mut row = vec![0.0; problem.sites.len()];
    for point in 0..points {
        problem.times.row(point, &mut row);
        let wrong = |ms: &f32| !(ms.is_finite() && *ms >= 0.0);
        if let Some(site) = row.iter().position(wrong) {
            let (ms, site) = (row[site], problem.sites[site].name.clone());
            return Err(PlaceError::Time { point, site, ms });
        }
    }
    Ok(())
}

/// The most that `k` sites can carry, with the fixed ones.
fn carried(problem: &Problem<'_>) -> f64 {
    let capacity = |site: usize| problem.sites[site].capacity.unwrap_or(f64::INFINITY);
    let is_free = |site: &usize| !problem.fixed.contains(site) && !problem.forbidden.contains(site);
    let mut free: Vec<f64> = (0..problem.sites.len()).filter(is_free).map(capacity).collect();
    free.sort_by(|a, b| b.total_cmp(a));
    let mut fixed = problem.fixed.to_vec();
    fixed.sort_unstable();
    fixed.dedup();
    let further = free.iter().take(problem.k - fixed.len());
    fixed.iter().map(|&site| capacity(site)).sum::<f64>() + further.sum::<f64>()
}
