//! The rule of the heaviest countries.

use super::*;

#[test]
fn rule_of_the_heaviest_countries_asks_for_two_terms() {
    let options = Options {
        predict: false,
        top_countries: Some(10),
        ..Options::new(Weights::people())
    };
    let report = built(&small_world(), &options);
    let top = report.top_countries.as_ref().unwrap();
    assert_eq!(
        (top.countries.len(), top.two_terms),
        (10, false),
        "ten days are no two terms"
    );
    assert!(
        top.countries
            .iter()
            .all(|one| one.verdict == TopVerdict::CannotTell)
    );
    let sites = Options {
        weights: Weights::sites(),
        ..options
    };
    let report = built(&small_world(), &sites);
    let top = report.top_countries.unwrap();
    assert!(
        top.countries.iter().all(|one| one.verdict == TopVerdict::Served),
        "{top:?}"
    );
}

/// India seen from one vantage for so many days, with a time to first byte by day.
fn india(days: i32, ttfb_ms: impl Fn(i32) -> f64) -> Observations {
    let nodes = vec![node("berlin", "Berlin, DE"), node("singapore", "Singapore, SG")];
    let times: [(usize, usize, &[f64]); 2] = [(0, 0, &[140.0]), (0, 1, &[60.0])];
    let mut world = crate::fixture::daily(
        nodes,
        vec![vantage("ada", "Mumbai, IN")],
        days,
        &times,
        |_, _, _| 0.0,
    );
    if let crate::observations::Readings::Days(readings) = &mut world.readings {
        for reading in readings.iter_mut() {
            let ms = ttfb_ms(reading.day.0);
            reading.ttfb = Some((
                crate::observations::TtfbKind::Cached,
                crate::fixture::samples(&[ms], 0),
            ));
        }
    }
    world
}

#[test]
fn node_may_be_added_only_where_a_heavy_country_missed_the_targets_for_two_terms() {
    let verdict = |world: &Observations| {
        let options = Options {
            predict: false,
            top_countries: Some(10),
            ..Options::new(Weights::people())
        };
        let top = built(world, &options).top_countries.unwrap();
        let india = top
            .countries
            .iter()
            .find(|one| one.country.as_str() == "IN")
            .unwrap();
        let others = top.countries.iter().filter(|one| one.country.as_str() != "IN");
        assert!(
            others.clone().count() == 9 && others.clone().all(|one| one.verdict == TopVerdict::CannotTell)
        );
        india.verdict
    };
    assert_eq!(verdict(&india(30, |_| 900.0)), TopVerdict::Add);
    assert_eq!(
        verdict(&india(29, |_| 900.0)),
        TopVerdict::CannotTell,
        "one day short of two terms"
    );
    let mended = |day| if day < 15 { 900.0 } else { 200.0 };
    assert_eq!(
        verdict(&india(30, mended)),
        TopVerdict::Served,
        "one of two terms is enough"
    );
}

/// The rule asks for a node that meets the targets, not for the nearest one to.
#[test]
fn country_is_served_where_another_node_than_the_nearest_meets_the_targets() {
    let asked = |slow: f64, other: Option<f64>| {
        let mut world = india(30, |_| slow);
        if let crate::observations::Readings::Days(readings) = &mut world.readings {
            for reading in readings.iter_mut().filter(|reading| reading.node == 0) {
                reading.ttfb = other.map(|ms| {
                    (
                        crate::observations::TtfbKind::Cached,
                        crate::fixture::samples(&[ms], 0),
                    )
                });
            }
        }
        let options = few(Options {
            top_countries: Some(1),
            ..Options::new(Weights::people())
        });
        let weights = Weights::from_file(&FileText::new("india.csv", "country,weight\nIN,1\n")).unwrap();
        let report = built(&world, &Options { weights, ..options });
        let top = report.top_countries.unwrap().countries.remove(0);
        (top.verdict, top.best, top.met_by)
    };
    let singapore = Some("singapore".to_owned());
    assert_eq!(
        asked(900.0, Some(200.0)),
        (TopVerdict::Served, singapore.clone(), Some("berlin".to_owned()))
    );
    assert_eq!(
        asked(900.0, Some(800.0)),
        (TopVerdict::Add, singapore.clone(), None)
    );
    assert_eq!(asked(900.0, None), (TopVerdict::CannotTell, singapore, None));
}

/// A node that nobody else judges there, or that no vantage there measures, may be the one that serves.
#[test]
fn no_node_is_asked_for_where_one_that_may_serve_was_not_judged() {
    let verdict = |change: &dyn Fn(&mut Observations)| {
        let mut world = india(30, |_| 900.0);
        change(&mut world);
        let options = few(Options {
            top_countries: Some(1),
            ..Options::new(Weights::people())
        });
        let weights = Weights::from_file(&FileText::new("india.csv", "country,weight\nIN,1\n")).unwrap();
        let report = built(&world, &Options { weights, ..options });
        report.top_countries.unwrap().countries.remove(0).verdict
    };
    assert_eq!(verdict(&|_| {}), TopVerdict::Add);
    let unmeasured = |world: &mut Observations| {
        if let crate::observations::Readings::Days(readings) = &mut world.readings {
            readings.retain(|reading| reading.node == 1);
        }
    };
    assert_eq!(verdict(&unmeasured), TopVerdict::CannotTell);
    let of_one_worker = |world: &mut Observations| {
        world.vantages[0].worker = Some("ravi".to_owned());
        world.nodes[0].worker = Some("ravi".to_owned());
    };
    assert_eq!(verdict(&of_one_worker), TopVerdict::CannotTell);
}
