//! What Elasticsearch costs: the sink's own processor time, the server's disk, and the comparison of both.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use isochrone_base::clock::Clock;
use isochrone_elastic::cursor::Cursors;
use isochrone_elastic::index::{Family, Names};
use isochrone_elastic::revised::Incidents;
use isochrone_elastic::sink::{self, Pace, SinkParts, SinkStatus, Standing};
use isochrone_elastic::verify::{Verifier, Window};
use isochrone_elastic::{Client, Method, Period, Prefix, Settings};
use isochrone_proto::ids::Digest;
use isochrone_proto::measurement::Measurement;
use isochrone_proto::units::UnixMillis;
use isochrone_store::Store;
use isochrone_store::ingest::fixture;
use nix::time::{ClockId, clock_gettime};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Bound, Figure, Measured};
use crate::elasticsearch::{Elasticsearch, RELEASES};

/// This module's figures.
pub const FIGURES: &[Figure] = &[Figure::slow(
    &[
        "elastic.sink_docs_per_cpu_second",
        "elastic.bytes_per_echo_doc",
        "elastic.verify_s",
    ],
    against_a_real_server,
)];

/// Batches of eleven echoes and a status check each: six days of one probe are 8,640.
const BATCHES: u64 = 8_640;

fn against_a_real_server() -> Result<Vec<Measured>> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<Vec<Measured>> {
    let found = RELEASES
        .into_iter()
        .rev()
        .find_map(|release| Some((release, release.java()?)));
    let (release, java) = found.context("a Java under /usr/lib/jvm")?;
    let mut server = Elasticsearch::unpack(release, java, "")?;
    server.start().await?;
    let store = filled().await;
    let settings = Settings {
        urls: vec![Url::parse(&server.url())?],
        ca: None,
        account: None,
        prefix: Prefix::default(),
        period: Period::Month,
    };
    let names = Names::new(settings.prefix.clone(), settings.period);
    let client = Client::new(&settings, Clock::system())?.with_timeout(Duration::from_secs(300));
    let cpu = processor_s()?;
    let documents = follow(&store, &settings).await?;
    let cpu = processor_s()? - cpu;
    let (bytes, echoes) = disk(&client, &names).await?;
    let verify_s = verify(&store, &client, names).await?;
    let of = format!("{documents} documents, Elasticsearch {}", release.version);
    Ok(vec![
        Measured {
            name: "elastic.sink_docs_per_cpu_second".into(),
            value: documents as f64 / cpu,
            unit: "documents",
            how: format!("{of}: reading, JSON, hashing, gzip, HTTP and answers, all threads of this process"),
            bound: Some(Bound::AtLeast(300_000.0)),
        },
        Measured {
            name: "elastic.bytes_per_echo_doc".into(),
            value: bytes as f64 / echoes as f64,
            unit: "bytes",
            how: format!("{of}: {echoes} echoes of random times, merged into one segment, no replica"),
            bound: Some(Bound::AtMost(70.0)),
        },
        Measured {
            name: "elastic.verify_s".into(),
            value: verify_s,
            unit: "s",
            how: format!("{of}, equal: counts and sums by hour and kind"),
            bound: None,
        },
    ])
}

/// A store whose echoes take times as no two of a real mesh do alike.
async fn filled() -> Store {
    let (_disk, store) = fixture::store_with_plan();
    let ingest = fixture::inline(&store);
    let (mut previous, mut random) = (Digest::ZERO, StdRng::seed_from_u64(12));
    for sequence in 1..=BATCHES {
        let header = fixture::header(fixture::EPOCH, sequence, previous);
        let rows = fixture::measurements(sequence, 0).into_iter();
        let rows: Vec<Measurement> = rows.map(|row| varied(row, &mut random)).collect();
        let incoming = fixture::incoming(header, &rows);
        previous = incoming.digest;
        ingest.submit(incoming).await.await;
    }
    store
}

fn varied(row: Measurement, random: &mut StdRng) -> Measurement {
    match row.check {
        0 | 1 => {
            let rtt_us = 20_000 + random.random_range(0..4_000);
            let echo = fixture::echo(row.check, row.slot.0, rtt_us);
            let lateness = isochrone_proto::units::Micros::new(random.random_range(50..2_000));
            Measurement {
                lateness: lateness.unwrap_or(echo.lateness),
                ..echo
            }
        }
        _ => row,
    }
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

async fn verify(store: &Store, client: &Client, names: Names) -> Result<f64> {
    let cursor = Cursors::of(store).get(&names)?.context("a cursor")?;
    let day = 86_400_000;
    let from = UnixMillis(fixture::START.0 / day * day);
    let window = Window {
        from,
        until: UnixMillis(from.0 + 8 * day),
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
        cluster: cursor.cluster,
        histograms: cursor.histograms.unwrap_or_default(),
    };
    let report = verifier.verify(window, None, |_, _| {}).await?;
    ensure!(report.equal, "{report:?}");
    Ok((clock.now() - start).as_secs_f64())
}

/// Processor time of this process so far.
fn processor_s() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
}
