//! Questions over single runs: how long they take, and how long DuckDB takes over the same files.

mod duckdb;
pub(super) mod filled;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use isochrone_base::clock::unpaused;
use isochrone_base::roster::Roster;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{HourOfTarget, Runs, Series, Store};
use isochrone_watch::alert::Outbox;
use isochrone_watch::judge::Patience;
use isochrone_watch::live::Live;
use isochrone_watch::monitor::{Monitor, MonitorParts};

use self::duckdb::{Answer, DuckDb};
use super::{Bound, Figure, Measured};
use crate::statistics::median;

/// This module's figures.
pub const FIGURES: &[Figure] = &[
    Figure::slow(
        &[
            "query.hourly_percentiles_10m_s",
            "query.over_duckdb",
            "query.latest_ms",
        ],
        ten_million,
    ),
    Figure::slow(&["query.target_week_ms"], target_week),
    Figure::slow(
        &["query.hourly_percentiles_100m_s", "store.open_s_100m"],
        hundred_million,
    ),
];

/// Each question is asked so often.
const TIMES: usize = 5;

fn ten_million() -> Result<Vec<Measured>> {
    let filled = filled::echoes(2)?;
    let (store, rows) = (&filled.store, filled::echo_rows(2));
    let mut duckdb = DuckDb::start(store)?;
    let (_, answer) = hourly(store, rows)?; // both are warm then
    if let Some(duckdb) = &mut duckdb {
        let (_, other) = duckdb.ask()?;
        ensure!(answer == other, "DuckDB says {other:?}, and we {answer:?}");
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        ours.push(hourly(store, rows)?.0);
        if let Some(duckdb) = &mut duckdb {
            theirs.push(duckdb.ask()?.0);
        }
    }
    let how = format!(
        "hourly p50, p95 and p99 of every target and kind, {} hours, exact, from {rows} echoes in segments; median of {TIMES}, warm",
        answer.hours
    );
    let theirs_s = median(&theirs);
    let of_latest = latest(store, filled::end(filled.start, 2))?;
    Ok(vec![
        Measured {
            name: "query.hourly_percentiles_10m_s".into(),
            value: median(&ours),
            unit: "s",
            how: how.clone(),
            bound: Some(Bound::AtMost(0.4)),
        },
        Measured {
            name: "query.over_duckdb".into(),
            value: median(&ours) / theirs_s,
            unit: "of DuckDB's time",
            how: match duckdb {
                Some(_) => format!(
                    "{theirs_s:.3} s of DuckDB with its own threads, in turns over the same files, equal answers; {how}"
                ),
                None => format!("not taken: {} names no Python that has DuckDB", duckdb::PYTHON),
            },
            bound: Some(Bound::AtMost(1.0)),
        },
        of_latest,
    ])
}

fn hundred_million() -> Result<Vec<Measured>> {
    let mut filled = filled::echoes(filled::SLICES_100M)?;
    let rows = filled::echo_rows(filled::SLICES_100M);
    let mut opened = Vec::new();
    for _ in 0..TIMES {
        let (again, took) = filled.open_again()?;
        filled = again;
        opened.push(took.as_secs_f64());
    }
    let (first, _) = hourly(&filled.store, rows)?;
    let mut asked = Vec::new();
    for _ in 0..TIMES {
        asked.push(hourly(&filled.store, rows)?.0);
    }
    Ok(vec![
        Measured {
            name: "query.hourly_percentiles_100m_s".into(),
            value: median(&asked),
            unit: "s",
            how: format!(
                "as of 10 million, from {rows} echoes; median of {TIMES}, warm; the first question, which checks the files, took {first:.2} s"
            ),
            bound: Some(Bound::AtMost(4.0)),
        },
        Measured {
            name: "store.open_s_100m".into(),
            value: median(&opened),
            unit: "s",
            how: format!("{rows} echoes in segments, closed in order; median of {TIMES}"),
            bound: Some(Bound::AtMost(1.0)),
        },
    ])
}

/// Asks for the percentiles of everything; how long that took, in seconds, and what came of it.
fn hourly(store: &Store, rows: u64) -> Result<(f64, Answer)> {
    let began = unpaused();
    let mut hours: Vec<HourOfTarget> = Vec::new();
    store.hourly(&Runs::default(), |hour| hours.push(hour))?;
    let took = began.elapsed().as_secs_f64();
    let mut answer = Answer::default();
    for hour in &hours {
        answer.hours += 1;
        answer.runs += hour.runs;
        answer.answered += hour.answered;
        let percentiles = hour.percentiles.context("an hour without an answer")?;
        for (sum, us) in answer.percentiles_us.iter_mut().zip(percentiles) {
            *sum += u64::from(us.get());
        }
    }
    ensure!(answer.runs == rows, "{} of {rows} rows were counted", answer.runs);
    Ok((took, answer))
}

/// The newest run of every target in every kind of check, from live state.
fn latest(store: &Store, now: UnixMillis) -> Result<Measured> {
    let parts = MonitorParts {
        patience: Patience::default(),
        outbox: Outbox::open(store, vec![], now)?,
        collector: "figures".to_owned(),
        longest_interval: Duration::ZERO,
        roster: Roster::default(),
    };
    let monitor = Monitor::open(store, parts, now)?;
    let mut took = Vec::new();
    let mut targets = 0;
    for _ in 0..TIMES {
        let began = unpaused();
        targets = newest(monitor.live(), now);
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let vantages = monitor.live().vantages();
    let cells: usize = vantages.map(|(_, vantage)| vantage.cells().count()).sum();
    Ok(Measured {
        name: "query.latest_ms".into(),
        value: median(&took),
        unit: "ms",
        how: format!(
            "the newest slot of each of {targets} targets and kinds, what it says and whether it is fresh, from live state of {cells} cells; median of {TIMES}"
        ),
        bound: Some(Bound::AtMost(1.0)),
    })
}

fn newest(live: &Live, now: UnixMillis) -> usize {
    let mut newest = BTreeMap::new();
    for cell in live.vantages().flat_map(|(_, vantage)| vantage.cells()) {
        let said = (cell.newest(), cell.word(now), cell.is_fresh(now), cell.failures());
        let known = newest.entry((cell.target, cell.kind)).or_insert(said);
        if known.0 < said.0 {
            *known = said;
        }
    }
    newest.len()
}

fn target_week() -> Result<Vec<Measured>> {
    let filled = filled::week()?;
    let asked = Runs {
        target: Some(filled::NODE.id()),
        ..Runs::default()
    };
    let ask = || -> Result<(f64, usize)> {
        let began = unpaused();
        let mut series: Vec<Series> = Vec::new();
        filled.store.series(&asked, |one| series.push(one))?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        Ok((took, series.iter().map(|one| one.points.len()).sum()))
    };
    let (first, points) = ask()?;
    ensure!(points as u64 == filled::NODE.runs(), "{points} runs of the node");
    let mut took = Vec::new();
    for _ in 0..TIMES {
        took.push(ask()?.0);
    }
    Ok(vec![Measured {
        name: "query.target_week_ms".into(),
        value: median(&took),
        unit: "ms",
        how: format!(
            "all {points} runs against one of nine nodes in a week: slot, end, cause and time by probe and kind; ten probes, connect every 10 s, status, HEAD and GET within the nodes' budgets; median of {TIMES}, warm; the first took {first:.0} ms"
        ),
        bound: Some(Bound::AtMost(20.0)),
    }])
}
