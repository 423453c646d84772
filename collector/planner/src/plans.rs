//! Plans in force: drafted by the planner, signed by the authority, kept in the store, pushed to the probes.

mod addresses;
mod hosts;
mod issue;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isochrone_base::aside::aside;
use isochrone_base::clock::Clock;
use isochrone_gate::authority::Authority;
use isochrone_gate::registry::Registry;
use isochrone_gate::session::{PlanSource, Sessions};
use isochrone_proto::codec;
use isochrone_proto::ids::{PlanVersion, ProbeId};
use isochrone_proto::plan::{Plan, SignedPlan};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Store, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

pub use self::addresses::{AddressBook, Checked, PeerAddresses};
use self::issue::Issued;
use crate::draft::{Draft, Drafted, HostPrefixes, Limits, Participant, PlanInput, Seats};
use crate::pace::Pace;
use crate::targets::Targets;

/// Changes that come close together make one new plan.
const SETTLE: Duration = Duration::from_millis(300);
/// How often plans are looked at though nothing changed: for their age.
const LOOK: Duration = Duration::from_secs(60);

/// What plans are made from and where they go.
#[derive(Clone)]
pub struct PlanParts {
    /// Keeps every plan.
    pub store: Store,
    /// Signs them.
    pub authority: Authority,
    /// Who is in the mesh.
    pub registry: Registry,
    /// Who is connected.
    pub sessions: Sessions,
    /// The nodes.
    pub targets: watch::Receiver<Arc<Targets>>,
    /// Where peers answer.
    pub addresses: AddressBook,
    /// How often things are measured.
    pub pace: Pace,
    /// The time.
    pub clock: Clock,
}

/// The plans in force. Cheap to clone.
#[derive(Clone)]
pub struct Plans(Arc<Inner>);

struct Inner {
    parts: PlanParts,
    state: Mutex<State>,
    summary: watch::Sender<Summary>,
    /// Plans must be looked at again: a probe follows a newer one than any that is known here, or a host moved.
    outdated: Notify,
}

#[derive(Default)]
struct State {
    current: HashMap<ProbeId, Issued>,
    highest: PlanVersion,
    /// The next plan's number is at least this: the seconds since 1970 when this process began. A collector that
    /// was restored from an older copy thus never gives a number again that it does not know it gave.
    floor: u64,
    prefixes: HostPrefixes,
    downloads: BTreeSet<String>,
    /// What the plans were drafted from last.
    drafted: Option<PlanInput>,
    /// Where the nodes' vantages sit; `None` before the first draft.
    seats: Option<Seats>,
}

/// The newest plan, for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The highest version in force; `None` before the first plan.
    pub version: Option<PlanVersion>,
    /// When it was made.
    pub issued: UnixMillis,
    /// The first instant at which a plan in force ends.
    pub expires: UnixMillis,
    /// What is measured less than was asked.
    pub limits: Limits,
}

impl Plans {
    /// Takes up the plans that the store keeps.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(parts: PlanParts) -> Result<Self, StoreError> {
        let mut state = State {
            highest: parts.store.highest_plan_version()?,
            floor: parts.clock.wall().0 / 1_000,
            ..State::default()
        };
        for probe in parts.registry.list() {
            let Some(signed) = parts.store.latest_plan(probe.id)? else {
                continue;
            };
            let Ok(plan) = codec::decode_plan(&signed.plan) else {
                continue;
            }; // an old form: made anew
            let draft = Draft {
                targets: plan.targets,
                checks: plan.checks,
                responder: plan.responder,
            };
            state.current.insert(
                probe.id,
                Issued {
                    version: plan.version,
                    secret_since: plan.version,
                    draft,
                    issued: plan.issued,
                    expires: plan.expires,
                    signed,
                },
            );
        }
        let plans = Self(Arc::new(Inner {
            parts,
            state: Mutex::new(state),
            summary: watch::Sender::default(),
            outdated: Notify::new(),
        }));
        plans.summarize(Limits::default());
        Ok(plans)
    }

    /// The newest plan, for people; changes with it.
    #[must_use]
    pub fn summary(&self) -> watch::Receiver<Summary> {
        self.0.summary.subscribe()
    }

    /// Drafts every plan anew and issues those that differ from the one in force, or are past half their
    /// life. Returns how many.
    ///
    /// # Errors
    /// When the store cannot keep them; nothing is sent then.
    pub(crate) fn refresh(&self) -> Result<usize, PlansError> {
        self.confirm_secrets();
        let input = self.input();
        if self.stands(&input) {
            return Ok(0);
        }
        let Drafted {
            drafts,
            seats,
            mut limits,
        } = input.draft(&self.seats(&input));
        let (fresh, refused) = self.number(drafts)?;
        limits.refused = refused;
        let kept: Vec<(&SignedPlan, &Plan)> = fresh
            .iter()
            .map(|(_, issued, plan)| (&issued.signed, plan))
            .collect();
        self.0.parts.store.put_plans(&kept)?;
        let count = self.put_in_force(fresh);
        {
            let mut state = self.state();
            (state.seats, state.drafted) = (Some(seats), Some(input));
        }
        self.summarize(limits);
        Ok(count)
    }

    /// Whether the plans in force were made from `input`, and none of them is due for its age.
    fn stands(&self, input: &PlanInput) -> bool {
        let (state, now) = (self.state(), self.0.parts.clock.wall());
        let is_young = |probe: &Participant| {
            let issued = state.current.get(&probe.id);
            issued.is_some_and(|issued| issued.is_young(now))
        };
        state.drafted.as_ref() == Some(input) && input.probes.iter().all(is_young)
    }

    /// Where the nodes' vantages sit: as they were drafted last, or as the plans say that the store keeps.
    fn seats(&self, input: &PlanInput) -> Seats {
        let state = self.state();
        let of_plans = || {
            let plans = state
                .current
                .iter()
                .map(|(probe, issued)| (*probe, &issued.draft));
            input.seats_in(plans)
        };
        state.seats.clone().unwrap_or_else(of_plans)
    }

    /// Notes which nodes' assets are downloaded again at each GET: from the next plans on they are asked for less
    /// often.
    pub fn note_downloads(&self, nodes: BTreeSet<String>) {
        let mut state = self.state();
        if state.downloads != nodes {
            state.downloads = nodes;
            drop(state);
            self.0.outdated.notify_one();
        }
    }

    /// Refreshes whenever probes, targets or addresses change, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            biased; // one seed of a simulation is one order of events
            () = stop.cancelled() => {}
            () = self.keep_fresh() => {}
            () = self.keep_resolved() => {}
        }
    }

    async fn keep_fresh(&self) {
        let parts = &self.0.parts;
        let (mut registry, mut addresses) = (parts.registry.changes(), parts.addresses.changes());
        let (mut targets, mut sessions) = (parts.targets.clone(), parts.sessions.changes());
        self.resolve_hosts().await; // once before the first plans, so that a restart does not issue faster ones
        loop {
            if let Err(error) = aside(|| self.refresh()) {
                tracing::error!(error = %isochrone_base::error_chain::chain(&error), "cannot issue plans; the old ones stay in force");
            }
            tokio::select! {
                biased;
                () = self.0.outdated.notified() => {}
                Ok(()) = registry.changed() => {}
                Ok(()) = addresses.changed() => {}
                Ok(()) = targets.changed() => {}
                Ok(()) = sessions.changed() => {} // one that follows a newer plan may have a newer secret
                () = tokio::time::sleep(LOOK) => {}
            }
            tokio::time::sleep(SETTLE).await;
            registry.mark_unchanged();
            addresses.mark_unchanged();
            sessions.mark_unchanged();
        }
    }

    /// A probe that follows a plan has the secrets in it: its peers may use the newest. In a large fleet most plans change
    /// with each round of keys, so the plan in force is not waited for.
    fn confirm_secrets(&self) {
        let parts = &self.0.parts;
        let followed = parts.sessions.followed();
        let told: Vec<_> = {
            let state = self.state();
            let newest = followed.into_iter().filter_map(|(probe, plan)| {
                let epoch = state.current.get(&probe)?.secret_in(plan)?;
                Some((probe, epoch))
            });
            newest.collect()
        };
        if let Err(error) = parts.registry.confirm_secrets(&told) {
            tracing::error!(error = %isochrone_base::error_chain::chain(&error), "cannot note that probes have their new echo secrets; their peers keep the old keys");
        }
    }

    fn input(&self) -> PlanInput {
        let parts = &self.0.parts;
        let probes = parts
            .registry
            .list()
            .into_iter()
            .filter(|probe| probe.is_active())
            .map(|probe| {
                let PeerAddresses { v4, v6 } = parts.addresses.of(probe.id);
                Participant::new(&probe, v4, v6)
            });
        let (prefixes, downloads) = {
            let state = self.state();
            (state.prefixes.clone(), state.downloads.clone())
        };
        let targets = Arc::clone(&parts.targets.borrow());
        PlanInput {
            probes: probes.collect(),
            nodes: targets.nodes.clone(),
            candidates: targets.candidates.clone(),
            pace: parts.pace,
            prefixes,
            downloads,
        }
    }

    fn summarize(&self, limits: Limits) {
        let state = self.state();
        let summary = Summary {
            version: (!state.current.is_empty()).then_some(state.highest),
            issued: state
                .current
                .values()
                .map(|issued| issued.issued)
                .max()
                .unwrap_or_default(),
            expires: state
                .current
                .values()
                .map(|issued| issued.expires)
                .min()
                .unwrap_or_default(),
            limits,
        };
        drop(state);
        self.0.summary.send_if_modified(|known| {
            let changed = *known != summary;
            if known.limits != summary.limits {
                log(&summary.limits);
            }
            *known = summary;
            changed
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says which probes do not measure all that is asked for.
fn log(limits: &Limits) {
    for full in &limits.left_out {
        let (probe, nodes, checks) = (&full.probe, full.nodes, full.checks);
        tracing::warn!(
            probe,
            nodes,
            checks,
            "plan is full: the probe does not check some nodes"
        );
    }
    for refused in &limits.refused {
        let (probe, checks, reason) = (&refused.probe, refused.checks, &refused.reason);
        tracing::error!(
            probe,
            checks,
            reason,
            "plan is not issued: its probe would refuse it; the one before stays in force"
        );
    }
}

impl PlanSource for Plans {
    fn current(&self, probe: ProbeId) -> Option<SignedPlan> {
        self.state()
            .current
            .get(&probe)
            .map(|issued| issued.signed.clone())
    }

    fn seen(&self, version: PlanVersion) {
        let mut state = self.state();
        if version > state.highest {
            tracing::warn!(%version, "a probe follows a newer plan than this collector remembers: was it restored from a backup? Numbering goes on above it");
            state.highest = version;
            state.current.clear(); // all are issued anew, above it
            drop(state);
            self.0.outdated.notify_one();
        }
    }
}

/// Why plans could not be issued.
#[derive(Debug, thiserror::Error)]
pub enum PlansError {
    /// The store cannot keep them.
    #[error("the store cannot keep the new plans")]
    Store(#[from] StoreError),
    /// No number is left for the next plan.
    #[error("a plan signed by this authority has the highest number there is; nothing can follow it")]
    NumbersUsedUp,
    /// The authority cannot sign them.
    #[error("the authority cannot sign the new plans")]
    Sign(#[from] isochrone_gate::authority::AuthorityError),
}

#[cfg(test)]
mod tests;
