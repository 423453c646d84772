//! What is kept and judged part by part is what one replay in one go says: over late rows, restarts, nodes that come and
//! go, a roster that changes, and rows that are gone.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use isochrone_base::fixture::{self, DAY0, connected, good, replied, unconnected};
use isochrone_base::roster::ProbeEntry;
use isochrone_proto::ids::TargetId;
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{Measurement, Outcome};
use isochrone_store::StoreOptions;
use isochrone_store::fixture::stored;
use proptest::prelude::*;

use super::keeper::keep_by;
use super::*;

const CONNECT4: Kind = Kind::new(Check::Connect, Family::V4);
const STATUS4: Kind = Kind::new(Check::Status, Family::V4);
const ROUND_MS: u64 = 10_000;
const MINUTE_MS: u64 = 60_000;

fn roster() -> Roster {
    Roster::new(
        (1..=4).map(|number| fixture::probe(&format!("p{number}"), &format!("w{number}"), Some(number))),
        (1..=3).map(|number| fixture::node(&format!("n{number}"), &format!("w{number}"))),
    )
}

/// A log of batches as they came.
#[derive(Default)]
struct MadeLog {
    batches: RefCell<Vec<Stored>>,
    /// Rows before are gone.
    begins: Cell<u64>,
    read: Cell<usize>,
}

impl MadeLog {
    /// The rows of `of` come in.
    fn take(&self, of: &[Stored]) {
        let mut batches = self.batches.borrow_mut();
        for stored in of {
            let commit = batches.len() as u64 + 1;
            batches.push(Stored {
                commit,
                ..stored.clone()
            });
        }
    }
}

impl Log for MadeLog {
    fn scan(&self, range: ScanRange, each: &mut dyn FnMut(Stored)) -> Result<(), StoreError> {
        for stored in self.batches.borrow().iter() {
            let slots = stored.batch.endpoints().map(|row| row.slot);
            let slots: Vec<_> = slots.chain(stored.batch.echoes().map(|row| row.slot)).collect();
            let (first, last) = (slots.iter().min(), slots.iter().max());
            let holds = last.is_some_and(|last| *last >= range.from && last.0 >= self.begins.get())
                && first.is_some_and(|first| *first < range.until);
            if holds && stored.commit > range.after_commit {
                self.read.set(self.read.get() + 1);
                each(stored.clone());
            }
        }
        Ok(())
    }

    fn commit_number(&self) -> Result<u64, StoreError> {
        Ok(self.batches.borrow().len() as u64)
    }

    fn begins(&self) -> Result<Option<UnixMillis>, StoreError> {
        let begins = UnixMillis(self.begins.get().max(DAY0));
        Ok((!self.batches.borrow().is_empty()).then(|| begins.hour().start()))
    }
}

/// What failed: a node as a whole, or for one probe, over some rounds; each `beat` rounds it answers, if that is above 0.
#[derive(Clone, Debug)]
struct Fault {
    node: usize,
    probe: Option<usize>,
    rounds: (u64, u64),
    beat: u64,
}

/// Batches of five minutes of each probe, with when they were complete: every check each ten seconds.
fn batches(roster: &Roster, minutes: u64, faults: &[Fault]) -> Vec<(u64, Stored)> {
    let mut batches = Vec::new();
    for (number, probe) in roster.probes().enumerate() {
        let plan = Arc::new(fixture::plan(roster, probe.id, &[CONNECT4, STATUS4]));
        let names: Vec<_> = roster.nodes().map(|node| node.name.clone()).collect();
        for part in 0..minutes / 5 {
            let mut rows: Vec<Measurement> = Vec::new();
            for round in part * 30..(part + 1) * 30 {
                for index in 0..plan.checks.len() as u16 {
                    let (check, target) = plan.target_of(index).unwrap();
                    let fails = faults.iter().any(|fault| {
                        names.get(fault.node) == Some(&target.name)
                            && fault.probe.is_none_or(|of| of == number)
                            && (fault.rounds.0..fault.rounds.1).contains(&round)
                            && (fault.beat == 0 || round % fault.beat != 0)
                    });
                    let what = outcome(check.kind, fails);
                    rows.push(fixture::row(index, UnixMillis(DAY0 + round * ROUND_MS), what));
                }
            }
            batches.push((part * 5, stored(&plan, &rows)));
        }
    }
    batches.sort_by_key(|(part, _)| *part);
    batches
}

fn outcome(kind: Kind, fails: bool) -> Outcome {
    match (kind.check, fails) {
        (Check::Echo, _) => replied(20),
        (Check::Connect, true) => unconnected(),
        (_, true) => fixture::timeout(),
        (Check::Connect, false) => connected(20),
        (_, false) => good(20),
    }
}

fn kept() -> Kept {
    Kept::of(&Store::in_memory(StoreOptions::default()).unwrap())
}

fn at(minute: u64) -> UnixMillis {
    UnixMillis(DAY0 + minute * MINUTE_MS)
}

/// By what is kept, and how much of the log was read for it.
fn by_kept(log: &MadeLog, kept: &Kept, roster: &Roster, window: Span) -> (Replayed, usize) {
    let before = log.read.get();
    let replayed = judge_by(log, kept, (roster, Facts::default()), window, &mut |_| {}).unwrap();
    (replayed, log.read.get() - before)
}

/// In one go from the beginning of the log.
fn in_one_go(log: &MadeLog, roster: &Roster, window: Span) -> Replayed {
    let mut replay = Replay::new(roster, (UnixMillis(DAY0), window.1));
    read(log, &mut replay, &mut |_| {}).unwrap();
    replay.finish().within(window)
}

fn keep_all(log: &MadeLog, kept: &Kept, roster: &Roster, now: UnixMillis) {
    while keep_by(log, kept, (roster, Facts::default()), now).unwrap() {}
}

/// Stretches as runs: where one ends does not matter.
fn same(one: &Replayed, other: &Replayed) -> Result<(), TestCaseError> {
    let failures = |of: &Replayed| {
        let mut all: Vec<_> = of.failures.iter().collect();
        all.sort_by_key(|(cell, slot, _)| (*cell, *slot));
        all
    };
    prop_assert_eq!(failures(one), failures(other));
    let unheard = |of: &Replayed| of.unheard.iter().collect::<Vec<_>>();
    prop_assert_eq!(unheard(one), unheard(other));
    prop_assert_eq!(&one.incidents, &other.incidents);
    prop_assert_eq!(&one.messages, &other.messages);
    let unknown = |of: &Replayed| {
        let of = of.unknown.clone();
        of.into_iter()
            .filter(|(_, unknown)| !unknown.unjudged.is_empty() || !unknown.unmeasured.is_empty())
            .collect::<Vec<_>>()
    };
    prop_assert_eq!(unknown(one), unknown(other));
    prop_assert_eq!(one.is_one_place, other.is_one_place);
    Ok(())
}

fn fault() -> impl Strategy<Value = Fault> {
    let rounds = (0u64..700, 1u64..400).prop_map(|(from, long)| (from, from + long));
    (
        0usize..3,
        prop::option::weighted(0.4, 0usize..4),
        rounds,
        prop_oneof![Just(0u64), 2u64..30],
    )
        .prop_map(|(node, probe, rounds, beat)| Fault {
            node,
            probe,
            rounds,
            beat,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// Two hours with outages, paths that fail, nodes that come and go; some batches come late, the keeper looks
    /// at odd times and is restarted each time.
    #[test]
    fn past_by_parts_is_the_past_in_one_go(
        faults in prop::collection::vec(fault(), 0..6),
        late in prop::collection::vec((0usize..96, 1u64..16), 0..8),
        looks in prop::collection::btree_set(1u64..130, 0..8),
        from in 0u64..110,
        ends_s in prop::collection::vec(60u64..7_200, 3),
    ) {
        let (roster, log, kept) = (roster(), MadeLog::default(), kept());
        let mut coming: Vec<(u64, Stored)> = batches(&roster, 120, &faults);
        for (number, (came, _)) in coming.iter_mut().enumerate() {
            let delay = late.iter().find(|(of, _)| *of == number).map_or(0, |(_, delay)| *delay);
            *came += 5 + delay * 5;
        }
        for minute in 0..=130 {
            let now: Vec<_> = coming.extract_if(.., |(came, _)| *came <= minute).map(|(_, of)| of).collect();
            log.take(&now);
            if looks.contains(&minute) {
                keep_all(&log, &kept, &roster, at(minute));
            }
        }
        let window = (at(0), at(120));
        let whole = in_one_go(&log, &roster, window);
        same(&by_kept(&log, &kept, &roster, window).0, &whole)?;
        log.take(&coming.drain(..).map(|(_, of)| of).collect::<Vec<_>>());
        let whole = in_one_go(&log, &roster, window);
        same(&by_kept(&log, &kept, &roster, window).0, &whole)?;
        ends_inside(&log, &kept, &roster, &ends_s)?;
        keep_all(&log, &kept, &roster, at(122));
        same(&by_kept(&log, &kept, &roster, window).0, &whole)?;
        ends_inside(&log, &kept, &roster, &ends_s)?;
        let window = (at(from), at(120));
        same(&by_kept(&log, &kept, &roster, window).0, &whole.within(window))?;
    }
}

/// Whoever judges anew a window that ended in the past says what is said of it by what is kept, if they judge as far.
fn ends_inside(log: &MadeLog, kept: &Kept, roster: &Roster, ends_s: &[u64]) -> Result<(), TestCaseError> {
    for seconds in ends_s {
        let window = (at(0), UnixMillis(DAY0 + seconds * 1_000));
        let (_, known) = judged_span_by(log, kept, (roster, &Facts::default()), window).unwrap();
        prop_assert!(window.1 <= known);
        let whole = in_one_go(log, roster, (window.0, known)).within(window);
        same(&by_kept(log, kept, roster, window).0, &whole)?;
    }
    Ok(())
}

fn quiet(log: &MadeLog, roster: &Roster, minutes: u64) {
    let dead = Fault {
        node: 0,
        probe: None,
        rounds: (300, 420),
        beat: 0,
    };
    let all: Vec<_> = batches(roster, minutes, &[dead])
        .into_iter()
        .map(|(_, of)| of)
        .collect();
    log.take(&all);
}

#[test]
fn window_of_kept_hours_reads_what_is_not_kept_only() {
    let (roster, log, kept) = (roster(), MadeLog::default(), kept());
    quiet(&log, &roster, 300);
    keep_all(&log, &kept, &roster, at(300));
    let (replayed, read) = by_kept(&log, &kept, &roster, (at(0), at(300)));
    assert_eq!(replayed.incidents.len(), 1);
    assert!(read <= 4 * 2, "{read} of 240 batches");
    assert!(!keep_by(&log, &kept, (&roster, Facts::default()), at(301)).unwrap());
}

#[test]
fn hours_whose_rows_are_gone_stand_as_they_were_judged() {
    let (roster, log, kept) = (roster(), MadeLog::default(), kept());
    quiet(&log, &roster, 300);
    keep_all(&log, &kept, &roster, at(300));
    let window = (at(0), at(300));
    let whole = in_one_go(&log, &roster, window);
    log.begins.set(at(180).0);
    let moved = roster.probes().cloned().map(|probe| ProbeEntry {
        network: Some(1),
        ..probe
    });
    let moved = Roster::new(
        moved.collect::<Vec<_>>(),
        roster.nodes().cloned().collect::<Vec<_>>(),
    );
    for _ in 0..2 {
        let (replayed, _) = by_kept(&log, &kept, &moved, window);
        assert_eq!(
            replayed.incidents, whole.incidents,
            "found when the rows were there"
        );
        keep_all(&log, &kept, &moved, at(300));
    }
}

#[test]
fn roster_that_changed_is_what_all_is_judged_by() {
    let (roster, log, kept) = (roster(), MadeLog::default(), kept());
    quiet(&log, &roster, 300);
    keep_all(&log, &kept, &roster, at(300));
    let window = (at(0), at(300));
    // all are of the worker of n1: nobody may judge it
    let own = roster.probes().cloned().map(|probe| ProbeEntry {
        worker: "w1".into(),
        ..probe
    });
    let own = Roster::new(
        own.collect::<Vec<_>>(),
        roster.nodes().cloned().collect::<Vec<_>>(),
    );
    let whole = in_one_go(&log, &own, window);
    assert!(whole.incidents.is_empty());
    for _ in 0..2 {
        same(&by_kept(&log, &kept, &own, window).0, &whole).unwrap();
        keep_all(&log, &kept, &own, at(300));
    }
    let (_, read) = by_kept(&log, &kept, &own, window);
    assert!(read <= 4 * 2, "{read} batches");
}

#[test]
fn node_that_was_added_later_was_measured_by_nobody_before() {
    let (roster, log, kept) = (roster(), MadeLog::default(), kept());
    quiet(&log, &roster, 120);
    keep_all(&log, &kept, &roster, at(120));
    let nodes = roster.nodes().cloned().chain([fixture::node("n4", "w4")]);
    let more = Roster::new(
        roster.probes().cloned().collect::<Vec<_>>(),
        nodes.collect::<Vec<_>>(),
    );
    let (replayed, read) = by_kept(&log, &kept, &more, (at(0), at(120)));
    assert!(read <= 4 * 2, "{read}: nothing is judged again for it");
    let unknown = &replayed.unknown[&TargetId::of_node("n4")];
    assert_eq!(unknown.unmeasured, [(at(0), at(120))]);
}

#[test]
fn ten_times_the_history_is_no_more_to_read_for_the_keeper() {
    let [few, many] = [3, 30].map(|hours| {
        let (roster, log, kept) = (roster(), MadeLog::default(), kept());
        let minutes = hours * 60;
        let all = batches(&roster, minutes + 10, &[]);
        let (before, newest): (Vec<_>, Vec<_>) = all.into_iter().partition(|(came, _)| *came < minutes);
        let take = |of: Vec<(u64, Stored)>| log.take(&of.into_iter().map(|(_, of)| of).collect::<Vec<_>>());
        take(before);
        keep_all(&log, &kept, &roster, at(minutes + 2));
        take(newest);
        let (batches, rows) = (log.read.get(), kept.store.rows_read());
        keep_all(&log, &kept, &roster, at(minutes + 12));
        (log.read.get() - batches, kept.store.rows_read() - rows)
    });
    assert!(few.0 > 0 && few.1 > 0, "{few:?}");
    assert!(many.0 <= few.0 + 4 && many.1 <= few.1 + 8, "{few:?} {many:?}");
}
