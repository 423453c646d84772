//! The audit: every rule held against the chain. A pure function of the topology and what is known beside it.

mod buckets;
mod endpoints;
mod families;
mod nodes;
mod places;

pub(crate) use self::buckets::standing;
use crate::facts::Facts;
use crate::rule::{Finding, Rule, Subject};
use crate::topology::Topology;

/// Holds every rule against `topology`; the gravest first, then by rule and subject.
#[must_use]
pub fn audit(topology: &Topology, facts: &Facts) -> Vec<Finding> {
    let mut found = Found::default();
    buckets::judge(topology, facts, &mut found);
    endpoints::judge(topology, &mut found);
    places::judge(topology, facts, &mut found);
    families::judge(topology, facts, &mut found);
    nodes::judge(topology, facts, &mut found);
    let mut findings = found.0;
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.rule.severity(), finding.rule, finding.subject.clone());
        key(a).cmp(&key(b))
    });
    findings
}

/// What was found so far.
#[derive(Default)]
struct Found(Vec<Finding>);

impl Found {
    fn add(&mut self, rule: Rule, subject: Subject, says: impl Into<String>) -> &mut Finding {
        self.0.push(Finding {
            rule,
            subject,
            says: says.into(),
            evidence: Vec::new(),
        });
        self.0.last_mut().expect("one was just added")
    }
}

impl Finding {
    fn because(&mut self, evidence: impl Into<String>) -> &mut Self {
        self.evidence.push(evidence.into());
        self
    }
}

#[cfg(test)]
mod tests;
