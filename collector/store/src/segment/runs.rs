//! Columns of values that mostly follow their like: the ids of rows that are sorted by them, and words.
//!
//! The library looks every single value up in its dictionary, which takes more time than all durations of a row together.
//! So these pages are made here: a dictionary, and one page of runs, not compressed for there is little left to gain.

use std::collections::HashMap;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Values as their bytes, each with how many rows have it; `None`: these rows have none.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<(Option<ByteArray>, usize)>);

impl FromIterator<(Option<ByteArray>, usize)> for Runs {
    fn from_iter<I: IntoIterator<Item = (Option<ByteArray>, usize)>>(runs: I) -> Self {
        let mut joined: Vec<(Option<ByteArray>, usize)> = Vec::new();
        for (value, rows) in runs {
            match joined.last_mut() {
                Some(last) if last.0 == value => last.1 += rows,
                _ => joined.push((value, rows)),
            }
        }
        Self(joined)
    }
}

impl Runs {
    /// Writes the next column of a row group; `is_sought`: with its lowest and highest text.
    pub(super) fn write(
        &self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        column: ColumnDescPtr,
        is_sought: bool,
    ) -> Result<(), ParquetError> {
        let rows: usize = self.0.iter().map(|run| run.1).sum();
        let (dictionary, page) = self.pages(&column, rows as u32);
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        let of_dictionary = pages.write_page(uncompressed(dictionary))?;
        let of_page = pages.write_page(uncompressed(page))?;
        pages.close()?;
        let size = |of: &PageWriteSpec| of.bytes_written as i64;
        let bytes = size(&of_dictionary) + size(&of_page);
        let metadata = ColumnChunkMetaData::builder(column)
            .set_compression(Compression::UNCOMPRESSED)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_num_values(rows as i64)
            .set_total_compressed_size(bytes)
            .set_total_uncompressed_size(bytes)
            .set_dictionary_page_offset(Some(of_dictionary.offset as i64))
            .set_data_page_offset(of_page.offset as i64);
        let metadata = match is_sought {
            true => metadata.set_statistics(self.statistics()),
            false => metadata,
        };
        let close = ColumnCloseResult {
            bytes_written: bytes as u64,
            rows_written: rows as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        group.append_column(&Bytes::from(sink.into_inner()?), close)
    }

    /// The dictionary, and the rows as places in it, before which stands which rows have a value, where some have not.
    fn pages(&self, column: &ColumnDescPtr, rows: u32) -> (Page, Page) {
        let has_length = column.physical_type() == Type::BYTE_ARRAY;
        let mut places: HashMap<&[u8], u32> = HashMap::new();
        let mut dictionary = Vec::new();
        let mut indices: Vec<(u32, usize)> = Vec::with_capacity(self.0.len());
        for (value, rows) in &self.0 {
            let Some(value) = value else {
                continue;
            };
            let next = places.len() as u32;
            let place = *places.entry(value.data()).or_insert_with(|| {
                if has_length {
                    dictionary.extend_from_slice(&(value.len() as u32).to_le_bytes());
                }
                dictionary.extend_from_slice(value.data());
                next
            });
            indices.push((place, *rows));
        }
        let mut page = Vec::new();
        if column.max_def_level() > 0 {
            let levels: Vec<(u32, usize)> = self
                .0
                .iter()
                .map(|(value, rows)| (u32::from(value.is_some()), *rows))
                .collect();
            let mut packed = Vec::new();
            hybrid(&mut packed, &levels, 1);
            page.extend_from_slice(&(packed.len() as u32).to_le_bytes());
            page.append(&mut packed);
        }
        let width = (u32::BITS - (places.len() as u32).saturating_sub(1).leading_zeros()).max(1);
        page.push(width as u8);
        hybrid(&mut page, &indices, width);
        let dictionary = Page::DictionaryPage {
            buf: dictionary.into(),
            num_values: places.len() as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let page = Page::DataPage {
            buf: page.into(),
            num_values: rows,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        (dictionary, page)
    }

    fn statistics(&self) -> Statistics {
        let texts = || self.0.iter().filter_map(|run| run.0.as_ref());
        let lowest = texts().min_by_key(|text| text.data()).cloned();
        let highest = texts().max_by_key(|text| text.data()).cloned();
        Statistics::byte_array(lowest, highest, None, Some(0), false)
    }
}

fn uncompressed(page: Page) -> CompressedPage {
    let size = page.buffer().len();
    CompressedPage::new(page, size)
}

/// Numbers of `width` bits as Parquet's hybrid of runs and packed bits: the shorter of both.
fn hybrid(out: &mut Vec<u8>, runs: &[(u32, usize)], width: u32) {
    let rows: usize = runs.iter().map(|run| run.1).sum();
    let bytes = width.div_ceil(8) as usize;
    let groups = rows.div_ceil(8);
    if runs.len() * (1 + bytes) <= groups * width as usize {
        for (value, rows) in runs {
            varint(out, (*rows as u64) << 1);
            out.extend_from_slice(&value.to_le_bytes()[..bytes]);
        }
        return;
    }
    varint(out, (groups as u64) << 1 | 1);
    let (mut word, mut bits) = (0_u64, 0);
    let values = runs
        .iter()
        .flat_map(|(value, rows)| std::iter::repeat_n(*value, *rows));
    for value in values.chain(std::iter::repeat_n(0, groups * 8 - rows)) {
        word |= u64::from(value) << bits;
        bits += width;
        while bits >= 8 {
            out.push(word as u8);
            (word, bits) = (word >> 8, bits - 8);
        }
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
