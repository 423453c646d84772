//! A web server on a free port, over a view that holds at least one of everything.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::view::*;
use crate::{Access, AccessToken, ReportError, ReportQuery, Reports, router, serve};

/// The token of a protected server.
pub(super) const TOKEN: &str = "9f86d081884c7d659a2f";

/// A running server.
pub(super) struct Web {
    pub(super) address: SocketAddr,
    pub(super) stop: CancellationToken,
    live: watch::Sender<Arc<LiveView>>,
    task: JoinSet<()>,
}

impl Web {
    pub(super) async fn open() -> Self {
        Self::start(None).await
    }

    pub(super) async fn protected() -> Self {
        Self::start(Some(AccessToken::new(TOKEN).expect("long enough"))).await
    }

    async fn start(token: Option<AccessToken>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let access = Access::new(address, token).expect("loopback");
        let stop = CancellationToken::new();
        let (live, receiver) = watch::channel(Arc::new(view()));
        let mut task = JoinSet::new();
        task.spawn(serve(
            listener,
            router(receiver, Arc::new(Canned), access, now, stop.clone()),
            stop.clone(),
        ));
        Self {
            address,
            stop,
            live,
            task,
        }
    }

    /// Makes this the newest view.
    pub(super) fn publish(&self, view: LiveView) {
        self.live.send_replace(Arc::new(view));
    }

    /// Makes a view that differs from the newest, so that every stream has something to send.
    pub(super) fn touch(&self) {
        self.live.send_modify(|newest| {
            let mut next = LiveView::clone(newest);
            next.collector.commit_number += 1;
            *newest = Arc::new(next);
        });
    }

    /// Waits until the server has ended.
    pub(super) async fn ended(mut self) {
        self.task
            .join_next()
            .await
            .expect("it runs")
            .expect("it does not panic");
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' clock is the real one")]
fn now() -> Instant {
    Instant::now()
}

/// Answers that a test can tell apart.
struct Canned;

impl Reports for Canned {
    fn coverage_html(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok(format!("<p>{:?}</p>", query.since.unwrap_or_default()))).boxed()
    }

    fn nodes_html(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("<p>nodes</p>".to_owned())).boxed()
    }

    fn audit_html(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("<p>audit</p>".to_owned())).boxed()
    }

    fn audit_json(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("{\"schema\":\"isochrone.audit/1\"}".to_owned())).boxed()
    }

    fn coverage_json(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("{\"schema\":\"isochrone.coverage/1\"}".to_owned())).boxed()
    }

    fn nodes_json(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Err(ReportError::NotYet {
            reason: "the first hour is not over".to_owned(),
        }))
        .boxed()
    }

    fn ledger_json(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("{\"schema\":\"isochrone.ledger/1\"}".to_owned())).boxed()
    }
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().expect("an instant")
}

/// A view with at least one of everything.
pub(super) fn view() -> LiveView {
    let now = at("2026-11-22T03:20:00Z");
    LiveView {
        head: Head {
            verdict: HeadVerdict::Wrong,
            findings: vec![Finding {
                weight: Weight::Wrong,
                subject: Some("tokyo".to_owned()),
                says: "tokyo is down since 2026-11-22 03:02:00 UTC, seen by 6 of 8 vantages in 6 networks."
                    .to_owned(),
            }],
        },
        generated_at: now,
        source: Source::Store,
        window_s: 3600,
        collector: CollectorView {
            name: "lead".to_owned(),
            version: "0.1.0".to_owned(),
            started: at("2026-11-20T00:00:00Z"),
            store_bytes: 1 << 30,
            commit_number: 4711,
            records_per_second: 97.5,
        },
        plan: Some(PlanView {
            version: 14,
            issued: now,
            expires: at("2026-11-29T03:00:00Z"),
        }),
        probes: vec![probe()],
        mesh: vec![MeshCell {
            from: "ada-berlin".to_owned(),
            to: "ken-tokyo".to_owned(),
            family: Family::V4,
            p50_ms: Some(231.25),
            p90_ms: Some(240.5),
            loss: Some(0.0),
            samples: 359,
            state: MeshState::Ok,
            last: Some(now),
        }],
        nodes: vec![node()],
        incidents: vec![incident()],
        ledger: LedgerTotals {
            from: Some(at("2026-11-20T00:00:00Z")),
            to: Some(now),
            planned: 100,
            run: 97,
            skipped: 2,
            absent: 1,
            stored: 95,
            spooled: 2,
            dropped: 0,
            damaged: 0,
            refused: 0,
            forked: 0,
            revoked: 0,
            balanced: true,
        },
        alerts: AlertsView {
            receivers: 2,
            pending: 1,
            oldest: Some(now),
        },
        notices: vec![Notice {
            level: NoticeLevel::Warning,
            text: "The disk is 91 % full; free some space.".to_owned(),
            at: now,
        }],
    }
}

fn probe() -> ProbeView {
    ProbeView {
        name: "ada-berlin".to_owned(),
        worker: "ada".to_owned(),
        site: "Berlin, DE".to_owned(),
        latitude: Some(52.5),
        longitude: Some(13.4),
        network: Some(64500),
        state: ProbeState::Connected,
        since: at("2026-11-20T00:00:00Z"),
        version: Some("0.1.0".to_owned()),
        plan_version: Some(14),
        rtt_ms: Some(12.5),
        backlog: Some(0),
        epoch: Some("9f3ac81e".to_owned()),
        last_measurement: Some(at("2026-11-22T03:19:58Z")),
        echo_port: EchoPorts {
            v4: EchoPort::Verified,
            v6: EchoPort::Unknown,
        },
    }
}

fn node() -> NodeView {
    let down = Verdict {
        state: VerdictState::Down,
        since: Some(at("2026-11-22T03:02:00Z")),
        vantages_ok: 2,
        vantages_total: 8,
        networks: 6,
    };
    NodeView {
        name: "tokyo".to_owned(),
        worker: "ken".to_owned(),
        place: "Tokyo, JP".to_owned(),
        latitude: Some(35.7),
        longitude: Some(139.7),
        network: Some(64501),
        url: "https://node.example.org/distributor/".to_owned(),
        plain: false,
        connect: down.clone(),
        status: down.clone(),
        asset: down,
        connect_p50_ms: Some(87.5),
        connect_samples: 3211,
        ttfb_p50_ms: Some(105.5),
        ttfb_samples: 521,
        cert_expires: Some(at("2027-01-22T00:00:00Z")),
        cells: vec![NodeCell {
            vantage: "ada-berlin".to_owned(),
            network: Some(64500),
            family: Family::V4,
            connect: CellOutcome::Failed,
            status: CellOutcome::Failed,
            asset: CellOutcome::NoData,
            connect_ms: Some(231.5),
            phase: Some("connect".to_owned()),
            error: Some("connection refused (os error 111)".to_owned()),
            own: false,
            verdict: CellVerdict::Red,
            at: Some(at("2026-11-22T03:19:55Z")),
        }],
        samples: 7013,
    }
}

fn incident() -> IncidentView {
    IncidentView {
        id: "7".to_owned(),
        target: "tokyo".to_owned(),
        check: IncidentCheck::Connect,
        checks: vec![IncidentCheck::Connect, IncidentCheck::Status],
        flapping: Some(3),
        openings_per_hour: Some(12.5),
        up_since: Some(at("2026-11-22T03:19:00Z")),
        late: false,
        state: IncidentState::Open,
        start: at("2026-11-22T03:02:00Z"),
        end: None,
        duration_s: 1080,
        cause: Cause::Node,
        caveat: Some("Both vantages are in one network.".to_owned()),
        vantages: 1,
        evidence: vec![Evidence {
            vantage: "ada-berlin".to_owned(),
            network: Some(64500),
            phase: "connect".to_owned(),
            error: "connection refused (os error 111)".to_owned(),
            at: at("2026-11-22T03:02:00Z"),
        }],
        alerts_delivered: 1,
        alerts_pending: 0,
    }
}
