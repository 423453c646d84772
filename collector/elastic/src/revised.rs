//! Documents that may be revised: what an hour adds up to, the ledger, and incidents. Each has one id for as long as it is
//! about the same thing; the newest version is what stands in the cluster.
//!
//! They go by groups: what is about one hour goes together, and is sent again once it is no longer what was sent last.

mod incident;
mod ledger;
mod rollup;
pub(crate) mod sent;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use isochrone_proto::units::{Hour, UnixMillis};
use isochrone_store::{Store, StoreError};

pub use self::incident::{Evidence, Incident};
use self::sent::Digest;
use crate::document::Document;
use crate::index::{Family, Histograms, Names};

/// Where incidents come from: whoever judges gives all that there are.
#[derive(Clone)]
pub struct Incidents(Arc<Give>);

type Give = dyn Fn() -> Result<Vec<Incident>, StoreError> + Send + Sync;

impl Incidents {
    /// What `give` gives, whenever it is asked.
    #[must_use]
    pub fn from(give: impl Fn() -> Result<Vec<Incident>, StoreError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(give))
    }

    /// There are none.
    #[must_use]
    pub fn none() -> Self {
        Self::from(|| Ok(Vec::new()))
    }
}

impl fmt::Debug for Incidents {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Incidents")
    }
}

/// Makes them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Revised {
    store: Store,
    incidents: Incidents,
    names: Names,
    histograms: Histograms,
}

/// The documents of one family about one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) documents: Vec<Document>,
    /// What they say: equal for equal documents, whatever their version.
    pub(crate) digest: Digest,
}

/// The groups of a family, by hour.
pub(crate) type Groups = BTreeMap<Hour, Group>;

impl Revised {
    /// Of what is stored and judged, as the indices of `names` take it.
    #[must_use]
    pub fn new((store, incidents): (Store, Incidents), names: Names, histograms: Histograms) -> Self {
        Self {
            store,
            incidents,
            names,
            histograms,
        }
    }

    /// The documents of a family, of the version `version`: the time, or behind whatever was sent before. `now`: as of when.
    /// `hours`: those that are wanted; of rollups nothing else is read.
    pub(crate) fn groups(
        &self,
        family: Family,
        when: (Range<Hour>, UnixMillis),
        version: u64,
    ) -> Result<Groups, StoreError> {
        let mut groups = Groups::new();
        self.each(family, when, |hour, mut document, _| {
            document.version = Some(version);
            let group = groups.entry(hour).or_insert_with(Group::empty);
            group.digest.add(&document);
            group.documents.push(document);
        })?;
        Ok(groups)
    }

    /// Gives each document of a family with its hour, and two of its numbers: those that its server adds up for a
    /// comparison ([`summed`]).
    pub(crate) fn each(
        &self,
        family: Family,
        (hours, now): (Range<Hour>, UnixMillis),
        mut take: impl FnMut(Hour, Document, [u64; 2]),
    ) -> Result<(), StoreError> {
        match family {
            Family::Echo | Family::Endpoint => Ok(()),
            Family::Rollup => rollup::each(&self.store, hours, |of| {
                let document = rollup::document(of, &self.names, self.histograms);
                take(of.start.hour(), document, [of.sums.planned(), of.sums.ok]);
            }),
            Family::Ledger => {
                let rows = isochrone_store::ledger::rows(&self.store, now)?;
                for row in rows.iter().filter(|row| hours.contains(&row.hour)) {
                    let document = ledger::document(row, &self.names);
                    take(row.hour, document, [row.planned, row.stored]);
                }
                Ok(())
            }
            Family::Incident => {
                for incident in (self.incidents.0)()? {
                    let hour = incident.start.hour();
                    if hours.contains(&hour) {
                        let figures = [incident.duration_s.unwrap_or_default(), incident.networks as u64];
                        take(hour, incident::document(&incident, &self.names), figures);
                    }
                }
                Ok(())
            }
        }
    }
}

/// The field of a family's time, and those of the two numbers that [`Revised::each`] gives.
pub(crate) const fn summed(family: Family) -> Option<[&'static str; 3]> {
    match family {
        Family::Echo | Family::Endpoint => None,
        Family::Rollup => Some(["start", "planned", "ok"]),
        Family::Ledger => Some(["hour", "planned", "stored"]),
        Family::Incident => Some(["start", "duration_s", "networks"]),
    }
}

impl Group {
    pub(crate) const fn empty() -> Self {
        Self {
            documents: Vec::new(),
            digest: Digest::NOTHING,
        }
    }
}

#[cfg(test)]
mod tests;
