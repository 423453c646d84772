//! Days that lack what their hours know: a file of them was damaged when the measurements were gone. They are read, and made
//! again, from hours.
//!
//! Hours and days of a kind and day come with the same spans, but are put together at different times. What overlaps is
//! about the same measurements, so its days must add up to as many as its hours: retention removes hours first.

use std::collections::BTreeMap;

use isochrone_proto::kind::Kind;

use super::catalogue::Segment;
use super::day::Day;
use crate::tier::Tier;

/// Hours of one kind and day, and the days of the same spans.
#[derive(Debug, Default)]
pub(super) struct Gap {
    pub(super) hours: Vec<Segment>,
    /// They count no more than the hours do.
    pub(super) days: Vec<Segment>,
}

/// Where days among `segments` lack what hours know.
pub(super) fn find<'s>(segments: impl IntoIterator<Item = &'s Segment>) -> Vec<Gap> {
    let mut pieces: BTreeMap<(Kind, Day), Vec<&Segment>> = BTreeMap::new();
    for segment in segments.into_iter().filter(|segment| segment.tier != Tier::Raw) {
        pieces
            .entry((segment.kind, segment.day))
            .or_default()
            .push(segment);
    }
    let mut gaps = Vec::new();
    for mut pieces in pieces.into_values() {
        pieces.sort_by_key(|piece| (piece.span, piece.number));
        let (mut gap, mut last) = (Gap::default(), 0);
        for piece in pieces {
            if piece.span.first > last {
                gaps.push(std::mem::take(&mut gap));
            }
            last = piece.span.last.max(last);
            match piece.tier {
                Tier::Day => gap.days.push(piece.clone()),
                Tier::Raw | Tier::Hour => gap.hours.push(piece.clone()),
            }
        }
        gaps.push(gap);
    }
    gaps.retain(Gap::is_one);
    gaps
}

impl Gap {
    fn is_one(&self) -> bool {
        let measurements = |of: &[Segment]| of.iter().map(|segment| segment.measurements).sum::<u64>();
        let are_more = measurements(&self.hours) > measurements(&self.days);
        are_more || self.days.is_empty() && !self.hours.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use isochrone_proto::units::UnixMillis;

    use super::*;
    use crate::segment::Span;

    fn piece(tier: Tier, (first, last): (u64, u64), measurements: u64) -> Segment {
        Segment {
            number: first,
            tier,
            kind: "connect4".parse().unwrap(),
            day: Day(20_000),
            span: Span { first, last },
            slots: (UnixMillis(0), UnixMillis(1)),
            rows: 1,
            measurements,
            bytes: 1,
            checksum: 0,
            generation: 1,
        }
    }

    /// The spans of hours and of days in each gap.
    fn spans(segments: &[Segment]) -> Vec<(Vec<u64>, Vec<u64>)> {
        let firsts = |of: &[Segment]| of.iter().map(|segment| segment.span.first).collect();
        let gaps = find(segments).into_iter();
        gaps.map(|gap| (firsts(&gap.hours), firsts(&gap.days))).collect()
    }

    #[test]
    fn days_with_all_that_hours_know_have_no_gap_however_both_were_put_together() {
        let pieces = [
            piece(Tier::Hour, (1, 5), 10),
            piece(Tier::Hour, (6, 9), 20),
            piece(Tier::Day, (1, 9), 30),
            piece(Tier::Hour, (10, 12), 0),
            piece(Tier::Day, (10, 12), 0),
            piece(Tier::Raw, (1, 12), 30),
        ];
        assert_eq!(spans(&pieces), []);
        assert_eq!(
            spans(&[piece(Tier::Day, (1, 9), 30)]),
            [],
            "retention removed the hours"
        );
        assert_eq!(
            spans(&[piece(Tier::Hour, (1, 5), 10), piece(Tier::Day, (1, 9), 30)]),
            []
        );
    }

    #[test]
    fn lost_piece_of_days_is_a_gap_of_its_spans_alone() {
        let hours = [
            piece(Tier::Hour, (1, 5), 10),
            piece(Tier::Hour, (6, 9), 20),
            piece(Tier::Hour, (10, 12), 5),
        ];
        let days = [
            piece(Tier::Day, (1, 5), 10),
            piece(Tier::Day, (6, 9), 20),
            piece(Tier::Day, (10, 12), 5),
        ];
        let without = |place: usize| {
            let mut pieces = hours.to_vec();
            pieces.extend(days.iter().cloned());
            pieces.remove(3 + place);
            pieces
        };
        assert_eq!(spans(&without(1)), [(vec![6], vec![])]);
        let folded = [
            piece(Tier::Hour, (1, 9), 30),
            days[0].clone(),
            hours[2].clone(),
            days[2].clone(),
        ];
        assert_eq!(spans(&folded), [(vec![1], vec![1])]);
        let skipped_alone = [piece(Tier::Hour, (1, 5), 0)];
        assert_eq!(spans(&skipped_alone), [(vec![1], vec![])]);
    }
}
