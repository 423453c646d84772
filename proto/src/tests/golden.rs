//! Golden bytes of protocol version 3. A change of any file here is a new protocol version, and the old
//! files stay: those of versions 1 and 2 that differ lie in `golden/v1/` and `golden/v2/` and are refused.
//! `GOLDEN=write`, run twice, writes them anew (frames are made of what the first run wrote).

use data_encoding::HEXLOWER;

use super::dice::Dice;
use super::messages::MESSAGES;
use super::samples;
use crate::codec;
use crate::echo::{Direction, EchoPacket, KeyEpoch, PairKey, ResponderSecret, Sealed};
use crate::frame::{self, FrameError, MessageKind};
use crate::ids::{KeyHash, ProbeId, TargetId};
use crate::kind::Layout;
use crate::measurement::Outcome;
use crate::token::Token;

const SEED: u64 = 2026;

macro_rules! golden {
    ($name:literal) => {
        ($name, include_str!(concat!("golden/", $name, ".hex")))
    };
}

const GOLDEN: &[(&str, &str)] = &[
    golden!("batch"),
    golden!("tombstone"),
    golden!("plan"),
    golden!("stream-hello"),
    golden!("hello"),
    golden!("plans"),
    golden!("renew"),
    golden!("pong"),
    golden!("spool"),
    golden!("epoch-opened"),
    golden!("welcome"),
    golden!("refused"),
    golden!("signed-plan"),
    golden!("need-plans"),
    golden!("ack"),
    golden!("forked"),
    golden!("renewed"),
    golden!("renewal-refused"),
    golden!("ping"),
    golden!("join-request"),
    golden!("join-accepted"),
    golden!("join-refused"),
];

/// The bytes of a file: hexadecimal, lines broken anywhere.
fn bytes(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    HEXLOWER
        .decode(digits.as_bytes())
        .expect("a golden file is hexadecimal")
}

/// Lines of 110 digits.
fn write(name: &str, found: &[u8]) {
    let digits = HEXLOWER.encode(found);
    let lines: Vec<&str> = (0..digits.len())
        .step_by(110)
        .map(|at| &digits[at..digits.len().min(at + 110)])
        .collect();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/golden/");
    std::fs::write(format!("{file}{name}.hex"), lines.join("\n") + "\n").expect("the tree is writable");
}

#[test]
fn every_message_has_its_golden_bytes() {
    let mut wrong = String::new();
    for (message, (name, text)) in MESSAGES.iter().zip(GOLDEN) {
        assert_eq!(message.name, *name);
        let found = (message.make)(&mut Dice::hostile(SEED));
        if std::env::var_os("GOLDEN").is_some() {
            write(name, &found);
        } else if found != bytes(text) {
            wrong += &format!("{name} {}\n", HEXLOWER.encode(&found));
        }
    }
    assert!(
        wrong.is_empty(),
        "bytes differ from the golden ones; found:\n{wrong}"
    );
    assert_eq!(MESSAGES.len(), GOLDEN.len());
}

#[test]
fn golden_bytes_of_every_message_are_read() {
    for (message, (name, text)) in MESSAGES.iter().zip(GOLDEN) {
        let clean = (message.make)(&mut Dice::of(SEED));
        assert_eq!((message.again)(&bytes(text)), Ok(clean), "{name}");
    }
}

/// Version 3 carries a request's address as text. What a probe says there that is no address is none, and what is stored
/// of it stays readable.
#[test]
fn batch_whose_addresses_are_other_words_is_read_without_them() {
    let golden = bytes(include_str!("golden/batch-worded.hex"));
    let batch = codec::decode_batch(&golden).expect("it was taken when it was sent");
    let addresses: Vec<_> = batch
        .measurements()
        .filter_map(|row| match row.outcome {
            Outcome::Endpoint(outcome) => Some(outcome.address),
            Outcome::Echo(_) | Outcome::Connect(_) => None,
        })
        .collect();
    assert!(
        addresses.len() > 3 && addresses.iter().all(Option::is_none),
        "{addresses:?}"
    );
}

/// Else the golden bytes of a batch would say little.
#[test]
fn golden_batch_holds_every_family_of_columns() {
    let batch = samples::batch(&mut Dice::of(SEED));
    let rows_of = |layout| batch.slots_by_layout().filter(|(of, ..)| *of == layout).count();
    assert!(rows_of(Layout::Echo) > 5 && rows_of(Layout::Endpoint) > 3 && rows_of(Layout::Connect) > 3);
    assert!(
        !batch.header.hours.is_empty() && !batch.header.skipped.is_empty() && !batch.header.events.is_empty()
    );
}

#[test]
fn frame_has_its_golden_bytes() {
    let golden = bytes(include_str!("golden/frame.hex"));
    let payload = bytes(include_str!("golden/ping.hex"));
    let found = frame::seal(MessageKind::FromCollector, &payload).expect("a ping is small");
    if std::env::var_os("GOLDEN").is_some() {
        return write("frame", &found);
    }
    assert_eq!(HEXLOWER.encode(&found), HEXLOWER.encode(&golden));
    assert_eq!(
        frame::read(&golden),
        Ok((MessageKind::FromCollector, payload, golden.len()))
    );
}

/// A compressor may choose other bytes in its next release; what it once wrote must stay readable.
#[test]
fn compressed_frame_stays_readable() {
    let golden = bytes(include_str!("golden/frame-compressed.hex"));
    let payload = bytes(include_str!("golden/plan.hex"));
    if std::env::var_os("GOLDEN").is_some() {
        let twice = [&payload[..], &payload[..]].concat();
        let sealed = frame::seal(MessageKind::FromProbe, &twice).expect("two plans are small");
        return write("frame-compressed", &sealed);
    }
    assert_eq!(golden[6], 1, "compressed");
    let read = frame::read(&golden);
    assert_eq!(
        read,
        Ok((
            MessageKind::FromProbe,
            [payload.clone(), payload].concat(),
            golden.len()
        ))
    );
}

/// Version 1 had no kind connect, version 2 no sections.
#[test]
fn batches_and_plans_of_older_versions_are_refused_and_never_misread() {
    for batch in [
        include_str!("golden/v1/batch.hex"),
        include_str!("golden/v2/batch.hex"),
    ] {
        assert!(codec::decode_batch(&bytes(batch)).is_err());
    }
    assert!(codec::decode_plan(&bytes(include_str!("golden/v2/plan.hex"))).is_err());
    for (frame, found) in [
        (include_str!("golden/v1/frame.hex"), 1),
        (include_str!("golden/v2/frame.hex"), 2),
    ] {
        let refused = frame::read(&bytes(frame)).expect_err("another version");
        assert_eq!(refused, FrameError::Version { found });
        let said = refused.to_string();
        assert_eq!(
            said,
            format!("protocol version {found}, this build speaks 3; update the older side")
        );
    }
}

#[test]
fn every_kind_of_frame_has_its_number() {
    for (kind, code) in MessageKind::ALL.into_iter().zip(1..) {
        let frame = frame::seal(kind, b"x").expect("one byte fits");
        assert_eq!(frame[5], code, "{kind:?}");
    }
}

#[test]
fn echo_packet_has_its_golden_bytes() {
    let key = PairKey::derive(
        &ResponderSecret([7; 32]),
        ProbeId(0x1122_3344_5566_7788),
        KeyEpoch(0x0102),
    );
    let request = EchoPacket {
        direction: Direction::Request,
        key_epoch: KeyEpoch(0x0102),
        prober: ProbeId(0x1122_3344_5566_7788),
        nonce: 0xa1a2_a3a4_a5a6_a7a8,
        sequence: 0xb1b2_b3b4,
        claimed_delay_us: 0,
    };
    for (packet, text) in [
        (request, include_str!("golden/echo-request.hex")),
        (request.reply(0xc1c2_c3c4), include_str!("golden/echo-reply.hex")),
    ] {
        let golden = bytes(text);
        assert_eq!(HEXLOWER.encode(&packet.seal(&key)), HEXLOWER.encode(&golden));
        assert_eq!(
            Sealed::parse(&golden).and_then(|sealed| sealed.open(&key)),
            Ok(packet)
        );
    }
}

#[test]
fn token_has_its_golden_text() {
    let golden = include_str!("golden/token.txt");
    let token = samples::token(&mut Dice::hostile(SEED));
    assert_eq!(token.to_string(), golden.trim());
    let clean = samples::token(&mut Dice::of(SEED));
    assert_eq!(golden.parse::<Token>(), Ok(clean)); // the file's line end does not matter
}

/// Derived numbers are part of the protocol: both ends compute them.
#[test]
fn derived_ids_and_offsets_stay_as_they_are() {
    use crate::kind::{Check, Family, Kind};
    use crate::schedule::Schedule;
    use crate::units::UnixMillis;
    let probe = ProbeId::of_key(&KeyHash::of_spki(b"key"));
    let node = TargetId::of_node("berlin");
    let kind = Kind::new(Check::AssetHead, Family::V6);
    let schedule = Schedule::spread(probe, node, kind, 60_000, 5_000).expect("within bounds");
    let slot = schedule.first_from(UnixMillis(1_790_000_000_000));
    let found = format!(
        "{probe} {node} {} {slot:?} {}",
        TargetId::of_peer(probe),
        schedule.jitter_us(node, slot)
    );
    assert_eq!(found, include_str!("golden/derived.txt").trim());
}
