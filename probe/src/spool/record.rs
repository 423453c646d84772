//! How a batch or a tombstone stands in a segment file.
//!
//! | bytes | |
//! |---|---|
//! | 0-1 | magic |
//! | 2 | kind: 1 batch, 2 tombstone; bit 7 says that nothing follows in the epoch |
//! | 3-4 | measurements in it |
//! | 5-12, 13-20 | first and last sequence |
//! | 21-32 | version of the plan in force |
//! | 33-36 | length of the payload |
//! | 37-40 | CRC-32C of bytes 0-36 and the payload |
//!
//! Numbers are little-endian.

use isochrone_proto::ids::{PlanVersion, Sequence};
use isochrone_proto::ledger::Tombstone;
use isochrone_proto::limits::BATCH_BYTES_MAX;

/// Bytes before the payload.
pub(super) const HEADER_BYTES: usize = 41;
const MAGIC: [u8; 2] = [0xb5, 0x1c];
const CHECKED_BYTES: usize = HEADER_BYTES - 4;
const CLOSES: u8 = 0x80;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A batch.
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
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    if header[..2] != MAGIC {
        return None;
    }
    let number = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&header[at..at + 8]);
        u64::from_le_bytes(eight)
    };
    let short = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let parsed = RecordHeader {
        kind: match header[2] & !CLOSES {
            1 => ItemKind::Batch,
            2 => ItemKind::Tombstone,
            _ => return None,
        },
        closes: header[2] & CLOSES != 0,
        rows: u16::from_le_bytes([header[3], header[4]]),
        first: Sequence(number(5)),
        last: Sequence(number(13)),
        adopted: PlanVersion {
            promotion: short(21),
            number: number(25),
        },
        length: short(33),
    };
    let length = parsed.length as usize;
    if length > BATCH_BYTES_MAX || parsed.first.0 == 0 || parsed.last < parsed.first {
        return None;
    }
    let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + length)?;
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..CHECKED_BYTES]), payload);
    (checksum == short(37)).then_some((parsed, payload))
}

/// What a segment file holds.
#[derive(Debug, Default)]
pub(super) struct Scan<'a> {
    /// Sound records, with their offsets.
    pub(super) records: Vec<(u64, RecordHeader, &'a [u8])>,
    /// Stretches that are no record, with sound records after them.
    pub(super) corrupt: u32,
    /// End of the last sound record: what follows was torn off by a crash.
    pub(super) end: u64,
}

/// Finds the sound records of a segment.
pub(super) fn scan(bytes: &[u8]) -> Scan<'_> {
    let mut scan = Scan::default();
    let (mut at, mut lost) = (0, false);
    while at < bytes.len() {
        if let Some((header, payload)) = open(&bytes[at..]) {
            if lost {
                scan.corrupt += 1;
                lost = false;
            }
            scan.records.push((at as u64, header, payload));
            at += header.record_bytes();
            scan.end = at as u64;
        } else {
            lost = true;
            at += 1; // look for the next magic
            at += bytes[at..]
                .iter()
                .position(|byte| *byte == MAGIC[0])
                .unwrap_or(bytes.len() - at);
        }
    }
    scan
}
