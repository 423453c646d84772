//! Holds a store against the record: invariants 1 and 2 of the design.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use isochrone_collector::ingest::quarantined;
use isochrone_collector::ledger;
use isochrone_collector::store::{ScanRange, Store};
use isochrone_proto::codec;
use isochrone_proto::ids::{EpochId, ProbeId};
use isochrone_proto::units::UnixMillis;

use super::{Measured, Record, Run, Stamp, rows_of};

/// What the accidents of a world excuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// The collector may have refused measurements: a clock was far ahead.
    pub refused: bool,
    /// An epoch may have gone on in two places: a machine was cloned or restored.
    pub forked: bool,
    /// The collector was restored from an older copy: what was acknowledged after that is stored again only once
    /// the probes have filled it up.
    pub restored: bool,
}

/// Everything in which store and record differ. Empty: the invariants hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TOLD: usize = 12;
        for fault in self.0.iter().take(TOLD) {
            writeln!(f, "  {fault}")?;
        }
        match self.0.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => writeln!(f, "  … and {more} more"),
        }
    }
}

impl Faults {
    fn find(&mut self, fault: String) {
        self.0.push(fault);
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What one epoch lost, as the ledger names it.
#[derive(Clone, Copy, Default)]
struct Named {
    stored: u64,
    spooled: u64,
    dropped: u64,
    refused: u64,
    forked: u64,
}

/// The store's measurements: how often each stands there.
struct Shelf {
    rows: BTreeMap<Measured, u32>,
    by_epoch: BTreeMap<(ProbeId, EpochId), u64>,
}

impl Shelf {
    fn read(store: &Store) -> Self {
        let mut shelf = Self {
            rows: BTreeMap::new(),
            by_epoch: BTreeMap::new(),
        };
        let read = store.scan(ScanRange::default(), |stored| {
            for row in rows_of(stored.probe, &stored.batch, &stored.plan) {
                *shelf.rows.entry(row).or_default() += 1;
                *shelf.by_epoch.entry((stored.probe, row.epoch)).or_default() += 1;
            }
            ControlFlow::Continue(())
        });
        read.expect("the store can be read");
        shelf
    }

    fn has(&self, row: &Measured) -> bool {
        self.rows.contains_key(row)
    }
}

impl Record {
    /// What must hold at every moment: whatever a probe was told is stored, is; nothing is stored twice, and
    /// nothing that never ran.
    #[must_use]
    pub fn check_acknowledged(&self, store: &Store, allowed: Allowed) -> Faults {
        let (mut faults, shelf) = (Faults::default(), Shelf::read(store));
        self.ran(&shelf, &mut faults);
        let inner = self.lock();
        for ((probe, id), epoch) in &inner.epochs {
            let dropped = epoch.tombstoned || inner.may_drop.contains(probe);
            if epoch.forked || dropped || allowed.refused || allowed.restored {
                continue; // judged by the ledger, once everything is in
            }
            let acknowledged = epoch.batches.range(..=epoch.acknowledged);
            for (sequence, rows) in acknowledged {
                let missing = rows.iter().filter(|row| !shelf.has(row)).count();
                if missing > 0 {
                    faults.find(format!(
                        "acknowledged and not stored: {missing} of {} measurements of batch {sequence} (probe {probe}, epoch {id}, acknowledged up to {})",
                        rows.len(),
                        epoch.acknowledged
                    ));
                }
            }
        }
        faults
    }

    /// What must hold once everything is healed and drained: all of the above; everything that a probe made
    /// durable is stored, or named in the ledger; the ledger is balanced, and agrees with the log.
    #[must_use]
    pub fn check_drained(&self, store: &Store, now: UnixMillis, allowed: Allowed) -> Faults {
        let (mut faults, shelf) = (Faults::default(), Shelf::read(store));
        self.ran(&shelf, &mut faults);
        let named = Self::ledger(store, now, &mut faults);
        let inner = self.lock();
        let quarantined = Self::quarantined(store, allowed, &mut faults);
        for (key, stored) in &shelf.by_epoch {
            let told = named.get(key).map_or(0, |named| named.stored);
            if told != *stored {
                faults.find(format!(
                    "epoch {} of probe {}: {stored} measurements stored, the ledger says {told}",
                    key.1, key.0
                ));
            }
        }
        for ((probe, id), epoch) in &inner.epochs {
            let rows = || epoch.batches.values().flatten();
            let missing = rows().filter(|row| !shelf.has(row)).count() as u64;
            let named = named.get(&(*probe, *id)).copied().unwrap_or_default();
            // slots of a clock that is far off make no rows in the ledger: the quarantine holds them
            let refused = quarantined.get(id).copied().unwrap_or(0).max(named.refused);
            let excused = named.dropped + refused + named.forked;
            if missing > excused {
                let first = epoch
                    .batches
                    .iter()
                    .find(|(_, rows)| rows.iter().any(|row| !shelf.has(row)));
                let first = first.map_or(0, |(sequence, _)| sequence.0);
                faults.find(format!(
                    "epoch {id} of probe {probe}: {missing} of {} durable measurements are not stored (from batch {first} on; acknowledged up to {}), the ledger names {excused} (dropped {}, refused {}, forked {}); {} are said to be still spooled",
                    rows().count(), epoch.acknowledged, named.dropped, named.refused, named.forked, named.spooled
                ));
            }
            for (what, count, may) in [
                ("dropped", named.dropped, inner.may_drop.contains(probe)),
                ("refused", named.refused, allowed.refused),
                ("forked", named.forked, allowed.forked),
            ] {
                if count > 0 && !may {
                    faults.find(format!("epoch {id} of probe {probe}: {count} measurements {what}, for which nothing gave a reason"));
                }
            }
        }
        faults
    }

    /// Measurements in quarantine, by epoch.
    fn quarantined(store: &Store, allowed: Allowed, faults: &mut Faults) -> BTreeMap<EpochId, u64> {
        let quarantined = quarantined(store).expect("the quarantine can be read");
        let mut rows: BTreeMap<EpochId, u64> = BTreeMap::new();
        for (refused, raw) in quarantined.kept {
            if !allowed.refused {
                faults.find(format!("refused, for which nothing gave a reason: {refused:?}"));
            }
            if let Ok(batch) = codec::decode_batch(&raw) {
                *rows.entry(batch.header.epoch).or_default() += batch.rows() as u64;
            }
        }
        rows
    }

    /// Each stored measurement is one run, and each run is stored at most once.
    fn ran(&self, shelf: &Shelf, faults: &mut Faults) {
        let inner = self.lock();
        let mut stored: BTreeMap<(Run, Stamp), u32> = BTreeMap::new();
        for (row, count) in &shelf.rows {
            if *count > 1 {
                faults.find(format!("stored {count} times: {row:?}"));
            }
            *stored.entry((row.run, row.stamp)).or_default() += 1;
        }
        for ((run, stamp), count) in stored {
            let ended = inner.ended.get(&(run, stamp)).copied().unwrap_or(0);
            if ended == 0 {
                faults.find(format!("stored and never run: {run:?} {stamp:?}"));
            } else if count > ended {
                faults.find(format!(
                    "run {ended} times and stored {count} times: {run:?} {stamp:?}"
                ));
            }
        }
    }

    fn ledger(store: &Store, now: UnixMillis, faults: &mut Faults) -> BTreeMap<(ProbeId, EpochId), Named> {
        let ledger = ledger::read(store, now).expect("the ledger can be read");
        let mut named: BTreeMap<(ProbeId, EpochId), Named> = BTreeMap::new();
        for row in &ledger.rows {
            if !row.balanced {
                faults.find(format!("the ledger is not balanced: {row:?}"));
            }
            let sum = named.entry((row.probe, row.epoch)).or_default();
            sum.stored += row.stored;
            sum.spooled += row.spooled;
            sum.dropped += row.dropped;
            sum.refused += row.refused;
            sum.forked += row.forked;
        }
        for ((probe, epoch), sum) in &named {
            if sum.spooled > 0 {
                faults.find(format!("everything is drained, and of epoch {epoch} of probe {probe} {} measurements are still to come", sum.spooled));
            }
        }
        let audit = ledger::verify(store).expect("the log can be counted again");
        if !audit.is_sound() {
            let findings = audit.findings.join("; ");
            faults.find(format!(
                "the log counted again: {} lost, {} twice: {findings}",
                audit.lost, audit.twice
            ));
        }
        named
    }
}
