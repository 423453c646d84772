use super::*;
use crate::alert::{Alert, Whose};
use crate::incident::tests::incident;
use crate::judge::{Telling, What};

const MINUTE: Duration = Duration::from_secs(60);

fn at(second: u64) -> UnixMillis {
    UnixMillis(1_795_316_283_000 + second * 1_000)
}

/// What is told of nodes at a second, and waits since then.
fn pending(what: What, nodes: &[&str], second: u64) -> Arc<Pending> {
    let of = |node: &&str| {
        let mut incident = incident(1_000, None);
        (incident.id, incident.target) = ((*node).to_owned(), (*node).to_owned());
        incident
    };
    let telling = Telling {
        at: at(second),
        what,
        incidents: nodes.iter().map(of).collect(),
        failing_too: vec![],
        still_down: vec![],
        up_for_now: vec![],
    };
    Arc::new(Pending {
        alert: Alert::of_telling(&telling, "lead", (&|_| None, &|_| None, &|_| Whose::default())),
        receiver: "webhook".to_owned(),
        created: at(second),
        attempts: 1,
        last_error: None,
    })
}

fn events(pendings: &[Arc<Pending>]) -> Vec<Event> {
    pendings.iter().map(|pending| pending.alert.event).collect()
}

fn nobody(_: &str) -> bool {
    false
}

#[test]
fn opening_of_a_fleet_is_covered_by_ends_that_are_about_more_and_come_in_parts() {
    let waiting = vec![
        pending(What::Down, &["a", "b"], 0),
        pending(What::Up, &["a", "c"], 90),
        pending(What::Up, &["b", "d"], 120),
    ];
    let queue = Queue::of(waiting.clone(), Duration::ZERO, (at(200), nobody));
    assert_eq!(events(&queue.covered), [Event::Opened]);
    assert_eq!(queue.next.unwrap().created, at(120), "the newest state first");
    let partly = Queue::of(waiting[..2].to_vec(), Duration::ZERO, (at(200), nobody));
    assert!(partly.covered.is_empty(), "b is still down");
    let [shortened] = &partly.shortened[..] else {
        panic!("{:?}", partly.shortened)
    };
    assert_eq!(ids(shortened), ["b"]);
}

#[test]
fn end_of_what_was_short_is_told_only_where_a_part_of_it_was_told_before() {
    let waiting = vec![
        pending(What::Down, &["a", "b"], 0),
        pending(What::Up, &["a", "b", "c"], 40),
    ];
    let silent = Queue::of(waiting.clone(), MINUTE, (at(200), nobody));
    assert_eq!(events(&silent.covered), [Event::Opened, Event::Ended]);
    assert!(silent.next.is_none());
    let knows_c = |id: &str| id == "c";
    let told = Queue::of(waiting, MINUTE, (at(200), knows_c));
    assert_eq!(events(&told.covered), [Event::Opened]);
    assert_eq!(told.next.unwrap().alert.event, Event::Ended);
}

#[test]
fn end_of_one_that_was_long_is_told_though_another_of_it_was_short() {
    let waiting = vec![
        pending(What::Down, &["a"], 0),
        pending(What::Down, &["b"], 100),
        pending(What::Up, &["a", "b"], 140),
    ];
    let queue = Queue::of(waiting, MINUTE, (at(200), nobody));
    assert_eq!(events(&queue.covered), [Event::Opened, Event::Opened]);
    assert_eq!(queue.next.unwrap().alert.event, Event::Ended);
}

/// An alert about the collector itself: no incident, only its event.
fn own(event: Event, second: u64) -> Arc<Pending> {
    let mut pending = Pending::clone(&pending(What::OwnLine, &[], second));
    pending.alert.event = event;
    Arc::new(pending)
}

#[test]
fn what_a_later_alert_about_the_collector_takes_back_is_not_its_last_word() {
    for (began, over) in [
        (Event::OwnLine, Event::OwnLineBack),
        (Event::DiskFull, Event::DiskRoom),
        (Event::CannotStore, Event::CanStore),
        (Event::ElasticStops, Event::ElasticGoesOn),
    ] {
        let waiting = vec![own(began, 0), own(over, 60), own(began, 90)];
        let queue = Queue::of(waiting.clone(), Duration::ZERO, (at(200), nobody));
        assert_eq!(events(&queue.covered), [began]);
        assert_eq!(queue.next.unwrap().created, at(90), "it began again");
        let queue = Queue::of(waiting[..2].to_vec(), Duration::ZERO, (at(200), nobody));
        assert_eq!(events(&queue.covered), [began]);
        assert_eq!(queue.next.unwrap().alert.event, over);
    }
}

#[test]
fn that_it_can_be_reached_again_is_covered_by_its_end() {
    let waiting = vec![pending(What::Better, &["a"], 0), pending(What::Up, &["a"], 60)];
    let queue = Queue::of(waiting, Duration::ZERO, (at(200), |_: &str| true));
    assert_eq!(events(&queue.covered), [Event::Better]);
    assert_eq!(queue.next.unwrap().alert.event, Event::Ended);
}
