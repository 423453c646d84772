use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::kind::{Check, Family};
use isochrone_proto::ledger::{Adoption, Event};
use isochrone_proto::measurement::{
    CacheState, EchoOutcome, EndpointOutcome, EndpointResult, FailureCause, Measurement, Outcome, Phase,
    Phases, SendFailure, Stamp,
};
use isochrone_proto::plan::{PlannedCheck, ResponderPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::Micros;

use super::*;
use crate::clocks::Clocks;

const ECHO4: Kind = Kind::new(Check::Echo, Family::V4);
const STATUS4: Kind = Kind::new(Check::Status, Family::V4);
const GET4: Kind = Kind::new(Check::AssetGet, Family::V4);

fn plan(number: u64, checks: &[(&str, Kind)]) -> Plan {
    let mut plan = Plan {
        version: PlanVersion { promotion: 0, number },
        probe: ProbeId(1),
        probe_name: "ada".into(),
        issued: UnixMillis(0),
        expires: UnixMillis(u64::MAX),
        targets: Vec::new(),
        checks: Vec::new(),
        responder: ResponderPlan::default(),
    };
    for (index, &(name, kind)) in checks.iter().enumerate() {
        plan.targets.push(Target {
            id: TargetId::of_node(name),
            name: name.into(),
            address: TargetAddress::Endpoint {
                url: "http://x/".into(),
                asset: None,
            },
        });
        plan.checks.push(PlannedCheck {
            kind,
            target: index as u16,
            schedule: Schedule::new(10_000, 0, 5_000).unwrap(),
        });
    }
    plan
}

fn batch(plan: &Plan, rows: &[Measurement]) -> Batch {
    let header = BatchHeader {
        epoch: EpochId([7; 16]),
        sequence: Sequence(1),
        previous: Digest::ZERO,
        adopted: Adoption {
            version: plan.version,
            first_slot: UnixMillis(0),
        },
        plan: plan.version,
        cut: UnixMillis(0),
        hours: Vec::new(),
        skipped: Vec::new(),
        events: Vec::new(),
        source_ports: Vec::new(),
    };
    Batch::pack(header, rows).unwrap()
}

fn echo(check: u16, slot: u64, outcome: EchoOutcome) -> Measurement {
    Measurement {
        check,
        slot: UnixMillis(slot),
        lateness: Micros::default(),
        outcome: Outcome::Echo(outcome),
    }
}

fn replied(ms: u64, suspect: bool) -> EchoOutcome {
    let rtt = Micros::new(ms * 1_000).unwrap();
    EchoOutcome::Replied {
        rtt,
        claimed_delay: Micros::default(),
        stamp: Stamp::Kernel,
        suspect,
    }
}

fn endpoint(check: u16, slot: u64, result: EndpointResult, cache: CacheState) -> Measurement {
    let outcome = EndpointOutcome {
        address: "192.0.2.1".parse().ok(),
        http_status: None,
        cache,
        certificate_expires: Some(2_000_000_000),
        result,
    };
    Measurement {
        check,
        slot: UnixMillis(slot),
        lateness: Micros::default(),
        outcome: Outcome::Endpoint(Box::new(outcome)),
    }
}

fn ok(connect_ms: u64, first_byte_ms: u64) -> EndpointResult {
    let ms = |ms: u64| Micros::new(ms * 1_000).unwrap();
    let phases = Phases {
        connect: ms(connect_ms),
        first_byte: ms(first_byte_ms),
        ..Phases::default()
    };
    EndpointResult::Ok {
        phases,
        body_bytes: 1,
        node_uptime_s: None,
        node_version: String::new(),
    }
}

fn failed(cause: FailureCause) -> EndpointResult {
    EndpointResult::Failed {
        phase: Phase::Connect,
        cause,
        text: "verbatim".into(),
    }
}

const BASE: u64 = 1_000_000_000;

/// Takes a batch in whose clock is right.
fn apply(live: &mut Live, probe: ProbeId, plan: &Plan, batch: &Batch, received: UnixMillis) {
    let epoch = batch.header.epoch;
    live.apply((probe, plan, epoch), &Dated::of(batch, Some), received);
}

#[test]
fn echo_rows_fill_their_cells_and_losses_carry_no_time() {
    let plan = plan(1, &[("a", ECHO4), ("b", ECHO4)]);
    let rows = [
        echo(0, BASE, replied(20, false)),
        echo(0, BASE + 10_000, EchoOutcome::TimedOut),
        echo(0, BASE + 20_000, EchoOutcome::Unsent(SendFailure::Buffers)),
        echo(0, BASE + 30_000, replied(9_000, true)),
        echo(1, BASE, replied(50, false)),
    ];
    let mut live = Live::new();
    let now = UnixMillis(BASE + 31_000);
    apply(&mut live, ProbeId(1), &plan, &batch(&plan, &rows), now);
    let vantage = live.vantage(ProbeId(1)).unwrap();
    let cell = vantage.cell(TargetId::of_node("a"), ECHO4).unwrap();
    let mut figures = cell.window().figures(now);
    assert_eq!((figures.runs(), figures.lost, figures.timed()), (3, 1, 1));
    let p50 = figures.quantile_ms(0.5).unwrap();
    assert!((p50 - 20.0).abs() < 0.2, "{p50}");
    assert_eq!(vantage.last_slot, Some(UnixMillis(BASE + 30_000)));
    assert_eq!(vantage.heard, now);
    let other = vantage.cell(TargetId::of_node("b"), ECHO4).unwrap();
    assert_eq!(other.window().figures(now).runs(), 1);
    assert_eq!(live.rows(), 5);
}

#[test]
fn asset_that_is_no_hit_leaves_the_first_byte_times() {
    let plan = plan(1, &[("a", GET4)]);
    let rows = [
        endpoint(0, BASE, ok(10, 30), CacheState::Hit),
        endpoint(0, BASE + 10_000, ok(10, 900), CacheState::Miss),
        endpoint(0, BASE + 20_000, ok(10, 900), CacheState::Pending),
    ];
    let mut live = Live::new();
    let now = UnixMillis(BASE + 21_000);
    apply(&mut live, ProbeId(1), &plan, &batch(&plan, &rows), now);
    let cell = live
        .vantage(ProbeId(1))
        .unwrap()
        .cell(TargetId::of_node("a"), GET4)
        .unwrap();
    let detail = cell.endpoint().unwrap();
    let mut ttfb = detail.ttfb.figures(now);
    assert_eq!(ttfb.timed(), 1);
    assert!((ttfb.quantile_ms(0.9).unwrap() - 40.0).abs() < 0.4);
    assert_eq!(
        cell.window().figures(now).timed(),
        3,
        "the connect phase counts for all"
    );
    assert_eq!(detail.certificate_expires, Some(2_000_000_000));
}

#[test]
fn absent_and_forbidden_are_no_failures() {
    let plan = plan(1, &[("a", GET4)]);
    let rows = [
        endpoint(0, BASE, failed(FailureCause::NotFound), CacheState::Absent),
        endpoint(
            0,
            BASE + 10_000,
            failed(FailureCause::Misdirected),
            CacheState::Absent,
        ),
        endpoint(
            0,
            BASE + 20_000,
            failed(FailureCause::ForbiddenAddress),
            CacheState::Absent,
        ),
        endpoint(
            0,
            BASE + 30_000,
            EndpointResult::Unsent(SendFailure::NoRoute),
            CacheState::Absent,
        ),
    ];
    let mut live = Live::new();
    let now = UnixMillis(BASE + 31_000);
    apply(&mut live, ProbeId(1), &plan, &batch(&plan, &rows), now);
    let cell = live
        .vantage(ProbeId(1))
        .unwrap()
        .cell(TargetId::of_node("a"), GET4)
        .unwrap();
    assert_eq!(cell.failures(), 0);
    assert_eq!(cell.word(now), Some(Finding::Absent));
}

#[test]
fn silence_is_no_data_as_soon_as_the_engine_says_so() {
    let plan = plan(1, &[("a", STATUS4)]);
    let mut live = Live::new();
    let rows = [endpoint(0, BASE, ok(1, 1), CacheState::Absent)];
    apply(
        &mut live,
        ProbeId(1),
        &plan,
        &batch(&plan, &rows),
        UnixMillis(BASE + 1_000),
    );
    let cell = live
        .vantage(ProbeId(1))
        .unwrap()
        .cell(TargetId::of_node("a"), STATUS4)
        .unwrap();
    let last = UnixMillis(BASE + 10_000 + 10_000 + 5_000 + 2_000); // an interval, and until a red is told
    assert!(cell.is_fresh(last));
    assert!(!cell.is_fresh(last.plus(std::time::Duration::from_millis(1))));
    assert_eq!(cell.word(last.plus(std::time::Duration::from_millis(1))), None);
}

#[test]
fn new_plan_moves_rows_to_the_right_cells_and_marks_what_it_dropped() {
    let first = plan(1, &[("a", STATUS4), ("b", STATUS4)]);
    let second = plan(2, &[("b", STATUS4), ("c", STATUS4)]);
    let mut live = Live::new();
    let at = UnixMillis(BASE + 20_000);
    let row = |check, slot| endpoint(check, slot, ok(1, 1), CacheState::Absent);
    apply(
        &mut live,
        ProbeId(1),
        &first,
        &batch(&first, &[row(0, BASE), row(1, BASE)]),
        at,
    );
    apply(
        &mut live,
        ProbeId(1),
        &second,
        &batch(&second, &[row(0, BASE + 10_000), row(1, BASE + 10_000)]),
        at,
    );
    // A late batch of the first plan still finds its cells, and does not bring the first plan back.
    apply(
        &mut live,
        ProbeId(1),
        &first,
        &batch(&first, &[row(1, BASE - 10_000)]),
        at,
    );
    let vantage = live.vantage(ProbeId(1)).unwrap();
    let cell = |name| vantage.cell(TargetId::of_node(name), STATUS4).unwrap();
    let runs = |name| cell(name).window().figures(at).runs();
    assert_eq!((runs("a"), runs("b"), runs("c")), (1, 3, 1));
    assert_eq!(
        (cell("a").planned, cell("b").planned, cell("c").planned),
        (false, true, true)
    );
    assert_eq!(vantage.plan.number, 2);
}

#[test]
fn failure_keeps_phase_cause_and_text_verbatim() {
    let plan = plan(1, &[("a", STATUS4)]);
    let mut live = Live::new();
    let rows = [endpoint(
        0,
        BASE,
        failed(FailureCause::Refused),
        CacheState::Absent,
    )];
    apply(
        &mut live,
        ProbeId(1),
        &plan,
        &batch(&plan, &rows),
        UnixMillis(BASE),
    );
    let cell = live
        .vantage(ProbeId(1))
        .unwrap()
        .cell(TargetId::of_node("a"), STATUS4)
        .unwrap();
    let failure = cell.endpoint().unwrap().failure.as_ref().unwrap();
    assert_eq!(
        (failure.phase, failure.cause, failure.text.as_str()),
        (Phase::Connect, FailureCause::Refused, "verbatim")
    );
}

/// Takes a batch in as the monitor does: read by what is known of its probe's clock.
fn by_its_clock(clocks: &mut Clocks, live: &mut Live, plan: &Plan, (batch, received): (&Batch, UnixMillis)) {
    let probe = ProbeId(1);
    let change = clocks.noted(probe, &batch.header, received);
    if change.is_some_and(|change| change.is_set) {
        live.start_anew(probe);
    }
    let date = |slot| clocks.date(probe, slot, received);
    let epoch = batch.header.epoch;
    live.apply((probe, plan, epoch), &Dated::of(batch, date), received);
}

/// A probe that was four minutes ahead, and then corrected: the slots of before were never newer than the present, and
/// what is measured since is the newest.
#[test]
fn slot_of_a_clock_that_is_ahead_never_leads_and_cells_start_anew_when_it_is_set() {
    let plan = plan(1, &[("berlin", STATUS4)]);
    let target = plan.targets[0].id;
    let (now, ahead_ms) = (1_000_000, 240_000);
    let (mut live, mut clocks) = (Live::new(), Clocks::default());
    let mut fast = batch(
        &plan,
        &[endpoint(0, now + ahead_ms - 1_000, ok(5, 5), CacheState::Absent)],
    );
    fast.header.cut = UnixMillis(now + ahead_ms);
    by_its_clock(&mut clocks, &mut live, &plan, (&fast, UnixMillis(now)));
    let newest = |live: &Live| {
        live.vantage(ProbeId(1))
            .unwrap()
            .cell(target, STATUS4)
            .unwrap()
            .newest()
    };
    assert_eq!(
        newest(&live),
        Some(UnixMillis(now - 1_000)),
        "by the collector's clock"
    );

    let refused = failed(FailureCause::Refused);
    let mut corrected = batch(&plan, &[endpoint(0, now + 9_000, refused, CacheState::Absent)]);
    corrected.header.cut = UnixMillis(now + 10_000);
    corrected.header.events = vec![Event::ClockStep {
        step_ms: -(ahead_ms as i64),
    }];
    by_its_clock(
        &mut clocks,
        &mut live,
        &plan,
        (&corrected, UnixMillis(now + 10_000)),
    );
    assert_eq!(newest(&live), Some(UnixMillis(now + 9_000)));
    let vantage = live.vantage(ProbeId(1)).unwrap();
    assert_eq!(vantage.last_slot, Some(UnixMillis(now + 9_000)));
    let cell = vantage.cell(target, STATUS4).unwrap();
    assert_eq!(cell.word(UnixMillis(now + 10_000)), Some(Finding::Bad));
    assert_eq!(cell.failures(), 1);
}

/// What is 45 s late by its slot is as fresh as the measured difference of the clocks makes it.
#[test]
fn slots_of_a_slow_clock_are_as_old_as_they_are() {
    let plan = plan(1, &[("berlin", STATUS4)]);
    let target = plan.targets[0].id;
    let now = UnixMillis(1_000_000);
    let row = endpoint(0, now.0 - 46_000, ok(5, 5), CacheState::Absent);
    let mut slow = batch(&plan, &[row]);
    slow.header.cut = UnixMillis(now.0 - 45_100);
    let is_fresh = |live: &Live| {
        let vantage = live.vantage(ProbeId(1)).unwrap();
        vantage.cell(target, STATUS4).unwrap().is_fresh(now)
    };
    let (mut live, mut clocks) = (Live::new(), Clocks::default());
    by_its_clock(&mut clocks, &mut live, &plan, (&slow, now));
    assert!(!is_fresh(&live), "nothing is known of its clock yet");
    clocks.measured(ProbeId(1), -45_000, UnixMillis(now.0 - 50_000));
    let mut next = batch(
        &plan,
        &[endpoint(0, now.0 - 45_500, ok(5, 5), CacheState::Absent)],
    );
    next.header.cut = UnixMillis(now.0 - 45_050);
    by_its_clock(&mut clocks, &mut live, &plan, (&next, now));
    assert!(is_fresh(&live));
    live.clock_stepped(600_000);
    assert!(
        !is_fresh(&live),
        "the collector's own clock was set: it starts anew"
    );
}

/// What a drained spool says of a clock is over long ago: neither the offset nor the cells are touched.
#[test]
fn step_that_a_backlog_brings_leaves_the_cells_as_they_are() {
    let plan = plan(1, &[("berlin", STATUS4)]);
    let target = plan.targets[0].id;
    let now = UnixMillis(10_000_000_000);
    let (mut live, mut clocks) = (Live::new(), Clocks::default());
    clocks.measured(ProbeId(1), 0, UnixMillis(now.0 - 60_000));
    let row = endpoint(0, now.0 - 1_000, ok(5, 5), CacheState::Absent);
    let mut fresh = batch(&plan, &[row]);
    fresh.header.cut = UnixMillis(now.0 - 500);
    by_its_clock(&mut clocks, &mut live, &plan, (&fresh, now));
    let hours_ago = now.0 - 9_000_000;
    let row = endpoint(0, hours_ago, ok(5, 5), CacheState::Absent);
    let mut backlog = batch(&plan, &[row]);
    backlog.header.cut = UnixMillis(hours_ago + 500);
    backlog.header.events = vec![Event::ClockStep { step_ms: -240_000 }];
    by_its_clock(&mut clocks, &mut live, &plan, (&backlog, now));
    let vantage = live.vantage(ProbeId(1)).unwrap();
    let cell = vantage.cell(target, STATUS4).unwrap();
    assert_eq!(cell.newest(), Some(UnixMillis(now.0 - 1_000)));
    assert!(cell.is_fresh(now));
    assert_eq!(clocks.date(ProbeId(1), now, now), Some(now));
}
