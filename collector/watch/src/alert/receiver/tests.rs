//! Every text of every alert, hostile, through every receiver.

use isochrone_proto::text::is_clean;
use isochrone_proto::units::UnixMillis;
use serde_json::Value;

use super::*;
use crate::alert::SecurityNotice;
use crate::alert::outbox::tests::{incident_alert, long_alert, several_alert};
use crate::incident::IncidentCheck;

/// It clears a screen, turns writing, begins a line, and would be markup, a mention and a link.
const HOSTILE: &str =
    "seen\u{1b}[2J\u{202e}\n# Owned\0\u{9b}\u{2800}<@1> @everyone **b** https://phish.example.org";

/// The value, once for each of its texts, with that one hostile.
fn each_text_hostile(value: &Value) -> Vec<Value> {
    fn texts<'a>(value: &'a mut Value, found: &mut Vec<&'a mut String>) {
        match value {
            Value::String(text) => found.push(text),
            Value::Array(values) => values.iter_mut().for_each(|value| texts(value, found)),
            Value::Object(fields) => fields.values_mut().for_each(|value| texts(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let count = {
        let (mut value, mut found) = (value.clone(), Vec::new());
        texts(&mut value, &mut found);
        found.len()
    };
    let hostile = |place: usize| {
        let mut value = value.clone();
        let mut found = Vec::new();
        texts(&mut value, &mut found);
        HOSTILE.clone_into(found[place]);
        value
    };
    (0..count).map(hostile).collect()
}

fn visit(value: &Value, look: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => look(text),
        Value::Array(values) => values.iter().for_each(|value| visit(value, look)),
        Value::Object(fields) => fields.values().for_each(|value| visit(value, look)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn alerts() -> Vec<Alert> {
    let notice = SecurityNotice {
        kind: "fork".into(),
        probe: "ada-berlin".into(),
        text: "a clone".into(),
    };
    let mut whole = several_alert(IncidentCheck::Connect, 60, 1);
    for incident in whole.incident.iter_mut().chain(&mut whole.others) {
        (incident.worker, incident.place) = (Some("ada".into()), Some("Berlin, DE".into()));
        incident.caveat = Some("two vantages".into());
    }
    vec![
        incident_alert(),
        long_alert(),
        several_alert(IncidentCheck::Probe, 3, 0),
        whole,
        Alert::of_security(notice, "lead", UnixMillis(0)),
    ]
}

#[test]
fn every_text_of_an_alert_is_shown_and_not_obeyed() {
    let receiver = |kind| {
        let url = "http://127.0.0.1/hook".to_owned();
        Receiver::new(kind, SecretUrl::try_from(url).unwrap())
    };
    let body = |kind, alert: &Alert| receiver(kind).request(alert).unwrap().body.unwrap();
    let (mut walked, mut seen) = (0, [0, 0]);
    for honest in alerts() {
        for hostile in each_text_hostile(&serde_json::to_value(&honest).unwrap()) {
            let Ok(alert) = serde_json::from_value::<Alert>(hostile) else {
                continue; // a word of ours, of which there are a few
            };
            walked += 1;
            let webhook = body(ReceiverKind::Webhook, &alert);
            visit(&webhook, &mut |text| assert!(is_clean(text), "{text:?}"));
            seen[0] += usize::from(webhook.to_string().contains("seen"));
            let mut discord = body(ReceiverKind::Discord, &alert);
            let embed = &mut discord["embeds"][0];
            embed["timestamp"] = "read, not shown".into();
            let footer = embed["footer"]["text"].take(); // of our own, and no place for markup
            assert!(
                is_clean(&footer.as_str().unwrap().replace('\u{200b}', "")),
                "{footer}"
            );
            visit(&discord, &mut |text| {
                for line in text.lines() {
                    assert!(!line.starts_with("# Owned"), "a line is forged: {text}");
                    assert!(is_clean(&line.replace('\u{200b}', "")), "{line:?}");
                    let outside: String = line.split('`').step_by(2).collect(); // of code, which is shown as it is
                    assert!(!outside.contains("://p"), "a link: {line}");
                    assert!(!outside.contains("@everyone"), "a mention: {line}");
                    assert!(!outside.contains("**b**"), "markup: {line}");
                }
            });
            seen[1] += usize::from(discord.to_string().contains("seen"));
        }
    }
    assert!(
        walked > 100 && seen[0] == walked && seen[1] > 30,
        "{walked} {seen:?}"
    );
}
