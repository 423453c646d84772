//! The uplink against a scripted collector, over QUIC on loopback.

use std::collections::BTreeMap;
use std::sync::Mutex;

use isochrone_proto::batch::Batch;
use isochrone_proto::codec;
use isochrone_proto::control::{
    Ack, CertificateDer, CollectorMessage, EpochMark, EpochState, Hello, ProbeMessage, Welcome,
};
use isochrone_proto::frame::{self, FrameHeader, HEADER_BYTES, MessageKind};
use isochrone_proto::ids::{Digest, ProbeId, Sequence};
use isochrone_proto::ledger::Event;
use isochrone_proto::measurement::{EchoOutcome, Measurement, Outcome};
use isochrone_proto::plan::Plan;
use isochrone_proto::units::Micros;
use rand::SeedableRng;
use rustls::time_provider::DefaultTimeProvider;
use tokio::task::JoinSet;

use super::*;
use crate::account::tests::plan_of;
use crate::batcher::Batcher;
use crate::disk::MemoryDisk;
use crate::identity::ProbeKey;
use crate::identity::tests::{Role, TestAuthority};
use crate::prober::EchoPorts;
use crate::spool::{Spool, SpoolOptions};
use crate::tls::tests::server;

const BASE: UnixMillis = UnixMillis(472_222 * 3_600_000);

/// What a collector of this test knows: the batches it stored, by epoch, and those that did not fit.
#[derive(Default)]
struct Stored {
    epochs: BTreeMap<EpochId, Vec<Digest>>,
    forked: Vec<(EpochId, Sequence)>,
    hellos: Vec<Hello>,
    messages: Vec<ProbeMessage>,
    rows: usize,
}

/// How it behaves.
#[derive(Default)]
struct Script {
    refuse: Option<Refusal>,
    /// Said right after Welcome.
    say: Vec<CollectorMessage>,
    renew: bool,
    /// Marks that it believes in, beside what it stored.
    marks: BTreeMap<EpochId, (Sequence, Digest)>,
    /// Stores, and never says so.
    silent: bool,
}

struct Collector {
    authority: Arc<TestAuthority>,
    address: String,
    stored: Arc<Mutex<Stored>>,
    script: Arc<Mutex<Script>>,
    changed: Arc<watch::Sender<u64>>,
    connections: Arc<Mutex<Vec<quinn::Connection>>>,
    _serving: JoinSet<()>,
}

impl Collector {
    fn start(script: Script) -> Self {
        let authority = Arc::new(TestAuthority::new());
        let key = ProbeKey::generate().unwrap();
        let endpoint = server(&key, authority.chain(&key, Role::Collector, 2090), &authority);
        let address = endpoint.local_addr().unwrap().to_string();
        let stored = Arc::new(Mutex::new(Stored::default()));
        let script = Arc::new(Mutex::new(script));
        let changed = Arc::new(watch::Sender::new(0));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let desk = Desk {
            stored: Arc::clone(&stored),
            script: Arc::clone(&script),
            changed: Arc::clone(&changed),
        };
        let kept = Arc::clone(&connections);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut talks = JoinSet::new();
            while let Some(incoming) = endpoint.accept().await {
                if let Ok(connection) = incoming.await {
                    kept.lock().unwrap().push(connection.clone());
                    talks.spawn(desk.clone().talk(connection));
                }
            }
        });
        Self {
            authority,
            address,
            stored,
            script,
            changed,
            connections,
            _serving: serving,
        }
    }

    /// Waits until what is stored satisfies `wanted`.
    async fn until(&self, what: &str, wanted: impl Fn(&Stored) -> bool) {
        let mut changed = self.changed.subscribe();
        let satisfied = async {
            while !wanted(&self.stored.lock().unwrap()) {
                changed.changed().await.unwrap();
            }
        };
        let satisfied = tokio::time::timeout(Duration::from_secs(60), satisfied).await;
        assert!(satisfied.is_ok(), "never: {what}");
    }

    fn hang_up(&self, code: CloseCode) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.close(code.code().into(), b"as the test wants");
        }
    }
}

#[derive(Clone)]
struct Desk {
    stored: Arc<Mutex<Stored>>,
    script: Arc<Mutex<Script>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Desk {
    async fn talk(self, connection: quinn::Connection) {
        let Ok((send, mut receive)) = connection.accept_bi().await else {
            return;
        };
        let send = Arc::new(tokio::sync::Mutex::new(send));
        let Some((_, payload)) = read_frame(&mut receive).await else {
            return;
        };
        let Ok(ProbeMessage::Hello(hello)) = codec::decode_from_probe(&payload) else {
            panic!("the first message is Hello");
        };
        let answers = self.answer_hello(&hello);
        for message in answers {
            write(&send, &message).await;
        }
        let mut streams = JoinSet::new();
        loop {
            tokio::select! {
                frame = read_frame(&mut receive) => {
                    let Some((_, payload)) = frame else { return };
                    let message = codec::decode_from_probe(&payload).unwrap();
                    self.change(|stored| stored.messages.push(message));
                }
                stream = connection.accept_uni() => {
                    let Ok(stream) = stream else { return };
                    streams.spawn(self.clone().batches(stream, Arc::clone(&send)));
                }
            }
        }
    }

    fn answer_hello(&self, hello: &Hello) -> Vec<CollectorMessage> {
        let script = self.script.lock().unwrap();
        let mark = |state: &EpochState| {
            let stored = self.stored.lock().unwrap();
            let own = stored.epochs.get(&state.epoch);
            let own = own.map(|all| {
                (
                    Sequence(all.len() as u64),
                    all.last().copied().unwrap_or(Digest::ZERO),
                )
            });
            let believed = script.marks.get(&state.epoch).copied();
            let (stored, digest) = believed.or(own).unwrap_or((Sequence::NONE, Digest::ZERO));
            EpochMark {
                epoch: state.epoch,
                stored,
                digest,
                safe: Sequence::NONE,
            }
        };
        let marks = hello.epochs.iter().map(mark).collect();
        self.change(|stored| stored.hellos.push(hello.clone()));
        if let Some(refusal) = &script.refuse {
            return vec![CollectorMessage::Refused(refusal.clone())];
        }
        let welcome = Welcome {
            probe: ProbeId(1),
            name: "ada".into(),
            software: "scripted".into(),
            collector_time: BASE,
            marks,
            addresses: Vec::new(),
            renew: script.renew,
            observed: None,
        };
        let mut messages = vec![CollectorMessage::Welcome(welcome)];
        messages.extend(script.say.iter().cloned());
        messages
    }

    /// Stores what fits, counts what does not.
    async fn batches(self, mut stream: quinn::RecvStream, send: Arc<tokio::sync::Mutex<quinn::SendStream>>) {
        let Some((MessageKind::StreamHello, _)) = read_frame(&mut stream).await else {
            return;
        };
        while let Some((MessageKind::Batch, payload)) = read_frame(&mut stream).await {
            let batch = codec::decode_batch(&payload).unwrap();
            let (epoch, sequence) = (batch.header.epoch, batch.header.sequence);
            let answer = self.judge(&batch, Digest::of(&payload));
            if self.script.lock().unwrap().silent {
                continue;
            }
            write(&send, &answer).await;
            if matches!(answer, CollectorMessage::Forked { .. }) {
                self.change(|stored| stored.forked.push((epoch, sequence)));
                stream.stop(0u32.into()).ok();
                return;
            }
        }
    }

    fn judge(&self, batch: &Batch, digest: Digest) -> CollectorMessage {
        let (epoch, sequence) = (batch.header.epoch, batch.header.sequence);
        let foreign = self.script.lock().unwrap().marks.contains_key(&epoch);
        if foreign {
            return CollectorMessage::Forked { epoch, sequence };
        }
        let stored = self.change(|stored| {
            let all = stored.epochs.entry(epoch).or_default();
            let next = all.len() as u64 + 1;
            assert!(sequence.0 <= next, "a gap: {sequence} where {next} was due");
            if sequence.0 == next {
                assert_eq!(batch.header.previous, all.last().copied().unwrap_or(Digest::ZERO));
                all.push(digest);
                stored.rows += batch.rows();
                next
            } else {
                assert_eq!(all[sequence.0 as usize - 1], digest, "re-sent unchanged");
                next - 1
            }
        });
        CollectorMessage::Ack(Ack {
            epoch,
            stored: Sequence(stored),
            safe: Sequence::NONE,
            refused: 0,
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Stored) -> T) -> T {
        let done = change(&mut self.stored.lock().unwrap());
        self.changed.send_modify(|count| *count += 1);
        done
    }
}

async fn read_frame(stream: &mut quinn::RecvStream) -> Option<(MessageKind, Vec<u8>)> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await.ok()?;
    let header = FrameHeader::parse(&header).unwrap();
    let mut body = vec![0; header.length()];
    stream.read_exact(&mut body).await.ok()?;
    Some((header.kind(), header.open(body).unwrap()))
}

async fn write(send: &tokio::sync::Mutex<quinn::SendStream>, message: &CollectorMessage) {
    let payload = codec::encode_from_collector(message);
    let sealed = frame::seal(MessageKind::FromCollector, &payload).unwrap();
    send.lock().await.write_all(&sealed).await.ok(); // the probe may have gone
}

/// An uplink at work, with a spool that the test fills and a runner that only opens epochs.
struct Probe {
    spool: SharedSpool,
    batchers: BTreeMap<EpochId, Batcher>,
    commands: mpsc::Receiver<Command>,
    link: watch::Receiver<Link>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
    disk: Arc<MemoryDisk>,
    opened: u8,
}

impl Probe {
    fn start(collector: &Collector, leaf_until: i32) -> Self {
        let identity = collector
            .authority
            .identity_until(std::slice::from_ref(&collector.address), leaf_until);
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
            clock: Clock::system(),
            rng: StdRng::seed_from_u64(9),
            disk: shared,
            plans: plans.unwrap(),
            identity,
            spool: spool.clone(),
            endpoint: Arc::new(|_| quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0)))),
            tls_time: Arc::new(DefaultTimeProvider),
            collectors: Vec::new(),
            advertise: Vec::new(),
            echo_ports: EchoPorts { v4: 7472, v6: 7472 },
            commands: commander,
            link,
        });
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(uplink.run(stop.clone()));
        let mut probe = Self {
            spool,
            batchers: BTreeMap::new(),
            commands,
            link: watching,
            stop,
            tasks,
            disk,
            opened: 0,
        };
        probe.open_epoch();
        probe
    }

    fn open_epoch(&mut self) -> EpochState {
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
    fn measure(&mut self, count: u64) {
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

    /// Waits until the spool satisfies `wanted`.
    async fn until(&self, what: &str, wanted: impl Fn(&mut Spool) -> bool) {
        let mut changes = self.spool.changes();
        let satisfied = async {
            while !self.spool.with(|spool| wanted(spool)) {
                changes.changed().await;
            }
        };
        let satisfied = tokio::time::timeout(Duration::from_secs(60), satisfied).await;
        assert!(satisfied.is_ok(), "never: {what}");
    }

    async fn until_link(&mut self, what: &str, wanted: impl FnMut(&Link) -> bool) -> Link {
        let link = tokio::time::timeout(Duration::from_secs(60), self.link.wait_for(wanted)).await;
        link.unwrap_or_else(|_| panic!("never: {what}")).unwrap().clone()
    }

    async fn command(&mut self) -> Command {
        tokio::time::timeout(Duration::from_secs(60), self.commands.recv())
            .await
            .unwrap()
            .unwrap()
    }

    async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

fn first() -> EpochId {
    EpochId([1; 16])
}

#[tokio::test]
async fn spooled_batches_are_sent_in_sequence_and_acknowledged() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(30);
    probe
        .until("all acknowledged", |spool| spool.stored(first()) == Sequence(30))
        .await;
    assert_eq!(collector.stored.lock().unwrap().rows, 60);
    probe.measure(5);
    probe
        .until("the rest too", |spool| spool.stored(first()) == Sequence(35))
        .await;
    let link = probe
        .until_link("connected", |link| link.collector.is_some())
        .await;
    assert_eq!(link.collector_software, "scripted");
    probe.stop().await;
}

#[tokio::test]
async fn lost_connection_is_made_again_and_nothing_counts_twice() {
    let collector = Collector::start(Script {
        silent: true,
        ..Script::default()
    });
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(20);
    collector
        .until("eight in flight", |stored| stored.rows == 16)
        .await; // no more without an answer
    collector.script.lock().unwrap().silent = false;
    collector.hang_up(CloseCode::Stopping);
    probe
        .until_link("its words", |link| {
            link.trouble
                .as_ref()
                .is_some_and(|why| why.contains("restarting"))
        })
        .await;
    probe
        .until("all acknowledged", |spool| spool.stored(first()) == Sequence(20))
        .await;
    assert_eq!(collector.stored.lock().unwrap().rows, 40);
    assert_eq!(collector.stored.lock().unwrap().hellos.len(), 2);
    probe.stop().await;
}

#[tokio::test]
async fn restored_collector_is_filled_up_again() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(12);
    probe
        .until("all acknowledged", |spool| spool.stored(first()) == Sequence(12))
        .await;
    {
        let mut stored = collector.stored.lock().unwrap();
        stored.epochs.get_mut(&first()).unwrap().truncate(3); // an old backup
        stored.rows = 6;
    }
    collector.hang_up(CloseCode::StoreUnavailable);
    collector.until("filled up", |stored| stored.rows == 24).await;
    probe.stop().await;
}

#[tokio::test]
async fn older_epochs_drain_beside_the_live_one() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(3);
    probe
        .until("acknowledged", |spool| spool.stored(first()) == Sequence(3))
        .await;
    let second = probe.open_epoch().epoch;
    probe.measure(4);
    probe
        .until("the new one is live", |spool| spool.stored(second) == Sequence(4))
        .await;
    let opened =
        |message: &ProbeMessage| matches!(message, ProbeMessage::EpochOpened(state) if state.epoch == second);
    collector
        .until("it was told", |stored| stored.messages.iter().any(opened))
        .await;
    // The old epoch's last runs end later.
    for sealed in probe
        .batchers
        .get_mut(&first())
        .unwrap()
        .finish(UnixMillis(BASE.0 + 6_000))
    {
        assert!(sealed.batch.header.events.contains(&Event::Closed));
        probe
            .spool
            .change(|spool| spool.append(&sealed.batch, &sealed.payload));
    }
    probe
        .until("drained", |spool| spool.stored(first()) == Sequence(4))
        .await;
    probe.stop().await;
}

#[tokio::test]
async fn fork_opens_an_epoch_and_every_row_is_sent_to_be_counted() {
    let collector = Collector::start(Script::default());
    collector
        .script
        .lock()
        .unwrap()
        .marks
        .insert(first(), (Sequence(9), Digest([7; 32])));
    let mut probe = Probe::start(&collector, 2090);
    probe.measure(4);
    let Command::OpenEpoch(done) = probe.command().await else {
        panic!("a fork opens an epoch");
    };
    for sealed in probe
        .batchers
        .get_mut(&first())
        .unwrap()
        .finish(UnixMillis(BASE.0 + 8_000))
    {
        probe
            .spool
            .change(|spool| spool.append(&sealed.batch, &sealed.payload));
    }
    let state = probe.open_epoch();
    probe.spool.change(|spool| spool.close_epoch(first()));
    done.send(state).unwrap();
    probe.measure(2);
    probe
        .until("the new epoch is stored", |spool| {
            spool.stored(state.epoch) == Sequence(2)
        })
        .await;
    probe
        .until("the forked one is dropped", |spool| {
            spool.epoch_state(first()).is_none()
        })
        .await;
    let forked: Vec<u64> = collector
        .stored
        .lock()
        .unwrap()
        .forked
        .iter()
        .map(|(_, sequence)| sequence.0)
        .collect();
    assert_eq!(forked, [1, 2, 3, 4, 5]);
    probe.stop().await;
}

#[tokio::test]
async fn refusal_is_told_to_the_volunteer() {
    let collector = Collector::start(Script {
        refuse: Some(Refusal::Revoked),
        ..Script::default()
    });
    let mut probe = Probe::start(&collector, 2090);
    let link = probe
        .until_link("the refusal", |link| link.trouble.is_some())
        .await;
    assert_eq!(link.trouble.unwrap(), Refusal::Revoked.to_string());
    assert!(link.collector.is_none(), "connected means welcomed");
    probe.stop().await;
}

#[tokio::test]
async fn pushed_plan_is_kept_adopted_and_given_back() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2090);
    collector
        .until("a Hello", |stored| stored.hellos.len() == 1)
        .await;
    let plan = Plan {
        probe: probe_id(&collector),
        ..plan_of(3, &[(1_000, 0, 500)], UnixMillis(u64::MAX))
    };
    let signed = collector.authority.sign(&plan);
    collector.script.lock().unwrap().say = vec![
        CollectorMessage::Plan(signed.clone()),
        CollectorMessage::NeedPlans(vec![plan.version]),
        CollectorMessage::Ping { nonce: 5 },
    ];
    collector.hang_up(CloseCode::Stopping);
    let Command::Adopt(adopted) = probe.command().await else {
        panic!("a plan is adopted");
    };
    assert_eq!(*adopted, plan);
    let given_back = |message: &ProbeMessage| *message == ProbeMessage::Plans(vec![signed.clone()]);
    collector
        .until("given back", |stored| stored.messages.iter().any(given_back))
        .await;
    let pong = |message: &ProbeMessage| matches!(message, ProbeMessage::Pong { nonce: 5, .. });
    collector
        .until("pong", |stored| stored.messages.iter().any(pong))
        .await;
    assert_eq!(probe.disk.list("plans/").unwrap().len(), 1);
    probe.stop().await;
}

/// The id in the certificate that the probe showed.
fn probe_id(collector: &Collector) -> ProbeId {
    let connections = collector.connections.lock().unwrap();
    let identity = connections.last().unwrap().peer_identity().unwrap();
    let chain = identity
        .downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>()
        .unwrap();
    ProbeId::of_key(&isochrone_proto::ids::KeyHash::of_spki(
        &crate::identity::tests::spki(&chain[0]),
    ))
}

#[tokio::test]
async fn certificate_near_its_end_is_renewed_over_the_connection() {
    let collector = Collector::start(Script::default());
    let mut probe = Probe::start(&collector, 2027); // two thirds are over
    let asks = |stored: &Stored| {
        stored.messages.iter().find_map(|message| match message {
            ProbeMessage::Renew { csr } => Some(csr.clone()),
            _ => None,
        })
    };
    collector.until("asked", |stored| asks(stored).is_some()).await;
    let csr = asks(&collector.stored.lock().unwrap()).unwrap();
    let before = probe
        .until_link("known", |link| link.certificate_until.0 > 0)
        .await
        .certificate_until;
    let spki = crate::identity::tests::request_spki(&csr);
    let chain = collector.authority.chain_for_spki(&spki, Role::Probe, 2090);
    let chain = chain
        .iter()
        .map(|certificate| CertificateDer(certificate.to_vec()))
        .collect();
    collector.script.lock().unwrap().say = vec![CollectorMessage::Renewed { chain }];
    collector.hang_up(CloseCode::Stopping);
    probe
        .until_link("renewed", |link| link.certificate_until > before)
        .await;
    let kept = Identity::load(&*probe.disk).unwrap();
    assert!(kept.leaf_life().unwrap().until > before);
    probe.stop().await;
}

#[test]
fn close_codes_and_refusals_are_sentences_of_their_own() {
    let mut sentences: Vec<String> = CloseCode::ALL
        .iter()
        .map(|code| closed_sentence(Some(*code), ""))
        .collect();
    sentences.push(closed_sentence(None, ""));
    let count = sentences.len();
    sentences.sort();
    sentences.dedup();
    assert_eq!(sentences.len(), count);
    assert!(closed_sentence(Some(CloseCode::Quota), "10 a second").ends_with("(10 a second)"));
    assert_eq!(printable("a\u{1b}[2Jb"), "a [2Jb");
}
