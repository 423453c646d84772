//! Why a document cannot be taken in.

use isochrone_proto::text::cleaned;

/// Why a document cannot be taken in. What it says of the document is cleaned and short.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A line that is no JSON.
    #[error("no JSON: {0}")]
    NotJson(String),
    /// JSON, and no document.
    #[error("no document: a JSON object is wanted, this begins {0}")]
    NotAnObject(String),
    /// Longer than any document.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// The index keeps no source.
    #[error("the index does not keep what its documents were (_source is off in its mapping)")]
    NoSource,
    /// A field that every document has.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// A field that holds something else.
    #[error("{field} is {given}: {wanted}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it holds.
        given: String,
        /// What it should.
        wanted: &'static str,
    },
    /// Before there was such a network.
    #[error("time is {0}, before 2018: seconds in place of milliseconds?")]
    Early(String),
    /// After now.
    #[error("time is {0}, later than this machine's clock by more than five minutes")]
    Future(String),
    /// It is of the other index.
    #[error("it has the shape of {0}: import it --as {0}")]
    OtherIndex(&'static str),
    /// Its times are in another unit.
    #[error("its downloadTime does not fit its size and speed: its times are not in milliseconds")]
    Unit,
    /// Another document of the same prober, node, bucket and time says otherwise.
    #[error("another document of the same source, node, bucket and time says otherwise; the first stays")]
    Contradicts,
}

impl Unfit {
    /// The same without what is the document's own, for counting.
    #[must_use]
    pub fn rule(&self) -> String {
        match self {
            Self::NotJson(_) => "no JSON".to_owned(),
            Self::NotAnObject(_) => "no document: a JSON object is wanted".to_owned(),
            Self::Field { field, wanted, .. } => format!("{field}: {wanted}"),
            Self::Early(_) => "time is before 2018: seconds in place of milliseconds?".to_owned(),
            Self::Future(_) => "time is later than this machine's clock by more than five minutes".to_owned(),
            Self::TooLong(_)
            | Self::NoSource
            | Self::Missing(_)
            | Self::OtherIndex(_)
            | Self::Unit
            | Self::Contradicts => self.to_string(),
        }
    }
}

/// Text of a document, as it may be shown.
pub(super) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(EXCERPT).collect();
    if text.chars().nth(EXCERPT).is_some() {
        short.push('…');
    }
    format!("{:?}", cleaned(&short))
}

/// Characters of a document's own that are shown.
const EXCERPT: usize = 60;
