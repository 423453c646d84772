//! A rolling window of times and losses: what a cell saw in the last quarter of an hour.

use isochrone_proto::units::{Micros, UnixMillis};

/// How far back a window reaches, in seconds.
pub const WINDOW_S: u32 = 900;

/// Parts of a window; the oldest is dropped whole.
const PARTS: usize = 5;
const PART_MS: u64 = WINDOW_S as u64 * 1_000 / PARTS as u64;
/// Buckets between 0 and 100 s: 64 for each doubling, so that a quantile is within 0.8 %.
const BUCKETS: usize = 1_408;

/// One run, as a window counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// It succeeded and took so long.
    Took(Micros),
    /// It succeeded; its time leaves the percentiles (a starved probe, an uncached answer).
    Untimed,
    /// It failed: it has no time.
    Lost,
}

/// Counts of the last [`WINDOW_S`] seconds by slot. Later slots push earlier ones out; a row that is older
/// than the window is not counted here.
#[derive(Clone, Debug, Default)]
pub struct Window {
    parts: [Part; PARTS],
}

/// A fifth of a window. The few buckets that a pair's times fall into are kept sparse.
#[derive(Clone, Debug, Default)]
struct Part {
    number: u64,
    succeeded: u32,
    lost: u32,
    buckets: Vec<(u16, u16)>,
}

impl Window {
    /// Counts one run.
    pub(crate) fn record(&mut self, slot: UnixMillis, sample: Sample) {
        let number = slot.0 / PART_MS;
        let part = &mut self.parts[(number % PARTS as u64) as usize];
        if part.number != number {
            if part.number > number {
                return; // older than the window
            }
            part.number = number;
            (part.succeeded, part.lost) = (0, 0);
            part.buckets.clear();
        }
        match sample {
            Sample::Took(time) => {
                part.succeeded += 1;
                part.add(bucket_of(time.get()));
            }
            Sample::Untimed => part.succeeded += 1,
            Sample::Lost => part.lost += 1,
        }
    }

    /// What the window holds at `now`.
    #[must_use]
    pub fn figures(&self, now: UnixMillis) -> WindowSum {
        let mut sum = WindowSum::default();
        sum.add(self, now);
        sum
    }
}

impl Part {
    fn add(&mut self, bucket: u16) {
        for entry in &mut self.buckets {
            if entry.0 == bucket {
                entry.1 = entry.1.saturating_add(1);
                return;
            }
        }
        self.buckets.push((bucket, 1));
    }
}

/// The sum of any number of windows.
#[derive(Clone, Debug, Default)]
pub struct WindowSum {
    buckets: Vec<(u16, u32)>,
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that failed.
    pub lost: u64,
    sorted: bool,
}

impl WindowSum {
    /// Adds what `window` holds at `now`.
    pub fn add(&mut self, window: &Window, now: UnixMillis) {
        let newest = now.0 / PART_MS;
        for part in &window.parts {
            if part.number + PARTS as u64 > newest {
                self.succeeded += u64::from(part.succeeded);
                self.lost += u64::from(part.lost);
                self.buckets.extend(
                    part.buckets
                        .iter()
                        .map(|&(bucket, count)| (bucket, u32::from(count))),
                );
                self.sorted = false;
            }
        }
    }

    /// Runs in it, failed ones included.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.succeeded + self.lost
    }

    /// The share of runs that failed, 0…1; `None` without a run.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        (self.runs() > 0).then(|| self.lost as f64 / self.runs() as f64)
    }

    /// How many times stand behind the quantiles.
    #[must_use]
    pub fn timed(&self) -> u64 {
        self.buckets.iter().map(|&(_, count)| u64::from(count)).sum()
    }

    /// The `q` quantile in milliseconds by nearest rank, within 0.8 %; `None` without a time.
    pub fn quantile_ms(&mut self, q: f64) -> Option<f64> {
        if !self.sorted {
            self.buckets.sort_unstable();
            self.sorted = true;
        }
        let count = self.timed();
        let rank = ((q.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for &(bucket, samples) in &self.buckets {
            seen += u64::from(samples);
            if seen >= rank {
                return Some(middle_us(bucket) / 1_000.0);
            }
        }
        None
    }
}

fn bucket_of(us: u32) -> u16 {
    let shift = (u32::BITS - us.leading_zeros()).saturating_sub(7);
    ((shift << 6) + (us >> shift)).min(BUCKETS as u32 - 1) as u16
}

fn middle_us(bucket: u16) -> f64 {
    let bucket = u64::from(bucket);
    if bucket < 128 {
        return bucket as f64;
    }
    let shift = (bucket >> 6) - 1;
    let low = (bucket - (shift << 6)) << shift;
    low as f64 + (1u64 << shift) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantile_is_within_one_percent_of_the_sorted_oracle(
            mut times in prop::collection::vec(1u64..=100_000_000, 1..300),
            q in 0.0..=1.0f64,
        ) {
            let mut window = Window::default();
            for &us in &times {
                window.record(UnixMillis(1_000_000), Sample::Took(Micros::new(us).unwrap()));
            }
            times.sort_unstable();
            let rank = ((q * times.len() as f64).ceil() as usize).clamp(1, times.len());
            let exact = times[rank - 1] as f64 / 1_000.0;
            let got = window.figures(UnixMillis(1_000_000)).quantile_ms(q).unwrap();
            prop_assert!((got - exact).abs() <= exact * 0.01, "{got} {exact}");
        }

        #[test]
        fn counts_are_those_of_the_parts_that_reach_into_the_window(
            slots in prop::collection::vec(0u64..4_000_000, 0..200),
        ) {
            let mut window = Window::default();
            let mut slots = slots;
            slots.sort_unstable();
            for (index, &slot) in slots.iter().enumerate() {
                let sample = if index % 3 == 0 { Sample::Lost } else { Sample::Untimed };
                window.record(UnixMillis(slot), sample);
            }
            let now = slots.last().copied().unwrap_or(0);
            let oldest = (now / PART_MS).saturating_sub(PARTS as u64 - 1) * PART_MS;
            let inside = slots.iter().filter(|&&slot| slot >= oldest).count() as u64;
            prop_assert_eq!(window.figures(UnixMillis(now)).runs(), inside);
        }
    }

    #[test]
    fn lost_run_leaves_the_quantiles_unchanged() {
        let mut window = Window::default();
        let slot = UnixMillis(5_000_000);
        window.record(slot, Sample::Took(Micros::new(20_000).unwrap()));
        let before = window.figures(slot).quantile_ms(0.5);
        window.record(slot, Sample::Lost);
        window.record(slot, Sample::Untimed);
        let mut after = window.figures(slot);
        assert_eq!(after.quantile_ms(0.5), before);
        assert_eq!((after.runs(), after.lost, after.timed()), (3, 1, 1));
    }

    #[test]
    fn row_older_than_the_window_is_not_counted() {
        let mut window = Window::default();
        window.record(UnixMillis(10_000_000), Sample::Lost);
        window.record(UnixMillis(10_000_000 - 2 * 900_000), Sample::Lost);
        assert_eq!(window.figures(UnixMillis(10_000_000)).runs(), 1);
        assert_eq!(window.figures(UnixMillis(10_000_000 + 2 * 900_000)).runs(), 0);
    }
}
