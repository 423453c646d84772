//! A set of hours, small however long they last: what is waiting to be added up.

use isochrone_proto::units::Hour;
use serde::{Deserialize, Serialize};

/// Hours, as ranges apart from each other, ascending: first and last of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HourSet(Vec<(Hour, Hour)>);

impl HourSet {
    /// Adds every hour from `first` to `last`.
    pub fn insert(&mut self, first: Hour, last: Hour) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        let from = self.0.partition_point(|range| range.1.next() < first);
        let until = self.0.partition_point(|range| range.0 <= last.next());
        for range in self.0.drain(from..until) {
            (first, last) = (first.min(range.0), last.max(range.1));
        }
        self.0.insert(from, (first, last));
    }

    /// Adds those of another set.
    pub fn extend(&mut self, other: &Self) {
        for (first, last) in &other.0 {
            self.insert(*first, *last);
        }
    }

    /// Takes one hour out.
    pub fn remove(&mut self, hour: Hour) {
        let Some(at) = self.0.iter().position(|range| range.0 <= hour && hour <= range.1) else {
            return;
        };
        let (first, last) = self.0.remove(at);
        if hour < last {
            self.0.insert(at, (hour.next(), last));
        }
        if first < hour {
            self.0.insert(at, (first, Hour(hour.0 - 1)));
        }
    }

    /// Every hour, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Hour> + '_ {
        self.0
            .iter()
            .flat_map(|(first, last)| (first.0..=last.0).map(Hour))
    }

    /// Whether an hour is in it.
    #[must_use]
    pub fn contains(&self, hour: Hour) -> bool {
        self.0.iter().any(|range| range.0 <= hour && hour <= range.1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_plain_set_holds_in_ranges_apart(acts in prop::collection::vec((any::<bool>(), 0u32..40, 0u32..6), 0..40)) {
            let (mut ours, mut plain) = (HourSet::default(), BTreeSet::new());
            for (is_insert, first, length) in acts {
                if is_insert {
                    ours.insert(Hour(first), Hour(first + length));
                    plain.extend((first..=first + length).map(Hour));
                } else {
                    ours.remove(Hour(first));
                    plain.remove(&Hour(first));
                }
                prop_assert_eq!(ours.iter().collect::<BTreeSet<_>>(), plain.clone());
                prop_assert!(ours.0.windows(2).all(|two| two[0].1.next() < two[1].0), "{:?}", ours);
            }
        }
    }
}
