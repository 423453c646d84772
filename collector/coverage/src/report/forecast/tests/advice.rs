//! What advice rests on, and what it does not depend on.

use super::*;

/// A node in Lima that was measured from New York alone, beside a vantage of the same worker; vantages know each other.
/// All
/// times are so many times as long as usual.
fn lima(slower: f64) -> (Observations, f64) {
    let places = [
        ("lima", "Lima, PE"),
        ("berlin", "Berlin, DE"),
        ("newyork", "New York, US"),
        ("tokyo", "Tokyo, JP"),
        ("sydney", "Sydney, AU"),
        ("mumbai", "Mumbai, IN"),
    ];
    let mut vantages: Vec<Vantage> = places.iter().map(|(name, place)| vantage(name, place)).collect();
    vantages[0].worker = Some("ada".to_owned());
    let edge = Node {
        worker: Some("ada".to_owned()),
        ..node("edge", "Lima, PE")
    };
    let place = |vantage: &Vantage| Place {
        position: vantage.position,
        network: None,
    };
    let usual: Vec<Place> = vantages.iter().map(place).collect();
    let usual = Predictor::fit(&usual, &[], Some(Prior::embedded())).unwrap();
    let time = |a: usize, b: usize| {
        let usual = usual.between(&usual.site(a), &usual.site(b)).ms();
        slower * usual
    };
    let mut echoes = Vec::new();
    for day in 0..8 {
        for b in 0..vantages.len() {
            for a in 0..b {
                let mut times = LogHistogram::new();
                assert!(times.record_us(time(a, b) * 1e3));
                let day = Day(day);
                echoes.push(Echo { a, b, day, times });
            }
        }
    }
    let (truth, from_new_york) = (time(0, 1), time(0, 2));
    let days = daily(vec![edge], vantages, 8, &[(2, 0, &[from_new_york])], |_, _, _| {
        0.0
    });
    (Observations { echoes, ..days }, truth)
}

#[test]
fn echoes_to_a_vantage_beside_its_node_tell_of_the_node() {
    let (with, truth) = lima(1.6);
    let without = Observations {
        echoes: Vec::new(),
        ..with.clone()
    };
    let options = few(Options::new(Weights::people()));
    let told = |observations: &Observations| {
        let report = built(observations, &options);
        let Forecast::Made(method) = &report.forecast else {
            panic!("{:?}", report.forecast);
        };
        let germany = region(&report, "DE").predicted.clone().unwrap();
        ((germany.ms - truth).abs(), method.own_pairs)
    };
    let ((wrong_with, pairs_with), (wrong, pairs)) = (told(&with), told(&without));
    assert_eq!(
        (pairs_with, pairs),
        (15, 1),
        "a pair that an echo and a check measured is one"
    );
    assert!(wrong_with < wrong / 2.0, "{wrong_with} {wrong}");
}

#[test]
fn city_of_a_vantage_without_a_node_is_where_a_further_one_might_stand() {
    let (observations, _) = lima(1.0);
    let options = Options {
        count: Some(crate::count::Thresholds::default()),
        ..few(Options::new(Weights::people()))
    };
    let count = built(&observations, &options).count.unwrap();
    let next = count.next.unwrap();
    let sites = std::iter::once(&next.best).chain(&next.runners_up);
    let sites: Vec<&str> = sites.filter_map(|one| one.site.as_deref()).collect();
    assert!(!sites.is_empty() && !sites.contains(&"lima"), "{sites:?}");
}

#[test]
fn advice_and_shares_are_the_same_whatever_regions_figures_are_given_by() {
    let asked = |subdivisions| {
        let options = Options {
            subdivisions,
            count: Some(crate::count::Thresholds::default()),
            ..few(Options::new(Weights::people()))
        };
        built(&small_world(), &options)
    };
    let (countries, subdivisions) = (asked(false), asked(true));
    let class = |report: &CoverageReport| {
        let class = &report.classes[0];
        format!("{:?} {:?}", class.predicted, class.depth)
    };
    assert!(class(&countries) == class(&subdivisions));
    let count = |report: &CoverageReport| format!("{:?}", report.count);
    assert!(count(&countries) == count(&subdivisions));
    let of = |report: &CoverageReport| -> Vec<f64> {
        let regions = report.classes[0].continents.iter();
        regions
            .filter_map(|region| Some(region.predicted.as_ref()?.interval.low))
            .collect()
    };
    for (one, other) in of(&countries).iter().zip(of(&subdivisions)) {
        assert!(
            (one / other - 1.0).abs() < 1e-9,
            "sums alone differ by a rounding"
        );
    }
    assert!(!subdivisions.classes[0].subdivisions.is_empty());
}

#[test]
fn advice_is_the_same_whatever_stands_beside() {
    let asked = |beside| {
        let options = Options {
            beside,
            count: Some(crate::count::Thresholds::default()),
            ..few(Options::new(Weights::people()))
        };
        format!("{:?}", built(&small_world(), &options).count)
    };
    assert!(asked(Vec::new()) == asked(vec![Weights::sites()]));
}
