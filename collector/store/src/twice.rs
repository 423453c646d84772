//! Tables that are kept twice: what is small, and could not be found again from the batches.

/// A table's name, and that of the one that holds its rows once more.
pub(crate) type Twice = (&'static str, &'static str);

pub(crate) const EPOCHS: Twice = ("epochs", "epochs again");
pub(crate) const HOURS: Twice = ("hours", "hours again");
pub(crate) const ENDS: Twice = ("ends", "ends again");
pub(crate) const SEGMENTS: Twice = ("segments", "segments again");
pub(crate) const SEALED: Twice = ("sealed batches", "sealed batches again");

pub(crate) const UNROLLED: Twice = ("days without rollups", "days without rollups again");

/// The tables of records, [`crate::Records`].
pub(crate) const RECORDS: [Twice; 13] = [
    ("probes", "probes again"),
    ("tokens", "tokens again"),
    ("burnt_keys", "burnt_keys again"),
    ("audit", "audit again"),
    ("addresses", "addresses again"),
    ("nodes", "nodes again"),
    ("incidents", "incidents again"),
    ("judged", "judged again"),
    ("clock_offsets", "clock_offsets again"),
    ("session_addresses", "session_addresses again"),
    ("outbox", "outbox again"),
    ("outbox_delivered", "outbox_delivered again"),
    ("disk_full", "disk_full again"),
];

/// Every table that is kept twice.
pub(crate) fn kept_twice() -> impl Iterator<Item = Twice> {
    [EPOCHS, HOURS, ENDS, SEGMENTS, SEALED, UNROLLED]
        .into_iter()
        .chain(RECORDS)
}
