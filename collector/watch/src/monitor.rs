//! Ties live state, verdicts, incidents and the outbox together: fed with commits, asked once a second.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use isochrone_base::roster::Roster;
use isochrone_proto::codec;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::Committed;
use isochrone_store::{Records, ScanRange, Store, StoreError};

use crate::alert::{Alert, Outbox};
use crate::health::{Health, Rules, Scene, Transition};
use crate::incident::Incident;
use crate::live::Live;

const TABLE: &str = "incidents";
/// Live state is rebuilt from the slots of at least this long before the start.
const REBUILT_MIN: Duration = Duration::from_secs(3_600);

/// The incidents in the store.
pub type Incidents = Records<Incident>;

/// Every incident ever, for reports and commands.
#[must_use]
pub fn incidents(store: &Store) -> Incidents {
    Records::new(store.clone(), TABLE)
}

/// What a monitor works with.
#[derive(Debug)]
pub struct MonitorParts {
    /// The rule's numbers.
    pub rules: Rules,
    /// Where alerts wait.
    pub outbox: Outbox,
    /// The name that alerts carry.
    pub collector: String,
    /// The longest interval of any check in force: see [`longest_interval`].
    pub longest_interval: Duration,
}

/// The longest interval of any check in the newest plans of `probes`.
///
/// # Errors
/// When the store failed.
pub fn longest_interval(
    store: &Store,
    probes: impl IntoIterator<Item = ProbeId>,
) -> Result<Duration, StoreError> {
    let mut longest_ms = 0;
    for probe in probes {
        let plan = store.latest_plan(probe)?;
        let Some(Ok(plan)) = plan.map(|signed| codec::decode_plan(&signed.plan)) else {
            continue;
        };
        let intervals = plan.checks.iter().map(|check| check.schedule.interval_ms());
        longest_ms = intervals.max().unwrap_or(0).max(longest_ms);
    }
    Ok(Duration::from_millis(u64::from(longest_ms)))
}

/// Who is down, kept up to date.
#[derive(Debug)]
pub struct Monitor {
    live: Live,
    health: Health,
    outbox: Outbox,
    incidents: Incidents,
    collector: String,
    seen: u64,
}

impl Monitor {
    /// Reads the incidents back, and rebuilds live state from the log's last hour, or more where checks run
    /// rarely: a row of failures goes on over a restart. `now` counts as the collector's start: no silence is
    /// older.
    ///
    /// # Errors
    /// When the store failed.
    pub fn open(store: &Store, parts: MonitorParts, now: UnixMillis) -> Result<Self, StoreError> {
        let MonitorParts {
            rules,
            outbox,
            collector,
            longest_interval,
        } = parts;
        let incidents = incidents(store);
        let stored = incidents.list()?.into_iter().map(|(_, incident)| incident);
        let mut live = Live::new();
        let mut seen = store.commit_number()?;
        let in_a_row = rules.failures.max(rules.answers).max(2);
        let rebuilt = REBUILT_MIN.max(longest_interval.saturating_mul(in_a_row + 1));
        let recent = ScanRange::slots(now.minus(rebuilt), UnixMillis(u64::MAX));
        store.scan(recent, |stored| {
            live.apply(stored.probe, &stored.plan, &stored.batch, stored.received);
            seen = seen.max(stored.commit);
            ControlFlow::Continue(())
        })?;
        Ok(Self {
            live,
            health: Health::new(rules, now, stored),
            outbox,
            incidents,
            collector,
            seen,
        })
    }

    /// Takes in a stored batch. What the log gave at the start already is not counted twice.
    pub fn committed(&mut self, committed: &Committed) {
        if committed.commit > self.seen {
            self.seen = committed.commit;
            self.live.apply(
                committed.probe,
                &committed.plan,
                &committed.batch,
                committed.received,
            );
        }
    }

    /// Judges everything. Changes and their alerts are stored in one transaction before they count; they are
    /// returned for the log and the page.
    ///
    /// # Errors
    /// When the store failed: nothing changed, and the next call decides the same again.
    pub fn tick(
        &mut self,
        roster: &Roster,
        connected: &BTreeSet<ProbeId>,
        now: UnixMillis,
    ) -> Result<Vec<Transition>, StoreError> {
        let judgement = self.health.judge(&Scene {
            live: &self.live,
            roster,
            connected,
            now,
        });
        let transitions = judgement.transitions.clone();
        if !transitions.is_empty() {
            self.store(&transitions, now)?;
        }
        self.health.adopt(judgement);
        if !transitions.is_empty() {
            self.outbox.refresh()?;
        }
        Ok(transitions)
    }

    /// What the vantages see.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The verdicts.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The alerts that wait.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn store(&self, transitions: &[Transition], now: UnixMillis) -> Result<(), StoreError> {
        self.incidents.store().write(|transaction| {
            for transition in transitions {
                let incident = transition.incident();
                self.incidents.put_in(transaction, &incident.id, incident)?;
                if let Some(alert) = Alert::of_transition(transition, &self.collector, now) {
                    self.outbox.add_in(transaction, &alert, now)?;
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
