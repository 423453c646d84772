//! Every panel of the dashboards, asked of a real server as Grafana asks it: its rows are what an export of the
//! store, its ledger and its incidents say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use isochrone_elastic::revised::{Incident, Incidents};
use isochrone_elastic::{Client, Method};
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::fixture;
use isochrone_store::{ScanRange, export};
use isochrone_tests::elasticsearch::Elasticsearch;
use serde_json::{Map, Value, json};

use crate::mesh::{Mesh, releases};

/// What Grafana would choose for `auto` here.
const INTERVAL_MS: u64 = 300_000;

/// The values of the fields that rows are by, and the time of the bucket where there is one.
type Key = Vec<String>;

/// What a row says: how many documents, and by metric its values.
#[derive(Debug, Default)]
struct Row {
    documents: u64,
    metrics: Map<String, Value>,
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The dashboards, by the names of their files.
fn dashboards() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana/dashboards");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |file: std::path::PathBuf| {
        let json = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        (file.file_name().unwrap().to_string_lossy().into_owned(), json)
    };
    files.map(read).collect()
}

/// The search that Grafana's data source makes of a target; everything is chosen in its variables.
fn search(target: &Value) -> Value {
    let query = target["query"].as_str().unwrap();
    let query = query.replace("$probe", "*").replace("$target", "*");
    assert!(!query.contains('$'), "{query}");
    let mut metrics = Map::new();
    for metric in list(&target["metrics"]) {
        let field = &metric["field"];
        let asked = match metric["type"].as_str().unwrap() {
            "count" => continue, // each bucket has it
            simple @ ("min" | "max" | "sum") => json!({ simple: { "field": field } }),
            "cardinality" => json!({ "cardinality": { "field": field } }),
            "percentiles" => {
                json!({ "percentiles": { "field": field, "percents": metric["settings"]["percents"] } })
            }
            other => panic!("nobody knows {other}"),
        };
        metrics.insert(text(&metric["id"]), asked);
    }
    let mut inner = metrics;
    for bucket in list(&target["bucketAggs"]).iter().rev() {
        let settings = &bucket["settings"];
        let least: u64 = settings["min_doc_count"].as_str().unwrap().parse().unwrap();
        let mut asked = match bucket["type"].as_str().unwrap() {
            "terms" => {
                let size: u64 = settings["size"].as_str().unwrap().parse().unwrap();
                let order = json!({ settings["orderBy"].as_str().unwrap(): settings["order"] });
                json!({ "terms": { "field": bucket["field"], "size": size, "order": order, "min_doc_count": least } })
            }
            "date_histogram" => {
                assert_eq!(settings["interval"], "auto");
                let interval = format!("{INTERVAL_MS}ms");
                json!({ "date_histogram": { "field": bucket["field"], "fixed_interval": interval, "min_doc_count": least } })
            }
            other => panic!("nobody knows {other}"),
        };
        if !inner.is_empty() {
            asked["aggs"] = Value::Object(inner);
        }
        inner = Map::from_iter([(text(&bucket["id"]), asked)]);
    }
    let range =
        json!({ "range": { target["timeField"].as_str().unwrap(): { "gte": 0, "format": "epoch_millis" } } });
    let query = json!({ "query_string": { "analyze_wildcard": true, "query": query } });
    json!({ "size": 0, "query": { "bool": { "filter": [range, query] } }, "aggs": inner })
}

/// The rows of an answer: its innermost buckets.
fn rows(answer: &Value, buckets: &[Value], key: &Key, found: &mut BTreeMap<Key, Row>) {
    let Some((first, rest)) = buckets.split_first() else {
        let documents = answer["doc_count"].as_u64().unwrap();
        if documents > 0 {
            let metrics = answer.as_object().unwrap().clone();
            found.insert(key.clone(), Row { documents, metrics });
        }
        return;
    };
    for bucket in list(&answer[text(&first["id"])]["buckets"]) {
        let mut key = key.clone();
        key.push(text(&bucket["key"]));
        rows(bucket, rest, &key, found);
    }
}

/// Whether a line of an export is one that the query asks for.
fn is_asked_for(line: &Value, query: &str) -> bool {
    query.split(" AND ").all(|part| match part.strip_prefix("NOT ") {
        Some(part) => !is_so(line, part),
        None => is_so(line, part),
    })
}

/// Whether one condition holds.
fn is_so(line: &Value, condition: &str) -> bool {
    let (field, wanted) = condition.split_once(':').unwrap();
    if field == "_exists_" {
        return !line[wanted].is_null();
    }
    if let Some(range) = wanted.strip_prefix('[') {
        let (from, to) = range.trim_end_matches(']').split_once(" TO ").unwrap();
        let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap());
        return line[field]
            .as_u64()
            .is_some_and(|value| (from..=to).contains(&value));
    }
    wanted.starts_with('$') || text(&line[field]) == wanted.trim_matches('"')
}

/// The lines that each row is made of. One with several values of a field is in the row of each.
fn expected<'l>(lines: &'l [Value], target: &Value) -> BTreeMap<Key, Vec<&'l Value>> {
    let mut expected: BTreeMap<Key, Vec<&Value>> = BTreeMap::new();
    let time = target["timeField"].as_str().unwrap();
    for line in lines {
        if !is_asked_for(line, target["query"].as_str().unwrap()) {
            continue;
        }
        let values = |bucket: &Value| -> Vec<String> {
            if bucket["type"] == "date_histogram" {
                assert_eq!(bucket["field"], time);
                return vec![(millis(&line[time]) / INTERVAL_MS * INTERVAL_MS).to_string()];
            }
            match &line[bucket["field"].as_str().unwrap()] {
                Value::Null => Vec::new(),
                Value::Array(several) => several.iter().map(text).collect(),
                one => vec![text(one)],
            }
        };
        let mut keys = vec![Key::new()];
        for bucket in list(&target["bucketAggs"]) {
            let values = values(bucket);
            let with = |key: &Key| -> Vec<Key> {
                values
                    .iter()
                    .map(|value| [key.clone(), vec![value.clone()]].concat())
                    .collect()
            };
            keys = keys.iter().flat_map(with).collect();
        }
        for key in keys {
            expected.entry(key).or_default().push(line);
        }
    }
    expected
}

fn millis(time: &Value) -> u64 {
    time.as_u64().unwrap_or_else(|| {
        let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
        time.as_millisecond() as u64
    })
}

/// A metric's values are those of these lines.
fn assert_metric(metric: &Value, row: &Row, lines: &[&Value], what: &str) {
    let said = &row.metrics.get(metric["id"].as_str().unwrap());
    let values = || {
        let field = metric["field"].as_str().unwrap();
        let mut values: Vec<f64> = lines.iter().filter_map(|line| line[field].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        assert!(!values.is_empty(), "{what}: no line has {field}");
        values
    };
    match metric["type"].as_str().unwrap() {
        "count" => {}
        "min" => assert_eq!(said.unwrap()["value"].as_f64(), Some(values()[0]), "{what}"),
        "max" => assert_eq!(
            said.unwrap()["value"].as_f64(),
            values().last().copied(),
            "{what}"
        ),
        "sum" => {
            let sum: f64 = values().iter().sum();
            assert_eq!(said.unwrap()["value"].as_f64(), Some(sum), "{what}");
        }
        "cardinality" => {
            let field = metric["field"].as_str().unwrap();
            let all: std::collections::BTreeSet<_> = lines.iter().map(|line| text(&line[field])).collect();
            assert_eq!(said.unwrap()["value"], all.len(), "{what}");
        }
        _ => {
            let values = values();
            for percent in list(&metric["settings"]["percents"]) {
                let share = percent.as_str().unwrap().parse::<f64>().unwrap() / 100.0;
                let said = said.unwrap()["values"][format!("{:.1}", share * 100.0)].as_f64();
                let said = said.unwrap_or_else(|| panic!("{what}: {row:?}"));
                // a digest is no sorted list: five hundredths of the rank, and one line, to either side
                let at = |share: f64, more: f64| {
                    let place = share * (values.len() - 1) as f64 + more;
                    values[place.clamp(0.0, (values.len() - 1) as f64) as usize]
                };
                let (low, high) = (at(share - 0.05, -1.0), at(share + 0.05, 2.0));
                assert!(
                    (low..=high).contains(&said),
                    "{what}: {said} is not in {low}..={high}"
                );
            }
        }
    }
}

async fn assert_variable(client: &Client, variable: &Value, lines: &[Value]) {
    let asked: Value = serde_json::from_str(variable["query"].as_str().unwrap()).unwrap();
    assert_eq!(asked["find"], "terms");
    let field = asked["field"].as_str().unwrap();
    let path = format!("{}-*/_search", text(&variable["datasource"]["uid"]));
    let body = json!({ "size": 0, "aggs": { "1": { "terms": { "field": field, "size": 500 } } } });
    let answer = client.fetch(Method::Post, &path, Some(&body)).await.unwrap();
    let buckets = list(&answer["aggregations"]["1"]["buckets"]);
    assert!(!buckets.is_empty(), "{variable}");
    for bucket in buckets {
        assert!(lines.iter().any(|line| line[field] == bucket["key"]), "{bucket}");
    }
}

/// One that goes on and two that are over, of one node.
pub(crate) fn incidents() -> Vec<Incident> {
    let one = |after_s: u64, end_s: Option<u64>| {
        let start = UnixMillis(fixture::START.0 + after_s * 1_000);
        let end = end_s.map(|seconds| UnixMillis(start.0 + seconds * 1_000));
        Incident {
            incident: format!("{:013}-0badcafe", start.0),
            subject: "node",
            target: "tokyo".into(),
            check: "connect",
            checks: vec!["connect", "asset"],
            cause: "node",
            state: if end.is_some() { "over" } else { "open" },
            start,
            noticed: start,
            end,
            ending: end.map(|_| "recovered"),
            duration_s: end_s,
            down_s: end_s.map(|seconds| seconds / 2),
            falls: None,
            caveat: None,
            group: None,
            late: false,
            vantages: vec!["ada-berlin".into(), "bob-osaka".into()],
            networks: 2,
            evidence: Vec::new(),
        }
    };
    vec![one(10, Some(90)), one(400, Some(30)), one(1_000, None)]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Maven and a Java; .ci/run runs it"]
async fn every_panel_has_the_rows_that_an_export_has() {
    let (release, java) = releases().remove(0);
    let mut server = Elasticsearch::unpack(release, java, "").unwrap();
    server.start().await.unwrap();
    let mut mesh = Mesh::new(&server);
    let judged = incidents();
    let of_mesh = judged.clone();
    mesh.incidents = Incidents::from(move || Ok(of_mesh.clone()));
    mesh.set_up().await;
    mesh.measure(120).await;
    mesh.follow(async |_| {}).await;
    mesh.assert_equal().await; // refreshed, too

    let mut exported = Vec::new();
    export::ndjson(&mesh.store, ScanRange::default(), &mut exported, |_| {}).unwrap();
    let lines: Vec<Value> = exported
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let ledger = isochrone_store::ledger::read(&mesh.store, mesh.clock.wall()).unwrap();
    let ledger: Value = serde_json::from_str(&isochrone_report::ledger::json(&ledger, None)).unwrap();
    let is_echo = |line: &&Value| text(&line["kind"]).starts_with("echo");
    let (echoes, checks): (Vec<&Value>, Vec<&Value>) = lines.iter().partition(is_echo);
    let of_family = BTreeMap::from([
        ("isochrone-echo", echoes.into_iter().cloned().collect()),
        ("isochrone-endpoint", checks.into_iter().cloned().collect()),
        (
            "isochrone-incident",
            judged
                .iter()
                .map(|one| serde_json::to_value(one).unwrap())
                .collect(),
        ),
        ("isochrone-ledger", list(&ledger["rows"]).to_vec()),
    ]);
    let lines_of = |of: &Value| -> &Vec<Value> { &of_family[of["datasource"]["uid"].as_str().unwrap()] };
    let client = mesh.client();
    let mut panels = 0;
    for (file, dashboard) in dashboards() {
        for variable in list(&dashboard["templating"]["list"]) {
            assert_variable(&client, variable, lines_of(variable)).await;
        }
        for panel in list(&dashboard["panels"]) {
            let what = format!("{file}, {}", panel["title"]);
            for target in list(&panel["targets"]) {
                let path = format!("{}-*/_search", text(&target["datasource"]["uid"]));
                let answer = client.fetch(Method::Post, &path, Some(&search(target))).await;
                let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
                let mut found = BTreeMap::new();
                let buckets = list(&target["bucketAggs"]);
                rows(&answer["aggregations"], buckets, &Key::new(), &mut found);
                assert!(!found.is_empty(), "{what}: no rows");
                let expected = expected(lines_of(target), target);
                let counts: BTreeMap<_, _> = found.iter().map(|(key, row)| (key, row.documents)).collect();
                let wanted: BTreeMap<_, _> =
                    expected.iter().map(|(key, of)| (key, of.len() as u64)).collect();
                assert_eq!(counts, wanted, "{what}");
                for (key, row) in &found {
                    for metric in list(&target["metrics"]) {
                        assert_metric(metric, row, &expected[key], &format!("{what} {key:?}"));
                    }
                }
            }
            panels += 1;
        }
    }
    assert_eq!(panels, 25, "a panel that is added is counted here");
}
