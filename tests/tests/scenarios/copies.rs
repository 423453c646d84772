//! Two of one: machines that were cloned, set back or restored from a backup, and a second process on the same files.

use super::*;

/// Two machines that were one a moment ago: same disk, same memory, so they go on in the same epoch.
/// Waits until the fork of a probe's epoch is told.
async fn fork_is_told(world: &World, probe: ProbeId, limit: Duration) {
    let told = |world: &World| {
        happened(world, probe, |what| {
            matches!(what, GateEventKind::ForkDetected { .. })
        })
    };
    world.until("the fork is told", limit, told).await;
}

#[test]
fn cloned_probe_is_forked_and_both_go_on_in_epochs_of_their_own() {
    on_virtual_time(async {
        let mut world = running(2, &scale(2)).await;
        world.machines[0].kill().await;
        let twin = world.machines[0].copy(100, world.machines[0].disk.copy());
        world.machines.push(twin);
        let (memory, probe) = (world.seed(), world.machines[0].probe);
        world.machines[0].start(memory);
        world.machines[2].start(memory);
        world.record.may_fork(probe);
        fork_is_told(&world, probe, seconds(300)).await;
        world.cut(0, true); // the two take turns: let the twin end its own
        world
            .until("the twin's results are in", seconds(300), |world| {
                world.is_settled(2)
            })
            .await;
        world.machines[2].stop().await;
        world.machines.truncate(2);
        world.cut(0, false);
        world
            .until("the first one's results are in", seconds(300), |world| {
                world.is_settled(0)
            })
            .await;
        let before = totals(&world);
        assert!(
            before.forked > 0,
            "rows of the forked epoch are counted: {before:?}"
        );
        assert!(
            epochs(&world, probe).len() >= 3,
            "the first process's, the shared one, one of the twin's own"
        );
        judge(world).await;
    });
}

/// Two machines with one key that were started apart: no epoch is shared, so nothing forks; but somebody should
/// know.
#[test]
fn copied_key_is_told_and_loses_nothing() {
    on_virtual_time(async {
        let mut world = running(3, &scale(2)).await;
        let twin = world.machines[0].copy(100, world.machines[0].disk.copy());
        world.machines.push(twin);
        world.start(2);
        let probe = world.machines[0].probe;
        let twice = |world: &World| {
            happened(world, probe, |what| {
                matches!(what, GateEventKind::KeyLiveTwice { .. })
            })
        };
        world.until("the two take turns", seconds(300), twice).await;
        world.cut(0, true);
        pass(seconds(5)).await; // the twin learns that it was replaced last, and comes back
        world
            .until("the twin's results are in", seconds(300), |world| {
                world.is_settled(2)
            })
            .await;
        world.machines[2].stop().await;
        world.machines.truncate(2);
        judge(world).await;
    });
}

/// A virtual machine set back by ten seconds, memory and all: the collector's mark is above what it holds.
#[test]
fn probe_set_back_to_a_snapshot_is_forked_and_loses_nothing_new() {
    on_virtual_time(async {
        let mut world = running(4, &scale(2)).await;
        world.machines[0].kill().await;
        let (memory, old) = (world.seed(), world.machines[0].disk.copy());
        world.machines[0].start(memory);
        pass(seconds(10)).await;
        world.machines[0].kill().await;
        let probe = world.machines[0].probe;
        world.machines[0].set_back(old);
        world.machines[0].start(memory);
        world.record.may_fork(probe);
        fork_is_told(&world, probe, seconds(60)).await;
        world
            .until("a new epoch is in", seconds(60), |world| world.is_settled(0))
            .await;
        pass(seconds(10)).await;
        assert!(totals(&world).forked > 0);
        judge(world).await;
    });
}

/// A spool restored from a backup and a new process: what it re-sends is stored already, and counts once.
#[test]
fn probe_restored_from_a_backup_counts_nothing_twice() {
    on_virtual_time(async {
        let mut world = running(5, &scale(2)).await;
        let old = world.machines[0].disk.copy();
        pass(seconds(10)).await;
        world.machines[0].kill().await;
        let stored = world.stored(world.machines[0].probe);
        world.machines[0].set_back(old);
        world.start(0);
        world
            .until("it is back", seconds(60), |world| world.is_settled(0))
            .await;
        pass(seconds(10)).await;
        assert!(world.stored(world.machines[0].probe) > stored);
        assert_eq!(totals(&world).forked, 0);
        judge(world).await;
    });
}

/// Probes fill a restored collector up again; it fetches the plans it lost before it judges, and numbers new
/// ones above the highest that any probe has seen.
#[test]
fn collector_restored_from_a_backup_is_filled_up_again() {
    on_virtual_time(async {
        let mut world = running(6, &scale(3)).await;
        let backup = world.collector.disk.snapshot();
        for nodes in [&["berlin", "oslo"][..], &["oslo"], &["berlin", "lima"]] {
            world.collector.set_targets(&targets(nodes));
            pass(seconds(8)).await;
        }
        let probe = world.machines[0].probe;
        let (stored, plan) = (
            world.stored(probe),
            world.machines[0].status().unwrap().plan.unwrap(),
        );
        world.collector.crash(1).await;
        world.check_acknowledged();
        world.restore_collector(backup);
        world.start_collector();
        assert!(world.stored(probe) < stored, "the copy is older");
        let back = |world: &World| (0..3).all(|machine| world.is_settled(machine));
        world
            .until("every spool is drained again", seconds(120), back)
            .await;
        pass(seconds(10)).await;
        assert!(
            world.stored(probe) >= stored,
            "{} of {stored} are back",
            world.stored(probe)
        );
        let oslo = TargetId::of_node("oslo");
        let lost = |stored: &Stored| stored.plan.targets.iter().any(|target| target.id == oslo);
        assert!(
            batches(&world, probe).iter().any(lost),
            "a plan that only the probe still had was fetched"
        );
        let newer = world.machines[0].status().unwrap().plan.unwrap();
        assert!(
            number(&newer.version) > number(&plan.version),
            "{} after {}",
            newer.version,
            plan.version
        );
        judge(world).await;
    });
}

fn number(version: &str) -> u64 {
    version.rsplit('.').next().unwrap().parse().unwrap()
}

/// What neither the restored collector nor the spools hold any more is named.
#[test]
fn what_no_spool_holds_any_more_is_named_in_the_ledger_of_a_restored_collector() {
    on_virtual_time(async {
        let mut world = World::empty(7, &busy());
        for _ in 0..2 {
            let machine = world.add_machine().await;
            world.machines[machine].spool = SpoolOptions { bytes_max: 64 << 10 };
            world.start(machine);
        }
        pass(seconds(20)).await;
        let backup = world.collector.disk.snapshot();
        pass(seconds(400)).await;
        let stored = world.stored(world.machines[0].probe);
        let probes: Vec<ProbeId> = world.machines.iter().map(|machine| machine.probe).collect();
        probes.into_iter().for_each(|probe| world.record.may_drop(probe));
        world.collector.crash(1).await;
        world.restore_collector(backup);
        world.start_collector();
        let back = |world: &World| (0..2).all(|machine| world.is_settled(machine));
        world
            .until("what the spools hold is back", seconds(120), back)
            .await;
        pass(seconds(5)).await;
        let totals = totals(&world);
        assert!(
            world.stored(world.machines[0].probe) < stored,
            "the spools reach back only so far"
        );
        assert!(totals.dropped > 0, "what is missing is named: {totals:?}");
        judge(world).await;
    });
}

#[test]
fn second_process_on_the_same_files_sees_what_the_first_left() {
    on_virtual_time(async {
        let mut world = running(17, &scale(2)).await;
        world.cut(0, true);
        pass(seconds(20)).await;
        world.machines[0].kill().await;
        let files = world.machines[0].disk.list("spool/").unwrap();
        assert!(
            !files.is_empty(),
            "what was measured while cut off is on the disk"
        );
        world.start(0);
        world.cut(0, false);
        world
            .until("both epochs are in", seconds(60), |world| world.is_settled(0))
            .await;
        pass(seconds(3)).await;
        assert_eq!(epochs(&world, world.machines[0].probe).len(), 2);
        judge(world).await;
    });
}
