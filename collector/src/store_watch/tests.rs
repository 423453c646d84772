use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use isochrone_base::fixture::DAY0;
use isochrone_base::roster::Roster;
use isochrone_store::ingest::fixture::{EPOCH, inline, plan, signed, store_honest};
use isochrone_store::lossy::LossyBackend;
use isochrone_store::{FreeSpace, Part, ScanRange, StoreOptions};
use isochrone_watch::alert::{Receiver, ReceiverKind, SecretUrl};
use isochrone_watch::judge::Patience;
use isochrone_watch::monitor::MonitorParts;

use super::*;

const RESERVE: u64 = 1 << 20;

struct Bench {
    store: Store,
    outbox: Outbox,
    monitor: Monitor,
    watch: StoreWatch,
    free: Arc<AtomicU64>,
}

impl Bench {
    fn new() -> Self {
        let free = Arc::new(AtomicU64::new(u64::MAX));
        let asked = Arc::clone(&free);
        let options = StoreOptions {
            reserve_bytes: RESERVE,
            free_space: Some(FreeSpace::new(move || Ok(asked.load(Ordering::Relaxed)))),
            ..StoreOptions::default()
        };
        Self::on(Store::in_memory(options).unwrap(), free)
    }

    fn on(store: Store, free: Arc<AtomicU64>) -> Self {
        let url = SecretUrl::try_from("https://hook.example.org/x".to_owned()).unwrap();
        let receiver = Receiver::new(ReceiverKind::Webhook, url);
        let outbox = Outbox::open(&store, vec![receiver], UnixMillis(DAY0)).unwrap();
        let parts = MonitorParts {
            patience: Patience::default(),
            outbox: outbox.clone(),
            collector: "lead".into(),
            longest_interval: Duration::ZERO,
            roster: Roster::new([], []),
        };
        Self {
            monitor: Monitor::open(&store, parts, UnixMillis(DAY0)).unwrap(),
            watch: StoreWatch::open(&store, &outbox, ("lead", Path::new("/"))).unwrap(),
            store,
            outbox,
            free,
        }
    }

    fn tick(&mut self, second: u64) {
        let now = UnixMillis(DAY0 + second * 1_000);
        self.watch
            .tick(&mut self.monitor, &Sessions::default(), now)
            .unwrap();
    }

    /// As [`Bench::tick`], on a disk that may fail.
    fn try_tick(&mut self, second: u64) {
        let now = UnixMillis(DAY0 + second * 1_000);
        self.watch.tick(&mut self.monitor, &Sessions::default(), now).ok();
    }

    /// Events that wait, oldest first.
    fn told(&self) -> Vec<(Event, String)> {
        let board = self.outbox.board();
        let pending = board.pending.iter();
        pending
            .map(|it| (it.alert.event, it.alert.summary.clone()))
            .collect()
    }

    fn notices(&self) -> Vec<String> {
        let damage = self.store.damage().unwrap_or_default(); // while the disk fails: as it was
        let notices = self.watch.notices(&damage, UnixMillis(DAY0));
        notices.into_iter().map(|notice| notice.text).collect()
    }
}

#[test]
fn full_disk_is_told_once_with_its_bytes_and_once_when_it_is_over() {
    let mut bench = Bench::new();
    bench.tick(0);
    assert!(bench.told().is_empty() && bench.notices().is_empty());
    bench.free.store(12_345, Ordering::Relaxed);
    for second in 1..200 {
        bench.tick(second);
    }
    let told = bench.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let (event, text) = &told[0];
    assert_eq!(*event, Event::DiskFull);
    assert!(
        text.contains("12345 bytes") && text.contains("1048576 bytes") && text.contains("`du -xhd2"),
        "{text}"
    );
    assert_eq!(&bench.notices()[0], text);

    let mut bench = Bench::on(bench.store, bench.free); // a restart
    bench.tick(200);
    assert_eq!(bench.told().len(), 1, "told before");
    for second in 201..300 {
        // it hovers at the reserve
        let free = if second % 20 < 10 { RESERVE } else { RESERVE - 1 };
        bench.free.store(free, Ordering::Relaxed);
        bench.tick(second);
    }
    assert_eq!(bench.told().len(), 1);
    bench.free.store(RESERVE, Ordering::Relaxed);
    for second in 300..500 {
        bench.tick(second);
    }
    let told = bench.told();
    assert_eq!(told.len(), 2, "{told:?}");
    let over = told.iter().find(|(event, _)| *event == Event::DiskRoom).unwrap();
    assert!(over.1.contains("has room again since"), "{}", over.1);
    assert!(bench.notices().is_empty());
}

#[test]
fn damage_is_told_once_and_stays_on_the_page() {
    let mut bench = Bench::new();
    bench.store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&bench.store), EPOCH, 3);
    bench.store.flip_bit("log", 1, Part::Value, 900).unwrap();
    bench.tick(0);
    assert!(bench.told().is_empty(), "nobody has read it yet");
    let scan = |bench: &Bench| {
        bench
            .store
            .scan(ScanRange::default(), |_| std::ops::ControlFlow::Continue(()))
            .unwrap();
    };
    scan(&bench);
    for second in 1..9 {
        bench.tick(second);
        scan(&bench);
    }
    let told = bench.told();
    assert_eq!(told.len(), 1, "{told:?}");
    let (event, text) = &told[0];
    assert_eq!(*event, Event::Damage);
    assert!(
        text.contains("batch 2 of epoch 0707") && text.contains("commit 2"),
        "{text}"
    );
    let notices = bench.notices();
    assert!(
        notices.len() == 1 && notices[0].contains("12 measurements are lost"),
        "{notices:?}"
    );

    let mut bench = Bench::on(bench.store, bench.free);
    bench.tick(9);
    assert_eq!(bench.told().len(), 1, "a restart repeats nothing");
    assert_eq!(bench.notices(), notices);
    bench.store.flip_bit("audit", 0, Part::Value, 1).unwrap();
    bench.tick(10);
    assert_eq!(bench.told().len(), 1, "there is no such row");
}

#[test]
fn lost_alert_is_said() {
    let mut bench = Bench::new();
    bench.free.store(0, Ordering::Relaxed);
    bench.tick(0);
    assert_eq!(bench.told().len(), 1);
    bench.store.flip_both("outbox", 0, Part::Value, 99).unwrap();
    bench.outbox.refresh().unwrap();
    assert!(bench.told().is_empty());
    bench.tick(1);
    let told = bench.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].1.contains("an alert was lost before its receiver had it"),
        "{}",
        told[0].1
    );
}

#[test]
fn disk_that_fails_is_told_with_its_error_while_it_lasts_and_kept_once_it_works() {
    let disk = LossyBackend::new();
    let open = || Store::on_lossy(disk.clone(), StoreOptions::default()).unwrap();
    let mut bench = Bench::on(open(), Arc::default());
    bench.tick(0);
    disk.fail_writes(Some(std::io::ErrorKind::QuotaExceeded));
    bench.store.put_plan(&signed(&plan(1)), &plan(1)).unwrap_err();
    for second in 1..300 {
        bench.try_tick(second);
    }
    let told = bench.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, Event::CannotStore);
    assert!(told[0].1.contains("the simulated disk fails"), "{told:?}");
    assert_eq!(bench.notices()[0], told[0].1);

    disk.fail_writes(None);
    for second in 300..330 {
        bench.try_tick(second);
    }
    assert_eq!(bench.told().len(), 1, "not yet steady");
    let mut bench = Bench::on(
        Store::on_lossy(disk.snapshot(), StoreOptions::default()).unwrap(),
        bench.free,
    );
    assert_eq!(bench.told(), told, "kept in the store since it works");
    for second in 330..500 {
        bench.try_tick(second);
    }
    let events: Vec<Event> = bench.told().iter().map(|(event, _)| *event).collect();
    assert!(
        events.len() == 2 && events.contains(&Event::CanStore),
        "{events:?}"
    );
    assert!(bench.notices().is_empty());
}

#[test]
fn commit_that_fails_once_is_no_alert() {
    let disk = LossyBackend::new();
    let mut bench = Bench::on(
        Store::on_lossy(disk.clone(), StoreOptions::default()).unwrap(),
        Arc::default(),
    );
    bench.tick(0);
    disk.fail_writes(Some(std::io::ErrorKind::Other));
    bench.store.put_plan(&signed(&plan(1)), &plan(1)).unwrap_err();
    bench.try_tick(1);
    disk.fail_writes(None);
    for second in 2..100 {
        bench.try_tick(second);
    }
    assert!(bench.told().is_empty() && bench.notices().is_empty());
}

#[test]
fn damage_that_trickles_in_is_told_at_once_and_then_gathered() {
    let mut bench = Bench::new();
    bench.store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&bench.store), EPOCH, 9);
    for second in 1..6 {
        bench.store.flip_bit("log", 0, Part::Value, 900).unwrap();
        bench
            .store
            .scan(ScanRange::default(), |_| std::ops::ControlFlow::Continue(()))
            .unwrap();
        bench.tick(second);
    }
    assert_eq!(bench.told().len(), 1, "{:?}", bench.told());
    bench.tick(600);
    assert_eq!(bench.told().len(), 1);
    bench.tick(601);
    let told = bench.told();
    assert_eq!(told.len(), 2, "{told:?}");
    let all = told.iter().find(|(_, text)| text.starts_with("4 rows")).unwrap();
    assert!(all.1.contains("And 1 more"), "{all:?}");
}

#[test]
fn segments_that_are_larger_than_they_may_be_are_told_on_the_page() {
    let retention = isochrone_store::Retention {
        total: 1,
        ..isochrone_store::Retention::default()
    };
    let options = StoreOptions {
        retention,
        ..StoreOptions::default()
    };
    let store = Store::on_lossy(LossyBackend::new(), options).unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&store), EPOCH, 30);
    let after = |hours: u64| UnixMillis(isochrone_store::ingest::fixture::START.0 + hours * 3_600_000);
    while store.seal(after(4)).unwrap().is_some() {}
    let bench = Bench::on(store, Arc::default());
    while bench.store.retain(after(5)).unwrap().is_some() {}
    let notices = bench.notices();
    assert!(
        matches!(&notices[..], [text] if text.contains("retention.total") && text.contains("seven days")),
        "{notices:?}"
    );
    while bench.store.retain(after(9 * 24)).unwrap().is_some() {}
    assert!(bench.notices().is_empty(), "there is room again");
}

#[test]
fn upkeep_that_fails_for_hours_is_told_once_and_is_on_the_page_until_it_works() {
    let mut bench = Bench::new();
    let fails = |hours: u64| isochrone_store::UpkeepFailure {
        lasts: Duration::from_secs(hours * 3_600),
        error: "the store cannot read or write segments/x.parquet: EIO".to_owned(),
    };
    bench.store.note_upkeep(Some(fails(2)));
    bench.tick(1);
    assert!(bench.told().is_empty() && bench.notices().is_empty());
    for hours in [3, 4, 5] {
        bench.store.note_upkeep(Some(fails(hours)));
        bench.tick(hours);
    }
    let told = bench.told();
    assert!(
        matches!(&told[..], [(Event::UpkeepFails, text)] if text.contains("3 hours") && text.contains("x.parquet")),
        "{told:?}"
    );
    assert!(bench.notices()[0].contains("5 hours"));
    bench.store.note_upkeep(None);
    bench.tick(6);
    assert!(bench.notices().is_empty());
    bench.store.note_upkeep(Some(fails(3)));
    bench.tick(7);
    assert_eq!(bench.told().len(), 2, "another time");
}
