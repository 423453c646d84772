//! A stored batch: the payload as it was spooled, behind a header that says whose it is and when.
//!
//! | bytes | |
//! |---|---|
//! | 0-3 | magic `ISOB` |
//! | 4 | version |
//! | 5 | flags; none so far |
//! | 6-7 | measurements in it |
//! | 8-15 | probe |
//! | 16-23 | when it was received, Unix milliseconds |
//! | 24-31, 32-39 | its first and last slot, Unix milliseconds |
//! | 40- | payload |
//!
//! Numbers are big-endian.

use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;

use super::row::Malformed;

const MAGIC: [u8; 4] = *b"ISOB";
/// 1: a payload without the kind connect. 2: one without sections.
const VERSION: u8 = 3;
const HEADER: usize = 40;

/// A stored batch, not yet decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredBlob<'a> {
    pub(crate) probe: ProbeId,
    /// When it came.
    pub(crate) received: UnixMillis,
    /// Measurements in it.
    pub(crate) rows: u16,
    /// Its first and last slot; the first is after the last in a batch without measurements.
    pub(crate) slots: (UnixMillis, UnixMillis),
    /// The encoded batch.
    pub(crate) payload: &'a [u8],
}

impl<'a> StoredBlob<'a> {
    /// Appends the whole to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(HEADER + self.payload.len());
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, 0]);
        out.extend_from_slice(&self.rows.to_be_bytes());
        for number in [self.probe.0, self.received.0, self.slots.0.0, self.slots.1.0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(self.payload);
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, payload) = bytes
            .split_first_chunk::<HEADER>()
            .ok_or(Malformed::Short { field: "payload" })?;
        let found = u64::from(u32::from_be_bytes([header[0], header[1], header[2], header[3]]));
        if header[..4] != MAGIC {
            return Err(Malformed::Unknown {
                field: "magic",
                found,
            });
        }
        for (field, found, expected) in [("version", header[4], VERSION), ("flags", header[5], 0)] {
            if found != expected {
                let found = u64::from(found);
                return Err(Malformed::Unknown { field, found });
            }
        }
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&header[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        Ok(Self {
            probe: ProbeId(number(8)),
            received: UnixMillis(number(16)),
            rows: u16::from_be_bytes([header[6], header[7]]),
            slots: (UnixMillis(number(24)), UnixMillis(number(32))),
            payload,
        })
    }
}
