//! What of documents that may be revised was sent: by family and hour, a digest of what they said then.
//!
//! Kept in the store, so that a restart sends nothing again, and a comparison knows what was not sent yet.

use std::collections::BTreeMap;

use isochrone_proto::units::Hour;
use isochrone_store::{Records, Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::index::{Family, Names};

/// What some documents say: the same in whatever order, and whatever their version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) const NOTHING: Self = Self(0);

    pub(crate) fn add(&mut self, document: &Document) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(document.id.to_string().as_bytes());
        hasher.update(document.index.as_bytes()).update(&document.source);
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        self.0 = self.0.wrapping_add(u64::from_le_bytes(first));
    }
}

/// What was sent to one cluster, by its random id.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    records: Records<Digest>,
    begin: String,
}

impl Sent {
    pub(crate) fn of(store: &Store, names: &Names, cluster: &str) -> Self {
        Self {
            records: Records::new(store.clone(), TABLE),
            begin: format!("{}/{cluster}/", names.prefix()),
        }
    }

    /// All that was, of a family.
    pub(crate) fn all(&self, family: Family) -> Result<BTreeMap<Hour, Digest>, StoreError> {
        use std::ops::Bound::{Excluded, Included};
        let begin = format!("{}{}/", self.begin, family.word());
        let end = format!("{}{}0", self.begin, family.word()); // 0 comes behind /
        let found = self.records.range(Included(&begin), Excluded(&end))?;
        let hours = found.into_iter().filter_map(|(key, digest)| {
            let hour = key.rsplit('/').next()?.parse().ok()?;
            Some((Hour(hour), digest))
        });
        Ok(hours.collect())
    }

    /// Notes what was sent, durably, and forgets what was about hours before `from`.
    pub(crate) fn note(
        &self,
        family: Family,
        sent: &[(Hour, Digest)],
        gone: &[Hour],
    ) -> Result<(), StoreError> {
        self.records.store().write(|transaction| {
            for (hour, digest) in sent {
                self.records
                    .put_in(transaction, &self.key(family, *hour), digest)?;
            }
            for hour in gone {
                self.records.remove_in(transaction, &self.key(family, *hour))?;
            }
            Ok(())
        })
    }

    fn key(&self, family: Family, hour: Hour) -> String {
        format!("{}{}/{:010}", self.begin, family.word(), hour.0)
    }
}

const TABLE: &str = "elastic_revised";
