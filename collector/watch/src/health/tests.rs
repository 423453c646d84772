use isochrone_base::fixture::{self, DAY0, failed, good, lost, replied, timeout};
use isochrone_base::roster::ProbeEntry;
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{EndpointResult, FailureCause, Outcome, Phase, SendFailure};
use isochrone_proto::plan::Plan;
use proptest::prelude::*;

use super::*;
use crate::incident::Cause;

mod ending;
mod silence;

const STATUS4: Kind = Kind::new(Check::Status, Family::V4);
const STATUS6: Kind = Kind::new(Check::Status, Family::V6);
const GET4: Kind = Kind::new(Check::AssetGet, Family::V4);

/// A mesh on virtual time: one round is ten seconds, in which every check runs once.
struct World {
    live: Live,
    health: Health,
    roster: Roster,
    connected: BTreeSet<ProbeId>,
    plans: BTreeMap<ProbeId, Plan>,
    round: u64,
    told: Vec<Transition>,
}

fn world(probes: &[(&str, &str, Option<u32>)], nodes: &[(&str, &str)]) -> World {
    let probes = probes
        .iter()
        .map(|&(name, worker, network)| fixture::probe(name, worker, network));
    let roster = Roster::new(
        probes,
        nodes.iter().map(|&(name, worker)| fixture::node(name, worker)),
    );
    let plans: BTreeMap<_, _> = roster
        .probes()
        .map(|probe| {
            (
                probe.id,
                fixture::plan(&roster, probe.id, &[STATUS4, STATUS6, GET4]),
            )
        })
        .collect();
    World {
        live: Live::new(),
        health: Health::new(Rules::default(), UnixMillis(DAY0), []),
        connected: plans.keys().copied().collect(),
        roster,
        plans,
        round: 0,
        told: Vec::new(),
    }
}

/// Four probes in four networks; tokyo's worker runs a probe and a node.
fn mesh() -> World {
    world(
        &[
            ("berlin", "ada", Some(1)),
            ("paris", "bob", Some(2)),
            ("oslo", "cyd", Some(3)),
            ("osaka", "ken", Some(4)),
        ],
        &[("tokyo", "ken"), ("lima", "pia"), ("milan", "ugo")],
    )
}

impl World {
    fn slot(&self) -> UnixMillis {
        UnixMillis(DAY0 + self.round * fixture::INTERVAL_MS)
    }

    fn now(&self) -> UnixMillis {
        UnixMillis(self.slot().0 + 6_000)
    }

    fn send(&mut self, from: &str, target: TargetId, kind: Kind, outcome: Outcome) {
        let (slot, now) = (self.slot(), self.now());
        self.send_at(from, (target, kind), outcome, (slot, now));
    }

    fn send_at(
        &mut self,
        from: &str,
        (target, kind): (TargetId, Kind),
        outcome: Outcome,
        (slot, received): (UnixMillis, UnixMillis),
    ) {
        let probe = fixture::probe_id(from);
        let plan = &self.plans[&probe];
        let row = fixture::row(fixture::check(plan, target, kind), slot, outcome);
        self.live
            .apply(probe, plan, &fixture::batch(plan, &[row]), received);
    }

    /// One round: what `outcome` says for (probe, node, kind), good where it says nothing; then the verdict.
    fn play(&mut self, outcome: impl Fn(&str, &str, Kind) -> Option<Outcome>) -> Vec<Transition> {
        self.play_with(|from, to, kind| Some(outcome(from, to, kind).unwrap_or_else(|| usual(kind))))
    }

    /// The same, but `None` says that nothing was measured. Peers are named like nodes.
    fn play_with(&mut self, outcome: impl Fn(&str, &str, Kind) -> Option<Outcome>) -> Vec<Transition> {
        self.round += 1;
        let probes: Vec<ProbeEntry> = self.roster.probes().cloned().collect();
        for probe in &probes {
            let plan = self.plans[&probe.id].clone();
            for index in 0..plan.checks.len() as u16 {
                let (check, target) = plan.target_of(index).unwrap();
                if let Some(outcome) = outcome(&probe.name, &target.name, check.kind) {
                    self.send(&probe.name, target.id, check.kind, outcome);
                }
            }
        }
        self.judge()
    }

    fn judge(&mut self) -> Vec<Transition> {
        let scene = Scene {
            live: &self.live,
            roster: &self.roster,
            connected: &self.connected,
            now: self.now(),
        };
        let judgement = self.health.judge(&scene);
        let transitions = judgement.transitions.clone();
        self.health.adopt(judgement);
        self.told.extend(transitions.clone());
        transitions
    }

    fn state(&self, node: &str, check: IncidentCheck) -> State {
        self.health
            .standing(TargetId::of_node(node), check)
            .unwrap()
            .state
    }

    fn opened(&self) -> Vec<&Incident> {
        let opened = self.told.iter().filter_map(|transition| match transition {
            Transition::Opened(incident) => Some(incident),
            _ => None,
        });
        opened.collect()
    }

    fn ended(&self) -> Vec<&Incident> {
        let ended = self.told.iter().filter_map(|transition| match transition {
            Transition::Ended(incident) => Some(incident),
            _ => None,
        });
        ended.collect()
    }
}

fn usual(kind: Kind) -> Outcome {
    if kind.check.is_endpoint() {
        good(20)
    } else {
        replied(20)
    }
}

/// Status of `node` fails from these probes.
fn down<'a>(node: &'a str, from: &'a [&str]) -> impl Fn(&str, &str, Kind) -> Option<Outcome> + 'a {
    move |probe, to, kind| (to == node && kind.check == Check::Status && from.contains(&probe)).then(timeout)
}

fn fine(_: &str, _: &str, _: Kind) -> Option<Outcome> {
    None
}

/// Connections are kept from the first on; what they say is the next decision's.
#[test]
fn connections_that_fail_everywhere_open_no_incident_and_silence_nobody() {
    let connect4 = Kind::new(Check::Connect, Family::V4);
    let mut world = mesh();
    for probe in world.roster.probes() {
        let plan = fixture::plan(&world.roster, probe.id, &[STATUS4, GET4, connect4]);
        world.plans.insert(probe.id, plan);
    }
    let unreachable = |kind: Kind| (kind == connect4).then(fixture::unconnected);
    for _ in 0..5 {
        assert!(world.play(|_, _, kind| unreachable(kind)).is_empty());
    }
    let cell = world.live.vantage(fixture::probe_id("berlin")).unwrap();
    let cell = cell.cell(TargetId::of_node("tokyo"), connect4).unwrap();
    assert_eq!((cell.runs().failures(), cell.counts()), (5, false));
    assert_eq!(world.state("tokyo", IncidentCheck::Status), State::Up);
    for _ in 0..3 {
        let down = down("tokyo", &["berlin", "paris"]);
        world.play(|probe, node, kind| down(probe, node, kind).or_else(|| unreachable(kind)));
    }
    assert_eq!(world.opened().len(), 1, "failed connections cut nobody's word");
}

#[test]
fn three_failures_from_two_networks_are_an_incident_with_evidence() {
    let mut world = mesh();
    world.play(fine);
    for _ in 0..2 {
        assert!(world.play(down("tokyo", &["berlin", "paris"])).is_empty());
    }
    assert_eq!(world.state("tokyo", IncidentCheck::Status), State::Degraded);
    let transitions = world.play(down("tokyo", &["berlin", "paris"]));
    let [Transition::Opened(incident)] = &transitions[..] else {
        panic!("{transitions:?}");
    };
    assert_eq!(
        (incident.target.as_str(), incident.check),
        ("tokyo", IncidentCheck::Status)
    );
    assert_eq!(
        incident.start,
        UnixMillis(DAY0 + 20_000),
        "slot of the first failure"
    );
    assert_eq!(incident.cause, Cause::Path, "oslo gets through");
    assert_eq!(incident.witnesses(), (2, 2));
    let cell = &incident.evidence[0];
    assert_eq!(
        (cell.phase, cell.failure),
        (Phase::Connect, FailureCause::Timeout)
    );
    assert_eq!(cell.error, "timeout in connect, verbatim");
    assert_eq!((cell.failures, cell.slot), (3, UnixMillis(DAY0 + 40_000)));
    assert_eq!(incident.caveat, None);
    assert_eq!(world.state("tokyo", IncidentCheck::Status), State::Down);
    assert_eq!(world.state("tokyo", IncidentCheck::Asset), State::Up);
    assert_eq!(world.state("lima", IncidentCheck::Status), State::Up);
}

#[test]
fn node_that_nobody_reaches_is_at_fault_itself() {
    let mut world = mesh();
    for _ in 0..3 {
        world.play(down("tokyo", &["berlin", "paris", "oslo", "osaka"]));
    }
    assert_eq!(world.opened()[0].cause, Cause::Node);
    assert_eq!(
        world.opened()[0].witnesses(),
        (3, 3),
        "its own worker's probe is no witness"
    );
}

#[test]
fn recovery_of_one_vantage_after_the_other_does_not_turn_the_blame_to_the_path() {
    let mut world = mesh();
    let all = ["berlin", "paris", "oslo", "osaka"];
    for _ in 0..3 {
        world.play(down("tokyo", &all));
    }
    assert_eq!(world.opened()[0].cause, Cause::Node);
    for still in [&all[1..], &all[2..], &[][..]] {
        for _ in 0..2 {
            world.play(down("tokyo", still));
        }
    }
    let ended = world.ended();
    assert_eq!((ended.len(), ended[0].cause), (1, Cause::Node));
}

#[test]
fn one_network_of_several_is_not_enough() {
    let mut world = world(
        &[("a", "w1", Some(1)), ("b", "w2", Some(1)), ("c", "w3", Some(2))],
        &[("tokyo", "ken"), ("lima", "pia")],
    );
    for _ in 0..6 {
        world.play(down("tokyo", &["a", "b"]));
    }
    assert!(world.opened().is_empty());
    assert_eq!(world.state("tokyo", IncidentCheck::Status), State::Partial);
}

#[test]
fn two_vantages_do_if_the_mesh_has_no_second_network_and_the_incident_says_so() {
    let mut world = world(
        &[("a", "w1", Some(7)), ("b", "w2", Some(7)), ("c", "w3", Some(7))],
        &[("tokyo", "ken"), ("lima", "pia")],
    );
    for _ in 0..3 {
        world.play(down("tokyo", &["a", "b"]));
    }
    let caveat = world.opened()[0].caveat.clone().unwrap();
    assert!(caveat.contains("one network (AS 7)"), "{caveat}");
}

#[test]
fn unknown_networks_count_as_one_together() {
    let mut with_known = world(
        &[("a", "w1", None), ("b", "w2", None), ("c", "w3", Some(2))],
        &[("tokyo", "ken"), ("lima", "pia")],
    );
    for _ in 0..4 {
        with_known.play(down("tokyo", &["a", "b"]));
    }
    assert!(
        with_known.opened().is_empty(),
        "two unknown networks are no two networks"
    );
    for _ in 0..3 {
        with_known.play(down("tokyo", &["a", "c"]));
    }
    assert_eq!(with_known.opened().len(), 1, "an unknown and a known one are two");

    let mut unknown = world(
        &[("a", "w1", None), ("b", "w2", None)],
        &[("tokyo", "ken"), ("lima", "pia")],
    );
    for _ in 0..3 {
        unknown.play(down("tokyo", &["a", "b"]));
    }
    let caveat = unknown.opened()[0].caveat.clone().unwrap();
    assert!(caveat.contains("known network"), "{caveat}");
}

#[test]
fn own_workers_probe_is_no_witness() {
    let mut world = mesh();
    for _ in 0..6 {
        world.play(down("tokyo", &["osaka", "berlin"]));
    }
    assert!(world.opened().is_empty());
    let standing = world
        .health
        .standing(TargetId::of_node("tokyo"), IncidentCheck::Status)
        .unwrap();
    assert_eq!(
        (standing.vantages_total, standing.vantages_ok, standing.networks),
        (3, 2, 3)
    );
}

#[test]
fn status_and_asset_are_verdicts_of_their_own() {
    let mut world = mesh();
    for _ in 0..3 {
        world.play(|probe, to, kind| (to == "tokyo" && kind == GET4 && probe != "osaka").then(timeout));
    }
    assert_eq!(world.opened().len(), 1);
    assert_eq!(world.opened()[0].check, IncidentCheck::Asset);
    assert_eq!(world.state("tokyo", IncidentCheck::Asset), State::Down);
    assert_eq!(world.state("tokyo", IncidentCheck::Status), State::Up);
}

#[test]
fn faults_of_two_families_are_not_added_up() {
    let mut world = mesh();
    for _ in 0..5 {
        world.play(|probe, to, kind| {
            let fails = (probe == "berlin" && kind == STATUS4) || (probe == "paris" && kind == STATUS6);
            (to == "tokyo" && fails).then(timeout)
        });
    }
    assert!(world.opened().is_empty());
    for _ in 0..3 {
        world.play(|probe, to, kind| (to == "tokyo" && kind == STATUS6 && probe != "osaka").then(timeout));
    }
    assert_eq!(world.opened().len(), 1);
    assert!(world.opened()[0].evidence.iter().all(|cell| cell.kind == STATUS6));
}

#[test]
fn absent_object_unsent_and_forbidden_are_not_down() {
    let outcomes: [fn() -> Outcome; 4] = [
        || failed(Phase::Verify, FailureCause::NotFound, Some(404)),
        || failed(Phase::Verify, FailureCause::Misdirected, Some(421)),
        || failed(Phase::Connect, FailureCause::ForbiddenAddress, None),
        || {
            let unsent = EndpointResult::Unsent(SendFailure::NoRoute);
            fixture::endpoint(unsent, None, isochrone_proto::measurement::CacheState::Absent)
        },
    ];
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let mut world = mesh();
        for _ in 0..6 {
            world.play(|_, to, kind| (to == "tokyo" && kind == GET4).then(outcome));
        }
        assert!(world.opened().is_empty(), "outcome {number}");
        let expected = if number < 2 {
            State::Degraded
        } else {
            State::NoData
        };
        assert_eq!(
            world.state("tokyo", IncidentCheck::Asset),
            expected,
            "outcome {number}"
        );
    }
}

#[test]
fn rows_older_than_two_intervals_never_page() {
    let mut world = mesh();
    world.play(fine);
    // A backlog about three slots in the past arrives now, from everyone.
    let received = UnixMillis(world.now().0 + 60_000);
    for from in ["berlin", "paris", "oslo"] {
        for round in 2..8 {
            let slot = UnixMillis(DAY0 + round * 10_000);
            let at = received.max(UnixMillis(slot.0 + 20_001));
            world.send_at(from, (TargetId::of_node("tokyo"), STATUS4), timeout(), (slot, at));
        }
    }
    world.round = 7;
    world.judge();
    assert!(world.opened().is_empty());
    let cell = world.live.vantage(fixture::probe_id("oslo")).unwrap();
    let cell = cell.cell(TargetId::of_node("tokyo"), STATUS4).unwrap();
    assert_eq!(cell.runs().failures(), 6, "but they are history");
}

#[test]
fn row_exactly_two_intervals_old_may_page() {
    let mut world = mesh();
    for round in 1..=3 {
        let slot = UnixMillis(DAY0 + round * 10_000);
        for from in ["berlin", "paris"] {
            let at = UnixMillis(slot.0 + 20_000);
            world.send_at(from, (TargetId::of_node("tokyo"), STATUS4), timeout(), (slot, at));
        }
        for to in ["lima", "milan"] {
            for from in ["berlin", "paris"] {
                world.send_at(from, (TargetId::of_node(to), STATUS4), good(1), (slot, slot));
            }
        }
    }
    world.round = 3;
    world.judge();
    assert_eq!(world.opened().len(), 1);
}

#[test]
fn backlog_of_an_outage_that_goes_on_moves_its_start_back() {
    let mut world = mesh();
    for round in 1..=10 {
        let slot = UnixMillis(DAY0 + round * 10_000);
        for from in ["berlin", "paris", "oslo"] {
            let late = UnixMillis(DAY0 + 200_000);
            world.send_at(
                from,
                (TargetId::of_node("tokyo"), STATUS4),
                timeout(),
                (slot, late),
            );
        }
    }
    world.round = 10;
    for _ in 0..2 {
        assert!(world.play(down("tokyo", &["berlin", "paris", "oslo"])).is_empty());
    }
    world.play(down("tokyo", &["berlin", "paris", "oslo"]));
    assert_eq!(world.opened()[0].start, UnixMillis(DAY0 + 10_000));
}

#[test]
fn long_lone_failure_does_not_date_the_incident_back() {
    let mut world = mesh();
    for _ in 0..20 {
        world.play(down("tokyo", &["berlin"]));
    }
    for _ in 0..3 {
        world.play(down("tokyo", &["berlin", "paris", "oslo"]));
    }
    assert_eq!(world.opened()[0].start, UnixMillis(DAY0 + 210_000));
}

#[test]
fn probe_without_a_way_out_judges_nobody() {
    let mut world = mesh();
    for _ in 0..8 {
        // berlin reaches nothing at all; paris fails one node for its own reasons.
        world.play(|probe, to, kind| match probe {
            "berlin" if kind.check.is_endpoint() => Some(timeout()),
            "berlin" => Some(lost()),
            "paris" if to == "tokyo" && kind.check == Check::Status => Some(timeout()),
            _ => None,
        });
    }
    assert!(world.opened().is_empty());
    for node in ["tokyo", "lima", "milan"] {
        let standing = world
            .health
            .standing(TargetId::of_node(node), IncidentCheck::Status)
            .unwrap();
        assert_ne!(standing.state, State::Down);
        assert_eq!(
            standing.vantages_total,
            if node == "tokyo" { 2 } else { 3 },
            "{node}"
        );
    }
}

#[test]
fn error_page_is_no_fault_of_the_probes_uplink() {
    let mut world = mesh();
    for _ in 0..3 {
        // The indexer is away: every node's status answers 500, everything else works.
        world.play(|_, _, kind| {
            let error = || failed(Phase::Verify, FailureCause::BadStatus, Some(500));
            (kind.check == Check::Status).then(error)
        });
    }
    assert_eq!(world.opened().len(), 3, "each node's status is down");
}

#[test]
fn dead_server_with_node_and_probe_is_judged_in_a_small_mesh() {
    let mut world = world(
        &[
            ("a", "w1", Some(1)),
            ("b", "w2", Some(2)),
            ("osaka", "ken", Some(3)),
        ],
        &[("tokyo", "ken")],
    );
    world.play(fine);
    for _ in 0..3 {
        world.play_with(|probe, to, kind| match (probe, to) {
            ("osaka", _) => None,
            (_, "tokyo") => Some(timeout()),
            (_, "osaka") => Some(lost()),
            _ => Some(usual(kind)),
        });
    }
    let nodes = world.opened();
    assert_eq!(nodes.len(), 2, "status and asset of tokyo: {nodes:?}");
}

#[test]
fn two_dead_nodes_of_a_small_mesh_are_both_told() {
    let mut world = world(
        &[("a", "w1", Some(1)), ("b", "w2", Some(2)), ("c", "w3", Some(3))],
        &[("tokyo", "ken"), ("lima", "pia")],
    );
    for _ in 0..3 {
        world.play(|_, _, kind| kind.check.is_endpoint().then(timeout));
    }
    assert_eq!(world.opened().len(), 4, "status and asset of both");
}

#[test]
fn failed_write_is_decided_again() {
    let mut world = mesh();
    for _ in 0..3 {
        world.play(down("tokyo", &["berlin", "paris"]));
    }
    let mut world = mesh();
    for _ in 0..2 {
        world.play(down("tokyo", &["berlin", "paris"]));
    }
    world.round += 1;
    for from in ["berlin", "paris"] {
        world.send(from, TargetId::of_node("tokyo"), STATUS4, timeout());
    }
    let scene = Scene {
        live: &world.live,
        roster: &world.roster,
        connected: &world.connected,
        now: world.now(),
    };
    let first = world.health.judge(&scene).transitions; // and the write fails: not adopted
    let second = world.health.judge(&scene).transitions;
    assert_eq!(first.len(), 1);
    assert_eq!(first, second);
}

fn any_outcome() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![Just(None), (0u8..5).prop_map(Some)]
}

fn outcome(code: u8) -> Outcome {
    match code {
        0 => good(20),
        1 => timeout(),
        2 => failed(Phase::Verify, FailureCause::BadStatus, Some(500)),
        3 => failed(Phase::Verify, FailureCause::NotFound, Some(404)),
        _ => failed(Phase::Tls, FailureCause::CertificateExpired, None),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever one vantage reports, in whatever order, no node is blamed while the others see it right.
    #[test]
    fn one_vantage_never_pages_anyone(
        rounds in prop::collection::vec(prop::collection::vec(any_outcome(), 9), 1..20),
    ) {
        let mut world = mesh();
        world.play(fine);
        for codes in &rounds {
            world.play_with(|probe, to, kind| {
                if probe != "berlin" || !kind.check.is_endpoint() {
                    return Some(usual(kind));
                }
                let node = ["tokyo", "lima", "milan"].iter().position(|name| *name == to).unwrap();
                let place = [STATUS4, STATUS6, GET4].iter().position(|of| *of == kind).unwrap();
                codes[node * 3 + place].map(outcome)
            });
        }
        prop_assert!(world.opened().is_empty(), "{:?}", world.opened());
    }

    /// With everyone else silent the same holds: one voice is one voice.
    #[test]
    fn one_vantage_alone_never_pages_anyone(codes in prop::collection::vec(0u8..5, 1..40)) {
        let mut world = mesh();
        for &code in &codes {
            world.play_with(|probe, _, kind| {
                if probe != "berlin" {
                    return None;
                }
                Some(if kind.check.is_endpoint() { outcome(code) } else { replied(20) })
            });
        }
        let blamed = world.opened().iter().filter(|incident| incident.cause != Cause::Probe
            && incident.check != IncidentCheck::Data).count();
        prop_assert_eq!(blamed, 0);
    }

    /// Open incidents of one key never overlap, and each alert of an end follows its beginning.
    #[test]
    fn beginnings_and_ends_alternate(rounds in prop::collection::vec((0u8..5, 0u8..5), 1..60)) {
        let mut world = mesh();
        for &(berlin, paris) in &rounds {
            world.play(|probe, to, kind| match probe {
                "berlin" if to == "tokyo" && kind == STATUS4 => Some(outcome(berlin)),
                "paris" if to == "tokyo" && kind == STATUS4 => Some(outcome(paris)),
                _ => None,
            });
        }
        let mut open = None;
        let mut last_end = UnixMillis(0);
        for transition in &world.told {
            match transition {
                Transition::Opened(incident) => {
                    prop_assert_eq!(open.replace(incident.id.clone()), None);
                    prop_assert!(incident.start >= last_end);
                    prop_assert!(incident.witnesses().1 >= 2);
                }
                Transition::Updated(incident) => prop_assert_eq!(open.as_ref(), Some(&incident.id)),
                Transition::Ended(incident) => {
                    prop_assert_eq!(open.take(), Some(incident.id.clone()));
                    last_end = incident.end.unwrap();
                    prop_assert!(last_end >= incident.start);
                }
            }
        }
    }
}
