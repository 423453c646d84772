//! How a plan is laid out: its head, then a section each for targets, checks and the responder.

use serde::{Deserialize, Serialize};

use super::{Plan, PlanError, PlannedCheck, ResponderPlan, Target};
use crate::ids::{PlanVersion, ProbeId};
use crate::kind::Kind;
use crate::limits::CONTROL_BYTES_MAX;
use crate::schedule::Schedule;
use crate::section::{CHECKS, RESPONDER, Section, SectionError, SectionRef, Sections, TARGETS};
use crate::serializer::encode;
use crate::units::UnixMillis;

const KNOWN: &[&str] = &[TARGETS, CHECKS, RESPONDER];

/// What every reader must understand.
#[derive(Serialize, Deserialize)]
pub(crate) struct PlanHead {
    version: PlanVersion,
    probe: ProbeId,
    probe_name: String,
    issued: UnixMillis,
    expires: UnixMillis,
}

/// The checks. Kinds are told by name, each once: one that a probe does not know is refused by it.
#[derive(Serialize, Deserialize)]
struct RawChecks {
    kinds: Vec<String>,
    checks: Vec<RawCheck>,
}

#[derive(Serialize, Deserialize)]
struct RawCheck {
    /// Index in the kinds.
    kind: u8,
    target: u16,
    schedule: Schedule,
}

impl Plan {
    pub(crate) fn head(&self) -> PlanHead {
        PlanHead {
            version: self.version,
            probe: self.probe,
            probe_name: self.probe_name.clone(),
            issued: self.issued,
            expires: self.expires,
        }
    }

    /// Its sections; what is empty has none.
    pub(crate) fn sections(&self) -> Vec<Section> {
        let mut sections = Vec::with_capacity(KNOWN.len());
        if !self.targets.is_empty() {
            sections.push(Section::needed(TARGETS, encode(&self.targets)));
        }
        if !self.checks.is_empty() {
            sections.push(Section::needed(CHECKS, encode(&RawChecks::of(&self.checks))));
        }
        if self.responder != ResponderPlan::default() {
            sections.push(Section::needed(RESPONDER, encode(&self.responder)));
        }
        sections
    }
}

/// The sections of a plan that was read; nothing but their form is checked.
pub(crate) struct PlanSections {
    targets: Option<Vec<Target>>,
    checks: Option<RawChecks>,
    responder: Option<ResponderPlan>,
}

impl PlanSections {
    pub(crate) fn read(sections: Vec<SectionRef<'_>>) -> Result<Self, SectionError> {
        let sections = Sections::checked(sections, KNOWN)?;
        Ok(Self {
            targets: sections.read::<_, CONTROL_BYTES_MAX>(TARGETS)?,
            checks: sections.read::<_, CONTROL_BYTES_MAX>(CHECKS)?,
            responder: sections.read::<_, CONTROL_BYTES_MAX>(RESPONDER)?,
        })
    }

    /// The plan of this head; its bounds are still to be checked.
    pub(crate) fn plan(self, head: PlanHead) -> Result<Plan, PlanError> {
        Ok(Plan {
            version: head.version,
            probe: head.probe,
            probe_name: head.probe_name,
            issued: head.issued,
            expires: head.expires,
            targets: self.targets.unwrap_or_default(),
            checks: self
                .checks
                .map(RawChecks::planned)
                .transpose()?
                .unwrap_or_default(),
            responder: self.responder.unwrap_or_default(),
        })
    }
}

impl RawChecks {
    fn of(planned: &[PlannedCheck]) -> Self {
        let mut kinds: Vec<Kind> = Vec::new();
        let checks = planned.iter().map(|check| {
            let known = kinds.iter().position(|kind| *kind == check.kind);
            let kind = known.unwrap_or_else(|| {
                kinds.push(check.kind);
                kinds.len() - 1
            });
            RawCheck {
                kind: kind as u8, // there are some dozen kinds
                target: check.target,
                schedule: check.schedule,
            }
        });
        Self {
            checks: checks.collect(),
            kinds: kinds.iter().map(Kind::to_string).collect(),
        }
    }

    fn planned(self) -> Result<Vec<PlannedCheck>, PlanError> {
        let kinds: Result<Vec<Kind>, _> = self.kinds.iter().map(|name| name.parse()).collect();
        let kinds = kinds?;
        let planned = self.checks.iter().zip(0..).map(|(check, place)| {
            let kind = kinds.get(usize::from(check.kind));
            let kind = kind.ok_or(PlanError::NoSuchKind {
                check: place,
                kind: check.kind,
            })?;
            Ok(PlannedCheck {
                kind: *kind,
                target: check.target,
                schedule: check.schedule,
            })
        });
        planned.collect()
    }
}
