//! The collector's watch: feeds the monitor with what was stored, has it judge once a second, delivers its
//! alerts, and publishes the page's view. One task owns the state, so nothing is locked.

mod account;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use isochrone_base::clock::ClockSteps;
use isochrone_base::error_chain::chain;
use isochrone_base::words::timestamp;
use isochrone_gate::session::SessionView;
use isochrone_planner::plans::{Checked, Plans, Summary};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use isochrone_store::StoreError;
use isochrone_store::ingest::Committed;
use isochrone_watch::alert::{Courier, Deliver, Outbox, heartbeat};
use isochrone_watch::judge::{ONE_PLACE, Output, What};
use isochrone_watch::monitor::{
    Monitor, MonitorParts, OpenSessions, Rejudged, SessionFacts, longest_interval, rejudge,
};
use isochrone_web::LiveView;
use isochrone_web::view::{CollectorView, EchoPort, EchoPorts, Notice, NoticeLevel, PlanView, Source};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::account::{Account, Drawn};
use crate::assembly::roster;
use crate::commands::CommandContext;
use crate::downloads::Downloads;
use crate::plan_notices::plan_notices;
use crate::store_watch::StoreWatch;
use crate::view::{CollectorFacts, Link, ViewParts};

/// How often verdicts are made and the view is published.
const TICK: Duration = Duration::from_secs(1);
/// Over so many ticks the page's rate of measurements is taken.
const RATE_TICKS: usize = 10;
/// Making the view takes at most one in so many parts of a core: that of a large fleet is published less often.
const VIEW_SHARE: u32 = 20;
/// Committed batches taken at once before anything else gets a turn.
const TAKEN_AT_ONCE: usize = 256;
/// A plan that ends sooner than this is worth a notice.
const PLAN_ENDS_SOON: Duration = Duration::from_secs(86_400);

/// What the watch works with.
pub struct SupervisorParts {
    /// Store, registry, sessions, targets, clock, configuration.
    pub context: CommandContext,
    /// What the committer stored.
    pub committed: mpsc::Receiver<Committed>,
    /// The alerts that wait.
    pub outbox: Outbox,
    /// The plans in force; told which nodes are to be asked less often.
    pub plans: Plans,
    /// Carries the alerts.
    pub deliver: Arc<dyn Deliver>,
    /// How the sink into Elasticsearch stands, where there is one.
    #[cfg(feature = "elasticsearch")]
    pub elastic: Option<watch::Receiver<isochrone_elastic::sink::SinkStatus>>,
}

/// The watch, not yet begun.
pub struct Supervisor {
    parts: SupervisorParts,
    monitor: Monitor,
    store_watch: StoreWatch,
    #[cfg(feature = "elasticsearch")]
    elastic_watch: Option<crate::elastic_watch::ElasticWatch>,
    started: UnixMillis,
    /// There once [`Supervisor::start`] has made the first view.
    views: Option<watch::Sender<Arc<LiveView>>>,
    /// The next view is made then, or with the tick after.
    view_due: Instant,
    judged: watch::Sender<UnixMillis>,
    account: Account,
    downloads: Downloads,
    /// Since when each probe is connected, or is not.
    links: BTreeMap<ProbeId, (bool, UnixMillis)>,
    steps: ClockSteps,
    /// It was logged that all stand in one place.
    is_one_place: bool,
    /// (when, measurements taken in until then), for the rate.
    taken: VecDeque<(Instant, u64)>,
}

/// The name that alerts carry: the first address.
#[must_use]
pub fn collector_name(addresses: &[String]) -> &str {
    addresses.first().map_or("isochrone", String::as_str)
}

/// Why work on a thread of its own came to nothing.
#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it ended early")]
    Ended(#[from] JoinError),
}

/// The next that has ended.
async fn next<T: 'static>(work: &mut JoinSet<Result<T, WorkError>>) -> Option<Result<T, WorkError>> {
    Some(work.join_next().await?.map_err(WorkError::from).flatten())
}

impl Supervisor {
    /// Rebuilds live state, takes up open incidents and waiting alerts.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn start(parts: SupervisorParts) -> Result<(Self, watch::Receiver<Arc<LiveView>>), StoreError> {
        let CommandContext {
            store,
            clock,
            config,
            registry,
            targets,
            ..
        } = &parts.context;
        let now = clock.wall();
        let active = registry.list().into_iter().filter(|probe| probe.is_active());
        let of_watch = MonitorParts {
            patience: config.health,
            outbox: parts.outbox.clone(),
            collector: collector_name(registry.addresses()).to_owned(),
            longest_interval: longest_interval(store, active.map(|probe| probe.id))?,
            roster: roster(registry, &targets.borrow()),
        };
        let monitor = Monitor::open(store, of_watch, now)?;
        let account = Account::open(store, (clock.now(), now))?;
        let folder = parts.context.store_file.parent().unwrap_or(Path::new(""));
        let of = (collector_name(registry.addresses()), folder);
        let store_watch = StoreWatch::open(store, &parts.outbox, of)?;
        #[cfg(feature = "elasticsearch")]
        let elastic_watch = match &parts.elastic {
            Some(status) => Some(crate::elastic_watch::ElasticWatch::open(
                store,
                &parts.outbox,
                (of.0, parts.context.dead_letters()),
                status.clone(),
            )?),
            None => None,
        };
        let mut supervisor = Self {
            monitor,
            store_watch,
            #[cfg(feature = "elasticsearch")]
            elastic_watch,
            started: now,
            views: None,
            view_due: clock.now(),
            judged: watch::Sender::new(now),
            account,
            downloads: Downloads::default(),
            links: BTreeMap::new(),
            steps: ClockSteps::new(clock),
            is_one_place: false,
            taken: VecDeque::new(),
            parts,
        };
        let (views, receiver) = watch::channel(Arc::new(supervisor.view(now)));
        supervisor.views = Some(views);
        Ok((supervisor, receiver))
    }

    /// Keeps watch until `stop`.
    ///
    /// # Errors
    /// Never today: a store that fails is logged and tried again.
    pub async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut messengers = JoinSet::new();
        self.spawn_messengers(&mut messengers, &stop);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut accounts, mut rejudging) = (JoinSet::new(), JoinSet::new());
        let mut batches = Vec::with_capacity(TAKEN_AT_ONCE);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => {
                    self.look_at_clock();
                    self.tick();
                    self.draw_up(&mut accounts);
                    self.rejudge(&mut rejudging);
                }
                Some(drawn) = next(&mut accounts) => self.take_account(drawn),
                Some(judged) = next(&mut rejudging) => self.take_rejudged(judged),
                taken = self.parts.committed.recv_many(&mut batches, TAKEN_AT_ONCE) => {
                    self.look_at_clock(); // before what was dated by it
                    batches.drain(..).for_each(|stored| self.take(&stored));
                    if taken == 0 {
                        break; // the committer has ended
                    }
                }
            }
        }
        // what is stored from here on is found again at the next start; the committer must not wait for us
        self.parts.committed.close();
        while messengers.join_next().await.is_some() {}
        Ok(())
    }

    fn spawn_messengers(&self, messengers: &mut JoinSet<()>, stop: &CancellationToken) {
        let (clock, config) = (self.parts.context.clock.clone(), &self.parts.context.config);
        let deliver = Arc::clone(&self.parts.deliver);
        let courier = Courier::new(self.monitor.outbox().clone());
        messengers.spawn(courier.run(
            Arc::clone(&deliver),
            clock.clone(),
            StdRng::from_os_rng(),
            stop.clone(),
        ));
        let judged = self.judged.subscribe();
        let alerts = config.alerts.clone();
        messengers.spawn(heartbeat::run(alerts, deliver, clock, judged, stop.clone()));
    }

    fn take(&mut self, stored: &Committed) {
        self.downloads.take(&stored.plan, &stored.batch);
        self.monitor.committed(stored);
    }

    /// Notices that the collector's clock was set: all that is known goes on by the new time.
    fn look_at_clock(&mut self) {
        let context = &self.parts.context;
        let Some(by_ms) = self.steps.step(&context.clock) else {
            return;
        };
        tracing::warn!(by_ms, "this collector's clock was set");
        context.sessions.clock_stepped(by_ms);
        self.monitor.clock_stepped(by_ms, context.clock.wall());
        self.store_watch.clock_stepped(by_ms);
    }

    fn tick(&mut self) {
        let context = &self.parts.context;
        let now = context.clock.wall();
        let roster = roster(&context.registry, &context.targets.borrow());
        let told = self.store_watch.tick(&mut self.monitor, &context.sessions, now);
        if let Err(error) = told {
            tracing::error!(error = %chain(&error), "cannot keep what is told of the store; trying again");
        }
        #[cfg(feature = "elasticsearch")]
        if let Some(Err(error)) = self.elastic_watch.as_mut().map(|watch| watch.tick(now)) {
            tracing::error!(error = %chain(&error), "cannot keep what is told of Elasticsearch; trying again");
        }
        let sessions = context.sessions.list();
        let sessions: OpenSessions = sessions.iter().map(open_session).collect();
        match self.monitor.tick(&roster, &sessions, now) {
            Ok(outputs) => {
                outputs.iter().for_each(log);
                let may_judge = self.monitor.engine().own_line_suspect_since().is_none();
                if may_judge {
                    self.judged.send_replace(now); // else the heartbeat stops, too
                }
            }
            Err(error) => tracing::error!(error = %chain(&error), "cannot keep an incident; trying again"),
        }
        let is_one_place = self.monitor.engine().is_one_place();
        if is_one_place && !self.is_one_place {
            tracing::info!("{ONE_PLACE}");
        }
        self.is_one_place = is_one_place;
        self.parts.plans.note_downloads(self.downloads.nodes());
        self.publish(now);
    }

    /// Judges again, on a thread that may block, what came too late to be judged in its time.
    fn rejudge(&mut self, rejudging: &mut JoinSet<Result<Rejudged, WorkError>>) {
        let context = &self.parts.context;
        if !rejudging.is_empty() {
            return;
        }
        if let Some(stretch) = self.monitor.take_late(context.clock.wall()) {
            let store = context.store.clone();
            let roster = roster(&context.registry, &context.targets.borrow());
            rejudging.spawn_blocking(move || Ok(rejudge(&store, &roster, stretch)?));
        }
    }

    fn take_rejudged(&mut self, judged: Result<Rejudged, WorkError>) {
        let now = self.parts.context.clock.wall();
        let taken = judged.and_then(|rejudged| Ok(self.monitor.take_rejudged(rejudged, now)?));
        match taken {
            Ok(outputs) => outputs.iter().for_each(log),
            Err(error) => {
                tracing::error!(error = %chain(&error), "cannot judge what came late; it is tried again");
                self.monitor.give_back_late(now);
            }
        }
    }

    /// Draws up the account on a thread that may block, if the last one is old enough.
    fn draw_up(&mut self, accounts: &mut JoinSet<Result<Drawn, WorkError>>) {
        let CommandContext { store, clock, .. } = &self.parts.context;
        if accounts.is_empty()
            && let Some(work) = self.account.work(store, (clock.now(), clock.wall()))
        {
            accounts.spawn_blocking(move || Ok(work()?));
        }
    }

    fn take_account(&mut self, drawn: Result<Drawn, WorkError>) {
        match drawn {
            Ok(drawn) => self.account.drawn = drawn,
            Err(error) => tracing::error!(error = %chain(&error), "cannot draw up the ledger"),
        }
    }

    fn publish(&mut self, now: UnixMillis) {
        let began = self.parts.context.clock.now();
        if began < self.view_due {
            return;
        }
        let view = Arc::new(self.view(now));
        if let Some(views) = &self.views {
            views.send_replace(view);
        }
        let took = self.parts.context.clock.now().saturating_duration_since(began);
        self.view_due = next_view(began, took);
    }

    fn view(&mut self, now: UnixMillis) -> LiveView {
        let links = self.links(now);
        let rate = self.rate();
        let context = &self.parts.context;
        let outbox = self.monitor.outbox();
        let (board, receivers) = (outbox.board(), outbox.receivers().len() as u32);
        let roster = roster(&context.registry, &context.targets.borrow());
        let parts = ViewParts {
            live: self.monitor.live(),
            engine: self.monitor.engine(),
            recent: self.monitor.recent().collect(),
            roster: &roster,
            board: &board,
            receivers,
            links: &links,
            now,
            collector: self.facts(now, rate),
        };
        parts.view()
    }

    fn facts(&self, now: UnixMillis, records_per_second: f64) -> CollectorFacts {
        let CommandContext { store, registry, .. } = &self.parts.context;
        let plans = self.parts.plans.summary();
        let plans = plans.borrow();
        CollectorFacts {
            source: if store.is_demo() {
                Source::Demo
            } else {
                Source::Store
            },
            collector: CollectorView {
                name: registry.addresses().first().cloned().unwrap_or_default(),
                version: crate::VERSION.to_owned(),
                started: timestamp(self.started),
                store_bytes: self.parts.context.store_bytes(),
                commit_number: store.commit_number().unwrap_or_default(),
                records_per_second,
            },
            plan: plans.version.map(|version| PlanView {
                version: version.number,
                issued: timestamp(plans.issued),
                expires: timestamp(plans.expires),
            }),
            ledger: self.account.drawn.totals.clone(),
            notices: self.notices(&plans, now),
        }
    }

    fn notices(&self, plans: &Summary, now: UnixMillis) -> Vec<Notice> {
        let at = timestamp(now);
        let mut notices: Vec<Notice> = plan_notices(&plans.limits)
            .into_iter()
            .map(|text| Notice {
                level: NoticeLevel::Info,
                text,
                at,
            })
            .collect();
        let clocks = self.parts.context.sessions.clocks();
        notices.extend(clocks.sentences(now).into_iter().map(|text| Notice {
            level: NoticeLevel::Warning,
            text,
            at,
        }));
        if plans.version.is_some() && plans.expires.since(now) < PLAN_ENDS_SOON {
            notices.push(Notice {
                level: NoticeLevel::Warning,
                text: "A plan ends within a day and was not renewed; look into the collector's log."
                    .to_owned(),
                at,
            });
        }
        notices.extend(self.store_watch.notices(&self.account.drawn.damage, now));
        #[cfg(feature = "elasticsearch")]
        notices.extend(self.elastic_watch.iter().flat_map(|watch| watch.notices(now)));
        notices
    }

    /// What is known of each probe's connection, and since when.
    fn links(&mut self, now: UnixMillis) -> BTreeMap<ProbeId, Link> {
        let context = &self.parts.context;
        let mut links = BTreeMap::new();
        for record in context.registry.list() {
            let session = context.sessions.view(record.id);
            let connected = session.is_some();
            let known = self.links.entry(record.id).or_insert((connected, now));
            if known.0 != connected {
                *known = (connected, now);
            }
            let since = session.as_ref().map_or(known.1, |session| session.since);
            links.insert(
                record.id,
                link(session, since, &context.addresses.checked(record.id)),
            );
        }
        self.links.retain(|probe, _| links.contains_key(probe));
        links
    }

    /// Measurements a second, over the last ticks.
    fn rate(&mut self) -> f64 {
        let (now, rows) = (self.parts.context.clock.now(), self.monitor.live().rows());
        self.taken.push_back((now, rows));
        if self.taken.len() > RATE_TICKS {
            self.taken.pop_front();
        }
        match self.taken.front() {
            Some((then, before)) if now > *then => {
                rows.saturating_sub(*before) as f64 / (now - *then).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}

/// When the next view is made, after one that took so long.
fn next_view(began: Instant, took: Duration) -> Instant {
    began + took * VIEW_SHARE
}

fn link(session: Option<SessionView>, since: UnixMillis, checked: &[Option<Checked>; 2]) -> Link {
    let port = |checked: &Option<Checked>| match checked {
        Some(checked) if checked.answered.is_some() => EchoPort::Verified,
        Some(checked) if checked.refused.is_none() => EchoPort::Closed,
        _ => EchoPort::Unknown, // never asked, or this machine cannot ask
    };
    let echo_port = EchoPorts {
        v4: port(&checked[0]),
        v6: port(&checked[1]),
    };
    let Some(session) = session else {
        return Link {
            connected: false,
            since,
            version: None,
            plan_version: None,
            rtt_ms: None,
            backlog: None,
            epoch: None,
            echo_port,
            echo_port_number: None,
        };
    };
    Link {
        connected: true,
        since,
        version: Some(session.software),
        plan_version: session.plan.map(|plan| plan.number),
        rtt_ms: session.rtt.map(|rtt| rtt.as_secs_f64() * 1_000.0),
        backlog: Some(session.spool.unstored),
        epoch: session.epochs.last().map(|epoch| epoch.epoch.to_string()),
        echo_port,
        echo_port_number: Some(session.echo_port),
    }
}

fn open_session(session: &SessionView) -> (ProbeId, SessionFacts) {
    // what a Hello says was on its way for nobody knows how long
    let measured_ms = session.clock_offset_ms.filter(|_| session.rtt.is_some());
    let facts = SessionFacts {
        remote: session.remote,
        clock_offset_ms: measured_ms,
        heard: session.heard,
    };
    (session.probe, facts)
}

fn log(output: &Output) {
    let Output::Told(telling) = output else { return };
    let names: Vec<&str> = telling
        .incidents
        .iter()
        .map(|incident| incident.target.as_str())
        .collect();
    let names = names.join(", ");
    match telling.what {
        What::Up | What::Seen | What::Heard => tracing::info!(%names, "incident ended"),
        What::OwnLineBack => tracing::info!("the collector judges again"),
        What::OwnLine => tracing::warn!("the collector's own line is the suspect: it judges nobody"),
        What::Late => tracing::warn!(%names, "outage found in rows that came late"),
        What::Flapping | What::Steady => tracing::warn!(%names, "incident comes and goes"),
        What::Worse => tracing::warn!(%names, "incident got worse"),
        What::Better => tracing::info!(%names, "incident got better"),
        What::Down | What::NoData | What::NobodyMayJudge | What::Silent => {
            tracing::warn!(%names, "incident opened");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn view_that_takes_long_is_made_seldom_and_a_quick_one_with_every_tick() {
        let began = isochrone_base::clock::Clock::system().now();
        assert!(next_view(began, Duration::from_millis(5)) < began + TICK);
        assert_eq!(
            next_view(began, Duration::from_millis(400)),
            began + Duration::from_secs(8)
        );
    }
}
