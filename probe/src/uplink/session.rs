//! One connection, from Hello to its end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::control::{Ack, CloseCode, CollectorMessage, Hello, ProbeMessage, SpoolState, Welcome};
use isochrone_proto::ids::PlanVersion;
use isochrone_proto::known::Known;
use isochrone_proto::limits::{CONTROL_BYTES_MAX, HELLO_EPOCHS_MAX};
use isochrone_proto::plan::SignedPlan;
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::feed::{Announced, CONTROL_PRIORITY, Feed, Withheld, prefer};
use super::frames::{read_message, write_message};
use super::renewal::{Renewal, renewed};
use super::{LAST_WORDS, LinkEnd, Uplink};
use crate::recorder::Changes;
use crate::runner::Command;
use crate::spool::{MarkFit, Spool};

const SOFTWARE: &str = concat!("isochrone-probe ", env!("CARGO_PKG_VERSION"));
/// The spool's state is told at least this often.
const SPOOL_TOLD_EVERY: Duration = Duration::from_secs(60);
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// Messages of the collector that wait to be acted on; full: the stream is read later.
const MESSAGES_WAITING: usize = 64;
/// Plans in one message take at most this many bytes.
const PLANS_BYTES: usize = CONTROL_BYTES_MAX / 2;

/// A connection that was welcomed.
pub(super) struct Session {
    connection: Connection,
    pub(super) send: SendStream,
    messages: mpsc::Receiver<Result<CollectorMessage, LinkEnd>>,
    /// The reader and the two feeds; they end with the session.
    tasks: JoinSet<Result<(), LinkEnd>>,
    announced: Announced,
    /// What the collector can read, where that is less than this release writes.
    reads: Option<Arc<Known>>,
    withheld: Withheld,
    changes: Changes,
    /// Datagrams that had come when it was last looked.
    datagrams: u64,
    software: String,
    told: SpoolState,
    told_at: Instant,
}

impl Session {
    /// Says Hello and waits for Welcome.
    pub(super) async fn greet(up: &mut Uplink, connection: &Connection) -> Result<Self, LinkEnd> {
        let (mut send, mut receive) = connection.open_bi().await?;
        prefer(&send, CONTROL_PRIORITY);
        let changes = up.parts.spool.changes();
        let hello = hello(up, connection.remote_address().ip());
        let announced = Announced::default();
        for state in &hello.epochs {
            announced.add(state.epoch);
        }
        let told = hello.spool;
        write_message(&mut send, &ProbeMessage::Hello(hello)).await?;
        let welcome = match read_message(&mut receive).await? {
            CollectorMessage::Welcome(welcome) => welcome,
            CollectorMessage::Refused(refusal) => return Err(refusal.into()),
            other => {
                let what = format!("{} before Welcome", word(&other));
                return Err(LinkEnd::Protocol { what });
            }
        };
        let mut session = Self {
            connection: connection.clone(),
            send,
            messages: mpsc::channel(1).1,
            tasks: JoinSet::new(),
            announced,
            reads: less_than_ours(&welcome.known),
            withheld: Withheld::default(),
            changes,
            datagrams: 0,
            software: welcome.software.clone(),
            told,
            told_at: up.parts.clock.now(),
        };
        session.listen(receive);
        session.take_welcome(up, &welcome).await?;
        Ok(session)
    }

    pub(super) fn software(&self) -> &str {
        &self.software
    }

    /// Goes on until the connection ends, or `stop`.
    pub(super) async fn run(&mut self, up: &mut Uplink, stop: &CancellationToken) -> LinkEnd {
        self.feed(up);
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            Err(end) = self.converse(up) => Some(end),
        };
        let end = match ended {
            Some(end) => end,
            None => self.last_words(up).await,
        };
        self.listen_for_life(up);
        self.tasks.abort_all();
        up.parts.spool.with(|spool| spool.save_marks());
        end
    }

    fn feed(&mut self, up: &Uplink) {
        let feed = || Feed {
            connection: self.connection.clone(),
            spool: up.parts.spool.clone(),
            announced: self.announced.clone(),
            reads: self.reads.clone(),
            withheld: self.withheld.clone(),
            clock: up.parts.clock.clone(),
        };
        let (live, drain) = (feed(), feed());
        self.tasks.spawn(live.live());
        self.tasks.spawn(drain.drain());
    }

    /// Until the connection ends. Dropped in the middle of a message, it leaves the control stream torn.
    async fn converse(&mut self, up: &mut Uplink) -> Result<Infallible, LinkEnd> {
        self.announce_current(up).await?;
        let mut housekeeping = up.parts.clock.now() + HOUSEKEEPING;
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(end)) => return Err(end),
                    Err(error) => return Err(LinkEnd::Protocol { what: error.to_string() }),
                },
                message = self.messages.recv() => match message {
                    Some(message) => self.take(up, message?).await?,
                    None => return Err(LinkEnd::Protocol { what: "the control stream ended".into() }),
                },
                () = self.changes.changed() => self.announce_current(up).await?,
                () = tokio::time::sleep_until(housekeeping) => {
                    housekeeping = up.parts.clock.now() + HOUSEKEEPING;
                    self.keep_house(up).await?;
                }
            }
        }
    }

    /// Everything is spooled, and the feeds go on: what is not acknowledged yet may still be. Nothing is said on the
    /// control stream any more, which may be torn.
    async fn last_words(&mut self, up: &mut Uplink) -> LinkEnd {
        let all_acknowledged = |spool: &mut Spool| {
            let mut epochs = spool.states().into_iter().map(|state| state.epoch);
            epochs.all(|epoch| spool.is_finished(epoch, spool.stored(epoch)))
        };
        let heard = async {
            while !up.parts.spool.with(all_acknowledged) {
                match self.messages.recv().await {
                    Some(Ok(CollectorMessage::Ack(ack))) => acknowledged(up, &ack),
                    Some(Ok(CollectorMessage::Forked { epoch, sequence })) => {
                        let spool = &up.parts.spool;
                        spool.change(|spool| spool.fork(epoch, Some(sequence)));
                    }
                    Some(Ok(_)) => {} // asked again on the next connection
                    Some(Err(_)) | None => return,
                }
            }
        };
        if tokio::time::timeout(LAST_WORDS, heard).await.is_err() {
            tracing::debug!("what is not acknowledged yet stays in the spool");
        }
        self.connection.close(CloseCode::Done.code().into(), b"");
        LinkEnd::Stopped
    }

    fn listen(&mut self, mut receive: RecvStream) {
        let (forward, messages) = mpsc::channel(MESSAGES_WAITING);
        self.messages = messages;
        self.tasks.spawn(async move {
            loop {
                let message = read_message(&mut receive).await;
                let is_end = message.is_err();
                if forward.send(message).await.is_err() || is_end {
                    return Ok(());
                }
            }
        });
    }

    async fn take_welcome(&mut self, up: &mut Uplink, welcome: &Welcome) -> Result<(), LinkEnd> {
        for mark in &welcome.marks {
            let fit = up.parts.spool.change(|spool| spool.welcome(mark));
            tracing::debug!(epoch = %mark.epoch, stored = mark.stored.0, ?fit, "mark");
            if fit == MarkFit::Forked {
                up.forked(mark.epoch, None).await?;
            }
        }
        if up.parts.identity.set_collectors(&welcome.addresses) {
            up.identity_changed = true;
            up.keep();
        }
        if let Some(observed) = welcome.observed {
            up.command(Command::Observed(observed.ip())).await;
        }
        self.renew_if(up, welcome.renew).await
    }

    async fn take(&mut self, up: &mut Uplink, message: CollectorMessage) -> Result<(), LinkEnd> {
        match message {
            CollectorMessage::Ack(ack) => {
                acknowledged(up, &ack);
                Ok(())
            }
            CollectorMessage::Plan(signed) => {
                follow(up, signed).await;
                Ok(())
            }
            CollectorMessage::NeedPlans(versions) => self.send_plans(up, &versions).await,
            CollectorMessage::Forked { epoch, sequence } => {
                up.forked(epoch, Some(sequence)).await?;
                self.announce_current(up).await
            }
            CollectorMessage::Renewed { chain } => renewed(up, chain),
            CollectorMessage::RenewalRefused(refusal) => {
                tracing::error!(%refusal, "the certificate was not renewed");
                up.renewal.refused(up.parts.clock.now());
                Ok(())
            }
            CollectorMessage::Ping {
                nonce,
                collector_time,
                clocks,
            } => {
                up.clocks(clocks);
                let pong = ProbeMessage::Pong {
                    nonce,
                    collector_time,
                    probe_time: up.parts.clock.wall(),
                };
                write_message(&mut self.send, &pong).await
            }
            CollectorMessage::Refused(refusal) => Err(refusal.into()),
            CollectorMessage::Welcome(_) => Err(LinkEnd::Protocol {
                what: "a second Welcome".into(),
            }),
        }
    }

    async fn send_plans(&mut self, up: &Uplink, versions: &[PlanVersion]) -> Result<(), LinkEnd> {
        let (mut plans, mut bytes) = (Vec::new(), 0);
        for signed in up.parts.plans.signed(versions) {
            bytes += signed.plan.len() + 128;
            if bytes > PLANS_BYTES && !plans.is_empty() {
                let some = ProbeMessage::Plans(std::mem::take(&mut plans));
                write_message(&mut self.send, &some).await?;
                bytes = signed.plan.len() + 128;
            }
            plans.push(signed);
        }
        write_message(&mut self.send, &ProbeMessage::Plans(plans)).await
    }

    /// An epoch that was opened on this connection is told before its batches follow.
    async fn announce_current(&mut self, up: &Uplink) -> Result<(), LinkEnd> {
        let Some(state) = up.parts.spool.current() else {
            return Ok(());
        };
        if self.announced.add(state.epoch) {
            write_message(&mut self.send, &ProbeMessage::EpochOpened(state)).await?;
            up.parts.spool.change(|_| ()); // the live feed waits for it
        }
        Ok(())
    }

    async fn keep_house(&mut self, up: &mut Uplink) -> Result<(), LinkEnd> {
        let (state, named) = up.parts.spool.with(|spool| {
            spool.save_marks();
            (spool.state(), spool.plans())
        });
        up.parts.plans.prune(&named);
        up.keep();
        self.listen_for_life(up);
        let now = up.parts.clock.now();
        let much = state.bytes.abs_diff(self.told.bytes) > state.bytes_max / 10;
        let lost = state.dropped != self.told.dropped || state.corrupt_records != self.told.corrupt_records;
        let drained = state.unstored < self.told.unstored / 2;
        if much || lost || drained || now.duration_since(self.told_at) >= SPOOL_TOLD_EVERY {
            (self.told, self.told_at) = (state, now);
            write_message(&mut self.send, &ProbeMessage::Spool(state)).await?;
        }
        self.renew_if(up, false).await
    }

    /// Keep-alives are answered every few seconds, even where nothing is said.
    fn listen_for_life(&mut self, up: &mut Uplink) {
        let datagrams = self.connection.stats().udp_rx.datagrams;
        if std::mem::replace(&mut self.datagrams, datagrams) != datagrams {
            up.heard();
        }
    }

    /// Asks for a new certificate if the collector wants it or it is time, but not again and again.
    async fn renew_if(&mut self, up: &mut Uplink, wanted: bool) -> Result<(), LinkEnd> {
        let now = up.parts.clock.now();
        let is_due = wanted || Renewal::is_due(&up.parts.identity, up.parts.clock.wall());
        if is_due && up.renewal.may_ask(now) {
            up.renewal.asked(now);
            self.renew(up).await?;
        }
        Ok(())
    }

    async fn renew(&mut self, up: &Uplink) -> Result<(), LinkEnd> {
        let csr = up.parts.identity.key().request();
        let csr = csr.map_err(|error| LinkEnd::Protocol {
            what: crate::error_text::chain(&error),
        })?;
        tracing::info!("asking for a new certificate");
        write_message(&mut self.send, &ProbeMessage::Renew { csr }).await
    }
}

/// What a collector can read, if some section that this release writes is not among it.
fn less_than_ours(known: &Known) -> Option<Arc<Known>> {
    let ours = Known::of_this_build();
    let is_less = ours.sections.iter().any(|name| !known.sections.contains(name));
    is_less.then(|| Arc::new(known.clone()))
}

fn acknowledged(up: &mut Uplink, ack: &Ack) {
    let Ack {
        epoch,
        stored,
        safe,
        refused,
    } = *ack;
    up.was_of_use |= up.parts.spool.change(|spool| {
        let before = spool.stored(epoch);
        spool.acknowledge(epoch, stored, safe);
        spool.stored(epoch) > before
    });
    if let Some(refused) = refused {
        tracing::error!(%epoch, ?refused, "the collector refused batches for their content; it keeps them apart and counts them");
        up.parts.spool.change(|spool| {
            spool.refused(epoch, refused);
            spool.save_marks();
        });
    }
}

/// A plan that the collector pushed: it is followed even if the disk does not take it yet. One that cannot be
/// followed changes nothing.
async fn follow(up: &mut Uplink, signed: SignedPlan) {
    let now = up.parts.clock.wall();
    match up.parts.plans.accept(signed, now) {
        Ok(Some(plan)) => {
            up.keep();
            up.command(Command::Adopt(plan)).await;
        }
        Ok(None) => {}
        Err(error) => tracing::error!(error = %crate::error_text::chain(&error), "plan refused"),
    }
}

fn hello(up: &Uplink, collector: IpAddr) -> Hello {
    let (epochs, spool) = up.parts.spool.with(|spool| (spool.states(), spool.state()));
    let mut kept_plans = up.parts.plans.versions();
    if kept_plans.len() > HELLO_EPOCHS_MAX {
        kept_plans.drain(..kept_plans.len() - HELLO_EPOCHS_MAX);
    }
    Hello {
        software: SOFTWARE.into(),
        instance: up.instance,
        plan: up.parts.plans.newest().map(|plan| plan.version),
        kept_plans,
        epochs,
        echo_port: up.parts.echo_ports.beside(collector),
        advertise: up.parts.advertise.clone(),
        spool,
        probe_time: up.parts.clock.wall(),
        known: up.parts.known.clone(),
        more: Vec::new(),
    }
}

fn word(message: &CollectorMessage) -> &'static str {
    match message {
        CollectorMessage::Welcome(_) => "Welcome",
        CollectorMessage::Refused(_) => "Refused",
        CollectorMessage::Plan(_) => "Plan",
        CollectorMessage::NeedPlans(_) => "NeedPlans",
        CollectorMessage::Ack(_) => "Ack",
        CollectorMessage::Forked { .. } => "Forked",
        CollectorMessage::Renewed { .. } => "Renewed",
        CollectorMessage::RenewalRefused(_) => "RenewalRefused",
        CollectorMessage::Ping { .. } => "Ping",
    }
}
