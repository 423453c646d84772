use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use isochrone_base::clock::Clock;
use isochrone_proto::ids::{EpochId, ProbeId, TargetId};
use isochrone_proto::units::UnixMillis;
use proptest::prelude::*;

use super::*;
use crate::document::{DocumentId, MeasurementId};

fn document(at: u64) -> Document {
    let id = MeasurementId {
        probe: ProbeId(1),
        epoch: EpochId([0; 16]),
        kind: "echo4".parse().unwrap(),
        target: TargetId(2),
        slot: UnixMillis(at),
    };
    Document {
        id: DocumentId::of(&id),
        index: Arc::from("isochrone-echo-2026.11"),
        source: format!("{{\"slot\":{at}}}").into_bytes(),
        version: None,
    }
}

fn delivery(count: u64, at_once: usize) -> Delivery {
    Delivery::new((0..count).map(document).collect(), at_once, Pace::default())
}

fn slots(delivery: &Delivery) -> Vec<String> {
    delivery
        .next()
        .map(|document| String::from_utf8(document.source.clone()).unwrap())
        .collect()
}

fn later() -> Verdict {
    Verdict::Later {
        reason: "busy".to_owned(),
    }
}

fn dead() -> Verdict {
    Verdict::Dead {
        status: 400,
        reason: "no number".to_owned(),
    }
}

#[test]
fn only_what_was_not_taken_goes_again() {
    let now = Clock::system().now();
    let mut delivery = delivery(4, 3);
    assert_eq!(delivery.next_count(), 3);
    delivery.answered(Bulk::Items(vec![Verdict::Done, later(), dead()]), now, 0.0);
    assert_eq!(slots(&delivery), ["{\"slot\":1}", "{\"slot\":3}"]);
    assert_eq!(delivery.until(), Some(now + Pace::default().first / 2));
    let dead = delivery.take_dead();
    assert_eq!((dead.len(), dead[0].status), (1, 400));
    assert!(!delivery.is_done());
    delivery.answered(Bulk::Items(vec![Verdict::Done, Verdict::Done]), now, 0.0);
    assert!(delivery.is_done() && delivery.trouble().is_none());
}

#[test]
fn waits_double_and_heed_what_the_server_asks() {
    let now = Clock::system().now();
    let mut delivery = delivery(1, 1);
    let busy = |wait| Bulk::Later {
        wait,
        reason: "busy".to_owned(),
    };
    let mut waits = Vec::new();
    for _ in 0..12 {
        delivery.answered(busy(None), now, 1.0);
        waits.push((delivery.until().unwrap() - now).as_millis());
    }
    assert_eq!(waits[..4], [500, 1_000, 2_000, 4_000]);
    assert_eq!(waits[11], LONGEST_WAIT.as_millis());
    let mut fresh = super::tests::delivery(1, 1);
    fresh.answered(busy(Some(Duration::from_secs(7))), now, 0.0);
    assert_eq!(fresh.until().unwrap() - now, Duration::from_secs(7));
    fresh.answered(busy(Some(Duration::from_secs(86_400))), now, 0.0);
    assert_eq!(fresh.until().unwrap() - now, LONGEST_ASKED);
}

#[test]
fn what_is_too_large_is_split_down_to_one_and_that_one_is_dead() {
    let now = Clock::system().now();
    let mut delivery = delivery(5, 100);
    delivery.answered(Bulk::TooLarge, now, 0.0);
    assert_eq!(delivery.next_count(), 2);
    delivery.answered(Bulk::TooLarge, now, 0.0);
    assert_eq!((delivery.next_count(), delivery.until()), (1, None));
    delivery.answered(Bulk::TooLarge, now, 0.0);
    assert_eq!(delivery.take_dead()[0].status, 413);
    assert_eq!(slots(&delivery), ["{\"slot\":1}"]);
}

#[test]
fn server_that_stays_busy_is_sent_less_at_once() {
    let now = Clock::system().now();
    let mut delivery = delivery(1_000, 1_000);
    let mut counts = Vec::new();
    for _ in 0..9 {
        let reason = "busy".to_owned();
        delivery.answered(Bulk::Later { wait: None, reason }, now, 0.0);
        counts.push(delivery.next_count());
    }
    assert_eq!(counts, [1_000, 1_000, 500, 250, 125, 62, 31, 20, 20]);
}

#[test]
fn what_somebody_must_change_keeps_all_that_was_not_taken() {
    let now = Clock::system().now();
    let mut delivery = delivery(3, 3);
    let blocked = Verdict::Blocked {
        reason: "closed".to_owned(),
    };
    delivery.answered(Bulk::Items(vec![blocked, Verdict::Done, later()]), now, 0.0);
    assert!(delivery.trouble().unwrap().is_blocked);
    assert_eq!(slots(&delivery), ["{\"slot\":0}", "{\"slot\":2}"]);
    assert_eq!(delivery.until(), Some(now + Pace::default().blocked));
}

proptest! {
    /// Whatever the server says, a document is taken once by it, or dead once; none is forgotten, none is sent after.
    #[test]
    fn every_document_ends_once(count in 0_u64..40, at_once in 1_usize..20, script in prop::collection::vec(0_u8..6, 0..400)) {
        let now = Clock::system().now();
        let mut delivery = delivery(count, at_once);
        let mut ended: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        let mut script = script.into_iter().chain(std::iter::repeat(0));
        let mut steps = 0;
        while !delivery.is_done() {
            steps += 1;
            prop_assert!(steps < 2_000);
            let next: Vec<Document> = delivery.next().cloned().collect();
            prop_assert!(!next.is_empty());
            let whole = script.next().unwrap_or(0);
            let bulk = match whole {
                1 => Bulk::Later { wait: None, reason: String::new() },
                2 => Bulk::Blocked { reason: String::new() },
                3 if next.len() > 1 => Bulk::TooLarge,
                _ => {
                    let verdicts: Vec<Verdict> = next.iter().map(|_| match script.next().unwrap_or(0) {
                        1 => later(),
                        2 => Verdict::Blocked { reason: String::new() },
                        3 => dead(),
                        _ => Verdict::Done,
                    }).collect();
                    for (document, verdict) in next.iter().zip(&verdicts) {
                        if *verdict == Verdict::Done {
                            *ended.entry(document.source.clone()).or_default() += 1;
                        }
                    }
                    Bulk::Items(verdicts)
                }
            };
            delivery.answered(bulk, now, 0.5);
            for dead in delivery.take_dead() {
                *ended.entry(dead.document.source).or_default() += 1;
            }
        }
        let all: BTreeSet<Vec<u8>> = (0..count).map(|at| document(at).source).collect();
        prop_assert_eq!(ended.keys().cloned().collect::<BTreeSet<_>>(), all);
        prop_assert!(ended.values().all(|times| *times == 1));
    }
}
