//! The serializer and the compressor; nothing else names them. Every text that is read passes [`door`].
//!
//! bincode 2.0.1 through serde, always with a limit: without one, 69 bytes can make it reserve all memory.

mod door;

use std::marker::PhantomData;

use bincode::config::{self, Configuration, Limit};
use serde::de::DeserializeSeed;
use serde::{Deserialize, Deserializer, Serialize};

use self::door::Door;

/// Below this many bytes compression is not tried.
const COMPRESS_FROM: usize = 256;
const LEVEL: i32 = 1;
/// Largest window that a compressed body may ask for, as a power of two: the decoder reserves it at once. 1 MiB,
/// the largest payload of any kind.
const WINDOW_LOG_MAX: u32 = 20;

pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    bincode::serde::encode_to_vec(value, config::standard())
        .expect("encoding to memory fails only for types that refuse to be serialized; ours do not")
}

pub(crate) fn decode<'a, T: Deserialize<'a>, const LIMIT: usize>(payload: &'a [u8]) -> Result<T, Unreadable> {
    let (value, read) = decode_some::<T, LIMIT>(payload)?;
    if read != payload.len() {
        return Err(Unreadable::Trailing {
            bytes: payload.len() - read,
        });
    }
    Ok(value)
}

/// What stands at the beginning, whatever follows.
pub(crate) fn decode_head<'a, T: Deserialize<'a>, const LIMIT: usize>(
    payload: &'a [u8],
) -> Result<T, Unreadable> {
    decode_some::<T, LIMIT>(payload).map(|(value, _)| value)
}

fn decode_some<'a, T: Deserialize<'a>, const LIMIT: usize>(
    payload: &'a [u8],
) -> Result<(T, usize), Unreadable> {
    if payload.len() > LIMIT {
        return Err(Unreadable::TooLong {
            found: payload.len(),
            max: LIMIT,
        });
    }
    let config: Configuration<_, _, Limit<LIMIT>> = config::standard().with_limit::<LIMIT>();
    let read = bincode::serde::seed_decode_from_slice(ThroughDoor(PhantomData), payload, config);
    read.map_err(|error| Unreadable::Malformed {
        reason: error.to_string(),
    })
}

/// A value of this type, whose texts passed the door.
struct ThroughDoor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for ThroughDoor<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, bytes: D) -> Result<T, D::Error> {
        T::deserialize(Door(bytes))
    }
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

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
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
}
