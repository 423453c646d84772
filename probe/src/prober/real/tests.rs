//! Planned checks over loopback, from the plan to a batch and back.

use std::net::Ipv4Addr;

use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::ledger::Adoption;
use isochrone_proto::measurement::{ConnectResult, Measurement};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::Micros;
use tokio::net::TcpListener;

use super::*;
use crate::echo::EchoConfig;
use crate::reach::TlsRoots;

const SLOT: UnixMillis = UnixMillis(1_790_000_000_000);

fn prober() -> RealProber {
    let policy = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()], vec![]);
    let listen = vec![(Ipv4Addr::LOCALHOST, 0).into()];
    let echo = EchoNet::bind(EchoConfig::new(ProbeId(1), listen, policy.clone())).unwrap();
    let roots = TlsRoots::only(vec![]).unwrap();
    let reach = Reach::new(policy.clone(), roots, crate::clock::monotonic);
    RealProber::new(echo, reach, policy)
}

fn planned(check: Check) -> PlannedCheck {
    PlannedCheck {
        kind: Kind::new(check, Family::V4),
        target: 0,
        schedule: Schedule::new(10_000, 0, check.timeout_ms()).unwrap(),
    }
}

fn node(url: String) -> Arc<Target> {
    Arc::new(Target {
        id: TargetId::of_node("tokyo"),
        name: "tokyo".into(),
        address: TargetAddress::Endpoint { url, asset: None },
    })
}

fn header() -> BatchHeader {
    let version = PlanVersion::default();
    BatchHeader {
        epoch: EpochId([1; 16]),
        sequence: Sequence(1),
        previous: Digest::ZERO,
        adopted: Adoption {
            version,
            first_slot: SLOT,
        },
        plan: version,
        cut: SLOT,
        hours: vec![],
        skipped: vec![],
        events: vec![],
        source_ports: vec![],
    }
}

#[tokio::test]
async fn planned_connection_is_measured_and_travels_in_a_batch() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let outcome = prober()
        .run(planned(Check::Connect), node(format!("http://{address}/")), SLOT)
        .await;
    let Outcome::Connect(connected) = &outcome else {
        panic!("{outcome:?}");
    };
    let ConnectResult::Connected(phases) = connected.result else {
        panic!("{outcome:?}");
    };
    assert!(phases.connect.get() > 0 && connected.address == Some(address.ip()));
    let row = Measurement {
        check: 0,
        slot: SLOT,
        lateness: Micros::default(),
        outcome,
    };
    let batch = Batch::pack(header(), std::slice::from_ref(&row)).unwrap();
    let read = codec::decode_batch(&codec::encode_batch(&batch)).unwrap();
    assert_eq!(read.measurements().collect::<Vec<_>>(), [row]);
}

#[tokio::test]
async fn planned_url_that_cannot_be_measured_fails_in_the_outcome_of_its_kind() {
    let prober = prober();
    for check in [Check::Http, Check::Status, Check::AssetGet, Check::Connect] {
        let outcome = prober.run(planned(check), node("ftp://h/".into()), SLOT).await;
        assert_eq!(outcome.layout(), check.layout());
        let text = match &outcome {
            Outcome::Endpoint(outcome) => format!("{:?}", outcome.result),
            Outcome::Connect(outcome) => format!("{:?}", outcome.result),
            Outcome::Echo(outcome) => format!("{outcome:?}"),
        };
        assert!(text.contains("only http and https"), "{text}");
    }
}
