//! What the small mesh left, gathered once for all tests: what each command printed, what the webhook got, and which
//! files lie where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use isochrone_base::clock::Clock;
use serde_json::Value;

use crate::certificate;
use crate::mesh::{Mesh, documents, free_tcp_address, one_document, succeeded};

/// What the mesh left.
pub(crate) struct Gathered {
    /// Output to the documents that were seen of it.
    pub(crate) json: BTreeMap<&'static str, Vec<Value>>,
    /// Report to its CSV.
    pub(crate) csv: BTreeMap<&'static str, String>,
    /// Files and folders, by whose they are.
    pub(crate) files: BTreeMap<&'static str, BTreeSet<String>>,
    /// Certificates in DER, by whose they are.
    pub(crate) certificates: BTreeMap<&'static str, Vec<u8>>,
}

/// Run at the first use; each test process has one.
pub(crate) static MESH: LazyLock<Gathered> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(gather())
});

async fn gather() -> Gathered {
    let mut mesh = Mesh::start().await;
    mesh.join_all();
    mesh.until_everything_was_measured().await;
    mesh.tokyo.kill().await;
    mesh.alert(|alert| alert["event"] == "opened").await;
    let mut json = mesh.documents();
    mesh.tokyo.restart().await.unwrap();
    mesh.alert(|alert| alert["event"] == "ended").await;
    mesh.spend_a_token_twice();
    mesh.alert(|alert| alert["event"] == "security").await;
    for (output, documents) in mesh.documents() {
        json.entry(output).or_default().extend(documents);
    }
    json.insert("alert", mesh.webhook.all());
    let (csv, files) = (mesh.csv(), mesh.files());
    let certificates = BTreeMap::from([
        ("collector", certificate::of_collector(mesh.quic).await),
        ("probe", certificate::of_probe(&mesh.path().join("ben"))),
    ]);
    let told = [
        mesh.measure_in_vain(&[]),
        mesh.measure_in_vain(&["--connect"]),
        mesh.status_without_a_collector().await,
    ];
    for (output, document) in told {
        json.entry(output).or_default().push(document);
    }
    Gathered {
        json,
        csv,
        files,
        certificates,
    }
}

/// The README's sites and times, and two nodes of them.
const EXAMPLE: [&str; 6] = [
    "--sites",
    concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/example/sites.csv"),
    "--rtt",
    concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/example/rtt.csv"),
    "--nodes",
    "berlin,tokyo",
];

impl Mesh {
    /// What every command that speaks JSON says now.
    fn documents(&self) -> BTreeMap<&'static str, Vec<Value>> {
        let collector = |arguments: &[&str]| {
            vec![one_document(
                &self.collector(&[arguments, &["--format", "json"]].concat()),
            )]
        };
        let probe = |arguments: &[&str]| {
            let files = self.probe_files("ben");
            vec![one_document(&self.run("isochrone-probe", &files, arguments))]
        };
        let status = probe(&["status", "--format", "json"]);
        let url = self.berlin.base_url();
        let measure =
            ["--asset=1343", "--connect"].map(|what| probe(&["measure", &url, what, "--format", "json"]));
        BTreeMap::from([
            (
                "invitation",
                collector(&["probe", "invite", "--worker", "fay", "--site", "Lagos, NG"]),
            ),
            ("probes", collector(&["probe", "list"])),
            ("targets", collector(&["target", "list"])),
            ("import", vec![self.import()]),
            ("import-borrowed", self.import_borrowed()),
            ("import-topology", vec![self.import_topology()]),
            ("chain-audit", collector(&["report", "audit"])),
            ("imported", collector(&["import", "list"])),
            ("show", collector(&["show", "tokyo"])),
            ("coverage", collector(&["report", "coverage"])),
            ("locate", collector(&["locate"])),
            ("gaps", collector(&["gaps"])),
            ("count", collector(&["report", "count"])),
            // The times of this mesh are none that places by light could have: of the example's files.
            (
                "place",
                collector(&[&["place", "-k", "4", "--fixed", "all"], &EXAMPLE[..]].concat()),
            ),
            (
                "what-if",
                collector(&[&["what-if", "--add", "Lima, PE"], &EXAMPLE[..]].concat()),
            ),
            ("nodes", collector(&["report", "nodes"])),
            ("ledger", collector(&["ledger"])),
            ("status", vec![self.status()]),
            ("audit", collector(&["audit"])),
            ("files", collector(&["store", "files"])),
            ("export", documents(&self.collector(&["export", "ndjson"]))),
            ("probe-status", status),
            ("measure", measure.concat()),
        ])
    }

    /// What others measured of Tokyo an hour ago: some of it can be taken in.
    fn import(&self) -> Value {
        let hour_ago = Clock::system().wall().minus(Duration::from_secs(3_600));
        let document = |index: u64, status: u16| {
            serde_json::json!({
                "time": hour_ago.0 / 3_600_000 * 3_600_000 + index, "source": "eu", "nodeEndpoint": self.tokyo.base_url(),
                "pingStatus": "ok", "assetDownloadResult": { "status": status, "ttfb": 120.5, "cacheStatus": "hit" },
            })
        };
        let text = format!("{}\n{}\n{{}}\n", document(1, 200), document(2, 500));
        let file = self.path().join("pings.ndjson");
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let line = [
            "import",
            "ndjson",
            file,
            "--as",
            "operators-ping",
            "--format",
            "json",
        ];
        let said = one_document(&self.collector(&line));
        succeeded(&self.collector(&["import", "place", "eu", "Berlin, DE"]));
        said
    }

    /// What a public platform measured of Tokyo's address, and of another.
    fn import_borrowed(&self) -> Vec<Value> {
        let now = isochrone_base::words::rfc3339_second(Clock::system().wall());
        let results = |target: &str| {
            serde_json::json!({
                "id": target.replace('.', "-"), "type": "ping", "target": target, "createdAt": now, "status": "finished",
                "results": [{
                    "probe": { "country": "KE", "city": "Nairobi", "asn": 64_500, "latitude": -1.28, "longitude": 36.82,
                        "network": "Example", "tags": ["eyeball-network"] },
                    "result": { "status": "finished", "resolvedAddress": "127.0.0.1",
                        "timings": [{ "rtt": 120.5, "ttl": 50 }],
                        "stats": { "min": 120.5, "max": 120.5, "avg": 120.5, "total": 1, "rcv": 1, "loss": 0, "drop": 0 } },
                }],
            })
        };
        let file = self.path().join("measurements.json");
        let text = format!("[{},{}]", results("127.0.0.1"), results("elsewhere.example.org"));
        std::fs::write(&file, text).unwrap();
        let cut = self.path().join("cut.json.gz");
        std::fs::write(&cut, [&[0x1f, 0x8b][..], &[9; 40]].concat()).unwrap();
        let (file, cut) = (file.to_str().unwrap(), cut.to_str().unwrap());
        let said = self.collector(&["import", "globalping", file, cut, "--format", "json"]);
        assert_eq!(said.status.code(), Some(1), "one of them is cut: {said:?}");
        vec![serde_json::from_slice(&said.stdout).unwrap()]
    }

    /// A chain that names Tokyo's node: a family of a continent, a bucket that is in the wrong one, an endpoint without its slash.
    fn import_topology(&self) -> Value {
        let bucket = |id: &str, endpoint: &str| {
            serde_json::json!({
                "id": id, "distributing": true, "acceptingNewBags": true, "bags": 3, "operators": [{
                    "workerId": 1, "status": "ACTIVE", "metadata": { "nodeEndpoint": endpoint, "nodeLocation": {
                        "countryCode": "JP", "city": "Tokyo", "coordinates": { "latitude": 35.69, "longitude": 139.69 },
                    } },
                }],
            })
        };
        let chain = serde_json::json!({ "data": { "squidStatus": { "height": 7 }, "distributionBucketFamilies": [{
            "id": "0",
            "metadata": { "region": "asia", "description": "Asia", "latencyTestTargets": ["probe.example.org"], "areas": [
                { "__typename": "GeographicalAreaContinent", "continentCode": "AS" },
            ] },
            "buckets": [
                bucket("0:0", self.tokyo.base_url().trim_end_matches('/')),
                bucket("0:1", "https://elsewhere.example.org/distributor/"),
                bucket("3:0", "https://elsewhere.example.org/"),
            ],
        }] } });
        let file = self.path().join("topology.json");
        std::fs::write(&file, chain.to_string()).unwrap();
        one_document(&self.collector(&["import", "topology", file.to_str().unwrap(), "--format", "json"]))
    }

    fn csv(&self) -> BTreeMap<&'static str, String> {
        let csv = |report: &[&str]| {
            let said = self.collector(&[report, &["--format", "csv"]].concat());
            succeeded(&said);
            String::from_utf8(said.stdout).unwrap()
        };
        BTreeMap::from([
            ("audit", csv(&["report", "audit"])),
            ("nodes", csv(&["report", "nodes"])),
            ("coverage", csv(&["report", "coverage"])),
            ("locate", csv(&["locate"])),
            ("gaps", csv(&["gaps"])),
            ("count", csv(&["report", "count"])),
            ("place", csv(&[&["place", "-k", "2"], &EXAMPLE[..]].concat())),
            (
                "what-if",
                csv(&[&["what-if", "--add", "Lima, PE"], &EXAMPLE[..]].concat()),
            ),
        ])
    }

    fn files(&self) -> BTreeMap<&'static str, BTreeSet<String>> {
        let listing = |folder: &str| {
            let mut found = BTreeSet::new();
            list(&self.path().join(folder), "", &mut found);
            found
        };
        BTreeMap::from([("collector", listing("collector")), ("probe", listing("ben"))])
    }

    /// A verdict is a result: its exit code is the verdict's.
    fn status(&self) -> Value {
        let said = self.collector(&["status", "--format", "json"]);
        let document: Value = serde_json::from_slice(&said.stdout).unwrap();
        let code = match document["verdict"].as_str() {
            Some("well") => 0,
            Some("wrong") => 1,
            Some("cannot-tell") => 3,
            other => panic!("{other:?}: {said:?}"),
        };
        assert_eq!(said.status.code(), Some(code), "{said:?}");
        document
    }

    /// Nobody listens: a failure is a result, and exit code 1.
    fn measure_in_vain(&self, what: &[&str]) -> (&'static str, Value) {
        let url = format!("http://{}/", free_tcp_address());
        let arguments = [&["measure", &url, "--format", "json"], what].concat();
        let said = self.run("isochrone-probe", &self.probe_files("ben"), &arguments);
        assert_eq!(said.status.code(), Some(1), "{said:?}");
        ("measure", serde_json::from_slice(&said.stdout).unwrap())
    }

    /// Stops the collector; then the probe's status names the trouble, and its exit code is 1.
    async fn status_without_a_collector(&mut self) -> (&'static str, Value) {
        self.stop_collector();
        let status = |mesh: &Self| {
            mesh.run(
                "isochrone-probe",
                &mesh.probe_files("ben"),
                &["status", "--format", "json"],
            )
        };
        self.until("the probe is away", |mesh| status(mesh).status.code() == Some(1))
            .await;
        (
            "probe-status",
            serde_json::from_slice(&status(self).stdout).unwrap(),
        )
    }
}

/// Relative paths of everything below `folder`; folders end in a slash.
fn list(folder: &Path, above: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{above}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            list(&entry.path(), &format!("{path}/"), found);
            found.insert(format!("{path}/"));
        } else {
            found.insert(path);
        }
    }
}
