//! A size with its unit, as a file says it.

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, de};

#[derive(Deserialize)]
#[serde(untagged)]
enum Raw {
    Bytes(u64),
    Text(String),
}

/// A number of bytes, or a text such as "1.5GiB".
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    match Raw::deserialize(deserializer)? {
        Raw::Bytes(bytes) => Ok(Some(ByteSize(bytes))),
        Raw::Text(text) => match text.parse() {
            Ok(size) => Ok(Some(size)),
            Err(_) if text.contains(',') => {
                let with_point = text.replace(',', ".");
                let words = format!("{text:?}: write the fraction behind a point: {with_point:?}");
                Err(de::Error::custom(words))
            }
            Err(_) => Err(de::Error::custom(format!(
                "{text:?} is no size: write a number with its unit, such as \"1GiB\""
            ))),
        },
    }
}
