use isochrone_proto::echo::{KeyEpoch, PACKET_BYTES, ResponderSecret};
use isochrone_proto::ids::ProbeId;
use proptest::prelude::*;

use super::super::stamp::monotonic_now;
use super::*;

const TIMEOUT: Duration = Duration::from_secs(2);

fn key(secret: u8) -> PairKey {
    PairKey::derive(&ResponderSecret([secret; 32]), ProbeId(7), KeyEpoch(1))
}

fn asked(nonce: u64, sent: Instant) -> Asked {
    Asked {
        request: EchoPacket {
            direction: Direction::Request,
            key_epoch: KeyEpoch(1),
            prober: ProbeId(7),
            nonce,
            sequence: 3,
            claimed_delay_us: 0,
        },
        to: "192.0.2.1:7472".parse().unwrap(),
        key: key(1),
        deadline: sent + TIMEOUT,
    }
}

fn answer(asked: &Asked) -> [u8; PACKET_BYTES] {
    asked.request.reply(42).seal(&asked.key)
}

struct OneInFlight {
    table: InFlight<&'static str>,
    asked: Asked,
    start: Instant,
}

fn one_request() -> OneInFlight {
    let start = monotonic_now();
    let mut table = InFlight::default();
    let asked = asked(99, start);
    assert!(table.sent(asked.clone(), "waiter", start));
    OneInFlight { table, asked, start }
}

#[test]
fn authentic_reply_answers_once_and_its_copies_are_duplicates() {
    let OneInFlight {
        mut table,
        asked,
        start,
    } = one_request();
    let bytes = answer(&asked);
    let expected = Reply::Answered {
        waiter: "waiter",
        claimed_delay_us: 42,
    };
    assert_eq!(table.reply(asked.to, &bytes, start), expected);
    assert_eq!(table.reply(asked.to, &bytes, start), Reply::Duplicate);
    assert_eq!(
        table.reply(asked.to, &bytes, start + TIMEOUT * 2),
        Reply::Duplicate
    );
    assert_eq!(table.waiting(), 0);
}

#[test]
fn reply_at_its_deadline_counts_and_after_it_is_late() {
    let OneInFlight {
        mut table,
        asked,
        start,
    } = one_request();
    let on_time = table.reply(asked.to, &answer(&asked), start + TIMEOUT);
    assert!(matches!(on_time, Reply::Answered { .. }));

    let OneInFlight {
        mut table,
        asked,
        start,
    } = one_request();
    let after = start + TIMEOUT + Duration::from_nanos(1);
    assert_eq!(table.reply(asked.to, &answer(&asked), after), Reply::Late);
    assert_eq!(table.reply(asked.to, &answer(&asked), after), Reply::Duplicate);
}

#[test]
fn reply_after_giving_up_is_late_once() {
    let OneInFlight {
        mut table,
        asked,
        start,
    } = one_request();
    table.gave_up(99, start + TIMEOUT);
    table.gave_up(99, start + TIMEOUT); // harmless
    let later = start + TIMEOUT * 2;
    assert_eq!(table.reply(asked.to, &answer(&asked), later), Reply::Late);
    assert_eq!(table.reply(asked.to, &answer(&asked), later), Reply::Duplicate);
}

#[test]
fn anything_but_the_authentic_reply_is_foreign_and_leaves_the_request_waiting() {
    let OneInFlight {
        mut table,
        asked,
        start,
    } = one_request();
    let right = answer(&asked);
    let elsewhere = "192.0.2.2:7472".parse().unwrap();
    let other_port = "192.0.2.1:7473".parse().unwrap();
    let with = |change: fn(&mut EchoPacket)| {
        let mut packet = asked.request.reply(42);
        change(&mut packet);
        packet.seal(&asked.key)
    };
    let forgeries = [
        (elsewhere, right),
        (other_port, right),
        (asked.to, asked.request.reply(42).seal(&key(2))),
        (asked.to, asked.request.seal(&asked.key)), // the request itself, echoed without a key
        (asked.to, with(|packet| packet.nonce += 1)),
        (asked.to, with(|packet| packet.sequence += 1)),
        (asked.to, with(|packet| packet.prober = ProbeId(8))),
        (asked.to, with(|packet| packet.key_epoch = KeyEpoch(2))),
    ];
    for (case, (from, bytes)) in forgeries.into_iter().enumerate() {
        assert_eq!(table.reply(from, &bytes, start), Reply::Foreign, "{case}");
        assert_eq!(table.waiting(), 1, "{case}");
    }
    assert_eq!(table.reply(asked.to, &right[..47], start), Reply::Foreign);
    assert!(matches!(
        table.reply(asked.to, &right, start),
        Reply::Answered { .. }
    ));
}

#[test]
fn forged_copy_of_a_finished_request_is_foreign_not_late() {
    let OneInFlight {
        mut table,
        asked,
        start,
    } = one_request();
    table.gave_up(99, start);
    let forged = asked.request.reply(42).seal(&key(2));
    assert_eq!(table.reply(asked.to, &forged, start), Reply::Foreign);
    assert_eq!(table.reply(asked.to, &answer(&asked), start), Reply::Late);
}

#[test]
fn unsent_request_leaves_nothing_behind() {
    let OneInFlight {
        mut table,
        asked,
        start,
    } = one_request();
    table.unsent(99);
    assert_eq!(table.reply(asked.to, &answer(&asked), start), Reply::Foreign);
    assert!(table.sent(asked, "again", start));
}

#[test]
fn taken_nonce_is_refused_while_waiting_and_while_remembered() {
    let OneInFlight {
        mut table,
        asked,
        start,
    } = one_request();
    assert!(!table.sent(asked.clone(), "second", start));
    table.gave_up(99, start);
    assert!(!table.sent(asked.clone(), "third", start));
    let forgotten = start + REMEMBERED_FOR + Duration::from_nanos(1);
    assert!(table.sent(asked, "fourth", forgotten));
}

#[test]
fn finished_requests_are_bounded() {
    let start = monotonic_now();
    let mut table = InFlight::default();
    for nonce in 0..2 * REMEMBERED_MAX as u64 {
        assert!(table.sent(asked(nonce, start), (), start));
        table.gave_up(nonce, start);
    }
    assert_eq!(
        (table.ended.len(), table.order.len()),
        (REMEMBERED_MAX, REMEMBERED_MAX)
    );
    let newest = asked(2 * REMEMBERED_MAX as u64 - 1, start);
    assert_eq!(table.reply(newest.to, &answer(&newest), start), Reply::Late);
    let oldest = asked(0, start);
    assert_eq!(table.reply(oldest.to, &answer(&oldest), start), Reply::Foreign);
}

#[derive(Clone, Debug)]
enum Act {
    Send(u64),
    Answer(u64),
    Forge(u64),
    GiveUp(u64),
    Pass(u16),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0u64..6).prop_map(Act::Send),
        (0u64..6).prop_map(Act::Answer),
        (0u64..6).prop_map(Act::Forge),
        (0u64..6).prop_map(Act::GiveUp),
        (0u16..3_000).prop_map(Act::Pass),
    ]
}

/// What the oracle knows of a nonce, in the plainest form.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Waiting(Instant),
    Unanswered,
    Replied,
}

proptest! {
    /// Against a list that remembers everything: every reply gets the one right name, and no request is
    /// answered twice.
    #[test]
    fn table_agrees_with_a_list(acts in prop::collection::vec(act(), 1..60)) {
        let mut now = monotonic_now();
        let mut table: InFlight<u64> = InFlight::default();
        let mut known: Vec<Option<Known>> = vec![None; 6];
        for act in acts { // at most 60 · 3 s, and nothing is forgotten before 60 s: keep within
            match act {
                Act::Pass(ms) => now += Duration::from_millis(u64::from(ms) / 3),
                Act::Send(nonce) => {
                    let place = &mut known[nonce as usize];
                    let free = place.is_none();
                    prop_assert_eq!(table.sent(asked(nonce, now), nonce, now), free);
                    if free { *place = Some(Known::Waiting(now + TIMEOUT)); }
                }
                Act::GiveUp(nonce) => {
                    table.gave_up(nonce, now);
                    if let Some(Known::Waiting(_)) = known[nonce as usize] { known[nonce as usize] = Some(Known::Unanswered); }
                }
                Act::Forge(nonce) => {
                    let forged = asked(nonce, now).request.reply(1).seal(&key(9));
                    prop_assert_eq!(table.reply(asked(nonce, now).to, &forged, now), Reply::Foreign);
                }
                Act::Answer(nonce) => {
                    let asked = asked(nonce, now);
                    let found = table.reply(asked.to, &answer(&asked), now);
                    let expected = match known[nonce as usize] {
                        None => Reply::Foreign,
                        Some(Known::Waiting(deadline)) if now <= deadline => Reply::Answered { waiter: nonce, claimed_delay_us: 42 },
                        Some(Known::Waiting(_) | Known::Unanswered) => Reply::Late,
                        Some(Known::Replied) => Reply::Duplicate,
                    };
                    prop_assert_eq!(found, expected);
                    if known[nonce as usize].is_some() { known[nonce as usize] = Some(Known::Replied); }
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let OneInFlight { mut table, asked, start } = one_request();
        prop_assert_eq!(table.reply(asked.to, &bytes, start), Reply::Foreign);
    }
}
