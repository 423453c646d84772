//! A store in which every text that a probe or a node may choose is hostile, through every command in every format.

use bytes::Bytes;
use isochrone_proto::codec;
use isochrone_proto::ids::Digest;
use isochrone_proto::measurement::{EndpointResult, Measurement, Outcome};
use isochrone_proto::text::{cleaned_lines, is_clean};
use isochrone_store::ingest::fixture::{header, measurements, submit};
use isochrone_store::ingest::{Incoming, Ingested};
use serde_json::Value;

use super::*;

/// It begins as a formula, ends as a script, and clears the screen between; `seen` shows where it is printed.
const HOSTILE: &str = "=cmd|seen\u{1b}[2J\u{202e}\u{2066}\0\n# Owned\u{7f}\u{9b}31m<script>alert(1)</script>";
/// What stands on the wire as the address of a run; as long as the one it takes the place of.
const ADDRESS: &[u8; 9] = b"\x1b[2J;seen";

/// The rows of an honest batch, their texts hostile: every second run fails.
fn rows(sequence: u64) -> Vec<Measurement> {
    let mut rows = measurements(sequence, 0);
    for row in &mut rows {
        let Outcome::Endpoint(outcome) = &mut row.outcome else {
            continue;
        };
        match &mut outcome.result {
            EndpointResult::Ok { node_version, .. } if sequence.is_multiple_of(2) => {
                *node_version = HOSTILE.to_owned()
            }
            result => {
                *result = EndpointResult::Failed {
                    phase: isochrone_proto::measurement::Phase::Verify,
                    cause: isochrone_proto::measurement::FailureCause::BadStatus,
                    text: HOSTILE.to_owned(),
                }
            }
        }
    }
    rows
}

/// As a probe of its own make would send it: another text where an address stands.
fn sent(payload: &[u8]) -> Bytes {
    let mut payload = payload.to_vec();
    let honest = b"192.0.2.7";
    let at = payload.windows(honest.len()).position(|bytes| bytes == honest);
    let at = at.expect("the batch names the address that was dialled");
    payload[at..at + honest.len()].copy_from_slice(ADDRESS);
    payload.into()
}

fn hostile_context() -> (TempDir, CommandContext) {
    let (folder, context) = context(false);
    let mut hostile = plan(2);
    hostile.probe_name = format!("ada-1{HOSTILE}");
    for (place, peer) in hostile.targets.iter_mut().take(2).enumerate() {
        peer.name = format!("{place}{HOSTILE}");
    }
    context
        .store
        .put_plan(
            &signed(&hostile),
            &codec::decode_plan(&codec::encode_plan(&hostile)).unwrap(),
        )
        .unwrap();
    let ingest = inline(&context.store);
    let mut previous = Digest::ZERO;
    let epoch = isochrone_store::ingest::fixture::LATER_EPOCH;
    for sequence in 6..=10_u64 {
        let mut header = header(epoch, sequence, previous);
        header.sequence = isochrone_proto::ids::Sequence(sequence - 5);
        header.plan = hostile.version;
        header.adopted.version = hostile.version;
        header.adopted.first_slot = isochrone_store::ingest::fixture::cut_of(5);
        let batch = isochrone_proto::batch::Batch::pack(header.clone(), &rows(sequence)).unwrap();
        let payload = sent(&codec::encode_batch(&batch));
        let incoming = Incoming::batch(ADA, payload, header.cut).unwrap();
        previous = incoming.digest;
        let answer = submit(&ingest, incoming);
        assert!(matches!(answer, Ingested::Stored { .. }), "{answer:?}");
    }
    (folder, context)
}

fn texts(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, visit)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            visit(key);
            texts(value, visit);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The cells of a table of comma-separated values.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells.last_mut().unwrap().push(other),
        }
    }
    cells
}

fn assert_harmless(command: &str, printed: &str) {
    assert_eq!(cleaned_lines(printed), printed, "{command}");
    if command.contains("json") {
        for line in printed.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            texts(&value, &mut |text| {
                let is_script = text.starts_with(": 'Isochrone probe"); // what a worker pastes has lines
                assert!(
                    is_clean(text) || is_script && text.lines().all(is_clean),
                    "{command}: {text:?}"
                );
            });
        }
    }
    if command.ends_with("html") || command.ends_with("md") {
        assert!(!printed.contains("<script"), "{command}: {printed}");
    }
    if command.ends_with("csv") {
        for cell in printed.lines().flat_map(cells) {
            let computes = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
            assert!(!computes, "{command}: {cell}");
        }
    }
}

#[test]
fn words_of_a_probe_or_node_move_nothing_in_any_output() {
    let (_folder, context) = hostile_context();
    let mut seen = Vec::new();
    for command in commands() {
        let (code, printed) = said(&context, &command);
        assert_eq!(code, 0, "{command}: {printed}");
        assert_harmless(&command, &printed);
        if printed.contains("seen") {
            seen.push(command);
        }
    }
    for quotes in ["show berlin", "export ndjson"] {
        assert!(
            seen.iter().any(|command| command.starts_with(quotes)),
            "{quotes} quotes them: {seen:?}"
        );
    }
}

#[test]
fn address_that_is_none_is_not_told_as_one() {
    let (_folder, context) = hostile_context();
    let (_, lines) = said(&context, "export ndjson");
    let addresses: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["address"].clone())
        .collect();
    assert!(
        addresses
            .iter()
            .all(|address| address.is_null() || *address == "192.0.2.7"),
        "{addresses:?}"
    );
}
