//! When an incident is over.

use super::*;

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
