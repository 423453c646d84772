//! An uplink at work, without the rest of the probe.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::control::EpochState;
use isochrone_proto::ids::EpochId;
use isochrone_proto::ledger::Event;
use isochrone_proto::measurement::{EchoOutcome, Measurement, Outcome};
use isochrone_proto::units::{Micros, UnixMillis};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::collector::{Collector, In2021};
use super::{BASE, EVER};
use crate::account::tests::plan_of;
use crate::batcher::Batcher;
use crate::clock::Clock;
use crate::disk::{Disk, MemoryDisk};
use crate::plans::PlanStore;
use crate::prober::EchoPorts;
use crate::recorder::SharedSpool;
use crate::runner::Command;
use crate::spool::{Spool, SpoolOptions};
use crate::uplink::{Link, Uplink, UplinkParts};

/// An uplink at work, with a spool that the test fills and a runner that only opens epochs.
pub(super) struct Probe {
    pub(super) clock: Clock,
    pub(super) spool: SharedSpool,
    pub(super) batchers: BTreeMap<EpochId, Batcher>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) link: watch::Receiver<Link>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: JoinSet<()>,
    pub(super) disk: Arc<MemoryDisk>,
    pub(super) opened: u8,
}

impl Probe {
    /// A probe of one collector, whose certificate ends with that year.
    pub(super) fn start(collector: &Collector, leaf_until: i32) -> Self {
        Self::of(&[collector], leaf_until)
    }

    /// The same with several collectors of one mesh.
    pub(super) fn of(collectors: &[&Collector], leaf_until: i32) -> Self {
        let (uplink, mut probe) = Self::with_uplink(collectors, leaf_until);
        probe.tasks.spawn(uplink.run(probe.stop.clone()));
        probe
    }

    /// The same, before its uplink does anything.
    pub(super) fn with_uplink(collectors: &[&Collector], leaf_until: i32) -> (Uplink, Self) {
        let addresses: Vec<String> = collectors.iter().map(|one| one.address.clone()).collect();
        let authority = &collectors[0].authority;
        let (wire, clock) = (collectors[0].wire.clone(), Clock::simulated(BASE));
        let identity = authority.identity_until(&addresses, leaf_until);
        let disk = Arc::new(MemoryDisk::new());
        let shared: Arc<dyn Disk> = Arc::<MemoryDisk>::clone(&disk);
        let spool = SharedSpool::new(Spool::open(Arc::clone(&shared), SpoolOptions::default()).unwrap());
        let (commander, commands) = mpsc::channel(4);
        let link = watch::Sender::new(Link::default());
        let watching = link.subscribe();
        let plans = PlanStore::open(
            Arc::clone(&shared),
            identity.probe(),
            identity.authority_key().unwrap(),
        );
        let uplink = Uplink::new(UplinkParts {
            known: isochrone_proto::known::Known::of_this_build(),
            clock: clock.clone(),
            rng: StdRng::seed_from_u64(9),
            disk: shared,
            plans: plans.unwrap(),
            identity,
            spool: spool.clone(),
            endpoint: Arc::new(move |_| wire.endpoint(None)),
            tls_time: Arc::new(In2021),
            collectors: Vec::new(),
            advertise: Vec::new(),
            echo_ports: EchoPorts { v4: 7472, v6: 7472 },
            commands: commander,
            link,
        });
        let mut probe = Self {
            clock,
            spool,
            batchers: BTreeMap::new(),
            commands,
            link: watching,
            stop: CancellationToken::new(),
            tasks: JoinSet::new(),
            disk,
            opened: 0,
        };
        probe.open_epoch();
        (uplink, probe)
    }

    pub(super) fn open_epoch(&mut self) -> EpochState {
        self.opened += 1;
        let epoch = EpochId([self.opened; 16]);
        let mut batcher = Batcher::new(epoch, Vec::new());
        batcher.adopt(
            &plan_of(1, &[(1_000, 0, 500)], BASE.plus(Duration::from_secs(90_000))),
            BASE,
        );
        self.batchers.insert(epoch, batcher);
        self.spool.change(|spool| {
            spool.open_epoch(epoch, BASE);
            spool.epoch_state(epoch).unwrap()
        })
    }

    /// Spools `count` batches of two rows in the newest epoch.
    pub(super) fn measure(&mut self, count: u64) {
        let mut newest = self.batchers.last_entry().unwrap();
        for _ in 0..count {
            let batcher = newest.get_mut();
            let slot = self.spool.current().unwrap().last.0 * 2;
            for slot in [slot, slot + 1] {
                let measurement = Measurement {
                    check: 0,
                    slot: UnixMillis(BASE.0 + slot * 1_000),
                    lateness: Micros::default(),
                    outcome: Outcome::Echo(EchoOutcome::TimedOut),
                };
                batcher.ran(plan_of(1, &[], BASE).version, measurement, BASE);
            }
            for sealed in batcher.close(UnixMillis(BASE.0 + (slot + 2) * 1_000)) {
                self.spool
                    .change(|spool| spool.append(&sealed.batch, &sealed.payload));
            }
        }
    }

    /// Spools the last batch of an epoch, after which no more of it comes.
    pub(super) fn finish(&mut self, epoch: EpochId) {
        let batcher = self.batchers.get_mut(&epoch).unwrap();
        let sealed = batcher.finish(UnixMillis(BASE.0 + 8_000));
        self.spool.change(|spool| {
            for sealed in &sealed {
                assert!(sealed.batch.header.events.contains(&Event::Closed));
                spool.append(&sealed.batch, &sealed.payload);
            }
            if spool.current() != Some(epoch) {
                spool.close_epoch(epoch);
            }
        });
    }

    /// Opens the epoch that the uplink asked for.
    pub(super) async fn obey_open_epoch(&mut self) -> EpochState {
        let Command::OpenEpoch(done) = self.command().await else {
            panic!("another command than to open an epoch");
        };
        let state = self.open_epoch();
        done.send(state).unwrap();
        state
    }

    /// Waits until the spool satisfies `wanted`.
    pub(super) async fn until(&self, what: &str, wanted: impl Fn(&mut Spool) -> bool) {
        let mut changes = self.spool.changes();
        let satisfied = async {
            while !self.spool.with(|spool| wanted(spool)) {
                changes.changed().await;
            }
        };
        let satisfied = tokio::time::timeout(EVER, satisfied).await;
        assert!(satisfied.is_ok(), "never: {what}");
    }

    pub(super) async fn until_link(&mut self, what: &str, wanted: impl FnMut(&Link) -> bool) -> Link {
        let link = tokio::time::timeout(EVER, self.link.wait_for(wanted)).await;
        link.unwrap_or_else(|_| panic!("never: {what}")).unwrap().clone()
    }

    pub(super) async fn command(&mut self) -> Command {
        tokio::time::timeout(EVER, self.commands.recv())
            .await
            .unwrap()
            .unwrap()
    }

    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}
