//! Borrowed eyes in predictions.

use super::*;

/// An eye in a city, and its times to nodes by their number.
fn eye(place: &str, age_days: f64, times: &[(usize, f64)]) -> Eye {
    let of = vantage("", place);
    let time = |&(node, rtt_ms): &(usize, f64)| EyeTime {
        node,
        rtt_ms,
        least_ms: Some(rtt_ms),
        age_days,
        answers: 1,
    };
    Eye {
        name: place.to_owned(),
        source: EyeSource::Atlas,
        site: place.to_owned(),
        position: of.position,
        network: None,
        country: of.country,
        access: AccessClass::Eyeball,
        times: times.iter().map(time).collect(),
    }
}

#[test]
fn eyes_bend_what_is_predicted_around_them_and_nothing_that_is_measured() {
    let options = few(Options::new(Weights::people()));
    let with = |eyes: Vec<Eye>| {
        let world = Observations {
            eyes,
            ..small_world()
        };
        built(&world, &options)
    };
    // Nairobi is 400 ms from all three nodes, by the eye
    let times = [(0, 400.0), (1, 400.0), (2, 400.0)];
    let (without, new) = (with(Vec::new()), with(vec![eye("Nairobi, KE", 0.0, &times)]));
    let old = with(vec![eye("Nairobi, KE", 300.0, &times)]);
    let kenya = |report: &CoverageReport| region(report, "KE").predicted.as_ref().map_or(0.0, |one| one.ms);
    assert!(
        kenya(&new) > kenya(&without) + 20.0,
        "{} {}",
        kenya(&new),
        kenya(&without)
    );
    assert!(
        kenya(&old) < kenya(&new) && kenya(&old) > kenya(&without),
        "{} {}",
        kenya(&old),
        kenya(&new)
    );
    assert!(new.eyes[0].counts && new.classes.len() == without.classes.len());
    let (a, b) = (&without.classes[0], &new.classes[0]);
    assert_eq!(a.known_weight, b.known_weight);
    for (a, b) in a.shares.iter().zip(&b.shares) {
        assert_eq!((a.within, a.beyond, a.unknown), (b.within, b.beyond, b.unknown));
    }
    assert_eq!(a.vantages.len(), b.vantages.len());
}

#[test]
fn eye_that_cannot_be_where_it_says_counts_nowhere_and_is_named() {
    let options = few(Options::new(Weights::people()));
    let in_europe = eye("Sydney, AU", 0.0, &[(0, 5.0), (1, 9.0)]);
    let world = Observations {
        eyes: vec![in_europe],
        ..small_world()
    };
    let (with, without) = (built(&world, &options), built(&small_world(), &options));
    assert!(!with.eyes[0].counts);
    assert_eq!(with.eyes[0].contradicted_by, ["berlin", "paris"]);
    let predicted = |report: &CoverageReport| report.classes[0].predicted.clone().map(|class| class.shares);
    assert_eq!(
        format!("{:?}", predicted(&with)),
        format!("{:?}", predicted(&without))
    );
}

#[test]
fn advice_on_the_next_node_heeds_eyes() {
    let options = Options {
        count: Some(crate::count::Thresholds::default()),
        ..few(Options::new(Weights::people()))
    };
    let next = |eyes: Vec<Eye>| {
        let world = Observations {
            eyes,
            ..small_world()
        };
        built(&world, &options).count.unwrap().next.unwrap()
    };
    let cities = [
        "Mumbai, IN",
        "Delhi, IN",
        "Kolkata, IN",
        "Bengaluru, IN",
        "Chennai, IN",
    ];
    let near = cities
        .map(|city| eye(city, 0.0, &[(0, 130.0), (1, 130.0), (2, 60.0)]))
        .to_vec();
    let (without, with) = (next(Vec::new()), next(near));
    assert!(
        with.best.place != without.best.place || (with.best.gain_ms - without.best.gain_ms).abs() > 1.0,
        "{with:?} {without:?}"
    );
}
