//! A request's body, compressed once however often it is sent.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// A request's body as it travels.
#[derive(Clone, Debug)]
pub struct Packed {
    pub(super) bytes: Bytes,
    pub(super) content_type: &'static str,
    pub(super) is_gzip: bool,
}

impl Packed {
    /// One value.
    #[must_use]
    pub fn json(value: &Value) -> Self {
        Self::new(value.to_string().as_bytes(), "application/json")
    }

    /// Values in lines, each with its end, as `_bulk` takes them.
    #[must_use]
    pub fn lines(text: &[u8]) -> Self {
        Self::new(text, "application/x-ndjson")
    }

    fn new(text: &[u8], content_type: &'static str) -> Self {
        let packed = (text.len() >= WORTH_PACKING).then(|| gzip(text));
        let is_gzip = packed.is_some();
        Self {
            bytes: packed.unwrap_or_else(|| text.to_vec()).into(),
            content_type,
            is_gzip,
        }
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let memory = Vec::with_capacity(text.len() / 4);
    let mut encoder = GzEncoder::new(memory, Compression::new(LEVEL));
    let written = encoder.write_all(text);
    let finished = written.and_then(|()| encoder.finish());
    finished.expect("memory takes what is written to it")
}

/// Bytes below which gzip's head costs more than it saves.
const WORTH_PACKING: usize = 1_024;
/// The fastest: ids do not compress at any level, and all else does at this one.
const LEVEL: u32 = 1;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn long_body_is_packed_and_unpacks_to_itself() {
        let text = "{\"create\":{}}\n".repeat(200);
        let packed = Packed::lines(text.as_bytes());
        assert!(packed.is_gzip && packed.bytes.len() < text.len() / 10);
        let mut back = String::new();
        flate2::read::GzDecoder::new(&packed.bytes[..])
            .read_to_string(&mut back)
            .unwrap();
        assert_eq!(back, text);
    }

    #[test]
    fn short_body_goes_as_it_is() {
        let packed = Packed::json(&serde_json::json!({"size": 0}));
        assert_eq!((&packed.bytes[..], packed.is_gzip), (&b"{\"size\":0}"[..], false));
    }
}
