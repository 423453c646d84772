//! What every conversation stands on.

use std::sync::Arc;

use isochrone_base::clock::Clock;
use isochrone_store::Store;
use isochrone_store::ingest::Ingest;

use super::{PlanSource, Sessions};
use crate::authority::Authority;
use crate::events::GateEvents;
use crate::registry::Registry;

/// Everything a conversation needs beside its connection.
#[derive(Clone)]
pub struct Gate {
    /// Who may come in.
    pub registry: Registry,
    /// The open connections, one for each probe.
    pub sessions: Sessions,
    /// Whose signature counts.
    pub authority: Authority,
    /// Marks and plans.
    pub store: Store,
    /// Where batches go.
    pub ingest: Ingest,
    /// What each probe should do.
    pub plans: Arc<dyn PlanSource>,
    /// Whom to tell.
    pub events: GateEvents,
    /// What time it is.
    pub clock: Clock,
}
