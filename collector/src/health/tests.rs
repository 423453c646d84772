use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{EndpointResult, FailureCause, Outcome, Phase, SendFailure};
use isochrone_proto::plan::Plan;
use proptest::prelude::*;

use super::*;
use crate::fixture::{self, DAY0, failed, good, lost, replied, timeout};
use crate::incident::Cause;
use crate::roster::ProbeEntry;

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
fn recovery_needs_two_answers_in_a_row_and_knows_the_duration() {
    let mut world = mesh();
    for _ in 0..6 {
        world.play(down("tokyo", &["berlin", "paris", "oslo"]));
    }
    assert_eq!(world.opened().len(), 1);
    assert!(world.play(fine).is_empty(), "one answer is not enough");
    assert_eq!(world.state("tokyo", IncidentCheck::Status), State::Down);
    world.play(fine);
    let ended = world.ended();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].ending, Some(Ending::Recovered));
    assert_eq!(ended[0].end, Some(UnixMillis(DAY0 + 70_000)), "the first answer");
    assert_eq!(ended[0].duration_ms(world.now()), 60_000);
    assert_eq!(world.state("tokyo", IncidentCheck::Status), State::Up);
    assert_eq!(world.health.open().count(), 0);
}

#[test]
fn flapping_vantage_neither_opens_nor_ends() {
    let mut world = mesh();
    for round in 0..20 {
        let fails = round % 3 != 2;
        world.play(move |_, to, kind| (fails && to == "tokyo" && kind == STATUS4).then(timeout));
    }
    assert!(world.opened().is_empty(), "never three in a row");
    for _ in 0..3 {
        world.play(down("tokyo", &["berlin", "paris", "oslo"]));
    }
    assert_eq!(world.opened().len(), 1);
    for round in 0..20 {
        let fails = round % 2 == 0;
        world.play(move |_, to, kind| (!fails && to == "tokyo" && kind == STATUS4).then(timeout));
    }
    assert!(world.ended().is_empty(), "never two answers in a row");
    assert_eq!(world.opened().len(), 1, "and no second alert");
}

#[test]
fn silence_of_all_witnesses_ends_nothing() {
    let mut world = mesh();
    for _ in 0..3 {
        world.play(down("tokyo", &["berlin", "paris"]));
    }
    for _ in 0..10 {
        // The witnesses measure tokyo no more; oslo, which always got through, still does.
        world.play_with(|probe, to, kind| {
            let silent = to == "tokyo" && ["berlin", "paris"].contains(&probe);
            (!silent).then(|| usual(kind))
        });
    }
    assert!(world.ended().is_empty());
    assert_eq!(world.health.open().count(), 1);
}

#[test]
fn later_witnesses_are_added_without_a_second_alert() {
    let mut world = mesh();
    for _ in 0..3 {
        world.play(down("tokyo", &["berlin", "paris"]));
    }
    for _ in 0..3 {
        world.play(down("tokyo", &["berlin", "paris", "oslo"]));
    }
    assert_eq!(world.opened().len(), 1);
    let open = world.health.open().next().unwrap();
    assert_eq!(open.witnesses(), (3, 3));
    assert_eq!(open.cause, Cause::Node);
}

#[test]
fn restart_goes_on_with_the_open_incident() {
    let mut world = mesh();
    for _ in 0..4 {
        world.play(down("tokyo", &["berlin", "paris", "oslo"]));
    }
    let stored: Vec<_> = world.health.open().cloned().collect();
    world.health = Health::new(Rules::default(), world.now(), stored);
    world.live = Live::new(); // rebuilt empty: nothing is known yet
    assert!(world.judge().is_empty());
    for _ in 0..4 {
        world.play(down("tokyo", &["berlin", "paris", "oslo"]));
    }
    assert_eq!(world.opened().len(), 1, "no second alert for the same outage");
    for _ in 0..2 {
        world.play(fine);
    }
    assert_eq!(world.ended().len(), 1);
    assert_eq!(world.ended()[0].start, UnixMillis(DAY0 + 10_000));
}

#[test]
fn recovery_during_the_collectors_absence_ends_when_it_happened() {
    let mut world = mesh();
    for _ in 0..4 {
        world.play(down("tokyo", &["berlin", "paris", "oslo"]));
    }
    // Six rounds pass unheard; their rows arrive late, and say that it worked from the second on.
    for round in 5..=10 {
        let slot = UnixMillis(DAY0 + round * 10_000);
        for from in ["berlin", "paris", "oslo"] {
            for kind in [STATUS4, STATUS6] {
                let outcome = if round == 5 { timeout() } else { good(20) };
                let late = UnixMillis(DAY0 + 200_000);
                world.send_at(from, (TargetId::of_node("tokyo"), kind), outcome, (slot, late));
            }
        }
    }
    world.round = 10;
    assert!(world.judge().is_empty(), "late rows end nothing by themselves");
    world.play(fine);
    world.play(fine);
    assert_eq!(world.ended()[0].end, Some(UnixMillis(DAY0 + 60_000)));
}

#[test]
fn paused_node_ends_its_incident_and_is_not_judged() {
    let mut world = mesh();
    for _ in 0..3 {
        world.play(down("tokyo", &["berlin", "paris"]));
    }
    let nodes: Vec<_> = world
        .roster
        .nodes()
        .cloned()
        .map(|node| NodeEntry {
            paused: node.name == "tokyo",
            ..node
        })
        .collect();
    world.roster = Roster::new(world.roster.probes().cloned().collect::<Vec<_>>(), nodes);
    for _ in 0..4 {
        world.play(down("tokyo", &["berlin", "paris"]));
    }
    assert_eq!(world.ended()[0].ending, Some(Ending::Paused));
    assert_eq!(world.opened().len(), 1);
    assert_eq!(world.state("tokyo", IncidentCheck::Status), State::Paused);
}

#[test]
fn removed_node_ends_its_incident() {
    let mut world = mesh();
    for _ in 0..3 {
        world.play(down("tokyo", &["berlin", "paris"]));
    }
    let nodes: Vec<_> = world
        .roster
        .nodes()
        .filter(|node| node.name != "tokyo")
        .cloned()
        .collect();
    world.roster = Roster::new(world.roster.probes().cloned().collect::<Vec<_>>(), nodes);
    world.judge();
    assert_eq!(world.ended()[0].ending, Some(Ending::Removed));
}

#[test]
fn silent_probe_is_an_incident_of_its_own_and_blames_no_node() {
    let mut world = mesh();
    world.play(fine);
    world.connected.remove(&fixture::probe_id("paris"));
    for _ in 0..18 {
        let transitions = world.play_with(|probe, _, kind| (probe != "paris").then(|| usual(kind)));
        assert!(transitions.is_empty(), "{transitions:?}");
    }
    world.play_with(|probe, _, kind| (probe != "paris").then(|| usual(kind)));
    let opened = world.opened();
    assert_eq!(opened.len(), 1);
    assert_eq!(
        (opened[0].target.as_str(), opened[0].check),
        ("paris", IncidentCheck::Probe)
    );
    assert_eq!(opened[0].start, UnixMillis(DAY0 + 16_000), "its last word");
    world.connected.insert(fixture::probe_id("paris"));
    world.play(fine);
    world.play(fine);
    let ended = world.ended();
    assert_eq!(ended.len(), 1);
    assert!(ended[0].duration_ms(world.now()) >= 180_000);
}

#[test]
fn connected_probe_that_sends_nothing_is_silent_too() {
    let mut world = mesh();
    world.play(fine);
    for _ in 0..19 {
        world.play_with(|probe, _, kind| (probe != "paris").then(|| usual(kind)));
    }
    let opened = world.opened();
    assert_eq!(opened.len(), 1);
    assert!(
        opened[0]
            .caveat
            .clone()
            .unwrap()
            .contains("its connection still stood, but it sent no measurements"),
        "{opened:?}"
    );
}

#[test]
fn silence_is_counted_from_the_collectors_own_start() {
    let mut world = mesh();
    world.play(fine);
    world.connected.clear();
    // An hour later the collector starts again: nobody had a chance to be heard yet.
    world.round = 360;
    world.health = Health::new(Rules::default(), world.now(), []);
    assert!(world.judge().is_empty());
    world.round = 379;
    let opened = world.judge();
    assert_eq!(opened.len(), 4);
    let caveat = opened[0].incident().caveat.clone().unwrap();
    assert!(caveat.contains("4 of 4 probes are silent at once"), "{caveat}");
    assert!(caveat.contains("collector was away"), "{caveat}");
    assert_eq!(opened[0].incident().start, UnixMillis(DAY0 + 3_606_000));
}

#[test]
fn node_that_nobody_measures_any_more_is_told_as_no_data() {
    let mut world = mesh();
    world.play(fine);
    for _ in 0..25 {
        world.play_with(|_, to, kind| (to != "tokyo").then(|| usual(kind)));
    }
    let opened = world.opened();
    assert_eq!(opened.len(), 1);
    assert_eq!(
        (opened[0].target.as_str(), opened[0].check),
        ("tokyo", IncidentCheck::Data)
    );
    assert_eq!(world.state("tokyo", IncidentCheck::Status), State::NoData);
    world.play(fine);
    assert_eq!(world.ended().len(), 1);
    assert_eq!(world.state("tokyo", IncidentCheck::Status), State::Up);
}

impl World {
    /// Replaces the nodes by what `change` makes of them.
    fn change_nodes(&mut self, change: impl Fn(NodeEntry) -> NodeEntry) {
        let probes: Vec<_> = self.roster.probes().cloned().collect();
        let nodes: Vec<_> = self.roster.nodes().cloned().map(change).collect();
        self.roster = Roster::new(probes, nodes);
    }

    /// Judges `rounds` times without a single measurement; what was told meanwhile.
    fn pass(&mut self, rounds: u64) -> Vec<Transition> {
        let judged = (0..rounds).flat_map(|_| {
            self.round += 1;
            self.judge()
        });
        judged.collect()
    }
}

#[test]
fn first_judge_of_an_old_list_of_nodes_gets_its_time_before_anyone_is_told() {
    let mut world = mesh();
    let (probes, nodes) = (
        world.roster.probes().cloned().collect::<Vec<_>>(),
        nodes_of(&world),
    );
    world.roster = Roster::new([], nodes.clone());
    world.connected.clear();
    assert!(world.pass(360).is_empty(), "nobody was there to measure");
    let joined = probes.into_iter().map(|probe| ProbeEntry {
        joined: world.now(),
        ..probe
    });
    world.roster = Roster::new(joined.collect::<Vec<_>>(), nodes);
    world.connected = world.plans.keys().copied().collect();
    assert!(world.pass(18).is_empty(), "three minutes are not over");
    let told = world.pass(2);
    assert_eq!(told.len(), 3, "every node, once: {told:?}");
    assert!(
        told.iter()
            .all(|told| told.incident().start.0 >= DAY0 + 3_600_000)
    );
}

fn nodes_of(world: &World) -> Vec<NodeEntry> {
    world.roster.nodes().cloned().collect()
}

#[test]
fn resumed_node_gets_its_time_before_anyone_is_told() {
    let mut world = mesh();
    world.play(fine);
    let pause = |paused: bool| {
        move |node: NodeEntry| NodeEntry {
            paused: paused && node.name == "tokyo",
            ..node
        }
    };
    world.change_nodes(pause(true));
    for _ in 0..360 {
        world.play_with(|_, to, kind| (to != "tokyo").then(|| usual(kind)));
    }
    world.change_nodes(pause(false));
    for _ in 0..17 {
        let told = world.play_with(|_, to, kind| (to != "tokyo").then(|| usual(kind)));
        assert!(told.is_empty(), "{told:?}");
    }
    for _ in 0..3 {
        world.play_with(|_, to, kind| (to != "tokyo").then(|| usual(kind)));
    }
    assert_eq!(world.opened().len(), 1, "and then it counts");
}

#[test]
fn node_that_is_checked_every_ten_minutes_is_not_missed_after_three() {
    let mut world = mesh();
    world.play(fine);
    let mut nodes = nodes_of(&world);
    nodes.push(NodeEntry {
        interval: Some(std::time::Duration::from_secs(600)),
        ..fixture::node("rare", "eva")
    });
    world.roster = Roster::new(world.roster.probes().cloned().collect::<Vec<_>>(), nodes);
    for _ in 0..180 {
        let told = world.play(fine);
        assert!(told.is_empty(), "{told:?}");
    }
    world.play(fine);
    world.play(fine);
    assert_eq!(world.opened()[0].target, "rare", "three intervals are over");
}

#[test]
fn probes_that_come_back_together_are_given_time_to_measure() {
    let mut world = mesh();
    world.play(fine);
    let all = std::mem::take(&mut world.connected);
    let told = world.pass(360);
    assert_eq!(told.len(), 4, "each probe's silence, and no node: {told:?}");
    world.connected = all;
    let told = world.judge();
    let opened = told.iter().filter(|told| matches!(told, Transition::Opened(_)));
    assert_eq!(opened.count(), 0, "{told:?}");
}

#[test]
fn probe_that_never_sent_and_drops_twice_is_two_incidents() {
    let mut world = mesh();
    world.play(fine);
    let oslo = fixture::probe_id("oslo");
    world.live = Live::new(); // nobody was ever heard
    world.connected.remove(&oslo);
    world.pass(20);
    world.connected.insert(oslo);
    world.pass(1);
    world.connected.remove(&oslo);
    world.pass(20);
    let told: Vec<_> = world.told.iter().map(Transition::incident).collect();
    let ids: BTreeSet<_> = told
        .iter()
        .filter(|of| of.target == "oslo")
        .map(|of| &of.id)
        .collect();
    assert_eq!(ids.len(), 2, "{told:?}");
    let last = told.iter().rfind(|of| of.target == "oslo").unwrap();
    assert!(
        last.start.0 > DAY0 + 200_000,
        "the second began after the first: {last:?}"
    );
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
