//! `[topology]`: the indexer whose chain is followed.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::WrongValue;

/// An indexer that is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologySettings {
    /// Where it takes GraphQL queries.
    pub url: Url,
    /// Between two fetches.
    pub interval: Duration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawTopology {
    url: Option<String>,
    #[serde(with = "humantime_serde")]
    interval: Option<Duration>,
}

/// Between two fetches, where the file does not say.
const INTERVAL: Duration = Duration::from_secs(600);
const INTERVAL_MIN: Duration = Duration::from_secs(60);
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// Checks it; `None`: no chain is followed.
pub(super) fn of(raw: RawTopology) -> Result<Option<TopologySettings>, WrongValue> {
    let interval = raw.interval.unwrap_or(INTERVAL);
    if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
        return Err(WrongValue::TopologyInterval { value: interval });
    }
    let Some(written) = raw.url else {
        return Ok(None);
    };
    let url = indexer(&written).ok_or(WrongValue::TopologyUrl { value: written })?;
    Ok(Some(TopologySettings { url, interval }))
}

/// An address that can be asked.
pub(crate) fn indexer(written: &str) -> Option<Url> {
    let url = Url::parse(written).ok()?;
    let is_web =
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| !host.is_empty());
    is_web.then_some(url)
}
