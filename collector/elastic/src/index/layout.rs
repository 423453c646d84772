//! What of an index depends on the server: lifecycles, and the form of histograms.

use serde::{Deserialize, Serialize};

use crate::Capabilities;

/// What of an index depends on the server. The default is what every server can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Raw documents have a lifecycle policy.
    pub has_lifecycle: bool,
    /// How rollups carry their histograms.
    pub histograms: Histograms,
}

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
        }
    }
}

impl Histograms {
    /// The field of a time.
    pub(crate) fn field(self, time: &str) -> String {
        format!("{time}{}", self.ending())
    }

    /// Whether a field is one of them, in any form.
    pub(super) fn is_field(name: &str) -> bool {
        let all = [Self::Exponential, Self::Plain, Self::Bytes];
        all.iter().any(|form| name.ends_with(form.ending()))
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
