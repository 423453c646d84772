//! A store with one probe's batches, and a sink that follows it.

use std::path::PathBuf;
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_elastic::backfill::Source;
use isochrone_elastic::cursor::Cursors;
use isochrone_elastic::index::{Histograms, Layout, Names};
use isochrone_elastic::revised::Incidents;
use isochrone_elastic::send::Sender;
use isochrone_elastic::setup::Setup;
use isochrone_elastic::sink::{self, Pace, SinkParts, SinkStatus, Standing};
use isochrone_elastic::verify::{Report, Verifier, Window};
use isochrone_elastic::{Account, Client, Method, Period, Prefix, Server, Settings};
use isochrone_proto::ids::Digest;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::{Ingest, fixture};
use isochrone_store::{ScanRange, Store, export};
use isochrone_tests::elasticsearch::{Elasticsearch, RELEASES, Release};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Releases that can be started here.
pub(crate) fn releases() -> Vec<(Release, PathBuf)> {
    let found: Vec<_> = RELEASES
        .into_iter()
        .filter_map(|release| Some((release, release.java()?)))
        .collect();
    assert!(
        !found.is_empty(),
        "no Java at all: apt-get install default-jre-headless"
    );
    found
}

const DAY_MS: u64 = 86_400_000;

pub(crate) struct Mesh {
    pub(crate) store: Store,
    ingest: Ingest,
    previous: Digest,
    sequence: u64,
    pub(crate) settings: Settings,
    pub(crate) incidents: Incidents,
    /// Behind all that is measured and planned.
    pub(crate) clock: Clock,
    folder: TempDir,
}

impl Mesh {
    pub(crate) fn new(server: &Elasticsearch) -> Self {
        let (_disk, store) = fixture::store_with_plan();
        Self::of(server, store)
    }

    /// Of a store that is filled already.
    pub(crate) fn of(server: &Elasticsearch, store: Store) -> Self {
        Self {
            ingest: fixture::inline(&store),
            store,
            previous: Digest::ZERO,
            sequence: 0,
            settings: Settings {
                urls: vec![Url::parse(&server.url()).unwrap()],
                ca: None,
                account: None::<Account>,
                prefix: Prefix::default(),
                period: Period::Month,
            },
            incidents: Incidents::none(),
            clock: Clock::virtual_from(UnixMillis(fixture::START.0 + 8 * DAY_MS)),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) async fn measure(&mut self, batches: u64) {
        for _ in 0..batches {
            self.sequence += 1;
            let header = fixture::header(fixture::EPOCH, self.sequence, self.previous);
            let incoming = fixture::incoming(
                header,
                &fixture::measurements(self.sequence, self.sequence % 97 * 100),
            );
            self.previous = incoming.digest;
            self.ingest.submit(incoming).await.await;
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.settings, Clock::system()).unwrap()
    }

    pub(crate) fn names(&self) -> Names {
        Names::new(self.settings.prefix.clone(), self.settings.period)
    }

    pub(crate) async fn set_up(&self) {
        let (client, names) = (self.client(), self.names());
        let found = Setup::look(&client, &names).await.unwrap();
        let failed = found.apply(&client).await;
        assert!(failed.is_empty(), "{failed:?}");
        let again = Setup::look(&client, &names).await.unwrap();
        assert!(again.is_done(), "{:?}", again.items);
    }

    /// Follows until all is there; `seen` is told how it stands, and may do something about it.
    pub(crate) async fn follow(&self, mut seen: impl AsyncFnMut(&SinkStatus)) {
        let parts = SinkParts {
            store: self.store.clone(),
            settings: self.settings.clone(),
            incidents: self.incidents.clone(),
            dead_letters: self.folder.path().join("dead.ndjson"),
            pace: Pace {
                first: Duration::from_millis(100),
                blocked: Duration::from_millis(500),
            },
            clock: self.clock.clone(),
        };
        let (status, mut watched) = watch::channel(SinkStatus::default());
        let (stop, last) = (CancellationToken::new(), watched.clone());
        let running = sink::run(parts, status, stop.clone());
        let commits = self.store.commit_number().unwrap();
        let until = async {
            loop {
                watched.changed().await.unwrap();
                let status = watched.borrow_and_update().clone();
                seen(&status).await;
                let is_there = status.commit == commits && status.revised_at.is_some();
                if is_there && status.standing == Standing::Following {
                    assert_eq!(status.dead, 0, "{status:?}");
                    stop.cancel();
                    return;
                }
            }
        };
        let both = async { tokio::join!(running, until) };
        let in_time = tokio::time::timeout(Duration::from_secs(240), both).await;
        let (ended, ()) = in_time.unwrap_or_else(|_| panic!("not there in time: {:?}", last.borrow()));
        ended.unwrap();
    }

    /// The server's own count is that of an export, and `verify` says so.
    pub(crate) async fn assert_equal(&self) {
        let count = export::ndjson(&self.store, ScanRange::default(), &mut std::io::sink(), |_| {}).unwrap();
        let client = self.client();
        let refresh = client.fetch(Method::Post, "isochrone-*/_refresh", None).await;
        refresh.unwrap();
        let raw = "isochrone-echo-*,isochrone-endpoint-*/_count?ignore_unavailable=true";
        let counted = client.fetch(Method::Get, raw, None).await.unwrap();
        assert_eq!(counted["count"].as_u64(), Some(count), "{counted}");
        let report = self.verify(None).await;
        assert!(report.equal, "{report:?}");
        let all = client
            .fetch(Method::Get, "isochrone-*/_count", None)
            .await
            .unwrap();
        let sum: u64 = report.periods.iter().map(|period| period.elasticsearch).sum();
        assert_eq!((report.unsent, report.unsent_revisions), (0, 0), "{report:?}");
        assert_eq!(all["count"].as_u64(), Some(sum), "{report:?}");
    }

    pub(crate) async fn verify(&self, repair: Option<&mut Sender>) -> Report {
        let client = self.client();
        let names = self.names();
        let cursor = Cursors::of(&self.store).get(&names).unwrap().unwrap();
        let verifier = Verifier {
            store: self.store.clone(),
            client: &client,
            names,
            incidents: self.incidents.clone(),
            revision: cursor.revision(Histograms::default()),
        };
        let from = UnixMillis(fixture::START.0 / DAY_MS * DAY_MS);
        let window = Window {
            from,
            until: UnixMillis(from.0 + 8 * DAY_MS),
            commit: cursor.commit,
            as_of: self.clock.wall(),
        };
        verifier.verify(window, repair, |_, _| {}).await.unwrap()
    }

    pub(crate) fn source(&self) -> Source {
        let cursor = Cursors::of(&self.store).get(&self.names()).unwrap().unwrap();
        Source {
            store: self.store.clone(),
            incidents: self.incidents.clone(),
            names: self.names(),
            revision: cursor.revision(Histograms::default()),
        }
    }

    pub(crate) async fn sender(&self) -> Sender {
        let server = Server::ask(&self.client()).await.unwrap();
        Sender::new(
            self.client(),
            self.names(),
            Clock::system(),
            Layout::of(&server.can),
        )
    }
}
