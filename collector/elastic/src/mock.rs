//! A strict server for tests: it has what Elasticsearch has of the calls used here, refuses everything else, and fails on
//! demand.

mod search;

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) use self::search::{PageFault, Searches};

/// What goes wrong with the next bulk.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// All of it is refused.
    Whole(u16),
    /// Every third document is answered so, and not taken.
    EveryThird(u16, &'static str),
    /// All is taken, and the answer is cut in its middle.
    TakenAndCut,
    /// The first half is taken, and the connection closed: as a server that is killed.
    HalfAndGone,
    /// All is taken, and the answer comes only after so long.
    TakenAndSlow(Duration),
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) documents: BTreeMap<(String, String), Value>,
    /// Of documents that may be revised.
    pub(crate) versions: BTreeMap<(String, String), u64>,
    /// How often one was written.
    pub(crate) revisions: u64,
    pub(crate) mappings: BTreeMap<String, Value>,
    /// Of indices, as they were made.
    pub(crate) settings: BTreeMap<String, Value>,
    pub(crate) templates: BTreeMap<String, Value>,
    pub(crate) faults: VecDeque<Fault>,
    /// A bulk of more is refused with 413; 0: none is.
    pub(crate) most: usize,
    /// Calls that no code of ours should make.
    pub(crate) strange: Vec<String>,
    pub(crate) bulks: u64,
    pub(crate) authorization: Option<String>,
    pub(crate) has_everything: bool,
    /// Who asks has the sink's role, and may try no template.
    pub(crate) is_least: bool,
    /// Its clock, where it says one.
    pub(crate) wall_ms: Option<u64>,
    /// As the server says it; `None`: `mock`.
    pub(crate) cluster: Option<Value>,
    pub(crate) policies: BTreeMap<String, Value>,
    pub(crate) root: Option<Value>,
    pub(crate) searches: Searches,
}

/// The server.
#[derive(Clone)]
pub(crate) struct Mock {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Mock {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mock = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
        };
        let serving = mock.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mock = serving.clone();
                thread::spawn(move || mock.serve(stream));
            }
        });
        mock
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut out = stream.try_clone().ok()?;
        let mut input = BufReader::new(stream);
        loop {
            let request = read(&mut input)?;
            let (status, body, how) = self.answer(&request);
            let text = body.to_string();
            match how {
                Sent::Whole => {}
                Sent::Late(wait) => thread::sleep(wait),
                Sent::Cut => {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
                    out.write_all(head.as_bytes()).ok()?;
                    out.write_all(&text.as_bytes()[..text.len() / 2]).ok()?;
                    return None;
                }
                Sent::Nothing => return None,
            }
            let wait = if status == 429 { "retry-after: 1\r\n" } else { "" };
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{wait}content-length: {}\r\n\r\n",
                text.len()
            );
            out.write_all(head.as_bytes()).ok()?;
            out.write_all(text.as_bytes()).ok()?;
        }
    }

    fn answer(&self, request: &Request) -> (u16, Value, Sent) {
        let mut state = self.state();
        if let Some(wanted) = &state.authorization
            && request.headers.get("authorization") != Some(wanted)
        {
            let error =
                json!({ "error": { "type": "security_exception", "reason": "unable to authenticate" } });
            return (401, error, Sent::Whole);
        }
        let path = request.path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let whole = |status, body| (status, body, Sent::Whole);
        let json = || serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
        match (request.method.as_str(), &parts[..]) {
            ("GET", [""]) => match &state.root {
                Some(root) => whole(200, root.clone()),
                None => whole(405, json!({ "error": "Incorrect HTTP method for uri [/]" })),
            },
            ("GET", ["_nodes", "_local", "none"]) => {
                whole(200, json!({ "nodes": { "a": { "version": "9.5.2" } } }))
            }
            ("GET", ["_cluster", "state", "version"]) => whole(
                200,
                state
                    .cluster
                    .clone()
                    .unwrap_or_else(|| json!({ "cluster_uuid": "mock" })),
            ),
            ("GET", ["_nodes", "_local", "stats", "http"]) => {
                whole(200, json!({ "nodes": { "a": { "timestamp": state.wall_ms } } }))
            }
            ("POST", ["_index_template", "_simulate"]) if state.is_least => whole(
                403,
                json!({ "error": { "type": "security_exception", "reason": "by the test" } }),
            ),
            ("GET", ["_ilm", "status"]) if state.has_everything => {
                whole(200, json!({ "operation_mode": "RUNNING" }))
            }
            ("POST", ["_query"]) if state.has_everything => whole(200, json!({ "columns": [] })),
            ("POST", ["_index_template", "_simulate"]) if state.has_everything => whole(200, json!({})),
            ("GET", ["_ilm", "policy", name]) => match state.policies.get(*name) {
                Some(policy) => whole(200, policy.clone()),
                None => whole(404, json!({ "error": "no such policy" })),
            },
            ("PUT", ["_ilm", "policy", name]) => {
                state.policies.insert((*name).to_owned(), json());
                whole(200, json!({ "acknowledged": true }))
            }
            ("GET", ["_ilm", "status"]) | ("POST", ["_query"] | ["_index_template", "_simulate"]) => {
                whole(400, json!({ "error": "no handler found" }))
            }
            ("GET", ["_index_template"] | ["_index_template", "*-rollup" | "*-echo"]) => {
                let all = state.templates.iter();
                let ending = parts.get(1).map_or("", |pattern| &pattern[1..]);
                let all = all.filter(|(name, _)| name.ends_with(ending));
                let all = all.map(|(name, body)| json!({ "name": name, "index_template": body }));
                let all: Vec<Value> = all.collect();
                whole(200, json!({ "index_templates": all }))
            }
            ("PUT", ["_index_template", name]) => {
                state.templates.insert((*name).to_owned(), json());
                whole(200, json!({ "acknowledged": true }))
            }
            ("GET", [index, "_mapping"]) => match state.mappings.get(*index) {
                Some(mappings) => whole(200, json!({ *index: { "mappings": mappings } })),
                None => whole(404, json!({ "error": { "type": "index_not_found_exception" } })),
            },
            ("PUT", [index]) => {
                let (index, body) = ((*index).to_owned(), json());
                state.settings.insert(index.clone(), body["settings"].clone());
                state.mappings.insert(index, body["mappings"].clone());
                whole(200, json!({ "acknowledged": true }))
            }
            ("POST", [index, "_bulk"]) => bulk(&mut state, index, request),
            (method, parts) => {
                if let Some((status, body)) = search::answer(&mut state, (method, parts), &json()) {
                    return whole(status, body);
                }
                state.strange.push(format!("{method} {}", request.path));
                whole(400, json!({ "error": "no handler found" }))
            }
        }
    }
}

enum Sent {
    Whole,
    Late(Duration),
    Cut,
    Nothing,
}

fn bulk(state: &mut State, index: &str, request: &Request) -> (u16, Value, Sent) {
    state.bulks += 1;
    if request.headers.get("content-type").map(String::as_str) != Some("application/x-ndjson") {
        state.strange.push("a bulk of another content-type".to_owned());
    }
    let text = String::from_utf8(request.body.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let count = lines.len() / 2;
    if state.most > 0 && count > state.most {
        return (413, Value::String("too large".to_owned()), Sent::Whole);
    }
    let fault = state.faults.pop_front();
    if let Some(Fault::Whole(status)) = fault {
        let error = json!({ "error": { "type": "on_demand", "reason": "by the test" } });
        return (status, error, Sent::Whole);
    }
    let mut items = Vec::new();
    for (at, pair) in lines.chunks(2).enumerate() {
        if matches!(fault, Some(Fault::HalfAndGone)) && at >= count / 2 {
            return (200, Value::Null, Sent::Nothing);
        }
        if let Some(Fault::EveryThird(status, kind)) = fault
            && at % 3 == 0
        {
            let error = json!({ "type": kind, "reason": "by the test" });
            items.push(json!({ "create": { "status": status, "error": error } })); // our client reads either key
            continue;
        }
        items.push(create(state, index, pair));
    }
    let has_errors = items.iter().any(|item| item["create"]["error"].is_object());
    let body = json!({ "errors": has_errors, "items": items });
    match fault {
        Some(Fault::TakenAndCut) => (200, body, Sent::Cut),
        Some(Fault::TakenAndSlow(wait)) => (200, body, Sent::Late(wait)),
        _ => (200, body, Sent::Whole),
    }
}

fn create(state: &mut State, index: &str, pair: &[&str]) -> Value {
    let action: Value = serde_json::from_str(pair[0]).unwrap();
    let document: Value = serde_json::from_str(pair[1]).unwrap();
    let version = action["index"]["version"].as_u64();
    let of = match version {
        Some(_) => &action["index"],
        None => &action["create"],
    };
    assert!(
        version.is_none() || of["version_type"] == "external_gte",
        "{action}"
    );
    let index = of["_index"].as_str().unwrap_or(index).to_owned();
    let id = of["_id"].as_str().unwrap().to_owned();
    let Some(mapping) = state.mappings.get(&index) else {
        state
            .strange
            .push(format!("a document for {index}, which nobody made"));
        return json!({ "create": { "status": 404, "error": { "type": "index_not_found_exception" } } });
    };
    let fields = &mapping["properties"];
    let strange = document
        .as_object()
        .unwrap()
        .keys()
        .find(|key| fields.get(key).is_none());
    if let Some(key) = strange {
        let error = json!({ "type": "strict_dynamic_mapping_exception", "reason": key });
        return json!({ "create": { "status": 400, "error": error } });
    }
    let key = (index, id);
    let known = state.versions.get(&key).copied();
    let is_refused = match version {
        None => state.documents.contains_key(&key),
        Some(version) => known.is_some_and(|known| known > version),
    };
    if is_refused {
        let reason = match (version, known) {
            (Some(version), Some(known)) => {
                format!(
                    "[{}]: version conflict, current version [{known}] is higher than the one provided [{version}]",
                    key.1
                )
            }
            _ => format!(
                "[{}]: version conflict, document already exists (current version [1])",
                key.1
            ),
        };
        let error = json!({ "type": "version_conflict_engine_exception", "reason": reason });
        return json!({ "create": { "status": 409, "error": error } });
    }
    if let Some(version) = version {
        state.versions.insert(key.clone(), version);
        state.revisions += 1;
    }
    state.documents.insert(key, document);
    match version {
        None => json!({ "create": { "status": 201 } }),
        Some(_) => json!({ "index": { "status": 201 } }),
    }
}

fn read(input: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    input.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    input.read_exact(&mut body).ok()?;
    if headers
        .get("content-encoding")
        .is_some_and(|coding| coding == "gzip")
    {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&body[..])
            .read_to_end(&mut plain)
            .ok()?;
        body = plain;
    }
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}
