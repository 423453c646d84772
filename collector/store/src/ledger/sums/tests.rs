use isochrone_proto::control::EpochState;
use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::ledger::Event;
use proptest::prelude::*;

use super::*;
use crate::damage::Part;
use crate::ingest::fixture::*;
use crate::ingest::{Incoming, Ingest};
use crate::ledger;

/// Epochs of one probe, four hours apart.
const EPOCHS_OF_ADA: [EpochId; 3] = [EPOCH, LATER_EPOCH, EpochId([11; 16])];
const HOUR_MS: u64 = 3_600_000;
const APART_MS: u64 = 4 * HOUR_MS;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The time passes.
    Minutes(u64),
    /// The next batches of an epoch.
    Next(usize, u64),
    /// Its last one.
    Close(usize),
    /// What would be next was dropped.
    Drop(usize),
    /// One that does not fit.
    Fork(usize),
    /// The probe greets, and names its epochs up to this one.
    Hello(usize),
    /// The probe is revoked.
    Revoke,
    /// A bit flips in a row of a table, and somebody reads it.
    Flip(&'static str, usize),
    /// The probe returns its plan.
    Plan,
    /// The collector's clock is set back.
    SetBack(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let epoch = 0..EPOCHS_OF_ADA.len();
    let table = prop_oneof![
        Just("log"),
        Just("hours"),
        Just("epochs"),
        Just("plans"),
        Just("ends")
    ];
    prop_oneof![
        6 => (1..90_u64).prop_map(Step::Minutes),
        8 => (epoch.clone(), 1..9_u64).prop_map(|(epoch, batches)| Step::Next(epoch, batches)),
        1 => epoch.clone().prop_map(Step::Close),
        2 => epoch.clone().prop_map(Step::Drop),
        1 => epoch.clone().prop_map(Step::Fork),
        3 => epoch.prop_map(Step::Hello),
        1 => Just(Step::Revoke),
        1 => (table, 0..50_usize).prop_map(|(table, place)| Step::Flip(table, place)),
        1 => Just(Step::Plan),
        1 => (1..90_u64).prop_map(Step::SetBack),
    ]
}

struct World {
    store: Store,
    ingest: Ingest,
    now: UnixMillis,
    sums: Sums,
    /// Of each epoch: the last sequence, its digest, and whether it is closed.
    sent: [(u64, Digest, bool); 3],
}

/// An honest batch of one of the epochs.
fn batch(epoch: usize, sequence: u64, (previous, is_last): (Digest, bool)) -> Incoming {
    let shift = epoch as u64 * APART_MS;
    let mut header = header(EPOCHS_OF_ADA[epoch], sequence, previous);
    header.cut.0 += shift;
    header.adopted.first_slot.0 += shift;
    for skipped in &mut header.skipped {
        skipped.first_slot.0 += shift;
    }
    for count in &mut header.hours {
        count.hour.0 += (shift / HOUR_MS) as u32;
    }
    header.events.extend(is_last.then_some(Event::Closed));
    let mut rows = measurements(sequence, 0);
    for row in &mut rows {
        row.slot.0 += shift;
    }
    incoming(header, &rows)
}

impl World {
    fn send(&mut self, epoch: usize, is_last: bool) {
        let (sequence, previous, is_closed) = &mut self.sent[epoch];
        if *is_closed {
            return;
        }
        let batch = batch(epoch, *sequence + 1, (*previous, is_last));
        (*sequence, *previous, *is_closed) = (*sequence + 1, batch.digest, is_last);
        submit(&self.ingest, batch);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Minutes(minutes) => self.now.0 += minutes * STEP_MS,
            Step::SetBack(minutes) => self.now.0 -= minutes * STEP_MS,
            Step::Next(epoch, batches) => (0..batches).for_each(|_| self.send(epoch, false)),
            Step::Close(epoch) => self.send(epoch, true),
            Step::Drop(epoch) => {
                let (sequence, previous, is_closed) = &mut self.sent[epoch];
                if epoch > 0 || *is_closed {
                    return; // tombstones of the fixture are of the first epoch
                }
                *sequence += 1;
                *previous = Digest::of(&sequence.to_be_bytes());
                submit(&self.ingest, tombstone(EPOCH, *sequence, *sequence));
            }
            Step::Fork(epoch) => {
                let sequence = self.sent[epoch].0 + 1;
                submit(
                    &self.ingest,
                    batch(epoch, sequence, (Digest::of(b"a clone"), false)),
                );
            }
            Step::Hello(last) => {
                let told = |epoch: usize| {
                    let (sequence, digest, closed) = self.sent[epoch];
                    EpochState {
                        epoch: EPOCHS_OF_ADA[epoch],
                        first_slot: UnixMillis(START.0 + epoch as u64 * APART_MS),
                        first_held: Sequence(1),
                        closed: closed || epoch < last,
                        last: Sequence(sequence),
                        last_digest: digest,
                    }
                };
                now(self.ingest.hello(ADA, (0..=last).map(told).collect())).unwrap();
            }
            Step::Revoke => {
                let at = self.now;
                self.store
                    .write(|transaction| transaction.end_plans(ADA, at))
                    .unwrap();
            }
            Step::Flip(table, place) => {
                self.store.flip_bit(table, place, Part::Value, 9).unwrap();
                ledger::verify(&self.store).unwrap();
            }
            Step::Plan => self.store.put_plan(&signed(&plan(1)), &plan(1)).unwrap(),
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let whole = ledger::read(&self.store, self.now).unwrap();
        self.sums.update(&self.store, self.now).unwrap();
        prop_assert_eq!(self.sums.totals(), whole.totals());
        prop_assert_eq!(self.sums.is_balanced(), whole.is_balanced());
        let first = whole.rows.iter().map(|row| row.hour).min();
        prop_assert_eq!(self.sums.first_hour(), first);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_those_of_the_whole_ledger_whatever_happens(steps in prop::collection::vec(step(), 1..40)) {
        let (_, store) = store_with_plan();
        let mut world = World {
            ingest: inline(&store),
            store,
            now: UnixMillis(START.0 + STEP_MS),
            sums: Sums::default(),
            sent: [(0, Digest::ZERO, false); 3],
        };
        for step in steps {
            world.take(step);
            world.check()?;
        }
    }
}

#[test]
fn commit_and_a_passing_hour_count_nothing_of_the_past_again() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let mut previous = store_honest(&ingest, EPOCH, 300);
    let mut sums = Sums::default();
    sums.update(&store, cut_of(300)).unwrap();
    let settled = |sums: &Sums| {
        let epochs = sums.probes[&ADA].epochs.values();
        epochs.map(|epoch| epoch.settled.until).collect::<Vec<_>>()
    };
    assert_eq!(settled(&sums), [cut_of(300).hour()]);
    for sequence in 301..=420 {
        let batch = honest(EPOCH, sequence, previous);
        previous = batch.digest;
        submit(&ingest, batch);
        sums.update(&store, cut_of(sequence)).unwrap();
        assert_eq!(
            settled(&sums),
            [cut_of(sequence).hour()],
            "only the hour under way is counted again"
        );
        assert_eq!(sums.totals().stored, sequence * ROWS);
    }
}

#[test]
fn sums_drawn_up_while_batches_are_committed_never_look_unbalanced() {
    let (_, store) = store_with_plan();
    let ingest = inline(&store);
    let writer = std::thread::spawn(move || store_honest(&ingest, EPOCH, 120));
    let (mut sums, mut drawn) = (Sums::default(), 0);
    while !writer.is_finished() || drawn == 0 {
        sums.update(&store, cut_of(120)).unwrap();
        assert!(sums.is_balanced(), "{:?}", sums.totals());
        drawn += 1;
    }
    writer.join().unwrap();
    sums.update(&store, cut_of(120)).unwrap();
    assert_eq!(sums.totals(), ledger::read(&store, cut_of(120)).unwrap().totals());
}

#[test]
fn plan_that_comes_back_at_the_second_try_is_counted_again() {
    let (disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 300);
    let mut sums = Sums::default();
    sums.update(&store, cut_of(300)).unwrap();
    store.flip_bit("plans", 0, Part::Value, 200).unwrap();
    ledger::verify(&store).unwrap();
    sums.update(&store, cut_of(300)).unwrap();
    assert!(!sums.is_balanced());

    disk.fail_writes(Some(std::io::ErrorKind::StorageFull));
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap_err();
    disk.fail_writes(None);
    sums.update(&store, cut_of(300)).unwrap();
    assert!(!sums.is_balanced());
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    sums.update(&store, cut_of(300)).unwrap();
    assert!(sums.is_balanced());
    assert_eq!(store.damage().unwrap().lost, 0);
}
