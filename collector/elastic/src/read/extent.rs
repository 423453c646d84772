//! From when to when there are measurements, and which indices one would expect and does not find.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_proto::units::UnixMillis;
use serde_json::{Value, json};

use super::{MAY_BE_MISSING, ReadError, patterns};
use crate::index::{Family, Names};
use crate::{Answer, Client, Method};

/// What there is of measurements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The node that is named first.
    pub url: String,
    /// The slots of the first and of the last; `None`: there are none.
    pub slots: Option<(UnixMillis, UnixMillis)>,
    /// Why what was sent a moment ago may not be seen yet: the server's words; `None`: it is.
    pub not_refreshed: Option<String>,
    /// By kind of index: from when to when, and the names of those that hold any.
    families: BTreeMap<Family, OfFamily>,
    /// Closed ones.
    closed: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfFamily {
    slots: Option<(u64, u64)>,
    indices: BTreeSet<String>,
}

impl Extent {
    /// Indices of a window that should hold something and cannot be read: closed ones, and those that are not there
    /// between others that are.
    #[must_use]
    pub fn missing(&self, names: &Names, (from, until): (UnixMillis, UnixMillis)) -> Vec<String> {
        let mut missing = BTreeSet::new();
        for family in Family::RAW {
            let of = self.families.get(&family);
            let between = of.and_then(|of| of.slots);
            let days = from.0 / DAY_MS..until.0.div_ceil(DAY_MS).min(from.0 / DAY_MS + DAYS_MAX);
            for day in days {
                let name = names.index(family, UnixMillis(day * DAY_MS));
                let is_between =
                    between.is_some_and(|(first, last)| (first / DAY_MS..=last / DAY_MS).contains(&day));
                let is_there = of.is_some_and(|of| of.indices.contains(&name));
                if self.closed.contains(&name) || is_between && !is_there {
                    missing.insert(name);
                }
            }
        }
        missing.into_iter().collect()
    }
}

/// Asks for it.
pub(super) async fn ask(client: &Client, names: &Names) -> Result<Extent, ReadError> {
    let pattern = patterns(names);
    let failed = |error| ReadError::of(error, &pattern);
    // what was sent a moment ago is to be seen; where the server does not do that, it is said
    let refresh = format!("{pattern}/_refresh?{MAY_BE_MISSING}");
    let refreshed = client.request(Method::Post, &refresh, None).await;
    let refreshed = refreshed.map_err(failed)?;
    if refreshed.status == 401 {
        return Err(failed(refreshed.refusal()));
    }
    let mut extent = Extent {
        url: client.name().to_owned(),
        not_refreshed: not_refreshed(&refreshed),
        ..Extent::default()
    };
    for family in Family::RAW {
        let path = format!(
            "{}/_search?{MAY_BE_MISSING}&allow_partial_search_results=false",
            names.pattern(family)
        );
        let query = json!({ "size": 0, "track_total_hits": false, "aggs": {
            "first": { "min": { "field": "slot" } },
            "last": { "max": { "field": "slot" } },
            "indices": { "terms": { "field": "_index", "size": INDICES_MAX } },
        } });
        let answer = client.fetch(Method::Post, &path, Some(&query)).await;
        let answer = answer.map_err(failed)?;
        let at = |name: &str| answer["aggregations"][name]["value"].as_f64().map(|ms| ms as u64);
        let buckets = answer["aggregations"]["indices"]["buckets"].as_array();
        let names = buckets
            .into_iter()
            .flatten()
            .filter_map(|bucket| bucket["key"].as_str());
        let of = OfFamily {
            slots: at("first").zip(at("last")),
            indices: names.map(str::to_owned).collect(),
        };
        extent.families.insert(family, of);
    }
    let slots = extent.families.values().filter_map(|of| of.slots);
    extent.slots = slots
        .reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
        .map(|(first, last)| (UnixMillis(first), UnixMillis(last)));
    extent.closed = closed(client, &pattern).await.map_err(failed)?;
    if extent.slots.is_none() && extent.closed.is_empty() {
        let url = client.name().to_owned();
        return Err(ReadError::Nothing { url, pattern });
    }
    Ok(extent)
}

fn not_refreshed(answer: &Answer) -> Option<String> {
    match (answer.is_success(), answer.body["_shards"]["failed"].as_u64()) {
        (false, _) => Some(answer.refusal().to_string()),
        (true, Some(failed)) if failed > 0 => Some(format!("{} of its shards did not answer", failed)),
        (true, _) => None,
    }
}

async fn closed(client: &Client, pattern: &str) -> Result<BTreeSet<String>, crate::RequestError> {
    let path = format!(
        "{pattern}/_settings?{MAY_BE_MISSING}&expand_wildcards=closed&filter_path=*.settings.index.uuid"
    );
    let answer = client.fetch(Method::Get, &path, None).await?;
    let found = answer.as_object().into_iter().flatten();
    Ok(found.map(|(name, _): (&String, &Value)| name.clone()).collect())
}

const DAY_MS: u64 = 86_400_000;
/// A window of centuries names no index of each of its days.
const DAYS_MAX: u64 = 40_000;
/// A hundred years of months, or nearly thirty of days.
const INDICES_MAX: u64 = 10_000;
