//! `show` for people.

use std::collections::BTreeSet;

use isochrone_base::words::{count, network, network_in_column};
use isochrone_watch::incident::IncidentCheck;

use super::groups::Group;
use super::hours;
use super::values::{FailureRun, IncidentLine, SeenBy, ShowReport};
use crate::frame::DEMO;
use crate::lines::Lines;
use crate::tables::{Cell, Column, Table};
use crate::tiers;
use crate::words::{WATCHED, cut};

/// Entries of text; JSON holds all.
const SHOWN: usize = 500;
/// Different errors of one entry; JSON holds all.
const ERRORS: usize = 3;
/// Where not all that failed counts.
const UNCOUNTED: &str = "A failure counts against the node where its vantage may judge it (it is not the node's own worker's, not on its \
    server, not sick), and its own line was proven or the outage stood.";
/// Where times of entries overlap.
const OVERLAP: &str = "An entry is one kind of failure (its cause, phase and HTTP status). Entries whose times overlap may be one outage that \
    failed in several ways: what was an outage stands above, under incidents.";
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
        if let Some(before) = &self.before_kept {
            lines.wrapped(&before.sentence());
        }
        if let Some(said) = &self.said {
            lines.wrapped(&said.sentence());
        }
        self.incidents_text(&mut lines);
        self.failures_text(&mut lines, width);
        self.seen_text(&mut lines);
        hours::write(&self.hours, &mut lines);
        if !self.tiers.is_empty() {
            lines.blank();
            lines.wrapped(&tiers::sentence_of(&self.tiers));
        }
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
        if self
            .failures
            .iter()
            .any(|run| run.down && run.counted < run.count)
        {
            lines.wrapped(UNCOUNTED);
        }
        let groups = Group::of(&self.failures);
        let shown = &groups[..groups.len().min(SHOWN)];
        let overlap = shown
            .iter()
            .enumerate()
            .any(|(at, group)| shown[..at].iter().any(|other| group.overlaps(other)));
        if overlap {
            lines.wrapped(OVERLAP);
        }
        let judges = self.seen.iter().filter(|seen| !seen.own);
        let vantages: BTreeSet<&str> = judges.map(|seen| seen.vantage.as_str()).collect();
        for group in groups.iter().take(SHOWN) {
            group.write(lines, width, vantages.len());
        }
        if let Some(rest) = groups.len().checked_sub(SHOWN).filter(|rest| *rest > 0) {
            let rest = count(rest, "more group");
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
        let network = Column::names("network").whole();
        let counts = ["ok", "failed", "not held", "unsent"].map(Column::figures);
        let columns = names
            .into_iter()
            .chain([network, Column::names("check")])
            .chain(counts);
        lines.table(&Table::new("Vantages", columns).rows(self.seen.iter().map(SeenBy::row)));
        lines.wrapped(
            "not held: the node answered that it does not hold the object. unsent: the probe itself could not ask",
        );
        if self.seen.iter().any(|seen| seen.own) {
            lines.wrapped("* the node's own worker's probe: it judges nothing");
        }
    }
}

/// A check of the JSON for people.
fn shown(check: &'static str) -> &'static str {
    let of = IncidentCheck::ALL.into_iter().find(|of| of.word() == check);
    of.map_or(check, IncidentCheck::shown)
}

impl IncidentLine {
    /// "connect", "status and asset", "connect, down 7 times".
    fn what(&self) -> String {
        let names = match self.checks.is_empty() {
            true => shown(self.check).to_owned(),
            false => self
                .checks
                .iter()
                .map(|check| shown(check))
                .collect::<Vec<_>>()
                .join(" and "),
        };
        match self.flapping {
            Some(1) => format!("{names}, down again"),
            Some(falls) => format!("{names}, down {falls} times"),
            None => names,
        }
    }

    pub(super) fn line(&self) -> String {
        let end = self.end.as_deref().or(self.up_since.as_deref());
        let end = end.map_or("now".to_owned(), plain);
        let when = format!("{} to {end}", plain(&self.start));
        let caveat = self.caveat.as_deref().unwrap_or_default();
        if self.check == IncidentCheck::Data.word() {
            return format!("{when}: no verdict. {caveat}");
        }
        let seen_by = match self.vantages.is_empty() {
            true => "nobody".to_owned(),
            false => self.vantages.join(", "),
        };
        let watched = match self.up_since {
            Some(_) => WATCHED,
            None => "",
        };
        let late = match self.late {
            true => ", found in results that came late",
            false => "",
        };
        let (what, cause) = (self.what(), self.cause);
        let line = format!("{when}: {what} ({cause}), seen by {seen_by}{watched}{late}. {caveat}");
        line.trim_end_matches([' ', '.']).to_owned()
    }
}

impl Group<'_> {
    /// `measured`: how many vantages measured the node at all, its own worker's left out.
    fn write(&self, lines: &mut Lines, width: usize, measured: usize) {
        let one = self.first();
        let times = match self.count() {
            1 => String::new(),
            count => format!(", {count} times"),
        };
        let what = match (one.phase, one.http_status) {
            (Some(phase), Some(status)) => format!("{} in {phase} (HTTP {status})", one.cause),
            (Some(phase), None) => format!("{} in {phase}", one.cause),
            (None, _) => one.cause.clone(),
        };
        let checks = self.each(|run| run.kind.clone()).join(", ");
        let head = format!(
            "{}{times}: {what}: {checks}; {}",
            self.span(),
            self.seen_by(measured)
        );
        lines.hung("  ", HANG, &head);
        let dialled = match self.each(|run| run.address.clone()) {
            _ if one.summed => "sums hold no instants, texts and addresses".to_owned(),
            none if none.is_empty() => "nothing dialled".to_owned(),
            addresses => format!("dialled {}", addresses.join(", ")),
        };
        let against = match (one.down, self.counted()) {
            (false, _) => "; says nothing against the node".to_owned(),
            (true, 0) => "; none counts".to_owned(),
            (true, counted) if counted < self.count() => format!("; {counted} of them count"),
            (true, _) => String::new(),
        };
        lines.hung(HANG, HANG, &format!("{dialled}{against}"));
        let errors = self.each(|run| run.error.clone());
        for error in errors.iter().take(ERRORS) {
            for line in broken(error, width - HANG.len() - 2) {
                lines.verbatim(format!("{HANG}\u{2502} {line}"));
            }
        }
        if let Some(rest) = errors.len().checked_sub(ERRORS).filter(|rest| *rest > 0) {
            lines.hung(HANG, HANG, &format!("… and {}", count(rest, "more text")));
        }
    }

    /// One vantage with its place and network; more of them by name, or only counted where it was every one.
    fn seen_by(&self, measured: usize) -> String {
        let name = |run: &FailureRun| format!("{}{}", run.vantage, if run.own { "*" } else { "" });
        let names = self.each(name);
        let one = self.first();
        match names.as_slice() {
            [name] => format!("{name} ({}, {})", one.place, network(one.network)),
            all => {
                let own: Vec<&str> = all
                    .iter()
                    .map(String::as_str)
                    .filter(|name| name.ends_with('*'))
                    .collect();
                let others = all.len() - own.len();
                let named = match others == measured {
                    true => own,
                    false => all.iter().map(String::as_str).collect(),
                };
                let named = match named.is_empty() {
                    true => String::new(),
                    false if others == measured => format!(", and {}", named.join(", ")),
                    false => format!(": {}", named.join(", ")),
                };
                format!("{others} of {}{named}", count(measured, "vantage"))
            }
        }
    }
}

impl SeenBy {
    fn row(&self) -> Vec<Cell> {
        let name = format!("{}{}", cut(&self.vantage, 19), if self.own { "*" } else { "" });
        let network = network_in_column(self.network);
        let counts = [self.ok, self.failed, self.absent, self.unsent].map(|count| count.to_string());
        let names = [name, cut(&self.place, 20), network, self.kind.clone()];
        names.into_iter().chain(counts).map(Cell::from).collect()
    }
}

/// Lines of at most `max` characters.
fn broken(text: &str, max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut width = 0;
    for character in text.chars() {
        if width == max {
            lines.push(String::new());
            width = 0;
        }
        width += 1;
        if let Some(line) = lines.last_mut() {
            line.push(character);
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn plain(instant: &str) -> String {
    instant.get(..19).unwrap_or(instant).replace('T', " ")
}
