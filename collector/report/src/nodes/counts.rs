//! What was counted of a node in a part of the window: a UTC day, or a slice of a chart.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::kinds::{Ended, EndpointRun, Finding};
use isochrone_base::servers::Servers;
use isochrone_base::words;
use isochrone_coverage::histogram::LogHistogram;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::Check;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Rollup, Timing};
use isochrone_watch::incident::IncidentCheck;
use isochrone_watch::judge::Word;

use super::values::{DayReport, Slice, Ttfb, Whole};
use crate::log::{DAY_MS, Window};
use crate::outages::Weight;
use crate::tiers::{HOUR_MS, finding, is_comparable};

/// More slices than this cannot be told apart on a page.
const SLICES: u64 = 400;

/// A part of the window, by its number since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Day(u64),
    Slice(u64),
}

/// Checks of a node in a part of the window, by vantages that count.
#[derive(Debug, Default)]
pub(super) struct Counts {
    checks: u64,
    good: BTreeMap<IncidentCheck, u64>,
    failed: BTreeMap<IncidentCheck, u64>,
    absent: u64,
    unjudged: u64,
    unheard: u64,
    vantages: BTreeSet<ProbeId>,
    ttfb: LogHistogram,
    status_ttfb: LogHistogram,
}

/// How long a slice of a window is: as many hours as keep the slices few, and days from then on.
pub(super) fn slice_ms(window: Window) -> u64 {
    let span_ms = window.until.0 - window.from.0;
    let fits = |step: &u64| span_ms <= SLICES * step;
    let hours = [1, 2, 3, 4, 6, 8, 12, 24].map(|hours| hours * HOUR_MS);
    let days = || span_ms.div_ceil(SLICES * DAY_MS) * DAY_MS;
    hours.into_iter().find(fits).unwrap_or_else(days)
}

impl Counts {
    /// Counts a check; whether a failure is judged is known only once everything was read.
    pub(super) fn add(&mut self, probe: ProbeId, check: Check, (run, word): (&EndpointRun<'_>, Word)) {
        self.checks += 1;
        self.vantages.insert(probe);
        match word {
            Word::Green | Word::Slow => self.add_good(check, run),
            Word::Red { .. } | Word::Source { .. } => {}
            Word::Absent => self.absent += 1,
            Word::Forbidden | Word::Nothing => self.unjudged += 1,
        }
    }

    /// Counts what the checks of an hour or a day add up to, likewise.
    pub(super) fn add_sums(&mut self, rollup: &Rollup) {
        let (check, sums) = (rollup.kind.check, &rollup.sums);
        self.checks += sums.run;
        self.vantages.insert(rollup.probe);
        if let Some(check) = IncidentCheck::of(check) {
            *self.good.entry(check).or_default() += sums.ok;
        }
        match check {
            Check::Status => self.status_ttfb.merge(sums.times(Timing::FirstByte)),
            _ if is_comparable(rollup) => self.ttfb.merge(sums.times(Timing::FirstByte)),
            _ => {}
        }
        for (&loss, &count) in &sums.losses {
            match finding(loss) {
                Finding::Absent => self.absent += count,
                Finding::Nothing => self.unjudged += count,
                Finding::Good | Finding::Bad => {}
            }
        }
    }

    /// Probes of one server are one vantage.
    pub(super) fn join(&mut self, servers: &Servers) {
        let of_probes = std::mem::take(&mut self.vantages).into_iter();
        self.vantages = of_probes.map(|probe| servers.of(probe)).collect();
    }

    fn add_good(&mut self, check: Check, run: &EndpointRun<'_>) {
        if let Some(check) = IncidentCheck::of(check) {
            *self.good.entry(check).or_default() += 1;
        }
        let of = match check {
            Check::Status => &mut self.status_ttfb,
            _ => &mut self.ttfb,
        };
        if let Ended::Ok {
            ttfb_us: Some(us), ..
        } = run.ended
        {
            let _is_a_time = of.record_us(us as f64);
        }
    }

    /// So many failures weigh so much.
    pub(super) fn add_failures(&mut self, weight: Weight, failures: u64) {
        match weight {
            Weight::Counts(check) => *self.failed.entry(check).or_default() += failures,
            Weight::Unproven => self.unjudged += failures,
            Weight::Unheard => self.unheard += failures,
            Weight::Nothing => {}
        }
    }

    /// So many answers came from a vantage that might not judge: what it says for the node counts as little as what it
    /// says against it.
    pub(super) fn take_back(&mut self, check: Check, answers: u64) {
        let Some(good) = IncidentCheck::of(check).and_then(|check| self.good.get_mut(&check)) else {
            return;
        };
        let taken = answers.min(*good);
        *good -= taken;
        self.unheard += taken;
    }

    /// The share that succeeded, and of how many.
    fn share(&self, check: IncidentCheck) -> (Option<f64>, u64) {
        let of = |counts: &BTreeMap<IncidentCheck, u64>| counts.get(&check).copied().unwrap_or(0);
        let (good, checks) = (of(&self.good), of(&self.good) + of(&self.failed));
        ((checks > 0).then(|| good as f64 / checks as f64), checks)
    }

    fn good(&self) -> u64 {
        self.good.values().sum()
    }

    fn judged(&self) -> u64 {
        self.good() + self.failed.values().sum::<u64>()
    }
}

/// One day; `None`: nothing was checked.
pub(super) fn day_report(number: u64, counts: Option<&Counts>) -> DayReport {
    let day = words::date(UnixMillis(number * DAY_MS));
    let Some(counts) = counts else {
        return DayReport {
            day,
            ..DayReport::default()
        };
    };
    let (status_ok, status_checks) = counts.share(IncidentCheck::Status);
    let (asset_ok, asset_checks) = counts.share(IncidentCheck::Asset);
    let (http_ok, http_checks) = counts.share(IncidentCheck::Http);
    let (connect_ok, connect_checks) = counts.share(IncidentCheck::Connect);
    let (ttfb, status_ttfb) = (ttfb(&counts.ttfb), ttfb(&counts.status_ttfb));
    DayReport {
        day,
        checks: counts.checks,
        status_ok,
        asset_ok,
        http_ok,
        connect_ok,
        ttfb_p50_ms: ttfb.map(|ttfb| ttfb.p50_ms),
        ttfb_p90_ms: ttfb.map(|ttfb| ttfb.p90_ms),
        ttfb_samples: counts.ttfb.count(),
        status_ttfb_p50_ms: status_ttfb.map(|ttfb| ttfb.p50_ms),
        status_ttfb_p90_ms: status_ttfb.map(|ttfb| ttfb.p90_ms),
        status_ttfb_samples: counts.status_ttfb.count(),
        status_checks,
        asset_checks,
        http_checks,
        connect_checks,
        absent: counts.absent,
        unjudged: counts.unjudged,
        unheard: counts.unheard,
        vantages: counts.vantages.len() as u64,
    }
}

/// One slice that lasts `ms`.
pub(super) fn slice(number: u64, ms: u64, window: Window, counts: Option<&Counts>) -> Slice {
    Slice {
        from: UnixMillis(number * ms).max(window.from),
        until: UnixMillis((number + 1) * ms).min(window.until),
        good: counts.map_or(0, Counts::good),
        judged: counts.map_or(0, Counts::judged),
        ttfb: counts.and_then(|counts| ttfb(&counts.ttfb)),
        status_ttfb: counts.and_then(|counts| ttfb(&counts.status_ttfb)),
    }
}

/// The sum of all days.
pub(super) fn whole<'a>(days: impl IntoIterator<Item = &'a Counts>) -> Whole {
    let (mut whole, mut times, mut status_times) =
        (Whole::default(), LogHistogram::new(), LogHistogram::new());
    for day in days {
        whole.good += day.good();
        whole.judged += day.judged();
        whole.absent += day.absent;
        whole.unjudged += day.unjudged;
        whole.unheard += day.unheard;
        times.merge(&day.ttfb);
        status_times.merge(&day.status_ttfb);
    }
    Whole {
        ttfb: ttfb(&times),
        status_ttfb: ttfb(&status_times),
        ..whole
    }
}

fn ttfb(times: &LogHistogram) -> Option<Ttfb> {
    let ms = |q| times.quantile_us(q).map(|us| us / 1_000.0);
    Some(Ttfb {
        p50_ms: ms(0.5)?,
        p90_ms: ms(0.9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_hours_in_a_fortnight_and_never_too_many() {
        let of_days = |days: u64| Window {
            from: UnixMillis(0),
            until: UnixMillis(days * DAY_MS),
        };
        for (days, hours) in [(1, 1), (15, 1), (31, 2), (90, 6), (400, 24), (1_000, 72)] {
            let ms = slice_ms(of_days(days));
            assert_eq!(ms, hours * HOUR_MS, "{days} days");
            assert!(days * DAY_MS / ms <= SLICES);
        }
    }
}
