use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, connected, good, replied};
use isochrone_base::roster::{NodeEntry, ProbeEntry, Roster};
use isochrone_coverage::files::{FileText, read_mesh};
use isochrone_coverage::locate::{SiteKind, Survey, Verdict};
use isochrone_coverage::observations::{AccessClass, EyeSource, EyeTime};
use isochrone_proto::ids::TargetId;
use isochrone_proto::measurement::Outcome;
use isochrone_proto::units::UnixMillis;
use isochrone_store::fixture::stored;
use serde_json::json;

use super::*;
use crate::log::Window;
use crate::survey::SurveyBuilder;
use crate::tiers::{ALWAYS, Fill as _};

/// The sites of `docs/example`, with Los Angeles as it is claimed.
fn files(los_angeles: &str) -> LocateReport {
    let example = |name: &str| {
        let path = format!("{}/../../docs/example/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let sites = example("sites.csv").replace("losangeles,34.05,-118.24", los_angeles);
    let mesh = read_mesh(
        &FileText::new("sites.csv", sites),
        &FileText::new("rtt.csv", example("rtt.csv")),
    );
    LocateReport {
        surveyed: Survey::of_mesh(mesh.unwrap()).judge(&[]),
        databases: Vec::new(),
        sure: Vec::new(),
        eyes: EyesLocated::default(),
    }
}

/// Text as it was before it was broken into lines.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn lost_sign_is_named_first_with_what_contradicts_it_and_what_was_meant() {
    let report = files("losangeles,34.05,118.24");
    let text = report.text(100);
    let answer = text.lines().find(|line| line.contains("typo?")).unwrap();
    assert_eq!(answer, "losangeles: place does not fit; typo?");
    for said in [
        "It answered newyork in 65.0 ms; light needs 116 ms for the 11,600 km",
        "Meant to be 34.05, -118.24, at Los Angeles, US?",
        "With the other sign of the longitude every witness fits.",
    ] {
        assert!(flowing(&text).contains(said), "{said}: {text}");
    }
}

#[test]
fn every_format_of_a_wrong_place_is_as_agreed() {
    crate::golden::check("locate", &files("losangeles,34.05,118.24"));
}

#[test]
fn honest_places_are_called_nothing_more_than_uncontradicted() {
    let report = files("losangeles,34.05,-118.24");
    let text = flowing(&report.text(100));
    assert!(
        text.contains("Nothing contradicts any of the 10 places, which proves little"),
        "{text}"
    );
    assert!(text.contains("could be anywhere within"), "{text}");
    assert!(!text.contains("typo?"), "{text}");
    assert!(!report.html().contains("class=\"callout"));
}

#[test]
fn places_that_nobody_measured_are_not_told_as_if_others_were_wrong() {
    let report = judged("a,0,0\nb,0,20\nc,0,40\nd,0,60\n", "a,b,60\nb,c,60\na,c,90\n", &[]);
    let text = flowing(&report.text(120));
    assert!(
        text.contains("Nothing contradicts any of the 3 places that were measured, which"),
        "{text}"
    );
    assert!(!text.contains("the other"), "{text}");
}

#[test]
fn two_places_that_contradict_each_other_are_told_as_a_pair() {
    let report = judged(
        "a,0,0\nb,0,80\nc,40,40\nd,-40,40\n",
        "a,b,20\na,c,90\nb,c,90\na,d,90\nb,d,90\n",
        &[],
    );
    let text = flowing(&report.text(120));
    assert!(
        text.contains(
            "a and b contradict each other: one of the two places is wrong, and too few others measured them"
        ),
        "{text}"
    );
    assert!(text.contains("Nothing contradicts the other 2 places"), "{text}");
}

#[test]
fn site_known_for_sure_confirms_others_to_a_radius() {
    let mut report = files("losangeles,34.05,-118.24");
    report.surveyed = report.surveyed.survey.clone().judge(&[0]);
    report.sure = vec![0];
    let verdict = report.surveyed.location.sites[1].verdict;
    assert!(matches!(verdict, Verdict::Confirmed { .. }), "{verdict:?}");
    assert!(report.text(100).contains("named as sure"));
    assert_eq!(report.json()["sites"][1]["verdict"], "confirmed");
}

/// Sites and times of a file.
fn judged(sites: &str, rtt: &str, sure: &[usize]) -> LocateReport {
    let mesh = read_mesh(
        &FileText::new("sites.csv", format!("site,latitude,longitude\n{sites}")),
        &FileText::new("rtt.csv", format!("source,destination,rtt_ms\n{rtt}")),
    );
    LocateReport {
        surveyed: Survey::of_mesh(mesh.unwrap()).judge(sure),
        databases: Vec::new(),
        sure: sure.to_vec(),
        eyes: EyesLocated::default(),
    }
}

#[test]
fn confirmed_radius_is_of_the_sure_site_and_not_of_the_claim() {
    let report = judged(
        "root,0,0\nmid,0,60\nleaf,0,0.5\n",
        "root,mid,70\nmid,leaf,70\n",
        &[0],
    );
    let text = flowing(&report.text(120));
    assert!(text.contains("within 7,000 km of root"), "{text}");
    assert!(text.contains("within 14,000 km of root"), "{text}");
    assert!(!text.contains("of its claim"), "{text}");
    let json = report.json();
    assert_eq!(
        (&json["sites"][2]["centre"], &json["sites"][2]["witnesses"][0]),
        (&Value::from("root"), &Value::from("mid"))
    );
}

#[test]
fn sites_at_no_time_apart_are_not_named_as_sure() {
    let report = judged("a,10,10\nb,10,10\nc,20,20\n", "a,b,0\na,c,40\n", &[]);
    let text = flowing(&report.text(120));
    assert!(!text.contains("fits named as sure"), "{text}");
    assert!(
        text.contains("within 0 km of a") && text.contains("within 0 km of b"),
        "{text}"
    );
}

#[test]
fn sure_site_that_others_contradict_is_said_to_carry_all() {
    let report = judged(
        "berlin,52.5,13.4\nl1,-33.9,151.2\nl2,-37.8,145.0\n",
        "berlin,l1,20\nberlin,l2,20\n",
        &[0],
    );
    let text = flowing(&report.text(120));
    assert!(text.contains("2 places do not fit; typos? l1 and l2."), "{text}");
    assert!(
        text.contains("berlin was named as sure, and 2 sites contradict it: all rests on that word."),
        "{text}"
    );
    assert!(!text.contains("berlin: place does not fit"), "{text}");
}

#[test]
fn page_draws_the_region_and_loads_nothing() {
    let html = files("losangeles,34.05,118.24").html();
    for outside in ["<script", "src=", "href=", "url(", "@import", "http:", "https:"] {
        assert!(!html.contains(outside), "{outside}");
    }
    for drawn in [
        "class=\"region\"",
        "class=\"reach\"",
        "class=\"meant\"",
        "class=\"false\"",
    ] {
        assert!(html.contains(drawn), "{drawn}");
    }
}

#[test]
fn legend_explains_what_is_drawn_and_nothing_else() {
    let words = [
        ("false", "claimed, and it does not fit"),
        ("meant", "what may have been meant"),
        ("region", "where it probably stands"),
        ("reach", "Dashed: how far light"),
    ];
    let mut without = files("losangeles,34.05,118.24");
    let sites = &mut without.surveyed.location.sites;
    sites.iter_mut().for_each(|site| site.suggestion = None);
    let mut impossible = without.surveyed.impossible.values_mut();
    impossible.next().unwrap().estimate = None;
    for (report, explained) in [
        (files("losangeles,34.05,118.24"), 4),
        (without, 2),
        (files("losangeles,34.05,-118.24"), 0),
    ] {
        let html = report.html();
        let figure = html.split("<figcaption").nth(1).unwrap();
        let caption = figure.split("</figcaption>").next().unwrap();
        let said = words.iter().filter(|(_, said)| caption.contains(said)).count();
        assert_eq!(said, explained, "{caption}");
    }
}

#[test]
fn database_stands_apart_and_changes_no_verdict() {
    let mut report = files("losangeles,34.05,-118.24");
    let before = report.json()["sites"][3]["verdict"].clone();
    report.databases.push(DatabaseWord {
        database: "cities.mmdb".to_owned(),
        site: 3,
        position: Position::new(52.5, 13.4),
        country: Country::code("DE"),
    });
    let (json, text) = (report.json(), report.text(100));
    assert_eq!(json["sites"][3]["verdict"], before);
    assert_eq!(json["sites"][3]["databases"][0]["country"], "DE");
    assert!(text.contains("What databases say (in no verdict)"), "{text}");
    assert!(text.contains("count in no verdict"), "{text}");
}

fn probe(name: &str, worker: &str, at: (f64, f64)) -> ProbeEntry {
    ProbeEntry {
        latitude: Some(at.0),
        longitude: Some(at.1),
        ..fixture::probe(name, worker, Some(u32::try_from(name.len()).unwrap()))
    }
}

/// Berlin, New York and Sydney measure a node that says it stands in Berlin, and answers from Sydney.
fn roster() -> Roster {
    let node = NodeEntry {
        latitude: Some(52.5),
        longitude: Some(13.4),
        ..fixture::node("claims-berlin", "jack")
    };
    Roster::new(
        [
            probe("berlin", "ada", (52.5, 13.4)),
            probe("newyork", "ben", (40.7, -74.0)),
            probe("sydney", "jack", (-33.9, 151.2)),
            probe("melbourne", "pia", (-37.8, 145.0)),
        ],
        [node],
    )
}

fn seen(rows: &[(&str, TargetId, &str, Outcome)]) -> FromStore {
    let roster = roster();
    let window = Window {
        from: UnixMillis(DAY0),
        until: UnixMillis(DAY0 + 86_400_000),
    };
    let mut builder = SurveyBuilder::new(&roster, window);
    for (from, to, kind, outcome) in rows {
        let plan = Arc::new(fixture::plan(
            &roster,
            fixture::probe_id(from),
            &["status4".parse().unwrap(), "connect4".parse().unwrap()],
        ));
        let check = fixture::check(&plan, *to, kind.parse().unwrap());
        builder.add(
            &stored(&plan, &[fixture::row(check, UnixMillis(DAY0), outcome.clone())]),
            ALWAYS,
        );
    }
    builder.finish(Source::Store)
}

fn time(from: &FromStore, a: &str, b: &str) -> Option<f64> {
    let at = |name: &str| {
        from.survey
            .sites
            .iter()
            .position(|site| site.name == name)
            .unwrap()
    };
    let (a, b) = (at(a), at(b));
    let pair = from
        .survey
        .pairs
        .iter()
        .find(|pair| (pair.a, pair.b) == (a.min(b), a.max(b)));
    pair.map(|pair| pair.rtt_ms)
}

#[test]
fn shortest_raw_time_of_either_direction_counts_and_own_sites_do_not() {
    let (node, peer) = (TargetId::of_node("claims-berlin"), |name: &str| {
        TargetId::of_peer(fixture::probe_id(name))
    });
    let found = seen(&[
        ("berlin", peer("newyork"), "echo4", replied(95)),
        ("newyork", peer("berlin"), "echo4", replied(90)),
        ("berlin", node, "status4", good(291)),
        ("berlin", node, "connect4", connected(290)),
        ("sydney", node, "connect4", connected(1)),
        ("melbourne", node, "connect4", connected(12)),
    ]);
    assert_eq!(time(&found, "berlin", "newyork"), Some(90.0));
    assert_eq!(time(&found, "berlin", "claims-berlin"), Some(290.0));
    assert_eq!(
        time(&found, "sydney", "claims-berlin"),
        None,
        "one worker runs both"
    );
    assert_eq!(time(&found, "melbourne", "claims-berlin"), Some(12.0));
    let at = found
        .survey
        .sites
        .iter()
        .position(|site| site.name == "claims-berlin")
        .unwrap();
    assert_eq!(found.addresses[at].len(), 1, "as it was dialled");
}

#[test]
fn claimed_delay_of_a_responder_is_never_subtracted() {
    let replied = Outcome::Echo(isochrone_proto::measurement::EchoOutcome::Replied {
        rtt: isochrone_proto::units::Micros::new(90_000).unwrap(),
        claimed_delay: isochrone_proto::units::Micros::new(80_000).unwrap(),
        stamp: isochrone_proto::measurement::Stamp::Kernel,
        suspect: true,
    });
    let peer = TargetId::of_peer(fixture::probe_id("newyork"));
    let found = seen(&[("berlin", peer, "echo4", replied)]);
    assert_eq!(time(&found, "berlin", "newyork"), Some(90.0));
}

#[test]
fn site_without_coordinates_is_left_out_and_named() {
    let roster = Roster::new(
        [],
        [NodeEntry {
            latitude: None,
            ..fixture::node("lima", "pia")
        }],
    );
    let window = Window {
        from: UnixMillis(DAY0),
        until: UnixMillis(DAY0 + 1),
    };
    let found = SurveyBuilder::new(&roster, window).finish(Source::Store);
    let report = LocateReport {
        surveyed: found.survey.judge(&[]),
        databases: Vec::new(),
        sure: Vec::new(),
        eyes: EyesLocated::default(),
    };
    assert!(report.surveyed.survey.sites.is_empty());
    let text = flowing(&report.text(100));
    assert!(
        text.contains("Node lima has no coordinates, and is left out"),
        "{text}"
    );
    assert!(text.contains("There is no site to judge"), "{text}");
}

/// An eye of a test: its name, its place, and the time to each node; `None`: told in whole milliseconds.
type Seen<'a> = (&'a str, &'a str, &'a [(&'a str, Option<f64>)]);

/// The sites of the example as nodes, with eyes that measured some of them: by name, place, and time to each node.
fn with_eyes(eyes: &[Seen<'_>]) -> LocateReport {
    let mut survey = files("losangeles,34.05,118.24").surveyed.survey;
    survey
        .sites
        .iter_mut()
        .for_each(|site| site.kind = SiteKind::Node);
    let nodes: Vec<Node> = survey
        .sites
        .iter()
        .map(|site| Node {
            name: site.name.clone(),
            site: site.site.clone(),
            position: Some(site.place.position),
            country: None,
            worker: None,
        })
        .collect();
    let eye = |(name, place, times): &Seen<'_>| Eye {
        name: (*name).to_owned(),
        source: EyeSource::Atlas,
        site: (*place).to_owned(),
        position: cities::find(place).unwrap().position,
        network: None,
        country: None,
        access: AccessClass::Eyeball,
        times: times
            .iter()
            .map(|(node, ms)| EyeTime {
                node: nodes.iter().position(|known| known.name == *node).unwrap(),
                rtt_ms: ms.unwrap_or(9.0),
                least_ms: *ms,
                age_days: 60.0,
                answers: 3,
            })
            .collect(),
    };
    let eyes = eyes.iter().map(eye).collect();
    let surveyed = survey.judge(&[]);
    LocateReport {
        eyes: EyesLocated::judged(eyes, nodes, &surveyed),
        surveyed,
        databases: Vec::new(),
        sure: Vec::new(),
    }
}

#[test]
fn eyes_are_judged_by_honest_nodes_and_listed_apart_and_judge_nobody() {
    let without = with_eyes(&[]);
    let report = with_eyes(&[
        (
            "60001",
            "Nairobi, KE",
            &[("berlin", Some(130.0)), ("johannesburg", Some(60.0))],
        ),
        (
            "60002",
            "Sydney, AU",
            &[("berlin", Some(12.0)), ("newyork", Some(80.0))],
        ),
        ("60003", "Lima, PE", &[("berlin", Some(12.0))]),
        ("60004", "Seattle, US", &[("losangeles", Some(30.0))]),
        ("60005", "Lima, PE", &[("berlin", None), ("newyork", None)]),
    ]);
    let verdicts: Vec<_> = report
        .eyes
        .eyes
        .iter()
        .map(|(_, located)| located.verdict.as_str())
        .collect();
    assert_eq!(
        verdicts,
        ["consistent", "impossible", "unknown", "unknown", "unknown"]
    );
    let text = flowing(&report.text(120));
    for said in [
        "5 borrowed eyes of public platforms measured these nodes. Nothing contradicts the places of 1; 1 cannot stand where \
         they say, and count nowhere; of 3 it cannot be told",
        "No witness: losangeles, whose own place does not fit.",
        "atlas 60002 says that it stands at Sydney, AU: berlin answered it in 12.0 ms, and light needs 161 ms",
        "and no eye judges a node, a probe or another eye",
        "60 days ago",
        "0.50",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(report.html().contains("Borrowed eyes") && report.markdown().contains("| atlas | 60003 |"));
    let (json, before) = (report.json(), without.json());
    for key in ["sites", "suspects", "answer", "anycast"] {
        assert_eq!(json[key], before[key], "{key}: eyes judge nobody");
    }
    let eyes = json["eyes"].as_array().unwrap();
    assert_eq!(
        (&eyes[1]["verdict"], &eyes[1]["counts"]),
        (&json!("impossible"), &json!(false))
    );
    assert_eq!(eyes[1]["contradictions"][0]["node"], "berlin");
    assert_eq!(
        (&eyes[0]["centre"], &eyes[0]["weight"]),
        (&json!("johannesburg"), &json!(0.5))
    );
    assert!(
        (eyes[0]["radius_km"].as_f64().unwrap() - 5_995.8).abs() < 1.0,
        "{json}"
    );
    assert!(before["eyes"].as_array().unwrap().is_empty() && !without.text(100).contains("Borrowed"));
}

#[test]
fn table_of_eyes_breaks_no_word_at_a_hundred_columns() {
    let report = with_eyes(&[
        (
            "Los Angeles, US, AS64500, data-centre",
            "Los Angeles, US",
            &[("berlin", Some(145.0)), ("johannesburg", Some(240.0))],
        ),
        (
            "60001",
            "Nairobi, KE",
            &[("berlin", Some(130.0)), ("johannesburg", Some(60.0))],
        ),
    ]);
    let text = report.text(100);
    let eyes = text.split("Borrowed eyes").nth(1).unwrap();
    for whole in [
        "atlas",
        "contradicted",
        "johannesburg",
        "Nairobi, KE",
        "data-centre",
        "anywhere",
    ] {
        assert!(eyes.contains(whole), "{whole}: {text}");
    }
    assert!(
        flowing(&text).contains("2 borrowed eyes of public platforms measured these nodes. Nothing contradicts any of their places."),
        "{text}"
    );
}
