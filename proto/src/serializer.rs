//! The serializer and the compressor; nothing else names them. Every text that is read passes [`door`].
//!
//! bincode 2.0.1 through serde, always with a limit: without one, 69 bytes can make it reserve all memory.

mod door;

use std::cell::RefCell;
use std::marker::PhantomData;

use bincode::config::{self, Configuration, Limit};
use serde::de::DeserializeSeed;
use serde::{Deserialize, Deserializer, Serialize};
use zstd::bulk::Compressor;
use zstd::stream::read::Decoder;
use zstd::zstd_safe::{DCtx, ResetDirective};

use self::door::Door;

/// Below this many bytes compression is not tried.
const COMPRESS_FROM: usize = 256;
const LEVEL: i32 = 1;
/// Largest window that a compressed body may ask for, as a power of two: the decoder reserves it at once. 1 MiB,
/// the largest payload of any kind.
const WINDOW_LOG_MAX: u32 = 20;
/// Room that is made at once for a body by its own word; for more it has to bring the bytes.
const ROOM_MAX: usize = 64 * 1024;

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
    let compressed = COMPRESSOR.with_borrow_mut(|kept| {
        if kept.is_none() {
            *kept = Compressor::new(LEVEL).ok();
        }
        kept.as_mut()?.compress(payload).ok()
    })?;
    (compressed.len() < payload.len()).then_some(compressed)
}

/// Unpacks what [`compress`] made; whatever follows it is damage.
pub(crate) fn decompress(body: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
    DECOMPRESSOR.with_borrow_mut(|context| {
        let reset = context.reset(ResetDirective::SessionOnly); // whatever became of the body before
        reset.map_err(|_| DecompressError::Broken)?;
        unpack(context, body, max)
    })
}

fn unpack(context: &mut DCtx<'static>, body: &[u8], max: usize) -> Result<Vec<u8>, DecompressError> {
    use std::io::Read;

    let broken = |_| DecompressError::Broken;
    let mut decoder = Decoder::with_context(body, context);
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
    // with room for all of it, and a byte to see the end in, it is unpacked in one go; what it says is no promise
    let told = zstd::zstd_safe::get_frame_content_size(body).ok().flatten();
    let room = told.map_or(0, |told| told.min(max.min(ROOM_MAX) as u64) as usize);
    let mut payload = Vec::with_capacity(room + 1);
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

thread_local! {
    /// Kept from body to body: to make one costs more than to unpack a batch with it.
    static DECOMPRESSOR: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
    /// As [`DECOMPRESSOR`]; made when it is needed.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
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
