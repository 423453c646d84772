//! A prober that measures nothing: its outcomes come from a seed, at once or after a virtual round trip, and
//! every run that ends goes into the record.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isochrone_probe::prober::{EchoPorts, Prober, ProberCounters};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Layout};
use isochrone_proto::measurement::{
    CacheState, ConnectOutcome, ConnectPhases, ConnectResult, EchoOutcome, EndpointOutcome, EndpointResult,
    FailureCause, Outcome, Phase, Phases, SendFailure, Stamp as Stamped,
};
use isochrone_proto::plan::{Plan, PlannedCheck, ResponderPlan, Target};
use isochrone_proto::units::{Micros, UnixMillis};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::nodes::Nodes;
use super::record::{Record, Run, Stamp};

/// Port of every simulated responder.
pub const ECHO_PORT: u16 = 7_472;

/// The simulated prober of one process.
pub struct SimulatedProber {
    probe: ProbeId,
    record: Record,
    nodes: Nodes,
    /// Place of its machine in the world.
    machine: usize,
    random: Mutex<StdRng>,
    responder: Mutex<ResponderPlan>,
}

/// What becomes of a run.
enum Fate {
    Success { after: Duration },
    Failure,
    Refused,
    Unsent,
}

impl SimulatedProber {
    /// A prober of `probe` whose outcomes come from `seed`, unless a test says what the nodes answer.
    #[must_use]
    pub fn new(probe: ProbeId, record: Record, (nodes, machine): (Nodes, usize), seed: u64) -> Self {
        Self {
            probe,
            record,
            nodes,
            machine,
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            responder: Mutex::default(),
        }
    }

    /// Whom this probe's responder answers now.
    #[must_use]
    pub fn answers(&self) -> Vec<ProbeId> {
        let responder = self.responder.lock().unwrap_or_else(PoisonError::into_inner);
        responder.probers.clone()
    }

    fn fate(&self) -> Fate {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let most = if self.record.is_calm() { 94 } else { 100 };
        match random.random_range(0..most) {
            0..40 => Fate::Success {
                after: Duration::ZERO,
            },
            40..94 => Fate::Success {
                after: Duration::from_micros(random.random_range(200..400_000)),
            },
            94..98 => Fate::Failure,
            _ => Fate::Unsent,
        }
    }
}

impl Prober for SimulatedProber {
    async fn run(&self, check: PlannedCheck, target: Arc<Target>, slot: UnixMillis) -> Outcome {
        if self.nodes.are_told() {
            return self.nodes.run(self.machine, check, &target, slot).await;
        }
        let is_dead = self.record.is_dead(target.id);
        let fate = if is_dead { Fate::Refused } else { self.fate() };
        let stamp = match fate {
            Fate::Success { after } => {
                tokio::time::sleep(after).await;
                Stamp::Number(self.record.number())
            }
            Fate::Failure => {
                let timeout = check.schedule.timeout_ms();
                tokio::time::sleep(Duration::from_millis(u64::from(timeout))).await;
                Stamp::Failed
            }
            Fate::Refused => Stamp::Failed,
            Fate::Unsent => Stamp::Unsent,
        };
        let run = Run {
            probe: self.probe,
            kind: check.kind,
            target: target.id,
            slot,
        };
        self.record.ended(run, stamp);
        outcome(check.kind.check, stamp, host_of(target.id))
    }

    fn take_counters(&self) -> ProberCounters {
        ProberCounters::default()
    }

    fn adopt(&self, plan: &Plan) {
        self.record.plan(plan);
        *self.responder.lock().unwrap_or_else(PoisonError::into_inner) = plan.responder.clone();
    }

    fn echo_ports(&self) -> EchoPorts {
        EchoPorts {
            v4: ECHO_PORT,
            v6: ECHO_PORT,
        }
    }

    fn source_ports(&self) -> Vec<u16> {
        vec![40_001, 40_002]
    }
}

/// Each target stands on a host of its own.
fn host_of(target: TargetId) -> IpAddr {
    let [.., a, b, c] = target.0.to_be_bytes();
    IpAddr::from([203, a, b, c])
}

fn outcome(check: Check, stamp: Stamp, host: IpAddr) -> Outcome {
    let number = match stamp {
        Stamp::Number(number) => micros(number),
        Stamp::Failed => {
            return Outcome::failed(check, Phase::Connect, FailureCause::Timeout, "no answer".into());
        }
        Stamp::Unsent => return Outcome::unsent(check, SendFailure::Buffers),
    };
    match check.layout() {
        Layout::Echo => Outcome::Echo(EchoOutcome::Replied {
            rtt: number,
            claimed_delay: Micros::default(),
            stamp: Stamped::Kernel,
            suspect: false,
        }),
        Layout::Endpoint => Outcome::Endpoint(Box::new(EndpointOutcome {
            address: Some(host),
            http_status: Some(200),
            cache: if check.is_asset() {
                CacheState::Hit
            } else {
                CacheState::Absent
            },
            certificate_expires: None,
            result: EndpointResult::Ok {
                phases: Phases {
                    connect: number,
                    ..Phases::default()
                },
                body_bytes: 64,
                node_uptime_s: None,
                node_version: String::new(),
            },
        })),
        Layout::Connect => Outcome::Connect(Box::new(ConnectOutcome {
            address: Some(host),
            certificate_expires: None,
            result: ConnectResult::Connected(ConnectPhases {
                connect: number,
                ..ConnectPhases::default()
            }),
        })),
    }
}

fn micros(number: u32) -> Micros {
    Micros::new(u64::from(number)).expect("a world has far fewer than 100 million runs")
}
