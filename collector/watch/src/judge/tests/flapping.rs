//! What comes and goes: when it is said, how often, and what must not be lost in it.

use isochrone_proto::kind::{Check, Family};
use isochrone_proto::measurement::{FailureCause, Phase};

use super::super::*;
use super::again::restarted;
use super::mesh::{Mesh, Run, Seen};

const ERROR: Seen = Seen::Red(Phase::FirstByte, FailureCause::BadStatus);

fn whats(mesh: &Mesh) -> Vec<What> {
    mesh.told.iter().map(|(_, telling)| telling.what).collect()
}

/// The status of node 0 fails from 400 s on; it is refused at `times` besides.
fn dying(times: &'static [(f64, f64)]) -> impl Fn(Run) -> Seen {
    move |run| {
        let is_dead = times
            .iter()
            .any(|(from, until)| (*from..*until).contains(&run.second));
        match (run.node, run.check) {
            (0, _) if is_dead => Seen::Refused,
            (0, Check::Status) if run.second >= 400.0 => ERROR,
            _ => Seen::Green,
        }
    }
}

fn asking() -> Mesh {
    Mesh::ten().asking(Check::Status, Family::V4, 100_000)
}

#[test]
fn node_whose_status_fails_for_long_is_told_each_time_that_it_dies() {
    let mut mesh = asking();
    mesh.run(3_700, dying(&[(500.0, 600.0), (3_400.0, 3_500.0)]));
    assert_eq!(
        whats(&mesh),
        [What::Down, What::Worse, What::Better, What::Worse, What::Better],
        "{:?}",
        mesh.messages()
    );
    let (again, ..) = mesh.messages()[3].clone();
    assert!((3_400.0..=3_422.0).contains(&again), "{again}");
    let alert = |place: usize| {
        crate::alert::Alert::of_telling(
            &mesh.told[place].1,
            "lead",
            (&|_| None, &|_| None, &|_| crate::alert::Whose::default()),
        )
        .id
    };
    assert_ne!(
        alert(1),
        alert(3),
        "an alert that was delivered is not sent again"
    );
    assert_ne!(alert(2), alert(4));
}

#[test]
fn node_whose_status_fails_and_that_dies_again_soon_comes_and_goes_until_it_is_steady() {
    let mut mesh = asking();
    mesh.run(2_000, dying(&[(500.0, 600.0), (700.0, 800.0), (900.0, 1_000.0)]));
    assert_eq!(
        whats(&mesh),
        [
            What::Down,
            What::Worse,
            What::Better,
            What::Flapping,
            What::Better
        ],
        "{:?}",
        mesh.messages()
    );
    let (second, ..) = mesh.messages()[3].clone();
    assert!((700.0..=722.0).contains(&second), "{second}");
    let (steady, ..) = mesh.messages()[4].clone();
    assert!((1_600.0..1_650.0).contains(&steady), "{steady}");
    let flapping = mesh.engine.open().next().unwrap().flapping.unwrap();
    assert_eq!(flapping.openings, 3);
}

#[test]
fn death_is_told_where_only_the_status_came_and_went_before() {
    let mut mesh = asking();
    mesh.run(1_400, |run| match (run.node, run.check) {
        (0, _) if run.second >= 1_300.0 => Seen::Refused,
        (0, Check::Status)
            if [400.0..600.0, 800.0..2_000.0]
                .iter()
                .any(|of| of.contains(&run.second)) =>
        {
            ERROR
        }
        _ => Seen::Green,
    });
    assert_eq!(
        whats(&mesh),
        [What::Down, What::Up, What::Flapping, What::Worse],
        "{:?}",
        mesh.messages()
    );
}

/// Eleven minutes down, and eleven up.
fn by_eleven_minutes(run: Run) -> Seen {
    let is_down = run.node == 0 && run.second >= 100.0 && (run.second - 100.0) % 1_320.0 < 660.0;
    if is_down { Seen::Refused } else { Seen::Green }
}

#[test]
fn node_that_is_down_and_up_for_eleven_minutes_each_pages_once_a_time() {
    let mut mesh = Mesh::ten();
    mesh.run(100 + 5 * 1_320, by_eleven_minutes);
    let pages = mesh.told.iter().filter(|(_, telling)| telling.pages());
    assert_eq!(pages.count(), 5, "{:?}", mesh.messages());
    let mut flapping = mesh.kept.iter().rev().filter_map(|kept| kept.flapping);
    let flapping = flapping.next().unwrap();
    let rate = flapping.per_hour().unwrap();
    assert!((2.6..2.9).contains(&rate), "one in 22 minutes: {rate}");
}

#[test]
fn node_that_stays_down_after_it_came_and_went_unsaid_pages() {
    let mut mesh = Mesh::ten();
    mesh.run(1_500, |run| {
        let is_down = run.node == 0
            && run.second >= 100.0
            && (run.second >= 700.0 || (run.second as u64 / 60).is_multiple_of(2));
        if is_down { Seen::Refused } else { Seen::Green }
    });
    let (_, last) = mesh.told.last().unwrap();
    assert_eq!(last.what, What::Steady, "{:?}", mesh.messages());
    assert!(last.pages());
}

#[test]
fn that_it_stays_down_is_said_once_however_often_the_collector_starts() {
    let mut mesh = Mesh::ten();
    let flaps = |run: Run| {
        let is_down = run.node == 0 && run.second >= 100.0 && !(160.0..220.0).contains(&run.second);
        if is_down { Seen::Refused } else { Seen::Green }
    };
    mesh.run(900, flaps);
    assert_eq!(whats(&mesh).last(), Some(&What::Steady), "{:?}", mesh.messages());
    let before = mesh.told.len();
    for until in [960, 1_700] {
        restarted(&mut mesh);
        mesh.run(until, flaps);
        assert_eq!(mesh.told.len(), before, "{:?}", mesh.messages());
    }
}

#[test]
fn worse_that_is_held_when_the_collector_ends_is_told_by_the_next() {
    let mut mesh = asking();
    let fails = |run: Run| match (run.second, run.check) {
        (500.0.., _) => Seen::Refused,
        (400.0.., Check::Status) => ERROR,
        _ => Seen::Green,
    };
    mesh.run(500, fails);
    while !mesh.kept.iter().any(|kept| kept.worse_waits) {
        mesh.run(mesh.second + 1, fails);
    }
    let waiting = mesh.kept.iter().filter(|kept| kept.worse_waits).count();
    let before = mesh.told.len();
    restarted(&mut mesh);
    mesh.run(mesh.second + 5, fails);
    let told = &mesh.messages()[before..];
    assert!(told.iter().all(|(_, what, _)| *what == What::Worse), "{told:?}");
    let about: usize = told.iter().map(|(.., names)| names.len()).sum();
    assert_eq!(about, waiting, "{told:?}");
    assert!(mesh.kept.iter().all(|kept| !kept.worse_waits));
}

#[test]
fn end_of_a_shared_outage_does_not_wait_for_a_node_that_comes_and_goes_and_is_up() {
    let mut mesh = Mesh::ten();
    mesh.run(400, |run| {
        let before = run.node == 0 && (50.0..90.0).contains(&run.second);
        let is_down = before || (200.0..300.0).contains(&run.second);
        if is_down { Seen::Refused } else { Seen::Green }
    });
    let (told, what, names) = mesh.messages().pop().unwrap();
    assert_eq!((what, names.len()), (What::Up, 8), "{:?}", mesh.messages());
    assert!(told <= 322.0, "{told}");
}

/// Nobody measures any more: that is not ten steady minutes.
#[test]
fn node_that_comes_and_goes_is_not_called_steady_by_silence() {
    let mut mesh = Mesh::ten();
    mesh.run(100, |_| Seen::Green);
    for fall in 0..2 {
        mesh.run(140 + fall * 100, |run| {
            if run.node == 3 { Seen::Refused } else { Seen::Green }
        });
        mesh.run(200 + fall * 100, |_| Seen::Green);
    }
    let told = mesh.told.len();
    mesh.dead = (0..10).collect();
    mesh.run(1_200, |_| Seen::Green);
    let ups = mesh.told[told..]
        .iter()
        .filter(|(_, telling)| telling.what == What::Up);
    assert_eq!(ups.count(), 0, "{:?}", mesh.messages());
}
