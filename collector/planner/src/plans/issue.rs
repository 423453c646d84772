//! Numbering, signing and sending: what makes a draft a plan in force.

use isochrone_proto::codec;
use isochrone_proto::ids::{PlanVersion, ProbeId};
use isochrone_proto::plan::{Plan, SignedPlan};
use isochrone_proto::units::UnixMillis;

use super::{Plans, PlansError};
use crate::draft::Draft;

/// A plan on its way into force.
pub(super) type Fresh = (ProbeId, Issued, Plan);

/// A plan in force.
pub(super) struct Issued {
    pub(super) version: PlanVersion,
    pub(super) draft: Draft,
    pub(super) issued: UnixMillis,
    pub(super) expires: UnixMillis,
    pub(super) signed: SignedPlan,
}

impl Issued {
    /// Whether it is not past half its life: then it need not be issued anew.
    pub(super) fn is_young(&self, now: UnixMillis) -> bool {
        now < self.issued.plus(self.expires.since(self.issued) / 2)
    }
}

impl Plans {
    /// Numbers and signs those of `drafts` that differ from the plan in force, or are past half their life.
    pub(super) fn number(&self, drafts: Vec<(ProbeId, Draft)>) -> Result<Vec<Fresh>, PlansError> {
        let now = self.0.parts.clock.wall();
        let mut state = self.state();
        let next = state.highest.number.checked_add(1);
        let version = PlanVersion {
            number: next.ok_or(PlansError::NumbersUsedUp)?.max(state.floor),
            ..state.highest
        };
        let mut fresh = Vec::new();
        for (probe, draft) in drafts {
            let in_force = state.current.get(&probe);
            if !in_force.is_some_and(|issued| issued.is_young(now) && issued.draft == draft) {
                let (issued, plan) = self.sign(probe, draft, version, now)?;
                fresh.push((probe, issued, plan));
            }
        }
        if !fresh.is_empty() {
            state.highest = version;
        }
        Ok(fresh)
    }

    /// Puts stored plans in force and sends them; returns how many. None, if a higher number turned up since they
    /// were numbered: no probe would take them, and `PlanSource::seen` has asked for new ones.
    pub(super) fn put_in_force(&self, fresh: Vec<Fresh>) -> usize {
        let count = fresh.len();
        for (probe, issued, plan) in fresh {
            let signed = issued.signed.clone();
            {
                let mut state = self.state();
                if state.highest > plan.version {
                    return 0;
                }
                state.current.insert(probe, issued);
            }
            tracing::info!(probe = %plan.probe_name, version = %plan.version, checks = plan.checks.len(), "new plan");
            self.0.parts.sessions.send_plan(probe, signed);
        }
        count
    }

    fn sign(
        &self,
        probe: ProbeId,
        draft: Draft,
        version: PlanVersion,
        now: UnixMillis,
    ) -> Result<(Issued, Plan), PlansError> {
        let parts = &self.0.parts;
        let name = parts.registry.probe(probe).map(|record| record.name.clone());
        let plan = Plan {
            version,
            probe,
            probe_name: name.unwrap_or_default(),
            issued: now,
            expires: now.plus(parts.pace.plan_lifetime),
            targets: draft.targets.clone(),
            checks: draft.checks.clone(),
            responder: draft.responder.clone(),
        };
        let signed = parts.authority.sign_plan(codec::encode_plan(&plan))?;
        Ok((
            Issued {
                version,
                draft,
                issued: plan.issued,
                expires: plan.expires,
                signed,
            },
            plan,
        ))
    }
}
