//! What readers found damaged, until it is set aside.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The table of plans: what is missing there stays known until it is back.
pub(crate) const PLANS_TABLE: &str = "plans";

/// A row that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damaged {
    pub(crate) table: &'static str,
    /// Its key, as the bytes that stand there.
    pub(crate) key: Vec<u8>,
    /// What is wrong with it.
    pub(crate) what: Fault,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Its checksum does not fit.
    #[error("its checksum does not fit: it is not what was written")]
    Seal,
    /// It is what was written, and this build cannot read it.
    #[error("it cannot be read: {0}")]
    Form(String),
    /// Something names it, and it is not there.
    #[error("it is missing")]
    Missing,
    /// The file of a segment is not what was written.
    #[error("its file {name} is not what was written: {what}")]
    File {
        /// The file's name.
        name: String,
        /// What is wrong, in words.
        what: String,
    },
    /// The database cannot read where it stood. It stands for all rows there.
    #[error("pages of the table cannot be read; it was written anew from the others")]
    Pages,
}

/// What readers found, until it is set aside.
#[derive(Debug, Default)]
pub(crate) struct Found {
    noted: Mutex<Noted>,
    /// Rows that were read.
    #[cfg(any(test, feature = "testing"))]
    rows: std::sync::atomic::AtomicU64,
}

#[derive(Debug, Default)]
struct Noted {
    waiting: Vec<Damaged>,
    /// Noted before: not to be noted again by the next reader.
    known: HashSet<(&'static str, Vec<u8>)>,
    /// Tables of which a page could not be read.
    pages: BTreeSet<&'static str>,
    /// What waits could not be set aside: the disk takes nothing.
    is_stuck: bool,
}

impl Found {
    /// Notes a damaged row, once.
    pub(crate) fn note(&self, table: &'static str, key: &[u8], what: Fault) {
        let mut noted = self.lock();
        if noted.known.insert((table, key.to_vec())) {
            noted.waiting.push(Damaged {
                table,
                key: key.to_vec(),
                what,
            });
        }
    }

    /// A row is read: tests count them.
    pub(crate) fn count_row(&self) {
        #[cfg(any(test, feature = "testing"))]
        self.rows.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }

    /// How many rows were ever read.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Notes that a page of a table could not be read.
    pub(crate) fn note_pages(&self, table: &'static str) {
        self.lock().pages.insert(table);
    }

    pub(crate) fn take_pages(&self) -> BTreeSet<&'static str> {
        std::mem::take(&mut self.lock().pages)
    }

    /// Whether anything waits to be set aside.
    pub(crate) fn is_waiting(&self) -> bool {
        let noted = self.lock();
        !noted.waiting.is_empty() || !noted.pages.is_empty()
    }

    /// Whether a damaged row of a table waits to be set aside: what was read of it may lack some.
    pub(crate) fn is_waiting_in(&self, table: &str) -> bool {
        self.lock().waiting.iter().any(|row| row.table == table)
    }

    /// Whether what waits is to be passed over: it cannot be set aside for now.
    pub(crate) fn is_stuck(&self) -> bool {
        self.lock().is_stuck
    }

    /// What was found could be set aside, or not.
    pub(crate) fn set_stuck(&self, is_stuck: bool) {
        self.lock().is_stuck = is_stuck;
    }

    pub(crate) fn take(&self) -> Vec<Damaged> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// They could not be set aside now.
    pub(crate) fn give_back(&self, damaged: Vec<Damaged>) {
        self.lock().waiting.extend(damaged);
    }

    /// These are set aside: what is written under their keys from now on is another row. A plan stays known until it
    /// is back: each batch under it asks for it.
    pub(crate) fn settled(&self, damaged: &[Damaged]) {
        let mut noted = self.lock();
        for row in damaged.iter().filter(|row| row.table != PLANS_TABLE) {
            noted.known.remove(&(row.table, row.key.clone()));
        }
    }

    /// A plan that was set aside before this process began.
    pub(crate) fn is_missing(&self, key: Vec<u8>) {
        self.lock().known.insert((PLANS_TABLE, key));
    }

    /// A plan is put into the store; whether it was missing.
    pub(crate) fn is_back(&self, key: &[u8]) -> bool {
        self.lock().known.remove(&(PLANS_TABLE, key.to_vec()))
    }

    /// The plans that are missing, by their keys.
    pub(crate) fn missing_plans(&self) -> Vec<Vec<u8>> {
        let noted = self.lock();
        let plans = noted.known.iter().filter(|(table, _)| *table == PLANS_TABLE);
        plans.map(|(_, key)| key.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
