//! What a probe must measure, as the collector signs and pushes it.

mod layout;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};

use serde::{Deserialize, Serialize};

pub(crate) use self::layout::PlanSections;
use crate::echo::{KeyEpoch, PairKey, ResponderSecret};
use crate::ids::{PlanVersion, ProbeId, TargetId};
use crate::kind::{Family, Kind, TargetKind, UnknownKind};
use crate::limits::{
    ENDPOINT_RATE_MAX, HOST_RATE_MAX, PLAN_CHECKS_MAX, PROBERS_MAX, SECRETS_MAX, TEXT_BYTES_MAX,
};
use crate::schedule::Schedule;
use crate::units::UnixMillis;

/// One probe's whole task. Holds keys: kept in a file of mode 0600, never shown, never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Plan {
    /// Later plans have higher versions.
    pub version: PlanVersion,
    /// The probe this plan is for; another probe refuses it.
    pub probe: ProbeId,
    /// That probe's name.
    pub probe_name: String,
    /// When the collector made it.
    pub issued: UnixMillis,
    /// From here on the probe measures nothing and only answers echoes.
    pub expires: UnixMillis,
    /// What is measured.
    pub targets: Vec<Target>,
    /// How and when; a batch names a check by its place in this list.
    pub checks: Vec<PlannedCheck>,
    /// Whom this probe's echo responder answers.
    pub responder: ResponderPlan,
}

/// A thing that is measured.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Stable over plans.
    pub id: TargetId,
    /// The peer's or node's unique name.
    pub name: String,
    /// Where and how it is reached.
    pub address: TargetAddress,
}

/// Where a target is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetAddress {
    /// Another probe's echo responder, at addresses that answered the collector's own echo.
    Peer {
        /// The peer.
        probe: ProbeId,
        /// Its responder over IPv4.
        v4: Option<SocketAddrV4>,
        /// Its responder over IPv6.
        v6: Option<SocketAddrV6>,
        /// Proves to the responder that this prober is planned, and which of its secrets made that. `None`
        /// while no secret is known to have reached the responder: the slots are skipped, never lost.
        key: Option<(KeyEpoch, PairKey)>,
    },
    /// A node's public endpoint.
    Endpoint {
        /// Base URL (Argus) or full URL (http).
        url: String,
        /// The object that asset checks fetch.
        asset: Option<String>,
    },
}

/// One line of the plan: a kind of check of a target on a time grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedCheck {
    /// What is done.
    pub kind: Kind,
    /// Index in [`Plan::targets`].
    pub target: u16,
    /// When.
    pub schedule: Schedule,
}

/// Whom a responder answers.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponderPlan {
    /// The secrets in force, the newest first; at most two, for the previous one stays valid.
    pub secrets: Vec<(KeyEpoch, ResponderSecret)>,
    /// The planned probers, at most `PROBERS_MAX`; [`ProbeId::COLLECTOR`] stands for the collector's own
    /// echo.
    pub probers: Vec<ProbeId>,
}

impl Plan {
    /// The target of check `index`, if the plan has such a check.
    #[must_use]
    pub fn target_of(&self, index: u16) -> Option<(&PlannedCheck, &Target)> {
        let check = self.checks.get(usize::from(index))?;
        self.targets
            .get(usize::from(check.target))
            .map(|target| (check, target))
    }

    /// How many slots all checks have in `[from, until)`, the plan's expiry being their end.
    #[must_use]
    pub fn count_slots(&self, from: UnixMillis, until: UnixMillis) -> u64 {
        let until = until.min(self.expires);
        self.checks
            .iter()
            .map(|check| check.schedule.count(from, until))
            .sum()
    }

    /// Checks what the types cannot: indices, sizes, floors, rates, and that nothing is there twice.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.checks.len() > PLAN_CHECKS_MAX || self.targets.len() > PLAN_CHECKS_MAX {
            return Err(PlanError::TooLarge {
                checks: self.checks.len(),
                targets: self.targets.len(),
            });
        }
        if self.responder.secrets.len() > SECRETS_MAX {
            return Err(PlanError::Secrets);
        }
        if self.responder.probers.len() > PROBERS_MAX {
            return Err(PlanError::Probers {
                probers: self.responder.probers.len(),
            });
        }
        if self.probe_name.len() > TEXT_BYTES_MAX {
            return Err(PlanError::ProbeName);
        }
        let mut ids = BTreeSet::new();
        for target in &self.targets {
            target.check_texts()?;
            if !ids.insert(target.id) {
                return Err(PlanError::SameTarget { target: target.id });
            }
        }
        let mut seen = BTreeSet::new();
        for (index, check) in self.checks.iter().enumerate() {
            let target = self.check_line(index, check)?;
            if !seen.insert((check.target, check.kind)) {
                return Err(PlanError::SameCheck {
                    kind: check.kind,
                    target: target.name.clone(),
                });
            }
        }
        self.check_rates()
    }

    /// One line by itself; gives its target.
    fn check_line(&self, index: usize, check: &PlannedCheck) -> Result<&Target, PlanError> {
        let Some(target) = self.targets.get(usize::from(check.target)) else {
            return Err(PlanError::NoSuchTarget {
                check: index,
                target: check.target,
            });
        };
        if !check.schedule.respects_floor(check.kind.check) {
            return Err(PlanError::BelowFloor {
                kind: check.kind,
                target: target.name.clone(),
            });
        }
        let fits = match (&target.address, check.kind.check.facts().target) {
            (TargetAddress::Peer { v4, v6, .. }, TargetKind::Peer) => match check.kind.family {
                Family::V4 => v4.is_some(),
                Family::V6 => v6.is_some(),
            },
            (TargetAddress::Endpoint { .. }, TargetKind::Endpoint) => true,
            (TargetAddress::Endpoint { asset, .. }, TargetKind::Asset) => asset.is_some(),
            (TargetAddress::Peer { .. }, TargetKind::Endpoint | TargetKind::Asset)
            | (TargetAddress::Endpoint { .. }, TargetKind::Peer) => false,
        };
        if fits {
            Ok(target)
        } else {
            Err(PlanError::KindMismatch {
                kind: check.kind,
                target: target.name.clone(),
            })
        }
    }

    /// The endpoint checks' rates, by host and all together, in millionths of a check a second. Loopback has
    /// no ceiling of its own: only the probe's local file opens it.
    fn check_rates(&self) -> Result<(), PlanError> {
        const MILLIONTHS: u64 = 1_000_000;
        let (mut hosts, mut all) = (BTreeMap::<String, u64>::new(), 0);
        for check in &self.checks {
            let target = self.targets.get(usize::from(check.target));
            let Some(TargetAddress::Endpoint { url, .. }) = target.map(|target| &target.address) else {
                continue;
            };
            let rate = 1_000 * MILLIONTHS / u64::from(check.schedule.interval_ms());
            all += rate;
            let host = host_of(url);
            if !is_loopback(&host) {
                *hosts.entry(host).or_default() += rate;
            }
        }
        if all > ENDPOINT_RATE_MAX * MILLIONTHS {
            return Err(PlanError::Rate {
                asked: all.div_ceil(MILLIONTHS),
            });
        }
        match hosts
            .into_iter()
            .find(|(_, rate)| *rate > HOST_RATE_MAX * MILLIONTHS)
        {
            Some((host, rate)) => Err(PlanError::HostRate {
                host,
                asked: rate.div_ceil(MILLIONTHS),
            }),
            None => Ok(()),
        }
    }
}

impl Target {
    /// Whether it is a place that might get a node: measured now and then, and in no verdict.
    #[must_use]
    pub fn is_candidate(&self) -> bool {
        self.id == TargetId::of_candidate(&self.name)
    }

    fn check_texts(&self) -> Result<(), PlanError> {
        let url_bytes = match &self.address {
            TargetAddress::Endpoint { url, asset } => url.len().max(asset.as_ref().map_or(0, String::len)),
            TargetAddress::Peer { .. } => 0,
        };
        if self.name.len() > TEXT_BYTES_MAX || url_bytes > TEXT_BYTES_MAX {
            return Err(PlanError::Text { target: self.id });
        }
        Ok(())
    }
}

/// The host that a URL names, in lower case, without its port; what is no URL counts as a host of its own.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let end = match host.find(']') {
        Some(bracket) => bracket + 1, // an IPv6 address: its colons separate no port
        None => host.find(':').unwrap_or(host.len()),
    };
    host[..end].trim_end_matches('.').to_ascii_lowercase()
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan")
            .field("version", &self.version)
            .field("probe", &self.probe)
            .field("targets", &self.targets.len())
            .field("checks", &self.checks.len())
            .finish_non_exhaustive() // keys stay out of logs
    }
}

impl std::fmt::Debug for ResponderPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponderPlan")
            .field("probers", &self.probers.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A plan as it travels and is kept: its encoded bytes and the authority's Ed25519 signature over
/// `SignedPlan::CONTEXT` followed by them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPlan {
    /// The encoded [`Plan`] ([`crate::codec::encode_plan`]).
    #[serde(with = "serde_bytes")]
    pub plan: Vec<u8>,
    /// Ed25519, 64 bytes.
    #[serde(with = "serde_bytes")]
    pub signature: Vec<u8>,
}

impl SignedPlan {
    /// Prefix of what is signed, so that a plan's signature can never pass for another document's.
    pub(crate) const CONTEXT: &'static [u8] = b"isochrone plan 1\0";

    /// The bytes that are signed.
    #[must_use]
    pub fn message(plan: &[u8]) -> Vec<u8> {
        [Self::CONTEXT, plan].concat()
    }
}

/// Why a plan is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More than the wire can name.
    #[error("plan has {checks} checks and {targets} targets; at most 16384 of each")]
    TooLarge {
        /// Checks in the plan.
        checks: usize,
        /// Targets in the plan.
        targets: usize,
    },
    /// A check points past the targets.
    #[error("check {check} names target {target}, which the plan does not have")]
    NoSuchTarget {
        /// Index of the check.
        check: usize,
        /// The index it names.
        target: u16,
    },
    /// A check points past the plan's kinds.
    #[error("check {check} names kind {kind}, which the plan does not have")]
    NoSuchKind {
        /// Index of the check.
        check: usize,
        /// The index it names.
        kind: u8,
    },
    /// A kind of a later release.
    #[error("the plan has a kind of check that this release does not know")]
    UnknownKind(#[from] UnknownKind),
    /// Faster than the compiled-in floor.
    #[error(
        "{kind} of {target} is planned more often than this probe allows (echo 100 ms, endpoint 1 s, throughput 6 h)"
    )]
    BelowFloor {
        /// Of the check that cannot be.
        kind: Kind,
        /// The target's name.
        target: String,
    },
    /// An echo of an endpoint, an asset check without an asset, a family without an address.
    #[error("{kind} cannot be run against {target}: the plan gives it no such address or asset")]
    KindMismatch {
        /// Of the check that cannot be.
        kind: Kind,
        /// The target's name.
        target: String,
    },
    /// A name or URL that is too long.
    #[error("target {target} has a name, URL or asset of more than 512 bytes")]
    Text {
        /// The node or peer that it belongs to.
        target: TargetId,
    },
    /// One target twice: their measurements could not be told apart.
    #[error("target {target} is in the plan twice")]
    SameTarget {
        /// The one that stands there twice.
        target: TargetId,
    },
    /// One check twice: their measurements would have the same id.
    #[error("{kind} of {target} is in the plan twice")]
    SameCheck {
        /// Of the check that cannot be.
        kind: Kind,
        /// The target's name.
        target: String,
    },
    /// More endpoint checks than the compiled-in ceiling of one host.
    #[error(
        "plan asks {host} {asked} times a second; this probe asks one host at most {HOST_RATE_MAX} times a second"
    )]
    HostRate {
        /// Host of the URLs, without a port.
        host: String,
        /// Checks a second, rounded up.
        asked: u64,
    },
    /// More endpoint checks than the compiled-in ceiling of all hosts together.
    #[error(
        "plan has {asked} endpoint checks a second; this probe runs at most {ENDPOINT_RATE_MAX} a second"
    )]
    Rate {
        /// Checks a second, rounded up.
        asked: u64,
    },
    /// More probers than a responder keeps keys and buckets for.
    #[error("plan names {probers} probers to answer; at most 4096")]
    Probers {
        /// How many.
        probers: usize,
    },
    /// The probe's own name is too long.
    #[error("plan is for a probe with a name of more than 512 bytes")]
    ProbeName,
    /// More than the current and the previous secret.
    #[error("plan gives the responder more than two secrets")]
    Secrets,
}
