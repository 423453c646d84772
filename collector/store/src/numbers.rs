//! Single numbers: how many commits there were, which plan is the highest, how much was set aside.
//!
//! Much hangs on them and they are few, so each is kept twice, in two tables: damage to one copy loses nothing. Where
//! both are damaged the number is found again from the rows that it counts.

use redb::{ReadTransaction, WriteTransaction};

use crate::found::Found;
use crate::heads::last_sealed;
use crate::rows::{Lookup, WriteRows};
use crate::tables::{
    ASIDE, EPOCHS, FORMAT, LOG, META_ASIDE, META_COMMIT, META_FORMAT, META_NAMES, META_ORDINAL, META_PLAN,
    META_PROMOTION, META_QUARANTINED, META_SEGMENT, NUMBERS, PLANS, QUARANTINE, REPLACED, SEALED, SEGMENTS,
};
use crate::{EpochRow, StoreError};

/// The numbers, open to a writer.
pub(crate) struct Numbers<'t>([WriteRows<'t, &'static [u8]>; 2]);

impl<'t> Numbers<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction, found: &'t Found) -> Result<Self, StoreError> {
        let [first, second] = NUMBERS;
        Ok(Self([
            first.open(transaction, found)?,
            second.open(transaction, found)?,
        ]))
    }

    /// A number; 0 if it was never written.
    pub(crate) fn get(&self, name: &str) -> Result<u64, StoreError> {
        for copy in &self.0 {
            if let Some(row) = copy.get(name.as_bytes())? {
                return Ok(row.number());
            }
        }
        Ok(0)
    }

    pub(crate) fn set(&mut self, name: &str, number: u64) -> Result<(), StoreError> {
        for copy in &mut self.0 {
            copy.insert_number(name.as_bytes(), number)?;
        }
        Ok(())
    }

    /// Writes again what one copy lost, and finds again what both did. Damaged rows are noted.
    pub(crate) fn heal(
        &mut self,
        transaction: &'t WriteTransaction,
        found: &'t Found,
    ) -> Result<(), StoreError> {
        for copy in &self.0 {
            for row in copy.iter()? {
                row?; // looks at rows under names that are none
            }
        }
        for name in META_NAMES {
            let copies = [self.state(0, name)?, self.state(1, name)?];
            let counted = counted(transaction, found, name)?;
            let right = match copies {
                [Lookup::Is(number), _] | [_, Lookup::Is(number)] => number.max(counted),
                _ => match name {
                    META_PROMOTION => highest_plan(transaction, found)?.0,
                    META_PLAN => highest_plan(transaction, found)?.1,
                    META_FORMAT => FORMAT, // every row says its form by itself
                    _ => counted,
                },
            };
            if right == 0 {
                continue;
            }
            if copies != [Lookup::Is(right), Lookup::Is(right)] {
                self.set(name, right)?;
            }
        }
        Ok(())
    }

    fn state(&self, copy: usize, name: &str) -> Result<Lookup<u64>, StoreError> {
        Ok(match self.0[copy].lookup(name.as_bytes())? {
            Lookup::Is(row) => Lookup::Is(row.number()),
            Lookup::Absent => Lookup::Absent,
            Lookup::Damaged => Lookup::Damaged,
        })
    }
}

/// A number of the store; 0 if it was never written.
pub(crate) fn read_number(
    transaction: &ReadTransaction,
    found: &Found,
    name: &str,
) -> Result<u64, StoreError> {
    for table in NUMBERS {
        if let Some(table) = table.try_read(transaction, found)?
            && let Some(row) = table.get(name.as_bytes())?
        {
            return Ok(row.number());
        }
    }
    Ok(0)
}

/// The least that a number can be, by the rows that it counts.
fn counted(transaction: &WriteTransaction, found: &Found, name: &str) -> Result<u64, StoreError> {
    let last_of = |table: crate::rows::TableOf<u64>| -> Result<u64, StoreError> {
        let table = table.open(transaction, found)?;
        let last = table.iter()?.next_back().transpose()?;
        Ok(last.map_or(0, |(key, _)| key.value()))
    };
    match name {
        META_COMMIT => {
            let sealed = last_sealed(&SEALED.open(transaction, found)?)?;
            Ok(last_of(LOG)?.max(sealed))
        }
        META_SEGMENT => Ok(last_of(SEGMENTS)?.max(last_of(REPLACED)?)),
        META_QUARANTINED => last_of(QUARANTINE),
        META_ASIDE => last_of(ASIDE),
        META_ORDINAL => {
            let epochs = EPOCHS.open(transaction, found)?;
            let mut highest = 0;
            for row in epochs.iter()? {
                let (key, row) = row?;
                let epoch = epochs.decode(key.value(), &row, EpochRow::decode);
                highest = epoch.map_or(0, |epoch| epoch.ordinal).max(highest);
            }
            Ok(highest)
        }
        _ => Ok(0),
    }
}

/// The highest plan version among the plans that are kept: promotion and number.
fn highest_plan(transaction: &WriteTransaction, found: &Found) -> Result<(u64, u64), StoreError> {
    let plans = PLANS.open(transaction, found)?;
    let mut highest = (0, 0);
    for row in plans.iter()? {
        let (key, _) = row?;
        let mut promotion = [0; 4];
        let mut number = [0; 8];
        promotion.copy_from_slice(&key.value()[8..12]);
        number.copy_from_slice(&key.value()[12..]);
        highest = highest.max((
            u64::from(u32::from_be_bytes(promotion)),
            u64::from_be_bytes(number),
        ));
    }
    Ok(highest)
}
