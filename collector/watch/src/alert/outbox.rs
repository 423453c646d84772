//! The outbox: alerts that wait for their receivers, in the store.

mod held;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isochrone_base::error_chain::chain;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, Store, StoreError, Transaction};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use self::held::Held;
use super::{Alert, Receiver};

const PENDING_TABLE: &str = "outbox";
const DELIVERED_TABLE: &str = "outbox_delivered";
/// Deliveries are remembered so long.
const REMEMBERED: Duration = Duration::from_secs(90 * 86_400);

/// An alert that one receiver has not taken yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What it gets.
    pub alert: Alert,
    /// Its name.
    pub(crate) receiver: String,
    /// Since when it waits.
    pub created: UnixMillis,
    /// Deliveries tried.
    pub(crate) attempts: u32,
    /// Why the last one failed.
    pub(crate) last_error: Option<String>,
}

/// An alert that a receiver took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Delivered {
    incident: Option<String>,
    #[serde(default)]
    others: Vec<String>,
    at: UnixMillis,
}

/// The outbox as it stands, for the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// What waits, by receiver, oldest first.
    pub pending: Vec<Pending>,
    delivered: BTreeMap<String, u32>,
}

impl Board {
    /// Since when the oldest alert waits.
    #[must_use]
    pub fn oldest(&self) -> Option<UnixMillis> {
        self.pending.iter().map(|pending| pending.created).min()
    }

    /// Alerts about an incident that were delivered, and that wait.
    #[must_use]
    pub fn of_incident(&self, id: &str) -> (u32, u32) {
        let waits = self.pending.iter().filter(|pending| {
            let mut incidents = pending.alert.incidents();
            incidents.any(|incident| incident.id == id)
        });
        (self.delivered.get(id).copied().unwrap_or(0), waits.count() as u32)
    }
}

/// A handle to the outbox. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    pending: Records<Pending>,
    delivered: Records<Delivered>,
    receivers: Arc<[Receiver]>,
    board: Arc<Mutex<Board>>,
    /// What the store could not take.
    held: Arc<Mutex<Held>>,
    filled: Arc<Notify>,
}

impl Outbox {
    /// Opens the outbox for these receivers. What waits for a receiver that the configuration no longer
    /// names is dropped, and logged.
    ///
    /// # Errors
    /// When the store failed.
    pub fn open(store: &Store, receivers: Vec<Receiver>, now: UnixMillis) -> Result<Self, StoreError> {
        let outbox = Self {
            pending: Records::new(store.clone(), PENDING_TABLE),
            delivered: Records::new(store.clone(), DELIVERED_TABLE),
            receivers: receivers.into(),
            board: Arc::default(),
            held: Arc::default(),
            filled: Arc::default(),
        };
        for (key, pending) in outbox.pending.list()? {
            if outbox.receiver(&pending.receiver).is_none() {
                tracing::warn!(
                    receiver = %pending.receiver,
                    alert = %pending.alert.id,
                    "alert dropped: its receiver is no longer configured"
                );
                outbox.pending.remove(&key)?;
            }
        }
        for (key, delivered) in outbox.delivered.list()? {
            if now.since(delivered.at) > REMEMBERED {
                outbox.delivered.remove(&key)?;
            }
        }
        outbox.refresh()?;
        Ok(outbox)
    }

    /// Adds `alert` for every receiver, in the transaction of what it is about. An alert that a receiver
    /// has, or that waits for it already, is not added again. Call [`Outbox::refresh`] after the commit.
    ///
    /// # Errors
    /// When the store failed.
    pub fn add_in(
        &self,
        transaction: &Transaction,
        alert: &Alert,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let waiting = self.pending.list_in(transaction)?;
        let alert = if self.pending.store().is_demo() {
            &alert.clone().of_demo()
        } else {
            alert
        };
        for receiver in self.receivers.iter() {
            let name = receiver.name();
            let waits = waiting
                .iter()
                .any(|(_, pending)| pending.receiver == name && pending.alert.id == alert.id);
            let is_delivered = self
                .delivered
                .get_in(transaction, &delivered_key(name, &alert.id))?
                .is_some();
            if waits || is_delivered {
                continue;
            }
            let pending = Pending {
                alert: alert.clone(),
                receiver: name.to_owned(),
                created: now,
                attempts: 0,
                last_error: None,
            };
            self.pending
                .put_in(transaction, &pending_key(name, now, &alert.id), &pending)?;
        }
        Ok(())
    }

    /// Adds an alert that is about nothing else in the store.
    ///
    /// # Errors
    /// When the store failed.
    pub fn add(&self, alert: &Alert, now: UnixMillis) -> Result<(), StoreError> {
        if self.is_known(&alert.id)? {
            return Ok(()); // saying the same again costs no write
        }
        self.pending
            .store()
            .write(|transaction| self.add_in(transaction, alert, now))?;
        self.refresh()
    }

    /// Reads the outbox again, and wakes whoever delivers.
    ///
    /// # Errors
    /// When the store failed.
    pub fn refresh(&self) -> Result<(), StoreError> {
        let pending = self.pending.list()?.into_iter().map(|(_, pending)| pending);
        let mut board = Board {
            pending: pending.collect(),
            delivered: BTreeMap::new(),
        };
        for (_, delivered) in self.delivered.list()? {
            for incident in delivered.incident.into_iter().chain(delivered.others) {
                *board.delivered.entry(incident).or_default() += 1;
            }
        }
        self.held().correct(&mut board);
        *self.board.lock().unwrap_or_else(PoisonError::into_inner) = board;
        self.filled.notify_one();
        Ok(())
    }

    /// The outbox as it stands.
    #[must_use]
    pub fn board(&self) -> Board {
        self.with_board(Board::clone)
    }

    /// The configured receivers.
    #[must_use]
    pub fn receivers(&self) -> &[Receiver] {
        &self.receivers
    }

    /// Waits until something may have been added.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// What waits for one receiver, oldest first.
    pub(super) fn waiting_for(&self, receiver: &str) -> Vec<Pending> {
        self.with_board(|board| {
            let of_receiver = board
                .pending
                .iter()
                .filter(|pending| pending.receiver == receiver);
            of_receiver.cloned().collect()
        })
    }

    /// A receiver took it: it leaves the outbox, and its delivery is remembered.
    pub(super) fn delivered(&self, pending: &Pending, now: UnixMillis) -> Result<(), StoreError> {
        let delivered = Delivered {
            incident: pending.alert.incident.as_ref().map(|of| of.id.clone()),
            others: pending.alert.others.iter().map(|of| of.id.clone()).collect(),
            at: now,
        };
        let noted = self.pending.store().write(|transaction| {
            self.pending.remove_in(transaction, &key_of(pending))?;
            let key = delivered_key(&pending.receiver, &pending.alert.id);
            self.delivered.put_in(transaction, &key, &delivered)
        });
        if let Err(error) = noted {
            tracing::warn!(error = %chain(&error), "a delivery cannot be noted yet");
            self.hold_delivered(pending, delivered);
            return Ok(());
        }
        self.held().forget(pending);
        self.refresh()
    }

    /// A later alert says all that it says: it leaves the outbox without being sent.
    pub(super) fn covered(&self, pending: &Pending, now: UnixMillis) -> Result<(), StoreError> {
        let covered = Delivered {
            incident: None,
            others: Vec::new(),
            at: now,
        };
        self.pending.store().write(|transaction| {
            self.pending.remove_in(transaction, &key_of(pending))?;
            let key = delivered_key(&pending.receiver, &pending.alert.id);
            self.delivered.put_in(transaction, &key, &covered)
        })?;
        self.refresh()
    }

    /// A delivery failed: it stays, with the reason.
    pub(super) fn failed(&self, pending: &Pending, reason: String) -> Result<(), StoreError> {
        let failed = Pending {
            attempts: pending.attempts.saturating_add(1),
            last_error: Some(reason),
            ..pending.clone()
        };
        self.pending.put(&key_of(pending), &failed)?;
        self.refresh()
    }

    /// Whether every receiver has the alert, or it waits for it.
    fn is_known(&self, id: &str) -> Result<bool, StoreError> {
        for receiver in self.receivers.iter() {
            let name = receiver.name();
            let waits = |board: &Board| {
                let mut pending = board.pending.iter();
                pending.any(|pending| pending.receiver == name && pending.alert.id == id)
            };
            if !self.with_board(waits) && self.delivered.get(&delivered_key(name, id))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name() == name)
    }

    fn with_board<T>(&self, read: impl FnOnce(&Board) -> T) -> T {
        read(&self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn key_of(pending: &Pending) -> String {
    pending_key(&pending.receiver, pending.created, &pending.alert.id)
}

/// Sorts by receiver, then by age.
fn pending_key(receiver: &str, created: UnixMillis, alert: &str) -> String {
    format!("{receiver}/{:013}/{alert}", created.0)
}

fn delivered_key(receiver: &str, alert: &str) -> String {
    format!("{alert}/{receiver}")
}

#[cfg(test)]
pub(super) mod tests;
