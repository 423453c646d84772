//! Where peers answer: an address enters plans only after it answered the collector's own authenticated echo
//! (invariant 4), which is kept durably.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use isochrone_base::clock::Clock;
use isochrone_gate::registry::{ProbeRecord, Registry};
use isochrone_gate::session::{SessionView, Sessions};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, Store, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::echo_check::{EchoCheck, Verdict};

/// An address that answered is asked again after so long.
const AGAIN: Duration = Duration::from_secs(3_600);
/// One that did not, after so long.
const RETRY: Duration = Duration::from_secs(15);
/// The first look after a probe connected: it needs a moment to adopt the plan that lets it answer.
const FIRST: Duration = Duration::from_millis(700);

/// A probe's verified addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerAddresses {
    /// Over IPv4.
    pub v4: Option<SocketAddrV4>,
    /// Over IPv6.
    pub v6: Option<SocketAddrV6>,
}

/// What became of the last look at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Where the responder was asked.
    pub address: SocketAddr,
    /// When it last answered.
    pub answered: Option<UnixMillis>,
    /// When it was last asked.
    pub asked: UnixMillis,
    /// Why it could not even be asked.
    pub refused: Option<String>,
}

/// The stored record of a probe: one entry a family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    v4: Option<Checked>,
    v6: Option<Checked>,
}

/// Every probe's addresses. Cheap to clone.
#[derive(Clone)]
pub struct AddressBook(Arc<Inner>);

struct Inner {
    records: Records<Entry>,
    entries: Mutex<HashMap<ProbeId, Entry>>,
    changes: watch::Sender<u64>,
}

impl AddressBook {
    /// Reads what the store keeps.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: &Store) -> Result<Self, StoreError> {
        let records: Records<Entry> = Records::new(store.clone(), "addresses");
        let stored = records.list()?;
        let entries = stored
            .into_iter()
            .filter_map(|(key, entry)| Some((key.parse().ok()?, entry)))
            .collect();
        Ok(Self(Arc::new(Inner {
            records,
            entries: Mutex::new(entries),
            changes: watch::Sender::default(),
        })))
    }

    /// The verified addresses of a probe.
    #[must_use]
    pub fn of(&self, probe: ProbeId) -> PeerAddresses {
        let entry = self.entry(probe);
        let answered =
            |checked: Option<Checked>| checked.filter(|it| it.answered.is_some()).map(|it| it.address);
        PeerAddresses {
            v4: answered(entry.v4).and_then(|address| match address {
                SocketAddr::V4(address) => Some(address),
                SocketAddr::V6(_) => None,
            }),
            v6: answered(entry.v6).and_then(|address| match address {
                SocketAddr::V6(address) => Some(address),
                SocketAddr::V4(_) => None,
            }),
        }
    }

    /// The last looks at a probe's addresses, IPv4 first.
    #[must_use]
    pub fn checked(&self, probe: ProbeId) -> [Option<Checked>; 2] {
        let entry = self.entry(probe);
        [entry.v4, entry.v6]
    }

    /// Counts up when what plans are made from changes.
    #[must_use]
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Notes that `address` answered, or did not. An address that once answered keeps its place in the plans
    /// while it is the one the probe is known by: a responder that stopped is what the mesh is there to see.
    ///
    /// # Errors
    /// When the store cannot keep it; it is then not used.
    pub fn note(&self, probe: ProbeId, checked: Checked) -> Result<(), StoreError> {
        let before = self.of(probe);
        let mut entry = self.entry(probe);
        let place = if checked.address.is_ipv4() {
            &mut entry.v4
        } else {
            &mut entry.v6
        };
        let known = place.as_ref().filter(|known| known.address == checked.address);
        let answered = checked.answered.or(known.and_then(|known| known.answered));
        *place = Some(Checked { answered, ..checked });
        self.0.records.put(&probe.to_string(), &entry)?;
        self.0
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(probe, entry);
        if self.of(probe) != before {
            self.0.changes.send_modify(|change| *change += 1);
        }
        Ok(())
    }

    /// Asks the connected probes' addresses, again and again, until `stop`.
    pub async fn run(
        self,
        check: EchoCheck,
        (registry, sessions): (Registry, Sessions),
        clock: Clock,
        stop: CancellationToken,
    ) {
        let mut changes = sessions.changes();
        loop {
            let now = clock.wall();
            let mut looks = Vec::new();
            for session in sessions.list() {
                let Some(record) = registry.probe(session.probe).filter(|record| record.is_active()) else {
                    continue;
                };
                let due = candidates(&session)
                    .into_iter()
                    .filter(|address| self.is_due(record.id, *address, now));
                looks.extend(due.map(|address| (Arc::clone(&record), address)));
            }
            // the check paces itself; a silent port must not hold up the others
            join_all(
                looks
                    .iter()
                    .map(|(record, address)| self.look(&check, record, *address, now)),
            )
            .await;
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = changes.changed() => tokio::time::sleep(FIRST).await,
                () = tokio::time::sleep(RETRY / 3) => {}
            }
        }
    }

    async fn look(&self, check: &EchoCheck, record: &ProbeRecord, address: SocketAddr, now: UnixMillis) {
        let Some((key_epoch, secret)) = record.responder_secrets().into_iter().next() else {
            return;
        };
        let (answered, refused) = match check.check(&secret, key_epoch, address).await {
            Verdict::Verified { .. } => (Some(now), None),
            Verdict::NoAnswer => (None, None),
            Verdict::CannotSend(reason) => (None, Some(reason.to_string())),
        };
        if answered.is_none() {
            tracing::debug!(probe = %record.name, %address, "echo port does not answer the collector");
        }
        if let Err(error) = self.note(
            record.id,
            Checked {
                address,
                answered,
                asked: now,
                refused,
            },
        ) {
            tracing::error!(error = %isochrone_base::error_chain::chain(&error), "cannot keep a peer's address");
        }
    }

    fn is_due(&self, probe: ProbeId, address: SocketAddr, now: UnixMillis) -> bool {
        let entry = self.entry(probe);
        let known = if address.is_ipv4() { entry.v4 } else { entry.v6 };
        match known.filter(|known| known.address == address) {
            Some(known) if known.answered == Some(known.asked) => now.since(known.asked) >= AGAIN,
            Some(known) => now.since(known.asked) >= RETRY,
            None => true,
        }
    }

    fn entry(&self, probe: ProbeId) -> Entry {
        let entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(&probe).cloned().unwrap_or_default()
    }
}

/// The addresses a probe may be known by: those it advertises, else the one its connection comes from, with the
/// port of its responder. One a family.
fn candidates(session: &SessionView) -> Vec<SocketAddr> {
    let observed = match session.remote.ip() {
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4),
        address @ IpAddr::V4(_) => address,
    };
    let observed = SocketAddr::new(observed, session.echo_port);
    let mut found: Vec<SocketAddr> = Vec::new();
    for address in session.advertise.iter().copied().chain([observed]) {
        if address.port() != 0 && !found.iter().any(|known| known.is_ipv4() == address.is_ipv4()) {
            found.push(address);
        }
    }
    found
}
