use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::fixture::{node, single, small_world, vantage};
use crate::geo::Position;
use crate::observations::Observations;
use crate::place::{Effort, Objective};
use crate::predict::PriorChoice;
use crate::report::placement::{Ask, GivenPlace, Placement};
use crate::report::{Options, build};
use crate::weights::Weights;

const CITIES: [&str; 7] = [
    "Berlin, DE",
    "Paris, FR",
    "Madrid, ES",
    "Tokyo, JP",
    "Singapore, SG",
    "Sydney, AU",
    "New York City, US",
];

fn options(weights: Weights, ask: Ask) -> Options {
    Options {
        replicates: 40,
        place: Some(ask),
        ..Options::new(weights)
    }
}

fn tried(observations: &Observations, options: &Options) -> Result<Placement, String> {
    let report = build(observations, options, &mut StdRng::seed_from_u64(3));
    report
        .map(|report| report.placement.unwrap())
        .map_err(|error| error.to_string())
}

fn placed(observations: &Observations, ask: Ask) -> Placement {
    tried(observations, &options(Weights::people(), ask)).unwrap()
}

fn names(placement: &Placement) -> Vec<&str> {
    placement.chosen.iter().map(|place| &*place.name).collect()
}

fn ms(a: usize, b: usize) -> f64 {
    let at = |at: usize| crate::cities::find(CITIES[at]).unwrap().position;
    // A detour, so that kilometres mislead.
    let detour = if (a + b).is_multiple_of(3) { 1.7 } else { 1.0 };
    2.0 + at(a).distance_km(at(b)) * 0.016 * detour
}

/// Every city is a node and a vantage, and every pair was measured.
fn mesh() -> Observations {
    let nodes = CITIES.iter().map(|place| node(place, place)).collect();
    let vantages = CITIES.iter().map(|place| vantage(place, place)).collect();
    let pairs = (0..CITIES.len()).flat_map(|a| (0..CITIES.len()).map(move |b| (a, b)));
    let times: Vec<_> = pairs
        .filter(|(a, b)| a != b)
        .map(|(a, b)| (a, b, ms(a, b)))
        .collect();
    single(nodes, vantages, &times)
}

#[test]
fn sites_of_files_are_placed_by_what_was_measured_with_their_own_at_nothing_and_the_best_is_proven() {
    let observations = mesh();
    for k in 1..=4 {
        let placement = tried(&observations, &options(Weights::sites(), Ask::new(k))).unwrap();
        let least = (1_u32..1 << CITIES.len())
            .filter(|bits| bits.count_ones() as usize == k)
            .map(|bits| {
                let of = |a: usize| {
                    let set = (0..CITIES.len()).filter(|site| bits >> site & 1 == 1);
                    set.map(|b| if a == b { 0.0 } else { ms(a, b) })
                        .fold(f64::INFINITY, f64::min)
                };
                (0..CITIES.len()).map(of).sum::<f64>() / CITIES.len() as f64
            })
            .fold(f64::INFINITY, f64::min);
        assert!(
            (placement.value - least).abs() < 1e-3,
            "{k}: {} {least}",
            placement.value
        );
        assert!(placement.proven && placement.gap == 0.0);
        assert_eq!(placement.chosen.len(), k);
    }
}

#[test]
fn fixed_places_stay_forbidden_ones_and_countries_do_not_come() {
    let world = small_world();
    let free = placed(&world, Ask::new(3));
    assert_eq!(free.chosen.len(), 3);
    let first = free
        .chosen
        .iter()
        .find(|place| !place.is_node)
        .expect("a city beats three nodes");
    let ask = Ask {
        fixed: vec!["paris".to_owned(), "Lagos, NG".to_owned()],
        forbidden: vec![first.country.unwrap().as_str().to_owned()],
        ..Ask::new(4)
    };
    let placement = placed(&world, ask);
    assert_eq!(&names(&placement)[..2], ["paris", "Lagos, NG"]);
    assert!(placement.chosen[0].fixed && placement.chosen[0].is_node && !placement.chosen[1].is_node);
    assert!(
        placement
            .chosen
            .iter()
            .all(|place| place.country != first.country),
        "{placement:?}"
    );
    assert!(placement.value >= free.value - 60.0 && placement.bound <= placement.value);
}

#[test]
fn all_of_today_and_one_more_is_better_than_today_and_its_rivals_are_not_better() {
    let ask = Ask {
        keep_all: true,
        ..Ask::new(4)
    };
    let placement = placed(&small_world(), ask);
    let kept = placement
        .chosen
        .iter()
        .filter(|place| place.fixed && place.is_node);
    assert_eq!(kept.count(), 3);
    let (better, priced, today) = (
        placement.better.unwrap(),
        placement.priced,
        placement.today.unwrap(),
    );
    assert!(better.value > 1.0 && better.interval.is_some(), "{placement:?}");
    assert!((today.value - priced.value - better.value).abs() < 1e-6);
    assert!(priced.interval.unwrap().low < priced.value && !placement.by_point);
    assert!(!placement.rivals.is_empty() && placement.rivals.iter().any(|rival| rival.tied));
    assert!(
        placement
            .rivals
            .iter()
            .all(|rival| rival.instead_of == placement.chosen[3].name)
    );
    assert!(
        placement.shortlist.iter().any(|place| place.chosen),
        "{:?}",
        placement.shortlist
    );
    assert!(!placement.measure.is_empty());
    let shares: f64 = placement.chosen.iter().map(|place| place.share).sum();
    assert!((shares - 1.0).abs() < 1e-9);
}

#[test]
fn cover_is_a_share_and_the_longest_time_is_no_mean() {
    let of = |objective| {
        placed(
            &small_world(),
            Ask {
                objective,
                ..Ask::new(3)
            },
        )
    };
    let (cover, max, mean) = (
        of(Objective::Cover(100.0)),
        of(Objective::Max),
        of(Objective::Mean),
    );
    assert!(
        (0.0..=1.0).contains(&cover.value) && cover.bound >= cover.value,
        "{cover:?}"
    );
    assert!(cover.priced.interval.unwrap().high <= 1.2);
    assert!(max.value > mean.value);
}

#[test]
fn without_intervals_places_are_ranked_by_the_likeliest_times_and_it_is_said() {
    let options = Options {
        prior: PriorChoice::None,
        ..options(Weights::people(), Ask::new(3))
    };
    let placement = tried(&small_world(), &options).unwrap();
    assert!(placement.by_point);
    assert!(placement.priced.interval.is_none() && placement.better.unwrap().interval.is_none());
    assert!(
        placement
            .rivals
            .iter()
            .all(|rival| rival.worse.interval.is_none())
    );
}

#[test]
fn given_candidates_are_the_only_further_places_and_cost_and_carry_what_they_say() {
    let given = |name: &str, cost: f64| GivenPlace {
        name: name.to_owned(),
        position: None,
        cost,
        capacity: None,
    };
    let ask = |cost: f64| Ask {
        keep_all: true,
        candidates: Some(vec![
            given("Sao Paulo, BR", cost),
            GivenPlace {
                position: Position::new(-33.9, 18.4),
                ..given("our own rack", cost)
            },
        ]),
        ..Ask::new(4)
    };
    let cheap = placed(&small_world(), ask(0.0));
    assert!(
        ["São Paulo, BR", "our own rack"].contains(&names(&cheap)[3]),
        "{cheap:?}"
    );
    assert_eq!(cheap.candidates, 5);
    let dear = placed(&small_world(), ask(500.0));
    assert_eq!(
        (dear.chosen.len(), dear.costs),
        (3, 0.0),
        "not worth 500 ms: {dear:?}"
    );
}

#[test]
fn what_cannot_be_placed_is_said_in_a_clear_sentence() {
    let world = small_world();
    let said = |ask: Ask| tried(&world, &options(Weights::people(), ask)).unwrap_err();
    let list = |name: &str| vec![name.to_owned()];
    let ask = || Ask {
        effort: Effort {
            restarts: 0,
            ..Effort::default()
        },
        ..Ask::new(2)
    };
    assert_eq!(
        said(Ask {
            fixed: list("paris"),
            forbidden: list("paris"),
            ..ask()
        }),
        "paris is fixed and forbidden: leave it out of one of the two"
    );
    let unknown = said(Ask {
        fixed: list("Atlantis"),
        ..ask()
    });
    assert!(
        unknown.starts_with("--fixed Atlantis: neither a node, nor a candidate, nor a city"),
        "{unknown}"
    );
    let many = said(Ask { k: 900, ..ask() });
    assert!(many.starts_with("k is 900, but there are only"), "{many}");
    let small = GivenPlace {
        name: "Lagos, NG".to_owned(),
        position: None,
        cost: 0.0,
        capacity: Some(5.0),
    };
    let named = |name: &str| GivenPlace {
        name: name.to_owned(),
        ..small.clone()
    };
    let carried = said(Ask {
        candidates: Some(vec![
            small.clone(),
            named("berlin"),
            named("paris"),
            named("<tokyo> & co"),
        ]),
        ..ask()
    });
    assert!(
        carried.contains("carry 10 together, but the demand is"),
        "{carried}"
    );
    let placeless = said(Ask {
        candidates: Some(vec![named("Our rack")]),
        ..ask()
    });
    assert_eq!(
        placeless,
        "--candidates: Our rack has no place: it is no node, and no city is called so; write City, CC, or give it \
         latitude and longitude"
    );
}
