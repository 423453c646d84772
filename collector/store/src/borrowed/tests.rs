use isochrone_borrowed::{Access, Answer, Cause, Echoes, Failure, Micros, Place};
use proptest::prelude::*;

use super::*;
use crate::StoreOptions;
use crate::imported::Imported;

pub(super) const NOON: u64 = 1_795_867_200_000; // 2026-11-28T12:00:00Z

pub(super) fn store() -> Store {
    Store::in_memory(StoreOptions::default()).unwrap()
}

fn vantage(id: &str) -> Vantage {
    Vantage {
        platform: Platform::Atlas,
        id: id.to_owned(),
        place: Place::at(-1.29, 36.82).unwrap(),
        network_v4: Some(64_500),
        network_v6: None,
        access: Access::Eyeball,
    }
}

pub(super) fn run(vantage: usize, at: u64, min: u32) -> BorrowedRun {
    BorrowedRun {
        vantage,
        host: "node.example.org".to_owned(),
        seen: BorrowedSeen {
            at: UnixMillis(at),
            measurement: "90000001".to_owned(),
            part: 0,
            kind: Kind::Ping,
            family: Some(Family::V4),
            outcome: Outcome::Answered(Answer::Ping(Echoes {
                min: Micros::try_from(min).unwrap(),
                median: None,
                sent: 3,
                received: 3,
            })),
        },
    }
}

pub(super) fn batch(runs: Vec<BorrowedRun>) -> BorrowedBatch {
    BorrowedBatch {
        vantages: vec![vantage("6001"), vantage("6002")],
        runs,
    }
}

pub(super) fn all(borrowed: &Borrowed) -> Vec<BorrowedDay> {
    let mut days = Vec::new();
    let ever = (UnixMillis(0), UnixMillis(u64::MAX));
    borrowed.days(ever, &mut |day| days.push(day)).unwrap();
    days
}

#[test]
fn same_batch_twice_changes_nothing_and_a_dry_run_neither() {
    let borrowed = Borrowed::of(&store());
    let mut some = batch(vec![
        run(0, NOON, 5_000),
        run(0, NOON + 1, 6_000),
        run(1, NOON, 7_000),
    ]);
    some.vantages[1].platform = Platform::Globalping;
    some.vantages[1].id = "São Tomé, ST, AS64501, eyeball".to_owned();
    let would = borrowed.take(&some, true).unwrap();
    assert_eq!((would.new, would.known), (3, 0));
    assert!(all(&borrowed).is_empty() && borrowed.vantages().unwrap().is_empty());

    assert_eq!(borrowed.take(&some, false).unwrap(), would);
    let kept = (all(&borrowed), borrowed.vantages().unwrap());
    assert_eq!(kept.0.len(), 2, "a vantage each: {kept:?}");
    assert_eq!(
        kept.0[1].vantage, some.vantages[1].id,
        "blanks in a name are part of it"
    );
    assert_eq!(
        (kept.0[1].platform, &*kept.0[1].host),
        (Platform::Globalping, "node.example.org")
    );
    assert_eq!(
        kept.0[0].runs,
        [some.runs[0].seen.clone(), some.runs[1].seen.clone()]
    );
    assert_eq!(
        (kept.1[0].runs, kept.1[0].first, kept.1[0].last.0),
        (2, UnixMillis(NOON), NOON + 1)
    );
    let again = borrowed.take(&some, false).unwrap();
    assert_eq!((again.new, again.known), (0, 3));
    assert_eq!((all(&borrowed), borrowed.vantages().unwrap()), kept);
}

#[test]
fn measurement_that_contradicts_a_kept_one_or_has_no_vantage_is_named_and_the_first_stays() {
    let borrowed = Borrowed::of(&store());
    let mut nowhere = run(0, NOON + 2, 5);
    nowhere.host = "two words".to_owned();
    let some = batch(vec![run(0, NOON, 5), run(7, NOON, 5), run(0, NOON, 6), nowhere]);
    let taken = borrowed.take(&some, false).unwrap();
    assert_eq!((taken.new, taken.known, taken.contradict), (1, 0, vec![1, 2, 3]));
    assert_eq!(all(&borrowed)[0].runs, [run(0, NOON, 5).seen]);
    assert_eq!(borrowed.vantages().unwrap().len(), 1);
}

#[test]
fn vantage_that_moved_keeps_where_it_was_and_an_older_file_moves_it_not_back() {
    let borrowed = Borrowed::of(&store());
    borrowed.take(&batch(vec![run(0, NOON, 5)]), false).unwrap();
    let mut moved = batch(vec![run(0, NOON + 9, 5)]);
    moved.vantages[0].place = Place::at(52.5, 13.4).unwrap();
    borrowed.take(&moved, false).unwrap();
    let old = batch(vec![run(0, NOON + 1, 5)]);
    borrowed.take(&old, false).unwrap();
    let kept = &borrowed.vantages().unwrap()[0];
    assert_eq!(kept.vantage.place, moved.vantages[0].place);
    assert_eq!(kept.runs, 3);
    let earlier = EarlierPlace {
        until: UnixMillis(NOON + 9),
        place: vantage("6001").place,
    };
    assert_eq!(kept.moved, [earlier]);
}

#[test]
fn window_holds_its_first_instant_and_not_its_last() {
    let borrowed = Borrowed::of(&store());
    let runs = [0, 1, DAY_MS, 2 * DAY_MS].map(|later| run(0, NOON + later, 5));
    borrowed.take(&batch(runs.to_vec()), false).unwrap();
    let mut times = Vec::new();
    let window = (UnixMillis(NOON + 1), UnixMillis(NOON + 2 * DAY_MS));
    let mut each = |day: BorrowedDay| times.extend(day.runs.iter().map(|run| run.at.0 - NOON));
    borrowed.days(window, &mut each).unwrap();
    assert_eq!(times, [1, DAY_MS]);
}

#[test]
fn words_of_a_failure_are_not_kept_and_the_same_failure_is_known() {
    let borrowed = Borrowed::of(&store());
    let failed = |words: &str| {
        let mut run = run(0, NOON, 5);
        run.seen.outcome = Outcome::Failed(Failure {
            cause: Cause::Connect,
            sent: 0,
            words: words.to_owned(),
        });
        run
    };
    borrowed
        .take(&batch(vec![failed("connect: refused")]), false)
        .unwrap();
    let again = borrowed.take(&batch(vec![failed("other words")]), false).unwrap();
    assert_eq!((again.new, again.known), (0, 1));
    assert_eq!(all(&borrowed)[0].runs, [failed("").seen]);
}

#[test]
fn borrowed_measurements_are_in_no_log_no_ledger_no_retention_and_no_import() {
    let store = store();
    Borrowed::of(&store)
        .take(&batch(vec![run(0, NOON, 5)]), false)
        .unwrap();
    let mut scanned = 0;
    let each = |_: crate::Stored| {
        scanned += 1;
        std::ops::ControlFlow::Continue(())
    };
    store.scan(crate::ScanRange::default(), each).unwrap();
    assert_eq!((scanned, store.commit_number().unwrap()), (0, 0));
    let ledger = crate::ledger::read(&store, UnixMillis(NOON)).unwrap();
    assert!(ledger.rows.is_empty());
    assert_eq!(store.oldest_hour().unwrap(), None);
    assert!(Imported::of(&store).sources().unwrap().is_empty());
}

#[test]
fn batch_survives_the_way_to_whoever_has_the_store() {
    let mut some = batch(vec![run(0, NOON, 5), run(1, NOON, 6)]);
    some.runs[1].seen.outcome = Outcome::Failed(Failure {
        cause: Cause::Resolve,
        sent: 3,
        words: "no such name".to_owned(),
    });
    let json = serde_json::to_string(&some).unwrap();
    assert_eq!(serde_json::from_str::<BorrowedBatch>(&json).unwrap(), some);
    let no_time = json.replace("\"min\":5", "\"min\":0");
    assert!(
        serde_json::from_str::<BorrowedBatch>(&no_time).is_err(),
        "0 is no time"
    );
}

#[test]
fn disk_below_its_reserve_takes_nothing() {
    let options = StoreOptions {
        reserve_bytes: 100,
        free_space: Some(crate::FreeSpace::new(|| Ok(50))),
        ..StoreOptions::default()
    };
    let borrowed = Borrowed::of(&Store::in_memory(options).unwrap());
    let some = batch(vec![run(0, NOON, 5)]);
    assert!(matches!(
        borrowed.take(&some, false),
        Err(StoreError::Reserve { free_bytes: 50 })
    ));
    assert_eq!(
        borrowed.take(&some, true).unwrap().new,
        1,
        "a dry run writes nothing"
    );
}

proptest! {
    #[test]
    fn order_and_repetition_of_batches_change_nothing(
        times in proptest::collection::vec((0_u64..3 * DAY_MS, 0_usize..2), 1..30), cut in 0_usize..30, backwards: bool,
    ) {
        let mut runs: Vec<_> = times.iter().map(|(later, of)| run(*of, NOON + later, 1 + *later as u32)).collect();
        let whole = Borrowed::of(&store());
        whole.take(&batch(runs.clone()), false).unwrap();
        if backwards {
            runs.reverse();
        }
        let cut = cut.min(runs.len());
        let parts = Borrowed::of(&store());
        for part in [&runs[cut..], &runs[..cut], &runs[..]] {
            parts.take(&batch(part.to_vec()), false).unwrap();
        }
        prop_assert_eq!(all(&parts), all(&whole));
        prop_assert_eq!(parts.vantages().unwrap(), whole.vantages().unwrap());
    }
}
