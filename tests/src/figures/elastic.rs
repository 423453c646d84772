//! What Elasticsearch costs: the sink's own processor time, the server's disk, and the comparison of both.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use isochrone_base::clock::Clock;
use isochrone_elastic::cursor::Cursors;
use isochrone_elastic::index::{Family, Histograms, Names};
use isochrone_elastic::revised::Incidents;
use isochrone_elastic::sink::{self, Pace, SinkParts, SinkStatus, Standing};
use isochrone_elastic::verify::{Verifier, Window};
use isochrone_elastic::{Client, Method, Period, Prefix, Settings};
use isochrone_proto::units::UnixMillis;
use isochrone_store::Store;
use nix::time::{ClockId, clock_gettime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::process::processor_seconds_of;
use super::query::filled::{self, logged_echoes};
use super::{Bound, Figure, Measured};
use crate::elasticsearch::{Elasticsearch, RELEASES, Release};

/// This module's figures.
pub const FIGURES: &[Figure] = &[
    Figure::slow(
        &[
            "elastic.sink_docs_per_cpu_second",
            "elastic.bytes_per_echo_doc",
            "ingest.over_elasticsearch",
        ],
        against_a_real_server,
    ),
    Figure::slow(&["elastic.verify_10m_s"], ten_million),
];

/// Seconds of 20 probes, 100 echoes each: a million.
const SECONDS: usize = 500;
/// Before, so that both ends are warm.
const WARM_SECONDS: usize = 100;
/// Of five million echoes each.
const SLICES: u64 = 2;
/// The server merges and flushes behind a bulk: that belongs to it.
const SETTLE: Duration = Duration::from_secs(5);

/// What a server is asked with.
struct Cluster {
    server: Elasticsearch,
    release: Release,
}

impl Cluster {
    async fn start() -> Result<Self> {
        let found = RELEASES
            .into_iter()
            .rev()
            .find_map(|release| Some((release, release.java()?)));
        let (release, java) = found.context("a Java under /usr/lib/jvm")?;
        let mut server = Elasticsearch::unpack(release, java, "")?;
        server.start().await?;
        Ok(Self { server, release })
    }

    fn settings(&self, prefix: &str) -> Result<Settings> {
        Ok(Settings {
            urls: vec![Url::parse(&self.server.url())?],
            ca: None,
            account: None,
            prefix: Prefix::new(prefix)?,
            period: Period::Month,
        })
    }

    fn processor_s(&self) -> Result<f64> {
        processor_seconds_of(self.server.pid().context("it runs")?)
    }
}

fn client(settings: &Settings) -> Result<(Client, Names)> {
    let names = Names::new(settings.prefix.clone(), settings.period);
    let client = Client::new(settings, Clock::system())?;
    Ok((client.with_timeout(Duration::from_secs(300)), names))
}

fn against_a_real_server() -> Result<Vec<Measured>> {
    let (warm, filled) = (logged_echoes(WARM_SECONDS)?, logged_echoes(SECONDS)?);
    let runtime = tokio::runtime::Runtime::new()?;
    let cluster = runtime.block_on(Cluster::start())?;
    let of_warm = cluster.settings("warm")?;
    runtime.block_on(follow(&warm.store, &of_warm))?;

    let settings = cluster.settings("isochrone")?;
    let (ours, theirs) = (processor_s()?, cluster.processor_s()?);
    let documents = runtime.block_on(follow(&filled.store, &settings))?;
    let ours = processor_s()? - ours;
    let (client, names) = client(&settings)?;
    // taken is not indexed: what came since the last refresh still lies in its log and its memory alone
    let refresh = format!("{}/_refresh", names.pattern(Family::Echo));
    runtime.block_on(client.fetch(Method::Post, &refresh, None))?;
    std::thread::sleep(SETTLE);
    let theirs = cluster.processor_s()? - theirs;
    let records = super::ingest::records_per_cpu_second()?;
    let (bytes, echoes) = runtime.block_on(disk(&client, &names))?;
    let indexed = documents as f64 / theirs;
    let of = format!("{documents} documents, Elasticsearch {}", cluster.release.version);
    Ok(vec![
        Measured {
            name: "elastic.sink_docs_per_cpu_second".into(),
            value: documents as f64 / ours,
            unit: "documents",
            how: format!("{of}: reading, JSON, hashing, gzip, HTTP and answers, all threads of this process"),
            bound: Some(Bound::AtLeast(300_000.0)),
        },
        Measured {
            name: "elastic.bytes_per_echo_doc".into(),
            value: bytes as f64 / echoes as f64,
            unit: "bytes",
            how: format!("{of}: {echoes} echoes of a mesh, merged into one segment, no replica"),
            bound: Some(Bound::AtMost(70.0)),
        },
        Measured {
            name: "ingest.over_elasticsearch".into(),
            value: records / indexed,
            unit: "times",
            how: format!(
                "{records:.0} records that the collector stores for each second of its processor time, over {indexed:.0} \
                 documents that the server indexes, until they can be searched, for each of its own; {of}, warm, one after the \
                 other"
            ),
            bound: Some(Bound::AtLeast(80.0)),
        },
    ])
}

fn ten_million() -> Result<Vec<Measured>> {
    let (filled, rows) = (filled::echoes(SLICES)?, filled::echo_rows(SLICES));
    let runtime = tokio::runtime::Runtime::new()?;
    let cluster = runtime.block_on(Cluster::start())?;
    let settings = cluster.settings("isochrone")?;
    let documents = runtime.block_on(follow(&filled.store, &settings))?;
    ensure!(documents == rows, "{documents} of {rows} were sent");
    let (client, names) = client(&settings)?;
    let took = runtime.block_on(verify(&filled.store, &client, (names, filled.start, rows)))?;
    Ok(vec![Measured {
        name: "elastic.verify_10m_s".into(),
        value: took,
        unit: "s",
        how: format!(
            "{documents} documents of a day against sealed measurements, equal: counts and sums by hour and kind; \
             Elasticsearch {} on the same machine, told day by day",
            cluster.release.version
        ),
        bound: None,
    }])
}

async fn follow(store: &Store, settings: &Settings) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let parts = SinkParts {
        store: store.clone(),
        settings: settings.clone(),
        incidents: Incidents::none(),
        dead_letters: folder.path().join("dead.ndjson"),
        pace: Pace::default(),
        clock: Clock::system(),
    };
    let (status, mut watched) = watch::channel(SinkStatus::default());
    let stop = CancellationToken::new();
    let running = sink::run(parts, status, stop.clone());
    let commits = store.commit_number()?;
    let until = async {
        while watched.changed().await.is_ok() {
            let status = watched.borrow_and_update().clone();
            if status.commit == commits && status.standing == Standing::Following {
                break;
            }
        }
        stop.cancel();
        watched.borrow().clone()
    };
    let (ended, status) = tokio::join!(running, until);
    ended?;
    ensure!(status.dead == 0, "{status:?}");
    Ok(status.documents)
}

/// Bytes on the server's disk of all echoes, and how many they are.
async fn disk(client: &Client, names: &Names) -> Result<(u64, u64)> {
    let pattern = names.pattern(Family::Echo);
    for call in ["_refresh", "_forcemerge?max_num_segments=1", "_flush"] {
        client
            .fetch(Method::Post, &format!("{pattern}/{call}"), None)
            .await?;
    }
    let stats = client
        .fetch(Method::Get, &format!("{pattern}/_stats/store,docs"), None)
        .await?;
    let of = &stats["_all"]["primaries"];
    let bytes = of["store"]["size_in_bytes"].as_u64().context("a size")?;
    Ok((bytes, of["docs"]["count"].as_u64().context("a count")?))
}

async fn verify(
    store: &Store,
    client: &Client,
    (names, start, rows): (Names, UnixMillis, u64),
) -> Result<f64> {
    let cursor = Cursors::of(store).get(&names)?.context("a cursor")?;
    let day = 86_400_000;
    let from = UnixMillis(start.0 / day * day);
    let window = Window {
        from,
        until: UnixMillis(from.0 + day),
        commit: cursor.commit,
        as_of: Clock::system().wall(),
    };
    let clock = Clock::system();
    let start = clock.now();
    let verifier = Verifier {
        store: store.clone(),
        client,
        names,
        incidents: Incidents::none(),
        revision: cursor.revision(Histograms::default()),
    };
    let mut told = (0, 0);
    let report = verifier
        .verify(window, None, |done, all| told = (done, all))
        .await?;
    ensure!(report.equal, "{report:?}");
    ensure!(told == (1, 1), "it tells how far it is");
    let raw = report
        .periods
        .iter()
        .filter(|period| period.kind.starts_with("echo"));
    let compared: u64 = raw.map(|period| period.elasticsearch).sum();
    ensure!(compared == rows, "{compared} of {rows} were compared");
    Ok((clock.now() - start).as_secs_f64())
}

/// Processor time of this process so far.
fn processor_s() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}
