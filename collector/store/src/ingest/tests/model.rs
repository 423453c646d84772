//! Random interleavings of batches, re-sends, forks, refused content, tombstones, crashes and restored
//! backups against an oracle that keeps everything as plain sets.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_proto::control::EpochState;
use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::units::Hour;
use proptest::prelude::*;

use super::super::fixture::*;
use super::super::{Incoming, Ingest, Ingested, Item};
use crate::ledger;
use crate::lossy::LossyBackend;
use crate::{ScanRange, Store};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next batch.
    Next,
    /// The next batch, with a slot off the grid.
    Bad,
    /// The next batch, with a predecessor that is not there.
    Orphan(u8),
    /// One that skips a sequence.
    Gap,
    /// Something sent before, again.
    Again(usize),
    /// A stored sequence, with other content.
    Twin(u64, u8),
    /// A tombstone from `back` before the mark to `ahead` after it.
    Tombstone { back: u64, ahead: u64 },
    /// The machine dies after so many writes of the next item, whatever that is.
    CrashIn(u64),
    /// Power cut and restart.
    Restart(u64),
    /// Remember the collector as it is.
    Backup,
    /// Go back to what was remembered.
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Next),
        2 => Just(Step::Bad),
        1 => (0..3_u8).prop_map(Step::Orphan),
        1 => Just(Step::Gap),
        3 => (0..64_usize).prop_map(Step::Again),
        1 => (1..40_u64, 1..3_u8).prop_map(|(sequence, flavour)| Step::Twin(sequence, flavour)),
        2 => (0..4_u64, 0..4_u64).prop_map(|(back, ahead)| Step::Tombstone { back, ahead }),
        2 => (0..30_u64).prop_map(Step::CrashIn),
        1 => any::<u64>().prop_map(Step::Restart),
        1 => Just(Step::Backup),
        1 => Just(Step::Restore),
    ]
}

/// What the collector must know, kept naively.
#[derive(Clone, Default)]
struct Oracle {
    mark: u64,
    digest: Option<Digest>,
    stands: BTreeMap<u64, Digest>,
    forks: BTreeSet<(u64, [u8; 32])>,
    /// Commit order of (check, slot).
    stored: BTreeSet<(u16, u64)>,
    hours: BTreeMap<Hour, Counts>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    stored: u64,
    refused: u64,
    dropped: u64,
    forked: u64,
    run: u64,
}

impl Oracle {
    fn digest(&self) -> Digest {
        self.digest.unwrap_or(Digest::ZERO)
    }

    /// Says what `incoming` must be answered, and takes its effect over.
    fn apply(&mut self, incoming: &Incoming, is_bad: bool) -> &'static str {
        match &incoming.item {
            Item::Batch(batch) => {
                let sequence = batch.header.sequence.0;
                let slots: Vec<(u16, u64)> = batch.slots().map(|(check, slot)| (check, slot.0)).collect();
                let hour_of = |slot: u64| Hour((slot / 3_600_000) as u32);
                let follows_fork = self.forks.contains(&(sequence - 1, batch.header.previous.0));
                if sequence > self.mark + 1 && !follows_fork {
                    return "gap";
                }
                if sequence <= self.mark && self.stands.get(&sequence) == Some(&incoming.digest) {
                    return "already";
                }
                let is_next = sequence == self.mark + 1 && batch.header.previous == self.digest();
                if !is_next {
                    if self.forks.insert((sequence, incoming.digest.0)) {
                        for (_, slot) in &slots {
                            self.hours.entry(hour_of(*slot)).or_default().forked += 1;
                        }
                    }
                    return "forked";
                }
                let is_bad = is_bad || slots.iter().any(|slot| self.stored.contains(slot));
                for (check, slot) in slots {
                    let hour = self.hours.entry(hour_of(slot)).or_default();
                    if is_bad {
                        hour.refused += 1;
                    } else {
                        hour.stored += 1;
                        self.stored.insert((check, slot));
                    }
                }
                let count = batch.header.hours[0];
                self.hours.entry(count.hour).or_default().run = count.run;
                self.mark = sequence;
                self.digest = Some(incoming.digest);
                self.stands.insert(sequence, incoming.digest);
                if is_bad { "refused" } else { "stored" }
            }
            Item::Unread(_) => panic!("the model makes none"),
            Item::Tombstone(tombstone) => {
                if tombstone.last.0 <= self.mark {
                    let stands = self.stands.get(&tombstone.last.0);
                    let fits = stands.is_none_or(|digest| *digest == tombstone.last_digest);
                    return if fits { "already" } else { "forked" };
                }
                if tombstone.first.0 > self.mark + 1 {
                    if self.forks.is_empty() {
                        return "gap";
                    }
                    self.forks.insert((tombstone.last.0, tombstone.last_digest.0));
                    return "forked";
                }
                for count in &tombstone.hours {
                    let hour = self.hours.entry(count.hour).or_default();
                    hour.run = count.run;
                    hour.dropped = count.run - hour.stored - hour.refused;
                }
                self.mark = tombstone.last.0;
                self.digest = Some(tombstone.last_digest);
                self.stands.insert(self.mark, tombstone.last_digest);
                "stored"
            }
        }
    }
}

fn word(answer: &Ingested) -> &'static str {
    match answer {
        Ingested::Stored { .. } => "stored",
        Ingested::Already { .. } => "already",
        Ingested::Refused { .. } => "refused",
        Ingested::Forked { .. } => "forked",
        Ingested::Gap { .. } => "gap",
        Ingested::NeedPlans(_) => "plans",
        Ingested::Unavailable(_) => "unavailable",
    }
}

struct Model {
    disk: LossyBackend,
    store: Store,
    ingest: Ingest,
    oracle: Oracle,
    backup: (LossyBackend, Oracle),
    sent: Vec<(Incoming, bool)>,
    dying: bool,
}

impl Model {
    fn new() -> Self {
        let (disk, store) = store_with_plan();
        Self {
            backup: (disk.snapshot(), Oracle::default()),
            ingest: inline(&store),
            oracle: Oracle::default(),
            sent: Vec::new(),
            dying: false,
            disk,
            store,
        }
    }

    fn on(&mut self, disk: LossyBackend) {
        self.store = store_on(&disk);
        self.ingest = inline(&self.store);
        self.disk = disk;
        self.dying = false;
    }

    fn send(&mut self, incoming: Incoming, is_bad: bool) -> Result<(), TestCaseError> {
        self.sent.push((incoming.clone(), is_bad));
        let answer = submit(&self.ingest, incoming.clone());
        let mut after = self.oracle.clone();
        let expected = after.apply(&incoming, is_bad);
        if word(&answer) == expected {
            self.oracle = after;
            return Ok(());
        }
        prop_assert!(
            self.dying && word(&answer) == "unavailable",
            "expected {expected}, got {answer:?}"
        );
        // It died in the commit: the commit was whole, or it was nothing.
        let seed = self.sent.len() as u64;
        self.on(self.disk.crash(seed));
        let mut whole = counts(&self.store);
        whole.retain(|_, counts| *counts != Counts::default());
        if self.mark() == after.mark && whole == nonzero(&after.hours) {
            self.oracle = after;
        }
        Ok(())
    }

    fn mark(&self) -> u64 {
        let state = EpochState {
            epoch: EPOCH,
            first_slot: START,
            first_held: Sequence(0),
            last: Sequence(0),
            last_digest: Digest::ZERO,
            closed: false,
        };
        now(self.ingest.hello(ADA, vec![state])).unwrap()[0].stored.0
    }

    fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let next = self.oracle.mark + 1;
        let previous = self.oracle.digest();
        match step {
            Step::Next => self.send(honest(EPOCH, next, previous), false),
            Step::Bad => {
                let mut rows = measurements(next, 0);
                rows[0].slot.0 += 1;
                self.send(incoming(header(EPOCH, next, previous), &rows), true)
            }
            Step::Orphan(which) => self.send(honest(EPOCH, next, Digest::of(&[which])), false),
            Step::Gap => self.send(honest(EPOCH, next + 1, previous), false),
            Step::Again(which) => match self.sent.get(which % self.sent.len().max(1)).cloned() {
                Some((incoming, is_bad)) => self.send(incoming, is_bad),
                None => Ok(()),
            },
            Step::Twin(sequence, flavour) => {
                let sequence = sequence.min(next);
                let rows = measurements(sequence, u64::from(flavour));
                self.send(incoming(header(EPOCH, sequence, previous), &rows), false)
            }
            Step::Tombstone { back, ahead } => {
                let first = next.saturating_sub(back).max(1);
                self.send(
                    tombstone(EPOCH, first, (self.oracle.mark + ahead).max(first)),
                    false,
                )
            }
            Step::CrashIn(operations) => {
                self.disk.die_after(operations);
                self.dying = true;
                Ok(())
            }
            Step::Restart(seed) => {
                self.on(self.disk.crash(seed));
                Ok(())
            }
            Step::Backup => {
                self.backup = (self.disk.snapshot(), self.oracle.clone());
                Ok(())
            }
            Step::Restore => {
                self.oracle = self.backup.1.clone();
                self.on(self.backup.0.snapshot());
                Ok(())
            }
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        self.on(self.disk.crash(1));
        prop_assert_eq!(self.mark(), self.oracle.mark);
        prop_assert_eq!(counts(&self.store), nonzero(&self.oracle.hours));
        let mut stored = Vec::new();
        self.store
            .scan(ScanRange::default(), |batch| {
                stored.extend(batch.batch.slots().map(|(check, slot)| (check, slot.0)));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        prop_assert_eq!(stored.len(), self.oracle.stored.len(), "nothing twice");
        let stored: BTreeSet<_> = stored.into_iter().collect();
        prop_assert_eq!(&stored, &self.oracle.stored, "nothing lost");
        let audit = ledger::verify(&self.store).unwrap();
        prop_assert!(audit.is_sound(), "{:?}", audit);
        Ok(())
    }
}

fn counts(store: &Store) -> BTreeMap<Hour, Counts> {
    let rows = ledger::rows(store, START).unwrap();
    let counts = rows.iter().map(|row| {
        let counts = Counts {
            stored: row.stored,
            refused: row.refused,
            dropped: row.dropped,
            forked: row.forked,
            run: row.run - row.forked,
        };
        (row.hour, counts)
    });
    nonzero(&counts.collect())
}

fn nonzero(hours: &BTreeMap<Hour, Counts>) -> BTreeMap<Hour, Counts> {
    let hours = hours.iter().filter(|(_, counts)| **counts != Counts::default());
    hours.map(|(hour, counts)| (*hour, *counts)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn any_interleaving_agrees_with_the_oracle(steps in proptest::collection::vec(step(), 1..60)) {
        let mut model = Model::new();
        for step in steps {
            model.take(step)?;
        }
        model.check()?;
    }
}
