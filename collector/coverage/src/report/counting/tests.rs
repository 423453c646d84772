use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::country::Country;
use crate::fixture::{daily, node, single, small_world, vantage};
use crate::observations::Observations;
use crate::report::count::{Count, Doubt, NodeVerdict, Priced, Thresholds, Verdict};
use crate::report::{Options, counting};
use crate::weights::Weights;

fn options(predict: bool) -> Options {
    Options {
        predict,
        replicates: 40,
        ..Options::new(Weights::people())
    }
}

fn counted(observations: &Observations, options: &Options) -> Count {
    let mut random = StdRng::seed_from_u64(3);
    counting::count(observations, options, &Thresholds::default(), &mut random).unwrap()
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
    assert!(next.best.predicted && !next.calibrated);
    assert!(
        next.runners_up
            .iter()
            .all(|other| other.gain_ms <= next.best.gain_ms)
    );
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
fn node_that_another_stands_beside_may_go() {
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
    let (NodeVerdict::CannotTell { .. } | NodeVerdict::MayGo { .. }) = &one.verdict else {
        panic!("{one:?}");
    };
    let tokyo = &count.drop_one[0];
    assert_eq!(
        (tokyo.node.as_str(), &tokyo.verdict),
        ("tokyo", &NodeVerdict::Needed)
    );
    assert!(one.cost_ms < tokyo.cost_ms / 3.0, "{one:?} {tokyo:?}");
}
