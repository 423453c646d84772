//! A receiver of alerts that keeps them as they came.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// It listens until the test process ends.
pub(crate) struct Webhook {
    address: SocketAddr,
    alerts: Arc<Mutex<Vec<Value>>>,
}

impl Webhook {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, alerts) = (listener.local_addr().unwrap(), Arc::default());
        let kept: Arc<Mutex<Vec<Value>>> = Arc::clone(&alerts);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let alert = take(stream.unwrap());
                kept.lock().unwrap().push(alert);
            }
        });
        Self { address, alerts }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/alerts", self.address)
    }

    /// Every alert, in the order they came.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.alerts.lock().unwrap().clone()
    }
}

/// Reads one POST, whose header says the alert's id too, and says 204.
fn take(mut stream: TcpStream) -> Value {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut length, mut key) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let header = line.trim_end().split_once(": ");
        match header.map(|(name, value)| (name.to_lowercase(), value)) {
            Some((name, bytes)) if name == "content-length" => length = bytes.parse().unwrap(),
            Some((name, id)) if name == "idempotency-key" => id.clone_into(&mut key),
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        .unwrap();
    let alert: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(alert["id"], key);
    alert
}
