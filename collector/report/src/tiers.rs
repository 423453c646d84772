//! What a report is read from: single measurements, hours or days, chosen by how long its window is and by what is kept.
//!
//! Sums hold whole hours and whole UTC days; the window's ragged ends are read from its measurements. A short window is
//! read from these alone. Where measurements are gone, an hour is taken whole, and where hours are gone, a day.

mod elsewhere;
mod read;

use std::time::Duration;

use isochrone_base::kinds::{Ended, Finding};
use isochrone_base::words::{self, date_time};
use isochrone_coverage::note::{ReadFrom, Tier as NoteTier};
use isochrone_proto::measurement::CacheState;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Loss, Rollup, Store, StoreError, Tier};
use serde::{Serialize, Serializer};

pub(crate) use self::elsewhere::read_elsewhere;
pub(crate) use self::read::{ALWAYS, Fill, read};
use crate::log::{DAY_MS, Window};

pub(crate) const HOUR_MS: u64 = 3_600_000;
/// The slots of a batch lie closer together than this.
const BATCH_SPAN_MAX: Duration = Duration::from_secs(3_600);
/// A window that is shorter is read by hours: a day of it would be most of it.
const DAYS_FROM_MS: u64 = 3 * DAY_MS;

/// A stretch of a window, and what is read there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TierSpan {
    /// `raw`, `hour` or `day`.
    pub tier: Tier,
    /// Its first instant, RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub from: UnixMillis,
    /// The first instant after it, RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub to: UnixMillis,
}

fn rfc3339<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&words::rfc3339(*at))
}

/// What a report needs of what it is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Nothing coarser, if it can be.
    pub(crate) coarsest: Tier,
    /// A window that is shorter is read from single measurements, as long as they are there.
    pub(crate) runs_below_ms: u64,
}

impl Needs {
    /// Figures of days.
    pub(crate) const DAYS: Self = Self::sums(Tier::Day);
    /// Every failure by itself, but not of weeks.
    pub(crate) const RUNS: Self = Self {
        coarsest: Tier::Hour,
        runs_below_ms: 8 * DAY_MS,
    };

    /// Figures of hours or of days.
    pub(crate) const fn sums(coarsest: Tier) -> Self {
        Self {
            coarsest,
            runs_below_ms: 6 * HOUR_MS,
        }
    }
}

/// From when on each tier is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    rows_from: UnixMillis,
    hours_from: UnixMillis,
}

impl Held {
    /// As the store says: rows that came late are there, and others as old are not.
    pub(crate) fn of(store: &Store) -> Result<Self, StoreError> {
        let whole = |from: UnixMillis, ms: u64| UnixMillis(from.0.div_ceil(ms) * ms);
        let hours_from = whole(store.whole_from(Tier::Hour)?, DAY_MS);
        let rows_from = whole(store.whole_from(Tier::Raw)?, HOUR_MS);
        Ok(Self {
            rows_from: rows_from.max(hours_from), // what is finer goes first, unless it is still needed
            hours_from,
        })
    }

    /// Nothing is gone.
    pub(crate) const fn all() -> Self {
        Self {
            rows_from: UnixMillis(0),
            hours_from: UnixMillis(0),
        }
    }

    /// From when on single measurements are there.
    pub(crate) const fn rows_from(&self) -> UnixMillis {
        self.rows_from
    }

    /// From when on what is read from `tiers` can be read from single measurements instead: no sums that begin before it
    /// hold any behind it.
    fn rows_instead(&self, tiers: &[TierSpan]) -> UnixMillis {
        let from = self.rows_from;
        let touched = tiers.iter().find(|span| (span.from..span.to).contains(&from));
        let period = match touched.map(|span| span.tier) {
            Some(Tier::Hour) => HOUR_MS,
            Some(Tier::Day) => DAY_MS,
            Some(Tier::Raw) | None => 1,
        };
        UnixMillis(from.0.div_ceil(period) * period)
    }
}

/// The first day that the store can hold anything of; `None`: it holds nothing.
pub(crate) fn oldest_day(store: &Store) -> Result<Option<UnixMillis>, StoreError> {
    let rows = store.oldest_hour()?.map(|hour| {
        let first = hour.start().minus(BATCH_SPAN_MAX); // a batch may have begun before the hour of its end
        UnixMillis(first.0 / DAY_MS * DAY_MS)
    });
    Ok(rows.into_iter().chain(oldest_sums(store)?).min())
}

/// The oldest day of which there are sums.
fn oldest_sums(store: &Store) -> Result<Option<UnixMillis>, StoreError> {
    let days = [first_day(store, Tier::Hour)?, first_day(store, Tier::Day)?];
    Ok(days.into_iter().flatten().min())
}

fn first_day(store: &Store, tier: Tier) -> Result<Option<UnixMillis>, StoreError> {
    let files = store.segment_files(tier)?;
    Ok(files.iter().filter_map(|file| day_start(&file.day)).min())
}

/// When a UTC day such as `2026-11-22` began.
fn day_start(day: &str) -> Option<UnixMillis> {
    let day: jiff::civil::Date = day.parse().ok()?;
    let start = day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    u64::try_from(start.as_millisecond()).ok().map(UnixMillis)
}

/// What each stretch of `window` is read from, in order of time.
pub(crate) fn choose(window: Window, held: Held, needs: Needs) -> Vec<TierSpan> {
    let Window { from, until } = window;
    let long_ms = until.0.saturating_sub(from.0);
    if from >= held.rows_from && long_ms < needs.runs_below_ms {
        return spans([(Tier::Raw, from.0, until.0)]);
    }
    let floor = |at: u64, ms: u64| at / ms * ms;
    let ceil = |at: u64, ms: u64| at.div_ceil(ms) * ms;
    let first = match from >= held.rows_from {
        true => ceil(from.0, HOUR_MS),
        false => floor(from.0, HOUR_MS),
    };
    let last = match until > held.rows_from {
        true => floor(until.0, HOUR_MS).max(first),
        false => ceil(until.0, HOUR_MS),
    };
    // where hours are gone, or the window is long, whole days
    let days_of = |from: u64, until: u64| match needs.coarsest == Tier::Day && long_ms >= DAYS_FROM_MS {
        true => (ceil(from, DAY_MS), floor(until, DAY_MS)),
        false => (ceil(from, DAY_MS), ceil(from, DAY_MS)),
    };
    let gone = held.hours_from.0.min(ceil(last, DAY_MS));
    let (days_first, days_last) = match first < gone {
        true => (floor(first, DAY_MS), days_of(gone, last).1.max(gone)),
        false => days_of(first, last),
    };
    let (days_first, days_last) = match days_first < days_last {
        true => (days_first, days_last),
        false => (last, last),
    };
    spans([
        (Tier::Raw, from.0, first),
        (Tier::Hour, first, days_first.min(last)),
        (Tier::Day, days_first, days_last),
        (Tier::Hour, days_last.max(first), last),
        (Tier::Raw, last, until.0),
    ])
}

fn spans<const N: usize>(of: [(Tier, u64, u64); N]) -> Vec<TierSpan> {
    let spans = of.into_iter().filter(|(_, from, to)| from < to);
    let spans = spans.map(|(tier, from, to)| TierSpan {
        tier,
        from: UnixMillis(from),
        to: UnixMillis(to),
    });
    spans.collect()
}

/// Whether times to first byte may be compared: not of an asset that the node had to fetch first.
pub(crate) fn is_comparable(rollup: &Rollup) -> bool {
    !rollup.kind.check.is_asset() || rollup.cache == CacheState::Hit
}

/// What runs say that ended so.
pub(crate) fn finding(loss: Loss) -> Finding {
    let ended = match loss {
        Loss::TimedOut => return Finding::Bad,
        Loss::Failed(phase, cause) => Ended::Failed {
            phase,
            cause,
            text: "",
        },
        Loss::Unsent(cause) => Ended::Unsent(cause),
    };
    ended.finding()
}

/// What was read, in a sentence.
pub(crate) fn sentence(tiers: impl IntoIterator<Item = (&'static str, String, String)>) -> String {
    let said = tiers.into_iter().map(|(tier, from, to)| {
        let what = match tier {
            "raw" => "single measurements",
            "hour" => "sums of hours",
            _ => "sums of days",
        };
        format!("{what} from {from} to {to}")
    });
    let said: Vec<_> = said.collect();
    if said.is_empty() {
        return "Nothing was read: no measurement of this window is stored.".to_owned();
    }
    format!("Read from {} (UTC).", said.join(", "))
}

/// The same of spans.
pub(crate) fn sentence_of(tiers: &[TierSpan]) -> String {
    let minute = |at| date_time(at)[..16].to_owned();
    sentence(
        tiers
            .iter()
            .map(|span| (span.tier.word(), minute(span.from), minute(span.to))),
    )
}

/// As the mathematics carries it.
pub(crate) fn note(tiers: &[TierSpan]) -> Vec<ReadFrom> {
    let of = |span: &TierSpan| ReadFrom {
        tier: match span.tier {
            Tier::Raw => NoteTier::Raw,
            Tier::Hour => NoteTier::Hour,
            Tier::Day => NoteTier::Day,
        },
        from: words::timestamp(span.from),
        to: words::timestamp(span.to),
    };
    tiers.iter().map(of).collect()
}

#[cfg(test)]
mod tests;
