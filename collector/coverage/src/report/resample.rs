//! Resampling of whole days, and of networks within a region: samples of one day share its weather.

use std::collections::BTreeMap;

use rand::Rng;

use super::{Interval, LEAST_DAYS};
use crate::histogram::{middle_us, rank};
use crate::observations::{Day, Network, Samples, Statistic};

/// The share of replicates outside the interval at each end.
const TAIL: f64 = 0.05;

/// How often each day was drawn, for each replicate.
pub(super) struct DayDraws {
    days: Vec<Day>,
    /// `times[replicate][day]`.
    times: Vec<Vec<u32>>,
}

impl DayDraws {
    /// `None` with too few days to say anything.
    pub(super) fn new(days: &[Day], replicates: usize, random: &mut impl Rng) -> Option<Self> {
        (days.len() >= LEAST_DAYS).then(|| Self {
            days: days.to_vec(),
            times: (0..replicates).map(|_| draw(days.len(), random)).collect(),
        })
    }

    pub(super) fn replicates(&self) -> usize {
        self.times.len()
    }

    /// The statistic in milliseconds of each replicate; NaN where no drawn day has a sample. `None` if the
    /// pair itself was measured on too few days.
    pub(super) fn replicate(
        &self,
        samples: &BTreeMap<Day, &Samples>,
        statistic: Statistic,
    ) -> Option<Vec<f64>> {
        let measured: Vec<(usize, &Samples)> = self
            .days
            .iter()
            .enumerate()
            .filter_map(|(at, day)| Some((at, *samples.get(day)?)).filter(|(_, day)| !day.times.is_empty()))
            .collect();
        if measured.len() < LEAST_DAYS {
            return None;
        }
        let pool = Pool::new(&measured, statistic)?;
        Some(self.times.iter().map(|times| pool.statistic_ms(times)).collect())
    }
}

/// `count` draws with replacement from `count` things: how often each was drawn.
pub(super) fn draw(count: usize, random: &mut impl Rng) -> Vec<u32> {
    let mut times = vec![0; count];
    (0..count).for_each(|_| times[random.random_range(0..count)] += 1);
    times
}

/// The days of one pair, ready to be pooled many times. A quantile of pooled days lies between the
/// lowest and the highest quantile of one day, so only the buckets in between are kept apart.
struct Pool {
    quantile: Option<f64>,
    days: Vec<PooledDay>,
    /// The buckets kept apart, ascending.
    buckets: Vec<u16>,
}

struct PooledDay {
    at: usize,
    min_us: f64,
    count: u64,
    below: u64,
    counts: Vec<u64>,
}

impl Pool {
    fn new(measured: &[(usize, &Samples)], statistic: Statistic) -> Option<Self> {
        let quantile = statistic.quantile();
        let q = quantile.unwrap_or(0.0);
        let bucket_at = |samples: &Samples| {
            let (mut seen, wanted) = (0, rank(q, samples.times.count()));
            let reached = |&&(_, count): &&(u16, u64)| {
                seen += count;
                seen >= wanted
            };
            samples
                .times
                .buckets()
                .iter()
                .find(reached)
                .map(|&(bucket, _)| bucket)
        };
        let ends: Vec<u16> = measured
            .iter()
            .filter_map(|(_, samples)| bucket_at(samples))
            .collect();
        let (low, high) = (*ends.iter().min()?, *ends.iter().max()?);
        let within = |&&(bucket, _): &&(u16, u64)| (low..=high).contains(&bucket);
        let mut buckets: Vec<u16> = measured
            .iter()
            .flat_map(|(_, samples)| {
                samples
                    .times
                    .buckets()
                    .iter()
                    .filter(within)
                    .map(|&(bucket, _)| bucket)
            })
            .collect();
        buckets.sort_unstable();
        buckets.dedup();
        let days = measured
            .iter()
            .map(|&(at, samples)| PooledDay::new(at, samples, &buckets))
            .collect();
        Some(Self {
            quantile,
            days,
            buckets,
        })
    }

    fn statistic_ms(&self, times: &[u32]) -> f64 {
        let drawn = || self.days.iter().filter(|day| times[day.at] > 0);
        let Some(q) = self.quantile else {
            return drawn()
                .map(|day| day.min_us / 1e3)
                .min_by(f64::total_cmp)
                .unwrap_or(f64::NAN);
        };
        let times_of = |day: &PooledDay| u64::from(times[day.at]);
        let count: u64 = drawn().map(|day| day.count * times_of(day)).sum();
        if count == 0 {
            return f64::NAN;
        }
        let wanted = rank(q, count);
        let mut seen: u64 = drawn().map(|day| day.below * times_of(day)).sum();
        for (at, &bucket) in self.buckets.iter().enumerate() {
            seen += drawn().map(|day| day.counts[at] * times_of(day)).sum::<u64>();
            if seen >= wanted {
                return middle_us(bucket) / 1e3;
            }
        }
        self.buckets
            .last()
            .map_or(f64::NAN, |&bucket| middle_us(bucket) / 1e3)
    }
}

impl PooledDay {
    fn new(at: usize, samples: &Samples, buckets: &[u16]) -> Self {
        let own = samples.times.buckets();
        let below = own
            .iter()
            .take_while(|(bucket, _)| *bucket < buckets[0])
            .map(|&(_, count)| count)
            .sum();
        let count_in = |bucket: &u16| {
            own.binary_search_by_key(bucket, |&(bucket, _)| bucket)
                .map_or(0, |found| own[found].1)
        };
        let counts = buckets.iter().map(count_in).collect();
        let min_us = samples.times.min_us().unwrap_or(f64::NAN);
        Self {
            at,
            min_us,
            count: samples.times.count(),
            below,
            counts,
        }
    }
}

/// For each replicate, how often each of a region's networks was drawn. With one network all are 1.
pub(super) fn draw_networks(
    networks: &[Option<Network>],
    replicates: usize,
    random: &mut impl Rng,
) -> Vec<BTreeMap<Option<Network>, u32>> {
    let mut distinct = networks.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    (0..replicates)
        .map(|_| {
            distinct
                .iter()
                .copied()
                .zip(draw(distinct.len(), random))
                .collect()
        })
        .collect()
}

/// The 90 % interval of replicates; `None` if half of them hold nothing.
pub(super) fn interval(replicates: impl IntoIterator<Item = f64>) -> Option<Interval> {
    let all: Vec<f64> = replicates.into_iter().collect();
    let mut held: Vec<f64> = all.iter().copied().filter(|value| value.is_finite()).collect();
    if held.is_empty() || held.len() * 2 < all.len() {
        return None;
    }
    held.sort_by(f64::total_cmp);
    let at = |q: f64| held[rank(q, held.len() as u64) as usize - 1];
    Some(Interval {
        low: at(TAIL),
        high: at(1.0 - TAIL),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::LogHistogram;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    fn samples(us: &[f64]) -> Samples {
        let mut times = LogHistogram::new();
        us.iter().for_each(|&us| assert!(times.record_us(us)));
        Samples { times, lost: 0 }
    }

    #[test]
    fn too_few_days_give_no_draws() {
        let days: Vec<Day> = (0..6).map(Day).collect();
        assert!(DayDraws::new(&days, 10, &mut StdRng::seed_from_u64(1)).is_none());
    }

    #[test]
    fn interval_leaves_a_twentieth_at_each_end() {
        let interval = interval((1..=100).map(f64::from)).unwrap();
        assert_eq!((interval.low, interval.high), (5.0, 95.0));
    }

    #[test]
    fn interval_of_mostly_nothing_is_none() {
        assert_eq!(interval([1.0, f64::NAN, f64::NAN]), None);
        assert_eq!(interval([]), None);
    }

    proptest! {
        /// The oracle pools the drawn days' histograms by merging them one by one.
        #[test]
        fn replicate_equals_merged_histograms(
            days in prop::collection::vec(prop::collection::vec(1e3..1e5f64, 0..30), 7..12),
            seed in any::<u64>(),
            pick in 0usize..4,
        ) {
            let statistic = [Statistic::Min, Statistic::P50, Statistic::P90, Statistic::P99][pick];
            let data: Vec<Samples> = days.iter().map(|us| samples(us)).collect();
            let names: Vec<Day> = (0..data.len() as i32).map(Day).collect();
            let by_day: BTreeMap<Day, &Samples> = names.iter().copied().zip(&data).collect();
            let draws = DayDraws::new(&names, 20, &mut StdRng::seed_from_u64(seed)).unwrap();
            let held = data.iter().filter(|day| !day.times.is_empty()).count();
            let got = draws.replicate(&by_day, statistic);
            prop_assert_eq!(got.is_some(), held >= LEAST_DAYS);
            for (replicate, times) in got.into_iter().flatten().zip(&draws.times) {
                let mut pooled = LogHistogram::new();
                for (day, &count) in data.iter().zip(times) {
                    (0..count).for_each(|_| pooled.merge(&day.times));
                }
                let exact = match statistic.quantile() {
                    None => pooled.min_us(),
                    Some(q) => pooled.quantile_us(q),
                };
                match exact {
                    None => prop_assert!(replicate.is_nan()),
                    // The merged histogram clamps to its exact extremes: both are within the error of a bucket.
                    Some(us) => prop_assert!((replicate - us / 1e3).abs() <= us / 1e3 * 0.0203),
                }
            }
        }
    }
}
