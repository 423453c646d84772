//! A histogram as bytes: a version, the shortest time and how much longer the longest is (nanoseconds), then of each
//! bucket that holds samples the number of empty ones before it, doubled, plus 1 where it holds several, and then how
//! many above two. All numbers are LEB128 in their shortest form. An empty histogram is the version alone.

use super::{HistogramError, LogHistogram, RawHistogram};

const VERSION: u8 = 1;

impl LogHistogram {
    /// As bytes, for files.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(10 + 2 * self.buckets.len());
        bytes.push(VERSION);
        if self.is_empty() {
            return bytes;
        }
        write(&mut bytes, self.min_ns);
        write(&mut bytes, self.max_ns - self.min_ns);
        let mut next = 0;
        for &(bucket, count) in &self.buckets {
            let is_several = count > 1;
            write(&mut bytes, u64::from(bucket - next) << 1 | u64::from(is_several));
            if is_several {
                write(&mut bytes, count - 2);
            }
            next = bucket + 1;
        }
        bytes
    }

    /// Reads what [`LogHistogram::to_bytes`] wrote, and nothing else.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HistogramError> {
        let Some((&VERSION, mut rest)) = bytes.split_first() else {
            return Err(HistogramError::Bytes);
        };
        if rest.is_empty() {
            return Ok(Self::new());
        }
        let min_ns = read(&mut rest)?;
        let max_ns = min_ns
            .checked_add(read(&mut rest)?)
            .ok_or(HistogramError::Bytes)?;
        let (mut buckets, mut next) = (Vec::with_capacity(rest.len() / 2), 0_u64);
        while !rest.is_empty() {
            let step = read(&mut rest)?;
            let count = match step & 1 {
                0 => 1,
                _ => read(&mut rest)?.checked_add(2).ok_or(HistogramError::Bytes)?,
            };
            let bucket = next + (step >> 1);
            buckets.push((u16::try_from(bucket).map_err(|_| HistogramError::Buckets)?, count));
            next = bucket + 1;
        }
        if buckets.is_empty() {
            return Err(HistogramError::Bytes);
        }
        Self::try_from(RawHistogram {
            buckets,
            min_ns,
            max_ns,
        })
    }
}

fn write(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn read(bytes: &mut &[u8]) -> Result<u64, HistogramError> {
    let mut value = 0_u64;
    for place in 0..10 {
        let (&byte, rest) = bytes.split_first().ok_or(HistogramError::Bytes)?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        let is_padded = place > 0 && byte == 0;
        if is_padded || part << (7 * place) >> (7 * place) != part {
            return Err(HistogramError::Bytes);
        }
        value |= part << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(HistogramError::Bytes)
}
