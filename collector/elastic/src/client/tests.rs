use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use serde_json::json;
use url::Url;

use super::*;
use crate::{Account, Period, Prefix};

fn settings(urls: &[&str]) -> Settings {
    Settings {
        urls: urls.iter().map(|url| Url::parse(url).unwrap()).collect(),
        ca: None,
        account: None,
        prefix: Prefix::default(),
        period: Period::Month,
    }
}

/// Answers every connection with `answer`, and gives what was asked.
fn node(answer: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, gives) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 8_192];
            let length = stream.read(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if asked.send(text).is_err() {
                return;
            }
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, gives)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\nconnection: close\r\n\r\n{\"took\": 1}";

#[tokio::test]
async fn request_carries_the_account_and_gives_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter2\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (url, asked) = node(OK);
    let mut settings = settings(&[&url]);
    settings.account = Some(Account::User {
        name: "ada".to_owned(),
        password_file: file.clone(),
    });
    let client = Client::new(&settings, Clock::system()).unwrap();
    let body = json!({"size": 0});
    let answer = client
        .fetch(Method::Post, "isochrone-*/_search?size=1", Some(&body))
        .await
        .unwrap();
    assert_eq!(answer, json!({"took": 1}));
    let head = asked.recv().unwrap();
    assert!(
        head.starts_with("POST /isochrone-*/_search?size=1 HTTP/1.1"),
        "{head}"
    );
    assert!(
        head.to_lowercase()
            .contains("authorization: basic ywrhomh1bnrlcji="),
        "{head}"
    );
    assert!(client.warnings().is_empty());
    assert!(!format!("{client:?}").contains("hunter2"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let client = Client::new(&settings, Clock::system()).unwrap();
    assert!(
        client.warnings()[0].contains("chmod 600"),
        "{:?}",
        client.warnings()
    );
}

#[tokio::test]
async fn node_that_is_gone_is_passed_over_and_then_set_aside() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let (url, asked) = node(OK);
    let client = Client::new(&settings(&[&dead, &url]), Clock::system()).unwrap();
    for _ in 0..3 {
        client.fetch(Method::Get, "_cluster/health", None).await.unwrap();
        asked.recv().unwrap();
    }
    let well = client.order().order(client.clock.now());
    assert_eq!(well, [1, 0], "the dead one comes last, whoever's turn it is");
}

#[tokio::test]
async fn errors_name_the_node_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "c2VjcmV0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let mut settings = settings(&[&dead]);
    settings.account = Some(Account::ApiKey { file: file.clone() });
    let client = Client::new(&settings, Clock::system()).unwrap();
    let error = client.fetch(Method::Get, "", None).await.unwrap_err();
    let words = isochrone_base::error_chain::chain(&error);
    assert!(
        words.contains(&dead) && words.contains("onnection refused"),
        "{words}"
    );
    assert!(!words.contains("c2VjcmV0"), "{words}");
    assert!(error.is_transient());
    std::fs::write(&file, "geheim \u{7f}").unwrap();
    let words = Client::new(&settings, Clock::system()).unwrap_err().to_string();
    assert!(
        words.contains("api_key_file") && !words.contains("geheim"),
        "{words}"
    );
    std::fs::remove_file(&file).unwrap();
    let words = Client::new(&settings, Clock::system()).unwrap_err().to_string();
    assert!(
        words.contains("api_key_file") && words.contains("key: the file"),
        "{words}"
    );
}

#[tokio::test]
async fn silent_node_is_given_up_and_refusals_keep_their_wait() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let client = Client::new(&settings(&[&url]), Clock::system()).unwrap();
    let client = client.with_timeout(Duration::from_millis(100));
    let error = client.fetch(Method::Get, "", None).await.unwrap_err();
    assert!(matches!(error, RequestError::TimedOut { .. }), "{error:?}");
    let (url, _asked) =
        node("HTTP/1.1 429 Too Many\r\nretry-after: 7\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
    let client = Client::new(&settings(&[&url]), Clock::system()).unwrap();
    let answer = client.request(Method::Get, "", None).await.unwrap();
    assert_eq!(
        (answer.status, answer.retry_after),
        (429, Some(Duration::from_secs(7)))
    );
    let cut = node("HTTP/1.1 200 OK\r\ncontent-length: 400\r\nconnection: close\r\n\r\n{\"took\":");
    let client = Client::new(&settings(&[&cut.0]), Clock::system()).unwrap();
    let error = client.fetch(Method::Get, "", None).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn answer_that_says_that_it_is_longer_than_any_is_not_read() {
    let (url, asked) =
        node("HTTP/1.1 200 OK\r\ncontent-length: 99000000000\r\nconnection: close\r\n\r\n{\"hits\":");
    let other = node(OK);
    let client = Client::new(&settings(&[&url, &other.0]), Clock::system()).unwrap();
    let error = client
        .fetch(Method::Post, "_search?size=1", None)
        .await
        .unwrap_err();
    let words = error.to_string();
    for word in [&*url, "/_search", "99000 MB", "67 MB"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    assert!(!error.is_transient() && error.status().is_none());
    assert!(
        asked.recv().is_ok() && other.1.try_recv().is_err(),
        "no other node was asked"
    );
}

#[test]
fn file_without_a_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, "nothing").unwrap();
    let mut settings = settings(&["https://es:9200"]);
    settings.ca = Some(file);
    let words = Client::new(&settings, Clock::system()).unwrap_err().to_string();
    assert!(
        words.contains("elasticsearch.ca") && words.contains("ca.pem"),
        "{words}"
    );
}
