//! What is known of a vantage whose documents were imported.

use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::ImportedIndex;

/// A vantage of imported documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportedSource {
    /// Whose documents they are.
    pub index: ImportedIndex,
    /// The name that the prober gave itself.
    pub vantage: String,
    /// How many of them are kept.
    pub documents: u64,
    /// The first one's time.
    pub first: UnixMillis,
    /// The last one's time.
    pub last: UnixMillis,
    /// Where it stands, as somebody said; `None`: nobody did.
    pub place: Option<ImportedPlace>,
}

/// Where a vantage stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportedPlace {
    /// "City, CC".
    pub site: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// ISO 3166 code of its country.
    pub country: String,
}

impl ImportedSource {
    pub(super) fn new(index: ImportedIndex, vantage: &str) -> Self {
        Self {
            index,
            vantage: vantage.to_owned(),
            documents: 0,
            first: UnixMillis(u64::MAX),
            last: UnixMillis(0),
            place: None,
        }
    }

    pub(super) fn add(&mut self, at: UnixMillis) {
        self.documents += 1;
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }
}
