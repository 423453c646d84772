use super::*;
use crate::{Period, Prefix};

fn names() -> Names {
    Names::new(Prefix::default(), Period::Month)
}

fn standing(name: &str, body: &Value) -> Value {
    json!({ "name": name, "index_template": body })
}

/// As a server gives settings back: everything below `index` is text.
fn as_given_back(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), as_given_back(value)))
            .collect(),
        Value::Array(items) => items.iter().map(as_given_back).collect(),
        Value::Bool(flag) => Value::String(flag.to_string()),
        Value::Number(number) => Value::String(number.to_string()),
        other => other.clone(),
    }
}

#[test]
fn template_is_made_once_and_kept_as_the_server_gives_it_back() {
    let item = template(&names(), Family::Echo, Layout::default(), &[]);
    assert_eq!(
        (item.what.as_str(), &item.change),
        ("index template isochrone-echo", &Change::Make)
    );
    let mut back = item.body.clone();
    back["template"]["settings"] = as_given_back(&back["template"]["settings"]);
    let again = template(
        &names(),
        Family::Echo,
        Layout::default(),
        &[standing("isochrone-echo", &back)],
    );
    assert_eq!(again.change, Change::Keep);
    back["template"]["mappings"]["properties"]["rtt_us"]["type"] = json!("integer");
    let again = template(
        &names(),
        Family::Echo,
        Layout::default(),
        &[standing("isochrone-echo", &back)],
    );
    let Change::Replace { because } = again.change else {
        panic!("{:?}", again.change);
    };
    assert_eq!(because, "template.mappings.properties.rtt_us.type");
}

#[test]
fn somebody_elses_template_is_named_and_left_alone() {
    let theirs = json!({ "index_patterns": ["iso*"], "priority": 900 });
    let item = template(
        &names(),
        Family::Echo,
        Layout::default(),
        &[standing("ops-catch-all", &theirs)],
    );
    let Change::Leave {
        because,
        blocks: true,
    } = item.change
    else {
        panic!("{:?}", item.change);
    };
    assert!(
        because.contains("ops-catch-all") && because.contains("900"),
        "{because}"
    );
    let lower = json!({ "index_patterns": ["*"], "priority": 100 });
    let item = template(
        &names(),
        Family::Echo,
        Layout::default(),
        &[standing("ops-default", &lower)],
    );
    assert_eq!(item.change, Change::Make);
    let elsewhere = json!({ "index_patterns": ["logs-*"], "priority": 900 });
    let item = template(
        &names(),
        Family::Echo,
        Layout::default(),
        &[standing("logs", &elsewhere)],
    );
    assert_eq!(item.change, Change::Make);
    let named = json!({ "index_patterns": ["isochrone-echo-*"], "priority": 1 });
    let item = template(
        &names(),
        Family::Echo,
        Layout::default(),
        &[standing("isochrone-echo", &named)],
    );
    assert!(
        matches!(&item.change, Change::Leave { because, blocks: true } if because.contains("not ours")),
        "{:?}",
        item.change
    );
}

#[test]
fn period_is_fixed_with_the_first_setup() {
    let days = Names::new(Prefix::default(), Period::Day).template_body(Family::Echo, Layout::default());
    let item = template(
        &names(),
        Family::Echo,
        Layout::default(),
        &[standing("isochrone-echo", &days)],
    );
    assert!(
        matches!(&item.change, Change::Leave { because, blocks: true } if because.contains("\"day\"")),
        "{:?}",
        item.change
    );
}

#[test]
fn patterns_overlap_where_a_name_fits_both() {
    for (one, other, does) in [
        ("*", "isochrone-echo-*", true),
        ("iso*", "isochrone-echo-*", true),
        ("*-echo-*", "isochrone-echo-*", true),
        ("isochrone-endpoint-*", "isochrone-echo-*", false),
        ("isochrone-echo-2026.11", "isochrone-echo-*", true),
        ("logs-*-*", "isochrone-echo-*", false),
    ] {
        assert_eq!(overlap(one, other), does, "{one} {other}");
        assert_eq!(overlap(other, one), does, "{other} {one}");
    }
}

#[test]
fn writer_may_neither_change_nor_delete_raw_documents() {
    let role = role(&names());
    let raw = &role["indices"][0];
    assert_eq!(raw["names"], json!(["isochrone-echo-*", "isochrone-endpoint-*"]));
    let privileges: Vec<&str> = raw["privileges"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for too_much in ["all", "write", "index", "delete", "manage", "delete_index"] {
        assert!(!privileges.contains(&too_much), "{too_much}");
    }
}
