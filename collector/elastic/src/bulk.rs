//! One bulk: its body, and what the server said of each of its documents.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::client::{RawAnswer, RequestError, reason};
use crate::document::Document;
use crate::{Client, Method, Packed};

/// What became of one document, by the server's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is there: written now, or before.
    Done,
    /// Not now: to be sent again, alone.
    Later {
        /// The server's words.
        reason: String,
    },
    /// It will never be taken as it is.
    Dead {
        /// The server's status for it.
        status: u16,
        /// The server's words.
        reason: String,
    },
    /// Nothing of its kind is taken until somebody changes something.
    Blocked {
        /// The server's words, and what to do.
        reason: String,
    },
}

/// What became of a bulk.
#[derive(Debug)]
pub enum Bulk {
    /// Each document's own, in their order.
    Items(Vec<Verdict>),
    /// All of them have to wait.
    Later {
        /// How long the server asks for.
        wait: Option<Duration>,
        /// Its words.
        reason: String,
    },
    /// More than the server takes at once.
    TooLarge,
    /// Nothing is taken until somebody changes something.
    Blocked {
        /// The server's words, and what to do.
        reason: String,
    },
}

/// The body of a bulk to `index`: an action and a document each. Only a document of another one names its own.
#[must_use]
pub(crate) fn body<'d>(index: &str, documents: impl Iterator<Item = &'d Document>) -> Packed {
    let mut lines = Vec::with_capacity(2 << 20);
    for document in documents {
        lines.extend_from_slice(match document.version {
            None => b"{\"create\":{\"".as_slice(),
            Some(_) => b"{\"index\":{\"",
        });
        if &*document.index != index {
            lines.extend_from_slice(b"_index\":\"");
            lines.extend_from_slice(document.index.as_bytes()); // of a-z, 0-9, - _ and .: nothing to escape
            lines.extend_from_slice(b"\",\"");
        }
        lines.extend_from_slice(b"_id\":\"");
        document.id.append_to(&mut lines);
        lines.push(b'"');
        if let Some(version) = document.version {
            // what is as new is the same: a bulk that is sent again is no conflict
            lines.extend_from_slice(b",\"version_type\":\"external_gte\",\"version\":");
            lines.extend_from_slice(version.to_string().as_bytes());
        }
        lines.extend_from_slice(b"}}\n");
        lines.extend_from_slice(&document.source);
        lines.push(b'\n');
    }
    Packed::lines(&lines)
}

/// Sends `count` documents to `index`, and reads what became of them. Whatever goes wrong on the way is an answer, too: nothing is
/// lost by asking again.
pub(crate) async fn send(client: &Client, (index, count): (&str, usize), body: &Packed) -> Bulk {
    // Of each item only what is needed: an answer is then a tenth of its length.
    let path = format!("{index}/_bulk?filter_path=errors,items.*.status,items.*.error");
    match client.send(Method::Post, &path, Some(body)).await {
        Ok(answer) => read(&answer, count),
        Err(error) => Bulk::Later {
            wait: None,
            reason: isochrone_base::error_chain::chain(&error),
        },
    }
}

#[derive(Deserialize)]
struct Answer {
    errors: bool,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    /// Of a document that may be revised, `index`.
    #[serde(alias = "index")]
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    #[serde(default)]
    error: Value,
}

/// What an answer to a bulk of `count` documents says.
fn read(answer: &RawAnswer, count: usize) -> Bulk {
    if !answer.is_success() {
        return refused(answer);
    }
    let again = |reason: String| Bulk::Later { wait: None, reason };
    match serde_json::from_slice::<Answer>(&answer.bytes) {
        Ok(read) if read.items.len() == count => {
            let verdicts = read.items.iter().map(|item| of_item(&item.create));
            Bulk::Items(verdicts.collect())
        }
        Ok(read) if read.items.is_empty() && !read.errors && count == 0 => Bulk::Items(Vec::new()),
        Ok(read) => again(format!(
            "{} answered for {} documents of {count}",
            answer.url,
            read.items.len()
        )),
        Err(_) => again(match answer.clone().read() {
            Err(error) => error.to_string(),
            Ok(_) => format!("{} answered a bulk with something else", answer.url),
        }),
    }
}

fn refused(answer: &RawAnswer) -> Bulk {
    let (status, wait) = (answer.status, answer.retry_after);
    let words = match answer.clone().read() {
        Ok(answer) => answer.refusal().to_string(),
        Err(error) => error.to_string(),
    };
    match status {
        413 => Bulk::TooLarge,
        429 | 500..=599 => Bulk::Later { wait, reason: words },
        401 => Bulk::Blocked {
            reason: format!("{words}; the user, password or API key in [elasticsearch] is not taken"),
        },
        403 => Bulk::Blocked {
            reason: format!(
                "{words}; the account lacks a privilege: `elastic setup --role` prints what it needs"
            ),
        },
        _ => Bulk::Blocked { reason: words },
    }
}

fn of_item(outcome: &Outcome) -> Verdict {
    let words = || reason(&outcome.error);
    let kind = outcome.error["type"].as_str().unwrap_or_default();
    match outcome.status {
        200..=299 | 409 => Verdict::Done,
        429 | 500..=599 => Verdict::Later { reason: words() },
        status @ 400 if is_its_own_fault(kind, &outcome.error) => Verdict::Dead {
            status,
            reason: words(),
        },
        status => Verdict::Blocked {
            reason: format!("{status} {}{}", words(), advice(status, kind)),
        },
    }
}

/// Whether the document is at fault, and not the index or the cluster.
fn is_its_own_fault(kind: &str, error: &Value) -> bool {
    let says = |text: &str| {
        error["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains(text))
    };
    match kind {
        "document_parsing_exception" | "mapper_parsing_exception" | "strict_dynamic_mapping_exception" => {
            true
        }
        "illegal_argument_exception" => says("immense term"),
        _ => false,
    }
}

fn advice(status: u16, kind: &str) -> &'static str {
    match (status, kind) {
        (_, "index_closed_exception") => "; open the index again",
        (_, "cluster_block_exception") => "; somebody blocked writing, or its disk is full: lift the block",
        (400, "validation_exception") => {
            "; the cluster has as many shards as it may: delete old indices, or allow more"
        }
        (_, "index_not_found_exception") => "; `elastic setup` makes what is missing",
        (401 | 403, _) => "; the account lacks a privilege: `elastic setup --role` prints what it needs",
        _ => "",
    }
}

/// What an error of a request other than a bulk means for what is to be sent.
pub(crate) fn of_error(error: &RequestError) -> Bulk {
    let words = isochrone_base::error_chain::chain(error);
    match error.is_transient() {
        true => Bulk::Later {
            wait: None,
            reason: words,
        },
        false => Bulk::Blocked { reason: words },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &Value) -> RawAnswer {
        RawAnswer {
            url: "https://es:9200/_bulk".to_owned(),
            status,
            retry_after: Some(Duration::from_secs(3)),
            bytes: body.to_string().into(),
        }
    }

    fn item(status: u16, kind: &str) -> Value {
        match status {
            201 => json!({ "create": { "status": 201 } }),
            _ => json!({ "create": { "status": status, "error": { "type": kind, "reason": "because" } } }),
        }
    }

    #[test]
    fn each_document_is_judged_by_its_own_status() {
        let items = json!({ "errors": true, "items": [
            item(201, ""),
            item(409, "version_conflict_engine_exception"),
            item(429, "es_rejected_execution_exception"),
            item(503, "unavailable_shards_exception"),
            item(400, "document_parsing_exception"),
            item(400, "strict_dynamic_mapping_exception"),
            item(400, "index_closed_exception"),
            item(400, "validation_exception"),
            item(403, "cluster_block_exception"),
            item(403, "security_exception"),
            item(404, "index_not_found_exception"),
        ]});
        let Bulk::Items(verdicts) = read(&answer(200, &items), 11) else {
            panic!("items");
        };
        let words: Vec<&str> = verdicts
            .iter()
            .map(|verdict| match verdict {
                Verdict::Done => "done",
                Verdict::Later { .. } => "later",
                Verdict::Dead { .. } => "dead",
                Verdict::Blocked { .. } => "blocked",
            })
            .collect();
        assert_eq!(
            words,
            [
                "done", "done", "later", "later", "dead", "dead", "blocked", "blocked", "blocked", "blocked",
                "blocked"
            ]
        );
        let Verdict::Blocked { reason } = &verdicts[6] else {
            panic!("blocked");
        };
        assert_eq!(
            reason,
            "400 index_closed_exception: because; open the index again"
        );
    }

    #[test]
    fn whole_refusals_wait_split_or_stop() {
        let body = json!({ "error": { "type": "x", "reason": "y" } });
        let bulk = |status| read(&answer(status, &body), 1);
        assert!(matches!(bulk(413), Bulk::TooLarge));
        assert!(matches!(bulk(429), Bulk::Later { wait: Some(wait), .. } if wait.as_secs() == 3));
        assert!(matches!(bulk(502), Bulk::Later { .. }));
        assert!(matches!(bulk(401), Bulk::Blocked { reason } if reason.contains("password")));
        assert!(matches!(bulk(403), Bulk::Blocked { reason } if reason.contains("privilege")));
        assert!(matches!(bulk(400), Bulk::Blocked { .. }));
    }

    #[test]
    fn answer_for_fewer_documents_or_a_cut_one_is_asked_again() {
        let one = json!({ "errors": false, "items": [item(201, "")] });
        assert!(matches!(read(&answer(200, &one), 2), Bulk::Later { .. }));
        let mut cut = answer(200, &one);
        cut.bytes = cut.bytes.slice(..20);
        assert!(matches!(read(&cut, 1), Bulk::Later { .. }));
        assert!(matches!(read(&answer(200, &json!({})), 1), Bulk::Later { .. }));
    }
}
