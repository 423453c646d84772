//! Wrong clocks: what is refused, what is named, and that nodes which are down are noticed all the same.

use isochrone_proto::ids::TargetId;
use isochrone_tests::world::watch::Letter;

use super::*;

const MINUTE_MS: i64 = 60_000;
const NODES: [&str; 3] = ["berlin", "oslo", "lima"];

/// A watched mesh, every probe's clock skewed by so much from the beginning.
async fn watched(seed: u64, skews_ms: &[i64]) -> World {
    trace();
    let scale = Scale {
        probes: 0,
        targets: targets(&NODES),
        watch: Some(WATCHED.to_owned()),
        ..Scale::default()
    };
    let mut world = World::empty(seed, &scale);
    world.record.set_calm();
    for skew_ms in skews_ms {
        let machine = world.add_machine().await;
        world.machines[machine].clock.simulate_step(*skew_ms);
        world.start(machine);
    }
    let all = |world: &World| (0..world.machines.len()).all(|machine| world.is_connected(machine));
    world.until("every probe is connected", seconds(30), all).await;
    pass(seconds(25)).await;
    world
}

/// What the page and `probe list` say of clocks.
fn sentences(world: &World) -> Vec<String> {
    let clocks = world.collector.process().sessions.clocks();
    clocks.sentences(world.collector.clock.wall())
}

fn named(world: &World) -> Vec<String> {
    let clocks = world.collector.process().sessions.clocks();
    clocks.probes.into_iter().map(|(_, name, _)| name).collect()
}

/// Page, ledger, `ledger --verify` and every running probe's status tell one story; measurements refused of each machine's.
async fn one_story(world: &World) -> Vec<u64> {
    page_agrees(world).await;
    let store = &world.collector.process().store;
    let ledger = ledger::read(store, world.collector.clock.wall()).unwrap();
    assert!(ledger.is_balanced(), "{:#?}", ledger.rows);
    let audit = ledger::verify(store).unwrap();
    assert!(audit.is_sound(), "{:?}", audit.findings);
    let of_machine = |machine: &isochrone_tests::world::machine::Machine| {
        let own = ledger.rows.iter().filter(|row| row.probe == machine.probe);
        let refused: u64 = own.map(|row| row.refused).sum();
        let said = machine.status().unwrap().ledger;
        assert_eq!(said.refused + said.refused_before, refused, "{said:?}");
        assert_eq!(said.refused_for_time, refused, "all of it for its time");
        assert_eq!(
            said.run,
            said.stored + said.spooled + said.dropped + said.refused,
            "{said:?}"
        );
        refused
    };
    world.machines.iter().map(of_machine).collect()
}

/// A node dies; whether that is told in time, and only that.
async fn notices_a_dead_node(world: &World, most: Duration) {
    world.record.set_dead(TargetId::of_node("oslo"), true);
    let is_told = |world: &World| {
        accusations(world)
            .iter()
            .any(|letter| letter.targets().contains(&"oslo"))
    };
    world.until("it is told that oslo is down", most, is_told).await;
    let about = accusations(world);
    assert!(
        about.len() == 1 && about[0].event() == "opened" && about[0].targets() == ["oslo"],
        "{about:#?}"
    );
}

/// The letters about nodes and probes.
fn letters(world: &World) -> Vec<Letter> {
    let letters = world.collector.letters.letters().into_iter();
    letters.filter(|letter| letter.check().is_some()).collect()
}

/// The letters that say more than that nothing is known of a node.
fn accusations(world: &World) -> Vec<Letter> {
    let letters = letters(world).into_iter();
    letters.filter(|letter| letter.check() != Some("data")).collect()
}

/// How many letters say that a clock is wrong: of a probe's, or of the collector's.
fn told_of_clocks(world: &World, kind: &str) -> usize {
    let letters = world.collector.letters.letters();
    let of_kind = letters
        .iter()
        .filter(|letter| letter.alert["security"]["kind"] == kind);
    of_kind.count()
}

fn nobody_is_silent(world: &World) {
    let told = letters(world);
    assert!(told.is_empty(), "{told:#?}");
}

async fn judge_refusing(mut world: World) {
    for machine in &world.machines {
        world.record.may_refuse(machine.probe);
    }
    let faults = world.heal_and_judge().await;
    assert!(faults.is_empty(), "\n{faults}");
}

/// Every probe's rows are refused for twenty seconds over a full hour: they stand as refused at both ends, before and
/// after a restart of either, and nobody is called silent.
#[test]
fn collector_ten_minutes_behind_for_twenty_seconds_names_itself_and_counts_what_it_refuses() {
    on_virtual_time(async {
        let mut world = watched(50, &[0, 0, 0]).await;
        world.collector.clock.step(-10 * MINUTE_MS);
        pass(seconds(15)).await;
        let said = sentences(&world);
        assert!(
            said.len() == 1
                && said[0].starts_with("This collector's clock is the wrong one: it is 10 min behind"),
            "{said:?}"
        );
        let clock = world.machines[0].status().unwrap().clock.unwrap();
        assert!(
            clock.collector_is_wrong && clock.offset_ms.abs_diff(10 * MINUTE_MS) < 1_000,
            "{clock:?}"
        );
        let text = world.machines[0].status().unwrap().text();
        assert!(text.contains("its clock is the wrong one"), "{text}");
        pass(seconds(5)).await;
        world.collector.clock.step(10 * MINUTE_MS);
        pass(seconds(240)).await; // longer than silence is borne
        assert_eq!(sentences(&world), Vec::<String>::new());
        nobody_is_silent(&world);
        let refused = one_story(&world).await;
        assert!(refused.iter().all(|rows| *rows > 50), "{refused:?}");

        world.machines[0].stop().await;
        world.start(0);
        world.crash_collector(seconds(2)).await;
        let all = |world: &World| (0..3).all(|machine| world.is_settled(machine));
        world.until("all are back", seconds(120), all).await;
        pass(seconds(10)).await;
        assert_eq!(
            one_story(&world).await,
            refused,
            "nothing is forgotten, and nothing refused again"
        );
        let status = world.machines[0].status().unwrap();
        assert_eq!(
            (status.ledger.refused, status.ledger.refused_before),
            (0, refused[0])
        );
        assert!(
            status.text().contains("of earlier processes"),
            "{}",
            status.text()
        );
        judge_refusing(world).await;
    });
}

#[test]
fn collector_ten_minutes_forward_names_itself_and_still_notices_a_dead_node() {
    on_virtual_time(async {
        let world = watched(51, &[0, 0, 0]).await;
        world.collector.clock.step(10 * MINUTE_MS);
        pass(seconds(12)).await;
        let said = sentences(&world);
        assert!(
            said.len() == 1
                && said[0].starts_with("This collector's clock is the wrong one: it is 10 min ahead of"),
            "{said:?}"
        );
        pass(seconds(240)).await;
        nobody_is_silent(&world);
        assert_eq!(
            one_story(&world).await,
            [0, 0, 0],
            "ten minutes late is not too late"
        );
        assert!(
            told_of_clocks(&world, "own-clock") >= 1,
            "above a minute it is an alert"
        );
        notices_a_dead_node(&world, seconds(30)).await;
        judge(world).await;
    });
}

#[test]
fn probe_six_minutes_fast_is_named_and_what_it_measures_is_refused_and_counted() {
    on_virtual_time(async {
        let world = watched(52, &[0, 0, 0, 6 * MINUTE_MS]).await;
        let fast = world.machines[3].probe;
        assert_eq!(named(&world), ["probe-4"]);
        let said = sentences(&world);
        assert!(
            said[0].contains("6 min ahead of this collector's (there "),
            "{said:?}"
        );
        let text = world.machines[3].status().unwrap().text();
        assert!(text.contains("360.0 s ahead of the collector's (here "), "{text}");
        pass(seconds(240)).await;
        nobody_is_silent(&world); // its session never broke, and it sends
        assert_eq!(
            told_of_clocks(&world, "clock"),
            1,
            "above a minute it is an alert"
        );
        let refused = one_story(&world).await;
        assert!(refused[3] > 500 && refused[..3] == [0, 0, 0], "{refused:?}");
        assert_eq!(world.stored(fast), 0);
        let quarantined = quarantined(&world.collector.process().store).unwrap();
        assert!(
            quarantined.kept[0]
                .0
                .reason
                .contains("ahead of this collector's clock (")
        );
        notices_a_dead_node(&world, seconds(30)).await;

        world.machines[3].clock.simulate_step(-6 * MINUTE_MS);
        pass(seconds(20)).await;
        assert_eq!(sentences(&world), Vec::<String>::new());
        assert!(world.stored(fast) > 0, "what follows is stored");
        one_story(&world).await;
        judge_refusing(world).await;
    });
}

#[test]
fn fleet_forty_five_seconds_slow_still_pages() {
    on_virtual_time(async {
        let world = watched(53, &[-45_000, -45_100, -44_900]).await;
        let said = sentences(&world);
        assert!(
            said.len() == 1
                && said[0].starts_with("This collector's clock is the wrong one: it is 45 s ahead of"),
            "{said:?}"
        );
        pass(seconds(60)).await;
        nobody_is_silent(&world);
        notices_a_dead_node(&world, seconds(30)).await;
        assert_eq!(one_story(&world).await, [0, 0, 0]);
        judge(world).await;
    });
}

#[test]
fn one_probe_forty_five_seconds_slow_is_named_and_judges_as_the_others() {
    on_virtual_time(async {
        let world = watched(54, &[0, -45_000]).await;
        assert_eq!(named(&world), ["probe-2"]);
        notices_a_dead_node(&world, seconds(30)).await; // two judges are needed, and it is one of them
        assert_eq!(one_story(&world).await, [0, 0]);
        judge(world).await;
    });
}

/// Its slots of four minutes ahead do not lead: what it measures after it was corrected is the newest.
#[test]
fn probe_four_minutes_fast_and_then_corrected_judges_at_once() {
    on_virtual_time(async {
        let world = watched(55, &[0, 4 * MINUTE_MS]).await;
        assert_eq!(named(&world), ["probe-2"]);
        pass(seconds(20)).await;
        world.machines[1].clock.simulate_step(-4 * MINUTE_MS);
        pass(seconds(10)).await;
        assert_eq!(sentences(&world), Vec::<String>::new());
        assert_eq!(epochs(&world, world.machines[1].probe).len(), 2);
        notices_a_dead_node(&world, seconds(30)).await; // two judges are needed, and it is one of them
        assert_eq!(
            one_story(&world).await,
            [0, 0],
            "within five minutes nothing is refused"
        );
        judge(world).await;
    });
}

/// What was stored while the clock was ahead is dated ahead of the present: it leads nothing.
#[test]
fn collector_set_right_while_it_was_stopped_notices_a_dead_node() {
    on_virtual_time(async {
        let mut world = watched(56, &[0, 0, 0]).await;
        world.collector.clock.step(10 * MINUTE_MS);
        pass(seconds(30)).await;
        world.collector.stop().await;
        world.collector.clock.step(-10 * MINUTE_MS);
        world.start_collector();
        let all = |world: &World| (0..3).all(|machine| world.is_connected(machine));
        world.until("all are back", seconds(60), all).await;
        pass(seconds(25)).await;
        notices_a_dead_node(&world, seconds(30)).await;
        judge(world).await;
    });
}

const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The collector starts with a clock that is wrong by so much: everybody comes in, and hears whose clock it is; set right,
/// it goes on as before.
fn collector_that_starts_far_off(seed: u64, by_ms: i64, said: &str) {
    on_virtual_time(async {
        let mut world = watched(seed, &[0, 0, 0]).await;
        world.collector.stop().await;
        world.collector.clock.step(by_ms);
        world.start_collector();
        let all = |world: &World| (0..3).all(|machine| world.is_connected(machine));
        world.until("all are back", seconds(60), all).await;
        pass(seconds(25)).await;
        let own = format!("This collector's clock is the wrong one: it is {said} ");
        let sentences = self::sentences(&world);
        assert!(
            sentences.len() == 1 && sentences[0].starts_with(&own),
            "{sentences:?}"
        );
        for machine in &world.machines {
            let clock = machine.status().unwrap().clock.unwrap();
            assert!(clock.collector_is_wrong, "{clock:?}");
        }
        pass(seconds(200)).await;
        // where all that comes is of the future, it is refused, and nothing is known of the nodes
        assert!(accusations(&world).is_empty(), "{:#?}", accusations(&world));
        assert_eq!(letters(&world).is_empty(), by_ms > 0, "{:#?}", letters(&world));
        world.collector.clock.step(-by_ms);
        pass(seconds(60)).await;
        assert_eq!(self::sentences(&world), Vec::<String>::new());
        world.until("all are connected", seconds(60), all).await;
        one_story(&world).await;
        notices_a_dead_node(&world, seconds(30)).await;
    });
}

#[test]
fn collector_that_starts_two_hours_ahead_is_named_at_both_ends() {
    collector_that_starts_far_off(57, 2 * HOUR_MS, "2 h ahead of");
}

#[test]
fn collector_that_starts_two_hours_behind_is_named_at_both_ends() {
    collector_that_starts_far_off(58, -2 * HOUR_MS, "2 h behind");
}

#[test]
fn collector_that_starts_two_days_ahead_is_named_at_both_ends() {
    collector_that_starts_far_off(59, 48 * HOUR_MS, "2 d ahead of");
}

#[test]
fn collector_that_starts_two_days_behind_is_named_at_both_ends() {
    collector_that_starts_far_off(65, -48 * HOUR_MS, "2 d behind");
}

/// The same of a probe: the others go on.
#[test]
fn probe_hours_or_days_off_comes_in_and_is_named() {
    on_virtual_time(async {
        for hours in [2, -2, 48, -48] {
            let world = watched(66, &[0, 0, 0, hours * HOUR_MS]).await;
            assert_eq!(named(&world), ["probe-4"], "{hours} h");
            let clock = world.machines[3].status().unwrap().clock.unwrap();
            assert!(!clock.collector_is_wrong, "{clock:?}");
            let ms = clock.offset_ms.abs_diff(hours * HOUR_MS);
            assert!(ms < 1_000, "{hours} h: {clock:?}");
            pass(seconds(200)).await;
            nobody_is_silent(&world);
            notices_a_dead_node(&world, seconds(30)).await;
        }
    });
}
