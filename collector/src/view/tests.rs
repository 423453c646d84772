use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::{Check, Kind};
use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, failed, good, lost, replied};
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_store::ingest::Committed;
use isochrone_store::{Store, StoreOptions};
use isochrone_watch::incident::Subject;
use isochrone_watch::judge::Patience;
use isochrone_watch::monitor::{Monitor, OpenSessions, SessionFacts};

use super::mesh::NO_PORTS;
use super::*;

const STATUS4: Kind = Kind::new(Check::Status, Family::V4);
const GET4: Kind = Kind::new(Check::AssetGet, Family::V4);

fn facts() -> CollectorFacts {
    CollectorFacts {
        source: view::Source::Demo,
        collector: view::CollectorView {
            name: "lead".into(),
            version: "0".into(),
            started: timestamp(UnixMillis(DAY0)),
            store_bytes: 0,
            commit_number: 0,
            records_per_second: 0.0,
        },
        plan: None,
        ledger: view::LedgerTotals {
            from: None,
            to: None,
            planned: 0,
            run: 0,
            skipped: 0,
            absent: 0,
            stored: 0,
            spooled: 0,
            dropped: 0,
            damaged: 0,
            refused: 0,
            forked: 0,
            revoked: 0,
            balanced: true,
        },
        notices: Vec::new(),
    }
}

fn monitor(roster: &Roster) -> Monitor {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    isochrone_watch::fixture::monitor(&store, roster, UnixMillis(DAY0))
}

#[test]
fn view_shows_mesh_nodes_and_incident_as_they_are() {
    let roster = Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("paris", "bob", Some(2)),
            fixture::probe("osaka", "ken", Some(3)),
        ],
        [fixture::node("tokyo", "ken"), fixture::node("lima", "pia")],
    );
    let mut monitor = monitor(&roster);
    let facts_of = SessionFacts {
        remote: "192.0.2.9:7470".parse().unwrap(),
        clock_offset_ms: Some(0),
        heard: None,
    };
    let sessions: OpenSessions = roster.probes().map(|probe| (probe.id, facts_of)).collect();
    let mut now = UnixMillis(DAY0);
    let mut commit = 0;
    for round in 1..=4 {
        let slot = UnixMillis(DAY0 + round * 10_000);
        now = UnixMillis(slot.0 + 1_000);
        for probe in roster.probes() {
            let plan = fixture::plan(&roster, probe.id, &[STATUS4, GET4]);
            let mut rows = Vec::new();
            for index in 0..plan.checks.len() as u16 {
                let (check, target) = plan.target_of(index).unwrap();
                let outcome = match check.kind {
                    STATUS4 if target.name == "tokyo" && probe.name != "osaka" => {
                        failed(Phase::Verify, FailureCause::BadStatus, Some(500))
                    }
                    kind if kind.check.is_endpoint() => good(20),
                    _ if target.name == "paris" && probe.name == "osaka" => lost(),
                    _ => replied(30),
                };
                rows.push(fixture::row(index, slot, outcome));
            }
            commit += 1;
            monitor.committed(&Committed {
                probe: probe.id,
                batch: Arc::new(fixture::batch(&plan, &rows)),
                plan: Arc::new(plan),
                received: now,
                commit,
            });
        }
        monitor.tick(&roster, &sessions, now).unwrap();
    }
    let view = ViewParts {
        live: monitor.live(),
        engine: monitor.engine(),
        recent: monitor.recent().collect(),
        roster: &roster,
        board: &Board::default(),
        receivers: 1,
        links: &BTreeMap::new(),
        now,
        collector: facts(),
    }
    .view();

    assert_eq!(view.mesh.len(), 6);
    let cell = |from: &str, to: &str| {
        let found = view.mesh.iter().find(|cell| cell.from == from && cell.to == to);
        found.unwrap()
    };
    let (dead, fine) = (cell("osaka", "paris"), cell("paris", "berlin"));
    assert_eq!(
        (dead.state, dead.loss, dead.p50_ms),
        (view::MeshState::Lost, Some(1.0), None)
    );
    assert_eq!(
        (fine.state, fine.loss, fine.samples),
        (view::MeshState::Ok, Some(0.0), 4)
    );

    let tokyo = view.nodes.iter().find(|node| node.name == "tokyo").unwrap();
    assert_eq!(tokyo.status.state, view::VerdictState::Down);
    assert_eq!(
        (
            tokyo.status.vantages_ok,
            tokyo.status.vantages_total,
            tokyo.status.networks
        ),
        (0, 2, 2)
    );
    assert_eq!(tokyo.connect.state, view::VerdictState::Up);
    assert_eq!(tokyo.asset.state, view::VerdictState::Up);
    assert_eq!(tokyo.cells.len(), 3);
    let own = tokyo.cells.iter().find(|cell| cell.own).unwrap();
    assert_eq!(
        (own.vantage.as_str(), own.status),
        ("osaka", view::CellOutcome::Ok)
    );
    let berlin = tokyo.cells.iter().find(|cell| cell.vantage == "berlin").unwrap();
    assert_eq!(
        (berlin.status, berlin.asset),
        (view::CellOutcome::Failed, view::CellOutcome::Ok)
    );
    assert_eq!(berlin.error.as_deref(), Some("bad-status in verify, verbatim"));
    assert_eq!(
        tokyo.connect_samples, 8,
        "assets of two vantages; failures have no time, the own does not count"
    );
    assert_eq!(tokyo.ttfb_samples, 8);

    assert_eq!(view.incidents.len(), 1);
    assert_eq!(view.incidents[0].check, view::IncidentCheck::Status);
    assert_eq!(view.incidents[0].evidence.len(), 2);
    assert_eq!(view.incidents[0].duration_s, 31);
    assert_eq!(
        tokyo.status.since,
        Some(view.incidents[0].start),
        "down since it failed, not since that was noticed"
    );
    assert!(serde_json::to_string(&view).is_ok());
}

/// As a probe of its own make would send it, read as the collector reads it.
fn hostile_batch(plan: &isochrone_proto::plan::Plan, slot: UnixMillis) -> isochrone_proto::batch::Batch {
    use isochrone_proto::measurement::{EndpointResult, Outcome};
    let rows: Vec<_> = (0..plan.checks.len() as u16)
        .map(|index| {
            let (check, _) = plan.target_of(index).unwrap();
            let mut outcome = match check.kind.check.is_endpoint() {
                true => failed(Phase::Verify, FailureCause::BadStatus, Some(500)),
                false => replied(30),
            };
            if let Outcome::Endpoint(endpoint) = &mut outcome
                && let EndpointResult::Failed { text, .. } = &mut endpoint.result
            {
                *text = HOSTILE.to_owned();
            }
            fixture::row(index, slot, outcome)
        })
        .collect();
    let sent = isochrone_proto::codec::encode_batch(&fixture::batch(plan, &rows));
    isochrone_proto::codec::decode_batch(&sent).unwrap()
}

/// It clears a screen, turns writing, begins a line, and would be markup.
const HOSTILE: &str = "seen\u{1b}[2J\u{202e}\n\u{9b}\0\u{2800}<script>";

#[test]
fn words_of_probes_and_nodes_reach_the_page_clean() {
    let roster = Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("paris", "bob", Some(2)),
            fixture::probe("osaka", "ken", Some(3)),
        ],
        [fixture::node("tokyo", "pia")],
    );
    let mut monitor = monitor(&roster);
    let sessions = OpenSessions::default();
    let mut now = UnixMillis(DAY0);
    for round in 1..=6 {
        let slot = UnixMillis(DAY0 + round * 10_000);
        now = UnixMillis(slot.0 + 1_000);
        for (place, probe) in roster.probes().enumerate() {
            let plan = fixture::plan(&roster, probe.id, &[STATUS4, GET4]);
            monitor.committed(&Committed {
                probe: probe.id,
                batch: Arc::new(hostile_batch(&plan, slot)),
                plan: Arc::new(plan),
                received: now,
                commit: round * 10 + place as u64,
            });
        }
        monitor.tick(&roster, &sessions, now).unwrap();
    }
    let view = ViewParts {
        live: monitor.live(),
        engine: monitor.engine(),
        recent: monitor.recent().collect(),
        roster: &roster,
        board: &Board::default(),
        receivers: 1,
        links: &BTreeMap::new(),
        now,
        collector: facts(),
    }
    .view();
    assert!(!view.incidents.is_empty());
    let cells: Vec<_> = view.nodes[0]
        .cells
        .iter()
        .filter_map(|cell| cell.error.as_deref())
        .collect();
    let evidence = view.incidents.iter().flat_map(|incident| &incident.evidence);
    let quoted: Vec<_> = cells
        .into_iter()
        .chain(evidence.map(|cell| cell.error.as_str()))
        .collect();
    assert!(
        quoted.iter().any(|text| text.starts_with("seen?[2J?")),
        "{quoted:?}"
    );
    fn each(value: &serde_json::Value) {
        match value {
            serde_json::Value::String(text) => assert!(isochrone_proto::text::is_clean(text), "{text:?}"),
            serde_json::Value::Array(values) => values.iter().for_each(each),
            serde_json::Value::Object(fields) => fields.values().for_each(each),
            _ => {}
        }
    }
    each(&serde_json::to_value(&view).unwrap());
}

/// A connected probe's.
fn link(v4: view::EchoPort) -> Link {
    Link {
        connected: true,
        since: UnixMillis(DAY0),
        version: None,
        plan_version: None,
        rtt_ms: None,
        backlog: None,
        epoch: None,
        echo_port: view::EchoPorts { v4, ..NO_PORTS },
        echo_port_number: Some(7_999),
    }
}

/// Each pair of them would be a cell: 25 million of 5,000 probes.
#[test]
fn closed_echo_ports_of_a_large_mesh_are_named_and_make_no_cell_of_every_pair() {
    let cells = |count: usize| {
        let names: Vec<String> = (0..count).map(|place| format!("probe-{place}")).collect();
        let probes = names.iter().map(|name| fixture::probe(name, name, None));
        let roster = Roster::new(probes.collect::<Vec<_>>(), []);
        let links = names
            .iter()
            .map(|name| (fixture::probe_id(name), link(view::EchoPort::Closed)));
        let view = ViewParts {
            live: &Live::new(),
            engine: &Engine::new(Patience::default(), UnixMillis(DAY0)),
            recent: Vec::new(),
            roster: &roster,
            board: &Board::default(),
            receivers: 1,
            links: &links.collect(),
            now: UnixMillis(DAY0),
            collector: facts(),
        }
        .view();
        assert!(view.notices.len() >= count, "each port is named");
        view.mesh.len()
    };
    assert_eq!(cells(50), 50 * 49);
    assert_eq!(cells(51), 0);
}

#[test]
fn closed_echo_port_is_shown_as_such_with_the_command_that_opens_it() {
    let roster = Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("paris", "bob", Some(2)),
        ],
        [],
    );
    let links = [
        (fixture::probe_id("berlin"), link(view::EchoPort::Verified)),
        (fixture::probe_id("paris"), link(view::EchoPort::Closed)),
    ];
    let view = ViewParts {
        live: &Live::new(),
        engine: &Engine::new(Patience::default(), UnixMillis(DAY0)),
        recent: Vec::new(),
        roster: &roster,
        board: &Board::default(),
        receivers: 1,
        links: &BTreeMap::from(links),
        now: UnixMillis(DAY0),
        collector: facts(),
    }
    .view();
    let cells: Vec<_> = view
        .mesh
        .iter()
        .map(|cell| (cell.from.as_str(), cell.to.as_str(), cell.state))
        .collect();
    assert_eq!(
        cells,
        [("berlin", "paris", view::MeshState::EchoPortClosed)],
        "and no other family"
    );
    assert_eq!(view.mesh[0].loss, None, "it is no loss");
    assert_eq!(view.notices.len(), 1);
    let text = &view.notices[0].text;
    assert!(
        text.starts_with("paris") && text.contains("ufw allow 7999/udp"),
        "{text}"
    );
}

#[test]
fn what_nobody_is_to_ask_is_not_asked_and_no_missing_data() {
    const HTTP4: Kind = Kind::new(Check::Http, Family::V4);
    let roster = Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("paris", "bob", Some(2)),
        ],
        [fixture::node("site", "ken")],
    );
    let mut monitor = monitor(&roster);
    let now = UnixMillis(DAY0 + 11_000);
    for (commit, probe) in roster.probes().enumerate() {
        let plan = fixture::plan(&roster, probe.id, &[HTTP4]);
        let index = fixture::check(&plan, TargetId::of_node("site"), HTTP4);
        let rows = [fixture::row(index, UnixMillis(DAY0 + 10_000), good(20))];
        monitor.committed(&Committed {
            probe: probe.id,
            batch: Arc::new(fixture::batch(&plan, &rows)),
            plan: Arc::new(plan),
            received: now,
            commit: commit as u64 + 1,
        });
    }
    monitor.tick(&roster, &OpenSessions::new(), now).unwrap();
    let view = ViewParts {
        live: monitor.live(),
        engine: monitor.engine(),
        recent: Vec::new(),
        roster: &roster,
        board: &Board::default(),
        receivers: 1,
        links: &BTreeMap::new(),
        now,
        collector: facts(),
    }
    .view();
    let site = &view.nodes[0];
    assert!(site.plain);
    assert_eq!(site.asset.state, view::VerdictState::NotAsked);
    assert_ne!(
        site.status.state,
        view::VerdictState::NotAsked,
        "its page is asked for"
    );
    let cell = &site.cells[0];
    assert_eq!(
        (cell.asset, cell.status),
        (view::CellOutcome::NotAsked, view::CellOutcome::Ok)
    );
}

#[test]
fn outage_that_a_message_of_several_named_was_told() {
    let start = DAY0 + 10_000;
    let subject = Subject::Node(TargetId::of_node("lima"));
    let outage = |told: bool, group: Option<&str>| -> Incident {
        let kept = serde_json::json!({
            "id": "second", "subject": subject, "target": "lima", "check": "connect", "checks": [], "cause": "shared",
            "start": start, "noticed": start, "end": start + 10_000, "ending": "recovered", "caveat": null,
            "evidence": [], "spells": [], "flapping": null, "group": group, "told": told,
        });
        serde_json::from_value(kept).unwrap()
    };
    let alert = serde_json::json!({
        "schema": "isochrone.alert/1", "id": "first-opened", "event": "opened", "at": "", "collector": "lead",
        "summary": "", "security": null,
        "incident": {
            "id": "first", "target": "tokyo", "check": "connect", "cause": "shared", "start": "", "end": null,
            "duration_s": null, "ending": null, "caveat": null, "evidence": [],
        },
    });
    let waits = serde_json::json!({
        "alert": alert, "receiver": "webhook", "created": DAY0, "attempts": 0, "last_error": null,
    });
    let mut board = Board::default();
    board
        .pending
        .push(std::sync::Arc::new(serde_json::from_value(waits).unwrap()));
    let roster = Roster::new([], [fixture::node("lima", "pia")]);
    let monitor = monitor(&roster);
    for (told, group, expected) in [
        (true, Some("first"), 1),
        (true, None, 0),
        (false, Some("first"), 0),
    ] {
        let incident = outage(told, group);
        let view = ViewParts {
            live: monitor.live(),
            engine: monitor.engine(),
            recent: vec![&incident],
            roster: &roster,
            board: &board,
            receivers: 1,
            links: &BTreeMap::new(),
            now: UnixMillis(DAY0 + 30_000),
            collector: facts(),
        }
        .view();
        assert_eq!(view.incidents[0].alerts_pending, expected, "{told} {group:?}");
    }
}

#[test]
fn page_that_fails_and_a_node_that_nobody_may_judge_are_incidents_by_their_own_names() {
    let kept = |check: &str| -> Incident {
        let kept = serde_json::json!({
            "id": check, "subject": Subject::Node(TargetId::of_node("lima")), "target": "lima", "check": check,
            "checks": [], "cause": "unknown", "start": DAY0, "noticed": DAY0, "end": DAY0 + 10_000, "ending": "recovered",
            "caveat": null, "evidence": [], "spells": [], "flapping": null, "group": null, "told": true,
        });
        serde_json::from_value(kept).unwrap()
    };
    let (page, data) = (kept("http"), kept("data"));
    let roster = Roster::new([], [fixture::node("lima", "pia")]);
    let monitor = monitor(&roster);
    let view = ViewParts {
        live: monitor.live(),
        engine: monitor.engine(),
        recent: vec![&page, &data],
        roster: &roster,
        board: &Board::default(),
        receivers: 1,
        links: &BTreeMap::new(),
        now: UnixMillis(DAY0 + 30_000),
        collector: facts(),
    }
    .view();
    let checks: Vec<_> = view.incidents.iter().map(|incident| incident.check).collect();
    assert_eq!(checks, [view::IncidentCheck::Http, view::IncidentCheck::Data]);
}

#[test]
fn probe_that_is_silent_is_so_since_its_incident_began_whatever_sessions_were_seen() {
    let mut probe = fixture::probe("berlin", "ada", Some(1));
    probe.joined = UnixMillis(DAY0 - 86_400_000);
    let roster = Roster::new([probe], []);
    let mut monitor = monitor(&roster);
    let now = |second: u64| UnixMillis(DAY0 + second * 1_000);
    for second in 1..=200 {
        monitor.tick(&roster, &OpenSessions::new(), now(second)).unwrap();
    }
    let view = ViewParts {
        live: monitor.live(),
        engine: monitor.engine(),
        recent: Vec::new(),
        roster: &roster,
        board: &Board::default(),
        receivers: 1,
        links: &BTreeMap::new(),
        now: now(200),
        collector: facts(),
    }
    .view();
    let (probe, incident) = (&view.probes[0], &view.incidents[0]);
    assert_eq!(
        (probe.state, probe.since),
        (view::ProbeState::Silent, incident.start)
    );
    assert_eq!(view.head.verdict, view::HeadVerdict::Wrong, "{:?}", view.head);
}

#[test]
fn cell_says_what_the_engine_makes_of_it_for_as_long_as_the_engine_does() {
    const CONNECT4: Kind = Kind::new(Check::Connect, Family::V4);
    let roster = Roster::new(
        [
            fixture::probe("berlin", "ada", Some(1)),
            fixture::probe("paris", "bob", Some(2)),
            fixture::probe("osaka", "eve", Some(3)),
            fixture::probe("kyoto", "ken", Some(4)),
        ],
        [fixture::node("tokyo", "ken"), fixture::node("lima", "pia")],
    );
    let mut monitor = monitor(&roster);
    let facts_of = SessionFacts {
        remote: "192.0.2.9:7470".parse().unwrap(),
        clock_offset_ms: Some(0),
        heard: None,
    };
    let sessions: OpenSessions = roster.probes().map(|probe| (probe.id, facts_of)).collect();
    let (mut commit, mut now) = (0, UnixMillis(DAY0));
    for round in 1..=2 {
        let slot = UnixMillis(DAY0 + round * 10_000);
        now = UnixMillis(slot.0 + 1_000);
        for probe in roster.probes() {
            let plan = fixture::plan(&roster, probe.id, &[CONNECT4]);
            let mut rows = Vec::new();
            for index in 0..plan.checks.len() as u16 {
                let (check, _) = plan.target_of(index).unwrap();
                rows.push(match check.kind {
                    CONNECT4 if probe.name == "osaka" => {
                        fixture::row(index, slot, failed(Phase::Connect, FailureCause::Timeout, None))
                    }
                    CONNECT4 => fixture::row(index, slot, good(20)),
                    _ => fixture::row(index, slot, replied(30)),
                });
            }
            commit += 1;
            monitor.committed(&Committed {
                probe: probe.id,
                batch: Arc::new(fixture::batch(&plan, &rows)),
                plan: Arc::new(plan),
                received: now,
                commit,
            });
        }
        monitor.tick(&roster, &sessions, now).unwrap();
    }
    let mut seen = |now: UnixMillis| {
        monitor.tick(&roster, &sessions, now).unwrap();
        let view = ViewParts {
            live: monitor.live(),
            engine: monitor.engine(),
            recent: Vec::new(),
            roster: &roster,
            board: &Board::default(),
            receivers: 1,
            links: &BTreeMap::new(),
            now,
            collector: facts(),
        }
        .view();
        let tokyo = view.nodes.into_iter().find(|node| node.name == "tokyo").unwrap();
        let cells = tokyo.cells.into_iter();
        let cells: BTreeMap<String, _> = cells
            .map(|cell| (cell.vantage, (cell.verdict, cell.connect)))
            .collect();
        (cells, tokyo.connect.vantages_total)
    };
    let (cells, judges) = seen(now);
    assert_eq!(judges, 2);
    let (green, failed) = (view::CellVerdict::Green, view::CellOutcome::Failed);
    assert_eq!(cells["berlin"], (green, view::CellOutcome::Ok));
    assert_eq!(
        cells["osaka"],
        (view::CellVerdict::Unproven, failed),
        "its own line never worked"
    );
    assert_eq!(cells["kyoto"], (view::CellVerdict::Own, view::CellOutcome::Ok));
    let (cells, judges) = seen(UnixMillis(now.0 + 14_000));
    assert_eq!(judges, 0);
    assert_eq!(
        cells["berlin"],
        (view::CellVerdict::Silent, view::CellOutcome::NoData),
        "no fresh answer, no tick"
    );
}

#[test]
fn view_of_a_fleets_outage_holds_the_evidence_of_the_first_and_counts_the_rest() {
    let roster = Roster::new([], [fixture::node("lima", "pia")]);
    let monitor = monitor(&roster);
    let cell = |probe: u64| {
        serde_json::json!({
            "probe": probe, "vantage": format!("p{probe}"), "place": "", "network": probe, "kind": "connect4",
            "phase": "connect", "failure": "refused", "error": "e".repeat(512), "slot": DAY0, "first_slot": DAY0,
            "failures": 2,
        })
    };
    let outage = |place: usize| -> Incident {
        let kept = serde_json::json!({
            "id": format!("i{place}"), "subject": Subject::Node(TargetId::of_node("lima")), "target": "lima",
            "check": "connect", "checks": [], "cause": "shared", "start": DAY0, "noticed": DAY0, "end": DAY0 + 1,
            "ending": "recovered", "caveat": null, "evidence": (1..=20).map(cell).collect::<Vec<_>>(), "spells": [],
            "flapping": null, "group": null, "told": true,
        });
        serde_json::from_value(kept).unwrap()
    };
    let outages: Vec<Incident> = (0..1_000).map(outage).collect();
    let view = ViewParts {
        live: monitor.live(),
        engine: monitor.engine(),
        recent: outages.iter().collect(),
        roster: &roster,
        board: &Board::default(),
        receivers: 1,
        links: &BTreeMap::new(),
        now: UnixMillis(DAY0 + 30_000),
        collector: facts(),
    }
    .view();
    assert!(view.incidents.iter().all(|incident| incident.vantages == 20));
    assert_eq!(view.incidents[0].evidence.len(), 20);
    let bytes = serde_json::to_vec(&view.incidents).unwrap().len();
    assert!(bytes < 1_200_000, "{bytes} bytes a second");
}
