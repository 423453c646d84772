//! What the loss of a row means, by its table: docs/adr/0013-damage.md in words for people.

/// Of a batch.
pub(super) const BATCH: &str =
    "its measurements are served no more; the ledger counts them as dropped, not as stored";

/// By table: what its loss means, and whether it is made good.
pub(super) fn consequence(table: &str) -> (&'static str, bool) {
    match table {
        "log" => (BATCH, false),
        "log hours" => ("an index: made again from the log", true),
        "stream" => (
            "found again from the log, or taken as known: nothing is counted a second time",
            true,
        ),
        "epochs" => (
            "the epoch's account was put together again from its batches; it takes nothing more, so that nothing is counted twice, and its probe goes on in a new epoch",
            false,
        ),
        "seen" => (
            "which slots of an epoch were seen is not known any more: the epoch takes nothing more, so that nothing is counted twice, and its probe goes on in a new epoch",
            false,
        ),
        "hours" => ("the hour was counted again from its batches", true),
        "probe hours" => ("a probe's quota of one hour begins anew", true),
        "tombstones" => ("its range was found again from its neighbours", true),
        "forks" => ("a batch of a fork may be counted as forked a second time", true),
        "quarantine" => ("a refused batch is no longer kept; it stays counted", false),
        "plans" => (
            "batches under the plan are whole and not served until their probe returns it, which it is asked to",
            false,
        ),
        "ends" => (
            "when that probe was revoked is not known any more: the ledger plans on for it",
            false,
        ),
        "numbers" | "numbers again" => ("taken from the other copy, or counted again", true),
        "probes" => (
            "that probe is refused, and measured by nobody, until it is invited and joins again",
            false,
        ),
        "tokens" => (
            "that invitation opens no door any more; invite the probe again",
            false,
        ),
        "burnt_keys" => (
            "a key that was shown with a spent invitation may be told of once more",
            false,
        ),
        "audit" => ("an entry of the audit log is missing", false),
        "addresses" => ("the address is verified again before peers are sent to it", true),
        "nodes" => (
            "reports do not know that node if it was removed from targets.toml",
            false,
        ),
        "incidents" => ("reports and page do not know that incident", false),
        "judged" => ("the log is judged again, and nobody is told of the past", true),
        "clock_offsets" => (
            "reports over the past read that probe's measurements by its clock as it was",
            false,
        ),
        "session_addresses" => (
            "reports over the past judge that probe without knowing whence its sessions came",
            false,
        ),
        "outbox" => ("an alert was lost before its receiver had it", false),
        "disk_full" => ("a full disk may be told of once more", true),
        "outbox_delivered" => ("an alert may be delivered a second time", true),
        _ => ("it is served no more", false),
    }
}
