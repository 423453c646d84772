//! Reports that are read from sums of hours and days say what a naive count over every measurement says, whatever of these
//! is gone, came late, is damaged, or was dated by a clock that was off.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use isochrone_base::kinds::{Ended, EndpointRun, Finding};
use isochrone_coverage::observations::{Observations, Readings, Source};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::Check;
use isochrone_proto::measurement::{ConnectResult, Outcome, Phase};
use isochrone_proto::units::UnixMillis;
use isochrone_report::log::Window;
use isochrone_report::{coverage, nodes, show};
use isochrone_store::{Records, ScanRange, SegmentFile, Stored, Tier};
use isochrone_tests::figures::report::{PatchyMesh, sealed_mesh};
use isochrone_watch::clocks::Clocks;
use serde_json::{Value, json};

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

    let seen = coverage::from_store(store, &roster, window, Source::Store, &mut |_| {})
        .unwrap()
        .observations;
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

const HOUR_MS: u64 = 3_600_000;
/// Measurements are kept for so long.
const RAW_DAYS: u64 = 30;
/// Of the patchy mesh.
const DAYS: u64 = 3;
const AWAY: &str = "london";
const OFF: (ProbeId, &str) = (ProbeId(2), "paris");

/// A mesh, what it measured in `window`, one by one, and what became of it since.
struct Past {
    mesh: PatchyMesh,
    window: Window,
    naive: Naive,
    /// Runs of any kind, by node and day.
    runs: BTreeMap<(String, u64), u64>,
}

impl Past {
    fn new() -> Self {
        let mesh = PatchyMesh::new(DAYS, (3, 2)).unwrap();
        let window = Window {
            from: mesh.start,
            until: mesh.now,
        };
        let mut past = Self {
            mesh,
            window,
            naive: Naive::new(),
            runs: BTreeMap::new(),
        };
        past.count(ScanRange::default());
        past
    }

    /// Measurements before an instant are removed.
    fn remove_before(&self, at: u64) {
        let now = UnixMillis(at + RAW_DAYS * DAY_MS);
        while self.mesh.filled.store.retain(now).unwrap().is_some() {}
        let whole_from = self.mesh.filled.store.whole_from(Tier::Raw).unwrap().0;
        assert!(whole_from < at && whole_from + 6 * HOUR_MS > at, "{whole_from}");
    }

    /// The probe that was away is back.
    fn bring_late(&mut self) {
        let before = self.mesh.filled.store.commit_number().unwrap();
        self.mesh.bring_late().unwrap();
        self.count(ScanRange {
            after_commit: before,
            ..ScanRange::default()
        });
    }

    /// A probe's clock was ahead all the while.
    fn set_ahead(&self, ms: i64) {
        let offsets: Records<Value> = Records::new(self.mesh.filled.store.clone(), "clock_offsets");
        let offset = json!([{ "since": self.mesh.start.0, "ms": ms }]);
        offsets.put(&OFF.0.to_string(), &offset).unwrap();
        let off = Clocks::read(&self.mesh.filled.store).unwrap();
        assert_eq!(off.off((self.window.from, self.window.until)), [OFF.0]);
    }

    fn count(&mut self, range: ScanRange) {
        let store = self.mesh.filled.store.clone();
        store
            .scan(range, |stored| {
                self.add(&stored);
                ControlFlow::Continue(())
            })
            .unwrap();
    }

    fn add(&mut self, stored: &Stored) {
        for run in stored.batch.measurements() {
            let (check, target) = stored.plan.target_of(run.check).unwrap();
            if run.slot < self.window.from || run.slot >= self.window.until {
                continue;
            }
            let day = run.slot.0 / DAY_MS;
            *self.runs.entry((target.name.clone(), day)).or_default() += 1;
            let key = (stored.plan.probe_name.clone(), target.name.clone(), day);
            let of = self.naive.entry(key).or_default();
            let run = EndpointRun::of(check.kind.check, &run.outcome).unwrap();
            match run.ended {
                Ended::Ok { connect, .. } => of.0.push(connect.get()),
                Ended::Failed { phase, .. } => {
                    of.1 += u64::from(run.finding() == Finding::Bad && phase == Phase::Connect);
                }
                Ended::Unsent(_) => {}
            }
        }
    }

    /// Compares coverage with it; of a probe whose clock was off a few runs may be of the day beside.
    fn check_coverage(&self, what: &str) {
        let (store, roster) = (&self.mesh.filled.store, &self.mesh.roster);
        let seen = coverage::from_store(store, roster, self.window, Source::Store, &mut |_| {})
            .unwrap()
            .observations;
        self.compare(&seen, what);
    }

    /// Likewise what is said of nodes, for which the past is judged as well.
    fn check_nodes(&self, what: &str) {
        let (store, roster) = (&self.mesh.filled.store, &self.mesh.roster);
        let report = nodes::from_store(store, roster, self.window, &mut |_| {}).unwrap();
        for node in &report.nodes {
            for (place, day) in node.days.iter().enumerate() {
                let key = (node.node.clone(), self.window.from.0 / DAY_MS + place as u64);
                let naive = self.runs.get(&key).copied().unwrap_or_default();
                assert!(
                    day.checks.abs_diff(naive) <= 4,
                    "{what}: {key:?} {} of {naive}",
                    day.checks
                );
            }
        }
        let (node, roster) = (&report.nodes[0].node, &self.mesh.roster);
        let shown = show::from_store(store, roster, node, self.window, &mut |_| {});
        let shown = serde_json::to_value(shown.unwrap().unwrap()).unwrap();
        let checks = |seen: &Value| {
            let words = ["ok", "failed", "absent", "unsent"].iter();
            words.map(|word| seen[word].as_u64().unwrap()).sum::<u64>()
        };
        let checks: u64 = shown["seen"].as_array().unwrap().iter().map(checks).sum();
        let naive = self.runs.iter().filter(|((of, _), _)| of == node);
        let naive: u64 = naive.map(|(_, runs)| runs).sum();
        assert!(checks.abs_diff(naive) <= 4, "{what}: {node} {checks} of {naive}");
    }

    fn compare(&self, seen: &Observations, what: &str) {
        let Readings::Days(days) = &seen.readings else {
            panic!("{:?}", seen.readings)
        };
        assert_eq!(days.len(), self.naive.len(), "{what}");
        for day in days {
            let (vantage, node) = (&seen.vantages[day.vantage].name, &seen.nodes[day.node].name);
            let key = (vantage.clone(), node.clone(), day.day.0 as u64);
            let (times, lost) = &self.naive[&key];
            let mut times = times.clone();
            times.sort_unstable();
            let (of_count, of_lost) = (day.rtt.times.count(), day.rtt.lost);
            let few = if vantage == OFF.1 { 2 } else { 0 };
            assert!(
                of_count.abs_diff(times.len() as u64) <= few && of_lost.abs_diff(*lost) <= few,
                "{what}: {key:?} {of_count} and {of_lost} of {} and {lost}",
                times.len()
            );
            let (got, exact) = (
                day.rtt.times.quantile_us(0.5).unwrap(),
                f64::from(times[(times.len() - 1) / 2]),
            );
            assert!(
                (got - exact).abs() <= exact * 0.01 + 1.0,
                "{what}: {key:?} {got} {exact}"
            );
        }
    }
}

#[test]
fn clock_that_was_off_counts_no_measurement_twice_whatever_is_kept() {
    let mut past = Past::new();
    past.bring_late();
    for ms in [2_000, -2_000] {
        past.set_ahead(ms);
        past.check_coverage("everything is kept");
    }
    past.remove_before(past.mesh.start.0 + DAY_MS + 14 * HOUR_MS);
    for ms in [2_000, -2_000] {
        past.set_ahead(ms);
        past.check_coverage("measurements are removed up to the middle of a day");
    }
    past.check_nodes("measurements are removed up to the middle of a day");
}

#[test]
fn rows_that_come_late_hide_nothing_of_what_sums_hold() {
    let mut past = Past::new();
    past.remove_before(past.mesh.start.0 + 2 * DAY_MS);
    past.bring_late();
    assert!(
        past.naive
            .keys()
            .any(|(vantage, _, day)| vantage == AWAY && *day * DAY_MS == past.mesh.start.0)
    );
    past.check_coverage("late rows are in the log");
    let store = past.mesh.filled.store.clone();
    let later = UnixMillis(past.mesh.now.0 + DAY_MS);
    while store.seal(later).unwrap().is_some() {}
    past.check_coverage("late rows are sealed");
    past.check_nodes("late rows are sealed");
}

#[test]
fn damaged_day_whose_measurements_are_gone_is_read_from_its_hours() {
    let mut past = Past::new();
    past.bring_late();
    let store = past.mesh.filled.store.clone();
    while store
        .seal(UnixMillis(past.mesh.now.0 + DAY_MS))
        .unwrap()
        .is_some()
    {}
    past.remove_before(past.mesh.start.0 + 2 * DAY_MS);
    let first = UnixMillis(past.mesh.start.0 + DAY_MS);
    let of_day = |file: &SegmentFile| file.day == isochrone_base::words::date(first);
    let files: Vec<SegmentFile> = store.segment_files(Tier::Day).unwrap();
    for file in files.iter().filter(|file| of_day(file)) {
        let mut bytes = std::fs::read(&file.path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file.path, bytes).unwrap();
    }
    past.check_coverage("read from hours");
    while store.fold_rollups(past.mesh.now).unwrap().is_some() {}
    assert!(
        store
            .segment_files(Tier::Day)
            .unwrap()
            .iter()
            .filter(|file| of_day(file))
            .count()
            > 3
    );
    past.check_coverage("made again from hours");
}
