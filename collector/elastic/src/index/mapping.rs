//! The fields of each family, as the server is told of them.

use serde_json::{Map, Value, json};

use super::Family;

/// The fields of a family's documents.
pub(super) fn properties(family: Family) -> Value {
    let mut fields = Map::new();
    let mut add = |names: &[&str], field: &Value| {
        for name in names {
            fields.insert((*name).to_owned(), field.clone());
        }
    };
    // Nobody looks a run up by how long it took: columns are enough, and an index of them is most of a document.
    let column = json!({ "type": "long", "index": false });
    let word = json!({ "type": "keyword" });
    let id = json!({ "type": "keyword", "index": false });
    let kept = json!({ "type": "keyword", "index": false, "doc_values": false });
    let text = json!({ "type": "keyword", "index": false, "doc_values": false });
    let time = json!({ "type": "date", "format": "epoch_millis||strict_date_optional_time" });
    match family {
        Family::Echo | Family::Endpoint => {
            add(&["probe", "target", "kind", "outcome", "cause"], &word);
            add(&["probe_id", "target_id"], &id);
            add(&["epoch"], &kept);
            add(&["slot"], &time);
            add(&["lateness_us"], &column);
            // what reports that are read from here need, and nobody looks for
            let kept = json!({ "type": "long", "index": false, "doc_values": false });
            add(&["arrival_ms", "interval_ms", "timeout_ms"], &kept);
        }
        Family::Rollup => {
            add(&["probe", "target", "kind", "cache", "period"], &word);
            add(&["probe_id", "target_id"], &id);
            add(&["start"], &time);
            add(&["runs", "good", "bad", "p50_us", "p90_us", "p99_us"], &column);
            add(&["suspect"], &json!({ "type": "boolean" }));
            add(&["losses"], &json!({ "type": "object", "enabled": false }));
            add(&["histogram_bytes"], &json!({ "type": "binary" }));
        }
        Family::Incident => {
            add(
                &["incident", "target", "check", "cause", "ending", "state"],
                &word,
            );
            add(&["start", "end", "acknowledged"], &time);
            add(&["vantages", "networks"], &word);
            add(&["seconds"], &column);
            add(&["evidence"], &json!({ "type": "object", "enabled": false }));
        }
        Family::Ledger => {
            add(&["probe"], &word);
            add(&["probe_id"], &id);
            add(&["epoch"], &kept);
            add(&["hour"], &time);
            add(
                &[
                    "planned", "run", "skipped", "absent", "stored", "spooled", "dropped", "refused",
                    "forked",
                ],
                &column,
            );
        }
    }
    match family {
        Family::Echo => {
            add(&["rtt_us", "claimed_delay_us"], &column);
            add(&["stamp"], &word);
            add(&["suspect"], &json!({ "type": "boolean" }));
        }
        Family::Endpoint => {
            add(
                &[
                    "resolve_us",
                    "connect_us",
                    "tls_us",
                    "first_byte_us",
                    "transfer_us",
                    "unattributed_us",
                    "body_bytes",
                    "node_uptime_s",
                    "certificate_expires_s",
                ],
                &column,
            );
            add(&["http_status"], &json!({ "type": "short" }));
            add(&["address"], &json!({ "type": "ip" }));
            add(&["phase", "cache", "node_version"], &word);
            add(&["text"], &text);
        }
        Family::Rollup | Family::Incident | Family::Ledger => {}
    }
    Value::Object(fields)
}
