//! Bad files: what cannot be said is said first, in every format, and the rest of the report is there.

use clap::Parser as _;
use isochrone_report::locate::LocateReport;

use super::super::locate;
use super::*;
use crate::cli::{Cli, Command, Program};

const SITES: &str = include_str!("../../../../docs/example/sites.csv");
const RTT: &str = include_str!("../../../../docs/example/rtt.csv");
const NODES: &str = "berlin,newyork,saopaulo,singapore";

/// What three commands make of two files.
struct Said {
    coverage: CoverageReport,
    count: CountReport,
    locate: LocateReport,
}

fn said(sites: &str, rtt: &str, options: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (sites, rtt) = (write("sites.csv", sites), write("rtt.csv", rtt));
    let mut words = vec![
        "isochrone-collector",
        "report",
        "coverage",
        "--sites",
        &sites,
        "--rtt",
        &rtt,
    ];
    words.extend(options);
    if !options.contains(&"--nodes") {
        words.extend(["--nodes", NODES]);
    }
    let Command::Report(ReportCommand::Coverage(mut args)) = parsed(&words) else {
        panic!("a report on coverage: {words:?}")
    };
    read_weights(&mut args).unwrap();
    let coverage = report_of_files(&args, Further::default(), &Out::nowhere()).unwrap();
    let count = CountReport {
        count: coverage.count.clone().unwrap(),
        coverage: coverage.clone(),
    };
    let words = ["isochrone-collector", "locate", "--sites", &sites, "--rtt", &rtt];
    let Command::Locate(args) = parsed(&words) else {
        panic!("places: {words:?}")
    };
    Said {
        coverage,
        count,
        locate: locate::of_files(&args).unwrap(),
    }
}

/// With one space wherever a rendering parts words.
fn plain(text: &str) -> String {
    let text = text.replace("<br>", " ").replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// That every format of a report holds a sentence, and holds it before its tables.
fn holds(report: &impl Printed, sentence: &str) {
    let text = plain(&report.text(WIDTH));
    assert!(text.contains(sentence), "{sentence}: {text}");
    for (format, all) in [("html", report.html()), ("json", report.json().to_string())] {
        assert!(plain(&all).contains(sentence), "{format}: {sentence}");
    }
}

/// That it is among the first things a report says, before who measured and what follows.
fn begins_with(report: &impl Printed, sentence: &str) {
    holds(report, sentence);
    let text = plain(&report.text(WIDTH));
    let at = text.find(sentence).unwrap_or(usize::MAX);
    let answers = ["From sites whose", "Whether ", "Nothing contradicts"];
    let first = answers.iter().filter_map(|answer| text.find(answer)).min();
    assert!(first.is_none_or(|first| at < first), "{sentence} at {at}: {text}");
    let html = plain(&report.html());
    let body = &html[html.find("<main").unwrap()..];
    assert!(
        body.find("class=\"wrong\"") < body.find("class=\"lead\""),
        "{body}"
    );
    assert!(body.contains("class=\"wrong\""), "{body}");
}

/// That nothing is claimed from times that are not believed: no share, no best node, no count of stand-ins, no verdict.
fn claims_nothing(said: &Said) {
    let json = said.coverage.json();
    for share in json["shares"].as_array().unwrap() {
        assert_eq!(
            (&share["in"], &share["out"], &share["unknown"]),
            (&0.0.into(), &0.0.into(), &1.0.into())
        );
    }
    assert_eq!(json["summary"]["headline_withheld"][0], "not-believed");
    assert_eq!(json["summary"]["known"], 0.0);
    for list in ["regions", "continents"] {
        let regions = json[list].as_array().unwrap();
        assert!(regions.iter().all(|region| region["best"].is_null()), "{list}");
    }
    for key in ["backup", "by_kilometres", "by_kilometres_predicted", "trend"] {
        assert!(json["depth"][key].is_null(), "{key}");
    }
    let text = plain(&said.coverage.text(WIDTH));
    for claim in [
        "live within 300 km",
        "Counted at",
        "ms or less from a node",
        "Players choose",
    ] {
        assert!(!text.contains(claim), "{claim}: {text}");
    }
    assert!(
        !json["vantages"].as_array().unwrap().is_empty(),
        "as it was given"
    );
    assert!(said.coverage.html().contains("<table"));
    let count = said.count.json();
    assert_eq!(count["reasons"], serde_json::json!(["not-believed"]));
    for list in ["curve", "drop_one", "redundancy", "measure"] {
        assert_eq!(count[list], serde_json::json!([]), "{list}");
    }
}

/// That the tables of what was measured are there.
fn rest_is_there(said: &Said) {
    let text = said.coverage.text(WIDTH);
    assert!(text.contains("Vantages") || text.contains("vantage  "), "{text}");
    assert!(
        said.count
            .text(WIDTH)
            .contains("A second node, as measured from each vantage")
    );
    assert!(said.locate.text(WIDTH).contains("Each place"));
    for html in [said.coverage.html(), said.count.html(), said.locate.html()] {
        assert!(html.contains("<table"), "{html}");
    }
    assert!(!said.coverage.json()["vantages"].as_array().unwrap().is_empty());
}

#[test]
fn sites_without_coordinates_are_named_and_the_others_are_reported() {
    let sites = SITES
        .replace("lagos,6.45,3.39", "lagos,,")
        .replace("saopaulo,-23.55,-46.64", "saopaulo,,");
    let said = said(&sites, RTT, &[]);
    let sentence = "No coordinates are given for saopaulo, lagos: left out as places.";
    begins_with(&said.coverage, sentence);
    begins_with(&said.count, sentence);
    begins_with(&said.locate, sentence);
    begins_with(
        &said.coverage,
        "No coordinates are known of saopaulo: what was measured counts",
    );
    rest_is_there(&said);
    assert_eq!(said.coverage.classes[0].vantages.len(), 8);
    assert!(
        said.coverage.classes[0].predicted.is_some(),
        "towards the other nodes"
    );
}

#[test]
fn one_probe_is_called_the_view_of_one_server() {
    let rtt: String = RTT
        .lines()
        .filter(|line| line.contains("lagos") || line.contains("source"))
        .map(|line| format!("{line}\n"))
        .collect();
    let sites: String = SITES
        .lines()
        .filter(|line| {
            ["site,", "lagos", "berlin", "newyork"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let rtt: String = rtt
        .lines()
        .filter(|line| {
            ![
                "losangeles",
                "saopaulo",
                "johannesburg",
                "mumbai",
                "singapore",
                "tokyo",
                "sydney",
            ]
            .iter()
            .any(|name| line.contains(name))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let said = said(&sites, &rtt, &["--nodes", "berlin,newyork"]);
    let sentence = "Only one vantage measured: this is the view of one server in one building";
    begins_with(&said.coverage, "Only one vantage measured");
    holds(
        &said.coverage,
        "1 vantage in a network that is not given (2 more sites measured no node that counts)",
    );
    let text = plain(&said.coverage.text(WIDTH));
    assert!(
        text.contains("1 vantage in a network that is not given speaks for"),
        "{text}"
    );
    let summary = &said.coverage.json()["summary"];
    assert_eq!(
        (&summary["vantages"], &summary["measuring_vantages"]),
        (&3.into(), &1.into())
    );
    begins_with(&said.coverage, sentence);
    begins_with(&said.count, sentence);
    holds(
        &said.count,
        "1 vantage is too few for a verdict on a whole network",
    );
    holds(
        &said.locate,
        "Nothing contradicts any of the 3 places, which proves little",
    );
    rest_is_there(&said);
}

#[test]
fn weights_that_add_up_to_nothing_give_no_share_and_say_so() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("none.csv", "site,weight\n"),
        ("zero.csv", "country,weight\nDE,0\n"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let sentence = format!("{name} gives no weight to any place: no share can be given by it.");
        let by_it = said(SITES, RTT, &["--weights", &file]);
        begins_with(&by_it.coverage, &sentence);
        assert!(
            !plain(&by_it.coverage.text(WIDTH)).contains("ms or less from a node"),
            "no share is claimed"
        );
        rest_is_there(&by_it);
        let beside = said(SITES, RTT, &["--demand", &file]);
        holds(&beside.coverage, &sentence);
        assert!(
            plain(&beside.coverage.text(WIDTH)).contains("100 ms or less from a node"),
            "people still count"
        );
    }
}

#[test]
fn times_that_light_forbids_as_a_whole_are_said_first_and_nothing_is_predicted() {
    let times = RTT.lines().skip(1).map(|line| {
        let (pair, _) = line.rsplit_once(',').unwrap();
        format!("{pair},3\n")
    });
    let rtt = format!("source,destination,rtt_ms\n{}", times.collect::<String>());
    let said = said(SITES, &rtt, &[]);
    assert!(
        said.coverage.notes.iter().any(Note::is_grave),
        "{:?}",
        said.coverage.notes
    );
    assert!(said.coverage.classes[0].predicted.is_none());
    assert!(said.count.count.next.is_none() && said.count.count.drop_one.is_empty());
    holds(
        &said.coverage,
        "Nothing is predicted: places and times contradict each other as a whole",
    );
    let grave = said.coverage.notes.iter().find(|note| note.is_grave());
    assert!(
        matches!(grave, Some(Note::AllContradict { .. } | Note::PlacesContradict)),
        "{grave:?}"
    );
    begins_with(&said.coverage, "contradict");
    begins_with(&said.count, "contradict");
    let text = plain(&said.locate.text(WIDTH));
    let at_fault = text.find("the times are more likely at fault than the places");
    assert!(
        at_fault < text.find("contradictions between claimed places") && at_fault.is_some(),
        "{text}"
    );
    claims_nothing(&said);
}

#[test]
fn pair_given_twice_and_rows_of_strangers_are_left_out_by_line() {
    let rtt = format!("{RTT}berlin,newyork,500\nberlin,atlantis,9\n");
    let said = said(SITES, &rtt, &[]);
    for report in [&said.coverage as &dyn Told, &said.count, &said.locate] {
        report.begins_with("the pair berlin to newyork is given twice with different times, in lines 2 and 47: neither is used.");
        report.begins_with("rtt.csv, the first in line 48, names atlantis, which is not in");
    }
    rest_is_there(&said);
}

#[test]
fn columns_of_coordinates_that_are_swapped_are_said_first() {
    let sites = SITES.replace("latitude,longitude", "longitude,latitude");
    let said = said(&sites, RTT, &[]);
    for report in [&said.coverage as &dyn Told, &said.count, &said.locate] {
        report.begins_with("Latitude and longitude look swapped in");
        report.begins_with("losangeles, singapore, tokyo, sydney can be read only the other way round");
    }
    assert!(said.coverage.classes[0].predicted.is_none() && said.count.count.next.is_none());
    claims_nothing(&said);
    judges_nobody(&said);
}

#[test]
fn source_and_destination_swapped_are_told_where_every_pair_is_reversed() {
    let header = "source,destination,rtt_ms\n";
    let rows = ["lagos", "mumbai", "tokyo"].map(|from| format!("berlin,{from},{}\n", 100 + from.len() * 10));
    let said = said(
        SITES,
        &format!("{header}{}", rows.concat()),
        &["--nodes", "berlin"],
    );
    begins_with(
        &said.coverage,
        "All 3 pairs were measured only from the node to the vantage (marked ←): are the columns source and destination swapped?",
    );
    rest_is_there(&said);
}

#[test]
fn seconds_are_told_from_milliseconds_and_nothing_is_predicted_from_them() {
    let times = RTT.lines().skip(1).map(|line| {
        let (pair, ms) = line.rsplit_once(',').unwrap();
        format!("{pair},{}\n", ms.parse::<f64>().unwrap() / 1_000.0)
    });
    let rtt = format!("source,destination,rtt_ms\n{}", times.collect::<String>());
    let said = said(SITES, &rtt, &[]);
    for report in [&said.coverage as &dyn Told, &said.count, &said.locate] {
        report.begins_with("look like seconds, where milliseconds are needed");
    }
    assert!(said.coverage.classes[0].predicted.is_none());
    claims_nothing(&said);
    judges_nobody(&said);
}

/// That no place is called anything by times that are not believed.
fn judges_nobody(said: &Said) {
    let text = plain(&said.locate.text(WIDTH));
    assert!(
        text.contains("No place is judged by these times.") && text.contains("Each place"),
        "{text}"
    );
    let json = said.locate.json();
    let mut sites = json["sites"].as_array().unwrap().iter();
    assert!(sites.all(|site| site["verdict"] == "unknown"), "{json}");
    assert_eq!(json["suspects"], serde_json::json!([]));
}

/// A report of any kind.
trait Told {
    fn begins_with(&self, sentence: &str);
}

impl<R: Printed> Told for R {
    fn begins_with(&self, sentence: &str) {
        begins_with(self, sentence);
    }
}

fn parsed(words: &[&str]) -> Command {
    let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    match cli.program {
        Program::Command(command) => command,
        other => panic!("{other:?}"),
    }
}
