//! Numbering, signing and sending: what makes a draft a plan in force.

use isochrone_proto::codec;
use isochrone_proto::echo::KeyEpoch;
use isochrone_proto::ids::{PlanVersion, ProbeId};
use isochrone_proto::limits::CONTROL_BYTES_MAX;
use isochrone_proto::plan::{Plan, SignedPlan};
use isochrone_proto::units::UnixMillis;

use super::{Plans, PlansError};
use crate::draft::{Draft, Refused};

/// A plan on its way into force.
pub(super) type Fresh = (ProbeId, Issued, Plan);

/// A plan in force.
pub(super) struct Issued {
    pub(super) version: PlanVersion,
    /// The first of its plans, as far as known, that holds its responder's newest secret.
    pub(super) secret_since: PlanVersion,
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

    /// The newest of the responder's secrets, if a probe that follows `plan` has it.
    pub(super) fn secret_in(&self, plan: PlanVersion) -> Option<KeyEpoch> {
        let has_it = (self.secret_since..=self.version).contains(&plan);
        newest_secret(&self.draft).filter(|_| has_it)
    }
}

impl Plans {
    /// Numbers and signs those of `drafts` that differ from the plan in force, or are past half their life; says which
    /// break a bound. In the place of one of these, the plan in force goes on.
    pub(super) fn number(
        &self,
        drafts: Vec<(ProbeId, Draft)>,
    ) -> Result<(Vec<Fresh>, Vec<Refused>), PlansError> {
        let now = self.0.parts.clock.wall();
        let mut state = self.state();
        let next = state.highest.number.checked_add(1);
        let version = PlanVersion {
            number: next.ok_or(PlansError::NumbersUsedUp)?.max(state.floor),
            ..state.highest
        };
        let (mut fresh, mut refused) = (Vec::new(), Vec::new());
        for (probe, mut draft) in drafts {
            let in_force = state.current.get(&probe);
            if in_force.is_some_and(|issued| issued.is_young(now) && issued.draft == draft) {
                continue;
            }
            let mut plan = self.plan(probe, &draft, version, now);
            if let Err(reason) = issuable(&plan) {
                refused.push(Refused {
                    probe: plan.probe_name.clone(),
                    checks: plan.checks.len(),
                    reason,
                });
                let Some(last_good) = in_force.filter(|issued| !issued.is_young(now)) else {
                    continue;
                };
                draft = last_good.draft.clone(); // it would end before long
                plan = self.plan(probe, &draft, version, now);
            }
            let same_secret = in_force.filter(|issued| newest_secret(&issued.draft) == newest_secret(&draft));
            let secret_since = same_secret.map_or(version, |issued| issued.secret_since);
            let issued = self.sign(draft, &plan, secret_since)?;
            fresh.push((probe, issued, plan));
        }
        if !fresh.is_empty() {
            state.highest = version;
        }
        Ok((fresh, refused))
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

    fn plan(&self, probe: ProbeId, draft: &Draft, version: PlanVersion, now: UnixMillis) -> Plan {
        let parts = &self.0.parts;
        let name = parts.registry.probe(probe).map(|record| record.name.clone());
        Plan {
            version,
            probe,
            probe_name: name.unwrap_or_default(),
            issued: now,
            expires: now.plus(parts.pace.plan_lifetime),
            targets: draft.targets.clone(),
            checks: draft.checks.clone(),
            responder: draft.responder.clone(),
        }
    }

    fn sign(&self, draft: Draft, plan: &Plan, secret_since: PlanVersion) -> Result<Issued, PlansError> {
        Ok(Issued {
            version: plan.version,
            secret_since,
            draft,
            issued: plan.issued,
            expires: plan.expires,
            signed: self.0.parts.authority.sign_plan(codec::encode_plan(plan))?,
        })
    }
}

fn newest_secret(draft: &Draft) -> Option<KeyEpoch> {
    draft.responder.secrets.first().map(|(epoch, _)| *epoch)
}

/// Whether a probe would take it; else why not. The draft keeps these bounds by itself, and what is signed is not left to
/// that alone: a probe that refuses its plan goes on with the one before it and can tell nobody.
fn issuable(plan: &Plan) -> Result<(), String> {
    plan.check().map_err(|error| error.to_string())?;
    match codec::encode_plan(plan).len() {
        bytes if bytes > CONTROL_BYTES_MAX => Err(format!(
            "plan takes {bytes} bytes; at most {CONTROL_BYTES_MAX} can be sent"
        )),
        _ => Ok(()),
    }
}
