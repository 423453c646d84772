//! What a node is asked: within its budget, evenly spaced, from seats that stay.

use std::collections::BTreeMap;

use isochrone_proto::limits::{CONTROL_BYTES_MAX, PLAN_CHECKS_MAX, THROUGHPUT_BYTES};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::*;
use crate::pace::Budget;
use crate::targets::NodeKind;

/// So long is looked at, in milliseconds.
const SPAN_MS: u64 = 20 * 60_000;

/// A budget's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Status,
    Asset,
    Connect,
    Throughput,
}

fn part_of(kind: Kind) -> Part {
    match kind.check {
        Check::Status | Check::Http => Part::Status,
        Check::Throughput => Part::Throughput,
        check if check.is_asset() => Part::Asset,
        _ => Part::Connect,
    }
}

/// A node over these families.
fn over(name: &str, families: &str) -> Node {
    let mut node = node(name, &format!("{name}.example.org"));
    node.families = match families {
        "4" => vec![Family::V4],
        "6" => vec![Family::V6],
        _ => vec![Family::V4, Family::V6],
    };
    node
}

type Seated = BTreeMap<ProbeId, Vec<(Kind, Schedule)>>;

/// What every probe checks of `node`.
fn checks_of(drafts: &[(ProbeId, Draft)], node: &str) -> Seated {
    let of_probe = |(probe, draft): &(ProbeId, Draft)| {
        let of_node = |check: &&PlannedCheck| draft.targets[usize::from(check.target)].name == node;
        let checks = draft.checks.iter().filter(of_node);
        let checks: Vec<_> = checks.map(|check| (check.kind, check.schedule)).collect();
        (!checks.is_empty()).then_some((*probe, checks))
    };
    drafts.iter().filter_map(of_probe).collect()
}

/// When the node is asked in twenty minutes, by the budget's parts, in order.
fn calls(seated: &Seated) -> BTreeMap<Part, Vec<u64>> {
    let mut calls: BTreeMap<Part, Vec<u64>> = BTreeMap::new();
    for (kind, schedule) in seated.values().flatten() {
        let mut slot = schedule.first_from(UnixMillis(100 * SPAN_MS));
        while slot < UnixMillis(101 * SPAN_MS) {
            calls.entry(part_of(*kind)).or_default().push(slot.0);
            slot = schedule.after(slot);
        }
    }
    for calls in calls.values_mut() {
        calls.sort_unstable();
    }
    calls
}

/// The most calls of any minute.
fn most_a_minute(calls: &[u64]) -> usize {
    let within =
        |(place, first): (usize, &u64)| calls[place..].partition_point(|call| *call < first + 60_000);
    calls.iter().enumerate().map(within).max().unwrap_or(0)
}

/// The longest time between two calls, in milliseconds.
fn widest_gap(calls: &[u64]) -> u64 {
    calls.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

fn most_of(budget: &Budget, part: Part) -> u32 {
    match part {
        Part::Status => budget.status,
        Part::Asset => budget.asset,
        Part::Connect => budget.connect,
        Part::Throughput => 0, // its budget is a day's
    }
}

/// Holds the calls of a node against its budget, and that status and asset use it up, evenly.
fn check_calls(seated: &Seated, budget: &Budget, case: &str) {
    for (part, calls) in calls(seated) {
        let most = most_of(budget, part);
        assert!(most_a_minute(&calls) <= most as usize, "{case}: {part:?}");
        if part != Part::Connect {
            let even = 60_000 / u64::from(most);
            let gap = widest_gap(&calls);
            assert!(
                gap <= even + 2,
                "{case}: {part:?} rests for {gap} ms, {even} would be even"
            );
            assert!(calls.len() as u64 >= SPAN_MS / (even + 2), "{case}: {part:?}");
        }
    }
}

/// Who sits where, and what they check of the first node: without the mesh, which takes longer.
fn seated_in(input: &PlanInput, before: &Seats) -> (Seats, Seated) {
    let listed: Vec<Listed<'_>> = input.nodes.iter().map(Listed::new).collect();
    let stretches = rate::of_nodes(input);
    let stretched: Vec<_> = listed.iter().zip(&stretches).collect();
    let (seats, seated) = input.seat_all(before, &input.marks(), &stretched, &mut Vec::new());
    let checks = input.probes.iter().zip(seated);
    let of_first = |(probe, seats): (&Participant, Vec<Seat<'_>>)| {
        let seat = seats
            .into_iter()
            .find(|seat| seat.listed.node.name == input.nodes[0].name);
        seat.map(|seat| (probe.id, seat.checks))
    };
    (seats, checks.filter_map(of_first).collect())
}

#[test]
fn calls_of_any_number_of_probes_keep_the_budget_and_are_evenly_spaced() {
    for families in ["4", "6", "46"] {
        for probes in 1..=300 {
            let input = input(probes, vec![over("berlin", families)]);
            let (_, seated) = seated_in(&input, &Seats::default());
            check_calls(
                &seated,
                &input.pace.budget,
                &format!("{probes} probes over {families}"),
            );
        }
    }
}

#[test]
fn calls_keep_any_budget_while_probes_come_and_go() {
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut input = input(
            random.random_range(1..60),
            vec![over("berlin", "46"), over("oslo", "4")],
        );
        input.pace.budget = Budget {
            status: random.random_range(1..=20),
            asset: random.random_range(1..=40),
            connect: random.random_range(1..=400),
            throughput: 0,
        };
        input.nodes[0].interval = Some(std::time::Duration::from_secs(random.random_range(1..60)));
        let (mut seats, mut next) = (Seats::default(), 1_000);
        for _ in 0..20 {
            if random.random_bool(0.5) && input.probes.len() > 1 {
                let gone = random.random_range(0..input.probes.len());
                input.probes.remove(gone);
            } else {
                input.probes.push(participant(next, false));
                next += 1;
            }
            let (now, seated) = seated_in(&input, &seats);
            let case = format!(
                "seed {seed}, {} probes, {:?}",
                input.probes.len(),
                input.pace.budget
            );
            check_calls(&seated, &input.pace.budget, &case);
            seats = now;
        }
    }
}

#[test]
fn budgets_are_used_up_by_two_families() {
    let input = input(10, vec![over("berlin", "46")]);
    let drafts = drafted(&input).drafts;
    let calls = calls(&checks_of(&drafts, "berlin"));
    assert_eq!(calls[&Part::Status].len(), 6 * 20);
    assert_eq!(calls[&Part::Asset].len(), 12 * 20);
    let load = input.loads().remove(0);
    assert!(
        (load.status - 6.0).abs() < 1e-9 && (load.asset - 12.0).abs() < 1e-9,
        "{load:?}"
    );
    assert_eq!((load.vantages, load.connect_interval_ms), (10, 10_000));
}

const DAY_MS: u64 = 86_400_000;

/// The throughput checks of four days, each with who runs it, in order.
fn throughput(seated: &Seated) -> Vec<(u64, ProbeId)> {
    let mut runs = Vec::new();
    for (probe, checks) in seated {
        let checks = checks
            .iter()
            .filter(|(kind, _)| part_of(*kind) == Part::Throughput);
        for (_, schedule) in checks {
            let mut slot = schedule.first_from(UnixMillis(100 * DAY_MS));
            while slot < UnixMillis(104 * DAY_MS) {
                runs.push((slot.0, *probe));
                slot = schedule.after(slot);
            }
        }
    }
    runs.sort_unstable();
    runs
}

/// The most of `runs` that any day holds, wherever it begins.
fn most_a_day(runs: &[u64]) -> u64 {
    let within = |(place, first): (usize, &u64)| runs[place..].partition_point(|run| *run < first + DAY_MS);
    runs.iter().enumerate().map(within).max().unwrap_or(0) as u64
}

#[test]
fn throughput_is_not_planned_unless_its_budget_says_so() {
    let input = input(10, vec![over("berlin", "46")]);
    assert_eq!(throughput(&checks_of(&drafted(&input).drafts, "berlin")), []);
    assert!(input.loads()[0].throughput.abs() < 1e-9);
}

/// Both sides: no day costs more bytes than the budget, no vantage asks more than four times, and the budget is used up
/// as far as the vantages may.
#[test]
fn throughput_keeps_its_budget_of_bytes_and_uses_it_up() {
    let bytes = u64::from(THROUGHPUT_BYTES);
    for families in ["4", "46"] {
        for probes in [1, 2, 3, 7, 10, 16, 33] {
            for mebibytes in [16, 24, 40, 100, 320, 512, 1_000, 65_536] {
                let mut input = input(probes, vec![over("berlin", families)]);
                let budget = mebibytes << 20;
                input.pace.budget.throughput = budget;
                let (_, seated) = seated_in(&input, &Seats::default());
                let runs = throughput(&seated);
                let case = format!("{probes} probes over {families}, {mebibytes} MiB a day");
                let slots: Vec<u64> = runs.iter().map(|(slot, _)| *slot).collect();
                let most = most_a_day(&slots);
                assert!(most * bytes <= budget, "{case}: {most} runs in a day");
                for probe in seated.keys() {
                    let own = runs.iter().filter(|(_, of)| of == probe);
                    let own = most_a_day(&own.map(|(slot, _)| *slot).collect::<Vec<_>>());
                    assert!(own <= 4, "{case}: {own} by one vantage");
                }
                // turns are halved to keep the floor, so a vantage has at least two of its four a day
                let turn = families.len() as u64;
                let affordable = (budget / (bytes * turn) * turn).min(2 * (seated.len() as u64));
                let planned = slots.len() as u64 / 4;
                assert!(
                    planned + turn >= affordable,
                    "{case}: {planned} of {affordable} a day"
                );
                let load = input.loads().remove(0).throughput;
                let apart = (load * 4.0 - slots.len() as f64).abs();
                let ends = turn * seated.len() as u64; // a run more or less of each in four days
                assert!(apart <= ends as f64, "{case}: {load}");
            }
        }
    }
}

#[test]
fn pace_of_a_source_is_not_measured_for_the_nodes() {
    let mut page = over("lima", "4");
    page.kind = NodeKind::Http;
    let mut bare = over("rome", "4");
    bare.asset = None;
    let mut input = input(10, vec![over("berlin", "4"), over("oslo", "4"), page, bare]);
    input.pace.budget.throughput = 512 << 20;
    input.downloads.insert("berlin".to_owned());
    let drafts = drafted(&input).drafts;
    let runs = |node: &str| throughput(&checks_of(&drafts, node)).len();
    assert_eq!(runs("oslo"), 4 * 4 * 10, "four times a day by each");
    assert_eq!(
        (runs("berlin"), runs("lima"), runs("rome")),
        (0, 0, 0),
        "downloaded each time, a plain web server, no asset"
    );
}

/// What is asked besides stays as it was.
#[test]
fn throughput_moves_no_other_check() {
    let mut input = input(9, vec![over("berlin", "46")]);
    let before = drafted(&input);
    input.pace.budget.throughput = 512 << 20;
    let after = input.draft(&before.seats);
    assert_eq!(before.seats, after.seats);
    let mut seated = checks_of(&after.drafts, "berlin");
    for checks in seated.values_mut() {
        checks.retain(|(kind, _)| part_of(*kind) != Part::Throughput);
    }
    assert_eq!(seated, checks_of(&before.drafts, "berlin"));
    let found = input.seats_in(after.drafts.iter().map(|(probe, draft)| (*probe, draft)));
    assert_eq!(found, after.seats);
}

#[test]
fn page_of_a_web_server_counts_as_status() {
    let mut page = over("berlin", "4");
    page.kind = NodeKind::Http;
    let input = input(7, vec![page]);
    let calls = calls(&checks_of(&drafted(&input).drafts, "berlin"));
    assert_eq!(calls[&Part::Status].len(), 6 * 20);
    assert!(!calls.contains_key(&Part::Asset));
}

#[test]
fn vantage_keeps_its_seat_when_another_comes_or_goes() {
    let mut input = input(2, vec![over("berlin", "4")]);
    let (mut seats, mut before) = seated_in(&input, &Seats::default());
    for number in 100..118 {
        input.probes.push(participant(number, false));
        let (now, seated) = seated_in(&input, &seats);
        let changed = before
            .iter()
            .filter(|(probe, checks)| seated.get(probe) != Some(checks));
        assert_eq!(changed.count(), 1, "one gives half of its turns away");
        for (probe, checks) in &before {
            let connects = |checks: &[(Kind, Schedule)]| -> Vec<_> {
                let connects = checks.iter().filter(|(kind, _)| part_of(*kind) == Part::Connect);
                connects.copied().collect()
            };
            assert_eq!(
                connects(checks),
                connects(&seated[probe]),
                "no connect check moves"
            );
        }
        (seats, before) = (now, seated);
    }
    for _ in 0..10 {
        input.probes.remove(3);
        let (now, seated) = seated_in(&input, &seats);
        let changed = seated
            .iter()
            .filter(|(probe, checks)| before.get(probe) != Some(checks));
        assert!(
            changed.count() <= 2,
            "one takes the seat, one takes its turns back"
        );
        (seats, before) = (now, seated);
    }
}

#[test]
fn probe_beyond_the_seats_changes_only_nodes_that_it_is_chosen_for() {
    let nodes: Vec<Node> = (0..30).map(|number| over(&format!("n{number}"), "4")).collect();
    let mut input = input(60, nodes);
    let before = drafted(&input);
    input.probes.push(participant(1_000, false));
    let after = input.draft(&before.seats);
    let mut touched = 0;
    for node in &input.nodes {
        let (old, new) = (
            checks_of(&before.drafts, &node.name),
            checks_of(&after.drafts, &node.name),
        );
        if new.contains_key(&ProbeId(1_000)) {
            touched += 1;
            let stays = old
                .iter()
                .filter(|(probe, checks)| new.get(probe) == Some(checks));
            assert_eq!(stays.count(), old.len() - 1, "it takes over one seat");
        } else {
            assert_eq!(old, new);
        }
    }
    assert!(
        (1..20).contains(&touched),
        "chosen for a third of the nodes: {touched}"
    );
    assert_eq!(before.limits.fewer.len(), 30);
    assert_eq!(
        (before.limits.fewer[0].vantages, before.limits.fewer[0].probes),
        (20, 60)
    );
}

#[test]
fn changed_target_changes_no_other_node() {
    let mut input = input(
        12,
        vec![over("berlin", "4"), over("oslo", "46"), over("lima", "6")],
    );
    let before = drafted(&input);
    input.nodes[1].interval = Some(std::time::Duration::from_secs(20));
    input.nodes.remove(2);
    let after = input.draft(&before.seats);
    assert_eq!(
        checks_of(&before.drafts, "berlin"),
        checks_of(&after.drafts, "berlin")
    );
}

#[test]
fn vantages_are_spread_over_networks_and_the_workers_own_come_last() {
    let mut input = input(60, vec![over("berlin", "4")]);
    for (place, probe) in input.probes.iter_mut().enumerate() {
        probe.network = match place {
            0..40 => Some(1),
            40..50 => Some(2),
            50..55 => Some(3),
            _ => None,
        };
    }
    input.nodes[0].worker = "WORKER-41".to_owned(); // in network 2
    let seats = drafted(&input).seats;
    let mut of_network: BTreeMap<Option<u32>, usize> = BTreeMap::new();
    for vantage in seats.of("berlin") {
        let probe = input.probes.iter().find(|probe| probe.id == *vantage).unwrap();
        assert_ne!(probe.worker, "worker-41");
        *of_network.entry(probe.network).or_default() += 1;
    }
    assert_eq!(of_network.values().copied().collect::<Vec<_>>(), [5; 4]);

    input.probes.truncate(5);
    input.nodes[0].worker = "worker-3".to_owned();
    assert_eq!(
        drafted(&input).seats.of("berlin").len(),
        5,
        "with room they measure too"
    );
}

#[test]
fn small_budget_leaves_four_vantages_at_a_longer_interval() {
    let mut input = input(30, vec![over("berlin", "46")]);
    input.pace.budget.connect = 12;
    let load = input.loads().remove(0);
    assert_eq!((load.vantages, load.connect_interval_ms), (4, 40_000));
    assert_eq!(drafted(&input).seats.of("berlin").len(), 4);
}

#[test]
fn seats_are_found_again_in_the_plans_of_a_collector_that_starts() {
    let mut input = input(9, vec![over("berlin", "46"), over("oslo", "4")]);
    input.nodes[1].kind = NodeKind::Http;
    let first = drafted(&input);
    input.probes.remove(2); // its seat is free
    input.probes.push(participant(77, false));
    input.probes.push(participant(78, false));
    let before = input.draft(&first.seats);
    assert_ne!(before.seats, drafted(&input).seats, "else the order says it all");
    let found = input.seats_in(before.drafts.iter().map(|(probe, draft)| (*probe, draft)));
    assert_eq!(found, before.seats);
    assert_eq!(input.draft(&found).drafts, before.drafts);
}

#[test]
fn paused_node_goes_on_from_the_same_seats() {
    let mut input = input(9, vec![over("berlin", "4")]);
    let mut seats = drafted(&input).seats;
    input.probes.push(participant(77, false));
    let before = input.draft(&seats);
    seats = before.seats;
    input.nodes[0].paused = true;
    assert_eq!(input.loads()[0].vantages, 0);
    seats = input.draft(&seats).seats;
    input.nodes[0].paused = false;
    assert_eq!(input.draft(&seats).drafts, before.drafts);
}

#[test]
fn asset_that_is_downloaded_each_time_is_asked_for_four_times_less_often() {
    let mut input = input(10, vec![over("berlin", "4"), over("oslo", "4")]);
    input.downloads.insert("berlin".to_owned());
    let drafts = drafted(&input).drafts;
    let (berlin, oslo) = (
        calls(&checks_of(&drafts, "berlin")),
        calls(&checks_of(&drafts, "oslo")),
    );
    assert_eq!(berlin[&Part::Asset].len(), 3 * 20);
    assert_eq!(oslo[&Part::Asset].len(), 12 * 20);
    assert_eq!(berlin[&Part::Status].len(), oslo[&Part::Status].len());
    assert!((input.loads()[0].asset - 3.0).abs() < 1e-9);
}

/// Issue 10: a plan of 27,000 checks was signed, which no probe takes.
#[test]
fn plan_holds_what_fits_and_says_what_was_left_out() {
    let nodes = (0..4_000).map(|number| {
        let mut node = over("n", "46");
        node.name = format!("n{number}");
        node.interval = Some(std::time::Duration::from_secs(60));
        node.url = format!("http://127.0.0.1:{}/", 1_000 + number).parse().unwrap(); // no rate of a host
        node
    });
    let input = input(3, nodes.collect());
    let Drafted { drafts, limits, .. } = drafted(&input);
    assert_eq!(limits.left_out.len(), 3);
    for ((_, draft), left_out) in drafts.iter().zip(&limits.left_out) {
        assert_eq!(draft.targets.len() + left_out.nodes, 4_002, "two peers");
        assert!((PLAN_CHECKS_MAX - 8..=PLAN_CHECKS_MAX).contains(&draft.checks.len()));
        assert_eq!(left_out.checks, 8 * left_out.nodes);
        let plan = plan_of(draft.clone());
        assert_eq!(plan.check(), Ok(()));
        let bytes = isochrone_proto::codec::encode_plan(&plan);
        assert!(bytes.len() < CONTROL_BYTES_MAX, "{}", bytes.len());
        isochrone_proto::codec::decode_plan(&bytes).unwrap();
    }
    let names = |draft: &Draft| -> BTreeSet<String> {
        draft.targets.iter().map(|target| target.name.clone()).collect()
    };
    assert_ne!(
        names(&drafts[0].1),
        names(&drafts[1].1),
        "not all leave out the same"
    );
}

#[test]
fn many_slow_addresses_stay_below_what_a_probe_runs_a_second() {
    let mut input = input(
        1,
        (0..2_000)
            .map(|number| over(&format!("n{number}"), "4"))
            .collect(),
    );
    for node in &mut input.nodes {
        node.interval = Some(std::time::Duration::from_secs(1));
    }
    input.pace.budget = Budget {
        status: 60,
        asset: 120,
        connect: 600,
        throughput: 0,
    };
    let Drafted { drafts, limits, .. } = drafted(&input);
    assert_eq!(plan_of(drafts[0].1.clone()).check(), Ok(()));
    assert_eq!(limits.left_out.len(), 1);
}

#[test]
fn family_that_few_have_keeps_its_judges() {
    let mut input = input(60, vec![over("oslo", "46")]);
    for (place, probe) in input.probes.iter_mut().enumerate() {
        let number = place as u64 + 1;
        (probe.v4, probe.v6) = (participant(number, true).v4, None);
    }
    for (have, judge) in [(3, 3), (30, 4)] {
        for place in 0..have {
            let number = place as u64 + 1;
            input.probes[place].v6 = participant(number, true).v6;
        }
        let seats = drafted(&input).seats;
        let of_node = seats.of("oslo");
        let v6 = of_node.iter().filter(|probe| probe.0 <= have as u64).count();
        assert_eq!(of_node.len(), 10);
        assert!(v6 >= judge, "{v6} of {have}");
        let mut distinct = of_node.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 10, "nobody sits twice");
    }
    for (place, probe) in input.probes.iter_mut().enumerate() {
        let number = place as u64 + 1;
        (probe.v4, probe.v6) = (None, participant(number, true).v6);
    }
    for place in 40..43 {
        let number = place as u64 + 1;
        (input.probes[place].v4, input.probes[place].v6) = (participant(number, true).v4, None);
    }
    let seats = drafted(&input).seats;
    let v4 = seats
        .of("oslo")
        .iter()
        .filter(|probe| (41..=43).contains(&probe.0))
        .count();
    assert_eq!(v4, 3, "the other way round as well");
}
