//! What the loss of a row means, by its table: docs/adr/0013-damage.md in words for people.

/// Of a batch.
pub(super) const BATCH: &str =
    "its measurements are served no more; the ledger counts them as dropped, not as stored";

/// Of a segment, or of both rows that name it.
pub(super) const SEGMENT: &str =
    "its measurements are served no more; the ledger counts them as dropped, not as stored";

/// Of a file of rollups.
pub(super) const ROLLUP: &str =
    "what they add up to is made again from the measurements, or from sums of hours";

/// By table: what its loss means, and whether it is made good. Of a table that is kept twice: the loss of both.
pub(super) fn consequence(table: &str) -> (&'static str, bool) {
    match table {
        "log" => (BATCH, false),
        "segments" | "segments again" => (SEGMENT, false),
        "sealed batches" | "sealed batches again" => (
            "both copies are damaged: each batch that is lost with them is named by itself",
            true,
        ),
        "days without rollups" | "days without rollups again" => (
            "both copies are damaged: the rollups of all days whose measurements are kept are made again",
            true,
        ),
        "replaced segments" => ("a file that is needed no more goes with the next start", true),
        "removed hours" | "removed hours again" => (
            "both copies are damaged: what retention took out of that probe's ledger is not known any more",
            false,
        ),
        "log hours" => ("an index: made again from the log", true),
        "stream" => (
            "found again from the log, or taken as known: nothing is counted a second time",
            true,
        ),
        "epochs" | "epochs again" => (
            "both copies are damaged: the epoch's account was put together again from its batches, and goes on from there",
            false,
        ),
        "seen" => (
            "which slots were seen was found again from the epoch's batches",
            true,
        ),
        "hours" | "hours again" => (
            "both copies are damaged: the hour was counted again from its batches; what a spool dropped in it is damaged now, and what was forked is not known any more",
            false,
        ),
        "probe hours" => ("a probe's quota of one hour begins anew", true),
        "tombstones" => ("its range was found again from its neighbours", true),
        "forks" => ("a batch of a fork may be counted as forked a second time", true),
        "quarantine" => ("a refused batch is no longer kept; it stays counted", false),
        "plans" => (
            "batches under the plan are whole and not served until their probe returns it, which it is asked to",
            false,
        ),
        "ends" | "ends again" => (
            "when that probe was revoked is not known any more: the ledger plans on for it",
            false,
        ),
        "numbers" | "numbers again" => ("taken from the other copy, or counted again", true),
        "probes" | "probes again" => (
            "that probe is refused, and measured by nobody, until it is invited and joins again",
            false,
        ),
        "tokens" | "tokens again" => (
            "that invitation opens no door any more; invite the probe again",
            false,
        ),
        "burnt_keys" | "burnt_keys again" => (
            "a key that was shown with a spent invitation may be told of once more",
            false,
        ),
        "audit" | "audit again" => ("an entry of the audit log is missing", false),
        "addresses" | "addresses again" => {
            ("the address is verified again before peers are sent to it", true)
        }
        "nodes" | "nodes again" => (
            "reports do not know that node if it was removed from targets.toml",
            false,
        ),
        "incidents" | "incidents again" => ("reports and page do not know that incident", false),
        "judged" | "judged again" => ("the log is judged again, and nobody is told of the past", true),
        "clock_offsets" | "clock_offsets again" => (
            "reports over the past read that probe's measurements by its clock as it was",
            false,
        ),
        "session_addresses" | "session_addresses again" => (
            "reports over the past judge that probe without knowing whence its sessions came",
            false,
        ),
        "outbox" | "outbox again" => ("an alert was lost before its receiver had it", false),
        "imported" => (
            "that day of imported documents is lost: import them again, what is there stays as it is",
            false,
        ),
        "imported_sources" => (
            "that vantage of imported documents is not listed: import them again, with its place",
            false,
        ),
        "imported_reached" => (
            "an interrupted import begins anew, and changes nothing it has taken in",
            true,
        ),
        "borrowed" => (
            "that day of a borrowed eye's measurements is lost: import its file again, what is there stays as it is",
            false,
        ),
        "borrowed_vantages" => (
            "that borrowed eye is not listed until a file with a measurement of it is imported again",
            false,
        ),
        "disk_full" | "disk_full again" => ("a full disk may be told of once more", true),
        "outbox_delivered" | "outbox_delivered again" => ("an alert may be delivered a second time", true),
        _ => ("it is served no more", false),
    }
}
