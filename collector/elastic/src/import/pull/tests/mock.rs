//! A server that knows points in time and searches, and nothing else: whatever is asked otherwise fails the test.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// What the next search gets in place of its answer.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// A refusal.
    Status(u16, Value),
    /// 429, with how long to wait.
    Busy,
    /// The first half of the answer, announced as the whole.
    Cut,
    /// The connection ends.
    Hangup,
    /// All of it, without some shards.
    Partial,
    /// All of it, cut by time.
    TimedOut,
    /// The point in time is over, now and for its id.
    Expired,
}

pub(super) struct Mock {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Id, place in the order of time (`None`: no time), source.
    documents: Vec<(String, Option<u64>, Value)>,
    /// `time` is text, which nothing can be sorted by.
    by_text: bool,
    faults: VecDeque<(u64, Fault)>,
    searches: u64,
    open: Vec<String>,
    opened: u64,
    /// Requests that no such client may make.
    wrong: Vec<String>,
    /// What is asked first gets this.
    closed_to: Option<(u16, Value)>,
    root: Option<Value>,
}

impl Mock {
    /// Serves the index `operators-ping` with these documents, in order of their times.
    pub(super) fn new(mut documents: Vec<(String, Option<u64>, Value)>) -> Self {
        documents.sort_by_key(|(_, time, _)| time.unwrap_or(u64::MAX));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            documents,
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, stream) = (Arc::clone(&shared), stream.unwrap());
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, state }
    }

    /// The search with this number, from 1, gets `fault`.
    pub(super) fn fault(self, search: u64, fault: Fault) -> Self {
        self.state.lock().unwrap().faults.push_back((search, fault));
        self
    }

    /// `time` is text.
    pub(super) fn by_text(self) -> Self {
        self.state.lock().unwrap().by_text = true;
        self
    }

    /// Opening a point in time gets this.
    pub(super) fn closed(self, status: u16, body: Value) -> Self {
        self.state.lock().unwrap().closed_to = Some((status, body));
        self
    }

    /// What `GET /` says.
    pub(super) fn root(self, body: Value) -> Self {
        self.state.lock().unwrap().root = Some(body);
        self
    }

    /// How many searches came, how many points in time were opened and are open still.
    pub(super) fn counts(&self) -> (u64, u64, usize) {
        let state = self.state.lock().unwrap();
        assert_eq!(
            state.wrong,
            Vec::<String>::new(),
            "requests that no client may make"
        );
        (state.searches, state.opened, state.open.len())
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let answer = answer(&mut state.lock().unwrap(), (method, path), &body);
        let Some((status, text, announced, header)) = answer else {
            return;
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{header}content-length: {announced}\r\n\r\n"
        );
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(text.as_bytes()))
            .is_err()
            || announced != text.len()
        {
            return;
        }
    }
}

type Said = Option<(u16, String, usize, &'static str)>;

fn whole(status: u16, body: &Value) -> Said {
    let text = body.to_string();
    let length = text.len();
    Some((status, text, length, ""))
}

fn error(kind: &str, reason: &str) -> Value {
    json!({ "error": { "type": kind, "reason": reason } })
}

fn answer(state: &mut State, (method, path): (&str, &str), body: &[u8]) -> Said {
    match (method, path) {
        ("POST", "/operators-ping/_pit?keep_alive=5m") => {
            if let Some((status, body)) = &state.closed_to {
                return whole(*status, body);
            }
            state.opened += 1;
            let id = format!("pit-{}", state.opened);
            state.open.push(id.clone());
            whole(200, &json!({ "id": id }))
        }
        ("POST", "/_search?allow_partial_search_results=false") => {
            let query: Value = serde_json::from_slice(body).unwrap();
            search(state, &query)
        }
        ("DELETE", "/_pit") => {
            let query: Value = serde_json::from_slice(body).unwrap();
            state.open.retain(|id| query["id"] != *id);
            whole(200, &json!({ "succeeded": true, "num_freed": 1 }))
        }
        ("GET", "/") => match &state.root {
            Some(root) => whole(200, root),
            None => whole(405, &json!({ "error": "Incorrect HTTP method", "status": 405 })),
        },
        ("GET", "/_cluster/state/version?filter_path=cluster_uuid") => {
            whole(200, &json!({ "cluster_uuid": "u" }))
        }
        ("GET", _) => whole(404, &error("x", "no such path")),
        other => {
            state.wrong.push(format!("{other:?}"));
            whole(400, &error("illegal_argument_exception", "no such request"))
        }
    }
}

fn search(state: &mut State, query: &Value) -> Said {
    state.searches += 1;
    let number = state.searches;
    let fault = match state.faults.front() {
        Some((at, _)) if *at == number => state.faults.pop_front().map(|(_, fault)| fault),
        _ => None,
    };
    let pit = query["pit"]["id"].as_str().unwrap_or_default().to_owned();
    let gone = error(
        "search_context_missing_exception",
        "No search context found for id [1]",
    );
    match fault {
        Some(Fault::Hangup) => return None,
        Some(Fault::Busy) => {
            let body = error("es_rejected_execution_exception", "rejected execution").to_string();
            let length = body.len();
            return Some((429, body, length, "retry-after: 1\r\n"));
        }
        Some(Fault::Status(status, body)) => return whole(status, &body),
        Some(Fault::Expired) => {
            state.open.retain(|id| *id != pit);
            return whole(404, &gone);
        }
        _ => {}
    }
    if !state.open.contains(&pit) {
        return whole(404, &gone);
    }
    let by_time = query["sort"].as_array().is_some_and(|sort| sort.len() == 2);
    if by_time && state.by_text {
        let reason =
            "Fielddata is disabled on [time] in [operators-ping]. Text fields are not optimised for sorting";
        return whole(400, &error("illegal_argument_exception", reason));
    }
    let mut body = hits(state, query, by_time);
    match fault {
        Some(Fault::Partial) => body["_shards"]["failed"] = json!(1),
        Some(Fault::TimedOut) => body["timed_out"] = json!(true),
        Some(Fault::Cut) => {
            let text = body.to_string();
            let half: String = text.chars().take(text.chars().count() / 2).collect();
            return Some((200, half, text.len(), ""));
        }
        _ => {}
    }
    whole(200, &body)
}

fn hits(state: &State, query: &Value, by_time: bool) -> Value {
    let from = query["query"]["bool"]["should"][0]["range"]["time"]["gte"].as_u64();
    let wanted = state
        .documents
        .iter()
        .enumerate()
        .filter(|(_, (_, time, _))| from.is_none_or(|from| time.is_none_or(|time| time >= from)));
    let sort = |place: usize, time: Option<u64>| match by_time {
        true => json!([time.unwrap_or(i64::MAX as u64), place]),
        false => json!([place]),
    };
    let key = |sort: &Value| -> Vec<u64> {
        sort.as_array()
            .unwrap()
            .iter()
            .map(|part| part.as_u64().unwrap())
            .collect()
    };
    let all: Vec<_> = wanted.collect();
    let total = all.len();
    let after = query.get("search_after").map(key);
    let behind = all.into_iter().filter(|(place, (_, time, _))| {
        after
            .as_ref()
            .is_none_or(|after| key(&sort(*place, *time)) > *after)
    });
    let size = query["size"].as_u64().unwrap() as usize;
    let hits: Vec<Value> = behind
        .take(size)
        .map(|(place, (id, time, source))| {
            json!({ "_index": "operators-ping", "_id": id, "_source": source, "sort": sort(place, *time) })
        })
        .collect();
    let mut body = json!({
        "took": 1, "timed_out": false, "pit_id": query["pit"]["id"],
        "_shards": { "total": 1, "successful": 1, "skipped": 0, "failed": 0 }, "hits": { "hits": hits },
    });
    if query["track_total_hits"] == true {
        body["hits"]["total"] = json!({ "value": total, "relation": "eq" });
    }
    body
}
