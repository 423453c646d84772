//! What to do about it: commands of the chain, drafted for a person, in an order that leaves no bag unserved. Nothing here is
//! ever sent.

mod metadata;
mod moves;

use std::collections::BTreeSet;

use isochrone_base::words::duration;
use serde_json::Value;

use crate::audit::standing;
use crate::facts::{Facts, Standing};
use crate::rule::{Finding, Rule, Subject};
use crate::topology::{Bucket, BucketId, OperatorId, Topology};

/// On a copy of the chain older than this nothing is drafted: an hour, in milliseconds.
pub const AGE_MAX_MS: u64 = 3_600_000;

/// What a person may do, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Why nothing is drafted, if nothing is.
    pub withheld: Option<String>,
    /// From the first to the last; each rests on the same block.
    pub steps: Vec<Step>,
    /// The block that all of it rests on; `None`: the indexer does not tell it.
    pub block: Option<u64>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub act: Act,
    /// Why, in a sentence or two.
    pub reason: String,
    /// What it answers.
    pub of: Vec<(Rule, Subject)>,
}

/// What is done in a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A worker is asked to change what they say of their node.
    AskOperator {
        /// Whom.
        operator: OperatorId,
        /// For what.
        please: String,
    },
    /// A family is described anew, whole.
    DescribeFamily {
        /// Its number.
        family: u32,
        /// The file's content.
        metadata: Value,
    },
    /// Users are sent to a bucket, or no longer.
    Distribute {
        /// Which.
        bucket: BucketId,
        /// Or off.
        on: bool,
    },
    /// New bags are assigned to a bucket, or no longer.
    Accept {
        /// Which.
        bucket: BucketId,
        /// Or no.
        yes: bool,
    },
    /// Bags are reassigned one by one, by hand.
    MoveBags {
        /// Whence.
        from: BucketId,
        /// Whither.
        to: BucketId,
        /// How many, if they are counted.
        bags: Option<u64>,
    },
    /// What the next audit drafts, once something is so.
    Later {
        /// In a sentence.
        what: String,
    },
}

impl Act {
    /// The chain's command, if it is one.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        match self {
            Self::DescribeFamily { family, .. } => Some(format!(
                "leader:set-bucket-family-metadata -f {family} -i {}",
                file_of(*family)
            )),
            Self::Distribute { bucket, on } => {
                let mode = if *on { "on" } else { "off" };
                Some(format!("leader:update-bucket-mode -B {bucket} -d {mode}"))
            }
            Self::Accept { bucket, yes } => {
                let word = if *yes { "yes" } else { "no" };
                Some(format!("leader:update-bucket-status -B {bucket} -a {word}"))
            }
            Self::AskOperator { .. } | Self::MoveBags { .. } | Self::Later { .. } => None,
        }
    }

    /// The file that the command reads, and its content.
    #[must_use]
    pub fn file(&self) -> Option<(String, &Value)> {
        match self {
            Self::DescribeFamily { family, metadata } => Some((file_of(*family), metadata)),
            _ => None,
        }
    }

    /// What a person does by hand, where it is no command.
    #[must_use]
    pub fn by_hand(&self) -> Option<String> {
        match self {
            Self::AskOperator { operator, please } => Some(format!("Ask {}: {please}", whom(*operator))),
            Self::MoveBags { from, to, bags } => {
                let bags = bags.map_or_else(|| "the bags".to_owned(), |bags| format!("the {bags} bags"));
                Some(format!(
                    "Reassign {bags} of bucket {from} to {to} one by one: add {to} to a bag, see that its node serves an object of \
                     it, and only then take {from} from it."
                ))
            }
            Self::Later { what } => Some(what.clone()),
            Self::DescribeFamily { .. } | Self::Distribute { .. } | Self::Accept { .. } => None,
        }
    }

    /// Where it stands among others: what adds comes before what takes away.
    fn phase(&self) -> u8 {
        match self {
            Self::AskOperator { .. } => 0,
            Self::DescribeFamily { .. } => 1,
            Self::Distribute { on: true, .. } => 2,
            Self::Accept { yes: true, .. } => 3,
            Self::Accept { yes: false, .. } => 4,
            Self::MoveBags { .. } => 5,
            Self::Distribute { on: false, .. } => 6,
            Self::Later { .. } => 7,
        }
    }
}

fn file_of(family: u32) -> String {
    format!("family-{family}.json")
}

fn whom(operator: OperatorId) -> String {
    match operator.worker {
        Some(worker) => format!("worker {worker}"),
        None => format!("the operator of bucket {}", operator.bucket),
    }
}

/// Drafts what to do about `findings`. `age_ms`: how old the copy of the chain is, in milliseconds.
#[must_use]
pub fn plan(topology: &Topology, facts: &Facts, findings: &[Finding], age_ms: u64) -> Plan {
    let mut plan = Plan {
        block: topology.block,
        ..Plan::default()
    };
    if age_ms > AGE_MAX_MS {
        plan.withheld = Some(format!(
            "Nothing is drafted: the copy of the chain is {} old, and commands rest on one of at most an hour. Fetch it anew \
             (`isochrone-collector import topology`), then ask again.",
            duration(age_ms)
        ));
        return plan;
    }
    let mut draft = Draft {
        topology,
        facts,
        findings,
        steps: Vec::new(),
    };
    draft.asks();
    metadata::draft(&mut draft);
    moves::draft(&mut draft);
    draft.modes();
    draft.steps.sort_by_key(|step| step.act.phase());
    plan.steps = draft.steps;
    plan
}

/// What is drafted so far.
struct Draft<'a> {
    topology: &'a Topology,
    facts: &'a Facts,
    findings: &'a [Finding],
    steps: Vec<Step>,
}

impl<'a> Draft<'a> {
    fn add(&mut self, act: Act, reason: impl Into<String>, of: Vec<(Rule, Subject)>) {
        match self.steps.iter_mut().find(|step| step.act == act) {
            Some(step) => step.of.extend(of),
            None => self.steps.push(Step {
                act,
                reason: reason.into(),
                of,
            }),
        }
    }

    fn of_rule(&self, rule: Rule) -> impl Iterator<Item = &'a Finding> + use<'a> {
        self.findings.iter().filter(move |finding| finding.rule == rule)
    }

    fn has(&self, rule: Rule, subject: &Subject) -> bool {
        self.of_rule(rule).any(|finding| finding.subject == *subject)
    }

    fn bucket(&self, id: BucketId) -> Option<&'a Bucket> {
        let family = self.topology.family(id.family)?;
        family.buckets.iter().find(|bucket| bucket.id == id)
    }

    /// What only the worker can mend: no lever of the lead's reaches it.
    fn asks(&mut self) {
        for finding in self.findings {
            let of = vec![(finding.rule, finding.subject.clone())];
            match finding.subject {
                Subject::Operator(operator) => {
                    if let Some(please) = please(finding) {
                        self.add(Act::AskOperator { operator, please }, THEIRS, of);
                    }
                }
                Subject::Bucket(id) if finding.rule == Rule::SaidBuckets => {
                    let please = format!(
                        "see why your node does not serve bucket {id}: its configuration names other buckets, or its indexer lags."
                    );
                    for operator in self
                        .bucket(id)
                        .into_iter()
                        .flat_map(|bucket| bucket.active().map(move |one| bucket.operator_id(one)))
                    {
                        let please = please.clone();
                        self.add(Act::AskOperator { operator, please }, THEIRS, of.clone());
                    }
                }
                _ => {}
            }
        }
    }

    fn modes(&mut self) {
        for finding in self.findings {
            let Subject::Bucket(id) = finding.subject else {
                continue;
            };
            let Some(bucket) = self.bucket(id) else {
                continue;
            };
            let of = vec![(finding.rule, finding.subject.clone())];
            match finding.rule {
                Rule::NoActiveOperator | Rule::DistributingDead => {
                    if bucket.accepting {
                        let reason = "So that no further bag is assigned to it.";
                        self.add(
                            Act::Accept {
                                bucket: id,
                                yes: false,
                            },
                            reason,
                            of.clone(),
                        );
                    }
                    let reason = format!(
                        "{} Off takes nothing from anybody: nobody is served there now.",
                        finding.says
                    );
                    self.add(
                        Act::Distribute {
                            bucket: id,
                            on: false,
                        },
                        reason,
                        of,
                    );
                }
                Rule::AcceptingWhileOff if !self.is_turned_on(id) => {
                    self.add(
                        Act::Accept {
                            bucket: id,
                            yes: false,
                        },
                        finding.says.clone(),
                        of,
                    );
                }
                Rule::OffThoughAlive if self.may_turn_on(bucket) => {
                    let reason = format!("{} Leave it if you switched it off on purpose.", finding.says);
                    self.add(Act::Distribute { bucket: id, on: true }, reason, of);
                }
                _ => {}
            }
        }
        self.never_both();
    }

    /// A node that says other buckets than the chain, or that is elsewhere than it claims, is put right first.
    fn may_turn_on(&self, bucket: &Bucket) -> bool {
        let is_doubted = bucket.active().any(|one| {
            let operator = Subject::Operator(bucket.operator_id(one));
            let rules = [
                Rule::Measured,
                Rule::SaidWorker,
                Rule::OutsideAreas,
                Rule::AnotherFamilyNearer,
            ];
            rules.iter().any(|rule| self.has(*rule, &operator))
        });
        !is_doubted && !self.has(Rule::SaidBuckets, &Subject::Bucket(bucket.id)) && bucket.bags != Some(0)
    }

    fn is_turned_on(&self, id: BucketId) -> bool {
        let acts = self.steps.iter().map(|step| &step.act);
        let mut on = acts.filter(|act| matches!(act, Act::Distribute { bucket, on: true } if *bucket == id));
        let bucket = self.bucket(id);
        let will_be = self.has(Rule::OffThoughAlive, &Subject::Bucket(id))
            && bucket.is_some_and(|one| self.may_turn_on(one));
        on.next().is_some() || will_be
    }

    /// A bucket that is turned on or that bags are moved to is not closed in the same plan.
    fn never_both(&mut self) {
        let opened: BTreeSet<BucketId> = self
            .steps
            .iter()
            .filter_map(|step| match step.act {
                Act::Distribute { bucket, on: true } | Act::Accept { bucket, yes: true } => Some(bucket),
                Act::MoveBags { to, .. } => Some(to),
                _ => None,
            })
            .collect();
        self.steps.retain(|step| match step.act {
            Act::Distribute { bucket, on: false } | Act::Accept { bucket, yes: false } => {
                !opened.contains(&bucket)
            }
            _ => true,
        });
    }

    /// Whether a bucket's node is known to live.
    fn lives(&self, bucket: &Bucket) -> bool {
        matches!(standing(bucket, self.facts), Some((Standing::Up, _)))
    }
}

/// Why a worker is asked.
const THEIRS: &str = "Only they can change what their node says.";

/// What a worker is asked for, where only they can mend it.
fn please(finding: &Finding) -> Option<String> {
    let said = |evidence: &str| {
        let sentence = finding
            .evidence
            .iter()
            .find(|sentence| sentence.starts_with(evidence));
        sentence.cloned().unwrap_or_default()
    };
    Some(match finding.rule {
        Rule::NoEndpoint => "set the endpoint of your node (https://HOST/distributor/).".to_owned(),
        Rule::UnreadableEndpoint => format!("correct the endpoint of your node. {}", said("It is written")),
        Rule::PlainHttp => format!(
            "give your node a certificate and an https endpoint. {}",
            said("It is written")
        ),
        Rule::NoSlash => format!(
            "add the slash at the end of your endpoint. {}",
            said("It is written")
        ),
        Rule::DuplicateEndpoint => format!("check the endpoint of your node. {}", said("Both name")),
        Rule::NoPlace => "set the coordinates of your node.".to_owned(),
        Rule::InvalidPlace | Rule::SwappedPlace | Rule::OtherCountry | Rule::OtherCity => {
            format!("correct the coordinates of your node. {}", said("It is written"))
        }
        Rule::Measured => format!(
            "correct the place of your node. {} {}",
            said("Meant to be"),
            said("It probably")
        )
        .trim_end()
        .to_owned(),
        Rule::SaidWorker => "correct the worker's number in your node's configuration.".to_owned(),
        Rule::InvitedLong => "accept the invitation, or say that you do not want it.".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
