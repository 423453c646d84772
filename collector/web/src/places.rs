//! Places for connections. Nobody waits for one: where there is none, the oldest stranger yields theirs. So neither a crowd
//! from one address nor one from many, which need say nothing at all, keeps anybody out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::visitor::Visitor;

/// Connections at once.
const CONNECTIONS_MAX: usize = 256;
/// Of these, one visitor has at most so many that were not served yet. A proxy on this machine brings many visitors.
const STRANGERS_OF_ONE_MAX: usize = 32;

/// The places, and who has them.
#[derive(Clone, Default)]
pub(crate) struct Places(Arc<Mutex<Taken>>);

/// By the order in which they came.
#[derive(Default)]
struct Taken {
    next: u64,
    guests: BTreeMap<u64, Arc<Guest>>,
}

/// Who has a place.
pub(crate) struct Guest {
    visitor: Visitor,
    is_welcome: AtomicBool,
    yields: CancellationToken,
}

/// A place; free again when it is dropped.
pub(crate) struct Place {
    number: u64,
    guest: Arc<Guest>,
    places: Places,
}

impl Places {
    /// A place for a visitor; `None` if all are taken by connections that were served.
    pub(crate) fn give(&self, visitor: Visitor) -> Option<Place> {
        let mut taken = self.locked();
        if !visitor.is_here() && taken.strangers(Some(visitor)).count() >= STRANGERS_OF_ONE_MAX {
            taken.make_room(Some(visitor));
        }
        if taken.guests.len() >= CONNECTIONS_MAX {
            taken.make_room(None);
        }
        if taken.guests.len() >= CONNECTIONS_MAX {
            return None;
        }
        let guest = Arc::new(Guest {
            visitor,
            is_welcome: AtomicBool::new(false),
            yields: CancellationToken::new(),
        });
        let number = taken.next;
        taken.next += 1;
        taken.guests.insert(number, Arc::clone(&guest));
        drop(taken);
        Some(Place {
            number,
            guest,
            places: self.clone(),
        })
    }

    fn locked(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Those that were not served yet, the oldest first; of one visitor, or of all.
    fn strangers(&self, of: Option<Visitor>) -> impl Iterator<Item = (u64, &Arc<Guest>)> {
        let strangers = self
            .guests
            .iter()
            .filter(|(_, guest)| !guest.is_welcome.load(Ordering::Relaxed));
        strangers
            .filter(move |(_, guest)| of.is_none_or(|visitor| guest.visitor == visitor))
            .map(|(number, guest)| (*number, guest))
    }

    fn make_room(&mut self, of: Option<Visitor>) {
        let oldest = self.strangers(of).next();
        if let Some((number, guest)) = oldest.map(|(number, guest)| (number, Arc::clone(guest))) {
            self.guests.remove(&number);
            guest.yields.cancel();
        }
    }
}

impl Guest {
    /// They were served: their place is theirs.
    pub(crate) fn welcome(&self) {
        self.is_welcome.store(true, Ordering::Relaxed);
    }
}

impl Place {
    /// Whose it is.
    pub(crate) fn visitor(&self) -> Visitor {
        self.guest.visitor
    }

    /// Who has it.
    pub(crate) fn guest(&self) -> Arc<Guest> {
        Arc::clone(&self.guest)
    }

    /// Returns when it is needed for another.
    pub(crate) async fn taken_away(&self) {
        self.guest.yields.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.locked().guests.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn visitor(number: u32) -> Visitor {
        Visitor::of(IpAddr::from((0xc000_0000 + number).to_be_bytes()))
    }

    fn is_taken_away(place: &Place) -> bool {
        place.guest.yields.is_cancelled()
    }

    #[test]
    fn one_visitor_never_has_all_places_and_gives_them_back() {
        let places = Places::default();
        let held: Vec<_> = (0..300).filter_map(|_| places.give(visitor(1))).collect();
        let (gone, left): (Vec<_>, Vec<_>) = held.iter().partition(|place| is_taken_away(place));
        assert_eq!(
            (gone.len(), left.len()),
            (300 - STRANGERS_OF_ONE_MAX, STRANGERS_OF_ONE_MAX)
        );
        assert!(!is_taken_away(&held[299]), "the newest stays");
        let other = places.give(visitor(2)).unwrap();
        assert!(!is_taken_away(&other));
        drop((held, other));
        assert!(places.locked().guests.is_empty());
    }

    #[test]
    fn oldest_stranger_yields_where_all_places_are_taken() {
        let places = Places::default();
        let many = u32::try_from(CONNECTIONS_MAX).unwrap();
        let held: Vec<_> = (0..many)
            .filter_map(|number| places.give(visitor(number)))
            .collect();
        held[0].guest.welcome();
        let newcomer = places.give(visitor(9_999)).unwrap();
        let gone: Vec<_> = held.iter().map(is_taken_away).collect();
        assert_eq!(gone.iter().filter(|gone| **gone).count(), 1);
        assert!(gone[1], "the oldest that was not served");
        assert!(!is_taken_away(&newcomer));
        assert_eq!(places.locked().guests.len(), CONNECTIONS_MAX);
    }

    #[test]
    fn who_was_served_is_sent_away_by_nobody() {
        let places = Places::default();
        let held: Vec<_> = (0..CONNECTIONS_MAX)
            .filter_map(|_| places.give(visitor(1)).inspect(|place| place.guest.welcome()))
            .collect();
        assert_eq!(held.len(), CONNECTIONS_MAX);
        assert!(places.give(visitor(2)).is_none());
        assert!(!held.iter().any(is_taken_away));
    }
}
