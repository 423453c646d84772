//! Connections whose columns do not hold together, each with its own error; and what they cost.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::dice::Dice;
use super::refused_content::{RawConnect, column, decode_connects};
use super::samples;
use crate::batch::{Batch, BatchError};
use crate::codec::{self, DecodeError};
use crate::columns::rows::RowsError;
use crate::columns::{ColumnError, Packed};
use crate::frame::{self, MessageKind};
use crate::limits::{BATCH_ROWS_MAX, LATENCY_MAX_US};
use crate::measurement::{
    ConnectOutcome, ConnectPhases, ConnectResult, FailureCause, Measurement, Outcome, Phase, SendFailure,
};
use crate::units::{Micros, UnixMillis};

/// A success over https, a failure that saw a certificate, and one that was never sent.
fn connects() -> RawConnect {
    RawConnect {
        rows: 3,
        first_check: 4,
        check_step: Packed::of(&[1, 1]),
        slot_ms: Packed::of(&[5, 6, 7]),
        lateness_us: Packed::of(&[0, 0, 0]),
        result: Packed::of(&[0, 12, 128]),
        address: Packed::of(&[1, 2, 0]),
        v4: vec![Ipv4Addr::new(192, 0, 2, 1)],
        v6: vec![Ipv6Addr::LOCALHOST],
        certificate: Packed::of(&[1, 1, 0]),
        certificate_expires: Packed::of(&[70, 60]),
        texts: vec!["expired".into()],
        failed: [Packed::of(&[2]), Packed::of(&[1])],
        ok: [10, 20, 30, 40].map(|us| Packed::of(&[us])),
    }
}

fn refused(connect: RawConnect) -> BatchError {
    match decode_connects(connect) {
        Err(DecodeError::Batch(error)) => error,
        other => panic!("not refused for its content: {other:?}"),
    }
}

fn micros(us: u64) -> Micros {
    Micros::new(us).expect("within the limit")
}

#[test]
fn mirror_serializes_like_the_real_type() {
    let batch = decode_connects(connects()).expect("nothing is wrong with it");
    let outcomes: Vec<_> = batch.measurements().map(|row| (row.check, row.outcome)).collect();
    let connected = ConnectOutcome {
        address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        certificate_expires: Some(70),
        result: ConnectResult::Connected(ConnectPhases {
            resolve: micros(10),
            connect: micros(20),
            tls: micros(30),
            unattributed: micros(40),
        }),
    };
    let expired = ConnectOutcome {
        address: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        certificate_expires: Some(60),
        result: ConnectResult::Failed {
            phase: Phase::Tls,
            cause: FailureCause::CertificateExpired,
            text: "expired".into(),
        },
    };
    let unsent = ConnectOutcome::undialled(ConnectResult::Unsent(SendFailure::Buffers));
    let boxed = |outcome| Outcome::Connect(Box::new(outcome));
    assert_eq!(
        outcomes,
        [(4, boxed(connected)), (5, boxed(expired)), (6, boxed(unsent))]
    );
}

#[test]
fn failed_connection_cannot_carry_a_latency() {
    for phase in 0..4 {
        let mut surplus = connects(); // two latencies, one success
        surplus.ok[phase] = Packed::of(&[1, 500]);
        let name = ["resolve", "connect", "tls", "unattributed"][phase];
        let (found, source) = column(refused(surplus));
        assert_eq!(found, name);
        assert!(
            matches!(source, ColumnError::Length { rows: 1, .. }),
            "{source:?}"
        );

        let mut all_failed = connects(); // no success: not even a base may stand there
        all_failed.result = Packed::of(&[7, 12, 128]);
        all_failed.failed = [Packed::of(&[1, 2]), Packed::of(&[0, 1])];
        all_failed.ok = std::array::from_fn(|_| Packed::of(&[]));
        assert!(decode_connects(all_failed.clone()).is_ok());
        all_failed.ok[phase] = Packed::of(&[9]);
        assert_eq!(column(refused(all_failed)), (name, ColumnError::SpareBits));
    }
}

#[test]
fn certificate_that_was_not_seen_has_no_end() {
    let mut surplus = connects();
    surplus.certificate = Packed::of(&[1, 0, 0]);
    surplus.certificate_expires = Packed::of(&[70, 6_000]);
    assert_eq!(column(refused(surplus)).0, "certificate's end");
    let mut missing = connects();
    missing.certificate = Packed::of(&[1, 1, 1]);
    missing.certificate_expires = Packed::of(&[70, 6_000]);
    assert_eq!(column(refused(missing)).0, "certificate's end");
}

#[test]
fn result_of_a_connection_without_a_meaning_is_refused() {
    for code in [5, 31, 127, 134, 255] {
        let mut raw = connects();
        raw.result = Packed::of(&[0, 12, code]);
        let column = "result";
        assert_eq!(
            refused(raw),
            BatchError::Columns(RowsError::Code { column, code })
        );
    }
}

#[test]
fn every_column_of_connections_is_refused_above_its_ceiling_and_taken_at_it() {
    type Set = fn(&mut RawConnect, u64);
    let columns: [(&str, u64, Set); 9] = [
        ("lateness", LATENCY_MAX_US, |raw, value| {
            raw.lateness_us = Packed::of(&[0, 0, value])
        }),
        ("address", 2, |raw, value| {
            raw.address = Packed::of(&[0, 0, value])
        }),
        ("certificate", 1, |raw, value| {
            raw.certificate = Packed::of(&[1, 0, value])
        }),
        ("phase", 6, |raw, value| raw.failed[0] = Packed::of(&[value])),
        ("text", 1, |raw, value| raw.failed[1] = Packed::of(&[value])),
        ("resolve", LATENCY_MAX_US, |raw, value| {
            raw.ok[0] = Packed::of(&[value])
        }),
        ("connect", LATENCY_MAX_US, |raw, value| {
            raw.ok[1] = Packed::of(&[value])
        }),
        ("tls", LATENCY_MAX_US, |raw, value| {
            raw.ok[2] = Packed::of(&[value])
        }),
        ("unattributed", LATENCY_MAX_US, |raw, value| {
            raw.ok[3] = Packed::of(&[value])
        }),
    ];
    for (name, max, set) in columns {
        let mut raw = connects();
        set(&mut raw, max);
        assert!(decode_connects(raw.clone()).is_ok(), "{name}");
        set(&mut raw, max + 1);
        let highest = Some(max + 1);
        let expected = ColumnError::Range { highest, max };
        assert_eq!(column(refused(raw)), (name, expected));
    }
}

#[test]
fn more_addresses_than_rows_are_refused() {
    let mut raw = connects();
    raw.v4 = vec![Ipv4Addr::LOCALHOST; BATCH_ROWS_MAX];
    assert_eq!(refused(raw.clone()), BatchError::Columns(RowsError::Addresses));
    raw.v6.clear();
    assert!(decode_connects(raw).is_ok());
}

/// What one second of a vantage holds: each check once, most of them over https and well.
fn second(rows: u64) -> Vec<Measurement> {
    let dice = &mut Dice::of(7);
    (0..rows)
        .map(|row| {
            let distance_us = 2_000 + dice.below(200_000);
            let phases = ConnectPhases {
                resolve: micros(200 + dice.below(30_000)),
                connect: micros(distance_us + dice.below(500)),
                tls: micros(distance_us + dice.below(4_000)),
                unattributed: micros(20 + dice.below(400)),
            };
            let fails = dice.below(50) == 0;
            Measurement {
                check: row as u16,
                slot: UnixMillis(1_790_000_000_000 + dice.below(1_000)),
                lateness: micros(dice.below(1_500)),
                outcome: Outcome::Connect(Box::new(ConnectOutcome {
                    address: Some(IpAddr::from(dice.bytes::<4>())),
                    certificate_expires: (!fails).then(|| 1_790_000_000 + dice.below(90 * 86_400)),
                    result: if fails {
                        ConnectResult::Failed {
                            phase: Phase::Connect,
                            cause: FailureCause::Timeout,
                            text: "gave up 4s after the start, in the phase connect".into(),
                        }
                    } else {
                        ConnectResult::Connected(phases)
                    },
                })),
            }
        })
        .collect()
}

/// An address takes 4 bytes and the end of a certificate 3; the rest is times.
#[test]
fn connection_takes_few_bytes_on_the_wire() {
    let size = |rows: &[Measurement]| {
        let batch = Batch::pack(samples::header(&mut Dice::of(1)), rows).expect("few rows");
        let frame = frame::seal(MessageKind::Batch, &codec::encode_batch(&batch)).expect("a small batch");
        frame.len()
    };
    let rows = second(100);
    let bytes = (size(&rows) - size(&[])) as f64 / 100.0;
    assert!(bytes < 21.0, "{bytes} bytes a connection");
}
