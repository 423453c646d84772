//! How a window is read: in pieces of whole hours, none of which holds more rows than fit into memory.

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::units::{Hour, UnixMillis};

use super::Runs;

/// Rows that are held at once, at most: four bytes each of a percentile, 24 of a series.
pub(super) const ROWS_MAX: u64 = 1 << 24;

/// Rows between two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) slots: (UnixMillis, UnixMillis),
    pub(super) rows: u64,
}

/// What is read at once.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) runs: Runs,
    /// Only targets whose number leaves this rest, where one hour alone holds too many rows: (divisor, rest).
    share: (u64, u64),
}

impl Asked {
    pub(super) fn has(&self, probe: ProbeId, target: TargetId) -> bool {
        let (divisor, rest) = self.share;
        self.runs.has_probe(probe)
            && self.runs.target.is_none_or(|asked| asked == target)
            && target.0 % divisor == rest
    }
}

/// A piece of a window.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    from: UnixMillis,
    /// The first instant after it.
    pub(super) until: UnixMillis,
    shares: u64,
    runs: Runs,
}

impl Piece {
    /// What is read one after the other.
    pub(super) fn parts(&self) -> impl Iterator<Item = Asked> {
        let runs = Runs {
            from: self.from,
            until: self.until,
            ..self.runs.clone()
        };
        (0..self.shares).map(move |rest| Asked {
            runs: runs.clone(),
            share: (self.shares, rest),
        })
    }
}

/// Cuts a window into pieces, the oldest first: `stretches` say which rows there are.
pub(super) fn pieces(runs: &Runs, stretches: &[Stretch], rows_max: u64) -> Vec<Piece> {
    let mut stretches: Vec<Stretch> = stretches.to_vec();
    stretches.retain(|stretch| runs.touches(stretch.slots));
    stretches.sort_unstable_by_key(|stretch| stretch.slots);
    let Some(last) = stretches.iter().map(|stretch| stretch.slots.1).max() else {
        return Vec::new();
    };
    let last = last.hour().0;
    let mut pieces: Vec<Piece> = Vec::new();
    let mut hour = stretches[0].slots.0.max(runs.from).hour().0;
    while hour <= last {
        let (next, rows) = piece_from(hour, last, &stretches, rows_max);
        if rows > 0 {
            pieces.push(Piece {
                from: Hour(hour).start().max(runs.from),
                until: Hour(next).start().min(runs.until),
                shares: rows.div_ceil(rows_max).max(1),
                runs: runs.clone(),
            });
        }
        hour = next;
        if Hour(hour).start() >= runs.until {
            break;
        }
    }
    pieces
}

/// The hour behind the piece that begins with `hour`, and the rows that may lie in it.
fn piece_from(hour: u32, last: u32, stretches: &[Stretch], rows_max: u64) -> (u32, u64) {
    let begun = stretches.partition_point(|stretch| stretch.slots.0.hour().0 <= hour);
    let (begun, later) = stretches.split_at(begun);
    let still = begun.iter().filter(|stretch| stretch.slots.1.hour().0 >= hour);
    let mut rows: u64 = still.map(|stretch| stretch.rows).sum();
    if rows == 0 {
        // nothing lies here: on to where something begins
        let next = later.first().map_or(last + 1, |next| next.slots.0.hour().0);
        return (next, 0);
    }
    for stretch in later {
        if rows + stretch.rows > rows_max {
            return (stretch.slots.0.hour().0, rows);
        }
        rows += stretch.rows;
    }
    (last + 1, rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    proptest! {
        #[test]
        fn pieces_follow_each_other_and_hold_every_row_and_no_more_than_fit(
            of in prop::collection::vec((0_u64..200, 0_u64..4, 1_u64..100), 0..40),
            (from, length) in (0_u64..100, 1_u64..150),
        ) {
            let at = |hour: u64| UnixMillis(hour * HOUR_MS + 1_234);
            let stretches: Vec<Stretch> = of
                .into_iter()
                .map(|(first, many, rows)| Stretch { slots: (at(first), at(first + many)), rows })
                .collect();
            let runs = Runs { from: at(from), until: at(from + length), ..Runs::default() };
            let pieces = pieces(&runs, &stretches, 150);
            for pair in pieces.windows(2) {
                prop_assert!(pair[0].until <= pair[1].from);
            }
            for piece in &pieces {
                let asked = Runs { from: piece.from, until: piece.until, ..Runs::default() };
                prop_assert!(piece.from < piece.until && runs.from <= piece.from && piece.until <= runs.until);
                let rows: u64 = stretches.iter().filter(|one| asked.touches(one.slots)).map(|one| one.rows).sum();
                prop_assert!(rows > 0 && rows <= 150 * piece.shares, "{} in {}", rows, piece.shares);
                prop_assert_eq!(piece.parts().count() as u64, piece.shares);
            }
            for slot in stretches.iter().flat_map(|one| [one.slots.0, one.slots.1]) {
                let holding = pieces.iter().filter(|piece| piece.from <= slot && slot < piece.until).count();
                prop_assert_eq!(holding, usize::from(runs.holds(slot)));
            }
        }

        #[test]
        fn shares_part_the_targets(target in any::<u64>()) {
            let one = Stretch { slots: (UnixMillis(5), UnixMillis(7)), rows: 1_000 };
            let pieces = pieces(&Runs::default(), &[one], 150);
            prop_assert_eq!(pieces.len(), 1);
            let parts: Vec<Asked> = pieces[0].parts().collect();
            prop_assert_eq!(parts.len(), 7);
            let having = parts.iter().filter(|part| part.has(ProbeId(1), TargetId(target))).count();
            prop_assert_eq!(having, 1);
        }
    }
}
