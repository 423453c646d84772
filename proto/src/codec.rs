//! The serializer and the compressor; nothing else names them.
//!
//! bincode 2.0.1 through serde, always with a limit: without one, 69 bytes can make it reserve all memory.

use bincode::config::{self, Configuration, Limit};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::batch::{Batch, BatchError};
use crate::control::{CollectorMessage, ControlError, ProbeMessage, StreamHello};
use crate::join::{JoinRequest, JoinResponse};
use crate::ledger::Tombstone;
use crate::limits::{BATCH_BYTES_MAX, CONTROL_BYTES_MAX, JOIN_BYTES_MAX, STREAM_HELLO_BYTES_MAX};
use crate::plan::{Plan, PlanError};
use crate::section::{SectionError, Sections};

/// Below this many bytes compression is not tried.
const COMPRESS_FROM: usize = 256;
const LEVEL: i32 = 1;
/// Largest window that a compressed body may ask for, as a power of two: the decoder reserves it at once. 1 MiB,
/// the largest payload of any kind.
const WINDOW_LOG_MAX: u32 = 20;

/// Encodes a batch: the bytes that are spooled, hashed, sent and stored.
#[must_use]
pub fn encode_batch(batch: &Batch) -> Vec<u8> {
    encode(&(&batch.header, batch.sections()))
}

/// Decodes and checks a batch.
///
/// # Errors
/// Not a batch, trailing bytes, or counts and columns that disagree.
pub fn decode_batch(payload: &[u8]) -> Result<Batch, DecodeError> {
    let (header, sections) = decode::<_, BATCH_BYTES_MAX>(payload)?;
    let batch = Batch::of_sections(header, sections)?;
    batch.check()?;
    Ok(batch)
}

/// Encodes a tombstone.
#[must_use]
pub fn encode_tombstone(tombstone: &Tombstone) -> Vec<u8> {
    encode(tombstone)
}

/// Decodes and checks a tombstone.
///
/// # Errors
/// Not a tombstone, trailing bytes, or a range that is none.
pub fn decode_tombstone(payload: &[u8]) -> Result<Tombstone, DecodeError> {
    let tombstone: Tombstone = decode::<_, BATCH_BYTES_MAX>(payload)?;
    if tombstone.first.0 == 0 || tombstone.last < tombstone.first {
        return Err(DecodeError::Range {
            first: tombstone.first.0,
            last: tombstone.last.0,
        });
    }
    if let Some(hour) = tombstone
        .hours
        .iter()
        .find(|hour| hour.run.checked_add(hour.skipped) != Some(hour.planned))
    {
        return Err(BatchError::HourCounts(*hour).into());
    }
    Ok(tombstone)
}

/// Encodes a plan: the bytes that are signed.
#[must_use]
pub fn encode_plan(plan: &Plan) -> Vec<u8> {
    encode(&(plan.head(), plan.sections()))
}

/// Decodes and checks a plan. Verify its signature first.
///
/// # Errors
/// Not a plan, trailing bytes, or a plan that breaks a bound.
pub fn decode_plan(payload: &[u8]) -> Result<Plan, DecodeError> {
    let (head, sections) = decode::<_, CONTROL_BYTES_MAX>(payload)?;
    let plan = Plan::of_sections(head, sections)?;
    plan.check()?;
    Ok(plan)
}

macro_rules! message {
    ($encode:ident, $decode:ident, $type:ident, $limit:ident) => {
        #[doc = concat!("Encodes a [`", stringify!($type), "`].")]
        #[must_use]
        pub fn $encode(message: &$type) -> Vec<u8> {
            encode(message)
        }

        #[doc = concat!("Decodes and checks a [`", stringify!($type), "`].")]
        ///
        /// # Errors
        /// Another type, trailing bytes, or a bound that is broken.
        pub fn $decode(payload: &[u8]) -> Result<$type, DecodeError> {
            let message: $type = decode::<_, $limit>(payload)?;
            message.check()?;
            Ok(message)
        }
    };
}
message!(
    encode_stream_hello,
    decode_stream_hello,
    StreamHello,
    STREAM_HELLO_BYTES_MAX
);
message!(
    encode_from_probe,
    decode_from_probe,
    ProbeMessage,
    CONTROL_BYTES_MAX
);
message!(
    encode_from_collector,
    decode_from_collector,
    CollectorMessage,
    CONTROL_BYTES_MAX
);
message!(
    encode_join_request,
    decode_join_request,
    JoinRequest,
    JOIN_BYTES_MAX
);
message!(
    encode_join_response,
    decode_join_response,
    JoinResponse,
    JOIN_BYTES_MAX
);

pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, config::standard())
        .expect("encoding to memory fails only for types that refuse to be serialized; ours do not")
}

/// What a section holds, if the message has it.
pub(crate) fn decode_section<T: DeserializeOwned, const LIMIT: usize>(
    sections: &Sections<'_>,
    name: &'static str,
) -> Result<Option<T>, DecodeError> {
    let Some(body) = sections.body(name) else {
        return Ok(None);
    };
    decode::<T, LIMIT>(body).map(Some).map_err(|error| {
        let source = Box::new(error);
        DecodeError::InSection { name, source }
    })
}

pub(crate) fn decode<'a, T: Deserialize<'a>, const LIMIT: usize>(
    payload: &'a [u8],
) -> Result<T, DecodeError> {
    if payload.len() > LIMIT {
        return Err(DecodeError::TooLong {
            found: payload.len(),
            max: LIMIT,
        });
    }
    let config: Configuration<_, _, Limit<LIMIT>> = config::standard().with_limit::<LIMIT>();
    let (value, read) = bincode::serde::borrow_decode_from_slice(payload, config).map_err(|error| {
        DecodeError::Malformed {
            reason: error.to_string(),
        }
    })?;
    if read != payload.len() {
        return Err(DecodeError::Trailing {
            bytes: payload.len() - read,
        });
    }
    Ok(value)
}

/// `Some` if compression makes `payload` smaller.
pub(crate) fn compress(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() < COMPRESS_FROM {
        return None;
    }
    let compressed = zstd::bulk::compress(payload, LEVEL).ok()?;
    (compressed.len() < payload.len()).then_some(compressed)
}

/// Unpacks what [`compress`] made; whatever follows it is damage.
pub(crate) fn decompress(body: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
    use std::io::Read;

    let broken = |_| DecompressError::Broken;
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
    let mut payload = Vec::new();
    let mut capped = decoder.single_frame().take(max as u64 + 1);
    capped.read_to_end(&mut payload).map_err(broken)?;
    if payload.len() > max {
        return Err(DecompressError::TooLong { max });
    }
    match capped.into_inner().finish() {
        [] => Ok(payload),
        _ => Err(DecompressError::Broken),
    }
}

/// Why a compressed body is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DecompressError {
    /// Not what the compressor makes, or more than that.
    Broken,
    /// It grows above what is allowed.
    TooLong { max: usize },
}

/// Why a payload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Above the maximum of its kind.
    #[error("{found} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes there are.
        found: usize,
        /// The maximum.
        max: usize,
    },
    /// The serializer could not read it.
    #[error("malformed: {reason}")]
    Malformed {
        /// The serializer's words.
        reason: String,
    },
    /// Bytes after the end.
    #[error("{bytes} bytes after the end")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// What a section holds is not what its name says.
    #[error("section `{name}` is broken")]
    InSection {
        /// Its name.
        name: &'static str,
        /// How.
        #[source]
        source: Box<DecodeError>,
    },
    /// A section that cannot be, or that is needed and not known.
    #[error("message has sections that cannot be taken")]
    Sections(#[from] SectionError),
    /// A tombstone over nothing.
    #[error("tombstone over batches {first} to {last}")]
    Range {
        /// First of the range.
        first: u64,
        /// Last of the range.
        last: u64,
    },
    /// Counts or columns disagree.
    #[error("batch disagrees with itself")]
    Batch(#[from] BatchError),
    /// A bound of a plan is broken.
    #[error("plan breaks a bound")]
    Plan(#[from] PlanError),
    /// A bound of a control or join message is broken.
    #[error("message breaks a bound")]
    Control(#[from] ControlError),
}
