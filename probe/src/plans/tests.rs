//! Which plans are followed, and which are kept.

use super::*;
use crate::account::tests::plan_of;
use crate::disk::MemoryDisk;
use crate::identity::tests::TestAuthority;

const NOW: UnixMillis = UnixMillis(1_000_000);

fn plan(probe: ProbeId, number: u64, expires: u64) -> Plan {
    Plan {
        probe,
        ..plan_of(number, &[(1_000, 0, 500)], UnixMillis(expires))
    }
}

#[test]
fn plans_go_forward_only_and_survive_a_restart() {
    let (authority, disk) = (TestAuthority::new(), Arc::new(MemoryDisk::new()));
    let identity = authority.identity(&[]);
    let (me, key) = (identity.probe(), identity.authority_key().unwrap());
    let mut store = PlanStore::open(disk.clone(), me, key).unwrap();
    let signed = |number| authority.sign(&plan(me, number, 2_000_000));
    assert_eq!(store.accept(signed(2), NOW).unwrap().unwrap().version.number, 2);
    assert!(
        store.accept(signed(2), NOW).unwrap().is_none(),
        "in force already"
    );
    store.save().unwrap();
    assert!(matches!(
        store.accept(signed(1), NOW),
        Err(PlanRefused::Older { .. })
    ));
    let mut again = PlanStore::open(disk.clone(), me, key).unwrap();
    assert_eq!(again.newest().unwrap().version.number, 2);
    let last = 5 + NEWEST_KEPT as u64;
    for number in 3..=last {
        again.accept(signed(number), NOW).unwrap();
    }
    again.save().unwrap();
    let named = BTreeSet::from([PlanVersion {
        promotion: 0,
        number: 3,
    }]);
    again.prune(&named);
    let kept: Vec<u64> = PlanStore::open(disk, me, key)
        .unwrap()
        .versions()
        .iter()
        .map(|version| version.number)
        .collect();
    let newest = 6..=last;
    assert_eq!(kept, [3].into_iter().chain(newest).collect::<Vec<u64>>());
    assert_eq!(again.signed(&again.versions()).len(), NEWEST_KEPT + 1);
}

#[test]
fn unusable_plans_are_refused_each_for_its_reason() {
    let (authority, disk) = (TestAuthority::new(), Arc::new(MemoryDisk::new()));
    let identity = authority.identity(&[]);
    let me = identity.probe();
    let mut store = PlanStore::open(disk, me, identity.authority_key().unwrap()).unwrap();
    let foreign = TestAuthority::new().sign(&plan(me, 1, 2_000_000));
    assert!(matches!(store.accept(foreign, NOW), Err(PlanRefused::Signature)));
    let mut altered = authority.sign(&plan(me, 1, 2_000_000));
    altered.plan[10] ^= 1;
    assert!(matches!(store.accept(altered, NOW), Err(PlanRefused::Signature)));
    let others = authority.sign(&plan(ProbeId(77), 1, 2_000_000));
    assert!(matches!(
        store.accept(others, NOW),
        Err(PlanRefused::OtherProbe { .. })
    ));
    let expired = authority.sign(&plan(me, 1, NOW.0));
    assert!(matches!(
        store.accept(expired, NOW),
        Err(PlanRefused::Expired { .. })
    ));
    let mut fast = plan(me, 1, 2_000_000);
    fast.checks[0].kind.check = isochrone_proto::kind::Check::Http; // of a peer
    assert!(matches!(
        store.accept(authority.sign(&fast), NOW),
        Err(PlanRefused::Content(_))
    ));
    assert!(store.newest().is_none());
}

#[test]
fn plan_that_the_disk_refuses_is_followed_and_written_once_it_can_be() {
    let (authority, disk) = (TestAuthority::new(), Arc::new(MemoryDisk::new()));
    let identity = authority.identity(&[]);
    let (me, key) = (identity.probe(), identity.authority_key().unwrap());
    let mut store = PlanStore::open(disk.clone(), me, key).unwrap();
    let on_disk = || PlanStore::open(disk.clone(), me, key).unwrap().versions();
    disk.set_capacity(Some(0));
    for number in 1..=NEWEST_KEPT as u64 + 2 {
        let signed = authority.sign(&plan(me, number, 2_000_000));
        let followed = store.accept(signed, NOW).unwrap().unwrap();
        assert_eq!(followed.version.number, number);
        assert_eq!(
            store.save().unwrap_err().version.number,
            number,
            "the newest first"
        );
    }
    store.prune(&BTreeSet::new());
    assert_eq!(store.versions().len(), NEWEST_KEPT);
    assert!(on_disk().is_empty());
    disk.set_capacity(None);
    store.save().unwrap();
    assert_eq!(on_disk(), store.versions());
}
