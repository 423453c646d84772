//! What the mock has of searches: as much as reading measurements asks for.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::State;

/// What goes wrong with the next page.
#[derive(Clone, Debug)]
pub(crate) enum PageFault {
    /// It is refused.
    Status(u16, &'static str),
    /// The point in time was let go.
    Gone,
    /// Not all shards answered.
    Partial,
}

#[derive(Debug, Default)]
pub(crate) struct Searches {
    /// Before the next pages.
    pub(crate) faults: VecDeque<PageFault>,
    pub(crate) closed: Vec<String>,
    pub(crate) pages: u64,
    /// Of the pages, in bytes.
    pub(crate) lengths: Vec<usize>,
    pub(crate) opened: u64,
    /// As OpenSearch.
    pub(crate) knows_no_pit: bool,
    /// What a refresh is answered; `None`: as if nothing were the matter.
    pub(crate) refresh: Option<(u16, Value)>,
}

/// The answer to a call that reads; `None`: it is none.
pub(super) fn answer(
    state: &mut State,
    (method, parts): (&str, &[&str]),
    body: &Value,
) -> Option<(u16, Value)> {
    let list = |pattern: &str| matching(state, pattern);
    match (method, parts) {
        ("POST", [_, "_refresh"]) => {
            let well = || {
                (
                    200,
                    json!({ "_shards": { "total": 2, "successful": 1, "failed": 0 } }),
                )
            };
            Some(state.searches.refresh.clone().unwrap_or_else(well))
        }
        ("POST", [_, "_pit"]) if state.searches.knows_no_pit => {
            Some((400, json!({ "error": "no handler found for uri" })))
        }
        ("POST", [pattern, "_pit"]) => {
            let found = !list(pattern).is_empty();
            state.searches.opened += 1;
            let id = format!("{}|{pattern}", state.searches.opened);
            Some(match found {
                true => (200, json!({ "id": id })),
                false => (404, json!({ "error": { "type": "index_not_found_exception" } })),
            })
        }
        ("DELETE", ["_pit"]) => Some((200, json!({ "succeeded": true }))),
        ("POST", [pattern, "_count"]) => {
            let found = list(pattern).into_iter().filter(|(_, _, it)| holds(body, it));
            Some((200, json!({ "count": found.count() })))
        }
        ("GET", [_, "_settings"]) => {
            let closed = state.searches.closed.iter();
            let closed = closed.map(|name| (name.clone(), json!({ "settings": {} })));
            Some((200, Value::Object(closed.collect())))
        }
        ("POST", [pattern, "_search"]) => Some((200, extent(&list(pattern)))),
        ("POST", ["_search"]) => Some(page(state, body)),
        _ => None,
    }
}

type Found = (String, String, Value);

fn matching(state: &State, pattern: &str) -> Vec<Found> {
    let documents = state.documents.iter();
    let all = documents.map(|((index, id), document)| (index.clone(), id.clone(), document.clone()));
    let is_of = |index: &str| {
        let mut patterns = pattern.split(',').map(|one| one.trim_end_matches('*'));
        patterns.any(|one| index.starts_with(one))
    };
    let is_open = |index: &String| !state.searches.closed.contains(index);
    all.filter(|(index, ..)| is_of(index) && is_open(index)).collect()
}

fn holds(body: &Value, document: &Value) -> bool {
    let range = &body["query"]["bool"]["filter"][0]["range"]["slot"];
    let slot = document["slot"].as_u64().unwrap_or_default();
    let at = |name: &str| range[name].as_u64().unwrap();
    at("gte") <= slot && slot < at("lt")
}

fn extent(found: &[Found]) -> Value {
    let slots = || found.iter().filter_map(|(.., it)| it["slot"].as_u64());
    let mut indices: BTreeMap<&str, u64> = BTreeMap::new();
    for (index, ..) in found {
        *indices.entry(index).or_default() += 1;
    }
    let buckets = indices.iter();
    let buckets: Vec<Value> = buckets
        .map(|(key, count)| json!({ "key": key, "doc_count": count }))
        .collect();
    json!({ "aggregations": {
        "first": { "value": slots().min() }, "last": { "value": slots().max() },
        "indices": { "buckets": buckets },
    } })
}

fn page(state: &mut State, body: &Value) -> (u16, Value) {
    state.searches.pages += 1;
    let mut failed = 0;
    match state.searches.faults.pop_front() {
        Some(PageFault::Status(status, kind)) => {
            return (
                status,
                json!({ "error": { "type": kind, "reason": "by the test" } }),
            );
        }
        Some(PageFault::Gone) => {
            let error = json!({ "type": "search_phase_execution_exception", "reason": "all shards failed",
                "caused_by": { "type": "search_context_missing_exception", "reason": "No search context found" } });
            return (404, json!({ "error": error }));
        }
        Some(PageFault::Partial) => failed = 1,
        None => {}
    }
    let (pit, pattern) = body["pit"]["id"].as_str().unwrap().split_once('|').unwrap();
    let mut found = matching(state, pattern);
    found.retain(|(.., it)| holds(body, it));
    // another point in time has its documents in another order
    let place = |id: &str| match pit.len() % 2 + usize::from(pit.ends_with('2')) {
        1 => id.to_owned(),
        _ => id.chars().rev().collect(),
    };
    let mut hits: Vec<(u64, String, Found)> = found
        .into_iter()
        .map(|found| {
            (
                found.2["slot"].as_u64().unwrap_or_default(),
                place(&found.1),
                found,
            )
        })
        .collect();
    hits.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    if let Some(after) = body["search_after"].as_array() {
        let after = (after[0].as_u64().unwrap(), after[1].as_str().unwrap().to_owned());
        hits.retain(|(slot, place, _)| (*slot, place) > (after.0, &after.1));
    }
    hits.truncate(usize::try_from(body["size"].as_u64().unwrap()).unwrap());
    let hits: Vec<Value> = hits
        .into_iter()
        .map(|(slot, place, (index, id, source))| {
            json!({ "_index": index, "_id": id, "_source": source, "sort": [slot, place] })
        })
        .collect();
    let body = json!({ "timed_out": false, "_shards": { "failed": failed }, "pit_id": body["pit"]["id"],
        "hits": { "hits": hits } });
    state.searches.lengths.push(body.to_string().len());
    (200, body)
}
