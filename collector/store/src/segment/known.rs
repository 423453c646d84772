//! The catalogue as it was read last: whoever looks every minute reads it again only after it changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::ReadTransaction;

use super::catalogue::Catalogue;
use crate::StoreError;
use crate::found::Found;
use crate::numbers::read_number;
use crate::tables::{META_ASIDE, META_REPLACED, META_SEGMENT, SEGMENTS};

/// By what an instant's catalogue is known: how many segments were numbered, how many left it, and how many rows were set
/// aside. Each change of it changes one of these.
type Edition = [u64; 3];

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Option<(Edition, Arc<Catalogue>)>>);

impl Known {
    /// The catalogue as a reader sees it.
    pub(crate) fn read(
        &self,
        transaction: &ReadTransaction,
        found: &Found,
    ) -> Result<Arc<Catalogue>, StoreError> {
        let mut edition: Edition = [0; 3];
        for (number, name) in edition.iter_mut().zip([META_SEGMENT, META_REPLACED, META_ASIDE]) {
            *number = read_number(transaction, found, name)?;
        }
        if let Some((_, catalogue)) = self.lock().as_ref().filter(|(of, _)| *of == edition) {
            return Ok(Arc::clone(catalogue));
        }
        let catalogue = Arc::new(Catalogue::of(&SEGMENTS.read(transaction, found)?)?);
        if !found.is_waiting_in(SEGMENTS.name) {
            *self.lock() = Some((edition, Arc::clone(&catalogue)));
        }
        Ok(catalogue)
    }

    /// The store is opened again: what was read of a change that failed may not be there.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Edition, Arc<Catalogue>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
