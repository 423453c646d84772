mod candidates;
mod load;
mod mesh;

use std::collections::BTreeSet;
use std::path::Path;

use isochrone_proto::echo::{KeyEpoch, PairKey, ResponderSecret};
use isochrone_proto::ids::PlanVersion;
use isochrone_proto::kind::{Check, Family};
use isochrone_proto::plan::{Plan, PlannedCheck};
use isochrone_proto::units::UnixMillis;

use super::mesh::FULL_MESH_MAX;
use super::rate::{HOST_RATE_MAX, PEER_PREFIX_RATE_MAX, PEER_RATE_MAX, PREFIX_RATE_MAX};
use super::*;
use crate::pace::{Budget, Pace};
use crate::targets::Targets;

fn participant(number: u64, v6: bool) -> Participant {
    Participant {
        id: ProbeId(number),
        name: format!("p{number}"),
        worker: format!("worker-{number}"),
        country: None,
        network: Some(number as u32),
        secrets: vec![(KeyEpoch(1), ResponderSecret([number as u8; 32]))],
        known_secret: Some(KeyEpoch(1)),
        unread: Vec::new(),
        v4: Some(format!("192.0.2.{}:7472", number % 250 + 1).parse().unwrap()),
        v6: v6.then(|| format!("[2001:db8::{number:x}]:7472").parse().unwrap()),
    }
}

/// Targets and checks move up where something before them is taken out.
#[test]
fn probe_is_given_no_kind_that_it_did_not_announce() {
    let nodes = vec![node("berlin", "192.0.2.80"), node("oslo", "192.0.2.81")];
    let mut input = input(3, nodes);
    let all = drafted(&input);
    assert_eq!(all.limits.withheld, []);
    let echo: Kind = "echo4".parse().unwrap();
    let connect: Kind = "connect4".parse().unwrap();
    input.probes[1].unread = vec![echo, connect];
    let some = drafted(&input);
    let [withheld] = &some.limits.withheld[..] else {
        panic!("{:?}", some.limits);
    };
    assert_eq!(
        (&*withheld.probe, &withheld.kinds[..]),
        ("p2", &[echo, connect][..])
    );
    let named = |draft: &Draft| -> Vec<(String, Kind, Schedule)> {
        let name = |check: &PlannedCheck| draft.targets[usize::from(check.target)].name.clone();
        let checks = draft.checks.iter();
        checks
            .map(|check| (name(check), check.kind, check.schedule))
            .collect()
    };
    for (place, ((_, before), (_, after))) in all.drafts.iter().zip(&some.drafts).enumerate() {
        let mut expected = named(before);
        if place == 1 {
            expected.retain(|(_, kind, _)| *kind != echo && *kind != connect);
            assert!(
                after.targets.len() < before.targets.len(),
                "peers of IPv4 alone are gone"
            );
        }
        assert_eq!(named(after), expected);
        assert!(!after.checks.is_empty());
    }
}

fn node(name: &str, host: &str) -> Node {
    let text = format!(
        "[[node]]\nnode = \"{name}\"\nkind = \"argus\"\nurl = \"http://{host}/\"\nworker = \"w\"\nlatitude = 1.0\nlongitude = 1.0\nasset = \"1\"\n"
    );
    Targets::parse(&text, Path::new("targets.toml"))
        .unwrap()
        .nodes
        .remove(0)
}

fn input(probes: u64, nodes: Vec<Node>) -> PlanInput {
    PlanInput {
        probes: (1..=probes)
            .map(|number| participant(number, number % 2 == 0))
            .collect(),
        nodes,
        candidates: Vec::new(),
        pace: Pace {
            budget: Budget {
                status: 6,
                asset: 12,
                connect: 120,
                throughput: 0,
            },
            ..Pace::default()
        },
        prefixes: HostPrefixes::default(),
        downloads: BTreeSet::new(),
    }
}

fn drafted(input: &PlanInput) -> Drafted {
    input.draft(&Seats::default())
}

fn plan_of(draft: Draft) -> Plan {
    Plan {
        version: PlanVersion::default(),
        probe: ProbeId(1),
        probe_name: String::new(),
        issued: UnixMillis(0),
        expires: UnixMillis(u64::MAX),
        targets: draft.targets,
        checks: draft.checks,
        responder: draft.responder,
    }
}

#[test]
fn full_mesh_measures_every_pair_over_the_families_both_have() {
    let input = input(6, vec![]);
    let drafts = drafted(&input).drafts;
    for (id, draft) in drafts {
        let own_v6 = id.0 % 2 == 0;
        assert_eq!(draft.targets.len(), 5);
        let v6 = draft
            .checks
            .iter()
            .filter(|check| check.kind.family == Family::V6)
            .count();
        assert_eq!(v6, if own_v6 { 2 } else { 0 });
        assert_eq!(draft.checks.len() - v6, 5);
        assert_eq!(plan_of(draft).check(), Ok(()));
    }
}

#[test]
fn peer_without_a_verified_address_is_in_no_plan_but_answers() {
    let mut input = input(3, vec![]);
    input.probes[2].v4 = None;
    let drafts = drafted(&input).drafts;
    assert_eq!(drafts[0].1.targets.len(), 1);
    assert_eq!(drafts[2].1.responder.probers.len(), 3);
    assert!(drafts[2].1.responder.probers.contains(&ProbeId::COLLECTOR));
}

#[test]
fn responder_knows_exactly_its_probers_beyond_the_full_mesh() {
    let input = input(70, vec![]);
    let drafts = drafted(&input).drafts;
    let measures = |a: &Draft, b: ProbeId| a.targets.iter().any(|target| target.id == TargetId::of_peer(b));
    for (id, draft) in &drafts {
        assert!(draft.targets.len() < FULL_MESH_MAX);
        let expected: BTreeSet<ProbeId> = drafts
            .iter()
            .filter(|(_, other)| measures(other, *id))
            .map(|(other, _)| *other)
            .collect();
        let known: BTreeSet<ProbeId> = draft.responder.probers.iter().copied().collect();
        assert_eq!(
            known.difference(&expected).collect::<Vec<_>>(),
            [&ProbeId::COLLECTOR]
        );
        assert!(expected.is_subset(&known));
    }
}

#[test]
fn keys_fit_the_responder_they_are_for() {
    let input = input(2, vec![]);
    let drafts = drafted(&input).drafts;
    let TargetAddress::Peer { key, .. } = &drafts[0].1.targets[0].address else {
        panic!("a peer")
    };
    let expected = PairKey::derive(&ResponderSecret([2; 32]), ProbeId(1), KeyEpoch(1));
    assert_eq!(*key, Some((KeyEpoch(1), expected)));
}

#[test]
fn key_is_of_the_newest_secret_that_the_responder_is_known_to_have() {
    let key_given = |known_secret: Option<u16>| {
        let mut input = input(2, vec![]);
        let peer = &mut input.probes[1];
        peer.secrets.insert(0, (KeyEpoch(2), ResponderSecret([9; 32])));
        peer.known_secret = known_secret.map(KeyEpoch);
        let drafts = drafted(&input).drafts;
        assert_eq!(drafts[1].1.responder.secrets.len(), 2, "the responder has both");
        let draft = drafts[0].1.clone();
        assert_eq!(draft.checks.len(), 1, "planned in any case");
        let TargetAddress::Peer { key, .. } = draft.targets[0].address.clone() else {
            panic!("a peer")
        };
        assert_eq!(plan_of(draft).check(), Ok(()));
        key
    };
    let of = |epoch: u16, secret: u8| {
        let secret = ResponderSecret([secret; 32]);
        Some((
            KeyEpoch(epoch),
            PairKey::derive(&secret, ProbeId(1), KeyEpoch(epoch)),
        ))
    };
    assert_eq!(
        key_given(Some(1)),
        of(1, 2),
        "it is away since before the rotation"
    );
    assert_eq!(key_given(Some(2)), of(2, 9));
    assert_eq!(
        key_given(None),
        None,
        "nothing is known to have reached it: skipped"
    );
}

#[test]
fn rate_of_a_host_is_held_from_both_sides() {
    let on_one_host = |count: u32| {
        let nodes = (0..count).map(|number| node(&format!("n{number}"), "node.example.org"));
        input(30, nodes.collect())
    };
    let load = on_one_host(1).loads().remove(0);
    let each = (load.status + load.asset + load.connect) / 60.0;
    let fits = (HOST_RATE_MAX / each + 1e-9).floor() as u32;
    assert_eq!(drafted(&on_one_host(fits)).limits.stretches, []);
    let input = on_one_host(fits + 1);
    let stretches = drafted(&input).limits.stretches;
    assert_eq!(stretches.len(), fits as usize + 1);
    assert!(stretches[0].factor > 1.0 && stretches[0].factor < 1.5);
    let loads = input.loads().into_iter();
    let rate: f64 = loads.map(|load| load.status + load.asset + load.connect).sum();
    assert!(
        rate / 60.0 <= HOST_RATE_MAX,
        "what is printed is the stretched load"
    );
}

/// Echoes a second to `peer` over IPv4, from everyone.
fn echo_rate(drafts: &[(ProbeId, Draft)], peer: ProbeId) -> f64 {
    let checks = drafts.iter().flat_map(|(_, draft)| {
        let to_peer = |check: &&PlannedCheck| {
            draft.targets[usize::from(check.target)].id == TargetId::of_peer(peer)
                && check.kind.family == Family::V4
        };
        draft.checks.iter().filter(to_peer)
    });
    checks
        .map(|check| 1_000.0 / f64::from(check.schedule.interval_ms()))
        .sum()
}

#[test]
fn rate_of_a_peer_is_held_from_both_sides() {
    let mesh = |probes: u64| {
        let mut input = input(probes, vec![]);
        input.pace.echo_interval = std::time::Duration::from_millis(100);
        for (probe, number) in input.probes.iter_mut().zip(1..) {
            probe.v4 = Some(format!("198.51.{number}.1:7472").parse().unwrap());
            probe.v6 = None;
        }
        input
    };
    assert_eq!(
        drafted(&mesh(11)).limits.stretches,
        [],
        "ten probes send each peer 100 a second"
    );
    let Drafted { drafts, limits, .. } = drafted(&mesh(50));
    let stretches = limits.stretches;
    assert_eq!(stretches.len(), 50);
    assert!(stretches.iter().all(|stretch| stretch.is_peer));
    let rate = echo_rate(&drafts, ProbeId(1));
    assert!(rate <= PEER_RATE_MAX && rate > PEER_RATE_MAX * 0.99, "{rate}");

    let mut here = mesh(50);
    for probe in &mut here.probes {
        probe.v4 = Some("127.0.0.1:7472".parse().unwrap());
    }
    assert_eq!(drafted(&here).limits.stretches, [], "loopback is exempt");
}

#[test]
fn rate_of_a_prefix_counts_every_peer_in_it() {
    let mut input = input(12, vec![]);
    input.pace.echo_interval = std::time::Duration::from_millis(200);
    for probe in &mut input.probes {
        probe.v6 = None; // all are in 192.0.2.0/24
    }
    let Drafted { drafts, limits, .. } = drafted(&input);
    let stretches = limits.stretches;
    assert_eq!(stretches.len(), 12);
    let rate: f64 = input.probes.iter().map(|peer| echo_rate(&drafts, peer.id)).sum();
    assert!(
        rate <= PEER_PREFIX_RATE_MAX && rate > PEER_PREFIX_RATE_MAX * 0.99,
        "{rate}"
    );
}

#[test]
fn rate_of_a_prefix_counts_every_host_in_it_and_loopback_is_exempt() {
    let hosts = |prefix: &str| {
        (1..=120)
            .map(|n| node(&format!("n{n}"), &format!("{prefix}.{n}")))
            .collect::<Vec<_>>()
    };
    let Drafted { drafts, limits, .. } = drafted(&input(10, hosts("198.51.100")));
    let stretches = limits.stretches;
    assert_eq!(stretches.len(), 120);
    let rate: f64 = drafts
        .iter()
        .flat_map(|(_, draft)| &draft.checks)
        .filter(|check| check.kind.check.is_endpoint())
        .map(|check| 1_000.0 / f64::from(check.schedule.interval_ms()))
        .sum();
    assert!(rate <= PREFIX_RATE_MAX, "{rate}");
    assert!(rate > PREFIX_RATE_MAX * 0.99, "{rate}");
    assert_eq!(drafted(&input(10, hosts("127.0.0"))).limits.stretches, []);
}

#[test]
fn resolved_names_of_one_prefix_share_its_rate() {
    let nodes: Vec<Node> = (1..=120)
        .map(|n| node(&format!("n{n}"), &format!("n{n}.example.org")))
        .collect();
    let mut input = input(10, nodes);
    assert_eq!(drafted(&input).limits.stretches, []);
    for n in 1..=120_u8 {
        input
            .prefixes
            .note(&format!("n{n}.example.org"), IpAddr::from([203, 0, 113, n]));
    }
    assert_eq!(drafted(&input).limits.stretches.len(), 120);
}

use std::net::IpAddr;

#[test]
fn paused_node_is_in_no_plan() {
    let mut paused = node("a", "node.example.org");
    paused.paused = true;
    assert!(drafted(&input(1, vec![paused])).drafts[0].1.checks.is_empty());
}
