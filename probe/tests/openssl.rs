//! `measure` against OpenSSL's own server: authorities of one's own, and curves that the probe's TLS library lacks.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A folder, its server while it lasts.
struct Server {
    folder: PathBuf,
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output();
    let output = output.expect("openssl runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
}

/// Debian has it at hand; elsewhere a test is skipped, but not in CI.
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

/// A server whose authority and whose own key lie on these curves; `digest`: of its authority's signatures.
fn serving(name: &str, (authority, own): (&str, &str), digest: &str) -> Server {
    let folder = std::env::temp_dir().join(format!("isochrone-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let curve = |curve: &str| format!("ec_paramgen_curve:{curve}");
    let (authority, own) = (curve(authority), curve(own));
    openssl(
        &folder,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            &authority,
            "-nodes",
            digest,
            "-days",
            "30",
            "-subj",
            "/CN=Test Authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ],
    );
    openssl(
        &folder,
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            &own,
            "-nodes",
            "-subj",
            "/CN=node",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            "node.key",
            "-out",
            "node.csr",
        ],
    );
    openssl(
        &folder,
        &[
            "x509",
            "-req",
            "-in",
            "node.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            digest,
            "-days",
            "30",
            "-copy_extensions",
            "copy",
            "-out",
            "node.pem",
        ],
    );
    let mut child = Command::new("openssl")
        .args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            "node.pem",
            "-key",
            "node.key",
            "-www",
        ])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl serves");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let port = loop {
        let line = lines.next().expect("it says its port").expect("text");
        if let Some(port) = line.strip_prefix("ACCEPT 127.0.0.1:") {
            break port.trim().parse().expect("a port");
        }
    };
    std::fs::write(
        folder.join("with.toml"),
        format!("{OPEN}extra_roots = [\"ca.pem\"]\n"),
    )
    .expect("a file");
    std::fs::write(folder.join("without.toml"), OPEN).expect("a file");
    Server { folder, child, port }
}

const OPEN: &str = "allow_private = [\"127.0.0.0/8\"]\n";

/// The one check of `measure`, with the configuration of this name.
fn measured(server: &Server, config: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_isochrone-probe"))
        .arg("--config")
        .arg(server.folder.join(config))
        .arg("measure")
        .arg(format!("https://127.0.0.1:{}/", server.port))
        .args(["--connect", "--format", "json"])
        .output()
        .expect("the binary runs");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{error}: {said}")
    });
    value["checks"][0].clone()
}

#[test]
fn root_of_ones_own_is_trusted_where_the_local_file_names_it() {
    if !is_installed() {
        return;
    }
    let server = serving("own-root", ("P-256", "P-256"), "-sha256");
    assert_eq!(measured(&server, "with.toml")["outcome"], "connected");
    let refused = measured(&server, "without.toml");
    assert_eq!(refused["cause"], "certificate-unknown-issuer", "{refused}");
}

#[test]
fn authority_on_p_521_is_a_limit_of_the_probe_and_no_failure_of_the_node() {
    if !is_installed() {
        return;
    }
    for (name, digest) in [("p521-sha512", "-sha512"), ("p521-sha256", "-sha256")] {
        let server = serving(name, ("P-521", "P-256"), digest);
        let check = measured(&server, "with.toml");
        assert_eq!(check["cause"], "local", "{check}");
        let text = check["text"].as_str().expect("words");
        assert!(
            text.starts_with("this probe cannot measure it: ") && text.contains("P-521"),
            "{text}"
        );
    }
}

#[test]
fn server_with_a_key_on_p_521_refuses_and_the_limit_is_told() {
    if !is_installed() {
        return;
    }
    let server = serving("p521-key", ("P-256", "P-521"), "-sha256");
    let check = measured(&server, "with.toml");
    assert_eq!(
        check["cause"], "tls-alert",
        "the node may be the one at fault: {check}"
    );
    let text = check["text"].as_str().expect("words");
    assert!(text.contains("no P-521"), "{text}");
}
