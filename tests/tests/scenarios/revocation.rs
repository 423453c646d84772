//! A probe is revoked at a bad moment.

use isochrone_collector::commands::CommandContext;

use super::*;

fn ledger_of(world: &World) -> ledger::Ledger {
    let context: &CommandContext = &world.collector.process().context;
    ledger::read(&context.store, world.collector.clock.wall()).unwrap()
}

fn rows_of(world: &World, probe: ProbeId) -> ledger::Totals {
    let ledger = ledger_of(world);
    assert!(ledger.is_balanced(), "{ledger:?}");
    ledger::Totals::of(ledger.rows.iter().filter(|row| row.probe == probe))
}

#[test]
fn revoked_with_a_full_spool_the_ledger_says_what_is_lost_with_it() {
    on_virtual_time(async {
        let world = running(70, &with_page(2)).await;
        let revoked = world.machines[0].probe;
        world.cut(0, true);
        pass(seconds(120)).await;
        assert!(world.machines[0].status().unwrap().ledger.spooled > 0);
        world.collector.revoke(revoked);
        let planned = rows_of(&world, revoked).planned;
        pass(seconds(30)).await;
        world.cut(0, false);
        pass(seconds(120)).await;
        let rows = rows_of(&world, revoked);
        assert!(rows.revoked > 0, "{rows:?}");
        page_agrees(&world).await;
        assert_eq!(rows.revoked, rows.spooled + rows.absent);
        assert_eq!(rows.planned, planned, "its plan ended with the revocation");
        let text = isochrone_report::ledger::text(&ledger_of(&world), None, 200);
        assert!(text.contains("are lost with a revocation"), "{text}");
        let status = world.machines[0].status().unwrap();
        assert_eq!(status.plan, None, "it was told as soon as it could be");
        assert!(status.trouble.unwrap().contains("revoked"));
    });
}

#[test]
fn revoked_just_before_the_collector_fails_it_stays_out_and_stops() {
    on_virtual_time(async {
        let mut world = running(71, &with_page(2)).await;
        let revoked = world.machines[0].probe;
        world.collector.revoke(revoked);
        let planned = rows_of(&world, revoked).planned;
        world.crash_collector(seconds(20)).await;
        pass(seconds(60)).await;
        assert!(world.collector.process().sessions.view(revoked).is_none());
        assert_eq!(rows_of(&world, revoked).planned, planned);
        page_agrees(&world).await;
        assert_eq!(world.machines[0].status().unwrap().plan, None);
    });
}

#[test]
fn revoked_while_it_is_off_it_measures_nothing_once_it_is_back() {
    on_virtual_time(async {
        let mut world = running(72, &scale(2)).await;
        let revoked = world.machines[0].probe;
        world.machines[0].kill().await;
        pass(seconds(10)).await;
        world.collector.revoke(revoked);
        let planned = rows_of(&world, revoked).planned;
        world.start(0);
        pass(seconds(60)).await;
        assert_eq!(world.machines[0].status().unwrap().plan, None);
        let rows = rows_of(&world, revoked);
        assert_eq!(rows.planned, planned);
        assert_eq!(rows.revoked, rows.spooled + rows.absent);
    });
}

#[test]
fn revoked_with_a_wrong_clock_its_plan_ends_by_its_own() {
    for by_ms in [-45_000, 45_000] {
        on_virtual_time(async {
            let world = running(73, &scale(3)).await;
            world.machines[0].clock.simulate_step(by_ms);
            pass(seconds(90)).await; // a new epoch, and its clock is measured
            let revoked = world.machines[0].probe;
            world.collector.revoke(revoked);
            pass(seconds(60)).await;
            let rows = rows_of(&world, revoked);
            assert_eq!(
                rows.refused, 0,
                "{by_ms}: nothing that was measured before: {rows:?}"
            );
            let second = rows.planned / 100; // it measured for about so many seconds
            assert!(
                rows.absent + rows.spooled <= 10 * second,
                "{by_ms}: not those of 45 s: {rows:?}"
            );
        });
    }
}
