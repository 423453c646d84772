//! What others measured and was imported: in tables of its own, apart from everything that our probes measured.
//!
//! No reader of the log meets it: it has no probe, no plan and no slot, so it is in no quorum, no alert, no availability
//! and no ledger. Retention leaves it alone. Kept once: whoever it was taken from still has it.

mod day;
mod source;

use std::collections::BTreeMap;

use isochrone_base::words::date;
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use self::day::DayRecord;
pub use self::source::{ImportedPlace, ImportedSource};
use crate::{Records, Store, StoreError, Transaction};

/// Whose documents they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportedIndex {
    /// Since November 2023: the time is that to the first byte of an asset.
    OperatorsPing,
    /// Of 2023: the time is that of an asset's whole answer.
    DistributorsStatus,
}

/// One document: what somebody else's prober saw of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedRun {
    /// Its time, as its prober told it.
    pub at: UnixMillis,
    /// Which prober, by the name it gave itself: 1 to 100 characters, none of them a control character.
    pub vantage: String,
    /// The node's base URL, with one slash at its end and no blank.
    pub endpoint: String,
    /// The bucket it was asked for, such as `0:0`; empty where the document names none.
    pub bucket: String,
    /// What became of it.
    #[serde(flatten)]
    pub seen: ImportedSeen,
}

/// What a document says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedSeen {
    /// The status call.
    pub status: ImportedStatus,
    /// The asset's download.
    pub asset: ImportedAsset,
    /// The bucket was switched on: users were sent to the node.
    pub distributing: bool,
}

/// What became of a status call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportedStatus {
    /// Answered.
    Ok,
    /// Answered, and behind the chain.
    Degraded,
    /// Not answered.
    Dead,
}

/// What became of an asset's download. A failure has no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportedAsset {
    /// None was tried, or the document does not say.
    NotTried,
    /// Served.
    Served {
        /// How long it took in microseconds, by [`ImportedIndex`]; `None`: the document does not say.
        us: Option<u32>,
        /// Whether the node held it.
        cache: ImportedCache,
    },
    /// 404 or 421: about the object, not about the node.
    Absent {
        /// Which.
        code: u16,
    },
    /// Not served.
    Failed {
        /// The status of HTTP, where one came.
        code: Option<u16>,
    },
}

/// Whether a node held what it served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportedCache {
    /// It did.
    Hit,
    /// It had to fetch it first.
    Miss,
    /// It was fetching it.
    Pending,
    /// The document does not say.
    Unknown,
}

/// Some documents of one index, to be taken in at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportBatch {
    /// Whose they were.
    pub index: ImportedIndex,
    /// The documents.
    pub runs: Vec<ImportedRun>,
    /// Where vantages stand, as far as somebody said it.
    pub places: Vec<(String, ImportedPlace)>,
    /// How far the import came; `None`: it cannot be resumed.
    pub reached: Option<Reached>,
}

/// How far an import came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// What is imported, by a name of its own.
    pub from: String,
    /// All before it is taken in; `None`: the import is over.
    pub up_to: Option<UnixMillis>,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Documents that were not known.
    pub new: u64,
    /// Documents that were: nothing changed by them.
    pub known: u64,
    /// Documents of the batch that say otherwise than one of the same vantage, node, bucket and time: the first stays.
    pub contradict: Vec<usize>,
}

/// The documents of one vantage, node and UTC day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedDay {
    /// Whose they were.
    pub index: ImportedIndex,
    /// Which prober.
    pub vantage: String,
    /// The node's base URL.
    pub endpoint: String,
    /// In order of time.
    pub runs: Vec<(UnixMillis, ImportedSeen)>,
}

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    days: Records<DayRecord>,
    sources: Records<ImportedSource>,
    reached: Records<UnixMillis>,
}

impl Imported {
    /// What `store` holds of it.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self {
            days: Records::new(store.clone(), "imported"),
            sources: Records::new(store.clone(), "imported_sources"),
            reached: Records::new(store.clone(), "imported_reached"),
        }
    }

    /// Takes a batch in, durably and as a whole; with `dry_run` only says what would come of it.
    ///
    /// # Errors
    /// When the store failed, or its disk has less than the reserve.
    pub fn take(&self, batch: &ImportBatch, dry_run: bool) -> Result<Taken, StoreError> {
        let store = self.days.store();
        store.write_or_try(dry_run, |transaction| self.take_in(transaction, batch))
    }

    fn take_in(&self, transaction: &Transaction, batch: &ImportBatch) -> Result<Taken, StoreError> {
        let mut taken = Taken::default();
        let mut of_sources: BTreeMap<&str, ImportedSource> = BTreeMap::new();
        for (vantage, _) in &batch.places {
            of_sources.insert(vantage, self.source_in(transaction, batch.index, vantage)?);
        }
        for (key, places) in by_day(batch) {
            let mut day = self.days.get_in(transaction, &key)?.unwrap_or_default();
            let before = taken.new;
            for place in places {
                let run = &batch.runs[place];
                match day.add(run) {
                    day::Added::New => {
                        taken.new += 1;
                        if !of_sources.contains_key(&*run.vantage) {
                            let source = self.source_in(transaction, batch.index, &run.vantage)?;
                            of_sources.insert(&run.vantage, source);
                        }
                        if let Some(source) = of_sources.get_mut(&*run.vantage) {
                            source.add(run.at);
                        }
                    }
                    day::Added::Known => taken.known += 1,
                    day::Added::Contradicts => taken.contradict.push(place),
                }
            }
            if taken.new > before {
                self.days.put_in(transaction, &key, &day)?;
            }
        }
        taken.contradict.sort_unstable();
        for (vantage, place) in &batch.places {
            if let Some(source) = of_sources.get_mut(&**vantage) {
                source.place = Some(place.clone());
            }
        }
        for (vantage, source) in of_sources.iter().filter(|(_, source)| source.documents > 0) {
            self.sources
                .put_in(transaction, &source_key(batch.index, vantage), source)?;
        }
        match &batch.reached {
            Some(Reached {
                from,
                up_to: Some(at),
            }) => self.reached.put_in(transaction, from, at)?,
            Some(Reached { from, up_to: None }) => drop(self.reached.remove_in(transaction, from)?),
            None => {}
        }
        Ok(taken)
    }

    /// Removes every document of a vantage, of one index or of all, durably and as a whole: as if they had never been
    /// imported. An import that was interrupted begins anew, so that nothing of the others is passed over. Gives what was
    /// removed; nothing, where there was nothing.
    ///
    /// # Errors
    /// When the store failed.
    pub fn remove(
        &self,
        vantage: &str,
        index: Option<ImportedIndex>,
    ) -> Result<Vec<ImportedSource>, StoreError> {
        self.days.store().write(|transaction| {
            let mut removed = Vec::new();
            for (key, source) in self.sources.list_in(transaction)? {
                if source.vantage == vantage && index.is_none_or(|index| index == source.index) {
                    self.sources.remove_in(transaction, &key)?;
                    removed.push(source);
                }
            }
            if removed.is_empty() {
                return Ok(removed);
            }
            for key in self.days.keys_in(transaction)? {
                let is_of = parse_day_key(&key).is_some_and(|(of_index, of_vantage, _)| {
                    of_vantage == vantage && index.is_none_or(|index| index == of_index)
                });
                if is_of {
                    self.days.remove_in(transaction, &key)?;
                }
            }
            for from in self.reached.keys_in(transaction)? {
                self.reached.remove_in(transaction, &from)?;
            }
            Ok(removed)
        })
    }

    fn source_in(
        &self,
        transaction: &Transaction,
        index: ImportedIndex,
        vantage: &str,
    ) -> Result<ImportedSource, StoreError> {
        let kept = self.sources.get_in(transaction, &source_key(index, vantage))?;
        Ok(kept.unwrap_or_else(|| ImportedSource::new(index, vantage)))
    }

    /// Every vantage that documents were imported of, by index and name.
    ///
    /// # Errors
    /// When the store failed.
    pub fn sources(&self) -> Result<Vec<ImportedSource>, StoreError> {
        Ok(self
            .sources
            .list()?
            .into_iter()
            .map(|(_, source)| source)
            .collect())
    }

    /// How far an interrupted import came; `None`: there is none to go on with.
    ///
    /// # Errors
    /// When the store failed.
    pub fn reached(&self, from: &str) -> Result<Option<UnixMillis>, StoreError> {
        self.reached.get(from)
    }

    /// Gives the documents of `[from, until)` to `each`, a vantage, node and day at a time, in order of days.
    ///
    /// # Errors
    /// When the store failed.
    pub fn days(
        &self,
        (from, until): (UnixMillis, UnixMillis),
        each: &mut dyn FnMut(ImportedDay),
    ) -> Result<(), StoreError> {
        let sources = self.sources()?;
        let (Some(first), Some(last)) = (
            sources.iter().map(|source| source.first).min(),
            sources.iter().map(|source| source.last).max(),
        ) else {
            return Ok(());
        };
        let (from, until) = (from.max(first), until.min(UnixMillis(last.0.saturating_add(1))));
        let mut start = from.0 / DAY_MS * DAY_MS;
        while start < until.0 {
            let day = date(UnixMillis(start));
            let (low, high) = (format!("{day} "), format!("{day}!"));
            let range = (
                std::ops::Bound::Included(&*low),
                std::ops::Bound::Excluded(&*high),
            );
            for (key, record) in self.days.range(range.0, range.1)? {
                let Some((index, vantage, endpoint)) = parse_day_key(&key) else {
                    continue;
                };
                let runs = record.runs(UnixMillis(start));
                let runs: Vec<_> = runs.filter(|(at, _)| (from..until).contains(at)).collect();
                if !runs.is_empty() {
                    each(ImportedDay {
                        index,
                        vantage: vantage.to_owned(),
                        endpoint: endpoint.to_owned(),
                        runs,
                    });
                }
            }
            start += DAY_MS;
        }
        Ok(())
    }
}

impl ImportedIndex {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::OperatorsPing, Self::DistributorsStatus];

    /// As it is written: `operators-ping` or `distributors-status`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::OperatorsPing => "operators-ping",
            Self::DistributorsStatus => "distributors-status",
        }
    }
}

/// The places of a batch's documents, by the key of their day.
fn by_day(batch: &ImportBatch) -> BTreeMap<String, Vec<usize>> {
    let mut days: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, run) in batch.runs.iter().enumerate() {
        let index = batch.index.word();
        let key = format!("{} {index} {} {}", date(run.at), run.vantage, run.endpoint);
        days.entry(key).or_default().push(place);
    }
    days
}

/// A vantage's name may hold blanks; day, index and URL hold none.
fn parse_day_key(key: &str) -> Option<(ImportedIndex, &str, &str)> {
    let (_, rest) = key.split_once(' ')?;
    let (index, rest) = rest.split_once(' ')?;
    let (vantage, endpoint) = rest.rsplit_once(' ')?;
    let index = ImportedIndex::ALL
        .into_iter()
        .find(|known| known.word() == index)?;
    Some((index, vantage, endpoint))
}

fn source_key(index: ImportedIndex, vantage: &str) -> String {
    format!("{} {vantage}", index.word())
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests;
