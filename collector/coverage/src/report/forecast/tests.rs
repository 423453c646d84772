use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::country::Country;
use crate::files::FileText;
use crate::fixture::{daily, forecast, node, report, single, small_world, vantage};
use crate::histogram::LogHistogram;
use crate::light::least_ms;
use crate::note::Note;
use crate::observations::{AccessClass, Day, Echo, Eye, EyeSource, EyeTime, Node, Observations, Vantage};
use crate::predict::{Place, Predictor, Prior, PriorChoice};
use crate::report::{
    Aim, CoverageReport, Forecast, LeftOut, Offsets, Options, Region, RegionId, Share, Standing, TopVerdict,
    WhyNot, Withheld, build,
};
use crate::weights::Weights;

mod advice;
mod eyes;
mod top;

fn built(observations: &Observations, options: &Options) -> CoverageReport {
    build(observations, options, &mut StdRng::seed_from_u64(7)).unwrap()
}

fn few(options: Options) -> Options {
    Options {
        replicates: 40,
        ..options
    }
}

fn region<'r>(report: &'r CoverageReport, code: &str) -> &'r Region {
    let wanted = RegionId::Country(Country::code(code).unwrap());
    report.classes[0]
        .regions
        .iter()
        .find(|region| region.id == wanted)
        .unwrap()
}

#[test]
fn what_was_measured_stays_as_it_is_beside_predictions() {
    let (measured, with) = (
        report(&small_world(), Weights::people()),
        forecast(&small_world(), Weights::people()),
    );
    let (a, b) = (&measured.classes[0], &with.classes[0]);
    for (a, b) in a.shares.iter().zip(&b.shares) {
        assert_eq!((a.within, a.beyond, a.unknown), (b.within, b.beyond, b.unknown));
    }
    assert!(a.predicted.is_none());
    let predicted = b.predicted.as_ref().unwrap();
    for (measured, with) in b.shares.iter().zip(&predicted.shares) {
        assert!(with.within >= measured.within && with.beyond >= measured.beyond);
        assert!((with.within + with.beyond + with.unknown - 1.0).abs() < 1e-9);
        let interval = with.interval.unwrap();
        assert!(interval.low <= interval.high && interval.low >= measured.within - 1e-9);
    }
    let whole = b.known_weight + predicted.weight + predicted.unknown_weight;
    assert!(
        (whole / b.total_weight - 1.0).abs() < 1e-9,
        "every place is measured, predicted or unknown"
    );
}

#[test]
fn city_is_within_only_by_its_upper_end_and_beyond_only_by_its_lower_end() {
    let report = forecast(&small_world(), Weights::people());
    let class = &report.classes[0];
    let predicted = class.predicted.as_ref().unwrap();
    for (at, share) in predicted.shares.iter().enumerate() {
        let sum = |wanted: Standing| -> f64 {
            let cells = predicted.cells.iter().filter(|cell| {
                let nearest = cell
                    .nearest
                    .as_ref()
                    .map(|nearest| (nearest.ms, Some(nearest.interval)));
                Standing::of(nearest, share.budget_ms, false) == wanted
            });
            cells.map(|cell| cell.weight).sum::<f64>() / class.total_weight
        };
        assert!((share.within - class.shares[at].within - sum(Standing::Within)).abs() < 1e-9);
        assert!((share.beyond - class.shares[at].beyond - sum(Standing::Beyond)).abs() < 1e-9);
        let missing = predicted.unknown_weight / class.total_weight;
        let across = sum(Standing::Unknown);
        assert!((share.undecided - class.shares[at].undecided - across).abs() < 1e-9);
        assert!(share.undecided > 0.0 || share.budget_ms < 50.0, "{share:?}");
        let rest = share.unknown - share.undecided - share.own_node;
        assert!(
            (rest - missing).abs() < 1e-9,
            "the rest is not predicted: {share:?}"
        );
    }
}

/// One server is one network in one building: cities around it have others.
#[test]
fn city_a_vantage_speaks_for_is_drawn_around_what_was_measured_and_a_vantage_itself_is_not() {
    let nodes = vec![node("berlin", "Berlin, DE"), node("tokyo", "Tokyo, JP")];
    let world = single(
        nodes,
        vec![vantage("ada", "Hamburg, DE"), vantage("bob", "Munich, DE")],
        &[(0, 0, 9.0), (0, 1, 230.0), (1, 0, 14.0), (1, 1, 240.0)],
    );
    let near = "latitude,longitude,country,weight\n53.08,8.8,DE,3\n48.37,10.9,DE,1\n";
    let cities = Weights::from_file(&FileText::new("near.csv", near)).unwrap();
    let report = forecast(&world, cities);
    let class = &report.classes[0];
    assert_eq!(class.known_share(), 1.0);
    let mean = class.predicted.as_ref().unwrap().mean.unwrap();
    let interval = mean.interval.unwrap();
    assert!(interval.high - interval.low > 2.0, "{mean:?}");
    assert!(interval.low < 12.0 && interval.high > 10.0, "{mean:?}");
    let costs = &report.count.as_ref().unwrap().drop_one;
    let of_berlin = costs
        .iter()
        .find(|one| one.node == "berlin")
        .unwrap()
        .interval
        .unwrap();
    assert!(of_berlin.high - of_berlin.low > 2.0, "{of_berlin:?}");
    let themselves = forecast(&world, Weights::sites());
    let mean = themselves.classes[0].predicted.as_ref().unwrap().mean.unwrap();
    assert_eq!(mean.ms, 11.5, "what a vantage measured is its own truth");
}

#[test]
fn prediction_is_never_faster_than_light_and_its_interval_holds_it() {
    let world = small_world();
    let report = forecast(&world, Weights::people());
    let predicted = report.classes[0].predicted.as_ref().unwrap();
    assert!(predicted.cells.len() > 500);
    for cell in &predicted.cells {
        let Some(nearest) = &cell.nearest else { continue };
        let nodes = world.nodes.iter().filter_map(|node| node.position);
        let km = nodes
            .map(|node| node.distance_km(cell.position))
            .fold(f64::INFINITY, f64::min);
        assert!(nearest.interval.low >= least_ms(km) * 0.999 - 0.01, "{cell:?}");
        assert!(nearest.interval.low <= nearest.ms && nearest.ms <= nearest.interval.high);
        assert!(nearest.second_ms.unwrap() >= nearest.ms);
    }
}

#[test]
fn unmeasured_country_is_predicted_to_its_likeliest_node() {
    let report = forecast(&small_world(), Weights::people());
    let (japan, germany) = (region(&report, "JP"), region(&report, "DE"));
    let predicted = japan.predicted.as_ref().unwrap();
    assert!(japan.measured.is_none());
    assert_eq!(predicted.best, "<tokyo> & co");
    assert!(predicted.interval.low <= predicted.ms && predicted.ms <= predicted.interval.high);
    assert!(germany.measured.is_some(), "and its rest is predicted beside");
    let rest = germany
        .predicted
        .as_ref()
        .map_or(0.0, |predicted| predicted.weight);
    assert!((germany.known_weight + rest) / germany.weight <= 1.0 + 1e-9);
}

#[test]
fn heavy_country_without_a_known_site_is_unknown_in_shares_map_and_region_alike() {
    let report = forecast(&small_world(), Weights::people());
    let class = &report.classes[0];
    let predicted = class.predicted.as_ref().unwrap();
    let china = Country::code("CN").unwrap();
    let unseen: Vec<Country> = predicted.unseen.iter().map(|one| one.country).collect();
    assert_eq!(unseen[0], china, "{unseen:?}");
    let cells = || predicted.cells.iter().filter(|cell| cell.country == Some(china));
    assert!(cells().count() > 50 && cells().all(|cell| cell.nearest.is_none()));
    assert!(region(&report, "CN").predicted.is_none());
    let share: f64 = predicted.unseen.iter().map(|one| one.share).sum();
    assert!(predicted.unknown_weight >= 0.999 * share * class.total_weight);
    for share_at in &predicted.shares {
        assert!(share_at.unknown >= share - 1e-9, "{share_at:?}");
        let interval = share_at.interval.unwrap();
        assert!(
            interval.high - interval.low >= share - 1e-9,
            "the truth may lie there too: {share_at:?}"
        );
    }
}

#[test]
fn country_that_is_predicted_badly_keeps_its_prediction_and_is_named() {
    let report = forecast(&small_world(), Weights::people());
    let predicted = report.classes[0].predicted.as_ref().unwrap();
    let india = Country::code("IN").unwrap();
    let wide = predicted.widened.iter().find(|one| one.country == india).unwrap();
    assert!(
        wide.times > 1.0 && region(&report, "IN").predicted.is_some(),
        "{wide:?}"
    );
}

#[test]
fn few_vantages_without_a_prior_predict_nothing_and_say_why() {
    let options = few(Options {
        prior: PriorChoice::None,
        ..Options::new(Weights::people())
    });
    let report = built(&small_world(), &options);
    assert_eq!(report.forecast, Forecast::Missing(WhyNot::TooFewVantages));
    assert!(report.classes[0].predicted.is_none());
    assert!(!report.classes[0].regions.is_empty(), "the rest is there");
}

#[test]
fn nodes_without_coordinates_are_named_and_nothing_is_predicted() {
    let mut world = small_world();
    world.nodes.iter_mut().for_each(|node| node.position = None);
    let report = built(&world, &few(Options::new(Weights::people())));
    assert_eq!(report.forecast, Forecast::Missing(WhyNot::NoPlacedNode));
    assert!(
        report
            .notes
            .iter()
            .any(|note| matches!(note, Note::NodesUnplaced { nodes } if nodes.len() == 3))
    );
    assert!(region(&report, "DE").measured.is_some());
}

#[test]
fn node_whose_place_is_not_known_leaves_nothing_beyond() {
    let mut world = small_world();
    world.nodes[2].position = None;
    let report = built(&world, &few(Options::new(Weights::people())));
    let predicted = report.classes[0].predicted.as_ref().unwrap();
    let measured = &report.classes[0].shares;
    for (with, measured) in predicted.shares.iter().zip(measured) {
        assert!(
            (with.beyond - measured.beyond).abs() < 1e-9,
            "the unplaced node may be near"
        );
        let interval = with.interval.unwrap();
        assert_eq!(
            interval.high,
            1.0 - measured.beyond,
            "and so may everybody: {interval:?}"
        );
    }
}

#[test]
fn impossible_node_is_left_out_and_said() {
    let options = few(Options {
        impossible: LeftOut {
            nodes: vec!["berlin".to_owned()],
            vantages: vec!["berlin".to_owned()],
        },
        ..Options::new(Weights::people())
    });
    let report = built(&small_world(), &options);
    assert!(report.nodes.iter().all(|node| node.name != "berlin"));
    assert_eq!(region(&report, "DE").measured.as_ref().unwrap().best, "paris");
    assert!(report.notes.contains(&Note::Impossible {
        names: vec!["berlin".to_owned()]
    }));
}

#[test]
fn places_that_contradict_each_other_as_a_whole_leave_nobody_out() {
    let whole = built(&small_world(), &few(Options::new(Weights::people())));
    let options = few(Options {
        impossible: LeftOut {
            nodes: ["berlin", "paris", "<tokyo> & co"].map(str::to_owned).to_vec(),
            vantages: ["berlin", "paris", "<tokyo> & co"].map(str::to_owned).to_vec(),
        },
        ..Options::new(Weights::people())
    });
    let report = built(&small_world(), &options);
    assert!(report.notes.contains(&Note::PlacesContradict));
    let said = |note: &Note| matches!(note, Note::Impossible { .. });
    assert!(!report.notes.iter().any(said), "nobody was left out");
    let names = |report: &CoverageReport| -> Vec<String> {
        report.nodes.iter().map(|node| node.name.clone()).collect()
    };
    assert_eq!(names(&report), names(&whole));
    let (class, of_whole) = (&report.classes[0], &whole.classes[0]);
    for (given, before) in class.vantages.iter().zip(&of_whole.vantages) {
        assert_eq!(given.best, before.best, "what was measured stands");
    }
    assert!(region(&whole, "DE").measured.is_some() && region(&report, "DE").measured.is_none());
    let nothing = |share: &Share| (share.within, share.beyond, share.unknown) == (0.0, 0.0, 1.0);
    assert!(class.shares.iter().chain(&class.survives).all(nothing));
    assert_eq!(
        (class.withheld.as_slice(), class.depth.backup),
        (&[Withheld::NotBelieved][..], None)
    );
}

#[test]
fn access_offset_moves_shares_and_not_times() {
    let options = |offsets| {
        few(Options {
            offsets,
            ..Options::new(Weights::sites())
        })
    };
    let none = built(&small_world(), &options(Offsets::default()));
    let some = built(&small_world(), &options(Offsets::new([("DE", 10.0)]).unwrap()));
    let (none, some) = (&none.classes[0], &some.classes[0]);
    assert_eq!(none.vantages[0].best, some.vantages[0].best);
    assert_eq!((none.shares[0].within, none.shares[0].budget_ms), (1.0, 20.0));
    assert!(
        (some.shares[0].within - 2.0 / 3.0).abs() < 1e-9,
        "11.7 ms and 10 more are above 20"
    );
}

#[test]
fn trend_tells_the_halves_apart() {
    let mut world = small_world();
    if let crate::observations::Readings::Days(readings) = &mut world.readings {
        for reading in readings.iter_mut().filter(|reading| reading.day.0 >= 5) {
            reading.rtt = crate::fixture::samples(&[40.0, 41.0, 42.0], 0);
        }
    }
    let report = report(&world, Weights::people());
    let trend = report.classes[0].depth.trend.as_ref().unwrap();
    assert_eq!((trend.first.days, trend.second.days), (5, 5));
    assert!(trend.change_ms.unwrap() > 20.0, "{trend:?}");
    assert_eq!(trend.interval, None, "under seven days in a half");
}

#[test]
fn depth_holds_backups_targets_and_what_kilometres_cost() {
    let world = single(
        vec![node("near", "Hamburg, DE"), node("far", "Paris, FR")],
        vec![vantage("ada", "Berlin, DE")],
        &[(0, 0, 40.0), (0, 1, 15.0)],
    );
    let report = report(&world, Weights::people());
    let depth = &report.classes[0].depth;
    let backup = depth.backup.unwrap();
    assert_eq!((backup.nearest_ms, backup.next_ms), (15.0, 40.0));
    let by_km = depth.by_km.as_ref().unwrap();
    assert_eq!(
        (by_km.chosen_ms, by_km.best_ms, by_km.misled_weight),
        (40.0, 15.0, by_km.weight)
    );
    assert_eq!(
        (by_km.worst[0].chosen.as_str(), by_km.worst[0].best.as_str()),
        ("near", "far")
    );
    let aims: Vec<(Aim, bool)> = depth
        .targets
        .iter()
        .map(|one| (one.aim, one.share.is_some()))
        .collect();
    assert_eq!(
        aims,
        [(Aim::Rtt, true), (Aim::Ttfb, false), (Aim::Mbps, false)],
        "not measured is not zero"
    );
    assert!(report.notes.contains(&Note::OneVantage));
}

#[test]
fn other_weights_stand_beside() {
    let options = few(Options {
        beside: vec![Weights::sites()],
        ..Options::new(Weights::people())
    });
    let report = built(&small_world(), &options);
    assert_eq!(report.beside.len(), 1);
    assert_eq!(
        (report.beside[0].weights.total, report.beside[0].known_share),
        (3.0, 1.0)
    );
}

#[test]
fn access_offset_counts_for_files_too() {
    let offsets = |offsets| {
        few(Options {
            offsets,
            ..Options::new(Weights::sites())
        })
    };
    let mut world = single(
        vec![node("berlin", "Berlin, DE")],
        vec![vantage("ada", "Hamburg, DE")],
        &[(0, 0, 15.0)],
    );
    world.vantages[0].access = crate::observations::AccessClass::Unknown;
    let none = built(&world, &offsets(Offsets::default()));
    let some = built(&world, &offsets(Offsets::new([("*", 90.0)]).unwrap()));
    assert_eq!(
        (none.classes[0].shares[0].within, some.classes[0].shares[0].within),
        (1.0, 0.0)
    );
}

#[test]
fn shares_of_many_cities_are_never_above_one() {
    let report = forecast(&small_world(), Weights::people());
    let class = &report.classes[0];
    let of_regions = class.regions.iter().chain(&class.continents);
    let predicted = of_regions.filter_map(|region| region.predicted.as_ref());
    let shares = predicted.flat_map(|predicted| &predicted.shares);
    for share in shares.chain(&class.predicted.as_ref().unwrap().shares) {
        for part in [share.within, share.beyond, share.unknown] {
            assert!((0.0..=1.0).contains(&part), "{share:?}");
        }
        assert!(share.within + share.beyond <= 1.0, "{share:?}");
    }
}

/// A subdivision is the sum of its cities, and all of them are the country.
#[test]
fn subdivisions_add_up_to_their_country_and_are_told_apart_where_asked() {
    let nodes = vec![node("newyork", "New York City, US"), node("berlin", "Berlin, DE")];
    let vantages = vec![vantage("la", "Los Angeles, US"), vantage("muc", "Munich, DE")];
    let times = [(0, 0, 62.0), (0, 1, 150.0), (1, 0, 95.0), (1, 1, 12.0)];
    let world = single(nodes, vantages, &times);
    let asked = |subdivisions| {
        let options = Options {
            subdivisions,
            ..Options::new(Weights::people())
        };
        built(&world, &few(options)).classes.remove(0)
    };
    assert!(asked(false).subdivisions.is_empty());
    let class = asked(true);
    let of = |code: &str| {
        let all = class.subdivisions.iter();
        let mut those =
            all.filter(|region| matches!(region.id, RegionId::Subdivision(one) if one.to_string() == code));
        those.next().expect(code)
    };
    let (california, texas) = (of("US-CA"), of("US-TX"));
    let measured = california.measured.as_ref().unwrap();
    assert_eq!((measured.best.as_str(), measured.value_ms), ("newyork", 62.0));
    assert!(california.known_weight > 0.0 && california.known_weight < california.weight);
    assert_eq!((texas.known_weight, texas.measured.is_none()), (0.0, true));
    let predicted = texas.predicted.as_ref().unwrap();
    assert_eq!(predicted.best, "newyork");
    assert!((predicted.weight / texas.weight - 1.0).abs() < 1e-9);
    for country in class.regions.iter().filter(|region| region.weight > 0.0) {
        let parts = class
            .subdivisions
            .iter()
            .filter(|part| part.id.country() == country.id.country());
        let (weight, known) = parts.fold((0.0, 0.0), |sum, part| {
            (sum.0 + part.weight, sum.1 + part.known_weight)
        });
        assert!((weight / country.weight - 1.0).abs() < 1e-9, "{:?}", country.id);
        assert!(
            (known - country.known_weight).abs() < 1e-6 * country.weight,
            "{:?}",
            country.id
        );
    }
    let singapore = RegionId::NoSubdivision(Country::code("SG").unwrap());
    assert!(
        class.subdivisions.iter().any(|region| region.id == singapore),
        "said, not guessed"
    );
}
