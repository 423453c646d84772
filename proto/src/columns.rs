//! Measurements as columns of packed integers: what makes an echo cost some 6 bytes.

pub(crate) mod results;
pub(crate) mod rows;
pub(crate) mod slots;
pub(crate) mod texts;

use serde::{Deserialize, Serialize};

/// Unsigned numbers, each stored as its distance from the smallest in as few bits as the largest needs.
///
/// Values stand least significant bit first. The number of values is not stored: the owner knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Packed {
    base: u64,
    width: u8,
    #[serde(with = "serde_bytes")]
    bits: Vec<u8>,
}

impl Packed {
    /// Packs `values`.
    #[must_use]
    pub(crate) fn of(values: &[u64]) -> Self {
        let base = values.iter().copied().min().unwrap_or(0);
        let widest = values.iter().map(|value| value - base).max().unwrap_or(0);
        let width = (u64::BITS - widest.leading_zeros()) as u8;
        let mut bits = vec![0; bytes_for(values.len(), width)];
        for (index, value) in values.iter().enumerate() {
            put(&mut bits, index * usize::from(width), value - base);
        }
        Self { base, width, bits }
    }

    /// Checks that this column holds exactly `rows` values, none above `max`.
    ///
    /// # Errors
    /// Says which of these does not hold.
    pub(crate) fn check(&self, rows: usize, max: u64) -> Result<(), ColumnError> {
        if self.width > 64 {
            return Err(ColumnError::Width { width: self.width });
        }
        let expected = bytes_for(rows, self.width);
        if self.bits.len() != expected {
            return Err(ColumnError::Length {
                rows,
                expected,
                found: self.bits.len(),
            });
        }
        let used = rows * usize::from(self.width) % 8;
        if used != 0 && self.bits.last().is_some_and(|last| last >> used != 0) {
            return Err(ColumnError::SpareBits);
        }
        if rows == 0 {
            return if self.base == 0 && self.width == 0 {
                Ok(())
            } else {
                Err(ColumnError::SpareBits)
            };
        }
        let widest = if self.width == 64 {
            u64::MAX
        } else {
            (1 << self.width) - 1
        };
        if self
            .base
            .checked_add(widest)
            .is_some_and(|highest| highest <= max)
        {
            return Ok(()); // no value can be above, so none need be looked at
        }
        match self
            .deltas(rows)
            .max()
            .and_then(|widest| self.base.checked_add(widest))
        {
            Some(highest) if highest <= max => Ok(()),
            highest => Err(ColumnError::Range { highest, max }),
        }
    }

    /// The first `rows` values of a column that was checked for as many.
    pub(crate) fn values(&self, rows: usize) -> impl Iterator<Item = u64> + '_ {
        let base = self.base;
        self.deltas(rows).map(move |delta| base.wrapping_add(delta))
    }

    fn deltas(&self, rows: usize) -> impl Iterator<Item = u64> + '_ {
        let width = usize::from(self.width);
        (0..rows).map(move |index| get(&self.bits, index * width, width))
    }
}

fn bytes_for(rows: usize, width: u8) -> usize {
    (rows * usize::from(width)).div_ceil(8)
}

fn put(bits: &mut [u8], at: usize, value: u64) {
    let (byte, shift) = (at / 8, at % 8);
    let shifted = u128::from(value) << shift;
    for (slot, part) in bits[byte..]
        .iter_mut()
        .zip(shifted.to_le_bytes().into_iter().take(9))
    {
        *slot |= part;
    }
}

#[inline]
fn get(bits: &[u8], at: usize, width: usize) -> u64 {
    let (byte, shift) = (at / 8, at % 8);
    if width <= 56
        && let Some(window) = bits.get(byte..).and_then(|rest| rest.first_chunk::<8>())
    {
        return (u64::from_le_bytes(*window) >> shift) & ((1 << width) - 1);
    }
    let mut window = [0; 16];
    let rest = &bits[byte.min(bits.len())..];
    let taken = rest.len().min(9);
    window[..taken].copy_from_slice(&rest[..taken]);
    let word = u128::from_le_bytes(window) >> shift;
    (word & ((1 << width) - 1)) as u64
}

/// Why a column is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// More bits a value than a number has.
    #[error("column of {width} bits a value")]
    Width {
        /// Bits a value.
        width: u8,
    },
    /// Fewer or more bytes than the rows need.
    #[error("column of {rows} rows takes {expected} bytes, found {found}")]
    Length {
        /// Rows the owner has.
        rows: usize,
        /// Bytes they take.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Bits after the last value are set.
    #[error("bits after the last value are not zero")]
    SpareBits,
    /// A value is above the column's ceiling.
    #[error("column holds a value above {max}")]
    Range {
        /// The highest value, if it fits a number at all.
        highest: Option<u64>,
        /// The ceiling.
        max: u64,
    },
}

#[cfg(test)]
mod tests;
