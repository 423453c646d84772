use isochrone_coverage::geo::Position;
use isochrone_coverage::locate::Site;
use isochrone_coverage::observations::{Network, Source, Statistic};
use isochrone_coverage::predict::{Measured as Pair, Place};

use super::*;
use crate::fixture::{World, home, world};
use crate::topology::BucketId;

fn site(name: &str, kind: SiteKind, at: (f64, f64), network: u32) -> Site {
    Site {
        name: name.to_owned(),
        kind,
        site: String::new(),
        place: Place {
            position: Position::new(at.0, at.1).unwrap(),
            network: Some(Network(network)),
        },
    }
}

/// A probe in each of the first `count` homes, and the first node of each family there; times follow the distance.
fn surveyed(world: &World, count: u32, stands: impl Fn(u32) -> u32) -> (Survey, BTreeMap<Endpoint, String>) {
    let at = |family: u32| (home(family).2, home(family).3);
    let mut sites: Vec<Site> = (0..count)
        .map(|family| site(&format!("probe-{family}"), SiteKind::Probe, at(family), family))
        .collect();
    sites.extend((0..count).map(|family| {
        site(
            &format!("node-{family}-0"),
            SiteKind::Node,
            at(stands(family)),
            100 + family,
        )
    }));
    let mut pairs = Vec::new();
    for a in 0..count as usize {
        for b in a + 1..sites.len() {
            let km = sites[a].place.position.distance_km(sites[b].place.position);
            pairs.push(Pair {
                a,
                b,
                rtt_ms: 1.0 + km / 75.0,
            });
        }
    }
    let names = (0..count).map(|family| {
        let endpoint = crate::fixture::endpoint(BucketId { family, index: 0 });
        (
            endpoint,
            world.facts.nodes[&crate::fixture::endpoint(BucketId { family, index: 0 })]
                .name
                .clone(),
        )
    });
    let survey = Survey {
        source: Source::Files,
        window: None,
        statistic: Statistic::Min,
        sites,
        pairs,
        notes: Vec::new(),
    };
    (survey, names.collect())
}

#[test]
fn nodes_where_they_say_are_contradicted_by_nobody_and_nearest_to_their_own() {
    let world = world(10, 1);
    let (survey, names) = surveyed(&world, 10, |family| family);
    let measured = measured(&world.topology, &survey, &names);
    assert!(measured.misplaced.is_empty(), "{:?}", measured.misplaced);
    for family in 0..10 {
        let nearest = &measured.nearest[&crate::fixture::endpoint(BucketId { family, index: 0 })];
        assert_eq!(
            (nearest.family, nearest.vantage.as_str()),
            (family, format!("probe-{family}").as_str())
        );
        let reach = &measured.reach[&family];
        assert_eq!((reach.vantages, reach.best), (1, 1));
        assert_eq!(reach.countries, BTreeMap::from([(home(family).0.to_owned(), 1)]));
    }
}

#[test]
fn claim_on_the_chain_is_judged_and_not_the_one_of_targets_toml() {
    let mut world = world(10, 1);
    // New York's node says Tokyo on the chain; targets.toml knows where it stands.
    world.operator(6, 0).place.coordinates = Some((35.69, 139.69));
    let (survey, names) = surveyed(&world, 10, |family| family);
    let measured = measured(&world.topology, &survey, &names);
    let found: Vec<_> = measured.misplaced.keys().map(ToString::to_string).collect();
    assert_eq!(found, ["6:0-6000"]);
    let misplaced = measured.misplaced.values().next().unwrap();
    assert!(misplaced.witnesses[0].contains("light needs"), "{misplaced:?}");
    assert!(misplaced.probably.is_some());
}

#[test]
fn node_that_stands_elsewhere_is_nearer_to_the_users_there() {
    let world = world(10, 1);
    // the node of family 0 (Berlin) stands in São Paulo, and says so in targets.toml
    let (survey, names) = surveyed(&world, 10, |family| if family == 0 { 9 } else { family });
    let measured = measured(&world.topology, &survey, &names);
    let nearest = &measured.nearest[&crate::fixture::endpoint(BucketId { family: 0, index: 0 })];
    assert_eq!(nearest.family, 9);
    assert!(nearest.others[&0].1 > nearest.ms + 50.0, "{nearest:?}");
    let reach = &measured.reach[&0];
    assert_eq!((reach.vantages, reach.best), (1, 0));
    assert!(reach.instead.values().sum::<usize>() == 1, "{reach:?}");
}
