//! From when on each tier is whole: what retention removed of it lies before. Kept, for what is left does not say it: rows
//! that come late are as old as those that are gone.

use isochrone_proto::units::UnixMillis;
use redb::WriteTransaction;

use super::catalogue::Segment;
use crate::found::Found;
use crate::numbers::{Numbers, read_number};
use crate::tables::{META_DAYS_FROM, META_HOURS_FROM, META_RAW_FROM};
use crate::{Store, StoreError, Tier};

impl Store {
    /// From when on retention removed nothing of a tier: before it something may be left. 0: it never removed any.
    ///
    /// # Errors
    /// When the store failed.
    pub fn whole_from(&self, tier: Tier) -> Result<UnixMillis, StoreError> {
        self.read(|transaction| read_number(transaction, self.found(), name_of(tier)).map(UnixMillis))
    }
}

const fn name_of(tier: Tier) -> &'static str {
    match tier {
        Tier::Raw => META_RAW_FROM,
        Tier::Hour => META_HOURS_FROM,
        Tier::Day => META_DAYS_FROM,
    }
}

/// Notes that retention removes these segments.
pub(super) fn advance(
    transaction: &WriteTransaction,
    found: &Found,
    removed: &[Segment],
) -> Result<(), StoreError> {
    let mut numbers = Numbers::open(transaction, found)?;
    for segment in removed {
        let (name, after) = (name_of(segment.tier), segment.slots.1.0 + 1);
        if numbers.get(name)? < after {
            numbers.set(name, after)?;
        }
    }
    Ok(())
}
