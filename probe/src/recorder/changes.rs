//! Tells several tasks that something changed, in the order in which they began to wait.
//!
//! Tokio's `watch` wakes its receivers in random order; one seed of a simulation must be one order of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The end that tells.
#[derive(Debug, Default)]
pub(super) struct Changed {
    count: AtomicU64,
    waiting: Notify,
}

/// The end that waits.
#[derive(Debug)]
pub struct Changes {
    changed: Arc<Changed>,
    seen: u64,
}

impl Changed {
    /// Something changed.
    pub(super) fn tell(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.waiting.notify_waiters();
    }

    /// Changes from now on.
    pub(super) fn follow(self: &Arc<Self>) -> Changes {
        Changes {
            changed: Arc::clone(self),
            seen: self.count.load(Ordering::SeqCst),
        }
    }
}

impl Changes {
    /// What changed up to now is known.
    pub fn mark_unchanged(&mut self) {
        self.seen = self.changed.count.load(Ordering::SeqCst);
    }

    /// Waits for a change that is not known yet.
    ///
    /// # Cancel safety
    /// Cancel-safe: a change is known only once this has returned.
    pub async fn changed(&mut self) {
        loop {
            let told = self.changed.waiting.notified(); // hears everything from here on
            let count = self.changed.count.load(Ordering::SeqCst);
            if count != self.seen {
                self.seen = count;
                return;
            }
            told.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn change_is_heard_once_by_each_who_follows() {
        let changed = Arc::new(Changed::default());
        let (mut first, mut second) = (changed.follow(), changed.follow());
        changed.tell();
        changed.tell();
        first.changed().await;
        second.changed().await;
        let silent = timeout(Duration::from_secs(1), first.changed()).await;
        assert!(silent.is_err(), "both changes were told at once");
        changed.tell();
        second.mark_unchanged();
        first.changed().await;
        assert!(timeout(Duration::from_secs(1), second.changed()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_are_woken_in_the_order_in_which_they_came() {
        let changed = Arc::new(Changed::default());
        let (order, mut tasks) = (
            Arc::new(std::sync::Mutex::new(Vec::new())),
            tokio::task::JoinSet::new(),
        );
        for number in 0..16 {
            let (mut changes, order) = (changed.follow(), Arc::clone(&order));
            tasks.spawn(async move {
                changes.changed().await;
                order.lock().unwrap().push(number);
            });
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        changed.tell();
        while tasks.join_next().await.is_some() {}
        assert!(order.lock().unwrap().is_sorted(), "{order:?}");
    }
}
