//! The fields of each family, as the server is told of them.

use serde_json::{Map, Value, json};

use isochrone_store::Timing;

use super::{Family, Histograms};

/// The fields of a family's documents.
pub(super) fn properties(family: Family, histograms: Histograms) -> Value {
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
    let flag = json!({ "type": "boolean" });
    let figure = json!({ "type": "double", "index": false });
    let kept_object = json!({ "type": "object", "enabled": false });
    let time = json!({ "type": "date", "format": "epoch_millis||strict_date_optional_time" });
    match family {
        Family::Echo | Family::Endpoint => {
            add(&["probe", "target", "kind", "outcome", "cause"], &word);
            add(&["probe_id", "target_id"], &id);
            add(&["epoch"], &kept);
            add(&["candidate"], &flag);
            add(&["slot"], &time);
            add(&["lateness_us"], &column);
            // what reports that are read from here need, and nobody looks for
            let kept = json!({ "type": "long", "index": false, "doc_values": false });
            add(&["arrival_ms", "interval_ms", "timeout_ms"], &kept);
        }
        Family::Rollup => {
            add(&["probe", "target", "kind", "cache"], &word);
            add(&["probe_id", "target_id"], &id);
            add(&["start"], &time);
            add(&["suspect", "candidate"], &flag);
            add(&["planned", "run", "skipped", "ok"], &column);
            add(&["losses"], &kept_object);
            for timing in Timing::ALL {
                let name = timing.word();
                for what in ["min", "max", "p50", "p90", "p99"] {
                    add(&[&format!("{name}_{what}_us")], &figure);
                }
                add(&[&format!("{name}_count")], &column);
                add(
                    &[&histograms.field(name)],
                    &json!({ "type": histograms.type_name() }),
                );
            }
        }
        Family::Incident => {
            add(
                &["incident", "subject", "target", "check", "checks", "cause"],
                &word,
            );
            add(&["state", "ending", "vantages", "group"], &word);
            add(&["start", "noticed", "end"], &time);
            add(&["duration_s", "down_s", "falls", "networks"], &column);
            add(&["late"], &flag);
            add(&["caveat"], &text);
            add(&["evidence"], &kept_object);
        }
        Family::Ledger => {
            add(&["probe"], &word);
            add(&["probe_id"], &id);
            add(&["epoch"], &kept);
            add(&["hour"], &time);
            add(&["planned", "run", "skipped", "absent", "stored"], &column);
            add(&["spooled", "dropped", "refused", "forked"], &column);
            add(&["balanced"], &flag);
        }
    }
    match family {
        Family::Echo => {
            add(&["rtt_us", "claimed_delay_us"], &column);
            add(&["stamp"], &word);
            add(&["suspect"], &flag);
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
