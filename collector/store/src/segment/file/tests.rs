use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use isochrone_proto::ids::EpochId;
use isochrone_proto::kind::{Check, Family};
use isochrone_proto::measurement::{
    CacheState, ConnectOutcome, ConnectPhases, ConnectResult, EchoOutcome, EndpointOutcome, EndpointResult,
    FailureCause, Outcome, Phase, Phases, SendFailure, Stamp,
};
use isochrone_proto::units::Micros;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;
use proptest::prelude::*;

use super::*;
use crate::ingest::fixture::{ADA, START, echo};
use crate::segment::sheet::SeriesKey;

fn kind_of(layout: Layout) -> Kind {
    let check = match layout {
        Layout::Echo => Check::Echo,
        Layout::Endpoint => Check::AssetGet,
        Layout::Connect => Check::Connect,
    };
    Kind::new(check, Family::V6)
}

fn facts(layout: Layout) -> Facts {
    Facts {
        kind: kind_of(layout),
        day: Day::of(START),
        commits: (1, 1_000),
        generation: 1,
    }
}

fn us() -> impl Strategy<Value = Micros> {
    (0_u64..=100_000_000).prop_map(|us| Micros::new(us).unwrap())
}

fn one_of<T: Clone + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

fn address() -> impl Strategy<Value = Option<IpAddr>> {
    let v4 = any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from(bits)));
    let v6 = any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from(bits)));
    prop::option::of(prop_oneof![v4, v6])
}

fn echoes() -> BoxedStrategy<Outcome> {
    let stamp = one_of(&[Stamp::Kernel, Stamp::User]);
    let replied = (us(), us(), stamp, any::<bool>()).prop_map(|(rtt, claimed_delay, stamp, suspect)| {
        EchoOutcome::Replied {
            rtt,
            claimed_delay,
            stamp,
            suspect,
        }
    });
    prop_oneof![
        replied,
        Just(EchoOutcome::TimedOut),
        one_of(SendFailure::ALL).prop_map(EchoOutcome::Unsent)
    ]
    .prop_map(Outcome::Echo)
    .boxed()
}

fn failure() -> impl Strategy<Value = (Phase, FailureCause, String)> {
    (one_of(Phase::ALL), one_of(FailureCause::ALL), "\\PC{0,20}")
}

fn connects() -> BoxedStrategy<Outcome> {
    let phases = (us(), us(), us(), us()).prop_map(|(resolve, connect, tls, unattributed)| {
        ConnectResult::Connected(ConnectPhases {
            resolve,
            connect,
            tls,
            unattributed,
        })
    });
    let failed = failure().prop_map(|(phase, cause, text)| ConnectResult::Failed { phase, cause, text });
    let unsent = one_of(SendFailure::ALL).prop_map(ConnectResult::Unsent);
    (
        address(),
        prop::option::of(any::<u64>()),
        prop_oneof![phases, failed, unsent],
    )
        .prop_map(|(address, certificate_expires, result)| {
            Outcome::Connect(Box::new(ConnectOutcome {
                address,
                certificate_expires,
                result,
            }))
        })
        .boxed()
}

fn requests() -> BoxedStrategy<Outcome> {
    let times = (us(), us(), us(), us(), us(), us());
    let answer = (any::<u32>(), prop::option::of(any::<u64>()), "\\PC{0,8}");
    let ok =
        (times, answer).prop_map(
            |(times, (body_bytes, node_uptime_s, node_version))| EndpointResult::Ok {
                phases: Phases {
                    resolve: times.0,
                    connect: times.1,
                    tls: times.2,
                    first_byte: times.3,
                    transfer: times.4,
                    unattributed: times.5,
                },
                body_bytes,
                node_uptime_s,
                node_version,
            },
        );
    let failed = failure().prop_map(|(phase, cause, text)| EndpointResult::Failed { phase, cause, text });
    let unsent = one_of(SendFailure::ALL).prop_map(EndpointResult::Unsent);
    let seen = (address(), prop::option::of(0_u16..1_000), one_of(CacheState::ALL));
    let certificate = prop::option::of(any::<u64>());
    (seen, certificate, prop_oneof![ok, failed, unsent])
        .prop_map(|((address, http_status, cache), certificate_expires, result)| {
            Outcome::Endpoint(Box::new(EndpointOutcome {
                address,
                http_status,
                cache,
                certificate_expires,
                result,
            }))
        })
        .boxed()
}

/// A run, and the batch that it came in.
type Came = (BatchOf, Measurement);

fn entries(outcome: BoxedStrategy<Outcome>) -> impl Strategy<Value = Vec<Came>> {
    let entry = (
        1_u64..1_000,
        0_u8..3,
        any::<u16>(),
        0_u64..86_400_000,
        us(),
        outcome,
    );
    let entry = entry.prop_map(|(commit, epoch, check, slot, lateness, outcome)| {
        let epoch = EpochId([epoch; 16]);
        let run = Measurement {
            check,
            slot: UnixMillis(START.0 + slot),
            lateness,
            outcome,
        };
        (BatchOf { commit, epoch }, run)
    });
    prop::collection::vec(entry, 0..40)
}

/// A sorted sheet of these series, and the batches of its entries, of which each has one.
fn sheet_of(layout: Layout, all: impl IntoIterator<Item = (SeriesKey, Vec<Came>)>) -> (Sheet, Vec<BatchOf>) {
    let (mut sheet, mut batches) = (Sheet::new(kind_of(layout), Day::of(START)), Vec::new());
    for (key, came) in all {
        for (batch, run) in came {
            let series = sheet.series(&key);
            sheet.push(series, batches.len() as u32, run);
            batches.push(batch);
        }
    }
    sheet.sort();
    (sheet, batches)
}

/// Rows of any layout, in series.
fn written() -> impl Strategy<Value = (Layout, Sheet, Vec<BatchOf>)> {
    let of = |(layout, outcome): (Layout, BoxedStrategy<Outcome>)| {
        let series = (0_u64..4, 0_u64..4, entries(outcome)).prop_map(|(probe, target, entries)| {
            let (probe_name, target_name) = (format!("probe-{probe}"), format!("target-{target}"));
            let key = (
                ProbeId(probe),
                probe_name.into(),
                TargetId(target),
                target_name.into(),
            );
            (key, entries)
        });
        prop::collection::vec(series, 0..6).prop_map(move |series| {
            let (sheet, batches) = sheet_of(layout, series);
            (layout, sheet, batches)
        })
    };
    prop_oneof![
        of((Layout::Echo, echoes())),
        of((Layout::Connect, connects())),
        of((Layout::Endpoint, requests())),
    ]
}

fn read_back(bytes: &[u8], layout: Layout, wants: impl Fn(u64) -> bool) -> Vec<(u64, Measurement)> {
    let mut rows = Vec::new();
    let selection = Selection {
        slots: (UnixMillis(0), UnixMillis(u64::MAX)),
        place: &|commit| u32::try_from(commit).ok().filter(|_| wants(commit)),
    };
    let content = Arc::new(Bytes::copy_from_slice(bytes));
    let opened = Opened::new(content, layout, None).unwrap();
    read(&opened, layout, &selection, |commit, run| {
        rows.push((u64::from(commit), run))
    })
    .unwrap();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_come_back_as_they_were((layout, sheet, batches) in written(), chosen in any::<u64>()) {
        let bytes = write(&facts(layout), &sheet, &batches).unwrap();
        let batch_of = |entry: &Entry| batches[entry.batch as usize];
        let expected: Vec<_> = sheet
            .entries
            .iter()
            .map(|entry| (batch_of(entry).commit, entry.run.clone()))
            .collect();
        prop_assert_eq!(expected.len(), batches.len());
        let rows = read_back(&bytes, layout, |_| true);
        prop_assert_eq!(&rows, &expected);
        let is_chosen = |commit: u64| chosen >> (commit % 64) & 1 == 1;
        let expected: Vec<_> = expected.into_iter().filter(|(commit, _)| is_chosen(*commit)).collect();
        prop_assert_eq!(read_back(&bytes, layout, is_chosen), expected);
        let named = sheet.series.iter().flat_map(|series| {
            sheet.entries[series.rows.clone()].iter().map(|entry| {
                let epoch = batch_of(entry).epoch.to_string();
                let ids = [&*series.probe_name, &series.probe.to_string(), &epoch];
                let target = [&*series.target_name, &series.target.to_string()];
                let (ids, target) = (ids.map(str::to_owned), target.map(str::to_owned));
                (ids, kind_of(layout).to_string(), target)
            })
        });
        let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
        let found = reader.get_row_iter(None).unwrap().map(|row| {
            let row = row.unwrap();
            let text = |place| row.get_string(place).unwrap().clone();
            ([text(0), text(1), text(2)], text(3), [text(4), text(5)])
        });
        prop_assert!(found.eq(named));
    }
}

#[test]
fn rows_stand_by_probe_target_and_slot_with_their_ids_in_words() {
    let epoch = EpochId([7; 16]);
    let at = |slot, commit| (BatchOf { commit, epoch }, echo(1, START.0 + slot, 20_000));
    let series = |probe: &str, target: &str, came| ((ADA, probe.into(), TargetId(5), target.into()), came);
    let all = [
        series("bob", "eve", vec![at(9, 1)]),
        series("ada", "eve", vec![at(8, 2), at(3, 4)]),
        series("ada", "bob", vec![at(7, 3)]),
    ];
    let (sheet, batches) = sheet_of(Layout::Echo, all);
    let bytes = write(&facts(Layout::Echo), &sheet, &batches).unwrap();
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    let metadata = reader
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .unwrap()
        .clone();
    let said = |key: &str| {
        metadata
            .iter()
            .find(|pair| pair.key == key)
            .unwrap()
            .value
            .clone()
            .unwrap()
    };
    assert_eq!(said("isochrone.schema"), "isochrone.segment.echo/1");
    assert_eq!(said("isochrone.kind"), "echo6");
    assert_eq!(said("isochrone.day"), "2026-11-22");
    assert_eq!(said("isochrone.last_commit"), "1000");
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    let ids: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = |place| row.get_string(place).unwrap().as_str();
            let slot = row.get_timestamp_millis(6).unwrap() as u64 - START.0;
            (text(0), text(1), text(3), text(4), slot, row.get_long(7).unwrap())
        })
        .collect();
    let id = "0000000000000ada";
    assert_eq!(
        ids,
        [
            ("ada", id, "echo6", "bob", 7, 3),
            ("ada", id, "echo6", "eve", 3, 4),
            ("ada", id, "echo6", "eve", 8, 2),
            ("bob", id, "echo6", "eve", 9, 1),
        ]
    );
    assert_eq!(rows[0].get_string(2).unwrap().as_str(), "07".repeat(16));
    assert_eq!(rows[0].get_string(5).unwrap().as_str(), "0000000000000005");
}
