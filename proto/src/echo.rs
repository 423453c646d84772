//! The mesh's echo packet: fixed size, authenticated, and the reply is as long as the request.
//!
//! | bytes | request | reply |
//! |---|---|---|
//! | 0-3 | `ISOe` | same |
//! | 4 | version, 1 | same |
//! | 5 | direction, 0 | 1 |
//! | 6-7 | key epoch | same |
//! | 8-15 | prober's id | same |
//! | 16-23 | random nonce | same |
//! | 24-27 | sequence | same |
//! | 28-31 | 0 | microseconds from receive to send, as the responder claims |
//! | 32-47 | keyed BLAKE3 over bytes 0-31, cut to 128 bits | same |
//!
//! Numbers are big-endian.

use serde::{Deserialize, Serialize};

use crate::ids::ProbeId;

/// Size of a request and of a reply, in bytes.
pub const PACKET_BYTES: usize = 48;
const SIGNED_BYTES: usize = 32;
const MAGIC: [u8; 4] = *b"ISOe";
const VERSION: u8 = 1;

/// Which of a responder's secrets is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyEpoch(pub u16);

/// A responder's secret, made by the collector; only that responder and the collector hold it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResponderSecret(pub [u8; 32]);

/// What one prober shows one responder: derived from the responder's secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PairKey([u8; 32]);

impl PairKey {
    /// BLAKE3 keyed with the responder's secret, over prober id and key epoch.
    #[must_use]
    pub fn derive(secret: &ResponderSecret, prober: ProbeId, key_epoch: KeyEpoch) -> Self {
        let mut message = [0; 10];
        message[..8].copy_from_slice(&prober.0.to_be_bytes());
        message[8..].copy_from_slice(&key_epoch.0.to_be_bytes());
        Self(*blake3::keyed_hash(&secret.0, &message).as_bytes())
    }
}

macro_rules! secret_debug {
    ($type:ident) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }
    };
}
secret_debug!(ResponderSecret);
secret_debug!(PairKey);

/// Request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Prober to responder.
    Request,
    /// Responder to prober.
    Reply,
}

/// A packet's content. The tag is added by [`EchoPacket::seal`] and checked by [`Sealed::open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoPacket {
    /// Request or reply.
    pub direction: Direction,
    /// Which of the responder's secrets.
    pub key_epoch: KeyEpoch,
    /// Who asks.
    pub prober: ProbeId,
    /// Fresh and random for each request: a reply cannot be made early.
    pub nonce: u64,
    /// Counts a prober's requests to a responder.
    pub sequence: u32,
    /// The responder's claim, in microseconds; 0 in a request.
    pub claimed_delay_us: u32,
}

impl EchoPacket {
    /// The bytes to send.
    #[must_use]
    pub fn seal(&self, key: &PairKey) -> [u8; PACKET_BYTES] {
        let mut bytes = [0; PACKET_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = u8::from(self.direction == Direction::Reply);
        bytes[6..8].copy_from_slice(&self.key_epoch.0.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.prober.0.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.nonce.to_be_bytes());
        bytes[24..28].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[28..32].copy_from_slice(&self.claimed_delay_us.to_be_bytes());
        let tag = tag(key, &bytes[..SIGNED_BYTES]);
        bytes[SIGNED_BYTES..].copy_from_slice(&tag);
        bytes
    }

    /// The reply to this request.
    #[must_use]
    pub fn reply(&self, claimed_delay_us: u32) -> Self {
        Self {
            direction: Direction::Reply,
            claimed_delay_us,
            ..*self
        }
    }
}

/// A packet that has the right form and may still be forged: enough to find its key.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    bytes: &'a [u8; PACKET_BYTES],
    packet: EchoPacket,
}

impl<'a> Sealed<'a> {
    /// Checks the form; hashes nothing.
    ///
    /// # Errors
    /// When the length, magic, version, direction or a reserved field is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EchoError> {
        let bytes: &[u8; PACKET_BYTES] = bytes
            .try_into()
            .map_err(|_| EchoError::Length { found: bytes.len() })?;
        if bytes[..4] != MAGIC {
            return Err(EchoError::Magic);
        }
        if bytes[4] != VERSION {
            return Err(EchoError::Version { found: bytes[4] });
        }
        let direction = match bytes[5] {
            0 => Direction::Request,
            1 => Direction::Reply,
            found => return Err(EchoError::Direction { found }),
        };
        let packet = EchoPacket {
            direction,
            key_epoch: KeyEpoch(u16::from_be_bytes([bytes[6], bytes[7]])),
            prober: ProbeId(be_u64(&bytes[8..16])),
            nonce: be_u64(&bytes[16..24]),
            sequence: be_u32(&bytes[24..28]),
            claimed_delay_us: be_u32(&bytes[28..32]),
        };
        if direction == Direction::Request && packet.claimed_delay_us != 0 {
            return Err(EchoError::Reserved);
        }
        Ok(Self { bytes, packet })
    }

    /// Who claims to ask.
    #[must_use]
    pub fn prober(&self) -> ProbeId {
        self.packet.prober
    }

    /// Which key it claims to be sealed with.
    #[must_use]
    pub fn key_epoch(&self) -> KeyEpoch {
        self.packet.key_epoch
    }

    /// The nonce, for finding the request a reply belongs to.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.packet.nonce
    }

    /// Request or reply.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.packet.direction
    }

    /// Checks the tag in constant time.
    ///
    /// # Errors
    /// When the tag was not made with `key`.
    pub fn open(&self, key: &PairKey) -> Result<EchoPacket, EchoError> {
        let expected = blake3::keyed_hash(&key.0, &self.bytes[..SIGNED_BYTES]);
        let (mut found, mut right) = ([0; 32], [0; 32]); // blake3's own equality is constant-time
        found[..16].copy_from_slice(&self.bytes[SIGNED_BYTES..]);
        right[..16].copy_from_slice(&expected.as_bytes()[..16]);
        if blake3::Hash::from(found) == blake3::Hash::from(right) {
            Ok(self.packet)
        } else {
            Err(EchoError::Tag)
        }
    }
}

fn tag(key: &PairKey, signed: &[u8]) -> [u8; 16] {
    let mut tag = [0; 16];
    tag.copy_from_slice(&blake3::keyed_hash(&key.0, signed).as_bytes()[..16]);
    tag
}

fn be_u64(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u32::from(byte))
}

/// Why a datagram is no packet of ours. Each is dropped and counted, never answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EchoError {
    /// Not 48 bytes.
    #[error("{found} bytes instead of 48")]
    Length {
        /// Bytes in the datagram.
        found: usize,
    },
    /// Another protocol.
    #[error("not an echo packet")]
    Magic,
    /// A version this build does not speak.
    #[error("echo version {found}, this build speaks 1")]
    Version {
        /// The version byte.
        found: u8,
    },
    /// Neither request nor reply.
    #[error("direction {found} is neither request (0) nor reply (1)")]
    Direction {
        /// The direction byte.
        found: u8,
    },
    /// A request claims a delay.
    #[error("a reserved field is not zero")]
    Reserved,
    /// Forged, or sealed with a key that is no longer valid.
    #[error("wrong tag")]
    Tag,
}
