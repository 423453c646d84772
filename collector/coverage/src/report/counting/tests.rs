use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::country::Country;
use crate::files::{self, FileText};
use crate::fixture::{daily, node, single, small_world, vantage};
use crate::observations::{Node, Observations, Vantage};
use crate::predict::PriorChoice;
use crate::report::count::{
    Count, Doubt, DropOne, NodeVerdict, Priced, Thresholds, Unpriced, Verdict, WhyUnpriced,
};
use crate::report::{CoverageReport, Interval, Offsets, Options, build};
use crate::weights::Weights;

fn options(predict: bool) -> Options {
    Options {
        predict,
        replicates: 40,
        ..Options::new(Weights::people())
    }
}

fn reported(observations: &Observations, options: &Options) -> CoverageReport {
    let options = Options {
        count: Some(Thresholds::default()),
        ..options.clone()
    };
    build(observations, &options, &mut StdRng::seed_from_u64(3)).unwrap()
}

fn counted(observations: &Observations, options: &Options) -> Count {
    reported(observations, options).count.unwrap()
}

/// The README's ten sites with further rows of both files.
fn example(nodes: &[&str], sites: &str, rtt: &str) -> (Observations, Options) {
    let with = |name: &str, text: &str, more: &str| FileText::new(name, format!("{text}\n{more}"));
    let sites = with(
        "sites.csv",
        include_str!("../../../../../docs/example/sites.csv").trim_end(),
        sites,
    );
    let rtt = with(
        "rtt.csv",
        include_str!("../../../../../docs/example/rtt.csv").trim_end(),
        rtt,
    );
    let options = Options {
        mesh: Some(files::read_mesh(&sites, &rtt).unwrap()),
        ..options(true)
    };
    (files::read(&sites, &rtt, nodes).unwrap(), options)
}

/// Nodes and vantages that are so many kilometres apart as their times say.
fn by_distance(nodes: Vec<Node>, vantages: Vec<Vantage>) -> Observations {
    let mut times = Vec::new();
    for (v, vantage) in vantages.iter().enumerate() {
        for (n, node) in nodes.iter().enumerate() {
            let km = node.position.unwrap().distance_km(vantage.position);
            times.push((v, n, 2.0 + km * 0.016));
        }
    }
    single(nodes, vantages, &times)
}

/// Enough of them for a verdict on a network.
fn thirty_vantages() -> Vec<Vantage> {
    let places = [
        "Berlin, DE",
        "Hamburg, DE",
        "Munich, DE",
        "Paris, FR",
        "Lyon, FR",
        "London, GB",
        "Madrid, ES",
        "Lisbon, PT",
        "Rome, IT",
        "Milan, IT",
        "Vienna, AT",
        "Prague, CZ",
        "Warsaw, PL",
        "Kyiv, UA",
        "Moscow, RU",
        "Stockholm, SE",
        "Oslo, NO",
        "Helsinki, FI",
        "Athens, GR",
        "Istanbul, TR",
        "Cairo, EG",
        "Lagos, NG",
        "Nairobi, KE",
        "Mumbai, IN",
        "Delhi, IN",
        "Singapore, SG",
        "Tokyo, JP",
        "Sydney, AU",
        "Sao Paulo, BR",
        "New York City, US",
    ];
    places
        .iter()
        .enumerate()
        .map(|(at, place)| vantage(&format!("v{at}"), place))
        .collect()
}

fn of<'c>(count: &'c Count, node: &str) -> &'c DropOne {
    let mut all = count.drop_one.iter();
    all.find(|one| one.node == node)
        .unwrap_or_else(|| panic!("{node}: {count:?}"))
}

#[test]
fn ten_days_are_chosen_on_odd_days_and_priced_on_even_ones() {
    let count = counted(&small_world(), &options(true));
    assert_eq!(count.priced, Priced::ByDays { chosen: 5, priced: 5 });
    assert_eq!(count.curve.len(), 6, "k = 1 … 2N");
    let means: Vec<f64> = count.curve.iter().map(|point| point.mean_ms).collect();
    assert!(
        means.windows(2).all(|pair| pair[1] <= pair[0] + 1e-9),
        "{means:?}"
    );
    assert!(count.curve.iter().all(|point| point.interval.is_some()));
    assert_eq!(count.curve[2].chosen.len(), 3);
    assert!(
        count.curve[3].chosen[3].contains(", "),
        "a city: {:?}",
        count.curve[3].chosen
    );
}

#[test]
fn few_vantages_never_tell_for_the_network_and_tell_per_node_only_with_predictions() {
    let count = counted(&small_world(), &options(true));
    assert_eq!(count.verdict, Verdict::CannotTell);
    assert!(count.reasons.contains(&Doubt::FewVantages) && count.by_latency_alone);
    assert_eq!(count.drop_one.len(), 3);
    assert!(
        count
            .drop_one
            .windows(2)
            .all(|pair| pair[0].cost_ms >= pair[1].cost_ms)
    );
    let tokyo = count
        .drop_one
        .iter()
        .find(|one| one.node.contains("tokyo"))
        .unwrap();
    assert_eq!(
        tokyo.verdict,
        NodeVerdict::Needed,
        "nothing else is near Asia: {tokyo:?}"
    );
    assert!(!count.measure.is_empty());

    let alone = counted(&small_world(), &options(false));
    assert!(alone.drop_one.is_empty() && alone.worst_loss.is_none() && alone.next.is_none());
    assert!(alone.reasons.contains(&Doubt::NoPredictions));
    assert_eq!(alone.redundancy.len(), 3, "as measured");
}

#[test]
fn next_city_is_predicted_and_its_gain_is_what_the_curve_loses() {
    let count = counted(&small_world(), &options(true));
    let next = count.next.unwrap();
    assert!(next.best.predicted && next.best.site.is_none() && next.calibrated);
    let (today, then) = (count.curve[2].mean_ms, count.curve[3].mean_ms);
    let chosen = count.curve[3].chosen.last().unwrap();
    if *chosen == next.best.place {
        assert!(
            (today - then - next.best.gain_ms).abs() < 1e-6,
            "{today} {then} {next:?}"
        );
    }
    assert!(next.best.gain_ms > 0.0);
}

#[test]
fn next_city_stands_where_something_is_known_and_a_badly_predicted_country_is_not_barred() {
    let count = counted(&small_world(), &options(true));
    let unseen: Vec<Country> = count.unpredictable.iter().map(|one| one.country).collect();
    assert!(unseen.contains(&Country::code("CN").unwrap()), "{unseen:?}");
    let next = count.next.unwrap();
    let named = || std::iter::once(&next.best).chain(&next.runners_up);
    assert!(named().all(|one| one.country.is_none_or(|country| !unseen.contains(&country))));
    let doubtful: Vec<Country> = count.doubtful.iter().map(|one| one.how.country).collect();
    assert!(!doubtful.is_empty() && doubtful.iter().all(|country| !unseen.contains(country)));
    assert!(
        named().any(|one| one.country.is_some_and(|country| doubtful.contains(&country))),
        "India's heavy cities are among the guesses: {next:?}"
    );
    let whole = count.known_share + unseen.len() as f64 * 0.01;
    assert!(
        whole <= 1.0 + 1e-9,
        "what is not predicted is in no mean: {whole}"
    );
}

#[test]
fn single_values_are_chosen_and_priced_alike_and_say_so() {
    let world = single(
        vec![node("berlin", "Berlin, DE"), node("tokyo", "Tokyo, JP")],
        vec![vantage("ada", "Hamburg, DE"), vantage("bob", "Osaka, JP")],
        &[(0, 0, 6.0), (0, 1, 230.0), (1, 0, 240.0), (1, 1, 9.0)],
    );
    let count = counted(&world, &options(true));
    assert_eq!(count.priced, Priced::Alike);
    assert!(count.reasons.contains(&Doubt::NotByDays));
}

#[test]
fn whether_a_node_is_missed_that_another_stands_beside_hangs_on_their_networks() {
    let nodes = vec![
        node("berlin", "Berlin, DE"),
        node("berlin-2", "Potsdam, DE"),
        node("tokyo", "Tokyo, JP"),
    ];
    let vantages = vec![vantage("ada", "Hamburg, DE"), vantage("bob", "Osaka, JP")];
    let times: [(usize, usize, &[f64]); 6] = [
        (0, 0, &[6.0]),
        (0, 1, &[6.0]),
        (0, 2, &[230.0]),
        (1, 0, &[240.0]),
        (1, 1, &[240.0]),
        (1, 2, &[9.0]),
    ];
    let world = daily(nodes, vantages, 16, &times, |_, _, _| 0.0);
    let count = counted(&world, &options(true));
    let one = count.drop_one.iter().find(|one| one.node == "berlin-2").unwrap();
    let NodeVerdict::CannotTell { measure } = &one.verdict else {
        panic!("another network may be nearer to many, the same one to nobody: {one:?}");
    };
    assert!(!measure.is_empty());
    let interval = one.interval.unwrap();
    assert!(interval.low < 1.0 && interval.high > 2.0, "{one:?}");
    let tokyo = &count.drop_one[0];
    assert_eq!(
        (tokyo.node.as_str(), &tokyo.verdict),
        ("tokyo", &NodeVerdict::Needed)
    );
    assert!(one.cost_ms < tokyo.cost_ms / 3.0, "{one:?} {tokyo:?}");
}

#[test]
fn what_would_decide_is_open_by_the_interval_of_the_coverage_report() {
    let (observations, options) = example(&["berlin", "newyork"], "", "");
    let report = reported(&observations, &options);
    let cells = &report.classes[0].predicted.as_ref().unwrap().cells;
    let count = report.count.unwrap();
    assert!(!count.measure.is_empty());
    for wanted in &count.measure {
        let same = |interval: Option<Interval>| interval == wanted.interval;
        let mut cell = cells.iter().filter(|cell| cell.weight == wanted.weight);
        assert!(
            cell.any(|cell| same(cell.nearest.as_ref().map(|nearest| nearest.interval))),
            "the nearest of two nodes, not of candidates: {wanted:?}"
        );
    }
}

#[test]
fn few_vantages_without_a_prior_price_no_node_and_guess_no_city() {
    let (observations, options) = example(&["berlin", "newyork"], "", "");
    let alone = Options {
        prior: PriorChoice::None,
        ..options
    };
    let report = reported(&observations, &alone);
    assert!(
        report.classes[0].predicted.is_some(),
        "ten can be left out one by one"
    );
    let count = report.count.unwrap();
    assert!(count.drop_one.is_empty() && count.worst_loss.is_none() && count.next.is_none());
    assert_eq!(count.curve.len(), 2, "today's nodes only");
    assert!(count.reasons.contains(&Doubt::NoPrior), "{:?}", count.reasons);
}

#[test]
fn site_without_a_measured_pair_is_no_candidate_and_as_a_node_has_no_price() {
    let ghost = "ghost,14.60,120.98,PH";
    let (observations, options) = example(&["berlin", "newyork"], ghost, "");
    let next = counted(&observations, &options).next.unwrap();
    let mut named = std::iter::once(&next.best).chain(&next.runners_up);
    assert!(named.all(|one| one.site.as_deref() != Some("ghost")));

    let (observations, options) = example(&["berlin", "ghost", "newyork"], ghost, "");
    let count = counted(&observations, &options);
    let unpriced = Unpriced {
        node: "ghost".to_owned(),
        why: WhyUnpriced::NotMeasured,
    };
    assert_eq!(count.unpriced, [unpriced]);
    assert!(count.drop_one.iter().all(|one| one.node != "ghost"));
    assert!(
        count
            .curve
            .iter()
            .all(|point| !point.chosen.contains(&"ghost".to_owned()))
    );
}

#[test]
fn sites_of_one_city_are_one_candidate_that_is_called_by_the_city() {
    let twin = "singapore-2,1.30,103.80,SG\nhk,22.30,114.17,HK";
    let rows = "berlin,singapore-2,171\nberlin,hk,190\nnewyork,hk,210";
    let (observations, options) = example(&["berlin", "newyork"], twin, rows);
    let next = counted(&observations, &options).next.unwrap();
    let named = || std::iter::once(&next.best).chain(&next.runners_up);
    for one in named() {
        let same = named().filter(|other| other.position.distance_km(one.position) < 250.0);
        assert_eq!(same.count(), 1, "{next:?}");
        assert!(one.place.contains(", "), "{one:?}");
    }
    assert_eq!(next.best.place, "Singapore, SG");
    assert_eq!(
        next.best.site.as_deref(),
        Some("singapore"),
        "it has the most pairs"
    );
    assert!(next.best.predicted, "most of its gain is");

    let (observations, options) = example(&["berlin", "newyork", "singapore-2"], twin, rows);
    let next = counted(&observations, &options).next.unwrap();
    assert_ne!(next.best.place, "Singapore, SG", "a node stands there");
}

#[test]
fn twin_of_a_node_is_not_needed_for_all_that_is_known() {
    let twin: String = include_str!("../../../../../docs/example/rtt.csv")
        .lines()
        .filter_map(|row| row.strip_prefix("berlin,"))
        .map(|row| format!("berlin2,{row}\n"))
        .collect();
    let nodes = ["berlin", "berlin2", "newyork"];
    let (observations, options) = example(&nodes, "berlin2,52.53,13.43,DE", &twin);
    let count = counted(&observations, &options);
    for node in ["berlin", "berlin2"] {
        let one = of(&count, node);
        let interval = one.interval.unwrap();
        assert!(interval.low < 1.0 && interval.low < interval.high, "{one:?}");
        assert!(!matches!(one.verdict, NodeVerdict::Needed), "{one:?}");
    }
    assert_eq!(of(&count, "newyork").verdict, NodeVerdict::Needed);
}

#[test]
fn node_without_a_place_has_no_price_and_others_keep_theirs() {
    let mut world = small_world();
    world.nodes[2].position = None;
    let count = counted(&world, &options(true));
    let unpriced = Unpriced {
        node: world.nodes[2].name.clone(),
        why: WhyUnpriced::NoPlace,
    };
    assert_eq!(count.unpriced, [unpriced]);
    assert_eq!((count.drop_one.len(), count.nodes), (2, 3));
    assert!(
        count
            .curve
            .iter()
            .all(|point| !point.chosen.contains(&world.nodes[2].name))
    );
}

#[test]
fn best_guess_is_the_choosing_days_and_not_the_pricing_ones() {
    // Tokyo is near on odd days only, Sydney on even ones.
    let nodes = vec![
        node("berlin", "Berlin, DE"),
        node("paris", "Paris, FR"),
        node("madrid", "Madrid, ES"),
    ];
    let vantages = vec![
        vantage("ada", "Lyon, FR"),
        vantage("bob", "Toulouse, FR"),
        vantage("eve", "Milan, IT"),
    ];
    let times: Vec<(usize, usize, &[f64])> = (0..9).map(|at| (at / 3, at % 3, &[40.0][..])).collect();
    let world = daily(nodes, vantages, 20, &times, |_, node, day| {
        match (node, day % 2) {
            (1, 1) | (2, 0) => -30.0,
            _ => 0.0,
        }
    });
    let sites = Options {
        weights: Weights::sites(),
        ..options(true)
    };
    let count = counted(&world, &sites);
    assert!(
        of(&count, "madrid").cost_ms > of(&count, "paris").cost_ms,
        "on even days"
    );
    assert_eq!(count.worst_loss.unwrap().node, "paris", "chosen on odd ones");
}

#[test]
fn few_even_days_are_not_resampled_and_give_no_verdict_for_the_network() {
    let count = counted(&small_world(), &options(true));
    assert!(!count.days_resampled && count.reasons.contains(&Doubt::FewDays));

    let nodes = vec![node("berlin", "Berlin, DE"), node("paris", "Paris, FR")];
    let world = by_distance(nodes, thirty_vantages());
    let count = counted(&world, &options(true));
    let gain = count.next.as_ref().unwrap().best.interval.unwrap();
    assert!(
        count.vantages >= 30 && gain.low > count.thresholds.add_ms,
        "{gain:?}"
    );
    assert_eq!(
        count.verdict,
        Verdict::CannotTell,
        "the same times chose and priced"
    );
    assert!(count.reasons.contains(&Doubt::NotByDays));
}

#[test]
fn nothing_is_called_unpredictable_where_all_weight_was_measured() {
    let (observations, options) = example(&["berlin", "newyork"], "", "");
    let sites = Options {
        weights: Weights::sites(),
        ..options
    };
    let count = counted(&observations, &sites);
    assert_eq!((count.known_share, count.predicted_share), (1.0, 0.0));
    assert!(
        count.unpredictable.is_empty() && count.doubtful.is_empty(),
        "{count:?}"
    );
}

#[test]
fn users_own_line_is_in_the_means_and_in_no_gain() {
    let (observations, options) = example(&["berlin", "newyork"], "", "");
    let with = Options {
        offsets: Offsets::new([("*", 90.0)]).unwrap(),
        ..options.clone()
    };
    let (without, with) = (counted(&observations, &options), counted(&observations, &with));
    let (a, b) = (without.curve[0].mean_ms, with.curve[0].mean_ms);
    assert!((b - a - 90.0).abs() < 1e-6, "{a} {b}");
    let gain = |count: &Count| count.next.as_ref().unwrap().best.gain_ms;
    assert!((gain(&without) - gain(&with)).abs() < 1e-9);
}
