//! A small HTTP client that says exactly what a test tells it to.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fixture::Web;

/// An answer that was read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("the body is JSON")
    }
}

impl Web {
    pub(super) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(super) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, "").await
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut socket = request(self, method, path, headers, body).await;
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).await.expect("an answer");
        let text = String::from_utf8(bytes).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let (status, headers) = parse(head);
        Answer {
            status,
            headers,
            body: body.to_owned(),
        }
    }
}

/// An event stream that stays open.
pub(super) struct Stream {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    socket: TcpStream,
    raw: Vec<u8>,
    text: String,
}

impl Stream {
    pub(super) async fn open(web: &Web, headers: &[(&str, &str)]) -> Self {
        let mut socket = request(web, "GET", "/api/live", headers, "").await;
        let mut raw = Vec::new();
        let end = loop {
            if let Some(end) = position(&raw, b"\r\n\r\n") {
                break end;
            }
            assert_ne!(
                socket.read_buf(&mut raw).await.expect("a head"),
                0,
                "the head ended early"
            );
        };
        let (status, headers) = parse(std::str::from_utf8(&raw[..end]).expect("UTF-8"));
        raw.drain(..end + 4);
        Self {
            status,
            headers,
            socket,
            raw,
            text: String::new(),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The next event's name and data; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<(String, serde_json::Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                let found = field("event: ").zip(field("data: "));
                self.text = rest.to_owned();
                match found {
                    Some((name, data)) => return Some((name, serde_json::from_str(&data).expect("JSON"))),
                    None => continue, // a keep-alive comment
                }
            }
            if !self.read_chunk().await {
                return None;
            }
        }
    }

    /// Takes one chunk of the chunked body; false at its end.
    async fn read_chunk(&mut self) -> bool {
        loop {
            if let Some(end) = position(&self.raw, b"\r\n") {
                let size = std::str::from_utf8(&self.raw[..end]).expect("UTF-8");
                let size = usize::from_str_radix(size, 16).expect("a chunk's size");
                if size == 0 {
                    return false;
                }
                if self.raw.len() >= end + 2 + size + 2 {
                    let chunk = std::str::from_utf8(&self.raw[end + 2..end + 2 + size]).expect("UTF-8");
                    self.text.push_str(chunk);
                    self.raw.drain(..end + 2 + size + 2);
                    return true;
                }
            }
            if self.socket.read_buf(&mut self.raw).await.unwrap_or(0) == 0 {
                return false;
            }
        }
    }
}

async fn request(web: &Web, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(web.address).await.expect("the server listens");
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    if !headers.iter().any(|(name, _)| *name == "Host") {
        head.push_str(&format!("Host: {}\r\n", web.address));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    socket
        .write_all(format!("{head}\r\n{body}").as_bytes())
        .await
        .expect("a request");
    socket
}

fn parse(head: &str) -> (u16, Vec<(String, String)>) {
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .expect("a status line");
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    (status.parse().expect("a status"), headers)
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn position(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}
