//! The status for a person.

use std::fmt::Write as _;

use bytesize::ByteSize;
use jiff::Timestamp;

use super::{PlanStatus, Status};

impl Status {
    /// Some lines of plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let ledger = &self.ledger;
        let lines = [
            ("probe", format!("{} ({})", self.name, self.probe)),
            ("connection", self.connection()),
            (
                "certificate",
                format!("valid until {}", time(self.certificate_until_ms)),
            ),
            (
                "plan",
                self.plan
                    .as_ref()
                    .map_or_else(|| "none yet; nothing is measured".to_owned(), PlanStatus::words),
            ),
            ("echo", self.echo()),
            (
                "measured",
                format!(
                    "{} planned = {} run + {} skipped",
                    ledger.planned, ledger.run, ledger.skipped
                ),
            ),
            (
                "of these",
                format!(
                    "{} run = {} stored + {} spooled + {} dropped",
                    ledger.run, ledger.stored, ledger.spooled, ledger.dropped
                ),
            ),
            ("spool", self.spool_words()),
        ];
        for (word, value) in lines {
            writeln!(text, "{word:<12} {value}").expect("a String takes every text");
        }
        if ledger.refused_batches > 0 {
            writeln!(
                text,
                "{:<12} {} batches; the lead's collector says why",
                "refused", ledger.refused_batches
            )
            .expect("a String takes every text");
        }
        text
    }

    fn connection(&self) -> String {
        let since = time(self.link_since_ms);
        match (&self.collector, &self.trouble) {
            (Some(collector), _) => format!("connected to {collector} since {since}"),
            (None, Some(trouble)) => format!("NOT connected since {since}: {trouble}"),
            (None, None) => format!("not connected yet (trying since {since})"),
        }
    }

    fn echo(&self) -> String {
        match self.echo_port {
            0 => "no responder (`echo_listen` in probe.toml is empty)".to_owned(),
            port => format!("responder on UDP port {port}"),
        }
    }

    fn spool_words(&self) -> String {
        let mut words = format!(
            "{} of {}",
            ByteSize::b(self.spool.bytes).display().iec(),
            ByteSize::b(self.spool.bytes_max).display().iec()
        );
        if self.ledger.spooled_before > 0 {
            let before = self.ledger.spooled_before;
            write!(
                words,
                ", {before} measurements of earlier processes wait to be sent"
            )
            .expect("a String takes every text");
        }
        if self.spool.corrupt_records > 0 {
            let corrupt = self.spool.corrupt_records;
            write!(words, ", {corrupt} DAMAGED records (is the disk failing?)")
                .expect("a String takes every text");
        }
        words
    }
}

impl PlanStatus {
    fn words(&self) -> String {
        let Self {
            version,
            peers,
            endpoints,
            checks,
            ..
        } = self;
        let until = time(self.expires_ms);
        if self.expired {
            format!(
                "version {version} EXPIRED at {until}: nothing is measured until the collector sends another"
            )
        } else {
            format!(
                "version {version}, {checks} checks of {peers} peers and {endpoints} endpoints, until {until}"
            )
        }
    }
}

fn time(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).map_or_else(|_| "(no time)".to_owned(), |time| format!("{time:.0}"))
}
