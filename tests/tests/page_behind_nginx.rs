//! The collector's page behind nginx with Debian's own settings, at the root and under a path: the login form, redirects,
//! cookies, and the stream of events, which nginx would else collect and compress.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use isochrone_tests::nginx::Nginx;
use isochrone_web::view::{AlertsView, CollectorView, Head, LedgerTotals, LiveView, Source};
use isochrone_web::{Access, AccessToken, ReportError, ReportQuery, Reports, router, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "9f86d081884c7d659a2f";
/// An event is due at once; a proxy that collects holds it back until its buffer is full.
const SOON: Duration = Duration::from_secs(10);

/// As `/etc/nginx/nginx.conf` of the package has it, and everything that could be compressed on.
const GZIP: &str =
    "gzip on; gzip_proxied any; gzip_min_length 1; gzip_types text/event-stream application/json text/plain;";

struct Empty;

impl Reports for Empty {
    fn coverage_html(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("<p>coverage</p>".to_owned())).boxed()
    }
    fn nodes_html(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("<p>nodes</p>".to_owned())).boxed()
    }
    fn audit_html(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("<p>audit</p>".to_owned())).boxed()
    }
    fn audit_json(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("{}".to_owned())).boxed()
    }
    fn coverage_json(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("{}".to_owned())).boxed()
    }
    fn nodes_json(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("{}".to_owned())).boxed()
    }
    fn ledger_json(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        ready(Ok("{}".to_owned())).boxed()
    }
}

fn view(commit_number: u64) -> Arc<LiveView> {
    let at: jiff::Timestamp = "2026-11-22T03:20:00Z".parse().unwrap();
    Arc::new(LiveView {
        head: Head::default(),
        generated_at: at,
        source: Source::Store,
        window_s: 3600,
        collector: CollectorView {
            name: "lead".to_owned(),
            version: "0.1.0".to_owned(),
            started: at,
            store_bytes: 1,
            commit_number,
            records_per_second: 1.0,
        },
        plan: None,
        probes: Vec::new(),
        mesh: Vec::new(),
        nodes: Vec::new(),
        incidents: Vec::new(),
        ledger: LedgerTotals {
            from: None,
            to: None,
            planned: 0,
            run: 0,
            skipped: 0,
            absent: 0,
            stored: 0,
            spooled: 0,
            dropped: 0,
            damaged: 0,
            refused: 0,
            forked: 0,
            revoked: 0,
            balanced: true,
        },
        alerts: AlertsView {
            receivers: 0,
            pending: 0,
            oldest: None,
        },
        notices: Vec::new(),
    })
}

/// A page with a token, and nginx before it.
struct Site {
    nginx: Nginx,
    live: watch::Sender<Arc<LiveView>>,
    _server: JoinSet<()>,
}

impl Site {
    /// `None` without nginx.
    async fn start() -> Option<Self> {
        if !Nginx::is_installed() {
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let access = Access::new(address, Some(AccessToken::new(TOKEN).unwrap())).unwrap();
        let (live, receiver) = watch::channel(view(1));
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the clock of wrong tokens")]
        let now = tokio::time::Instant::now;
        let pages = router(receiver, Arc::new(Empty), access, now, stop.clone());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, pages, stop));
        let proxied = |path: &str| {
            format!(
                "location {path} {{ {GZIP} proxy_pass http://{address}/; proxy_set_header X-Forwarded-For $remote_addr; }}\n"
            )
        };
        let locations = format!("{}{}", proxied("/"), proxied("/mesh/"));
        let nginx = Nginx::start(&locations, &[]).expect("nginx starts");
        Some(Self {
            nginx,
            live,
            _server: server,
        })
    }

    async fn ask(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.nginx.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// The whole answer to a request that ends the connection.
    async fn answer(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let host: SocketAddr = self.nginx.http;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: text/html\r\n{headers}\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let mut said = Vec::new();
        let mut stream = self.ask(&request).await;
        timeout(SOON, stream.read_to_end(&mut said))
            .await
            .unwrap()
            .unwrap();
        Answer(String::from_utf8(said).unwrap())
    }
}

struct Answer(String);

impl Answer {
    fn status(&self) -> u16 {
        self.0.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next().unwrap();
        head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Where a link on the page at `path` leads.
fn resolve(path: &str, link: &str) -> String {
    if link.starts_with('/') {
        return link.to_owned();
    }
    let path = path.split('?').next().unwrap();
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    let mut rest = link;
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            folders.pop();
            rest = after;
        } else {
            return format!("{}/{rest}", folders.join("/"));
        }
    }
}

#[tokio::test]
async fn login_and_links_hold_behind_a_proxy_at_any_path() {
    let Some(site) = Site::start().await else { return };
    for prefix in ["/", "/mesh/"] {
        for page in ["", "report/coverage"] {
            let path = format!("{prefix}{page}");
            let form = site.answer("GET", &path, "", "").await;
            assert_eq!(form.status(), 401, "{path}");
            let action = form
                .0
                .split("action=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap();
            let action = resolve(&path, action);
            assert_eq!(action, format!("{prefix}login"), "{path}");
            let opened = site.answer("POST", &action, "", &format!("token={TOKEN}")).await;
            assert_eq!(opened.status(), 303, "{path}");
            let to = resolve(&action, opened.header("location").unwrap());
            assert_eq!(to, prefix, "{path}");
            let cookie = opened.header("set-cookie").unwrap().split(';').next().unwrap();
            let cookie = format!("Cookie: {cookie}\r\n");
            let index = site.answer("GET", &to, &cookie, "").await;
            assert_eq!(index.status(), 200);
            let script = index.0.split("src=\"").nth(1).unwrap().split('"').next().unwrap();
            let script = resolve(&to, script);
            assert_eq!(
                site.answer("GET", &script, &cookie, "").await.status(),
                200,
                "{script}"
            );
            let link = format!("{path}?token={TOKEN}");
            let opened = site.answer("GET", &link, "", "").await;
            assert_eq!(opened.status(), 303, "{link}");
            assert_eq!(
                resolve(&link, opened.header("location").unwrap()),
                prefix,
                "{link}"
            );
        }
    }
}

#[tokio::test]
async fn events_pass_nginx_as_they_come_and_uncompressed() {
    let Some(site) = Site::start().await else { return };
    for path in ["/api/live", "/mesh/api/live"] {
        let host = site.nginx.http;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\nAccept-Encoding: gzip\r\n\
             Authorization: Bearer {TOKEN}\r\n\r\n"
        );
        let mut stream = site.ask(&request).await;
        let mut said = String::new();
        let mut read_up_to = async |part: &str| {
            let mut bytes = [0; 4_096];
            while !said.contains(part) {
                let read = timeout(SOON, stream.read(&mut bytes)).await;
                let read = read.unwrap_or_else(|_| panic!("{path}: {part} did not come; so far: {said}"));
                let read = read.unwrap();
                assert_ne!(read, 0, "{path}: the stream ended: {said}");
                said.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        };
        site.live.send_replace(view(1));
        read_up_to("\"commit_number\":1,").await;
        for number in [4_711, 4_712] {
            site.live.send_replace(view(number));
            read_up_to(&format!("\"commit_number\":{number},")).await;
        }
        let head = said.split("\r\n\r\n").next().unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(!head.contains("gzip"), "{head}");
    }
}
