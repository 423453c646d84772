//! What is no server of the mesh: two nodes, a receiver of alerts, a name server, and the authority that all trust.

use std::io::{self, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use isochrone_collector::demo::argus_node::{ArgusNode, NodeConfig, Object};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::runtime::Runtime;

/// The addresses at the outer end of the wire. They look public; nothing leaves.
pub(crate) const ADDRESSES: [&str; 4] = [BERLIN, TOKYO, ALERTS, NAMES];
/// The lead's server.
pub(crate) const LEAD: &str = "91.10.0.2";
const BERLIN: &str = "88.99.5.5";
const TOKYO: &str = "133.18.7.7";
const ALERTS: &str = "52.10.10.10";
const NAMES: &str = "9.9.9.9";
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

/// The files of every server's `/etc` that lead to the world outside.
pub(crate) fn etc(authority: &str) -> [(&'static str, String); 3] {
    [
        ("hosts", "127.0.0.1 localhost\n".to_owned()),
        ("resolv.conf", format!("nameserver {NAMES}\n")),
        ("ssl/certs/ca-certificates.crt", authority.to_owned()),
    ]
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
        let names = UdpSocket::bind((NAMES, 53)).unwrap();
        std::thread::spawn(move || serve_names(&names));
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

/// A name server that knows IPv4 addresses; of any other type a name has none.
fn serve_names(socket: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut question) {
        if let Some(answer) = answer_to(&question[..length]) {
            drop(socket.send_to(&answer, from)); // they ask again
        }
    }
}

/// RFC 1035, one question.
fn answer_to(question: &[u8]) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let mut labels = Vec::new();
    let mut at = HEADER;
    while let Some(length) = question
        .get(at)
        .map(|&length| usize::from(length))
        .filter(|&l| l > 0)
    {
        labels.push(String::from_utf8_lossy(question.get(at + 1..=at + length)?).to_lowercase());
        at += 1 + length;
    }
    let asked = question.get(HEADER..at + 5)?;
    let is_ipv4 = question[at + 1..at + 3] == [0, 1];
    let address = match labels.join(".").as_str() {
        "lead.example.org" => Some(LEAD),
        "node.example.org" => Some(BERLIN),
        "tokyo.example.org" => Some(TOKYO),
        "alerts.example.org" => Some(ALERTS),
        _ => None,
    };
    let code = if address.is_some() { 0x80 } else { 0x83 }; // no such name
    let answers = u8::from(is_ipv4 && address.is_some());
    let mut answer = vec![question[0], question[1], 0x81, code, 0, 1, 0, answers, 0, 0, 0, 0];
    answer.extend(asked);
    if let Some(address) = address.filter(|_| is_ipv4) {
        answer.extend([0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address.parse::<Ipv4Addr>().unwrap().octets());
    }
    Some(answer)
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
