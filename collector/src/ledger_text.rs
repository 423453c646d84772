//! The ledger for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};
use isochrone_base::words;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ledger::{Audit, Ledger, Row, Totals};

/// One line a probe, the sums, what is unusual in words, and one plain sentence. `audit`: what counting the
/// log again found.
#[must_use]
pub(crate) fn render(ledger: &Ledger, audit: Option<&Audit>) -> String {
    let mut text = String::new();
    if ledger.rows.is_empty() {
        return "Nothing was planned yet: no probe has sent a batch.\n".to_owned();
    }
    let totals = ledger.totals();
    writeln!(text, "{}\n", table(ledger)).expect("writing to a string does not fail");
    for line in explanations(&totals) {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&balance(ledger));
    text.push('\n');
    text.push_str(&quarantine(ledger));
    if let Some(audit) = audit {
        for finding in &audit.findings {
            text.push_str("FAULT: ");
            text.push_str(finding);
            text.push('\n');
        }
        text.push_str(&sentence(audit));
        text.push('\n');
    }
    text
}

fn table(ledger: &Ledger) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "probe", "planned", "run", "skipped", "absent", "stored", "spooled", "dropped", "refused", "forked",
    ]);
    let mut probes: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &ledger.rows {
        probes.entry(&row.probe_name).or_default().push(row);
    }
    let several = probes.len() > 1;
    for (probe, rows) in probes {
        table.add_row(cells(probe, &Totals::of(rows)));
    }
    if several {
        table.add_row(cells("all", &ledger.totals()));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn cells(name: &str, totals: &Totals) -> Vec<String> {
    let counts = [
        totals.planned,
        totals.run,
        totals.skipped,
        totals.absent,
        totals.stored,
        totals.spooled,
        totals.dropped,
        totals.refused,
        totals.forked,
    ];
    let counts = counts.iter().map(u64::to_string);
    std::iter::once(name.to_owned()).chain(counts).collect()
}

/// What a reader should know of the counts that are not zero.
fn explanations(totals: &Totals) -> Vec<String> {
    let lines = [
        (
            totals.skipped,
            "slots were not run, for a reason that is known (overlap, late, not running, shutdown, no key).",
        ),
        (
            totals.absent,
            "slots were not heard of: the host is off, or the results are still on their way.",
        ),
        (totals.spooled, "measurements are still in the probes' spools."),
        (
            totals.dropped,
            "measurements were dropped by a full or damaged spool, or had left it before this collector was restored from an older copy.",
        ),
        (
            totals.refused,
            "measurements were refused for their content; they are kept in quarantine (below).",
        ),
        (
            totals.forked,
            "measurements came from an epoch that went on elsewhere (a cloned or restored machine).",
        ),
    ];
    lines
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, line)| format!("{count} {line}"))
        .collect()
}

/// The newest refused items, each with its reason.
fn quarantine(ledger: &Ledger) -> String {
    if ledger.refused == 0 {
        return String::new();
    }
    let told = ledger.quarantine.len();
    let mut text = format!(
        "Quarantine: {} refused in all, the newest {told}:\n",
        ledger.refused
    );
    for refused in &ledger.quarantine {
        let name = ledger.name_of(refused);
        let received = words::date_time(UnixMillis(refused.received_ms));
        let epoch = refused.epoch.get(..8).unwrap_or(&refused.epoch);
        writeln!(
            text,
            "  {received} UTC  {name}, {} {} of epoch {epoch}…\n    {}",
            refused.item, refused.sequence, refused.reason
        )
        .expect("writing to a string does not fail");
    }
    text
}

fn balance(ledger: &Ledger) -> String {
    let unbalanced = ledger.rows.iter().filter(|row| !row.balanced).count();
    if unbalanced == 0 {
        "The ledger is balanced: both ends planned the same slots, and each has its place.".to_owned()
    } else {
        format!(
            "The ledger is NOT balanced in {unbalanced} of {} hours; see `ledger --format json`.",
            ledger.rows.len()
        )
    }
}

fn sentence(audit: &Audit) -> String {
    format!(
        "Counted again from the log: {} measurements in {} batches, {} lost, {} counted twice.",
        audit.measurements, audit.batches, audit.lost, audit.twice
    )
}

#[cfg(test)]
mod tests {
    use isochrone_proto::ids::{EpochId, ProbeId};
    use isochrone_proto::units::Hour;
    use isochrone_store::ingest::Refused;

    use super::*;

    fn ledger(balanced: bool) -> Ledger {
        Ledger {
            rows: vec![Row {
                probe: ProbeId(0xada),
                probe_name: "ada-1".into(),
                epoch: EpochId([9; 16]),
                hour: Hour(498_696),
                planned: 13,
                run: 12,
                skipped: 1,
                not_running: 0,
                absent: 0,
                stored: 12,
                spooled: 0,
                dropped: 0,
                refused: 0,
                forked: 0,
                balanced,
            }],
            refused: 0,
            quarantine: Vec::new(),
            source: "store",
        }
    }

    #[test]
    fn text_ends_with_one_plain_sentence() {
        let audit = Audit {
            batches: 2,
            measurements: 24,
            lost: 0,
            twice: 0,
            findings: Vec::new(),
        };
        let text = render(&ledger(true), Some(&audit));
        let sentence = "Counted again from the log: 24 measurements in 2 batches, 0 lost, 0 counted twice.\n";
        assert!(text.ends_with(sentence), "{text}");
        assert!(
            text.lines().any(|line| line.trim_start().starts_with("ada-1")),
            "{text}"
        );
        assert!(text.contains("The ledger is balanced"), "{text}");
    }

    #[test]
    fn unbalanced_hour_is_counted() {
        assert!(render(&ledger(false), None).contains("NOT balanced in 1 of 1 hours"));
    }

    #[test]
    fn refused_batch_is_listed_with_its_reason() {
        let refused = Refused {
            number: 1,
            probe: ProbeId(0xada).to_string(),
            epoch: EpochId([9; 16]).to_string(),
            sequence: 1,
            item: "batch".into(),
            reason: "a slot too far ahead".into(),
            received_ms: 1_795_305_600_000,
        };
        let ledger = Ledger {
            refused: 1,
            quarantine: vec![refused],
            ..ledger(true)
        };
        let text = render(&ledger, None);
        assert!(text.contains("Quarantine: 1 refused in all"), "{text}");
        assert!(text.contains("ada-1, batch 1 of epoch 09090909…"), "{text}");
        assert!(text.contains("a slot too far ahead"), "{text}");
    }
}
