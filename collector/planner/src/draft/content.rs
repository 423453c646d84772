//! What a plan says, before it is numbered and signed.

use std::collections::BTreeSet;

use isochrone_proto::kind::Kind;
use isochrone_proto::plan::{PlannedCheck, ResponderPlan, Target};
use isochrone_proto::schedule::Schedule;

/// What a plan says, without version, times and signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What is measured.
    pub targets: Vec<Target>,
    /// How and when.
    pub checks: Vec<PlannedCheck>,
    /// Whom the probe answers.
    pub responder: ResponderPlan,
}

impl Draft {
    /// Takes out the checks of these kinds, and the targets that are left without any; which of them there were.
    pub(super) fn withhold(&mut self, kinds: &[Kind]) -> BTreeSet<Kind> {
        let withheld: BTreeSet<Kind> = self
            .checks
            .iter()
            .map(|check| check.kind)
            .filter(|kind| kinds.contains(kind))
            .collect();
        if withheld.is_empty() {
            return withheld;
        }
        let checks = std::mem::take(&mut self.checks);
        let targets = std::mem::take(&mut self.targets);
        let mut kept = checks
            .into_iter()
            .filter(|check| !withheld.contains(&check.kind))
            .peekable();
        for (target, place) in targets.into_iter().zip(0_u16..) {
            let mut of_target = Vec::new();
            while let Some(check) = kept.next_if(|check| check.target == place) {
                of_target.push((check.kind, check.schedule));
            }
            if !of_target.is_empty() {
                self.add(target, of_target); // checks stand in the order of their targets
            }
        }
        withheld
    }

    /// Adds a target and its checks, for which there is room.
    pub(super) fn add(&mut self, target: Target, checks: impl IntoIterator<Item = (Kind, Schedule)>) {
        let place = u16::try_from(self.targets.len()).expect("a plan has room for fewer targets than that");
        self.targets.push(target);
        let checks = checks.into_iter().map(|(kind, schedule)| PlannedCheck {
            kind,
            target: place,
            schedule,
        });
        self.checks.extend(checks);
    }
}
