//! Outages: found in the log, kept as they were told, and what counts while they stand.

use super::*;

#[test]
fn outage_has_start_end_cause_and_vantages() {
    let report = run(&roster(), window(60), |round, _, to, kind| {
        let is_down = to == "tokyo" && kind == STATUS4 && (20..30).contains(&round);
        Some(if is_down { timeout() } else { usual(kind) })
    });
    let tokyo = node(&report, "tokyo");
    assert_eq!(tokyo.outages.len(), 1);
    let outage = &tokyo.outages[0];
    assert_eq!(outage.start, UnixMillis(DAY0 + 200_000));
    assert_eq!(outage.end, Some(UnixMillis(DAY0 + 300_000)));
    assert_eq!((outage.check, outage.cause), (IncidentCheck::Connect, "node"));
    assert_eq!(
        outage.vantages,
        ["berlin", "oslo", "paris"],
        "its own worker's probe is not asked"
    );
    assert!((outage.duration_s - 100.0).abs() < 1e-9);
    assert_eq!(outage.failure.as_deref(), Some("connect: timeout"));
    assert!(node(&report, "lima").outages.is_empty());
    let day = &tokyo.days[0];
    assert_eq!((day.checks, day.status_checks, day.asset_checks), (360, 180, 180));
    assert_eq!(day.status_ok, Some(150.0 / 180.0));
    assert_eq!(day.asset_ok, Some(1.0));
    assert_eq!(day.vantages, 3);
    assert_eq!(
        (report.would_have_paged, report.measured_from),
        (1, Some(UnixMillis(DAY0)))
    );
}

#[test]
fn flapping_outage_that_answers_at_the_moment_is_not_called_down() {
    let at = |second: u64| UnixMillis(DAY0 + second * 1_000);
    let mut flapping = kept(at(60), None);
    flapping.flapping = Some(Flapping {
        openings: 2,
        ..Flapping::default()
    });
    flapping.spells = [(60, 70), (90, 94)]
        .map(|(first_red, first_green)| Spell {
            last_green: at(first_red - 10),
            first_red: at(first_red),
            last_red: at(first_green - 1),
            first_green: Some(at(first_green)),
            shared_since: None,
        })
        .to_vec();
    let report = builder(&roster(), window(60)).finish(std::slice::from_ref(&flapping));
    let outage = &node(&report, "tokyo").outages[0];
    assert_eq!((outage.duration_s, outage.up_since), (14.0, Some(at(94))));
    let line = super::super::words::outage_line(outage);
    assert_eq!(
        line,
        "2026-11-22 00:01:00 to 2026-11-22 00:01:34 (14 s) connect, down 2 times, at the node; watched until it has been \
         up for 10 minutes"
    );
    let mut shared = outage.clone();
    shared.cause = "shared";
    let line = super::super::words::outage_line(&shared);
    assert!(
        line.contains("shared with other nodes (what was shared is left out of the availability)"),
        "an outage beside 100 % is explained: {line}"
    );
}

#[test]
fn incident_that_was_kept_stands_as_it_was_kept() {
    let roster = roster();
    let mut builder = builder(&roster, window(60));
    for probe in roster.probes() {
        let plan = Arc::new(fixture::plan(&roster, probe.id, &[STATUS4]));
        let index = fixture::check(&plan, TargetId::of_node("tokyo"), STATUS4);
        let rows: Vec<_> = (0..60)
            .map(|round| {
                let outcome = if (20..30).contains(&round) {
                    timeout()
                } else {
                    good(20)
                };
                fixture::row(index, UnixMillis(DAY0 + round * 10_000), outcome)
            })
            .collect();
        builder.add(&stored(&plan, &rows));
    }
    let live = run(&roster, window(60), |round, _, to, kind| {
        let is_down = to == "tokyo" && (20..30).contains(&round);
        Some(if is_down { timeout() } else { usual(kind) })
    });
    let found = &node(&live, "tokyo").outages[0];
    let kept = kept(UnixMillis(found.start.0 + 10_000), found.end);
    let report = builder.finish(std::slice::from_ref(&kept));
    let outages = &node(&report, "tokyo").outages;
    assert_eq!(outages.len(), 1, "one outage, not one of each");
    assert_eq!((outages[0].id.as_str(), outages[0].start), ("kept", kept.start));
}

/// What the live rule keeps at the time: fed a second after each slot, asked once a second.
fn kept_live(
    roster: &Roster,
    (rounds, interval): (u64, u32),
    outcome: impl Fn(u64, &str, &str, Kind) -> Option<Outcome>,
) -> Vec<Told> {
    let store = Store::in_memory(StoreOptions::default()).unwrap();
    let mut monitor = isochrone_watch::fixture::monitor(&store, roster, UnixMillis(DAY0));
    let facts = SessionFacts {
        remote: "192.0.2.9:7470".parse().unwrap(),
        clock_offset_ms: Some(0),
        heard: None,
    };
    let sessions: OpenSessions = roster.probes().map(|probe| (probe.id, facts)).collect();
    let mut commit = 0;
    for second in 0..rounds * 10 {
        let now = UnixMillis(DAY0 + second * 1_000);
        if second % 10 == 1 {
            for probe in roster.probes() {
                commit += 1;
                let committed = commit_of(roster, (probe, second / 10, interval), &outcome, (now, commit));
                monitor.committed(&committed);
            }
        }
        monitor.tick(roster, &sessions, now).unwrap();
    }
    let kept = isochrone_watch::monitor::incidents(&store).list().unwrap();
    let ended = kept.into_iter().filter_map(|(_, incident)| {
        let mut vantages: Vec<_> = incident
            .evidence
            .iter()
            .map(|cell| cell.vantage.clone())
            .collect();
        vantages.sort();
        vantages.dedup();
        Some((incident.start, incident.end?, vantages))
    });
    ended.collect()
}

fn commit_of(
    roster: &Roster,
    (probe, round, interval): (&ProbeEntry, u64, u32),
    outcome: &impl Fn(u64, &str, &str, Kind) -> Option<Outcome>,
    (received, commit): (UnixMillis, u64),
) -> Committed {
    let plan = plan_of_both_families(roster, probe.id, interval);
    let mut rows = Vec::new();
    for index in 0..plan.checks.len() as u16 {
        let (check, target) = plan.target_of(index).unwrap();
        if is_due(check, round) {
            let outcome = outcome(round, &probe.name, &target.name, check.kind).unwrap();
            rows.push(fixture::row(index, UnixMillis(DAY0 + round * 10_000), outcome));
        }
    }
    Committed {
        probe: probe.id,
        batch: Arc::new(fixture::batch(&plan, &rows)),
        plan: Arc::new(plan),
        received,
        commit,
    }
}

/// What the live rule keeps at the time and what the report finds in the log afterwards, for endpoints that
/// are checked every 10, 30 and 60 seconds, with and without a probe whose IPv6 is dead all the time.
#[test]
fn report_and_live_rule_agree_on_outages_that_were_seen_in_time() {
    const ROUNDS: u64 = 180;
    let roster = roster();
    type Fails = fn(u64, &str) -> bool;
    let cases: [Fails; 4] = [
        |step, _| (10..20).contains(&step),
        |step, from| (10..25).contains(&step) && (from != "oslo" || step < 20),
        |step, from| (10..25).contains(&step) && (from != "paris" || step > 12),
        |step, from| step < 12 && (from == "berlin" || step >= 6),
    ];
    for (number, fails) in cases.into_iter().enumerate() {
        for (interval, is_v6_dead) in [
            (1, false),
            (3, false),
            (6, false),
            (1, true),
            (3, true),
            (6, true),
        ] {
            let outcome = |round: u64, from: &str, to: &str, kind: Kind| {
                let is_dead = is_v6_dead && from == "paris" && kind.family == Family::V6;
                let is_down = to == "tokyo" && kind == STATUS4 && fails(round / u64::from(interval), from);
                Some(match kind.check.is_endpoint() {
                    true if is_dead || is_down => timeout(),
                    false if is_dead => lost(),
                    _ => usual(kind),
                })
            };
            let plan_of = |probe| plan_of_both_families(&roster, probe, interval);
            let report = run_plans(&roster, window(ROUNDS), plan_of, outcome);
            let found: Vec<Told> = node(&report, "tokyo")
                .outages
                .iter()
                .map(|outage| (outage.start, outage.end.unwrap(), outage.vantages.clone()))
                .collect();
            let kept = kept_live(&roster, (ROUNDS, interval), outcome);
            assert_eq!(kept, found, "case {number}, interval {interval}, {is_v6_dead}");
            assert_eq!(kept.len(), 1, "case {number}, interval {interval}, {is_v6_dead}");
        }
    }
}

/// Checks over both families; endpoints are checked every `rounds` rounds.
fn plan_of_both_families(roster: &Roster, probe: ProbeId, rounds: u32) -> Plan {
    let mut plan = fixture::plan(roster, probe, &[STATUS4, STATUS6, GET4]);
    for check in &mut plan.checks {
        if check.kind.check.is_endpoint() {
            check.schedule = Schedule::new(rounds * 10_000, 0, 5_000).unwrap();
        }
    }
    let echoes: Vec<_> = plan
        .checks
        .iter()
        .filter(|check| !check.kind.check.is_endpoint())
        .cloned()
        .collect();
    plan.checks.extend(echoes.into_iter().map(|echo| PlannedCheck {
        kind: Kind::new(Check::Echo, Family::V6),
        ..echo
    }));
    plan
}

#[test]
fn outage_after_a_change_of_the_interval_is_found() {
    let roster = roster();
    for (before, after) in [(1, 6), (30, 1)] {
        let mut builder = builder(&roster, window(720));
        for probe in roster.probes() {
            for (rounds, interval) in [(0..360_u64, before), (360..720, after)] {
                let plan = Arc::new(plan_of_both_families(&roster, probe.id, interval));
                for name in ["tokyo", "lima"] {
                    let index = fixture::check(&plan, TargetId::of_node(name), STATUS4);
                    let (check, _) = plan.target_of(index).unwrap();
                    let rows: Vec<_> = rounds
                        .clone()
                        .filter(|round| is_due(check, *round))
                        .map(|round| {
                            let is_down = name == "tokyo" && (480..540).contains(&round);
                            let outcome = if is_down { timeout() } else { good(20) };
                            fixture::row(index, UnixMillis(DAY0 + round * 10_000), outcome)
                        })
                        .collect();
                    builder.add(&stored(&plan, &rows));
                }
            }
        }
        let report = builder.finish(&[]);
        let found: Vec<_> = node(&report, "tokyo")
            .outages
            .iter()
            .map(|outage| (outage.start, outage.end))
            .collect();
        let expected = (UnixMillis(DAY0 + 4_800_000), Some(UnixMillis(DAY0 + 5_400_000)));
        assert_eq!(found, [expected], "from {before} rounds to {after}");
    }
}

#[test]
fn revoked_probe_counts_as_a_network_only_while_it_measured() {
    let in_one_network = [
        fixture::probe("berlin", "ada", Some(1)),
        fixture::probe("paris", "bob", Some(1)),
    ];
    let revoked = ProbeEntry {
        active: false,
        ..fixture::probe("oslo", "cyd", Some(3))
    };
    let roster = Roster::new(
        in_one_network.into_iter().chain([revoked]),
        [fixture::node("tokyo", "ken"), fixture::node("lima", "pia")],
    );
    let outages = |oslo_measures_until: u64| {
        let report = run(&roster, window(60), |round, from, to, kind| {
            let is_down = to == "tokyo" && kind == STATUS4 && (20..30).contains(&round) && from != "oslo";
            let is_there = from != "oslo" || round < oslo_measures_until;
            is_there.then(|| if is_down { timeout() } else { usual(kind) })
        });
        node(&report, "tokyo").outages.len()
    };
    assert_eq!(outages(0), 1, "no second network can judge");
    assert_eq!(outages(10), 1, "it was revoked before");
    assert_eq!(outages(60), 0, "the second network saw the node up");
}

#[test]
fn outage_that_goes_on_has_no_end() {
    let report = run(&roster(), window(60), |round, _, to, kind| {
        Some(if to == "tokyo" && kind == GET4 && round >= 50 {
            failed(Phase::Verify, FailureCause::BadStatus, Some(500))
        } else {
            usual(kind)
        })
    });
    let outage = &node(&report, "tokyo").outages[0];
    assert_eq!((outage.end, outage.cause), (None, "node"));
    assert!((outage.duration_s - 100.0).abs() < 1e-9);
}

#[test]
fn silence_is_no_data_and_no_outage() {
    let report = run(&roster(), window(60), |_, _, to, kind| {
        (to != "tokyo").then(|| usual(kind))
    });
    let tokyo = node(&report, "tokyo");
    assert_eq!((tokyo.days[0].checks, tokyo.days[0].status_ok), (0, None));
    assert!(tokyo.outages.is_empty());
    assert!(report.text(100).contains("no data"));
}

/// Of rounds of ten seconds: every node fails from the first on, a day long if need be.
fn fleet_outage(rounds: std::ops::Range<u64>, window: Window, kept: &[Incident]) -> NodesReport {
    let roster = roster();
    let mut builder = builder(&roster, window);
    for probe in roster.probes() {
        let plan = Arc::new(fixture::plan(&roster, probe.id, &[STATUS4]));
        let first = window.from.0 / 10_000;
        let mut rows: Vec<Measurement> = Vec::new();
        for round in first..window.until.0 / 10_000 {
            for index in 0..plan.checks.len() as u16 {
                let (check, _) = plan.target_of(index).unwrap();
                let is_down = rounds.contains(&(round - DAY0 / 10_000)) && check.kind == STATUS4;
                let outcome = if is_down {
                    fixture::unconnected()
                } else {
                    usual(check.kind)
                };
                rows.push(fixture::row(index, UnixMillis(round * 10_000), outcome));
            }
        }
        for rows in rows.chunks(900) {
            builder.add(&stored(&plan, rows));
        }
    }
    builder.finish(kept)
}

#[test]
fn outage_of_all_nodes_counts_in_their_shares_however_long_it_lasts() {
    for (rounds, outage) in [(400, 100..280), (4_000, 200..3_800)] {
        let length = (outage.end - outage.start) as f64;
        let report = fleet_outage(outage, window(rounds), &[]);
        for name in ["tokyo", "lima"] {
            let of_node = node(&report, name);
            assert_eq!(of_node.outages.len(), 1, "{name}");
            let day = &of_node.days[0];
            let share = day.status_ok.unwrap();
            let expected = 1.0 - length / rounds as f64;
            assert!(
                (share - expected).abs() < 0.01,
                "{name}: {share} is not {expected}"
            );
            assert_eq!(day.unjudged, 0, "{name}");
        }
    }
}

#[test]
fn outage_that_began_before_the_window_counts_by_what_was_kept() {
    let mut outage = kept(UnixMillis(DAY0), None);
    outage.checks = vec![isochrone_watch::incident::CheckSpan {
        check: IncidentCheck::Connect,
        start: outage.start,
        end: None,
        cause: Cause::Shared,
    }];
    let later = Window {
        from: UnixMillis(DAY0 + 3_600_000),
        until: UnixMillis(DAY0 + 5_400_000),
    };
    let report = fleet_outage(0..1_000, later, std::slice::from_ref(&outage));
    let day = &node(&report, "tokyo").days[0];
    assert_eq!(
        (day.status_ok, day.unjudged),
        (Some(0.0), 0),
        "it was down all the while"
    );
}

#[test]
fn cut_probe_neither_blames_nor_counts() {
    let report = run(&roster(), window(60), |round, from, _, kind| {
        let is_cut = ["berlin", "paris"].contains(&from) && (18..36).contains(&round);
        Some(match (is_cut, kind.check.is_endpoint()) {
            (true, true) => timeout(),
            (true, false) => lost(),
            _ => usual(kind),
        })
    });
    for name in ["tokyo", "lima"] {
        let node = node(&report, name);
        assert!(node.outages.is_empty(), "{name}: {:?}", node.outages);
        assert_eq!(node.days[0].status_ok, Some(1.0), "{name}");
        assert_eq!(node.days[0].unjudged, 2 * 2 * 18, "{name}");
    }
}
