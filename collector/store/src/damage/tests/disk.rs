//! Bits that flip in the file, whatever stands there.

use super::*;

/// Where some bytes stand in the file.
fn places(content: &[u8], bytes: &[u8]) -> Vec<usize> {
    let first = bytes[0];
    let starts = content.iter().enumerate().filter(|(_, byte)| **byte == first);
    starts
        .map(|(place, _)| place)
        .filter(|place| content[*place..].starts_with(bytes))
        .collect()
}

/// Reads all there is, as often as a collector does within seconds.
fn read_all(store: &Store) -> (u64, usize, Totals, u64) {
    let all = (served(store), records(store), totals(store));
    ledger::verify(store).unwrap();
    (all.0, all.1, totals(store), store.damage().unwrap().rows)
}

#[test]
fn key_that_flips_on_the_disk_is_found_once_and_hides_no_other_row() {
    let whole = rich();
    let before = totals(&store_on(&whole.snapshot()));
    let content = whole.content();
    let store = store_on(&whole.snapshot());
    let mut flipped = 0;
    for (table, rows) in store.table_rows().unwrap() {
        let keys = store.keys_of(table).unwrap();
        for place in [rows / 2].into_iter().filter(|place| place + 1 < rows) {
            // two keys that follow each other stand together on their page
            let pair = keys[place..place + 2].concat();
            let (length, hits) = (keys[place].len(), places(&content, &pair));
            assert!(!hits.is_empty(), "{table}, row {place}");
            for (number, byte) in [length - 2, 0].into_iter().enumerate() {
                let mut found = 0;
                for hit in &hits {
                    // each by itself: some are of pages that are no longer in use, some of the table's copy
                    let disk = whole.snapshot();
                    disk.flip((hit + byte) as u64 * 8 + 4);
                    let store = store_on(&disk.snapshot());
                    let first = read_all(&store);
                    if first.3 == 0 {
                        continue;
                    }
                    found += 1;
                    let what = format!("{table}, row {place}, byte {byte} of the key, place {hit}");
                    assert_eq!(read_all(&store), first, "{what}");
                    assert_eq!(read_all(&store), first, "{what}");
                    if number == 0 {
                        check(
                            &disk,
                            store.damage().unwrap().set_aside[0].table.clone().as_str(),
                            (before, &what),
                        );
                    }
                }
                assert!(found > 0, "{table}, row {place}, byte {byte}");
                flipped += found;
            }
        }
    }
    assert!(flipped > 40, "{flipped}");
}

/// Whether one bit did something to a store that is open; whatever it did, nothing ends and all is named.
fn is_harmed(disk: &LossyBackend, bit: u64, what: &str) -> bool {
    let options = crate::StoreOptions {
        cache_bytes: 0, // what stands on the disk is read
        ..crate::StoreOptions::default()
    };
    let store = Store::on_lossy(disk.clone(), options).unwrap();
    disk.flip(bit);
    let first = read_all(&store);
    let audit = ledger::verify(&store).unwrap();
    assert_eq!(audit.twice, 0, "{what}: {audit:?}");
    assert_eq!(read_all(&store), first, "{what}: found once");
    assert_eq!(read_all(&store), first, "{what}: found once");
    let ingest = inline(&store);
    let mut previous = Digest::ZERO;
    for sequence in 1..=4 {
        let batch = honest(EPOCH, sequence, previous);
        previous = batch.digest;
        let answer = submit(&ingest, batch);
        assert!(
            matches!(
                answer,
                Ingested::Already { .. } | Ingested::Stored { .. } | Ingested::NeedPlans(_)
            ),
            "{what}: {answer:?}"
        );
    }
    first.3 > 0 || !audit.is_sound()
}

#[test]
fn bit_that_flips_anywhere_in_a_table_ends_no_collector() {
    const PAGE: usize = 4_096;
    let whole = rich();
    let content = whole.content();
    let (mut named, mut random) = (0, 7_u64);
    let store = store_on(&whole.snapshot());
    let names: Vec<&str> = store
        .table_rows()
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let keys: Vec<Vec<u8>> = {
        let tables = store.table_rows().unwrap().into_iter();
        let first = |(table, _)| store.keys_of(table).unwrap().into_iter().next();
        tables.filter_map(first).collect()
    };
    for page in 0..content.len() / PAGE {
        let range = page * PAGE..(page + 1) * PAGE;
        let is_table = keys
            .iter()
            .any(|key| key.len() > 7 && !places(&content[range.clone()], key).is_empty());
        let is_named =
            |name: &&&str| name.len() > 5 && !places(&content[range.clone()], name.as_bytes()).is_empty();
        let is_of_tables = names.iter().filter(is_named).count() > 1;
        if !is_table || is_of_tables {
            continue; // no row of ours; or the table of the tables
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        for byte in [0, 2, 5, (random >> 33) as usize % PAGE] {
            let disk = whole.snapshot();
            let bit = (range.start + byte) as u64 * 8 + (random >> 60) % 8;
            named += usize::from(is_harmed(&disk, bit, &format!("page {page}, byte {byte}")));
        }
    }
    assert!(named > 40, "{named}");
}
