//! Probes for people.

use isochrone_base::words::{count, date, duration, network_in_column, nodes_and_candidates, time};

use super::{EchoLine, FreshInvitation, ProbeLine, ProbesReport, Seat};
use crate::frame::DEMO;
use crate::lines::Lines;
use crate::tables::{Cell, Column, Table};

impl FreshInvitation {
    /// What the worker pastes, marked where it leads into a demo.
    #[must_use]
    pub fn text(&self) -> String {
        if self.demo {
            format!(": '{DEMO}'\n{}", self.script)
        } else {
            self.script.clone()
        }
    }
}

impl ProbesReport {
    /// For people.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let mut lines = Lines::text(width);
        if self.probes.is_empty() && self.invitations.is_empty() {
            lines.verbatim(
                "No probes yet. `probe invite --worker NAME --site 'City, CC'` prints what a worker pastes.",
            );
            return lines.finish();
        }
        lines.table(&self.table());
        if !self.probes.is_empty() {
            lines.wrapped(
                "ECHO: where its echo port answered. UNSENT: measurements it holds that are not stored here yet.",
            );
        }
        self.closed_ports(&mut lines);
        self.full_plans(&mut lines);
        self.unread_kinds(&mut lines);
        self.clocks.iter().for_each(|clock| lines.wrapped(clock));
        lines.finish()
    }

    fn table(&self) -> Table {
        let names = ["PROBE", "WORKER", "SITE", "NETWORK", "STATE", "ECHO"].map(Column::names);
        let columns = names.into_iter().chain([Column::figures("UNSENT")]);
        let probes = self.probes.iter().map(|probe| {
            let unsent = probe
                .session
                .as_ref()
                .map(|session| session.spool_unstored.to_string());
            let rest = [self.state(probe), echo(probe), unsent.unwrap_or_default()];
            row(&probe.name, &probe.seat, rest)
        });
        let invitations = self.invitations.iter().map(|open| {
            let (day, minute) = (date(open.until), &time(open.until)[..5]);
            let state = format!("invited, until {day} {minute} UTC");
            row(&open.name, &open.seat, [state, String::new(), String::new()])
        });
        Table::new("Probes", columns).rows(probes.chain(invitations))
    }

    fn state(&self, probe: &ProbeLine) -> String {
        match &probe.session {
            _ if !probe.active => "revoked".to_owned(),
            Some(session) => {
                let ago = self.now.since(session.since);
                format!("connected for {}", duration(ago.as_millis() as u64))
            }
            None if self.running => probe.away_since.map_or("away".to_owned(), |since| {
                format!("away for {}", duration(self.now.since(since).as_millis() as u64))
            }),
            None => "collector not running".to_owned(),
        }
    }

    fn unread_kinds(&self, lines: &mut Lines) {
        let unread = self
            .probes
            .iter()
            .filter(|probe| probe.active && !probe.unread.is_empty());
        for probe in unread {
            let kinds = probe.unread.join(", ");
            lines.wrapped(&format!(
                "Not given to {}: {kinds}. Its release does not know them; update it.",
                probe.name
            ));
        }
    }

    fn full_plans(&self, lines: &mut Lines) {
        let full = self.probes.iter().filter(|probe| probe.active);
        for (probe, left_out) in full.filter_map(|probe| Some((probe, probe.left_out?))) {
            lines.wrapped(&format!(
                "The plan of {} is full: it does not check {} ({}). Remove nodes or candidates, or give nodes a longer interval.",
                probe.name,
                nodes_and_candidates(left_out.nodes, left_out.candidates),
                count(left_out.checks, "check"),
            ));
        }
    }

    fn closed_ports(&self, lines: &mut Lines) {
        let closed = self
            .probes
            .iter()
            .filter(|probe| probe.active && probe.is_closed());
        let closed: Vec<&str> = closed.map(|probe| probe.name.as_str()).collect();
        if closed.is_empty() {
            return;
        }
        lines.blank();
        lines.wrapped(&format!(
            "Echo port closed: {}. Peers cannot measure them. On those servers, open UDP port 7472, for example:",
            closed.join(", ")
        ));
        lines.verbatim(
            "  ufw allow 7472/udp        or        nft add rule inet filter input udp dport 7472 accept",
        );
    }
}

fn row(name: &str, seat: &Seat, rest: [String; 3]) -> Vec<Cell> {
    let place = [
        name.to_owned(),
        seat.worker.clone(),
        seat.site.clone(),
        network_in_column(seat.network),
    ];
    place.into_iter().chain(rest).map(Cell::from).collect()
}

/// Whether its echo port was seen open, by family.
fn echo(probe: &ProbeLine) -> String {
    let family = |echo: &EchoLine| if echo.address.is_ipv4() { "v4" } else { "v6" };
    let answered: Vec<_> = probe.answering().map(family).collect();
    match (answered.is_empty(), probe.is_closed()) {
        (false, _) => answered.join(" "),
        (true, true) => "closed".to_owned(),
        (true, false) => "not asked yet".to_owned(),
    }
}
