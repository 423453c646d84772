use std::io;
use std::ops::Bound;

use isochrone_proto::ids::ProbeId;
use redb::ReadableTable;

use super::lossy::LossyBackend;
use super::*;
use crate::ingest::fixture::{ADA, plan, signed, store_on, version};

#[test]
fn file_can_be_opened_by_one_process_and_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let store = Store::open(&file, StoreOptions::default()).unwrap();
    let records: Records<u32> = Records::new(store.clone(), "numerals");
    records.put("a", &1).unwrap();
    let second = Store::open(&file, StoreOptions::default());
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    drop((store, records));
    let store = Store::open(&file, StoreOptions::default()).unwrap();
    assert_eq!(Records::<u32>::new(store, "numerals").get("a").unwrap(), Some(1));
}

#[test]
fn file_that_is_no_store_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    std::fs::write(&file, b"not a store, and long enough to be read as one's header").unwrap();
    let error = Store::open(&file, StoreOptions::default()).unwrap_err();
    assert!(error.to_string().contains("store.redb"), "{error}");
}

#[test]
fn store_of_another_format_is_refused_with_what_to_do() {
    for found in [tables::FORMAT_OLDEST - 1, tables::FORMAT + 1] {
        let disk = LossyBackend::new();
        let store = store_on(&disk);
        store
            .write_tables(|transaction| {
                let mut numbers = crate::numbers::Numbers::open(transaction, store.found())?;
                numbers.set(tables::META_FORMAT, found)
            })
            .unwrap();
        drop(store);
        let error = Store::on_lossy(disk.snapshot(), StoreOptions::default()).unwrap_err();
        let said = error.to_string();
        let is_format = matches!(error, StoreError::Format { found: of, .. } if of == found);
        assert!(
            is_format && said.contains("move the collector's state folder away"),
            "{said}"
        );
    }
}

#[test]
fn store_of_the_format_before_segments_becomes_one_of_this() {
    let disk = LossyBackend::new();
    let store = store_on(&disk);
    let of_format = |store: &Store, format| {
        store.write_tables(|transaction| {
            let mut numbers = crate::numbers::Numbers::open(transaction, store.found())?;
            let before = numbers.get(tables::META_FORMAT)?;
            numbers.set(tables::META_FORMAT, format)?;
            Ok(before)
        })
    };
    of_format(&store, 5).unwrap();
    store.put_plan(&signed(&plan(9)), &plan(9)).unwrap();
    drop(store);
    let store = store_on(&disk);
    assert_eq!(store.latest_plan(ADA).unwrap(), Some(signed(&plan(9))));
    assert_eq!(of_format(&store, tables::FORMAT).unwrap(), tables::FORMAT);
}

#[test]
fn free_space_of_a_folder_is_its_file_systems() {
    let folder = tempfile::tempdir().unwrap();
    let reserve = |bytes| DiskReserve::new(bytes, Some(FreeSpace::of_folder(folder.path().to_owned())));
    assert_eq!(reserve(0).shortage(), None);
    assert!(reserve(u64::MAX).shortage().is_some_and(|free| free > 0));
}

#[test]
fn records_are_listed_by_key_and_ranged() {
    let store = store_on(&LossyBackend::new());
    let records: Records<Vec<String>> = Records::new(store, "names");
    assert_eq!(records.list().unwrap(), Vec::new(), "before the table exists");
    assert_eq!(records.get("x").unwrap(), None);
    for key in ["b", "a", "c"] {
        records.put(key, &vec![key.to_owned()]).unwrap();
    }
    let keys = |all: Vec<(String, Vec<String>)>| all.into_iter().map(|(key, _)| key).collect::<String>();
    assert_eq!(keys(records.list().unwrap()), "abc");
    let range = records.range(Bound::Excluded("a"), Bound::Unbounded).unwrap();
    assert_eq!(keys(range), "bc");
    assert!(records.remove("b").unwrap());
    assert!(!records.remove("b").unwrap());
    assert_eq!(keys(records.list().unwrap()), "ac");
}

#[test]
fn record_of_another_type_is_set_aside_by_table_and_key() {
    let store = store_on(&LossyBackend::new());
    Records::new(store.clone(), "probes")
        .put("ada", &"text".to_owned())
        .unwrap();
    let probes: Records<u32> = Records::new(store.clone(), "probes");
    assert_eq!(probes.get("ada").unwrap(), None);
    let damage = store.damage().unwrap();
    assert_eq!((damage.rows, damage.set_aside[0].key.as_str()), (1, "ada"));
    assert!(
        damage.set_aside[0].reason.contains("cannot be read"),
        "{damage:?}"
    );
    assert_eq!(
        probes.set_aside().unwrap(),
        [("ada".to_owned(), b"\"text\"".to_vec())]
    );
}

#[test]
fn store_of_the_format_before_checksums_is_refused_as_such() {
    let disk = LossyBackend::new();
    let old = redb::Builder::new().create_with_backend(disk.clone()).unwrap();
    let transaction = old.begin_write().unwrap();
    let definition = redb::TableDefinition::<&str, u64>::new("meta");
    transaction
        .open_table(definition)
        .unwrap()
        .insert("format", 2)
        .unwrap();
    transaction.commit().unwrap();
    drop(old);
    let error = Store::on_lossy(disk, StoreOptions::default()).unwrap_err();
    assert!(matches!(error, StoreError::Format { found: 2, .. }), "{error:?}");
}

#[test]
fn failed_transaction_over_two_tables_changes_neither() {
    let store = store_on(&LossyBackend::new());
    let tokens: Records<u32> = Records::new(store.clone(), "tokens");
    let probes: Records<u32> = Records::new(store.clone(), "probes");
    tokens.put("t", &1).unwrap();
    let result: Result<(), _> = store.write(|transaction| {
        tokens.remove_in(transaction, "t")?;
        probes.put_in(transaction, "p", &2)?;
        assert_eq!(probes.get_in(transaction, "p")?, Some(2));
        Err(StoreError::Reopening)
    });
    assert!(result.is_err());
    assert_eq!(
        (tokens.get("t").unwrap(), probes.get("p").unwrap()),
        (Some(1), None)
    );
}

#[test]
fn highest_plan_version_outlives_the_process() {
    let disk = LossyBackend::new();
    let store = store_on(&disk);
    assert_eq!(store.highest_plan_version().unwrap(), version(0));
    for number in [3, 9, 5] {
        store.put_plan(&signed(&plan(number)), &plan(number)).unwrap();
    }
    drop(store);
    let store = store_on(&disk.crash(7));
    assert_eq!(store.highest_plan_version().unwrap(), version(9));
    assert_eq!(store.latest_plan(ADA).unwrap(), Some(signed(&plan(9))));
    assert_eq!(store.latest_plan(ProbeId(1)).unwrap(), None);
    assert_eq!(*store.plan(ADA, version(5)).unwrap().unwrap(), plan(5));
    assert_eq!(store.plan(ADA, version(4)).unwrap(), None);
}

#[test]
fn plan_with_two_checks_of_one_kind_and_target_is_refused() {
    let store = store_on(&LossyBackend::new());
    let mut plan = plan(1);
    plan.checks.push(plan.checks[1]);
    let error = store.put_plan(&signed(&plan), &plan).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::TwinChecks {
                first: 1,
                second: 3,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn failed_disk_is_opened_again_with_nothing_lost() {
    let disk = LossyBackend::new();
    let store = store_on(&disk);
    let records: Records<u32> = Records::new(store.clone(), "numerals");
    records.put("a", &1).unwrap();
    disk.fail_writes(Some(io::ErrorKind::StorageFull));
    assert!(records.put("b", &2).is_err());
    disk.fail_writes(None);
    assert_eq!(records.get("a").unwrap(), Some(1), "reads come back first");
    records.put("c", &3).unwrap();
    assert_eq!(records.list().unwrap().len(), 2);
}

#[test]
fn failed_disk_waits_for_the_reader_that_still_holds_it() {
    let disk = LossyBackend::new();
    let store = store_on(&disk);
    let records: Records<u32> = Records::new(store.clone(), "numerals");
    records.put("a", &1).unwrap();
    store
        .read(|transaction| {
            disk.fail_writes(Some(io::ErrorKind::Other));
            assert!(records.put("b", &2).is_err());
            disk.fail_writes(None);
            let blocked = records.put("b", &2);
            assert!(matches!(blocked, Err(StoreError::Reopening)), "{blocked:?}");
            tables::LOG.read(transaction, store.found()).map(drop)
        })
        .unwrap();
    records.put("b", &2).unwrap();
}

#[test]
fn crash_in_any_write_leaves_whole_transactions() {
    for operations in 0..40 {
        let disk = LossyBackend::new();
        let store = store_on(&disk);
        let pairs: Records<u64> = Records::new(store.clone(), "pairs");
        let put = |value: u64| {
            store.write(|transaction| {
                pairs.put_in(transaction, "left", &value)?;
                pairs.put_in(transaction, "right", &value)
            })
        };
        put(1).unwrap();
        disk.die_after(operations);
        let mut durable = 1;
        while durable < 50 && put(durable + 1).is_ok() {
            durable += 1;
        }
        let store = store_on(&disk.crash(operations));
        let pairs: Records<u64> = Records::new(store, "pairs");
        let (left, right) = (pairs.get("left").unwrap(), pairs.get("right").unwrap());
        assert_eq!(left, right, "after {operations} operations");
        let found = left.unwrap();
        assert!(
            found == durable || found == durable + 1,
            "{found} after {durable} durable ones"
        );
    }
}

#[test]
fn damaged_rows_are_told_from_whole_ones() {
    let row = account::HourRow {
        stored: 300,
        skipped_by_cause: [0, 1, 2, 3, 70_000],
        run: 300,
        ..HourRow::default()
    };
    let bytes = row.encode();
    assert_eq!(HourRow::decode(&bytes), Ok(row));
    for length in 0..bytes.len() {
        assert!(HourRow::decode(&bytes[..length]).is_err());
    }
    let longer = [bytes, vec![0]].concat();
    assert_eq!(HourRow::decode(&longer), Err(Malformed::Trailing { bytes: 1 }));
}

#[test]
fn stored_blob_of_another_version_is_refused() {
    let blob = StoredBlob {
        probe: ADA,
        received: isochrone_proto::units::UnixMillis(5),
        rows: 3,
        slots: (
            isochrone_proto::units::UnixMillis(1),
            isochrone_proto::units::UnixMillis(2),
        ),
        payload: b"payload",
    };
    let mut bytes = Vec::new();
    blob.encode(&mut bytes);
    let back = StoredBlob::decode(&bytes).unwrap();
    assert_eq!(
        (back.probe, back.rows, back.slots, back.payload),
        (ADA, 3, blob.slots, blob.payload)
    );
    for found in [1, 2, 4] {
        bytes[4] = found;
        let (field, found) = ("version", u64::from(found));
        assert_eq!(
            StoredBlob::decode(&bytes).unwrap_err(),
            Malformed::Unknown { field, found }
        );
    }
}

#[test]
fn reading_and_writing_may_interleave() {
    let store = store_on(&LossyBackend::new());
    let records: Records<u32> = Records::new(store.clone(), "numerals");
    records.put("a", &1).unwrap();
    store
        .read(|transaction| {
            records.put("b", &2)?;
            let definition = redb::TableDefinition::<&[u8], &[u8]>::new("numerals");
            let seen = transaction.open_table(definition)?.iter()?.count();
            assert_eq!(seen, 1, "a reader sees the store as it was");
            Ok(())
        })
        .unwrap();
    assert_eq!(records.list().unwrap().len(), 2);
}
