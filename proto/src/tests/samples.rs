//! One value of every message and, by [`Dice`], as many as wanted.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::dice::Dice;
use crate::batch::{Batch, BatchHeader};
use crate::control::{
    Ack, CertificateDer, Clocks, CollectorMessage, EpochMark, EpochState, Hello, ProbeMessage, Refusal,
    RefusedSoFar, SpoolState, StreamHello, StreamRole, Welcome,
};
use crate::echo::{KeyEpoch, PairKey, ResponderSecret};
use crate::ids::{Digest, EpochId, KeyHash, PlanVersion, ProbeId, Sequence, TargetId};
use crate::join::{JoinRefusal, JoinRequest, JoinResponse};
use crate::kind::{Check, Family, Kind};
use crate::known::Known;
use crate::ledger::{Adoption, DropCause, Event, HourCount, SkipCause, SkippedRange, Tombstone};
use crate::measurement::{
    CacheState, ConnectOutcome, ConnectPhases, ConnectResult, EchoOutcome, EndpointOutcome, EndpointResult,
    FailureCause, Measurement, Outcome, Phase, Phases, SendFailure, Stamp,
};
use crate::plan::{Plan, PlannedCheck, ResponderPlan, SignedPlan, Target, TargetAddress};
use crate::schedule::Schedule;
use crate::section::Section;
use crate::token::Token;
use crate::units::{Hour, Micros, UnixMillis};

fn micros(dice: &mut Dice) -> Micros {
    Micros::new(dice.any_u64() % (crate::limits::LATENCY_MAX_US + 1)).expect("within the limit")
}

fn slot(dice: &mut Dice) -> UnixMillis {
    UnixMillis(1_790_000_000_000 + dice.below(10_000_000))
}

fn epoch(dice: &mut Dice) -> EpochId {
    EpochId(dice.bytes())
}

fn version(dice: &mut Dice) -> PlanVersion {
    PlanVersion {
        promotion: dice.below(3) as u32,
        number: dice.any_u64(),
    }
}

fn adoption(dice: &mut Dice) -> Adoption {
    Adoption {
        version: version(dice),
        first_slot: slot(dice),
    }
}

fn hour_count(dice: &mut Dice) -> HourCount {
    let (run, skipped) = (dice.any_u64() >> 1, dice.any_u64() >> 1);
    HourCount {
        hour: Hour(dice.u64() as u32),
        planned: run + skipped,
        run,
        skipped,
        pending: dice.any_u64(),
    }
}

fn skipped_range(dice: &mut Dice) -> SkippedRange {
    SkippedRange {
        check: dice.u64() as u16,
        first_slot: slot(dice),
        count: 1 + dice.below(1_000) as u32,
        cause: dice.pick(&[
            SkipCause::Overlap,
            SkipCause::Late,
            SkipCause::NotRunning,
            SkipCause::Shutdown,
            SkipCause::NoKey,
        ]),
    }
}

fn event(dice: &mut Dice) -> Event {
    let count = dice.u64() as u32;
    match dice.below(7) {
        0 => Event::ClockStep {
            step_ms: dice.u64() as i64,
        },
        1 => Event::LateReplies { count },
        2 => Event::DuplicateReplies { count },
        3 => Event::ForeignDatagrams { count },
        4 => Event::SelfStall { worst_us: count },
        5 => Event::CorruptRecords { count },
        _ => Event::Closed,
    }
}

pub(super) fn header(dice: &mut Dice) -> BatchHeader {
    BatchHeader {
        epoch: epoch(dice),
        sequence: Sequence(dice.any_u64().max(1)),
        previous: Digest(dice.bytes()),
        adopted: adoption(dice),
        plan: version(dice),
        cut: slot(dice),
        hours: dice.vec(3, hour_count),
        skipped: dice.vec(3, skipped_range),
        events: dice.vec(3, event),
        source_ports: dice.vec(64, |dice| dice.u64() as u16),
    }
}

pub(super) fn echo_outcome(dice: &mut Dice) -> EchoOutcome {
    match dice.below(6) {
        0 => EchoOutcome::TimedOut,
        1 => EchoOutcome::Unsent(dice.pick(SendFailure::ALL)),
        _ => EchoOutcome::Replied {
            rtt: micros(dice),
            claimed_delay: micros(dice),
            stamp: dice.pick(&[Stamp::Kernel, Stamp::User]),
            suspect: dice.chance(),
        },
    }
}

fn endpoint_outcome(dice: &mut Dice) -> EndpointOutcome {
    let result = match dice.below(3) {
        0 => EndpointResult::Unsent(dice.pick(SendFailure::ALL)),
        1 => EndpointResult::Failed {
            phase: dice.pick(Phase::ALL),
            cause: dice.pick(FailureCause::ALL),
            text: dice.text(),
        },
        _ => EndpointResult::Ok {
            phases: Phases {
                resolve: micros(dice),
                connect: micros(dice),
                tls: micros(dice),
                first_byte: micros(dice),
                transfer: micros(dice),
                unattributed: micros(dice),
            },
            body_bytes: dice.any_u64() as u32,
            node_uptime_s: dice.option(|dice| dice.any_u64() >> 1),
            node_version: dice.text(),
        },
    };
    EndpointOutcome {
        address: dice.option(|dice| address(dice).ip()),
        http_status: dice.option(|dice| 100 + dice.below(900) as u16),
        cache: dice.pick(CacheState::ALL),
        certificate_expires: dice.option(|dice| dice.any_u64().max(1)),
        result,
    }
}

fn connect_outcome(dice: &mut Dice) -> ConnectOutcome {
    let result = match dice.below(4) {
        0 => ConnectResult::Unsent(dice.pick(SendFailure::ALL)),
        1 => ConnectResult::Failed {
            phase: dice.pick(Phase::ALL),
            cause: dice.pick(FailureCause::ALL),
            text: dice.text(),
        },
        _ => ConnectResult::Connected(ConnectPhases {
            resolve: micros(dice),
            connect: micros(dice),
            tls: micros(dice),
            unattributed: micros(dice),
        }),
    };
    ConnectOutcome {
        address: dice.option(|dice| address(dice).ip()),
        certificate_expires: dice.option(Dice::any_u64),
        result,
    }
}

pub(super) fn measurement(dice: &mut Dice) -> Measurement {
    Measurement {
        check: dice.u64() as u16,
        slot: slot(dice),
        lateness: micros(dice),
        outcome: match dice.below(6) {
            0 => Outcome::Endpoint(Box::new(endpoint_outcome(dice))),
            1 | 2 => Outcome::Connect(Box::new(connect_outcome(dice))),
            _ => Outcome::Echo(echo_outcome(dice)),
        },
    }
}

pub(super) fn measurements(dice: &mut Dice) -> Vec<Measurement> {
    dice.vec(60, measurement)
}

pub(super) fn batch(dice: &mut Dice) -> Batch {
    let (header, measurements) = (header(dice), measurements(dice));
    Batch::pack(header, &measurements).expect("at most 60 rows")
}

pub(super) fn tombstone(dice: &mut Dice) -> Tombstone {
    let first = dice.any_u64().max(1) >> 1 | 1;
    Tombstone {
        epoch: epoch(dice),
        first: Sequence(first),
        last: Sequence(first + dice.below(100)),
        last_digest: Digest(dice.bytes()),
        cut: slot(dice),
        hours: dice.vec(5, hour_count),
        adopted: dice.vec(5, adoption),
        cause: dice.pick(&[DropCause::Full, DropCause::Corrupt, DropCause::Evicted]),
    }
}

fn v4(dice: &mut Dice) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(dice.bytes::<4>()), dice.u64() as u16)
}

fn v6(dice: &mut Dice) -> SocketAddrV6 {
    SocketAddrV6::new(Ipv6Addr::from(dice.bytes::<16>()), dice.u64() as u16, 0, 0)
}

fn address(dice: &mut Dice) -> SocketAddr {
    if dice.chance() {
        v4(dice).into()
    } else {
        v6(dice).into()
    }
}

pub(super) fn peer(dice: &mut Dice) -> Target {
    let probe = ProbeId(dice.u64());
    let key_epoch = KeyEpoch(dice.u64() as u16);
    Target {
        id: TargetId::of_peer(probe),
        name: dice.text(),
        address: TargetAddress::Peer {
            probe,
            v4: Some(v4(dice)),
            v6: Some(v6(dice)),
            key: dice.option(|dice| {
                let secret = ResponderSecret(dice.bytes());
                (key_epoch, PairKey::derive(&secret, probe, key_epoch))
            }),
        },
    }
}

pub(super) fn endpoint(dice: &mut Dice) -> Target {
    let name = format!("{} {}", dice.text(), dice.u64()); // names are unique
    Target {
        id: TargetId::of_node(&name),
        name,
        address: TargetAddress::Endpoint {
            url: dice.text(),
            asset: Some(dice.text()),
        },
    }
}

/// Even targets are peers, odd ones endpoints.
pub(super) fn plan(dice: &mut Dice) -> Plan {
    let targets: Vec<Target> = (0..2 + dice.below(6))
        .map(|index| {
            if index % 2 == 0 {
                peer(dice)
            } else {
                endpoint(dice)
            }
        })
        .collect();
    let last = targets.len() as u64;
    let mut checks = dice.vec(20, |dice| {
        let target = dice.below(last) as u16;
        let check = if target.is_multiple_of(2) {
            Check::Echo
        } else {
            dice.pick(&Check::ALL[1..6])
        };
        let interval_ms = 1_000 + dice.below(60_000) as u32;
        let offset_ms = dice.below(u64::from(interval_ms)) as u32;
        let timeout_ms = 1 + dice.below(60_000) as u32;
        PlannedCheck {
            kind: Kind::new(check, dice.pick(&[Family::V4, Family::V6])),
            target,
            schedule: Schedule::new(interval_ms, offset_ms, timeout_ms).expect("within bounds"),
        }
    });
    let mut seen = BTreeSet::new();
    checks.retain(|check| seen.insert((check.target, check.kind))); // nothing is planned twice
    Plan {
        version: version(dice),
        probe: ProbeId(dice.u64()),
        probe_name: dice.text(),
        issued: slot(dice),
        expires: slot(dice),
        targets,
        checks,
        responder: ResponderPlan {
            secrets: dice.vec(2, |dice| {
                (KeyEpoch(dice.u64() as u16), ResponderSecret(dice.bytes()))
            }),
            probers: dice.vec(10, |dice| ProbeId(dice.u64())),
        },
    }
}

fn signed_plan(dice: &mut Dice) -> SignedPlan {
    SignedPlan {
        plan: dice.vec(50, |dice| dice.u64() as u8),
        signature: dice.bytes::<64>().to_vec(),
    }
}

pub(super) fn stream_hello(dice: &mut Dice) -> StreamHello {
    StreamHello {
        epoch: epoch(dice),
        role: dice.pick(&[StreamRole::Live, StreamRole::Drain]),
    }
}

fn spool(dice: &mut Dice) -> SpoolState {
    SpoolState {
        bytes: dice.any_u64(),
        bytes_max: dice.any_u64(),
        unstored: dice.any_u64(),
        dropped: dice.any_u64(),
        corrupt_records: dice.any_u64(),
    }
}

pub(super) fn epoch_state(dice: &mut Dice) -> EpochState {
    EpochState {
        epoch: epoch(dice),
        first_slot: slot(dice),
        first_held: Sequence(dice.any_u64()),
        last: Sequence(dice.any_u64()),
        last_digest: Digest(dice.bytes()),
        closed: dice.chance(),
    }
}

fn known(dice: &mut Dice) -> Known {
    let mut known = Known::of_this_build();
    known.kinds.truncate(dice.below(13) as usize);
    known.sections.push(format!("later-{}", dice.below(1_000)));
    known
}

/// One that this release does not know and can do without; names differ.
fn section(dice: &mut Dice) -> Section {
    Section {
        name: format!("later-{:x}", dice.u64()),
        needed: false,
        body: dice.vec(40, |dice| dice.u64() as u8),
    }
}

pub(super) fn hello(dice: &mut Dice) -> Hello {
    Hello {
        software: dice.text(),
        instance: dice.u64(),
        plan: dice.option(version),
        kept_plans: dice.vec(4, version),
        epochs: dice.vec(4, epoch_state),
        echo_port: dice.u64() as u16,
        advertise: dice.vec(4, address),
        spool: spool(dice),
        probe_time: slot(dice),
        known: known(dice),
        more: dice.vec(2, section),
    }
}

/// Variant `which` of 6.
pub(super) fn from_probe(dice: &mut Dice, which: u64) -> ProbeMessage {
    match which {
        0 => ProbeMessage::Hello(hello(dice)),
        1 => ProbeMessage::Plans(dice.vec(3, signed_plan)),
        2 => ProbeMessage::Renew {
            csr: dice.vec(300, |dice| dice.u64() as u8),
        },
        3 => ProbeMessage::Pong {
            nonce: dice.u64(),
            collector_time: slot(dice),
            probe_time: slot(dice),
        },
        4 => ProbeMessage::Spool(spool(dice)),
        _ => ProbeMessage::EpochOpened(epoch_state(dice)),
    }
}

pub(super) const FROM_PROBE_VARIANTS: u64 = 6;

fn refusal(dice: &mut Dice) -> Refusal {
    match dice.below(7) {
        0 => Refusal::Revoked,
        1 => Refusal::Unknown,
        2 => Refusal::Expired,
        3 => Refusal::ExpiredTooLong,
        4 => Refusal::NoCertificate,
        5 => Refusal::BadRequest,
        _ => Refusal::Busy { reason: dice.text() },
    }
}

fn certificate(dice: &mut Dice) -> CertificateDer {
    CertificateDer(dice.vec(300, |dice| dice.u64() as u8))
}

pub(super) fn mark(dice: &mut Dice) -> EpochMark {
    EpochMark {
        epoch: epoch(dice),
        stored: Sequence(dice.any_u64()),
        digest: Digest(dice.bytes()),
        safe: Sequence(dice.any_u64()),
        refused: refused_so_far(dice),
    }
}

fn refused_so_far(dice: &mut Dice) -> RefusedSoFar {
    RefusedSoFar {
        batches: dice.any_u64(),
        rows: dice.any_u64(),
        rows_for_time: dice.any_u64(),
    }
}

pub(super) fn welcome(dice: &mut Dice) -> Welcome {
    Welcome {
        probe: ProbeId(dice.u64()),
        name: dice.text(),
        software: dice.text(),
        collector_time: slot(dice),
        marks: dice.vec(4, mark),
        addresses: dice.vec(4, Dice::text),
        renew: dice.chance(),
        observed: dice.option(address),
        known: known(dice),
        more: dice.vec(2, section),
    }
}

/// Variant `which` of 9.
pub(super) fn from_collector(dice: &mut Dice, which: u64) -> CollectorMessage {
    match which {
        0 => CollectorMessage::Welcome(welcome(dice)),
        1 => CollectorMessage::Refused(refusal(dice)),
        2 => CollectorMessage::Plan(signed_plan(dice)),
        3 => CollectorMessage::NeedPlans(dice.vec(5, version)),
        4 => CollectorMessage::Ack(Ack {
            epoch: epoch(dice),
            stored: Sequence(dice.any_u64()),
            safe: Sequence(dice.any_u64()),
            refused: dice.option(refused_so_far),
        }),
        5 => CollectorMessage::Forked {
            epoch: epoch(dice),
            sequence: Sequence(dice.any_u64()),
        },
        6 => CollectorMessage::Renewed {
            chain: dice.vec(4, certificate),
        },
        7 => CollectorMessage::RenewalRefused(refusal(dice)),
        _ => CollectorMessage::Ping {
            nonce: dice.u64(),
            collector_time: slot(dice),
            clocks: dice.option(|dice| Clocks {
                offset_ms: dice.u64() as i64,
                collector_is_wrong: dice.chance(),
            }),
        },
    }
}

pub(super) const FROM_COLLECTOR_VARIANTS: u64 = 9;

pub(super) fn join_request(dice: &mut Dice) -> JoinRequest {
    JoinRequest {
        invitation: dice.bytes(),
        csr: dice.vec(300, |dice| dice.u64() as u8),
        signature: dice.bytes::<64>().to_vec(),
        software: dice.text(),
    }
}

/// Variant `which` of 2.
pub(super) fn join_response(dice: &mut Dice, which: u64) -> JoinResponse {
    if which == 0 {
        JoinResponse::Accepted {
            probe: ProbeId(dice.u64()),
            name: dice.text(),
            chain: dice.vec(4, certificate),
            addresses: dice.vec(4, Dice::text),
        }
    } else {
        JoinResponse::Refused(dice.pick(&[
            JoinRefusal::UnknownToken,
            JoinRefusal::Expired,
            JoinRefusal::SpentByAnotherKey,
            JoinRefusal::Withdrawn,
            JoinRefusal::BadSignature,
            JoinRefusal::BadRequest,
            JoinRefusal::Busy,
        ]))
    }
}

pub(super) fn token(dice: &mut Dice) -> Token {
    Token {
        collectors: (0..=dice.below(8)).map(|_| dice.text()).collect(),
        authority: KeyHash(dice.bytes()),
        seed: dice.bytes(),
        expires: slot(dice),
    }
}
