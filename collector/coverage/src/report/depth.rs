//! Coverage in depth: what is left when a node dies, targets beside round-trip time, choosing by kilometres, trend.

use super::split::share;
use super::{Interval, Share, Standing, Targets, VantageReport};
use crate::observations::Day;

/// What the shares alone do not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Depth {
    /// From the nearest node to the next, over what is measured.
    pub backup: Option<Backup>,
    /// How the weight stands to the lead's targets; always round-trip time, time to first byte and throughput.
    pub targets: Vec<TargetShare>,
    /// What choosing the nearest node by kilometres costs where it was measured.
    pub by_km: Option<ByKilometres>,
    /// The same with predictions.
    pub by_km_predicted: Option<ByKilometres>,
    /// The first half of the window against the second.
    pub trend: Option<Trend>,
}

/// Distances when all nodes live, and when each place's nearest is dead: weighted means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backup {
    /// To the nearest node that counts, in milliseconds.
    pub nearest_ms: f64,
    /// To the next one.
    pub next_ms: f64,
    /// The weight that measured both.
    pub weight: f64,
}

/// What a target is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Round-trip time to the nearest node, at most so many milliseconds.
    Rtt,
    /// Its median time to first byte, at most so many milliseconds.
    Ttfb,
    /// Its throughput, at least so many megabits a second.
    Mbps,
}

impl Aim {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rtt => "rtt_ms",
            Self::Ttfb => "ttfb_ms",
            Self::Mbps => "mbps",
        }
    }
}

/// How the weight stands to one target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetShare {
    /// What it is about.
    pub aim: Aim,
    /// The target, in the aim's unit.
    pub target: f64,
    /// Met, missed and unknown; `None`: not measured at all.
    pub share: Option<Share>,
}

/// The players choose the node whose claimed place is nearest by great circle: what that costs against the best one.
#[derive(Clone, Debug, PartialEq)]
pub struct ByKilometres {
    /// The mean time to the node that is nearest by kilometres.
    pub chosen_ms: f64,
    /// The mean time to the best node.
    pub best_ms: f64,
    /// The weight of which both are known.
    pub weight: f64,
    /// The part of it that is sent to a node which does not tie with the best.
    pub misled_weight: f64,
    /// Where it costs most, the costliest first.
    pub worst: Vec<Detour>,
}

/// A place that is sent to another node than the best.
#[derive(Clone, Debug, PartialEq)]
pub struct Detour {
    /// The vantage, or the region that was predicted.
    pub place: String,
    /// The node nearest by kilometres.
    pub chosen: String,
    /// The best one.
    pub best: String,
    /// How much longer it takes, in milliseconds.
    pub cost_ms: f64,
    /// The weight it costs that.
    pub weight: f64,
}

/// Two halves of a window against each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// The first.
    pub first: Half,
    /// The second.
    pub second: Half,
    /// How much longer the mean time is in the second, over the vantages that measured in both.
    pub change_ms: Option<f64>,
    /// Its 90 % interval; none under seven days in a half.
    pub interval: Option<Interval>,
}

/// Half of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Half {
    /// Its first day with a measurement.
    pub from: Day,
    /// Its last one.
    pub to: Day,
    /// Days with a measurement.
    pub days: usize,
    /// The mean time to the nearest node over the measured weight.
    pub mean_ms: Option<f64>,
    /// Its shares.
    pub shares: Vec<Share>,
}

/// The nearest node and the next, over vantages that measured both.
pub(super) fn backup(vantages: &[VantageReport]) -> Option<Backup> {
    let both = || {
        let both = |vantage: &VantageReport| {
            let (best, second) = (vantage.best.as_ref()?, vantage.second.as_ref()?);
            (vantage.weight > 0.0).then_some((vantage.weight, best.ms, second.ms))
        };
        vantages.iter().filter_map(both)
    };
    let weight: f64 = both().map(|(weight, _, _)| weight).sum();
    (weight > 0.0).then(|| Backup {
        nearest_ms: both().map(|(weight, best, _)| weight * best).sum::<f64>() / weight,
        next_ms: both().map(|(weight, _, second)| weight * second).sum::<f64>() / weight,
        weight,
    })
}

/// How all weight stands to the targets, by what the vantages measured of their best node.
pub(super) fn targets(
    vantages: &[VantageReport],
    total: f64,
    first: &Share,
    targets: &Targets,
) -> Vec<TargetShare> {
    let judged = |met: &dyn Fn(&VantageReport) -> Option<bool>, target: f64| {
        let standing = |vantage: &VantageReport| match met(vantage) {
            None => Standing::Unmeasured,
            Some(true) => Standing::Within,
            Some(false) if vantage.own_node => Standing::OwnNode,
            Some(false) => Standing::Beyond,
        };
        let any = vantages.iter().any(|vantage| met(vantage).is_some());
        any.then(|| {
            share(
                target,
                total,
                vantages.iter().map(|one| (one.weight, standing(one))),
            )
        })
    };
    let ttfb = |vantage: &VantageReport| {
        let ttfb_ms = vantage.figures.ttfb_p50_ms?;
        Some(ttfb_ms <= targets.ttfb_ms)
    };
    let mbps = |vantage: &VantageReport| vantage.figures.sends_at(targets.mbps);
    let one = |aim, target, share| TargetShare { aim, target, share };
    vec![
        one(Aim::Rtt, first.budget_ms, Some(*first)),
        one(Aim::Ttfb, targets.ttfb_ms, judged(&ttfb, targets.ttfb_ms)),
        one(Aim::Mbps, targets.mbps, judged(&mbps, targets.mbps)),
    ]
}

#[cfg(test)]
mod tests {
    use crate::fixture::{daily, node, report, samples, vantage};
    use crate::observations::{Readings, Samples};
    use crate::weights::Weights;

    /// One node, and vantages that got its 8 MiB so, each on two days.
    fn world(throughput: &[Samples]) -> crate::observations::Observations {
        let names = ["Berlin, DE", "Paris, FR", "Madrid, ES"];
        let vantages = names.map(|place| vantage(place, place)).to_vec();
        let times = [(0, 0, &[9.0][..]), (1, 0, &[9.0]), (2, 0, &[9.0])];
        let nodes = vec![node("oslo", "Oslo, NO")];
        let mut world = daily(nodes, vantages, 2, &times, |_, _, _| 0.0);
        if let Readings::Days(readings) = &mut world.readings {
            for reading in readings {
                reading.throughput = throughput[reading.vantage].clone();
            }
        }
        world
    }

    #[test]
    fn throughput_is_held_against_its_target_where_it_was_measured() {
        let most_lost = samples(&[1_000.0], 2);
        let fast = samples(&[3_000.0, 1_000.0, 3_400.0], 0);
        let report = report(&world(&[fast, most_lost, Samples::default()]), Weights::sites());
        let class = &report.classes[0];
        let mut figures: Vec<_> = class.vantages.iter().collect();
        figures.sort_by(|one, other| one.name.cmp(&other.name));
        let told = |at: usize| {
            let figures = figures[at].figures;
            (figures.mbps, figures.mbps_samples, figures.mbps_lost)
        };
        let (mbps, samples, lost) = told(0);
        assert!(
            (mbps.unwrap() - 22.37).abs() < 0.15,
            "67.1 megabits in 3 s: {mbps:?}"
        );
        assert_eq!((samples, lost), (Some(6), Some(0)));
        assert_eq!(told(1), (None, None, None), "never asked");
        assert_eq!(told(2), (None, Some(2), Some(4)), "its median did not come whole");
        let share = class.depth.targets[2].share.unwrap();
        let third = 1.0 / 3.0;
        for (found, expected) in [
            (share.within, third),
            (share.beyond, third),
            (share.unknown, third),
        ] {
            assert!((found - expected).abs() < 1e-9, "{share:?}");
        }
    }

    #[test]
    fn ranges_that_did_not_come_whole_are_the_slowest() {
        let median = |ms: &[f64], lost| samples(ms, lost).median_of_all_us();
        let near = |us: Option<f64>, ms: f64| us.is_some_and(|us| (us / 1e3 - ms).abs() < ms * 0.006);
        assert!(near(median(&[1_000.0, 2_000.0, 5_000.0], 0), 2_000.0));
        assert!(near(median(&[1_000.0, 2_000.0, 5_000.0], 2), 5_000.0));
        assert_eq!(median(&[1_000.0, 2_000.0, 5_000.0], 4), None);
        assert_eq!((median(&[], 3), median(&[], 0)), (None, None));
    }
}
