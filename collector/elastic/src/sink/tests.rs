//! The sink against a strict server, after each of whose faults the documents are the store's, no more and no less.

mod laid_out;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use isochrone_proto::ids::Digest;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ScanRange;
use isochrone_store::export;
use isochrone_store::ingest::fixture;
use tempfile::TempDir;
use url::Url;

use super::*;
use crate::mock::{Fault, Mock};
use crate::{Period, Prefix, dead_letters, retry, setup};

fn settings(mock: &Mock) -> Settings {
    Settings {
        urls: vec![Url::parse(&mock.url).unwrap()],
        ca: None,
        account: None,
        prefix: Prefix::default(),
        period: Period::Month,
    }
}

/// A store with so many batches of one probe.
async fn filled(batches: u64) -> Store {
    let (_disk, store) = fixture::store_with_plan();
    let ingest = fixture::inline(&store);
    let mut previous = Digest::ZERO;
    for sequence in 1..=batches {
        let header = fixture::header(fixture::EPOCH, sequence, previous);
        let incoming = fixture::incoming(header, &fixture::measurements(sequence, 0));
        previous = incoming.digest;
        ingest.submit(incoming).await.await;
    }
    store
}

struct Run {
    mock: Mock,
    store: Store,
    folder: TempDir,
    /// Behind all that is measured and planned.
    clock: Clock,
}

fn later() -> Clock {
    Clock::virtual_from(UnixMillis(fixture::START.0 + 8 * 86_400_000))
}

impl Run {
    async fn new(batches: u64) -> Self {
        Self {
            mock: Mock::start(),
            store: filled(batches).await,
            folder: tempfile::tempdir().unwrap(),
            clock: later(),
        }
    }

    fn parts(&self) -> SinkParts {
        SinkParts {
            store: self.store.clone(),
            settings: settings(&self.mock),
            incidents: Incidents::none(),
            dead_letters: self.letters().to_owned(),
            pace: Pace {
                first: Duration::from_millis(20),
                blocked: Duration::from_millis(50),
            },
            clock: self.clock.clone(),
        }
    }

    /// With these incidents, as they are when they are asked for.
    fn parts_with(&self, judged: &Arc<Mutex<Vec<crate::revised::Incident>>>) -> SinkParts {
        let judged = Arc::clone(judged);
        SinkParts {
            incidents: Incidents::from(move || Ok(judged.lock().unwrap().clone())),
            ..self.parts()
        }
    }

    fn letters(&self) -> std::path::PathBuf {
        self.folder.path().join("dead.ndjson")
    }

    /// Follows until all is there and `wanted` was seen.
    async fn follow(&self, seen: impl FnMut(&SinkStatus)) -> SinkStatus {
        self.follow_with(self.parts(), seen).await
    }

    async fn follow_with(&self, parts: SinkParts, mut seen: impl FnMut(&SinkStatus)) -> SinkStatus {
        let (status, mut watched) = watch::channel(SinkStatus::default());
        let stop = CancellationToken::new();
        let running = run(parts, status, stop.clone());
        let commits = self.store.commit_number().unwrap();
        let until = async {
            loop {
                watched.changed().await.unwrap();
                let status = watched.borrow().clone();
                seen(&status);
                let is_there = status.commit == commits && status.revised_at.is_some();
                if is_there && status.standing == Standing::Following {
                    stop.cancel();
                    return status;
                }
            }
        };
        let both = async { tokio::join!(running, until) };
        let (ended, status) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
        ended.unwrap();
        status
    }

    /// What an export of the store counts, which knows nothing of documents, and their ids.
    fn assert_equal(&self, without: u64) {
        let mut lines = Vec::new();
        let count = export::ndjson(&self.store, ScanRange::default(), &mut lines, |_| {}).unwrap();
        let state = self.mock.state();
        assert_eq!(state.strange, Vec::<String>::new());
        let is_raw =
            |(index, _): &&(String, String)| index.contains("-echo-") || index.contains("-endpoint-");
        let raw: Vec<_> = state.documents.keys().filter(is_raw).collect();
        assert_eq!(raw.len() as u64, count - without);
        let slots = |text: &serde_json::Value| {
            let kind = text["kind"].as_str().unwrap().to_owned();
            (
                kind,
                text["target"].as_str().unwrap().to_owned(),
                text["outcome"].clone().to_string(),
            )
        };
        let mut ours: Vec<_> = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| slots(&serde_json::from_slice(line).unwrap()))
            .collect();
        let mut theirs: Vec<_> = raw.iter().map(|key| slots(&state.documents[*key])).collect();
        if without == 0 {
            ours.sort();
            theirs.sort();
            assert_eq!(ours, theirs);
        }
        let ids: BTreeSet<&String> = raw.iter().map(|(_, id)| id).collect();
        assert_eq!(ids.len(), raw.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_once_after_each_fault() {
    let faults = [
        vec![],
        vec![Fault::Whole(429), Fault::Whole(503), Fault::Whole(502)],
        vec![Fault::EveryThird(429, "es_rejected_execution_exception")],
        vec![Fault::EveryThird(503, "unavailable_shards_exception")],
        vec![Fault::TakenAndCut, Fault::HalfAndGone, Fault::TakenAndCut],
        vec![Fault::TakenAndSlow(Duration::from_millis(300))],
    ];
    for faults in faults {
        let run = Run::new(60).await;
        run.mock.state().faults.extend(faults.clone());
        let status = run.follow(|_| {}).await;
        assert_eq!((status.dead, status.behind()), (0, 0), "{faults:?}");
        run.assert_equal(0);
        assert!(!run.letters().exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_must_change_stops_it_says_why_and_goes_on_after() {
    for (fault, says) in [
        (Fault::Whole(401), "password"),
        (Fault::Whole(403), "privilege"),
        (Fault::EveryThird(403, "security_exception"), "privilege"),
        (Fault::EveryThird(403, "cluster_block_exception"), "block"),
        (Fault::EveryThird(400, "index_closed_exception"), "open the index"),
        (Fault::EveryThird(400, "validation_exception"), "shards"),
    ] {
        let run = Run::new(60).await;
        run.mock.state().faults.push_back(fault.clone());
        let mut blocked = None;
        run.follow(|status| {
            if status.standing == Standing::Blocked {
                assert_eq!(status.commit, 0, "the cursor stands still");
                blocked = status.last_error.clone();
            }
        })
        .await;
        let (_, words) = blocked.unwrap_or_else(|| panic!("{fault:?}"));
        assert!(words.contains(says), "{words}");
        run.assert_equal(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_that_is_too_large_is_split() {
    let run = Run::new(60).await;
    run.mock.state().most = 100;
    run.follow(|_| {}).await;
    run.assert_equal(0);
    assert!(run.mock.state().bulks > 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_documents_are_dead_letters_and_go_with_a_retry() {
    let run = Run::new(60).await;
    let fault = Fault::EveryThird(400, "document_parsing_exception");
    run.mock.state().faults.push_back(fault);
    let status = run.follow(|_| {}).await;
    assert_eq!(status.dead, 240);
    run.assert_equal(240);
    let letters = dead_letters::read(&run.letters()).unwrap();
    assert_eq!(letters.len(), 240);
    assert_eq!(letters[0].reason, "document_parsing_exception: by the test");
    let mut sender = sender(&run.mock);
    run.mock
        .state()
        .faults
        .push_back(Fault::EveryThird(400, "document_parsing_exception"));
    let retried = retry::retry(&run.letters(), &mut sender).await.unwrap();
    assert_eq!((retried.sent, retried.dead), (160, 80));
    let retried = retry::retry(&run.letters(), &mut sender).await.unwrap();
    assert_eq!((retried.sent, retried.dead), (80, 0));
    run.assert_equal(0);
    assert!(!run.letters().exists());
}

fn sender(mock: &Mock) -> Sender {
    let settings = settings(mock);
    let client = Client::new(&settings, Clock::system()).unwrap();
    let names = Names::new(settings.prefix, settings.period);
    Sender::new(client, names, Clock::system(), crate::index::Layout::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn sink_that_begins_again_sends_only_what_is_new() {
    let run = Run::new(30).await;
    let first = run.follow(|_| {}).await;
    let again = run.follow(|_| {}).await;
    assert_eq!(
        (first.documents, again.documents),
        (30 * 12, 0),
        "nothing was sent twice"
    );
    run.mock.state().documents.clear(); // somebody deleted all of it
    let mut letters = DeadLetters::open(&run.letters()).unwrap();
    let names = Names::new(Prefix::default(), Period::Month);
    let from = crate::backfill::Source {
        store: run.store.clone(),
        incidents: Incidents::none(),
        names,
        revision: Cursors::of(&run.store)
            .get(&Names::new(Prefix::default(), Period::Month))
            .unwrap()
            .unwrap()
            .revision(crate::index::Histograms::Bytes),
    };
    let when = (UnixMillis(0), run.clock.wall());
    let mut sender = sender(&run.mock);
    let done = crate::backfill::backfill(&from, when, &mut sender, &mut letters, |_, _| {}).await;
    let state_of = |run: &Run| run.mock.state().documents.len();
    assert_eq!(done.unwrap().documents as usize, state_of(&run));
    run.assert_equal(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_mapping_stops_it_and_is_named() {
    let run = Run::new(5).await;
    run.follow(|_| {}).await;
    let at = fixture::START;
    let index = Names::new(Prefix::default(), Period::Month).index(crate::index::Family::Echo, at);
    run.mock.state().mappings.get_mut(&index).unwrap()["properties"]["rtt_us"]["type"] = "text".into();
    let mut delivery = Delivery::new(run_documents(&run.store), 1_000, Pace::default());
    sender(&run.mock).step(&mut delivery).await;
    let trouble = delivery.trouble().unwrap();
    assert!(trouble.is_blocked, "{trouble:?}");
    assert!(
        trouble.reason.contains(&index) && trouble.reason.contains("rtt_us is text"),
        "{trouble:?}"
    );
}

fn run_documents(store: &Store) -> Vec<crate::document::Document> {
    let names = Names::new(Prefix::default(), Period::Month);
    let mut reading = Reader::new(store.clone(), names).read(0).unwrap();
    reading.chunks.remove(0).documents
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_makes_what_a_whole_server_has_and_is_done_then() {
    let mock = Mock::start();
    {
        let mut state = mock.state();
        state.has_everything = true;
        state.root =
            Some(serde_json::json!({ "version": { "number": "9.5.2" }, "tagline": "You Know, for Search" }));
    }
    let client = Client::new(&settings(&mock), Clock::system()).unwrap();
    let names = Names::new(Prefix::default(), Period::Month);
    let found = setup::Setup::look(&client, &names).await.unwrap();
    assert_eq!(found.server.to_string(), "Elasticsearch 9.5.2");
    assert_eq!((found.server.lacks(), found.is_done()), (Vec::new(), false));
    assert!(mock.state().templates.is_empty(), "looking changes nothing");
    assert!(found.apply(&client).await.is_empty());
    let again = setup::Setup::look(&client, &names).await.unwrap();
    assert!(again.is_done(), "{:?}", again.items);
    let state = mock.state();
    assert_eq!((state.templates.len(), state.policies.len()), (5, 1));
    let echo = &state.templates["isochrone-echo"]["template"]["settings"]["index"];
    assert_eq!(echo["lifecycle"]["name"], "isochrone-raw");
}

#[tokio::test(flavor = "multi_thread")]
async fn account_that_may_do_the_least_sends_histograms_as_setup_laid_them_out() {
    let run = Run::new(5).await;
    run.mock.state().has_everything = true;
    let client = Client::new(&settings(&run.mock), run.clock.clone()).unwrap();
    let names = Names::new(Prefix::default(), Period::Month);
    let found = setup::Setup::look(&client, &names).await.unwrap();
    assert_eq!(found.apply(&client).await.len(), 0);
    run.mock.state().is_least = true;
    run.follow(|_| {}).await;
    let state = run.mock.state();
    let rollups = state
        .documents
        .iter()
        .filter(|((index, _), document)| index.contains("-rollup-") && !document["rtt_count"].is_null());
    let scales: Vec<_> = rollups
        .map(|(_, document)| document["rtt_histogram"]["scale"].clone())
        .collect();
    assert!(
        !scales.is_empty() && scales.iter().all(|scale| *scale == 6),
        "{scales:?}"
    );
    assert_eq!(state.strange, Vec::<String>::new());
    drop(state);
    assert_eq!(laid_out::cheaper(&run.mock), [(true, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_that_differs_is_told_with_its_side_and_a_little_is_not() {
    let run = Run::new(1).await;
    let client = Client::new(&settings(&run.mock), run.clock.clone()).unwrap();
    let now = run.clock.wall().0;
    for (wall, side) in [(now + 12_600_000, "ahead of"), (now - 12_600_000, "behind")] {
        run.mock.state().wall_ms = Some(wall);
        let said = Server::ask(&client).await.unwrap().clock().unwrap();
        assert!(
            said.starts_with("its clock is 3 h") && said.contains(side),
            "{said}"
        );
    }
    run.mock.state().wall_ms = None;
    let silent = Server::ask(&client).await.unwrap();
    assert_eq!((silent.ahead_ms, silent.clock()), (0, None));
    let by = |ahead_ms| {
        Server {
            ahead_ms,
            ..silent.clone()
        }
        .clock()
    };
    assert_eq!((by(2_000), by(-2_000)), (None, None));
    assert!(by(-2_001).is_some_and(|said| said.contains("2 s behind")));
}

#[tokio::test(flavor = "multi_thread")]
async fn cluster_that_says_no_id_is_not_taken_for_another_one() {
    let run = Run::new(5).await;
    let client = Client::new(&settings(&run.mock), run.clock.clone()).unwrap();
    for says in [
        serde_json::json!({}),
        serde_json::json!({ "cluster_uuid": "_na_" }),
    ] {
        run.mock.state().cluster = Some(says);
        let words = Server::ask(&client).await.unwrap_err().to_string();
        assert!(
            words.contains(&run.mock.url) && words.contains("no id of its cluster"),
            "{words}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_elasticsearch_or_too_old_is_named() {
    let mock = Mock::start();
    let client = Client::new(&settings(&mock), Clock::system()).unwrap();
    for (root, says) in [
        (serde_json::json!({ "hello": "world" }), "is no Elasticsearch"),
        (
            serde_json::json!({ "version": { "number": "7.17.0" } }),
            "version 7.17.0",
        ),
    ] {
        mock.state().root = Some(root);
        let words = Server::ask(&client).await.unwrap_err().to_string();
        assert!(words.contains(says) && words.contains(&mock.url), "{words}");
    }
    mock.state().root =
        Some(serde_json::json!({ "version": { "number": "2.19.0", "distribution": "opensearch" } }));
    let server = Server::ask(&client).await.unwrap();
    assert!(server.lacks()[0].contains("OpenSearch"), "{:?}", server.lacks());
}

#[tokio::test(flavor = "multi_thread")]
async fn api_key_goes_along_and_a_wrong_one_is_told_without_it() {
    let mock = Mock::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "c2VjcmV0\n").unwrap();
    let with = |file: &Path| Settings {
        account: Some(crate::Account::ApiKey {
            file: file.to_owned(),
        }),
        ..settings(&mock)
    };
    mock.state().authorization = Some("ApiKey c2VjcmV0".to_owned());
    let client = Client::new(&with(&file), Clock::system()).unwrap();
    Server::ask(&client).await.unwrap();
    std::fs::write(&file, "d3Jvbmc=\n").unwrap();
    let client = Client::new(&with(&file), Clock::system()).unwrap();
    let words = chain(&Server::ask(&client).await.unwrap_err());
    assert!(words.contains("401") && !words.contains("d3Jvbmc"), "{words}");
}

/// Measurements that retention removes so many days after the first.
fn removed(store: &Store, days: u64) -> u64 {
    let now = UnixMillis(fixture::START.0 + days * 86_400_000);
    while store.seal(now).unwrap().is_some() {}
    let steps = std::iter::from_fn(|| store.retain(now).unwrap());
    steps.map(|step| step.measurements).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_waits_for_the_sink_and_goes_on_behind_it() {
    let run = Run::new(30).await;
    hold(&run.store, &settings(&run.mock)).unwrap();
    assert_eq!(removed(&run.store, 31), 0, "nothing was sent yet");
    run.follow(|_| {}).await;
    run.assert_equal(0);
    assert_eq!(removed(&run.store, 32), 30 * 12);
    assert_eq!(run.store.removed_unsent().unwrap(), None);
    hold(&run.store, &settings(&run.mock)).unwrap(); // as a restart does
    assert_eq!(removed(&run.store, 33), 0);
}

/// By the family's word, how many documents there are.
fn counted(mock: &Mock, word: &str) -> usize {
    let state = mock.state();
    let mut indices = state.documents.keys().map(|(index, _)| index);
    indices.by_ref().filter(|index| index.contains(word)).count()
}

fn incident(start: u64, end: Option<u64>) -> crate::revised::Incident {
    crate::revised::Incident {
        incident: format!("{start:013}-0badcafe"),
        subject: "node",
        target: "tokyo".into(),
        check: "connect",
        checks: vec!["connect", "asset"],
        cause: "node",
        state: if end.is_some() { "over" } else { "open" },
        start: UnixMillis(start),
        noticed: UnixMillis(start),
        end: end.map(UnixMillis),
        ending: end.map(|_| "recovered"),
        duration_s: end.map(|end| (end - start) / 1_000),
        down_s: end.map(|end| (end - start) / 1_000),
        falls: None,
        caveat: Some("two judges of one network".into()),
        group: None,
        late: false,
        vantages: vec!["ada-berlin".into()],
        networks: 1,
        evidence: vec![crate::revised::Evidence {
            vantage: "ada-berlin".into(),
            place: "Berlin, DE".into(),
            network: Some(64_500),
            kind: "connect4".into(),
            phase: "connect",
            cause: "timeout",
            error: "no answer within 4 s".into(),
            slot: UnixMillis(start),
            failures: 3,
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_revised_is_sent_once_and_again_only_where_it_changed() {
    let run = Run::new(30).await;
    let judged = Arc::new(Mutex::new(vec![incident(fixture::START.0, None)]));
    run.follow_with(run.parts_with(&judged), |_| {}).await;
    let rollups = counted(&run.mock, "-rollup-");
    assert!(rollups > 0 && counted(&run.mock, "-ledger-") > 0);
    assert_eq!(counted(&run.mock, "-incident-"), 1);
    let rows = isochrone_store::ledger::rows(&run.store, run.clock.wall()).unwrap();
    let planned: u64 = rows.iter().map(|row| row.planned).sum();
    let sum = |word: &str, key: &str| -> u64 {
        let state = run.mock.state();
        let of = state
            .documents
            .iter()
            .filter(|((index, _), _)| index.contains(word));
        of.map(|(_, document)| document[key].as_u64().unwrap()).sum()
    };
    assert_eq!(sum("-ledger-", "planned"), planned);
    assert_eq!(sum("-rollup-", "run"), 30 * 12);
    let versions = run.mock.state().versions.clone();

    let again = run.follow_with(run.parts_with(&judged), |_| {}).await;
    assert_eq!(run.mock.state().versions, versions, "{again:?}");

    *judged.lock().unwrap() = vec![incident(fixture::START.0, Some(fixture::START.0 + 90_000))];
    run.follow_with(run.parts_with(&judged), |_| {}).await;
    assert_eq!(counted(&run.mock, "-incident-"), 1, "the same document");
    let state = run.mock.state();
    let mut incidents = state
        .documents
        .iter()
        .filter(|((index, _), _)| index.contains("-incident-"));
    let (key, document) = incidents.next().unwrap();
    assert_eq!(
        (&document["state"], &document["duration_s"]),
        (&"over".into(), &90.into())
    );
    assert!(state.versions[key] > versions[key]);
}

#[tokio::test(flavor = "multi_thread")]
async fn measurements_that_come_late_revise_their_hour() {
    let (_disk, store) = fixture::store_with_plan();
    let run = Run {
        mock: Mock::start(),
        store,
        folder: tempfile::tempdir().unwrap(),
        clock: later(),
    };
    let ingest = fixture::inline(&run.store);
    let mut previous = Digest::ZERO;
    for sequence in 1..=20 {
        let header = fixture::header(fixture::EPOCH, sequence, previous);
        let incoming = fixture::incoming(header, &fixture::measurements(sequence, 0));
        previous = incoming.digest;
        ingest.submit(incoming).await.await;
        if sequence % 10 == 0 {
            run.follow(|_| {}).await;
            let state = run.mock.state();
            let of = state
                .documents
                .iter()
                .filter(|((index, _), _)| index.contains("-rollup-"));
            let ran: u64 = of.map(|(_, document)| document["run"].as_u64().unwrap()).sum();
            assert_eq!(ran, sequence * 12, "all of them lie in one hour");
            assert_eq!(state.strange, Vec::<String>::new());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_a_clock_that_was_ahead_keep_nothing_out_after_a_restore() {
    let run = Run::new(5).await;
    let judged = Arc::new(Mutex::new(vec![incident(fixture::START.0, None)]));
    run.follow_with(run.parts_with(&judged), |_| {}).await;
    let ahead = run.clock.wall().0 + 3 * 86_400_000;
    run.mock
        .state()
        .versions
        .values_mut()
        .for_each(|version| *version = ahead);

    // the store is restored: it knows nothing of these versions
    *judged.lock().unwrap() = vec![incident(fixture::START.0, Some(fixture::START.0 + 90_000))];
    run.follow_with(run.parts_with(&judged), |_| {}).await;
    let state = run.mock.state();
    let mut incidents = state
        .documents
        .iter()
        .filter(|((index, _), _)| index.contains("-incident-"));
    let (key, document) = incidents.next().unwrap();
    assert_eq!(
        (&document["state"], state.versions[key]),
        (&"over".into(), ahead + 1)
    );
}
