use super::*;
use crate::fixture::{node, report, single, vantage};

fn from(text: &str) -> Result<Weights, FileError> {
    Weights::from_file(&FileText::new("weights.csv", text))
}

fn world() -> crate::observations::Observations {
    let nodes = vec![node("berlin", "Berlin, DE")];
    single(
        nodes,
        vec![vantage("ada", "Berlin, DE"), vantage("bob", "Paris, FR")],
        &[(0, 0, 9.0), (1, 0, 30.0)],
    )
}

#[test]
fn country_weights_are_spread_over_its_cities() {
    let report = report(&world(), from("country,weight\nGermany,30\nFR,70\n").unwrap());
    let weights: Vec<f64> = report.classes[0]
        .regions
        .iter()
        .map(|region| region.weight)
        .collect();
    assert!(
        (weights[0] - 70.0).abs() < 1e-9 && (weights[1] - 30.0).abs() < 1e-9 && weights.len() == 2,
        "{weights:?}"
    );
    assert!(report.classes[0].known_weight > 10.0 && report.classes[0].known_weight < 90.0);
    assert!(
        matches!(&report.weights.source, WeightSource::File { name, spread: true } if name == "weights.csv")
    );
}

#[test]
fn site_weights_are_those_of_vantages() {
    let report = report(&world(), from("site,weight\n\"Berlin, DE\",3\n").unwrap());
    let weights: Vec<f64> = report.classes[0]
        .vantages
        .iter()
        .map(|vantage| vantage.weight)
        .collect();
    assert_eq!(weights, [3.0, 0.0]);
    assert_eq!(report.classes[0].shares[0].within, 1.0);
}

#[test]
fn place_weights_lie_where_the_file_says() {
    let report = report(
        &world(),
        from("latitude,longitude,weight\n52.4,13.1,5\n-30,-120,5\n").unwrap(),
    );
    assert_eq!(
        (report.classes[0].total_weight, report.classes[0].known_weight),
        (10.0, 5.0)
    );
}

#[test]
fn bad_weights_are_named_with_file_and_line() {
    let cases = [
        (
            "country,weight\nDE,-1\n",
            "weights.csv:2: weight = `-1`: a number that is 0 or more is needed here",
        ),
        (
            "country,weight\nDE,many\n",
            "weights.csv:2: weight = `many`: a number that is 0 or more is needed here",
        ),
        (
            "country,weight\nAtlantis,1\n",
            "weights.csv:2: country `Atlantis` is not known: write its two-letter ISO code, such as DE",
        ),
        (
            "country,weight\nDE,1\nGermany,2\n",
            "weights.csv:3: country `DE` was already given in line 2: remove one of the two",
        ),
        (
            "site,weight\na,1\na,2\n",
            "weights.csv:3: site `a` was already given in line 2: remove one of the two",
        ),
        (
            "latitude,longitude,weight\n99,0,1\n",
            "weights.csv:2: latitude = `99`: degrees between -90 and 90 are needed here",
        ),
        (
            "country,people\nDE,1\n",
            "weights.csv:1: no column `weight`: add it to the header line",
        ),
        (
            "weight\n1\n",
            "weights.csv:1: no column `country, or latitude and longitude, or site`: add it to the header line",
        ),
        (
            "",
            "weights.csv holds no rows: it needs a header line and at least one line below it",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(from(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn people_are_multiplied_by_their_countrys_internet_share() {
    let file = FileText::new("internet.csv", "country,internet_share\nDE,0.5\nFR,0.25\n");
    let shares = InternetShares::from_file(&file).unwrap();
    let of = |weights: &Weights, code: &str| -> f64 {
        let Demand::Places(points) = weights.demand(&[]) else {
            panic!("people live in places")
        };
        let country = Country::code(code);
        let own = points.iter().filter(|point| point.country == country);
        own.map(|point| point.weight).sum()
    };
    let (all, online) = (Weights::people(), Weights::people().with_internet(shares));
    for (code, share) in [("DE", 0.5), ("FR", 0.25), ("JP", 1.0)] {
        assert!(
            (of(&online, code) / of(&all, code) - share).abs() < 1e-9,
            "{code}"
        );
    }
    let summary = online.internet().unwrap();
    assert!(summary.applied && summary.countries == 2 && summary.missing > 100);
    for (text, says) in [
        ("country,internet_share\nDE,87\n", "a share from 0 to 1"),
        ("country,internet_share\nAtlantis,0.5\n", "Atlantis"),
        ("country,share\nDE,0.5\n", "internet_share"),
    ] {
        let error = InternetShares::from_file(&FileText::new("internet.csv", text)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}
