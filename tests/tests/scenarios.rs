//! Named accidents on the simulated mesh, each with what must come of it. Random ones: `world.rs`.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "scenarios/clocks.rs"]
mod clocks;
#[path = "scenarios/copies.rs"]
mod copies;
#[path = "scenarios/revocation.rs"]
mod revocation;
#[path = "scenarios/store.rs"]
mod store;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use isochrone_gate::events::GateEventKind;
use isochrone_planner::pace::Budget;
use isochrone_probe::disk::Disk as _;
use isochrone_probe::spool::SpoolOptions;
use isochrone_proto::ids::{EpochId, ProbeId, TargetId};
use isochrone_proto::known::Known;
use isochrone_proto::ledger::Event;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::quarantined;
use isochrone_store::ledger;
use isochrone_store::{ScanRange, Stored};
use isochrone_tests::world::headquarters::HOSTS;
use isochrone_tests::world::network::Link;
use isochrone_tests::world::watch::WATCHED;
use isochrone_tests::world::{Scale, World, on_virtual_time, targets};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The mesh's own words, where `RUST_LOG` asks for them.
fn trace() {
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_default_env() {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_test_writer()
            .try_init()
            .ok();
    }
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

fn scale(probes: u8) -> Scale {
    Scale {
        probes,
        ..Scale::default()
    }
}

/// A mesh whose probes are connected and have measured for a while.
/// Of a mesh whose collector judges, tells and shows a page.
fn with_page(probes: u8) -> Scale {
    Scale {
        watch: Some(WATCHED.to_owned()),
        ..scale(probes)
    }
}

async fn running(seed: u64, scale: &Scale) -> World {
    trace();
    let world = World::new(seed, scale).await;
    let all = |world: &World| (0..world.machines.len()).all(|machine| world.is_connected(machine));
    world.until("every probe is connected", seconds(30), all).await;
    pass(seconds(12)).await;
    world
}

async fn judge(mut world: World) {
    let faults = world.heal_and_judge().await;
    assert!(faults.is_empty(), "\n{faults}");
}

fn batches(world: &World, probe: ProbeId) -> Vec<Stored> {
    let range = ScanRange {
        probe: Some(probe),
        ..ScanRange::default()
    };
    let mut batches = Vec::new();
    let store = &world.collector.process().store;
    let scanned = store.scan(range, |stored| {
        batches.push(stored);
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    batches
}

fn epochs(world: &World, probe: ProbeId) -> BTreeSet<EpochId> {
    batches(world, probe).iter().map(|stored| stored.epoch).collect()
}

fn totals(world: &World) -> ledger::Totals {
    let now = world.collector.clock.wall();
    ledger::read(&world.collector.process().store, now)
        .unwrap()
        .totals()
}

fn planned_of(world: &World, probe: ProbeId) -> u64 {
    let now = world.collector.clock.wall();
    let rows = ledger::rows(&world.collector.process().store, now).unwrap();
    let own = rows.iter().filter(|row| row.probe == probe);
    own.map(|row| row.planned).sum()
}

/// The page says of what is lost, refused, forked and revoked what the ledger says: no less than when the page's sums
/// were drawn up at the earliest, no more than now. What is still under way moves with the time.
async fn page_agrees(world: &World) {
    let sums = |ledger: &ledger::Ledger| {
        let it = ledger.totals();
        [it.dropped, it.damaged, it.revoked, it.refused, it.forked]
    };
    let ledger = || ledger::read(&world.collector.process().store, world.collector.clock.wall()).unwrap();
    let before = sums(&ledger());
    pass(seconds(4)).await; // the page's sums are drawn up every three seconds
    let views = world.collector.process().context.views.as_ref();
    let page = views.expect("a watched mesh has a page").borrow().ledger.clone();
    let now = ledger();
    let after = sums(&now);
    assert_eq!(page.balanced, now.is_balanced());
    let page = [
        page.dropped,
        page.damaged,
        page.revoked,
        page.refused,
        page.forked,
    ];
    let is_between = (0..page.len()).all(|part| before[part] <= page[part] && page[part] <= after[part]);
    assert!(is_between, "{before:?} {page:?} {after:?}");
}

fn happened(world: &World, probe: ProbeId, kind: impl Fn(&GateEventKind) -> bool) -> bool {
    let events = world.collector.events.lock().unwrap();
    events.iter().any(|(whose, what)| *whose == probe && kind(what))
}

#[test]
fn calm_mesh_stores_every_run() {
    on_virtual_time(async {
        let mut world = running(1, &scale(3)).await;
        pass(seconds(60)).await;
        let faults = world.heal_and_judge().await;
        assert!(faults.is_empty(), "\n{faults}");
        let stored: u64 = world
            .machines
            .iter()
            .map(|machine| world.stored(machine.probe))
            .sum();
        assert_eq!(
            stored,
            world.record.runs(),
            "nothing was ever down: each run is stored"
        );
        assert!(stored > 500, "{stored}");
    });
}

/// Many small batches: three nodes and every peer several times a second.
fn busy() -> Scale {
    let mut busy = Scale::default();
    busy.pace.echo_interval = Duration::from_millis(100);
    busy.pace.connect_interval = seconds(1);
    busy.pace.budget = Budget {
        status: 180,
        asset: 360,
        connect: 360,
        throughput: 0,
    };
    busy.targets = targets(&["berlin", "oslo", "lima"]);
    busy
}

#[test]
fn full_spool_drops_the_oldest_and_the_ledger_names_it() {
    on_virtual_time(async {
        let mut world = World::empty(8, &busy());
        for _ in 0..2 {
            let machine = world.add_machine().await;
            world.machines[machine].spool = SpoolOptions { bytes_max: 64 << 10 };
            world.start(machine);
        }
        pass(seconds(10)).await;
        let probes: Vec<ProbeId> = world.machines.iter().map(|machine| machine.probe).collect();
        probes.into_iter().for_each(|probe| world.record.may_drop(probe));
        world.cut(0, true);
        pass(seconds(400)).await;
        let status = world.machines[0].status().unwrap();
        assert!(
            status.ledger.dropped > 0,
            "the probe knows what it dropped: {:?}",
            status.ledger
        );
        assert!(status.spool.bytes <= status.spool.bytes_max, "{:?}", status.spool);
        world.cut(0, false);
        world
            .until("the spool is drained", seconds(200), |world| world.is_settled(0))
            .await;
        pass(seconds(3)).await;
        let dropped = |machine: usize| world.machines[machine].status().unwrap().ledger.dropped;
        let (totals, told) = (totals(&world), dropped(0) + dropped(1));
        assert_eq!(totals.dropped, told, "{totals:?}");
        judge(world).await;
    });
}

#[test]
fn revoked_probe_is_cut_off_at_once_and_stays_out() {
    on_virtual_time(async {
        let mut world = running(9, &scale(3)).await;
        let revoked = world.machines[0].probe;
        world.collector.revoke(revoked);
        pass(Duration::from_millis(200)).await;
        assert!(
            world.collector.process().sessions.view(revoked).is_none(),
            "closed at once"
        );
        let at = world.collector.clock.wall();
        let (stored, planned) = (world.stored(revoked), planned_of(&world, revoked));
        pass(seconds(60)).await;
        let stopped = |world: &World| world.record.last_slot(revoked).unwrap() <= at;
        assert!(stopped(&world), "it was told to stop at once");
        let status = world.machines[0].status().unwrap();
        assert_eq!(status.plan, None, "its plan has ended");
        assert_eq!(world.machines[0].answers().unwrap(), [], "and it answers nobody");
        assert_eq!(
            planned_of(&world, revoked),
            planned,
            "nothing is planned of it since"
        );
        let rows = ledger::rows(&world.collector.process().store, world.collector.clock.wall()).unwrap();
        assert!(rows.iter().all(|row| row.balanced), "{rows:?}");
        assert!(!batches(&world, revoked).iter().any(|stored| {
            let mut slots = stored.batch.slots();
            slots.any(|(_, slot)| slot >= at)
        }));
        assert!(world.collector.process().sessions.view(revoked).is_none());
        assert_eq!(world.stored(revoked), stored, "nothing of it is taken any more");
        let trouble = world.machines[0].status().unwrap().trouble.unwrap();
        assert!(trouble.contains("revoked"), "{trouble}");
        for machine in &world.machines[1..] {
            assert!(
                !machine.answers().unwrap().contains(&revoked),
                "no responder answers it any more"
            );
            let peers = batches(&world, machine.probe).pop().unwrap().plan.targets.clone();
            assert!(
                !peers.iter().any(|target| target.id == TargetId::of_peer(revoked)),
                "nobody measures it"
            );
        }
        world.machines[0].stop().await;
        world.start(0);
        pass(seconds(20)).await;
        assert!(stopped(&world), "nor does a new process measure");
        world.machines[0].kill().await;
        world.machines.remove(0);
        world
            .until("the others go on", seconds(10), |world| {
                world.is_settled(0) && world.is_settled(1)
            })
            .await;
    });
}

#[test]
fn absence_of_more_than_a_minute_opens_an_epoch_whose_results_do_not_wait() {
    on_virtual_time(async {
        let world = running(10, &scale(2)).await;
        let probe = world.machines[0].probe;
        let before = epochs(&world, probe);
        world.cut(0, true);
        pass(seconds(900)).await;
        world.network.set_every_link(Link {
            delay: Duration::from_millis(300),
            jitter: Duration::from_millis(50),
            loss: 0.02,
        });
        world.cut(0, false);
        world
            .until("the backlog is drained", seconds(300), |world| {
                world.is_settled(0)
            })
            .await;
        let batches = batches(&world, probe);
        let new: BTreeSet<EpochId> = batches
            .iter()
            .map(|stored| stored.epoch)
            .filter(|epoch| !before.contains(epoch))
            .collect();
        assert_eq!(new.len(), 1, "one absence, one epoch");
        let first_live = batches
            .iter()
            .position(|stored| new.contains(&stored.epoch))
            .unwrap();
        let last_old = batches
            .iter()
            .rposition(|stored| before.contains(&stored.epoch))
            .unwrap();
        assert!(
            last_old - first_live > 100,
            "live results came at {first_live}, the backlog ended at {last_old}"
        );
        judge(world).await;
    });
}

#[test]
fn short_absence_goes_on_in_the_same_epoch() {
    on_virtual_time(async {
        let world = running(11, &scale(2)).await;
        let probe = world.machines[0].probe;
        world.cut(0, true);
        pass(seconds(40)).await;
        world.cut(0, false);
        world
            .until("it is back", seconds(60), |world| world.is_settled(0))
            .await;
        pass(seconds(5)).await;
        assert_eq!(epochs(&world, probe).len(), 1);
        judge(world).await;
    });
}

#[test]
fn expired_plan_stops_the_probing_and_not_the_answering() {
    on_virtual_time(async {
        let mut long_gone = scale(2);
        long_gone.pace.plan_lifetime = seconds(240);
        let mut world = running(12, &long_gone).await;
        let probe = world.machines[0].probe;
        world.collector.crash(1).await;
        let expires = UnixMillis(world.machines[0].status().unwrap().plan.unwrap().expires_ms);
        pass(seconds(400)).await;
        let last = world.record.last_slot(probe).unwrap();
        assert!(
            last < expires && expires.since(last) < seconds(3),
            "the last run at {last:?}, the plan's end at {expires:?}"
        );
        assert!(world.machines[0].status().unwrap().plan.unwrap().expired);
        let peer = world.machines[1].probe;
        assert!(
            world.machines[0].answers().unwrap().contains(&peer),
            "it still answers its peers"
        );
        world.start_collector();
        world
            .until("a new plan is followed", seconds(120), |world| {
                world.record.last_slot(probe) > Some(expires)
            })
            .await;
        judge(world).await;
    });
}

#[test]
fn stepped_clock_opens_an_epoch_that_says_so() {
    on_virtual_time(async {
        let world = running(13, &scale(2)).await;
        let probe = world.machines[0].probe;
        for by_ms in [100_000, -100_000] {
            let known = epochs(&world, probe);
            world.machines[0].clock.simulate_step(by_ms);
            pass(seconds(30)).await; // what was under way may take as long
            let batches = batches(&world, probe);
            let first = batches
                .iter()
                .find(|stored| !known.contains(&stored.epoch))
                .expect("a new epoch");
            let step = first.batch.header.events.iter().find_map(|event| match event {
                Event::ClockStep { step_ms } => Some(*step_ms),
                _ => None,
            });
            assert_eq!(step, Some(by_ms), "{:?}", first.batch.header);
            let closed = batches.iter().any(|stored| {
                known.contains(&stored.epoch) && stored.batch.header.events.contains(&Event::Closed)
            });
            assert!(closed, "the epoch before is closed");
        }
        judge(world).await;
    });
}

#[test]
fn probe_moves_on_to_the_other_address_when_one_is_away() {
    on_virtual_time(async {
        let world = running(14, &scale(2)).await;
        let at = |world: &World, place: usize| {
            let collector = world.machines[0].status().unwrap().collector;
            collector.is_some_and(|address| address.starts_with(&HOSTS[place].to_string()))
        };
        assert!(at(&world, 0));
        let host = world.machines[0].host;
        world.network.set_cut(host, HOSTS[0], true);
        world
            .until("it is connected by the other route", seconds(90), |world| {
                at(world, 1)
            })
            .await;
        world.network.set_cut(host, HOSTS[1], true);
        world.network.set_cut(host, HOSTS[0], false);
        world
            .until("it is back on the first route", seconds(90), |world| at(world, 0))
            .await;
        judge(world).await;
    });
}

/// A clock ten minutes ahead: what it measures is refused, kept apart and counted, and what comes after it, with
/// the clock right again, is stored.
#[test]
fn refused_batch_is_quarantined_and_blocks_nothing() {
    on_virtual_time(async {
        let world = running(15, &scale(2)).await;
        let probe = world.machines[0].probe;
        world.record.may_refuse(probe);
        world.machines[0].clock.simulate_step(600_000);
        pass(seconds(10)).await;
        let refused = quarantined(&world.collector.process().store).unwrap();
        assert!(refused.total > 0);
        assert!(
            refused
                .kept
                .iter()
                .all(|(refused, raw)| refused.probe == probe.to_string() && !raw.is_empty()),
            "kept raw"
        );
        let stored = world.stored(probe);
        world.machines[0].clock.simulate_step(-600_000);
        pass(seconds(10)).await;
        assert!(world.stored(probe) > stored, "what follows is stored");
        assert!(world.is_settled(0), "and nothing is held up");
        let refusals = world.machines[0].status().unwrap().ledger.refused_batches;
        let refused = quarantined(&world.collector.process().store).unwrap();
        assert_eq!(refusals, refused.total, "the probe knows of each");
        judge(world).await;
    });
}

/// Fifty probes whose collector was away for minutes come back spread over time.
#[test]
fn stampede_comes_back_with_jitter() {
    on_virtual_time(async {
        let mut many = scale(50);
        many.pace.echo_interval = seconds(60);
        many.targets = String::new();
        let mut world = World::new(16, &many).await;
        let connected = |world: &World| world.collector.process().sessions.list().len();
        world
            .until("all are connected", seconds(60), |world| connected(world) == 50)
            .await;
        world.collector.crash(1).await;
        pass(seconds(240)).await;
        world.start_collector();
        world
            .until("all are back", seconds(90), |world| connected(world) == 50)
            .await;
        let sessions = world.collector.process().sessions.list();
        let mut since: Vec<u64> = sessions.iter().map(|session| session.since.0).collect();
        since.sort_unstable();
        let most = since
            .iter()
            .map(|from| {
                since
                    .iter()
                    .filter(|at| (*from..*from + 1_000).contains(at))
                    .count()
            })
            .max();
        assert!(most.unwrap() <= 25, "{most:?} of 50 within one second: {since:?}");
        assert!(since[49] - since[0] > 15_000, "{since:?}");
        judge(world).await;
    });
}

/// Nobody is sent what they did not announce: an older release gets a plan without the kind that it does not know, and
/// both the newest plan's summary and the registry (`probe list`) say so.
#[test]
fn probe_without_connect_gets_a_plan_without_it_and_the_collector_says_so() {
    on_virtual_time(async {
        trace();
        let mut world = World::new(40, &scale(2)).await;
        let older = world.add_machine().await;
        world.machines[older]
            .known
            .kinds
            .retain(|kind| !kind.starts_with("connect"));
        world.start(older);
        pass(seconds(30)).await;
        let kinds = |world: &World, machine: usize| -> BTreeSet<String> {
            let probe = world.machines[machine].probe;
            let kinds = batches(world, probe).into_iter().flat_map(|stored| {
                let plan = Arc::clone(&stored.plan);
                let kinds = stored.batch.measurements();
                let kinds = kinds.map(|row| plan.checks[usize::from(row.check)].kind.to_string());
                kinds.collect::<Vec<_>>()
            });
            kinds.collect()
        };
        assert!(kinds(&world, 0).contains("connect4"), "{:?}", kinds(&world, 0));
        let measured = kinds(&world, older);
        assert!(
            measured.contains("echo4") && measured.contains("status4") && !measured.contains("connect4"),
            "{measured:?}"
        );
        assert_eq!(world.machines[older].status().unwrap().trouble, None);
        let process = world.collector.process();
        let record = process.registry.probe(world.machines[older].probe).unwrap();
        let unread: Vec<String> = record.unread_kinds().iter().map(ToString::to_string).collect();
        assert_eq!(unread, ["connect4", "connect6"]);
        let limits = process.plans.summary().borrow().limits.clone();
        let [withheld] = &limits.withheld[..] else {
            panic!("{limits:?}");
        };
        assert_eq!(withheld.probe, record.name);
        assert!(withheld.kinds.iter().any(|kind| kind.to_string() == "connect4"));

        // Updated, it gets all of them.
        world.machines[older].stop().await;
        world.machines[older].known = Known::of_this_build();
        world.start(older);
        let all = |world: &World| kinds(world, older).contains("connect4");
        world.until("connections are measured", seconds(60), all).await;
        let summary = world.collector.process().plans.summary();
        assert!(summary.borrow().limits.withheld.is_empty());
        judge(world).await;
    });
}
