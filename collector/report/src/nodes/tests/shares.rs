//! Who is heard: one test for what speaks for a node and for what speaks against it.

use std::net::SocketAddr;

use super::*;

const CONNECT4: Kind = Kind::new(Check::Connect, Family::V4);

fn mesh() -> Roster {
    let probes =
        (1..=5).map(|number| fixture::probe(&format!("p{number}"), &format!("w{number}"), Some(number)));
    let nodes = ["lima", "oslo", "quito", "tokyo"].map(|name| fixture::node(name, "ken"));
    Roster::new(probes.collect::<Vec<_>>(), nodes)
}

/// Sessions from these addresses, as a monitor keeps them.
fn facts(roster: &Roster, address: impl Fn(&str) -> SocketAddr) -> Facts {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let mut monitor = isochrone_watch::fixture::monitor(&store, roster, UnixMillis(DAY0));
    let of = |probe: &ProbeEntry| SessionFacts {
        remote: address(&probe.name),
        clock_offset_ms: Some(0),
        heard: None,
    };
    let sessions: OpenSessions = roster.probes().map(|probe| (probe.id, of(probe))).collect();
    monitor.tick(roster, &sessions, UnixMillis(DAY0)).unwrap();
    Facts::read(&store).unwrap()
}

/// Connections only, each ten seconds.
fn report(facts: Facts, rounds: u64, fails: impl Fn(u64, &str, &str) -> bool) -> NodesReport {
    let roster = mesh();
    let mut builder = filled(&roster, window(rounds), facts);
    for probe in roster.probes() {
        let plan = Arc::new(fixture::plan(&roster, probe.id, &[CONNECT4]));
        let rows = (0..rounds).flat_map(|round| {
            let of = |node: &NodeEntry| match fails(round, &probe.name, &node.name) {
                true => fixture::unconnected(),
                false => fixture::connected(20),
            };
            let slot = UnixMillis(DAY0 + round * 10_000);
            let check = |node: &NodeEntry| fixture::check(&plan, node.id, CONNECT4);
            let rows = roster
                .nodes()
                .map(|node| fixture::row(check(node), slot, of(node)));
            rows.collect::<Vec<_>>()
        });
        let rows: Vec<_> = rows.collect();
        for rows in rows.chunks(900) {
            builder.add(&stored(&plan, rows));
        }
    }
    builder.finish(&[])
}

#[test]
fn sick_probes_answers_count_as_little_as_its_failures() {
    let report = report(Facts::default(), 120, |round, from, _| {
        from == "p1" && round % 3 == 0
    });
    let day = &node(&report, "tokyo").days[0];
    assert_eq!(day.checks, 600);
    assert_eq!(day.connect_checks + day.unheard + day.unjudged, 600);
    assert!(
        (480..500).contains(&day.connect_checks),
        "{} judged, {} not heard",
        day.connect_checks,
        day.unheard
    );
    let text = report.text(100);
    assert!(text.contains("by vantages that might not judge it"), "{text}");
}

#[test]
fn probe_on_the_nodes_server_is_in_no_share_whatever_it_sees() {
    let beside = |name: &str| match name {
        "p1" => "192.0.2.1:7470".parse().unwrap(), // where all of the nodes answer
        other => format!("198.51.{}.1:7470", &other[1..]).parse().unwrap(),
    };
    let facts = facts(&mesh(), beside);
    let report = report(facts, 60, |_, _, _| false);
    let day = &node(&report, "tokyo").days[0];
    assert_eq!(
        (day.connect_checks, day.unheard, day.connect_ok),
        (240, 60, Some(1.0))
    );
    assert_eq!(day.checks, 300);
}

#[test]
fn time_that_nobody_measured_is_not_called_measured() {
    let silent = report_with_a_gap(false);
    let tokyo = node(&silent, "tokyo");
    assert!(tokyo.nobody_may_judge_s < 60.0, "{}", tokyo.nobody_may_judge_s);
    assert!(
        (550.0..700.0).contains(&tokyo.nobody_measured_s),
        "{}",
        tokyo.nobody_measured_s
    );
    let text = silent.text(100);
    assert!(
        text.contains("Measured by nobody for") && !text.contains("Measured, but nobody"),
        "{text}"
    );
    let unproven = report_with_a_gap(true);
    let tokyo = node(&unproven, "tokyo");
    assert!(tokyo.nobody_measured_s < 60.0, "{}", tokyo.nobody_measured_s);
    assert!(tokyo.nobody_may_judge_s > 500.0, "{}", tokyo.nobody_may_judge_s);
}

/// In rounds 60 to 120 of 180 nothing is measured at all, or every check stays in its probe.
fn report_with_a_gap(is_measured: bool) -> NodesReport {
    run(&roster(), window(180), |round, _, _, kind| {
        match (60..120).contains(&round) {
            true if is_measured && kind.check.is_endpoint() => Some(Outcome::unsent(
                kind.check,
                isochrone_proto::measurement::SendFailure::NoRoute,
            )),
            true => None,
            false => Some(usual(kind)),
        }
    })
}

#[test]
fn availability_stands_with_its_bounds_and_what_is_known() {
    let report = report(Facts::default(), 360, |round, _, to| {
        to == "tokyo" && (100..136).contains(&round)
    });
    let json = report.json();
    let of = |name: &str| {
        let nodes = json["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["node"] == name).unwrap()["availability"].clone()
    };
    let tokyo = of("tokyo");
    let part = |name: &str| tokyo[name].as_f64().unwrap();
    assert_eq!((part("window_s"), part("down_s")), (3_600.0, 360.0));
    assert!(part("known") > 0.98 && part("excluded_s") == 0.0, "{tokyo}");
    assert!(
        part("low") <= part("share") && part("share") <= part("high"),
        "{tokyo}"
    );
    assert!((part("share") - 0.9).abs() < 0.003, "{tokyo}");
    assert!((part("high") - 0.9).abs() < 0.005, "{tokyo}");
    assert_eq!(of("lima")["high"], 1.0);
    let text = report.text(100);
    assert!(
        text.contains("Availability: 8") || text.contains("Availability: 90"),
        "{text}"
    );
    let short = NodesReport::text(&report_with_a_gap(false), 100);
    assert!(short.contains("Availability: not judged, for only"), "{short}");
}
