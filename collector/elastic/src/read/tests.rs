use std::sync::Arc;

use isochrone_base::clock::Clock;
use isochrone_base::error_chain::chain;
use isochrone_base::fixture;
use isochrone_base::kinds::{EndpointRun, address_of};
use isochrone_proto::kind::{Check, Kind};
use isochrone_proto::measurement::{FailureCause, Measurement, Outcome, Phase};
use isochrone_proto::plan::{Plan, TargetAddress};
use url::Url;

use super::*;
use crate::document::Writer;
use crate::mock::{Mock, PageFault};
use crate::{Account, Period, Prefix, Settings};

const DAY_MS: u64 = 86_400_000;

fn roster() -> Roster {
    let probes = [
        fixture::probe("ada-berlin", "ada", Some(64_500)),
        fixture::probe("bob-osaka", "bob", Some(64_501)),
    ];
    Roster::new(probes, [fixture::node("tokyo", "eve")])
}

fn kinds() -> Vec<Kind> {
    ["connect4", "status4", "asset-get4"]
        .map(|kind| kind.parse().unwrap())
        .to_vec()
}

/// Batches of two probes over ten minutes: each run of a probe every ten seconds, the last ones of a batch ten seconds before
/// it came.
fn batches(roster: &Roster) -> Vec<Stored> {
    let mut batches = Vec::new();
    for name in ["ada-berlin", "bob-osaka"] {
        let plan = Arc::new(fixture::plan(roster, fixture::probe_id(name), &kinds()));
        for minute in 0..10 {
            let rows: Vec<Measurement> = (0..6)
                .flat_map(|step| rows(&plan, minute * 60_000 + step * 10_000))
                .collect();
            let mut stored = isochrone_store::fixture::stored(&plan, &rows);
            stored.received = UnixMillis(fixture::DAY0 + minute * 60_000 + 52_345);
            batches.push(stored);
        }
    }
    batches
}

fn rows(plan: &Plan, at: u64) -> Vec<Measurement> {
    let slot = UnixMillis(fixture::DAY0 + at);
    let turn = at / 10_000 % 7;
    let outcome = |check: usize| -> Outcome {
        match (plan.checks[check].kind.check, turn) {
            (Check::Echo, 3) => fixture::lost(),
            (Check::Echo, _) => fixture::replied(20 + at % 9),
            (Check::Connect, 5) => fixture::unconnected(),
            (Check::Connect, _) => fixture::connected(30 + at % 11),
            (_, 4) => fixture::failed(Phase::FirstByte, FailureCause::BadStatus, Some(503)),
            _ => fixture::good(40 + at % 13),
        }
    };
    let checks = 0..plan.checks.len();
    checks
        .map(|check| fixture::row(u16::try_from(check).unwrap(), slot, outcome(check)))
        .collect()
}

fn names() -> Names {
    Names::new(Prefix::default(), Period::Day)
}

/// A server with the documents of these batches.
fn filled(batches: &[Stored]) -> Mock {
    let mock = Mock::start();
    let mut writer = Writer::new(names());
    for stored in batches {
        writer.documents(stored, |document| {
            let source = serde_json::from_slice(&document.source).unwrap();
            let key = (document.index.to_string(), document.id.to_string());
            mock.state().documents.insert(key, source);
        });
    }
    mock
}

fn client(mock: &Mock) -> Client {
    let settings = Settings {
        urls: vec![Url::parse(&mock.url).unwrap()],
        ca: None,
        account: None::<Account>,
        prefix: Prefix::default(),
        period: Period::Day,
    };
    Client::new(&settings, Clock::system()).unwrap()
}

/// Everything that reports look at, of each run, in one line.
type Line = String;

fn lines(stored: &Stored) -> Vec<Line> {
    let measured = stored.batch.measurements();
    let line = |row: Measurement| {
        let (check, target) = stored.plan.target_of(row.check).unwrap();
        let run = EndpointRun::of(check.kind.check, &row.outcome).map(|run| format!("{run:?}"));
        format!(
            "{:?} {:?} {:?} {} {:?} {} {} {} {:?} {:?} {:?} {run:?} {:?}",
            stored.probe,
            stored.epoch,
            stored.received,
            stored.plan.probe_name,
            target.id,
            target.name,
            check.schedule.interval_ms(),
            check.schedule.timeout_ms(),
            check.kind,
            row.slot,
            row.lateness,
            (address_of(&row.outcome), &row.outcome),
        )
    };
    measured.map(line).collect()
}

fn sorted(batches: &[Stored]) -> Vec<Line> {
    let mut all: Vec<Line> = batches.iter().flat_map(lines).collect();
    all.sort();
    all
}

/// Neither more nor less than what was sent.
fn assert_whole(found: &[Stored], sent: &[Stored], what: &str) {
    let (found, sent) = (sorted(found), sorted(sent));
    let differing = found.iter().zip(&sent).find(|(found, sent)| found != sent);
    assert_eq!(differing, None, "{what}");
    assert_eq!(found.len(), sent.len(), "{what}");
}

async fn read(mock: &Mock, range: ScanRange, size: usize) -> Result<Vec<Stored>, ReadError> {
    read_in(mock, range, PageSize::new(size)).await
}

async fn read_in(mock: &Mock, range: ScanRange, size: PageSize) -> Result<Vec<Stored>, ReadError> {
    let client = client(mock);
    let reader = Reader::open(client, &names(), &roster()).await?.in_steps(size);
    let reading = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        reader.scan(range, &mut |stored| found.push(stored))?;
        Ok(found)
    });
    reading.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_comes_back_whole_and_once_in_pages_of_any_size() {
    let sent = batches(&roster());
    let mock = filled(&sent);
    for size in [7, 100, 10_000] {
        let found = read(&mock, ScanRange::default(), size).await.unwrap();
        assert_whole(&found, &sent, &size.to_string());
    }
    let found = read(&mock, ScanRange::default(), 1_000).await.unwrap();
    for target in found.iter().flat_map(|stored| &stored.plan.targets) {
        let peer = roster().peer(target.id).map(|probe| probe.id);
        let said = match &target.address {
            TargetAddress::Peer { probe, .. } => Some(*probe),
            TargetAddress::Endpoint { .. } => None,
        };
        assert_eq!(said, peer, "{}", target.name);
    }
    let from = UnixMillis(fixture::DAY0 + 300_000);
    let range = ScanRange::slots(from, UnixMillis(from.0 + 60_000));
    let found = read(&mock, range, 10).await.unwrap();
    let wanted: usize = sent
        .iter()
        .flat_map(|stored| stored.batch.measurements())
        .filter(|row| range.from <= row.slot && row.slot < range.until)
        .count();
    assert_eq!(
        found.iter().map(|stored| stored.batch.rows()).sum::<usize>(),
        wanted
    );
    assert_eq!(mock.state().strange, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn point_in_time_that_is_let_go_and_a_busy_server_lose_and_double_nothing() {
    let sent = batches(&roster());
    let mock = filled(&sent);
    let busy = || PageFault::Status(429, "circuit_breaking_exception");
    for faults in [
        vec![PageFault::Gone, PageFault::Gone],
        vec![busy(), PageFault::Status(503, "no_shard_available")],
    ] {
        let faults_said = format!("{faults:?}");
        // in the middle of the runs of one slot, which lie in several pages
        let reading = read(&mock, ScanRange::default(), 5);
        let spoiling = async {
            for fault in faults {
                let seen = mock.state().searches.pages;
                while mock.state().searches.pages < seen + 7 {
                    tokio::task::yield_now().await;
                }
                mock.state().searches.faults.push_back(fault);
            }
        };
        let (found, ()) = tokio::join!(reading, spoiling);
        assert_whole(&found.unwrap(), &sent, &faults_said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_documents_come_in_small_pages_and_none_is_lost() {
    let sent = batches(&roster());
    let mock = filled(&sent);
    {
        let mut state = mock.state();
        let all: Vec<_> = state.documents.clone().into_iter().collect();
        for ((index, id), mut long) in all {
            long["text"] = json!("x".repeat(5_000));
            state.documents.insert((index, format!("long-{id}")), long);
        }
    }
    let size = PageSize::new(200).weighing(50_000);
    let found = read_in(&mock, ScanRange::default(), size).await.unwrap();
    assert_whole(&found, &sent, "beside long ones");
    let state = mock.state();
    let (first, others) = state.searches.lengths.split_first().unwrap();
    // nothing is known before the first page
    assert!(*first > 400_000, "{first}");
    assert!(others.iter().all(|length| *length < 250_000), "{others:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_said_with_where_and_what_to_do() {
    let sent = batches(&roster());
    let said = async |mock: &Mock| {
        let failed = read(mock, ScanRange::default(), 100).await.unwrap_err();
        chain(&failed)
    };
    for (status, kind, words) in [
        (401, "security_exception", "not known there"),
        (403, "security_exception", "elastic setup --role"),
        (400, "search_phase_execution_exception", "mapping"),
    ] {
        let mock = filled(&sent);
        mock.state()
            .searches
            .faults
            .push_back(PageFault::Status(status, kind));
        let text = said(&mock).await;
        for word in [words, "isochrone-echo-*", &mock.url, &status.to_string()] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    let mock = filled(&sent);
    mock.state().searches.faults.extend(vec![PageFault::Partial; 1]);
    let text = said(&mock).await;
    assert!(text.contains("shards"), "{text}");

    let mock = filled(&[]);
    let text = said(&mock).await;
    for word in [
        &mock.url,
        "has no index",
        "isochrone-endpoint-*",
        "elastic backfill",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_make_searchable_is_said_with_its_reason() {
    let mock = filled(&batches(&roster()));
    let denied =
        json!({ "error": { "type": "security_exception", "reason": "unauthorized for user [ada]" } });
    let broken = json!({ "_shards": { "total": 2, "successful": 0, "failed": 1 } });
    for (answer, words) in [
        (None, ""),
        (Some((403, denied)), "unauthorized for user [ada]"),
        (Some((200, broken)), "1 of its shards"),
    ] {
        mock.state().searches.refresh = answer;
        let reader = Reader::open(client(&mock), &names(), &roster()).await.unwrap();
        let said = reader.extent().not_refreshed.clone().unwrap_or_default();
        assert_eq!(
            (said.is_empty(), said.contains(words)),
            (words.is_empty(), true),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn opensearch_is_named_and_the_mapping_is_not_blamed() {
    let mock = filled(&batches(&roster()));
    mock.state().searches.knows_no_pit = true;
    let reader = Reader::open(client(&mock), &names(), &roster()).await.unwrap();
    let read = tokio::task::spawn_blocking(move || reader.scan(ScanRange::default(), &mut |_| {}));
    let words = read.await.unwrap().unwrap_err().to_string();
    assert!(
        words.contains(&mock.url) && words.contains("OpenSearch"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_documents_are_counted_and_named_and_in_no_batch() {
    let sent = batches(&roster());
    let mock = filled(&sent);
    {
        let mut state = mock.state();
        let (key, document) = state
            .documents
            .iter()
            .next()
            .map(|(key, it)| (key.clone(), it.clone()))
            .unwrap();
        state
            .documents
            .insert((key.0.clone(), "somebody-elses".to_owned()), document.clone());
        let mut older = document;
        older.as_object_mut().unwrap().remove("arrival_ms");
        state.documents.insert(key.clone(), older.clone());
        older["kind"] = serde_json::json!(format!("\u{1b}[2J\u{202e}{}", "x".repeat(30_000)));
        older["arrival_ms"] = serde_json::json!(1);
        for place in 0..3 {
            let id = format!("\u{1b}]0;{place}");
            state.documents.insert((key.0.clone(), id), older.clone());
        }
    }
    let reader = Reader::open(client(&mock), &names(), &roster()).await.unwrap();
    let (found, foreign) = tokio::task::spawn_blocking(move || {
        let mut found = 0;
        reader
            .scan(ScanRange::default(), &mut |stored| found += stored.batch.rows())
            .unwrap();
        (found, reader.foreign())
    })
    .await
    .unwrap();
    assert_eq!(found, sorted(&sent).len() - 1);
    assert_eq!(foreign.documents, 5);
    let example = foreign.example.unwrap();
    let says = ["arrival_ms", "_id", "kind"]
        .iter()
        .any(|word| example.contains(word));
    assert!(example.contains("isochrone-e") && says, "{example}");
    assert!(
        isochrone_proto::text::is_clean(&example) && example.len() < 2_000,
        "{example:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn measurements_of_probes_that_the_roster_does_not_know_are_counted_and_in_no_batch() {
    let sent = batches(&roster());
    let mock = filled(&sent);
    let known = Roster::new([fixture::probe("ada-berlin", "ada", Some(64_500))], []);
    let reader = Reader::open(client(&mock), &names(), &known).await.unwrap();
    let (found, foreign) = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        reader
            .scan(ScanRange::default(), &mut |stored| found.push(stored))
            .unwrap();
        (found, reader.foreign())
    })
    .await
    .unwrap();
    let ada = fixture::probe_id("ada-berlin");
    let (ours, others): (Vec<Stored>, Vec<Stored>) = sent.into_iter().partition(|stored| stored.probe == ada);
    assert_whole(&found, &ours, "of the known probe");
    assert_eq!(
        (foreign.strangers, foreign.documents),
        (sorted(&others).len() as u64, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn index_that_is_closed_or_lacking_between_others_is_named() {
    let mut sent = batches(&roster());
    for (at, stored) in batches(&roster()).into_iter().enumerate() {
        let days = 2 + at as u64 % 2 * 2; // the first day, the third and the fifth
        let rows: Vec<Measurement> = stored
            .batch
            .measurements()
            .map(|row| Measurement {
                slot: UnixMillis(row.slot.0 + days * DAY_MS),
                ..row
            })
            .collect();
        sent.push(isochrone_store::fixture::stored(&stored.plan, &rows));
    }
    let mock = filled(&sent);
    let window = (UnixMillis(fixture::DAY0), UnixMillis(fixture::DAY0 + 5 * DAY_MS));
    let missing = async |mock: &Mock| {
        let reader = Reader::open(client(mock), &names(), &roster()).await.unwrap();
        reader.extent().missing(&names(), window)
    };
    let lacking = missing(&mock).await;
    assert_eq!(
        lacking.len(),
        4,
        "of two kinds, the second and the fourth day: {lacking:?}"
    );
    let name = names().index(Family::Echo, UnixMillis(fixture::DAY0 + 4 * DAY_MS));
    mock.state().searches.closed.push(name.clone());
    let lacking = missing(&mock).await;
    assert!(lacking.contains(&name), "{lacking:?}");
}
