//! Networks and authorities for tests: streams in memory, and certificates good and bad.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::DuplexStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Connection, Dial};

/// A public address: nothing is dialled there, the streams are in memory.
pub(crate) const NODE: &str = "8.8.8.8";
/// 2090-01-01 in Unix seconds: when a good certificate ends.
pub(crate) const NOT_AFTER: i64 = 3_786_912_000;

pub(crate) fn now() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests read tokio's clock, which is paused in most"
    )]
    tokio::time::Instant::now().into_std()
}

pub(crate) type Script = Arc<dyn Fn(DuplexStream) -> BoxFuture<'static, ()> + Send + Sync>;

/// A network in memory: each connection runs the script at its other end.
pub(crate) struct Memory {
    script: Script,
    pub(crate) connect_takes: Duration,
    dialled: AtomicU32,
    servers: Mutex<JoinSet<()>>,
}

impl Memory {
    pub(crate) fn new<F>(script: impl Fn(DuplexStream) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let script: Script = Arc::new(move |stream| Box::pin(script(stream)));
        let (connect_takes, dialled) = (Duration::ZERO, AtomicU32::new(0));
        Arc::new(Self {
            script,
            connect_takes,
            dialled,
            servers: Mutex::new(JoinSet::new()),
        })
    }

    pub(crate) fn dialled(&self) -> u32 {
        self.dialled.load(Ordering::SeqCst)
    }
}

impl Dial for Memory {
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, std::io::Result<Connection>> {
        Box::pin(async move {
            self.dialled.fetch_add(1, Ordering::SeqCst);
            sleep(self.connect_takes).await;
            let (near, far) = tokio::io::duplex(64 << 10);
            self.servers.lock().unwrap().spawn((self.script)(far));
            let local = SocketAddr::from(([1, 1, 1, 1], 50_000));
            Ok(Connection {
                stream: Box::new(near),
                local,
                remote: to,
            })
        })
    }
}

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority() -> Authority {
    authority_called("Test Authority")
}

pub(crate) fn authority_called(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(crate) fn leaf(
    authority: &Authority,
    name: &str,
    shape: impl FnOnce(&mut CertificateParams),
) -> Arc<rustls::ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_after = date_time_ymd(2090, 1, 1);
    shape(&mut params);
    let certificate: CertificateDer<'static> = params.signed_by(&key, authority).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(
        config
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap(),
    )
}
