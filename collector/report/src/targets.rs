//! The nodes of `targets.toml`, with what is odd about them.

use std::time::Duration;

use isochrone_base::words::network_in_column;
use serde_json::{Value, json};

use crate::lines::Lines;
use crate::tables::{Cell, Column, Table};

/// What `target list` says.
#[derive(Clone, Debug)]
pub struct TargetsReport {
    /// In the order of the file.
    pub nodes: Vec<TargetLine>,
    /// Places that might get a node, in the order of the file.
    pub candidates: Vec<CandidateLine>,
    /// Where further ones are written.
    pub file: String,
}

/// A node.
#[derive(Clone, Debug)]
pub struct TargetLine {
    /// As `targets.toml` writes it.
    pub name: String,
    /// `argus` or `http`.
    pub kind: &'static str,
    /// Where it answers.
    pub url: String,
    /// In whose care it is.
    pub worker: String,
    /// The city.
    pub place: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// ISO 3166 code.
    pub country: Option<String>,
    /// AS number; `None` where nobody is named.
    pub network: Option<u32>,
    /// What it should serve, `family:index`.
    pub buckets: Vec<String>,
    /// The object that is fetched.
    pub asset: Option<String>,
    /// Between two status checks, where it has its own.
    pub interval: Option<Duration>,
    /// It is not measured.
    pub paused: bool,
    /// Its URL was written without its last slash.
    pub lacks_slash: bool,
    /// Its worker runs a probe.
    pub worker_has_probe: bool,
    /// What is odd about it, in words.
    pub notes: Vec<String>,
    /// What its checks cost it.
    pub load: TargetLoad,
}

/// A place that might get a node.
#[derive(Clone, Debug)]
pub struct CandidateLine {
    /// As `targets.toml` writes it.
    pub name: String,
    /// A page of a server there.
    pub url: String,
    /// The city.
    pub place: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// ISO 3166 code.
    pub country: Option<String>,
    /// How many probes connect to it.
    pub vantages: usize,
    /// Between two connections of one of them.
    pub connect_interval: Duration,
}

/// What all probes together ask of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetLoad {
    /// Status calls a minute, or those of a plain web server's page.
    pub status_per_minute: f64,
    /// Asset calls a minute: HEAD and GET, over every family.
    pub asset_per_minute: f64,
    /// Connections a minute.
    pub connect_per_minute: f64,
    /// Bytes a day that are fetched to see how fast it sends; 0: that is not measured.
    pub throughput_bytes_per_day: u64,
    /// How many probes check it.
    pub vantages: usize,
    /// Between two connect checks by one of them.
    pub connect_interval: Duration,
}

/// Calls a minute as people read them: with a decimal where there is one.
#[must_use]
pub fn calls(a_minute: f64) -> String {
    let text = format!("{a_minute:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

impl TargetsReport {
    /// `isochrone.targets/1`.
    #[must_use]
    pub fn json(&self) -> Value {
        let nodes: Vec<_> = self.nodes.iter().map(TargetLine::json).collect();
        let candidates = self.candidates.iter().map(|candidate| {
            json!({
                "name": candidate.name, "url": candidate.url, "place": candidate.place,
                "latitude": candidate.latitude, "longitude": candidate.longitude, "country": candidate.country,
                "load": {
                    "vantages": candidate.vantages,
                    "connect_interval_s": candidate.connect_interval.as_secs_f64(),
                },
            })
        });
        let candidates: Vec<_> = candidates.collect();
        json!({ "schema": "isochrone.targets/1", "nodes": nodes, "candidates": candidates })
    }

    /// For people; each oddity once, with the nodes that have it.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        if self.nodes.is_empty() && self.candidates.is_empty() {
            let file = &self.file;
            return format!("No nodes yet. Add one with `target add`, or write it into {file}.\n");
        }
        let mut lines = Lines::text(width);
        if !self.nodes.is_empty() {
            lines.table(&self.table());
            lines.blank();
            lines.table(&self.loads());
        }
        if !self.candidates.is_empty() {
            lines.blank();
            lines.table(&self.candidates());
        }
        for (note, names) in self.noted() {
            lines.item(&format!("{}: {note}", names.join(", ")));
        }
        lines.finish()
    }

    fn table(&self) -> Table {
        let names = ["NODE", "KIND", "WORKER", "PLACE", "NETWORK"].map(Column::names);
        let columns = names.into_iter().chain([Column::names("URL").whole()]);
        let rows = self.nodes.iter().map(|node| {
            let network = network_in_column(node.network);
            let cells = [
                &node.name,
                node.kind,
                &node.worker,
                &node.place,
                &network,
                &node.url,
            ];
            cells.map(Cell::from).into()
        });
        Table::new("Targets", columns).rows(rows)
    }

    fn loads(&self) -> Table {
        let columns = [
            Column::names("CALLS A MINUTE"),
            Column::figures("STATUS OR PAGE"),
            Column::figures("ASSET"),
            Column::figures("CONNECT"),
            Column::figures("PROBES"),
            Column::figures("CONNECT EVERY"),
        ];
        let rows = self.nodes.iter().map(|node| {
            let load = node.load;
            let cells = [
                node.name.clone(),
                calls(load.status_per_minute),
                calls(load.asset_per_minute),
                calls(load.connect_per_minute),
                load.vantages.to_string(),
                humantime::format_duration(load.connect_interval).to_string(),
            ];
            cells.map(Cell::from).into()
        });
        Table::new("Load", columns).rows(rows)
    }

    /// Probes connect to them, and nobody judges them.
    fn candidates(&self) -> Table {
        let columns = [
            Column::names("CANDIDATE"),
            Column::names("PLACE"),
            Column::figures("PROBES"),
            Column::figures("CONNECT EVERY"),
            Column::names("URL").whole(),
        ];
        let rows = self.candidates.iter().map(|candidate| {
            let cells = [
                candidate.name.clone(),
                candidate.place.clone(),
                candidate.vantages.to_string(),
                humantime::format_duration(candidate.connect_interval).to_string(),
                candidate.url.clone(),
            ];
            cells.map(Cell::from).into()
        });
        Table::new("Candidates", columns).rows(rows)
    }

    fn noted(&self) -> Vec<(&str, Vec<&str>)> {
        let mut noted: Vec<(&str, Vec<&str>)> = Vec::new();
        for node in &self.nodes {
            for note in node.notes.iter().map(String::as_str) {
                match noted.iter_mut().find(|(of, _)| *of == note) {
                    Some((_, names)) => names.push(&node.name),
                    None => noted.push((note, vec![&node.name])),
                }
            }
        }
        noted
    }
}

impl TargetLine {
    fn json(&self) -> Value {
        json!({
            "node": self.name, "kind": self.kind, "url": self.url, "worker": self.worker, "place": self.place,
            "latitude": self.latitude, "longitude": self.longitude, "country": self.country,
            "network": self.network, "buckets": self.buckets, "asset": self.asset,
            "interval_s": self.interval.map(|interval| interval.as_secs_f64()), "paused": self.paused,
            "lacks_slash": self.lacks_slash, "worker_has_probe": self.worker_has_probe,
            "load": {
                "status_per_minute": self.load.status_per_minute,
                "asset_per_minute": self.load.asset_per_minute,
                "connect_per_minute": self.load.connect_per_minute,
                "throughput_bytes_per_day": self.load.throughput_bytes_per_day,
                "vantages": self.load.vantages,
                "connect_interval_s": self.load.connect_interval.as_secs_f64(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, notes: &[&str]) -> TargetLine {
        TargetLine {
            name: name.to_owned(),
            kind: "http",
            url: "https://node.example.org/".to_owned(),
            worker: "ada".to_owned(),
            place: "Berlin, DE".to_owned(),
            latitude: 52.5,
            longitude: 13.4,
            country: Some("DE".to_owned()),
            network: None,
            buckets: vec!["0:0".to_owned()],
            asset: None,
            interval: Some(Duration::from_millis(1_500)),
            paused: true,
            lacks_slash: false,
            worker_has_probe: false,
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
            load: TargetLoad {
                status_per_minute: 6.0,
                asset_per_minute: 3.52,
                connect_per_minute: 60.0,
                throughput_bytes_per_day: 0,
                vantages: 10,
                connect_interval: Duration::from_secs(10),
            },
        }
    }

    fn report(nodes: &[TargetLine]) -> TargetsReport {
        let (nodes, file) = (nodes.to_vec(), "targets.toml".to_owned());
        TargetsReport {
            nodes,
            candidates: Vec::new(),
            file,
        }
    }

    #[test]
    fn candidate_is_listed_beside_nodes_and_without_any() {
        let candidate = CandidateLine {
            name: "nairobi-provider".to_owned(),
            url: "https://test.example.org/".to_owned(),
            place: "Nairobi, KE".to_owned(),
            latitude: -1.3,
            longitude: 36.8,
            country: Some("KE".to_owned()),
            vantages: 10,
            connect_interval: Duration::from_secs(300),
        };
        for nodes in [&[][..], &[node("one", &[])]] {
            let report = TargetsReport {
                candidates: vec![candidate.clone()],
                ..report(nodes)
            };
            let text = report.text(100);
            assert!(
                text.contains("CANDIDATE") && text.contains("Nairobi, KE") && text.contains("5m"),
                "{text}"
            );
            assert!(
                text.contains("https://test.example.org/") && !text.contains("No nodes"),
                "{text}"
            );
            let json = report.json();
            assert_eq!(json["candidates"][0]["name"], "nairobi-provider");
            assert_eq!(json["candidates"][0]["country"], "KE");
            assert_eq!(json["candidates"][0]["load"]["connect_interval_s"], 300.0);
        }
    }

    #[test]
    fn oddity_is_said_once_with_all_nodes_that_have_it() {
        let text = report(&[node("one", &["paused"]), node("two", &["odd", "paused"])]).text(100);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("NODE") && lines[0].contains("URL"), "{text}");
        assert!(
            lines[2].contains("unknown") && lines[2].ends_with("https://node.example.org/"),
            "{text}"
        );
        assert!(
            lines
                .iter()
                .any(|line| line.contains(" 3.5 ") && line.contains("10s")),
            "{text}"
        );
        assert_eq!(lines[lines.len() - 2..], ["- one, two: paused", "- two: odd"]);
    }

    #[test]
    fn no_node_says_where_to_write_one() {
        assert_eq!(
            report(&[]).text(100),
            "No nodes yet. Add one with `target add`, or write it into targets.toml.\n"
        );
    }

    #[test]
    fn json_says_what_the_contract_says() {
        let expected = concat!(
            r#"{"schema":"isochrone.targets/1","nodes":[{"node":"one","kind":"http","#,
            r#""url":"https://node.example.org/","worker":"ada","place":"Berlin, DE","latitude":52.5,"#,
            r#""longitude":13.4,"country":"DE","network":null,"buckets":["0:0"],"asset":null,"#,
            r#""interval_s":1.5,"paused":true,"lacks_slash":false,"worker_has_probe":false,"#,
            r#""load":{"status_per_minute":6.0,"asset_per_minute":3.52,"connect_per_minute":60.0,"#,
            r#""throughput_bytes_per_day":0,"vantages":10,"#,
            r#""connect_interval_s":10.0}}],"candidates":[]}"#
        );
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(report(&[node("one", &["paused"])]).json(), expected);
    }
}
