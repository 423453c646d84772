//! How much of an epoch is also elsewhere: in Elasticsearch, where that is configured. A probe's spool lets go of that first.

use std::collections::VecDeque;

use isochrone_proto::ids::Sequence;

/// What one stream's acknowledgements say is safe.
#[derive(Debug, Default)]
pub(super) struct Safe {
    /// Marks that are stored and not safe yet: each with a commit number that it is not behind.
    waiting: VecDeque<(u64, Sequence)>,
    safe: Sequence,
}

impl Safe {
    /// Everything up to `mark` is stored, at `commit` or before; every commit up to `sent` is elsewhere, where measurements
    /// go anywhere. What is safe then: the mark of now or of earlier, at most.
    pub(super) fn stored(&mut self, mark: Sequence, commit: u64, sent: Option<u64>) -> Sequence {
        let Some(sent) = sent else {
            return self.safe;
        };
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((commit, mark));
        } else if let Some(last) = self.waiting.back_mut() {
            *last = (commit, mark); // later than it could be said
        }
        let are_sent = self.waiting.partition_point(|(commit, _)| *commit <= sent); // in order of commits
        for (_, mark) in self.waiting.drain(..are_sent) {
            self.safe = self.safe.max(mark);
        }
        self.safe
    }
}

/// Marks that wait, at most: with Elasticsearch away, the newest of them stands for those behind.
const WAITING_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_safe_where_measurements_go_nowhere_else() {
        let mut safe = Safe::default();
        assert_eq!(safe.stored(Sequence(7), 70, None), Sequence::NONE);
    }

    #[test]
    fn mark_is_safe_once_its_commit_was_sent_and_not_before() {
        let mut safe = Safe::default();
        assert_eq!(safe.stored(Sequence(1), 10, Some(9)), Sequence::NONE);
        assert_eq!(safe.stored(Sequence(2), 20, Some(10)), Sequence(1));
        assert_eq!(safe.stored(Sequence(3), 30, Some(19)), Sequence(1));
        assert_eq!(safe.stored(Sequence(4), 40, Some(40)), Sequence(4));
        assert_eq!(
            safe.stored(Sequence(4), 40, Some(0)),
            Sequence(4),
            "it stays safe"
        );
    }

    #[test]
    fn server_that_is_away_costs_no_memory_and_nothing_is_called_safe_too_early() {
        let mut safe = Safe::default();
        for number in 1..=10_000 {
            assert_eq!(
                safe.stored(Sequence(number), number * 10, Some(5)),
                Sequence::NONE
            );
        }
        assert!(safe.waiting.len() <= WAITING_MAX);
        assert_eq!(safe.stored(Sequence(10_001), 100_010, Some(1_000)), Sequence(100));
        assert_eq!(
            safe.stored(Sequence(10_002), 100_020, Some(100_000)),
            Sequence(255),
            "the newest waits for all"
        );
        assert_eq!(
            safe.stored(Sequence(10_003), 100_030, Some(100_030)),
            Sequence(10_003)
        );
    }
}
