//! Holds a store against the record: invariants 1 and 2 of the design.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;

use isochrone_proto::ids::{Digest, EpochId, ProbeId, Sequence};
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::quarantined;
use isochrone_store::ledger;
use isochrone_store::{ScanRange, Store};

use super::{EpochRecord, Inner, Measured, Record, Run, Stamp, rows_of};

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
#[derive(Clone, Copy, Debug, Default)]
struct Named {
    stored: u64,
    spooled: u64,
    dropped: u64,
    refused: u64,
    forked: u64,
}

/// The store's measurements: how often each stands there.
pub(super) struct Shelf {
    rows: BTreeMap<Measured, u32>,
    by_epoch: BTreeMap<(ProbeId, EpochId), u64>,
}

impl Shelf {
    pub(super) fn read(store: &Store) -> Self {
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

    pub(super) fn has(&self, row: &Measured) -> bool {
        self.rows.contains_key(row)
    }

    fn missing(&self, rows: &[Measured]) -> u64 {
        rows.iter().filter(|row| !self.has(row)).count() as u64
    }
}

/// Durable measurements of one epoch that are not stored, by what stands in their place.
#[derive(Default)]
struct Missing {
    tombstoned: u64,
    forked: u64,
    /// Nothing.
    unexplained: u64,
    /// First batch of which nothing explains the absence.
    first: Option<Sequence>,
}

impl Record {
    /// What must hold at every moment: whatever a probe was told is stored, is; nothing is stored twice, and
    /// nothing that never ran.
    #[must_use]
    pub fn check_acknowledged(&self, store: &Store) -> Faults {
        let (mut faults, shelf) = (Faults::default(), Shelf::read(store));
        self.ran(&shelf, &mut faults);
        let refused = refused_batches(store);
        self.acknowledged(&shelf, &refused, &mut faults);
        faults
    }

    /// What must hold once everything is healed and drained: all of the above; everything that a probe made
    /// durable is stored, or named in the ledger; the ledger is balanced, and agrees with the log.
    #[must_use]
    pub fn check_drained(&self, store: &Store, now: UnixMillis) -> Faults {
        let (mut faults, shelf) = (Faults::default(), Shelf::read(store));
        self.ran(&shelf, &mut faults);
        let refused = refused_batches(store);
        self.acknowledged(&shelf, &refused, &mut faults);
        let named = Self::ledger(store, now, &mut faults);
        for (key, stored) in &shelf.by_epoch {
            let told = named.get(key).map_or(0, |named| named.stored);
            if told != *stored {
                faults.find(format!(
                    "epoch {} of probe {}: {stored} measurements stored, the ledger says {told}",
                    key.1, key.0
                ));
            }
        }
        let inner = self.lock();
        for ((probe, id), epoch) in &inner.epochs {
            let missing = epoch.missing(&shelf, &refused);
            let named = named.get(&(*probe, *id)).copied().unwrap_or_default();
            if let Some(fault) = missing.beyond(&named) {
                faults.find(format!("epoch {id} of probe {probe}: {fault}"));
            }
        }
        inner.reasons(&named, store, &mut faults);
        faults
    }

    /// Every batch that was acknowledged is stored, or kept apart with a reason.
    fn acknowledged(&self, shelf: &Shelf, refused: &BTreeSet<Digest>, faults: &mut Faults) {
        let inner = self.lock();
        for ((probe, id), epoch) in &inner.epochs {
            let acknowledged = epoch.batches.iter().filter(|(_, batch)| batch.acknowledged);
            for ((sequence, digest), batch) in acknowledged {
                let missing = shelf.missing(&batch.rows);
                if missing > 0 && !refused.contains(digest) {
                    faults.find(format!(
                        "acknowledged and not stored: {missing} of {} measurements of batch {sequence} (probe {probe}, epoch {id})",
                        batch.rows.len()
                    ));
                }
            }
        }
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

impl EpochRecord {
    /// What of it is not stored. Acknowledged batches are judged by themselves.
    fn missing(&self, shelf: &Shelf, refused: &BTreeSet<Digest>) -> Missing {
        let mut missing = Missing::default();
        let open = self.batches.iter().filter(|(_, batch)| !batch.acknowledged);
        for ((sequence, digest), batch) in open {
            let rows = shelf.missing(&batch.rows);
            if rows == 0 || refused.contains(digest) {
                continue;
            }
            if self.is_tombstoned(*sequence) {
                missing.tombstoned += rows;
            } else if self.is_forked(batch) {
                missing.forked += rows;
            } else {
                missing.unexplained += rows;
                missing.first.get_or_insert(*sequence);
            }
        }
        missing
    }
}

impl Missing {
    /// What the ledger does not name of it.
    fn beyond(&self, named: &Named) -> Option<String> {
        if let Some(first) = self.first {
            return Some(format!(
                "{} durable measurements are not stored, from batch {first} on, and nothing stands in their place; {named:?}",
                self.unexplained
            ));
        }
        if self.tombstoned > named.dropped {
            return Some(format!(
                "{} measurements were dropped and are not stored: {named:?}",
                self.tombstoned
            ));
        }
        (self.tombstoned + self.forked > named.dropped + named.forked).then(|| {
            format!(
                "{} measurements of a fork and {} dropped ones are not stored: {named:?}",
                self.forked, self.tombstoned
            )
        })
    }
}

impl Inner {
    /// Nothing was dropped, refused or forked without an accident that explains it.
    fn reasons(&self, named: &BTreeMap<(ProbeId, EpochId), Named>, store: &Store, faults: &mut Faults) {
        for ((probe, id), named) in named {
            for (what, count, may) in [
                ("dropped", named.dropped, self.may_drop.contains(probe)),
                ("refused", named.refused, self.may_refuse.contains(probe)),
                ("forked", named.forked, self.may_fork.contains(probe)),
            ] {
                if count > 0 && !may {
                    faults.find(format!("epoch {id} of probe {probe}: {count} measurements {what}, for which nothing gave a reason"));
                }
            }
        }
        let may_refuse: BTreeSet<String> = self.may_refuse.iter().map(ToString::to_string).collect();
        for (refused, _) in quarantined(store).expect("the quarantine can be read").kept {
            if !may_refuse.contains(&refused.probe) {
                faults.find(format!("refused, for which nothing gave a reason: {refused:?}"));
            }
        }
    }
}

/// The batches that the collector refused for their content, and keeps apart.
fn refused_batches(store: &Store) -> BTreeSet<Digest> {
    let quarantined = quarantined(store).expect("the quarantine can be read");
    let batches = quarantined
        .kept
        .iter()
        .filter(|(refused, _)| refused.item == "batch");
    batches.map(|(_, raw)| Digest::of(raw)).collect()
}
