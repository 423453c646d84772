//! The report's regions as comma-separated values: a row for each, as in JSON.

use serde_json::Value;

use super::CoverageReport;

/// Keys of a region in JSON, in the order of the columns. `source` is the report's, so that rows of the demo's
/// world stay marked wherever they are pasted.
const COLUMNS: [&str; 24] = [
    "access",
    "region",
    "name",
    "continent",
    "weight",
    "known_weight",
    "vantages",
    "networks",
    "best",
    "tie_set",
    "runner_up",
    "runner_up_ms",
    "best_ms",
    "min_ms",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "rtt_ms",
    "low_ms",
    "high_ms",
    "loss",
    "samples",
    "verdict",
    "source",
];

impl CoverageReport {
    /// Countries, then continents, as comma-separated values. Numbers are not rounded; what was not measured is
    /// empty.
    pub fn csv(&self) -> String {
        let json = self.json();
        let mut text = COLUMNS.join(",") + "\n";
        let rows = ["regions", "continents"]
            .iter()
            .filter_map(|list| json[*list].as_array());
        for region in rows.flatten() {
            let cells = COLUMNS.map(|column| match column {
                "source" => cell(&json["source"]),
                _ => cell(&region[column]),
            });
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        text
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            quoted(&names.join(" = "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{report, small_world};
    use crate::weights::Weights;

    #[test]
    fn every_region_is_a_row_with_the_figures_of_the_json() {
        let report = report(&small_world(), Weights::sites());
        let (json, csv) = (report.json(), report.csv());
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let regions = json["regions"].as_array().unwrap();
        let continents = json["continents"].as_array().unwrap();
        assert_eq!(rows.len(), regions.len() + continents.len());
        for (row, region) in rows.iter().zip(regions) {
            for (column, text) in COLUMNS.iter().zip(row).take(COLUMNS.len() - 1) {
                let expected = match &region[*column] {
                    Value::Array(_) => continue,
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    number => number.to_string(),
                };
                assert_eq!(text, expected, "{column}");
            }
        }
        assert!(
            rows.iter().all(|row| row.iter().next_back() == Some("store")),
            "{csv}"
        );
    }

    #[test]
    fn name_with_commas_and_quotes_is_one_cell() {
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }
}
