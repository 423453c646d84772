//! The catalogue: which segments count. A file that it does not name is none.

use isochrone_proto::kind::Kind;
use isochrone_proto::units::UnixMillis;
use redb::ReadableTable;

use super::day::Day;
use crate::StoreError;
use crate::row::{Malformed, RowReader, RowWriter};
use crate::rows::Rows;
use crate::tier::Tier;

/// A segment, as the catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Counts up, for the name of its file; never used twice.
    pub(crate) number: u64,
    pub(crate) tier: Tier,
    pub(crate) kind: Kind,
    /// The day of its slots; of days that were put together into one file the first.
    pub(crate) day: Day,
    /// The span of commits that it was sealed with, with its segments of other kinds and days. Spans do not cross each other.
    pub(crate) span: Span,
    /// The first and the last slot in it.
    pub(crate) slots: (UnixMillis, UnixMillis),
    pub(crate) rows: u64,
    /// Measurements in it, or added up in it.
    pub(crate) measurements: u64,
    pub(crate) bytes: u64,
    /// CRC-32C of the file.
    pub(crate) checksum: u32,
    /// 1: sealed from the log; each compaction adds 1.
    pub(crate) generation: u32,
}

/// Measurements of one span: so many are held in memory, when it is written and when it is read.
pub(super) const SPAN_ROWS: u64 = 1 << 19;

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

const VERSION: u8 = 2;
/// A row of format 6, which had no tiers.
const VERSION_RAW: u8 = 1;

impl Segment {
    /// The name of its file.
    pub(crate) fn name(&self) -> String {
        let (tier, kind, day) = (self.tier.prefix(), self.kind, self.day);
        format!("{tier}{kind}-{day}{}", Self::ending(self.number))
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
            .number(u64::from(self.generation))
            .number(code_of(self.tier))
            .number(self.measurements);
        row.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let is_raw = bytes.first() == Some(&VERSION_RAW);
        let version = if is_raw { VERSION_RAW } else { VERSION };
        let mut row = RowReader::new(bytes, version)?;
        let number = row.number("number")?;
        let length: usize = row.narrow("kind's length")?;
        let kind = std::str::from_utf8(row.bytes(length, "kind")?).map_err(|_| Malformed::Text)?;
        let mut segment = Self {
            number,
            tier: Tier::Raw,
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
            measurements: 0,
            bytes: row.number("bytes")?,
            checksum: row.narrow("checksum")?,
            generation: row.narrow("generation")?,
        };
        segment.measurements = segment.rows;
        if !is_raw {
            segment.tier = tier_of(row.number("tier")?)?;
            segment.measurements = row.number("measurements")?;
        }
        row.end()?;
        Ok(segment)
    }
}

const fn code_of(tier: Tier) -> u64 {
    match tier {
        Tier::Raw => 0,
        Tier::Hour => 1,
        Tier::Day => 2,
    }
}

fn tier_of(code: u64) -> Result<Tier, Malformed> {
    let known = Tier::ALL.into_iter().find(|tier| code_of(*tier) == code);
    known.ok_or(Malformed::Unknown {
        field: "tier",
        found: code,
    })
}

/// How the files of segments end.
pub(super) const EXTENSION: &str = ".parquet";

/// Segments of measurements whose spans overlap: what is read, and rewritten, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) span: Span,
    pub(crate) segments: Vec<Segment>,
}

impl Group {
    pub(crate) fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }

    /// Whether it may hold slots in `[first, last]`.
    pub(crate) fn touches(&self, (first, last): (UnixMillis, UnixMillis)) -> bool {
        let mut slots = self.segments.iter().map(|segment| segment.slots);
        slots.any(|slots| slots.0 <= last && slots.1 >= first)
    }

    /// The last day that it holds slots of.
    pub(crate) fn day(&self) -> Option<Day> {
        self.segments.iter().map(|segment| segment.day).max()
    }
}

/// The catalogue as of one instant.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// Every segment, of all tiers, by number.
    pub(crate) segments: Vec<Segment>,
    /// The groups of measurements, by their commits.
    pub(crate) groups: Vec<Group>,
}

impl Catalogue {
    /// All that an open table holds.
    pub(crate) fn of<T: ReadableTable<u64, &'static [u8]>>(
        table: &Rows<'_, u64, T>,
    ) -> Result<Self, StoreError> {
        let segments = segments_in(table)?;
        let groups = groups_of(&segments);
        Ok(Self { segments, groups })
    }
}

fn groups_of(segments: &[Segment]) -> Vec<Group> {
    let mut segments: Vec<Segment> = segments.to_vec();
    segments.retain(|segment| segment.tier == Tier::Raw);
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
    groups
}

/// Every segment that an open table names.
pub(crate) fn segments_in<T: ReadableTable<u64, &'static [u8]>>(
    table: &Rows<'_, u64, T>,
) -> Result<Vec<Segment>, StoreError> {
    let mut segments = Vec::new();
    for row in table.iter()? {
        let (number, row) = row?;
        segments.extend(table.decode(number.value(), &row, Segment::decode));
    }
    Ok(segments)
}
