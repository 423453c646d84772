//! Small worlds for tests.

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::cities;
use crate::histogram::LogHistogram;
use crate::observations::{
    AccessClass, Basis, Day, DayReading, Network, Node, Observations, Readings, Samples, SingleReading,
    Source, Statistic, Vantage, Window,
};
use crate::report::count::Thresholds;
use crate::report::{CoverageReport, Options, build};
use crate::weights::Weights;

/// A node in a city.
pub fn node(name: &str, place: &str) -> Node {
    let city = cities::find(place).expect(place);
    Node {
        name: name.to_owned(),
        site: place.to_owned(),
        position: Some(city.position),
        country: Some(city.country),
        worker: None,
    }
}

/// A vantage in a city.
pub fn vantage(name: &str, place: &str) -> Vantage {
    let city = cities::find(place).expect(place);
    Vantage {
        name: name.to_owned(),
        site: place.to_owned(),
        position: city.position,
        country: Some(city.country),
        network: None,
        access: AccessClass::DataCentre,
        worker: None,
        own_node: None,
    }
}

/// The same vantage in a network.
pub fn in_network(vantage: Vantage, number: u32) -> Vantage {
    Vantage {
        network: Some(Network(number)),
        ..vantage
    }
}

/// A vantage beside its own node, whose next node is 120 ms away, and another one that has none.
pub fn beside_its_node() -> Observations {
    let own = Vantage {
        own_node: Some("berlin".to_owned()),
        ..vantage("v-berlin", "Berlin, DE")
    };
    single(
        vec![node("berlin", "Berlin, DE"), node("tokyo", "Tokyo, JP")],
        vec![own, vantage("v-paris", "Paris, FR")],
        &[(0, 1, 120.0), (1, 0, 15.0)],
    )
}

/// One value for each (vantage, node).
pub fn single(nodes: Vec<Node>, vantages: Vec<Vantage>, times: &[(usize, usize, f64)]) -> Observations {
    let values = times.iter().map(|&(vantage, node, rtt_ms)| SingleReading {
        vantage,
        node,
        rtt_ms,
        reversed: false,
    });
    Observations {
        source: Source::Files,
        basis: Basis::File,
        window: None,
        nodes,
        vantages,
        readings: Readings::Single {
            statistic: Statistic::P50,
            values: values.collect(),
        },
        echoes: Vec::new(),
        eyes: Vec::new(),
        notes: Vec::new(),
    }
}

/// Histograms for each (vantage, node, times of one day in ms), the same on `days` days but for a shift:
/// day d adds `shift(vantage, node, d)` ms.
pub fn daily(
    nodes: Vec<Node>,
    vantages: Vec<Vantage>,
    days: i32,
    times: &[(usize, usize, &[f64])],
    shift: impl Fn(usize, usize, i32) -> f64,
) -> Observations {
    let mut readings = Vec::new();
    for &(vantage, node, ms) in times {
        for day in 0..days {
            let shifted: Vec<f64> = ms.iter().map(|ms| ms + shift(vantage, node, day)).collect();
            readings.push(DayReading {
                vantage,
                node,
                day: Day(day),
                rtt: samples(&shifted, 1),
                ttfb: None,
                throughput: Samples::default(),
            });
        }
    }
    let at = |day: i32| jiff::Timestamp::from_second(i64::from(day) * 86_400).unwrap();
    Observations {
        source: Source::Store,
        basis: Basis::Connect,
        window: Some(Window {
            from: at(0),
            to: at(days),
        }),
        nodes,
        vantages,
        readings: Readings::Days(readings),
        echoes: Vec::new(),
        eyes: Vec::new(),
        notes: Vec::new(),
    }
}

/// Times and how many were lost.
pub fn samples(ms: &[f64], lost: u64) -> Samples {
    let mut times = LogHistogram::new();
    ms.iter().for_each(|ms| assert!(times.record_us(ms * 1e3)));
    Samples { times, lost }
}

/// Its report as measured, by a fixed seed.
pub fn report(observations: &Observations, weights: Weights) -> CoverageReport {
    let options = Options {
        predict: false,
        ..Options::new(weights)
    };
    build(observations, &options, &mut StdRng::seed_from_u64(7)).unwrap()
}

/// Its report with predictions, and whether its nodes are too many or too few, by a fixed seed and few draws.
pub fn forecast(observations: &Observations, weights: Weights) -> CoverageReport {
    let options = Options {
        replicates: 40,
        count: Some(Thresholds::default()),
        ..Options::new(weights)
    };
    build(observations, &options, &mut StdRng::seed_from_u64(7)).unwrap()
}

/// Three vantages in two countries, one beside a node, measured for ten days; with a name that is not plain text.
pub fn small_world() -> Observations {
    let nodes = vec![
        node("berlin", "Berlin, DE"),
        node("paris", "Paris, FR"),
        node("<tokyo> & co", "Tokyo, JP"),
    ];
    let vantages = vec![
        in_network(vantage("ada", "Hamburg, DE"), 64500),
        in_network(vantage("bob", "Munich, DE"), 64501),
        in_network(
            Vantage {
                own_node: Some("paris".to_owned()),
                ..vantage("eve", "Paris, FR")
            },
            64500,
        ),
    ];
    let times: [(usize, usize, &[f64]); 9] = [
        (0, 0, &[6.0, 6.5, 7.0]),
        (0, 1, &[18.0, 18.5, 19.0]),
        (0, 2, &[230.0, 231.0, 240.0]),
        (1, 0, &[11.0, 11.5, 13.0]),
        (1, 1, &[16.0, 16.5, 17.0]),
        (1, 2, &[250.0, 251.0, 260.0]),
        (2, 0, &[17.0, 17.5, 18.0]),
        (2, 1, &[0.3, 0.4, 0.5]),
        (2, 2, &[220.0, 221.0, 222.0]),
    ];
    let mut world = daily(nodes, vantages, 10, &times, |_, _, day| f64::from(day % 3) * 0.2);
    if let Readings::Days(readings) = &mut world.readings {
        for reading in readings {
            reading.ttfb = Some((crate::observations::TtfbKind::Cached, samples(&[40.0, 45.0], 0)));
        }
    }
    world
}
