use isochrone_gate::events::GateEvents;
use isochrone_gate::registry::RegistryParts;
use isochrone_proto::plan::ResponderPlan;
use isochrone_store::StoreOptions;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

const NOW: UnixMillis = UnixMillis(1_795_344_000_000);
const PROBE: ProbeId = ProbeId(7);

fn plans(folder: &std::path::Path) -> Plans {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
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
        addresses: AddressBook::open(&store).unwrap(),
        store,
        authority,
        registry,
        sessions: Sessions::default(),
        targets: watch::Sender::new(Arc::default()).subscribe(),
        pace: Pace::default(),
        clock,
    })
    .unwrap()
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
    let overtaken = plans.number(vec![(PROBE, draft())]).unwrap();
    let higher = PlanVersion {
        number: overtaken[0].2.version.number + 5,
        promotion: 0,
    };
    plans.seen(higher); // a probe returned it while the store was writing
    assert_eq!(plans.put_in_force(overtaken), 0);
    assert!(plans.current(PROBE).is_none());

    let next = plans.number(vec![(PROBE, draft())]).unwrap();
    assert!(next[0].2.version > higher);
    assert_eq!(plans.put_in_force(next), 1);
    assert!(plans.current(PROBE).is_some());
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
