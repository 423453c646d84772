//! What commands say where measurements cannot be read from Elasticsearch.

use super::*;

/// The exit code and the complaint of a command line, over a collector with these lines in its configuration.
fn complaint(further: &str, line: &str) -> (u8, String) {
    let (folder, context) = context(false);
    drop(context);
    let paths = Paths::find(
        Some(folder.path().join("collector.toml")),
        Some(folder.path().join("state")),
    );
    fs::write(&paths.config, format!("{CONFIG}{further}")).unwrap();
    let context = CommandContext::open(&paths).unwrap();
    let arguments = std::iter::once("isochrone-collector").chain(line.split_whitespace());
    let Program::Command(command) = Cli::try_parse_from(arguments).unwrap().program else {
        panic!("a command: {line}")
    };
    let (answers, mut waiting) = tokio::sync::mpsc::channel(16);
    let mut complained = String::new();
    let collect = async {
        while let Some(answer) = waiting.recv().await {
            match answer {
                Answer::Err(text) => complained.push_str(&text),
                Answer::Out(text) => panic!("{line}: {text}"),
                _ => {}
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let carried_out = async { tokio::join!(carry_out(context, command, answers), collect).0 };
    let code = runtime.block_on(carried_out);
    (code, complained)
}

const REPORTS: [&str; 5] = [
    "report nodes",
    "report coverage",
    "report count",
    "show berlin",
    "locate",
];

#[cfg(feature = "elasticsearch")]
#[test]
fn report_without_a_cluster_or_from_one_that_is_away_says_what_to_do() {
    for report in REPORTS {
        let (code, words) = complaint("", &format!("{report} --since 7d --from elasticsearch"));
        assert_eq!(code, 1, "{report}: {words}");
        assert!(
            words.contains("[elasticsearch]") && words.contains("urls"),
            "{words}"
        );
    }
    let away = "[elasticsearch]\nurls = [\"http://127.0.0.1:1\"]\n";
    let (code, words) = complaint(
        away,
        "report nodes --from elasticsearch --from 2026-11-22T10:00:00Z",
    );
    assert_eq!(code, 1, "{words}");
    assert!(
        words.contains("http://127.0.0.1:1") && words.contains("does not answer"),
        "{words}"
    );
    let (code, words) = complaint(away, "show nowhere --from elasticsearch");
    assert_eq!(code, 1);
    assert!(words.contains("no node is called"), "{words}");
}

#[cfg(not(feature = "elasticsearch"))]
#[test]
fn program_without_it_says_so_whatever_is_asked_of_it() {
    let commands = [
        "elastic verify --since 1d",
        "elastic setup --help",
        "import ndjson pings.ndjson --as operators-ping",
    ]
    .map(str::to_owned);
    let reports = REPORTS.map(|report| format!("{report} --from elasticsearch"));
    for line in commands.into_iter().chain(reports) {
        let (code, words) = complaint("", &line);
        assert_eq!(code, 2, "{line}: {words}");
        assert!(words.contains("built without Elasticsearch"), "{line}: {words}");
    }
}

#[test]
fn window_has_one_beginning_beside_the_word() {
    let instant = "--from 2026-11-22T10:00:00Z";
    for line in [
        format!("report nodes {instant} --from 2026-11-22T11:00:00Z"),
        format!("report nodes --since 7d {instant}"),
        format!("locate --since 7d {instant}"),
    ] {
        let (code, words) = complaint("", &line);
        assert_eq!(code, 2, "{line}: {words}");
        assert!(words.contains("--from names one instant"), "{line}: {words}");
    }
    let (code, words) = complaint("", "report coverage --imported --from elasticsearch");
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("--imported"), "{words}");
}
