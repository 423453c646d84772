//! One segment, as a question reads it.

use std::ops::Range;
use std::slice;
use std::sync::Arc;

use isochrone_proto::ids::{ProbeId, TargetId};

use super::gather::{Columns, Gather, Place};
use super::window::Asked;
use crate::segment::{FileError, RowGroup, Segment, Segments, Span, Timed, Withheld};

/// A segment, and the commits whose rows count.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) segment: Segment,
    pub(super) commits: Arc<[Span]>,
}

impl Part {
    /// Gives what was asked for to `gather`; where the file is damaged, nothing of it.
    pub(super) fn read<G: Gather>(
        &self,
        segments: &Segments,
        asked: &Asked,
        gather: &mut G,
    ) -> Result<(), Withheld> {
        let opened = segments.open(&self.segment)?;
        let mut groups = opened.row_groups();
        let read = groups.try_for_each(|group| self.group(&group?, asked, gather));
        match read {
            Ok(()) => gather.keep(),
            Err(error) => {
                gather.forget();
                return Err(segments.unread(&self.segment, &error));
            }
        }
        Ok(())
    }

    fn group<G: Gather>(&self, group: &RowGroup<'_>, asked: &Asked, gather: &mut G) -> Result<(), FileError> {
        if group.slots().is_some_and(|slots| !asked.runs.touches(slots)) {
            return Ok(());
        }
        let counted = self.counted(group)?;
        let places = self.places(group, asked)?;
        let wanted = both(&places, &counted);
        if wanted.is_empty() {
            return Ok(());
        }
        let timed = group.timed(&joined(&wanted), G::ASKS_WHY)?;
        let mut columns = columns(&timed);
        for (place, rows) in wanted {
            let (now, later) = columns.split(rows.len(), columns.answers(rows.len()));
            gather.columns(place, now);
            columns = later;
        }
        Ok(())
    }

    /// The rows whose commits have heads.
    fn counted(&self, group: &RowGroup<'_>) -> Result<Vec<Range<usize>>, FileError> {
        let whole = 0..group.rows;
        let is_one = |(first, last)| {
            let holds = |span: &Span| span.holds(first) && span.holds(last);
            self.commits.iter().any(holds)
        };
        if group.commits().is_some_and(is_one) {
            return Ok(vec![whole]);
        }
        let counts = |commit: u64| {
            let place = self.commits.partition_point(|span| span.last < commit);
            self.commits.get(place).is_some_and(|span| span.holds(commit))
        };
        let mut counted: Vec<Range<usize>> = Vec::new();
        for (row, commit) in group
            .numbers("commit", slice::from_ref(&whole))?
            .into_iter()
            .enumerate()
        {
            match counted.last_mut() {
                _ if !counts(commit) => {}
                Some(last) if last.end == row => last.end += 1,
                _ => counted.push(row..row + 1),
            }
        }
        Ok(counted)
    }

    /// The rows of each place that is asked for.
    fn places(&self, group: &RowGroup<'_>, asked: &Asked) -> Result<Vec<(Place, Range<usize>)>, FileError> {
        let probes = group
            .words("probe_id")?
            .runs_as(|id| parsed(id, "probe_id").map(ProbeId))?;
        let targets = group
            .words("target_id")?
            .runs_as(|id| parsed(id, "target_id").map(TargetId))?;
        let (probes, targets) = (ranges(&probes), ranges(&targets));
        let total = [
            &probes.last().map(|last| last.1.end),
            &targets.last().map(|last| last.1.end),
        ];
        if total != [&Some(group.rows); 2] {
            return Err(FileError::Meaning { column: "target_id" });
        }
        let mut places = Vec::new();
        for (probe, target, rows) in overlaps(&probes, &targets) {
            if asked.has(probe, target) {
                let kind = self.segment.kind;
                places.push((Place { probe, target, kind }, rows));
            }
        }
        Ok(places)
    }
}

fn parsed(id: &[u8], column: &'static str) -> Result<u64, FileError> {
    let id = std::str::from_utf8(id).ok();
    let id = id.and_then(|id| u64::from_str_radix(id, 16).ok());
    id.ok_or(FileError::Meaning { column })
}

/// Where runs of values stand.
fn ranges<T: Copy>(runs: &[(T, usize)]) -> Vec<(T, Range<usize>)> {
    let (mut ranges, mut at) = (Vec::with_capacity(runs.len()), 0);
    for (value, rows) in runs {
        ranges.push((*value, at..at + rows));
        at += rows;
    }
    ranges
}

/// The common parts of ranges, both of which are in order.
fn overlaps<A: Copy, B: Copy>(
    one: &[(A, Range<usize>)],
    other: &[(B, Range<usize>)],
) -> Vec<(A, B, Range<usize>)> {
    let (mut found, mut left, mut right) = (Vec::new(), 0, 0);
    while let (Some((a, of_a)), Some((b, of_b))) = (one.get(left), other.get(right)) {
        let rows = of_a.start.max(of_b.start)..of_a.end.min(of_b.end);
        if !rows.is_empty() {
            found.push((*a, *b, rows));
        }
        match of_a.end <= of_b.end {
            true => left += 1,
            false => right += 1,
        }
    }
    found
}

fn both(places: &[(Place, Range<usize>)], counted: &[Range<usize>]) -> Vec<(Place, Range<usize>)> {
    let counted: Vec<((), Range<usize>)> = counted.iter().map(|rows| ((), rows.clone())).collect();
    let overlaps = overlaps(places, &counted).into_iter();
    overlaps.map(|(place, (), rows)| (place, rows)).collect()
}

/// The same rows in as few ranges as there can be.
fn joined(wanted: &[(Place, Range<usize>)]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (_, rows) in wanted {
        match ranges.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => ranges.push(rows.clone()),
        }
    }
    ranges
}

fn columns(timed: &Timed) -> Columns<'_> {
    Columns {
        slots: &timed.slots,
        answered: &timed.answered,
        rtt: &timed.rtt,
        suspect: &timed.suspect,
        ends: &timed.ends,
    }
}
