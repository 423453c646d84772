use super::*;
use crate::note::{Note, Unit};
use crate::observations::{SingleReading, Statistic};

const SITES: &str = "site,latitude,longitude\nber,52.52,13.405\npar,48.8566,2.3522\ntyo,35.6762,139.6503\n";
const RTT: &str = "source,destination,min_rtt_ms\npar,ber,15.5\nber,par,14.5\ntyo,ber,231.0\n";

fn read_texts(sites: &str, rtt: &str, nodes: &[&str]) -> Result<Observations, FileError> {
    read(
        &FileText::new("sites.csv", sites),
        &FileText::new("rtt.csv", rtt),
        nodes,
    )
}

fn values(sites: &str, rtt: &str, nodes: &[&str]) -> (Statistic, Vec<SingleReading>) {
    match read_texts(sites, rtt, nodes).unwrap().readings {
        Readings::Single { statistic, values } => (statistic, values),
        Readings::Days(_) => panic!("files hold single values"),
    }
}

fn error(sites: &str, rtt: &str, nodes: &[&str]) -> String {
    read_texts(sites, rtt, nodes).unwrap_err().to_string()
}

#[test]
fn every_site_is_a_vantage_and_a_node_owns_itself() {
    let read = read_texts(SITES, RTT, &["ber"]).unwrap();
    let vantages: Vec<_> = read
        .vantages
        .iter()
        .map(|vantage| (vantage.name.as_str(), vantage.own_node.as_deref()))
        .collect();
    assert_eq!(vantages, [("ber", Some("ber")), ("par", None), ("tyo", None)]);
    let countries: Vec<_> = read
        .vantages
        .iter()
        .map(|vantage| vantage.country.unwrap().to_string())
        .collect();
    assert_eq!(countries, ["DE", "FR", "JP"], "taken from the nearest city");
    assert!(
        read.notes.contains(&Note::NearestCity { sites: 3 }),
        "{:?}",
        read.notes
    );
}

#[test]
fn minima_take_the_lower_direction() {
    let (statistic, read) = values(SITES, RTT, &["ber"]);
    assert_eq!(statistic, Statistic::Min);
    let times: Vec<_> = read
        .iter()
        .map(|value| (value.vantage, value.rtt_ms, value.reversed))
        .collect();
    assert_eq!(times, [(1, 14.5, false), (2, 231.0, false)]);
}

#[test]
fn medians_take_vantage_to_node_and_the_reverse_only_for_want_of_it() {
    let rtt = "source,destination,p50_rtt_ms\npar,ber,15.5\nber,par,14.5\nber,tyo,231.25\n";
    let (statistic, read) = values(SITES, rtt, &["ber"]);
    assert_eq!(statistic, Statistic::P50);
    let times: Vec<_> = read
        .iter()
        .map(|value| (value.vantage, value.rtt_ms, value.reversed))
        .collect();
    assert_eq!(times, [(1, 15.5, false), (2, 231.25, true)]);
    let notes = read_texts(SITES, rtt, &["ber"]).unwrap().notes;
    assert!(notes.contains(&Note::Reversed { pairs: 1, of: 2 }), "{notes:?}");
}

#[test]
fn unnamed_times_stay_unnamed() {
    let (statistic, read) = values(SITES, "source,destination,rtt_ms\npar,ber,15.5\n", &["ber"]);
    assert_eq!((statistic, read[0].rtt_ms), (Statistic::Unnamed, 15.5));
}

#[test]
fn further_columns_are_ignored_and_a_second_time_is_named() {
    let rtt = "x,min_rtt_ms,destination,source,p50_rtt_ms\nhello,1,ber,par,15.5\n";
    let sites = "city,site,latitude,longitude\nBerlin,ber,52.5,13.4\nParis,par,48.9,2.4\n";
    let (statistic, read) = values(sites, rtt, &["ber"]);
    assert_eq!((statistic, read[0].rtt_ms), (Statistic::P50, 15.5));
    let notes = read_texts(sites, rtt, &["ber"]).unwrap().notes;
    assert!(
        notes.contains(&Note::OtherTimes {
            file: "rtt.csv".to_owned(),
            read: "p50_rtt_ms",
            others: vec!["min_rtt_ms"],
        }),
        "{notes:?}"
    );
}

#[test]
fn countries_are_read_as_code_or_name_and_said_where_not() {
    let sites = "site,country,latitude,longitude\na,za,-33.9,18.4\nb,South Korea,37.5,126.9\nc,Emiratistan,25.2,55.27\nd,,0,-30\n";
    let read = read_texts(sites, "source,destination,rtt_ms\na,b,300\n", &["b"]).unwrap();
    let countries: Vec<_> = read
        .vantages
        .iter()
        .map(|vantage| vantage.country.map(|country| country.to_string()))
        .collect();
    assert_eq!(
        countries,
        [Some("ZA".into()), Some("KR".into()), Some("AE".into()), None]
    );
    assert!(
        read.notes
            .iter()
            .any(|note| matches!(note, Note::UnknownCountry { given, taken } if given == "Emiratistan" && taken.as_str() == "AE")),
        "{:?}",
        read.notes
    );
    assert!(
        read.notes
            .iter()
            .any(|note| matches!(note, Note::Nowhere { site, more: 0, .. } if site == "d")),
        "{:?}",
        read.notes
    );
}

#[test]
fn rows_from_a_site_to_itself_are_not_used_and_said() {
    let rtt = "source,destination,rtt_ms\nber,ber,0.1\npar,ber,15\n";
    assert_eq!(values(SITES, rtt, &["ber"]).1.len(), 1);
    let notes = read_texts(SITES, rtt, &["ber"]).unwrap().notes;
    assert!(notes.contains(&Note::OwnRows { rows: 1 }), "{notes:?}");
}

#[test]
fn windows_line_ends_byte_order_mark_and_quotes_are_read() {
    let sites = "\u{feff}site,latitude,longitude\r\n\"ber, lin\",52.52,13.405\r\npar,48.86,2.35\r\n";
    let read = read_texts(
        sites,
        "source,destination,rtt_ms\r\npar,\"ber, lin\",15\r\n",
        &["ber, lin"],
    )
    .unwrap();
    assert_eq!(read.nodes[0].name, "ber, lin");
}

#[test]
fn bad_sites_are_named_with_file_and_line() {
    let header = "site,latitude,longitude\nber,52.52,13.405\n";
    let cases = [
        (
            "par,90.5,200",
            "sites.csv:3: latitude = `90.5`: degrees between -90 and 90 are needed here",
        ),
        (
            "par,48.9,-180.01",
            "sites.csv:3: longitude = `-180.01`: degrees between -180 and 180 are needed here",
        ),
        (
            "par,north,2.35",
            "sites.csv:3: latitude = `north`: degrees between -90 and 90 are needed here",
        ),
        (
            "par,NaN,2.35",
            "sites.csv:3: latitude = `NaN`: degrees between -90 and 90 are needed here",
        ),
        (
            "par,,2.35",
            "sites.csv:3: latitude = ``: degrees between -90 and 90 are needed here",
        ),
        (
            "ber,48.9,2.35",
            "sites.csv:3: site `ber` was already given in line 2: remove one of the two",
        ),
        (
            ",48.9,2.35",
            "sites.csv:3: `site` is empty: fill it in or remove the line",
        ),
        (
            "par,48.9",
            "sites.csv:3: 2 fields where the header has 3: look for a missing or unquoted comma",
        ),
        (
            "Paris, France,48.9,2.35",
            "sites.csv:3: 4 fields where the header has 3: look for a missing or unquoted comma",
        ),
    ];
    for (row, message) in cases {
        assert_eq!(error(&format!("{header}{row}\n"), RTT, &["ber"]), message);
    }
    let blank_above = format!("{header}\n\npar,91,200\n");
    assert!(error(&blank_above, RTT, &["ber"]).starts_with("sites.csv:5: latitude = `91`"));
}

#[test]
fn bad_times_are_named_with_file_and_line() {
    let header = "source,destination,min_rtt_ms\npar,ber,15.5\n";
    let number = "a number that is 0 or more is needed here";
    let cases = [
        ("tyo,ber,-1", format!("rtt.csv:3: min_rtt_ms = `-1`: {number}")),
        (
            "tyo,ber,fast",
            format!("rtt.csv:3: min_rtt_ms = `fast`: {number}"),
        ),
        ("tyo,ber,inf", format!("rtt.csv:3: min_rtt_ms = `inf`: {number}")),
        (
            "tyo,ber,1e30",
            "rtt.csv:3: min_rtt_ms = `1e30`: milliseconds are needed here, an hour of them at most"
                .to_owned(),
        ),
        (
            ",ber,9",
            "rtt.csv:3: `source` is empty: fill it in or remove the line".to_owned(),
        ),
        (
            "par,ber",
            "rtt.csv:3: 2 fields where the header has 3: look for a missing or unquoted comma".to_owned(),
        ),
    ];
    for (row, message) in cases {
        assert_eq!(error(SITES, &format!("{header}{row}\n"), &["ber"]), message);
    }
    let strangers = "source,destination,min_rtt_ms\nosa,ber,9\ntyo,rom,9\n";
    assert_eq!(
        error(SITES, strangers, &["ber"]),
        "rtt.csv:2: site `osa` is not in sites.csv: add it there, or remove this line",
        "nothing would be left"
    );
    // A bad row counts even where no node is concerned: nothing half-read is reported.
    assert!(error(SITES, &format!("{header}par,tyo,-3\n"), &["ber"]).starts_with("rtt.csv:3:"));
}

#[test]
fn bad_headers_and_files_are_named() {
    let cases = [
        (
            "site,latitude\nber,52\n",
            RTT,
            "sites.csv:1: no column `longitude`: add it to the header line",
        ),
        (
            "site,site,latitude,longitude\nber,b,52,13\n",
            RTT,
            "sites.csv:1: column `site` is named twice: remove or rename one",
        ),
        (
            "",
            RTT,
            "sites.csv holds no rows: it needs a header line and at least one line below it",
        ),
        (
            "site,latitude,longitude\n",
            RTT,
            "sites.csv holds no rows: it needs a header line and at least one line below it",
        ),
        (
            SITES,
            "source,destination,rtt_ms\n",
            "rtt.csv holds no rows: it needs a header line and at least one line below it",
        ),
        (
            SITES,
            "source,rtt_ms\npar,3\n",
            "rtt.csv:1: no column `destination`: add it to the header line",
        ),
        (
            "site;latitude;longitude\nber;52;13\n",
            RTT,
            "sites.csv:1: no column `site`: the columns are not parted by commas: save the file as comma-separated values",
        ),
        (
            RTT,
            SITES,
            "sites.csv:1: no column `site`: this is a file of round-trip times; are --sites and --rtt swapped?",
        ),
        (
            SITES,
            SITES,
            "rtt.csv:1: no column `source`: this is a file of sites; are --sites and --rtt swapped?",
        ),
        (
            SITES,
            "source,destination,ping\npar,ber,3\n",
            "rtt.csv:1: no column of times: name one of `rtt_ms`, `min_rtt_ms`, `p50_rtt_ms` in the header line",
        ),
        (
            SITES,
            "source,destination,rtt_ms,rtt_ms\npar,ber,3,4\n",
            "rtt.csv:1: column `rtt_ms` is named twice: remove or rename one",
        ),
    ];
    for (sites, rtt, message) in cases {
        assert_eq!(error(sites, rtt, &["ber"]), message);
    }
    let latin1 = FileText::new(
        "rtt.csv",
        b"source,destination,rtt_ms\npar,ber,3\nM\xfcnchen,ber,3\n".to_vec(),
    );
    let refused = read(&FileText::new("sites.csv", SITES), &latin1, &["ber"])
        .unwrap_err()
        .to_string();
    assert!(refused.starts_with("rtt.csv:3: not UTF-8 text"), "{refused}");
}

#[test]
fn unknown_nodes_are_named_with_what_was_meant() {
    assert_eq!(
        error(SITES, RTT, &["berlin"]),
        "--nodes: `berlin` is not a site of sites.csv: did you mean `ber`?"
    );
    assert_eq!(
        error(SITES, RTT, &["xyz"]),
        "--nodes: `xyz` is not a site of sites.csv: name sites as its column `site` spells them"
    );
    assert_eq!(
        error(SITES, RTT, &["ber", "ber"]),
        "--nodes: `ber` is named twice: name each node once"
    );
    assert_eq!(
        error(SITES, RTT, &[]),
        "--nodes: no node is named: say which sites are nodes, such as --nodes ber,par"
    );
}

#[test]
fn missing_file_is_named() {
    let missing = FileText::load(Path::new("/nonexistent/sites.csv"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        missing,
        "cannot read /nonexistent/sites.csv: check that it exists and that you may read it"
    );
}

#[test]
fn names_of_letters_and_marks_apart_are_the_composed_ones_in_each_file_and_option() {
    let sites = "site,latitude,longitude\nzu\u{308}rich,47.4,8.5\npar,48.9,2.4\n";
    let rtt = "source,destination,rtt_ms\npar,zürich,15.5\n";
    for node in ["zürich", "zu\u{308}rich"] {
        let read = read_texts(sites, rtt, &[node]).unwrap();
        assert_eq!(read.nodes[0].name, "zürich");
    }
}

fn notes(sites: &str, rtt: &str) -> Vec<Note> {
    read_texts(sites, rtt, &["ber"]).unwrap().notes
}

#[test]
fn sites_without_coordinates_are_left_out_and_named_and_the_rest_is_there() {
    let sites = format!("{SITES}lag,,\nnyc,40.7,-74.0\n");
    let rtt = format!("{RTT}lag,ber,110\nnyc,ber,90\n");
    let read = read_texts(&sites, &rtt, &["ber", "lag"]).unwrap();
    let names: Vec<_> = read
        .vantages
        .iter()
        .map(|vantage| vantage.name.as_str())
        .collect();
    assert_eq!(names, ["ber", "par", "tyo", "nyc"]);
    assert_eq!(read.nodes[1].position, None);
    let Readings::Single { values, .. } = &read.readings else {
        panic!("files hold single values")
    };
    let of = |vantage: usize, node: usize| {
        let found = values
            .iter()
            .find(|one| (one.vantage, one.node) == (vantage, node));
        found.map(|one| one.rtt_ms)
    };
    assert_eq!(of(3, 0), Some(90.0), "each row stays with its own site");
    assert_eq!(
        of(0, 1),
        Some(110.0),
        "a node needs no coordinates to be measured"
    );
    let missing = Note::NoCoordinates {
        sites: vec!["lag".to_owned()],
    };
    assert!(read.notes.contains(&missing), "{:?}", read.notes);
    let mesh = read_mesh(&FileText::new("sites.csv", sites), &FileText::new("rtt.csv", rtt)).unwrap();
    assert_eq!(mesh.names, ["ber", "par", "tyo", "nyc"]);
    let nyc = mesh.pairs.iter().find(|pair| (pair.a, pair.b) == (0, 3)).unwrap();
    assert_eq!(nyc.rtt_ms, 90.0);
}

#[test]
fn files_without_any_coordinates_are_refused_with_what_to_do() {
    assert_eq!(
        error(
            "site,latitude,longitude\nber,,\npar,,\n",
            "source,destination,rtt_ms\npar,ber,9\n",
            &["ber"]
        ),
        "sites.csv: no site has coordinates, so nothing can be said of any region: fill in latitude and longitude"
    );
}

#[test]
fn swapped_coordinates_are_told_site_by_site_and_as_a_whole() {
    let one = notes(&SITES.replace("35.6762,139.6503", "139.6503,35.6762"), RTT);
    let tyo = Note::OtherWayRound {
        sites: vec!["tyo".to_owned()],
    };
    assert!(one.contains(&tyo), "{one:?}");
    assert!(!one.iter().any(Note::is_grave), "one site is a typo: {one:?}");
    let all = notes(&SITES.replace("latitude,longitude", "longitude,latitude"), RTT);
    let swapped = all.iter().find(|note| matches!(note, Note::LooksSwapped { .. }));
    let Some(Note::LooksSwapped {
        fit, fit_swapped, of, ..
    }) = swapped
    else {
        panic!("{all:?}")
    };
    assert_eq!((*fit_swapped, *of), (3, 3));
    assert!(*fit < 2, "{all:?}");
    assert!(!notes(SITES, RTT).iter().any(Note::is_grave));
}

#[test]
fn country_that_is_given_tells_swapped_columns_where_a_city_lies_either_way() {
    // 32, 35 and the like lie near cities both ways: Jordan, Tunisia.
    let rows = "amm,31.95,35.93,JO\nirb,32.55,35.85,JO\nzar,32.07,36.09,JO\n";
    let rtt = "source,destination,rtt_ms\namm,irb,5\nzar,irb,6\n";
    let read = |header: &str| {
        let sites = format!("site,{header},country\n{rows}");
        read_texts(&sites, rtt, &["irb"]).unwrap().notes
    };
    assert!(!read("latitude,longitude").iter().any(Note::is_grave));
    assert!(read("longitude,latitude").iter().any(Note::is_grave));
}

#[test]
fn times_in_another_unit_are_told_by_what_light_allows() {
    let sites = "site,latitude,longitude\nber,52.5,13.4\nnyc,40.7,-74.0\ntyo,35.7,139.7\n";
    let unit = |times: [f64; 3]| {
        let [a, b, c] = times;
        let rtt = format!("source,destination,rtt_ms\nnyc,ber,{a}\ntyo,ber,{b}\nnyc,tyo,{c}\n");
        notes(sites, &rtt).into_iter().find_map(|note| match note {
            Note::LooksLikeUnit { unit, .. } => Some(unit),
            _ => None,
        })
    };
    assert_eq!(unit([90.0, 235.0, 165.0]), None);
    assert_eq!(unit([0.09, 0.235, 0.165]), Some(Unit::Seconds));
    assert_eq!(unit([90_000.0, 235_000.0, 165_000.0]), Some(Unit::Microseconds));
    assert_eq!(unit([1.0, 2.0, 3.0]), None, "what light contradicts is no unit");
    assert_eq!(unit([2_000.0, 900.0, 1_500.0]), None, "slow is slow");
}

#[test]
fn rows_that_contradict_each_other_or_name_strangers_are_left_out_and_said() {
    let rtt = "source,destination,rtt_ms\npar,ber,15\ntyo,ber,231\npar,ber,500\nosa,ber,9\ntyo,ber,231\n";
    let (_, values) = values(SITES, rtt, &["ber"]);
    let times: Vec<_> = values.iter().map(|value| (value.vantage, value.rtt_ms)).collect();
    assert_eq!(times, [(2, 231.0)], "the same time twice counts once");
    let notes = notes(SITES, rtt);
    let twice = Note::GivenTwice {
        file: "rtt.csv".to_owned(),
        pair: "par to ber".to_owned(),
        lines: (2, 4),
        more: 0,
    };
    assert!(notes.contains(&twice), "{notes:?}");
    let strangers = Note::UnknownSites {
        file: "rtt.csv".to_owned(),
        line: 5,
        sites: vec!["osa".to_owned()],
        rows: 1,
        known_from: "sites.csv".to_owned(),
    };
    assert!(notes.contains(&strangers), "{notes:?}");
}

#[test]
fn rows_without_a_time_are_not_measured_and_said() {
    let rtt = "source,destination,rtt_ms\npar,ber,15\nber,ber,\ntyo,ber,\npar,tyo,NaN\ntyo,par, null \n";
    let (_, values) = values(SITES, rtt, &["ber"]);
    let times: Vec<_> = values.iter().map(|value| (value.vantage, value.rtt_ms)).collect();
    assert_eq!(times, [(1, 15.0)]);
    let notes = notes(SITES, rtt);
    let without = Note::WithoutTime {
        file: "rtt.csv".to_owned(),
        line: 4,
        rows: 3,
    };
    assert!(notes.contains(&without), "{notes:?}");
    let none = error(
        SITES,
        "source,destination,rtt_ms\npar,ber,\ntyo,ber,NA\n",
        &["ber"],
    );
    assert_eq!(
        none,
        "rtt.csv:2: rtt_ms = ``: no line of this file holds a time: fill in milliseconds"
    );
    let negative = error(
        SITES,
        "source,destination,rtt_ms\npar,ber,15\ntyo,ber,-1\n",
        &["ber"],
    );
    assert!(
        negative.contains("rtt.csv:3"),
        "a number that is no time is no missing one: {negative}"
    );
}

#[test]
fn networks_of_a_file_are_those_of_its_vantages() {
    let sites = "site,latitude,longitude,network\nber,52.52,13.405,AS64500\npar,48.8566,2.3522,64501\ntyo,35.6762,139.6503,\n";
    let read = read_texts(sites, RTT, &["ber"]).unwrap();
    let networks: Vec<_> = read
        .vantages
        .iter()
        .map(|vantage| vantage.network.map(|network| network.0))
        .collect();
    assert_eq!(networks, [Some(64_500), Some(64_501), None]);
}
