//! The envelope of every message on a stream.
//!
//! | bytes | |
//! |---|---|
//! | 0-3 | magic `ISOC` |
//! | 4 | protocol version |
//! | 5 | message kind |
//! | 6 | flags: bit 0 says the body is zstd-compressed |
//! | 7-10 | length of the body, big-endian |
//! | 11-14 | CRC-32C of bytes 0-10 and the body |

use crate::limits::{BATCH_BYTES_MAX, CONTROL_BYTES_MAX, JOIN_BYTES_MAX, STREAM_HELLO_BYTES_MAX};
use crate::serializer::{self, DecompressError};

/// Bytes before the body.
pub const HEADER_BYTES: usize = 15;
/// The version this build speaks.
///
/// 1: a batch without the kind connect. 2: plans and batches without sections. Nothing of either was released, so
/// there is no way over. What comes later is a section, or is sent only to whom announced it (ADR 11).
pub const PROTOCOL_VERSION: u8 = 3;
const MAGIC: [u8; 4] = *b"ISOC";
const COMPRESSED: u8 = 1;

/// What a frame's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// First on a batch stream: [`crate::control::StreamHello`].
    StreamHello,
    /// [`crate::batch::Batch`].
    Batch,
    /// [`crate::ledger::Tombstone`].
    Tombstone,
    /// [`crate::control::ProbeMessage`].
    FromProbe,
    /// [`crate::control::CollectorMessage`].
    FromCollector,
    /// [`crate::join::JoinRequest`].
    JoinRequest,
    /// [`crate::join::JoinResponse`].
    JoinResponse,
}

impl MessageKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::StreamHello,
        Self::Batch,
        Self::Tombstone,
        Self::FromProbe,
        Self::FromCollector,
        Self::JoinRequest,
        Self::JoinResponse,
    ];

    const fn code(self) -> u8 {
        match self {
            Self::StreamHello => 1,
            Self::Batch => 2,
            Self::Tombstone => 3,
            Self::FromProbe => 4,
            Self::FromCollector => 5,
            Self::JoinRequest => 6,
            Self::JoinResponse => 7,
        }
    }

    /// Largest payload of this kind, compressed or not, in bytes.
    #[must_use]
    pub(crate) const fn payload_max(self) -> usize {
        match self {
            Self::StreamHello => STREAM_HELLO_BYTES_MAX,
            Self::Batch | Self::Tombstone => BATCH_BYTES_MAX,
            Self::FromProbe | Self::FromCollector => CONTROL_BYTES_MAX,
            Self::JoinRequest | Self::JoinResponse => JOIN_BYTES_MAX,
        }
    }
}

/// A header that was checked: its body may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    kind: MessageKind,
    compressed: bool,
    length: usize,
    checksum: u32,
    bytes: [u8; HEADER_BYTES],
}

impl FrameHeader {
    /// Checks magic, version, kind, flags and length, before a byte of the body is read.
    ///
    /// # Errors
    /// Each has its own variant.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        if bytes[..4] != MAGIC {
            return Err(FrameError::Magic {
                found: [bytes[0], bytes[1], bytes[2], bytes[3]],
            });
        }
        if bytes[4] != PROTOCOL_VERSION {
            return Err(FrameError::Version { found: bytes[4] });
        }
        let kind = MessageKind::ALL.into_iter().find(|kind| kind.code() == bytes[5]);
        let kind = kind.ok_or(FrameError::Kind { found: bytes[5] })?;
        if bytes[6] & !COMPRESSED != 0 {
            return Err(FrameError::Flags { found: bytes[6] });
        }
        let length = u32::from_be_bytes([bytes[7], bytes[8], bytes[9], bytes[10]]) as usize;
        if length > kind.payload_max() {
            return Err(FrameError::TooLong {
                length,
                max: kind.payload_max(),
            });
        }
        let checksum = u32::from_be_bytes([bytes[11], bytes[12], bytes[13], bytes[14]]);
        Ok(Self {
            kind,
            compressed: bytes[6] & COMPRESSED != 0,
            length,
            checksum,
            bytes: *bytes,
        })
    }

    /// What the payload is.
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Bytes of the body that follow; at most `MessageKind::payload_max`.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The payload of a body that was read: checksum verified, decompressed under a cap.
    ///
    /// # Errors
    /// Wrong length, wrong checksum, broken or bomb-like compression.
    pub fn open(&self, body: Vec<u8>) -> Result<Vec<u8>, FrameError> {
        if body.len() != self.length {
            return Err(FrameError::Length {
                announced: self.length,
                found: body.len(),
            });
        }
        if checksum(&self.bytes, &body) != self.checksum {
            return Err(FrameError::Checksum);
        }
        if self.compressed {
            Ok(serializer::decompress(&body, self.kind.payload_max())?)
        } else {
            Ok(body)
        }
    }
}

/// Wraps a payload. It is compressed where that makes it smaller.
///
/// # Errors
/// When the payload is above the kind's maximum.
pub fn seal(kind: MessageKind, payload: &[u8]) -> Result<Vec<u8>, FrameError> {
    if payload.len() > kind.payload_max() {
        return Err(FrameError::TooLong {
            length: payload.len(),
            max: kind.payload_max(),
        });
    }
    let compressed = serializer::compress(payload);
    let (flags, body) = match &compressed {
        Some(smaller) => (COMPRESSED, smaller.as_slice()),
        None => (0, payload),
    };
    let mut frame = Vec::with_capacity(HEADER_BYTES + body.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&[PROTOCOL_VERSION, kind.code(), flags]);
    frame.extend_from_slice(&(body.len() as u32).to_be_bytes()); // payload_max is far below 4 GiB
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&frame), body);
    frame.extend_from_slice(&checksum.to_be_bytes());
    frame.extend_from_slice(body);
    Ok(frame)
}

/// Reads one whole frame from the front of `bytes`: its kind, payload and how many bytes it took.
///
/// # Errors
/// As [`FrameHeader::parse`] and [`FrameHeader::open`]; [`FrameError::Short`] when bytes are missing.
pub fn read(bytes: &[u8]) -> Result<(MessageKind, Vec<u8>, usize), FrameError> {
    let short = FrameError::Short { found: bytes.len() };
    let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(short)?;
    let header = FrameHeader::parse(header)?;
    let end = HEADER_BYTES + header.length();
    let body = bytes.get(HEADER_BYTES..end).ok_or(short)?;
    Ok((header.kind(), header.open(body.to_vec())?, end))
}

fn checksum(header: &[u8; HEADER_BYTES], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[..HEADER_BYTES - 4]), body)
}

/// Why a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not our protocol, or out of step.
    #[error("not an Isochrone frame: it starts with {found:02x?}")]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// Spoken by another release.
    #[error(
        "protocol version {found}, this build speaks {speaks}; update the older side",
        speaks = PROTOCOL_VERSION
    )]
    Version {
        /// The version byte.
        found: u8,
    },
    /// A kind this version does not have.
    #[error("unknown message kind {found}")]
    Kind {
        /// The kind byte.
        found: u8,
    },
    /// A flag this version does not have.
    #[error("unknown flags {found:#04x}")]
    Flags {
        /// The flags byte.
        found: u8,
    },
    /// Above the kind's maximum.
    #[error("body of {length} bytes, at most {max} are allowed")]
    TooLong {
        /// Announced length.
        length: usize,
        /// The maximum.
        max: usize,
    },
    /// Fewer bytes than a frame has.
    #[error("frame is cut off after {found} bytes")]
    Short {
        /// Bytes there are.
        found: usize,
    },
    /// Not the announced number of bytes.
    #[error("body of {found} bytes, {announced} were announced")]
    Length {
        /// Announced length.
        announced: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Bits changed on the way.
    #[error("wrong checksum")]
    Checksum,
    /// Not zstd.
    #[error("compressed body is broken")]
    Compression,
    /// Decompresses to more than the kind's maximum.
    #[error("compressed body grows above {max} bytes")]
    Bomb {
        /// The maximum.
        max: usize,
    },
}

impl From<DecompressError> for FrameError {
    fn from(error: DecompressError) -> Self {
        match error {
            DecompressError::Broken => Self::Compression,
            DecompressError::TooLong { max } => Self::Bomb { max },
        }
    }
}
