//! Real sockets on loopback. Waits are for conditions; a time limit only ends a test that failed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use isochrone_proto::echo::{
    Direction, EchoPacket, KeyEpoch, PACKET_BYTES, PairKey, ResponderSecret, Sealed,
};
use isochrone_proto::ids::{PlanVersion, TargetId};
use isochrone_proto::measurement::Stamp;
use isochrone_proto::plan::{ResponderPlan, TargetAddress};
use isochrone_proto::units::Micros;
use tokio::net::UdpSocket;

use super::prober::{SOCKETS_PER_FAMILY, socket_of};
use super::*;

const ASKER: ProbeId = ProbeId(0xa);
const ANSWERER: ProbeId = ProbeId(0xb);
const SLOT: UnixMillis = UnixMillis(1_800_000_000_000);
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(60);
const SECRET: (KeyEpoch, ResponderSecret) = (KeyEpoch(3), ResponderSecret([9; 32]));

fn loopback() -> AddressPolicy {
    let allow = ["127.0.0.0/8", "::1/128"].map(|prefix| prefix.parse().unwrap());
    AddressPolicy::new(allow.to_vec(), vec![])
}

/// A probe that listens on both families' loopback and answers everybody in `probers`.
fn net(probe: ProbeId, probers: &[ProbeId]) -> EchoNet {
    let listen = vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
    let mut config = EchoConfig::new(probe, listen, loopback());
    config.answer_rate = Rate::new(1_000_000, 1_000_000);
    let net = EchoNet::bind(config).unwrap();
    net.adopt(&plan(&[SECRET], probers));
    net
}

fn plan(secrets: &[(KeyEpoch, ResponderSecret)], probers: &[ProbeId]) -> Plan {
    Plan {
        version: PlanVersion::default(),
        probe: ANSWERER,
        probe_name: "answerer".into(),
        issued: SLOT,
        expires: UnixMillis(1), // long ago: a responder answers all the same
        targets: vec![],
        checks: vec![],
        responder: ResponderPlan {
            secrets: secrets.to_vec(),
            probers: probers.to_vec(),
        },
    }
}

fn key() -> PairKey {
    PairKey::derive(&SECRET.1, ASKER, SECRET.0)
}

/// The peer at `addresses`, as ASKER's plan names it.
fn peer(addresses: &[SocketAddr]) -> Target {
    let v4 = addresses.iter().find_map(|address| match address {
        SocketAddr::V4(v4) => Some(*v4),
        SocketAddr::V6(_) => None,
    });
    let v6 = addresses.iter().find_map(|address| match address {
        SocketAddr::V6(v6) => Some(*v6),
        SocketAddr::V4(_) => None,
    });
    peer_with(v4, v6, key())
}

fn peer_with(v4: Option<SocketAddrV4>, v6: Option<SocketAddrV6>, key: PairKey) -> Target {
    Target {
        id: TargetId::of_peer(ANSWERER),
        name: "answerer".into(),
        address: TargetAddress::Peer {
            probe: ANSWERER,
            v4,
            v6,
            key: Some((SECRET.0, key)),
        },
    }
}

fn rtt(outcome: EchoOutcome) -> Micros {
    match outcome {
        EchoOutcome::Replied { rtt, .. } => rtt,
        other => panic!("no reply: {other:?}"),
    }
}

/// Waits until the counters, added up, satisfy `done`.
async fn counted(net: &EchoNet, done: impl Fn(&EchoCounters) -> bool) -> EchoCounters {
    let mut sum = EchoCounters::default();
    let waiting = async {
        loop {
            let new = net.take_counters();
            sum.late_replies += new.late_replies;
            sum.duplicate_replies += new.duplicate_replies;
            sum.foreign_replies += new.foreign_replies;
            sum.answered += new.answered;
            sum.dropped.malformed += new.dropped.malformed;
            sum.dropped.not_a_request += new.dropped.not_a_request;
            sum.dropped.unknown_prober += new.dropped.unknown_prober;
            sum.dropped.unknown_key_epoch += new.dropped.unknown_key_epoch;
            sum.dropped.rate_limited += new.dropped.rate_limited;
            sum.dropped.wrong_tag += new.dropped.wrong_tag;
            if done(&sum) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let found = tokio::time::timeout(LONG, waiting).await;
    assert!(found.is_ok(), "never counted; so far {sum:?}");
    sum
}

#[tokio::test]
async fn two_probes_echo_each_other_over_both_families() {
    let (asker, answerer) = (net(ASKER, &[ANSWERER]), net(ANSWERER, &[ASKER]));
    let there = peer(answerer.local_addresses());
    let mut back = peer(asker.local_addresses());
    if let TargetAddress::Peer { key, .. } = &mut back.address {
        *key = Some((SECRET.0, PairKey::derive(&SECRET.1, ANSWERER, SECRET.0)));
    }
    for family in [Family::V4, Family::V6] {
        for (from, to) in [(&asker, &there), (&answerer, &back)] {
            let outcome = from.echo(to, family, SLOT, LONG).await;
            let EchoOutcome::Replied {
                rtt, claimed_delay, ..
            } = outcome
            else {
                panic!("{family:?}: {outcome:?}");
            };
            assert!(claimed_delay <= rtt, "{outcome:?}");
        }
    }
    assert_eq!(answerer.take_counters().answered, 2);
    assert_eq!(asker.take_counters().answered, 2);
}

#[tokio::test]
async fn arrivals_are_stamped_by_the_kernel() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ASKER]));
    let target = peer(answerer.local_addresses());
    let mut unstamped = 0;
    // The first replies after stamping was switched on may lack one; it comes within the first hundreds.
    let stamped = async {
        for run in 0u64.. {
            let outcome = asker.echo(&target, Family::V4, UnixMillis(run), LONG).await;
            if let EchoOutcome::Replied {
                stamp: Stamp::Kernel, ..
            } = outcome
            {
                return;
            }
            unstamped += 1;
        }
    };
    tokio::time::timeout(LONG, stamped).await.unwrap();
    assert_eq!(asker.take_counters().user_stamps, unstamped);
}

#[tokio::test]
async fn slots_leave_by_sixteen_sockets_and_the_header_tells_their_ports() {
    let asker = net(ASKER, &[]);
    let ports = asker.source_ports();
    assert_eq!(ports.len(), 2 * SOCKETS_PER_FAMILY);
    let responder = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = peer(&[responder.local_addr().unwrap()]);
    let mut seen = std::collections::HashSet::new();
    for run in 0..200 {
        let slot = UnixMillis(SLOT.0 + run * 10_000);
        let echo = asker.echo(&target, Family::V4, slot, LONG);
        let answer = async {
            let mut bytes = [0; 100];
            let (length, from) = responder.recv_from(&mut bytes).await.unwrap();
            let request = Sealed::parse(&bytes[..length]).unwrap().open(&key()).unwrap();
            let reply = request.reply(0).seal(&key());
            responder.send_to(&reply, from).await.unwrap();
            from.port()
        };
        let (outcome, port) = tokio::join!(echo, answer);
        assert!(matches!(outcome, EchoOutcome::Replied { .. }));
        assert_eq!(port, ports[socket_of(target.id, slot)]);
        seen.insert(port);
    }
    assert_eq!(seen.len(), SOCKETS_PER_FAMILY, "{seen:?}");
}

#[tokio::test]
async fn answer_comes_from_the_address_that_was_asked() {
    let config = EchoConfig::new(ANSWERER, vec![(Ipv4Addr::UNSPECIFIED, 0).into()], loopback());
    let answerer = EchoNet::bind(config).unwrap();
    answerer.adopt(&plan(&[SECRET], &[ASKER]));
    let port = answerer.local_addresses()[0].port();
    let asker = net(ASKER, &[]);
    for last in [1, 2, 77] {
        let address = SocketAddr::from(([127, 0, 0, last], port));
        let outcome = asker.echo(&peer(&[address]), Family::V4, SLOT, LONG).await;
        assert!(
            matches!(outcome, EchoOutcome::Replied { .. }),
            "{address}: {outcome:?}"
        );
    }
    assert_eq!(asker.take_counters().foreign_replies, 0);
}

#[tokio::test]
async fn thousand_echoes_at_once_are_all_answered() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ASKER]));
    let target = peer(answerer.local_addresses());
    let runs = (0..1_000).map(|run| {
        let family = if run % 2 == 0 { Family::V4 } else { Family::V6 };
        asker.echo(&target, family, UnixMillis(SLOT.0 + run), LONG)
    });
    let outcomes = futures_util::future::join_all(runs).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, EchoOutcome::Replied { .. }))
    );
}

#[tokio::test]
async fn responder_of_another_key_is_a_timeout_and_counts_nothing_here() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ASKER]));
    let mut target = peer(answerer.local_addresses());
    if let TargetAddress::Peer { key, .. } = &mut target.address {
        let other = PairKey::derive(&ResponderSecret([1; 32]), ASKER, SECRET.0);
        *key = Some((SECRET.0, other));
    }
    let outcome = asker.echo(&target, Family::V4, SLOT, SHORT).await;
    assert_eq!(outcome, EchoOutcome::TimedOut);
    assert_eq!(asker.take_counters(), EchoCounters::default());
    counted(&answerer, |counters| counters.dropped.wrong_tag == 1).await;
}

#[tokio::test]
async fn prober_outside_the_plan_is_not_answered() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ProbeId(1), ProbeId::COLLECTOR]));
    let target = peer(answerer.local_addresses());
    let outcome = asker.echo(&target, Family::V6, SLOT, SHORT).await;
    assert_eq!(outcome, EchoOutcome::TimedOut);
    counted(&answerer, |counters| counters.dropped.unknown_prober == 1).await;
}

#[tokio::test]
async fn dropped_key_epoch_is_not_answered_and_the_previous_one_is_until_then() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ASKER]));
    let target = peer(answerer.local_addresses());
    let newer = (KeyEpoch(4), ResponderSecret([4; 32]));
    answerer.adopt(&plan(&[newer.clone(), SECRET], &[ASKER]));
    rtt(asker.echo(&target, Family::V4, SLOT, LONG).await);
    answerer.adopt(&plan(&[newer], &[ASKER]));
    let outcome = asker.echo(&target, Family::V4, SLOT, SHORT).await;
    assert_eq!(outcome, EchoOutcome::TimedOut);
    counted(&answerer, |counters| counters.dropped.unknown_key_epoch == 1).await;
}

#[tokio::test]
async fn forbidden_address_stays_unsent_and_no_packet_leaves() {
    let asker = EchoNet::bind(EchoConfig::new(ASKER, vec![], AddressPolicy::default())).unwrap();
    let responder = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = peer(&[responder.local_addr().unwrap()]);
    let outcome = asker.echo(&target, Family::V4, SLOT, LONG).await;
    assert_eq!(outcome, EchoOutcome::Unsent(SendFailure::ForbiddenAddress));
    let asker = EchoNet::bind(EchoConfig::new(ASKER, vec![], loopback())).unwrap();
    let outcome = asker.echo(&target, Family::V4, SLOT, SHORT).await;
    assert_eq!(outcome, EchoOutcome::TimedOut);
    let mut bytes = [0; 100];
    responder.recv_from(&mut bytes).await.unwrap();
    let first = Sealed::parse(&bytes[..PACKET_BYTES])
        .unwrap()
        .open(&key())
        .unwrap();
    assert_eq!(first.sequence, 1, "the refused one was not even numbered");
}

#[tokio::test]
async fn target_without_an_address_of_the_family_stays_unsent() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ASKER]));
    let v4_only = peer(&answerer.local_addresses()[..1]);
    let outcome = asker.echo(&v4_only, Family::V6, SLOT, LONG).await;
    assert_eq!(outcome, EchoOutcome::Unsent(SendFailure::NoRoute));
}

#[tokio::test]
async fn taken_listening_address_is_named_in_the_error() {
    let first = net(ASKER, &[]);
    let address = first.local_addresses()[0];
    let error = EchoNet::bind(EchoConfig::new(ANSWERER, vec![address], loopback())).unwrap_err();
    assert!(matches!(error, BindError::Responder { address: found, .. } if found == address));
    assert!(error.to_string().contains(&address.to_string()));
    assert!(error.to_string().contains("echo_listen"));
}

#[tokio::test]
async fn dropped_net_frees_the_listening_address() {
    let first = net(ANSWERER, &[ASKER]);
    let address = first.local_addresses()[0];
    drop(first);
    let mut again = EchoNet::bind(EchoConfig::new(ANSWERER, vec![address], loopback()));
    for _ in 0..100 {
        if again.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
        again = EchoNet::bind(EchoConfig::new(ANSWERER, vec![address], loopback()));
    }
    let again = again.unwrap();
    assert_eq!(again.local_addresses(), [address]);
}

#[tokio::test]
async fn abandoned_echo_leaves_the_net_working() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ASKER]));
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = peer(&[silent.local_addr().unwrap()]);
    for _ in 0..20 {
        let run = asker.echo(&target, Family::V4, SLOT, LONG);
        let dropped = tokio::time::timeout(Duration::from_millis(1), run).await;
        assert!(dropped.is_err());
    }
    // The replies come after all: authentic, but nobody waits.
    for _ in 0..20 {
        let mut bytes = [0; 100];
        let (length, from) = silent.recv_from(&mut bytes).await.unwrap();
        let request = Sealed::parse(&bytes[..length]).unwrap().open(&key()).unwrap();
        silent
            .send_to(&request.reply(0).seal(&key()), from)
            .await
            .unwrap();
    }
    counted(&asker, |counters| counters.late_replies == 20).await;
    let target = peer(answerer.local_addresses());
    rtt(asker.echo(&target, Family::V4, SLOT, LONG).await);
}

/// Stands between prober and responder and does to each reply what `treat` says, `delay` later.
struct Relay {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Relay {
    async fn start(to: SocketAddr, delay: Duration, copies: usize) -> Self {
        let local: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let front = UdpSocket::bind((local, 0)).await.unwrap();
        let back = UdpSocket::bind((local, 0)).await.unwrap();
        let address = front.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut bytes = [0; 100];
            loop {
                let (length, client) = front.recv_from(&mut bytes).await.unwrap();
                back.send_to(&bytes[..length], to).await.unwrap();
                let length = back.recv(&mut bytes).await.unwrap();
                tokio::time::sleep(delay).await;
                for _ in 0..copies {
                    front.send_to(&bytes[..length], client).await.unwrap();
                }
            }
        });
        Self { address, _task: task }
    }
}

#[tokio::test]
async fn injected_delay_raises_the_rtt_by_as_much_and_not_the_claim() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ASKER]));
    for (place, family) in [(0, Family::V4), (1, Family::V6)] {
        let mut best = [Micros::saturating(LONG); 2];
        let delays = [Duration::ZERO, Duration::from_millis(40)];
        for (best, delay) in best.iter_mut().zip(delays) {
            let relay = Relay::start(answerer.local_addresses()[place], delay, 1).await;
            let target = peer(&[relay.address]);
            for run in 0..5 {
                let outcome = asker.echo(&target, family, UnixMillis(run), LONG).await;
                let EchoOutcome::Replied {
                    rtt, claimed_delay, ..
                } = outcome
                else {
                    panic!("{outcome:?}");
                };
                assert!(u128::from(rtt.get()) >= delay.as_micros());
                assert!(u128::from(rtt.get() - claimed_delay.get()) >= delay.as_micros());
                *best = rtt.min(*best);
            }
        }
        let rise = best[1].get() - best[0].get();
        // Timers are late, never early; the best of five on a busy machine is late by far less than this.
        assert!((35_000..200_000).contains(&rise), "{family:?}: rise of {rise} us");
    }
}

#[tokio::test]
async fn reply_after_the_timeout_is_a_timeout_and_counts_as_late() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ASKER]));
    let relay = Relay::start(answerer.local_addresses()[0], SHORT * 2, 1).await;
    let outcome = asker.echo(&peer(&[relay.address]), Family::V4, SLOT, SHORT).await;
    assert_eq!(outcome, EchoOutcome::TimedOut);
    let counters = counted(&asker, |counters| counters.late_replies == 1).await;
    assert_eq!((counters.duplicate_replies, counters.foreign_replies), (0, 0));
}

#[tokio::test]
async fn second_copies_count_as_duplicates() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ASKER]));
    let relay = Relay::start(answerer.local_addresses()[0], Duration::ZERO, 3).await;
    rtt(asker.echo(&peer(&[relay.address]), Family::V4, SLOT, LONG).await);
    let counters = counted(&asker, |counters| counters.duplicate_replies == 2).await;
    assert_eq!((counters.late_replies, counters.foreign_replies), (0, 0));
}

#[tokio::test]
async fn forged_and_replayed_replies_answer_nothing() {
    let asker = net(ASKER, &[]);
    let responder = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = peer(&[responder.local_addr().unwrap()]);
    let mut bytes = [0; 100];

    let echo = asker.echo(&target, Family::V4, SLOT, LONG);
    let first = async {
        let (length, from) = responder.recv_from(&mut bytes).await.unwrap();
        let request = Sealed::parse(&bytes[..length]).unwrap().open(&key()).unwrap();
        let right = request.reply(10).seal(&key());
        let mut forged = right;
        forged[31] ^= 1; // another claim under the same tag
        responder.send_to(&forged, from).await.unwrap();
        responder.send_to(&bytes[..length], from).await.unwrap(); // a reflector
        responder.send_to(b"hello", from).await.unwrap();
        stranger.send_to(&right, from).await.unwrap(); // from elsewhere
        responder.send_to(&right, from).await.unwrap();
        (right, from)
    };
    let (outcome, (replay, from)) = tokio::join!(echo, first);
    let EchoOutcome::Replied { claimed_delay, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(claimed_delay.get(), 10);
    counted(&asker, |counters| counters.foreign_replies == 4).await;

    // The same slot leaves by the same socket: the old reply comes for the new request.
    let echo = asker.echo(&target, Family::V4, SLOT, SHORT);
    let second = async {
        responder.recv_from(&mut bytes).await.unwrap();
        responder.send_to(&replay, from).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(echo, second);
    assert_eq!(outcome, EchoOutcome::TimedOut);
    counted(&asker, |counters| counters.duplicate_replies == 1).await;
}

#[tokio::test]
async fn claim_above_a_millisecond_is_suspect_and_kept_apart_from_the_raw_rtt() {
    let asker = net(ASKER, &[]);
    let responder = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let target = peer(&[responder.local_addr().unwrap()]);
    for (claim, kept) in [(1_001, 1_001), (50_000_000, 50_000_000), (u32::MAX, 100_000_000)] {
        let echo = asker.echo(&target, Family::V4, SLOT, LONG);
        let answer = async {
            let mut bytes = [0; 100];
            let (length, from) = responder.recv_from(&mut bytes).await.unwrap();
            let request = Sealed::parse(&bytes[..length]).unwrap().open(&key()).unwrap();
            responder
                .send_to(&request.reply(claim).seal(&key()), from)
                .await
                .unwrap();
        };
        let (outcome, ()) = tokio::join!(echo, answer);
        let EchoOutcome::Replied {
            rtt,
            claimed_delay,
            suspect,
            ..
        } = outcome
        else {
            panic!("{outcome:?}");
        };
        assert!(suspect);
        assert_eq!(claimed_delay.get(), kept);
        assert!(
            u128::from(rtt.get()) < LONG.as_micros(),
            "raw: nothing subtracted, nothing added"
        );
    }
}

#[tokio::test]
async fn run_during_a_self_stall_is_suspect() {
    let answerer = net(ANSWERER, &[ASKER]);
    let mut config = EchoConfig::new(ASKER, vec![], loopback());
    let stall = SelfStall::default();
    config.stall = stall.clone();
    let asker = EchoNet::bind(config).unwrap();
    stall.report(LONG, stamp::monotonic_now() + LONG); // ends after the run: it covers it
    let target = peer(answerer.local_addresses());
    let outcome = asker.echo(&target, Family::V4, SLOT, LONG).await;
    assert!(matches!(outcome, EchoOutcome::Replied { suspect: true, .. }));
}

#[tokio::test]
async fn responder_never_sends_more_than_it_got_and_counts_what_it_drops() {
    let answerer = net(ANSWERER, &[ASKER]);
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(answerer.local_addresses()[0]).await.unwrap();
    let request = EchoPacket {
        direction: Direction::Request,
        key_epoch: SECRET.0,
        prober: ASKER,
        nonce: 1,
        sequence: 1,
        claimed_delay_us: 0,
    };
    let right = request.seal(&key());
    let mut long = right.to_vec();
    long.resize(1_400, 0);
    let junk: [&[u8]; 7] = [
        b"",
        b"x",
        &right[..47],
        &long[..49],
        &long[..64],
        &long,
        &request.reply(1).seal(&key()),
    ];
    for bytes in junk {
        client.send(bytes).await.unwrap();
    }
    client.send(&right).await.unwrap();
    let mut answer = [0; 2_000];
    let length = client.recv(&mut answer).await.unwrap(); // the first answer is to the one right request
    assert_eq!(length, right.len());
    let opened = Sealed::parse(&answer[..length]).unwrap().open(&key()).unwrap();
    assert_eq!((opened.direction, opened.nonce), (Direction::Reply, 1));
    let counters = counted(&answerer, |counters| counters.answered == 1).await;
    assert_eq!(
        (counters.dropped.malformed, counters.dropped.not_a_request),
        (6, 1)
    );
    assert_eq!(counters.dropped.total(), 7);
}

#[tokio::test]
async fn prober_faster_than_its_rate_is_dropped_before_its_tag_is_looked_at() {
    let mut config = EchoConfig::new(ANSWERER, vec![(Ipv4Addr::LOCALHOST, 0).into()], loopback());
    config.answer_rate = Rate::new(1, 2);
    let answerer = EchoNet::bind(config).unwrap();
    answerer.adopt(&plan(&[SECRET], &[ASKER]));
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(answerer.local_addresses()[0]).await.unwrap();
    let request = EchoPacket {
        direction: Direction::Request,
        key_epoch: SECRET.0,
        prober: ASKER,
        nonce: 1,
        sequence: 1,
        claimed_delay_us: 0,
    };
    let forged = request.seal(&PairKey::derive(&ResponderSecret([0; 32]), ASKER, SECRET.0));
    for _ in 0..200 {
        client.send(&forged).await.unwrap();
    }
    let counters = counted(&answerer, |counters| counters.dropped.total() == 200).await;
    let dropped = counters.dropped;
    assert!(dropped.wrong_tag >= 2, "{dropped:?}");
    assert!(
        dropped.rate_limited >= 100,
        "two hundred at once took {} s? {dropped:?}",
        dropped.wrong_tag
    );
}

#[tokio::test]
async fn taking_the_counters_leaves_what_the_status_shows() {
    let (asker, answerer) = (net(ASKER, &[]), net(ANSWERER, &[ASKER]));
    let target = peer(answerer.local_addresses());
    for _ in 0..2 {
        rtt(asker.echo(&target, Family::V4, SLOT, LONG).await);
        counted(&answerer, |counters| counters.answered == 1).await;
        assert_eq!(answerer.take_counters(), EchoCounters::default());
    }
    assert_eq!(answerer.counted().answered, 2);
}
