//! Probes that say nothing, and nodes that nobody measures.

use super::*;

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
