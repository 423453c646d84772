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

impl Delivered {
    /// Counts it for each incident that it was about.
    fn count_in(&self, counts: &mut BTreeMap<String, u32>) {
        for incident in self.incident.iter().chain(&self.others) {
            *counts.entry(incident.clone()).or_default() += 1;
        }
    }
}

/// The outbox as it stands, for the page. Cheap to clone but for the counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Board {
    /// What waits, by receiver, oldest first.
    pub pending: Vec<Arc<Pending>>,
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
        let waits = self.pending.iter();
        let waits = waits.filter(|pending| pending.alert.ids().any(|of| of == id));
        (self.delivered.get(id).copied().unwrap_or(0), waits.count() as u32)
    }
}

/// A handle to the outbox. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    pending: Records<Pending>,
    delivered: Records<Delivered>,
    receivers: Arc<[Receiver]>,
    board: Arc<Mutex<Arc<Board>>>,
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
        outbox.prune(now)?;
        outbox.refresh()?;
        Ok(outbox)
    }

    /// Forgets the deliveries of long ago. To be called once a day.
    ///
    /// # Errors
    /// When the store failed.
    pub(crate) fn prune(&self, now: UnixMillis) -> Result<(), StoreError> {
        let (old, known): (Vec<_>, Vec<_>) = self
            .delivered
            .list()?
            .into_iter()
            .partition(|(_, delivered)| now.since(delivered.at) > REMEMBERED);
        if !old.is_empty() {
            self.delivered.store().write(|transaction| {
                for (key, _) in &old {
                    self.delivered.remove_in(transaction, key)?;
                }
                Ok(())
            })?;
        }
        let mut counts = BTreeMap::new();
        known
            .iter()
            .for_each(|(_, delivered)| delivered.count_in(&mut counts));
        self.change_board(|board| board.delivered = counts);
        Ok(())
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
        let pending = self.pending.list()?.into_iter();
        let pending = pending.map(|(_, pending)| Arc::new(pending)).collect();
        self.change_board(|board| {
            board.pending = pending;
            self.held().correct(board);
        });
        self.filled.notify_one();
        Ok(())
    }

    /// The outbox as it stands; shared, not copied.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board.lock().unwrap_or_else(PoisonError::into_inner))
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
    pub(super) fn waiting_for(&self, receiver: &str) -> Vec<Arc<Pending>> {
        let board = self.board();
        let of_receiver = board
            .pending
            .iter()
            .filter(|pending| pending.receiver == receiver);
        of_receiver.cloned().collect()
    }

    /// A receiver took it: it leaves the outbox, and its delivery is remembered.
    pub(super) fn delivered(&self, pending: &Pending, now: UnixMillis) -> Result<(), StoreError> {
        let delivered = Delivered {
            incident: pending.alert.incident.as_ref().map(|of| of.id.clone()),
            others: pending.alert.ids().skip(1).map(str::to_owned).collect(),
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
        self.change_board(|board| delivered.count_in(&mut board.delivered));
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

    /// Some of what it says is over: it waits as it reads now.
    pub(super) fn shortened(&self, pending: &Pending) -> Result<(), StoreError> {
        self.pending.put(&key_of(pending), pending)?;
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
            let board = self.board();
            let mut pending = board.pending.iter();
            let waits = pending.any(|pending| pending.receiver == name && pending.alert.id == id);
            if !waits && self.delivered.get(&delivered_key(name, id))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.receivers.iter().find(|receiver| receiver.name() == name)
    }

    /// Whoever holds the board as it was keeps it.
    fn change_board(&self, change: impl FnOnce(&mut Board)) {
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut board));
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
