//! Which stretches of the past rows came for too late: a row of last month does not join one of today.

use isochrone_proto::units::UnixMillis;

/// Rows closer together than this lie in one stretch.
const APART_MS: u64 = 3_600_000;
/// More stretches are not kept: each is read from the log by itself.
const STRETCHES_MAX: usize = 64;

/// From the first row to the last.
pub(crate) type Stretch = (UnixMillis, UnixMillis);

/// Stretches in order of time, none near another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Late {
    stretches: Vec<Stretch>,
}

impl Late {
    pub(crate) fn of(stretches: impl IntoIterator<Item = Stretch>) -> Self {
        let mut late = Self::default();
        late.join(&Self {
            stretches: stretches.into_iter().collect(),
        });
        late
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    pub(crate) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// A row came too late for `at`.
    pub(crate) fn add(&mut self, at: UnixMillis) {
        self.add_stretch((at, at));
    }

    pub(crate) fn add_stretch(&mut self, (mut first, mut last): Stretch) {
        let from = self
            .stretches
            .partition_point(|(_, end)| end.0 + APART_MS < first.0);
        let mut until = from;
        while let Some(&(begin, end)) = self.stretches.get(until)
            && begin.0 <= last.0 + APART_MS
        {
            (first, last) = (first.min(begin), last.max(end));
            until += 1;
        }
        self.stretches.splice(from..until, [(first, last)]);
    }

    pub(crate) fn join(&mut self, other: &Self) {
        for &stretch in &other.stretches {
            self.add_stretch(stretch);
        }
    }

    /// Takes the newest stretch, at most its last `longest_ms`.
    pub(crate) fn take_newest(&mut self, longest_ms: u64) -> Option<Stretch> {
        let (first, last) = self.stretches.pop()?;
        let cut = UnixMillis(last.0.saturating_sub(longest_ms));
        if first < cut {
            self.stretches.push((first, cut));
        }
        Some((first.max(cut), last))
    }

    pub(crate) fn newest(&self) -> Option<Stretch> {
        self.stretches.last().copied()
    }

    /// Lets the oldest go where there are too many, and gives them back.
    pub(crate) fn bound(&mut self) -> Vec<Stretch> {
        let over = self.stretches.len().saturating_sub(STRETCHES_MAX);
        self.stretches.drain(..over).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn at(minute: u64) -> UnixMillis {
        UnixMillis(minute * MINUTE_MS)
    }

    #[test]
    fn row_of_long_ago_and_one_of_now_are_two_stretches() {
        let mut late = Late::default();
        late.add(at(100_000));
        late.add(at(5));
        late.add(at(100_030));
        assert_eq!(late.stretches(), [(at(5), at(5)), (at(100_000), at(100_030))]);
    }

    #[test]
    fn long_stretch_is_taken_in_parts_the_newest_first() {
        let mut late = Late::of([(at(0), at(250))]);
        let mut taken = Vec::new();
        while let Some(stretch) = late.take_newest(100 * MINUTE_MS) {
            taken.push(stretch);
        }
        assert_eq!(taken, [(at(150), at(250)), (at(50), at(150)), (at(0), at(50))]);
    }

    #[test]
    fn too_many_stretches_let_the_oldest_go() {
        let mut late = Late::of((0..70).map(|number| (at(number * 100), at(number * 100))));
        let gone = late.bound();
        assert_eq!(gone.len(), 6);
        assert_eq!(gone[0], (at(0), at(0)));
        assert_eq!(late.stretches().len(), STRETCHES_MAX);
        assert_eq!(late.bound(), []);
    }

    proptest! {
        /// The oracle sorts all rows and cuts where two lie an hour and more apart.
        #[test]
        fn any_order_gives_the_oracles_stretches(rows in prop::collection::vec(0u64..2_000, 1..60)) {
            let mut late = Late::default();
            rows.iter().for_each(|&minute| late.add(at(minute)));
            let mut oracle: Vec<Stretch> = Vec::new();
            for minute in rows.iter().copied().collect::<BTreeSet<u64>>() {
                match oracle.last_mut().filter(|(_, last)| at(minute).0 <= last.0 + APART_MS) {
                    Some((_, last)) => *last = at(minute),
                    None => oracle.push((at(minute), at(minute))),
                }
            }
            prop_assert_eq!(late.stretches(), &oracle[..]);
        }
    }
}
