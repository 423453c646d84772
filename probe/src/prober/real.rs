//! The prober that measures: echoes over UDP and checks over TCP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::kind::Layout;
use isochrone_proto::measurement::{FailureCause, Outcome, Phase, SendFailure};
use isochrone_proto::plan::{Plan, PlannedCheck, Target, TargetAddress};
use isochrone_proto::units::UnixMillis;
use tokio::sync::Semaphore;

use super::{EchoPorts, Prober, ProberCounters};
use crate::address_policy::AddressPolicy;
use crate::connect::{ConnectRequest, connect};
use crate::echo::{EchoCounters, EchoNet};
use crate::http::{CheckRequest, EndpointProber};
use crate::reach::Reach;

/// Endpoint checks under way at once: each takes a descriptor and some memory.
const ENDPOINT_CHECKS_MAX: usize = 256;

/// Echoes and endpoint checks with real sockets.
pub(crate) struct RealProber {
    echo: EchoNet,
    reach: Arc<Reach>,
    requests: EndpointProber,
    policy: AddressPolicy,
    /// None left: the check is unsent for lack of resources; it never waits, which would shift its start.
    checks: Semaphore,
}

/// An endpoint as a plan names it.
#[derive(Clone, Copy)]
struct Endpoint<'t> {
    url: &'t str,
    asset: Option<&'t str>,
}

impl RealProber {
    /// A prober from its two halves, both with clones of `policy`.
    #[must_use]
    pub(crate) fn new(echo: EchoNet, reach: Reach, policy: AddressPolicy) -> Self {
        let reach = Arc::new(reach);
        Self {
            echo,
            requests: EndpointProber::new(Arc::clone(&reach)),
            reach,
            policy,
            checks: Semaphore::new(ENDPOINT_CHECKS_MAX),
        }
    }

    async fn endpoint(&self, planned: PlannedCheck, endpoint: Endpoint<'_>) -> Outcome {
        let Endpoint { url, asset } = endpoint;
        let check = planned.kind.check;
        let Ok(_permit) = self.checks.try_acquire() else {
            return Outcome::unsent(check, SendFailure::Resources);
        };
        match check.layout() {
            Layout::Endpoint => match CheckRequest::planned(planned.kind, url, asset, timeout_of(planned)) {
                Ok(request) => Outcome::Endpoint(Box::new(self.requests.check(&request).await.to_outcome())),
                Err(error) => unusable(planned, &error),
            },
            Layout::Connect => match ConnectRequest::planned(planned.kind.family, url, timeout_of(planned)) {
                Ok(request) => Outcome::Connect(Box::new(connect(&self.reach, &request).await.to_outcome())),
                Err(error) => unusable(planned, &error),
            },
            Layout::Echo => Outcome::unsent(check, SendFailure::NoRoute), // a checked plan never asks it
        }
    }
}

impl Prober for RealProber {
    async fn run(&self, check: PlannedCheck, target: Arc<Target>, slot: UnixMillis) -> Outcome {
        match &target.address {
            TargetAddress::Endpoint { url, asset } => {
                let asset = asset.as_deref();
                self.endpoint(check, Endpoint { url, asset }).await
            }
            TargetAddress::Peer { .. } => match check.kind.check.layout() {
                Layout::Echo => {
                    let echo = self
                        .echo
                        .echo(&target, check.kind.family, slot, timeout_of(check));
                    Outcome::Echo(echo.await)
                }
                // a checked plan never asks it
                Layout::Endpoint | Layout::Connect => Outcome::unsent(check.kind.check, SendFailure::NoRoute),
            },
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

fn timeout_of(check: PlannedCheck) -> Duration {
    Duration::from_millis(u64::from(check.schedule.timeout_ms()))
}

/// The plan's texts name nothing that can be measured.
fn unusable(planned: PlannedCheck, error: &dyn std::error::Error) -> Outcome {
    let text = crate::error_text::chain(error).chars().take(200).collect();
    Outcome::failed(planned.kind.check, Phase::Resolve, FailureCause::NoAddress, text)
}

#[cfg(test)]
mod tests;
