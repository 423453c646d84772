use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::*;
use crate::files::FileText;
use crate::fixture::{daily, in_network, node, report, samples, single, small_world, vantage};
use crate::geo::Position;
use crate::observations::{Day, DayReading, Node, Readings, SingleReading, TtfbKind};
use crate::report::{Region, RegionFigures, RegionId, Share, Withheld};

fn within(shares: &[Share], budget_ms: f64) -> (f64, f64, f64) {
    let share = shares.iter().find(|share| share.budget_ms == budget_ms).unwrap();
    (share.within, share.beyond, share.unknown)
}

fn region<'r>(report: &'r CoverageReport, code: &str) -> &'r Region {
    let wanted = RegionId::Country(crate::country::Country::code(code).unwrap());
    report.classes[0]
        .regions
        .iter()
        .find(|region| region.id == wanted)
        .unwrap()
}

fn two_nodes() -> Vec<Node> {
    vec![node("berlin", "Berlin, DE"), node("paris", "Paris, FR")]
}

#[test]
fn vantage_at_a_node_gets_the_next_node_and_is_never_beyond() {
    let beside = Vantage {
        own_node: Some("berlin".to_owned()),
        ..vantage("ada", "Berlin, DE")
    };
    let world = single(two_nodes(), vec![beside], &[(0, 0, 0.2), (0, 1, 30.0)]);
    let report = report(&world, Weights::sites());
    let class = &report.classes[0];
    let best = class.vantages[0].best.as_ref().unwrap();
    assert_eq!(
        (best.node.as_str(), best.ms, class.vantages[0].own_node),
        ("paris", 30.0, true)
    );
    assert_eq!(within(&class.shares, 20.0), (0.0, 0.0, 1.0));
    assert_eq!(within(&class.shares, 50.0), (1.0, 0.0, 0.0));
}

#[test]
fn worker_says_nothing_about_his_own_node_from_anywhere() {
    let ours = |node: Node| Node {
        worker: Some("ada".to_owned()),
        ..node
    };
    let nodes = vec![ours(node("berlin", "Berlin, DE")), node("paris", "Paris, FR")];
    let hers = Vantage {
        worker: Some("ada".to_owned()),
        ..vantage("munich", "Munich, DE")
    };
    let report = report(
        &single(nodes, vec![hers], &[(0, 0, 9.0), (0, 1, 16.0)]),
        Weights::sites(),
    );
    assert_eq!(report.classes[0].vantages[0].best.as_ref().unwrap().node, "paris");
    assert_eq!(region(&report, "DE").measured.as_ref().unwrap().best, "paris");
}

#[test]
fn people_beyond_300_km_or_the_border_are_not_measured() {
    let report = report(
        &single(two_nodes(), vec![vantage("ada", "Munich, DE")], &[(0, 0, 9.0)]),
        Weights::people(),
    );
    let germany = region(&report, "DE");
    let known = germany.known_weight / germany.weight;
    assert!(
        known > 0.15 && known < 0.6,
        "Munich speaks for the south: {known}"
    );
    assert_eq!(
        region(&report, "AT").known_weight,
        0.0,
        "Vienna lies within 300 km, in another country"
    );
    let total: f64 = report.classes[0].regions.iter().map(|region| region.weight).sum();
    assert!((total - report.weights.total).abs() < 1.0);
}

#[test]
fn country_weights_add_up_to_its_people() {
    let report = report(
        &single(two_nodes(), vec![vantage("ada", "Munich, DE")], &[(0, 0, 9.0)]),
        Weights::people(),
    );
    for facts in crate::cities::table()
        .countries()
        .iter()
        .filter(|facts| facts.people > 0)
    {
        if crate::cities::table().of(facts.country).next().is_some() {
            let weight = region(&report, facts.country.as_str()).weight;
            assert!(
                (weight - facts.people as f64).abs() < 1.0,
                "{} {weight}",
                facts.name
            );
        }
    }
}

#[test]
fn ten_data_centre_vantages_make_no_headline() {
    let places = [
        "Berlin, DE",
        "Paris, FR",
        "London, GB",
        "Mumbai, IN",
        "Tokyo, JP",
        "Sydney, AU",
        "Singapore, SG",
        "Dallas, US",
        "Toronto, CA",
        "Sao Paulo, BR",
    ];
    let vantages: Vec<_> = places.iter().map(|place| vantage(place, place)).collect();
    let times: Vec<_> = (0..10).map(|vantage| (vantage, 0, 20.0)).collect();
    let world = single(two_nodes(), vantages, &times);
    let class = &report(&world, Weights::people()).classes[0];
    assert!(class.withheld.contains(&Withheld::TooLittleKnown));
    assert!(class.known_weight / class.total_weight < 0.30);
    assert!(report(&world, Weights::sites()).classes[0].withheld.is_empty());
}

#[test]
fn one_vantage_that_dominates_makes_no_headline() {
    let vantages = vec![vantage("ada", "Berlin, DE"), vantage("bob", "Paris, FR")];
    let world = single(two_nodes(), vantages, &[(0, 0, 9.0), (1, 0, 9.0)]);
    assert_eq!(
        report(&world, Weights::sites()).classes[0].withheld,
        [Withheld::OneVantageDominates]
    );
}

#[test]
fn single_values_tie_only_if_equal() {
    let nodes = vec![
        node("a", "Berlin, DE"),
        node("b", "Paris, FR"),
        node("c", "Tokyo, JP"),
    ];
    let world = single(
        nodes,
        vec![vantage("ada", "Berlin, DE")],
        &[(0, 0, 10.0), (0, 1, 10.0), (0, 2, 10.001)],
    );
    let report = report(&world, Weights::sites());
    assert_eq!(report.classes[0].vantages[0].tie_set, ["a", "b"]);
    assert_eq!(
        region(&report, "DE").measured.as_ref().unwrap().tie_set,
        ["a", "b"]
    );
}

#[test]
fn nodes_within_two_milliseconds_or_five_percent_tie() {
    let ties = |best: f64, other: f64| {
        let times: [(usize, usize, &[f64]); 2] = [(0, 0, &[best]), (0, 1, &[other])];
        let world = daily(
            two_nodes(),
            vec![vantage("ada", "Berlin, DE")],
            10,
            &times,
            |_, _, _| 0.0,
        );
        report(&world, Weights::sites()).classes[0].vantages[0]
            .tie_set
            .len()
            == 2
    };
    // Twice the histogram error on both sides is stayed clear of.
    assert!(ties(10.0, 11.5) && !ties(10.0, 12.6));
    assert!(ties(200.0, 205.0) && !ties(200.0, 216.0));
}

#[test]
fn nodes_whose_paired_difference_reaches_nothing_tie() {
    let times: [(usize, usize, &[f64]); 2] = [(0, 0, &[50.0]), (0, 1, &[50.0])];
    // Node 1 is far worse on most days and better on the others: the medians are 10 ms apart.
    let unsteady = |_, node, day| {
        if node == 0 {
            0.0
        } else if day % 5 < 3 {
            10.0
        } else {
            -10.0
        }
    };
    let world = daily(
        two_nodes(),
        vec![vantage("ada", "Berlin, DE")],
        10,
        &times,
        unsteady,
    );
    assert_eq!(
        report(&world, Weights::sites()).classes[0].vantages[0].tie_set,
        ["berlin", "paris"]
    );
    // The same median difference on every day is none.
    let steady = |_, node, _| if node == 0 { 0.0 } else { 10.0 };
    let world = daily(
        two_nodes(),
        vec![vantage("ada", "Berlin, DE")],
        10,
        &times,
        steady,
    );
    assert_eq!(
        report(&world, Weights::sites()).classes[0].vantages[0].tie_set,
        ["berlin"]
    );
}

#[test]
fn under_seven_days_figures_are_provisional_without_interval() {
    let times: [(usize, usize, &[f64]); 1] = [(0, 0, &[20.0, 30.0])];
    let of_days = |days| {
        let world = daily(
            two_nodes(),
            vec![vantage("ada", "Berlin, DE")],
            days,
            &times,
            |_, _, day| f64::from(day),
        );
        report(&world, Weights::sites())
    };
    let (six, seven) = (of_days(6), of_days(7));
    let interval = |report: &CoverageReport| report.classes[0].vantages[0].best.as_ref().unwrap().interval;
    assert!(six.provisional() && interval(&six).is_none());
    assert!(six.classes[0].shares[0].interval.is_none());
    let held = interval(&seven).unwrap();
    assert!(!seven.provisional() && held.low < held.high);
}

#[test]
fn interval_across_the_budget_is_neither_within_nor_beyond() {
    let times: [(usize, usize, &[f64]); 1] = [(0, 0, &[45.0])];
    let swinging = |_, _, day| if day % 2 == 0 { 0.0 } else { 10.0 };
    let world = daily(
        two_nodes(),
        vec![vantage("ada", "Berlin, DE")],
        10,
        &times,
        swinging,
    );
    let shares = &report(&world, Weights::sites()).classes[0].shares;
    assert_eq!(within(shares, 50.0), (0.0, 0.0, 1.0));
    assert_eq!(within(shares, 20.0), (0.0, 1.0, 0.0));
    assert_eq!(within(shares, 100.0), (1.0, 0.0, 0.0));
}

#[test]
fn networks_are_resampled_within_a_country() {
    let times: [(usize, usize, &[f64]); 2] = [(0, 0, &[10.0]), (1, 0, &[90.0])];
    let interval = |second: u32| {
        let vantages = vec![
            in_network(vantage("ada", "Hamburg, DE"), 64500),
            in_network(vantage("bob", "Munich, DE"), second),
        ];
        let world = daily(two_nodes(), vantages, 8, &times, |_, _, _| 0.0);
        region(&report(&world, Weights::sites()), "DE")
            .measured
            .as_ref()
            .unwrap()
            .interval
            .unwrap()
    };
    let (two, one) = (interval(64501), interval(64500));
    assert!(two.low < 11.0 && two.high > 89.0, "{two:?}");
    assert!(one.high - one.low < 0.01, "{one:?}");
}

#[test]
fn any_one_node_may_die() {
    let vantages = vec![vantage("ada", "Berlin, DE"), vantage("bob", "Paris, FR")];
    let world = single(
        two_nodes(),
        vantages,
        &[(0, 0, 9.0), (0, 1, 40.0), (1, 0, 90.0), (1, 1, 5.0)],
    );
    let class = &report(&world, Weights::sites()).classes[0];
    assert_eq!(within(&class.survives, 50.0), (0.5, 0.5, 0.0));
    let worst = class
        .worst_losses
        .iter()
        .find(|loss| loss.share.budget_ms == 50.0)
        .unwrap();
    assert_eq!((worst.node.as_str(), worst.share.within), ("paris", 0.5));
}

#[test]
fn access_classes_are_never_pooled() {
    let user = Vantage {
        access: AccessClass::Eyeball,
        ..vantage("eve", "Berlin, DE")
    };
    let vantages = vec![vantage("ada", "Berlin, DE"), vantage("bob", "Paris, FR"), user];
    let world = single(two_nodes(), vantages, &[(0, 0, 2.0), (1, 0, 15.0), (2, 0, 60.0)]);
    let report = report(&world, Weights::people());
    let classes: Vec<_> = report
        .classes
        .iter()
        .map(|class| (class.access, class.vantages.len()))
        .collect();
    assert_eq!(classes, [(AccessClass::DataCentre, 2), (AccessClass::Eyeball, 1)]);
    let german = |class: &ClassReport| {
        let mut regions = class.regions.iter();
        let germany = regions.find(|region| {
            region.continent.is_some() && region.witnesses.vantages > 0 && region.weight > 8e7
        });
        germany.unwrap().measured.as_ref().unwrap().value_ms
    };
    assert_eq!(
        (german(&report.classes[0]), german(&report.classes[1])),
        (2.0, 60.0)
    );
}

#[test]
fn node_missing_from_one_vantage_is_compared_only_where_both_were_reached() {
    // Paris looks best on its own mean (8 ms), but where both were reached Berlin is nearer.
    let vantages = vec![vantage("ada", "Hamburg, DE"), vantage("bob", "Munich, DE")];
    let world = single(two_nodes(), vantages, &[(0, 0, 30.0), (1, 0, 6.0), (1, 1, 8.0)]);
    let germany = region(&report(&world, Weights::sites()), "DE")
        .measured
        .clone()
        .unwrap();
    assert_eq!(
        (germany.best.as_str(), germany.runner_up.as_deref()),
        ("berlin", Some("paris"))
    );
    assert_eq!(
        (germany.value_ms, germany.runner_up_ms),
        (18.0, Some(20.0)),
        "2 ms behind, and not 10 ms before the best"
    );
}

#[test]
fn runner_up_is_never_before_the_best_whoever_measured_them() {
    // From beside its own node, Berlin's does not count: Berlin's mean is of Munich alone, Paris's would be of both.
    let vantages = vec![
        Vantage {
            own_node: Some("berlin".to_owned()),
            ..vantage("ada", "Berlin, DE")
        },
        vantage("bob", "Munich, DE"),
    ];
    let times = [(0, 0, 0.1), (0, 1, 14.0), (1, 0, 48.0), (1, 1, 79.0)];
    let report = report(&single(two_nodes(), vantages, &times), Weights::sites());
    let germany = region(&report, "DE").measured.clone().unwrap();
    assert_eq!(germany.best, "berlin");
    assert_eq!((germany.value_ms, germany.runner_up_ms), (48.0, Some(79.0)));
    let measured = report.classes[0]
        .regions
        .iter()
        .filter_map(|region| region.measured.as_ref());
    for figures in measured {
        let behind = figures.runner_up_ms.is_none_or(|next| next >= figures.value_ms);
        assert!(behind, "{figures:?}");
    }
}

#[test]
fn files_of_the_readme_name_no_runner_up_before_the_best() {
    let file = |name: &str, text: &str| FileText::new(name, text);
    let observations = crate::files::read(
        &file("sites.csv", include_str!("../../../../../docs/example/sites.csv")),
        &file("rtt.csv", include_str!("../../../../../docs/example/rtt.csv")),
        &["berlin", "newyork", "singapore", "saopaulo"],
    );
    let report = report(&observations.unwrap(), Weights::people());
    // New York's own node was measured from Los Angeles alone, the lighter of the two.
    let states = region(&report, "US").measured.clone().unwrap();
    assert_eq!((states.best.as_str(), states.witnesses.vantages), ("berlin", 2));
    assert_ne!(states.runner_up.as_deref(), Some("newyork"));
    let class = &report.classes[0];
    let regions = class.regions.iter().chain(&class.continents);
    for figures in regions.filter_map(|region| region.measured.as_ref()) {
        assert!(
            is_in_order(figures) && figures.runner_up_ms.is_none_or(|next| next >= 60.0),
            "{figures:?}"
        );
    }
}

fn is_in_order(figures: &RegionFigures) -> bool {
    figures
        .runner_up_ms
        .is_none_or(|next| next >= figures.value_ms * (1.0 - 1e-12))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Any times, any of them missing, from four vantages in one country of which two run a node.
    #[test]
    fn runner_up_of_any_region_is_behind_its_best(
        times in prop::collection::vec(prop::option::of(1.0..300.0f64), 16),
    ) {
        let nodes = ["Berlin, DE", "Hamburg, DE", "Paris, FR", "Tokyo, JP"].map(|place| node(place, place));
        let places = ["Berlin, DE", "Hamburg, DE", "Munich, DE", "Cologne, DE"];
        let vantages = places.map(|place| Vantage {
            own_node: nodes.iter().find(|node| node.name == place).map(|node| node.name.clone()),
            ..vantage(place, place)
        });
        let times: Vec<_> = times
            .iter()
            .enumerate()
            .filter_map(|(at, ms)| Some((at / 4, at % 4, (*ms)?)))
            .collect();
        for weights in [Weights::people(), Weights::sites()] {
            let report = report(&single(nodes.to_vec(), vantages.to_vec(), &times), weights);
            let class = &report.classes[0];
            let regions = class.regions.iter().chain(&class.continents);
            for figures in regions.filter_map(|region| region.measured.as_ref()) {
                prop_assert!(is_in_order(figures), "{:?}", figures);
            }
        }
    }
}

#[test]
fn nothing_measured_weighs_zero_and_countries_weigh_their_people() {
    let vantages = vec![vantage("ada", "Berlin, DE"), vantage("bob", "Munich, DE")];
    let report = report(&single(two_nodes(), vantages, &[(0, 1, 20.0)]), Weights::people());
    let class = &report.classes[0];
    for region in class.regions.iter().chain(&class.continents) {
        assert!(region.known_weight.is_sign_positive(), "{region:?}");
        assert_eq!(region.weight, region.weight.round(), "{region:?}");
    }
}

#[test]
fn best_node_has_the_witnesses_that_measured_it_and_no_more() {
    let vantages = vec![
        in_network(vantage("ada", "Berlin, DE"), 1),
        in_network(vantage("bob", "Munich, DE"), 2),
    ];
    let times = [(0, 0, 1.0), (0, 1, 20.0), (1, 1, 30.0)];
    let report = report(&single(two_nodes(), vantages, &times), Weights::sites());
    let germany = region(&report, "DE");
    assert_eq!((germany.witnesses.vantages, germany.witnesses.networks), (2, 2));
    let measured = germany.measured.clone().unwrap();
    assert_eq!(measured.best, "berlin");
    assert_eq!((measured.witnesses.vantages, measured.witnesses.networks), (1, 1));
}

#[test]
fn vantage_that_reached_nothing_speaks_for_no_one() {
    let vantages = vec![vantage("ada", "Berlin, DE"), vantage("bob", "Munich, DE")];
    let mut world = daily(two_nodes(), vantages, 8, &[(1, 0, &[9.0])], |_, _, _| 0.0);
    let Readings::Days(readings) = &mut world.readings else {
        panic!("days")
    };
    readings.push(DayReading {
        vantage: 0,
        node: 0,
        day: Day(1),
        rtt: samples(&[], 50),
        ttfb: None,
        throughput: samples(&[], 0),
    });
    let report = report(&world, Weights::people());
    let silent = &report.classes[0].vantages[0];
    assert_eq!((silent.weight, silent.best.is_none()), (0.0, true));
    let germany = region(&report, "DE");
    assert!(germany.known_weight > 0.0 && germany.known_weight < germany.weight);
}

#[test]
fn contradictions_are_refused() {
    let options = Options::new(Weights::sites());
    let error = |world: &Observations, options: &Options| {
        build(world, options, &mut StdRng::seed_from_u64(1)).unwrap_err()
    };
    let world = |times| single(two_nodes(), vec![vantage("ada", "Berlin, DE")], times);
    let empty = Observations {
        nodes: Vec::new(),
        ..world(&[])
    };
    assert!(matches!(error(&empty, &options), ReportError::NoNode));
    let empty = Observations {
        vantages: Vec::new(),
        ..world(&[])
    };
    assert!(matches!(error(&empty, &options), ReportError::NoVantage));
    let twice = single(
        vec![node("a", "Berlin, DE"), node("a", "Paris, FR")],
        vec![vantage("v", "Berlin, DE")],
        &[],
    );
    assert!(matches!(error(&twice, &options), ReportError::NodeTwice { name } if name == "a"));
    let twice = single(
        two_nodes(),
        vec![vantage("v", "Berlin, DE"), vantage("v", "Paris, FR")],
        &[],
    );
    assert!(matches!(error(&twice, &options), ReportError::VantageTwice { name } if name == "v"));
    assert!(matches!(
        error(&world(&[(0, 7, 1.0)]), &options),
        ReportError::Index { node: 7, .. }
    ));
    assert!(matches!(
        error(&world(&[(0, 0, 1.0), (0, 0, 2.0)]), &options),
        ReportError::Single { .. }
    ));
    assert!(matches!(
        error(&world(&[(0, 0, f64::NAN)]), &options),
        ReportError::Single { .. }
    ));
    let target = Options {
        target_ms: Some(-1.0),
        ..options.clone()
    };
    assert!(matches!(
        error(&world(&[(0, 0, 1.0)]), &target),
        ReportError::Target { .. }
    ));
    let file = FileText::new(
        "w.csv",
        "site,weight\nBerlin\\, DE,2\nNowhere,1\n".replace("Berlin\\, DE", "\"Berlin, DE\""),
    );
    let strange = Options::new(Weights::from_file(&file).unwrap());
    assert_eq!(
        error(&world(&[(0, 0, 1.0)]), &strange).to_string(),
        "w.csv:3: site `Nowhere` is not in the vantages: add it there, or remove this line"
    );
    let mut mixed = small_world();
    let Readings::Days(readings) = &mut mixed.readings else {
        panic!("days")
    };
    readings[0].ttfb = Some((TtfbKind::Uncached, samples(&[900.0], 0)));
    assert!(matches!(error(&mixed, &options), ReportError::MixedTtfb));
}

#[test]
fn target_is_one_of_the_budgets() {
    let world = single(two_nodes(), vec![vantage("ada", "Berlin, DE")], &[(0, 0, 35.0)]);
    let options = Options {
        target_ms: Some(37.5),
        ..Options::new(Weights::sites())
    };
    let report = build(&world, &options, &mut StdRng::seed_from_u64(1)).unwrap();
    let budgets: Vec<f64> = report.classes[0]
        .shares
        .iter()
        .map(|share| share.budget_ms)
        .collect();
    assert_eq!(budgets, [20.0, 37.5, 50.0, 100.0, 150.0, 200.0]);
    assert_eq!(within(&report.classes[0].shares, 37.5), (1.0, 0.0, 0.0));
}

#[test]
fn same_seed_gives_the_same_report() {
    let figures = |seed| {
        let options = Options::new(Weights::people());
        let report = build(&small_world(), &options, &mut StdRng::seed_from_u64(seed));
        format!("{:?}", report.unwrap())
    };
    assert!(figures(3) == figures(3));
}

const COUNTRIES: [&str; 3] = ["DE", "FR", "US"];

#[derive(Clone, Debug)]
struct Random {
    nodes: usize,
    /// (latitude, longitude, country, own node)
    vantages: Vec<(f64, f64, usize, Option<usize>)>,
    /// (latitude, longitude, country, weight)
    points: Vec<(f64, f64, usize, f64)>,
    /// `[vantage][node]`
    times: Vec<Vec<Option<f64>>>,
}

fn random_world() -> impl Strategy<Value = Random> {
    (1usize..5, 1usize..8).prop_flat_map(|(nodes, vantages)| {
        (
            prop::collection::vec(
                (
                    40.0..52.0,
                    -5.0..15.0,
                    0..3usize,
                    prop::option::weighted(0.3, 0..nodes),
                ),
                vantages,
            ),
            prop::collection::vec((40.0..52.0, -5.0..15.0, 0..3usize, 0.0..1e6), 1..40),
            prop::collection::vec(
                prop::collection::vec(prop::option::weighted(0.9, 0.1..260.0), nodes),
                vantages,
            ),
        )
            .prop_map(move |(vantages, points, times)| Random {
                nodes,
                vantages,
                points,
                times,
            })
    })
}

impl Random {
    fn observations(&self) -> Observations {
        let place = |index: usize| ["Berlin, DE", "Paris, FR", "Tokyo, JP", "Madrid, ES", "Rome, IT"][index];
        let nodes = (0..self.nodes)
            .map(|index| node(&format!("node{index}"), place(index)))
            .collect();
        let vantages =
            self.vantages
                .iter()
                .enumerate()
                .map(|(index, &(latitude, longitude, country, own))| Vantage {
                    position: Position::new(latitude, longitude).unwrap(),
                    country: crate::country::Country::code(COUNTRIES[country]),
                    own_node: own.map(|node| format!("node{node}")),
                    ..vantage(&format!("vantage{index}"), "Berlin, DE")
                });
        let mut times = Vec::new();
        for (vantage, row) in self.times.iter().enumerate() {
            times.extend(
                row.iter()
                    .enumerate()
                    .filter_map(|(node, ms)| Some((vantage, node, (*ms)?))),
            );
        }
        single(nodes, vantages.collect(), &times)
    }

    fn weights(&self, scale: f64) -> Weights {
        let mut text = "latitude,longitude,country,weight\n".to_owned();
        for &(latitude, longitude, country, weight) in &self.points {
            text += &format!(
                "{latitude},{longitude},{},{}\n",
                COUNTRIES[country],
                weight * scale
            );
        }
        Weights::from_file(&FileText::new("weights.csv", text)).unwrap()
    }

    fn usable(&self, vantage: usize) -> Vec<f64> {
        let own = self.vantages[vantage].3;
        let times = self.times[vantage].iter().enumerate();
        let mut usable: Vec<f64> = times
            .filter(|(node, _)| Some(*node) != own)
            .filter_map(|(_, ms)| *ms)
            .collect();
        usable.sort_by(f64::total_cmp);
        usable
    }

    /// The share within and beyond, point by point, by the plainest reading of the rules; `skip` = 1 asks for
    /// the second-nearest node.
    fn naive_share(&self, budget: f64, skip: usize) -> (f64, f64) {
        let (mut inside, mut outside, mut total) = (0.0, 0.0, 0.0);
        for &(latitude, longitude, country, weight) in &self.points {
            total += weight;
            let here = Position::new(latitude, longitude).unwrap();
            let km = |vantage: &usize| {
                let (latitude, longitude, ..) = self.vantages[*vantage];
                Position::new(latitude, longitude).unwrap().distance_km(here)
            };
            let speaker = (0..self.vantages.len())
                .filter(|&vantage| self.vantages[vantage].2 == country && !self.usable(vantage).is_empty())
                .min_by(|a, b| km(a).total_cmp(&km(b)))
                .filter(|vantage| km(vantage) <= 300.0);
            let Some(speaker) = speaker else { continue };
            match self.usable(speaker).get(skip) {
                Some(&ms) if ms <= budget => inside += weight,
                Some(_) if self.vantages[speaker].3.is_none() => outside += weight,
                _ => {}
            }
        }
        if total > 0.0 {
            (inside / total, outside / total)
        } else {
            (0.0, 0.0)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn shares_agree_with_the_naive_oracle(world in random_world()) {
        let report = report(&world.observations(), world.weights(1.0));
        for (skip, shares) in [(0, &report.classes[0].shares), (1, &report.classes[0].survives)] {
            for share in shares {
                let (inside, outside) = world.naive_share(share.budget_ms, skip);
                prop_assert!((share.within - inside).abs() < 1e-9, "{share:?} {inside}");
                prop_assert!((share.beyond - outside).abs() < 1e-9, "{share:?} {outside}");
                prop_assert!((share.within + share.beyond + share.unknown - 1.0).abs() < 1e-9);
            }
        }
        for (index, vantage) in report.classes[0].vantages.iter().enumerate() {
            prop_assert_eq!(vantage.best.as_ref().map(|best| best.ms), world.usable(index).first().copied());
            prop_assert_eq!(vantage.second.as_ref().map(|second| second.ms), world.usable(index).get(1).copied());
        }
    }

    #[test]
    fn order_of_rows_changes_nothing(world in random_world(), seed in any::<u64>()) {
        let observations = world.observations();
        let mut random = StdRng::seed_from_u64(seed);
        let mut shuffled = observations.clone();
        let mut nodes: Vec<usize> = (0..observations.nodes.len()).collect();
        let mut vantages: Vec<usize> = (0..observations.vantages.len()).collect();
        nodes.shuffle(&mut random);
        vantages.shuffle(&mut random);
        shuffled.nodes = nodes.iter().map(|&index| observations.nodes[index].clone()).collect();
        shuffled.vantages = vantages.iter().map(|&index| observations.vantages[index].clone()).collect();
        let Readings::Single { values, .. } = &mut shuffled.readings else { panic!("single") };
        for value in values.iter_mut() {
            value.node = nodes.iter().position(|&index| index == value.node).unwrap();
            value.vantage = vantages.iter().position(|&index| index == value.vantage).unwrap();
        }
        values.shuffle(&mut random);
        let figures = |observations| format!("{:?}", report(observations, world.weights(1.0)));
        prop_assert_eq!(figures(&observations), figures(&shuffled));
    }

    #[test]
    fn one_more_node_never_raises_the_best_time(world in random_world(), ms in prop::collection::vec(0.1..260.0f64, 8)) {
        let before = world.observations();
        let mut after = before.clone();
        after.nodes.push(node("another", "Warsaw, PL"));
        let Readings::Single { values, .. } = &mut after.readings else { panic!("single") };
        let added = before.vantages.len();
        values.extend((0..added).map(|vantage| SingleReading {
            vantage, node: before.nodes.len(), rtt_ms: ms[vantage], reversed: false,
        }));
        let (before, after) = (report(&before, Weights::sites()), report(&after, Weights::sites()));
        for (old, new) in before.classes[0].vantages.iter().zip(&after.classes[0].vantages) {
            let new = new.best.as_ref().unwrap().ms;
            prop_assert!(old.best.as_ref().is_none_or(|old| new <= old.ms));
        }
        for (old, new) in before.classes[0].shares.iter().zip(&after.classes[0].shares) {
            prop_assert!(new.within >= old.within - 1e-12);
        }
    }

    #[test]
    fn scaled_weights_leave_shares_alone(world in random_world(), scale in 0.001..1000.0f64) {
        let observations = world.observations();
        let (one, other) = (report(&observations, world.weights(1.0)), report(&observations, world.weights(scale)));
        for (one, other) in one.classes[0].shares.iter().zip(&other.classes[0].shares) {
            prop_assert!((one.within - other.within).abs() < 1e-9 && (one.beyond - other.beyond).abs() < 1e-9);
        }
        prop_assert!((other.weights.total - one.weights.total * scale).abs() <= 1e-9 * other.weights.total);
    }
}
