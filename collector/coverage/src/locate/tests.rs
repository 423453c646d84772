use super::*;
use crate::light::least_ms;
use crate::observations::Network;

fn place(latitude: f64, longitude: f64) -> Place {
    Place {
        position: Position::new(latitude, longitude).unwrap(),
        network: None,
    }
}

/// Berlin, Paris, London, Milan, Madrid, New York.
fn cities() -> Vec<Place> {
    vec![
        place(52.5, 13.4),
        place(48.9, 2.4),
        place(51.5, -0.1),
        place(45.5, 9.2),
        place(40.4, -3.7),
        place(40.7, -74.0),
    ]
}

/// Every pair, a fifth slower than light.
fn honest(places: &[Place]) -> Vec<Measured> {
    let mut pairs = Vec::new();
    for b in 0..places.len() {
        for a in 0..b {
            let rtt_ms = least_ms(places[a].position.distance_km(places[b].position)) * 1.2 + 0.5;
            pairs.push(Measured { a, b, rtt_ms });
        }
    }
    pairs
}

#[test]
fn honest_sites_are_consistent_with_the_radius_of_their_nearest_witness() {
    let places = cities();
    let location = locate(&places, &honest(&places), &[]);
    assert_eq!((location.suspects.len(), location.smallest), (0, true));
    let paris = &location.sites[1];
    let to_london = least_ms(places[1].position.distance_km(places[2].position)) * 1.2 + 0.5;
    assert_eq!(paris.witnesses, [2]);
    assert_eq!(
        paris.verdict,
        Verdict::Consistent {
            radius_km: most_km(to_london)
        }
    );
}

#[test]
fn site_that_claims_another_continent_is_impossible_and_the_only_suspect() {
    let truth = cities();
    let mut claimed = truth.clone();
    claimed[1] = place(35.7, 139.7);
    let location = locate(&claimed, &honest(&truth), &[]);
    assert_eq!(location.suspects, [1]);
    let paris = &location.sites[1];
    assert_eq!((paris.verdict, paris.violations), (Verdict::Impossible, 5));
    assert_eq!(paris.witnesses[0], 2, "the nearest first");
    assert!(
        location
            .sites
            .iter()
            .enumerate()
            .all(|(site, one)| site == 1 || one.verdict != Verdict::Impossible)
    );
    assert!(!location.sites[0].witnesses.contains(&1));
}

#[test]
fn two_sites_that_contradict_each_other_are_both_unknown() {
    let places = vec![place(52.5, 13.4), place(35.7, 139.7)];
    let pairs = [Measured {
        a: 0,
        b: 1,
        rtt_ms: 20.0,
    }];
    let location = locate(&places, &pairs, &[]);
    assert!(location.sites.iter().all(|site| site.verdict == Verdict::Unknown));
    assert_eq!(location.suspects.len(), 1);
}

#[test]
fn witnesses_in_one_building_count_once_unless_their_networks_differ() {
    let mut places = vec![place(35.7, 139.7), place(52.5, 13.4), place(52.51, 13.41)];
    let pairs = [1, 2].map(|b| Measured {
        a: 0,
        b,
        rtt_ms: 20.0,
    });
    let verdict = |places: &[Place]| locate(places, &pairs, &[]).sites[0].verdict;
    assert_eq!(verdict(&places), Verdict::Unknown);
    places[1].network = Some(Network(1));
    places[2].network = Some(Network(2));
    assert_eq!(verdict(&places), Verdict::Impossible);
}

#[test]
fn slack_forgives_a_city_and_no_more() {
    let places = vec![place(0.0, 0.0), place(0.0, 10.0)];
    let km = places[0].position.distance_km(places[1].position);
    let violations = |forgiven: f64| {
        let pairs = [Measured {
            a: 0,
            b: 1,
            rtt_ms: least_ms(km - forgiven),
        }];
        locate(&places, &pairs, &[]).sites[0].violations
    };
    assert_eq!((violations(SLACK_KM - 1.0), violations(SLACK_KM + 1.0)), (0, 1));
}

#[test]
fn only_a_sure_witness_confirms_and_radii_add_up() {
    let places = vec![
        place(0.0, 0.0),
        place(0.0, 1.0),
        place(0.0, 2.0),
        place(50.0, 50.0),
    ];
    let pairs = [
        Measured {
            a: 0,
            b: 1,
            rtt_ms: 3.0,
        },
        Measured {
            a: 1,
            b: 2,
            rtt_ms: 3.0,
        },
    ];
    let location = locate(&places, &pairs, &[0]);
    let verdicts: Vec<Verdict> = location.sites.iter().map(|site| site.verdict).collect();
    let radius = most_km(3.0);
    let confirmed = |radius_km: f64| Verdict::Confirmed { radius_km, root: 0 };
    assert_eq!(verdicts[..3], [0.0, radius, radius * 2.0].map(confirmed));
    assert_eq!(verdicts[3], Verdict::Unknown);
    let nobody_is_sure = locate(&places, &pairs, &[]);
    assert!(
        nobody_is_sure
            .sites
            .iter()
            .all(|site| !matches!(site.verdict, Verdict::Confirmed { .. }))
    );
}

#[test]
fn sure_site_is_no_suspect_and_accuses_alone() {
    let places = vec![
        place(52.5, 13.4),
        place(-33.9, 151.2),
        place(-37.8, 145.0),
        place(-27.5, 153.0),
    ];
    let pairs = [1, 2, 3].map(|b| Measured {
        a: 0,
        b,
        rtt_ms: 20.0,
    });
    let nobody_is_sure = locate(&places, &pairs, &[]);
    assert_eq!(nobody_is_sure.suspects, [0]);
    let location = locate(&places, &pairs, &[0]);
    assert_eq!(location.suspects, [1, 2, 3]);
    let verdicts = location.sites.iter().map(|site| site.verdict);
    assert_eq!(
        verdicts.collect::<Vec<_>>(),
        [
            Verdict::Confirmed {
                radius_km: 0.0,
                root: 0
            },
            Verdict::Impossible,
            Verdict::Impossible,
            Verdict::Impossible
        ]
    );
}

#[test]
fn two_sure_sites_that_contradict_each_other_are_judged_like_others() {
    let places = vec![place(52.5, 13.4), place(-33.9, 151.2)];
    let pairs = [Measured {
        a: 0,
        b: 1,
        rtt_ms: 20.0,
    }];
    let location = locate(&places, &pairs, &[0, 1]);
    assert!(location.sites.iter().all(|site| site.verdict == Verdict::Unknown));
}

#[test]
fn one_time_that_is_too_short_accuses_nobody_whose_other_times_fit() {
    let mut places = cities();
    places.extend([place(35.69, 139.69), place(37.57, 126.98)]);
    let mut pairs = honest(&places);
    let wrong = pairs.iter_mut().find(|pair| (pair.a, pair.b) == (0, 6)).unwrap();
    wrong.rtt_ms = 1.0;
    let location = locate(&places, &pairs, &[]);
    assert!(
        location
            .sites
            .iter()
            .all(|site| site.verdict != Verdict::Impossible)
    );
    assert!(location.sites.iter().filter(|site| site.violations == 1).count() == 2);
}

#[test]
fn swapped_and_mirrored_coordinates_are_suggested() {
    let mut truth = cities();
    truth.extend([place(-33.9, 18.4), place(-26.2, 28.0), place(-29.9, 31.0)]);
    truth.extend([place(41.9, -87.6), place(38.9, -77.0)]);
    for (site, wrong, typo) in [
        (0, place(13.4, 52.5), Typo::Swapped),
        (6, place(33.9, 18.4), Typo::Latitude),
        (5, place(40.7, 74.0), Typo::Longitude),
    ] {
        let mut claimed = truth.clone();
        claimed[site] = wrong;
        let location = locate(&claimed, &honest(&truth), &[]);
        let suggestion = location.sites[site].suggestion;
        assert_eq!(
            suggestion.map(|one| one.typo),
            Some(typo),
            "{:?}",
            location.sites[site]
        );
        assert!(suggestion.unwrap().position.distance_km(truth[site].position) < 1e-6);
    }
}

#[test]
fn near_equator_and_greenwich_the_single_flip_is_suggested() {
    let asia = [
        place(1.3, -103.8),
        place(35.7, 139.7),
        place(22.3, 114.2),
        place(-33.9, 151.2),
        place(19.1, 72.9),
    ];
    let mut truth = asia.to_vec();
    truth[0] = place(1.3, 103.8);
    let suggestion = locate(&asia, &honest(&truth), &[]).sites[0].suggestion;
    assert_eq!(suggestion.map(|one| one.typo), Some(Typo::Longitude));
    let mut europe = cities();
    europe[2] = place(-51.5, -0.1);
    let suggestion = locate(&europe, &honest(&cities()), &[]).sites[2].suggestion;
    assert_eq!(suggestion.map(|one| one.typo), Some(Typo::Latitude));
}

#[test]
fn address_that_answers_everyone_from_nearby_is_anycast() {
    let places = cities();
    let mut pairs: Vec<Measured> = honest(&places).into_iter().filter(|pair| pair.a != 0).collect();
    pairs.extend([1, 2, 3, 4, 5].map(|b| Measured { a: 0, b, rtt_ms: 1.0 }));
    let location = locate(&places, &pairs, &[]);
    let found = anycast(&places, &pairs, &location);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].site, found[0].places.len()), (0, 5));
    assert!(anycast(&places, &honest(&places), &locate(&places, &honest(&places), &[])).is_empty());
}

#[test]
fn nothing_measured_is_unknown() {
    let location = locate(&cities(), &[], &[]);
    assert!(
        location
            .sites
            .iter()
            .all(|site| site.verdict == Verdict::Unknown && site.violations == 0)
    );
    assert!(locate(&[], &[], &[]).sites.is_empty());
}
