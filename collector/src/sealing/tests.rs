use isochrone_store::ingest::fixture::{EPOCH, START, cut_of, inline, plan, signed, store_honest};
use isochrone_store::lossy::LossyBackend;
use isochrone_store::{StoreOptions, Tier};

use super::*;

#[test]
fn work_that_fails_keeps_no_other_from_being_done() {
    let disk = LossyBackend::new();
    let store = Store::on_lossy(disk.clone(), StoreOptions::default()).unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&store), EPOCH, 30); // 10:40 to 11:10
    store.seal(cut_of(85)).unwrap().unwrap();
    let at = |days: u64| Instants {
        wall: UnixMillis(START.0 + days * 86_400_000),
        since_boot: Duration::from_secs(days * 86_400),
        checked: UnixMillis(START.0 + days * 86_400_000),
    };
    retain(&store, at(0)).unwrap();
    for name in disk.file_names() {
        disk.fail_reads_of(&name, true); // so what is due cannot be counted
    }
    let failed = match step(&store, at(40), &[]) {
        Step::Failed(work, StoreError::Segment { .. }) => work,
        _ => panic!("the disk gives nothing"),
    };
    assert_eq!(failed, Work::Retain);
    let files = store.segment_files(Tier::Raw).unwrap().len();
    assert!(matches!(step(&store, at(40), &[failed]), Step::Done));
    assert!(store.segment_files(Tier::Raw).unwrap().len() > files, "it seals");
    for name in disk.file_names() {
        disk.fail_reads_of(&name, false);
    }
    while matches!(step(&store, at(40), &[]), Step::Done) {}
    assert!(
        store.segment_files(Tier::Raw).unwrap().is_empty(),
        "and goes on where it stopped"
    );
    assert!(store.damage().unwrap().is_none());
}
