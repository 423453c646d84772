//! How a batch or a tombstone stands in a segment file.
//!
//! | bytes | |
//! |---|---|
//! | 0-1 | magic |
//! | 2 | format, 3 |
//! | 3 | kind: 1 batch, 2 tombstone; bit 7 says that nothing follows in the epoch |
//! | 4-5 | measurements in it |
//! | 6-13, 14-21 | first and last sequence |
//! | 22-33 | version of the plan in force |
//! | 34-37 | length of the payload |
//! | 38-41 | CRC-32C of bytes 0-37 and the payload |
//!
//! Numbers are little-endian. Magic, format, length and checksum stand where they stand in every later format, so
//! that a record of another format is told apart from a damaged one. Format 1 had another magic and no byte that
//! said it.

use isochrone_proto::ids::{PlanVersion, Sequence};
use isochrone_proto::ledger::Tombstone;
use isochrone_proto::limits::BATCH_BYTES_MAX;

/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 42;
/// The format of the records that this build writes and reads.
pub(super) const FORMAT: u8 = 3;
const MAGIC: [u8; 2] = [0xb5, 0xe3];
const MAGIC_OF_FORMAT_1: [u8; 2] = [0xb5, 0x1c];
const CHECKED_BYTES: usize = HEADER_BYTES - 4;
const LENGTH_AT: usize = CHECKED_BYTES - 4;
const CLOSES: u8 = 0x80;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// As it was or will be sent.
    Batch,
    /// What stands in the place of dropped batches.
    Tombstone,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) kind: ItemKind,
    pub(super) closes: bool,
    pub(super) rows: u16,
    pub(super) first: Sequence,
    pub(super) last: Sequence,
    pub(super) adopted: PlanVersion,
    pub(super) length: u32,
}

impl RecordHeader {
    /// The header of a tombstone whose encoded form has `length` bytes.
    pub(super) fn of_tombstone(tombstone: &Tombstone, closes: bool, length: usize) -> Self {
        Self {
            kind: ItemKind::Tombstone,
            closes,
            rows: 0,
            first: tombstone.first,
            last: tombstone.last,
            adopted: tombstone
                .adopted
                .last()
                .map(|last| last.version)
                .unwrap_or_default(),
            length: length as u32, // at most BATCH_BYTES_MAX
        }
    }

    /// Bytes of the whole record.
    pub(super) fn record_bytes(&self) -> usize {
        HEADER_BYTES + self.length as usize
    }

    /// The record as it is written.
    pub(super) fn seal(&self, payload: &[u8]) -> Vec<u8> {
        let mut record = Vec::with_capacity(HEADER_BYTES + payload.len());
        record.extend_from_slice(&MAGIC);
        record.push(FORMAT);
        let kind = match self.kind {
            ItemKind::Batch => 1,
            ItemKind::Tombstone => 2,
        };
        record.push(kind | if self.closes { CLOSES } else { 0 });
        record.extend_from_slice(&self.rows.to_le_bytes());
        record.extend_from_slice(&self.first.0.to_le_bytes());
        record.extend_from_slice(&self.last.0.to_le_bytes());
        record.extend_from_slice(&self.adopted.promotion.to_le_bytes());
        record.extend_from_slice(&self.adopted.number.to_le_bytes());
        record.extend_from_slice(&self.length.to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&record), payload);
        record.extend_from_slice(&checksum.to_le_bytes());
        record.extend_from_slice(payload);
        record
    }
}

/// Reads the record at the front of `bytes`; `None` if no whole and sound one stands there.
pub(super) fn open(bytes: &[u8]) -> Option<(RecordHeader, &[u8])> {
    let parsed = header(bytes)?;
    let payload = sound_payload(bytes)?;
    Some((parsed, payload))
}

/// The format of the record at the front of `bytes`, if it is a sound one of a format that this build does not
/// read.
pub(super) fn other_format(bytes: &[u8]) -> Option<u8> {
    if bytes.starts_with(&MAGIC_OF_FORMAT_1) {
        return Some(1);
    }
    let found = *bytes.get(2)?;
    let is_other = bytes.starts_with(&MAGIC) && found != FORMAT;
    (is_other && sound_payload(bytes).is_some()).then_some(found)
}

/// The payload of the record at the front of `bytes`, if its checksum is right.
fn sound_payload(bytes: &[u8]) -> Option<&[u8]> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let rest = &bytes[HEADER_BYTES..];
    let payload = rest.get(..short(header, LENGTH_AT) as usize)?;
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..CHECKED_BYTES]), payload);
    (checksum == short(header, CHECKED_BYTES)).then_some(payload)
}

fn short(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// Reads the header at the front of `bytes`; `None` if nothing stands there that could be one.
fn header(bytes: &[u8]) -> Option<RecordHeader> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    if header[..2] != MAGIC || header[2] != FORMAT {
        return None;
    }
    let number = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&header[at..at + 8]);
        u64::from_le_bytes(eight)
    };
    let parsed = RecordHeader {
        kind: match header[3] & !CLOSES {
            1 => ItemKind::Batch,
            2 => ItemKind::Tombstone,
            _ => return None,
        },
        closes: header[3] & CLOSES != 0,
        rows: u16::from_le_bytes([header[4], header[5]]),
        first: Sequence(number(6)),
        last: Sequence(number(14)),
        adopted: PlanVersion {
            promotion: short(header, 22),
            number: number(26),
        },
        length: short(header, LENGTH_AT),
    };
    let is_possible =
        parsed.length as usize <= BATCH_BYTES_MAX && parsed.first.0 > 0 && parsed.last >= parsed.first;
    is_possible.then_some(parsed)
}

/// What a segment file holds.
#[derive(Debug, Default)]
pub(super) struct Scan<'a> {
    /// Sound records, with their offsets.
    pub(super) records: Vec<(u64, RecordHeader, &'a [u8])>,
    /// End of the last sound record.
    pub(super) end: u64,
    /// Records after it that are there in their whole length, and damaged: what a crash tears off is shorter.
    pub(super) damaged_after: u64,
}

/// Finds the sound records of a segment.
pub(super) fn scan(bytes: &[u8]) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut at = 0;
    while at < bytes.len() {
        if let Some((header, payload)) = open(&bytes[at..]) {
            scan.records.push((at as u64, header, payload));
            at += header.record_bytes();
            scan.end = at as u64;
        } else {
            at = next_magic(bytes, at + 1);
        }
    }
    let mut at = scan.end as usize;
    while at < bytes.len() {
        let whole = header(&bytes[at..]).map(|header| at + header.record_bytes());
        match whole.filter(|end| *end <= bytes.len()) {
            Some(end) => (scan.damaged_after, at) = (scan.damaged_after + 1, end),
            None => at = next_magic(bytes, at + 1),
        }
    }
    scan
}

fn next_magic(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let found = rest.windows(2).position(|two| two == MAGIC);
    found.map_or(bytes.len(), |found| from + found)
}
