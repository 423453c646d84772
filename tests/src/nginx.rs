//! A real nginx on loopback, with a certificate of its own authority and a log that tells every request.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use tempfile::TempDir;

/// A running nginx. Dropping it ends it and removes its folder.
pub struct Nginx {
    child: Child,
    folder: TempDir,
    /// Where it speaks HTTP.
    pub http: SocketAddr,
    /// Where it speaks HTTPS, with a certificate for `localhost` only.
    pub https: SocketAddr,
    /// The root that its certificate comes from.
    pub root: CertificateDer<'static>,
}

/// What nginx itself says of one request.
#[derive(Clone, Debug, Deserialize)]
pub struct LoggedRequest {
    /// The status it sent.
    pub status: u16,
    /// Bytes of the body that it sent.
    pub body_bytes: u64,
    /// Head and body together.
    pub bytes_sent: u64,
    /// First byte of the request read to the last of the answer sent, in seconds.
    pub request_time: f64,
    /// Until the upstream's head came, in seconds; empty without an upstream.
    pub upstream_header_time: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// `host`.
    pub host: String,
    /// `user-agent`.
    pub agent: String,
    /// `range`.
    pub range: String,
    /// `cache-control`.
    pub cache_control: String,
    /// The connection's number.
    pub connection: u64,
    /// How many requests this connection has carried, this one included.
    pub connection_requests: u64,
    /// TLS version, empty over plain HTTP.
    pub tls: String,
    /// `.` for a full handshake, `r` for a resumed one, empty over plain HTTP.
    pub reused: String,
    /// The protocol agreed on by ALPN.
    pub alpn: String,
    /// The name asked for by SNI.
    pub server_name: String,
}

/// End of the certificate's validity: 2090-01-01, in Unix seconds.
pub const CERTIFICATE_NOT_AFTER: i64 = 3_786_912_000;

impl Nginx {
    /// Whether nginx is installed. Without it prints SKIP, and fails where `CI` is set: there, a skip hides.
    pub fn is_installed() -> bool {
        if binary().is_some() {
            return true;
        }
        let reason = "nginx is not installed (apt-get install nginx)";
        assert!(
            std::env::var_os("CI").is_none(),
            "{reason}, and CI allows no skipped test"
        );
        eprintln!("SKIP: {reason}");
        false
    }

    /// Starts one whose server block holds `locations`; `{folder}` in it stands for the folder that
    /// `files` (relative path, content) are written to.
    ///
    /// # Errors
    /// If it does not come up, with its own words.
    pub fn start(locations: &str, files: &[(&str, Vec<u8>)]) -> anyhow::Result<Self> {
        let binary = binary().context("nginx is not installed")?;
        let folder = tempfile::tempdir()?;
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().context("a file has a folder")?)?;
            fs::write(path, content)?;
        }
        let root = write_certificate(folder.path())?;
        for _ in 0..PORT_ATTEMPTS {
            let [http, https] = free_ports()?;
            let config = folder.path().join("nginx.conf");
            fs::write(&config, configuration(folder.path(), http, https, locations))?;
            let mut child = Command::new(&binary)
                .arg("-p")
                .arg(folder.path())
                .arg("-c")
                .arg(&config)
                .arg("-e")
                .arg(folder.path().join("error.log"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            if comes_up(&mut child, [http, https])? {
                return Ok(Self {
                    child,
                    folder,
                    http,
                    https,
                    root,
                });
            }
        }
        bail!(
            "nginx does not start: {}",
            fs::read_to_string(folder.path().join("error.log"))?
        )
    }

    /// The first `count` requests of the log, once that many are there.
    ///
    /// # Errors
    /// If they do not come within 10 s, or more came.
    pub async fn logged(&self, count: usize) -> anyhow::Result<Vec<LoggedRequest>> {
        for _ in 0..1_000 {
            let lines = self.log_lines()?;
            if lines.len() > count {
                bail!(
                    "{} requests reached nginx instead of {count}: {lines:#?}",
                    lines.len()
                );
            }
            if lines.len() == count {
                return Ok(lines);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("nginx logged {} of {count} requests", self.log_lines()?.len())
    }

    fn log_lines(&self) -> anyhow::Result<Vec<LoggedRequest>> {
        let text = match fs::read_to_string(self.folder.path().join("access.log")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
            .collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing more to do then.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join("nginx"))
        .find(|file| file.is_file())
}

fn free_ports() -> io::Result<[SocketAddr; 2]> {
    let held = [
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    ];
    Ok([held[0].local_addr()?, held[1].local_addr()?])
}

/// False if it ended, as it does when somebody took a port meanwhile.
fn comes_up(child: &mut Child, ports: [SocketAddr; 2]) -> io::Result<bool> {
    for _ in 0..500 {
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        if ports.iter().all(|port| TcpStream::connect(port).is_ok()) {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(false)
}

fn write_certificate(folder: &Path) -> anyhow::Result<CertificateDer<'static>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(DnType::CommonName, "Isochrone test authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()])?;
    leaf.not_after = date_time_ymd(2090, 1, 1);
    fs::write(folder.join("leaf.pem"), leaf.signed_by(&key, &authority)?.pem())?;
    fs::write(folder.join("leaf.key"), key.serialize_pem())?;
    Ok(authority.der().clone())
}

fn configuration(folder: &Path, http: SocketAddr, https: SocketAddr, locations: &str) -> String {
    let folder = folder.display().to_string();
    let text = format!(
        r#"daemon off;
master_process off;
pid {{folder}}/nginx.pid;
error_log {{folder}}/error.log warn;
events {{ worker_connections 256; }}
http {{
  log_format probe escape=json '{{"status":$status,"body_bytes":$body_bytes_sent,"bytes_sent":$bytes_sent,'
    '"request_time":$request_time,"upstream_header_time":"$upstream_header_time","method":"$request_method",'
    '"uri":"$request_uri","host":"$http_host","agent":"$http_user_agent","range":"$http_range",'
    '"cache_control":"$http_cache_control","connection":$connection,"connection_requests":$connection_requests,'
    '"tls":"$ssl_protocol","reused":"$ssl_session_reused","alpn":"$ssl_alpn_protocol",'
    '"server_name":"$ssl_server_name"}}';
  access_log {{folder}}/access.log probe;
  client_body_temp_path {{folder}}/tmp-body;
  proxy_temp_path {{folder}}/tmp-proxy;
  fastcgi_temp_path {{folder}}/tmp-fastcgi;
  uwsgi_temp_path {{folder}}/tmp-uwsgi;
  scgi_temp_path {{folder}}/tmp-scgi;
  default_type application/octet-stream;
  tcp_nodelay on;
  keepalive_timeout 75s;               # whoever keeps a connection would be seen to
  ssl_session_cache shared:probe:1m;   # and whoever resumes a session
  ssl_session_tickets on;
  server {{
    listen {http};
    listen {https} ssl;
    ssl_protocols TLSv1.2 TLSv1.3; # 1.22 leaves 1.3 out by default
    ssl_certificate {{folder}}/leaf.pem;
    ssl_certificate_key {{folder}}/leaf.key;
{locations}
  }}
}}
"#
    );
    text.replace("{folder}", &folder)
}

const PORT_ATTEMPTS: usize = 5;
