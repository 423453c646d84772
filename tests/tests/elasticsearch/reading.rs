//! Reports that are read back from real servers, and the demo that sends its data to one.

use std::process::Stdio;
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_base::error_chain::chain;
use isochrone_elastic::index::Family;
use isochrone_elastic::read::{ReadError, Reader};
use isochrone_elastic::{Method, Server};
use isochrone_proto::units::UnixMillis;
use isochrone_report::elsewhere::Elsewhere;
use isochrone_report::log::Window;
use isochrone_store::Tier;
use isochrone_tests::elasticsearch::Elasticsearch;
use isochrone_tests::figures::report::PatchyMesh;
use isochrone_tests::programs::program;
use isochrone_tests::same_reports::{Reports, assert_same, of_elsewhere, of_store};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::mesh::{Mesh, course, releases};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;

/// A day and some hours of three probes and two nodes, as the server has them.
struct Sent {
    patchy: PatchyMesh,
    mesh: Mesh,
}

impl Sent {
    async fn to(server: &Elasticsearch) -> Self {
        let made = tokio::task::spawn_blocking(|| {
            let mut patchy = PatchyMesh::new(1, (3, 2)).unwrap();
            patchy.bring_late().unwrap();
            patchy
        });
        let patchy = made.await.unwrap();
        let mesh = Mesh::of(server, patchy.filled.store.clone());
        mesh.set_up().await;
        mesh.follow(async |_| {}).await;
        Self { patchy, mesh }
    }

    async fn open(&self) -> Result<Reader, ReadError> {
        Reader::open(self.mesh.client(), &self.mesh.names(), &self.patchy.roster).await
    }

    async fn read(&self, window: Window) -> Reports {
        let reader = self.open().await.unwrap();
        let counted = reader.telling((window.from, window.until), |done, total| {
            assert!(done <= total);
        });
        let reader = counted.await.unwrap();
        let (store, roster) = (self.patchy.filled.store.clone(), self.patchy.roster.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let rows = &reader;
            let reports = of_elsewhere(Elsewhere { rows, store: &store }, &roster, window);
            assert_eq!(reader.foreign(), Default::default());
            reports
        });
        reading.await.unwrap()
    }

    fn of_store(&self, window: Window) -> Reports {
        of_store(&self.patchy.filled.store, &self.patchy.roster, window)
    }

    fn window(&self, from: u64, until: u64) -> Window {
        Window {
            from: UnixMillis(self.patchy.start.0 + from),
            until: UnixMillis(self.patchy.start.0 + until),
        }
    }

    async fn refused(&self) -> String {
        chain(&self.open().await.unwrap_err())
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Maven and a Java; .ci/run runs it"]
async fn reports_read_from_it_are_those_of_the_store_field_by_field() {
    for (release, java) in course(1) {
        let mut server = Elasticsearch::unpack(release, java, "").unwrap();
        server.start().await.unwrap();
        let sent = Sent::to(&server).await;
        let all = sent.patchy.now.0 - sent.patchy.start.0;
        for (what, from, until) in [
            ("three hours", 5 * HOUR_MS + 1_234_567, 8 * HOUR_MS + 1_234_567),
            ("all but the ends", 77_777, 26 * HOUR_MS + 99_999),
            ("all of it", 0, all),
        ] {
            let window = sent.window(from, until);
            let what = format!("{release:?}: {what}");
            assert_same(sent.of_store(window), sent.read(window).await, &what);
        }

        let gone = sent.window(2 * HOUR_MS + 5, 7 * HOUR_MS + 7);
        let before = sent.of_store(gone);
        let store = &sent.patchy.filled.store;
        let later = UnixMillis(sent.patchy.now.0 + 31 * DAY_MS);
        while store.seal(later).unwrap().is_some() {}
        while store.retain(later).unwrap().is_some() {}
        assert!(store.whole_from(Tier::Raw).unwrap() > gone.until);
        assert_same(before, sent.read(gone).await, "what the store keeps no longer");

        trouble_is_said(&sent, &mut server).await;
    }
}

/// What stands in the way, as the server itself makes it.
async fn trouble_is_said(sent: &Sent, server: &mut Elasticsearch) {
    let client = sent.mesh.client();
    let url = server.url();
    let index = sent.mesh.names().index(Family::Endpoint, sent.patchy.start);

    let path = format!("{index}/_close");
    client.fetch(Method::Post, &path, None).await.unwrap();
    let reader = sent.open().await.unwrap();
    let window = (sent.patchy.start, sent.patchy.now);
    assert_eq!(
        reader.extent().missing(&sent.mesh.names(), window),
        std::slice::from_ref(&index)
    );
    let path = format!("{index}/_open");
    client.fetch(Method::Post, &path, None).await.unwrap();
    assert!(Server::ask(&client).await.is_ok());

    client.fetch(Method::Delete, &index, None).await.unwrap();
    let said = sent.refused().await;
    for word in [
        url.as_str(),
        "has no index",
        "isochrone-echo-*",
        "elastic backfill",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }

    server.kill();
    let said = sent.refused().await;
    assert!(said.contains(&url) && said.contains("does not answer"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Maven and a Java; minutes: the long course of CONTRIBUTING.md runs it"]
async fn demo_sends_its_data_there_and_finds_its_figures_equal() {
    let (release, java) = releases().pop().unwrap();
    let mut server = Elasticsearch::unpack(release, java, "").unwrap();
    server.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let errors = std::fs::File::create(folder.path().join("demo.err")).unwrap();
    let mut demo = Command::new(program("isochrone-collector"))
        .arg("--state")
        .arg(folder.path())
        .args(["up", "--demo", "--elasticsearch", &server.url()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let told = async {
        let mut heard = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            println!("{line}");
            let is_over = line.contains("Equal:");
            heard.push(line);
            if is_over {
                break;
            }
        }
        heard
    };
    let heard = tokio::time::timeout(Duration::from_secs(1_800), told)
        .await
        .unwrap();
    let errors = || std::fs::read_to_string(folder.path().join("demo.err")).unwrap_or_default();
    assert!(
        heard.last().is_some_and(|line| line.contains("Equal:")),
        "{:?} {}",
        heard.last(),
        errors()
    );
    let words = heard.join("\n");
    for word in ["checks of nodes", "Elasticsearch", "losangeles"] {
        assert!(words.contains(word), "{word}");
    }
    let pid = i32::try_from(demo.id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
    let drained = async { while lines.next_line().await.unwrap().is_some() {} };
    let ended = async { tokio::join!(demo.wait(), drained).0 };
    let ended = tokio::time::timeout(Duration::from_secs(120), ended)
        .await
        .unwrap();
    assert!(ended.unwrap().success(), "{}", errors());
    let settings = Mesh::of(&server, isochrone_store::ingest::fixture::store_with_plan().1).settings;
    let client = isochrone_elastic::Client::new(&settings, Clock::system()).unwrap();
    let counted = client.fetch(Method::Get, "isochrone-demo-*/_count", None).await;
    assert!(counted.unwrap()["count"].as_u64().unwrap() > 10_000);
    let ours = client.fetch(Method::Get, "isochrone-echo-*/_count", None).await;
    assert_eq!(ours.unwrap()["count"], 0, "nothing goes to a group's own names");
}
