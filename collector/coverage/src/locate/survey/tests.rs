use super::*;
use crate::files::{self, FileText};
use crate::fixture::{daily, node, single, vantage};
use crate::geo::Position;
use crate::locate::Typo;

/// A node in Los Angeles that lost the sign of its longitude, measured by servers elsewhere.
fn lost_sign() -> Observations {
    let mut los_angeles = node("losangeles", "Los Angeles, US");
    let position = los_angeles.position.unwrap();
    los_angeles.position = Position::new(position.latitude(), -position.longitude());
    let vantages = [
        ("v-newyork", "New York, US"),
        ("v-saopaulo", "São Paulo, BR"),
        ("v-tokyo", "Tokyo, JP"),
        ("v-berlin", "Berlin, DE"),
    ];
    let vantages = vantages.map(|(name, place)| vantage(name, place)).to_vec();
    single(
        vec![los_angeles, node("berlin", "Berlin, DE")],
        vantages,
        &[
            (0, 0, 65.0),
            (1, 0, 170.0),
            (2, 0, 105.0),
            (3, 0, 150.0),
            (0, 1, 90.0),
            (2, 1, 235.0),
        ],
    )
}

#[test]
fn node_that_lost_a_sign_is_impossible_in_observations_and_nobody_else_is() {
    let found = impossible(&lost_sign(), None);
    assert_eq!((found.nodes, found.vantages.len()), (vec![0], 0));
}

#[test]
fn own_vantage_accuses_no_node_and_one_witness_does_not_either() {
    let mut world = lost_sign();
    world.vantages[1].own_node = Some("losangeles".to_owned());
    let found = impossible(&world, None);
    assert!(
        found.nodes.is_empty() && found.vantages.is_empty(),
        "New York alone is left"
    );
    assert_eq!(found.undecided, ["losangeles", "v-newyork"], "and both are named");
}

#[test]
fn shortest_of_all_days_is_what_counts() {
    let Observations { nodes, vantages, .. } = lost_sign();
    let slow_but_once = |_, node, day| if node == 0 && day == 3 { 0.0 } else { 400.0 };
    let times: [(usize, usize, &[f64]); 2] = [(0, 0, &[65.0]), (1, 0, &[170.0])];
    assert_eq!(
        impossible(
            &daily(nodes.clone(), vantages.clone(), 7, &times, slow_but_once),
            None
        )
        .nodes,
        [0]
    );
    let always_slow = |_, _, _| 400.0;
    assert_eq!(
        impossible(&daily(nodes, vantages, 7, &times, always_slow), None),
        Impossible::default()
    );
}

#[test]
fn node_of_a_file_that_is_also_a_vantage_is_judged_by_all_its_times() {
    let mut world = lost_sign();
    let site = world.nodes[0].clone();
    world.vantages.push(crate::observations::Vantage {
        position: site.position.unwrap(),
        own_node: Some(site.name.clone()),
        ..vantage("losangeles", "Los Angeles, US")
    });
    assert_eq!(
        impossible(&world, None),
        Impossible {
            nodes: vec![0],
            vantages: vec![4],
            ..Impossible::default()
        }
    );
}

#[test]
fn node_without_coordinates_is_judged_by_nobody() {
    let mut world = lost_sign();
    world.nodes[0].position = None;
    assert_eq!(impossible(&world, None), Impossible::default());
}

#[test]
fn survey_says_by_what_a_place_is_contradicted_and_where_the_site_probably_stands() {
    let world = lost_sign();
    let mut sites: Vec<Site> = world
        .vantages
        .iter()
        .map(|vantage| Site {
            name: vantage.name.clone(),
            kind: SiteKind::Probe,
            site: vantage.site.clone(),
            place: Place {
                position: vantage.position,
                network: None,
            },
        })
        .collect();
    let position = world.nodes[0].position.unwrap();
    sites.push(Site {
        name: "losangeles".to_owned(),
        kind: SiteKind::Node,
        site: String::new(),
        place: Place {
            position,
            network: None,
        },
    });
    let pairs = [65.0, 170.0, 105.0, 150.0].into_iter().enumerate();
    let survey = Survey {
        source: Source::Store,
        window: None,
        statistic: Statistic::Min,
        sites,
        pairs: pairs.map(|(a, rtt_ms)| Measured { a, b: 4, rtt_ms }).collect(),
        notes: Vec::new(),
    };
    let surveyed = survey.judge(&[]);
    assert_eq!(surveyed.location.suspects, [4]);
    let misplaced = &surveyed.impossible[&4];
    let by: Vec<(usize, f64)> = misplaced
        .contradictions
        .iter()
        .map(|one| (one.witness, one.rtt_ms))
        .collect();
    assert_eq!(by, [(0, 65.0), (1, 170.0)]);
    assert!(
        misplaced
            .contradictions
            .iter()
            .all(|one| one.least_ms > one.rtt_ms)
    );
    assert_eq!(
        surveyed.location.sites[4].suggestion.unwrap().typo,
        Typo::Longitude
    );
    let truth = Position::new(position.latitude(), -position.longitude()).unwrap();
    let estimate = misplaced.estimate.as_ref().unwrap();
    assert_eq!(estimate.region.apart_km, 0.0);
    assert!(estimate.position.distance_km(truth) < estimate.position.distance_km(position));
    assert!(estimate.reach_km() > 0.0);
}

#[test]
fn mesh_on_one_machine_accuses_nobody_and_says_how_many_it_would_be() {
    let vantages = [
        ("v-newyork", "New York, US"),
        ("v-lagos", "Lagos, NG"),
        ("v-tokyo", "Tokyo, JP"),
    ];
    let nodes = vec![
        node("berlin", "Berlin, DE"),
        node("lima", "Lima, PE"),
        node("sydney", "Sydney, AU"),
    ];
    let times: Vec<(usize, usize, f64)> = (0..9).map(|pair| (pair / 3, pair % 3, 0.2)).collect();
    let world = single(
        nodes,
        vantages.map(|(name, place)| vantage(name, place)).to_vec(),
        &times,
    );
    let found = impossible(&world, None);
    assert_eq!(
        (found.nodes.len(), found.vantages.len(), found.too_many),
        (0, 0, 3)
    );
}

#[test]
fn vantage_of_a_file_whose_place_only_other_sites_contradict_is_impossible_too() {
    let sites = "site,latitude,longitude\nber,52.5,13.4\nny,40.7,-74.0\nsin,1.29,-103.85\ntyo,35.69,139.69\nsyd,-33.87,151.21\n";
    let rtt = "source,destination,rtt_ms\nber,ny,90\nsin,ber,170\nsin,ny,230\nsin,tyo,70\nsin,syd,95\ntyo,ber,230\nsyd,ny,200\n";
    let (sites, rtt) = (FileText::new("sites.csv", sites), FileText::new("rtt.csv", rtt));
    let observations = files::read(&sites, &rtt, &["ber", "ny"]).unwrap();
    let mesh = files::read_mesh(&sites, &rtt).unwrap();
    let found = impossible(&observations, Some(&mesh));
    assert_eq!(
        (found.nodes.len(), found.vantages),
        (0, vec![2]),
        "Tokyo and Sydney say so"
    );
    assert_eq!(impossible(&observations, None).vantages, Vec::<usize>::new());
}
