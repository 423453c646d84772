//! A receiver with a certificate of an authority of one's own, served by OpenSSL.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use isochrone_base::clock::Clock;

use super::{Deliver, DeliverError, HttpDeliver, Method, Request};
use crate::alert::SecretUrl;

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Debian has it at hand; elsewhere the test is skipped, but not in CI.
fn is_installed() -> bool {
    if Command::new("openssl").arg("version").output().is_ok() {
        return true;
    }
    let reason = "openssl is not installed (apt-get install openssl)";
    assert!(
        std::env::var_os("CI").is_none(),
        "{reason}, and CI allows no skipped test"
    );
    eprintln!("SKIP: {reason}");
    false
}

fn openssl(folder: &Path, line: &str) {
    let output = Command::new("openssl")
        .args(line.split(' '))
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {line}: {said}");
}

/// A server of 127.0.0.1, and its authority in the folder as `ca.der`.
fn serving(folder: &Path) -> Server {
    for line in [
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=Own -keyout ca.key -out ca.pem",
        "x509 -in ca.pem -outform der -out ca.der",
        "req -newkey rsa:2048 -nodes -subj /CN=hook -addext subjectAltName=IP:127.0.0.1 -keyout hook.key -out hook.csr",
        "x509 -req -in hook.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -copy_extensions copy -out hook.pem",
    ] {
        openssl(folder, line);
    }
    let mut child = Command::new("openssl")
        .args("s_server -accept 127.0.0.1:0 -cert hook.pem -key hook.key -www".split(' '))
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = loop {
        let line = lines.next().expect("it says its port").unwrap();
        if let Some(port) = line.strip_prefix("ACCEPT 127.0.0.1:") {
            break port.trim().parse().unwrap();
        }
    };
    Server { child, port }
}

#[test]
fn receiver_of_an_own_authority_is_reached_where_its_root_is_named() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = serving(folder.path());
    let request = Request {
        receiver: "heartbeat",
        url: SecretUrl::try_from(format!("https://127.0.0.1:{}/beat", server.port)).unwrap(),
        method: Method::Get,
        id: "beat".into(),
        body: None,
    };
    let root = std::fs::read(folder.path().join("ca.der")).unwrap();
    let result = HttpDeliver::new(&[root], Clock::system()).deliver(&request);
    assert!(result.is_ok(), "{result:?}");
    let result = HttpDeliver::new::<&[u8]>(&[], Clock::system()).deliver(&request);
    assert!(matches!(result, Err(DeliverError::Untrusted)), "{result:?}");
}
