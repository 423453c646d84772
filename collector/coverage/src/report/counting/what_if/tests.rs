use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::fixture::small_world;
use crate::report::what_if::{Change, WhatIf, Why};
use crate::report::{Options, build};
use crate::weights::Weights;

fn tried(add: &[&str], remove: &[&str]) -> Result<WhatIf, String> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let options = Options {
        replicates: 60,
        what_if: Some(Change {
            add: names(add),
            remove: names(remove),
        }),
        ..Options::new(Weights::people())
    };
    let report = build(&small_world(), &options, &mut StdRng::seed_from_u64(3));
    report
        .map(|report| report.what_if.unwrap())
        .map_err(|error| error.to_string())
}

#[test]
fn regression_node_beside_a_vantage_strikes_nobody_out_and_moves_its_own_city() {
    let what = tried(&["Hamburg, DE"], &[]).unwrap();
    let added = &what.added[0];
    let own = added.own_city.expect("its own city has weight");
    assert!(
        own.then.value > 0.0 && own.then.value < own.today.value,
        "{own:?}"
    );
    assert!(own.then.interval.is_some() && own.share > 0.0);
    assert!(what.difference.value < 0.0, "{what:?}");
    assert_eq!(
        what.today.mean.interval.is_some(),
        what.then.mean.interval.is_some()
    );
    assert_eq!(what.then.nodes.len(), 4);
    // The vantage there is still one of those it rests on.
    let near = what
        .rests_on
        .iter()
        .find(|rest| rest.why == Why::NearAdded)
        .unwrap();
    assert_eq!((&*near.vantage, near.km.unwrap() < 30.0), ("ada", true));
}

#[test]
fn far_city_shortens_the_mean_and_its_interval_says_how_surely() {
    let what = tried(&["Sao Paulo, BR"], &[]).unwrap();
    let interval = what.difference.interval.unwrap();
    assert!(
        what.difference.value < -1.0 && interval.low < what.difference.value,
        "{what:?}"
    );
    let drop = what.today.mean.value - what.then.mean.value;
    assert!((drop + what.difference.value).abs() < 1e-6);
    for (today, then) in what
        .today
        .shares_predicted
        .iter()
        .zip(&what.then.shares_predicted)
    {
        assert!(then.within >= today.within - 1e-9, "{today:?} {then:?}");
        for share in [today, then] {
            assert!((share.within + share.beyond + share.unknown - 1.0).abs() < 1e-9);
            assert!(share.undecided <= share.unknown + 1e-9 && share.interval.is_some());
        }
    }
    // What is added was not measured: as measured, nothing is beyond for sure any more.
    let measured = what.today.shares.iter().zip(&what.then.shares);
    for (today, then) in measured {
        assert!((then.within - today.within).abs() < 1e-12 && then.beyond == 0.0);
    }
    assert!(what.added[0].share > 0.01);
}

#[test]
fn place_without_a_city_is_added_by_its_coordinates() {
    let (by_name, by_place) = (
        tried(&["Cape Town, ZA"], &[]).unwrap(),
        tried(&["-33.93,18.42"], &[]).unwrap(),
    );
    assert_eq!(by_place.added[0].country, by_name.added[0].country);
    assert!(
        (by_place.difference.value - by_name.difference.value).abs() < 1.0,
        "{by_place:?}"
    );
    assert!(tried(&["-133.93,18.42"], &[]).is_err());
}

#[test]
fn removed_node_costs_and_names_the_pairs_it_rests_on() {
    let what = tried(&[], &["<tokyo> & co"]).unwrap();
    assert!(what.difference.value > 1.0, "{what:?}");
    assert_eq!((what.today.nodes.len(), what.then.nodes.len()), (3, 2));
    let berlin = tried(&[], &["berlin"]).unwrap();
    let whys: Vec<Why> = berlin.rests_on.iter().map(|rest| rest.why).collect();
    assert!(
        whys.contains(&Why::Removed) && whys.contains(&Why::Instead),
        "{berlin:?}"
    );
}

#[test]
fn what_changes_nothing_or_names_nothing_is_said_in_a_clear_sentence() {
    assert_eq!(
        tried(&[], &[]).unwrap_err(),
        "nothing would change: name places with --add, or nodes with --remove"
    );
    assert!(
        tried(&["Atlantis"], &[])
            .unwrap_err()
            .starts_with("--add Atlantis: neither")
    );
    assert!(
        tried(&[], &["rome"])
            .unwrap_err()
            .starts_with("--remove rome: there is no such node")
    );
    assert_eq!(
        tried(&[], &["berlin", "paris", "<tokyo> & co"]).unwrap_err(),
        "--remove leaves no node: keep one, or add a place"
    );
}
