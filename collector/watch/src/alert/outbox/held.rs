//! What the store could not take: alerts and deliveries in memory, until it works again.
//!
//! An alert that says that nothing can be stored cannot wait for the store. It is delivered from here, and kept later
//! under the same id; what is lost with this process is told again by the next one.

use std::sync::{Arc, MutexGuard, PoisonError};

use isochrone_proto::units::UnixMillis;
use isochrone_store::StoreError;

use super::{Board, Delivered, Outbox, Pending, delivered_key, key_of};
use crate::alert::Alert;

/// What is kept in memory only.
#[derive(Debug, Default)]
pub(super) struct Held {
    waiting: Vec<Pending>,
    delivered: Vec<(Pending, Delivered)>,
}

impl Held {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.delivered.is_empty()
    }

    fn is_known(&self, key: &str) -> bool {
        let mut all = self.waiting.iter().chain(self.delivered.iter().map(|(of, _)| of));
        all.any(|of| delivered_key(&of.receiver, &of.alert.id) == key)
    }

    /// It is delivered, and the store knows.
    pub(super) fn forget(&mut self, pending: &Pending) {
        self.waiting.retain(|of| key_of(of) != key_of(pending));
    }

    /// Puts a board that was read from the store right.
    pub(super) fn correct(&self, board: &mut Board) {
        let is_delivered = |of: &Pending| self.delivered.iter().any(|(it, _)| key_of(it) == key_of(of));
        board.pending.retain(|of| !is_delivered(of));
        let is_there = |of: &Pending, board: &Board| board.pending.iter().any(|it| key_of(it) == key_of(of));
        for of in &self.waiting {
            if !is_there(of, board) {
                board.pending.push(Arc::new(of.clone()));
            }
        }
    }
}

impl Outbox {
    /// Adds an alert past the store, which cannot be written: it is delivered all the same, and kept by
    /// [`Outbox::keep_held`]. One that is known already is not added again.
    pub fn hold(&self, alert: &Alert, now: UnixMillis) {
        let alert = match self.pending.store().is_demo() {
            true => alert.clone().of_demo(),
            false => alert.clone(),
        };
        for receiver in self.receivers.iter() {
            let key = delivered_key(receiver.name(), &alert.id);
            let waits = |board: &Board| {
                let mut pending = board.pending.iter();
                pending.any(|of| delivered_key(&of.receiver, &of.alert.id) == key)
            };
            let is_delivered = matches!(self.delivered.get(&key), Ok(Some(_)));
            if is_delivered || self.held().is_known(&key) || waits(&self.board()) {
                continue;
            }
            self.held().waiting.push(Pending {
                alert: alert.clone(),
                receiver: receiver.name().to_owned(),
                created: now,
                attempts: 0,
                last_error: None,
            });
        }
        self.correct_board();
    }

    /// Keeps what was held, now that the store may work again.
    ///
    /// # Errors
    /// When it does not: all stays held.
    pub fn keep_held(&self) -> Result<(), StoreError> {
        let held = {
            let held = self.held();
            if held.is_empty() {
                return Ok(());
            }
            (held.waiting.clone(), held.delivered.clone())
        };
        let (waiting, delivered) = &held;
        self.pending.store().write(|transaction| {
            for pending in waiting {
                let key = delivered_key(&pending.receiver, &pending.alert.id);
                let is_delivered = delivered
                    .iter()
                    .any(|(of, _)| delivered_key(&of.receiver, &of.alert.id) == key);
                if !is_delivered && self.delivered.get_in(transaction, &key)?.is_none() {
                    self.pending.put_in(transaction, &key_of(pending), pending)?;
                }
            }
            for (pending, delivered) in delivered {
                self.pending.remove_in(transaction, &key_of(pending))?;
                let key = delivered_key(&pending.receiver, &pending.alert.id);
                self.delivered.put_in(transaction, &key, delivered)?;
            }
            Ok(())
        })?;
        {
            let mut now = self.held();
            now.waiting
                .retain(|of| !waiting.iter().any(|kept| key_of(kept) == key_of(of)));
            now.delivered
                .retain(|(of, _)| !delivered.iter().any(|(kept, _)| key_of(kept) == key_of(of)));
        }
        self.refresh()
    }

    /// A receiver took it, and the store cannot note that yet: it is not sent again.
    pub(super) fn hold_delivered(&self, pending: &Pending, delivered: Delivered) {
        {
            let mut held = self.held();
            held.forget(pending);
            held.delivered.push((pending.clone(), delivered));
        }
        self.correct_board();
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn correct_board(&self) {
        self.change_board(|board| self.held().correct(board));
        self.filled.notify_one();
    }
}
