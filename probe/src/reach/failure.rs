//! How a check breaks: the phase, the cause, and the words of whoever said so.

use std::time::Duration;

use isochrone_proto::measurement::{Cause, FailureCause, Phase};

use crate::address_policy::ForbiddenAddress;

/// A check that did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In which phase it broke.
    pub phase: Phase,
    /// What broke.
    pub cause: Cause,
    /// The error as the system or the server worded it, bounded.
    pub text: ErrorText,
    /// How long it took to know: never a latency.
    pub elapsed: Duration,
}

/// Why an attempt cannot go on. The phase is the one that was running.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) cause: Cause,
    pub(crate) text: ErrorText,
}

impl Broken {
    pub(crate) fn new(cause: impl Into<Cause>, text: ErrorText) -> Self {
        Self {
            cause: cause.into(),
            text,
        }
    }
}

impl From<ForbiddenAddress> for Broken {
    fn from(refused: ForbiddenAddress) -> Self {
        Self::new(FailureCause::ForbiddenAddress, ErrorText::of(&refused))
    }
}

/// Somebody else's words, about an error or of itself: at most [`ErrorText::MAX`] characters, control characters replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorText(String);

impl ErrorText {
    /// Longest text kept, in characters.
    pub const MAX: usize = 200;

    /// Cuts `text` to size; whatever could move a terminal's cursor becomes a space.
    pub fn new(text: &str) -> Self {
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        Self(text.trim().chars().take(Self::MAX).map(clean).collect())
    }

    /// An error with its sources, joined by `: `; a source that its parent already quotes is not repeated.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
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
        Self::new(&text)
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
