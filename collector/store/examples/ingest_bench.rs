//! CPU time of decoding, judging and committing batches, without QUIC: one line a figure.
//!
//! `cargo run --release -p isochrone-store --example ingest_bench`

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::echo::{KeyEpoch, PairKey, ResponderSecret};
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::ledger::{Adoption, HourCount};
use isochrone_proto::measurement::{EchoOutcome, Measurement, Outcome, Stamp};
use isochrone_proto::plan::{Plan, PlannedCheck, ResponderPlan, SignedPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Micros, UnixMillis};
use isochrone_store::ingest::{Incoming, Ingest, IngestOptions, Ingested};
use isochrone_store::{Store, StoreOptions};
use nix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;

const SESSIONS: u64 = 64;
const PEERS: u64 = 50;
const BATCHES: u64 = 400;
const SLOTS_A_BATCH: u64 = 2;
const INTERVAL_MS: u64 = 100;
const START: u64 = 1_795_344_000_000;
const IN_FLIGHT: usize = 8;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("store.redb"), StoreOptions::default())?;
    let mut streams = Vec::new();
    for session in 1..=SESSIONS {
        let plan = plan(ProbeId(session))?;
        let signed = SignedPlan {
            plan: codec::encode_plan(&plan),
            signature: vec![0; 64],
        };
        store.put_plan(&signed, &plan)?;
        streams.push((ProbeId(session), payloads(session)?));
    }
    let bytes: usize = streams
        .iter()
        .flat_map(|(_, payloads)| payloads)
        .map(Bytes::len)
        .sum();
    let records = SESSIONS * BATCHES * PEERS * SLOTS_A_BATCH;
    let batches = SESSIONS * BATCHES;
    println!(
        "ingest.bytes_per_record {:.2} bytes (payload, as spooled)",
        bytes as f64 / records as f64
    );

    let before = cpu()?;
    for (probe, payloads) in &streams {
        for payload in payloads {
            Incoming::batch(*probe, payload.clone(), UnixMillis(START))?;
        }
    }
    let decode = cpu()? - before;
    println!(
        "ingest.decode_us_per_batch {:.2} us (decode, check, hash)",
        us(decode) / batches as f64
    );

    let before = cpu()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()?;
    runtime.block_on(run(store.clone(), streams))?;
    let whole = cpu()? - before;
    println!(
        "ingest.us_per_batch {:.2} us of CPU (decode, judge, durable commit, no QUIC)",
        us(whole) / batches as f64
    );
    println!(
        "ingest.commit_us_per_batch {:.2} us of CPU (the same without decoding)",
        us(whole - decode) / batches as f64
    );
    println!(
        "ingest.core_records_per_cpu_second {:.0} records (64 sessions, batches of 100, no QUIC)",
        records as f64 / whole.as_secs_f64()
    );
    anyhow::ensure!(store.commit_number()? == batches, "not everything was stored");
    Ok(())
}

async fn run(store: Store, streams: Vec<(ProbeId, Vec<Bytes>)>) -> anyhow::Result<()> {
    let (live, mut watched) = mpsc::channel(1_024);
    let (ingest, thread) = Ingest::start(store, live, IngestOptions::default())?;
    let mut sessions = tokio::task::JoinSet::new();
    for (probe, payloads) in streams {
        let ingest = ingest.clone();
        sessions.spawn(async move { session(&ingest, probe, payloads).await });
    }
    drop(ingest);
    while watched.recv().await.is_some() {}
    while let Some(session) = sessions.join_next().await {
        session??;
    }
    thread.join().ok().context("the committer failed")
}

async fn session(ingest: &Ingest, probe: ProbeId, payloads: Vec<Bytes>) -> anyhow::Result<()> {
    let mut receipts = std::collections::VecDeque::new();
    for (index, payload) in payloads.into_iter().enumerate() {
        if receipts.len() == IN_FLIGHT
            && let Some(receipt) = receipts.pop_front()
        {
            expect_stored(receipt).await?;
        }
        let received = UnixMillis(START + (index as u64 + 1) * SLOTS_A_BATCH * INTERVAL_MS);
        let incoming = Incoming::batch(probe, payload, received)?;
        receipts.push_back(ingest.submit(incoming).await);
    }
    for receipt in receipts {
        expect_stored(receipt).await?;
    }
    Ok(())
}

async fn expect_stored(receipt: impl Future<Output = Ingested>) -> anyhow::Result<()> {
    match receipt.await {
        Ingested::Stored { .. } => Ok(()),
        other => anyhow::bail!("not stored: {other:?}"),
    }
}

fn plan(probe: ProbeId) -> anyhow::Result<Plan> {
    let targets = (0..PEERS).map(|peer| Target {
        id: TargetId::of_peer(ProbeId(10_000 + peer)),
        name: format!("peer-{peer}"),
        address: TargetAddress::Peer {
            probe: ProbeId(10_000 + peer),
            v4: Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7472)),
            v6: None,
            key: Some((
                KeyEpoch(1),
                PairKey::derive(&ResponderSecret([1; 32]), probe, KeyEpoch(1)),
            )),
        },
    });
    let schedule = Schedule::new(INTERVAL_MS as u32, 0, 1_000)?;
    let checks = (0..PEERS).map(|peer| PlannedCheck {
        kind: Kind::new(Check::Echo, Family::V4),
        target: peer as u16,
        schedule,
    });
    Ok(Plan {
        version: PlanVersion {
            promotion: 0,
            number: 1,
        },
        probe,
        probe_name: format!("probe-{}", probe.0),
        issued: UnixMillis(START),
        expires: UnixMillis(START).plus(Duration::from_secs(7 * 86_400)),
        targets: targets.collect(),
        checks: checks.collect(),
        responder: ResponderPlan::default(),
    })
}

/// A session's batches: 50 peers, RTT 1-300 ms with 10 % jitter, lateness 0-1 ms, 1 % loss.
fn payloads(session: u64) -> anyhow::Result<Vec<Bytes>> {
    let mut random = session;
    let mut chance = move |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let rtts: Vec<u64> = (0..PEERS).map(|_| 1_000 + chance(299_000)).collect();
    let adopted = Adoption {
        version: PlanVersion {
            promotion: 0,
            number: 1,
        },
        first_slot: UnixMillis(START),
    };
    let mut previous = Digest::ZERO;
    let mut payloads = Vec::new();
    for sequence in 1..=BATCHES {
        let start = START + (sequence - 1) * SLOTS_A_BATCH * INTERVAL_MS;
        let mut rows = Vec::new();
        for slot in 0..SLOTS_A_BATCH {
            for (peer, rtt) in rtts.iter().enumerate() {
                let rtt = Micros::new(rtt + chance(rtt / 10)).context("RTT")?;
                let outcome = if chance(100) == 0 {
                    EchoOutcome::TimedOut
                } else {
                    EchoOutcome::Replied {
                        rtt,
                        claimed_delay: Micros::new(10 + chance(30)).context("delay")?,
                        stamp: Stamp::Kernel,
                        suspect: false,
                    }
                };
                rows.push(Measurement {
                    check: peer as u16,
                    slot: UnixMillis(start + slot * INTERVAL_MS),
                    lateness: Micros::new(chance(1_000)).context("lateness")?,
                    outcome: Outcome::Echo(outcome),
                });
            }
        }
        let run = sequence * SLOTS_A_BATCH * PEERS;
        let header = BatchHeader {
            epoch: EpochId([session as u8; 16]),
            sequence: Sequence(sequence),
            previous,
            adopted,
            plan: adopted.version,
            cut: UnixMillis(start + SLOTS_A_BATCH * INTERVAL_MS),
            hours: vec![HourCount {
                hour: UnixMillis(start).hour(),
                planned: run,
                run,
                skipped: 0,
                pending: 0,
            }],
            skipped: Vec::new(),
            events: Vec::new(),
            source_ports: Vec::new(),
        };
        let payload = codec::encode_batch(&Batch::pack(header, &rows)?);
        previous = Digest::of(&payload);
        payloads.push(Bytes::from(payload));
    }
    Ok(payloads)
}

fn cpu() -> anyhow::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
