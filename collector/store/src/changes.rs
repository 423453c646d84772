//! What changed in the account since its sums were drawn up last.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use isochrone_proto::ids::{EpochId, ProbeId};
use isochrone_proto::units::Hour;

use crate::Store;

/// An epoch that a commit changed, with the earliest hour of it that did; `None`: none of its hours.
pub(crate) type Change = ((ProbeId, EpochId), Option<Hour>);

/// Where commits say what they changed. Nothing is kept before somebody asks for it.
#[derive(Debug, Default)]
pub(crate) struct Changes(Mutex<Noted>);

/// What changed.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    is_watched: bool,
    /// More than single epochs: a revocation, or damage that was put right.
    pub(crate) everything: bool,
    pub(crate) epochs: BTreeMap<(ProbeId, EpochId), Option<Hour>>,
}

impl Changes {
    /// These epochs changed, and that is durable.
    pub(crate) fn note(&self, changes: Vec<Change>) {
        let mut noted = self.lock();
        if !noted.is_watched {
            return;
        }
        for (epoch, hour) in changes {
            let earliest = noted.epochs.entry(epoch).or_insert(hour);
            *earliest = [*earliest, hour].into_iter().flatten().min();
        }
    }

    /// Anything may have changed.
    pub(crate) fn everything(&self) {
        self.lock().everything = true;
    }

    /// What changed since the last call; at the first call, everything.
    pub(crate) fn take(&self) -> Noted {
        let mut noted = self.lock();
        let watched = Noted {
            is_watched: true,
            ..Noted::default()
        };
        let mut taken = std::mem::replace(&mut *noted, watched);
        taken.everything |= !taken.is_watched;
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Where what changes in the account is noted.
    pub(crate) fn account_changes(&self) -> &Changes {
        &self.0.changes
    }
}
