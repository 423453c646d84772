//! Puts the demo's past into the store, through the same ingest that takes what real probes send.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures_util::future::join_all;
use isochrone_gate::authority::Authority;
use isochrone_planner::draft::{Draft, HostPrefixes, Participant, PlanInput, Seats};
use isochrone_planner::pace::{Budget, Pace};
use isochrone_proto::codec;
use isochrone_proto::control::EpochState;
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence};
use isochrone_proto::plan::Plan;
use isochrone_proto::units::UnixMillis;
use isochrone_store::ingest::{Incoming, Ingest, IngestOptions, Ingested};
use tokio::time::Duration;

use super::history::{DAYS, History};
use crate::assembly::committed_channel;
use crate::commands::CommandContext;
use crate::config::Paths;

/// The past ends this long before now: the living mesh begins after it.
const ENDS_BEFORE: Duration = Duration::from_secs(120);
/// Batches handed over at once.
const AT_ONCE: usize = 256;
/// Where the past's peers were; nobody is asked there any more.
const NOWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7_472);

/// Writes fifteen days for every probe of `ids`; returns how many measurements. No collector may run.
///
/// # Errors
/// When the store or the authority cannot be opened, or ingest refuses what it should not.
pub fn write(paths: &Paths, ids: &BTreeMap<ProbeId, usize>) -> anyhow::Result<u64> {
    let context = CommandContext::open(paths)?;
    let now = context.clock.wall();
    let authority = Authority::open(
        &paths.state.join("authority"),
        now,
        &mut rand::rngs::ThreadRng::default(),
    )?;
    let until = UnixMillis(now.minus(ENDS_BEFORE).0 / 60_000 * 60_000);
    let from = until.minus(Duration::from_secs(DAYS * 86_400));
    let version = context.store.highest_plan_version()?;
    let version = PlanVersion {
        number: version.number + 1,
        ..version
    };
    let (committed, receiver) = committed_channel();
    drop(receiver); // nobody watches the past
    let (ingest, committer) = Ingest::start(context.store.clone(), committed, IngestOptions::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let past = Past {
        context: &context,
        authority: &authority,
        ingest: &ingest,
        version,
        from,
        until,
    };
    let mut rows = 0;
    for (probe, draft) in input(&context).draft(&Seats::default()).drafts {
        if let Some(&city) = ids.get(&probe) {
            rows += runtime.block_on(past.write(probe, draft, city))?;
        }
    }
    drop(ingest);
    if committer.join().is_err() {
        bail!("the committer ended in a panic");
    }
    Ok(rows)
}

/// The same days of all probes, and where they go.
struct Past<'a> {
    context: &'a CommandContext,
    authority: &'a Authority,
    ingest: &'a Ingest,
    version: PlanVersion,
    from: UnixMillis,
    until: UnixMillis,
}

impl Past<'_> {
    /// One probe's plan and batches; returns how many measurements.
    async fn write(&self, probe: ProbeId, draft: Draft, city: usize) -> anyhow::Result<u64> {
        let record = self.context.registry.probe(probe);
        let plan = Plan {
            version: self.version,
            probe,
            probe_name: record.map(|record| record.name.clone()).unwrap_or_default(),
            issued: self.from,
            expires: self.until,
            targets: draft.targets,
            checks: draft.checks,
            responder: draft.responder,
        };
        let signed = self.authority.sign_plan(codec::encode_plan(&plan))?;
        self.context.store.put_plan(&signed, &plan)?;
        let history = History {
            plan: &plan,
            city,
            epoch: EpochId(rand::random()),
            from: self.from,
            until: self.until,
        };
        hand_over(self.ingest, probe, &history).await
    }
}

/// Checks every five minutes, whatever interval the nodes ask for: fifteen days must fit a few seconds of the story.
fn input(context: &CommandContext) -> PlanInput {
    let probes = context.registry.list().into_iter();
    let probes = probes.filter(|probe| probe.is_active());
    let mut nodes = context.targets.borrow().nodes.clone();
    nodes.iter_mut().for_each(|node| node.interval = None);
    PlanInput {
        probes: probes
            .map(|probe| Participant::new(&probe, Some(NOWHERE), None))
            .collect(),
        nodes,
        candidates: Vec::new(), // their past is not made up
        pace: Pace {
            echo_interval: Duration::from_secs(600),
            connect_interval: Duration::from_secs(300),
            budget: Budget {
                status: 2,
                asset: 2,
                connect: 3,
                throughput: 0,
            },
            ..Pace::default()
        },
        prefixes: HostPrefixes::default(),
        downloads: BTreeSet::new(),
    }
}

async fn hand_over(ingest: &Ingest, probe: ProbeId, history: &History<'_>) -> anyhow::Result<u64> {
    let state = EpochState {
        epoch: history.epoch,
        first_slot: history.from,
        first_held: Sequence(1),
        last: Sequence::NONE,
        last_digest: Digest::ZERO,
        closed: true,
    };
    ingest
        .hello(probe, vec![state])
        .await
        .context("the store does not take the past")?;
    let batches = history.batches(probe.0);
    let rows = batches.iter().map(|(batch, _)| batch.rows() as u64).sum();
    let mut waiting = batches.into_iter();
    loop {
        let some: Vec<_> = waiting.by_ref().take(AT_ONCE).collect();
        if some.is_empty() {
            return Ok(rows);
        }
        let mut receipts = Vec::with_capacity(some.len());
        for (batch, payload) in some {
            let incoming = Incoming::batch(probe, Bytes::from(payload), batch.header.cut)?;
            receipts.push(ingest.submit(incoming).await);
        }
        for ingested in join_all(receipts).await {
            if !matches!(ingested, Ingested::Stored { .. }) {
                bail!("the past was not stored: {ingested:?}");
            }
        }
    }
}
