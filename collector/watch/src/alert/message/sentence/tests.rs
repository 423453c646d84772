use isochrone_proto::units::UnixMillis;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::measurement::FailureCause;

use super::super::Whose;
use super::*;
use crate::incident::tests::incident;
use crate::incident::{CheckSpan, EvidenceCell, Flapping};
use crate::judge::{NodeStanding, Standing};

const T0: u64 = 1_795_316_283_000;

fn telling(what: What, incidents: Vec<Incident>) -> Telling {
    Telling {
        at: UnixMillis(T0),
        what,
        incidents,
        failing_too: vec![],
        still_down: vec![],
        up_for_now: vec![],
    }
}

fn says(telling: &Telling) -> String {
    of(telling, (&|_| Some("oslo".into()), &|_| None, &nobody))
}

fn nobody(_: Subject) -> Whose {
    Whose::default()
}

fn kens(_: Subject) -> Whose {
    Whose {
        worker: Some("ken".into()),
        place: Some("Tokyo, JP".into()),
    }
}

fn cell(probe: u8, error: &str) -> EvidenceCell {
    EvidenceCell {
        probe: ProbeId(probe.into()),
        vantage: format!("probe-{probe}"),
        place: "Berlin, DE".into(),
        network: Some(u32::from(probe)),
        kind: Kind::new(Check::Connect, Family::V4),
        phase: Phase::Connect,
        failure: FailureCause::Refused,
        error: error.into(),
        slot: UnixMillis(T0),
        first_slot: UnixMillis(T0),
        failures: 2,
    }
}

fn named(name: &str, end: Option<u64>) -> Incident {
    Incident {
        target: name.into(),
        ..incident(T0, end)
    }
}

#[test]
fn node_that_cannot_be_reached_is_down_without_further_words() {
    let text = says(&telling(What::Down, vec![named("tokyo", None)]));
    assert_eq!(
        text,
        "tokyo is down since 2026-11-22 02:58:03 UTC, seen by 0 vantages in 0 networks. Nobody gets through."
    );
}

#[test]
fn message_says_the_error_seen_most_and_whose_node_it_is() {
    let mut down = named("tokyo", None);
    down.evidence = vec![
        cell(1, "timed out"),
        cell(2, "Connection refused"),
        cell(3, "Connection refused"),
    ];
    let told = telling(What::Down, vec![down]);
    assert_eq!(
        of(&told, (&|_| None, &|_| None, &kens)),
        "tokyo is down since 2026-11-22 02:58:03 UTC, seen by 3 vantages in 3 networks. Nobody gets through. Error, in \
         connect: Connection refused. It is ken's, in Tokyo, JP."
    );
    let alert = crate::alert::Alert::of_telling(&told, "lead", (&|_| None, &|_| None, &kens));
    let incident = alert.incident.unwrap();
    assert_eq!(
        (incident.worker.as_deref(), incident.place.as_deref()),
        (Some("ken"), Some("Tokyo, JP"))
    );
}

#[test]
fn silent_probe_blames_no_node_and_says_what_to_ask_whom() {
    let mut silent = named("ken-tokyo", None);
    silent.check = IncidentCheck::Probe;
    let told = telling(What::Silent, vec![silent]);
    assert_eq!(
        of(&told, (&|_| None, &|_| None, &kens)),
        "Probe ken-tokyo is silent since 2026-11-22 02:58:03 UTC. No node is blamed. It is ken's, in Tokyo, JP. Ask its \
         worker to look at `systemctl status isochrone-probe` on its server."
    );
}

#[test]
fn one_of_several_that_was_down_before_is_down_again() {
    let mut again = named("tokyo", None);
    again.flapping = Some(Flapping {
        openings: 2,
        ..Flapping::default()
    });
    let text = says(&telling(What::Down, vec![again, named("lima", None)]));
    assert!(text.ends_with(": tokyo (again), lima."), "{text}");
}

#[test]
fn message_about_a_status_says_how_the_asset_is() {
    let mut status = named("tokyo", None);
    status.check = IncidentCheck::Status;
    let standing = |state| {
        move |target| {
            Some(NodeStanding {
                target,
                connect: Standing::of(State::Up),
                status: Some(Standing::of(State::Down)),
                asset: Some(Standing::of(state)),
                vantages: vec![],
            })
        }
    };
    let told = telling(What::Down, vec![status]);
    let served = of(&told, (&|_| None, &standing(State::Up), &nobody));
    assert!(served.ends_with("Its asset is still served."), "{served}");
    let failing = of(&told, (&|_| None, &standing(State::Degraded), &nobody));
    assert!(failing.ends_with("Its asset fails, too."), "{failing}");
}

#[test]
fn shared_outage_names_all_and_those_that_fail_as_well() {
    let mut told = telling(What::Down, vec![named("tokyo", None), named("lima", None)]);
    told.incidents[0].cause = Cause::Shared;
    told.failing_too = vec![TargetId::of_node("oslo")];
    assert_eq!(
        says(&told),
        "2 nodes are down since 2026-11-22 02:58:03 UTC: tokyo, lima. Failing as well: oslo. Half of all nodes or more \
         fail at once: look for what they share."
    );
}

#[test]
fn end_of_a_shared_outage_says_who_is_still_down() {
    let mut told = telling(
        What::Up,
        vec![
            named("tokyo", Some(T0 + 88_000)),
            named("lima", Some(T0 + 90_000)),
        ],
    );
    told.still_down = vec![TargetId::of_node("oslo")];
    assert_eq!(
        says(&told),
        "2 nodes are up again: tokyo after 1 min 28 s, lima after 1 min 30 s. Still down: oslo."
    );
}

#[test]
fn late_outage_says_from_when_to_when_and_why_it_comes_late() {
    let text = says(&telling(What::Late, vec![named("tokyo", Some(T0 + 490_000))]));
    assert_eq!(
        text,
        "tokyo was down from 2026-11-22 02:58:03 to 2026-11-22 03:06:13 UTC (8 min 10 s), while this collector was off \
         or the results were late."
    );
}

#[test]
fn flapping_is_told_with_how_often_it_went_down() {
    let mut flapping = named("tokyo", None);
    flapping.flapping = Some(Flapping {
        openings: 4,
        ..Flapping::default()
    });
    flapping.evidence = vec![cell(1, "Connection refused"), cell(2, "Connection refused")];
    let text = says(&telling(What::Flapping, vec![flapping.clone()]));
    assert_eq!(
        text,
        "tokyo is down again since 2026-11-22 02:58:03 UTC, seen by 2 vantages in 2 networks: it comes and goes, down 4 \
         times so far. Error, in connect: Connection refused. Nothing more is said about it until it has been steady for \
         10 minutes."
    );
    (flapping.end, flapping.ending) = (Some(UnixMillis(T0 + 490_000)), Some(Ending::Recovered));
    let text = says(&telling(What::Up, vec![flapping]));
    assert!(text.contains("after going down 4 times"), "{text}");
}

#[test]
fn nobody_may_judge_is_said_in_these_words() {
    let text = says(&telling(What::NobodyMayJudge, vec![named("tokyo", None)]));
    assert_eq!(
        text,
        "tokyo: measured, but nobody may judge it since 2026-11-22 02:58:03 UTC."
    );
}

#[test]
fn what_happens_to_several_at_once_is_said_of_all_in_one_sentence() {
    let of = |check, names: &[(&str, Option<u64>)]| -> Vec<Incident> {
        let one = |(name, end): &(&str, Option<u64>)| Incident {
            check,
            ..named(name, *end)
        };
        names.iter().map(one).collect()
    };
    let open = [("oslo", None), ("lima", None)];
    let over = [("oslo", Some(T0 + 200_000)), ("lima", Some(T0 + 60_000))];
    let since = "since 2026-11-22 02:58:03 UTC";
    for (what, check, names, expected) in [
        (
            What::Silent,
            IncidentCheck::Probe,
            &open,
            format!(
                "2 probes are silent {since}: oslo, lima. No node is blamed. Ask each one's worker to look at `systemctl \
                 status isochrone-probe` on its server."
            ),
        ),
        (
            What::Heard,
            IncidentCheck::Probe,
            &over,
            "2 probes are heard again: oslo after 3 min 20 s, lima after 1 min.".to_owned(),
        ),
        (
            What::NobodyMayJudge,
            IncidentCheck::Data,
            &open,
            format!("2 nodes are measured, but nobody may judge them {since}: oslo, lima."),
        ),
        (
            What::Seen,
            IncidentCheck::Data,
            &over,
            "2 nodes are judged again: oslo after 3 min 20 s, lima after 1 min.".to_owned(),
        ),
        (
            What::Flapping,
            IncidentCheck::Connect,
            &open,
            format!(
                "2 nodes are down again {since}: oslo (down 1 time, seen by 0 vantages in 0 networks), lima (down 1 \
                 time, seen by 0 vantages in 0 networks). They come and go: nothing more is said about them until \
                 they have been steady for 10 minutes."
            ),
        ),
        (
            What::Steady,
            IncidentCheck::Connect,
            &open,
            "2 nodes stay down, after coming and going: oslo, lima.".to_owned(),
        ),
    ] {
        assert_eq!(says(&telling(what, of(check, names))), expected);
    }
}

#[test]
fn rate_is_said_of_what_comes_and_goes() {
    let mut flapping = named("tokyo", None);
    flapping.flapping = Some(Flapping {
        openings: 4,
        first: UnixMillis(T0 - 360_000),
        last: UnixMillis(T0),
        ..Flapping::default()
    });
    let text = says(&telling(What::Flapping, vec![flapping]));
    assert!(text.contains("down 4 times, 30 an hour so far"), "{text}");
    let mut just_now = named("tokyo", None);
    just_now.flapping = Some(Flapping {
        openings: 2,
        first: UnixMillis(T0 - 35_000),
        last: UnixMillis(T0),
        ..Flapping::default()
    });
    let text = says(&telling(What::Flapping, vec![just_now]));
    assert!(text.contains("down 2 times so far"), "no hundred an hour: {text}");
}

#[test]
fn nodes_of_an_outage_that_is_over_for_others_are_not_passed_over() {
    let ended = |name: &str| named(name, Some(T0 + 60_000));
    let mut over = telling(What::Up, vec![ended("a"), ended("b")]);
    let [tokyo, lima] = ["tokyo", "lima"].map(TargetId::of_node);
    (over.still_down, over.up_for_now) = (vec![tokyo], vec![lima]);
    let name = |target: TargetId| Some(if target == tokyo { "tokyo" } else { "lima" }.to_owned());
    let text = super::of(&over, (&name, &|_| None, &nobody));
    assert!(text.contains("Still down: tokyo."), "{text}");
    assert!(
        text.contains("Up as well, but it comes and goes: lima."),
        "{text}"
    );
}

#[test]
fn node_that_is_reached_again_says_what_still_fails() {
    let span = |check, end| CheckSpan {
        check,
        start: UnixMillis(T0),
        end,
        cause: Cause::Node,
    };
    let mut reached = named("tokyo", None);
    reached.checks = vec![
        span(IncidentCheck::Status, None),
        span(IncidentCheck::Connect, Some(UnixMillis(T0 + 60_000))),
    ];
    let told = telling(What::Better, vec![reached.clone()]);
    assert_eq!(
        says(&told),
        "tokyo can be reached again since 2026-11-22 02:59:03 UTC; its status still fails."
    );
    let two = telling(What::Better, vec![reached.clone(), reached]);
    assert_eq!(
        says(&two),
        "2 nodes can be reached again, and do not serve: tokyo (status still fails), tokyo (status still fails)."
    );
}

#[test]
fn page_of_a_plain_endpoint_is_called_a_page() {
    let mut page = named("tokyo", None);
    page.check = IncidentCheck::Http;
    let said = says(&telling(What::Down, vec![page]));
    assert!(said.starts_with("tokyo: page is down since "), "{said}");
}
