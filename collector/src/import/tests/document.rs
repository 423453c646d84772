//! docs/vantages.md, carried out: what it fetches comes from a server on this machine, never from the platforms.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command as Process;
use std::sync::{Arc, Mutex};

use super::*;

/// What a command of the document is expected to say, in its order.
const STEPS: &[(&str, Expected)] = &[
    // what to measure next needs own measurements, as reports do
    ("isochrone-collector gaps", Expected::IsKnown),
    (
        "isochrone-collector gaps --draft globalping > eyes.sh",
        Expected::IsKnown,
    ),
    (
        "curl -X POST https://api.globalping.io/v1/measurements ",
        Expected::Says("\"id\":\"ID\""),
    ),
    (
        "curl -o nairobi.json https://api.globalping.io/v1/measurements/ID",
        Expected::Says(""),
    ),
    (
        "isochrone-collector import globalping nairobi.json",
        Expected::Says("globalping: 2 measurements taken in, 0 known already, 0 refused"),
    ),
    ("curl -o results.json ", Expected::Says("")),
    ("curl -o probes.json ", Expected::Says("")),
    (
        "isochrone-collector import atlas results.json --probes probes.json --dry-run",
        Expected::Says("atlas: 2 measurements would be taken in"),
    ),
    (
        "isochrone-collector import atlas results.json --probes probes.json",
        Expected::Says("atlas: 2 measurements taken in, 0 known already, 0 refused"),
    ),
    ("isochrone-collector import list", Expected::Says("Nairobi")),
    // reports need own measurements: the demo carries these out with some
    (
        "isochrone-collector report count --without-borrowed",
        Expected::IsKnown,
    ),
    ("isochrone-collector report count", Expected::IsKnown),
    ("isochrone-collector locate", Expected::IsKnown),
    (
        "isochrone-collector import remove --platform atlas --measurement 90000001 --dry-run",
        Expected::Says("2 measurements of 2 vantages would be removed"),
    ),
    (
        "isochrone-collector import remove --platform atlas --measurement 90000001 --confirm 90000001",
        Expected::Says("2 measurements of 2 vantages removed"),
    ),
];

#[derive(Clone, Copy)]
enum Expected {
    /// It is carried out, and says this.
    Says(&'static str),
    /// The command line takes it.
    IsKnown,
}

/// The commands of the document's blocks of shell, in order; one that goes over several lines is one.
fn commands() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vantages.md");
    let (mut commands, mut inside) = (Vec::<String>::new(), false);
    let mut open = false; // within quotes
    for line in fs::read_to_string(file).unwrap().lines() {
        match line.trim() {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside && open => {
                let last = commands.last_mut().unwrap();
                last.push('\n');
                last.push_str(line);
                open ^= line.matches('\'').count() % 2 == 1;
            }
            line if inside && !line.is_empty() => {
                commands.push(line.to_owned());
                open = line.matches('\'').count() % 2 == 1;
            }
            _ => {}
        }
    }
    commands
}

/// Both platforms, as far as the document asks them: what was asked stands in the list.
fn platforms() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &heard);
        }
    });
    (address, asked)
}

fn answer(mut stream: TcpStream, heard: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    let path = first.split_whitespace().nth(1).unwrap();
    let text = match path {
        "/v1/measurements" => {
            let asked: Value = serde_json::from_str(&body).expect("the request is JSON");
            assert_eq!(
                (&asked["type"], &asked["locations"][0]["limit"]),
                (&json!("ping"), &json!(2))
            );
            json!({ "id": "ID", "probesCount": 2 }).to_string()
        }
        "/v1/measurements/ID" => globalping(),
        "/api/v2/measurements/90000001/results/?format=json" => atlas_results(),
        "/api/v2/probes/?id__in=60001,60002&page_size=500" => atlas_probes(),
        other => panic!("nobody answers {other}"),
    };
    heard.lock().unwrap().push(path.to_owned());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
}

fn globalping() -> String {
    let result = |asn: u32| {
        json!({
            "probe": { "country": "KE", "city": "Nairobi", "asn": asn, "latitude": -1.3, "longitude": 36.8,
                "network": "Example", "tags": ["eyeball-network"] },
            "result": { "status": "finished", "resolvedAddress": "192.0.2.1", "timings": [{ "rtt": 120.5, "ttl": 50 }],
                "stats": { "min": 120.5, "max": 120.5, "avg": 120.5, "total": 1, "rcv": 1, "loss": 0, "drop": 0 } },
        })
    };
    json!({
        "id": "ID", "type": "ping", "target": "node.example.org", "createdAt": "2023-11-22T12:00:00.000Z",
        "status": "finished", "results": [result(64_500), result(64_501)],
    })
    .to_string()
}

fn atlas_results() -> String {
    let ping = |probe: u64| {
        json!({
            "type": "ping", "msm_id": 90_000_001, "prb_id": probe, "timestamp": NOON / 1_000, "dst_name": "node.example.org",
            "af": 4, "sent": 3, "rcvd": 3, "min": 80.5, "avg": 81.0, "max": 82.0,
            "result": [{ "rtt": 80.5 }, { "rtt": 81.0 }, { "rtt": 82.0 }], "fw": 5080,
        })
    };
    json!([ping(60_002), ping(60_001)]).to_string()
}

fn atlas_probes() -> String {
    let probe = |id: u64| {
        json!({
            "id": id, "is_public": true, "is_anchor": false, "asn_v4": 64_500, "country_code": "KE",
            "status": { "id": 1, "name": "Connected" }, "tags": [{ "name": "Home", "slug": "home" }],
            "geometry": { "type": "Point", "coordinates": [36.8, -1.3] },
        })
    };
    json!({ "count": 2, "next": null, "results": [probe(60_001), probe(60_002)] }).to_string()
}

#[tokio::test]
async fn every_command_of_the_document_on_vantages_does_what_it_says() {
    let (folder, paths) = with_node_of_the_document();
    let (server, asked) = platforms();
    let shown = commands();
    assert_eq!(shown.len(), STEPS.len(), "{shown:#?}");
    for (command, (begins, expected)) in shown.iter().zip(STEPS) {
        let is_it = match begins.starts_with("curl") {
            true => command.starts_with(begins),
            false => command == begins,
        };
        assert!(
            is_it,
            "docs/vantages.md shows {command}, where {begins} is carried out"
        );
        let said = match (command.strip_prefix("isochrone-collector "), expected) {
            (Some(line), Expected::Says(_)) => collector(&folder, &paths, line).await,
            (Some(line), Expected::IsKnown) => {
                let line = line.split(" > ").next().unwrap_or(line); // the rest is the shell's
                let words = std::iter::once("isochrone-collector").chain(line.split(' '));
                Cli::try_parse_from(words).unwrap();
                continue;
            }
            (None, _) => shell(&folder, command, &server),
        };
        let Expected::Says(words) = expected else { continue };
        assert!(said.contains(words), "{command} says {said}");
    }
    assert_eq!(
        asked.lock().unwrap().len(),
        4,
        "each of the platforms' answers came from here"
    );
}

fn with_node_of_the_document() -> (TempDir, Paths) {
    let (folder, paths) = world();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/vantages.md");
    let text = fs::read_to_string(file).unwrap();
    let (_, rest) = text.split_once("```toml\n").unwrap();
    let (candidate, _) = rest.split_once("```").unwrap();
    fs::write(&paths.targets, format!("{NODES}{candidate}")).unwrap();
    (folder, paths)
}

/// With the platforms' names replaced by the server of this test; anything else is never asked.
fn shell(folder: &TempDir, command: &str, server: &str) -> String {
    let here = ["https://api.globalping.io", "https://atlas.ripe.net"];
    let local = here.iter().fold(command.to_owned(), |text, platform| {
        text.replace(platform, server)
    });
    assert!(!local.contains("https://"), "{local}");
    let done = Process::new("sh")
        .args(["-c", &local])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{local}: {said} {errors}");
    said
}

async fn collector(folder: &TempDir, paths: &Paths, line: &str) -> String {
    let whole = |word: &str| match word.ends_with(".json") {
        true => folder.path().join(word).display().to_string(),
        false => word.to_owned(),
    };
    let words: Vec<String> = line.split(' ').map(whole).collect();
    if words[1] == "atlas" || words[1] == "globalping" {
        let (code, out, err) = import(paths, &words.join(" ")).await;
        assert_eq!(code, 0, "{line}: {out} {err}");
        return out;
    }
    let context = CommandContext::open(paths).unwrap();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, said) = carried_out(&context, &words).await;
    assert_eq!(code, 0, "{line}: {said}");
    said
}
