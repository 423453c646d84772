//! Rows as columns of text (RFC 4180). The last column names the columns and their meaning with a version: there is no
//! line before the names, which readers would trip over. Text that a spreadsheet would take for a formula stands behind an
//! apostrophe: whoever answers a probe chooses some of it.

use std::io::{self, Write};

use serde_json::Value;

/// The names of a measurement and their meaning: [`MEASUREMENT`], and the keys of JSON.
pub(super) const MEASUREMENT_SCHEMA: &str = "isochrone.measurements/1";

/// The columns of a measurement: the keys of its line of JSON. What was not measured is empty.
pub(super) const MEASUREMENT: [&str; 31] = [
    "source",
    "probe",
    "probe_id",
    "epoch",
    "kind",
    "target",
    "target_id",
    "slot",
    "lateness_us",
    "outcome",
    "rtt_us",
    "claimed_delay_us",
    "stamp",
    "suspect",
    "address",
    "http_status",
    "cache",
    "certificate_expires_s",
    "resolve_us",
    "connect_us",
    "tls_us",
    "first_byte_us",
    "transfer_us",
    "unattributed_us",
    "body_bytes",
    "node_uptime_s",
    "node_version",
    "phase",
    "cause",
    "text",
    "schema",
];

/// Writes the names of the columns.
pub(super) fn write_head(columns: &[&str], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", columns.join(","))
}

/// Writes a row: what `row` has under the name of each column.
pub(super) fn write_row(columns: &[&str], row: &Value, out: &mut impl Write) -> io::Result<()> {
    let mut line = String::new();
    for (place, column) in columns.iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        match row.get(column) {
            Some(Value::String(text)) => push_text(&mut line, text),
            Some(Value::Null) => {}
            Some(value) => push(&mut line, &value.to_string()),
            None if *column == "source" => line.push_str("store"),
            None => {}
        }
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}

/// Words, not figures.
fn push_text(line: &mut String, text: &str) {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    match is_formula {
        true => push(line, &format!("'{text}")),
        false => push(line, text),
    }
}

fn push(line: &mut String, text: &str) {
    if !text.contains([',', '"', '\n', '\r']) {
        line.push_str(text);
        return;
    }
    line.push('"');
    line.push_str(&text.replace('"', "\"\""));
    line.push('"');
}
