//! How far the store's measurements are in a cluster: a commit number, kept in the store itself.
//!
//! It lies in the same database as the log, so it can never be of another log: a store that is restored or made anew has
//! its own, and sends again what the cluster may have already, which changes nothing there.

use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::Period;
use crate::hours::HourSet;
use crate::index::{Histograms, Names};

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The cluster's random id.
    pub cluster: String,
    /// How much time one of its indices spans: other ones would hold everything twice.
    pub period: Period,
    /// Every commit up to this one is there, or in the dead letters.
    pub commit: u64,
    /// The version of the newest documents that may be revised.
    #[serde(default)]
    pub version: u64,
    /// How rollups carry their histograms there; `None`: none went there yet.
    #[serde(default)]
    pub histograms: Option<Histograms>,
    /// Hours whose rollups are to be sent, or sent again: measurements of them came.
    #[serde(default)]
    pub hours: HourSet,
}

/// What is known of documents that may be revised and lie in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// The cluster's random id.
    pub cluster: String,
    /// The version of the newest of them.
    pub version: u64,
    /// How rollups carry their histograms.
    pub histograms: Histograms,
}

impl Cursor {
    /// What is known of documents that may be revised; `histograms`: their form, where none went there yet.
    #[must_use]
    pub fn revision(&self, histograms: Histograms) -> Revision {
        Revision {
            cluster: self.cluster.clone(),
            version: self.version,
            histograms: self.histograms.unwrap_or(histograms),
        }
    }
}

impl Revision {
    /// A version that no document there is newer than, whatever clock it was written under.
    #[must_use]
    pub fn next(&self, now: UnixMillis) -> u64 {
        now.0.max(self.version + 1)
    }
}

/// Where cursors are kept, by prefix.
#[derive(Clone, Debug)]
pub struct Cursors(Records<Cursor>);

impl Cursors {
    /// Those of a store.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self(Records::new(store.clone(), TABLE))
    }

    /// The cursor of these indices; `None`: nothing of the store went there yet.
    ///
    /// # Errors
    /// When the store failed.
    pub fn get(&self, names: &Names) -> Result<Option<Cursor>, StoreError> {
        self.0.get(names.prefix().as_str())
    }

    /// Moves it, durably.
    ///
    /// # Errors
    /// When the store failed: then it stands where it was.
    pub fn put(&self, names: &Names, cursor: &Cursor) -> Result<(), StoreError> {
        self.0.put(names.prefix().as_str(), cursor)
    }
}

const TABLE: &str = "elastic_cursors";
