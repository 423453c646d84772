//! Carrying a request to a receiver, for real or in memory.

#[cfg(test)]
mod private_root;
mod retry_after;

use std::io::{self, Read as _};
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_proto::text::cleaned;
use serde::Deserialize;
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::SecretUrl;

/// One delivery, from connect to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a receiver's refusal that are read.
const ANSWER_BYTES: u64 = 4_096;
/// Characters of a receiver's answer that are kept.
const ANSWER_MAX: usize = 200;

/// What is sent, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The receiver's name.
    pub receiver: &'static str,
    /// Its URL.
    pub url: SecretUrl,
    /// How it is asked.
    pub(crate) method: Method,
    /// The same for each delivery of the same alert: the header `Idempotency-Key`.
    pub id: String,
    /// JSON; `None` for a heartbeat.
    pub body: Option<Value>,
}

/// How a receiver is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// GET.
    Get,
    /// POST.
    Post,
}

/// Carries requests; blocks until the receiver answered or did not.
pub trait Deliver: Send + Sync + 'static {
    /// # Errors
    /// When the receiver did not take it.
    fn deliver(&self, request: &Request) -> Result<(), DeliverError>;
}

/// Why a receiver did not take an alert. Never holds the URL.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// It took too long.
    #[error("no answer: timeout: {0}")]
    TimedOut(ureq::Timeout),
    /// Its name is not known.
    #[error("no answer: host not found")]
    NoHost,
    /// No connection, or one that broke.
    #[error("no answer: io: {0}")]
    Socket(io::Error),
    /// A URL that parses and still cannot be asked.
    #[error("no answer: its URL cannot be asked")]
    BadUrl,
    /// A certificate of an authority that is not trusted.
    #[error(
        "no answer: no root leads to its certificate; name a private authority in `extra_roots` in collector.toml"
    )]
    Untrusted,
    /// No HTTP, or no TLS that can be trusted.
    #[error("no answer: {0}")]
    Protocol(ureq::Error),
    /// It says: not now.
    #[error("answered {status}: not now")]
    Busy {
        /// HTTP status.
        status: u16,
        /// When to come again, if it said so.
        retry_after: Option<Duration>,
    },
    /// It says: not this.
    #[error("answered {status}: {text}")]
    Rejected {
        /// HTTP status.
        status: u16,
        /// The beginning of its answer.
        text: String,
    },
}

impl DeliverError {
    fn of(error: ureq::Error) -> Self {
        match error {
            // what it holds is a type of the TLS library, which this crate does not know
            error if error.to_string().contains("UnknownIssuer") => Self::Untrusted,
            ureq::Error::Timeout(stage) => Self::TimedOut(stage),
            ureq::Error::HostNotFound => Self::NoHost,
            ureq::Error::Io(error) => Self::Socket(error),
            ureq::Error::BadUri(_) => Self::BadUrl, // it holds the URL
            other => Self::Protocol(other),
        }
    }
}

/// Over HTTP.
#[derive(Clone, Debug)]
pub struct HttpDeliver {
    agent: ureq::Agent,
    clock: Clock,
}

impl HttpDeliver {
    /// An agent that follows no redirect and waits 10 s at most. It trusts the authorities `roots` (DER); without any,
    /// those that browsers trust.
    #[must_use]
    pub fn new<R: AsRef<[u8]>>(roots: &[R], clock: Clock) -> Self {
        let roots: Vec<_> = roots
            .iter()
            .map(|root| Certificate::from_der(root.as_ref()))
            .collect();
        let roots: Vec<_> = roots.iter().map(Certificate::to_owned).collect();
        let tls = match roots.is_empty() {
            true => TlsConfig::default(),
            false => TlsConfig::builder()
                .root_certs(RootCerts::new_with_certs(&roots))
                .build(),
        };
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .http_status_as_error(false)
            .tls_config(tls)
            .user_agent(concat!("isochrone-collector/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = config.into();
        Self { agent, clock }
    }

    fn send(&self, request: &Request) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let url = request.url.expose();
        match (request.method, &request.body) {
            (Method::Get, _) => self.agent.get(url).call(),
            (Method::Post, None) => self.agent.post(url).send_empty(),
            (Method::Post, Some(body)) => self
                .agent
                .post(url)
                .header("content-type", "application/json")
                .header("idempotency-key", &request.id)
                .send(body.to_string()),
        }
    }
}

impl Deliver for HttpDeliver {
    fn deliver(&self, request: &Request) -> Result<(), DeliverError> {
        let mut answer = self.send(request).map_err(DeliverError::of)?;
        let status = answer.status().as_u16();
        match status {
            200..300 => Ok(()),
            408 | 425 | 429 | 500.. => {
                let header = |name: &str| answer.headers().get(name)?.to_str().ok();
                let asked = header("retry-after");
                let retry_after =
                    asked.and_then(|asked| retry_after::read(asked, header("date"), self.clock.wall()));
                Err(DeliverError::Busy { status, retry_after })
            }
            _ => {
                let mut words = Vec::new();
                let body = answer.body_mut().as_reader();
                if let Err(error) = body.take(ANSWER_BYTES).read_to_end(&mut words) {
                    tracing::debug!(%error, "a receiver's answer was cut off");
                }
                let text = String::from_utf8_lossy(&words);
                let text = cleaned(&text).split_whitespace().collect::<Vec<_>>().join(" ");
                Err(DeliverError::Rejected {
                    status,
                    text: text.chars().take(ANSWER_MAX).collect(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;

    /// Answers one request with `answer`, and returns what it got.
    fn exchange(answer: &'static str) -> (Result<(), DeliverError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            let mut buffer = [0; 4_096];
            while !String::from_utf8_lossy(&got).contains("\"n\":1}") {
                let read = socket.read(&mut buffer).unwrap();
                assert_ne!(read, 0, "the request ended early");
                got.extend_from_slice(&buffer[..read]);
            }
            drop(socket.write_all(answer.as_bytes())); // who has read enough hangs up
            String::from_utf8(got).unwrap()
        });
        let result = to_loopback().deliver(&request(port));
        (result, server.join().unwrap())
    }

    fn to_loopback() -> HttpDeliver {
        HttpDeliver::new::<&[u8]>(&[], Clock::system())
    }

    fn request(port: u16) -> Request {
        Request {
            receiver: "webhook",
            url: SecretUrl::try_from(format!("http://127.0.0.1:{port}/hook/SECRET")).unwrap(),
            method: Method::Post,
            id: "alert-1".into(),
            body: Some(json!({ "n": 1 })),
        }
    }

    #[test]
    fn post_carries_body_and_idempotency_key() {
        let (result, got) = exchange("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        assert!(result.is_ok(), "{result:?}");
        assert!(got.starts_with("POST /hook/SECRET HTTP/1.1\r\n"), "{got}");
        assert!(
            got.to_lowercase().contains("idempotency-key: alert-1\r\n"),
            "{got}"
        );
        assert!(got.contains("isochrone-collector/"), "{got}");
        assert!(got.ends_with("{\"n\":1}"), "{got}");
    }

    #[test]
    fn receiver_that_is_busy_says_when_to_come_again() {
        let (result, _) = exchange(
            "HTTP/1.1 429 Too Many\r\nretry-after: 1.5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
        let after = Duration::from_millis(1_500);
        assert!(
            matches!(result, Err(DeliverError::Busy { status: 429, retry_after: Some(told) }) if told == after),
            "{result:?}"
        );
    }

    #[test]
    fn receiver_that_is_busy_may_say_so_with_a_date() {
        let (result, _) = exchange(
            "HTTP/1.1 429 Too Many\r\ndate: Sun, 22 Nov 2026 03:00:00 GMT\r\n\
             retry-after: Sun, 22 Nov 2026 03:02:00 GMT\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
        let after = Duration::from_secs(120);
        assert!(
            matches!(result, Err(DeliverError::Busy { status: 429, retry_after: Some(told) }) if told == after),
            "{result:?}"
        );
    }

    #[test]
    fn refusal_keeps_the_receivers_words() {
        let (result, _) =
            exchange("HTTP/1.1 400 Bad\r\ncontent-length: 9\r\nconnection: close\r\n\r\nbad\n json");
        assert!(
            matches!(&result, Err(DeliverError::Rejected { status: 400, text }) if text == "bad json"),
            "{result:?}"
        );
    }

    #[test]
    fn beginning_of_a_long_refusal_is_kept() {
        let body = format!("no such hook {}\u{fffd}", "x".repeat(100_000));
        let length = body.len();
        let answer =
            format!("HTTP/1.1 404 No\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        let (result, _) = exchange(answer.leak());
        assert!(
            matches!(&result, Err(DeliverError::Rejected { status: 404, text }) if text.starts_with("no such hook xxx")),
            "{result:?}"
        );
    }

    #[test]
    fn hostile_answer_of_a_receiver_is_kept_clean() {
        let (result, _) =
            exchange("HTTP/1.1 400 Bad\r\nconnection: close\r\n\r\n\u{1b}[2Jno\u{202e}\u{7f} more\r\n");
        assert!(
            matches!(&result, Err(DeliverError::Rejected { text, .. }) if text == "?[2Jno?? more"),
            "{result:?}"
        );
    }

    #[test]
    fn dead_receiver_is_told_without_its_url() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let error = to_loopback().deliver(&request(port)).unwrap_err();
        assert!(matches!(error, DeliverError::Socket(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("SECRET"), "{error}");
    }
}
