use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_proto::control::{Ack, CollectorMessage, RefusedSoFar};
use isochrone_proto::ids::{EpochId, PlanVersion, Sequence};
use isochrone_proto::plan::SignedPlan;
use proptest::prelude::*;

use super::quota::Bucket;
use super::replies::{Outgoing, Replies};
use super::{Arrival, INSTANCES_MAX, Seat};

#[test]
fn only_an_instance_that_was_taken_over_and_returns_is_unusual() {
    let mut seat = Seat::default();
    let arrivals = [1, 1, 2, 2, 3, 1, 3, 3].map(|instance| seat.arrive(instance));
    use Arrival::{SupersededInstance, Usual};
    assert_eq!(
        arrivals,
        [
            Usual,
            Usual,
            Usual,
            Usual,
            Usual,
            SupersededInstance,
            SupersededInstance,
            Usual
        ]
    );
}

#[test]
fn memory_of_instances_is_bounded() {
    let mut seat = Seat::default();
    for instance in 0..1_000 {
        assert_eq!(seat.arrive(instance), Arrival::Usual);
    }
    assert_eq!(seat.superseded.len(), INSTANCES_MAX);
}

fn messages(outgoing: Outgoing) -> Vec<CollectorMessage> {
    match outgoing {
        Outgoing::Messages(messages) => messages,
        Outgoing::Finished => Vec::new(),
    }
}

#[tokio::test]
async fn acknowledgements_of_an_epoch_collapse_and_tell_what_was_refused_so_far() {
    let so_far = |batches| RefusedSoFar {
        batches,
        rows: 3 * batches,
        rows_for_time: 0,
    };
    let replies = Replies::default();
    let (one, two) = (EpochId([1; 16]), EpochId([2; 16]));
    for sequence in 1..=100 {
        let refused = (sequence % 10 == 0).then(|| so_far(sequence / 10));
        replies.ack(one, (Sequence(sequence), Sequence(sequence / 2)), refused);
    }
    replies.ack(two, (Sequence(7), Sequence::NONE), None);
    let ack = |epoch, stored, refused: Option<u64>| {
        CollectorMessage::Ack(Ack {
            epoch,
            stored: Sequence(stored),
            safe: if epoch == one {
                Sequence(50)
            } else {
                Sequence::NONE
            },
            refused: refused.map(so_far),
        })
    };
    let first = messages(replies.next().await);
    assert_eq!(first, [ack(one, 100, Some(10)), ack(two, 7, None)]);
    replies.ack(one, (Sequence(101), Sequence(50)), None);
    assert_eq!(messages(replies.next().await), [ack(one, 101, None)]);
}

#[tokio::test]
async fn newer_plan_replaces_one_that_was_not_written() {
    let replies = Replies::default();
    let plan = |byte| SignedPlan {
        plan: vec![byte],
        signature: Vec::new(),
    };
    replies.plan(plan(1));
    replies.plan(plan(2));
    let version = PlanVersion::default();
    replies.need_plans([version, version]);
    replies.finish();
    let all = messages(replies.next().await);
    let expected = [
        CollectorMessage::NeedPlans(vec![version]),
        CollectorMessage::Plan(plan(2)),
    ];
    assert_eq!(all, expected);
    assert!(matches!(replies.next().await, Outgoing::Finished));
}

proptest! {
    /// Against the plain sum: no more is let through than burst + rate · time, and a wait that was told is enough.
    #[test]
    fn bucket_lets_no_more_through_than_its_rate(steps in prop::collection::vec((0_u64..2_000, 1_usize..50), 1..200)) {
        let start = Clock::system().now();
        let mut bucket = Bucket::messages(start);
        let (mut now, mut taken) = (start, 0_u64);
        for (wait_ms, amount) in steps {
            now += Duration::from_millis(wait_ms);
            if let Err(wait) = bucket.take(amount, now) {
                prop_assert!(wait > Duration::ZERO);
                now += wait;
                prop_assert!(bucket.take(amount, now).is_ok());
            }
            taken += amount as u64;
            let allowed = 300.0 + (now - start).as_secs_f64() * 10.0;
            prop_assert!(taken as f64 <= allowed + 1e-6, "{} of {}", taken, allowed);
        }
    }
}
