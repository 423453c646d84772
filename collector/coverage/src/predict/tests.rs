use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;

/// Sites along three coasts; times by light, with a height for each site and a dear ocean between the coasts.
struct Coasts {
    places: Vec<Place>,
    heights: Vec<f64>,
}

impl Coasts {
    fn new(sites: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let coast = [(45.0, 0.0), (40.0, -75.0), (-20.0, -45.0)];
        let place = |site: usize| {
            let (latitude, longitude) = coast[site % 3];
            let near = |degrees: f64, random: &mut StdRng| degrees + random.random_range(-8.0..8.0);
            let (latitude, longitude) = (near(latitude, &mut random), near(longitude, &mut random));
            Place {
                position: Position::new(latitude, longitude).unwrap(),
                network: None,
            }
        };
        let places = (0..sites).map(place).collect();
        let mut random = StdRng::seed_from_u64(seed + 1);
        Self {
            places,
            heights: (0..sites).map(|_| random.random_range(0.0..5.0)).collect(),
        }
    }

    fn truth(&self, a: usize, b: usize) -> f64 {
        let ocean = if a % 3 == b % 3 {
            0.0
        } else {
            15.0 * (a % 3 + b % 3) as f64
        };
        let light = least_ms(self.places[a].position.distance_km(self.places[b].position));
        light * 1.2 + ocean + self.heights[a] + self.heights[b]
    }

    fn pairs(&self, sites: std::ops::Range<usize>) -> Vec<Measured> {
        let pair = |a, b| Measured {
            a,
            b,
            rtt_ms: self.truth(a, b),
        };
        sites
            .clone()
            .flat_map(|b| (sites.start..b).map(move |a| pair(a, b)))
            .collect()
    }

    /// Absolute errors over all pairs with an end outside of `known`.
    fn errors(&self, predictor: &Predictor, known: usize) -> Vec<f64> {
        let points: Vec<Point> = (0..self.places.len()).map(|site| predictor.site(site)).collect();
        let mut errors = Vec::new();
        for b in known..points.len() {
            for a in 0..b {
                errors.push((predictor.between(&points[a], &points[b]).ms() - self.truth(a, b)).abs());
            }
        }
        errors
    }
}

fn median(values: Vec<f64>) -> f64 {
    curve::median(values)
}

#[test]
fn few_vantages_without_a_prior_beat_the_curve_alone() {
    let coasts = Coasts::new(40, 3);
    let pairs = coasts.pairs(0..12);
    let predictor = Predictor::fit(&coasts.places, &pairs, None).unwrap();
    let error = median(coasts.errors(&predictor, 12));
    let curve = curve::Curve::fit(
        pairs
            .iter()
            .map(|pair| {
                (
                    coasts.places[pair.a]
                        .position
                        .distance_km(coasts.places[pair.b].position),
                    pair.rtt_ms,
                )
            })
            .collect(),
    )
    .unwrap();
    let by_distance = coasts
        .pairs(0..40)
        .into_iter()
        .filter(|pair| pair.b >= 12)
        .map(|pair| {
            let km = coasts.places[pair.a]
                .position
                .distance_km(coasts.places[pair.b].position);
            (curve.at(km) - pair.rtt_ms).abs()
        });
    assert!(error < median(by_distance.collect()), "{error}");
}

#[test]
fn large_mesh_predicts_newcomers_and_single_pairs_sharpen_it() {
    let coasts = Coasts::new(90, 5);
    let predictor = Predictor::fit(&coasts.places, &coasts.pairs(0..75), None).unwrap();
    let before = median(coasts.errors(&predictor, 75));
    assert!(before < 5.0, "{before}");
    let eyes: Vec<Measured> = (75..90)
        .flat_map(|b| (0..10).map(move |a| (a * 7, b)))
        .map(|(a, b)| Measured {
            a,
            b,
            rtt_ms: coasts.truth(a, b),
        })
        .collect();
    let after = median(coasts.errors(&predictor.with_pairs(&eyes).unwrap(), 75));
    assert!(after < before * 0.8, "{after} after {before}");
}

#[test]
fn prior_of_other_sites_helps_those_with_few_vantages() {
    let (coasts, other) = (Coasts::new(40, 3), Coasts::new(60, 11));
    let pairs = coasts.pairs(0..4);
    let prior = Prior::new("other sites", other.places.clone(), other.pairs(0..60));
    let with = Predictor::fit(&coasts.places, &pairs, Some(&prior)).unwrap();
    let without = Predictor::fit(&coasts.places, &pairs, None).unwrap();
    let (with, without) = (
        median(coasts.errors(&with, 4)),
        median(coasts.errors(&without, 4)),
    );
    assert!(with < without, "{with} with, {without} without");
}

#[test]
fn prediction_is_never_faster_than_light_and_lies_in_its_interval() {
    let coasts = Coasts::new(40, 3);
    let predictor = Predictor::fit(&coasts.places, &coasts.pairs(0..12), None).unwrap();
    let points: Vec<Point> = (0..40).map(|site| predictor.site(site)).collect();
    for (a, x) in points.iter().enumerate() {
        for (b, y) in points.iter().enumerate().filter(|(b, _)| *b != a) {
            let predicted = predictor.between(x, y);
            let estimate = predicted.estimate().unwrap();
            let light = least_ms(coasts.places[a].position.distance_km(coasts.places[b].position));
            assert!(
                light <= estimate.low_ms && estimate.low_ms <= estimate.ms && estimate.ms <= estimate.high_ms
            );
            let back = predictor.between(y, x).ms();
            assert!((back - predicted.ms()).abs() < 1e-9, "both ways the same");
        }
    }
}

#[test]
fn eight_vantages_have_a_guess_and_no_interval() {
    let coasts = Coasts::new(12, 3);
    let predictor = Predictor::fit(&coasts.places, &coasts.pairs(0..8), None).unwrap();
    let predicted = predictor.between(&predictor.site(0), &predictor.site(9));
    let Predicted::Unknown { reason, guess_ms } = predicted else {
        panic!("{predicted:?}");
    };
    assert_eq!(reason, Reason::TooFewGroups { groups: 8 });
    assert!(guess_ms > 0.0);
}

#[test]
fn place_out_of_reach_is_unknown() {
    let coasts = Coasts::new(12, 3);
    let predictor = Predictor::fit(&coasts.places, &coasts.pairs(0..12), None).unwrap();
    let sydney = Place {
        position: Position::new(-33.9, 151.2).unwrap(),
        network: None,
    };
    let predicted = predictor.between(&predictor.site(0), &predictor.at(&sydney));
    let Predicted::Unknown {
        reason: Reason::TooFar { km },
        ..
    } = predicted
    else {
        panic!("{predicted:?}");
    };
    assert!(km > REACH_KM);
}

#[test]
fn nothing_measured_and_no_prior_is_an_error_and_a_prior_alone_is_none() {
    let coasts = Coasts::new(60, 3);
    assert!(matches!(
        Predictor::fit(&coasts.places, &[], None),
        Err(PredictError::Nothing)
    ));
    let prior = Prior::new("all of it", coasts.places.clone(), coasts.pairs(0..60));
    let predictor = Predictor::fit(&[], &[], Some(&prior)).unwrap();
    let (x, y) = (predictor.at(&coasts.places[0]), predictor.at(&coasts.places[1]));
    assert_eq!(predictor.between(&x, &y).estimate().unwrap().basis, Basis::Prior);
}

#[test]
fn missing_pairs_of_a_mesh_change_little() {
    let coasts = Coasts::new(90, 5);
    let whole = coasts.pairs(0..75);
    let holes: Vec<Measured> = whole
        .iter()
        .copied()
        .filter(|pair| (pair.a * 31 + pair.b * 17) % 7 != 0)
        .collect();
    let of = |pairs: &[Measured]| Predictor::fit(&coasts.places, pairs, None).unwrap();
    let (whole, holes) = (of(&whole), of(&holes));
    let (whole, holes) = (
        median(coasts.errors(&whole, 75)),
        median(coasts.errors(&holes, 75)),
    );
    assert!(holes < whole * 1.3 + 0.5, "{holes} with holes, {whole} without");
}

#[test]
fn one_sick_pair_bends_nothing_else() {
    let coasts = Coasts::new(90, 5);
    let mut pairs = coasts.pairs(0..75);
    let of = |pairs: &[Measured]| Predictor::fit(&coasts.places, pairs, None).unwrap();
    let sound = of(&pairs);
    pairs[500].rtt_ms += 2000.0;
    let sick = of(&pairs);
    let (sound, sick) = (
        median(coasts.errors(&sound, 75)),
        median(coasts.errors(&sick, 75)),
    );
    assert!(sick < sound + 1.0, "{sick} with a sick pair, {sound} without");
}

/// The short way says what the long way says, with and without a prior.
#[test]
fn many_at_once_say_what_each_says_alone() {
    let coasts = Coasts::new(14, 3);
    for prior in [None, Some(Prior::embedded())] {
        let predictor = Predictor::fit(&coasts.places, &coasts.pairs(0..14), prior).unwrap();
        let strangers: Vec<Place> = [(48.9, 2.4), (-33.9, 151.2), (1.3, 103.8), (-80.0, 0.0)]
            .map(|(latitude, longitude)| Place {
                position: Position::new(latitude, longitude).unwrap(),
                network: None,
            })
            .to_vec();
        let origins = predictor.origins(&strangers);
        for node in 0..coasts.places.len() {
            let node = predictor.site(node);
            for (at, stranger) in strangers.iter().enumerate() {
                let alone = predictor.between(&predictor.at(stranger), &node);
                let together = predictor.from_origin(&origins, at, &node);
                assert!(
                    (alone.ms() - together.ms()).abs() < 1e-7,
                    "{alone:?} {together:?}"
                );
                match (alone.estimate(), together.estimate()) {
                    (Some(alone), Some(together)) => {
                        assert!((alone.high_ms - together.high_ms).abs() < 1e-7);
                        assert!((alone.low_ms - together.low_ms).abs() < 1e-7);
                    }
                    (alone, together) => assert_eq!(alone, together),
                }
            }
        }
    }
}

/// Two neighbours err alike, two far places do not, and each errs by 1 in the usual deviation.
#[test]
fn draws_of_neighbours_go_together() {
    let coasts = Coasts::new(12, 5);
    let predictor = Predictor::fit(&coasts.places, &coasts.pairs(0..12), Some(Prior::embedded())).unwrap();
    let place = |latitude, longitude| Place {
        position: Position::new(latitude, longitude).unwrap(),
        network: None,
    };
    let places = [place(9.0, 7.4), place(9.1, 7.5), place(35.7, 139.7)];
    let nodes = [place(45.0, 0.0), place(-20.0, -45.0)];
    let points = nodes.map(|node| predictor.at(&node));
    let draws = Draws::new(&Together::new(
        &predictor.origins(&places),
        &predictor.origins(&nodes),
        &points.each_ref(),
    ));
    let mut all = vec![[0.0_f64; 3]; 2000];
    draws.run(2000, &mut StdRng::seed_from_u64(1), |draw, place, z| {
        assert_eq!((z.alike.len(), z.own.len()), (2, 2));
        all[draw][place] = f64::from(z.alike[0]);
    });
    let product = |a: usize, b: usize| all.iter().map(|z| z[a] * z[b]).sum::<f64>() / 2000.0;
    for at in 0..3 {
        assert!((product(at, at) - 1.0).abs() < 0.15, "{}", product(at, at));
    }
    assert!(product(0, 1) > 0.4, "{}", product(0, 1));
    assert!(
        product(0, 1) > product(0, 2) + 0.2,
        "{} {}",
        product(0, 1),
        product(0, 2)
    );
}

/// The level of all times is one error that everybody shares: the fewer sites tell it, the larger.
#[test]
fn fewer_sites_leave_the_level_of_all_times_less_sure() {
    let coasts = Coasts::new(60, 5);
    let shared = |sites: usize, prior: Option<&Prior>| {
        let predictor = Predictor::fit(&coasts.places, &coasts.pairs(0..sites), prior).unwrap();
        predictor.level
    };
    let (few, many) = (shared(10, None), shared(50, None));
    assert!(few > 0.0 && many < few, "{few} {many}");
    let told = shared(10, Some(Prior::embedded()));
    assert!(told > 0.0, "{told}");
    let predictor = Predictor::fit(&coasts.places, &coasts.pairs(0..10), None).unwrap();
    assert!(predictor.shared(200.0, 10.0) > predictor.shared(20.0, 10.0));
    assert!(predictor.shared(1e6, 1.0) <= 1.0);
}

#[test]
fn short_way_says_nothing_of_how_fast_long_ones_are() {
    let places = ["Lima, PE", "Lima, PE", "Berlin, DE"].map(|city| Place {
        position: crate::cities::find(city).unwrap().position,
        network: None,
    });
    let prior = Some(Prior::embedded());
    let predicted = |pairs: &[Measured]| {
        let predictor = Predictor::fit(&places, pairs, prior).unwrap();
        predictor.between(&predictor.site(0), &predictor.site(2)).ms()
    };
    let beside = Measured {
        a: 0,
        b: 1,
        rtt_ms: 1.0,
    };
    let (with, without) = (predicted(&[beside]), predicted(&[]));
    assert!((with / without - 1.0).abs() < 0.1, "{with} {without}");
}

/// One pair of a newcomer, measured 100 ms above what is predicted: the more it is doubted, the less of it is believed.
#[test]
fn doubted_pair_is_believed_less_and_own_one_in_its_place_alone() {
    let coasts = Coasts::new(40, 3);
    let own = coasts.pairs(0..12);
    let far = |b: usize| Measured {
        a: 0,
        b,
        rtt_ms: coasts.truth(0, b) + 100.0,
    };
    let ms = |own: &[Measured], doubted: &[(Measured, f64)]| {
        let predictor = Predictor::fit_with(&coasts.places, own, doubted, None).unwrap();
        predictor.between(&predictor.site(0), &predictor.site(30)).ms()
    };
    let (without, new) = (ms(&own, &[]), ms(&own, &[(far(30), 0.0)]));
    let (old, oldest) = (ms(&own, &[(far(30), 1.0)]), ms(&own, &[(far(30), 4.0)]));
    assert!(
        new > old && old > oldest && oldest > without,
        "{new} {old} {oldest} {without}"
    );
    assert_eq!(ms(&own, &[(far(5), 0.0)]), without, "it was measured by our own");
}
