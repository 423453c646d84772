//! Conformal intervals: how wrong predictions of left-out nodes and areas were says how wrong others are.

/// The ends of an interval lie so many usual deviations from its middle: 5 % of a normal are beyond each.
pub(crate) const ENDS: f64 = 1.644_853_6;
/// One score counts for no more usual deviations than this in a mean.
const FARTHEST: f64 = 3.0;

/// The share of truths that an interval is to hold.
pub const COVERED: f64 = 0.9;
/// Under so many left-out groups there is no such interval.
pub const LEAST_GROUPS: usize = 9;

/// What a share over few groups falls short of the next one, times their number: about half of what the rank of a
/// single score would need, because each group brings many.
const FEW_GROUPS: f64 = 0.5;

/// The width of doubt before it is calibrated: a share of the time itself, more where more is open, and a rest.
const SHARE: f64 = 0.1;
const ALWAYS_OPEN: f64 = 0.15;
const REST_MS: f64 = 3.0;

/// How wide doubt is about a time, by how much of the variance is open at both ends; calibration scales it.
pub(super) fn doubt_ms(ms: f64, open: (f64, f64)) -> f64 {
    SHARE * ms * (open.0 + open.1 + ALWAYS_OPEN).sqrt() + REST_MS
}

/// What was wrong about one group that was left out together.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// The error of each pair, over its doubt.
    pub(super) scores: Vec<f64>,
    /// How far these err as one by the field's own account: the variance of their mean, where each one's is 1.
    pub(super) alike: f64,
}

/// How many doubts the truth lies below and above a prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Calibration {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Calibration {
    /// Over all groups, each weighing the same, whatever its size; `None` under [`LEAST_GROUPS`].
    pub(super) fn new(groups: &[Group]) -> Option<Self> {
        let scores = groups.iter().map(|group| &group.scores);
        let groups: Vec<&Vec<f64>> = scores.filter(|scores| !scores.is_empty()).collect();
        if groups.len() < LEAST_GROUPS {
            return None;
        }
        let count = groups.len() as f64;
        let covered = (COVERED + FEW_GROUPS / count).min(1.0);
        let mut scores: Vec<(f64, f64)> = groups
            .iter()
            .flat_map(|group| {
                group
                    .iter()
                    .map(|&score| (score, 1.0 / (count * group.len() as f64)))
            })
            .collect();
        scores.sort_by(|a, b| a.0.total_cmp(&b.0));
        let tail = (1.0 - covered) / 2.0;
        Some(Self {
            low: quantile(&scores, tail).min(0.0),
            high: quantile(&scores, 1.0 - tail).max(0.0),
        })
    }
}

impl Calibration {
    /// So many times as wide intervals hold the promised share of other errors, each over its doubt.
    pub(super) fn widened(&self, scores: &[f64]) -> f64 {
        let beyond = |score: f64| match score < 0.0 {
            true => score / self.low,
            false => score / self.high,
        };
        let mut times: Vec<(f64, f64)> = scores
            .iter()
            .map(|&score| beyond(score))
            .map(|times| (times, 1.0 / scores.len() as f64))
            .filter(|(times, _)| times.is_finite())
            .collect();
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        match times.is_empty() {
            true => 1.0,
            false => quantile(&times, COVERED),
        }
    }
}

impl Calibration {
    /// The share of variance that errors of all pairs have in common beyond what the field says of them, 0…1: as much
    /// as makes the means of left-out groups scatter as they did. Groups stand for the world here, so an error that is
    /// one area's alone counts as everybody's: rather too much than too little.
    pub(super) fn common(&self, groups: &[Group]) -> f64 {
        let usual = |score: &f64| {
            let end = if *score < 0.0 { -self.low } else { self.high };
            (ENDS * score / end.max(f64::MIN_POSITIVE)).clamp(-FARTHEST, FARTHEST)
        };
        let groups: Vec<&Group> = groups.iter().filter(|group| !group.scores.is_empty()).collect();
        let over = |value: &dyn Fn(&Group) -> f64| {
            let sum: f64 = groups.iter().map(|group| value(group)).sum();
            sum / groups.len().max(1) as f64
        };
        let mean = |group: &Group, of: &dyn Fn(f64) -> f64| {
            let all = group.scores.iter().map(usual);
            all.map(of).sum::<f64>() / group.scores.len() as f64
        };
        let (of_means, of_all) = (
            over(&|group| mean(group, &|score| score).powi(2)),
            over(&|group| mean(group, &|score| score.powi(2))),
        );
        let expected = over(&|group| group.alike);
        if of_all <= 0.0 || expected >= 1.0 {
            return 0.0;
        }
        ((of_means / of_all - expected) / (1.0 - expected)).clamp(0.0, 1.0)
    }
}

/// The least score at which the weights so far reach a share; the weights add up to 1.
fn quantile(scores: &[(f64, f64)], share: f64) -> f64 {
    let mut sum = 0.0;
    for &(score, weight) in scores {
        sum += weight;
        if sum >= share - 1e-12 {
            return score;
        }
    }
    scores.last().map_or(0.0, |last| last.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _};

    fn group(scores: &[f64]) -> Group {
        Group {
            scores: scores.to_vec(),
            alike: 0.0,
        }
    }

    /// Groups that share an error of this variance, each with errors of its own.
    fn sharing(shared: f64, alike: f64) -> f64 {
        let mut random = rand::rngs::StdRng::seed_from_u64(9);
        let mut normal = || {
            let sum: f64 = (0..12).map(|_| random.random_range(0.0..1.0)).sum();
            sum - 6.0
        };
        let mut drawn = || {
            let of_group = normal() * shared.sqrt();
            let scores = (0..60).map(|_| of_group + normal() * (1.0 - shared).sqrt());
            Group {
                scores: scores.collect(),
                alike,
            }
        };
        let groups: Vec<Group> = (0..400).map(|_| drawn()).collect();
        Calibration::new(&groups).unwrap().common(&groups)
    }

    #[test]
    fn common_error_is_what_means_of_groups_scatter_by_beyond_the_field() {
        assert!(sharing(0.0, 1.0 / 60.0) < 0.02);
        let half = sharing(0.5, 1.0 / 60.0);
        assert!((half - 0.5).abs() < 0.08, "{half}");
        assert!(sharing(0.5, 0.5) < 0.12, "the field accounts for it already");
        let rest = sharing(0.5, 0.25);
        assert!((rest - 1.0 / 3.0).abs() < 0.08, "{rest}");
    }

    #[test]
    fn eight_groups_carry_no_interval_and_nine_do() {
        let groups = vec![group(&[-1.0, 1.0]); 9];
        assert_eq!(Calibration::new(&groups[..8]), None);
        assert!(Calibration::new(&groups).is_some());
        let with_an_empty_one = [groups[..8].to_vec(), vec![group(&[])]].concat();
        assert_eq!(Calibration::new(&with_an_empty_one), None);
    }

    #[test]
    fn large_group_weighs_no_more_than_a_small_one() {
        let mut groups = vec![group(&[1.0]); 39];
        groups.push(group(&[100.0; 1000]));
        let calibration = Calibration::new(&groups).unwrap();
        assert_eq!((calibration.low, calibration.high), (0.0, 1.0));
    }

    #[test]
    fn errors_three_times_as_large_ask_for_intervals_three_times_as_wide() {
        let calibration = Calibration { low: -2.0, high: 4.0 };
        let scores: Vec<f64> = (0..10).map(|at| if at % 2 == 0 { -6.0 } else { 12.0 }).collect();
        assert_eq!(calibration.widened(&scores), 3.0);
        let one_of_ten = [vec![0.5; 9], vec![400.0]].concat();
        assert_eq!(calibration.widened(&one_of_ten), 0.125, "nine of ten are held");
        assert_eq!(calibration.widened(&[]), 1.0);
    }

    #[test]
    fn next_group_lies_inside_nine_times_in_ten() {
        let mut random = rand::rngs::StdRng::seed_from_u64(5);
        let (mut inside, mut all) = (0, 0);
        for _ in 0..300 {
            let mut drawn = || -> Vec<f64> {
                let shift = random.random_range(-1.0..1.0);
                (0..20).map(|_| shift + random.random_range(-1.0..1.0)).collect()
            };
            let groups: Vec<Group> = (0..20).map(|_| group(&drawn())).collect();
            let calibration = Calibration::new(&groups).unwrap();
            let next = drawn();
            all += next.len();
            let holds = |score: &&f64| (calibration.low..=calibration.high).contains(*score);
            inside += next.iter().filter(holds).count();
        }
        let share = inside as f64 / all as f64;
        assert!((0.87..0.95).contains(&share), "{share}");
    }
}
