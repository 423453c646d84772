//! Every text of every message passes the door: what is sent with characters that somebody's terminal would obey is read
//! without them, wherever it stands.
//!
//! Samples are made of whole structs, so a field that is added has to be given a value there; rows and plans, which are
//! read from columns and sections, are taken apart here field by field, so that a text that is added does not compile
//! until it is looked at.

use serde::Serialize;
use serde_json::Value;

use super::dice::Dice;
use super::samples;
use crate::batch::Batch;
use crate::codec;
use crate::measurement::{ConnectOutcome, ConnectResult, EndpointOutcome, EndpointResult, Outcome};
use crate::plan::{Plan, Target, TargetAddress};
use crate::text::is_clean;

/// Escape, end of line, no character, delete, a control of eight bits, and what turns or isolates writing.
const HOSTILE: [char; 8] = [
    '\u{1b}', '\n', '\0', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200b}',
];

/// All texts of a message, its keys left out.
fn texts_of(message: &impl Serialize) -> Vec<String> {
    fn collect(value: Value, texts: &mut Vec<String>) {
        match value {
            Value::String(text) => texts.push(text),
            Value::Array(values) => values.into_iter().for_each(|value| collect(value, texts)),
            Value::Object(fields) => fields.into_iter().for_each(|(_, value)| collect(value, texts)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut texts = Vec::new();
    collect(
        serde_json::to_value(message).expect("messages are plain"),
        &mut texts,
    );
    texts
}

fn texts_of_batch(batch: &Batch) -> Vec<String> {
    let mut texts = texts_of(&batch.header);
    for row in batch.measurements() {
        match row.outcome {
            Outcome::Echo(_) => {} // times and codes
            Outcome::Endpoint(outcome) => {
                let EndpointOutcome {
                    address: _, // an address, or nothing
                    http_status: _,
                    cache: _,
                    certificate_expires: _,
                    result,
                } = *outcome;
                texts.push(match result {
                    EndpointResult::Ok {
                        phases: _,
                        body_bytes: _,
                        node_uptime_s: _,
                        node_version,
                    } => node_version,
                    EndpointResult::Failed {
                        phase: _,
                        cause: _,
                        text,
                    } => text,
                    EndpointResult::Unsent(_) => continue,
                });
            }
            Outcome::Connect(outcome) => {
                let ConnectOutcome {
                    address: _,
                    certificate_expires: _,
                    result,
                } = *outcome;
                if let ConnectResult::Failed {
                    phase: _,
                    cause: _,
                    text,
                } = result
                {
                    texts.push(text);
                }
            }
        }
    }
    texts
}

fn texts_of_plan(plan: Plan) -> Vec<String> {
    let Plan {
        version: _,
        probe: _,
        probe_name,
        issued: _,
        expires: _,
        targets,
        checks: _,
        responder: _, // keys and numbers
    } = plan;
    let of_target = |target: Target| {
        let Target { id: _, name, address } = target;
        match address {
            TargetAddress::Peer { .. } => vec![name], // addresses and keys
            TargetAddress::Endpoint { url, asset } => [name, url].into_iter().chain(asset).collect(),
        }
    };
    let targets = targets.into_iter().flat_map(of_target);
    std::iter::once(probe_name).chain(targets).collect()
}

/// What is said by the message that `dice` make, and what is read of it.
fn said_and_read(dice: impl Fn() -> Dice) -> (Vec<String>, Vec<String>) {
    let (mut said, mut read) = (Vec::new(), Vec::new());
    let batch = samples::batch(&mut dice());
    let decoded = codec::decode_batch(&codec::encode_batch(&batch)).expect("a sample");
    said.extend(texts_of_batch(&batch));
    read.extend(texts_of_batch(&decoded));
    let plan = samples::plan(&mut dice());
    let decoded = codec::decode_plan(&codec::encode_plan(&plan)).expect("a sample");
    said.extend(texts_of_plan(plan));
    read.extend(texts_of_plan(decoded));
    macro_rules! both {
        ($message:expr, $encode:ident, $decode:ident) => {{
            let message = $message;
            let decoded = codec::$decode(&codec::$encode(&message)).expect("a sample");
            said.extend(texts_of(&message));
            read.extend(texts_of(&decoded));
        }};
    }
    both!(
        samples::tombstone(&mut dice()),
        encode_tombstone,
        decode_tombstone
    );
    both!(
        samples::stream_hello(&mut dice()),
        encode_stream_hello,
        decode_stream_hello
    );
    both!(
        samples::join_request(&mut dice()),
        encode_join_request,
        decode_join_request
    );
    for which in 0..2 {
        both!(
            samples::join_response(&mut dice(), which),
            encode_join_response,
            decode_join_response
        );
    }
    for which in 0..samples::FROM_PROBE_VARIANTS {
        both!(
            samples::from_probe(&mut dice(), which),
            encode_from_probe,
            decode_from_probe
        );
    }
    for which in 0..samples::FROM_COLLECTOR_VARIANTS {
        both!(
            samples::from_collector(&mut dice(), which),
            encode_from_collector,
            decode_from_collector
        );
    }
    let token = samples::token(&mut dice());
    said.extend(token.collectors.clone());
    let decoded: crate::token::Token = token.to_string().parse().expect("a sample");
    read.extend(decoded.collectors);
    (said, read)
}

#[test]
fn every_text_of_every_message_is_read_clean() {
    for odd in HOSTILE {
        let mut hostile = 0;
        for seed in 0..20 {
            let (said, read) = said_and_read(|| Dice::with(seed, odd));
            let (_, meant) = said_and_read(|| Dice::with(seed, if odd == '\n' { ' ' } else { '?' }));
            assert_eq!(said.len(), read.len(), "seed {seed}");
            assert_eq!(read, meant, "seed {seed}: all else is read as it was said");
            assert!(read.iter().all(|text| is_clean(text)), "seed {seed}: {read:?}");
            hostile += said.iter().filter(|text| !is_clean(text)).count();
        }
        assert!(hostile > 300, "{odd:?}: {hostile} texts only");
    }
}
