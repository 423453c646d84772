//! Batches and tombstones whose content does not hold together, each with its own error.
//!
//! The mirrors below serialize like the real types and check nothing: what an attacker's encoder would do.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::dice::Dice;
use super::samples;
use crate::batch::{Batch, BatchError, BatchHeader};
use crate::codec::{self, DecodeError};
use crate::columns::rows::RowsError;
use crate::columns::{ColumnError, Packed};
use crate::ids::Sequence;
use crate::ledger::{HourCount, SkipCause, SkippedRange, Tombstone};
use crate::limits::{BATCH_ROWS_MAX, BATCH_TEXTS_MAX, LATENCY_MAX_US, TEXT_BYTES_MAX};
use crate::measurement::{EchoOutcome, Measurement, Outcome, SendFailure, Stamp};
use crate::serializer;
use crate::units::{Hour, Micros, UnixMillis};

#[derive(Clone, Serialize)]
struct RawEcho {
    rows: u16,
    first_check: u16,
    check_step: Packed,
    slot_ms: Packed,
    lateness_us: Packed,
    outcome: Packed,
    rtt_us: Packed,
    claimed_delay_us: Packed,
}

#[derive(Clone, Serialize)]
struct RawEndpoint {
    rows: u16,
    texts: Vec<String>,
    check: Packed,
    slot_ms: Packed,
    lateness_us: Packed,
    result: Packed,
    address: Packed,
    http_status: Packed,
    cache: Packed,
    certificate_expires: Packed,
    failed: [Packed; 2],
    ok: [Packed; 9],
}

#[derive(Clone, Serialize)]
pub(super) struct RawConnect {
    pub(super) rows: u16,
    pub(super) first_check: u16,
    pub(super) check_step: Packed,
    pub(super) slot_ms: Packed,
    pub(super) lateness_us: Packed,
    pub(super) result: Packed,
    pub(super) address: Packed,
    pub(super) v4: Vec<Ipv4Addr>,
    pub(super) v6: Vec<Ipv6Addr>,
    pub(super) certificate: Packed,
    pub(super) certificate_expires: Packed,
    pub(super) texts: Vec<String>,
    pub(super) failed: [Packed; 2],
    pub(super) ok: [Packed; 4],
}

pub(super) fn header() -> BatchHeader {
    let mut header = samples::header(&mut Dice::of(1));
    header.sequence = Sequence(1);
    header.hours.clear();
    header.skipped.clear();
    header
}

/// One row that was replied to and one that timed out.
fn echo() -> RawEcho {
    RawEcho {
        rows: 2,
        first_check: 0,
        check_step: Packed::of(&[1]),
        slot_ms: Packed::of(&[5, 6]),
        lateness_us: Packed::of(&[0, 0]),
        outcome: Packed::of(&[0, 8]),
        rtt_us: Packed::of(&[1_000]),
        claimed_delay_us: Packed::of(&[10]),
    }
}

/// One success, one failure, one unsent.
fn endpoint() -> RawEndpoint {
    RawEndpoint {
        rows: 3,
        texts: vec!["a".into(), "b".into()],
        check: Packed::of(&[0, 1, 2]),
        slot_ms: Packed::of(&[5, 6, 7]),
        lateness_us: Packed::of(&[0, 0, 0]),
        result: Packed::of(&[0, 1, 128]),
        address: Packed::of(&[1, 2, 0]),
        http_status: Packed::of(&[200, 0, 0]),
        cache: Packed::of(&[0, 1, 3]),
        certificate_expires: Packed::of(&[0, 0, 0]),
        failed: [Packed::of(&[1]), Packed::of(&[2])],
        ok: std::array::from_fn(|_| Packed::of(&[1])),
    }
}

fn decode_sections(header: BatchHeader, sections: &[(&str, Vec<u8>)]) -> Result<Batch, DecodeError> {
    let sections: Vec<(&str, bool, &[u8])> = sections
        .iter()
        .map(|(name, body)| (*name, true, &body[..]))
        .collect();
    codec::decode_batch(&serializer::encode(&(header, sections)))
}

fn decode(
    header: BatchHeader,
    echo: Option<RawEcho>,
    endpoint: Option<RawEndpoint>,
) -> Result<Batch, DecodeError> {
    let echo = echo.map(|echo| ("echo", serializer::encode(&echo)));
    let endpoint = endpoint.map(|endpoint| ("endpoint", serializer::encode(&endpoint)));
    let sections: Vec<_> = [echo, endpoint].into_iter().flatten().collect();
    decode_sections(header, &sections)
}

/// A batch of nothing but these connections.
pub(super) fn decode_connects(connect: RawConnect) -> Result<Batch, DecodeError> {
    decode_sections(header(), &[("connect", serializer::encode(&connect))])
}

fn refused(header: BatchHeader, echo: Option<RawEcho>, endpoint: Option<RawEndpoint>) -> BatchError {
    match decode(header, echo, endpoint) {
        Err(DecodeError::Batch(error)) => error,
        other => panic!("not refused for its content: {other:?}"),
    }
}

/// The column that is named, and what is wrong with it.
pub(super) fn column(error: BatchError) -> (&'static str, ColumnError) {
    match error {
        BatchError::Columns(RowsError::Column { column, source }) => (column, source),
        other => panic!("no column is named: {other:?}"),
    }
}

#[test]
fn mirrors_serialize_like_the_real_types() {
    let batch = decode(header(), Some(echo()), Some(endpoint())).expect("nothing is wrong with it");
    assert_eq!(batch.rows(), 5);
    let outcomes: Vec<_> = batch.echoes().map(|row| row.outcome).collect();
    let replied = EchoOutcome::Replied {
        rtt: Micros::new(1_000).unwrap(),
        claimed_delay: Micros::new(10).unwrap(),
        stamp: Stamp::Kernel,
        suspect: false,
    };
    assert_eq!(outcomes, [replied, EchoOutcome::TimedOut]);
}

#[test]
fn batch_takes_a_thousand_rows_and_not_one_more() {
    let row = |slot| Measurement {
        check: 0,
        slot: UnixMillis(slot),
        lateness: Micros::default(),
        outcome: Outcome::Echo(EchoOutcome::TimedOut),
    };
    let rows: Vec<_> = (0..=BATCH_ROWS_MAX as u64).map(row).collect();
    let full = Batch::pack(header(), &rows[..BATCH_ROWS_MAX]).expect("a thousand");
    assert_eq!(
        codec::decode_batch(&codec::encode_batch(&full)).map(|batch| batch.rows()),
        Ok(BATCH_ROWS_MAX)
    );
    let found = BATCH_ROWS_MAX + 1;
    assert_eq!(Batch::pack(header(), &rows), Err(BatchError::Rows { found }));

    let wide = |rows: usize| RawEcho {
        rows: rows as u16,
        first_check: 0,
        check_step: Packed::of(&vec![0; rows - 1]),
        slot_ms: Packed::of(&vec![0; rows]),
        lateness_us: Packed::of(&vec![0; rows]),
        outcome: Packed::of(&vec![8; rows]),
        rtt_us: Packed::of(&[]),
        claimed_delay_us: Packed::of(&[]),
    };
    assert!(decode(header(), Some(wide(BATCH_ROWS_MAX)), None).is_ok());
    assert_eq!(
        refused(header(), Some(wide(found)), None),
        BatchError::Rows { found }
    );
    // Echoes and endpoints together count.
    assert!(decode(header(), Some(wide(BATCH_ROWS_MAX - 3)), Some(endpoint())).is_ok());
    assert_eq!(
        refused(header(), Some(wide(BATCH_ROWS_MAX - 2)), Some(endpoint())),
        BatchError::Rows { found }
    );
}

#[test]
fn failure_cannot_carry_a_latency() {
    let mut surplus = echo(); // two latencies, one reply
    surplus.rtt_us = Packed::of(&[1_000, 2_000]);
    let (name, source) = column(refused(header(), Some(surplus), None));
    assert_eq!(name, "rtt");
    assert!(
        matches!(source, ColumnError::Length { rows: 1, .. }),
        "{source:?}"
    );

    let mut missing = echo(); // two replies, one latency
    missing.outcome = Packed::of(&[0, 3]);
    missing.rtt_us = Packed::of(&[1_000, 2_000]);
    missing.claimed_delay_us = Packed::of(&[1]); // of one value, no bits are needed: of two, still none
    assert!(decode(header(), Some(missing.clone()), None).is_ok());
    missing.claimed_delay_us = Packed::of(&[1, 70_000, 3]);
    assert_eq!(column(refused(header(), Some(missing), None)).0, "claimed delay");

    let mut all_lost = echo(); // no reply: not even a base may stand there
    all_lost.outcome = Packed::of(&[8, 16]);
    all_lost.claimed_delay_us = Packed::of(&[]);
    assert_eq!(
        column(refused(header(), Some(all_lost.clone()), None)),
        ("rtt", ColumnError::SpareBits)
    );
    all_lost.rtt_us = Packed::of(&[]);
    let batch = decode(header(), Some(all_lost), None).expect("no latency anywhere");
    let outcomes: Vec<_> = batch.echoes().map(|row| row.outcome).collect();
    assert_eq!(
        outcomes,
        [EchoOutcome::TimedOut, EchoOutcome::Unsent(SendFailure::Buffers)]
    );

    let mut failed_with_phases = endpoint();
    failed_with_phases.ok[1] = Packed::of(&[1, 500]);
    assert_eq!(
        column(refused(header(), None, Some(failed_with_phases))).0,
        "connect"
    );
}

#[test]
fn outcome_without_a_meaning_is_refused_and_every_meaning_is_known() {
    let one = |code: u64| {
        let replied: &[u64] = if code < 4 { &[7] } else { &[] };
        RawEcho {
            rows: 1,
            first_check: 9,
            check_step: Packed::of(&[]),
            slot_ms: Packed::of(&[0]),
            lateness_us: Packed::of(&[0]),
            outcome: Packed::of(&[code]),
            rtt_us: Packed::of(replied),
            claimed_delay_us: Packed::of(replied),
        }
    };
    for code in 0..=255 {
        if matches!(code, 0..4 | 8 | 16..22) {
            assert!(decode(header(), Some(one(code)), None).is_ok(), "{code}");
        } else {
            let expected = BatchError::Columns(RowsError::Code {
                column: "outcome",
                code,
            });
            assert_eq!(refused(header(), Some(one(code)), None), expected);
        }
    }
    assert_eq!(column(refused(header(), Some(one(256)), None)).0, "outcome");
}

#[test]
fn result_without_a_meaning_is_refused() {
    for code in [5, 31, 127, 134, 255] {
        let mut raw = endpoint();
        raw.result = Packed::of(&[0, 1, code]);
        let expected = BatchError::Columns(RowsError::Code {
            column: "result",
            code,
        });
        assert_eq!(refused(header(), None, Some(raw)), expected);
    }
}

#[test]
fn every_column_is_refused_above_its_ceiling_and_taken_at_it() {
    type Set<T> = fn(&mut T, u64);
    let of_echo: [(&str, u64, Set<RawEcho>); 4] = [
        ("check", u64::from(u16::MAX), |raw, value| {
            raw.check_step = Packed::of(&[value])
        }),
        ("lateness", LATENCY_MAX_US, |raw, value| {
            raw.lateness_us = Packed::of(&[0, value])
        }),
        ("rtt", LATENCY_MAX_US, |raw, value| {
            raw.rtt_us = Packed::of(&[value])
        }),
        ("claimed delay", LATENCY_MAX_US, |raw, value| {
            raw.claimed_delay_us = Packed::of(&[value])
        }),
    ];
    for (name, max, set) in of_echo {
        let mut raw = echo();
        set(&mut raw, max);
        assert!(decode(header(), Some(raw.clone()), None).is_ok(), "{name}");
        set(&mut raw, max + 1);
        let expected = (
            name,
            ColumnError::Range {
                highest: Some(max + 1),
                max,
            },
        );
        assert_eq!(column(refused(header(), Some(raw), None)), expected);
    }
    let of_endpoint: [(&str, u64, Set<RawEndpoint>); 12] = [
        ("check", u64::from(u16::MAX), |raw, value| {
            raw.check = Packed::of(&[0, 0, value])
        }),
        ("lateness", LATENCY_MAX_US, |raw, value| {
            raw.lateness_us = Packed::of(&[0, 0, value])
        }),
        ("address", 2, |raw, value| {
            raw.address = Packed::of(&[0, 0, value])
        }),
        ("http status", 999, |raw, value| {
            raw.http_status = Packed::of(&[0, 0, value])
        }),
        ("cache", 3, |raw, value| raw.cache = Packed::of(&[0, 0, value])),
        ("resolve", LATENCY_MAX_US, |raw, value| {
            raw.ok[0] = Packed::of(&[value])
        }),
        ("connect", LATENCY_MAX_US, |raw, value| {
            raw.ok[1] = Packed::of(&[value])
        }),
        ("tls", LATENCY_MAX_US, |raw, value| {
            raw.ok[2] = Packed::of(&[value])
        }),
        ("first byte", LATENCY_MAX_US, |raw, value| {
            raw.ok[3] = Packed::of(&[value])
        }),
        ("transfer", LATENCY_MAX_US, |raw, value| {
            raw.ok[4] = Packed::of(&[value])
        }),
        ("unattributed", LATENCY_MAX_US, |raw, value| {
            raw.ok[5] = Packed::of(&[value])
        }),
        ("body bytes", u64::from(u32::MAX), |raw, value| {
            raw.ok[6] = Packed::of(&[value])
        }),
    ];
    for (name, max, set) in of_endpoint {
        let mut raw = endpoint();
        set(&mut raw, max);
        assert!(decode(header(), None, Some(raw.clone())).is_ok(), "{name}");
        set(&mut raw, max + 1);
        let expected = (
            name,
            ColumnError::Range {
                highest: Some(max + 1),
                max,
            },
        );
        assert_eq!(column(refused(header(), None, Some(raw))), expected);
    }
}

#[test]
fn steps_that_add_up_to_more_than_a_check_are_refused() {
    const MAX: u64 = u16::MAX as u64;
    let mut raw = echo();
    raw.first_check = u16::MAX - 5;
    raw.check_step = Packed::of(&[5]);
    let batch = decode(header(), Some(raw.clone()), None).expect("the last check there can be");
    assert_eq!(batch.slots().last().map(|(check, _)| check), Some(u16::MAX));
    raw.check_step = Packed::of(&[6]);
    let expected = ColumnError::Range {
        highest: Some(MAX + 1),
        max: MAX,
    };
    assert_eq!(column(refused(header(), Some(raw), None)), ("check", expected));
}

#[test]
fn texts_are_bounded_in_number_and_length() {
    let with = |count: usize, length: usize| {
        let mut raw = endpoint();
        raw.texts = vec!["x".repeat(2); count];
        raw.texts[0] = "x".repeat(length);
        raw
    };
    assert!(decode(header(), None, Some(with(BATCH_TEXTS_MAX, TEXT_BYTES_MAX))).is_ok());
    for raw in [with(BATCH_TEXTS_MAX + 1, 2), with(2, TEXT_BYTES_MAX + 1)] {
        assert_eq!(
            refused(header(), None, Some(raw)),
            BatchError::Columns(RowsError::Texts)
        );
    }
}

#[test]
fn long_text_is_cut_at_a_character_when_packed() {
    use crate::measurement::{CacheState, EndpointOutcome, EndpointResult, FailureCause, Phase};
    let long = format!("x{}", "é".repeat(TEXT_BYTES_MAX));
    let row = Measurement {
        check: 0,
        slot: UnixMillis(1),
        lateness: Micros::default(),
        outcome: Outcome::Endpoint(Box::new(EndpointOutcome {
            address: None,
            http_status: None,
            cache: CacheState::Absent,
            certificate_expires: None,
            result: EndpointResult::Failed {
                phase: Phase::Tls,
                cause: FailureCause::Tls,
                text: long.clone(),
            },
        })),
    };
    let packed = Batch::pack(header(), &[row]).unwrap();
    let batch = codec::decode_batch(&codec::encode_batch(&packed)).unwrap();
    let Some(Outcome::Endpoint(outcome)) = batch.measurements().next().map(|row| row.outcome) else {
        panic!("the row is gone");
    };
    let EndpointResult::Failed { text, .. } = outcome.result else {
        panic!("the failure is gone");
    };
    assert_eq!(text.len(), TEXT_BYTES_MAX - 1); // 1 + 2 · 255
    assert!(long.starts_with(&text));
}

#[test]
fn header_that_disagrees_with_itself_is_refused() {
    let mut zero = header();
    zero.sequence = Sequence::NONE;
    assert_eq!(refused(zero, None, None), BatchError::SequenceZero);

    let count = |planned, run, skipped| HourCount {
        hour: Hour(1),
        planned,
        run,
        skipped,
        pending: 9,
    };
    let mut hours = header();
    hours.hours = vec![count(3, 1, 2), count(3, 1, 1)];
    assert_eq!(refused(hours, None, None), BatchError::HourCounts(count(3, 1, 1)));
    let mut overflow = header();
    overflow.hours = vec![count(0, u64::MAX, 1)];
    assert_eq!(
        refused(overflow, None, None),
        BatchError::HourCounts(count(0, u64::MAX, 1))
    );

    let mut empty = header();
    let range = |count| SkippedRange {
        check: 0,
        first_slot: UnixMillis(1),
        count,
        cause: SkipCause::Late,
    };
    empty.skipped = vec![range(1)];
    assert!(decode(empty.clone(), None, None).is_ok());
    empty.skipped.push(range(0));
    assert_eq!(refused(empty, None, None), BatchError::EmptyRange);

    let mut ports = header();
    ports.source_ports = vec![1; 64];
    assert!(decode(ports.clone(), None, None).is_ok());
    ports.source_ports.push(1);
    assert_eq!(refused(ports, None, None), BatchError::SourcePorts);
}

#[test]
fn tombstone_over_nothing_is_refused() {
    let tombstone = |first, last| Tombstone {
        first: Sequence(first),
        last: Sequence(last),
        ..samples::tombstone(&mut Dice::of(1))
    };
    for (first, last) in [(1, 1), (1, u64::MAX)] {
        assert!(codec::decode_tombstone(&codec::encode_tombstone(&tombstone(first, last))).is_ok());
    }
    for (first, last) in [(0, 0), (0, 5), (2, 1)] {
        let found = codec::decode_tombstone(&codec::encode_tombstone(&tombstone(first, last)));
        assert_eq!(found, Err(DecodeError::Range { first, last }));
    }
    let mut wrong = tombstone(1, 1);
    wrong.hours = vec![HourCount {
        planned: 1,
        ..HourCount::default()
    }];
    let found = codec::decode_tombstone(&codec::encode_tombstone(&wrong));
    assert_eq!(
        found,
        Err(DecodeError::Batch(BatchError::HourCounts(wrong.hours[0])))
    );
}
