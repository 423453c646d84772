//! The catalogue: which segments count. A file that it does not name is none.

use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;
use redb::{ReadTransaction, ReadableTable};

use super::day::Day;
use crate::StoreError;
use crate::found::Found;
use crate::row::{Malformed, RowReader, RowWriter};
use crate::rows::Rows;
use crate::tables::SEGMENTS;

/// A segment, as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Counts up, for the name of its file; never used twice.
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    pub(crate) day: Day,
    /// The span of commits that it was sealed with, with its segments of other kinds and days. Spans do not cross each other.
    pub(crate) span: Span,
    /// The first and the last slot in it.
    pub(crate) slots: (UnixMillis, UnixMillis),
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// CRC-32C of the file.
    pub(crate) checksum: u32,
    /// 1: sealed from the log; each compaction adds 1.
    pub(crate) generation: u32,
}

/// Consecutive commits: the first and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Span {
    pub(crate) fn holds(self, commit: u64) -> bool {
        (self.first..=self.last).contains(&commit)
    }

    /// How many commits it has room for.
    pub(crate) fn width(self) -> u64 {
        self.last - self.first + 1
    }
}

const VERSION: u8 = 1;

impl Segment {
    /// The name of its file.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}{}", self.kind, self.day, Self::ending(self.number))
    }

    /// How the names of files with that number end.
    pub(super) fn ending(number: u64) -> String {
        format!("-{number:010}{EXTENSION}")
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let kind = self.kind.to_string();
        let mut row = RowWriter::version(VERSION);
        row.number(self.number)
            .number(kind.len() as u64)
            .bytes(kind.as_bytes())
            .number(u64::from(self.day.0))
            .number(self.span.first)
            .number(self.span.last)
            .number(self.slots.0.0)
            .number(self.slots.1.0)
            .number(self.rows)
            .number(self.bytes)
            .number(u64::from(self.checksum))
            .number(u64::from(self.generation));
        row.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut row = RowReader::new(bytes, VERSION)?;
        let number = row.number("number")?;
        let length: usize = row.narrow("kind's length")?;
        let kind = std::str::from_utf8(row.bytes(length, "kind")?).map_err(|_| Malformed::Text)?;
        let segment = Self {
            number,
            kind: kind.parse().map_err(|_| Malformed::Content { what: "kind" })?,
            day: Day(row.narrow("day")?),
            span: Span {
                first: row.number("first commit")?,
                last: row.number("last commit")?,
            },
            slots: (
                UnixMillis(row.number("first slot")?),
                UnixMillis(row.number("last slot")?),
            ),
            rows: row.number("rows")?,
            bytes: row.number("bytes")?,
            checksum: row.narrow("checksum")?,
            generation: row.narrow("generation")?,
        };
        row.end()?;
        Ok(segment)
    }
}

/// How the files of segments end.
pub(super) const EXTENSION: &str = ".parquet";

/// Segments whose spans overlap: what is read, and rewritten, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) span: Span,
    pub(crate) segments: Vec<Segment>,
}

impl Group {
    pub(crate) fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The last day that it holds slots of.
    pub(crate) fn day(&self) -> Option<Day> {
        self.segments.iter().map(|segment| segment.day).max()
    }
}

/// The groups of the catalogue, by their commits.
pub(crate) fn groups(transaction: &ReadTransaction, found: &Found) -> Result<Vec<Group>, StoreError> {
    groups_in(&SEGMENTS.read(transaction, found)?)
}

/// As [`groups`], of an open table.
pub(crate) fn groups_in<T: ReadableTable<u64, &'static [u8]>>(
    table: &Rows<'_, u64, T>,
) -> Result<Vec<Group>, StoreError> {
    let mut segments = Vec::new();
    for row in table.iter()? {
        let (number, row) = row?;
        segments.extend(table.decode(number.value(), &row, Segment::decode));
    }
    segments.sort_by_key(|segment| (segment.span, segment.number));
    let mut groups: Vec<Group> = Vec::new();
    for segment in segments {
        match groups.last_mut() {
            Some(group) if segment.span.first <= group.span.last => {
                group.span.last = group.span.last.max(segment.span.last);
                group.segments.push(segment);
            }
            _ => groups.push(Group {
                span: segment.span,
                segments: vec![segment],
            }),
        }
    }
    Ok(groups)
}
