//! The database and the folder of segments are of different times, or one of them is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

fn open(folder: &Path) -> Result<Store, StoreError> {
    Store::open(&folder.join("store.redb"), StoreOptions::default())
}

/// What is in the folder of segments, whatever a file is called now.
fn contents(folder: &Path) -> BTreeSet<Vec<u8>> {
    let files = fs::read_dir(folder.join("segments")).unwrap();
    files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect()
}

/// A store on a file system with one sealed span, and three later.
fn older_and_newer() -> (tempfile::TempDir, Vec<Given>) {
    let folder = tempfile::tempdir().unwrap();
    let [database, older] = ["store.redb", "older"].map(|name| folder.path().join(name));
    let store = open(folder.path()).unwrap();
    store.put_plan(&signed(&plan(1)), &plan(1)).unwrap();
    store_honest(&inline(&store), EPOCH, 15);
    let given = everything(&store);
    seal(&store, 4);
    drop(store);
    fs::copy(&database, older).unwrap();
    let store = open(folder.path()).unwrap();
    seal(&store, 8);
    seal(&store, 12);
    assert!(everything(&store) == given);
    (folder, given)
}

#[test]
fn store_is_never_made_beside_segments_that_are_there() {
    let (folder, given) = older_and_newer();
    let database = folder.path().join("store.redb");
    let kept = folder.path().join("kept");
    let files = contents(folder.path());
    fs::rename(&database, &kept).unwrap();
    let refused = |what: &str| {
        let error = open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("segments"), "{what}: {error}");
        assert_eq!(contents(folder.path()), files, "{what}");
    };
    refused("no database");
    assert!(!database.exists(), "and none is made");
    fs::write(&database, "").unwrap();
    refused("an empty one");
    fs::rename(&kept, &database).unwrap();
    assert!(everything(&open(folder.path()).unwrap()) == given);
}

#[test]
fn replaced_files_stay_while_any_is_missing_that_is_named() {
    let (disk, store, _) = sealed_thrice();
    store.compact(next_day()).unwrap().unwrap();
    let name = raw_files(&disk).pop().unwrap();
    disk.lose_file(&name);
    drop(store);
    let store = store_on(&disk);
    let files = raw_files(&disk).len();
    assert_eq!(ten_minutes_pass(&store).unwrap(), 0);
    assert_eq!(raw_files(&disk).len(), files, "they may be what is left of it");
    everything(&store); // finds it, and names it
    assert_eq!(store.damage().unwrap().rows, 1);
    assert_eq!(ten_minutes_pass(&store).unwrap(), 6);
}

#[test]
fn older_database_beside_newer_segments_loses_no_file() {
    let (folder, given) = older_and_newer();
    let [database, older, newer] = ["store.redb", "older", "newer"].map(|name| folder.path().join(name));
    let files = contents(folder.path());
    fs::rename(&database, &newer).unwrap();
    fs::copy(&older, &database).unwrap();
    let store = open(folder.path()).unwrap();
    store.segment_files(Tier::Raw).unwrap();
    drop(store);
    assert_eq!(contents(folder.path()), files, "who only looks changes nothing");
    let store = open(folder.path()).unwrap();
    assert!(everything(&store) == given, "the rest is in its log");
    seal(&store, 12);
    assert!(everything(&store) == given);
    drop(store);
    drop(open(folder.path()).unwrap());
    assert!(contents(folder.path()).is_superset(&files));
    fs::rename(&newer, &database).unwrap();
    let store = open(folder.path()).unwrap();
    assert!(everything(&store) == given, "its segments are put back");
    assert!(store.damage().unwrap().is_none());
    store.compact(next_day()).unwrap().unwrap();
    assert!(everything(&store) == given);
    drop(store);
    assert!(contents(folder.path()).is_superset(&files));
}
