use isochrone_store::StoreOptions;
use isochrone_store::ingest::fixture::{EPOCH, START, inline, plan, signed, store_honest};
use isochrone_store::lossy::LossyBackend;

use super::*;

fn after(days: u64) -> UnixMillis {
    UnixMillis(START.0 + days * 86_400_000)
}

/// Everything that is due so many days after the first measurement.
fn retain(store: &Store, days: u64) {
    while store.seal(after(days)).unwrap().is_some() {}
    while store.retain(after(days)).unwrap().is_some() {}
}

#[test]
fn what_is_removed_unsent_is_on_the_page_and_nobody_says_that_nothing_is_lost() {
    let store = Store::on_lossy(LossyBackend::new(), StoreOptions::default()).unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&store), EPOCH, 10);
    store.note_sent(4);
    let outbox = Outbox::open(&store, Vec::new(), after(0)).unwrap();
    let status = SinkStatus {
        standing: Standing::Waiting,
        failing_since: Some(after(1)),
        last_error: Some((after(1), "connection refused".to_owned())),
        ..SinkStatus::default()
    };
    let (_sender, status) = watch::channel(status);
    let mut watch =
        ElasticWatch::open(&store, &outbox, ("lead", PathBuf::from("dead.ndjson")), status).unwrap();
    let mut notices = |days: u64| {
        retain(&store, days);
        watch.tick(after(days)).unwrap();
        let notices = watch.notices(after(days)).into_iter();
        notices.map(|notice| notice.text).collect::<Vec<_>>()
    };
    let told = notices(40);
    assert!(
        matches!(&told[..], [text] if text.contains("nothing is lost")),
        "{told:?}"
    );
    let told = notices(61);
    assert!(
        matches!(&told[..], [trouble, removed] if trouble.contains("removed unsent")
            && removed.contains("72 measurements") && removed.contains("retention.raw")),
        "{told:?}"
    );
    assert_eq!(notices(92).len(), 1, "said for thirty days");
}
