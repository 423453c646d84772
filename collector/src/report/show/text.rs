//! `show` for people, 100 columns wide.

use std::fmt::Write as _;

use isochrone_base::words;
use isochrone_coverage::report::DEMO;

use super::{FailureRun, IncidentLine, SeenBy, ShowReport};
use crate::report::nodes::cut;

/// Entries of text; JSON holds all.
const SHOWN: usize = 500;

impl ShowReport {
    /// Text of at most 100 columns; errors are verbatim, and broken into lines where they are longer.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if self.source == "demo" {
            text.push_str(DEMO);
            text.push('\n');
        }
        let worker = self.worker.as_deref().unwrap_or("no worker named");
        let title = [&self.node, worker, &self.place, &words::network(self.network)].map(str::to_owned);
        let title: Vec<_> = title.into_iter().filter(|part| !part.is_empty()).collect();
        let _infallible = writeln!(text, "{}\n{}", cut(&title.join(" · "), 100), cut(&self.url, 100));
        let _infallible = writeln!(text, "{} to {} UTC", plain(&self.from), plain(&self.to));
        self.incidents_text(&mut text);
        self.failures_text(&mut text);
        self.seen_text(&mut text);
        text
    }

    fn incidents_text(&self, text: &mut String) {
        if self.incidents.is_empty() {
            text.push_str("\nNo incident about it in this time.\n");
            return;
        }
        text.push_str("\nIncidents\n");
        for incident in &self.incidents {
            hang(text, &incident.line(), "      ");
        }
    }

    fn failures_text(&self, text: &mut String) {
        if self.failures.is_empty() {
            let sentence = match self.seen.is_empty() {
                true => "\nNothing was measured in this time: no data is not \"up\".\n",
                false => "\nNo failure was seen in this time.\n",
            };
            text.push_str(sentence);
            return;
        }
        text.push_str("\nWhat failed\n");
        for failure in self.failures.iter().take(SHOWN) {
            failure.write(text);
        }
        if let Some(rest) = self.failures.len().checked_sub(SHOWN).filter(|rest| *rest > 0) {
            let rest = words::count(rest, "more entry").replace("entrys", "entries");
            let _infallible = writeln!(
                text,
                "  … {rest}; --format json prints all, a shorter window fewer."
            );
        }
    }

    fn seen_text(&self, text: &mut String) {
        if self.seen.is_empty() {
            return;
        }
        text.push_str("\nWhat each vantage saw\n");
        let _infallible = writeln!(
            text,
            "  {:<20} {:<20} {:>9} {:<11} {:>7} {:>7} {:>7} {:>7}",
            "vantage", "place", "network", "check", "ok", "failed", "absent", "unsent"
        );
        for seen in &self.seen {
            let _infallible = writeln!(text, "{}", seen.line());
        }
        text.push_str(
            "  absent: the node answered that it does not hold the object. unsent: the probe itself could not ask\n",
        );
        if self.seen.iter().any(|seen| seen.own) {
            text.push_str("  * the node's own worker's probe: it judges nothing\n");
        }
    }
}

/// One entry: the first line stands two columns in, those after it under `indent`.
fn hang(text: &mut String, entry: &str, indent: &str) {
    let lines = if entry.chars().count() <= 98 {
        entry.to_owned()
    } else {
        words::wrapped(entry, 100 - indent.len())
    };
    for (number, line) in lines.lines().enumerate() {
        let indent = if number == 0 { "  " } else { indent };
        let _infallible = writeln!(text, "{indent}{line}");
    }
}

impl IncidentLine {
    fn line(&self) -> String {
        format!(
            "{} to {}  {} ({}), seen by {}",
            plain(&self.start),
            self.end.as_deref().map_or("now".to_owned(), plain),
            self.check,
            self.cause,
            if self.vantages.is_empty() {
                "nobody".to_owned()
            } else {
                self.vantages.join(", ")
            }
        )
    }
}

impl FailureRun {
    fn write(&self, text: &mut String) {
        let span = if self.count == 1 {
            plain(&self.first)
        } else {
            let last = plain(&self.last);
            let same_day = self.first.get(..10) == self.last.get(..10);
            let last = if same_day {
                last.get(11..).unwrap_or(&last).to_owned()
            } else {
                last
            };
            format!("{} to {last}, {} times", plain(&self.first), self.count)
        };
        let own = if self.own { "*" } else { "" };
        let head = format!(
            "{span}  {}  from {}{own} ({}, {})",
            self.kind,
            self.vantage,
            self.place,
            words::network(self.network)
        );
        hang(text, &head, "      ");
        let what = match (self.phase, self.http_status) {
            (Some(phase), Some(status)) => format!("{phase}: {} (HTTP {status})", self.cause),
            (Some(phase), None) => format!("{phase}: {}", self.cause),
            (None, _) => self.cause.clone(),
        };
        let address = if self.address.is_empty() {
            String::new()
        } else {
            format!(", dialled {}", self.address)
        };
        let against = if self.down {
            ""
        } else {
            "; says nothing against the node"
        };
        let _infallible = writeln!(text, "{}", cut(&format!("      {what}{address}{against}"), 100));
        for line in broken(&self.error, 92) {
            let _infallible = writeln!(text, "      \u{2502} {line}");
        }
    }
}

impl SeenBy {
    fn line(&self) -> String {
        let name = format!("{}{}", cut(&self.vantage, 19), if self.own { "*" } else { "" });
        let network = self.network.map_or("-".to_owned(), |number| number.to_string());
        format!(
            "  {name:<20} {:<20} {network:>9} {:<11} {:>7} {:>7} {:>7} {:>7}",
            cut(&self.place, 20),
            self.kind,
            self.ok,
            self.failed,
            self.absent,
            self.unsent
        )
    }
}

/// Lines of at most `max` characters, every character kept. What a terminal would obey is spelled out: the
/// words come from the server that failed.
fn broken(text: &str, max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut width = 0;
    for character in text.chars() {
        let shown = match character {
            control if control.is_control() => control.escape_default().to_string(),
            other => other.to_string(),
        };
        let length = shown.chars().count();
        if width + length > max {
            lines.push(String::new());
            width = 0;
        }
        width += length;
        if let Some(line) = lines.last_mut() {
            line.push_str(&shown);
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn plain(instant: &str) -> String {
    instant.get(..19).unwrap_or(instant).replace('T', " ")
}
