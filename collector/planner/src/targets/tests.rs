use super::*;

const BERLIN: &str = r#"
# mine
[[node]]
node = "berlin"
kind = "argus"
url = "https://node.example.org/distributor"
worker = "ada"
latitude = 52.52
longitude = 13.4
asset = "1343"
"#;

fn parse(text: &str) -> Result<Targets, String> {
    Targets::parse(text, Path::new("targets.toml")).map_err(|error| error.to_string())
}

#[test]
fn missing_slash_is_added_and_noted() {
    let targets = parse(BERLIN).unwrap();
    assert_eq!(
        targets.nodes[0].url.as_str(),
        "https://node.example.org/distributor/"
    );
    assert!(targets.nodes[0].lacks_slash);
}

#[test]
fn every_wrong_value_names_file_node_key_and_value() {
    for (from, to, key) in [
        ("latitude = 52.52", "latitude = 90.5", "latitude"),
        ("longitude = 13.4", "longitude = -180.5", "longitude"),
        ("asset = \"1343\"", "asset = \"12abc\"", "asset"),
        (
            "https://node.example.org/distributor",
            "ftp://node.example.org/",
            "url",
        ),
        (
            "https://node.example.org/distributor",
            "https://a:b@node.example.org/",
            "url",
        ),
        (
            "https://node.example.org/distributor",
            "https://node.example.org/?x=1",
            "url",
        ),
        ("asset = \"1343\"", "interval = \"999ms\"", "interval"),
        ("asset = \"1343\"", "families = [5]", "families"),
        ("worker = \"ada\"", "worker = \"a b\"", "worker"),
    ] {
        let error = parse(&BERLIN.replace(from, to)).unwrap_err();
        assert!(
            error.contains("targets.toml") && error.contains("berlin") && error.contains(key),
            "{error}"
        );
    }
}

/// The file of nodes that can never be measured, one by one.
const REFUSED: &str = include_str!("tests/refused.toml");

#[test]
fn node_that_can_never_be_measured_is_refused_with_the_line_and_the_reason() {
    let nodes: Vec<_> = REFUSED.split("[[node]]").skip(1).collect();
    for (text, (name, key, reason)) in nodes.iter().zip([
        ("fragment", "url", "'#'"),
        ("family", "families", "IPv4"),
        ("port", "url", "port 0"),
        ("zeros", "asset", "zero in front"),
        ("long", "asset", "below 2^64"),
        ("label", "url", "63 letters"),
        ("family6", "families", "IPv6"),
    ]) {
        let text = format!("# nodes\n\n[[node]]{text}");
        let line = 1 + text.lines().position(|line| line.starts_with(key)).unwrap();
        let error = parse(&text).unwrap_err();
        assert!(
            error.starts_with(&format!("targets.toml, line {line}: node {name:?}: {key} = "))
                && error.contains(reason),
            "{error}"
        );
    }
    assert_eq!(nodes.len(), 7);
}

#[test]
fn wrong_key_of_a_later_node_and_a_missing_one_have_their_lines() {
    let second = BERLIN.replace("\"berlin\"", "\"osaka\"");
    let error = parse(&format!("{BERLIN}{}", second.replace("13.4", "181.0"))).unwrap_err();
    assert!(
        error.starts_with("targets.toml, line 19: node \"osaka\""),
        "{error}"
    );
    let nowhere = second.replace("latitude = 52.52\nlongitude = 13.4\n", "");
    let error = parse(&format!("{BERLIN}{nowhere}")).unwrap_err();
    assert!(
        error.starts_with("targets.toml, line 13: node \"osaka\""),
        "{error}"
    );
}

#[test]
fn coordinates_are_never_minus_zero() {
    let on_both_lines = BERLIN.replace("52.52", "-0.0").replace("13.4", "-0.0");
    let node = &parse(&on_both_lines).unwrap().nodes[0];
    assert_eq!(format!("{} {}", node.latitude, node.longitude), "0 0");
}

#[test]
fn names_of_letters_and_marks_apart_are_the_composed_ones() {
    let decomposed = BERLIN
        .replace("\"ada\"", "\"ju\u{308}rgen\"")
        .replace("\"berlin\"", "\"ko\u{308}ln\"");
    let targets = parse(&decomposed).unwrap();
    assert_eq!(
        (targets.nodes[0].name.as_str(), targets.nodes[0].worker.as_str()),
        ("köln", "jürgen")
    );
    assert!(targets.node("köln").is_some() && targets.node("ko\u{308}ln").is_some());
    let twice = format!("{decomposed}{}", decomposed.replace("ko\u{308}ln", "köln"));
    assert!(parse(&twice).unwrap_err().contains("unique"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("targets.toml");
    fs::write(&path, &decomposed).unwrap();
    assert!(set_paused(&path, "köln", true).unwrap().nodes[0].paused);
}

#[test]
fn second_node_of_one_name_is_refused() {
    assert!(
        parse(&format!("{BERLIN}{BERLIN}"))
            .unwrap_err()
            .contains("unique")
    );
}

#[test]
fn sample_holds_no_node_and_uncommented_it_is_valid() {
    assert!(parse(SAMPLE).unwrap().nodes.is_empty());
    let keys = |line: &str| {
        line.strip_prefix('#')
            .filter(|key| !key.starts_with(' '))
            .map(str::to_owned)
    };
    let uncommented: Vec<String> = SAMPLE.lines().filter_map(keys).collect();
    let targets = parse(&uncommented.join("\n")).unwrap();
    assert_eq!((targets.nodes.len(), targets.candidates.len()), (1, 1));
}

#[test]
fn edits_keep_comments_and_refuse_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("targets.toml");
    fs::write(&path, BERLIN).unwrap();
    assert!(set_paused(&path, "berlin", true).unwrap().nodes[0].paused);
    assert!(!set_paused(&path, "berlin", false).unwrap().nodes[0].paused);
    let keys = |name: &str| {
        vec![
            ("node", name.into()),
            ("kind", "http".into()),
            ("url", "http://[2001:db8::1]/".into()),
            ("worker", "bob".into()),
            ("latitude", 1.0.into()),
            ("longitude", 2.0.into()),
        ]
    };
    let targets = add(&path, keys("osaka")).unwrap();
    assert_eq!(targets.node("osaka").unwrap().families, [Family::V6]);
    let before = fs::read_to_string(&path).unwrap();
    assert!(before.starts_with("\n# mine"), "{before}");
    assert!(add(&path, keys("osaka")).is_err());
    assert_eq!(
        remove(&path, "nowhere").unwrap_err().to_string(),
        "no node is called \"nowhere\"; known are: berlin, osaka"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    assert_eq!(remove(&path, "berlin").unwrap().nodes.len(), 1);
    assert_eq!(remove(&path, "osaka").unwrap().nodes.len(), 0);
    assert_eq!(
        remove(&path, "osaka").unwrap_err().to_string(),
        "no node is called \"osaka\"; there are none yet; `target add` adds one"
    );
}

#[test]
fn difference_names_what_was_added_changed_and_removed() {
    let read = |nodes: &[(&str, &str)]| {
        let node = |(name, worker): &(&str, &str)| {
            format!(
                "[[node]]\nnode = \"{name}\"\nkind = \"http\"\nurl = \"https://{name}.example.org/\"\n\
                 worker = \"{worker}\"\nplace = \"Berlin, DE\"\n"
            )
        };
        let text: String = nodes.iter().map(node).collect();
        Targets::parse(&text, Path::new("targets.toml")).unwrap()
    };
    let before = read(&[("berlin", "ada"), ("lima", "pia"), ("oslo", "cyd")]);
    assert_eq!(before.difference(&before), "nothing changed");
    let after = read(&[("berlin", "ada"), ("lima", "eva"), ("tokyo", "ken")]);
    assert_eq!(
        after.difference(&before),
        "added tokyo; changed lima; removed oslo"
    );
}
