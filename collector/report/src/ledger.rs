//! The ledger: for people, and as JSON.

mod json;

use std::collections::BTreeMap;

use isochrone_base::words::{count, date_time};
use isochrone_proto::units::UnixMillis;
use isochrone_store::SetAside;
use isochrone_store::ledger::{Audit, Ledger, RemovedLine, Row, Totals};

pub use self::json::json;
use crate::lines::Lines;
use crate::tables::{Cell, Column, Table};

/// One line a probe, the sums, what is unusual in words, and one plain sentence. `audit`: what counting the
/// log again found.
#[must_use]
pub fn text(ledger: &Ledger, audit: Option<&Audit>, width: usize) -> String {
    let mut lines = Lines::text(width);
    if ledger.rows.is_empty() && ledger.removed.is_empty() {
        lines.wrapped("Nothing was planned yet: no probe has sent a batch.");
        damage(ledger, &mut lines);
        return lines.finish();
    }
    lines.table(&table(ledger));
    lines.blank();
    for line in explanations(&ledger.totals()) {
        lines.wrapped(&line);
    }
    lines.wrapped(&balance(ledger));
    for line in &ledger.removed {
        lines.wrapped(&removed(line));
    }
    quarantine(ledger, &mut lines);
    damage(ledger, &mut lines);
    if let Some(audit) = audit {
        for finding in &audit.findings {
            lines.wrapped(&format!("FAULT: {finding}"));
        }
        lines.wrapped(&format!(
            "Counted again from the log: {} measurements in {} batches, {} lost, {} counted twice, {} rows damaged{}, {} \
             of hours and days not what was measured.",
            audit.measurements,
            audit.batches,
            audit.lost,
            audit.twice,
            audit.damaged,
            match audit.accepted {
                0 => String::new(),
                accepted => format!(" ({accepted} others are accepted)"),
            },
            count(audit.wrong_sums as usize, "sum"),
        ));
    }
    lines.finish()
}

fn table(ledger: &Ledger) -> Table {
    let counts = [
        "planned", "run", "skipped", "absent", "stored", "spooled", "dropped", "refused", "forked",
    ];
    let columns = std::iter::once(Column::names("probe")).chain(counts.map(Column::figures));
    let mut probes: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &ledger.rows {
        probes.entry(&row.probe_name).or_default().push(row);
    }
    let all = (probes.len() > 1).then(|| cells("all", &ledger.totals()));
    let rows = probes
        .into_iter()
        .map(|(probe, rows)| cells(probe, &Totals::of(rows)));
    Table::new("Ledger", columns).rows(rows.chain(all))
}

fn cells(name: &str, totals: &Totals) -> Vec<Cell> {
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
    let counts = counts.iter().map(|count| count.to_string().into());
    std::iter::once(Cell::from(name)).chain(counts).collect()
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
            "slots are absent, nothing was heard of them: the probe was stopped, its host is off, or the results are on their way.",
        ),
        (
            totals.removed,
            "of the stored ones are kept no longer: retention removed them (`[retention]` in collector.toml).",
        ),
        (totals.spooled, "measurements are still in the probes' spools."),
        (
            totals.dropped,
            "measurements were dropped by a full or damaged spool, or had left it before this collector was restored from an older copy, or are damaged (next line).",
        ),
        (
            totals.damaged,
            "of the dropped ones were stored, and are lost with damaged batches of this store (below).",
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
    let revoked = (
        totals.revoked,
        "of the spooled and absent ones are lost with a revocation: what those probes still hold is not taken any more.",
    );
    lines
        .iter()
        .chain([&revoked])
        .filter(|(count, _)| *count > 0)
        .map(|(count, line)| format!("{count} {line}"))
        .collect()
}

/// What was before the hours that are kept.
fn removed(line: &RemovedLine) -> String {
    let (from, until) = (date_time(line.from.start()), date_time(line.until.start()));
    let (name, totals) = (&line.probe_name, &line.totals);
    format!(
        "Before: {name}, {from} to {until} UTC, kept no longer by the hour: {} planned, {} run, {} skipped, {} absent; \
         {} stored, {} of these removed, {} dropped, {} refused, {} forked.",
        totals.planned,
        totals.run,
        totals.skipped,
        totals.absent,
        totals.stored,
        totals.removed,
        totals.dropped,
        totals.refused,
        totals.forked
    )
}

/// The newest refused items, each with its reason.
fn quarantine(ledger: &Ledger, lines: &mut Lines) {
    if ledger.refused == 0 {
        return;
    }
    let (all, told) = (ledger.refused, ledger.quarantine.len());
    lines.wrapped(&format!("Quarantine: {all} refused in all, the newest {told}:"));
    for refused in &ledger.quarantine {
        let name = ledger.name_of(refused);
        let received = date_time(UnixMillis(refused.received_ms));
        let epoch = refused.epoch.get(..8).unwrap_or(&refused.epoch);
        let (item, sequence) = (&refused.item, refused.sequence);
        let head = format!("{received} UTC: {name}, {item} {sequence} of epoch {epoch}…");
        lines.hung("  ", "    ", &head);
        lines.hung("    ", "    ", &refused.reason);
    }
}

/// Damaged rows that are named one by one.
const DAMAGE_TOLD: usize = 20;

/// What was set aside as damaged, the newest first.
fn damage(ledger: &Ledger, lines: &mut Lines) {
    let damage = &ledger.damage;
    if damage.is_none() {
        return;
    }
    lines.wrapped(&format!(
        "Damage: {} rows of the store were damaged and are set aside, {} of them for good ({} of these accepted): {} measurements are lost with them, {} are withheld until a plan is back.",
        damage.rows, damage.lost, damage.accepted, damage.measurements, damage.withheld
    ));
    for row in damage.set_aside.iter().take(DAMAGE_TOLD) {
        let state = if row.accepted { " (accepted)" } else { "" };
        let head = format!("{}. {}: {}{state}", row.number, row.subject(), row.reason);
        lines.hung("  ", "    ", &head);
        lines.hung("    ", "    ", &row.consequence);
    }
    if damage.set_aside.len() > DAMAGE_TOLD {
        lines.wrapped("`ledger --format json` names all of them.");
    }
    if damage.open() > 0 {
        lines.wrapped(
            "`ledger --accept-damage all` says that you know of it (`--accept-damage NUMBER`: of one row): from then on only new damage is told of.",
        );
    }
}

/// What was accepted of the damage.
#[must_use]
pub fn accepted(rows: &[SetAside], width: usize) -> String {
    let mut lines = Lines::text(width);
    if rows.is_empty() {
        lines.wrapped("There is no damage that was not accepted before.");
    }
    for row in rows {
        lines.hung(
            "",
            "  ",
            &format!("accepted: {}. {}: {}", row.number, row.subject(), row.reason),
        );
    }
    lines.finish()
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
