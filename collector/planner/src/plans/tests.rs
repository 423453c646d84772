use std::path::Path;
use std::sync::mpsc;

use isochrone_gate::events::GateEvents;
use isochrone_gate::registry::{Access, ProbeRecord, ProbeState, RegistryParts};
use isochrone_proto::echo::{KeyEpoch, ResponderSecret};
use isochrone_proto::ids::{KeyHash, TargetId};
use isochrone_proto::plan::{PlannedCheck, ResponderPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;
use isochrone_store::{Records, StoreOptions};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

const NOW: UnixMillis = UnixMillis(1_795_344_000_000);
const PROBE: ProbeId = ProbeId(7);

/// Plans over the probes of `store`'s registry and these nodes.
fn plans_of(store: &Store, folder: &Path, targets: watch::Receiver<Arc<Targets>>) -> Plans {
    let authority = Authority::open(folder, NOW, &mut StdRng::seed_from_u64(1)).unwrap();
    let clock = Clock::virtual_from(NOW);
    let registry = Registry::open(RegistryParts {
        store: store.clone(),
        authority: authority.clone(),
        clock: clock.clone(),
        events: GateEvents::channel().0,
        addresses: vec!["127.0.0.1:7470".to_owned()],
        seed: [1; 32],
    })
    .unwrap();
    Plans::open(PlanParts {
        addresses: AddressBook::open(store).unwrap(),
        store: store.clone(),
        authority,
        registry,
        sessions: Sessions::default(),
        targets,
        pace: Pace::default(),
        clock,
    })
    .unwrap()
}

fn plans(folder: &Path) -> Plans {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    plans_of(&store, folder, watch::Sender::new(Arc::default()).subscribe())
}

/// Joins probes of these numbers, each in a network of its own.
fn join(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    let records = Records::new(store.clone(), "probes");
    for number in numbers {
        let record = ProbeRecord {
            id: ProbeId(number),
            name: format!("p{number}"),
            worker: format!("worker-{number}"),
            site: "Paris, FR".to_owned(),
            latitude: 48.85,
            longitude: 2.35,
            country: Some("FR".to_owned()),
            network: Some(number as u32),
            access: Access::DataCentre,
            key: KeyHash([number as u8; 32]),
            state: ProbeState::Active,
            joined: NOW,
            leaf_expires: UnixMillis(u64::MAX),
            secrets: Vec::new(),
            announced: None,
            known_secret: None,
        };
        records.put(&record.id.to_string(), &record).unwrap();
    }
}

fn nodes(asset: &str) -> Arc<Targets> {
    let node = |name: &str, asset: &str| {
        format!(
            "[[node]]\nnode = \"{name}\"\nkind = \"argus\"\nurl = \"https://{name}.example.org/\"\n\
             worker = \"w\"\nplace = \"Berlin, DE\"\nasset = \"{asset}\"\n"
        )
    };
    let text = node("berlin", asset) + &node("oslo", "1");
    Arc::new(Targets::parse(&text, Path::new("targets.toml")).unwrap())
}

fn draft() -> Draft {
    Draft {
        targets: Vec::new(),
        checks: Vec::new(),
        responder: ResponderPlan::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn plan_numbered_before_a_higher_one_turned_up_is_not_put_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let plans = plans(folder.path());
    let (overtaken, _) = plans.number(vec![(PROBE, draft())]).unwrap();
    let higher = PlanVersion {
        number: overtaken[0].2.version.number + 5,
        promotion: 0,
    };
    plans.seen(higher); // a probe returned it while the store was writing
    assert_eq!(plans.put_in_force(overtaken), 0);
    assert!(plans.current(PROBE).is_none());

    let (next, _) = plans.number(vec![(PROBE, draft())]).unwrap();
    assert!(next[0].2.version > higher);
    assert_eq!(plans.put_in_force(next), 1);
    assert!(plans.current(PROBE).is_some());
}

/// Else the keys of a large fleet would wait for each other: each round of them changes most plans.
#[tokio::test(start_paused = true)]
async fn secret_is_known_from_the_first_plan_that_holds_it_on() {
    let folder = tempfile::tempdir().unwrap();
    let plans = plans(folder.path());
    let issue = |epoch: u16, checks: u16| {
        let mut draft = oversized(checks);
        draft.responder.secrets = vec![(KeyEpoch(epoch), ResponderSecret([epoch as u8; 32]))];
        let (fresh, _) = plans.number(vec![(PROBE, draft)]).unwrap();
        let version = fresh[0].2.version;
        assert_eq!(plans.put_in_force(fresh), 1);
        version
    };
    let known = |plan| plans.state().current[&PROBE].secret_in(plan);
    let [first, second] = [issue(1, 1), issue(1, 2)];
    assert_eq!([first, second].map(known), [Some(KeyEpoch(1)); 2]);

    let third = issue(2, 2);
    assert_eq!(
        [first, second].map(known),
        [None; 2],
        "these hold the one before it"
    );
    assert_eq!(known(third), Some(KeyEpoch(2)));
    let of_another = PlanVersion {
        number: third.number + 1,
        ..third
    };
    assert_eq!(known(of_another), None, "nobody knows what that one holds");
}

#[tokio::test(start_paused = true)]
async fn last_number_there_is_ends_in_an_error_and_not_in_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let plans = plans(folder.path());
    plans.seen(PlanVersion {
        promotion: u32::MAX,
        number: u64::MAX,
    });
    let numbered = plans.number(vec![(PROBE, draft())]);
    assert!(matches!(numbered, Err(PlansError::NumbersUsedUp)));
}

#[tokio::test(start_paused = true)]
async fn only_plans_that_changed_are_signed_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    join(&store, 1..=30);
    let targets = watch::Sender::new(nodes("1"));
    let plans = plans_of(&store, folder.path(), targets.subscribe());
    assert_eq!(plans.refresh().unwrap(), 30);
    let version = plans.summary().borrow().version;
    assert!(
        plans.stands(&plans.input()),
        "nothing changed: not even drafted again"
    );
    assert_eq!(plans.refresh().unwrap(), 0);
    assert_eq!(plans.summary().borrow().version, version);

    targets.send_replace(nodes("2"));
    assert_eq!(plans.refresh().unwrap(), 20, "those that check the changed node");
    plans.note_downloads(["oslo".to_owned()].into());
    assert_eq!(
        plans.refresh().unwrap(),
        20,
        "those that check the node with downloads"
    );
}

#[tokio::test(start_paused = true)]
async fn plan_past_half_its_life_is_issued_again_though_nothing_changed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    join(&store, 1..=3);
    let plans = plans_of(&store, folder.path(), watch::Sender::new(nodes("1")).subscribe());
    assert_eq!(plans.refresh().unwrap(), 3);
    let half = plans.0.parts.pace.plan_lifetime / 2;
    tokio::time::sleep(half - Duration::from_secs(1)).await;
    assert_eq!(plans.refresh().unwrap(), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(plans.refresh().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn collector_that_starts_again_leaves_every_plan_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let open = || plans_of(&store, folder.path(), watch::Sender::new(nodes("1")).subscribe());
    join(&store, 10..=15);
    assert_eq!(open().refresh().unwrap(), 6);
    join(&store, 1..=3); // their ids come first, their seats last
    assert_eq!(open().refresh().unwrap(), 9, "a new peer for each");
    assert_eq!(open().refresh().unwrap(), 0);
}

#[test]
fn planning_holds_up_no_other_task() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    join(&store, 1..=3);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let plans = {
        let _entered = runtime.enter();
        plans_of(&store, folder.path(), watch::Sender::new(nodes("1")).subscribe())
    };
    let (held, holds) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let busy = std::thread::spawn(move || {
        store.write_if(|_| {
            held.send(()).unwrap();
            released.recv().unwrap();
            Ok(((), false))
        })
    });
    holds.recv().unwrap(); // from now on plans cannot be stored
    let before = plans.state().highest;
    runtime.spawn(plans.clone().run(CancellationToken::new()));
    while plans.state().highest == before {
        std::thread::yield_now(); // until they are drafted and numbered
    }
    let (ticked, ticks) = mpsc::channel();
    runtime.spawn(async move {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        ticked.send(()).unwrap();
    });
    let ticked = ticks.recv_timeout(Duration::from_secs(20));
    release.send(()).unwrap();
    busy.join().unwrap().unwrap();
    assert!(ticked.is_ok(), "the only worker was kept by the planning");
    runtime.shutdown_background();
}

/// Checks of endpoints, each once in ten seconds, as a planner with a fault would draft them.
fn oversized(checks: u16) -> Draft {
    let schedule = Schedule::new(86_400_000, 0, 4_000).unwrap();
    let mut oversized = draft();
    for number in 0..checks {
        oversized.targets.push(Target {
            id: TargetId(number.into()),
            name: format!("n{number}"),
            address: TargetAddress::Endpoint {
                url: format!("https://n{number}.example.org/"),
                asset: None,
            },
        });
        oversized.checks.push(PlannedCheck {
            kind: "connect4".parse().unwrap(),
            target: number,
            schedule,
        });
    }
    oversized
}

#[tokio::test(start_paused = true)]
async fn plan_that_no_probe_would_take_is_not_signed_and_the_last_good_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let plans = plans(folder.path());
    let good = oversized(3);
    let (fresh, refused) = plans.number(vec![(PROBE, good.clone())]).unwrap();
    assert!(refused.is_empty());
    assert_eq!(plans.put_in_force(fresh), 1);
    let in_force = plans.current(PROBE).unwrap();

    let (fresh, refused) = plans.number(vec![(PROBE, oversized(27_000))]).unwrap();
    assert!(fresh.is_empty(), "nothing is signed");
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].checks, 27_000);
    assert!(refused[0].reason.contains("16384"), "{}", refused[0].reason);
    assert_eq!(plans.current(PROBE), Some(in_force));

    tokio::time::advance(Pace::default().plan_lifetime * 3 / 4).await;
    let (fresh, refused) = plans.number(vec![(PROBE, oversized(27_000))]).unwrap();
    assert_eq!(
        (fresh.len(), refused.len()),
        (1, 1),
        "the good one is issued anew before it ends"
    );
    assert_eq!(fresh[0].1.draft, good);
}

#[tokio::test(start_paused = true)]
async fn plan_of_more_bytes_than_a_message_has_is_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let mut wide = oversized(5_000);
    for target in &mut wide.targets {
        target.name = format!("{}{:0>400}", target.name, "");
    }
    let (fresh, refused) = plans(folder.path()).number(vec![(PROBE, wide)]).unwrap();
    assert!(fresh.is_empty());
    assert!(refused[0].reason.contains("bytes"), "{}", refused[0].reason);
}
