//! The report's tables.

use isochrone_coverage::report::gaps::WantedEye;

use super::GapsReport;
use super::words::weight;
use crate::tables::{Cell, Column, Table};
use crate::words::{NONE, ms, ms_interval, percent};

/// Eyes, the first the most.
pub(super) fn eyes(report: &GapsReport) -> Table {
    let is_known = report.gaps.eyes.iter().any(|eye| !eye.networks.is_empty());
    let mut columns = vec![
        Column::figures("#"),
        Column::names("an eye in"),
        Column::figures(weight(report)),
        Column::names("decides between"),
        Column::names("time to").spare(),
        Column::figures("is now, ms"),
        Column::figures("takes off, ms"),
    ];
    if is_known {
        columns.push(Column::names("networks (probes)"));
    }
    let rows = report.gaps.eyes.iter().enumerate().map(|(at, eye)| -> Vec<Cell> {
        let mut row: Vec<Cell> = vec![
            (at + 1).to_string().into(),
            eye.place.clone().into(),
            percent(eye.share).into(),
            eye.between.join(" / ").into(),
            eye.between[eye.toward].clone().into(),
            ms_interval(Some(eye.now)).into(),
            ms(Some(eye.worth_ms)).into(),
        ];
        if is_known {
            row.push(networks(eye, ", ").into());
        }
        row
    });
    Table::new("Where an eye would tell most", columns).rows(rows)
}

/// `AS64500 (12), AS64501 (3)`
fn networks(eye: &WantedEye, between: &str) -> String {
    let named = eye.networks.iter();
    let named = named.map(|there| format!("AS{} ({})", there.network.0, there.vantages));
    named.collect::<Vec<_>>().join(between)
}

/// The cities that compete.
pub(super) fn contenders(report: &GapsReport) -> Table {
    let columns = [
        Column::names("city"),
        Column::figures("gain, ms"),
        Column::figures("give or take"),
        Column::names("candidate"),
        Column::figures("eyes"),
    ];
    let rows = report.gaps.contenders.iter().map(|city| -> Vec<Cell> {
        vec![
            city.place.clone().into(),
            format!("~{}", ms(Some(city.gain_ms))).into(),
            ms(Some(city.deviation_ms)).into(),
            city.candidate.clone().unwrap_or_else(|| NONE.to_owned()).into(),
            city.eyes.to_string().into(),
        ]
    });
    Table::new("Cities that may get the next node", columns).rows(rows)
}

/// A line for each; figures are not rounded.
pub(super) fn csv(report: &GapsReport) -> Table {
    let columns = [
        "part",
        "rank",
        "place",
        "latitude",
        "longitude",
        "country",
        "share",
        "ms",
        "deviation_ms",
        "best",
        "rival",
        "toward",
        "low_ms",
        "high_ms",
        "known_network",
        "networks",
        "candidate",
        "eyes",
        "source",
    ];
    let empty = || String::new();
    let gaps = &report.gaps;
    let eyes = gaps.eyes.iter().enumerate().map(|(at, eye)| {
        [
            "eye".to_owned(),
            (at + 1).to_string(),
            eye.place.clone(),
            eye.position.latitude().to_string(),
            eye.position.longitude().to_string(),
            eye.country.to_string(),
            eye.share.to_string(),
            eye.worth_ms.to_string(),
            empty(),
            eye.between[0].clone(),
            eye.between[1].clone(),
            eye.between[eye.toward].clone(),
            eye.now.low.to_string(),
            eye.now.high.to_string(),
            eye.known_networks
                .first()
                .map_or_else(empty, |network| network.0.to_string()),
            networks(eye, " "),
            empty(),
            empty(),
            report.source.as_str().to_owned(),
        ]
    });
    let contenders = gaps.contenders.iter().enumerate().map(|(at, city)| {
        [
            "city".to_owned(),
            (at + 1).to_string(),
            city.place.clone(),
            city.position.latitude().to_string(),
            city.position.longitude().to_string(),
            city.country.map_or_else(empty, |country| country.to_string()),
            empty(),
            city.gain_ms.to_string(),
            city.deviation_ms.to_string(),
            empty(),
            empty(),
            empty(),
            empty(),
            empty(),
            empty(),
            empty(),
            city.candidate.clone().unwrap_or_default(),
            city.eyes.to_string(),
            report.source.as_str().to_owned(),
        ]
    });
    let unseen = gaps.unseen.iter().enumerate().map(|(at, one)| {
        let mut row = std::array::from_fn(|_| empty());
        row[0] = "unseen".to_owned();
        row[1] = (at + 1).to_string();
        row[2] = one.country.name().to_string();
        row[5] = one.country.to_string();
        row[6] = one.share.to_string();
        row[17] = report.source.as_str().to_owned();
        row
    });
    let rows = eyes.chain(contenders).chain(unseen);
    Table::new("gaps", columns.map(Column::names)).rows(rows.map(|row| row.map(Cell::from).to_vec()))
}
