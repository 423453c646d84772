use proptest::prelude::*;

use super::*;
use crate::StoreOptions;

const NOON: u64 = 1_700_654_400_000; // 2023-11-22T12:00:00Z

fn store() -> Store {
    Store::in_memory(StoreOptions::default()).unwrap()
}

fn run(at: u64, vantage: &str, bucket: &str, us: u32) -> ImportedRun {
    ImportedRun {
        at: UnixMillis(at),
        vantage: vantage.to_owned(),
        endpoint: "https://node.example.org/distributor/".to_owned(),
        bucket: bucket.to_owned(),
        seen: ImportedSeen {
            status: ImportedStatus::Ok,
            asset: ImportedAsset::Served {
                us: Some(us),
                cache: ImportedCache::Hit,
            },
            distributing: true,
        },
    }
}

fn batch(runs: Vec<ImportedRun>) -> ImportBatch {
    ImportBatch {
        index: ImportedIndex::OperatorsPing,
        runs,
        places: Vec::new(),
        reached: None,
    }
}

fn all(imported: &Imported) -> Vec<ImportedDay> {
    let mut days = Vec::new();
    let ever = (UnixMillis(0), UnixMillis(u64::MAX));
    imported.days(ever, &mut |day| days.push(day)).unwrap();
    days
}

#[test]
fn same_batch_twice_changes_nothing_and_a_dry_run_neither() {
    let imported = Imported::of(&store());
    let some = batch(vec![
        run(NOON, "a b", "0:0", 5),
        run(NOON, "a b", "1:0", 6),
        run(NOON + 1, "c", "", 7),
    ]);
    let would = imported.take(&some, true).unwrap();
    assert_eq!((would.new, would.known), (3, 0));
    assert!(all(&imported).is_empty() && imported.sources().unwrap().is_empty());

    assert_eq!(imported.take(&some, false).unwrap(), would);
    let kept = (all(&imported), imported.sources().unwrap());
    assert_eq!(kept.0.len(), 2, "a vantage each: {kept:?}");
    assert_eq!(kept.0[0].vantage, "a b", "a blank in a name is part of it");
    assert_eq!(kept.0[0].runs.len(), 2, "a bucket each");
    let again = imported.take(&some, false).unwrap();
    assert_eq!((again.new, again.known), (0, 3));
    assert_eq!((all(&imported), imported.sources().unwrap()), kept);
}

#[test]
fn document_that_contradicts_a_kept_one_is_named_and_the_first_stays() {
    let imported = Imported::of(&store());
    let taken = imported
        .take(
            &batch(vec![
                run(NOON, "a", "", 5),
                run(NOON + 9, "a", "", 5),
                run(NOON, "a", "", 6),
            ]),
            false,
        )
        .unwrap();
    assert_eq!((taken.new, taken.known, taken.contradict), (2, 0, vec![2]));
    assert_eq!(imported.sources().unwrap()[0].documents, 2);
    assert_eq!(all(&imported)[0].runs[0].1, run(NOON, "a", "", 5).seen);
}

#[test]
fn place_is_kept_with_its_vantage_and_progress_until_the_import_is_over() {
    let imported = Imported::of(&store());
    let place = ImportedPlace {
        site: "Berlin, DE".to_owned(),
        latitude: 52.5,
        longitude: 13.4,
        country: "DE".to_owned(),
    };
    let mut some = batch(vec![run(NOON, "a", "", 5)]);
    some.places = vec![
        ("a".to_owned(), place.clone()),
        ("nobody".to_owned(), place.clone()),
    ];
    let reached = |up_to| {
        Some(Reached {
            from: "https://es:9200 operators-ping".to_owned(),
            up_to,
        })
    };
    some.reached = reached(Some(UnixMillis(NOON)));
    imported.take(&some, false).unwrap();
    let sources = imported.sources().unwrap();
    assert_eq!(sources.len(), 1, "a place makes no vantage: {sources:?}");
    assert_eq!(sources[0].place, Some(place));
    let from = "https://es:9200 operators-ping";
    assert_eq!(imported.reached(from).unwrap(), Some(UnixMillis(NOON)));
    let mut last = batch(vec![]);
    last.reached = reached(None);
    imported.take(&last, false).unwrap();
    assert_eq!(imported.reached(from).unwrap(), None);
    assert!(
        imported.sources().unwrap()[0].place.is_some(),
        "what was said stays said"
    );
}

#[test]
fn window_holds_its_first_instant_and_not_its_last() {
    let imported = Imported::of(&store());
    let day = 86_400_000;
    let runs = [0, 1, day, 2 * day].map(|later| run(NOON + later, "a", "", 5));
    imported.take(&batch(runs.to_vec()), false).unwrap();
    let mut times = Vec::new();
    let window = (UnixMillis(NOON + 1), UnixMillis(NOON + 2 * day));
    imported
        .days(window, &mut |of| {
            times.extend(of.runs.iter().map(|(at, _)| at.0 - NOON))
        })
        .unwrap();
    assert_eq!(times, [1, day]);
}

#[test]
fn disk_below_its_reserve_takes_nothing() {
    let options = StoreOptions {
        reserve_bytes: 100,
        free_space: Some(crate::FreeSpace::new(|| Ok(50))),
        ..StoreOptions::default()
    };
    let imported = Imported::of(&Store::in_memory(options).unwrap());
    let error = imported
        .take(&batch(vec![run(NOON, "a", "", 5)]), false)
        .unwrap_err();
    assert!(matches!(error, StoreError::Reserve { free_bytes: 50 }), "{error}");
    assert!(imported.sources().unwrap().is_empty());
}

#[test]
fn imported_documents_are_in_no_log_no_ledger_and_no_retention() {
    let store = store();
    let imported = Imported::of(&store);
    imported.take(&batch(vec![run(NOON, "a", "", 5)]), false).unwrap();
    let mut scanned = 0;
    store
        .scan(crate::ScanRange::default(), |_| {
            scanned += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((scanned, store.commit_number().unwrap()), (0, 0));
    assert!(
        crate::ledger::read(&store, UnixMillis(NOON))
            .unwrap()
            .rows
            .is_empty()
    );
    assert_eq!(store.oldest_hour().unwrap(), None);
}

proptest! {
    /// However documents are cut into batches, and in whatever order they come, what is kept is the same.
    #[test]
    fn batches_in_any_cut_leave_the_same(
        times in proptest::collection::vec((0_u64..300_000_000, 0_usize..3, 0_u8..2), 1..60),
        cut in 1_usize..20,
    ) {
        let runs: Vec<_> = times
            .iter()
            .map(|&(at, vantage, bucket)| run(NOON + at, ["a", "b", "c d"][vantage], ["", "0:0"][usize::from(bucket)], 7))
            .collect();
        let whole = Imported::of(&store());
        whole.take(&batch(runs.clone()), false).unwrap();
        let cutted = Imported::of(&store());
        let mut new = 0;
        for some in runs.chunks(cut).rev() {
            new += cutted.take(&batch(some.to_vec()), false).unwrap().new;
            let again = cutted.take(&batch(some.to_vec()), false).unwrap();
            prop_assert_eq!(again.new, 0);
        }
        let mut naive: Vec<_> = runs.iter().map(|run| (run.at, &run.vantage, &run.bucket)).collect();
        naive.sort();
        naive.dedup();
        prop_assert_eq!(new as usize, naive.len());
        prop_assert_eq!(all(&whole), all(&cutted));
        prop_assert_eq!(whole.sources().unwrap(), cutted.sources().unwrap());
    }
}

#[test]
fn vantage_that_is_removed_is_as_if_it_had_never_been_imported_and_can_be_again() {
    let imported = Imported::of(&store());
    let of_both = || {
        let mut some = batch(vec![run(NOON, "a b", "0:0", 5), run(NOON, "a", "0:0", 6)]);
        some.reached = Some(Reached {
            from: "somewhere".into(),
            up_to: Some(UnixMillis(NOON)),
        });
        some
    };
    let old = ImportBatch {
        index: ImportedIndex::DistributorsStatus,
        ..batch(vec![run(NOON, "a b", "0:0", 5)])
    };
    imported.take(&of_both(), false).unwrap();
    imported.take(&old, false).unwrap();
    let removed = imported
        .remove("a b", Some(ImportedIndex::OperatorsPing))
        .unwrap();
    assert_eq!(removed.len(), 1);
    let left: Vec<_> = all(&imported)
        .into_iter()
        .map(|day| (day.index, day.vantage))
        .collect();
    assert_eq!(left.len(), 2);
    assert!(
        left.contains(&(ImportedIndex::DistributorsStatus, "a b".into())),
        "{left:?}"
    );
    assert!(
        left.contains(&(ImportedIndex::OperatorsPing, "a".into())),
        "a name that begins alike: {left:?}"
    );
    assert_eq!(
        imported.reached("somewhere").unwrap(),
        None,
        "else the next import would pass them over"
    );
    assert_eq!(imported.remove("a b", None).unwrap().len(), 1);
    assert_eq!(
        imported.remove("a b", None).unwrap(),
        Vec::new(),
        "twice changes nothing"
    );
    assert_eq!(imported.sources().unwrap().len(), 1);
    assert_eq!(
        imported.take(&of_both(), false).unwrap().new,
        1,
        "it can be imported again"
    );
}
