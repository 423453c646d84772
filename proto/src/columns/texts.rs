//! Texts of a batch: each stands once in a table, and rows name it by index.

use serde::{Deserialize, Serialize};

use super::rows::RowsError;
use crate::limits::{BATCH_TEXTS_MAX, TEXT_BYTES_MAX};

/// A table of texts; index 0 is the empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Texts(Vec<String>);

impl Texts {
    pub(crate) fn index_of(&mut self, text: &str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        let text = truncated(text);
        let known = self.0.iter().position(|known| known == text);
        let index = known.unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        });
        index as u64 + 1
    }

    pub(crate) fn get(&self, index: u64) -> &str {
        let place = index.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        place
            .and_then(|place| self.0.get(place))
            .map_or("", String::as_str)
    }

    /// The highest index that means something.
    pub(crate) fn highest(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn check(&self) -> Result<(), RowsError> {
        if self.0.len() > BATCH_TEXTS_MAX || self.0.iter().any(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(RowsError::Texts);
        }
        Ok(())
    }
}

/// `text`, cut at a character's boundary to what a message may carry.
fn truncated(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
