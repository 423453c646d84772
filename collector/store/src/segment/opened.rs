//! The file of a segment, open to whoever reads some of its columns and some of its rows.

use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use isochrone_proto::kind::Layout;
use isochrone_proto::units::UnixMillis;
use parquet::column::reader::get_column_reader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::file::statistics::Statistics;

use super::columns::Cells;
use super::content::Content;
use super::error::FileError;
use super::schema;
use super::words::Words;

/// The file of a segment, checked.
#[derive(Debug)]
pub(crate) struct Opened {
    content: Arc<dyn Content>,
    metadata: Arc<ParquetMetaData>,
    layout: Layout,
}

impl Opened {
    /// Reads what it says of itself, unless that is `known`.
    pub(super) fn new(
        content: Arc<dyn Content>,
        layout: Layout,
        known: Option<Arc<ParquetMetaData>>,
    ) -> Result<Self, FileError> {
        if let Some(metadata) = known {
            return Ok(Self {
                content,
                metadata,
                layout,
            });
        }
        let length = content.length().map_err(ParquetError::from)?;
        let content = Whole(content, length);
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&content)?;
        if *metadata.file_metadata().schema() != *schema::of(layout)? {
            return Err(FileError::Meaning { column: "(schema)" });
        }
        Ok(Self {
            content: content.0,
            metadata: Arc::new(metadata),
            layout,
        })
    }

    /// What it says of itself.
    pub(super) fn metadata(&self) -> Arc<ParquetMetaData> {
        Arc::clone(&self.metadata)
    }

    /// Its row groups.
    pub(crate) fn row_groups(&self) -> impl Iterator<Item = Result<RowGroup<'_>, FileError>> {
        self.metadata.row_groups().iter().map(|metadata| {
            let rows = usize::try_from(metadata.num_rows());
            Ok(RowGroup {
                opened: self,
                metadata,
                rows: rows.map_err(|_| FileError::Meaning { column: "(rows)" })?,
            })
        })
    }
}

/// Rows that are encoded together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowGroup<'o> {
    opened: &'o Opened,
    metadata: &'o RowGroupMetaData,
    pub(crate) rows: usize,
}

impl RowGroup<'_> {
    /// The first and the last slot in it, if it says so.
    pub(crate) fn slots(&self) -> Option<(UnixMillis, UnixMillis)> {
        let (first, last) = self.extremes("slot")?;
        Some((UnixMillis(first), UnixMillis(last)))
    }

    /// The first and the last commit in it, if it says so.
    pub(crate) fn commits(&self) -> Option<(u64, u64)> {
        self.extremes("commit")
    }

    pub(super) fn layout(&self) -> Layout {
        self.opened.layout
    }

    fn extremes(&self, name: &'static str) -> Option<(u64, u64)> {
        let (place, _) = self.column(name).ok()?;
        match self.metadata.columns().get(place)?.statistics()? {
            Statistics::Int64(values) => {
                let (min, max) = (*values.min_opt()?, *values.max_opt()?);
                Some((min.cast_unsigned(), max.cast_unsigned()))
            }
            _ => None,
        }
    }

    /// Some rows of a column.
    pub(super) fn cells(&self, name: &'static str, wanted: &[Range<usize>]) -> Result<Cells, FileError> {
        let (place, column) = self.column(name)?;
        let described = self.metadata.column(place).column_descr_ptr();
        let reader = get_column_reader(described, Box::new(self.pages(place)?));
        Ok(Cells::read(reader, wanted, column.is_optional)?)
    }

    /// Some rows of a column that every row has: instants or commits.
    pub(crate) fn numbers(&self, name: &'static str, wanted: &[Range<usize>]) -> Result<Vec<u64>, FileError> {
        self.cells(name, wanted)?.large(name)
    }

    /// A column of few different texts, which every row has.
    pub(crate) fn words(&self, name: &'static str) -> Result<Words, FileError> {
        let (place, _) = self.column(name)?;
        Words::read(&mut self.pages(place)?)
    }

    fn column(&self, name: &'static str) -> Result<(usize, &'static schema::Column), FileError> {
        let mut columns = schema::columns(self.opened.layout).enumerate();
        let found = columns.find(|(_, column)| column.name == name);
        found.ok_or(FileError::Meaning { column: name })
    }

    /// The pages of a column, whose bytes are read at once.
    fn pages(&self, place: usize) -> Result<SerializedPageReader<Part>, FileError> {
        let column = self.metadata.column(place);
        let (from, length) = column.byte_range();
        let length = usize::try_from(length).map_err(|_| FileError::Meaning { column: "(size)" })?;
        let bytes = self.opened.content.read_at(from, length);
        let part = Arc::new(Part {
            from,
            bytes: bytes.map_err(ParquetError::from)?,
        });
        Ok(SerializedPageReader::new(part, column, self.rows, None)?)
    }
}

/// A part of a file, in memory.
struct Part {
    from: u64,
    bytes: Bytes,
}

impl Length for Part {
    fn len(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }
}

impl ChunkReader for Part {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let at = start
            .checked_sub(self.from)
            .and_then(|at| usize::try_from(at).ok());
        let at = at.filter(|at| *at <= self.bytes.len());
        Ok(Cursor::new(self.bytes.slice(at.ok_or_else(outside)?..)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let from = start.checked_sub(self.from).ok_or_else(outside)?;
        self.bytes.read_at(from, length).map_err(ParquetError::from)
    }
}

fn outside() -> ParquetError {
    ParquetError::EOF("a column lies outside its part of the file".to_owned())
}

/// A whole file, of which only the end is read: what it says of itself.
struct Whole(Arc<dyn Content>, u64);

impl Length for Whole {
    fn len(&self) -> u64 {
        self.1
    }
}

impl ChunkReader for Whole {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let length = self.1.checked_sub(start).ok_or_else(outside)?;
        self.get_bytes(start, length as usize).map(Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.0.read_at(start, length).map_err(ParquetError::from)
    }
}
