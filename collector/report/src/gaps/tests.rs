//! What to measure next, as people and programs read it.

use isochrone_coverage::country::Country;
use isochrone_coverage::geo::Position;
use isochrone_coverage::observations::Network;
use isochrone_coverage::report::gaps::{Contender, NetworkThere, NothingToRank, WantedEye};
use isochrone_coverage::report::{Interval, Unseen};

use super::*;

fn code(code: &str) -> Country {
    Country::code(code).unwrap()
}

fn contender(place: &str, gain_ms: f64, candidate: Option<&str>) -> Contender {
    Contender {
        place: place.to_owned(),
        position: Position::new(-26.2, 28.0).unwrap(),
        country: Country::code(&place[place.len() - 2..]),
        gain_ms,
        deviation_ms: gain_ms / 4.0,
        candidate: candidate.map(str::to_owned),
        eyes: 0,
    }
}

fn report() -> GapsReport {
    let eye = |place: &str, worth_ms: f64, known: Option<Network>| WantedEye {
        place: place.to_owned(),
        city: place[..place.len() - 4].to_owned(),
        position: Position::new(6.5, 3.4).unwrap(),
        country: code(&place[place.len() - 2..]),
        share: 0.021,
        worth_ms,
        between: ["Johannesburg, ZA".to_owned(), "São Paulo, BR".to_owned()],
        toward: 1,
        now: Interval {
            low: 112.0,
            high: 248.4,
        },
        known_networks: known.into_iter().collect(),
        networks: Vec::new(),
    };
    GapsReport {
        gaps: Gaps {
            nodes: 9,
            vantages: 10,
            known_eyes: 0,
            contenders: vec![
                contender("Johannesburg, ZA", 6.0, Some("jnb-provider")),
                contender("São Paulo, BR", 5.2, None),
            ],
            eyes: vec![
                eye("Lagos, NG", 0.4, None),
                eye("Nairobi, KE", 0.0, Some(Network(64_500))),
            ],
            unseen: vec![Unseen {
                country: code("CN"),
                share: 0.18,
            }],
            why_not: None,
        },
        source: Source::Store,
        window: None,
        weights: WeightKind::People,
        notes: Vec::new(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn list_says_in_words_what_to_measure_and_what_that_decides() {
    let text = one_line(&report().text(100));
    for said in [
        "The next node may belong in Johannesburg, ZA (~6.00 ms less in the mean, give or take 1.50) or São Paulo, BR",
        "An eye on a home line in Lagos, NG would most firm up whether the next node belongs in Johannesburg, ZA or São Paulo, BR: \
         its time to São Paulo, BR is now 112–248 ms.",
        "An eye on a home line in Nairobi, KE, on a network other than AS64500, would firm up",
        "Not in targets.toml: São Paulo, BR. Name any server there",
        "No site is known in China (18.0 %)",
        "`gaps --draft globalping`",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let page = report().html();
    assert!(
        page.contains("An eye on a home line in Lagos, NG")
            && page.contains("<code>gaps --draft atlas</code>")
    );
}

#[test]
fn every_format_holds_the_same_eyes_in_the_same_order() {
    let report = report();
    let json = report.json();
    assert_eq!(json["schema"], "isochrone.gaps/1");
    assert_eq!(json["eyes"][0]["place"], "Lagos, NG");
    assert_eq!(json["eyes"][0]["high_ms"], 248.4);
    assert_eq!(json["eyes"][1]["known_network"], 64_500);
    assert_eq!(json["eyes"][1]["networks"], serde_json::json!([]));
    assert_eq!(json["contenders"][0]["candidate"], "jnb-provider");
    assert_eq!(json["unseen"][0]["country"], "CN");
    let csv = report.csv();
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows[1].starts_with("eye,1,\"Lagos, NG\","), "{csv}");
    assert!(rows[3].starts_with("city,1,\"Johannesburg, ZA\","), "{csv}");
    assert!(rows[5].starts_with("unseen,1,China,"), "{csv}");
    assert!(report.markdown().contains("Nairobi, KE"));
}

#[test]
fn where_nothing_can_be_ranked_it_says_why_and_what_to_do_first() {
    for (why, said) in [
        (NothingToRank::NotMeasured, "Run a probe first (`probe invite`)"),
        (NothingToRank::NotPredicted, "Leave out `--prior none`"),
        (NothingToRank::NotBelieved, "`locate` says which"),
        (NothingToRank::NoCandidate, "as a `[[candidate]]`"),
    ] {
        let mut report = report();
        report.gaps = Gaps {
            contenders: Vec::new(),
            eyes: Vec::new(),
            unseen: Vec::new(),
            why_not: Some(why),
            ..report.gaps
        };
        let text = one_line(&report.text(100));
        assert!(text.contains(said) && !text.contains("--draft"), "{text}");
        assert_eq!(report.json()["why_not"], why.as_str());
    }
}

#[test]
fn eyes_that_would_turn_no_choice_say_so() {
    let mut report = report();
    report.gaps.eyes.remove(0);
    assert!(one_line(&report.text(100)).contains("No further eye is expected to turn this choice"));
}

#[test]
fn networks_to_ask_are_named_in_sentence_table_and_json() {
    let mut report = report();
    let there = |network, vantages| NetworkThere {
        network: Network(network),
        vantages,
    };
    report.gaps.eyes[0].networks = vec![there(64_501, 12), there(64_502, 1)];
    let text = report.text(160).replace('\n', " ");
    assert!(
        text.contains("for example one of 12 probes in AS64501,"),
        "{text}"
    );
    assert!(text.contains("AS64501 (12), AS64502 (1)"), "{text}");
    assert_eq!(
        report.json()["eyes"][0]["networks"][1],
        serde_json::json!({ "network": 64_502, "vantages": 1 })
    );
    assert!(report.csv().contains("AS64501 (12) AS64502 (1)"));
}
