use std::sync::Arc;

use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    measure: MeasureArgs,
}

fn args(line: &str) -> MeasureArgs {
    Command::try_parse_from(std::iter::once("measure").chain(line.split_whitespace()))
        .unwrap()
        .measure
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "tests read the real clock")]
    Instant::now()
}

async fn run(line: &str) -> Measured {
    measure(&args(line), &[], TlsRoots::only(vec![]).unwrap(), now)
        .await
        .unwrap()
}

/// Answers like a node: status, HEAD and ranged GET of one object, 404 for the rest.
async fn node() -> (String, JoinSet<()>) {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("http://{}/distributor", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            let path = request.split(' ').nth(1).unwrap();
            let status = r#"{"id":"n","version":"2.1.2","objectsInCache":5,"storageLimit":9,"storageUsed":1,"uptime":90061,"downloadsInProgress":0}"#;
            let missing = "{\"message\":   \"Data object\n\n  does not exist\"}";
            let answer = match path {
                "/distributor/api/v1/status" => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{status}", status.len()),
                "/distributor/api/v1/assets/1" if request.starts_with("HEAD") => "HTTP/1.1 200 OK\r\nx-cache: hit\r\ncontent-length: 5\r\n\r\n".to_owned(),
                "/distributor/api/v1/assets/1" => "HTTP/1.1 206 X\r\nx-cache: hit\r\nx-data-source: local\r\ncontent-range: bytes 0-4/5\r\ncontent-length: 5\r\n\r\nhello".to_owned(),
                "/distributor/api/v1/assets/8" if request.starts_with("HEAD") => "HTTP/1.1 200 OK\r\nx-cache: hit\r\ncontent-length: 9000000\r\n\r\n".to_owned(),
                "/distributor/api/v1/assets/8" => {
                    let range = request.split("bytes=0-").nth(1).unwrap();
                    let bytes = range.split('\r').next().unwrap().parse::<usize>().unwrap() + 1;
                    let head = format!("HTTP/1.1 206 X\r\nx-cache: hit\r\ncontent-range: bytes 0-{}/9000000\r\ncontent-length: {bytes}\r\n\r\n", bytes - 1);
                    head + &"x".repeat(bytes)
                }
                _ => format!("HTTP/1.1 404 X\r\ntiming-allow-origin: *\r\ncontent-length: {}\r\n\r\n{}", missing.len(), if request.starts_with("HEAD") { "" } else { missing }),
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, tasks)
}

#[tokio::test]
async fn throughput_is_asked_for_by_name_and_told_in_megabits() {
    let (url, _tasks) = node().await;
    let asked = format!("{url} --asset 8 --throughput --allow-private 127.0.0.0/8");
    let measured = run(&asked).await;
    let (kind, _) = measured.checks().last().unwrap();
    assert_eq!(kind.to_string(), "throughput4");
    let text = measured.print(MeasureFormat::Text);
    assert!(text.contains(" Mbps from the first byte"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&measured.print(MeasureFormat::Json)).unwrap();
    assert!(json["checks"][3]["mbps"].as_f64().unwrap() > 1.0, "{json}");
    assert!(json["checks"][2].get("mbps").is_none(), "{json}");

    let small = run(&asked.replace("--asset 8", "--asset 1")).await;
    assert!(!small.works());
    let text = small.print(MeasureFormat::Text);
    assert!(
        text.contains("5 bytes came") && text.contains("larger object"),
        "{text}"
    );
    assert!(
        Command::try_parse_from(["measure", "u", "--throughput"]).is_err(),
        "of no object"
    );
}

#[tokio::test]
async fn argus_node_is_measured_by_three_checks_each_with_its_phases() {
    let (url, _tasks) = node().await;
    let measured = run(&format!("{url} --asset 1 --allow-private 127.0.0.0/8")).await;
    assert!(measured.works());
    let kinds: Vec<_> = measured
        .checks()
        .iter()
        .map(|(kind, _)| kind.to_string())
        .collect();
    assert_eq!(kinds, ["status4", "asset-head4", "asset-get4"]);
    let text = measured.print(MeasureFormat::Text);
    for words in [
        "lacks its trailing slash",
        "Argus 2.1.2, up 1day 1h 1m 1s",
        "x-cache hit",
        "first byte",
        "unattributed",
        "total",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 140), "{text}");
    let json: serde_json::Value = serde_json::from_str(&measured.print(MeasureFormat::Json)).unwrap();
    assert_eq!(
        (&json["schema"], &json["checks"][2]["x_cache"]),
        (&"isochrone.measure/1".into(), &"hit".into())
    );
    let phases = &json["checks"][0]["phases"];
    let sum: f64 = [
        "resolve_ms",
        "connect_ms",
        "tls_ms",
        "first_byte_ms",
        "transfer_ms",
        "unattributed_ms",
    ]
    .map(|name| phases[name].as_f64().unwrap_or_default())
    .iter()
    .sum();
    assert!(
        (sum - phases["total_ms"].as_f64().unwrap()).abs() < 1e-6,
        "{phases}"
    );
}

#[tokio::test]
async fn connection_alone_is_measured_with_its_phases_and_nothing_is_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        bytes
    });
    let measured = run(&format!(
        "http://{address}/ --connect --allow-private 127.0.0.0/8"
    ))
    .await;
    assert!(measured.works());
    assert_eq!(server.join_next().await.unwrap().unwrap(), b"");
    let text = measured.print(MeasureFormat::Text);
    assert!(
        text.contains(&format!("connect4  {address}  connected")),
        "{text}"
    );
    assert!(text.contains("total") && !text.contains("first byte"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&measured.print(MeasureFormat::Json)).unwrap();
    let check = &json["checks"][0];
    assert_eq!(
        (&check["kind"], &check["outcome"]),
        (&"connect4".into(), &"connected".into())
    );
    let mut phases = check["phases"].as_object().unwrap().clone();
    let total = phases.remove("total_ms").unwrap().as_f64().unwrap();
    let sum: f64 = phases.values().filter_map(serde_json::Value::as_f64).sum();
    assert_eq!(phases.len(), 4);
    assert!(
        phases["resolve_ms"].is_null() && phases["tls_ms"].is_null(),
        "{check}"
    );
    assert!(!text.contains("resolve") && !text.contains("tls"), "{text}");
    assert!((sum - total).abs() < 1e-6, "{check}");
}

#[tokio::test]
async fn refused_connection_fails_in_the_words_of_the_store() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let measured = run(&format!(
        "http://{address}/ --connect --allow-private 127.0.0.0/8"
    ))
    .await;
    assert!(!measured.works());
    let json: serde_json::Value = serde_json::from_str(&measured.print(MeasureFormat::Json)).unwrap();
    let check = &json["checks"][0];
    assert_eq!(
        (&check["outcome"], &check["phase"], &check["cause"]),
        (
            &"failed".into(),
            &"connect".into(),
            &FailureCause::Refused.word().into()
        )
    );
    assert!(check.get("phases").is_none());
}

#[test]
fn connection_alone_excludes_the_checks_of_a_node() {
    let parse = |line: &str| Command::try_parse_from(line.split_whitespace());
    assert!(parse("measure h.example --connect").is_ok());
    assert!(parse("measure h.example --connect --argus").is_err());
    assert!(parse("measure h.example --connect --asset 1").is_err());
}

#[tokio::test]
async fn missing_object_is_told_without_a_latency() {
    let (url, _tasks) = node().await;
    let measured = run(&format!("{url}/ --asset 2 --allow-private 127.0.0.0/8")).await;
    assert!(measured.works(), "the node is up");
    let json: serde_json::Value = serde_json::from_str(&measured.print(MeasureFormat::Json)).unwrap();
    assert_eq!(
        (&json["checks"][2]["outcome"], &json["checks"][2]["cause"]),
        (&"absent".into(), &"not-found".into())
    );
    assert!(json["checks"][2].get("phases").is_none());
    assert!(
        measured
            .print(MeasureFormat::Text)
            .contains("the node is up, and does not know this object")
    );
    let text = measured.print(MeasureFormat::Text);
    assert!(
        text.lines()
            .all(|line| !line.trim_start().contains("Data object  ")),
        "{text}"
    );
}

#[tokio::test]
async fn private_target_is_refused_with_the_way_to_open_it() {
    let measured = run("http://127.0.0.1:1/").await;
    assert!(!measured.works());
    let text = measured.print(MeasureFormat::Text);
    assert!(
        text.contains("FAILED in resolve (forbidden-address)")
            && text.contains("--allow-private 127.0.0.0/8,"),
        "{text}"
    );
    assert!(!text.contains("total"), "a failure shows no phases:\n{text}");
}

#[tokio::test]
async fn target_that_is_no_url_is_an_error_and_a_bare_host_is_https() {
    let failed = measure(&args("ftp://h/"), &[], TlsRoots::only(vec![]).unwrap(), now).await;
    assert!(matches!(failed, Err(MeasureError::Target(BadUrl::Scheme { .. }))));
    assert_eq!(
        parse_target("node.example.org", false).unwrap().as_str(),
        "https://node.example.org/"
    );
    assert_eq!(
        parse_target("node.example.org:8443/d/", true).unwrap().as_str(),
        "https://node.example.org:8443/d/"
    );
}

#[test]
fn families_follow_the_flags_and_the_literal() {
    let of = |line: &str| families(&args(line), &parse_target(&args(line).target, false).unwrap());
    assert_eq!(of("h.example"), [Family::V4, Family::V6]);
    assert_eq!(of("h.example -4"), [Family::V4]);
    assert_eq!(of("h.example -6"), [Family::V6]);
    assert_eq!(of("http://[::1]/"), [Family::V6]);
}

#[tokio::test]
async fn base_url_of_a_node_is_recognised_without_being_told() {
    let (url, _tasks) = node().await;
    let measured = run(&format!("{url}/ --allow-private 127.0.0.0/8")).await;
    assert!(measured.works(), "{}", measured.print(MeasureFormat::Text));
    let kinds: Vec<_> = measured
        .checks()
        .iter()
        .map(|(kind, _)| kind.to_string())
        .collect();
    assert_eq!(kinds, ["status4"]);
    let text = measured.print(MeasureFormat::Text);
    assert!(
        text.contains("base URL of an Argus node")
            && text.contains("--argus")
            && text.contains("Argus 2.1.2"),
        "{text}"
    );
    let json: serde_json::Value = serde_json::from_str(&measured.print(MeasureFormat::Json)).unwrap();
    assert!(
        json["checks"][0]["lints"][0].as_str().unwrap().contains("Argus"),
        "{json}"
    );
}

#[tokio::test]
async fn plain_server_without_a_scheme_is_told_how_to_ask_it() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bare = listener.local_addr().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 512];
            let _read = stream.read(&mut hello).await;
            let _sent = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for how in ["", " --connect"] {
        let measured = run(&format!("{bare}/ --allow-private 127.0.0.0/8{how}")).await;
        let text = measured.print(MeasureFormat::Text);
        assert!(text.contains("write http:// before it"), "{how}: {text}");
        let named = run(&format!("https://{bare}/ --allow-private 127.0.0.0/8{how}")).await;
        let text = named.print(MeasureFormat::Text);
        assert!(!text.contains("write http://"), "it was named: {text}");
    }
}

#[tokio::test]
async fn page_that_is_not_there_stays_a_failure() {
    let (url, _tasks) = node().await;
    let measured = run(&format!("{url}/elsewhere --allow-private 127.0.0.0/8")).await;
    assert!(!measured.works());
    assert!(
        measured
            .print(MeasureFormat::Text)
            .contains("FAILED in verify (bad-status): 404")
    );
}

#[test]
fn advice_fits_how_far_a_check_came() {
    let advised = |phase, cause: FailureCause| {
        let failure = Failure {
            phase,
            cause: cause.into(),
            text: Default::default(),
            elapsed: std::time::Duration::ZERO,
        };
        advice::advice(&failure, None).into_owned()
    };
    use isochrone_proto::measurement::Phase;
    assert!(advised(Phase::Connect, FailureCause::Timeout).contains("firewall"));
    for later in [Phase::Tls, Phase::Request, Phase::FirstByte, Phase::Transfer] {
        let advice = advised(later, FailureCause::Timeout);
        assert!(!advice.contains("firewall"), "{later:?}: {advice}");
    }
    assert!(advised(Phase::Resolve, FailureCause::ServFail).contains("DNSSEC"));
    assert!(advised(Phase::Tls, FailureCause::CertificateUnknownIssuer).contains("extra_roots"));
    assert!(!advised(Phase::FirstByte, FailureCause::BadHttp).contains("does not speak"));
}

/// It clears a screen, turns writing, and would be a line of its own.
const HOSTILE: &str = "seen\u{1b}[2J\u{202e}\n  total             0.001 ms\u{9b}\0";

/// The same where a header bears it: without what ends or breaks one.
const HOSTILE_HEADER: &str = "seen\u{202e}\u{2800}\u{200b}total";

/// Answers as `head` and `body` say, whatever it is asked.
async fn saying(head: String, body: String) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let length = body.len();
            let body = if request.starts_with(b"HEAD") { "" } else { &body };
            let said = format!("{head}content-length: {length}\r\n\r\n{body}");
            stream.write_all(said.as_bytes()).await.unwrap();
        }
    });
    (url, tasks)
}

#[tokio::test]
async fn words_of_a_node_forge_no_line_of_a_measurement() {
    let escaped = serde_json::to_string(HOSTILE).unwrap();
    let status = format!(
        r#"{{"id":{escaped},"version":{escaped},"objectsInCache":5,"storageLimit":9,"storageUsed":1,"uptime":1,"downloadsInProgress":0,
        "nodeEnv":{escaped},"queryNodeStatus":{{"url":{escaped},"packageVersion":{escaped}}}}}"#
    );
    let header = |name: &str| format!("HTTP/1.1 200 OK\r\n{name}: {HOSTILE_HEADER}\r\n");
    let answers = [
        ("HTTP/1.1 200 OK\r\n".to_owned(), status),
        ("HTTP/1.1 500 No\r\n".to_owned(), HOSTILE.to_owned()),
        (
            "HTTP/1.1 404 No\r\n".to_owned(),
            format!("{{\"message\":{}}}", escaped.replacen('"', "\"Data object ", 1)),
        ),
        (
            format!("HTTP/1.1 302 No\r\nlocation: {HOSTILE_HEADER}\r\n"),
            String::new(),
        ),
        (header("x-cache"), "abc".to_owned()),
        (
            format!("HTTP/1.1 206 OK\r\ncontent-range: {HOSTILE_HEADER}\r\n"),
            "abc".to_owned(),
        ),
        (format!("{HOSTILE}\r\n"), String::new()),
    ];
    for (head, body) in answers {
        let (url, _tasks) = saying(head, body).await;
        let measured = run(&format!("{url} --asset 1 --allow-private 127.0.0.0/8")).await;
        let text = measured.print(MeasureFormat::Text);
        assert!(text.contains("seen"), "it quotes them: {text}");
        assert!(text.lines().all(isochrone_proto::text::is_clean), "{text:?}");
        assert!(
            !text.contains("\n  total             0.001 ms"),
            "a line is forged: {text}"
        );
        let json = measured.print(MeasureFormat::Json);
        assert!(json.lines().all(isochrone_proto::text::is_clean), "{json:?}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        each_text(&value, &|text| {
            assert!(isochrone_proto::text::is_clean(text), "{text:?}");
        });
    }
}

fn each_text(value: &serde_json::Value, look: &impl Fn(&str)) {
    match value {
        serde_json::Value::String(text) => look(text),
        serde_json::Value::Array(values) => values.iter().for_each(|value| each_text(value, look)),
        serde_json::Value::Object(fields) => fields.values().for_each(|value| each_text(value, look)),
        _ => {}
    }
}
