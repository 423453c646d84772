//! What the agent does when one of its tasks fails.

use isochrone_proto::measurement::{EchoOutcome, Outcome};
use isochrone_proto::plan::{Plan, PlannedCheck, Target};
use isochrone_proto::units::UnixMillis;
use rustls::time_provider::DefaultTimeProvider;

use super::*;
use crate::disk::MemoryDisk;
use crate::identity::tests::TestAuthority;
use crate::prober::{EchoPorts, ProberCounters};

/// Gets no answer from anybody.
struct DeafProber;

impl Prober for DeafProber {
    async fn run(&self, _: PlannedCheck, _: Arc<Target>, _: UnixMillis) -> Outcome {
        Outcome::Echo(EchoOutcome::TimedOut)
    }

    fn take_counters(&self) -> ProberCounters {
        ProberCounters::default()
    }

    fn adopt(&self, _: &Plan) {}

    fn echo_ports(&self) -> EchoPorts {
        EchoPorts::default()
    }

    fn source_ports(&self) -> Vec<u16> {
        Vec::new()
    }
}

fn agent(collectors: &[String], endpoint: EndpointFactory) -> Agent<DeafProber> {
    let disk = Arc::new(MemoryDisk::new());
    let identity = TestAuthority::new().identity(collectors);
    identity.save(&*disk).unwrap();
    let parts = Parts {
        clock: Clock::simulated(UnixMillis(1_700_000_000_000)),
        seed: [7; 32],
        disk,
        endpoint,
        tls_time: Arc::new(DefaultTimeProvider),
        prober: Arc::new(DeafProber),
        stall: SelfStall::default(),
        known: isochrone_proto::known::Known::of_this_build(),
        settings: Settings::default(),
    };
    Agent::open(parts).unwrap()
}

#[tokio::test(start_paused = true)]
async fn uplink_that_fails_ends_the_probe() {
    let panics: EndpointFactory = Arc::new(|_| panic!("as the test wants"));
    let agent = agent(&["192.0.2.1:7470".into()], panics);
    let ended = agent.serve(CancellationToken::new()).await;
    let error = ended.expect_err("a probe that cannot send must not go on unnoticed");
    assert!(matches!(error, AgentError::Task { task: "uplink" }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn probe_that_knows_no_collector_ends() {
    let unused: EndpointFactory = Arc::new(|_| Err(io::ErrorKind::Unsupported.into()));
    let ended = agent(&[], unused).serve(CancellationToken::new()).await;
    assert!(matches!(ended, Err(AgentError::Task { task: "uplink" })));
}

#[tokio::test(start_paused = true)]
async fn stop_while_the_collector_is_away_ends_well() {
    let refuses: EndpointFactory = Arc::new(|_| Err(io::ErrorKind::Unsupported.into()));
    let (stop, agent) = (
        CancellationToken::new(),
        agent(&["192.0.2.1:7470".into()], refuses),
    );
    let (later, mut stopping) = (stop.clone(), JoinSet::new());
    stopping.spawn(async move {
        tokio::time::sleep(std::time::Duration::from_secs(90)).await;
        later.cancel();
    });
    agent.serve(stop).await.unwrap();
}
