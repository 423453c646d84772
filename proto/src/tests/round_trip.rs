//! Properties of every message: it comes back equal, and damage is never a panic.

use proptest::prelude::*;

use super::dice::Dice;
use super::messages::MESSAGES;
use super::samples;
use crate::batch::Batch;
use crate::codec::{self, DecodeError};
use crate::echo::{EchoPacket, PairKey, ResponderSecret, Sealed};
use crate::frame;
use crate::kind::Layout;
use crate::serializer::Unreadable;
use crate::token::Token;

/// What a damaged payload may do: be refused, or mean something that encodes and decodes again.
fn survives(message: &super::messages::Message, payload: &[u8]) {
    if let Ok(bytes) = (message.again)(payload) {
        assert_eq!(
            (message.again)(&bytes).as_deref(),
            Ok(&bytes[..]),
            "{}",
            message.name
        );
    }
}

/// `bytes` with some of them changed, cut off or put in.
fn damaged(dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len().max(1) as u64) as usize;
        match dice.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), dice.u64() as u8),
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            _ if at < bytes.len() => bytes[at] = dice.pick(&[0, 1, 127, 250, 251, 252, 253, 254, 255]),
            _ => {}
        }
    }
    bytes
}

proptest! {
    #[test]
    fn every_message_comes_back_equal(seed in any::<u64>()) {
        let mut dice = Dice::of(seed);
        for message in MESSAGES {
            let payload = (message.make)(&mut dice);
            prop_assert_eq!((message.again)(&payload), Ok(payload.clone()), "{}", message.name);
            if let Some(kind) = message.kind {
                let sealed = frame::seal(kind, &payload).expect("a sample is small");
                let read = frame::read(&sealed);
                prop_assert_eq!(read, Ok((kind, payload, sealed.len())), "{}", message.name);
            }
        }
    }

    /// Encoding again would hide what both directions lose; so the types themselves are compared, too.
    #[test]
    fn every_message_comes_back_as_the_same_value(seed in any::<u64>()) {
        let dice = &mut Dice::of(seed);
        let batch = samples::batch(dice);
        prop_assert_eq!(codec::decode_batch(&codec::encode_batch(&batch)), Ok(batch));
        let tombstone = samples::tombstone(dice);
        prop_assert_eq!(codec::decode_tombstone(&codec::encode_tombstone(&tombstone)), Ok(tombstone));
        let plan = samples::plan(dice);
        prop_assert_eq!(codec::decode_plan(&codec::encode_plan(&plan)), Ok(plan));
        let hello = samples::stream_hello(dice);
        prop_assert_eq!(codec::decode_stream_hello(&codec::encode_stream_hello(&hello)), Ok(hello));
        for which in 0..samples::FROM_PROBE_VARIANTS {
            let message = samples::from_probe(dice, which);
            prop_assert_eq!(codec::decode_from_probe(&codec::encode_from_probe(&message)), Ok(message));
        }
        for which in 0..samples::FROM_COLLECTOR_VARIANTS {
            let message = samples::from_collector(dice, which);
            prop_assert_eq!(codec::decode_from_collector(&codec::encode_from_collector(&message)), Ok(message));
        }
        let request = samples::join_request(dice);
        prop_assert_eq!(codec::decode_join_request(&codec::encode_join_request(&request)), Ok(request));
        for which in 0..2 {
            let response = samples::join_response(dice, which);
            prop_assert_eq!(codec::decode_join_response(&codec::encode_join_response(&response)), Ok(response));
        }
        let token = samples::token(dice);
        prop_assert_eq!(token.to_string().parse::<Token>(), Ok(token));
    }

    /// Every measurement goes through the columns unchanged: echoes and connections by check and slot, requests in
    /// their order.
    #[test]
    fn packed_measurements_come_back(seed in any::<u64>()) {
        let dice = &mut Dice::of(seed);
        let (header, rows) = (samples::header(dice), samples::measurements(dice));
        let packed = Batch::pack(header.clone(), &rows).expect("at most 60 rows");
        let batch = codec::decode_batch(&codec::encode_batch(&packed)).expect("what was packed decodes");
        let of = |layout, is_sorted| {
            let rows = rows.iter().filter(|row| row.outcome.layout() == layout);
            let mut rows: Vec<_> = rows.cloned().collect();
            if is_sorted {
                rows.sort_by_key(|row| (row.check, row.slot));
            }
            rows
        };
        let echoes = of(Layout::Echo, true);
        let expected = [echoes.clone(), of(Layout::Endpoint, false), of(Layout::Connect, true)].concat();
        prop_assert_eq!(batch.measurements().collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(batch.rows(), rows.len());
        prop_assert_eq!(batch.echo_rows_len(), echoes.len());
        let slots: Vec<_> = expected.iter().map(|row| (row.outcome.layout(), row.check, row.slot)).collect();
        prop_assert_eq!(batch.slots_by_layout().collect::<Vec<_>>(), slots.clone());
        let unlabelled: Vec<_> = slots.into_iter().map(|(_, check, slot)| (check, slot)).collect();
        prop_assert_eq!(batch.slots().collect::<Vec<_>>(), unlabelled);
        prop_assert_eq!(&batch.header, &header);
    }

    #[test]
    fn damaged_payload_never_panics(seed in any::<u64>()) {
        let mut dice = Dice::of(seed);
        for message in MESSAGES {
            let payload = (message.make)(&mut dice);
            let damaged = damaged(&mut dice, &payload);
            survives(message, &damaged);
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for message in MESSAGES {
            survives(message, &bytes);
        }
        if let Ok((kind, payload, taken)) = frame::read(&bytes) {
            prop_assert!(payload.len() <= kind.payload_max() && taken <= bytes.len());
        }
        prop_assert!(Sealed::parse(&bytes).is_err() || bytes.len() == crate::echo::PACKET_BYTES);
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(text.parse::<Token>().is_err());
    }

    /// CRC-32C sees every change of up to three bits at these lengths: no damaged frame is taken for one.
    #[test]
    fn flipped_bits_of_a_frame_are_always_refused(seed in any::<u64>()) {
        let mut dice = Dice::of(seed);
        for message in MESSAGES {
            let Some(kind) = message.kind else { continue };
            let payload = (message.make)(&mut dice);
            let mut sealed = frame::seal(kind, &payload).expect("a sample is small");
            let bits = sealed.len() as u64 * 8;
            let first = dice.below(bits);
            let second = dice.below(bits);
            for bit in if first == second { vec![first] } else { vec![first, second] } {
                sealed[(bit / 8) as usize] ^= 1 << (bit % 8);
            }
            prop_assert!(frame::read(&sealed).is_err(), "{} bits {first} {second}", message.name);
        }
    }

    #[test]
    fn damaged_frame_never_panics(seed in any::<u64>()) {
        let mut dice = Dice::of(seed);
        for message in MESSAGES {
            let Some(kind) = message.kind else { continue };
            let payload = (message.make)(&mut dice);
            let sealed = frame::seal(kind, &payload).expect("a sample is small");
            let damaged = damaged(&mut dice, &sealed);
            if let Ok((found_kind, found, _)) = frame::read(&damaged) {
                prop_assert_eq!((found_kind, found), (kind, payload), "only bytes after the frame may differ");
            }
        }
    }

    #[test]
    fn damaged_token_is_refused(seed in any::<u64>()) {
        let mut dice = Dice::of(seed);
        let token = samples::token(&mut dice);
        let text = token.to_string();
        let damaged = damaged(&mut dice, text.as_bytes());
        if let Ok(found) = String::from_utf8_lossy(&damaged).parse::<Token>() {
            prop_assert_eq!(found, token, "only white space around it may differ");
        }
    }

    #[test]
    fn echo_packet_comes_back_and_any_flipped_bit_is_refused(
        secret in any::<[u8; 32]>(), nonce: u64, sequence: u32, claim: u32, prober: u64, epoch: u16, bit in 0usize..48 * 8,
    ) {
        use crate::echo::{Direction, KeyEpoch};
        use crate::ids::ProbeId;
        let (prober, key_epoch) = (ProbeId(prober), KeyEpoch(epoch));
        let key = PairKey::derive(&ResponderSecret(secret), prober, key_epoch);
        let request = EchoPacket { direction: Direction::Request, key_epoch, prober, nonce, sequence, claimed_delay_us: 0 };
        for packet in [request, request.reply(claim)] {
            let mut bytes = packet.seal(&key);
            prop_assert_eq!(Sealed::parse(&bytes).and_then(|sealed| sealed.open(&key)), Ok(packet));
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Sealed::parse(&bytes).and_then(|sealed| sealed.open(&key)).is_err());
        }
    }
}

/// A length that announces 2^60 elements, as bincode writes it: put at every place of every message, it must
/// be refused by the limit. Without the limit this reserves all memory and aborts the process.
#[test]
fn announced_length_of_2_to_the_60_is_refused_at_every_place() {
    let announced = [253, 0, 0, 0, 0, 0, 0, 0, 0x10];
    for message in MESSAGES {
        let payload = (message.make)(&mut Dice::of(1));
        for at in 0..payload.len() {
            let mut bomb = payload[..at].to_vec();
            bomb.extend_from_slice(&announced);
            bomb.extend_from_slice(&payload[at..]);
            survives(message, &bomb);
            bomb.truncate(69);
            bomb.resize(69, 0x80);
            survives(message, &bomb);
        }
    }
}

#[test]
fn bomb_of_69_bytes_is_refused_with_the_limits_own_error() {
    // Variant 0 (Hello), then its text: 2^60 bytes long, 59 of which follow.
    let mut bomb = vec![0, 253, 0, 0, 0, 0, 0, 0, 0, 0x10];
    bomb.resize(69, b'a');
    let Err(DecodeError::Unreadable(Unreadable::Malformed { reason })) = codec::decode_from_probe(&bomb)
    else {
        panic!("the bomb was not refused as malformed");
    };
    assert!(reason.contains("LimitExceeded"), "{reason}");
}

#[test]
fn every_cut_of_every_message_is_refused() {
    for message in MESSAGES {
        let payload = (message.make)(&mut Dice::of(2));
        for end in 0..payload.len() {
            assert!(
                (message.again)(&payload[..end]).is_err(),
                "{} cut to {end}",
                message.name
            );
        }
    }
}

#[test]
fn every_message_with_a_byte_too_many_is_refused_as_trailing() {
    for message in MESSAGES {
        let mut payload = (message.make)(&mut Dice::of(3));
        payload.push(0);
        assert_eq!(
            (message.again)(&payload),
            Err(Unreadable::Trailing { bytes: 1 }.into()),
            "{}",
            message.name
        );
        payload.extend([0; 4]);
        assert_eq!(
            (message.again)(&payload),
            Err(Unreadable::Trailing { bytes: 5 }.into()),
            "{}",
            message.name
        );
    }
}

#[test]
fn every_message_is_refused_above_its_limit_and_looked_at_below() {
    for message in MESSAGES {
        let mut payload = (message.make)(&mut Dice::of(4));
        let length = payload.len();
        payload.resize(message.limit, 0);
        let at_limit = (message.again)(&payload);
        let trailing = Unreadable::Trailing {
            bytes: message.limit - length,
        };
        assert_eq!(at_limit, Err(trailing.into()), "{}", message.name);
        payload.push(0);
        let above = Unreadable::TooLong {
            found: message.limit + 1,
            max: message.limit,
        };
        assert_eq!((message.again)(&payload), Err(above.into()), "{}", message.name);
    }
}
