//! Columns of texts that stand in long runs: the ids of rows that are sorted by them.
//!
//! The library looks every single text up in its dictionary, which takes more time than all durations of a row together.
//! So these pages are made here: a dictionary, and one page of runs, not compressed for there is nothing left to gain.

use std::collections::HashMap;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter as _};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Texts, each with how many rows have it.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<(ByteArray, usize)>);

impl FromIterator<(ByteArray, usize)> for Runs {
    fn from_iter<I: IntoIterator<Item = (ByteArray, usize)>>(runs: I) -> Self {
        let mut joined: Vec<(ByteArray, usize)> = Vec::new();
        for (text, rows) in runs {
            match joined.last_mut() {
                Some(last) if last.0 == text => last.1 += rows,
                _ => joined.push((text, rows)),
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
        let (dictionary, page) = self.pages(rows as u32);
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

    /// The dictionary, and the rows as runs of places in it.
    fn pages(&self, rows: u32) -> (Page, Page) {
        let mut places: HashMap<&[u8], u32> = HashMap::new();
        let mut dictionary = Vec::new();
        let indices: Vec<(u32, usize)> = self
            .0
            .iter()
            .map(|(text, rows)| {
                let next = places.len() as u32;
                let place = *places.entry(text.data()).or_insert_with(|| {
                    dictionary.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    dictionary.extend_from_slice(text.data());
                    next
                });
                (place, *rows)
            })
            .collect();
        let width = (u32::BITS - (places.len() as u32).saturating_sub(1).leading_zeros()).max(1);
        let mut page = vec![width as u8];
        for (place, rows) in indices {
            varint(&mut page, (rows as u64) << 1);
            page.extend_from_slice(&place.to_le_bytes()[..width.div_ceil(8) as usize]);
        }
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
        let texts = || self.0.iter().map(|run| &run.0);
        let lowest = texts().min_by_key(|text| text.data()).cloned();
        let highest = texts().max_by_key(|text| text.data()).cloned();
        Statistics::byte_array(lowest, highest, None, Some(0), false)
    }
}

fn uncompressed(page: Page) -> CompressedPage {
    let size = page.buffer().len();
    CompressedPage::new(page, size)
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
