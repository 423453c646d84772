//! The cluster's side.

use isochrone_proto::units::UnixMillis;
use serde_json::{Value, json};

use super::compare::{Hours, Part, Tally, There, What};
use super::{HOUR_MS, VerifyError, Window, kind_of};
use crate::document::DocumentId;
use crate::index::{Family, Names};
use crate::revised::summed;
use crate::{Client, Method};

/// Counts and sums of each hour and kind, by the cluster's own arithmetic.
pub(super) async fn hours(client: &Client, names: &Names, window: Window) -> Result<Hours, VerifyError> {
    let mut hours = Hours::new();
    for (family, time) in [(Family::Echo, "rtt_us"), (Family::Endpoint, "connect_us")] {
        let by_hour = by_hour(["slot", "lateness_us", time]);
        let query = json!({
            "size": 0,
            "query": within(window, "slot"),
            "aggs": { "kinds": { "terms": { "field": "kind", "size": 100 }, "aggs": by_hour } },
        });
        let answer = search(client, names, family, &query).await?;
        for kind in list(&answer["aggregations"]["kinds"]["buckets"]) {
            let Some(of) = kind["key"].as_str().and_then(kind_of) else {
                continue; // a kind that this release does not know: nothing of the store is of it
            };
            take(kind, What::Kind(of), &mut hours);
        }
    }
    Ok(hours)
}

/// Counts and sums of each hour of what may be revised.
pub(super) async fn revised_hours(
    client: &Client,
    names: &Names,
    (family, window): (Family, Window),
) -> Result<Hours, VerifyError> {
    let mut hours = Hours::new();
    let Some(fields) = summed(family) else {
        return Ok(hours);
    };
    let query = json!({ "size": 0, "query": within(window, fields[0]), "aggs": by_hour(fields) });
    let answer = search(client, names, family, &query).await?;
    take(&answer["aggregations"], What::Revised(family), &mut hours);
    Ok(hours)
}

fn within(window: Window, time: &str) -> Value {
    json!({ "range": { time: { "gte": window.from.0, "lt": window.until.0, "format": "epoch_millis" } } })
}

fn by_hour([time, first, second]: [&str; 3]) -> Value {
    json!({ "hours": {
        "date_histogram": { "field": time, "fixed_interval": "1h", "min_doc_count": 1 },
        "aggs": {
            "first": { "sum": { "field": first } },
            "second": { "sum": { "field": second } },
        },
    } })
}

async fn search(client: &Client, names: &Names, family: Family, query: &Value) -> Result<Value, VerifyError> {
    let path = format!("{}/_search?{MAY_BE_MISSING}", names.pattern(family));
    let answer = client.fetch(Method::Post, &path, Some(query)).await?;
    complete(client, &answer)?;
    Ok(answer)
}

fn take(of: &Value, what: What, hours: &mut Hours) {
    for hour in list(&of["hours"]["buckets"]) {
        let sum = |name: &str| hour[name]["value"].as_f64().unwrap_or_default() as u64;
        let tally = Tally {
            count: hour["doc_count"].as_u64().unwrap_or_default(),
            first: sum("first"),
            second: sum("second"),
        };
        hours.insert(
            (what, UnixMillis(hour["key"].as_u64().unwrap_or_default())),
            tally,
        );
    }
}

/// Every id of a part.
pub(super) async fn ids(client: &Client, names: &Names, part: Part) -> Result<There, VerifyError> {
    let (family, time) = match part.0 {
        What::Kind(kind) => (Family::of(kind), "slot"),
        What::Revised(family) => (family, summed(family).map_or("start", |fields| fields[0])),
    };
    let pattern = names.pattern(family);
    let hour = Window {
        from: part.1,
        until: UnixMillis(part.1.0 + HOUR_MS),
        commit: 0,
        as_of: part.1,
    };
    let mut filter = vec![within(hour, time)];
    if let What::Kind(kind) = part.0 {
        filter.push(json!({ "term": { "kind": kind.to_string() } }));
    }
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
            "query": { "bool": { "filter": filter } },
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
