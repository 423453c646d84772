//! What of an index depends on the server: lifecycles, and the form of histograms.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Capabilities;

/// What of an index depends on the server. The default is what every server can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Raw documents have a lifecycle policy.
    pub has_lifecycle: bool,
    /// How rollups carry their histograms.
    pub histograms: Histograms,
    /// Single measurements lie in columns that are packed as those of time series are.
    pub packed_columns: bool,
    /// Sequence numbers of single measurements have no index.
    pub plain_sequence_numbers: bool,
}

/// A setting of an index, by its path below `index.`, and its value as a server gives it back.
pub(crate) type Setting = (&'static str, &'static str);

/// Runs, steps and small numbers are packed as such, block by block.
pub(crate) const PACKED_COLUMNS: Setting = ("use_time_series_doc_values_format", "true");
/// Nothing asks for a document by its sequence number.
pub(crate) const PLAIN_SEQUENCE_NUMBERS: Setting = ("seq_no.index_options", "doc_values_only");

/// How rollups carry their histograms. Fixed for a cluster with its first document: all of its indices are alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Histograms {
    /// `exponential_histogram`: ours as they are.
    Exponential,
    /// `histogram`: the middle of each bucket, and its count.
    Plain,
    /// Our own bytes, for whoever reads the document: the server keeps them and no more.
    #[default]
    Bytes,
}

impl Layout {
    /// Settings that make single measurements cheaper on disk.
    pub(super) fn cheaper(self) -> impl Iterator<Item = Setting> {
        let packed = self.packed_columns.then_some(PACKED_COLUMNS);
        packed
            .into_iter()
            .chain(self.plain_sequence_numbers.then_some(PLAIN_SEQUENCE_NUMBERS))
    }

    /// What a server takes.
    #[must_use]
    pub const fn of(can: &Capabilities) -> Self {
        Self {
            has_lifecycle: can.lifecycle,
            histograms: match (can.exponential_histogram, can.histogram) {
                (true, _) => Histograms::Exponential,
                (false, true) => Histograms::Plain,
                (false, false) => Histograms::Bytes,
            },
            packed_columns: can.packed_columns,
            plain_sequence_numbers: can.plain_sequence_numbers,
        }
    }
}

impl Histograms {
    /// Every form.
    pub(crate) const ALL: [Self; 3] = [Self::Exponential, Self::Plain, Self::Bytes];

    /// The form in which a document carries them; `None`: it carries none.
    pub(crate) fn of_document(document: &Value) -> Option<Self> {
        document
            .as_object()?
            .iter()
            .find_map(|(name, value)| match value.get("scale") {
                _ if name.ends_with(Self::Bytes.ending()) => Some(Self::Bytes),
                Some(_) if name.ends_with(Self::Exponential.ending()) => Some(Self::Exponential),
                None if name.ends_with(Self::Plain.ending()) => Some(Self::Plain),
                _ => None,
            })
    }

    /// The field of a time.
    pub(crate) fn field(self, time: &str) -> String {
        format!("{time}{}", self.ending())
    }

    /// Whether a field is one of them, in any form.
    pub(super) fn is_field(name: &str) -> bool {
        Self::ALL.iter().any(|form| name.ends_with(form.ending()))
    }

    /// The type of the field, as the server calls it.
    pub(super) const fn type_name(self) -> &'static str {
        match self {
            Self::Exponential => "exponential_histogram",
            Self::Plain => "histogram",
            Self::Bytes => "binary",
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Exponential | Self::Plain => "_histogram",
            Self::Bytes => "_buckets",
        }
    }
}
