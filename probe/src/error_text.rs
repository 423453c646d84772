//! Errors in words.

use isochrone_proto::text::cleaned;

/// An error with its sources, joined by `: `; a source that its parent already quotes is not repeated.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let words = source.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = source.source();
    }
    text
}

/// Somebody else's words, about an error or of itself: at most [`ErrorText::MAX`] characters, [`cleaned`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorText(String);

impl ErrorText {
    /// Longest text kept, in characters.
    pub const MAX: usize = 200;

    /// Cleans `text` and cuts it to size.
    pub fn new(text: &str) -> Self {
        Self(cleaned(text).trim().chars().take(Self::MAX).collect())
    }

    /// An error with its sources, see `chain`.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(&chain(error))
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ErrorText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
