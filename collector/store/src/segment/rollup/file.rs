//! The file of one kind's rollups, as bytes.

use std::slice;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use isochrone_coverage::histogram::LogHistogram;
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::measurement::CacheState;
use isochrone_proto::units::UnixMillis;
use parquet::basic::Compression;
use parquet::data_type::ByteArray;
use parquet::file::reader::{FileReader as _, RowGroupReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;

use super::schema;
use super::{Key, Loss, Period, Rollup, Sums, Timing};
use crate::segment::columns::{Cells, Cursor, text, word};
use crate::segment::day::Day;
use crate::segment::error::FileError;
use crate::segment::file::{Facts, write_columns};
use crate::segment::schema::{Form, of_columns, properties_of};

/// Rollups that are encoded, and read, at once.
const GROUP_ROWS: usize = 1 << 16;

/// Makes the file of rollups of one kind.
pub(in crate::segment) fn write(
    facts: &Facts,
    period: Period,
    rollups: &[Rollup],
) -> Result<Vec<u8>, FileError> {
    let check = facts.kind.check;
    let words = facts.words(schema::name(period, check));
    let mut properties = properties_of(schema::columns(check))?.set_key_value_metadata(Some(words));
    for column in schema::columns(check).filter(|column| column.form != Form::Bytes) {
        // a decompressor takes longer to make than these few bytes to read
        properties = properties.set_column_compression(column.name.into(), Compression::UNCOMPRESSED);
    }
    let of_rows = of_columns("rollup", schema::columns(check))?;
    let mut writer = SerializedFileWriter::new(Vec::new(), of_rows, Arc::new(properties.build()))?;
    for rows in rollups.chunks(GROUP_ROWS) {
        let mut columns = common_cells(rows);
        for timing in schema::timings(check) {
            columns.extend(time_cells(rows, |rollup| rollup.sums.times(*timing)));
        }
        write_columns(&mut writer, &columns, schema::columns(check))?;
    }
    Ok(writer.into_inner()?)
}

fn common_cells(rows: &[Rollup]) -> Vec<Cells> {
    let number = |of: fn(&Sums) -> u64| Cells::always(rows.iter().map(|row| of(&row.sums).cast_signed()));
    vec![
        Cells::runs(rows.iter().map(|row| &row.probe_name), |name| text(name)),
        Cells::runs(rows.iter().map(|row| row.probe), |id| text(&id.to_string())),
        Cells::runs(rows.iter().map(|row| row.kind), |kind| text(&kind.to_string())),
        Cells::runs(rows.iter().map(|row| &row.target_name), |name| text(name)),
        Cells::runs(rows.iter().map(|row| row.target), |id| text(&id.to_string())),
        Cells::always(rows.iter().map(|row| row.start.0.cast_signed())),
        Cells::runs(rows.iter().map(|row| row.cache), |cache| word(cache.word())),
        Cells::always(rows.iter().map(|row| row.suspect)),
        number(Sums::planned),
        number(|sums| sums.run),
        number(|sums| sums.skipped),
        number(|sums| sums.ok),
        Cells::maybe(rows.iter().map(|row| losses_text(&row.sums.losses))),
    ]
}

fn time_cells<'r>(rows: &'r [Rollup], of: impl Fn(&'r Rollup) -> &'r LogHistogram + Copy + 'r) -> [Cells; 4] {
    let measured = || rows.iter().map(of);
    let us = |us: Option<f64>| us.map(|us| us.round() as i32);
    let whole = |times: &LogHistogram| (!times.is_empty()).then(|| ByteArray::from(times.to_bytes()));
    [
        Cells::maybe(measured().map(|times| (!times.is_empty()).then(|| times.count().cast_signed()))),
        Cells::maybe(measured().map(|times| us(times.min_us()))),
        Cells::maybe(measured().map(|times| us(times.max_us()))),
        Cells::maybe(measured().map(whole)),
    ]
}

/// As JSON; the words need no escapes.
fn losses_text(losses: &BTreeMap<Loss, u64>) -> Option<ByteArray> {
    let said: Vec<String> = losses
        .iter()
        .map(|(loss, count)| format!("\"{loss}\":{count}"))
        .collect();
    (!said.is_empty()).then(|| text(&format!("{{{}}}", said.join(","))))
}

fn losses_of(text: Option<&str>) -> Option<BTreeMap<Loss, u64>> {
    let Some(text) = text else {
        return Some(BTreeMap::new());
    };
    let said: BTreeMap<String, u64> = serde_json::from_str(text).ok()?;
    let parse = |(loss, count): (String, u64)| Some((Loss::parse(&loss)?, count));
    said.into_iter().map(parse).collect()
}

/// What is read of a file.
pub(super) struct Asked<'a> {
    /// Rollups of these keys …
    pub(super) wants: &'a dyn Fn(&Key) -> bool,
    /// … with these times; `None`: with all.
    pub(super) timings: Option<&'a [Timing]>,
}

impl Asked<'_> {
    /// All of it.
    pub(super) const EVERY: Self = Self {
        wants: &|_| true,
        timings: None,
    };
}

/// Gives the rollups of a file that are wanted to `each`, as they stand in it, with the times that are.
pub(super) fn read(
    bytes: Bytes,
    kind: Kind,
    asked: &Asked<'_>,
    each: &mut dyn FnMut(Rollup),
) -> Result<(), FileError> {
    let check = kind.check;
    let reader = SerializedFileReader::new(bytes)?;
    let expected = of_columns("rollup", schema::columns(check))?;
    if *reader.metadata().file_metadata().schema() != *expected {
        return Err(FileError::Meaning { column: "(schema)" });
    }
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        let rows = usize::try_from(group.metadata().num_rows());
        let rows = rows.map_err(|_| FileError::Meaning { column: "(rows)" })?;
        let cells = Group::read(&*group, (check, asked.timings), rows)?;
        let mut cursors = Cursors::of(&cells);
        for _ in 0..rows {
            if let Some(rollup) = cursors.next(kind, asked.wants)? {
                each(rollup);
            }
        }
    }
    Ok(())
}

/// The columns of a row group; those that nobody asks for are empty, for each that is read costs a decompressor.
struct Group(Vec<Cells>);

impl Group {
    fn read(
        group: &dyn RowGroupReader,
        (check, timings): (Check, Option<&[Timing]>),
        rows: usize,
    ) -> Result<Self, FileError> {
        let cells = schema::columns(check).enumerate().map(|(place, column)| {
            if !is_read(place, check, timings) {
                return Ok(Cells::unread());
            }
            let reader = group.get_column_reader(place)?;
            Ok(Cells::read(
                reader,
                slice::from_ref(&(0..rows)),
                column.is_optional,
            )?)
        });
        cells.collect::<Result<_, FileError>>().map(Self)
    }
}

/// Whether a column says what no other does: the kind is known, counts and ends of times stand in their histograms.
fn is_read(place: usize, check: Check, timings: Option<&[Timing]>) -> bool {
    let Some(of_times) = place.checked_sub(schema::COMMON.len()) else {
        return place != KIND && place != PLANNED;
    };
    let timing = schema::timings(check).get(of_times / 4);
    let is_asked = |timing| timings.is_none_or(|asked| asked.contains(timing));
    of_times % 4 == 3 && timing.is_some_and(is_asked)
}

struct Cursors<'c> {
    columns: Vec<Cursor<'c>>,
    /// The names before: neighbours mostly have the same.
    probe: Arc<str>,
    target: Arc<str>,
}

const PROBE: usize = 0;
const PROBE_ID: usize = 1;
const KIND: usize = 2;
const TARGET: usize = 3;
const TARGET_ID: usize = 4;
const START: usize = 5;
const CACHE: usize = 6;
const SUSPECT: usize = 7;
const PLANNED: usize = 8;
const RUN: usize = 9;
const SKIPPED: usize = 10;
const OK: usize = 11;
const LOSSES: usize = 12;

impl<'c> Cursors<'c> {
    fn of(group: &'c Group) -> Self {
        Self {
            columns: group.0.iter().map(Cursor::new).collect(),
            probe: "".into(),
            target: "".into(),
        }
    }

    /// The next rollup, if it is wanted.
    fn next(&mut self, kind: Kind, wants: &dyn Fn(&Key) -> bool) -> Result<Option<Rollup>, FileError> {
        let (probe_name, target_name) = (self.columns[PROBE].text(), self.columns[TARGET].text());
        let key = self.key(kind)?;
        let [run, skipped, ok] = [self.number(RUN)?, self.number(SKIPPED)?, self.number(OK)?];
        let losses = self.columns[LOSSES].text();
        if !wants(&key) {
            for column in self.columns.iter_mut().skip(schema::COMMON.len()) {
                column.pass();
            }
            return Ok(None);
        }
        let mut sums = Sums {
            skipped,
            run,
            ok,
            losses: losses_of(losses).ok_or(FileError::Meaning { column: "losses" })?,
            ..Sums::default()
        };
        let of_timings = self.columns[schema::COMMON.len()..].chunks_mut(4);
        for (timing, columns) in schema::timings(kind.check).iter().zip(of_timings) {
            if let Some(bytes) = columns[3].bytes() {
                let times = LogHistogram::from_bytes(bytes);
                sums.times[*timing as usize] =
                    times.map_err(|_| FileError::Meaning { column: "histogram" })?;
            }
        }
        Ok(Some(Rollup {
            probe: key.probe,
            probe_name: same_or_new(&mut self.probe, probe_name.unwrap_or_default()),
            target: key.target,
            target_name: same_or_new(&mut self.target, target_name.unwrap_or_default()),
            kind,
            start: key.start,
            cache: key.cache,
            suspect: key.suspect,
            sums,
        }))
    }

    fn key(&mut self, kind: Kind) -> Result<Key, FileError> {
        let (probe, target) = (self.id(PROBE_ID)?, self.id(TARGET_ID)?);
        let cache = self.columns[CACHE].text();
        let cache = CacheState::ALL.iter().find(|known| Some(known.word()) == cache);
        let start = UnixMillis(self.number(START)?);
        Ok(Key {
            day: Day::of(start),
            kind,
            probe: ProbeId(probe),
            target: TargetId(target),
            start,
            cache: *cache.ok_or(FileError::Meaning { column: "cache" })?,
            suspect: self.columns[SUSPECT].flag().unwrap_or_default(),
        })
    }

    /// 16 hexadecimal digits.
    fn id(&mut self, place: usize) -> Result<u64, FileError> {
        let column = schema::COMMON[place].name;
        let text = self.columns[place].text().unwrap_or_default();
        u64::from_str_radix(text, 16).map_err(|_| FileError::Meaning { column })
    }

    fn number(&mut self, place: usize) -> Result<u64, FileError> {
        let column = schema::COMMON[place].name;
        let number = self.columns[place].large().map(i64::cast_unsigned);
        number.ok_or(FileError::Meaning { column })
    }
}

fn same_or_new(last: &mut Arc<str>, name: &str) -> Arc<str> {
    if **last != *name {
        *last = name.into();
    }
    Arc::clone(last)
}
