//! `import atlas` and `import globalping`.

use isochrone_base::clock::Clock;
use isochrone_store::borrowed::Borrowed;

use super::*;

const CANDIDATE: &str = "[[candidate]]\nname = \"nairobi-provider\"\nurl = \"https://test.example.net/\"\nplace = \"Nairobi, KE\"\n";

/// What two hosts answered, and a third that nobody here asked for.
fn atlas_file(folder: &TempDir, count: u64) -> PathBuf {
    let mut text = String::new();
    for number in 0..count {
        let host = ["node.example.org", "test.example.net", "elsewhere.example"][(number % 3) as usize];
        let ping = json!({
            "type": "ping", "msm_id": 90_000_001, "prb_id": 1 + number % 8, "timestamp": NOON / 1_000 + number,
            "dst_name": host, "dst_addr": "192.0.2.1", "af": 4, "sent": 3, "rcvd": 3, "min": 80.5, "avg": 81.0,
            "max": 82.0, "result": [{ "rtt": 80.5 }, { "rtt": 81.0 }, { "rtt": 82.0 }], "fw": 5080,
        });
        writeln!(text, "{ping}").unwrap();
    }
    let path = folder.path().join("results.json");
    fs::write(&path, text).unwrap();
    path
}

/// Probes 1 to 6 of which the fifth is private and the sixth is a server's.
fn probes_file(folder: &TempDir) -> PathBuf {
    let probe = |id: u64| {
        json!({
            "id": id, "is_public": id != 5, "is_anchor": id == 6, "asn_v4": 64_500 + id, "asn_v6": null, "country_code": "KE",
            "geometry": { "type": "Point", "coordinates": [36.8, -1.3] }, "status": { "id": 1, "name": "Connected" },
            "tags": [{ "name": "x", "slug": if id == 6 { "datacentre" } else { "home" } }],
        })
    };
    let probes: Vec<_> = (1..=6).map(probe).collect();
    let path = folder.path().join("probes.json");
    fs::write(
        &path,
        json!({ "count": 6, "next": null, "results": probes }).to_string(),
    )
    .unwrap();
    path
}

fn globalping_file(folder: &TempDir, name: &str, id: &str) -> PathBuf {
    let result = |city: &str, latitude: f64| {
        json!({
            "probe": { "country": "BR", "city": city, "asn": 64_500, "latitude": latitude, "longitude": -46.6,
                "network": "Example", "tags": ["eyeball-network"] },
            "result": { "status": "finished", "resolvedAddress": "192.0.2.1", "timings": [{ "rtt": 120.5, "ttl": 50 }],
                "stats": { "min": 120.5, "max": 120.5, "avg": 120.5, "total": 1, "rcv": 1, "loss": 0, "drop": 0 } },
        })
    };
    let measurement = json!({
        "id": id, "type": "ping", "target": "NODE.example.org", "createdAt": "2023-11-22T12:00:00.000Z",
        "status": "finished", "results": [result("São Paulo", -23.5), result("Campinas", -22.9)],
    });
    let path = folder.path().join(name);
    fs::write(&path, measurement.to_string()).unwrap();
    path
}

fn with_candidate() -> (TempDir, Paths) {
    let (folder, paths) = world();
    fs::write(&paths.targets, format!("{NODES}{CANDIDATE}")).unwrap();
    (folder, paths)
}

fn borrowed(paths: &Paths) -> Vec<(String, u64)> {
    let context = CommandContext::open(paths).unwrap();
    let vantages = Borrowed::of(&context.store).vantages().unwrap();
    vantages
        .into_iter()
        .map(|known| (known.vantage.id, known.runs))
        .collect()
}

/// 800 results a third of which is of no host of ours; of each eight probes one is private, and two are in no list.
#[tokio::test]
async fn atlas_results_of_nodes_and_candidates_are_taken_in_once_and_all_others_are_named() {
    let (folder, paths) = with_candidate();
    let (results, probes) = (atlas_file(&folder, 2_400), probes_file(&folder));
    let line = format!("import atlas {} --probes {}", results.display(), probes.display());
    let (code, out, _) = import(&paths, &format!("{line} --dry-run")).await;
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("atlas: 1000 measurements would be taken in, 0 known already, 1400 would be refused"),
        "{out}"
    );
    assert!(!paths.state.exists(), "a dry run makes nothing");

    let (code, out, err) = import(&paths, &line).await;
    assert!(code == 0, "{out} {err}");
    for said in [
        "atlas: 1000 measurements taken in, 0 known already, 1400 refused",
        "of berlin (node.example.org): 500",
        "of nairobi-provider (test.example.net): 500",
        "from 5 vantages (4 eyeball, 1 data-centre, 0 unknown), 5 networks, 1 country",
        "refused 800 of ",
        "line 3, byte ",
        "\"elsewhere.example\"",
        "its probe 5 is left out: private",
        "its probe is in no list of probes",
        "probes/?id__in=7,8&page_size=500",
    ] {
        assert!(out.contains(said), "{said}: {out}");
    }
    let before = borrowed(&paths);
    assert_eq!((before.len(), before[0].clone()), (5, ("1".to_owned(), 200)));
    let (code, out, _) = import(&paths, &line).await;
    assert!(
        code == 0 && out.contains("0 measurements taken in, 1000 known already"),
        "{out}"
    );
    assert_eq!(borrowed(&paths), before);

    let (code, out, _) = import(
        &paths,
        &format!("import atlas {} --format json", results.display()),
    )
    .await;
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0, "probes of an earlier import are known: {json}");
    assert_eq!(
        (&json["schema"], &json["known"]),
        (&json!("isochrone.import-borrowed/1"), &json!(1_000))
    );
    assert_eq!(
        json["refused"][0]["listed"].as_array().unwrap().len(),
        20,
        "{json}"
    );

    let context = CommandContext::open(&paths).unwrap();
    let (_, audit) = carried_out(&context, &["audit"]).await;
    let said = "atlas: 1000 measurements of 5 vantages taken in, 1400 refused, from ";
    assert_eq!(audit.matches("measurements of 5 vantages").count(), 1, "{audit}");
    assert!(audit.contains(&said[..40]), "{audit}");
    let (_, list) = carried_out(&context, &["import", "list"]).await;
    assert!(
        list.contains("data-centre") && list.contains("AS 64501"),
        "{list}"
    );
}

#[tokio::test]
async fn dry_run_counts_what_comes_twice_in_it_once() {
    let (folder, paths) = world();
    let file = globalping_file(&folder, "one.json", "ID1");
    let again = globalping_file(&folder, "two.json", "ID1");
    let line = format!("import globalping {} {}", file.display(), again.display());
    let (code, out, _) = import(&paths, &format!("{line} --dry-run")).await;
    assert!(
        code == 0
            && out.contains("globalping: 2 measurements would be taken in, 2 known already, 0 would be"),
        "{out}"
    );
    let (code, out, _) = import(&paths, &line).await;
    assert!(
        code == 0 && out.contains("globalping: 2 measurements taken in, 2 known already, 0 refused"),
        "{out}"
    );
    assert_eq!(borrowed(&paths).len(), 2);
}

#[tokio::test]
async fn file_that_cannot_be_read_to_its_end_is_named_and_the_next_one_is_taken_in() {
    let (folder, paths) = world();
    let torn = folder.path().join("torn.json.gz");
    fs::write(&torn, [&[0x1f, 0x8b][..], &[9; 40]].concat()).unwrap(); // no method of packing
    let whole = globalping_file(&folder, "one.json", "ID1");
    let line = format!("import globalping {} {}", torn.display(), whole.display());
    let (code, out, _) = import(&paths, &line).await;
    assert!(code == 1 && out.contains("2 measurements taken in"), "{out}");
    assert!(out.contains("torn.json.gz could not be read to its end"), "{out}");
    let (code, out, err) = import(&paths, "import globalping /nowhere.json").await;
    assert!(code == 1 && err.contains("/nowhere.json"), "{out} {err}");
    let results = atlas_file(&folder, 8);
    let line = format!(
        "import atlas {} --probes {}",
        results.display(),
        results.display()
    );
    let (code, _, err) = import(&paths, &line).await;
    assert!(code == 1 && err.contains("holds no list of probes"), "{err}");
}

#[tokio::test]
async fn without_a_node_nothing_is_read_and_what_to_do_is_said() {
    let (folder, paths) = world();
    fs::write(&paths.targets, "").unwrap();
    let file = globalping_file(&folder, "one.json", "ID1");
    let (code, _, err) = import(&paths, &format!("import globalping {}", file.display())).await;
    assert!(code == 1 && err.contains("target add"), "{err}");
    assert!(!paths.state.exists(), "nothing is made");
}

/// The store is open in the collector: what is read here goes to it through its socket, and its targets count.
#[tokio::test]
async fn running_collector_takes_in_what_another_process_reads_of_a_platform() {
    let (folder, paths) = with_candidate();
    let (results, probes) = (atlas_file(&folder, 24_000), probes_file(&folder));
    let context = CommandContext::open(&paths).unwrap();
    fs::write(&paths.targets, "").unwrap();
    let serving = Serving::start(&paths, &context).await;
    let line = format!("import atlas {} --probes {}", results.display(), probes.display());
    let (code, out, err) = import(&paths, &line).await;
    assert!(
        code == 0 && out.contains("10000 measurements taken in"),
        "{out} {err}"
    );
    serving.stop().await;
    let vantages = Borrowed::of(&context.store).vantages().unwrap();
    assert_eq!(vantages.iter().map(|known| known.runs).sum::<u64>(), 10_000);
}

#[tokio::test]
async fn what_was_borrowed_goes_again_by_vantage_measurement_and_platform_and_never_by_half_a_name() {
    let (folder, paths) = with_candidate();
    let (results, probes) = (atlas_file(&folder, 2_400), probes_file(&folder));
    let line = format!("import atlas {} --probes {}", results.display(), probes.display());
    import(&paths, &line).await;
    let file = globalping_file(&folder, "one.json", "ID1");
    import(&paths, &format!("import globalping {}", file.display())).await;
    let before = borrowed(&paths);
    let context = CommandContext::open(&paths).unwrap();
    let remove = async |line: &str| {
        let words: Vec<_> = ["import", "remove"].into_iter().chain(line.split(' ')).collect();
        carried_out(&context, &words).await
    };
    for (line, code, said) in [
        (
            "1 --platform atlas",
            0,
            "atlas vantage 1: 200 measurements of 1 vantage would be removed",
        ),
        ("1 --platform atlas --dry-run", 0, "add --confirm 1."),
        ("1 --platform atlas --confirm 2", 2, "--confirm 2: it is \"1\""),
        ("1 --confirm 1", 0, "No document of 1 is here"),
        ("1", 1, "add --platform atlas"),
        (
            "1 --platform globalping",
            1,
            "nothing is here of globalping vantage 1",
        ),
        (
            "--platform globalping --measurement ID1",
            0,
            "2 measurements of 2 vantages would be removed",
        ),
        (
            "--platform globalping --measurement ID2 --confirm ID2",
            0,
            "nothing to remove",
        ),
    ] {
        let (exit, out) = remove(line).await;
        assert!(exit == code && out.contains(said), "{line}: {exit} {out}");
    }
    drop(context);
    assert_eq!(borrowed(&paths), before, "nothing was changed");

    let context = CommandContext::open(&paths).unwrap();
    for (line, said) in [
        (
            "1 --platform atlas --confirm 1",
            "200 measurements of 1 vantage removed",
        ),
        (
            "--platform globalping --measurement ID1 --confirm ID1",
            "measurement ID1: 2 measurements",
        ),
        (
            "--platform atlas --confirm atlas",
            "800 measurements of 4 vantages removed",
        ),
    ] {
        let words: Vec<_> = ["import", "remove"].into_iter().chain(line.split(' ')).collect();
        let (code, out) = carried_out(&context, &words).await;
        assert!(code == 0 && out.contains(said), "{line}: {out}");
    }
    let (_, audit) = carried_out(&context, &["audit", "--format", "json"]).await;
    assert!(
        audit.contains("borrowed, atlas vantage 1: 200 measurements of 1 vantage"),
        "{audit}"
    );
    drop(context);
    assert!(borrowed(&paths).is_empty());
    let (code, out, _) = import(&paths, &line).await;
    assert!(
        code == 0 && out.contains("1000 measurements taken in"),
        "as if never imported: {out}"
    );
}

/// Each row beside one that is as it should be: what is wrong with the first is all that tells them apart.
#[tokio::test]
async fn every_kind_of_bad_row_is_named_with_its_line_and_the_good_one_beside_it_is_taken_in() {
    let (folder, paths) = with_candidate();
    let now = Clock::system().wall().0 / 1_000;
    let ping = |probe: u64, host: &str, at: u64| {
        json!({
            "type": "ping", "msm_id": 90_000_001, "prb_id": probe, "timestamp": at, "dst_name": host, "af": 4, "sent": 3,
            "rcvd": 3, "min": 80.5, "avg": 81.0, "max": 82.0, "result": [{ "rtt": 80.5 }, { "rtt": 81.0 }], "fw": 5080,
        })
        .to_string()
    };
    let good = |at: u64| ping(1, "node.example.org", at);
    let year = 365 * 86_400;
    let rows = [
        good(now - 60),
        ping(1, "elsewhere.example", now - 60),
        good(now + 60),
        good(now + year),
        ping(2, "node.example.org", now - 60),
        ping(3, "node.example.org", now - 60),
        ping(4, "node.example.org", now - 60),
        ping(5, "node.example.org", now - 60),
        "{\"type\":\"ping\",".to_owned(),
        good(now - 120),
        good(now - 180)[..150].to_owned(), // the file ends in its middle
    ];
    let results = folder.path().join("results.json");
    fs::write(&results, rows.join("\n")).unwrap();
    let probe = |id: u64, public: bool, tag: &str, place: Value| {
        json!({
            "id": id, "is_public": public, "is_anchor": false, "asn_v4": 64_500, "country_code": "KE", "geometry": place,
            "status": { "id": 1, "name": "Connected" }, "tags": [{ "name": tag, "slug": tag }],
        })
    };
    let nairobi = json!({ "type": "Point", "coordinates": [36.8, -1.3] });
    let probes = json!([
        probe(1, true, "home", nairobi.clone()),
        probe(2, true, "home", Value::Null),
        probe(3, false, "home", nairobi.clone()),
        probe(4, true, "system-firewall-problem-suspected", nairobi),
    ]);
    let list = folder.path().join("probes.json");
    fs::write(&list, probes.to_string()).unwrap();
    let line = format!(
        "import atlas {} --probes {} --format json",
        results.display(),
        list.display()
    );
    let (code, out, err) = import(&paths, &line).await;
    let json: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out} {err}"));
    assert_eq!((code, &json["new"]), (0, &json!(3)), "{json}");
    let refused = json["refused"].as_array().unwrap();
    let lines_of = |words: &str| {
        let found = refused
            .iter()
            .find(|one| one["reason"].as_str().unwrap().contains(words));
        let listed = found.map(|one| one["listed"].as_array().unwrap().iter());
        let lines: Vec<_> = listed
            .into_iter()
            .flatten()
            .map(|one| one["line"].as_u64().unwrap())
            .collect();
        lines
    };
    for (words, lines) in [
        ("another target", vec![2]),
        ("later than this machine's clock", vec![4]),
        ("without a place", vec![5]),
        ("private", vec![6]),
        ("broken", vec![7]),
        ("in no list of probes", vec![8]),
    ] {
        assert_eq!(lines_of(words), lines, "{words}: {json}");
    }
    let all: u64 = refused.iter().map(|one| one["count"].as_u64().unwrap()).sum();
    assert_eq!(all, 8, "these, the broken row and the cut one: {json}");
    let last = refused.iter().flat_map(|one| one["listed"].as_array().unwrap());
    assert!(
        last.into_iter().any(|one| one["line"] == 11),
        "the cut one is named: {json}"
    );
}
