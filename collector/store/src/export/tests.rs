use isochrone_proto::ids::{Digest, Sequence};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::measurement::{ConnectOutcome, ConnectPhases, ConnectResult, Outcome};
use isochrone_proto::units::{Micros, UnixMillis};

use super::*;
use crate::ingest::Ingested;
use crate::ingest::fixture::*;
use crate::lossy::LossyBackend;

fn export(range: ScanRange) -> (Vec<String>, Vec<Progress>) {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 5);
    let (mut out, mut progress) = (Vec::new(), Vec::new());
    let written = ndjson(&store, range, &mut out, |at| progress.push(at)).unwrap();
    let lines: Vec<String> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(written, lines.len() as u64);
    (lines, progress)
}

#[test]
fn each_kind_of_result_has_its_line() {
    let (lines, progress) = export(ScanRange::default());
    assert_eq!(lines.len() as u64, 5 * ROWS);
    let id = |kind: &str, target: &str, target_id: &str, slot: &str| {
        format!(
            r#"{{"schema":"isochrone.measurements/1","probe":"ada-1","probe_id":"0000000000000ada","epoch":"{EPOCH}","kind":"{kind}","target":"{target}","target_id":"{target_id}","slot":"2026-11-22T10:{slot}.000Z""#
        )
    };
    let plan = plan(1);
    let target = |index: usize| plan.targets[index].id.to_string();
    let replied = id("echo4", "bob-1", &target(0), "40:00")
        + r#","lateness_us":250,"outcome":"replied","rtt_us":20000,"claimed_delay_us":17,"stamp":"kernel","suspect":false}"#;
    assert_eq!(lines[0], replied);
    let timed_out =
        id("echo4", "eve-1", &target(1), "40:00") + r#","lateness_us":250,"outcome":"timed-out"}"#;
    assert_eq!(lines[6], timed_out);
    let ok = id("status4", "berlin", &target(2), "40:00")
        + r#","lateness_us":900,"outcome":"ok","address":"192.0.2.7","http_status":200,"cache":"absent","#
        + r#""certificate_expires_s":1800000000,"resolve_us":100,"connect_us":20000,"tls_us":41000,"#
        + r#""first_byte_us":22000,"transfer_us":300,"unattributed_us":12,"body_bytes":512,"#
        + r#""node_uptime_s":3600,"node_version":"4.2.0"}"#;
    assert_eq!(lines[11], ok);
    let failed = id("status4", "berlin", &target(2), "44:00")
        + r#","lateness_us":900,"outcome":"failed","address":"192.0.2.7","#
        + r#""phase":"connect","cause":"refused","text":"connection refused"}"#;
    assert_eq!(lines[4 * ROWS as usize + 11], failed);
    let last = Progress {
        commit: 5,
        commits: 5,
        measurements: 5 * ROWS,
    };
    assert_eq!(progress.last(), Some(&last));
}

/// From a plan that holds connections, through ingest and store, to its line.
#[test]
fn connection_is_stored_and_has_its_line() {
    let mut planned = plan(1);
    planned.checks[2].kind = Kind::new(Check::Connect, Family::V6);
    let store = store_on(&LossyBackend::new());
    store.put_plan(&signed(&planned), &planned).unwrap();
    let us = |us| Micros::new(us).unwrap();
    let mut rows = crate::ingest::fixture::measurements(1, 0);
    rows[11].outcome = Outcome::Connect(Box::new(ConnectOutcome {
        address: Some("2001:db8::7".parse().unwrap()),
        certificate_expires: Some(1_800_000_000),
        result: ConnectResult::Connected(ConnectPhases {
            resolve: us(100),
            connect: us(20_000),
            tls: us(41_000),
            unattributed: us(12),
        }),
    }));
    let batch = incoming(header(EPOCH, 1, Digest::ZERO), &rows);
    let mark = Sequence(1);
    assert_eq!(submit(&inline(&store), batch), Ingested::Stored { mark });
    let mut out = Vec::new();
    assert_eq!(
        ndjson(&store, ScanRange::default(), &mut out, |_| {}).unwrap(),
        ROWS
    );
    let text = String::from_utf8(out).unwrap();
    let line = text.lines().last().unwrap();
    let id = format!(
        r#"{{"schema":"isochrone.measurements/1","probe":"ada-1","probe_id":"0000000000000ada","epoch":"{EPOCH}","kind":"connect6","target":"berlin","target_id":"{}","slot":"2026-11-22T10:40:00.000Z","lateness_us":900"#,
        planned.targets[2].id
    );
    let ended = r#","outcome":"ok","address":"2001:db8::7","certificate_expires_s":1800000000,"resolve_us":100,"connect_us":20000,"tls_us":41000,"unattributed_us":12}"#;
    assert_eq!(line, id + ended);
}

#[test]
fn ids_are_unique_and_every_line_is_json() {
    let (lines, _) = export(ScanRange::default());
    let id = |line: &String| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        ["probe_id", "epoch", "kind", "target_id", "slot"].map(|key| line[key].as_str().unwrap().to_owned())
    };
    let ids: std::collections::BTreeSet<_> = lines.iter().map(id).collect();
    assert_eq!(ids.len(), lines.len());
}

#[test]
fn range_cuts_inside_a_batch() {
    let from = UnixMillis(cut_of(1).0 + 30_000);
    let (lines, _) = export(ScanRange::slots(from, cut_of(2)));
    assert_eq!(lines.len(), 5, "3 of check 0, 2 of check 1");
}

#[test]
fn reader_that_is_gone_ends_the_export() {
    struct Gone;
    impl std::io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl Outlet for Gone {}
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 1);
    let ended = ndjson(&store, ScanRange::default(), &mut Gone, |_| {});
    assert!(matches!(ended, Err(StoreError::Reader(_))));
}

/// Cells of a row that holds no quotes.
fn cells(row: &str) -> Vec<&str> {
    row.split(',').collect()
}

#[test]
fn csv_has_the_columns_of_the_contract_and_a_version_in_each_row() {
    let (lines, _) = export(ScanRange::default());
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 5);
    let mut out = Vec::new();
    let whole = (TextFormat::Csv, ScanRange::default());
    let written = super::measurements(&store, whole, &mut out, |_| ()).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut rows = text.lines();
    let head = cells(rows.next().unwrap());
    assert_eq!((head[0], head[30]), ("source", "schema"));
    assert_eq!((written, rows.clone().count()), (5 * ROWS, lines.len()));
    for (row, line) in rows.zip(&lines) {
        let row = cells(row);
        assert_eq!(
            (row.len(), row[0], row[30]),
            (31, "store", "isochrone.measurements/1")
        );
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for (key, value) in line.as_object().unwrap() {
            let place = head.iter().position(|column| column == key).expect(key);
            let expected = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert_eq!(row[place], expected, "{key}");
        }
    }
}

#[test]
fn text_with_commas_quotes_and_lines_stays_one_cell() {
    let mut out = Vec::new();
    let row = serde_json::json!({"a": "x,y", "b": "say \"it\"", "c": "two\nlines", "d": null});
    csv::write_row(&["a", "b", "c", "d", "e"], &row, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\"x,y\",\"say \"\"it\"\"\",\"two\nlines\",,\n"
    );
}

#[test]
fn text_that_a_spreadsheet_would_take_for_a_formula_stands_behind_an_apostrophe() {
    let mut out = Vec::new();
    let row = serde_json::json!({"a": "=HYPERLINK(\"x\")", "b": "+1", "c": "-x", "d": "@x", "e": "\t=x", "f": -5, "g": "a=b"});
    csv::write_row(&["a", "b", "c", "d", "e", "f", "g"], &row, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\"'=HYPERLINK(\"\"x\"\")\",'+1,'-x,'@x,'\t=x,-5,a=b\n"
    );
}

#[test]
fn rollups_add_up_to_the_measurements_in_either_format() {
    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 30);
    store.seal_before(cut_of(15), UnixMillis(u64::MAX)).unwrap();
    for period in [crate::Period::Hour, crate::Period::Day] {
        let range = crate::RollupRange::of(period, UnixMillis(0), UnixMillis(u64::MAX));
        let (mut json, mut csv) = (Vec::new(), Vec::new());
        let lines = rollups(&store, (TextFormat::Ndjson, &range), &mut json, |_| ()).unwrap();
        assert_eq!(
            rollups(&store, (TextFormat::Csv, &range), &mut csv, |_| ()).unwrap(),
            lines
        );
        let json = String::from_utf8(json).unwrap();
        let all: Vec<serde_json::Value> = json
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let sum = |key: &str| all.iter().filter_map(|line| line[key].as_u64()).sum::<u64>();
        assert_eq!((sum("run"), sum("skipped")), (30 * ROWS, 30));
        assert_eq!(sum("rtt_count"), 30 * 6, "a loss has no time");
        assert!(all.iter().all(|line| line["schema"] == "isochrone.rollups/1"));
        let csv = String::from_utf8(csv).unwrap();
        let head = cells(csv.lines().next().unwrap());
        for key in all.iter().flat_map(|line| line.as_object().unwrap().keys()) {
            assert!(head.contains(&key.as_str()), "{key} is no column");
        }
        assert_eq!(csv.lines().count() as u64, lines + 1);
    }
}

#[test]
fn copies_are_whole_files_of_the_stores_own_schemas() {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};

    let (_, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 30);
    store.seal_before(cut_of(15), UnixMillis(u64::MAX)).unwrap();
    let (mut rows, mut names) = (0, Vec::new());
    let mut each = |name: String, content: Vec<u8>| {
        let reader = SerializedFileReader::new(bytes::Bytes::from(content)).unwrap();
        let metadata = reader.metadata().file_metadata();
        rows += metadata.num_rows() as u64;
        let words = metadata.key_value_metadata().unwrap();
        assert!(
            words.iter().any(|word| word.key == "isochrone.schema"),
            "{words:?}"
        );
        names.push(name);
        Ok(())
    };
    let range = ScanRange::slots(cut_of(10), cut_of(25));
    let written = store.copy_measurements(range, &mut each, |_| ()).unwrap();
    assert_eq!(written, 15 * ROWS);
    let range = crate::RollupRange::of(crate::Period::Hour, UnixMillis(0), UnixMillis(u64::MAX));
    let rolled = store.copy_rollups(&range, &mut each, |_| ()).unwrap();
    assert_eq!(rows, written + rolled);
    let day = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((day("echo4-2026-11-22-"), day("status4-2026-11-22-")), (1, 1));
    assert_eq!((day("hours-echo4-2026-11-22-"), names.len()), (1, 4));
    let failed = store.copy_measurements(
        ScanRange::default(),
        &mut |_, _| Err(io::ErrorKind::StorageFull.into()),
        |_| (),
    );
    assert!(matches!(failed, Err(StoreError::Reader(_))));
}

/// Whoever reads pauses after each batch or rollup. Meanwhile the store is tended: what was replaced goes, as nobody holds it.
struct Pausing<'s> {
    store: &'s Store,
    disk: &'s LossyBackend,
    text: Vec<u8>,
    pauses: u64,
}

impl Write for Pausing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Outlet for Pausing<'_> {
    fn hand_on(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn wait(&mut self) -> io::Result<()> {
        self.pauses += 1;
        tend(self.store, self.disk);
        Ok(())
    }
}

/// Compacts and folds, and removes every file that was replaced.
fn tend(store: &Store, disk: &LossyBackend) {
    let later = UnixMillis(START.0 + 3 * 86_400_000);
    store.compact(later).unwrap();
    store.fold_rollups(later).unwrap();
    ten_minutes_pass(store).unwrap();
    let named = crate::Tier::ALL.map(|tier| store.segment_files(tier).unwrap().len());
    assert_eq!(
        disk.file_names().len(),
        named.iter().sum::<usize>(),
        "something holds files"
    );
}

/// Batches in three spans of segments, and some in the log.
fn spans() -> (LossyBackend, Store) {
    let (disk, store) = store_with_plan();
    store_honest(&inline(&store), EPOCH, 12);
    for sequence in [3, 6, 9] {
        store.seal_before(cut_of(sequence), UnixMillis(u64::MAX)).unwrap();
    }
    (disk, store)
}

#[test]
fn reader_that_pauses_holds_nothing_of_the_store_and_gets_every_row_once() {
    let whole = |period| crate::RollupRange::of(period, UnixMillis(0), UnixMillis(u64::MAX));
    let exported = |out: &mut dyn FnMut(&Store, &LossyBackend) -> Vec<u8>| {
        let (disk, store) = spans();
        out(&store, &disk)
    };
    for format in [TextFormat::Ndjson, TextFormat::Csv] {
        let mut pauses = 0;
        let range = ScanRange::default();
        let paused = exported(&mut |store, disk| {
            let mut out = Pausing {
                store,
                disk,
                text: Vec::new(),
                pauses: 0,
            };
            super::measurements(store, (format, range), &mut out, |_| ()).unwrap();
            pauses = out.pauses;
            out.text
        });
        let steady = exported(&mut |store, _| {
            let mut out = Vec::new();
            super::measurements(store, (format, range), &mut out, |_| ()).unwrap();
            out
        });
        assert!(paused == steady && pauses >= 12, "{pauses} pauses");
        for period in [crate::Period::Hour, crate::Period::Day] {
            let range = whole(period);
            let paused = exported(&mut |store, disk| {
                let mut out = Pausing {
                    store,
                    disk,
                    text: Vec::new(),
                    pauses: 0,
                };
                rollups(store, (format, &range), &mut out, |_| ()).unwrap();
                out.text
            });
            let steady = exported(&mut |store, _| {
                let mut out = Vec::new();
                rollups(store, (format, &range), &mut out, |_| ()).unwrap();
                out
            });
            assert!(paused == steady && !paused.is_empty(), "{period:?}");
        }
    }
}

#[test]
fn reader_that_pauses_between_files_holds_nothing_of_the_store() {
    let (disk, store) = spans();
    let mut files = 0;
    let mut each = |_: String, _: Vec<u8>| {
        tend(&store, &disk);
        files += 1;
        Ok(())
    };
    let written = store
        .copy_measurements(ScanRange::default(), &mut each, |_| ())
        .unwrap();
    let range = crate::RollupRange::of(crate::Period::Hour, UnixMillis(0), UnixMillis(u64::MAX));
    let rolled = store.copy_rollups(&range, &mut each, |_| ()).unwrap();
    assert!(
        written == 12 * ROWS && rolled > 0 && files == 4,
        "{written} {rolled} {files}"
    );
}
