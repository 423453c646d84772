//! `import ndjson` and `import elasticsearch`.

use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::Imported;

use super::*;

fn document(number: u64) -> Value {
    json!({
        "time": NOON + number * 1_000, "source": if number.is_multiple_of(2) { "eu" } else { "us" },
        "nodeEndpoint": "https://node.example.org/", "pingStatus": "ok",
        "assetDownloadResult": { "status": 200, "ttfb": 100 + number % 50, "cacheStatus": "hit" },
    })
}

fn file(folder: &TempDir, name: &str, numbers: std::ops::Range<u64>) -> PathBuf {
    let mut text = String::new();
    for number in numbers {
        writeln!(text, "{}", document(number)).unwrap();
    }
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn kept(paths: &Paths) -> Vec<(String, u64)> {
    let context = CommandContext::open(paths).unwrap();
    let sources = Imported::of(&context.store).sources().unwrap();
    sources
        .into_iter()
        .map(|source| (source.vantage, source.documents))
        .collect()
}

#[tokio::test]
async fn file_is_taken_in_once_however_often_and_a_dry_run_makes_not_even_a_store() {
    let (folder, paths) = world();
    let path = file(&folder, "pings.ndjson", 0..100);
    let line = format!("ndjson {} --as operators-ping", path.display());
    let (code, out, _) = import(&paths, &format!("import {line} --dry-run")).await;
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("100 documents would be taken in, 0 known already, 0 would be refused"),
        "{out}"
    );
    assert!(!paths.state.exists(), "a dry run makes nothing");

    let (code, out, _) = import(&paths, &format!("import {line}")).await;
    assert!(
        code == 0 && out.contains("100 documents taken in, 0 known already, 0 refused"),
        "{out}"
    );
    let before = kept(&paths);
    assert_eq!(before, [("eu".to_owned(), 50), ("us".to_owned(), 50)]);
    let (code, out, _) = import(&paths, &format!("import {line}")).await;
    assert!(
        code == 0 && out.contains("0 documents taken in, 100 known already"),
        "{out}"
    );
    let overlapping = file(&folder, "more.ndjson", 60..120);
    let line = format!("import ndjson {} --as operators-ping", overlapping.display());
    let (_, out, _) = import(&paths, &format!("{line} --dry-run")).await;
    assert!(
        out.contains("20 documents would be taken in, 40 known already"),
        "{out}"
    );
    assert_eq!(kept(&paths), before);
    let (_, out, _) = import(&paths, &format!("{line} --format json")).await;
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["new"], &json["known"]), (&json!(20), &json!(40)), "{json}");
    assert_eq!(json["vantages"][0]["from"], "2023-11-22T12:01:00Z", "{json}");
}

/// A failed ping has no result, and so passes for a document of the other index.
#[tokio::test]
async fn file_of_the_other_index_is_taken_in_not_even_in_part() {
    let (folder, paths) = world();
    let path = folder.path().join("pings.ndjson");
    let mut text = String::new();
    for number in 0..20 {
        let mut ping = document(number);
        if number == 7 {
            ping.as_object_mut().unwrap().remove("assetDownloadResult");
        }
        writeln!(text, "{ping}").unwrap();
    }
    fs::write(&path, text).unwrap();
    let line = format!("import ndjson {} --as distributors-status", path.display());
    let (code, out, err) = import(&paths, &line).await;
    assert_eq!(code, 1, "{out} {err}");
    assert!(err.contains("--as operators-ping"), "{out} {err}");
    assert!(!paths.state.exists() || kept(&paths).is_empty(), "{out} {err}");
}

/// The store is open in the collector: what is read here goes to it through its socket.
#[tokio::test]
async fn running_collector_takes_in_what_another_process_reads() {
    let (folder, paths) = world();
    let path = file(&folder, "pings.ndjson", 0..12_000);
    let context = CommandContext::open(&paths).unwrap();
    let serving = Serving::start(&paths, &context).await;
    let line = format!("import ndjson {} --as operators-ping", path.display());
    let (code, out, err) = import(&paths, &line).await;
    assert!(
        code == 0 && out.contains("12000 documents taken in"),
        "{out} {err}"
    );
    serving.stop().await;
    let sources = Imported::of(&context.store).sources().unwrap();
    assert_eq!(sources.iter().map(|source| source.documents).sum::<u64>(), 12_000);
}

#[tokio::test]
async fn coverage_of_imported_documents_predicts_nothing_and_no_count_is_made_of_them() {
    let (folder, paths) = world();
    let path = file(&folder, "pings.ndjson", 0..200);
    import(
        &paths,
        &format!("import ndjson {} --as operators-ping", path.display()),
    )
    .await;
    let context = CommandContext::open(&paths).unwrap();
    let (code, said) = carried_out(&context, &["report", "coverage", "--imported"]).await;
    assert!(
        code == 1 && said.contains("import place"),
        "nobody said where they stand: {said}"
    );
    let (code, said) = carried_out(&context, &["import", "place", "nobody", "Berlin, DE"]).await;
    assert!(
        code == 1 && said.contains("no imported vantage is called"),
        "{said}"
    );
    let (code, said) = carried_out(&context, &["import", "place", "eu", "Atlantis, XX"]).await;
    assert!(code == 2 && said.contains("Atlantis, XX"), "{said}");
    let (code, said) = carried_out(&context, &["import", "place", "eu", "Berlin, DE"]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = carried_out(&context, &["report", "coverage", "--imported"]).await;
    assert!(code == 0 && said.contains("imported, not ours"), "{said}");
    assert!(!said.contains('~') && !said.contains("Best guess"), "{said}");
    let (code, said) = carried_out(&context, &["report", "count", "--imported"]).await;
    assert!(code == 2 && said.contains("takes no --imported"), "{said}");
}

#[tokio::test]
async fn refused_documents_are_listed_by_reason_and_the_rest_is_taken_in() {
    let (folder, paths) = world();
    let mut text = format!("{}\n{{}}\nnot json\n", document(0));
    let mut other = document(0);
    other["assetDownloadResult"]["ttfb"] = json!(7);
    writeln!(text, "{other}\n{}", document(1)).unwrap();
    for _ in 0..20 {
        text.push_str("{\"message\":\"\\u001b[31mred\"}\n");
    }
    let path = folder.path().join("mixed.ndjson");
    fs::write(&path, text).unwrap();
    let letters = folder.path().join("refused.ndjson");
    let line = format!(
        "import ndjson {} --as operators-ping --refused {}",
        path.display(),
        letters.display()
    );
    let (code, out, _) = import(&paths, &line).await;
    assert!(
        code == 0 && out.contains("2 documents taken in, 0 known already, 23 refused"),
        "{out}"
    );
    assert!(
        out.contains("refused 21: it has no pingStatus: line 2, line 6, "),
        "{out}"
    );
    assert!(out.contains("and 11 more"), "{out}");
    assert!(out.contains("says otherwise; the first stays: line 4"), "{out}");
    let letters = fs::read_to_string(letters).unwrap();
    assert_eq!(letters.lines().count(), 23);
    assert!(letters.contains(r#"{"line":3,"reason":"no JSON"#), "{letters}");

    fs::write(&path, "{}\n{}\n").unwrap();
    let (code, out, _) = import(
        &paths,
        &format!("import ndjson {} --as distributors-status", path.display()),
    )
    .await;
    assert!(
        code == 1 && out.contains("2 refused"),
        "nothing could be taken in: {out}"
    );
    let (code, _, err) = import(&paths, "import ndjson /nowhere.ndjson --as operators-ping").await;
    assert!(code == 1 && err.contains("/nowhere.ndjson"), "{err}");
}

#[tokio::test]
async fn hundred_thousand_documents_become_figures_in_pieces() {
    let (folder, paths) = world();
    let path = file(&folder, "pings.ndjson", 0..100_000);
    let line = format!("import ndjson {} --as operators-ping", path.display());
    let (code, out, err) = import(&paths, &line).await;
    assert!(
        code == 0 && out.contains("100000 documents taken in"),
        "{out} {err}"
    );
    let context = CommandContext::open(&paths).unwrap();
    let (answers, mut waiting) = mpsc::channel(64);
    let words = "isochrone-collector report nodes --from 2023-11-22T00:00:00Z --to 2023-11-25T00:00:00Z --format json";
    let Program::Command(command) = Cli::try_parse_from(words.split(' ')).unwrap().program else {
        panic!("a command")
    };
    let hearing = async { while let Some(Answer::Progress { .. }) = waiting.recv().await {} };
    let (code, ()) = tokio::join!(commands::carry_out(context.clone(), command, answers), hearing);
    assert_eq!(code, 0);
    let report = isochrone_report::imported::ImportedNodes::read(
        &context.store,
        &context.past_roster().unwrap(),
        isochrone_report::log::Window {
            from: UnixMillis(NOON),
            until: UnixMillis(NOON + 100_000_000),
        },
    );
    let report = report.unwrap();
    let node = &report.nodes[0];
    assert_eq!(
        (node.name(), node.whole.checks, node.vantages.len()),
        ("berlin", 100_000, 2)
    );
}

#[test]
fn part_of_an_index_is_never_taken_for_the_whole_that_was_interrupted() {
    let key = |line: &str| {
        let words = format!("isochrone-collector import elasticsearch --url http://127.0.0.1:1/ {line}");
        let Program::Command(Command::Import(ImportCommand::Elasticsearch { from, .. })) =
            Cli::try_parse_from(words.split(' ')).unwrap().program
        else {
            panic!("an import: {line}")
        };
        crate::import::documents::key_of(&from, UnixMillis(NOON))
    };
    let whole = key("--index operators-ping");
    assert_eq!(
        whole.as_deref(),
        Some("http://127.0.0.1:1 operators-ping operators-ping")
    );
    assert_ne!(key("--index operators-ping --as distributors-status"), whole);
    assert_eq!(key("--index operators-ping --since 7d"), None);
}

#[tokio::test]
async fn options_of_a_cluster_that_cannot_be_are_named() {
    let (_folder, paths) = world();
    for (line, said) in [
        (
            "--url https://es.example.org --index other",
            "--as operators-ping or --as distributors-status",
        ),
        (
            "--url ftp://es.example.org --index operators-ping",
            "https://es1.example.org:9200",
        ),
        (
            "--url http://es.example.org --index operators-ping --api-key-file k",
            "travel in the clear",
        ),
        (
            "--url http://127.0.0.1:1 --index operators-ping --since soon",
            "--since soon",
        ),
        (
            "--url http://127.0.0.1:1 --index a/b --as operators-ping",
            "no index can be called so",
        ),
        (
            "--url https://127.0.0.1:1 --index operators-ping --ca /nowhere.pem",
            "/nowhere.pem",
        ),
    ] {
        let (code, _, err) = import(&paths, &format!("import elasticsearch {line}")).await;
        assert!(code == 1 && err.contains(said), "{line}: {err}");
        assert!(!paths.state.exists(), "{line}");
    }
}
