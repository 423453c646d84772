//! Whether a probe's own way out works: only then does its word against a target count.

use std::collections::BTreeMap;

use isochrone_base::roster::{NodeEntry, Roster};
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::Family;
use isochrone_proto::units::UnixMillis;

use super::rules::UPLINK_BAD_PERCENT;
use crate::live::{Cell, Seen, Vantage};

/// What one probe sees of all its targets, each family apart: a dead IPv6 says nothing about IPv4.
#[derive(Debug, Default)]
pub(super) struct Uplink<'a> {
    targets: BTreeMap<(Family, TargetId), Sight<'a>>,
}

/// One target over one family, as this probe sees it now.
#[derive(Debug)]
struct Sight<'a> {
    worker: Option<&'a str>,
    /// Some fresh check of it was answered, be it with an error page.
    answered: bool,
}

impl<'a> Uplink<'a> {
    pub(super) fn of(vantage: &Vantage, roster: &'a Roster, now: UnixMillis) -> Self {
        let mut uplink = Self::default();
        for cell in vantage.cells().filter(|cell| cell.planned && cell.counts()) {
            let Some(word) = cell.word(now) else { continue };
            let sight = uplink
                .targets
                .entry((cell.kind.family, cell.target))
                .or_insert_with(|| Sight {
                    worker: roster.worker_of(cell.target),
                    answered: false,
                });
            sight.answered |= is_answer(cell, word.seen);
        }
        uplink
    }

    /// Whether the probe may judge `node` over `family`. *Other* targets are those of other workers: a
    /// server that dies takes its node and its probe along, and that is no fault of this probe's uplink.
    pub(super) fn may_judge(&self, node: &NodeEntry, family: Family) -> bool {
        let (mut total, mut bad) = (0, 0);
        for ((of, target), sight) in &self.targets {
            let is_same =
                *target == node.id || (sight.worker.is_some() && sight.worker == node.worker.as_deref());
            if *of == family && !is_same {
                total += 1;
                bad += usize::from(!sight.answered);
            }
        }
        !is_cut(bad, total)
    }
}

/// More than 30 % of the others are bad. One of several is not a pattern yet: in a small mesh it would
/// silence everyone whenever two nodes are down.
fn is_cut(bad: usize, total: usize) -> bool {
    bad * 100 > total * UPLINK_BAD_PERCENT && (bad > 1 || bad == total)
}

/// An error page is a fault of the server's: it came over a working uplink.
fn is_answer(cell: &Cell, seen: Seen) -> bool {
    seen.is_answer() || (cell.kind.check.is_endpoint() && !cell.is_unanswered())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uplink_is_cut_above_thirty_percent_but_not_for_one_of_several() {
        for (bad, total, expected) in [
            (0, 0, false),
            (1, 1, true),
            (1, 2, false),
            (1, 3, false),
            (2, 3, true),
            (3, 10, false),
            (4, 10, true),
        ] {
            assert_eq!(is_cut(bad, total), expected, "{bad} of {total}");
        }
    }
}
