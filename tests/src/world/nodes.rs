//! What the world's nodes and peers answer where a test says so, and how often the nodes were asked.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isochrone_proto::kind::{Check, Family, Kind, Layout};
use isochrone_proto::measurement::{
    CacheState, ConnectOutcome, ConnectPhases, ConnectResult, EchoOutcome, EndpointOutcome, EndpointResult,
    FailureCause, Outcome, Phase, Phases, SendFailure, Stamp,
};
use isochrone_proto::plan::{PlannedCheck, Target, TargetAddress};
use isochrone_proto::units::{Micros, UnixMillis};

/// A connection that stands at once, as far as people can tell.
const CONNECTS_US: u64 = 40_000;

/// One run, as it leaves a machine.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Place of the machine in the world.
    pub machine: usize,
    /// Name of the node, or of the probe that is the peer.
    pub target: &'a str,
    /// What is asked.
    pub kind: Kind,
    /// When it was planned.
    pub slot: UnixMillis,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// What it should.
    Well,
    /// Nobody listens.
    Refused,
    /// Nothing, until the timeout.
    Silent,
    /// The run fails so, at once.
    Failed(Phase, FailureCause, &'static str),
    /// An error page with this status.
    Error(u16, &'static str),
    /// 200 with so many bytes, and this said of the cache.
    Body(u32, CacheState),
    /// The run does not leave the machine.
    Unsent(SendFailure),
}

type Rule = Box<dyn Fn(&Call<'_>) -> Answer + Send>;

/// The nodes. Clones are the same nodes.
#[derive(Clone, Default)]
pub struct Nodes(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    rule: Option<Rule>,
    calls: BTreeMap<(String, Check), Vec<UnixMillis>>,
}

impl Nodes {
    /// From now on, runs end as `rule` says.
    pub fn answer(&self, rule: impl Fn(&Call<'_>) -> Answer + Send + 'static) {
        self.with(|inner| inner.rule = Some(Box::new(rule)));
    }

    /// Whether a test ever said how runs end.
    #[must_use]
    pub fn are_told(&self) -> bool {
        self.with(|inner| inner.rule.is_some())
    }

    /// How many calls of these checks a node got from an instant inclusive until another exclusive.
    #[must_use]
    pub fn calls(&self, node: &str, checks: &[Check], (from, until): (UnixMillis, UnixMillis)) -> usize {
        let is_in = |at: &&UnixMillis| from <= **at && **at < until;
        self.with(|inner| {
            let of = |check: &Check| inner.calls.get(&(node.to_owned(), *check));
            let times = checks.iter().filter_map(of);
            times.map(|times| times.iter().filter(is_in).count()).sum()
        })
    }

    /// Carries out a run from a machine.
    pub async fn run(
        &self,
        machine: usize,
        check: PlannedCheck,
        target: &Target,
        slot: UnixMillis,
    ) -> Outcome {
        let call = Call {
            machine,
            target: &target.name,
            kind: check.kind,
            slot,
        };
        let answer = self.with(|inner| {
            let calls = inner.calls.entry((target.name.clone(), check.kind.check));
            calls.or_default().push(slot);
            inner.rule.as_ref().map_or(Answer::Well, |rule| rule(&call))
        });
        let takes = match answer {
            Answer::Silent => Duration::from_millis(u64::from(check.schedule.timeout_ms())),
            _ => Duration::from_micros(CONNECTS_US),
        };
        tokio::time::sleep(takes).await;
        outcome(&answer, check.kind, address(target, check.kind.family))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Every node has an address of each family; a name such as `198-51-0-1.example.org` leads to them.
fn address(target: &Target, family: Family) -> Option<IpAddr> {
    let TargetAddress::Endpoint { url, .. } = &target.address else {
        return None;
    };
    let host = url.split('/').nth(2)?.split(':').next()?;
    let named = host
        .strip_suffix(".example.org")
        .map(|name| name.replace('-', "."));
    let host = named.as_deref().unwrap_or(host);
    let IpAddr::V4(v4) = host.parse().ok()? else {
        return None;
    };
    let [a, b, c, d] = v4.octets().map(u16::from);
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, a << 8 | b, c, 0, 0, 0, d);
    Some(if family == Family::V4 {
        v4.into()
    } else {
        v6.into()
    })
}

fn outcome(answer: &Answer, kind: Kind, address: Option<IpAddr>) -> Outcome {
    let (phase, cause, text) = match answer {
        Answer::Unsent(cause) => return Outcome::unsent(kind.check, *cause),
        Answer::Well | Answer::Error(..) | Answer::Body(..) if kind.check.layout() != Layout::Endpoint => {
            return connected(kind.check, address);
        }
        Answer::Well => return answered((kind.check, 64), usual_cache(kind.check), address),
        Answer::Body(bytes, cache) => return answered((kind.check, *bytes), *cache, address),
        Answer::Error(404, text) => (Phase::FirstByte, FailureCause::NotFound, *text),
        Answer::Error(_, text) => (Phase::FirstByte, FailureCause::BadStatus, *text),
        Answer::Refused => (Phase::Connect, FailureCause::Refused, "connection refused"),
        Answer::Silent => (Phase::Connect, FailureCause::Timeout, "no answer"),
        Answer::Failed(phase, cause, text) => (*phase, *cause, *text),
    };
    let mut outcome = Outcome::failed(kind.check, phase, cause, text.to_owned());
    match &mut outcome {
        Outcome::Echo(_) => {}
        Outcome::Connect(of) => of.address = address,
        Outcome::Endpoint(of) => {
            of.address = address;
            if let Answer::Error(status, _) = answer {
                of.http_status = Some(*status);
            }
        }
    }
    outcome
}

fn usual_cache(check: Check) -> CacheState {
    if check.is_asset() {
        CacheState::Hit
    } else {
        CacheState::Absent
    }
}

fn connected(check: Check, address: Option<IpAddr>) -> Outcome {
    match check.layout() {
        Layout::Echo => Outcome::Echo(EchoOutcome::Replied {
            rtt: micros(CONNECTS_US),
            claimed_delay: Micros::default(),
            stamp: Stamp::Kernel,
            suspect: false,
        }),
        Layout::Endpoint | Layout::Connect => Outcome::Connect(Box::new(ConnectOutcome {
            address,
            certificate_expires: None,
            result: ConnectResult::Connected(ConnectPhases {
                connect: micros(CONNECTS_US),
                ..ConnectPhases::default()
            }),
        })),
    }
}

fn answered((_, body_bytes): (Check, u32), cache: CacheState, address: Option<IpAddr>) -> Outcome {
    Outcome::Endpoint(Box::new(EndpointOutcome {
        address,
        http_status: Some(200),
        cache,
        certificate_expires: None,
        result: EndpointResult::Ok {
            phases: Phases {
                connect: micros(CONNECTS_US),
                ..Phases::default()
            },
            body_bytes,
            node_uptime_s: None,
            node_version: String::new(),
        },
    }))
}

fn micros(us: u64) -> Micros {
    Micros::new(us).expect("less than a hundred seconds")
}
