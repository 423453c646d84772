//! One probe of the fleet, as far as a collector can tell: it follows the plan it is sent, measures in every round,
//! keeps what is not acknowledged, and comes back after a cut.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use isochrone_probe::identity::Identity;
use isochrone_probe::tls::{CollectorVerifier, SERVER_NAME, Trust, probe_config};
use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::control::{
    CollectorMessage, EpochState, Hello, ProbeMessage, SpoolState, StreamHello, StreamRole,
};
use isochrone_proto::frame::{self, MessageKind};
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, Sequence};
use isochrone_proto::kind::Check;
use isochrone_proto::known::Known;
use isochrone_proto::ledger::{Adoption, HourCount};
use isochrone_proto::measurement::{Measurement, Outcome};
use isochrone_proto::plan::Plan;
use isochrone_proto::units::{Hour, Micros, UnixMillis};
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{Instant, sleep, sleep_until};

use super::Fleet;
use crate::figures::ingest::session::{hear, say};
use crate::figures::store::endpoints;
use crate::figures::wire;

pub(super) struct Member {
    place: usize,
    identity: Identity,
    config: ClientConfig,
    echo_address: Option<SocketAddr>,
    epoch: EpochId,
    /// The plan it follows, and from which slot on; a newer one takes its place once a batch has closed.
    adopted: Option<(Plan, Adoption)>,
    newer: Option<Plan>,
    sequence: u64,
    previous: Digest,
    run: BTreeMap<Hour, u64>,
    /// Measured up to then.
    cut: UnixMillis,
    /// Not acknowledged, in sequence.
    kept: VecDeque<Vec<u8>>,
    random: StdRng,
}

/// How long answers take.
const ANSWERS_US: f64 = 40_000.0;

/// A welcomed connection.
struct Session {
    control: SendStream,
    live: SendStream,
    _connection: Connection,
}

impl Member {
    pub(super) fn new(place: usize, identity: &Identity, echo_address: Option<SocketAddr>) -> Result<Self> {
        let verifier = CollectorVerifier::new(Trust::Authority(identity.authority().clone()));
        let time = Arc::new(rustls::time_provider::DefaultTimeProvider);
        Ok(Self {
            place,
            identity: identity.clone(),
            config: probe_config(identity, &verifier, time)?,
            echo_address,
            epoch: EpochId(rand::random()),
            adopted: None,
            newer: None,
            sequence: 0,
            previous: Digest::ZERO,
            run: BTreeMap::new(),
            cut: UnixMillis(0),
            kept: VecDeque::new(),
            random: StdRng::seed_from_u64(place as u64),
        })
    }

    /// Stays connected until the fleet is stopped.
    pub(super) async fn run(mut self, endpoint: Endpoint, fleet: Arc<Fleet>) -> Result<()> {
        loop {
            let (mut session, mut control) = tokio::select! {
                () = fleet.stop.cancelled() => return Ok(()),
                welcomed = self.connect(&endpoint, &fleet) => match welcomed {
                    Ok(welcomed) => welcomed,
                    Err(_) => {
                        // as the probe's first pause, which grows only while nobody answers at all
                        let pause_ms = rand::rng().random_range(500..1_000);
                        sleep(Duration::from_millis(pause_ms)).await;
                        continue;
                    }
                },
            };
            let generation = fleet.welcomed();
            let talked = self.talk(&mut session, &mut control, &fleet).await;
            fleet.left(generation);
            if fleet.stop.is_cancelled() {
                return Ok(());
            }
            talked?;
            let pause_ms = rand::rng().random_range(500..1_000);
            sleep(Duration::from_millis(pause_ms)).await;
        }
    }

    async fn connect(&mut self, endpoint: &Endpoint, fleet: &Fleet) -> Result<(Session, Control)> {
        let connecting = endpoint.connect_with(self.config.clone(), fleet.collector, SERVER_NAME)?;
        let connection = tokio::time::timeout(Duration::from_secs(10), connecting).await??;
        let (mut send, receive) = connection.open_bi().await?;
        say(&mut send, &ProbeMessage::Hello(self.hello(fleet))).await?;
        let mut control = Control::new(receive);
        let CollectorMessage::Welcome(welcome) = control.hear().await? else {
            bail!("no Welcome");
        };
        ensure!(welcome.probe == self.identity.probe(), "welcomed as another");
        for mark in &welcome.marks {
            self.acknowledged(mark.stored, fleet);
        }
        let mut live = connection.open_uni().await?;
        let role = StreamHello {
            epoch: self.epoch,
            role: StreamRole::Live,
        };
        let role = codec::encode_stream_hello(&role);
        live.write_all(&frame::seal(MessageKind::StreamHello, &role)?)
            .await?;
        for frame in &self.kept {
            live.write_all(frame).await?;
        }
        let session = Session {
            control: send,
            live,
            _connection: connection,
        };
        Ok((session, control))
    }

    fn hello(&self, fleet: &Fleet) -> Hello {
        let now = fleet.clock.wall();
        let plan: Option<PlanVersion> = self.adopted.as_ref().map(|(plan, _)| plan.version);
        let first = self
            .adopted
            .as_ref()
            .map_or(now, |(_, adoption)| adoption.first_slot);
        Hello {
            software: "figures".into(),
            instance: self.place as u64 + 1,
            plan,
            kept_plans: plan.into_iter().collect(),
            epochs: vec![EpochState {
                epoch: self.epoch,
                first_slot: first,
                first_held: Sequence(if self.kept.is_empty() {
                    0
                } else {
                    self.first_kept()
                }),
                last: Sequence(self.sequence),
                last_digest: self.previous,
                closed: false,
            }],
            echo_port: self.echo_address.map_or(0, |address| address.port()),
            advertise: self.echo_address.into_iter().collect(),
            spool: SpoolState::default(),
            probe_time: now,
            known: Known::of_this_build(),
            more: Vec::new(),
        }
    }

    fn first_kept(&self) -> u64 {
        self.sequence + 1 - self.kept.len() as u64
    }

    /// Everything up to `stored` is.
    fn acknowledged(&mut self, stored: Sequence, fleet: &Fleet) {
        while !self.kept.is_empty() && self.first_kept() <= stored.0 {
            self.kept.pop_front();
            fleet.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Until the connection ends, which is no error; what breaks the protocol is one.
    async fn talk(&mut self, session: &mut Session, control: &mut Control, fleet: &Fleet) -> Result<()> {
        let phase = fleet.round.mul_f64(self.place as f64 / fleet.count as f64);
        let mut next = next_round((fleet.clock.now(), fleet.clock.wall()), fleet.round, phase);
        loop {
            tokio::select! {
                biased;
                () = fleet.stop.cancelled() => return Ok(()),
                heard = control.hear() => {
                    let Ok(message) = heard else { return Ok(()) };
                    if !self.take(message, session, fleet).await? {
                        return Ok(());
                    }
                }
                () = sleep_until(next) => {
                    next += fleet.round;
                    if fleet.drain.is_cancelled() {
                        continue;
                    }
                    let Some(batch) = self.measure(fleet.clock.wall())? else { continue };
                    fleet.made.fetch_add(1, Ordering::Relaxed);
                    if let Some(newer) = self.newer.take() {
                        self.adopt(newer, self.cut, fleet);
                    }
                    if session.live.write_all(&batch).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes in what the collector says; false: the connection is gone.
    async fn take(
        &mut self,
        message: CollectorMessage,
        session: &mut Session,
        fleet: &Fleet,
    ) -> Result<bool> {
        match message {
            CollectorMessage::Ack(ack) => {
                ensure!(ack.refused.is_none(), "a batch was refused");
                self.acknowledged(ack.stored, fleet);
            }
            CollectorMessage::Ping {
                nonce,
                collector_time,
                ..
            } => {
                let pong = ProbeMessage::Pong {
                    nonce,
                    collector_time,
                    probe_time: fleet.clock.wall(),
                };
                return Ok(say(&mut session.control, &pong).await.is_ok());
            }
            CollectorMessage::Plan(signed) => {
                let plan = codec::decode_plan(&signed.plan)?;
                if self.adopted.is_some() {
                    self.newer = Some(plan);
                } else {
                    self.adopt(plan, fleet.clock.wall(), fleet);
                }
            }
            other => bail!("the collector says {other:?}"),
        }
        Ok(true)
    }

    /// Follows `plan` from the slots of an instant on.
    fn adopt(&mut self, plan: Plan, from: UnixMillis, fleet: &Fleet) {
        let count = |plan: &Plan| plan.checks.len() as u64;
        if let Some((before, _)) = &self.adopted {
            fleet.checks.fetch_sub(count(before), Ordering::Relaxed);
        }
        fleet.checks.fetch_add(count(&plan), Ordering::Relaxed);
        let adoption = Adoption {
            version: plan.version,
            first_slot: from,
        };
        (self.cut, self.adopted) = (from, Some((plan, adoption)));
    }

    /// Every slot since the last batch, as one; `None` without a plan.
    fn measure(&mut self, now: UnixMillis) -> Result<Option<Vec<u8>>> {
        let Some((plan, adopted)) = &self.adopted else {
            return Ok(None);
        };
        let mut rows = Vec::new();
        for (check, planned) in plan.checks.iter().enumerate() {
            let mut slot = planned.schedule.first_from(self.cut);
            while slot < now {
                rows.push(Measurement {
                    check: check as u16,
                    slot,
                    lateness: Micros::default(),
                    outcome: match planned.kind.check {
                        Check::Echo => Outcome::Echo(wire::outcome(&mut self.random, ANSWERS_US)),
                        check => endpoints::outcome(
                            &mut self.random,
                            check,
                            (usize::from(planned.target), ANSWERS_US),
                        ),
                    },
                });
                slot = planned.schedule.after(slot);
            }
        }
        rows.sort_by_key(|row| (row.slot, row.check));
        let mut hours: Vec<Hour> = Vec::new();
        for row in &rows {
            let hour = row.slot.hour();
            *self.run.entry(hour).or_insert(0) += 1;
            if hours.last() != Some(&hour) {
                hours.push(hour);
            }
        }
        let counts = hours.into_iter().map(|hour| HourCount {
            hour,
            planned: self.run[&hour],
            run: self.run[&hour],
            skipped: 0,
            pending: 0,
        });
        self.sequence += 1;
        let header = BatchHeader {
            epoch: self.epoch,
            sequence: Sequence(self.sequence),
            previous: self.previous,
            adopted: *adopted,
            plan: plan.version,
            cut: now,
            hours: counts.collect(),
            skipped: Vec::new(),
            events: Vec::new(),
            source_ports: Vec::new(),
        };
        let payload = codec::encode_batch(&Batch::pack(header, &rows)?);
        (self.previous, self.cut) = (Digest::of(&payload), now);
        let frame = frame::seal(MessageKind::Batch, &payload)?;
        self.kept.push_back(frame.clone());
        Ok(Some(frame))
    }
}

/// The control stream's reader: a message that is cut short by something else goes on where it was.
struct Control {
    heard: tokio::sync::mpsc::Receiver<CollectorMessage>,
    _reading: tokio::task::JoinSet<()>,
}

impl Control {
    fn new(mut receive: RecvStream) -> Self {
        let (tell, heard) = tokio::sync::mpsc::channel(16); // full: the stream waits
        let mut reading = tokio::task::JoinSet::new();
        reading.spawn(async move {
            while let Ok(message) = hear(&mut receive).await {
                if tell.send(message).await.is_err() {
                    return;
                }
            }
        });
        Self {
            heard,
            _reading: reading,
        }
    }

    async fn hear(&mut self) -> Result<CollectorMessage> {
        self.heard.recv().await.context("the control stream has ended")
    }
}

/// The next instant at which a member of that phase measures.
fn next_round((now, wall): (Instant, UnixMillis), round: Duration, phase: Duration) -> Instant {
    let round_ms = round.as_millis() as u64;
    let into_ms = (wall.0 + round_ms - phase.as_millis() as u64) % round_ms;
    now + Duration::from_millis(round_ms - into_ms)
}
