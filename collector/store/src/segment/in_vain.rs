//! What was looked at and cannot be done: it is not looked at again before something changed that it may hang on.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};

use super::catalogue::{Group, Span};
use super::day::Day;
use crate::Store;

/// What cannot be done for now.
#[derive(Debug, Default)]
pub(crate) struct InVain {
    /// The plans that were missing, and the day when it was looked.
    as_of: (BTreeSet<Vec<u8>>, Option<Day>),
    /// Groups of segments, and their rows, that cannot be put together with others: heads or plans of theirs are missing.
    pub(super) groups: BTreeSet<(Span, u64)>,
    /// Marked days whose rollups cannot be made, with the numbers of their marks: a plan is missing.
    pub(super) marks: BTreeSet<(Day, u64)>,
}

impl InVain {
    pub(super) fn add(&mut self, group: &Group) {
        self.groups.insert((group.span, group.rows()));
    }

    pub(super) fn holds(&self, group: &Group) -> bool {
        self.groups.contains(&(group.span, group.rows()))
    }
}

impl Store {
    /// What cannot be done as things are.
    pub(super) fn in_vain(&self, today: Day) -> MutexGuard<'_, InVain> {
        let mut in_vain = self.in_vain_before();
        let missing = self.found().missing_plans().into_iter().collect();
        let InVain {
            as_of: (before, day), ..
        } = &*in_vain;
        if *day != Some(today) || !before.is_subset(&missing) {
            *in_vain = InVain::default(); // it is another day, or a plan is back
        }
        in_vain.as_of = (missing, Some(today));
        in_vain
    }

    /// What could not be done when it was looked last.
    pub(super) fn in_vain_before(&self) -> MutexGuard<'_, InVain> {
        let in_vain = &self.0.segments.in_vain;
        in_vain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
