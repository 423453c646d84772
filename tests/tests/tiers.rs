//! Reports that are read from sums of hours and days say what a naive count over every measurement says.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use isochrone_coverage::observations::{Readings, Source};
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{ConnectResult, Outcome};
use isochrone_proto::units::UnixMillis;
use isochrone_report::log::Window;
use isochrone_report::{coverage, nodes};
use isochrone_store::ScanRange;
use isochrone_tests::figures::report::sealed_mesh;

const DAY_MS: u64 = 86_400_000;

/// Times, sorted, and losses, by vantage, node and day.
type Naive = BTreeMap<(String, String, u64), (Vec<u32>, u64)>;

#[test]
fn reports_from_sums_say_what_every_measurement_says() {
    let (filled, roster, now) = sealed_mesh(4, (3, 3)).unwrap();
    let store = &filled.store;
    let window = Window {
        from: UnixMillis(now.0 - 3 * DAY_MS - 12_345_678),
        until: now,
    };
    let mut naive = Naive::new();
    let mut runs: BTreeMap<(String, u64), u64> = BTreeMap::new();
    store
        .scan(ScanRange::slots(window.from, window.until), |stored| {
            for run in stored.batch.measurements() {
                let (check, target) = stored.plan.target_of(run.check).unwrap();
                if run.slot < window.from || run.slot >= window.until {
                    continue;
                }
                assert_eq!(check.kind.check, Check::Connect);
                let day = run.slot.0 / DAY_MS;
                *runs.entry((target.name.clone(), day)).or_default() += 1;
                let of = naive
                    .entry((stored.plan.probe_name.clone(), target.name.clone(), day))
                    .or_default();
                match &run.outcome {
                    Outcome::Connect(of_run) => match &of_run.result {
                        ConnectResult::Connected(phases) => of.0.push(phases.connect.get()),
                        _ => of.1 += 1,
                    },
                    other => panic!("{other:?}"),
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();

    let seen = coverage::from_store(store, &roster, window, Source::Store, &mut |_| {}).unwrap();
    let Readings::Days(days) = &seen.readings else {
        panic!("{:?}", seen.readings)
    };
    assert_eq!(days.len(), naive.len());
    for day in days {
        let (vantage, node) = (&seen.vantages[day.vantage].name, &seen.nodes[day.node].name);
        let key = (vantage.clone(), node.clone(), day.day.0 as u64);
        let (mut times, lost) = naive.remove(&key).unwrap();
        times.sort_unstable();
        assert_eq!(
            (day.rtt.times.count(), day.rtt.lost),
            (times.len() as u64, lost),
            "{key:?}"
        );
        for q in [0.0, 0.5, 0.9, 1.0] {
            let rank = ((q * times.len() as f64).ceil() as usize).clamp(1, times.len());
            let (got, exact) = (day.rtt.times.quantile_us(q).unwrap(), f64::from(times[rank - 1]));
            assert!(
                (got - exact).abs() <= exact * 0.0056 + 1.0,
                "{key:?} {q}: {got} {exact}"
            );
        }
    }

    let report = nodes::from_store(store, &roster, window, &mut |_| {}).unwrap();
    let tiers: Vec<_> = report.tiers.iter().map(|span| span.tier.word()).collect();
    assert_eq!(tiers, ["raw", "hour", "raw"]);
    for node in &report.nodes {
        for (place, day) in node.days.iter().enumerate() {
            let number = window.from.0 / DAY_MS + place as u64;
            let expected = runs.get(&(node.node.clone(), number)).copied();
            assert_eq!(
                day.checks,
                expected.unwrap_or_default(),
                "{} {}",
                node.node,
                day.day
            );
        }
    }
}
