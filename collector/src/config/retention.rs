//! `[retention]`: how long what is stored is kept.

use std::time::Duration;

use isochrone_store::Retention;
use serde::Deserialize;

use super::{WrongValue, size};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRetention {
    #[serde(with = "humantime_serde")]
    raw: Option<Duration>,
    #[serde(with = "humantime_serde")]
    hours: Option<Duration>,
    #[serde(with = "humantime_serde")]
    days: Option<Duration>,
    #[serde(deserialize_with = "size::deserialize")]
    total: Option<bytesize::ByteSize>,
}

/// Checks it: what is added up is kept at least as long as what it was added up from.
pub(super) fn of(raw: &RawRetention, default: Retention) -> Result<Retention, WrongValue> {
    let kept = Retention {
        raw: within("raw", raw.raw.unwrap_or(default.raw), Retention::FLOOR, RAW_MAX)?,
        hours: within(
            "hours",
            raw.hours.unwrap_or(default.hours),
            Retention::FLOOR,
            MOST,
        )?,
        days: within("days", raw.days.unwrap_or(default.days), Retention::FLOOR, MOST)?,
        total: raw.total.map_or(default.total, |total| total.as_u64()),
    };
    if kept.total < TOTAL_MIN {
        return Err(WrongValue::Total { value: kept.total });
    }
    let pairs = [
        ("hours", kept.hours, "raw", kept.raw),
        ("days", kept.days, "hours", kept.hours),
    ];
    for (key, value, finer, least) in pairs {
        if value < least {
            return Err(WrongValue::KeptShorter {
                key,
                value,
                finer,
                least,
            });
        }
    }
    Ok(kept)
}

fn within(key: &'static str, value: Duration, min: Duration, max: Duration) -> Result<Duration, WrongValue> {
    match (min..=max).contains(&value) {
        true => Ok(value),
        false => Err(WrongValue::Kept { key, value, min, max }),
    }
}

const DAY: Duration = Duration::from_secs(86_400);
/// As long as a year, and a month: of more, the accounts would be too large.
const RAW_MAX: Duration = Duration::from_secs(400 * DAY.as_secs());
const MOST: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());
/// Less would not hold the last week of a small mesh.
pub(super) const TOTAL_MIN: u64 = 64 << 20;
