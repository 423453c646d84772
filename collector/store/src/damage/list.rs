//! What was set aside, as it is kept and told.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use redb::ReadTransaction;

use crate::aside::{SetAside, decode, encode};
use crate::found::Found;
use crate::numbers::read_number;
use crate::tables::{ASIDE, HOURS, META_ASIDE, META_ASIDE_TOLD};
use crate::{HourRow, Store, StoreError, Transaction};

/// Rows that are listed one by one; of all there are counts.
const LISTED_MAX: usize = 1_000;

/// All that is damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Rows that were ever set aside.
    pub rows: u64,
    /// Of these, those whose loss nothing made good.
    pub lost: u64,
    /// Of these, those that a person accepted.
    pub accepted: u64,
    /// Measurements that are lost or withheld with those.
    pub(crate) accepted_measurements: u64,
    /// Measurements that were stored once and are lost with damaged batches.
    pub measurements: u64,
    /// Measurements that are whole and not served while their plan is missing.
    pub withheld: u64,
    /// Files of sums of hours or days that are lost and that nobody accepted: nothing made them good.
    pub lost_sums: u64,
    /// The newest of them, newest first.
    pub set_aside: Vec<SetAside>,
}

impl Damage {
    /// Whether nothing was ever damaged.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.rows == 0
    }

    /// Rows whose loss nothing made good, and that nobody accepted.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.lost.saturating_sub(self.accepted)
    }

    /// Measurements that are lost or withheld with rows that nobody accepted.
    #[must_use]
    pub fn open_measurements(&self) -> u64 {
        (self.measurements + self.withheld).saturating_sub(self.accepted_measurements)
    }
}

impl Store {
    /// All that was found damaged so far.
    ///
    /// # Errors
    /// When the store failed.
    pub fn damage(&self) -> Result<Damage, StoreError> {
        let asides = self.0.asides.load(Ordering::Acquire); // before the view begins: older at most
        let kept = || self.0.damage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, damage)) = &*kept()
            && *then == asides
        {
            return Ok(damage.clone());
        }
        let damage = self.read(|transaction| read(transaction, self.found()))?;
        *kept() = Some((asides, damage.clone()));
        Ok(damage)
    }

    /// What is kept of the damage changed, and that is durable.
    pub(crate) fn damage_changes(&self) -> u64 {
        self.0.asides.load(Ordering::Acquire)
    }

    /// What is kept of the damage changed.
    pub(crate) fn damage_changed(&self) {
        self.0.asides.fetch_add(1, Ordering::Release);
    }

    /// Notes that a person knows of damage: of one row by its number, or of all there is. Returns the rows that were
    /// not accepted before. Call [`Store::damage_accepted`] after the commit.
    ///
    /// # Errors
    /// When the store failed.
    pub fn accept_damage_in(
        &self,
        transaction: &Transaction,
        only: Option<u64>,
    ) -> Result<Vec<SetAside>, StoreError> {
        let mut table = ASIDE.open(transaction.tables(), self.found())?;
        let mut accepted = Vec::new();
        for row in table.iter()? {
            let (key, row) = row?;
            let decoded = table.decode(key.value(), &row, |row| {
                decode(row).map(|(aside, bytes)| (aside, bytes.to_vec()))
            });
            let is_meant = |aside: &SetAside| aside.is_open() && only.is_none_or(|only| only == aside.number);
            accepted.extend(decoded.filter(|(aside, _)| is_meant(aside)));
        }
        for (aside, bytes) in &mut accepted {
            aside.accepted = true;
            table.insert(aside.number, &encode(aside, bytes)?)?;
        }
        Ok(accepted.into_iter().map(|(aside, _)| aside).collect())
    }

    /// What was accepted is durable.
    pub fn damage_accepted(&self) {
        self.damage_changed();
    }

    /// How many rows were ever set aside: cheap, to see whether there is news.
    ///
    /// # Errors
    /// When the store failed.
    pub fn damaged_rows(&self) -> Result<u64, StoreError> {
        self.read(|transaction| read_number(transaction, self.found(), META_ASIDE))
    }

    /// What was set aside and people were not told of, oldest first.
    ///
    /// # Errors
    /// When the store failed.
    pub fn damage_untold(&self) -> Result<Vec<SetAside>, StoreError> {
        self.read(|transaction| {
            let told = read_number(transaction, self.found(), META_ASIDE_TOLD)?;
            let table = ASIDE.read(transaction, self.found())?;
            let mut untold = Vec::new();
            for row in table.range(told.saturating_add(1)..)? {
                let (key, row) = row?;
                untold.extend(table.decode(key.value(), &row, |row| decode(row).map(|(aside, _)| aside)));
            }
            Ok(untold)
        })
    }

    /// People are told of everything up to that number, by what else `transaction` writes.
    ///
    /// # Errors
    /// When the store failed.
    pub fn damage_told_in(&self, transaction: &Transaction, number: u64) -> Result<(), StoreError> {
        let mut numbers = crate::numbers::Numbers::open(transaction.tables(), self.found())?;
        numbers.set(META_ASIDE_TOLD, number)
    }

    /// The rows of a table that were set aside.
    ///
    /// # Errors
    /// When the store failed.
    pub fn set_aside_of(&self, table: &str) -> Result<Vec<(SetAside, Vec<u8>)>, StoreError> {
        self.read(|transaction| {
            let rows = ASIDE.read(transaction, self.found())?;
            let mut all = Vec::new();
            for row in rows.iter()? {
                let (key, row) = row?;
                let decoded = rows.decode(key.value(), &row, |row| {
                    decode(row).map(|(aside, bytes)| (aside, bytes.to_vec()))
                });
                all.extend(decoded.filter(|(aside, _)| aside.table == table));
            }
            Ok(all)
        })
    }
}

pub(super) fn read(transaction: &ReadTransaction, found: &Found) -> Result<Damage, StoreError> {
    let rows = ASIDE.read(transaction, found)?;
    let mut damage = Damage {
        rows: read_number(transaction, found, META_ASIDE)?,
        ..Damage::default()
    };
    if damage.rows == 0 {
        return Ok(damage);
    }
    for row in rows.iter()?.rev() {
        let (key, row) = row?;
        let decoded = rows.decode(key.value(), &row, |row| decode(row).map(|(aside, _)| aside));
        damage.set_aside.extend(decoded);
    }
    let lost = damage.set_aside.iter().filter(|row| !row.mended);
    damage.lost = lost.clone().count() as u64;
    let withheld = lost.filter(|row| row.table == crate::tables::PLANS.name);
    damage.withheld = withheld.map(|row| row.measurements).sum();
    let accepted = damage.set_aside.iter().filter(|row| row.accepted && !row.mended);
    damage.accepted = accepted.clone().count() as u64;
    damage.accepted_measurements = accepted.map(|row| row.measurements).sum();
    damage.lost_sums = damage.set_aside.iter().filter(|row| row.are_sums_lost()).count() as u64;
    damage.set_aside.truncate(LISTED_MAX);
    let hours = HOURS.read(transaction, found)?;
    for row in hours.iter()? {
        let (key, row) = row?;
        let hour = hours.decode(key.value(), &row, HourRow::decode);
        damage.measurements += hour.map_or(0, |hour| hour.damaged);
    }
    Ok(damage)
}
