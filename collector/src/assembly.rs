//! The collector without sockets, files and pages of its own: what `serve` runs, and what the simulated world
//! builds on its own network, disk and clock.

use std::sync::Arc;

use isochrone_base::clock::Clock;
use isochrone_base::roster::{CandidateEntry, NodeEntry, ProbeEntry, Roster};
use isochrone_gate::authority::Authority;
use isochrone_gate::events::GateEvents;
use isochrone_gate::listener::Listener;
use isochrone_gate::registry::{Registry, RegistryError, RegistryParts};
use isochrone_gate::session::{Gate, PlanSource, Sessions};
use isochrone_planner::pace::Pace;
use isochrone_planner::plans::{AddressBook, PlanParts, Plans};
use isochrone_planner::targets::Targets;
use isochrone_store::ingest::{Committed, Ingest};
use isochrone_store::{Store, StoreError};
use tokio::sync::{mpsc, watch};

/// Committed batches on their way to the live state. Full: the committer waits.
pub const COMMITTED_WAITING_MAX: usize = 4_096;

/// What a collector is made from.
pub struct AssemblyParts {
    /// All that is durable, behind one handle.
    pub store: Store,
    /// Signs certificates and plans.
    pub authority: Authority,
    /// Wall and monotonic time; virtual in tests.
    pub clock: Clock,
    /// Where it can be reached.
    pub addresses: Vec<String>,
    /// How often things are measured.
    pub pace: Pace,
    /// The nodes.
    pub targets: watch::Receiver<Arc<Targets>>,
    /// Whom to tell of what happens at the gate.
    pub events: GateEvents,
    /// Seed of every secret made here: from the system, except in simulations.
    pub seed: [u8; 32],
}

/// A collector that can take connections.
pub struct Assembly {
    /// Probes and invitations.
    pub registry: Registry,
    /// Who is connected.
    pub sessions: Sessions,
    /// Where peers answer.
    pub addresses: AddressBook,
    /// The plans in force.
    pub plans: Plans,
    /// Lets connections in.
    pub listener: Arc<Listener>,
}

impl Assembly {
    /// Puts a collector together. `ingest` is on a thread of its own, or inline in simulations.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn build(parts: AssemblyParts, ingest: Ingest) -> Result<Self, AssemblyError> {
        let AssemblyParts {
            store,
            authority,
            clock,
            addresses,
            pace,
            targets,
            events,
            seed,
        } = parts;
        let registry = Registry::open(RegistryParts {
            store: store.clone(),
            authority: authority.clone(),
            clock: clock.clone(),
            events: events.clone(),
            addresses,
            seed,
        })?;
        let sessions = Sessions::default();
        let connected = sessions.clone();
        registry.ask_clocks(move |probe| connected.view(probe)?.clock_offset_ms);
        let addresses = AddressBook::open(&store)?;
        let plans = Plans::open(PlanParts {
            store: store.clone(),
            authority: authority.clone(),
            registry: registry.clone(),
            sessions: sessions.clone(),
            targets,
            addresses: addresses.clone(),
            pace,
            clock: clock.clone(),
        })?;
        let source: Arc<dyn PlanSource> = Arc::new(plans.clone());
        let listener = Arc::new(Listener::new(Gate {
            registry: registry.clone(),
            sessions: sessions.clone(),
            authority,
            store,
            ingest,
            plans: source,
            events,
            clock,
        }));
        Ok(Self {
            registry,
            sessions,
            addresses,
            plans,
            listener,
        })
    }
}

/// The channel from the committer to the live state.
#[must_use]
pub fn committed_channel() -> (mpsc::Sender<Committed>, mpsc::Receiver<Committed>) {
    mpsc::channel(COMMITTED_WAITING_MAX) // full: the committer waits, and the sessions with it
}

/// Who measures and what is measured, as of now.
#[must_use]
pub fn roster(registry: &Registry, targets: &Targets) -> Roster {
    let probes = registry.list().into_iter().map(|record| ProbeEntry {
        id: record.id,
        name: record.name.clone(),
        worker: record.worker.clone(),
        site: record.site.clone(),
        latitude: Some(record.latitude),
        longitude: Some(record.longitude),
        country: record.country.clone(),
        network: record.network,
        access: record.access.into(),
        active: record.is_active(),
        joined: record.joined,
    });
    let candidates = targets.candidates.iter().map(CandidateEntry::from);
    Roster::new(probes, targets.nodes.iter().map(NodeEntry::from)).with_candidates(candidates)
}

/// Why a collector could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// Who is in cannot be read.
    #[error("cannot read the registry")]
    Registry(#[from] RegistryError),
    /// The store cannot be opened or read.
    #[error("cannot read the store")]
    Store(#[from] StoreError),
}
