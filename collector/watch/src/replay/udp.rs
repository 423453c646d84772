//! When UDP got through, as stretches.

use isochrone_proto::units::UnixMillis;

/// Signs of life closer together than this are one stretch.
const APART_MS: u64 = 30_000;

/// Stretches in order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Udp {
    stretches: Vec<(u64, u64)>,
    /// Those before are over.
    past: usize,
}

impl Udp {
    pub(super) fn lived(&mut self, at: UnixMillis) {
        let place = self.stretches.partition_point(|(_, last)| last + APART_MS < at.0);
        match self.stretches.get_mut(place) {
            Some((first, last)) if *first <= at.0 + APART_MS => {
                (*first, *last) = ((*first).min(at.0), (*last).max(at.0));
                let joined = *self.stretches.get(place).unwrap_or(&(at.0, at.0));
                if let Some(&(next, end)) = self.stretches.get(place + 1)
                    && next <= joined.1 + APART_MS
                {
                    self.stretches[place].1 = joined.1.max(end);
                    self.stretches.remove(place + 1);
                }
            }
            _ => self.stretches.insert(place, (at.0, at.0)),
        }
    }

    /// Whether it lives at an instant; instants only grow.
    pub(super) fn lives(&mut self, now: UnixMillis) -> bool {
        while self
            .stretches
            .get(self.past)
            .is_some_and(|(_, last)| last + STEP_MS < now.0)
        {
            self.past += 1;
        }
        self.stretches
            .get(self.past)
            .is_some_and(|(first, _)| *first <= now.0)
    }
}

/// It is asked so often.
const STEP_MS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The oracle keeps every sign of life, and joins those that are near.
        #[test]
        fn any_order_gives_the_oracles_stretches(signs in prop::collection::vec(0u64..400, 1..40)) {
            let mut udp = Udp::default();
            signs.iter().for_each(|second| udp.lived(UnixMillis(second * 1_000)));
            let mut sorted = signs.clone();
            sorted.sort_unstable();
            let mut oracle: Vec<(u64, u64)> = Vec::new();
            for second in sorted {
                match oracle.last_mut().filter(|last| second - last.1 <= 30) {
                    Some(last) => last.1 = second,
                    None => oracle.push((second, second)),
                }
            }
            let got: Vec<_> = udp.stretches.iter().map(|(first, last)| (first / 1_000, last / 1_000)).collect();
            prop_assert_eq!(got, oracle);
        }
    }
}
