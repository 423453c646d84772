//! The prober that measures: echoes over UDP and checks over TCP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{
    CacheState, EchoOutcome, EndpointOutcome, EndpointResult, FailureCause, Outcome, Phase, SendFailure,
};
use isochrone_proto::plan::{Plan, PlannedCheck, Target, TargetAddress};
use isochrone_proto::units::UnixMillis;
use tokio::sync::Semaphore;

use super::{EchoPorts, Prober, ProberCounters};
use crate::address_policy::AddressPolicy;
use crate::echo::{EchoCounters, EchoNet};
use crate::http::{CheckRequest, EndpointProber};

/// Endpoint checks under way at once: each takes a descriptor and some memory.
const ENDPOINT_CHECKS_MAX: usize = 256;

/// Echoes and endpoint checks with real sockets.
pub struct RealProber {
    echo: EchoNet,
    endpoint: EndpointProber,
    policy: AddressPolicy,
    /// None left: the check is unsent for lack of resources; it never waits, which would shift its start.
    checks: Semaphore,
}

impl RealProber {
    /// A prober from its two halves, both with clones of `policy`.
    #[must_use]
    pub fn new(echo: EchoNet, endpoint: EndpointProber, policy: AddressPolicy) -> Self {
        Self {
            echo,
            endpoint,
            policy,
            checks: Semaphore::new(ENDPOINT_CHECKS_MAX),
        }
    }

    async fn check(&self, planned: PlannedCheck, target: &Target) -> EndpointOutcome {
        let TargetAddress::Endpoint { url, asset } = &target.address else {
            return without_answer(EndpointResult::Unsent(SendFailure::NoRoute)); // a checked plan never asks it
        };
        let timeout = Duration::from_millis(u64::from(planned.schedule.timeout_ms()));
        let request = match CheckRequest::planned(planned.kind, url, asset.as_deref(), timeout) {
            Ok(request) => request,
            Err(error) => {
                return without_answer(EndpointResult::Failed {
                    phase: Phase::Resolve,
                    cause: FailureCause::NoAddress,
                    text: crate::uplink::chain(&error).chars().take(200).collect(),
                });
            }
        };
        let Ok(_permit) = self.checks.try_acquire() else {
            return without_answer(EndpointResult::Unsent(SendFailure::Resources));
        };
        self.endpoint.check(&request).await.to_outcome()
    }
}

impl Prober for RealProber {
    async fn run(&self, check: PlannedCheck, target: Arc<Target>, slot: UnixMillis) -> Outcome {
        match (check.kind.check, &target.address) {
            (Check::Echo, TargetAddress::Peer { .. }) => {
                let timeout = Duration::from_millis(u64::from(check.schedule.timeout_ms()));
                Outcome::Echo(self.echo.echo(&target, check.kind.family, slot, timeout).await)
            }
            (Check::Echo, TargetAddress::Endpoint { .. }) => {
                Outcome::Echo(EchoOutcome::Unsent(SendFailure::NoRoute)) // a checked plan never asks it
            }
            _ => Outcome::Endpoint(Box::new(self.check(check, &target).await)),
        }
    }

    fn take_counters(&self) -> ProberCounters {
        self.echo.take_counters().into()
    }

    fn echo_counted(&self) -> EchoCounters {
        self.echo.counted()
    }

    fn adopt(&self, plan: &Plan) {
        self.echo.adopt(plan);
    }

    fn observed(&self, own: IpAddr) {
        self.policy.learn_own(own);
    }

    fn echo_ports(&self) -> EchoPorts {
        EchoPorts::of(self.echo.local_addresses())
    }

    fn source_ports(&self) -> Vec<u16> {
        self.echo.source_ports()
    }
}

impl From<EchoCounters> for ProberCounters {
    fn from(counters: EchoCounters) -> Self {
        let most = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            late_replies: most(counters.late_replies),
            duplicate_replies: most(counters.duplicate_replies),
            foreign_datagrams: most(counters.foreign_replies + counters.dropped.total()),
        }
    }
}

fn without_answer(result: EndpointResult) -> EndpointOutcome {
    EndpointOutcome {
        address: String::new(),
        http_status: None,
        cache: CacheState::Absent,
        certificate_expires: None,
        result,
    }
}
