//! Who counts everything again looks at files of rollups as well.

use super::*;
use crate::ledger::{self, Audit};
use crate::segment::Segment;
use crate::segment::catalogue::Catalogue;
use crate::tables::SEGMENTS;

fn sealed() -> (LossyBackend, Store) {
    let (disk, store) = sealed_twice();
    assert!(ledger::verify(&store).unwrap().is_sound());
    (disk, store)
}

fn catalogue(store: &Store) -> Vec<Segment> {
    store
        .read(|transaction| {
            let table = SEGMENTS.read(transaction, store.found())?;
            Ok(Catalogue::of(&table)?.segments)
        })
        .unwrap()
}

fn told(audit: &Audit, name: &str) -> usize {
    audit
        .findings
        .iter()
        .filter(|finding| finding.contains(name))
        .count()
}

#[test]
fn damaged_file_of_rollups_is_found_by_counting_again_and_the_rest_is_served() {
    for tier in [Tier::Hour, Tier::Day] {
        let (disk, store) = sealed();
        let name = named(&store, tier).remove(1);
        disk.flip_in_file(&name, 4_321);
        let audit = ledger::verify(&store).unwrap();
        assert_eq!(
            (audit.damaged, audit.wrong_sums, audit.lost, told(&audit, &name)),
            (1, 0, 0, 1),
            "{audit:?}"
        );
        check(&store, "the rest");
        assert!(store.roll_up_again(next_day()).unwrap().is_some());
        let audit = ledger::verify(&store).unwrap();
        assert_eq!((audit.damaged, audit.wrong_sums), (1, 0), "{audit:?}"); // not accepted yet
        check(&store, "made again");
    }
}

#[test]
fn file_of_rollups_that_is_missing_from_the_sums_is_told_by_those_that_are_left() {
    let (_disk, store) = sealed();
    let piece = catalogue(&store)
        .into_iter()
        .find(|segment| segment.tier == Tier::Hour)
        .unwrap();
    let lost =
        store.write_tables(|transaction| SEGMENTS.open(transaction, store.found())?.remove(piece.number));
    lost.unwrap();
    store.0.segments.known.forget();
    let audit = ledger::verify(&store).unwrap();
    let left = catalogue(&store)
        .into_iter()
        .find(|segment| (segment.tier, segment.kind, segment.day) == (piece.tier, piece.kind, piece.day));
    assert!(audit.wrong_sums > 0 && !audit.is_sound(), "{audit:?}");
    assert_eq!(
        told(&audit, &left.unwrap().name()) as u64,
        audit.wrong_sums,
        "{audit:?}"
    );
}

#[test]
fn file_of_rollups_that_counts_twice_is_named() {
    let (_disk, store) = sealed();
    let old = catalogue(&store);
    let folded = store.fold_rollups(next_day()).unwrap().unwrap();
    assert_eq!(folded.replaced, 2);
    let now = catalogue(&store);
    let replaced = old.into_iter().find(|segment| !now.contains(segment)).unwrap();
    let doubled = store.write_tables(|transaction| {
        let mut table = SEGMENTS.open(transaction, store.found())?;
        table.insert(replaced.number, &replaced.encode())
    });
    doubled.unwrap();
    store.0.segments.known.forget();
    let audit = ledger::verify(&store).unwrap();
    assert!(audit.wrong_sums > 0 && !audit.is_sound(), "{audit:?}");
    assert_eq!(
        told(&audit, &replaced.name()) as u64,
        audit.wrong_sums,
        "{audit:?}"
    );
}
