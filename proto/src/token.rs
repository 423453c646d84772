//! The invitation that a worker pastes: one line of text.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::ids::KeyHash;
use crate::serializer;
use crate::units::UnixMillis;

const PREFIX: &str = "isochrone1_";
const CHECK_BYTES: usize = 4;
const BYTES_MAX: usize = 2_048;
/// Most collector addresses in a token.
pub const ADDRESSES_MAX: usize = 8;

/// An invitation: where to go, whom to trust there, and the secret that proves it was meant for the bearer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Collector addresses, `host:port`, tried in turn.
    pub collectors: Vec<String>,
    /// Hash of the authority's public key: nothing else is trusted while joining.
    pub authority: KeyHash,
    /// Ed25519 seed; the collector keeps only its public key.
    pub seed: [u8; 32],
    /// When it ends.
    pub expires: UnixMillis,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = serializer::encode(self);
        let check = blake3::hash(&bytes);
        bytes.extend_from_slice(&check.as_bytes()[..CHECK_BYTES]);
        write!(f, "{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("collectors", &self.collectors)
            .finish_non_exhaustive()
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        if body.len() > 2 * BYTES_MAX {
            return Err(TokenError::Damaged);
        }
        let bytes = BASE64URL_NOPAD
            .decode(body.as_bytes())
            .map_err(|_| TokenError::Damaged)?;
        let (payload, check) = bytes
            .split_last_chunk::<CHECK_BYTES>()
            .ok_or(TokenError::Damaged)?;
        if blake3::hash(payload).as_bytes()[..CHECK_BYTES] != *check {
            return Err(TokenError::Damaged);
        }
        let token: Self = serializer::decode::<_, BYTES_MAX>(payload).map_err(|_| TokenError::Damaged)?;
        if token.collectors.is_empty() || token.collectors.len() > ADDRESSES_MAX {
            return Err(TokenError::Addresses {
                found: token.collectors.len(),
            });
        }
        Ok(token)
    }
}

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Something else was pasted.
    #[error("a token starts with `isochrone1_`; paste the whole line the lead sent")]
    Prefix,
    /// Cut off or mistyped.
    #[error("the token is damaged (cut off, or a character is wrong); paste the whole line again")]
    Damaged,
    /// No collector, or too many.
    #[error("the token names {found} collector addresses; it must be 1 to 8")]
    Addresses {
        /// How many it names.
        found: usize,
    },
}
