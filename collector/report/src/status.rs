//! Whether all is well, in a line or two and an exit code for scripts.

use std::path::Path;

use isochrone_base::words::{count, rfc3339_second};
use isochrone_proto::units::UnixMillis;
use serde::Serialize;
use serde_json::{Value, json};

use crate::characters::shown;
use crate::frame::DEMO;
use crate::lines::Lines;

/// How much a finding weighs; the heaviest decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Good to know.
    Note,
    /// Whether this is well cannot be told.
    CannotTell,
    /// Something is wrong.
    Wrong,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// Name of the node or probe; `null` where it is about none.
    pub subject: Option<String>,
    /// A sentence.
    pub says: String,
}

/// What `status` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// When it was true.
    pub at: UnixMillis,
    /// From the demo's world.
    pub is_demo: bool,
    /// Nodes that are watched, and those of them that are up.
    pub nodes: Share,
    /// Probes that belong to the mesh, and those of them that are connected.
    pub probes: Share,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// Some of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// How many there are, well or not.
    pub all: usize,
    /// Those that are well.
    pub well: usize,
    /// Those of which this cannot be told.
    pub unknown: usize,
}

impl Share {
    /// "8 of 9 nodes up"; what is unknown is not down.
    fn says(&self, what: &str, well: &str) -> String {
        let all = count(self.all, what);
        match self.unknown {
            0 => format!("{} of {all} {well}", self.well),
            unknown if unknown == self.all => format!("nothing is known of {all}"),
            unknown => format!("{} of {all} {well}, {unknown} unknown", self.well),
        }
    }
}

impl StatusReport {
    /// What is known where no collector runs; `demo`: where the folder named is that of a demo, its collector's.
    #[must_use]
    pub fn of_no_collector(at: UnixMillis, demo: Option<&Path>) -> Self {
        let mut says = "No collector runs with this state folder, so nobody watches the nodes. Start it (`systemctl start \
                    isochrone-collector`), or name another folder with --state."
            .to_owned();
        if let Some(demo) = demo {
            says = format!(
                "These are the files of a demo: name its collector's folder, --state {}.",
                demo.display()
            );
        }
        Self {
            at,
            is_demo: false,
            nodes: Share::default(),
            probes: Share::default(),
            findings: vec![Finding {
                weight: Weight::CannotTell,
                subject: None,
                says,
            }],
        }
    }

    /// What is known where the collector gives no answer.
    #[must_use]
    pub fn of_no_answer(at: UnixMillis, reason: &str) -> Self {
        let says = format!(
            "The collector gives no answer ({reason}), so nobody knows whether the nodes are watched. Look at `journalctl -u \
             isochrone-collector`; run this with sudo if its state folder is not yours."
        );
        let mut report = Self::of_no_collector(at, None);
        report.findings[0].says = says;
        report
    }

    fn heaviest(&self) -> Weight {
        let weights = self.findings.iter().map(|finding| finding.weight);
        weights.max().unwrap_or(Weight::Note)
    }

    /// 0 well, 1 something is wrong, 3 cannot tell.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.heaviest() {
            Weight::Note => 0,
            Weight::Wrong => 1,
            Weight::CannotTell => 3,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.heaviest() {
            Weight::Note => "well",
            Weight::Wrong => "wrong",
            Weight::CannotTell => "cannot-tell",
        }
    }

    /// A line with the verdict, and one for each finding, the heaviest first.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let mut lines = Lines::text(width);
        if self.is_demo {
            lines.wrapped(DEMO);
        }
        let (nodes, probes) = (self.nodes, self.probes);
        let counted = format!(
            "{}, {}",
            nodes.says("node", "up"),
            probes.says("probe", "connected")
        );
        match self.heaviest() {
            Weight::Note => lines.wrapped(&format!("All is well: {counted}.")),
            Weight::Wrong => lines.wrapped(&format!("Something is wrong: {counted}.")),
            Weight::CannotTell if nodes.all + probes.all == 0 => lines.wrapped("Cannot tell."),
            Weight::CannotTell => lines.wrapped(&format!("Cannot tell: {counted}.")),
        }
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
        for finding in findings {
            lines.marked("- ", &finding.says);
        }
        lines.finish()
    }

    /// `isochrone.status/1`.
    #[must_use]
    pub fn json(&self) -> Value {
        let findings = self.findings.iter().map(|finding| Finding {
            weight: finding.weight,
            subject: finding.subject.as_deref().map(shown),
            says: shown(&finding.says),
        });
        json!({
            "schema": "isochrone.status/1",
            "source": if self.is_demo { "demo" } else { "store" },
            "at": rfc3339_second(self.at),
            "verdict": self.verdict(),
            "nodes": self.nodes,
            "probes": self.probes,
            "findings": findings.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(weights: &[Weight]) -> StatusReport {
        let finding = |weight: &Weight| Finding {
            weight: *weight,
            subject: Some("tokyo".to_owned()),
            says: format!("tokyo is {weight:?}."),
        };
        StatusReport {
            at: UnixMillis(1_795_316_283_000),
            is_demo: false,
            nodes: Share {
                all: 9,
                well: 8,
                unknown: 0,
            },
            probes: Share {
                all: 10,
                well: 10,
                unknown: 0,
            },
            findings: weights.iter().map(finding).collect(),
        }
    }

    #[test]
    fn heaviest_finding_decides_the_exit_code() {
        use Weight::{CannotTell, Note, Wrong};
        for (weights, code) in [
            (&[][..], 0),
            (&[Note], 0),
            (&[Note, CannotTell], 3),
            (&[CannotTell, Wrong, Note], 1),
        ] {
            assert_eq!(report(weights).exit_code(), code, "{weights:?}");
        }
    }

    #[test]
    fn text_says_the_verdict_first_and_then_the_heaviest() {
        let text = report(&[Weight::Note, Weight::Wrong]).text(80);
        assert_eq!(
            text,
            "Something is wrong: 8 of 9 nodes up, 10 of 10 probes connected.\n- tokyo is Wrong.\n- tokyo is Note.\n"
        );
        assert_eq!(
            report(&[]).text(80),
            "All is well: 8 of 9 nodes up, 10 of 10 probes connected.\n"
        );
    }

    #[test]
    fn nodes_of_which_nothing_is_known_are_not_counted_as_down() {
        let mut report = report(&[Weight::CannotTell]);
        report.nodes = Share {
            all: 1,
            well: 0,
            unknown: 1,
        };
        assert!(
            report
                .text(80)
                .starts_with("Cannot tell: nothing is known of 1 node, 10 of 10 probes connected.\n"),
            "{}",
            report.text(80)
        );
        report.nodes = Share {
            all: 3,
            well: 1,
            unknown: 1,
        };
        assert!(report.text(80).contains("1 of 3 nodes up, 1 unknown, "));
    }

    #[test]
    fn no_collector_is_nothing_known_and_says_what_to_do() {
        let report = StatusReport::of_no_collector(UnixMillis(0), None);
        assert_eq!(report.exit_code(), 3);
        let text = report.text(80);
        assert!(
            text.starts_with("Cannot tell.\n") && text.contains("systemctl start"),
            "{text}"
        );
        assert_eq!(report.json()["verdict"], "cannot-tell");
        let silent = StatusReport::of_no_answer(UnixMillis(0), "none within 10 s");
        assert_eq!(silent.exit_code(), 3);
        assert!(
            silent.text(200).contains("none within 10 s"),
            "{}",
            silent.text(200)
        );
        let demo = StatusReport::of_no_collector(UnixMillis(0), Some(Path::new("/x/collector")));
        assert!(
            demo.text(200).contains("--state /x/collector."),
            "{}",
            demo.text(200)
        );
    }
}
