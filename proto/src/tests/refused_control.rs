//! Control and join messages, tokens, ids and echo packets beyond their bounds: each from both sides.

use data_encoding::BASE64URL_NOPAD;

use super::dice::Dice;
use super::samples;
use crate::codec::{self, DecodeError};
use crate::control::{CertificateDer, CollectorMessage, ControlError, ProbeMessage, Refusal};
use crate::echo::{
    Direction, EchoError, EchoPacket, KeyEpoch, PACKET_BYTES, PairKey, ResponderSecret, Sealed,
};
use crate::ids::{Digest, EpochId, IdError, KeyHash, PlanVersion, ProbeId};
use crate::join::{JoinRequest, JoinResponse};
use crate::limits::{HELLO_EPOCHS_MAX, LATENCY_MAX_US, PLAN_CHECKS_MAX, TEXT_BYTES_MAX};
use crate::plan::SignedPlan;
use crate::token::{ADDRESSES_MAX, Token, TokenError};
use crate::units::Micros;

/// Checks that `most` of `field` are taken and one more is refused by name.
fn bounded<T>(field: &'static str, max: usize, decode: impl Fn(usize) -> Result<T, DecodeError>) {
    assert!(decode(max).is_ok(), "{max} {field} are allowed");
    let expected = ControlError::TooMany {
        field,
        found: max + 1,
        max,
    };
    match decode(max + 1) {
        Err(DecodeError::Control(error)) => assert_eq!(error, expected),
        Err(other) => panic!("{field}: {other:?}"),
        Ok(_) => panic!("{} {field} are taken", max + 1),
    }
}

fn from_probe(message: &ProbeMessage) -> Result<ProbeMessage, DecodeError> {
    codec::decode_from_probe(&codec::encode_from_probe(message))
}

fn from_collector(message: &CollectorMessage) -> Result<CollectorMessage, DecodeError> {
    codec::decode_from_collector(&codec::encode_from_collector(message))
}

#[test]
fn hello_is_bounded() {
    let hello = || samples::hello(&mut Dice::of(1));
    bounded("software", TEXT_BYTES_MAX, |count| {
        let mut hello = hello();
        hello.software = "x".repeat(count);
        from_probe(&ProbeMessage::Hello(hello))
    });
    bounded("epochs", HELLO_EPOCHS_MAX, |count| {
        let mut hello = hello();
        hello.epochs = vec![samples::epoch_state(&mut Dice::of(1)); count];
        from_probe(&ProbeMessage::Hello(hello))
    });
    bounded("kept plans", HELLO_EPOCHS_MAX, |count| {
        let mut hello = hello();
        hello.kept_plans = vec![PlanVersion::default(); count];
        from_probe(&ProbeMessage::Hello(hello))
    });
    bounded("advertised addresses", 16, |count| {
        let mut hello = hello();
        hello.advertise = vec![([127, 0, 0, 1], 1).into(); count];
        from_probe(&ProbeMessage::Hello(hello))
    });
}

#[test]
fn reason_of_a_refusal_is_bounded() {
    let busy = |count: usize| Refusal::Busy {
        reason: "x".repeat(count),
    };
    bounded("reason", TEXT_BYTES_MAX, |count| {
        from_collector(&CollectorMessage::Refused(busy(count)))
    });
    bounded("reason", TEXT_BYTES_MAX, |count| {
        from_collector(&CollectorMessage::RenewalRefused(busy(count)))
    });
}

#[test]
fn other_messages_of_a_probe_are_bounded() {
    let empty = SignedPlan {
        plan: vec![],
        signature: vec![],
    };
    bounded("plans", HELLO_EPOCHS_MAX, |count| {
        from_probe(&ProbeMessage::Plans(vec![empty.clone(); count]))
    });
    bounded("bytes of a certificate request", 4_096, |count| {
        from_probe(&ProbeMessage::Renew { csr: vec![0; count] })
    });
}

#[test]
fn messages_of_a_collector_are_bounded() {
    let welcome = || samples::welcome(&mut Dice::of(1));
    bounded("name", TEXT_BYTES_MAX, |count| {
        let mut welcome = welcome();
        welcome.name = "x".repeat(count);
        from_collector(&CollectorMessage::Welcome(welcome))
    });
    bounded("software", TEXT_BYTES_MAX, |count| {
        let mut welcome = welcome();
        welcome.software = "x".repeat(count);
        from_collector(&CollectorMessage::Welcome(welcome))
    });
    bounded("marks", HELLO_EPOCHS_MAX, |count| {
        let mut welcome = welcome();
        welcome.marks = vec![samples::mark(&mut Dice::of(1)); count];
        from_collector(&CollectorMessage::Welcome(welcome))
    });
    bounded("addresses", 16, |count| {
        let mut welcome = welcome();
        welcome.addresses = vec![String::new(); count];
        from_collector(&CollectorMessage::Welcome(welcome))
    });
    bounded("address", TEXT_BYTES_MAX, |count| {
        let mut welcome = welcome();
        welcome.addresses = vec!["x".repeat(count)];
        from_collector(&CollectorMessage::Welcome(welcome))
    });
    bounded("plans", PLAN_CHECKS_MAX, |count| {
        from_collector(&CollectorMessage::NeedPlans(vec![PlanVersion::default(); count]))
    });
    bounded("certificates", 4, |count| {
        from_collector(&CollectorMessage::Renewed {
            chain: vec![CertificateDer(vec![1]); count],
        })
    });
}

#[test]
fn joining_is_bounded() {
    let request = |change: &dyn Fn(&mut JoinRequest)| {
        let mut request = samples::join_request(&mut Dice::of(1));
        change(&mut request);
        codec::decode_join_request(&codec::encode_join_request(&request))
    };
    bounded("software", TEXT_BYTES_MAX, |count| {
        request(&|it| it.software = "x".repeat(count))
    });
    bounded("bytes of a certificate request", 4_096, |count| {
        request(&|it| it.csr = vec![0; count])
    });
    bounded("bytes of a signature", 64, |count| {
        request(&|it| it.signature = vec![0; count])
    });
    let accepted = |name: usize, certificates: usize, addresses: usize, address: usize| {
        let response = JoinResponse::Accepted {
            probe: ProbeId(1),
            name: "x".repeat(name),
            chain: vec![CertificateDer(vec![1]); certificates],
            addresses: vec!["x".repeat(address); addresses],
        };
        codec::decode_join_response(&codec::encode_join_response(&response))
    };
    bounded("name", TEXT_BYTES_MAX, |count| accepted(count, 1, 1, 1));
    bounded("certificates", 4, |count| accepted(1, count, 1, 1));
    bounded("addresses", 16, |count| accepted(1, 1, count, 1));
    bounded("address", TEXT_BYTES_MAX, |count| accepted(1, 1, 1, count));
}

#[test]
fn token_names_one_to_eight_collectors() {
    let token = |count: usize| Token {
        collectors: vec!["lead.example.org:7470".into(); count],
        ..samples::token(&mut Dice::of(1))
    };
    for count in [1, ADDRESSES_MAX] {
        assert_eq!(token(count).to_string().parse(), Ok(token(count)));
    }
    for found in [0, ADDRESSES_MAX + 1] {
        assert_eq!(
            token(found).to_string().parse::<Token>(),
            Err(TokenError::Addresses { found })
        );
    }
}

#[test]
fn text_that_is_no_token_is_refused_with_what_to_do() {
    let text = samples::token(&mut Dice::of(1)).to_string();
    assert!(
        format!("  {text}\n").parse::<Token>().is_ok(),
        "pasted with white space"
    );
    for other in ["", "isochrone2_abc", &text[1..], "hello"] {
        assert_eq!(other.parse::<Token>(), Err(TokenError::Prefix), "{other}");
    }
    let mut changed = text.clone().into_bytes();
    let last = changed.len() - 1;
    changed[last] = if changed[last] == b'A' { b'E' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let huge = format!("isochrone1_{}", "A".repeat(1 << 20));
    let body = BASE64URL_NOPAD.encode(b"not a token");
    let foreign = format!("isochrone1_{body}");
    for damaged in [
        "isochrone1_",
        "isochrone1_!!",
        &text[..text.len() - 4],
        &changed,
        &huge,
        &foreign,
    ] {
        assert_eq!(damaged.parse::<Token>(), Err(TokenError::Damaged));
    }
}

#[test]
fn token_and_keys_are_not_shown_by_debug() {
    let token = samples::token(&mut Dice::of(1));
    let secret = ResponderSecret([0xab; 32]);
    let plan = samples::plan(&mut Dice::of(1));
    let shown = format!(
        "{token:?} {secret:?} {:?} {plan:?}",
        PairKey::derive(&secret, ProbeId(1), KeyEpoch(1))
    );
    for seen in ["171, 171", "abab", "seed", "secrets"] {
        assert!(!shown.contains(seen), "{shown}");
    }
    let seed = format!("{}, {}", token.seed[0], token.seed[1]);
    assert!(!shown.contains(&seed), "{shown}");
}

#[test]
fn ids_are_read_as_they_are_written() {
    let probe = ProbeId(0xab);
    assert_eq!(probe.to_string(), "00000000000000ab");
    assert_eq!(probe.to_string().parse(), Ok(probe));
    assert_eq!(
        "ab".parse::<ProbeId>(),
        Err(IdError::Length {
            expected: 16,
            found: 2
        })
    );
    assert_eq!("zz000000000000ab".parse::<ProbeId>(), Err(IdError::NotHex));
    let epoch = EpochId([0x5a; 16]);
    assert_eq!(epoch.to_string().parse(), Ok(epoch));
    assert_eq!(
        "5a".parse::<EpochId>(),
        Err(IdError::Length {
            expected: 32,
            found: 2
        })
    );
    assert_eq!("G".repeat(64).parse::<Digest>(), Err(IdError::NotHex));
}

#[test]
fn probe_is_never_numbered_as_the_collector() {
    let mut hash = [0xff; 32];
    hash[..8].fill(0);
    assert_eq!(ProbeId::of_key(&KeyHash(hash)), ProbeId(1));
    hash[7] = 9;
    assert_eq!(ProbeId::of_key(&KeyHash(hash)), ProbeId(9));
}

#[test]
fn latency_is_at_most_100_seconds() {
    use std::time::Duration;
    assert_eq!(Micros::new(LATENCY_MAX_US).map(Micros::get), Some(100_000_000));
    assert_eq!(Micros::new(LATENCY_MAX_US + 1), None);
    assert_eq!(Micros::new(u64::MAX), None);
    let limit = Duration::from_micros(LATENCY_MAX_US);
    assert_eq!(
        Micros::from_duration(limit + Duration::from_nanos(499)).map(Micros::get),
        Some(100_000_000)
    );
    assert_eq!(Micros::from_duration(limit + Duration::from_nanos(500)), None);
    assert_eq!(Micros::from_duration(Duration::MAX), None);
    assert_eq!(Micros::saturating(Duration::MAX).get(), 100_000_000);
    assert_eq!(
        Micros::from_duration(Duration::from_nanos(1_499)).map(Micros::get),
        Some(1)
    );
    assert_eq!(
        Micros::from_duration(Duration::from_nanos(1_500)).map(Micros::get),
        Some(2)
    );
}

#[test]
fn echo_packet_is_refused_each_way_with_its_own_error() {
    let prober = ProbeId(1);
    let key = PairKey::derive(&ResponderSecret([1; 32]), prober, KeyEpoch(1));
    let request = EchoPacket {
        direction: Direction::Request,
        key_epoch: KeyEpoch(1),
        prober,
        nonce: 2,
        sequence: 3,
        claimed_delay_us: 0,
    };
    let right = request.seal(&key);
    let with = |at: usize, value: u8| {
        let mut bytes = right;
        bytes[at] = value;
        Sealed::parse(&bytes).map(|sealed| sealed.open(&key)).err()
    };
    assert_eq!(Sealed::parse(&right).unwrap().open(&key), Ok(request));
    for found in (0..200).filter(|length| *length != PACKET_BYTES) {
        assert_eq!(
            Sealed::parse(&vec![0; found]).err(),
            Some(EchoError::Length { found })
        );
    }
    for at in 0..4 {
        assert_eq!(with(at, 0), Some(EchoError::Magic));
    }
    for found in (0..=255).filter(|version| *version != 1) {
        assert_eq!(with(4, found), Some(EchoError::Version { found }));
    }
    for found in 2..=255 {
        assert_eq!(with(5, found), Some(EchoError::Direction { found }));
    }
    for at in 28..32 {
        assert_eq!(with(at, 1), Some(EchoError::Reserved));
    }
    let other_prober = PairKey::derive(&ResponderSecret([1; 32]), ProbeId(2), KeyEpoch(1));
    let other_epoch = PairKey::derive(&ResponderSecret([1; 32]), prober, KeyEpoch(2));
    let other_secret = PairKey::derive(&ResponderSecret([2; 32]), prober, KeyEpoch(1));
    for wrong in [other_prober, other_epoch, other_secret] {
        assert_eq!(Sealed::parse(&right).unwrap().open(&wrong), Err(EchoError::Tag));
    }
}
