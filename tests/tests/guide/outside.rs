//! What is no server of the mesh: two nodes, a receiver of alerts, and the authority that their names trust.

use std::io::{self, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use isochrone_collector::demo::argus_node::{ArgusNode, NodeConfig, Object};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::runtime::Runtime;

/// The addresses at the outer end of the wire. They look public; nothing leaves.
pub(crate) const ADDRESSES: [&str; 3] = [BERLIN, TOKYO, ALERTS];
const BERLIN: &str = "88.99.5.5";
const TOKYO: &str = "133.18.7.7";
const ALERTS: &str = "52.10.10.10";
/// What the nodes must serve.
const ASSET: u64 = 1343;
/// Until an alert must have come. It is told within 15 s of virtual time (`figures -- health`).
const ALERT: Duration = Duration::from_secs(60);

/// The world outside.
pub(crate) struct Outside {
    runtime: Runtime,
    tokyo: ArgusNode,
    _berlin: ArgusNode,
    alerts: Arc<Alerts>,
    /// The authority's certificate, which every server's trust store holds.
    pub(crate) authority: String,
}

/// Alerts that came, as JSON.
#[derive(Default)]
struct Alerts {
    came: Mutex<Vec<Value>>,
    more: Condvar,
}

/// Names of the world, for `/etc/hosts`.
pub(crate) fn hosts(lead: &str) -> String {
    format!(
        "127.0.0.1 localhost\n{lead} lead.example.org\n{BERLIN} node.example.org\n{TOKYO} tokyo.example.org\n\
         {ALERTS} alerts.example.org\n"
    )
}

impl Outside {
    /// Starts it all.
    pub(crate) fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Guide's test authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let runtime = Runtime::new().unwrap();
        let node = |name: &str, address: &str| {
            let config = NodeConfig {
                listen: format!("{address}:443").parse().unwrap(),
                tls: Some(certified(name, &authority)),
                id: name.to_owned(),
                ..NodeConfig::default()
            };
            runtime
                .block_on(ArgusNode::start(config, vec![Object::new(ASSET, 64 << 10, true)]))
                .unwrap()
        };
        let alerts = Arc::<Alerts>::default();
        let (listener, receiver) = (TcpListener::bind((ALERTS, 80)).unwrap(), Arc::clone(&alerts));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let receiver = Arc::clone(&receiver);
                std::thread::spawn(move || receiver.serve(&stream));
            }
        });
        Self {
            tokyo: node("tokyo.example.org", TOKYO),
            _berlin: node("node.example.org", BERLIN),
            authority: authority.pem(),
            runtime,
            alerts,
        }
    }

    /// Tokyo's node breaks down: its port refuses.
    pub(crate) fn kill_tokyo(&self) {
        self.runtime.block_on(self.tokyo.kill());
    }

    /// It is started again.
    pub(crate) fn restart_tokyo(&self) {
        self.runtime.block_on(self.tokyo.restart()).unwrap();
    }

    /// The first alert that `fits`, of those that came and those to come.
    pub(crate) fn alert(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let came = self.alerts.came.lock().unwrap();
        let none = |came: &mut Vec<Value>| !came.iter().any(&fits);
        let (came, late) = self.alerts.more.wait_timeout_while(came, ALERT, none).unwrap();
        assert!(
            !late.timed_out(),
            "no such alert came within {ALERT:?}: {came:#?}"
        );
        came.iter().find(|alert| fits(alert)).unwrap().clone()
    }
}

impl Alerts {
    /// Takes what comes over one connection.
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(body)) = posted(&mut reader) {
            self.came
                .lock()
                .unwrap()
                .push(serde_json::from_slice(&body).unwrap());
            self.more.notify_all();
            let mut answer = stream;
            if answer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
                return;
            }
        }
    }
}

/// The body of the next request; `None` at the end.
fn posted(reader: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 0 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line == "\r\n" {
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            return Ok(Some(body));
        }
        line.clear();
    }
    Ok(None)
}

fn certified(name: &str, authority: &CertifiedIssuer<'static, KeyPair>) -> Arc<rustls::ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    leaf.not_after = date_time_ymd(2090, 1, 1);
    let chain = vec![leaf.signed_by(&key, authority).unwrap().der().clone()];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
}
