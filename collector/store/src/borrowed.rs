//! What borrowed eyes measured: in tables of its own, apart from our probes' measurements and from imported documents.
//!
//! No reader of the log meets it: it is in no quorum, no alert, no availability and no ledger. Retention leaves it alone.
//! Kept once: whoever it was taken from still has it. Hosts become nodes when a report is made.

mod day;
mod removal;
mod vantage;

use std::collections::BTreeMap;
use std::ops::Bound;

use isochrone_base::words::date;
use isochrone_borrowed::{Family, Kind, Outcome, Platform, Vantage};
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use self::day::DayRecord;
pub use self::removal::{Removal, Removed};
pub use self::vantage::{BorrowedVantage, EarlierPlace};
use crate::imported::Taken;
use crate::{Records, Store, StoreError, Transaction};

/// Some measurements, to be taken in at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BorrowedBatch {
    /// Who measured.
    pub vantages: Vec<Vantage>,
    /// What they measured.
    pub runs: Vec<BorrowedRun>,
}

/// One measurement of a borrowed eye.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BorrowedRun {
    /// Its vantage's place in [`BorrowedBatch::vantages`].
    pub vantage: usize,
    /// The host that was measured, in small letters; it holds no blank.
    pub host: String,
    /// What it says.
    #[serde(flatten)]
    pub seen: BorrowedSeen,
}

/// What a measurement says of a host. Its identity are the first three, with vantage and host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BorrowedSeen {
    /// When, by the platform's clock.
    pub at: UnixMillis,
    /// What the platform calls the measurement.
    pub measurement: String,
    /// Which of the measurement's results it is.
    pub part: u16,
    /// What was done.
    pub kind: Kind,
    /// Over which family.
    pub family: Option<Family>,
    /// What became of it. The words of a failure are not kept.
    pub outcome: Outcome,
}

/// The measurements of one vantage, host and UTC day.
#[derive(Clone, Debug, PartialEq)]
pub struct BorrowedDay {
    /// Whose vantage it is.
    pub platform: Platform,
    /// Its name on the platform.
    pub vantage: String,
    /// The host.
    pub host: String,
    /// In order of time.
    pub runs: Vec<BorrowedSeen>,
}

/// What was borrowed.
#[derive(Clone, Debug)]
pub struct Borrowed {
    days: Records<DayRecord>,
    vantages: Records<BorrowedVantage>,
}

impl Borrowed {
    /// What `store` holds of it.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self {
            days: Records::new(store.clone(), "borrowed"),
            vantages: Records::new(store.clone(), "borrowed_vantages"),
        }
    }

    /// Takes a batch in, durably and as a whole; with `dry_run` only says what would come of it. A measurement whose vantage
    /// is not in the batch contradicts it.
    ///
    /// # Errors
    /// When the store failed, or its disk has less than the reserve.
    pub fn take(&self, batch: &BorrowedBatch, dry_run: bool) -> Result<Taken, StoreError> {
        let store = self.days.store();
        store.write_or_try(dry_run, |transaction| self.take_in(transaction, batch))
    }

    fn take_in(&self, transaction: &Transaction, batch: &BorrowedBatch) -> Result<Taken, StoreError> {
        let mut taken = Taken::default();
        let mut vantages: BTreeMap<String, (BorrowedVantage, bool)> = BTreeMap::new();
        for (key, runs) in by_day(batch, &mut taken) {
            let mut day = self.days.get_in(transaction, &key)?.unwrap_or_default();
            let before = taken.new;
            for place in runs {
                let run = &batch.runs[place];
                let given = &batch.vantages[run.vantage];
                let key = vantage_key(given.platform, &given.id);
                if !vantages.contains_key(&key) {
                    let kept = self.vantages.get_in(transaction, &key)?;
                    let is_new = kept.is_none();
                    let vantage = kept.unwrap_or_else(|| BorrowedVantage::new(given.clone()));
                    vantages.insert(key.clone(), (vantage, is_new));
                }
                let added = day.add(&run.seen);
                if let Some((vantage, is_changed)) = vantages.get_mut(&key) {
                    *is_changed |= vantage.stands(given, run.seen.at);
                    if added == day::Added::New {
                        vantage.count(run.seen.at);
                        *is_changed = true;
                    }
                }
                match added {
                    day::Added::New => taken.new += 1,
                    day::Added::Known => taken.known += 1,
                    day::Added::Contradicts => taken.contradict.push(place),
                }
            }
            if taken.new > before {
                self.days.put_in(transaction, &key, &day)?;
            }
        }
        taken.contradict.sort_unstable();
        for (key, (vantage, is_changed)) in &vantages {
            if *is_changed {
                self.vantages.put_in(transaction, key, vantage)?;
            }
        }
        Ok(taken)
    }

    /// Every vantage that measurements were taken of, by platform and name.
    ///
    /// # Errors
    /// When the store failed.
    pub fn vantages(&self) -> Result<Vec<BorrowedVantage>, StoreError> {
        let vantages = self.vantages.list()?.into_iter();
        Ok(vantages.map(|(_, vantage)| vantage).collect())
    }

    /// Gives the measurements of `[from, until)` to `each`, a vantage, host and day at a time, in order of days.
    ///
    /// # Errors
    /// When the store failed.
    pub fn days(
        &self,
        (from, until): (UnixMillis, UnixMillis),
        each: &mut dyn FnMut(BorrowedDay),
    ) -> Result<(), StoreError> {
        let vantages = self.vantages()?;
        let first = vantages.iter().map(|vantage| vantage.first).min();
        let last = vantages.iter().map(|vantage| vantage.last).max();
        let (Some(first), Some(last)) = (first, last) else {
            return Ok(());
        };
        let (from, until) = (from.max(first), until.min(UnixMillis(last.0.saturating_add(1))));
        let mut start = from.0 / DAY_MS * DAY_MS;
        while start < until.0 {
            let day = date(UnixMillis(start));
            let (low, high) = (format!("{day} "), format!("{day}!"));
            for (key, record) in self.days.range(Bound::Included(&low), Bound::Excluded(&high))? {
                let Some((platform, host, vantage)) = parse_day_key(&key) else {
                    continue;
                };
                let runs = record.runs(UnixMillis(start));
                let runs: Vec<_> = runs.filter(|run| (from..until).contains(&run.at)).collect();
                if !runs.is_empty() {
                    each(BorrowedDay {
                        platform,
                        vantage: vantage.to_owned(),
                        host: host.to_owned(),
                        runs,
                    });
                }
            }
            start += DAY_MS;
        }
        Ok(())
    }
}

/// The places of a batch's measurements, by the key of their day; those that have no vantage or no host are refused.
fn by_day(batch: &BorrowedBatch, taken: &mut Taken) -> BTreeMap<String, Vec<usize>> {
    let mut days: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, run) in batch.runs.iter().enumerate() {
        let is_host = !run.host.is_empty() && !run.host.contains(' ');
        match batch.vantages.get(run.vantage).filter(|_| is_host) {
            Some(Vantage { platform, id, .. }) => {
                let platform = platform.word();
                let key = format!("{} {platform} {} {id}", date(run.seen.at), run.host);
                days.entry(key).or_default().push(place);
            }
            None => taken.contradict.push(place),
        }
    }
    days
}

/// Day, platform and host hold no blank; a vantage's name may.
fn parse_day_key(key: &str) -> Option<(Platform, &str, &str)> {
    let (_, rest) = key.split_once(' ')?;
    let (platform, rest) = rest.split_once(' ')?;
    let (host, vantage) = rest.split_once(' ')?;
    let platforms = [Platform::Atlas, Platform::Globalping];
    let platform = platforms.into_iter().find(|known| known.word() == platform)?;
    Some((platform, host, vantage))
}

fn vantage_key(platform: Platform, id: &str) -> String {
    format!("{} {id}", platform.word())
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests;
