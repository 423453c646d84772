//! Ties live state, verdicts, incidents and the outbox together: fed with commits, asked once a second.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;

use crate::alert::{Alert, Outbox, SecurityNotice};
use crate::events::GateEvent;
use crate::health::{Health, Rules, Scene, Transition};
use crate::incident::{Acknowledgement, Incident};
use crate::ingest::Committed;
use crate::live::Live;
use crate::roster::Roster;
use crate::store::{Records, ScanRange, Store, StoreError};

const TABLE: &str = "incidents";
/// Live state is rebuilt from the slots of this long before the start.
const REBUILT: Duration = Duration::from_secs(3_600);

/// The incidents in the store.
pub type Incidents = Records<Incident>;

/// Every incident ever, for reports and commands.
#[must_use]
pub fn incidents(store: &Store) -> Incidents {
    Records::new(store.clone(), TABLE)
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
    /// Reads the incidents back, and rebuilds live state from the log's last hour. `collector`: the name
    /// that alerts carry. `now` counts as the collector's start: no silence is older.
    ///
    /// # Errors
    /// When the store failed.
    pub fn open(
        store: &Store,
        rules: Rules,
        outbox: Outbox,
        collector: &str,
        now: UnixMillis,
    ) -> Result<Self, StoreError> {
        let incidents = incidents(store);
        let stored = incidents.list()?.into_iter().map(|(_, incident)| incident);
        let mut live = Live::new();
        let mut seen = store.commit_number()?;
        let recent = ScanRange::slots(now.minus(REBUILT), UnixMillis(u64::MAX));
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
            collector: collector.to_owned(),
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

    /// Tells of an event at the gate, where it is worth telling.
    ///
    /// # Errors
    /// When the store failed.
    pub fn gate_event(&self, event: &GateEvent) -> Result<(), StoreError> {
        let Some(notice) = SecurityNotice::of(event) else {
            return Ok(());
        };
        let alert = Alert::of_security(notice, &self.collector, event.at);
        self.outbox.add(&alert, event.at)
    }

    /// Notes who is on an incident; `None` if there is no such incident.
    ///
    /// # Errors
    /// When the store failed.
    pub fn acknowledge(
        &mut self,
        id: &str,
        acknowledgement: Acknowledgement,
    ) -> Result<Option<Incident>, StoreError> {
        let Some(mut incident) = self.incidents.get(id)? else {
            return Ok(None);
        };
        incident.acknowledged = Some(acknowledgement);
        self.incidents.put(id, &incident)?;
        self.health.replace(incident.clone());
        Ok(Some(incident))
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
