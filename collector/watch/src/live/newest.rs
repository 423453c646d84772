//! The newest runs of one check, for the page: verdicts are the engine's.

use isochrone_base::kinds::Finding;
use isochrone_proto::units::UnixMillis;

/// What is shown of a check's runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Newest {
    /// The newest run.
    slot: Option<UnixMillis>,
    /// The newest that says anything.
    word: Option<(UnixMillis, Finding)>,
    failures: u32,
}

impl Newest {
    /// Adds a run; false, and no change, if it is no newer than what is known.
    pub(super) fn add(&mut self, slot: UnixMillis, seen: Finding) -> bool {
        if self.slot.is_some_and(|newest| slot <= newest) {
            return false;
        }
        self.slot = Some(slot);
        match seen {
            Finding::Nothing => return true,
            Finding::Bad => self.failures = self.failures.saturating_add(1),
            Finding::Good | Finding::Absent => self.failures = 0,
        }
        self.word = Some((slot, seen));
        true
    }

    pub(super) fn slot(&self) -> Option<UnixMillis> {
        self.slot
    }

    pub(super) fn word(&self) -> Option<(UnixMillis, Finding)> {
        self.word
    }

    /// Failures in a row that it ends with.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_that_says_nothing_leaves_the_word_and_an_older_one_everything() {
        let at = |second: u64| UnixMillis(second * 1_000);
        let mut newest = Newest::default();
        assert!(newest.add(at(10), Finding::Bad) && newest.add(at(20), Finding::Bad));
        assert!(newest.add(at(30), Finding::Nothing));
        assert!(!newest.add(at(15), Finding::Good));
        assert_eq!(
            (newest.slot(), newest.word()),
            (Some(at(30)), Some((at(20), Finding::Bad)))
        );
        assert_eq!(newest.failures(), 2);
        newest.add(at(40), Finding::Absent);
        assert_eq!(newest.failures(), 0);
    }
}
