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

#[test]
fn cluster_that_takes_less_than_there_comes_is_told_after_hours_and_again_once_it_keeps_up() {
    let store = Store::on_lossy(LossyBackend::new(), StoreOptions::default()).unwrap();
    let outbox = Outbox::open(&store, Vec::new(), after(0)).unwrap();
    let hour = |number: u64| UnixMillis(START.0 + number * 3_600_000);
    let at = |waits: Option<u64>| SinkStatus {
        standing: Standing::Following,
        server: Some("Elasticsearch 9.5.2".to_owned()),
        commit: 1,
        commits: 9,
        oldest: waits.map(hour),
        ..SinkStatus::default()
    };
    let (sender, status) = watch::channel(SinkStatus::default());
    let mut watch =
        ElasticWatch::open(&store, &outbox, ("lead", PathBuf::from("dead.ndjson")), status).unwrap();
    let mut told = Vec::new();
    for now in 2..20 {
        // two hours behind until hour 12, and with all of it then
        sender.send_replace(at((now < 12).then(|| now - 2)));
        watch.tick(hour(now)).unwrap();
        told.push((watch.told.stopped.is_some(), watch.notices(hour(now))));
    }
    let since = told.iter().position(|(is_told, _)| *is_told).unwrap();
    let until = told.iter().rposition(|(is_told, _)| *is_told).unwrap();
    assert_eq!((since, until), (6, 9), "hours 8 to 11");
    let text = &told[6].1[0].text;
    for word in ["8 batches behind", "takes less than there comes", "retention.raw"] {
        assert!(text.contains(word), "{text}");
    }
    assert!(told[5].1[0].level == NoticeLevel::Info && told[6].1[0].level == NoticeLevel::Error);
}
