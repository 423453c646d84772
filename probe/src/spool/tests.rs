//! The spool against crashes, damage and a full disk.

mod damaged;
mod evicted;

use std::sync::Arc;

use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::control::{EpochMark, RefusedSoFar};
use isochrone_proto::ids::PlanVersion;
use isochrone_proto::ledger::{Adoption, Event, HourCount};
use isochrone_proto::measurement::{EchoOutcome, Measurement, Outcome};
use isochrone_proto::units::{Hour, Micros};
use proptest::prelude::*;

use super::*;
use crate::disk::MemoryDisk;

const SLOT: UnixMillis = UnixMillis(1_700_000_000_000);

fn epoch(number: u8) -> EpochId {
    EpochId([number; 16])
}

fn adoption(number: u64, first_slot: UnixMillis) -> Adoption {
    let version = PlanVersion { promotion: 0, number };
    Adoption { version, first_slot }
}

/// Makes an epoch's batches as the batcher does: chained, with cumulative counts.
struct Maker {
    epoch: EpochId,
    sequence: Sequence,
    previous: Digest,
    slot: UnixMillis,
    adopted: Adoption,
    hours: BTreeMap<Hour, u64>,
}

impl Maker {
    fn new(number: u8) -> Self {
        Self {
            epoch: epoch(number),
            sequence: Sequence::NONE,
            previous: Digest::ZERO,
            slot: SLOT,
            adopted: adoption(1, SLOT),
            hours: BTreeMap::new(),
        }
    }

    /// From now on it is an hour later.
    fn an_hour_later(&mut self) {
        self.slot = self.slot.hour().end();
    }

    /// Follows plan `number` from now on.
    fn adopt(&mut self, number: u64) {
        self.adopted = adoption(number, self.slot);
    }

    /// The current hour's counts: those before are long told, as in a batch that comes later.
    fn count(&self) -> HourCount {
        let run = self.hours[&self.slot.hour()];
        HourCount {
            hour: self.slot.hour(),
            planned: run,
            run,
            skipped: 0,
            pending: 0,
        }
    }

    fn next(&mut self, rows: usize, closes: bool) -> (Batch, Vec<u8>) {
        self.sequence = self.sequence.next();
        let measurements: Vec<Measurement> = (0..rows)
            .map(|row| Measurement {
                check: 0,
                slot: UnixMillis(self.slot.0 + row as u64),
                lateness: Micros::default(),
                outcome: Outcome::Echo(EchoOutcome::TimedOut),
            })
            .collect();
        *self.hours.entry(self.slot.hour()).or_default() += rows as u64;
        let header = BatchHeader {
            epoch: self.epoch,
            sequence: self.sequence,
            previous: self.previous,
            adopted: self.adopted,
            plan: self.adopted.version,
            cut: UnixMillis(self.slot.0 + 1_000),
            hours: vec![self.count()],
            skipped: Vec::new(),
            events: if closes { vec![Event::Closed] } else { Vec::new() },
            source_ports: vec![7; 20], // so that a batch takes some bytes
        };
        let batch = Batch::pack(header, &measurements).unwrap();
        let payload = codec::encode_batch(&batch);
        self.previous = Digest::of(&payload);
        (batch, payload)
    }
}

fn open(disk: &Arc<MemoryDisk>, bytes_max: u64) -> Spool {
    let disk: Arc<dyn Disk> = Arc::<MemoryDisk>::clone(disk);
    Spool::open(disk, SpoolOptions { bytes_max }).unwrap()
}

fn filled(disk: &Arc<MemoryDisk>, batches: usize) -> (Spool, Maker) {
    let (mut spool, mut maker) = (open(disk, 1 << 20), Maker::new(1));
    spool.open_epoch(maker.epoch, SLOT);
    for _ in 0..batches {
        let (batch, payload) = maker.next(3, false);
        assert_eq!(spool.append(&batch, &payload), Appended::Kept);
    }
    (spool, maker)
}

/// Everything that would be sent of an epoch after `sent`: (kind, first, last, payload).
fn everything(spool: &mut Spool, epoch: EpochId, mut sent: Sequence) -> Vec<Outgoing> {
    let mut all = Vec::new();
    loop {
        match spool.next_after(epoch, sent) {
            Ok(Some(outgoing)) => {
                assert_eq!(outgoing.first, sent.next(), "no gap is ever sent");
                sent = outgoing.last;
                all.push(outgoing);
            }
            Ok(None) => return all,
            Err(SpoolError::Damaged { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Rows that batches hold, and rows that tombstones account for, by the counts as a collector reads them.
fn account(outgoing: &[Outgoing]) -> (u64, u64) {
    let (mut stored, mut dropped, mut run) = (0, 0, 0);
    for item in outgoing {
        match item.kind {
            ItemKind::Batch => {
                let batch = codec::decode_batch(&item.payload).unwrap();
                stored += batch.rows() as u64;
                run = batch.header.hours[0].run;
            }
            ItemKind::Tombstone => {
                let tombstone = codec::decode_tombstone(&item.payload).unwrap();
                let upto = tombstone.hours[0].run;
                dropped += upto - run;
                run = upto;
            }
        }
        assert_eq!(stored + dropped, run, "run = stored + dropped after each item");
    }
    (stored, dropped)
}

#[test]
fn reopened_spool_sends_what_was_appended() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, _) = filled(&disk, 20);
    let before = everything(&mut spool, epoch(1), Sequence::NONE);
    let state = spool.epoch_state(epoch(1)).unwrap();
    let mut again = open(&disk, 1 << 20);
    assert_eq!(everything(&mut again, epoch(1), Sequence::NONE), before);
    let reopened = again.epoch_state(epoch(1)).unwrap();
    assert_eq!(
        (reopened.last, reopened.last_digest),
        (state.last, state.last_digest)
    );
    assert!(reopened.closed, "no process adds to an epoch of an earlier one");
    assert_eq!(again.state().corrupt_records, 0);
}

#[test]
fn acknowledged_batches_stay_while_there_is_room() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, _) = filled(&disk, 20);
    spool.acknowledge(epoch(1), Sequence(20), Sequence::NONE);
    assert_eq!(spool.state().unstored, 0);
    let restored = EpochMark {
        epoch: epoch(1),
        stored: Sequence::NONE,
        digest: Digest::ZERO,
        safe: Sequence::NONE,
        refused: RefusedSoFar::default(),
    };
    assert_eq!(spool.welcome(&restored), MarkFit::Fits);
    assert_eq!(
        spool.state().unstored,
        60,
        "a collector that was restored is filled up again"
    );
    assert_eq!(everything(&mut spool, epoch(1), Sequence::NONE).len(), 20);
}

#[test]
fn marks_survive_a_restart() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, _) = filled(&disk, 20);
    spool.acknowledge(epoch(1), Sequence(12), Sequence(5));
    spool.save_marks();
    assert_eq!(open(&disk, 1 << 20).state().unstored, 24);
}

#[test]
fn mark_with_another_digest_is_a_fork() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, _) = filled(&disk, 5);
    let mark = |stored, digest| EpochMark {
        epoch: epoch(1),
        stored: Sequence(stored),
        digest,
        safe: Sequence::NONE,
        refused: RefusedSoFar::default(),
    };
    assert_eq!(spool.welcome(&mark(3, Digest([9; 32]))), MarkFit::Forked);
    let own = everything(&mut spool, epoch(1), Sequence(2)).remove(0);
    assert_eq!(spool.welcome(&mark(3, Digest::of(&own.payload))), MarkFit::Fits);
}

#[test]
fn mark_above_all_that_was_written_is_a_fork_of_any_epoch() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, _) = filled(&disk, 5);
    let mark = EpochMark {
        epoch: epoch(1),
        stored: Sequence(9),
        digest: Digest([9; 32]),
        safe: Sequence::NONE,
        refused: RefusedSoFar::default(),
    };
    assert_eq!(spool.welcome(&mark), MarkFit::Forked);
    let mut restored = open(&disk, 1 << 20);
    restored.open_epoch(epoch(2), SLOT);
    assert_eq!(
        restored.welcome(&mark),
        MarkFit::Forked,
        "what is held may not be what is stored there: a twin may have written it"
    );
    assert_eq!(
        everything(&mut restored, epoch(1), Sequence::NONE).len(),
        5,
        "all of it is still to be asked about"
    );
}

#[test]
fn forked_epoch_is_sent_unchanged_and_dropped() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = filled(&disk, 6);
    spool.acknowledge(epoch(1), Sequence(2), Sequence::NONE);
    let sent = everything(&mut spool, epoch(1), Sequence(2));
    spool.open_epoch(epoch(2), SLOT);
    spool.fork(epoch(1), Some(Sequence(3)));
    assert_eq!(everything(&mut spool, epoch(1), Sequence(3)), sent[1..]);
    let (batch, payload) = maker.next(1, true);
    spool.append(&batch, &payload);
    spool.asking(epoch(1), Sequence(4));
    spool.acknowledge(epoch(1), Sequence(99), Sequence(99));
    assert_eq!(
        spool.stored(epoch(1)),
        Sequence(4),
        "an answer counts for the record that was asked about"
    );
    spool.drop_forked(epoch(1));
    assert!(spool.epoch_state(epoch(1)).is_none());
    assert!(open(&disk, 1 << 20).epoch_state(epoch(1)).is_none());
}

#[test]
fn forked_epoch_that_is_given_up_is_counted_as_dropped() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = filled(&disk, 6);
    spool.open_epoch(epoch(2), SLOT);
    spool.fork(epoch(1), Some(Sequence(2)));
    assert_eq!(spool.drop_forked(epoch(1)), 12);
    assert_eq!((spool.state().dropped, spool.own_rows().dropped), (12, 12));
    let (batch, payload) = maker.next(3, true);
    assert_eq!(
        spool.append(&batch, &payload),
        Appended::Dropped,
        "nothing is kept of it"
    );
    assert_eq!((spool.state().dropped, spool.own_rows().dropped), (15, 15));
    assert_eq!(spool.own_rows().run, 21);
}

#[test]
fn forked_epoch_that_was_dropped_is_not_sent_again_after_a_power_cut() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, _) = filled(&disk, 6);
    spool.open_epoch(epoch(2), SLOT);
    spool.fork(epoch(1), Some(Sequence(6)));
    assert_eq!(
        spool.drop_forked(epoch(1)),
        0,
        "all of it was counted by the collector"
    );
    disk.power_on();
    assert!(
        !disk.list("spool/").unwrap().is_empty(),
        "the power cut brought the file back"
    );
    let again = open(&disk, 1 << 20);
    assert!(again.epoch_state(epoch(1)).is_none());
    assert_eq!(again.state().corrupt_records, 0);
}

#[test]
fn records_of_few_files_are_held_in_memory() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = (open(&disk, 2 << 20), Maker::new(1));
    spool.open_epoch(maker.epoch, SLOT);
    let mut rows = 0;
    while spool.state().bytes < (2 << 20) - 1_000 {
        let (batch, payload) = maker.next(3, false);
        assert_eq!(spool.append(&batch, &payload), Appended::Kept);
        rows += 3;
    }
    let in_memory = |spool: &Spool| spool.log(epoch(1)).unwrap().records_in_memory();
    let most = 4 * ((32 << 10) / 150);
    for mut spool in [open(&disk, 2 << 20), spool] {
        assert!(
            in_memory(&spool) < most,
            "{} records in memory, unsent",
            in_memory(&spool)
        );
        let sent = everything(&mut spool, epoch(1), Sequence::NONE);
        assert_eq!(account(&sent), (rows, 0), "all of them are sent");
        for item in &sent {
            spool.acknowledge(epoch(1), item.last, Sequence::NONE);
            assert_eq!(spool.state().unstored, rows - 3 * item.last.0);
        }
        assert!(
            in_memory(&spool) < most,
            "{} records in memory, stored",
            in_memory(&spool)
        );
        let restored = EpochMark {
            epoch: epoch(1),
            stored: Sequence(1_000),
            digest: Digest::of(&sent[999].payload),
            safe: Sequence::NONE,
            refused: RefusedSoFar::default(),
        };
        assert_eq!(spool.welcome(&restored), MarkFit::Fits);
        assert_eq!(spool.state().unstored, rows - 3_000);
        assert_eq!(everything(&mut spool, epoch(1), Sequence(1_000)), sent[1_000..]);
    }
}

/// What a test does to a spool.
#[derive(Clone, Debug)]
enum Act {
    Append { rows: usize },
    Acknowledge { back: u64 },
    Epoch,
    SaveMarks,
    Reopen,
    CutPower { after: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..40usize).prop_map(|rows| Act::Append { rows }),
        2 => (0..6u64).prop_map(|back| Act::Acknowledge { back }),
        1 => Just(Act::Epoch),
        1 => Just(Act::SaveMarks),
        1 => Just(Act::Reopen),
        1 => (0..3_000u64).prop_map(|after| Act::CutPower { after }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens, what was kept is sent unchanged or stands in a tombstone, without a gap; a power
    /// cut at any byte loses nothing that `append` called kept.
    #[test]
    fn kept_batches_are_sent_or_named(acts in proptest::collection::vec(act(), 1..120)) {
        let disk = Arc::new(MemoryDisk::new());
        let bytes_max = 40 << 10;
        let mut spool = open(&disk, bytes_max);
        let mut maker = Maker::new(1);
        let mut kept: Vec<(EpochId, Sequence, Vec<u8>)> = Vec::new();
        spool.open_epoch(maker.epoch, SLOT);
        let mut number = 1;
        for act in acts {
            match act {
                Act::Append { rows } => {
                    let (batch, payload) = maker.next(rows, false);
                    if spool.append(&batch, &payload) == Appended::Kept {
                        kept.push((maker.epoch, maker.sequence, payload));
                    }
                    prop_assert!(spool.state().bytes <= bytes_max);
                }
                Act::Acknowledge { back } => {
                    let upto = spool.epoch_state(maker.epoch).unwrap().last.0.saturating_sub(back);
                    spool.acknowledge(maker.epoch, Sequence(upto), Sequence(upto / 2));
                }
                Act::SaveMarks => spool.save_marks(),
                Act::CutPower { after } => disk.cut_power_after(after),
                Act::Epoch | Act::Reopen => {
                    if matches!(act, Act::Reopen) {
                        disk.power_on();
                        spool = open(&disk, bytes_max);
                    }
                    number += 1;
                    maker = Maker::new(number);
                    spool.open_epoch(maker.epoch, SLOT);
                }
            }
        }
        disk.power_on();
        let mut spool = open(&disk, bytes_max);
        let epochs: BTreeSet<EpochId> = kept.iter().map(|(epoch, _, _)| *epoch).collect();
        for epoch in epochs {
            let sent = everything(&mut spool, epoch, Sequence::NONE);
            account(&sent);
            for (_, sequence, payload) in kept.iter().filter(|(of, _, _)| *of == epoch) {
                let found = sent.iter().find(|item| item.first <= *sequence && *sequence <= item.last);
                let found = found.expect("an epoch that was stored and left is told all the same");
                prop_assert!(found.kind == ItemKind::Tombstone || found.payload == *payload);
            }
        }
        prop_assert_eq!(spool.state().corrupt_records, 0);
    }

    /// Without a bound that bites, every kept batch comes back byte for byte after a power cut at any byte.
    #[test]
    fn power_cut_at_any_byte_keeps_exactly_what_was_kept(cut in 0..6_000u64, sizes in proptest::collection::vec(0..30usize, 1..40)) {
        let disk = Arc::new(MemoryDisk::new());
        let (mut spool, mut maker) = (open(&disk, 10 << 20), Maker::new(1));
        spool.open_epoch(maker.epoch, SLOT);
        disk.cut_power_after(cut);
        let mut kept = Vec::new();
        for rows in sizes {
            let (batch, payload) = maker.next(rows, false);
            match spool.append(&batch, &payload) {
                Appended::Kept => kept.push(payload),
                Appended::Dropped => break,
            }
        }
        disk.power_on();
        let mut again = open(&disk, 10 << 20);
        let sent: Vec<Vec<u8>> = everything(&mut again, epoch(1), Sequence::NONE).into_iter().map(|item| item.payload).collect();
        prop_assert_eq!(sent, kept);
    }
}
