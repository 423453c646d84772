//! The store itself goes wrong: a bit flips on its disk, or the disk is full.

use isochrone_collector::assembly::roster;
use isochrone_coverage::observations::Source;
use isochrone_gate::audit::Actor;
use isochrone_report::log::Window;
use isochrone_report::{Printed as _, coverage, nodes, show};
use isochrone_store::{Part, Store, export};
use isochrone_watch::alert::Event;
use isochrone_web::view::NoticeLevel;

use super::*;

/// An alert that was sent.
#[derive(Debug)]
struct Told {
    id: String,
    event: Event,
    summary: String,
}

/// All that was told since the world began, but for what the simulated node's assets are like.
fn told(world: &World) -> Vec<Told> {
    let letters = world.collector.letters.letters();
    let told = letters.iter().filter(|letter| letter.check() != Some("asset"));
    told.map(|letter| Told {
        id: letter.alert["id"].as_str().unwrap_or_default().to_owned(),
        event: serde_json::from_value(letter.alert["event"].clone()).unwrap(),
        summary: letter.summary().to_owned(),
    })
    .collect()
}

/// What the page says of the store.
fn notices(world: &World) -> Vec<String> {
    let views = world.collector.process().context.views.as_ref().unwrap();
    let notices = views.borrow().notices.clone();
    let of_store = notices
        .into_iter()
        .filter(|notice| notice.level == NoticeLevel::Error);
    of_store.map(|notice| notice.text).collect()
}

fn events(world: &World) -> Vec<Event> {
    told(world).iter().map(|alert| alert.event).collect()
}

fn exported(store: &Store) -> u64 {
    export::ndjson(store, ScanRange::default(), &mut std::io::sink(), |_| ()).unwrap()
}

/// Stops the collector, flips a bit of a table's row, of its copy too where there is one, and starts it again.
async fn flip_while_stopped(world: &mut World, table: &str, place: usize, bit: usize) {
    world.collector.stop().await;
    let store = world.collector.open_store();
    assert!(store.damage().unwrap().is_none());
    assert!(store.flip_both(table, place, Part::Value, bit).unwrap());
    drop(store);
    world.start_collector();
}

/// As [`flip_while_stopped`], and waits until all probes are back.
async fn flip_between_two_runs(world: &mut World, table: &str, place: usize, bit: usize) {
    flip_while_stopped(world, table, place, bit).await;
    let all = |world: &World| (0..world.machines.len()).all(|machine| world.is_settled(machine));
    world.until("everybody is back", seconds(300), all).await;
    pass(seconds(20)).await;
}

#[test]
fn bit_that_flips_in_a_recent_batch_is_told_alike_everywhere_and_ends_nothing() {
    on_virtual_time(async {
        let mut world = running(60, &with_page(3)).await;
        pass(seconds(30)).await;
        let batches = world.collector.process().store.commit_number().unwrap() as usize;
        for machine in &mut world.machines {
            machine.kill().await; // or they would send it again
        }
        flip_while_stopped(&mut world, "log", batches - 5, 1_000).await;
        pass(seconds(20)).await;
        let process = world.collector.process();
        let (store, now) = (&process.store, world.collector.clock.wall());

        let audit = ledger::verify(store).unwrap();
        assert_eq!((audit.lost, audit.twice, audit.damaged), (0, 0, 1), "{audit:?}");
        assert!(!audit.is_sound() && audit.findings.len() == 1, "{audit:?}");
        let ledger = ledger::read(store, now).unwrap();
        let totals = ledger.totals();
        assert!(ledger.is_balanced(), "{ledger:?}");
        assert_eq!(totals.stored, exported(store));
        assert_eq!(totals.stored, audit.measurements);
        page_agrees(&world).await;
        let row = &ledger.damage.set_aside[0];
        assert_eq!(
            (row.table.as_str(), row.commit),
            ("log", Some(batches as u64 - 4))
        );
        assert!(row.measurements > 0);
        assert_eq!(
            (totals.damaged, totals.dropped),
            (row.measurements, row.measurements)
        );
        assert!(audit.findings[0].starts_with(&row.subject()), "{audit:?}");
        let said = isochrone_report::ledger::text(&ledger, Some(&audit), 200);
        assert!(said.contains(&row.subject()), "{said}");

        let roster = roster(&process.registry, &world.collector.targets.borrow());
        let window = Window::since(now, seconds(600));
        let show = show::from_store(store, &roster, "berlin", window, &mut |_| ()).unwrap();
        assert!(show.unwrap().text(100).contains("berlin"));
        let nodes = nodes::from_store(store, &roster, window, &mut |_| ()).unwrap();
        assert!(nodes.text(100).contains("berlin"));
        let seen = coverage::from_store(store, &roster, window, Source::Store, &mut |_| ())
            .unwrap()
            .observations;
        assert!(!seen.nodes.is_empty());

        let (told, notices) = (told(&world), notices(&world));
        let damage: Vec<_> = told.iter().filter(|alert| alert.event == Event::Damage).collect();
        assert_eq!(damage.len(), 1, "{told:?}");
        assert!(
            damage[0].summary.contains(&row.subject()),
            "{}",
            damage[0].summary
        );
        let lost = format!("{} measurements are lost", row.measurements);
        assert!(notices.len() == 1 && notices[0].contains(&lost), "{notices:?}");

        world.crash_collector(seconds(5)).await; // tells it all again, and nobody a second time
        pass(seconds(100)).await;
        assert_eq!(
            events(&world)
                .iter()
                .filter(|event| **event == Event::Damage)
                .count(),
            1
        );
        assert_eq!(world.collector.process().store.damage().unwrap().rows, 1);
    });
}

#[test]
fn bit_that_flips_in_a_recent_batch_is_made_good_by_its_probe() {
    on_virtual_time(async {
        let mut world = running(67, &with_page(3)).await;
        pass(seconds(30)).await;
        let batches = world.collector.process().store.commit_number().unwrap() as usize;
        flip_between_two_runs(&mut world, "log", batches - 5, 1_000).await;
        let (store, now) = (&world.collector.process().store, world.collector.clock.wall());
        let ledger = ledger::read(store, now).unwrap();
        assert_eq!(
            (ledger.damage.rows, ledger.damage.lost, ledger.totals().damaged),
            (1, 0, 0),
            "{:?}",
            ledger.damage
        );
        assert!(ledger.is_balanced());
        assert!(notices(&world).is_empty(), "{:?}", notices(&world));
        judge(world).await;
    });
}

#[test]
fn plan_that_is_damaged_comes_back_from_its_probe_with_all_that_was_stored_under_it() {
    on_virtual_time(async {
        let mut world = running(61, &with_page(2)).await;
        pass(seconds(30)).await;
        let plans = world.collector.process().store.table_rows().unwrap();
        let plans = plans.iter().find(|(table, _)| *table == "plans").unwrap().1;
        flip_between_two_runs(&mut world, "plans", plans - 1, 1_000).await;
        let (store, now) = (&world.collector.process().store, world.collector.clock.wall());
        let ledger = ledger::read(store, now).unwrap();
        assert_eq!(ledger.damage.rows, 1, "{:?}", ledger.damage);
        assert_eq!(
            (ledger.damage.lost, ledger.damage.withheld),
            (0, 0),
            "{:?}",
            ledger.damage
        );
        assert!(ledger.is_balanced());
        assert_eq!(ledger.totals().stored, exported(store));
        judge(world).await;
    });
}

#[test]
fn epoch_whose_account_is_damaged_twice_goes_on_and_forks_nothing() {
    on_virtual_time(async {
        let mut world = running(62, &with_page(2)).await;
        pass(seconds(30)).await;
        flip_between_two_runs(&mut world, "epochs", 0, 90).await;
        pass(seconds(30)).await;
        let store = &world.collector.process().store;
        let ledger = ledger::read(store, world.collector.clock.wall()).unwrap();
        assert!(ledger.is_balanced(), "{ledger:?}");
        assert_eq!((ledger.totals().forked, ledger.totals().dropped), (0, 0));
        let audit = ledger::verify(store).unwrap();
        assert_eq!((audit.lost, audit.twice), (0, 0), "{audit:?}");
        assert!(audit.damaged > 0, "both copies: {audit:?}");
        let events = world.collector.events.lock().unwrap().clone();
        let forked = events
            .iter()
            .any(|(_, kind)| matches!(kind, GateEventKind::ForkDetected { .. }));
        assert!(!forked, "nobody cloned anything");
        let accepted = world
            .collector
            .process()
            .registry
            .accept_damage(None, &Actor::Collector);
        assert!(!accepted.unwrap().is_empty());
        judge(world).await; // nothing else is wrong
    });
}

#[test]
fn full_disk_is_told_as_that_and_silences_nobody() {
    on_virtual_time(async {
        let world = running(63, &with_page(3)).await;
        assert!(events(&world).is_empty(), "{:?}", told(&world));
        world.collector.fill_disk(true);
        pass(seconds(600)).await;
        let alerts = told(&world);
        assert_eq!(events(&world), [Event::DiskFull], "{alerts:?}");
        let said = &alerts[0].summary;
        assert!(
            said.contains("(0 bytes) are free") && said.contains("(1048576 bytes) must stay free"),
            "{said}"
        );
        assert!(said.contains("`du -xhd2"), "{said}");
        assert_eq!(&notices(&world)[0], said);

        world.collector.fill_disk(false);
        pass(seconds(400)).await;
        assert_eq!(
            events(&world),
            [Event::DiskFull, Event::DiskRoom],
            "{:?}",
            told(&world)
        );
        assert!(notices(&world).is_empty());
        judge(world).await; // every spool drained, and nothing is lost
    });
}

#[test]
fn disk_that_takes_no_byte_is_told_past_the_store_and_silences_nobody() {
    on_virtual_time(async {
        let world = running(65, &with_page(3)).await;
        world.collector.fill_disk(true);
        world
            .collector
            .disk
            .fail_writes(Some(std::io::ErrorKind::StorageFull));
        pass(seconds(400)).await;
        let alerts = told(&world);
        assert_eq!(events(&world), [Event::DiskFull], "{alerts:?}");
        assert!(alerts[0].summary.contains("(0 bytes) are free"), "{alerts:?}");
        let id = alerts[0].id.clone();

        world.collector.disk.fail_writes(None);
        world.collector.fill_disk(false);
        pass(seconds(400)).await;
        let alerts = told(&world);
        assert_eq!(events(&world), [Event::DiskFull, Event::DiskRoom], "{alerts:?}");
        assert_eq!(alerts[0].id, id);
        assert!(notices(&world).is_empty());
        judge(world).await;
    });
}

#[test]
fn disk_that_fails_for_five_minutes_is_told_with_its_error_and_silences_nobody() {
    on_virtual_time(async {
        let world = running(66, &with_page(3)).await;
        world
            .collector
            .disk
            .fail_writes(Some(std::io::ErrorKind::ReadOnlyFilesystem));
        pass(seconds(300)).await;
        let alerts = told(&world);
        assert_eq!(events(&world), [Event::CannotStore], "{alerts:?}");
        let said = &alerts[0].summary;
        assert!(said.contains("the simulated disk fails"), "{said}");
        assert_eq!(&notices(&world)[0], said);

        world.collector.disk.fail_writes(None);
        pass(seconds(400)).await;
        let alerts = told(&world);
        assert_eq!(
            events(&world),
            [Event::CannotStore, Event::CanStore],
            "{alerts:?}"
        );
        assert!(notices(&world).is_empty());
        judge(world).await;
    });
}

#[test]
fn probe_that_dies_while_the_disk_is_full_is_still_missed() {
    on_virtual_time(async {
        let mut world = running(64, &with_page(3)).await;
        world.collector.fill_disk(true);
        pass(seconds(60)).await;
        world.machines[2].kill().await;
        pass(seconds(400)).await;
        let alerts = told(&world);
        assert_eq!(events(&world), [Event::DiskFull, Event::Opened], "{alerts:?}");
        assert!(
            alerts[1].summary.contains("probe-3 is silent"),
            "{}",
            alerts[1].summary
        );
    });
}
