//! Columns of few different texts that every row has, read as runs: where each value stands is known without looking at every row.

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::errors::ParquetError;

use super::error::FileError;

/// A column of texts.
#[derive(Debug, Default)]
pub(crate) struct Words {
    dictionary: Vec<Bytes>,
    /// Which text of the dictionary, and how many rows have it.
    runs: Vec<(u32, usize)>,
}

impl Words {
    /// Reads a column from its pages.
    pub(super) fn read(pages: &mut dyn PageReader) -> Result<Self, FileError> {
        let mut words = Self::default();
        while let Some(page) = pages.get_next_page()? {
            match page {
                Page::DictionaryPage { buf, num_values, .. } => {
                    words.dictionary = texts(&buf, num_values as usize)?;
                }
                Page::DataPage {
                    buf,
                    num_values,
                    encoding: Encoding::RLE_DICTIONARY,
                    ..
                } => words.page(&buf, num_values as usize)?,
                Page::DataPage { .. } | Page::DataPageV2 { .. } => return Err(short()),
            }
        }
        Ok(words)
    }

    fn page(&mut self, bytes: &[u8], rows: usize) -> Result<(), FileError> {
        let (width, values) = bytes.split_first().ok_or_else(short)?;
        hybrid(values, u32::from(*width), rows, &mut self.runs)
    }

    /// The runs, with what each value means.
    pub(crate) fn runs_as<T: Copy>(
        &self,
        meaning: impl Fn(&[u8]) -> Result<T, FileError>,
    ) -> Result<Vec<(T, usize)>, FileError> {
        let texts = self.dictionary.iter();
        let known: Vec<T> = texts.map(|text| meaning(text)).collect::<Result<_, _>>()?;
        let runs = self.runs.iter();
        runs.map(|(place, rows)| Ok((*known.get(*place as usize).ok_or_else(short)?, *rows)))
            .collect()
    }
}

fn push(runs: &mut Vec<(u32, usize)>, value: u32, rows: usize) {
    match runs.last_mut() {
        Some(last) if last.0 == value => last.1 += rows,
        _ => runs.push((value, rows)),
    }
}

fn short() -> FileError {
    ParquetError::EOF("a column of texts is not what is written here".to_owned()).into()
}

/// The texts of a dictionary, each behind its length.
fn texts(bytes: &Bytes, count: usize) -> Result<Vec<Bytes>, FileError> {
    let (mut texts, mut at) = (Vec::with_capacity(count.min(bytes.len())), 0_usize);
    for _ in 0..count {
        let length = bytes.get(at..at + 4).ok_or_else(short)?;
        let length = u32::from_le_bytes(length.try_into().map_err(|_| short())?) as usize;
        let end = (at + 4).checked_add(length).filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(short)?;
        texts.push(bytes.slice(at + 4..end));
        at = end;
    }
    Ok(texts)
}

/// Parquet's mixture of runs and packed numbers of `width` bits: `count` of them, as runs.
fn hybrid(mut bytes: &[u8], width: u32, count: usize, runs: &mut Vec<(u32, usize)>) -> Result<(), FileError> {
    if width > 24 {
        return Err(short());
    }
    let size = width.div_ceil(8) as usize;
    let mut left = count;
    while left > 0 {
        let header = varint(&mut bytes).ok_or_else(short)?;
        let many = usize::try_from(header >> 1).map_err(|_| short())?;
        if many == 0 {
            return Err(short());
        }
        if header & 1 == 0 {
            let (value, rest) = bytes.split_at_checked(size).ok_or_else(short)?;
            let mut word = [0; 4];
            word[..size].copy_from_slice(value);
            let rows = many.min(left);
            push(runs, u32::from_le_bytes(word), rows);
            (bytes, left) = (rest, left - rows);
        } else {
            let packed = many.checked_mul(width as usize).ok_or_else(short)?;
            let (packed, rest) = bytes.split_at(packed.min(bytes.len())); // the last group may end early
            let rows = many.saturating_mul(8).min(left);
            for place in 0..rows {
                push(runs, packed_at(packed, place, width).ok_or_else(short)?, 1);
            }
            (bytes, left) = (rest, left - rows);
        }
    }
    Ok(())
}

/// A number of a row of packed ones, the lowest bit first.
fn packed_at(packed: &[u8], place: usize, width: u32) -> Option<u32> {
    let first = place * width as usize;
    let mut word = [0; 4];
    for (byte, at) in word
        .iter_mut()
        .zip(first / 8..(first + width as usize).div_ceil(8))
    {
        *byte = *packed.get(at)?;
    }
    Some((u32::from_le_bytes(word) >> (first % 8)) & ((1 << width) - 1))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift > 56 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8], width: u32, count: usize) -> Vec<(u32, usize)> {
        let mut runs = Vec::new();
        hybrid(bytes, width, count, &mut runs).unwrap();
        runs
    }

    #[test]
    fn runs_and_packed_numbers_are_read_alike() {
        assert_eq!(of(&[10 << 1, 3], 2, 10), [(3, 10)]);
        assert_eq!(
            of(&[3, 0b1110_0100, 0b0000_0000], 2, 6),
            [(0, 1), (1, 1), (2, 1), (3, 1), (0, 2)]
        );
        assert_eq!(of(&[4 << 1, 1, 3, 0xff], 1, 6), [(1, 6)]);
        assert_eq!(of(&[4 << 1], 0, 4), [(0, 4)]);
    }

    #[test]
    fn bytes_that_end_early_are_an_error() {
        for (bytes, width, count) in [
            (&[20][..], 2, 10),
            (&[3, 0xe4], 2, 8),
            (&[], 1, 1),
            (&[0, 0], 1, 1),
        ] {
            assert!(hybrid(bytes, width, count, &mut Vec::new()).is_err(), "{bytes:?}");
        }
    }
}
