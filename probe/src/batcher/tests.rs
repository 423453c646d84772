//! Closing, splitting and chaining of batches.

use isochrone_proto::kind::Check;
use isochrone_proto::ledger::SkipCause;
use isochrone_proto::measurement::{EchoOutcome, FailureCause, Outcome, Phase};
use isochrone_proto::units::Micros;

use super::*;
use crate::account::tests::plan_of;

const BASE: UnixMillis = UnixMillis(472_222 * 3_600_000);
const SECOND: u64 = 1_000;

fn at(millis: u64) -> UnixMillis {
    UnixMillis(BASE.0 + millis)
}

fn plan(number: u64) -> Plan {
    plan_of(number, &[(1_000, 0, 500), (1_000, 500, 500)], at(3_600_000))
}

fn batcher() -> Batcher {
    let mut batcher = Batcher::new(EpochId([3; 16]), vec![40_000, 40_001]);
    batcher.adopt(&plan(1), BASE);
    batcher
}

fn echo(slot: u64) -> Measurement {
    Measurement {
        check: 0,
        slot: at(slot),
        lateness: Micros::default(),
        outcome: Outcome::Echo(EchoOutcome::TimedOut),
    }
}

fn failed(check: Check, slot: u64, text: &str) -> Measurement {
    Measurement {
        outcome: Outcome::failed(check, Phase::Connect, FailureCause::Refused, text.into()),
        ..echo(slot)
    }
}

fn skip(slot: u64, count: u32) -> SkippedRange {
    SkippedRange {
        check: 0,
        first_slot: at(slot),
        count,
        cause: SkipCause::Late,
    }
}

/// The batches are numbered from `first` on, chained, whole, and decode to themselves.
fn check_chain(batches: &[Sealed]) {
    let mut previous = None;
    for Sealed { batch, payload } in batches {
        assert_eq!(codec::decode_batch(payload).unwrap(), *batch);
        if let Some((sequence, digest)) = previous {
            assert_eq!(batch.header.sequence, Sequence::next(sequence));
            assert_eq!(batch.header.previous, digest);
        }
        previous = Some((batch.header.sequence, Digest::of(payload)));
    }
}

#[test]
fn batch_closes_after_a_second() {
    let mut batcher = batcher();
    batcher.close(at(1)); // tells the adoption
    batcher.ran(plan(1).version, echo(SECOND), at(1_200));
    assert!(!batcher.is_due(at(2_199)));
    assert!(batcher.is_due(at(2_200)));
    let batches = batcher.close(at(2_201));
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].batch.rows(), 1);
    assert!(!batcher.is_due(at(9_999)), "nothing waits");
}

#[test]
fn batch_closes_at_a_thousand_rows() {
    let mut batcher = batcher();
    batcher.close(at(1));
    for row in 0..999 {
        batcher.ran(plan(1).version, echo(row), at(999));
    }
    assert!(!batcher.is_due(at(999)));
    batcher.ran(plan(1).version, echo(999), at(999));
    assert!(batcher.is_due(at(999)));
    let mut batches = batcher.close(at(1_000));
    for row in 0..2_500 {
        batcher.ran(plan(1).version, echo(row), at(999));
    }
    batches.extend(batcher.close(at(1_000)));
    let rows: Vec<usize> = batches.iter().map(|sealed| sealed.batch.rows()).collect();
    assert_eq!(rows, [1_000, 1_000, 1_000, 500]);
    check_chain(&batches);
}

#[test]
fn long_texts_never_exceed_a_batch() {
    for check in [Check::Http, Check::Connect] {
        let mut batcher = batcher();
        for row in 0..700 {
            let text = format!("{row}{}", "é".repeat(400));
            batcher.ran(plan(1).version, failed(check, row, &text), at(999));
        }
        let batches = batcher.close(at(1_000));
        check_chain(&batches);
        assert_eq!(
            batches.iter().map(|sealed| sealed.batch.rows()).sum::<usize>(),
            700
        );
        assert!(
            batches
                .iter()
                .all(|sealed| sealed.payload.len() <= isochrone_proto::limits::BATCH_BYTES_MAX)
        );
    }
}

#[test]
fn late_rows_of_the_previous_plan_get_a_batch_of_their_own() {
    let mut batcher = batcher();
    batcher.adopt(&plan(2), at(5_000));
    batcher.ran(plan(2).version, echo(5_000), at(5_100));
    batcher.ran(plan(1).version, echo(4_000), at(5_200));
    let batches = batcher.close(at(5_201));
    // the first batch tells the adoption of plan 1, which no batch had told before plan 2 came
    assert_eq!(batches[0].batch.header.adopted.version.number, 1);
    assert_eq!(batches[0].batch.rows(), 0);
    let batches = &batches[1..];
    let plans: Vec<u64> = batches
        .iter()
        .map(|sealed| sealed.batch.header.plan.number)
        .collect();
    assert_eq!(plans, [1, 2]);
    assert!(
        batches
            .iter()
            .all(|sealed| sealed.batch.header.adopted.version.number == 2)
    );
    let run: Vec<u64> = batches
        .iter()
        .map(|sealed| sealed.batch.header.hours[0].run)
        .collect();
    assert_eq!(
        run,
        [1, 2],
        "the counts of each batch are those of the rows up to it"
    );
    check_chain(batches);
}

#[test]
fn adoption_is_told_even_if_nothing_runs() {
    let mut batcher = Batcher::new(EpochId([3; 16]), Vec::new());
    batcher.adopt(&plan_of(1, &[], at(3_600_000)), BASE);
    assert!(!batcher.is_due(BASE), "not yet in force");
    assert!(batcher.is_due(at(1)));
    let batches = batcher.close(at(1));
    assert_eq!(batches[0].batch.header.adopted.version.number, 1);
    assert!(!batcher.is_due(at(10_000)));
}

#[test]
fn first_batch_alone_tells_the_ports() {
    let mut batcher = batcher();
    let first = batcher.close(at(1)).remove(0);
    batcher.ran(plan(1).version, echo(0), at(1));
    let second = batcher.close(at(2)).remove(0);
    assert_eq!(first.batch.header.source_ports, [40_000, 40_001]);
    assert_eq!(first.batch.header.previous, Digest::ZERO);
    assert!(second.batch.header.source_ports.is_empty());
}

#[test]
fn adjoining_ranges_become_one() {
    let mut batcher = batcher();
    batcher.skipped(plan(1).version, skip(0, 1), at(3_000));
    batcher.skipped(plan(1).version, skip(1_000, 2), at(3_000));
    batcher.skipped(plan(1).version, skip(5_000, 1), at(5_000));
    let header = batcher.close(at(5_001)).remove(0).batch.header;
    assert_eq!(header.skipped, [skip(0, 3), skip(5_000, 1)]);
    assert_eq!(header.hours[0].skipped, 4);
    assert_eq!(header.hours[0].pending, 2 + 5); // 0..=5 s of both checks, less the four
}

#[test]
fn finished_epoch_says_closed_once_and_last() {
    let mut batcher = batcher();
    batcher.event(Event::LateReplies { count: 2 });
    batcher.event(Event::LateReplies { count: 3 });
    batcher.ran(plan(1).version, echo(0), at(1));
    let batches = batcher.finish(at(2));
    assert_eq!(batches[0].batch.header.events, [Event::LateReplies { count: 5 }]);
    assert_eq!(batches[1].batch.header.events, [Event::Closed]);
    assert_eq!(batches.len(), 2);
    check_chain(&batches);
    assert!(batcher.finish(at(3)).is_empty());
}

#[test]
fn epoch_without_a_plan_makes_no_batch() {
    let mut batcher = Batcher::new(EpochId([3; 16]), Vec::new());
    batcher.event(Event::ClockStep { step_ms: 5_000 });
    assert!(!batcher.is_due(at(10_000)));
    assert!(batcher.finish(at(10_000)).is_empty());
}

/// Found by a seed of the simulated mesh: after a suspension a plan was in force and replaced between two
/// batches, and the collector refused everything that named it.
#[test]
fn regression_plan_that_was_replaced_while_the_machine_slept_is_told() {
    let mut batcher = Batcher::new(EpochId([3; 16]), Vec::new());
    for (number, from) in [(1, 0), (2, 3_000), (3, 6_000)] {
        batcher.adopt(&plan(number), at(from));
    }
    batcher.skipped(plan(1).version, skip(0, 3), at(11_000));
    batcher.skipped(plan(2).version, skip(3_000, 3), at(11_000));
    let batches = batcher.close(at(11_001));
    check_chain(&batches);
    let told: Vec<u64> = batches
        .iter()
        .map(|sealed| sealed.batch.header.adopted.version.number)
        .collect();
    assert_eq!(told, [1, 2, 3, 3]);
    let cuts: Vec<UnixMillis> = batches.iter().map(|sealed| sealed.batch.header.cut).collect();
    assert_eq!(cuts, [at(3_000), at(6_000), at(11_001), at(11_001)]);
    assert!(
        batches[0]
            .batch
            .header
            .hours
            .iter()
            .all(|hour| hour.planned == 0 && hour.pending == 6)
    );
}
