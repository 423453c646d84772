//! Any mesh, any part of its nodes: what fails for all who may judge it is told in time, and nothing else is.

use std::collections::BTreeSet;

use isochrone_proto::kind::{Check, Family};
use proptest::prelude::*;

use super::super::*;
use super::mesh::{Mesh, Run, Seen, second};

/// When it fails, and when it is back.
const DIES: f64 = 100.0;
const BACK: f64 = 140.0;

#[derive(Clone, Debug)]
struct Scene {
    /// The network of each probe; probe i's worker also runs node i, where there is one.
    networks: Vec<u32>,
    nodes: usize,
    hit: Vec<bool>,
    is_silent: bool,
    /// The probes on the servers that are hit die, too.
    with_probes: bool,
    has_echoes: bool,
}

impl Scene {
    fn is_hit(&self, node: usize) -> bool {
        self.hit[node]
    }

    fn is_dead(&self, probe: usize) -> bool {
        self.with_probes && probe < self.nodes && self.is_hit(probe)
    }

    /// Two who may judge it are left, in two networks.
    fn can_be_told(&self, node: usize) -> bool {
        let left = (0..self.networks.len()).filter(|&probe| probe != node && !self.is_dead(probe));
        let networks: BTreeSet<u32> = left.map(|probe| self.networks[probe]).collect();
        networks.len() >= 2
    }

    fn sees(&self, run: Run) -> Seen {
        match self.is_hit(run.node) && (DIES..BACK).contains(&run.second) {
            false => Seen::Green,
            true if self.is_silent => Seen::Silent,
            true => Seen::Refused,
        }
    }
}

fn scene() -> impl Strategy<Value = Scene> {
    let networks = prop::collection::vec(1u32..6, 3..=10);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let hit = prop::collection::vec(any::<bool>(), 9);
    (networks, 1usize..=9, hit, flags).prop_map(|(networks, nodes, hit, flags)| {
        let (is_silent, with_probes, has_echoes) = flags;
        Scene {
            networks,
            nodes,
            hit,
            is_silent,
            with_probes,
            has_echoes,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_fails_for_all_who_may_judge_it_is_told_in_time_and_nothing_else_is(scene in scene()) {
        let mut mesh = Mesh::new(&scene.networks, scene.nodes).connecting();
        mesh.has_echoes = scene.has_echoes;
        mesh.run(DIES as u64, |_| Seen::Green);
        mesh.dead = (0..scene.networks.len()).filter(|&probe| scene.is_dead(probe)).collect();
        mesh.run(BACK as u64, |run| scene.sees(run));
        let messages = mesh.messages();
        let began: Vec<_> = messages.iter().filter(|(_, what, _)| *what == What::Down).collect();
        let hit = (0..scene.nodes).filter(|&node| scene.is_hit(node)).count();
        let most = if hit * 2 >= scene.nodes { 3 } else { hit };
        prop_assert!(began.len() <= most, "{messages:?}");
        for incident in &mesh.kept {
            let node = mesh.nodes.iter().position(|node| node.name == incident.target).unwrap();
            prop_assert!(scene.is_hit(node), "{} is well: {messages:?}", incident.target);
        }
        let in_time = DIES + if scene.is_silent || scene.with_probes { 26.0 } else { 22.0 };
        for node in (0..scene.nodes).filter(|&node| scene.is_hit(node) && scene.can_be_told(node)) {
            let name = mesh.nodes[node].name.as_str();
            let in_message = |(at, telling): &&(f64, Telling)| {
                let is_named = telling.incidents.iter().any(|incident| incident.target == name);
                *at <= in_time && (is_named || telling.failing_too.contains(&mesh.target(node)))
            };
            prop_assert!(mesh.told.iter().any(|told| in_message(&told)), "{name} is not told: {messages:?}");
        }
        mesh.run(BACK as u64 + 60, |run| scene.sees(run));
        let messages = mesh.messages();
        let ended = messages.iter().filter(|(_, what, _)| *what == What::Up).count();
        prop_assert!(ended <= most, "{messages:?}");
        for incident in &mesh.kept {
            let bounds = (second(incident.start), incident.end.map(second));
            let (start, end) = (DIES..DIES + 10.5, BACK..BACK + 10.5);
            prop_assert!(start.contains(&bounds.0), "{}: {bounds:?}", incident.target);
            prop_assert!(bounds.1.is_some_and(|at| end.contains(&at)), "{}: {bounds:?}", incident.target);
        }
    }

    /// An engine whose clock is set says, second for second, what one says whose clock is not; only the dates differ.
    #[test]
    fn clock_that_is_set_changes_nothing_but_dates(
        scene in scene(),
        when in 50u64..260,
        minutes in prop_oneof![-3_000i64..3_000, -30i64..30],
    ) {
        let play = |minutes: Option<i64>| {
            let mut mesh = Mesh::new(&scene.networks, scene.nodes)
                .connecting()
                .asking(Check::AssetGet, Family::V4, 40_000);
            mesh.has_echoes = scene.has_echoes;
            let until = |mesh: &mut Mesh, second: u64| {
                if mesh.second <= when && when < second {
                    mesh.run(when, |run| scene.sees(run));
                    minutes.into_iter().for_each(|minutes| mesh.set_clock(minutes * 60_000));
                }
                mesh.run(second, |run| scene.sees(run));
            };
            until(&mut mesh, DIES as u64);
            mesh.dead = (0..scene.networks.len()).filter(|&probe| scene.is_dead(probe)).collect();
            until(&mut mesh, 400);
            let mut told = mesh.told;
            let incidents = told.iter_mut().flat_map(|(_, telling)| &mut telling.incidents);
            for incident in incidents {
                incident.id.clear(); // named after when it began
                incident.group = incident.group.take().map(|_| String::new());
            }
            (told, mesh.unknown)
        };
        prop_assert_eq!(play(Some(minutes)), play(None));
    }
}
