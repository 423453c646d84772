//! Places for connections: so many at once, and never all of them for one visitor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::visitor::Visitor;

/// Connections at once; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 256;
/// Of these, one visitor has at most so many: a crowd from one address, which need say nothing at all, leaves the others
/// a page.
const OF_ONE_MAX: usize = 192;

/// The places, and who has them.
#[derive(Clone)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<Visitor, usize>>>,
}

/// A place; free again when it is dropped.
pub(crate) struct Place {
    visitor: Visitor,
    taken: Arc<Mutex<HashMap<Visitor, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            taken: Arc::default(),
        }
    }

    /// Waits until a place is free, for whoever comes next.
    pub(crate) async fn free(&self) -> OwnedSemaphorePermit {
        let free = Arc::clone(&self.free).acquire_owned().await;
        free.expect("this semaphore is never closed")
    }

    /// Gives a free place to a visitor; `None` if they have as many as one may.
    pub(crate) fn give(&self, permit: OwnedSemaphorePermit, visitor: Visitor) -> Option<Place> {
        let mut taken = locked(&self.taken);
        let own = taken.entry(visitor).or_default();
        if *own >= OF_ONE_MAX {
            return None;
        }
        *own += 1;
        Some(Place {
            visitor,
            taken: Arc::clone(&self.taken),
            _permit: permit,
        })
    }
}

impl Place {
    /// Whose it is.
    pub(crate) fn visitor(&self) -> Visitor {
        self.visitor
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = locked(&self.taken);
        if let Some(own) = taken.get_mut(&self.visitor) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.visitor);
            }
        }
    }
}

fn locked(taken: &Mutex<HashMap<Visitor, usize>>) -> MutexGuard<'_, HashMap<Visitor, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[tokio::test]
    async fn one_visitor_never_has_all_places_and_gives_them_back() {
        let places = Places::new();
        let (one, other) = (
            Visitor::of(IpAddr::from([192, 0, 2, 1])),
            Visitor::of(IpAddr::from([192, 0, 2, 2])),
        );
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            held.extend(places.give(places.free().await, one));
        }
        assert_eq!(held.len(), OF_ONE_MAX);
        let others = places.give(places.free().await, other);
        assert!(others.is_some());
        drop(held);
        assert!(places.give(places.free().await, one).is_some());
        drop(others);
        assert_eq!(places.free.available_permits(), CONNECTIONS_MAX);
        assert!(locked(&places.taken).is_empty());
    }
}
