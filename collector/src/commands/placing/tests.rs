use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Program};

const SITES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/example/sites.csv");
const RTT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/example/rtt.csv");

fn advice(words: &[&str]) -> Advice {
    let all = [&["isochrone-collector"], words].concat();
    match Cli::parse_from(all).program {
        Program::Command(command) => Advice::of(command).expect("place or what-if"),
        other => panic!("{other:?}"),
    }
}

fn json(words: &[&str]) -> Result<serde_json::Value, CommandError> {
    use isochrone_report::Printed as _;

    let mut advice = advice(&[words, &["--sites", SITES, "--rtt", RTT]].concat());
    if let Advice::Place(args) = &mut advice {
        read_candidate_file(args)?;
    }
    let coverage = report_of_files(advice.coverage(), advice.further()?, &Out::nowhere())?;
    Ok(match advice.report(coverage)? {
        Told::Place(report) => report.json(),
        Told::WhatIf(report) => report.json(),
    })
}

#[test]
fn sites_of_files_are_placed_without_naming_nodes_and_the_set_is_proven() {
    let json = json(&["place", "-k", "3", "--weights", "sites"]).unwrap();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(json["proven_optimal"], true);
    assert_eq!(json["value"], json["lower_bound"]);
}

#[test]
fn fixed_and_forbidden_places_and_candidates_of_a_file_are_taken_and_travel_with_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("candidates.csv");
    std::fs::write(&file, "place,cost\n\"Lima, PE\",0\n\"Cairo, EG\",0\n").unwrap();
    let mut words = vec![
        "place",
        "-k",
        "3",
        "--nodes",
        "berlin,tokyo",
        "--fixed",
        "all",
        "--forbid",
        "EG",
    ];
    words.extend(["--candidates", file.to_str().unwrap()]);
    let json = json(&words).unwrap();
    assert_eq!(json["nodes"], serde_json::json!(["berlin", "tokyo", "Lima, PE"]));
    words.extend(["--sites", SITES, "--rtt", RTT]);
    let Advice::Place(mut args) = advice(&words) else {
        panic!("place")
    };
    read_candidate_file(&mut args).unwrap();
    drop(folder);
    let sent = serde_json::to_string(&Command::Place(args)).unwrap();
    let Some(Advice::Place(args)) = Advice::of(serde_json::from_str(&sent).unwrap()) else {
        panic!("place")
    };
    assert_eq!(ask(&args).unwrap().candidates.map(|all| all.len()), Some(2));
}

#[test]
fn what_if_prices_a_city_more_and_a_node_less() {
    let json = json(&[
        "what-if",
        "--nodes",
        "berlin,tokyo",
        "--add",
        "Lima, PE",
        "--remove",
        "berlin",
    ])
    .unwrap();
    assert_eq!(json["then"]["nodes"], serde_json::json!(["tokyo", "Lima, PE"]));
    assert!(json["difference"]["low_ms"].as_f64().unwrap() < json["difference"]["high_ms"].as_f64().unwrap());
}

#[test]
fn what_cannot_be_is_told_with_what_to_do_next() {
    let said = |words: &[&str]| json(words).unwrap_err().to_string();
    assert!(said(&["what-if", "--add", "Lima, PE"]).contains("--nodes says which sites are nodes"));
    assert!(said(&["place", "-k", "99"]).contains("ask for fewer, or name more candidates"));
    assert!(said(&["place", "-k", "2", "--fixed", "Atlantis"]).starts_with("--fixed Atlantis"));
    assert!(said(&["place", "-k", "2", "--candidates", "nowhere.csv"]).contains("nowhere.csv"));
}
