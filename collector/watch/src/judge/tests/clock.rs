//! The collector's own clock, when it is set.

use super::super::*;
use super::mesh::{Mesh, Run, Seen, at, second};

#[test]
fn clock_that_trembles_is_no_restart() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    mesh.dead = vec![3];
    mesh.engine.session(mesh.probe(3), false, at(100.0));
    for until in [150, 200, 250] {
        mesh.run(until, |_| Seen::Green);
        mesh.engine.advance(UnixMillis(at(f64::from(until as u32)).0 - 1));
    }
    mesh.run(290, |_| Seen::Green);
    let messages = mesh.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!((280.0..=284.0).contains(&messages[0].0), "{messages:?}");
}

#[test]
fn outage_after_the_clock_was_set_back_begins_when_it_begins() {
    let mut mesh = Mesh::ten();
    let dies = |from: f64, until: f64| {
        move |run: Run| {
            let is_down = run.node == 0 && (from..until).contains(&run.second);
            if is_down { Seen::Refused } else { Seen::Green }
        }
    };
    mesh.run(4_000, |_| Seen::Green);
    mesh.run(4_200, dies(4_050.0, 4_100.0));
    assert_eq!(mesh.told.len(), 2, "{:?}", mesh.messages());
    mesh.set_second(2_000);
    mesh.run(2_200, dies(2_100.0, 2_300.0));
    let (told, what, _) = mesh.messages().pop().unwrap();
    assert!(
        matches!(what, What::Down | What::Flapping) && told <= 2_122.0,
        "{:?}",
        mesh.messages()
    );
    let open = mesh.engine.open().next().unwrap();
    assert!(
        (2_098.0..2_112.0).contains(&second(open.start)),
        "{}",
        second(open.start)
    );
}

#[test]
fn own_line_that_is_cut_after_the_clock_was_set_back_is_the_suspect() {
    let mut mesh = Mesh::ten();
    mesh.run(4_000, |_| Seen::Green);
    mesh.set_second(2_000);
    mesh.run(2_100, |_| Seen::Green);
    mesh.dead = (0..10).collect();
    for number in 0..10 {
        mesh.engine.session(mesh.probe(number), false, at(2_100.0));
    }
    mesh.run(2_125, |_| Seen::Green);
    assert!(
        mesh.engine.own_line_suspect_since().is_some(),
        "{:?}",
        mesh.messages()
    );
}
