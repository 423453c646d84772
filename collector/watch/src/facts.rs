//! What is known of the probes beside their rows, now and at every instant of the past: how far their clocks were off,
//! and whence their sessions came. Live rows and the log are judged by the same.

use isochrone_store::{Store, StoreError, Transaction};

use crate::addresses::Addresses;
use crate::clocks::Clocks;

/// Both, kept.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// How far the probes' clocks were off.
    pub clocks: Clocks,
    pub(crate) addresses: Addresses,
}

impl Facts {
    /// As they were seen.
    ///
    /// # Errors
    /// When the store failed.
    pub fn read(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            clocks: Clocks::read(store)?,
            addresses: Addresses::read(store)?,
        })
    }

    pub(crate) fn has_unsaved(&self) -> bool {
        self.clocks.has_unsaved() || self.addresses.has_unsaved()
    }

    pub(crate) fn put_in(&self, store: &Store, transaction: &Transaction) -> Result<(), StoreError> {
        self.clocks.put_in(store, transaction)?;
        self.addresses.put_in(store, transaction)
    }

    pub(crate) fn saved(&mut self) {
        self.clocks.saved();
        self.addresses.saved();
    }
}
