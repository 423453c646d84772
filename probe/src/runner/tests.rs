//! The driver and the recorder together, on paused time, with a prober that takes as long as it is told.

use std::collections::BTreeMap;
use std::sync::Mutex;

use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::ids::Sequence;
use isochrone_proto::measurement::{EchoOutcome, Stamp};
use isochrone_proto::plan::{PlannedCheck, Target, TargetAddress};
use rand::SeedableRng;

use super::*;
use crate::account::tests::plan_of;
use crate::disk::{Disk, MemoryDisk};
use crate::prober::{EchoPorts, ProberCounters};
use crate::recorder::{Recorded, Recorder, SharedSpool};
use crate::spool::{ItemKind, Spool, SpoolOptions};

const BASE: UnixMillis = UnixMillis(472_222 * 3_600_000);

/// Answers after `takes`, and remembers what it was asked.
struct SlowProber {
    takes: Mutex<Duration>,
    asked: Mutex<Vec<(UnixMillis, u64)>>,
    adopted: Mutex<u32>,
    counted: Mutex<ProberCounters>,
    clock: Clock,
}

impl Prober for SlowProber {
    async fn run(&self, _check: PlannedCheck, _target: Arc<Target>, slot: UnixMillis) -> Outcome {
        self.asked.lock().unwrap().push((slot, self.clock.wall_us()));
        let takes = *self.takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        let rtt = Micros::saturating(takes);
        Outcome::Echo(EchoOutcome::Replied {
            rtt,
            claimed_delay: Micros::default(),
            stamp: Stamp::Kernel,
            suspect: false,
        })
    }

    fn take_counters(&self) -> ProberCounters {
        std::mem::take(&mut *self.counted.lock().unwrap())
    }

    fn adopt(&self, _plan: &Plan) {
        *self.adopted.lock().unwrap() += 1;
    }

    fn echo_ports(&self) -> EchoPorts {
        EchoPorts::default()
    }

    fn source_ports(&self) -> Vec<u16> {
        vec![50_000]
    }
}

/// A runner and a recorder at work.
struct Bench {
    clock: Clock,
    prober: Arc<SlowProber>,
    spool: SharedSpool,
    commands: mpsc::Sender<Command>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Bench {
    fn start(plan: Option<Plan>) -> Self {
        let clock = Clock::simulated(BASE);
        let prober = Arc::new(SlowProber {
            takes: Mutex::new(Duration::from_millis(20)),
            asked: Mutex::default(),
            adopted: Mutex::default(),
            counted: Mutex::default(),
            clock: clock.clone(),
        });
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::new());
        let spool = SharedSpool::new(Spool::open(disk, SpoolOptions::default()).unwrap());
        let (records, entries) = mpsc::channel(1_024);
        let (commands, orders) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let runner = Runner::new(RunnerParts {
            clock: clock.clone(),
            rng: StdRng::seed_from_u64(5),
            prober: Arc::clone(&prober),
            stall: SelfStall::default(),
            plan: plan.map(Arc::new),
            records,
            following: watch::Sender::new(None),
        });
        let recorder = Recorder::new(
            spool.clone(),
            vec![50_000],
            watch::Sender::new(Recorded::default()),
        );
        let mut tasks = JoinSet::new();
        let stopped = stop.clone();
        tasks.spawn(async move { runner.run(orders, stopped).await.unwrap() });
        tasks.spawn(recorder.run(entries));
        Self {
            clock,
            prober,
            spool,
            commands,
            stop,
            tasks,
        }
    }

    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn takes(&self, time: Duration) {
        *self.prober.takes.lock().unwrap() = time;
    }

    async fn new_epoch(&self) -> EpochState {
        let (done, opened) = oneshot::channel();
        self.commands.send(Command::OpenEpoch(done)).await.unwrap();
        opened.await.unwrap()
    }

    /// Stops, and gives every batch of every epoch, oldest epoch first.
    async fn stop(mut self) -> Vec<Vec<Batch>> {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        let epochs: Vec<EpochId> = self
            .spool
            .with(|spool| spool.states().iter().map(|state| state.epoch).collect());
        epochs.into_iter().map(|epoch| self.batches(epoch)).collect()
    }

    fn batches(&self, epoch: EpochId) -> Vec<Batch> {
        let (mut batches, mut sent) = (Vec::new(), Sequence::NONE);
        while let Some(outgoing) = self.spool.with(|spool| spool.next_after(epoch, sent)).unwrap() {
            assert_eq!(outgoing.kind, ItemKind::Batch);
            sent = outgoing.last;
            batches.push(codec::decode_batch(&outgoing.payload).unwrap());
        }
        batches
    }
}

/// Invariant 2 on one epoch: counted slot by slot from the plans, each is a row or in one skipped range, and
/// the last cumulative counts say the same.
fn check_ledger(
    batches: &[Batch],
    plans: &[&Plan],
    end: Option<UnixMillis>,
) -> (u64, BTreeMap<SkipCause, u64>) {
    let plan_of = |version| *plans.iter().find(|plan| plan.version == version).unwrap();
    let mut adoptions: Vec<_> = batches.iter().map(|batch| batch.header.adopted).collect();
    adoptions.dedup();
    let last = &batches.last().unwrap().header;
    assert!(last.events.contains(&Event::Closed));
    let mut fates: BTreeMap<(u64, u16, UnixMillis), u32> = BTreeMap::new();
    let (mut rows, mut skipped) = (0, BTreeMap::new());
    for batch in batches {
        let plan = batch.header.plan;
        for (check, slot) in batch.slots() {
            *fates.entry((plan.number, check, slot)).or_default() += 1;
            assert!(slot < batch.header.cut);
            rows += 1;
        }
        for range in &batch.header.skipped {
            let schedule = plan_of(plan).checks[usize::from(range.check)].schedule;
            for n in 0..u64::from(range.count) {
                let slot = UnixMillis(range.first_slot.0 + n * u64::from(schedule.interval_ms()));
                *fates.entry((plan.number, range.check, slot)).or_default() += 1;
            }
            *skipped.entry(range.cause).or_default() += u64::from(range.count);
        }
    }
    let end = end.unwrap_or(last.cut);
    for (index, adoption) in adoptions.iter().enumerate() {
        let plan = plan_of(adoption.version);
        let next = adoptions.get(index + 1).map_or(end, |next| next.first_slot);
        for (number, check) in plan.checks.iter().enumerate() {
            let mut slot = check.schedule.first_from(adoption.first_slot);
            while slot < next.min(end).min(plan.expires) {
                let fate = fates.remove(&(adoption.version.number, number as u16, slot));
                assert_eq!(
                    fate,
                    Some(1),
                    "slot {slot:?} of check {number} in plan {}",
                    adoption.version
                );
                slot = check.schedule.after(slot);
            }
        }
    }
    assert!(fates.is_empty(), "more than was planned: {fates:?}");
    let mut hours = BTreeMap::new();
    for count in batches.iter().flat_map(|batch| &batch.header.hours) {
        hours.insert(count.hour, *count);
    }
    let total: u64 = skipped.values().sum();
    assert_eq!(hours.values().map(|count| count.run).sum::<u64>(), rows);
    assert_eq!(hours.values().map(|count| count.skipped).sum::<u64>(), total);
    assert_eq!(hours.values().map(|count| count.pending).sum::<u64>(), 0);
    (rows, skipped)
}

fn hourly() -> Plan {
    plan_of(
        1,
        &[(1_000, 130, 500), (700, 20, 500), (5_000, 900, 2_000)],
        UnixMillis(BASE.0 + 86_400_000),
    )
}

#[tokio::test(start_paused = true)]
async fn every_slot_is_accounted_for_over_an_hour_and_a_stop() {
    let plan = hourly();
    let bench = Bench::start(Some(plan.clone()));
    bench.pass(Duration::from_secs(3_700)).await;
    let epochs = bench.stop().await;
    let (rows, skipped) = check_ledger(&epochs[0], &[&plan], None);
    assert!(rows > 3_700 + 5_200 + 700, "{rows}");
    assert!(!skipped.contains_key(&SkipCause::Late) && !skipped.contains_key(&SkipCause::Overlap));
    let header = &epochs[0][0].header;
    assert_eq!(
        (header.sequence, header.source_ports.as_slice()),
        (Sequence(1), &[50_000][..])
    );
}

#[tokio::test(start_paused = true)]
async fn runs_start_at_slot_plus_jitter() {
    let plan = hourly();
    let bench = Bench::start(Some(plan.clone()));
    bench.pass(Duration::from_secs(60)).await;
    let asked = bench.prober.asked.lock().unwrap().clone();
    assert!(asked.len() > 100);
    for (slot, started_us) in asked {
        let late = started_us - slot.0 * 1_000;
        assert!(late < 52_000, "slot {slot:?} started {late} us after it"); // 1 % of 5 s, and a timer's 1 ms
    }
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn suspension_is_skipped_as_late_without_a_storm() {
    let plan = hourly();
    let bench = Bench::start(Some(plan.clone()));
    bench.pass(Duration::from_secs(10)).await;
    bench.prober.asked.lock().unwrap().clear();
    bench.clock.simulate_suspension(Duration::from_secs(7_200));
    bench.pass(Duration::from_secs(1)).await;
    let at_once = bench.prober.asked.lock().unwrap().len();
    assert!(
        at_once <= 8,
        "{at_once} runs in the second after the machine woke"
    );
    bench.pass(Duration::from_secs(10)).await;
    let epochs = bench.stop().await;
    assert_eq!(epochs.len(), 1, "a suspension is no clock step");
    let (_, skipped) = check_ledger(&epochs[0], &[&plan], None);
    assert!(skipped[&SkipCause::Late] > 7_200 + 10_000, "{skipped:?}");
}

#[tokio::test(start_paused = true)]
async fn slow_runs_overlap_up_to_their_timeout_only() {
    let plan = hourly();
    let bench = Bench::start(Some(plan.clone()));
    bench.takes(Duration::from_millis(1_900));
    bench.pass(Duration::from_secs(60)).await;
    let epochs = bench.stop().await;
    let (rows, skipped) = check_ledger(&epochs[0], &[&plan], None);
    assert!(
        skipped[&SkipCause::Overlap] > 40 && rows > 50,
        "{rows} {skipped:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn runs_that_never_end_are_given_up() {
    let plan = hourly();
    let bench = Bench::start(Some(plan.clone()));
    bench.takes(Duration::from_secs(100_000));
    bench.pass(Duration::from_secs(60)).await;
    let epochs = bench.stop().await;
    let (rows, skipped) = check_ledger(&epochs[0], &[&plan], None);
    assert!(rows > 20, "given up after their timeout");
    assert!(
        skipped[&SkipCause::Shutdown] > 0,
        "under way at the stop: {skipped:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn new_plan_takes_over_at_its_first_slot() {
    let (old, mut new) = (
        hourly(),
        plan_of(2, &[(500, 3, 400)], UnixMillis(BASE.0 + 86_400_000)),
    );
    let bench = Bench::start(Some(old.clone()));
    bench.pass(Duration::from_secs(20)).await;
    bench
        .commands
        .send(Command::Adopt(Arc::new(new.clone())))
        .await
        .unwrap();
    bench
        .commands
        .send(Command::Adopt(Arc::new(old.clone())))
        .await
        .unwrap(); // a probe never goes back
    bench.pass(Duration::from_secs(20)).await;
    new.version.number = 3;
    let third = new.clone();
    bench
        .commands
        .send(Command::Adopt(Arc::new(third.clone())))
        .await
        .unwrap();
    new.version.number = 2;
    bench.pass(Duration::from_secs(20)).await;
    assert_eq!(*bench.prober.adopted.lock().unwrap(), 3);
    let epochs = bench.stop().await;
    check_ledger(&epochs[0], &[&old, &new, &third], None);
}

#[tokio::test(start_paused = true)]
async fn plans_that_come_quickly_are_all_told() {
    let plans: Vec<Plan> = (1..6)
        .map(|number| plan_of(number, &[(300, 3, 200)], UnixMillis(BASE.0 + 86_400_000)))
        .collect();
    let bench = Bench::start(None);
    for plan in &plans {
        bench
            .commands
            .send(Command::Adopt(Arc::new(plan.clone())))
            .await
            .unwrap();
    }
    bench.pass(Duration::from_secs(40)).await;
    let epochs = bench.stop().await;
    check_ledger(&epochs[0], &plans.iter().collect::<Vec<_>>(), None);
    let mut told: Vec<u64> = epochs[0]
        .iter()
        .map(|batch| batch.header.adopted.version.number)
        .collect();
    told.dedup();
    assert_eq!(told, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn expired_plan_stops_the_runs_and_leaves_the_responder() {
    let plan = plan_of(1, &[(1_000, 0, 500)], UnixMillis(BASE.0 + 30_000));
    let bench = Bench::start(Some(plan.clone()));
    bench.pass(Duration::from_secs(90)).await;
    let runs = bench.prober.asked.lock().unwrap().len();
    assert_eq!(
        *bench.prober.adopted.lock().unwrap(),
        1,
        "the responder's plan stays"
    );
    let epochs = bench.stop().await;
    let (rows, skipped) = check_ledger(&epochs[0], &[&plan], None);
    assert_eq!((rows as usize, runs), (29, 29)); // 1 to 29 s
    assert!(skipped.is_empty());
}

#[tokio::test(start_paused = true)]
async fn clock_steps_open_epochs_and_no_slot_runs_twice_in_one() {
    let plan = hourly();
    let bench = Bench::start(Some(plan.clone()));
    bench.takes(Duration::from_millis(400));
    for step in [3_600_000, -3_600_000, -7_200_000] {
        bench.pass(Duration::from_secs(33)).await;
        bench.clock.simulate_step(step);
    }
    bench.pass(Duration::from_secs(33)).await;
    let epochs = bench.stop().await;
    assert_eq!(epochs.len(), 4);
    for (index, batches) in epochs.iter().enumerate() {
        let (rows, _) = check_ledger(batches, &[&plan], None);
        assert!(rows > 50, "{rows}");
        let steps: Vec<&Event> = batches[0]
            .header
            .events
            .iter()
            .filter(|event| matches!(event, Event::ClockStep { .. }))
            .collect();
        assert_eq!(
            steps.len(),
            usize::from(index > 0),
            "{:?}",
            batches[0].header.events
        );
    }
}

#[tokio::test(start_paused = true)]
async fn new_epoch_begins_where_the_old_one_ends() {
    let plan = hourly();
    let bench = Bench::start(Some(plan.clone()));
    bench.takes(Duration::from_millis(450));
    bench.pass(Duration::from_secs(30)).await;
    let state = bench.new_epoch().await;
    assert_eq!(bench.spool.current().unwrap().epoch, state.epoch);
    bench.pass(Duration::from_secs(30)).await;
    let epochs = bench.stop().await;
    assert_eq!(epochs.len(), 2);
    check_ledger(&epochs[0], &[&plan], Some(state.first_slot));
    check_ledger(&epochs[1], &[&plan], None);
    assert_eq!(epochs[1][0].header.adopted.first_slot, state.first_slot);
}

#[tokio::test(start_paused = true)]
async fn peer_without_a_key_is_skipped_and_never_lost() {
    let mut plan = hourly();
    if let TargetAddress::Peer { key, .. } = &mut plan.targets[1].address {
        *key = None;
    }
    let bench = Bench::start(Some(plan.clone()));
    bench.pass(Duration::from_secs(70)).await;
    let asked = bench.prober.asked.lock().unwrap().len();
    let epochs = bench.stop().await;
    let (rows, skipped) = check_ledger(&epochs[0], &[&plan], None);
    let keyless = |batch: &Batch| batch.slots().any(|(check, _)| check == 1);
    assert!(!epochs[0].iter().any(keyless), "a result without a key");
    assert!(skipped[&SkipCause::NoKey] >= 99, "{skipped:?}"); // every 700 ms for 70 s
    assert!(rows >= 80 && asked as u64 >= rows, "{rows} of {asked}");
}

/// Drift below the step's second goes with the next epoch, forward or back, and no slot lies in two epochs.
#[tokio::test(start_paused = true)]
async fn new_epoch_is_anchored_at_the_wall_clock() {
    for drift_ms in [900_i64, -900] {
        let plan = hourly();
        let bench = Bench::start(Some(plan.clone()));
        bench.takes(Duration::from_millis(450));
        bench.pass(Duration::from_secs(30)).await;
        bench.clock.simulate_step(drift_ms);
        bench.pass(Duration::from_secs(30)).await;
        assert_eq!(bench.clock.wall(), BASE.plus(Duration::from_secs(60)), "no step");
        let state = bench.new_epoch().await;
        bench.pass(Duration::from_secs(30)).await;
        let elapsed = BASE.plus(Duration::from_secs(90));
        assert_eq!(bench.clock.wall().0, elapsed.0.saturating_add_signed(drift_ms));
        assert!(state.first_slot > BASE.plus(Duration::from_secs(60)));
        let epochs = bench.stop().await;
        assert_eq!(epochs.len(), 2);
        check_ledger(&epochs[0], &[&plan], Some(state.first_slot));
        let (rows, _) = check_ledger(&epochs[1], &[&plan], None);
        assert!(rows > 60, "{rows}");
    }
}

#[tokio::test(start_paused = true)]
async fn batch_is_closed_a_second_after_its_first_result() {
    // one run every 5 s, ending at an odd moment between two ticks
    let plan = plan_of(1, &[(5_000, 700, 2_000)], UnixMillis(BASE.0 + 86_400_000));
    let bench = Bench::start(Some(plan));
    let mut batches = Sequence::NONE;
    let (mut ran, mut waited) = (0, Vec::new());
    for milli in 0..30_000_u64 {
        bench.pass(Duration::from_millis(1)).await;
        let asked = bench.prober.asked.lock().unwrap().len();
        if asked > ran {
            (ran, batches) = (asked, last_batch(&bench));
            waited.push((milli, 0));
        }
        if let Some((began, closed)) = waited.last_mut().filter(|(_, closed)| *closed == 0)
            && last_batch(&bench) > batches
        {
            *closed = milli - *began;
        }
    }
    assert!(waited.len() >= 5, "{waited:?}");
    // the first batch tells the adoption and does not wait; the last may still wait
    for (_, closed) in &waited[1..waited.len() - 1] {
        assert!((1_000..1_060).contains(closed), "{waited:?}"); // 20 ms of the run, and timers' 1 ms
    }
    bench.stop().await;
}

#[tokio::test(start_paused = true)]
async fn last_counts_are_told_before_the_stop() {
    let bench = Bench::start(Some(hourly()));
    bench.pass(Duration::from_millis(10_300)).await;
    bench.prober.counted.lock().unwrap().late_replies = 3;
    let epochs = bench.stop().await;
    let events = epochs[0].iter().flat_map(|batch| &batch.header.events);
    let told: Vec<&Event> = events.filter(|event| !matches!(event, Event::Closed)).collect();
    assert_eq!(told, [&Event::LateReplies { count: 3 }]);
}

fn last_batch(bench: &Bench) -> Sequence {
    bench.spool.current().map_or(Sequence::NONE, |state| state.last)
}
