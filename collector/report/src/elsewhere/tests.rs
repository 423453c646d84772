use super::*;

const NOON: u64 = 1_795_348_800_000; // 2026-11-22T12:00:00Z

fn holdings() -> Holdings {
    Holdings {
        url: "https://es1:9200".to_owned(),
        from: Some(UnixMillis(NOON)),
        to: Some(UnixMillis(NOON + 3 * DAY_MS)),
        ..Holdings::default()
    }
}

#[test]
fn window_is_cut_to_what_is_there_and_what_was_asked_for_before_is_said() {
    let asked = Window {
        from: UnixMillis(NOON - 10 * DAY_MS),
        until: UnixMillis(NOON + 10 * DAY_MS),
    };
    let now = UnixMillis(NOON + 4 * DAY_MS);
    let within = holdings().within(asked, now);
    assert_eq!(
        (within.window.from.0, within.window.until),
        (NOON / DAY_MS * DAY_MS, now)
    );
    let said = within.before.unwrap().sentence();
    assert!(
        said.ends_with("Elasticsearch holds nothing before 2026-11-22 12:00."),
        "{said}"
    );
    let later = Window {
        from: UnixMillis(NOON + DAY_MS),
        ..asked
    };
    assert_eq!(holdings().within(later, now).before, None);
    let nothing = Holdings::default().within(asked, now);
    assert_eq!(nothing.window.from, nothing.window.until);
    assert!(
        nothing
            .before
            .unwrap()
            .sentence()
            .ends_with("Elasticsearch holds nothing yet.")
    );
}

#[test]
fn whatever_is_lacking_is_said_with_what_to_do() {
    assert_eq!(holdings().lacks(), Vec::<String>::new());
    let lacking = Holdings {
        unsent: 12,
        not_refreshed: Some("403: not for ada".to_owned()),
        dead_letters: 1,
        removed_unsent: 3,
        foreign: 2,
        unknown_probes: 7,
        foreign_example: Some("x in isochrone-echo-2026.11: no probe".to_owned()),
        missing_indices: vec!["isochrone-echo-2026.11".to_owned()],
        ..holdings()
    };
    let lacks = lacking.lacks();
    for (lack, words) in lacks.iter().zip([
        &["12 measurements", "wait"][..],
        &["not for ada", "15 seconds", "elastic setup --role"],
        &["1 document", "elastic retry"],
        &["3 measurements", "retention"],
        &["2 documents", "https://es1:9200", "no probe"],
        &["7 measurements", "does not know"],
        &["isochrone-echo-2026.11 is not there", "elastic backfill"],
    ]) {
        for word in words {
            assert!(lack.contains(word), "{word}: {lack}");
        }
    }
    assert_eq!(lacks.len(), 7);
}

#[test]
fn json_says_what_elasticsearch_holds_beside_the_report() {
    let json = with(serde_json::json!({ "schema": "x" }), &holdings());
    assert_eq!(json["schema"], "x");
    assert_eq!(json["elasticsearch"]["from"], "2026-11-22T12:00:00Z");
    assert_eq!(json["elasticsearch"]["unsent"], 0);
    let keys: Vec<&String> = json["elasticsearch"].as_object().unwrap().keys().collect();
    let mut agreed = [
        "url",
        "from",
        "to",
        "unsent",
        "not_refreshed",
        "dead_letters",
        "removed_unsent",
        "foreign",
        "foreign_example",
        "unknown_probes",
        "missing_indices",
    ];
    agreed.sort_unstable();
    let mut keys: Vec<&str> = keys.into_iter().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, agreed);
}
