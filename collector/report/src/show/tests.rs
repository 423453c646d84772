use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, failed, good, timeout};
use isochrone_base::roster::{NodeEntry, Roster};
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::Kind;
use isochrone_proto::kind::{Check, Family};
use isochrone_proto::measurement::Outcome;
use isochrone_proto::measurement::{CacheState, EndpointResult, FailureCause, Phase, Phases, SendFailure};
use isochrone_proto::units::UnixMillis;
use isochrone_store::Stored;
use isochrone_store::fixture::stored;
use isochrone_watch::facts::Facts;
use isochrone_watch::incident::{Cause, Flapping, Incident, IncidentCheck, Spell, Subject};
use isochrone_watch::replay::Replay;

use super::builder::ShowBuilder;
use super::*;
use crate::log::Window;
use crate::tiers::Fill as _;

const STATUS4: Kind = Kind::new(Check::Status, Family::V4);
const GET4: Kind = Kind::new(Check::AssetGet, Family::V4);
const CONNECT4: Kind = Kind::new(Check::Connect, Family::V4);

fn roster() -> Roster {
    Roster::new(
        [
            fixture::probe("berlin", "ada", Some(64_500)),
            fixture::probe("osaka", "ken", None),
        ],
        [fixture::node("tokyo", "ken"), fixture::node("lima", "pia")],
    )
}

/// What is read, for what is shown and for the engine.
struct Filled<'a>(ShowBuilder<'a>, Replay);

fn filled<'a>(roster: &'a Roster, node: &'a NodeEntry, window: Window, facts: Facts) -> Filled<'a> {
    let builder = ShowBuilder::new(roster, node, window, facts.clocks.clone());
    Filled(
        builder,
        Replay::new(roster, (window.from, window.until)).with_facts(facts),
    )
}

impl Filled<'_> {
    fn add(&mut self, stored: &Stored) {
        self.0.add(stored, crate::tiers::ALWAYS);
        self.1.add(stored);
    }

    fn finish(self, kept: &[Incident]) -> ShowReport {
        self.0.finish(&self.1.finish(), kept)
    }
}

fn add(builder: &mut Filled<'_>, from: &str, kind: Kind, outcomes: &[(u64, Outcome)]) {
    let plan = Arc::new(fixture::plan(
        builder.0.roster,
        fixture::probe_id(from),
        &[STATUS4, GET4, CONNECT4],
    ));
    let check = fixture::check(&plan, TargetId::of_node("tokyo"), kind);
    let rows: Vec<_> = outcomes
        .iter()
        .map(|(round, outcome)| fixture::row(check, UnixMillis(DAY0 + round * 10_000), outcome.clone()))
        .collect();
    builder.add(&stored(&plan, &rows));
}

fn window() -> Window {
    Window {
        from: UnixMillis(DAY0),
        until: UnixMillis(DAY0 + 600_000),
    }
}

fn incident(start: u64, end: Option<u64>) -> Incident {
    let start = UnixMillis(start);
    Incident {
        id: Incident::id_of("tokyo", IncidentCheck::Status, start),
        subject: Subject::Node(TargetId::of_node("tokyo")),
        target: "tokyo".into(),
        check: IncidentCheck::Status,
        checks: Vec::new(),
        cause: Cause::Node,
        start,
        noticed: start,
        end: end.map(UnixMillis),
        ending: None,
        caveat: None,
        evidence: Vec::new(),
        spells: Vec::new(),
        flapping: None,
        group: None,
        told: true,
        late: false,
        end_waits: false,
        worse_waits: false,
    }
}

#[test]
fn golden_text() {
    let roster = roster();
    let mut builder = filled(
        &roster,
        roster.node_named("tokyo").unwrap(),
        window(),
        Facts::default(),
    );
    add(
        &mut builder,
        "berlin",
        STATUS4,
        &[
            (0, good(20)),
            (1, timeout()),
            (2, timeout()),
            (3, timeout()),
            (4, good(20)),
        ],
    );
    let refusal = || failed(Phase::Verify, FailureCause::NotFound, Some(404));
    add(&mut builder, "osaka", GET4, &[(2, refusal()), (3, good(20))]);
    let report = builder.finish(&[
        incident(DAY0 + 10_000, Some(DAY0 + 40_000)),
        incident(DAY0 - 90_000, Some(DAY0 - 50_000)),
    ]);
    let expected = "\
tokyo · ken · Tokyo, JP · AS 64999
https://tokyo.example.org/distributor/
2026-11-22 00:00:00 to 2026-11-22 00:10:00 UTC

Incidents
  2026-11-22 00:00:10 to 2026-11-22 00:00:40: status (node), seen by nobody

What failed
A failure counts against the node where its vantage may judge it (it is not the node's own worker's,
not on its server, not sick), and its own line was proven or the outage stood.
An entry is one kind of failure (its cause, phase and HTTP status). Entries whose times overlap may
be one outage that failed in several ways: what was an outage stands above, under incidents.
  2026-11-22 00:00:10 to 00:00:30, 3 times: timeout in connect: status4; berlin (Berlin, DE,
      AS 64500)
      dialled 192.0.2.1; none counts
      │ timeout in connect, verbatim
  2026-11-22 00:00:20: not-found in verify (HTTP 404): asset-get4; osaka* (Berlin, DE, network
      unknown)
      dialled 192.0.2.1; says nothing against the node
      │ not-found in verify, verbatim

What each vantage saw
vantage  place       network   check       ok  failed  not held  unsent
────────────────────────────────────────────────────────────────────────
berlin   Berlin, DE  AS 64500  status4      2       3         0       0
osaka*   Berlin, DE  unknown   asset-get4   1       0         1       0
not held: the node answered that it does not hold the object. unsent: the probe itself could not ask
* the node's own worker's probe: it judges nothing
";
    assert_eq!(report.text(100), expected, "\n{}", report.text(100));
    assert!(report.text(100).lines().all(|line| line.chars().count() <= 100));
    let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    crate::golden::check_text(
        "show.json",
        &(serde_json::to_string_pretty(&report).unwrap() + "\n"),
    );
    assert_eq!(json["schema"], "isochrone.show/1");
    assert_eq!(json["failures"][0]["count"], 3);
    assert_eq!(json["failures"][0]["error"], "timeout in connect, verbatim");
    assert_eq!(json["failures"][1]["own"], true);
    assert_eq!(json["seen"][0]["ok"], 2);
}

#[test]
fn flapping_incident_that_is_up_ends_when_it_came_up_and_is_watched() {
    let roster = roster();
    let builder = filled(
        &roster,
        roster.node_named("tokyo").unwrap(),
        window(),
        Facts::default(),
    );
    let mut flapping = incident(DAY0 + 10_000, None);
    flapping.flapping = Some(Flapping {
        openings: 2,
        ..Flapping::default()
    });
    flapping.spells = vec![Spell {
        last_green: UnixMillis(DAY0 + 30_000),
        first_red: UnixMillis(DAY0 + 40_000),
        last_red: UnixMillis(DAY0 + 41_000),
        first_green: Some(UnixMillis(DAY0 + 44_000)),
        shared_since: None,
    }];
    let line = builder.finish(&[flapping]).incidents[0].line();
    assert_eq!(
        line,
        "2026-11-22 00:00:10 to 2026-11-22 00:00:44: status, down 2 times (node), seen by nobody; watched until it has \
         been up for 10 minutes"
    );
}

#[test]
fn connections_are_shown_like_other_checks() {
    let roster = roster();
    let mut builder = filled(
        &roster,
        roster.node_named("tokyo").unwrap(),
        window(),
        Facts::default(),
    );
    let rows = [
        (0, fixture::connected(20)),
        (1, fixture::unconnected()),
        (2, fixture::unconnected()),
    ];
    add(&mut builder, "berlin", CONNECT4, &rows);
    let report = builder.finish(&[]);
    let failure = &report.failures[0];
    assert_eq!(
        (
            failure.kind.as_str(),
            failure.count,
            failure.phase,
            failure.cause.as_str()
        ),
        ("connect4", 2, Some("connect"), "timeout")
    );
    assert_eq!((failure.down, failure.http_status), (true, None));
    assert_eq!((report.seen[0].ok, report.seen[0].failed), (1, 2));
}

#[test]
fn success_between_failures_parts_them() {
    let roster = roster();
    let mut builder = filled(
        &roster,
        roster.node_named("tokyo").unwrap(),
        window(),
        Facts::default(),
    );
    // The batches arrive in the wrong order.
    add(&mut builder, "berlin", STATUS4, &[(3, timeout()), (4, timeout())]);
    add(
        &mut builder,
        "berlin",
        STATUS4,
        &[(0, timeout()), (1, timeout()), (2, good(1))],
    );
    add(&mut builder, "berlin", STATUS4, &[(20, timeout())]);
    let report = builder.finish(&[]);
    let counts: Vec<_> = report.failures.iter().map(|failure| failure.count).collect();
    assert_eq!(counts, [2, 2, 1], "a gap parts them too");
}

#[test]
fn what_fails_alike_at_one_time_is_one_entry_of_text() {
    let roster = roster();
    let mut builder = filled(
        &roster,
        roster.node_named("tokyo").unwrap(),
        window(),
        Facts::default(),
    );
    let out = |from: u64, until: u64| {
        let rounds = (from..until).map(|round| (round, timeout()));
        rounds.collect::<Vec<_>>()
    };
    add(&mut builder, "berlin", STATUS4, &out(0, 5));
    add(&mut builder, "berlin", GET4, &out(1, 6));
    add(&mut builder, "osaka", STATUS4, &out(3, 4));
    // Another cause at the same time, and the same cause much later.
    let refusal = failed(Phase::Verify, FailureCause::NotFound, Some(404));
    add(&mut builder, "osaka", GET4, &[(3, refusal)]);
    add(&mut builder, "berlin", STATUS4, &out(30, 32));
    let report = builder.finish(&[]);
    assert_eq!(report.failures.len(), 5, "JSON holds each");
    let text = report.text(120);
    for entry in [
        "00:00:00 to 00:00:50, 11 times: timeout in connect: status4, asset-get4; 1 of 1 vantage, and osaka*\n",
        "00:00:30: not-found in verify (HTTP 404): asset-get4; osaka*",
        "00:05:00 to 00:05:10, 2 times: timeout in connect: status4; berlin (",
    ] {
        assert_eq!(text.matches(entry).count(), 1, "{entry}: {text}");
    }
    assert_eq!(text.matches("verbatim").count(), 3, "{text}");
    let overlap = "Entries whose times overlap may be one outage";
    assert_eq!(text.matches(overlap).count(), 1, "{text}");
}

#[test]
fn success_of_one_vantage_parts_the_entries_of_text() {
    let roster = roster();
    let mut builder = filled(
        &roster,
        roster.node_named("tokyo").unwrap(),
        window(),
        Facts::default(),
    );
    let rows = [(0, timeout()), (1, good(20)), (2, timeout())];
    add(&mut builder, "berlin", STATUS4, &rows);
    let text = builder.finish(&[]).text(100);
    assert_eq!(text.matches("timeout in connect: status4").count(), 2, "{text}");
    assert!(!text.contains("overlap"), "one after the other: {text}");
}

#[test]
fn unsent_check_says_nothing_against_the_node() {
    let roster = roster();
    let mut builder = filled(
        &roster,
        roster.node_named("tokyo").unwrap(),
        window(),
        Facts::default(),
    );
    let unsent = fixture::endpoint(
        EndpointResult::Unsent(SendFailure::NoRoute),
        None,
        CacheState::Absent,
    );
    let forbidden = failed(Phase::Resolve, FailureCause::ForbiddenAddress, None);
    add(&mut builder, "berlin", STATUS4, &[(0, unsent), (1, forbidden)]);
    let report = builder.finish(&[]);
    for failure in &report.failures {
        assert_eq!((failure.down, failure.phase), (false, None));
        assert_eq!(
            failure.cause, "unsent",
            "in the words of the count below, and of the export"
        );
    }
    assert_eq!(report.failures[0].error, "no-route", "in the vocabulary's words");
    assert!(
        report.failures[1].error.starts_with("forbidden-address: "),
        "{}",
        report.failures[1].error
    );
    assert_eq!((report.seen[0].failed, report.seen[0].unsent), (0, 2));
}

#[test]
fn window_without_rows_says_no_data() {
    let roster = roster();
    let builder = filled(
        &roster,
        roster.node_named("tokyo").unwrap(),
        window(),
        Facts::default(),
    );
    let text = builder.finish(&[]).text(100);
    assert!(text.contains("no data is not \"up\""), "{text}");
}

#[test]
fn terminal_codes_in_an_error_are_spelled_out() {
    let roster = roster();
    let mut builder = filled(
        &roster,
        roster.node_named("tokyo").unwrap(),
        window(),
        Facts::default(),
    );
    let result = EndpointResult::Failed {
        phase: Phase::Verify,
        cause: FailureCause::BadStatus,
        text: format!("500: \u{1b}[2J{}", "x".repeat(150)),
    };
    add(
        &mut builder,
        "berlin",
        STATUS4,
        &[(0, fixture::endpoint(result, Some(500), CacheState::Absent))],
    );
    let text = builder.finish(&[]).text(100);
    assert!(!text.contains('\u{1b}') && text.contains("500: ?[2J"), "{text}");
    assert_eq!(text.matches('x').count(), 150 + "example".matches('x').count());
    assert!(text.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn second_outage_is_another_entry_though_some_of_its_vantages_saw_no_first() {
    let roster = Roster::new(
        ["berlin", "paris", "oslo"].map(|name| fixture::probe(name, name, None)),
        [fixture::node("tokyo", "ken")],
    );
    let tokyo = roster.node_named("tokyo").unwrap();
    let mut builder = filled(&roster, tokyo, window(), Facts::default());
    let down = |rounds: &[u64]| rounds.iter().map(|&round| (round, timeout())).collect::<Vec<_>>();
    for name in ["berlin", "paris"] {
        add(&mut builder, name, CONNECT4, &down(&[0, 1]));
        add(&mut builder, name, CONNECT4, &[(2, fixture::connected(20))]);
        add(&mut builder, name, CONNECT4, &down(&[3, 4]));
    }
    add(&mut builder, "oslo", CONNECT4, &down(&[3, 4]));
    let text = builder.finish(&[]).text(120);
    for entry in [
        "00:00:00 to 00:00:10, 4 times: timeout in connect: connect4; 2 of 3 vantages: berlin, paris",
        "00:00:30 to 00:00:40, 6 times: timeout in connect: connect4; 3 of 3 vantages",
    ] {
        assert_eq!(text.matches(entry).count(), 1, "{entry}: {text}");
    }
}

#[test]
fn failures_of_one_vantage_with_other_words_are_one_entry_while_it_does_not_succeed() {
    let roster = roster();
    let tokyo = roster.node_named("tokyo").unwrap();
    let mut builder = filled(&roster, tokyo, window(), Facts::default());
    let reset = || {
        let result = EndpointResult::Failed {
            phase: Phase::Connect,
            cause: FailureCause::Timeout,
            text: "no answer within 5 s".to_owned(),
        };
        fixture::endpoint(result, None, CacheState::Absent)
    };
    let rows = [(0, timeout()), (1, reset()), (2, timeout())];
    add(&mut builder, "berlin", STATUS4, &rows);
    let text = builder.finish(&[]).text(120);
    assert!(
        text.contains("00:00:00 to 00:00:20, 3 times: timeout in connect: status4"),
        "{text}"
    );
}

/// Five probes and three nodes; tokyo is dead to everybody from round 20 until 30, and to oslo alone at 40.
fn judged(kept: &[Incident]) -> ShowReport {
    let name = |number: u64| format!("p{number}");
    let roster = Roster::new(
        (1..=5).map(|number| fixture::probe(&name(number), &format!("w{number}"), Some(number as u32))),
        ["tokyo", "lima", "quito"].map(|node| fixture::node(node, "ken")),
    );
    let tokyo = roster.node_named("tokyo").unwrap();
    let mut builder = filled(&roster, tokyo, window(), Facts::default());
    for probe in roster.probes() {
        let plan = Arc::new(fixture::plan(&roster, probe.id, &[CONNECT4]));
        let mut rows = Vec::new();
        for round in 0..60 {
            for node in roster.nodes() {
                let is_alone = probe.name == "p1" && round == 40;
                let is_dead = node.name == "tokyo" && ((20..30).contains(&round) || is_alone);
                let outcome = if is_dead {
                    fixture::unconnected()
                } else {
                    fixture::connected(20)
                };
                let check = fixture::check(&plan, node.id, CONNECT4);
                rows.push(fixture::row(check, UnixMillis(DAY0 + round * 10_000), outcome));
            }
        }
        builder.add(&stored(&plan, &rows));
    }
    builder.finish(kept)
}

#[test]
fn outage_that_nobody_kept_is_shown_as_the_log_has_it() {
    let report = judged(&[]);
    let incidents = &report.incidents;
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    assert_eq!(
        (incidents[0].start.as_str(), incidents[0].end.as_deref()),
        ("2026-11-22T00:03:20Z", Some("2026-11-22T00:05:00Z"))
    );
    let kept = incident(DAY0 + 205_000, Some(DAY0 + 300_000));
    let report = judged(std::slice::from_ref(&kept));
    assert_eq!(report.incidents.len(), 1, "one, not one of each");
    assert_eq!(report.incidents[0].id, kept.id);
}

#[test]
fn failures_are_shown_with_how_many_of_them_count() {
    let report = judged(&[]);
    let counted: Vec<_> = report
        .failures
        .iter()
        .map(|run| (run.vantage.as_str(), run.count, run.counted))
        .collect();
    assert!(counted.contains(&("p2", 10, 10)), "{counted:?}");
    let roster = roster();
    let tokyo = roster.node_named("tokyo").unwrap();
    let mut builder = filled(&roster, tokyo, window(), Facts::default());
    add(&mut builder, "berlin", STATUS4, &[(1, timeout())]);
    let report = builder.finish(&[]);
    assert_eq!(report.failures[0].counted, 0, "its own line was not proven");
    assert!(report.text(100).contains("; none counts"), "{}", report.text(100));
}

/// Probes of an earlier release took it for an answer.
#[test]
fn asset_that_is_no_argus_answer_is_shown_as_the_engine_judges_it() {
    let roster = roster();
    let tokyo = roster.node_named("tokyo").unwrap();
    let mut builder = filled(&roster, tokyo, window(), Facts::default());
    let result = EndpointResult::Ok {
        phases: Phases::default(),
        body_bytes: 500,
        node_uptime_s: None,
        node_version: String::new(),
    };
    let html = fixture::endpoint(result, Some(200), CacheState::Absent);
    add(&mut builder, "berlin", GET4, &[(1, html)]);
    let report = builder.finish(&[]);
    let failure = &report.failures[0];
    assert_eq!((failure.down, failure.cause.as_str()), (true, "not-argus"));
    assert_eq!((report.seen[0].ok, report.seen[0].failed), (0, 1));
}

#[test]
fn text_says_what_it_was_read_from_and_since_when_anything_is_kept() {
    let hour = |of: u64| UnixMillis(DAY0 + of * 3_600_000);
    let span = |tier, from, to| crate::tiers::TierSpan {
        tier,
        from: hour(from),
        to: hour(to),
    };
    let before = crate::kept::BeforeKept {
        asked_from: UnixMillis(DAY0 - 1),
        kept_from: Some(hour(2)),
        removed: false,
        is_elsewhere: false,
    };
    let plain = judged(&[]);
    let report = ShowReport {
        tiers: vec![
            span(isochrone_store::Tier::Hour, 2, 30),
            span(isochrone_store::Tier::Raw, 30, 31),
        ],
        before_kept: Some(before),
        ..plain.clone()
    };
    let words = report.text(100).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&before.sentence()), "{words}");
    assert!(
        words.ends_with(
            "Read from sums of hours from 2026-11-22 02:00 to 2026-11-23 06:00, single measurements from 2026-11-23 \
             06:00 to 2026-11-23 07:00 (UTC)."
        ),
        "{words}"
    );
    assert!(!plain.text(100).contains("Read from"));
}

#[test]
fn hours_hold_every_vantage_but_the_nodes_own() {
    use isochrone_store::ingest::fixture::{ADA, EPOCH, START, inline, store_honest, store_with_plan};
    let (_disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 3);
    let window = Window {
        from: START,
        until: UnixMillis(START.0 + 600_000),
    };
    let shown = |worker: &str| {
        let probe = isochrone_base::roster::ProbeEntry {
            id: ADA,
            ..fixture::probe("oslo", worker, Some(1))
        };
        let roster = Roster::new([probe], [fixture::node("berlin", "ken")]);
        let report = from_store(&store, &roster, "berlin", window, &mut |_| ());
        report.unwrap().unwrap()
    };
    let (other, own) = (shown("ada"), shown("ken"));
    assert_eq!(other.hours.len(), 1, "{:?}", other.hours);
    assert_eq!(
        (other.hours[0].checks, other.hours[0].kind.to_string()),
        (3, "status4".to_owned())
    );
    assert_eq!(other.seen[0].ok, other.hours[0].answered);
    assert!(
        other
            .text(100)
            .contains("Hour by hour, status4, all vantages but its own")
    );
    assert!(own.seen[0].ok > 0 && own.hours.is_empty(), "{own:?}");
    let json = serde_json::to_value(&other).unwrap();
    assert_eq!(json["hours"][0]["hour"], "2026-11-22T10:00:00Z", "{json}");
}
