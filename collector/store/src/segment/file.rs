//! The file of one kind and one day, as bytes.

use std::ops::Range;
use std::slice;
use std::sync::Arc;

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Kind, Layout};
use isochrone_proto::measurement::Measurement;
use isochrone_proto::units::UnixMillis;
use parquet::data_type::ByteArray;
use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;

use super::columns::{Cells, Cursor, small, text};
use super::day::Day;
use super::error::FileError;
use super::opened::{Opened, RowGroup};
use super::outcomes::{Outcomes, cells, micros};
use super::schema::{self, Column};
use super::series::{BatchOf, Entry, Series};
use super::sheet::Sheet;

/// Rows that are encoded, and read, at once.
const GROUP_ROWS: usize = 1 << 17;

/// What a whole segment has in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) day: Day,
    /// The first and the last commit that it can hold rows of.
    pub(crate) commits: (u64, u64),
    /// How often its rows were written into segments.
    pub(crate) generation: u32,
}

/// Makes the segment of a sorted sheet, whose entries came in `batches`.
pub(crate) fn write(facts: &Facts, sheet: &Sheet, batches: &[BatchOf]) -> Result<Vec<u8>, FileError> {
    let layout = facts.kind.check.layout();
    let properties =
        schema::properties(layout)?.set_key_value_metadata(Some(facts.words(schema::name(layout))));
    let out = Vec::new();
    let mut writer = SerializedFileWriter::new(out, schema::of(layout)?, Arc::new(properties.build()))?;
    let series = sheet.series.iter();
    let series: Vec<_> = series
        .map(|series| (Names::of(series, facts.kind), series.rows.clone()))
        .collect();
    for (number, entries) in sheet.entries.chunks(GROUP_ROWS).enumerate() {
        let first = number * GROUP_ROWS;
        let within = series.iter().map(|(names, rows)| {
            let from = rows.start.max(first);
            let until = rows.end.min(first + entries.len());
            (names, until.saturating_sub(from))
        });
        let names: Vec<_> = within.filter(|(_, rows)| *rows > 0).collect();
        write_group(&mut writer, layout, &names, (entries, batches))?;
    }
    Ok(writer.into_inner()?)
}

impl Facts {
    /// What stands in a file of rows of `schema`.
    pub(super) fn words(&self, schema: &str) -> Vec<KeyValue> {
        let word = |key: &str, value: String| KeyValue::new(format!("isochrone.{key}"), value);
        vec![
            word("schema", schema.to_owned()),
            word("kind", self.kind.to_string()),
            word("day", self.day.to_string()),
            word("first_commit", self.commits.0.to_string()),
            word("last_commit", self.commits.1.to_string()),
            word("generation", self.generation.to_string()),
        ]
    }
}

/// What all rows of a series say.
struct Names {
    probe: ByteArray,
    probe_id: ByteArray,
    kind: ByteArray,
    target: ByteArray,
    target_id: ByteArray,
}

impl Names {
    fn of(series: &Series, kind: Kind) -> Self {
        let (probe, target): (ProbeId, TargetId) = (series.probe, series.target);
        Self {
            probe: text(&series.probe_name),
            probe_id: text(&probe.to_string()),
            kind: text(&kind.to_string()),
            target: text(&series.target_name),
            target_id: text(&target.to_string()),
        }
    }
}

/// Writes rows, of which so many are of each series.
fn write_group(
    writer: &mut SerializedFileWriter<Vec<u8>>,
    layout: Layout,
    names: &[(&Names, usize)],
    (entries, batches): (&[Entry], &[BatchOf]),
) -> Result<(), FileError> {
    let batch_of = |entry: &Entry| batches[entry.batch as usize];
    let epochs = Cells::runs(entries.iter().map(|entry| batch_of(entry).epoch), |epoch| {
        text(&epoch.to_string())
    });
    let mut columns = ids(names, epochs);
    columns.extend([
        Cells::always(entries.iter().map(|entry| entry.run.slot.0.cast_signed())),
        Cells::always(entries.iter().map(|entry| batch_of(entry).commit.cast_signed())),
        Cells::runs(entries.iter().map(|entry| entry.run.check), |check| {
            small(i32::from(*check))
        }),
        Cells::always(entries.iter().map(|entry| entry.run.lateness.get().cast_signed())),
    ]);
    columns.extend(cells(layout, entries.iter().map(|entry| &entry.run.outcome)));
    write_columns(writer, &columns, schema::columns(layout))
}

/// Writes the columns of a row group.
pub(super) fn write_columns<'c>(
    writer: &mut SerializedFileWriter<Vec<u8>>,
    columns: &[Cells],
    described: impl Iterator<Item = &'c Column>,
) -> Result<(), FileError> {
    let places: Vec<_> = described
        .zip(0..)
        .map(|(column, place)| (writer.schema_descr().column(place), column.is_sought()))
        .collect();
    let mut group = writer.next_row_group()?;
    for (cells, (column, is_sought)) in columns.iter().zip(places) {
        cells.write(&mut group, column, is_sought)?;
    }
    group.close()?;
    Ok(())
}

/// The first columns: who measured what.
fn ids(series: &[(&Names, usize)], epochs: Cells) -> Vec<Cells> {
    let names = |of: fn(&Names) -> &ByteArray| {
        let of_series = series
            .iter()
            .map(|(names, rows)| (Some(of(names).clone()), *rows));
        Cells::of_runs(of_series.collect())
    };
    vec![
        names(|names| &names.probe),
        names(|names| &names.probe_id),
        epochs,
        names(|names| &names.kind),
        names(|names| &names.target),
        names(|names| &names.target_id),
    ]
}

/// Which rows of a segment are read.
pub(crate) struct Selection<'s> {
    /// Between which slots they lie; none of the others is wanted.
    pub(crate) slots: (UnixMillis, UnixMillis),
    /// The place of a wanted commit.
    pub(crate) place: &'s dyn Fn(u64) -> Option<u32>,
}

/// Gives the wanted rows of a segment to `each`, with the place of the commit of each, as they stand in it: by probe,
/// target and slot.
pub(crate) fn read(
    opened: &Opened,
    layout: Layout,
    selection: &Selection<'_>,
    mut each: impl FnMut(u32, Measurement),
) -> Result<(), FileError> {
    for group in opened.row_groups() {
        let group = group?;
        let (first, last) = selection.slots;
        if group
            .slots()
            .is_some_and(|slots| slots.1 < first || slots.0 > last)
        {
            continue;
        }
        let commits = group.numbers("commit", slice::from_ref(&(0..group.rows)))?;
        let places: Vec<Option<u32>> = commits.into_iter().map(selection.place).collect();
        let wanted = stretches(&places);
        if !wanted.is_empty() {
            let places = wanted.iter().flat_map(|rows| &places[rows.clone()]);
            read_group(&group, layout, &wanted, places.copied(), &mut each)?;
        }
    }
    Ok(())
}

/// Wanted rows that are so close to each other are read with those between them.
const GAP: usize = 16;

/// Where the wanted rows stand.
fn stretches(places: &[Option<u32>]) -> Vec<Range<usize>> {
    let mut wanted: Vec<Range<usize>> = Vec::new();
    for (row, _) in places.iter().enumerate().filter(|(_, place)| place.is_some()) {
        match wanted.last_mut() {
            Some(last) if row - last.end <= GAP => last.end = row + 1,
            _ => wanted.push(row..row + 1),
        }
    }
    wanted
}

fn read_group(
    group: &RowGroup<'_>,
    layout: Layout,
    wanted: &[Range<usize>],
    places: impl Iterator<Item = Option<u32>>,
    each: &mut impl FnMut(u32, Measurement),
) -> Result<(), FileError> {
    let [slot, check] = [group.cells("slot", wanted)?, group.cells("check_index", wanted)?];
    let lateness = group.cells("lateness_us", wanted)?;
    let own = schema::columns(layout).skip(schema::COMMON.len() - 2);
    let own: Vec<Cells> = own
        .map(|column| group.cells(column.name, wanted))
        .collect::<Result<_, _>>()?;
    let [mut slot, mut check] = [Cursor::new(&slot), Cursor::new(&check)];
    let mut lateness = Cursor::new(&lateness);
    let mut outcomes = Outcomes::new(layout, &own)?;
    for place in places {
        let check = check.number().and_then(|check| u16::try_from(check).ok());
        let run = Measurement {
            check: check.ok_or(FileError::Meaning {
                column: "check_index",
            })?,
            slot: UnixMillis(slot.large().unwrap_or_default().cast_unsigned()),
            lateness: micros("lateness_us", lateness.number())?,
            outcome: outcomes.next()?,
        };
        if let Some(place) = place {
            each(place, run);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
