//! Which vantages of public platforms were taken in.

use isochrone_base::words::{count, date, network_in_column, rfc3339_second};
use isochrone_store::borrowed::BorrowedVantage;
use serde_json::{Value, json};

use crate::eyes::site;
use crate::lines::Lines;
use crate::tables::{Column, Table};

pub(super) fn json(known: &BorrowedVantage) -> Value {
    let vantage = &known.vantage;
    let place = &vantage.place;
    let moved = known.moved.iter().map(|earlier| {
        json!({
            "until": rfc3339_second(earlier.until), "latitude": earlier.place.latitude,
            "longitude": earlier.place.longitude,
        })
    });
    json!({
        "platform": vantage.platform.word(), "vantage": vantage.id, "city": place.city, "country": place.country,
        "latitude": place.latitude, "longitude": place.longitude, "network_v4": vantage.network_v4,
        "network_v6": vantage.network_v6, "access": vantage.access.word(), "measurements": known.runs,
        "from": rfc3339_second(known.first), "to": rfc3339_second(known.last), "moved": moved.collect::<Vec<_>>(),
    })
}

/// Those that measured most; how many more there are.
pub(super) fn text(lines: &mut Lines, vantages: &[BorrowedVantage]) {
    let mut sorted: Vec<_> = vantages.iter().collect();
    sorted.sort_by_key(|known| std::cmp::Reverse(known.runs));
    let columns = [
        Column::names("platform"),
        Column::names("vantage"),
        Column::names("place"),
        Column::names("network"),
        Column::names("access"),
        Column::figures("measurements"),
        Column::names("first").whole(),
        Column::names("last").whole(),
    ];
    let rows = sorted.iter().take(SHOWN).map(|known| {
        let vantage = &known.vantage;
        vec![
            vantage.platform.word().into(),
            vantage.id.as_str().into(),
            site(known).into(),
            network_in_column(vantage.network_v4.or(vantage.network_v6)).into(),
            vantage.access.word().into(),
            known.runs.to_string().into(),
            date(known.first).into(),
            date(known.last).into(),
        ]
    });
    lines.table(&Table::new("Borrowed vantages", columns).rows(rows));
    let more = vantages.len().saturating_sub(SHOWN);
    if more > 0 {
        lines.wrapped(&format!(
            "and {}: --format json lists them.",
            count(more, "further vantage")
        ));
    }
    let moved = vantages.iter().filter(|known| !known.moved.is_empty()).count();
    if moved > 0 {
        lines.wrapped(&format!(
            "{} stood elsewhere in an earlier file: --format json says where and until when.",
            count(moved, "vantage")
        ));
    }
}

/// So many are shown on a terminal.
const SHOWN: usize = 40;
