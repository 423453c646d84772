//! Values of one column, on their way into a file and out of it.

use std::ops::Range;

use bytes::Bytes;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::{SerializedColumnWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnDescPtr;

use super::runs::Runs;

use super::error::FileError;

/// Values of one column; where it is optional, only those that are there.
#[derive(Debug)]
pub(super) enum Values {
    Numbers(Vec<i32>),
    Large(Vec<i64>),
    Texts(Vec<ByteArray>),
    /// Values on their way into a file, most of which follow their like.
    Runs(Runs),
    Flags(Vec<bool>),
}

/// A column of a row group.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) values: Values,
    /// 1 for each row that has a value, else 0; `None`: all have.
    pub(super) present: Option<Vec<i16>>,
}

/// A text that is not kept anew for each row.
pub(super) fn text(text: &str) -> ByteArray {
    ByteArray::from(Bytes::copy_from_slice(text.as_bytes()))
}

/// One of our own words.
pub(super) fn word(word: &'static str) -> ByteArray {
    ByteArray::from(Bytes::from_static(word.as_bytes()))
}

/// A number's bytes, as they stand in a dictionary.
pub(super) fn small(number: i32) -> ByteArray {
    ByteArray::from(number.to_le_bytes().to_vec())
}

/// A type of cell.
pub(super) trait Cell: Sized {
    fn wrap(values: Vec<Self>) -> Values;
}

impl Cell for i32 {
    fn wrap(values: Vec<Self>) -> Values {
        Values::Numbers(values)
    }
}

impl Cell for i64 {
    fn wrap(values: Vec<Self>) -> Values {
        Values::Large(values)
    }
}

impl Cell for ByteArray {
    fn wrap(values: Vec<Self>) -> Values {
        Values::Texts(values)
    }
}

impl Cell for bool {
    fn wrap(values: Vec<Self>) -> Values {
        Values::Flags(values)
    }
}

impl Cells {
    /// A column that every row has.
    pub(super) fn always<T: Cell>(values: impl Iterator<Item = T>) -> Self {
        Self {
            values: T::wrap(values.collect()),
            present: None,
        }
    }

    /// A column of values that mostly follow their like: where one is another than the one before, `of` makes its bytes.
    pub(super) fn runs<T: PartialEq>(rows: impl Iterator<Item = T>, of: impl Fn(&T) -> ByteArray) -> Self {
        Self::maybe_runs(rows.map(Some), of)
    }

    /// A column of values that are counted already.
    pub(super) const fn of_runs(runs: Runs) -> Self {
        Self {
            values: Values::Runs(runs),
            present: None,
        }
    }

    /// As [`Cells::runs`], of values that some rows have.
    pub(super) fn maybe_runs<T: PartialEq>(
        rows: impl Iterator<Item = Option<T>>,
        of: impl Fn(&T) -> ByteArray,
    ) -> Self {
        let mut runs: Vec<(Option<ByteArray>, usize)> = Vec::new();
        let mut last: Option<T> = None;
        for row in rows {
            match runs.last_mut() {
                Some(run) if last == row => run.1 += 1,
                _ => {
                    runs.push((row.as_ref().map(&of), 1));
                    last = row;
                }
            }
        }
        Self {
            values: Values::Runs(runs.into_iter().collect()),
            present: None,
        }
    }

    /// A column that some rows have.
    pub(super) fn maybe<T: Cell>(cells: impl Iterator<Item = Option<T>>) -> Self {
        let (rows, _) = cells.size_hint();
        let (mut values, mut present) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for cell in cells {
            present.push(i16::from(cell.is_some()));
            values.extend(cell);
        }
        Self {
            values: T::wrap(values),
            present: Some(present),
        }
    }

    /// A column that was not read.
    pub(super) const fn unread() -> Self {
        Self {
            values: Values::Flags(Vec::new()),
            present: None,
        }
    }

    /// Its instants or commits.
    pub(super) fn large(self, column: &'static str) -> Result<Vec<u64>, FileError> {
        match self.values {
            Values::Large(values) => Ok(values.into_iter().map(i64::cast_unsigned).collect()),
            _ => Err(FileError::Meaning { column }),
        }
    }

    /// Writes them as the next column of a row group.
    pub(super) fn write(
        &self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        column: ColumnDescPtr,
        is_sought: bool,
    ) -> Result<(), ParquetError> {
        if let Values::Runs(runs) = &self.values {
            return runs.write(group, column, is_sought);
        }
        let Some(mut column) = group.next_column()? else {
            return Err(ParquetError::General("a column too many".to_owned()));
        };
        let present = self.present.as_deref();
        match &self.values {
            Values::Numbers(values) => write::<Int32Type>(&mut column, values, present),
            Values::Large(values) => write::<Int64Type>(&mut column, values, present),
            Values::Texts(values) => write::<ByteArrayType>(&mut column, values, present),
            Values::Flags(values) => write::<BoolType>(&mut column, values, present),
            Values::Runs(_) => Ok(()),
        }?;
        column.close()
    }

    /// Reads some rows of a column: stretches of them, in order.
    pub(super) fn read(
        reader: ColumnReader,
        wanted: &[Range<usize>],
        is_optional: bool,
    ) -> Result<Self, ParquetError> {
        let rows = wanted.iter().map(ExactSizeIterator::len).sum();
        let mut present = is_optional.then(|| Vec::with_capacity(rows));
        let values = match reader {
            ColumnReader::Int32ColumnReader(reader) => {
                Values::Numbers(some(reader, wanted, present.as_mut())?)
            }
            ColumnReader::Int64ColumnReader(reader) => Values::Large(some(reader, wanted, present.as_mut())?),
            ColumnReader::ByteArrayColumnReader(reader) => {
                Values::Texts(some(reader, wanted, present.as_mut())?)
            }
            ColumnReader::BoolColumnReader(reader) => Values::Flags(some(reader, wanted, present.as_mut())?),
            _ => return Err(ParquetError::General("a column of another type".to_owned())),
        };
        Ok(Self { values, present })
    }
}

fn write<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: &[T::T],
    present: Option<&[i16]>,
) -> Result<(), ParquetError> {
    column.typed::<T>().write_batch(values, present, None).map(drop)
}

fn some<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    wanted: &[Range<usize>],
    mut present: Option<&mut Vec<i16>>,
) -> Result<Vec<T::T>, ParquetError> {
    let early = || ParquetError::EOF("a column ends too early".to_owned());
    let mut values = Vec::with_capacity(wanted.iter().map(ExactSizeIterator::len).sum());
    let mut at = 0;
    for rows in wanted {
        let before = rows.start.saturating_sub(at);
        if before > 0 && reader.skip_records(before)? != before {
            return Err(early());
        }
        at = rows.start;
        while at < rows.end {
            let (records, _, _) =
                reader.read_records(rows.end - at, present.as_deref_mut(), None, &mut values)?;
            if records == 0 {
                return Err(early());
            }
            at += records;
        }
    }
    Ok(values)
}

/// Goes through a column row by row.
#[derive(Debug)]
pub(super) struct Cursor<'c> {
    cells: &'c Cells,
    row: usize,
    value: usize,
}

impl<'c> Cursor<'c> {
    pub(super) fn new(cells: &'c Cells) -> Self {
        Self {
            cells,
            row: 0,
            value: 0,
        }
    }

    /// Where the next row's value stands, if it has one.
    fn step(&mut self) -> Option<usize> {
        let is_there = match &self.cells.present {
            Some(present) => present.get(self.row).copied() == Some(1),
            None => true,
        };
        self.row += 1;
        let place = self.value;
        self.value += usize::from(is_there);
        is_there.then_some(place)
    }

    /// Goes past the next row.
    pub(super) fn pass(&mut self) {
        self.step();
    }

    pub(super) fn number(&mut self) -> Option<i32> {
        let place = self.step()?;
        match &self.cells.values {
            Values::Numbers(values) => values.get(place).copied(),
            Values::Large(_) | Values::Texts(_) | Values::Runs(_) | Values::Flags(_) => None,
        }
    }

    pub(super) fn large(&mut self) -> Option<i64> {
        let place = self.step()?;
        match &self.cells.values {
            Values::Large(values) => values.get(place).copied(),
            Values::Numbers(_) | Values::Texts(_) | Values::Runs(_) | Values::Flags(_) => None,
        }
    }

    pub(super) fn text(&mut self) -> Option<&'c str> {
        let place = self.step()?;
        match &self.cells.values {
            Values::Texts(values) => values.get(place)?.as_utf8().ok(),
            Values::Numbers(_) | Values::Large(_) | Values::Runs(_) | Values::Flags(_) => None,
        }
    }

    pub(super) fn bytes(&mut self) -> Option<&'c [u8]> {
        let place = self.step()?;
        match &self.cells.values {
            Values::Texts(values) => values.get(place).map(ByteArray::data),
            Values::Numbers(_) | Values::Large(_) | Values::Runs(_) | Values::Flags(_) => None,
        }
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        let place = self.step()?;
        match &self.cells.values {
            Values::Flags(values) => values.get(place).copied(),
            Values::Numbers(_) | Values::Large(_) | Values::Texts(_) | Values::Runs(_) => None,
        }
    }
}
