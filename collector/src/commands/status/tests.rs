use isochrone_web::view::{
    AlertsView, Cause, CellOutcome, CellVerdict, CollectorView, EchoPort, EchoPorts, Family, Head,
    HeadVerdict, IncidentCheck, IncidentState, IncidentView, LedgerTotals, NodeCell, NodeView, Notice,
    NoticeLevel, ProbeState, ProbeView, Verdict, VerdictState,
};
use jiff::Timestamp;

use super::*;

const NOW: UnixMillis = UnixMillis(1_795_316_283_000);

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millisecond(ms as i64).unwrap()
}

fn verdict(state: VerdictState, ok: u32) -> Verdict {
    Verdict {
        state,
        since: Some(at(NOW.0 - 60_000)),
        vantages_ok: ok,
        vantages_total: 9,
        networks: 8,
    }
}

fn node(name: &str, connect: VerdictState, status: VerdictState, asset: VerdictState) -> NodeView {
    NodeView {
        name: name.to_owned(),
        worker: "ada".to_owned(),
        place: "Berlin, DE".to_owned(),
        latitude: None,
        longitude: None,
        network: None,
        url: "https://node.example.org/distributor/".to_owned(),
        plain: false,
        connect: verdict(connect, 0),
        status: verdict(status, 1),
        asset: verdict(asset, 2),
        connect_p50_ms: None,
        connect_samples: 0,
        ttfb_p50_ms: None,
        ttfb_samples: 0,
        cert_expires: None,
        cells: Vec::new(),
        samples: 0,
    }
}

fn probe(state: ProbeState) -> ProbeView {
    let unknown = EchoPort::Unknown;
    ProbeView {
        name: "ada-berlin".to_owned(),
        worker: "ada".to_owned(),
        site: "Berlin, DE".to_owned(),
        latitude: None,
        longitude: None,
        network: None,
        state,
        since: at(NOW.0),
        version: None,
        plan_version: None,
        rtt_ms: None,
        backlog: None,
        epoch: None,
        last_measurement: None,
        echo_port: EchoPorts {
            v4: unknown,
            v6: unknown,
        },
    }
}

fn incident(check: IncidentCheck) -> IncidentView {
    IncidentView {
        id: "7".to_owned(),
        target: "efe-lagos".to_owned(),
        check,
        checks: Vec::new(),
        flapping: None,
        openings_per_hour: None,
        up_since: None,
        late: false,
        state: IncidentState::Open,
        start: at(NOW.0 - 90_000),
        end: None,
        duration_s: 90,
        cause: Cause::Unknown,
        caveat: None,
        vantages: 0,
        evidence: Vec::new(),
        alerts_delivered: 1,
        alerts_pending: 0,
    }
}

/// One node and one probe, both well.
fn view() -> LiveView {
    use VerdictState::Up;
    LiveView {
        head: Head::default(),
        generated_at: at(NOW.0),
        source: Source::Store,
        window_s: 900,
        collector: CollectorView {
            name: "lead".to_owned(),
            version: "0.1.0".to_owned(),
            started: at(NOW.0 - 1_000_000),
            store_bytes: 1,
            commit_number: 1,
            records_per_second: 1.0,
        },
        plan: None,
        probes: vec![probe(ProbeState::Connected)],
        mesh: Vec::new(),
        nodes: vec![node("berlin", Up, Up, Up)],
        incidents: Vec::new(),
        ledger: LedgerTotals {
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
        alerts: AlertsView {
            receivers: 1,
            pending: 0,
            oldest: None,
        },
        notices: Vec::new(),
    }
}

/// What the collector makes of a view.
fn judged(view: &LiveView) -> LiveView {
    LiveView {
        head: head::of(view),
        ..view.clone()
    }
}

fn report(view: &LiveView) -> StatusReport {
    of_view(&judged(view), NOW)
}

/// The exit code, and the findings' sentences.
fn said(view: &LiveView) -> (u8, Vec<String>) {
    let report = report(view);
    let says = report.findings.iter().map(|finding| finding.says.clone());
    (report.exit_code(), says.collect())
}

#[test]
fn mesh_that_is_well_has_no_finding() {
    assert_eq!(said(&view()), (0, vec![]));
}

#[test]
fn state_of_a_node_decides_and_only_its_worst_is_said() {
    use VerdictState::{Degraded, Down, Maintenance, NoData, NobodyMayJudge, Partial, Paused, Up};
    for (states, code, expected) in [
        (
            [Down, Down, Down],
            1,
            "berlin is down since 2026-11-22 02:57:03 UTC, seen by 9 of 9 vantages in 8 networks.",
        ),
        (
            [Up, Up, Down],
            1,
            "berlin delivers no asset since 2026-11-22 02:57:03 UTC, seen by 7 of 9 vantages in 8 networks.",
        ),
        (
            [Up, Down, Up],
            1,
            "berlin does not answer its status since 2026-11-22 02:57:03 UTC, seen by 8 of 9 vantages in 8 networks. Its assets are served.",
        ),
        (
            [Partial, Up, Up],
            1,
            "berlin has failed from some vantages for minutes, too few for an outage.",
        ),
        (
            [Up, Degraded, Up],
            1,
            "berlin is degraded since 2026-11-22 02:57:03 UTC: its status is slow or fails from some vantages.",
        ),
        (
            [Degraded, Up, Up],
            1,
            "berlin cannot be reached from 9 of 9 vantages since 2026-11-22 02:57:03 UTC; not confirmed as down.",
        ),
        (
            [NobodyMayJudge, Up, Up],
            3,
            "berlin: measured, but nobody may judge it.",
        ),
        (
            [NoData, NoData, NoData],
            3,
            "berlin: no data since 2026-11-22 02:57:03 UTC.",
        ),
        ([Up, NoData, NoData], 0, ""),
    ] {
        let mut view = view();
        let [connect, status, asset] = states;
        view.nodes = vec![node("berlin", connect, status, asset)];
        let (found, says) = said(&view);
        assert_eq!((found, says.concat().as_str()), (code, expected), "{states:?}");
    }
    for at_rest in [Paused, Maintenance] {
        let mut view = view();
        view.nodes.push(node("tokyo", at_rest, at_rest, at_rest));
        assert_eq!(
            report(&view).nodes,
            Share {
                all: 1,
                well: 1,
                unknown: 0
            }
        );
    }
}

#[test]
fn page_of_a_plain_endpoint_is_called_a_page() {
    use VerdictState::{Down, NotAsked, Up};
    let mut view = view();
    let mut site = node("berlin", Up, Down, NotAsked);
    site.plain = true;
    view.nodes = vec![site];
    let (_, says) = said(&view);
    assert!(
        says[0].starts_with("berlin: its page does not answer since "),
        "{says:?}"
    );
}

#[test]
fn silent_probe_is_wrong_and_a_revoked_one_is_nobody() {
    let mut view = view();
    view.probes.push(probe(ProbeState::Silent));
    view.probes.push(probe(ProbeState::Revoked));
    view.incidents = vec![incident(IncidentCheck::Probe)];
    let report = report(&view);
    assert_eq!(
        report.probes,
        Share {
            all: 2,
            well: 1,
            unknown: 0
        }
    );
    assert_eq!(
        said(&view),
        (
            1,
            vec!["Probe efe-lagos is silent since 2026-11-22 02:56:33 UTC.".to_owned()]
        )
    );
}

#[test]
fn probe_that_is_away_for_a_moment_is_named_and_no_fault() {
    let mut view = view();
    let mut away = probe(ProbeState::Away);
    away.since = at(NOW.0 - 160_000);
    view.probes.push(away);
    assert_eq!(
        said(&view),
        (
            0,
            vec!["Probe ada-berlin is not connected, for 2 min 40 s.".to_owned()]
        )
    );
}

#[test]
fn node_that_comes_and_goes_is_well_while_it_is_up_and_that_is_said() {
    let mut view = view();
    let mut flapping = incident(IncidentCheck::Connect);
    (flapping.flapping, flapping.up_since) = (Some(2), Some(at(NOW.0 - 5_000)));
    view.incidents = vec![flapping];
    let (code, says) = said(&view);
    assert_eq!(code, 0);
    assert!(
        says[0].starts_with("efe-lagos comes and goes: up since 2026-11-22 02:57:58 UTC"),
        "{says:?}"
    );
}

#[test]
fn node_that_answers_again_is_held_down_in_words_and_one_that_nobody_may_judge_has_its_witnesses() {
    use VerdictState::Down;
    let mut view = view();
    view.nodes = vec![node("berlin", Down, Down, Down)];
    let mut outage = incident(IncidentCheck::Connect);
    outage.target = "berlin".to_owned();
    outage.vantages = 1;
    view.incidents = vec![outage];
    let connect = |total, ok, networks| Verdict {
        vantages_total: total,
        vantages_ok: ok,
        networks,
        ..verdict(Down, 0)
    };
    for (connect, expected) in [
        (
            connect(3, 2, 3),
            "; it answers again from 2 of 3 vantages, held down until two answers in a row come from two networks.",
        ),
        (
            connect(3, 3, 1),
            "; it answers again from 3 of 3 vantages, held down until two answers in a row come.",
        ),
        (connect(3, 1, 3), ", seen by 2 of 3 vantages in 3 networks."),
        (
            connect(0, 0, 0),
            ", seen by 1 vantage then; nobody may judge it now.",
        ),
    ] {
        view.nodes[0].connect = connect;
        let expected = format!("berlin is down since 2026-11-22 02:57:03 UTC{expected}");
        assert_eq!(said(&view), (1, vec![expected]));
    }
}

#[test]
fn mesh_without_a_connected_probe_cannot_be_told_of() {
    let mut view = view();
    view.probes[0].state = ProbeState::Away;
    let (code, says) = said(&view);
    assert_eq!(code, 3);
    assert!(says[0].starts_with("No probe is connected"), "{says:?}");
}

#[test]
fn judges_of_one_network_in_a_mesh_of_two_are_not_well() {
    let mut view = view();
    view.probes.push(ProbeView {
        network: Some(2),
        ..probe(ProbeState::Connected)
    });
    assert_eq!(said(&view), (0, vec![]));
    let cell = |network, verdict| NodeCell {
        vantage: "ada-berlin".to_owned(),
        network: Some(network),
        family: Family::V4,
        connect: CellOutcome::Ok,
        status: CellOutcome::Ok,
        asset: CellOutcome::Ok,
        connect_ms: None,
        phase: None,
        error: None,
        own: verdict == CellVerdict::Own,
        verdict,
        at: None,
    };
    let own = cell(1, CellVerdict::Own);
    view.nodes[0].cells = vec![cell(2, CellVerdict::Green), cell(2, CellVerdict::Green), own];
    assert_eq!(said(&view), (0, vec![]), "its own worker's probe never judges it");
    view.nodes[0].cells.push(cell(1, CellVerdict::Silent));
    let (code, says) = said(&view);
    assert!(
        code == 1 && says[0].starts_with("Fewer than two networks"),
        "{says:?}"
    );
}

/// The page draws its head by the verdict of the view, and `status` ends by it.
#[test]
fn page_and_status_never_differ() {
    type Set = fn(&mut LiveView);
    let cases: [(HeadVerdict, u8, Set); 6] = [
        (HeadVerdict::Well, 0, |_| {}),
        (HeadVerdict::Wrong, 1, |view| {
            view.incidents = vec![incident(IncidentCheck::Probe)];
        }),
        (HeadVerdict::Wrong, 1, |view| view.ledger.balanced = false),
        (HeadVerdict::Wrong, 1, |view| {
            (view.alerts.pending, view.alerts.oldest) = (1, Some(at(NOW.0 - 60_001)));
        }),
        (HeadVerdict::CannotTell, 3, |view| {
            view.probes[0].state = ProbeState::Silent;
        }),
        (HeadVerdict::CannotTell, 3, |view| {
            view.nodes[0].connect = verdict(VerdictState::NoData, 0);
        }),
    ];
    for (expected, code, set) in cases {
        let mut view = view();
        set(&mut view);
        let view = judged(&view);
        assert_eq!(view.head.verdict, expected, "{:?}", view.head);
        assert_eq!(of_view(&view, NOW).exit_code(), code, "{:?}", view.head);
    }
}

#[test]
fn empty_mesh_cannot_be_told_of() {
    let mut view = view();
    view.nodes.clear();
    view.probes.clear();
    assert_eq!(said(&view).0, 3);
}

#[test]
fn old_view_is_no_knowledge() {
    let mut view = view();
    view.generated_at = at(NOW.0 - 10_000);
    assert_eq!(said(&view).0, 0);
    view.generated_at = at(NOW.0 - 10_001);
    assert_eq!(said(&view).0, 3);
}

#[test]
fn account_and_outbox_and_notices_count() {
    type Set = fn(&mut LiveView);
    let wrong: [(&str, Set); 3] = [
        ("ledger", |view| view.ledger.balanced = false),
        ("2 alerts wait", |view| {
            (view.alerts.pending, view.alerts.oldest) = (2, Some(at(NOW.0 - 60_001)));
        }),
        ("disk", |view| {
            view.notices.push(Notice {
                level: NoticeLevel::Error,
                text: "The disk is full.".to_owned(),
                at: at(NOW.0),
            });
        }),
    ];
    for (word, set) in wrong {
        let mut view = view();
        set(&mut view);
        let (code, says) = said(&view);
        assert!(code == 1 && says[0].contains(word), "{word}: {says:?}");
    }
    let mut waiting = view();
    (waiting.alerts.pending, waiting.alerts.oldest) = (1, Some(at(NOW.0 - 60_000)));
    let (code, says) = said(&waiting);
    assert!(
        code == 0 && says[0].starts_with("1 alert waits"),
        "an alert on its way is no fault, and is said: {says:?}"
    );
    let mut nobody = view();
    nobody.alerts.receivers = 0;
    let (code, says) = said(&nobody);
    assert!(code == 0 && says[0].contains("No receiver"), "{says:?}");
}

/// The view with at least one of everything that a report of it quotes.
fn full_view() -> LiveView {
    use VerdictState::{Down, Up};
    let mut full = view();
    full.nodes.push(node("tokyo", Down, Up, Up));
    full.nodes.push(node("lima", Up, Down, Down));
    full.probes.push(ProbeView {
        name: "ken-osaka".to_owned(),
        ..probe(ProbeState::Away)
    });
    let evidence = isochrone_web::view::Evidence {
        vantage: "ada-berlin".to_owned(),
        network: None,
        phase: "connect".to_owned(),
        error: "refused".to_owned(),
        at: at(NOW.0),
    };
    let of = |target: &str, check| IncidentView {
        target: target.to_owned(),
        caveat: Some("Both vantages are in one network.".to_owned()),
        evidence: vec![evidence.clone()],
        ..incident(check)
    };
    full.incidents = vec![
        of("tokyo", IncidentCheck::Connect),
        of("lima", IncidentCheck::Status),
        of("ken-osaka", IncidentCheck::Probe),
        IncidentView {
            flapping: Some(4),
            openings_per_hour: Some(12.0),
            ..of("berlin", IncidentCheck::Connect)
        },
    ];
    full.notices = vec![Notice {
        level: NoticeLevel::Warning,
        text: "The disk is 91 % full; free some space.".to_owned(),
        at: at(NOW.0),
    }];
    full
}

fn texts<'a>(value: &'a mut serde_json::Value, found: &mut Vec<&'a mut String>) {
    match value {
        serde_json::Value::String(text) => found.push(text),
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| texts(value, found)),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(|value| texts(value, found)),
        _ => {}
    }
}

#[test]
fn every_text_of_the_page_is_shown_by_status_and_not_obeyed() {
    const HOSTILE: &str = "seen\u{1b}[2J\u{202e}\n- All is well\u{9b}\0";
    let honest = serde_json::to_value(full_view()).unwrap();
    let (mut seen, mut walked) = (0, 0);
    for place in 0.. {
        let mut value = honest.clone();
        let mut found = Vec::new();
        texts(&mut value, &mut found);
        let Some(text) = found.into_iter().nth(place) else {
            break;
        };
        HOSTILE.clone_into(text);
        let Ok(mut view) = serde_json::from_value::<LiveView>(value) else {
            continue; // a word or an instant of ours
        };
        view.head = head::of(&view);
        walked += 1;
        let report = of_view(&view, NOW);
        let text = report.text(WIDTH);
        assert!(text.lines().all(isochrone_proto::text::is_clean), "{text:?}");
        assert!(!text.contains("\n- All is well"), "a line is forged: {text}");
        let mut json = report.json();
        let mut found = Vec::new();
        texts(&mut json, &mut found);
        for text in found {
            assert!(isochrone_proto::text::is_clean(text), "{text:?}");
        }
        seen += usize::from(text.contains("seen"));
    }
    assert!(walked > 30 && seen >= 6, "{walked} {seen}");
}
