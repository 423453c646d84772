//! What a plan says, before it is numbered and signed.

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
