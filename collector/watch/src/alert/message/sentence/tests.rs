use isochrone_proto::units::UnixMillis;

use super::*;
use crate::incident::Flapping;
use crate::incident::tests::incident;
use crate::judge::{NodeStanding, Standing};

const T0: u64 = 1_795_316_283_000;

fn telling(what: What, incidents: Vec<Incident>) -> Telling {
    Telling {
        at: UnixMillis(T0),
        what,
        incidents,
        failing_too: vec![],
        still_down: vec![],
    }
}

fn says(telling: &Telling) -> String {
    of(telling, (&|_| Some("oslo".into()), &|_| None))
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
    let served = of(&told, (&|_| None, &standing(State::Up)));
    assert!(served.ends_with("Its asset is still served."), "{served}");
    let failing = of(&told, (&|_| None, &standing(State::Degraded)));
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
    flapping.flapping = Some(Flapping { openings: 4 });
    let text = says(&telling(What::Flapping, vec![flapping.clone()]));
    assert!(
        text.starts_with("tokyo is down again") && text.contains("10 minutes"),
        "{text}"
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
            format!("2 probes are silent {since}: oslo, lima."),
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
                "2 nodes are down again {since}: oslo, lima. They come and go: nothing more is said about them until \
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
