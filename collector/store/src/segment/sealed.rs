//! The sealed part of the log: heads of batches and their measurements, in the order of commits.
//!
//! A group of segments is read as a whole and sorted by commit, so that whoever reads sees no difference to the log.
//! A segment that is not what was written is noted, and the rest is given.

use std::ops::ControlFlow;
use std::slice;
use std::sync::Arc;

use bytes::Bytes;
use isochrone_proto::measurement::Measurement;
use isochrone_proto::units::UnixMillis;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, Table, WriteTransaction};

use super::catalogue::{Catalogue, Group, Segment, Span};
use super::checked::{Look, Withheld};
use super::error::FileError;
use super::file::{self, Selection};
use super::holds::Segments;
use super::opened::Opened;
use crate::StoreError;
use crate::found::{Fault, Found};
use crate::heads::{self, Head};
use crate::rows::Rows;
use crate::tables::{SEALED, SEGMENTS};

/// Every sealed batch, as of one instant.
pub(crate) struct SealedLog<'t, T> {
    blocks: Rows<'t, u64, T>,
    catalogue: Arc<Catalogue>,
    segments: &'t Segments,
    found: &'t Found,
    /// Damage to what names segments ends the walk: what is read again after it was put right lacks nothing.
    is_strict: bool,
    /// How files are opened.
    look: Look,
}

/// What a reader does with a sealed batch and its measurements.
pub(crate) type EachSealed<'e> =
    &'e mut dyn FnMut(Head, Vec<Measurement>) -> Result<ControlFlow<()>, StoreError>;
/// What a reader does with the head of a sealed batch.
type EachHead<'e> = &'e mut dyn FnMut(Head) -> Result<ControlFlow<()>, StoreError>;

impl<'t> SealedLog<'t, ReadOnlyTable<u64, &'static [u8]>> {
    /// As a reader sees it, who begins again ([`StoreError::Unsettled`]) where heads or names of segments are damaged.
    pub(crate) fn read(
        transaction: &ReadTransaction,
        found: &'t Found,
        segments: &'t Segments,
    ) -> Result<Self, StoreError> {
        let catalogue = segments.known.read(transaction, found)?;
        let is_strict = !found.is_stuck();
        if is_strict && found.is_waiting_in(SEGMENTS.name) {
            return Err(StoreError::Unsettled);
        }
        Ok(Self {
            catalogue,
            blocks: SEALED.read(transaction, found)?,
            segments,
            found,
            is_strict,
            look: Look::Once,
        })
    }
}

impl<'t> SealedLog<'t, Table<'t, u64, &'static [u8]>> {
    /// As a writer sees it.
    pub(crate) fn open(
        transaction: &'t WriteTransaction,
        found: &'t Found,
        segments: &'t Segments,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            catalogue: Arc::new(Catalogue::of(&SEGMENTS.open(transaction, found)?)?),
            blocks: SEALED.open(transaction, found)?,
            segments,
            found,
            is_strict: false,
            look: Look::Once,
        })
    }
}

impl<T: ReadableTable<u64, &'static [u8]>> SealedLog<'_, T> {
    /// The same for whoever makes other files of what is read.
    pub(super) fn checked_whole(self) -> Self {
        let look = Look::Whole;
        Self { look, ..self }
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.catalogue.groups
    }

    /// Gives the sealed batches from commit `from` on that are wanted to `each`, until it breaks.
    pub(crate) fn walk(
        &self,
        from: u64,
        wants: &dyn Fn(&Head) -> bool,
        each: EachSealed<'_>,
    ) -> Result<(), StoreError> {
        self.walk_within((UnixMillis(0), UnixMillis(u64::MAX)), from, wants, each)
    }

    /// The same where no batch is wanted but those with a slot in `[slots.0, slots.1]`: of groups that hold none not even the heads
    /// are read.
    pub(crate) fn walk_within(
        &self,
        slots: (UnixMillis, UnixMillis),
        from: u64,
        wants: &dyn Fn(&Head) -> bool,
        each: EachSealed<'_>,
    ) -> Result<(), StoreError> {
        let mut next = from;
        for group in self.groups().iter().filter(|group| group.span.last >= from) {
            let first = group.span.first;
            if next < first && self.without_rows(span(next, first - 1), wants, each)?.is_break() {
                return Ok(());
            }
            let wants_of_group = |head: &Head| head.commit >= next && wants(head);
            if group.touches(slots) && self.group(group, &wants_of_group, each)?.is_break() {
                return Ok(());
            }
            next = group.span.last.saturating_add(1);
        }
        self.without_rows(span(next, u64::MAX), wants, each).map(drop)
    }

    /// Gives the heads in a span to `each`, until it breaks.
    pub(crate) fn heads(&self, span: Span, each: EachHead<'_>) -> Result<ControlFlow<()>, StoreError> {
        let before = self.blocks.range(..=span.first)?.next_back().transpose()?;
        let start = before.map_or(span.first, |(key, _)| key.value());
        for block in self.blocks.range(start..=span.last)? {
            let (key, row) = block?;
            let heads = self
                .blocks
                .decode(key.value(), &row, heads::decode)
                .unwrap_or_default();
            self.check_blocks()?;
            for head in heads.into_iter().filter(|head| span.holds(head.commit)) {
                if each(head)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        self.check_blocks()?;
        Ok(ControlFlow::Continue(()))
    }

    fn check_blocks(&self) -> Result<(), StoreError> {
        match self.is_strict && self.found.is_waiting_in(SEALED.name) {
            true => Err(StoreError::Unsettled),
            false => Ok(()),
        }
    }

    /// As [`SealedLog::heads`], through to the end.
    pub(crate) fn each_head(&self, span: Span, each: &mut dyn FnMut(Head)) -> Result<(), StoreError> {
        self.heads(span, &mut |head| {
            each(head);
            Ok(ControlFlow::Continue(()))
        })
        .map(drop)
    }

    /// The commits that have heads, in stretches without a gap.
    pub(crate) fn commits(&self) -> Result<Vec<Span>, StoreError> {
        let mut stretches = Vec::new();
        self.each_head(span(0, u64::MAX), &mut |head| {
            lengthen(&mut stretches, head.commit)
        })?;
        Ok(stretches)
    }

    /// As [`SealedLog::commits`], of one group: only their rows count.
    pub(crate) fn commits_of(&self, group: &Group) -> Result<Vec<Span>, StoreError> {
        let (mut stretches, mut rows) = (Vec::new(), 0);
        self.each_head(group.span, &mut |head| {
            rows += u64::from(head.rows);
            lengthen(&mut stretches, head.commit);
        })?;
        self.look_for_heads(group, rows)?;
        Ok(stretches)
    }

    /// How many rows a group has by its heads.
    pub(super) fn rows_with_heads(&self, group: &Group) -> Result<u64, StoreError> {
        let mut rows = 0;
        self.each_head(group.span, &mut |head| rows += u64::from(head.rows))?;
        Ok(rows)
    }

    /// Where the heads that were found have fewer rows than a group, some are missing: a search passes by what stands
    /// under a damaged key.
    fn look_for_heads(&self, group: &Group, rows: u64) -> Result<(), StoreError> {
        if rows < group.rows() {
            self.blocks.compare_range(group.span.first..=group.span.last)?;
            self.check_blocks()?;
        }
        Ok(())
    }

    /// Heads between groups: their batches have no measurements, or these are lost.
    fn without_rows(
        &self,
        span: Span,
        wants: &dyn Fn(&Head) -> bool,
        each: EachSealed<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        self.heads(span, &mut |head| match wants(&head) {
            true => each(head, Vec::new()),
            false => Ok(ControlFlow::Continue(())),
        })
    }

    fn group(
        &self,
        group: &Group,
        wants: &dyn Fn(&Head) -> bool,
        each: EachSealed<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let (mut wanted, mut rows) = (Wanted::default(), 0);
        self.each_head(group.span, &mut |head| {
            rows += u64::from(head.rows);
            if wants(&head) {
                wanted.add(&head);
            }
        })?;
        self.look_for_heads(group, rows)?;
        if wanted.commits.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let mut rows = self.rows_of(group, &wanted)?.into_iter().peekable();
        let mut place = 0;
        self.heads(group.span, &mut |head| {
            if !wants(&head) {
                return Ok(ControlFlow::Continue(()));
            }
            let mut runs = Vec::with_capacity(usize::from(head.rows));
            while let Some((_, run)) = rows.next_if(|(of, _)| *of == place) {
                runs.push(run);
            }
            place += 1;
            each(head, runs)
        })
    }

    /// The measurements of the wanted commits, by the place of each among these.
    fn rows_of(&self, group: &Group, wanted: &Wanted) -> Result<Vec<(u32, Measurement)>, StoreError> {
        let places = Places::of(&wanted.commits);
        let mut rows = Vec::new();
        for segment in &group.segments {
            if segment.slots.1 < wanted.slots.0 || segment.slots.0 > wanted.slots.1 {
                continue;
            }
            let opened = self.segments.open_as(segment, self.look);
            let Some(opened) = noted(self.found, segment, opened)? else {
                continue;
            };
            let before = rows.len();
            let layout = segment.kind.check.layout();
            let selection = Selection {
                slots: wanted.slots,
                place: &|commit| places.place(commit),
            };
            let read = file::read(&opened, layout, &selection, |place, run| rows.push((place, run)));
            if let Err(error) = read {
                rows.truncate(before);
                let why = self.segments.unread(segment, &error);
                noted(self.found, segment, Err::<(), _>(why))?;
            }
        }
        rows.sort_by_key(|(place, run)| (*place, run.slot, run.check));
        Ok(rows)
    }

    /// Gives the commit and the slot of each row of a segment to `each`.
    pub(super) fn each_slot(
        &self,
        segment: &Segment,
        each: &mut dyn FnMut(u64, UnixMillis),
    ) -> Result<(), StoreError> {
        let opened = noted(self.found, segment, self.segments.open_as(segment, self.look))?;
        let read = slots_of(&opened.ok_or(StoreError::Unsettled)?, each);
        let read = read.map_err(|error| self.segments.unread(segment, &error));
        noted(self.found, segment, read)?.ok_or(StoreError::Unsettled)
    }
}

/// Gives the commit and the slot of each row of a file to `each`.
fn slots_of(opened: &Opened, each: &mut dyn FnMut(u64, UnixMillis)) -> Result<(), FileError> {
    for group in opened.row_groups() {
        let group = group?;
        let all = 0..group.rows;
        let all = slice::from_ref(&all);
        let commits = group.numbers("commit", all)?;
        for (commit, slot) in commits.into_iter().zip(group.numbers("slot", all)?) {
            each(commit, UnixMillis(slot));
        }
    }
    Ok(())
}

/// What was read of a segment; `None`: it is not what was written, and that is noted.
pub(super) fn noted<T>(
    found: &Found,
    segment: &Segment,
    read: Result<T, Withheld>,
) -> Result<Option<T>, StoreError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Withheld::Damaged(what)) => {
            note(found, segment, what);
            Ok(None)
        }
        Err(Withheld::Unread(error)) => Err(error),
    }
}

/// The bytes of the file of a segment, if it is what was written; else that is noted.
pub(super) fn bytes_of(
    segments: &Segments,
    found: &Found,
    segment: &Segment,
    look: Look,
) -> Result<Option<Bytes>, StoreError> {
    let Some(content) = noted(found, segment, segments.content(segment, look))? else {
        return Ok(None);
    };
    let length = usize::try_from(segment.bytes).unwrap_or(usize::MAX); // it was checked
    let read = content.read_at(0, length);
    noted(
        found,
        segment,
        read.map_err(|source| segments.failed(segment, source)),
    )
}

/// Notes that the file of a segment is not what was written.
pub(super) fn note(found: &Found, segment: &Segment, what: String) {
    let what = Fault::File {
        name: segment.name(),
        what,
    };
    found.note(SEGMENTS.name, &segment.number.to_le_bytes(), what);
}

/// Adds the next commit to stretches without a gap.
fn lengthen(stretches: &mut Vec<Span>, commit: u64) {
    match stretches.last_mut() {
        Some(stretch) if stretch.last + 1 == commit => stretch.last = commit,
        _ => stretches.push(span(commit, commit)),
    }
}

fn span(first: u64, last: u64) -> Span {
    Span { first, last }
}

/// The commits that a reader wants of a group, lowest first, and the slots between which they lie.
struct Wanted {
    commits: Vec<u64>,
    slots: (UnixMillis, UnixMillis),
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            commits: Vec::new(),
            slots: (UnixMillis(u64::MAX), UnixMillis(0)),
        }
    }
}

impl Wanted {
    fn add(&mut self, head: &Head) {
        self.commits.push(head.commit);
        if head.rows > 0 {
            self.slots = (self.slots.0.min(head.slots.0), self.slots.1.max(head.slots.1));
        }
    }
}

/// Finds a commit among others.
enum Places<'c> {
    /// By its distance from the first; 0 is none.
    Dense(u64, Vec<u32>),
    Sparse(&'c [u64]),
}

/// A table of places may have so many empty ones for each that is not.
const EMPTY_MAX: u64 = 8;

impl<'c> Places<'c> {
    fn of(commits: &'c [u64]) -> Self {
        let (Some(first), Some(last)) = (commits.first(), commits.last()) else {
            return Self::Sparse(commits);
        };
        let width = last - first + 1;
        if width > EMPTY_MAX * commits.len() as u64 {
            return Self::Sparse(commits);
        }
        let mut places = vec![0; width as usize];
        for (place, commit) in commits.iter().enumerate() {
            places[(commit - first) as usize] = place as u32 + 1;
        }
        Self::Dense(*first, places)
    }

    fn place(&self, commit: u64) -> Option<u32> {
        match self {
            Self::Dense(first, places) => {
                let distance = usize::try_from(commit.checked_sub(*first)?).ok()?;
                places.get(distance)?.checked_sub(1)
            }
            Self::Sparse(commits) => commits.binary_search(&commit).ok().map(|place| place as u32),
        }
    }
}
