//! `show` for people.

use isochrone_base::words::{count, network};

use super::values::{FailureRun, IncidentLine, SeenBy, ShowReport};
use crate::frame::DEMO;
use crate::lines::Lines;
use crate::tables::{Cell, Column, Table};
use crate::words::cut;

/// Entries of text; JSON holds all.
const SHOWN: usize = 500;
/// Before the further lines of an entry.
const HANG: &str = "      ";

impl ShowReport {
    /// Text of at most `width` columns; errors are verbatim, and broken into lines where they are longer.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let mut lines = Lines::text(width);
        if self.source == "demo" {
            lines.wrapped(DEMO);
        }
        let worker = self.worker.as_deref().unwrap_or("no worker named");
        let title = [&self.node, worker, &self.place, &network(self.network)];
        let title: Vec<_> = title.into_iter().filter(|part| !part.is_empty()).collect();
        lines.verbatim(cut(&title.join(" · "), width));
        lines.verbatim(cut(&self.url, width));
        lines.wrapped(&format!("{} to {} UTC", plain(&self.from), plain(&self.to)));
        self.incidents_text(&mut lines);
        self.failures_text(&mut lines, width);
        self.seen_text(&mut lines);
        lines.finish()
    }

    fn incidents_text(&self, lines: &mut Lines) {
        lines.blank();
        if self.incidents.is_empty() {
            return lines.wrapped("No incident about it in this time.");
        }
        lines.wrapped("Incidents");
        for incident in &self.incidents {
            lines.hung("  ", HANG, &incident.line());
        }
    }

    fn failures_text(&self, lines: &mut Lines, width: usize) {
        lines.blank();
        if self.failures.is_empty() {
            return lines.wrapped(match self.seen.is_empty() {
                true => "Nothing was measured in this time: no data is not \"up\".",
                false => "No failure was seen in this time.",
            });
        }
        lines.wrapped("What failed");
        for failure in self.failures.iter().take(SHOWN) {
            failure.write(lines, width);
        }
        if let Some(rest) = self.failures.len().checked_sub(SHOWN).filter(|rest| *rest > 0) {
            let rest = count(rest, "more failure");
            let sentence = format!("… {rest}; --format json prints all, a shorter window fewer.");
            lines.hung("  ", HANG, &sentence);
        }
    }

    fn seen_text(&self, lines: &mut Lines) {
        if self.seen.is_empty() {
            return;
        }
        lines.blank();
        lines.wrapped("What each vantage saw");
        let names = ["vantage", "place"].map(Column::names);
        let network = Column::figures("network");
        let counts = ["ok", "failed", "absent", "unsent"].map(Column::figures);
        let columns = names
            .into_iter()
            .chain([network, Column::names("check")])
            .chain(counts);
        lines.table(&Table::new("Vantages", columns).rows(self.seen.iter().map(SeenBy::row)));
        lines.wrapped(
            "absent: the node answered that it does not hold the object. unsent: the probe itself could not ask",
        );
        if self.seen.iter().any(|seen| seen.own) {
            lines.wrapped("* the node's own worker's probe: it judges nothing");
        }
    }
}

impl IncidentLine {
    fn line(&self) -> String {
        let seen_by = match self.vantages.is_empty() {
            true => "nobody".to_owned(),
            false => self.vantages.join(", "),
        };
        format!(
            "{} to {}: {} ({}), seen by {seen_by}",
            plain(&self.start),
            self.end.as_deref().map_or("now".to_owned(), plain),
            self.check,
            self.cause,
        )
    }
}

impl FailureRun {
    fn write(&self, lines: &mut Lines, width: usize) {
        let (first, last) = (plain(&self.first), plain(&self.last));
        let is_one_day = first.get(..10) == last.get(..10);
        let last = last.get(if is_one_day { 11 } else { 0 }..).unwrap_or(&last);
        let span = match self.count {
            1 => first,
            count => format!("{first} to {last}, {count} times"),
        };
        let own = if self.own { "*" } else { "" };
        let network = network(self.network);
        let (kind, vantage, place) = (&self.kind, &self.vantage, &self.place);
        let head = format!("{span}: {kind} from {vantage}{own} ({place}, {network})");
        lines.hung("  ", HANG, &head);
        let what = match (self.phase, self.http_status) {
            (Some(phase), Some(status)) => format!("{phase}: {} (HTTP {status})", self.cause),
            (Some(phase), None) => format!("{phase}: {}", self.cause),
            (None, _) => self.cause.clone(),
        };
        let address = match self.address.as_str() {
            "" => String::new(),
            address => format!(", dialled {address}"),
        };
        let against = match self.down {
            true => "",
            false => "; says nothing against the node",
        };
        lines.verbatim(cut(&format!("{HANG}{what}{address}{against}"), width));
        for line in broken(&self.error, width - HANG.len() - 2) {
            lines.verbatim(format!("{HANG}\u{2502} {line}"));
        }
    }
}

impl SeenBy {
    fn row(&self) -> Vec<Cell> {
        let name = format!("{}{}", cut(&self.vantage, 19), if self.own { "*" } else { "" });
        let network = self.network.map_or("-".to_owned(), |number| number.to_string());
        let counts = [self.ok, self.failed, self.absent, self.unsent].map(|count| count.to_string());
        let names = [name, cut(&self.place, 20), network, self.kind.clone()];
        names.into_iter().chain(counts).map(Cell::from).collect()
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
