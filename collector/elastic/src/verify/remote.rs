//! The cluster's side.

use isochrone_proto::units::UnixMillis;
use serde_json::{Value, json};

use super::compare::{Hours, Part, Tally, There};
use super::{HOUR_MS, VerifyError, Window, kind_of};
use crate::document::DocumentId;
use crate::index::{Family, Names};
use crate::{Client, Method};

/// Counts and sums of each hour and kind, by the cluster's own arithmetic.
pub(super) async fn hours(client: &Client, names: &Names, window: Window) -> Result<Hours, VerifyError> {
    let mut hours = Hours::new();
    for (family, time) in [(Family::Echo, "rtt_us"), (Family::Endpoint, "connect_us")] {
        let query = json!({
            "size": 0,
            "query": { "range": { "slot": { "gte": window.from.0, "lt": window.until.0, "format": "epoch_millis" } } },
            "aggs": { "kinds": {
                "terms": { "field": "kind", "size": 100 },
                "aggs": { "hours": {
                    "date_histogram": { "field": "slot", "fixed_interval": "1h", "min_doc_count": 1 },
                    "aggs": {
                        "lateness": { "sum": { "field": "lateness_us" } },
                        "time": { "sum": { "field": time } },
                    },
                } },
            } },
        });
        let path = format!("{}/_search?{MAY_BE_MISSING}", names.pattern(family));
        let answer = client.fetch(Method::Post, &path, Some(&query)).await?;
        complete(client, &answer)?;
        for kind in list(&answer["aggregations"]["kinds"]["buckets"]) {
            let Some(of) = kind["key"].as_str().and_then(kind_of) else {
                continue; // a kind that this release does not know: nothing of the store is of it
            };
            for hour in list(&kind["hours"]["buckets"]) {
                let start = hour["key"].as_u64().unwrap_or_default();
                let sum = |name: &str| hour[name]["value"].as_f64().unwrap_or_default() as u64;
                hours.insert(
                    (of, UnixMillis(start)),
                    Tally {
                        count: hour["doc_count"].as_u64().unwrap_or_default(),
                        lateness_us: sum("lateness"),
                        time_us: sum("time"),
                    },
                );
            }
        }
    }
    Ok(hours)
}

/// Every id of a part.
pub(super) async fn ids(client: &Client, names: &Names, part: Part) -> Result<There, VerifyError> {
    let pattern = names.pattern(Family::of(part.0));
    let missing = |what| VerifyError::Shape {
        url: client.name().to_owned(),
        what,
    };
    let mut ids = There::default();
    let mut after: Option<Value> = None;
    let path = format!("{pattern}/_pit?keep_alive=2m&ignore_unavailable=true");
    let opened = client.request(Method::Post, &path, None).await?;
    if opened.status == 404 {
        return Ok(ids); // no such index
    }
    let opened = opened.success()?;
    let mut pit = opened["id"].clone();
    if pit.is_null() {
        return Err(missing("the id of a point in time"));
    }
    loop {
        let mut query = json!({
            "size": PAGE,
            "_source": false,
            "track_total_hits": false,
            "pit": { "id": pit, "keep_alive": "2m" },
            "sort": [{ "_shard_doc": "asc" }],
            "query": { "bool": { "filter": [
                { "term": { "kind": part.0.to_string() } },
                { "range": { "slot": { "gte": part.1.0, "lt": part.1.0 + HOUR_MS, "format": "epoch_millis" } } },
            ] } },
        });
        if let Some(after) = after.take() {
            query["search_after"] = after;
        }
        let answer = client.fetch(Method::Post, "_search", Some(&query)).await?;
        complete(client, &answer)?;
        if !answer["pit_id"].is_null() {
            pit = answer["pit_id"].clone();
        }
        let hits = list(&answer["hits"]["hits"]);
        for id in hits.iter().filter_map(|hit| hit["_id"].as_str()) {
            match DocumentId::parse(id) {
                Some(id) => drop(ids.ids.insert(id)),
                None => ids.foreign.push(id.to_owned()),
            }
        }
        match hits.last() {
            Some(last) if hits.len() == PAGE => after = Some(last["sort"].clone()),
            _ => break,
        }
    }
    let close = json!({ "id": pit });
    if let Err(error) = client.fetch(Method::Delete, "_pit", Some(&close)).await {
        tracing::debug!(%error, "a point in time ends by itself");
    }
    Ok(ids)
}

/// An answer that lacks shards would be taken for missing documents.
fn complete(client: &Client, answer: &Value) -> Result<(), VerifyError> {
    let is_whole = answer["timed_out"] == false && answer["_shards"]["failed"].as_u64() == Some(0);
    match is_whole {
        true => Ok(()),
        false => Err(VerifyError::Shape {
            url: client.name().to_owned(),
            what: "a part of the shards",
        }),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// An index that is not there holds nothing.
const MAY_BE_MISSING: &str =
    "ignore_unavailable=true&allow_no_indices=true&allow_partial_search_results=false";
/// Ids in one answer.
const PAGE: usize = 10_000;
