//! docs/elasticsearch.md, carried out on a real server: each of its commands as it is printed, from nothing to verified, and
//! out again.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_collector::demo::argus_node::{ArgusNode, NodeConfig, Object};
use isochrone_elastic::{Account, Client, Method, Packed, Settings};
use isochrone_tests::elasticsearch::{Elasticsearch, RELEASES, Release};
use isochrone_tests::programs::program;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mesh::{Mesh, releases};
use crate::secured::{TLS, certificates};

/// As the document names the cluster; its second node is one that is gone.
const SHOWN: &str = "https://es1.example.org:9200";
const SHOWN_SECOND: &str = "https://es2.example.org:9200";
const ADMIN: &str = "of-the-admin";
const SINK: &str = "of-the-sink";
const READER: &str = "of-the-reader";
/// What a busy machine may take until something is so.
const LONG: Duration = Duration::from_secs(90);

/// What a line of the document is expected to say.
const STEPS: &[(&str, &str)] = &[
    (
        "isochrone-collector elastic setup --user elastic --password-file ./elastic-password --dry-run",
        "Nothing was changed",
    ),
    (
        "isochrone-collector elastic setup --user elastic --password-file ./elastic-password",
        "index template isochrone-ledger: made",
    ),
    ("isochrone-collector elastic setup --role > role.json", ""),
    (
        "curl --cacert es-ca.pem -u elastic -X PUT https://es1.example.org:9200/_security/role/isochrone_sink",
        "",
    ),
    ("isochrone-collector status", "has all that is stored"),
    (
        "isochrone-collector elastic verify --since 1d",
        "Equal: what is stored lies there",
    ),
    (
        "isochrone-collector elastic setup --queries",
        "FROM isochrone-echo-*",
    ),
    (
        "isochrone-collector import elasticsearch --url https://es1.example.org:9200 --index operators-ping \
         --ca es-ca.pem --user reader --password-file ./es-password --dry-run",
        "3 documents would be taken in, 0 known already, 1 would be refused",
    ),
    (
        "isochrone-collector import elasticsearch --url https://es1.example.org:9200 --index operators-ping \
         --ca es-ca.pem --user reader --password-file ./es-password",
        "3 documents taken in, 0 known already, 1 refused",
    ),
    (
        "isochrone-collector import remove prober-eu --confirm prober-eu",
        "3 documents",
    ),
    (
        "isochrone-collector elastic backfill --since 30d",
        "are in Elasticsearch",
    ),
    (
        "curl --cacert es-ca.pem -u elastic -s 'https://es1.example.org:9200/_cat/indices/isochrone-*?h=index'",
        "",
    ),
    (
        "curl --cacert es-ca.pem -u elastic -X DELETE https://es1.example.org:9200/$(paste -sd, indices)",
        "acknowledged",
    ),
    (
        "curl --cacert es-ca.pem -u elastic -X DELETE 'https://es1.example.org:9200/_index_template/isochrone-*'",
        "acknowledged",
    ),
    (
        "curl --cacert es-ca.pem -u elastic -X DELETE https://es1.example.org:9200/_security/role/isochrone_sink",
        "",
    ),
];

fn document() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/elasticsearch.md");
    fs::read_to_string(file).unwrap().replace("\\\n", " ")
}

/// The lines of the document's blocks of this language, in order, with blanks put together.
fn blocks(language: &str) -> Vec<String> {
    let (mut lines, mut inside) = (Vec::new(), false);
    for line in document().lines() {
        let line = line.trim();
        if line.starts_with("```") {
            inside = line == format!("```{language}");
        } else if inside && !line.is_empty() {
            lines.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    lines
}

fn step(line: &str) -> Option<&'static (&'static str, &'static str)> {
    let of = |step: &&(&str, &str)| match step.0.starts_with("curl") {
        true => line.starts_with(step.0),
        false => line == step.0,
    };
    STEPS.iter().find(of)
}

#[test]
fn every_command_of_the_document_is_carried_out() {
    let shown = blocks("sh");
    for line in &shown {
        assert!(
            step(line).is_some(),
            "docs/elasticsearch.md shows {line}, which no step carries out"
        );
    }
    for (line, _) in STEPS {
        let is_shown = shown
            .iter()
            .any(|shown| step(shown).is_some_and(|step| step.0 == *line));
        assert!(is_shown, "docs/elasticsearch.md does not show {line}");
    }
}

/// A lead's machine: a folder with the configuration, a collector, and a probe that measures a node.
struct World {
    folder: TempDir,
    server: Elasticsearch,
    running: Vec<Child>,
    _node: ArgusNode,
}

impl World {
    async fn start(server: Elasticsearch, folder: TempDir) -> Self {
        let config = NodeConfig {
            id: "berlin".to_owned(),
            ..NodeConfig::default()
        };
        let node = ArgusNode::start(config, vec![Object::new(1_343, 100_000, true)])
            .await
            .unwrap();
        let mut world = Self {
            folder,
            server,
            running: Vec::new(),
            _node: node,
        };
        let quic = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let page = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        world.write(
            "collector.toml",
            &format!("listen = [\"{quic}\"]\nweb = \"{page}\"\npublic_addresses = [\"{quic}\"]\ndisk_reserve = \"1MiB\"\n"),
        );
        world.write(
            "targets.toml",
            &format!(
                "[[node]]\nnode = \"berlin\"\nkind = \"argus\"\nurl = \"{}\"\nworker = \"ada\"\nplace = \"Berlin, DE\"\n\
                 network = 64508\nbuckets = [\"0:0\"]\nasset = \"1343\"\ninterval = \"1s\"\n",
                world._node.base_url()
            ),
        );
        world.serve();
        world.until("isochrone-collector probe list", "").await;
        let invite = "isochrone-collector probe invite --worker ben --site 'New York, US' --network 64501 --format json";
        let invited: Value = serde_json::from_str(&said(&world.run(invite))).unwrap();
        let token = invited["token"].as_str().unwrap();
        let echo = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        world.write(
            "probe.toml",
            &format!(
                "echo_listen = [\"{echo}\"]\nallow_private = [\"127.0.0.0/8\"]\nspool_bytes = \"8MiB\"\n"
            ),
        );
        let probe = "isochrone-probe --config probe.toml --state probe-state";
        let joined = world.run(&format!("{probe} join {token}"));
        assert!(joined.status.success(), "{joined:?}");
        world.spawn(&format!("exec {probe} run"));
        world.until("isochrone-collector show berlin", "ben").await;
        world
    }

    fn write(&self, name: &str, text: &str) {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn shell(&self, line: &str) -> Command {
        let line = line
            .replace(SHOWN, &self.server.url())
            .replace("-u elastic ", &format!("-sS -u elastic:{ADMIN} "));
        let programs = program("isochrone-collector");
        let path = format!(
            "{}:{}",
            programs.parent().unwrap().display(),
            std::env::var("PATH").unwrap()
        );
        let mut command = Command::new("bash");
        command
            .args(["-c", &line])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("ISOCHRONE_CONFIG", self.folder.path().join("collector.toml"))
            .env("ISOCHRONE_STATE", self.folder.path().join("state"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.shell(line).output().unwrap()
    }

    /// Repeats a line until it says so.
    async fn until(&self, line: &str, says: &str) -> String {
        let clock = Clock::system();
        let start = clock.now();
        loop {
            let output = self.run(line);
            if output.status.success() && said(&output).contains(says) {
                return said(&output);
            }
            assert!(
                clock.now() - start < LONG,
                "{line} does not say {says}: {output:?}"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    fn spawn(&mut self, line: &str) {
        let log = fs::File::create(self.folder.path().join(format!("log-{}", self.running.len()))).unwrap();
        let mut command = self.shell(line);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.running.push(command.spawn().unwrap());
    }

    fn serve(&mut self) {
        self.spawn("exec isochrone-collector serve");
    }

    /// Ends the collector, which was started first or last, and starts it again.
    fn restart(&mut self, was: usize) {
        let mut serving = self.running.remove(was);
        let pid = nix::unistd::Pid::from_raw(serving.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(serving.wait().unwrap().success());
        self.serve();
    }

    fn admin(&self) -> Client {
        self.write("admin", ADMIN);
        let settings = Settings {
            ca: Some(self.folder.path().join("es-ca.pem")),
            account: Some(Account::User {
                name: "elastic".to_owned(),
                password_file: self.folder.path().join("admin"),
            }),
            ..Mesh::new(&self.server).settings
        };
        Client::new(&settings, Clock::system()).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.running {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// What the group has already: three documents, and one of a shape that is none.
async fn fill(client: &Client) {
    let mut lines = String::new();
    for number in 0..4 {
        let mut document = json!({
            "time": format!("2023-11-22T12:0{number}:00.000Z"), "source": "prober-eu", "bucketId": "0:0",
            "nodeEndpoint": "https://node.example.org/distributor/", "pingStatus": "ok",
            "assetDownloadResult": { "status": 200, "ttfb": 100, "cacheStatus": "hit" },
        });
        if number == 3 {
            document["pingStatus"] = json!("of another shape");
        }
        lines += &format!("{{\"index\":{{}}}}\n{document}\n");
    }
    let sent = client
        .send(
            Method::Post,
            "operators-ping/_bulk?refresh=true",
            Some(&Packed::lines(lines.as_bytes())),
        )
        .await;
    let said = sent.unwrap().read().unwrap();
    assert_eq!(said.body["errors"], false, "{}", said.body);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Maven, a Java and curl; .ci/run runs it"]
async fn document_takes_a_lead_from_nothing_to_verified_and_out_again() {
    for (release, java) in releases() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Elasticsearch::unpack(release, java, TLS).unwrap();
        certificates(&server, &folder, "es-ca.pem");
        server.tool("elasticsearch-keystore", &["create"], "").unwrap();
        server
            .tool(
                "elasticsearch-keystore",
                &["add", "-x", "bootstrap.password"],
                ADMIN,
            )
            .unwrap();
        for (user, password, role) in [
            ("isochrone", SINK, "isochrone_sink"),
            ("reader", READER, "reader"),
        ] {
            server
                .tool(
                    "elasticsearch-users",
                    &["useradd", user, "-p", password, "-r", role],
                    "",
                )
                .unwrap();
        }
        let reader = json!({ "indices": [{ "names": ["operators-ping"], "privileges": ["read"] }] });
        fs::write(server.config().join("roles.yml"), format!("reader: {reader}\n")).unwrap();
        server.start().await.unwrap();
        let mut world = World::start(server, folder).await;
        fill(&world.admin()).await;
        world.write("elastic-password", ADMIN);
        world.write("es-password", SINK);
        carry_out(&mut world, release).await;
    }
}

async fn carry_out(world: &mut World, release: Release) {
    let clock = Clock::system();
    let start = clock.now();
    let section = blocks("toml").join("\n");
    assert!(
        section.contains(SHOWN) && section.contains(SHOWN_SECOND),
        "{section}"
    );
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let section = section
        .replace(SHOWN, &world.server.url())
        .replace(SHOWN_SECOND, &format!("https://localhost:{}", gone.port()));
    let before = fs::read_to_string(world.folder.path().join("collector.toml")).unwrap();
    world.write("collector.toml", &format!("{before}{section}\n"));
    for line in blocks("sh") {
        let (shown, says) = step(&line).unwrap();
        println!("{release:?}: {line}");
        match *shown {
            "isochrone-collector status" => {
                world.restart(0);
                world.until(&line, says).await;
                continue;
            }
            "isochrone-collector elastic backfill --since 30d" => {
                assert!(
                    clock.now() - start < Duration::from_secs(600),
                    "from nothing to verified in ten minutes"
                );
                lose_an_index(world).await;
            }
            _ => {}
        }
        // the document names one file for both accounts
        world.write(
            "es-password",
            if line.contains("--user reader") {
                READER
            } else {
                SINK
            },
        );
        if shown.starts_with("curl") && line.contains("h=index") {
            leave(world).await;
        }
        let output = world.run(&line);
        assert!(output.status.success(), "{line}: {output:?}");
        assert!(said(&output).contains(says), "{line}: {output:?}");
        if line.contains("_security/role") && line.contains("-X PUT") {
            role_without_its_api(world, &output);
        }
        if line.contains("backfill") {
            world
                .until("isochrone-collector elastic verify --since 1d", "Equal")
                .await;
        }
    }
    let left = world
        .admin()
        .fetch(Method::Get, "isochrone-*/_count", None)
        .await
        .unwrap();
    assert_eq!(left["count"], 0, "nothing is left there");
    let status = world.run("isochrone-collector ledger");
    assert!(
        status.status.success(),
        "the store has lost nothing by it: {status:?}"
    );
}

/// This distribution has no roles but those of its file, which it reads again by itself.
fn role_without_its_api(world: &World, output: &Output) {
    if said(output).contains("\"created\":") {
        return;
    }
    println!("no role over HTTP here: {}", said(output));
    let role = fs::read_to_string(world.folder.path().join("role.json")).unwrap();
    let role: Value = serde_json::from_str(&role).unwrap();
    let file = world.server.config().join("roles.yml");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{before}isochrone_sink: {role}\n")).unwrap();
}

/// Somebody deletes an index that holds measurements.
async fn lose_an_index(world: &World) {
    let client = world.admin();
    let found = client
        .fetch(
            Method::Get,
            "_cat/indices/isochrone-endpoint-*?h=index&format=json",
            None,
        )
        .await
        .unwrap();
    let index = found[0]["index"].as_str().unwrap().to_owned();
    client.fetch(Method::Delete, &index, None).await.unwrap();
}

/// The section is removed, and the collector restarted.
async fn leave(world: &mut World) {
    let text = fs::read_to_string(world.folder.path().join("collector.toml")).unwrap();
    let (before, _) = text.split_once("[elasticsearch]").unwrap();
    world.write("collector.toml", before);
    let last = world.running.len() - 1;
    world.restart(last);
    world.until("isochrone-collector probe list", "ben").await;
}

#[test]
fn releases_of_the_document_are_those_that_are_tested() {
    let text = document();
    for release in RELEASES {
        let minor = release.version.rsplit_once('.').unwrap().0;
        assert!(
            text.contains(minor),
            "docs/elasticsearch.md does not name {minor}"
        );
    }
}
