//! The status for a person.

use std::fmt::Write as _;

use bytesize::ByteSize;
use jiff::Timestamp;

use super::{ClockStatus, LedgerStatus, PlanStatus, Status};
use crate::echo::EchoCounters;
use crate::prober::EchoPorts;
use crate::uplink::CLOCK_NAMED_ABOVE_MS;

impl Status {
    /// Some lines of plain text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (word, value) in self.lines() {
            writeln!(text, "{word:<12} {value}").expect("a String takes every text");
        }
        if let Some(clock) = self.clock.and_then(|clock| clock.words(self.now_ms)) {
            writeln!(text, "{:<12} {clock}", "clock").expect("a String takes every text");
        }
        if self.ledger.refused_batches > 0 || self.ledger.refused_incomplete {
            writeln!(text, "{:<12} {}", "refused", refused(&self.ledger)).expect("a String takes every text");
        }
        if let Some(unkept) = &self.unkept {
            writeln!(
                text,
                "{:<12} NOT WRITABLE: {unkept}; the probe goes on without it and tries again: make room on the disk",
                "state folder"
            )
            .expect("a String takes every text");
        }
        text
    }

    /// The lines that are always there.
    fn lines(&self) -> [(&'static str, String); 10] {
        let ledger = &self.ledger;
        [
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
            ("answered", answered(&self.echo_counted)),
            ("replies", replies(&self.echo_counted)),
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
                    "{} run = {} stored + {} spooled + {} dropped + {} refused",
                    ledger.run, ledger.stored, ledger.spooled, ledger.dropped, ledger.refused
                ),
            ),
            ("spool", self.spool_words()),
        ]
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
        let EchoPorts { v4, v6 } = self.echo_ports;
        match self.echo_port {
            0 => "no responder (`echo_listen` in probe.toml is empty)".to_owned(),
            _ if v6 == 0 => format!("responder on UDP port {v4}, IPv4 only"),
            _ if v4 == 0 => format!("responder on UDP port {v6}, IPv6 only"),
            port if v4 == v6 => format!("responder on UDP port {port}"),
            _ => format!("responder on UDP ports {v4} (IPv4) and {v6} (IPv6)"),
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

impl ClockStatus {
    /// Both times, where the clocks differ.
    fn words(&self, now_ms: u64) -> Option<String> {
        let apart_ms = self.offset_ms.unsigned_abs();
        if apart_ms <= CLOCK_NAMED_ABOVE_MS {
            return None;
        }
        let direction = if self.offset_ms > 0 { "ahead of" } else { "behind" };
        let (here, there) = (time(now_ms), time(self.collector_ms));
        let advice = if self.collector_is_wrong {
            "most probes differ from the collector: its clock is the wrong one"
        } else {
            "set it (timedatectl): what is more than 5 min ahead is refused"
        };
        let seconds = apart_ms as f64 / 1_000.0;
        Some(format!(
            "{seconds:.1} s {direction} the collector's (here {here}, there {there}); {advice}"
        ))
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

/// What the collector refused, ever since this probe joined.
fn refused(ledger: &LedgerStatus) -> String {
    let rows = ledger.refused + ledger.refused_before;
    let batches = ledger.refused_batches;
    let mut words = format!("{rows} measurements in {batches} batches");
    if ledger.refused_incomplete {
        words =
            format!("at least {words} (the file with the earlier count was damaged; the collector has it)");
    }
    if ledger.refused_before > 0 {
        write!(words, ", {} of them of earlier processes", ledger.refused_before)
            .expect("a String takes every text");
    }
    match ledger.refused_for_time {
        0 => words += "; the lead's collector says why",
        time => write!(
            words,
            "; {time} for their time: the clock here or the collector's was wrong"
        )
        .expect("a String takes every text"),
    }
    words
}

/// What the responder did with what it got.
fn answered(counted: &EchoCounters) -> String {
    let dropped = &counted.dropped;
    let mut words = format!("{} echo requests of peers", counted.answered);
    if counted.unsent_answers > 0 {
        let unsent = counted.unsent_answers;
        write!(words, ", {unsent} answers could not be sent").expect("a String takes every text");
    }
    let reasons = [
        (dropped.unknown_prober, "of probers outside the plan"),
        (dropped.unknown_key_epoch, "under a key that is not valid here"),
        (dropped.wrong_tag, "forged"),
        (dropped.rate_limited, "too frequent"),
        (dropped.malformed, "malformed"),
        (dropped.not_a_request, "no requests"),
    ];
    if dropped.total() > 0 {
        let told = of_these(&reasons);
        write!(words, "; {} dropped ({told})", dropped.total()).expect("a String takes every text");
    }
    words
}

/// What came to the sockets that ask, beside replies in time.
fn replies(counted: &EchoCounters) -> String {
    let odd = [
        (counted.late_replies, "late"),
        (counted.duplicate_replies, "second copies"),
        (counted.foreign_replies, "to nothing that was asked"),
        (counted.user_stamps, "in time without a kernel stamp"),
    ];
    if odd.iter().all(|(count, _)| *count == 0) {
        "all in time, expected and stamped by the kernel".to_owned()
    } else {
        of_these(&odd)
    }
}

fn of_these(counts: &[(u64, &str)]) -> String {
    let there = counts.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = there.map(|(count, what)| format!("{count} {what}")).collect();
    words.join(", ")
}

fn time(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).map_or_else(|_| "(no time)".to_owned(), |time| format!("{time:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::echo::DropCounts;

    #[test]
    fn clock_is_named_above_two_seconds_with_both_times() {
        let clock = |offset_ms: i64, collector_is_wrong| {
            let collector_ms = 1_795_316_283_000_u64.saturating_add_signed(-offset_ms);
            let status = ClockStatus {
                offset_ms,
                collector_ms,
                collector_is_wrong,
            };
            status.words(1_795_316_283_000)
        };
        assert_eq!((clock(2_000, false), clock(-2_000, true)), (None, None));
        assert_eq!(
            clock(360_000, false).unwrap(),
            "360.0 s ahead of the collector's (here 2026-11-22T02:58:03Z, there 2026-11-22T02:52:03Z); \
             set it (timedatectl): what is more than 5 min ahead is refused"
        );
        assert!(
            clock(-45_000, true)
                .unwrap()
                .ends_with("its clock is the wrong one")
        );
    }

    #[test]
    fn refused_rows_are_a_lower_bound_where_the_count_was_damaged() {
        let mut ledger = LedgerStatus {
            planned: 9,
            run: 9,
            skipped: 0,
            stored: 4,
            spooled: 0,
            dropped: 0,
            spooled_before: 0,
            refused: 5,
            refused_before: 0,
            refused_for_time: 0,
            refused_batches: 2,
            refused_incomplete: false,
        };
        assert!(refused(&ledger).starts_with("5 measurements in 2 batches; "));
        ledger.refused_incomplete = true;
        assert!(refused(&ledger).starts_with("at least 5 measurements in 2 batches (the file "));
    }

    #[test]
    fn every_counter_of_the_echo_is_shown_where_it_counted() {
        let mut counted = EchoCounters {
            answered: 100,
            ..EchoCounters::default()
        };
        assert_eq!(answered(&counted), "100 echo requests of peers");
        assert_eq!(
            replies(&counted),
            "all in time, expected and stamped by the kernel"
        );
        counted = EchoCounters {
            late_replies: 1,
            duplicate_replies: 2,
            foreign_replies: 3,
            user_stamps: 4,
            answered: 100,
            unsent_answers: 5,
            dropped: DropCounts {
                malformed: 6,
                not_a_request: 7,
                unknown_prober: 8,
                unknown_key_epoch: 9,
                rate_limited: 10,
                wrong_tag: 11,
            },
        };
        assert_eq!(
            answered(&counted),
            "100 echo requests of peers, 5 answers could not be sent; 51 dropped (8 of probers outside the plan, \
             9 under a key that is not valid here, 11 forged, 10 too frequent, 6 malformed, 7 no requests)"
        );
        assert_eq!(
            replies(&counted),
            "1 late, 2 second copies, 3 to nothing that was asked, 4 in time without a kernel stamp"
        );
        let told = crate::prober::ProberCounters::from(counted);
        assert_eq!(
            (told.late_replies, told.duplicate_replies, told.foreign_datagrams),
            (1, 2, 54)
        );
    }
}
