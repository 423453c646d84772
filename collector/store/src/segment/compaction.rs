//! Small segments of a day that is over become few large ones. Files are only ever replaced as a whole, in one
//! transaction; the old ones stay until nobody can be reading them.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use isochrone_proto::units::UnixMillis;

use super::catalogue::{Group, SPAN_ROWS, Segment, Span};
use super::day::{Day, OVER};
use super::files::{Compacted, replace};
use super::gather::Gathered;
use super::in_vain::InVain;
use super::sealed::SealedLog;
use super::writer::Files;
use crate::numbers::read_number;
use crate::tables::META_SEGMENT;
use crate::{Store, StoreError};

impl Store {
    /// Makes fewer segments of neighbours of one day, as many as make one span; `None`: there are none. Reads and writes
    /// files: not for an async task.
    ///
    /// # Errors
    /// When the store failed. Nothing has changed then.
    pub fn compact(&self, now: UnixMillis) -> Result<Option<Compacted>, StoreError> {
        let segments = &self.0.segments;
        let _alone = self.alone()?;
        let today = Day::of(now.minus(OVER));
        let Some(mut found) = self.find_compactable(today)? else {
            return Ok(None);
        };
        let files = Files {
            folder: &*segments.folder,
            span: found.span,
            generation: 1 + found.old.iter().map(|old| old.generation).max().unwrap_or(0),
            last: found.last,
        };
        let written = self.write_files(&files, |written| {
            for mut sheet in std::mem::take(&mut found.gathered.sheets) {
                files.put_sheet(&mut sheet, &found.gathered.batches, written)?; // what they add up to stays as it is
            }
            Ok(())
        })?;
        self.enter_written(&written, |transaction| {
            replace(transaction, self.found(), (&found.old, now))
        })?;
        let total = |all: &[Segment]| all.iter().map(|segment| segment.bytes).sum::<u64>();
        segments.bytes.fetch_add(total(&written), Ordering::Relaxed);
        segments.bytes.fetch_sub(total(&found.old), Ordering::Relaxed);
        segments.note_replaced(found.old.iter().map(|old| old.number));
        Ok(Some(Compacted {
            replaced: found.old.len() as u64,
            files: written.len() as u64,
            measurements: found.gathered.rows,
        }))
    }

    /// The first neighbours that can become one, with their measurements.
    fn find_compactable(&self, today: Day) -> Result<Option<Compactable>, StoreError> {
        self.read(|transaction| {
            let last = read_number(transaction, self.found(), META_SEGMENT)?;
            let sealed = SealedLog::read(transaction, self.found(), &self.0.segments)?.checked_whole();
            let mut in_vain = self.in_vain(today);
            for run in runs(sealed.groups(), today, &in_vain) {
                let span = Span {
                    first: run.iter().map(|group| group.span.first).min().unwrap_or(0),
                    last: run.iter().map(|group| group.span.last).max().unwrap_or(0),
                };
                let mut gathered = Gathered::default();
                let (mut is_whole, mut under_missing) = (true, None);
                sealed.walk(span.first, &|head| span.holds(head.commit), &mut |head, runs| {
                    let version = head.header.plan;
                    match self.plan(head.probe, version)? {
                        Some(plan) => gathered.add_runs(&head, runs, &plan),
                        None => (is_whole, under_missing) = (false, Some(head.commit)),
                    }
                    Ok(match is_whole {
                        true => ControlFlow::Continue(()),
                        false => ControlFlow::Break(()),
                    })
                })?;
                let rows: u64 = run.iter().map(Group::rows).sum();
                // what is damaged, or cannot be told what it is, stays where it is
                if is_whole && gathered.rows == rows {
                    let old = run.iter().flat_map(|group| group.segments.clone()).collect();
                    return Ok(Some(Compactable {
                        span,
                        old,
                        gathered,
                        last,
                    }));
                }
                for group in run {
                    let is_under_missing = under_missing.is_some_and(|commit| group.span.holds(commit));
                    if is_under_missing || sealed.rows_with_heads(group)? < group.rows() {
                        in_vain.add(group);
                    }
                }
            }
            Ok(None)
        })
    }
}

struct Compactable {
    span: Span,
    old: Vec<Segment>,
    gathered: Gathered,
    last: u64,
}

/// Neighbours of one day before `today` that fit into one span: two or more, or one whose segments lie within each other.
/// Those that cannot be put together with others stay out.
fn runs<'g>(groups: &'g [Group], today: Day, in_vain: &InVain) -> Vec<&'g [Group]> {
    let mut runs = Vec::new();
    let mut from = 0;
    let mut rows = 0;
    let is_apart = |group: &Group| in_vain.holds(group);
    for (place, group) in groups.iter().enumerate() {
        let is_next = groups[from].day() == group.day() && rows + group.rows() <= SPAN_ROWS;
        let is_next = is_next && is_apart(&groups[from]) == is_apart(group);
        if !is_next {
            runs.push(&groups[from..place]);
            (from, rows) = (place, 0);
        }
        rows += group.rows();
    }
    runs.push(&groups[from..]);
    runs.retain(|run| {
        let is_over = |group: &Group| group.day().is_some_and(|day| day < today) && !is_apart(group);
        run.iter().all(is_over) && (run.len() > 1 || run.iter().any(is_nested))
    });
    runs
}

fn is_nested(group: &Group) -> bool {
    let spans = group.segments.iter().map(|segment| segment.span);
    spans.clone().any(|span| span != group.span)
}
