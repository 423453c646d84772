//! An alert as a Discord message: within its limits, and unable to mention anyone.

use isochrone_base::words;
use serde_json::{Value, json};

use super::message::{Alert, Event, EvidenceBody};

/// Characters of a message's text.
const CONTENT_MAX: usize = 2_000;
/// Characters of an embed's description: Discord takes 4,096; the whole embed must stay below 6,000.
const DESCRIPTION_MAX: usize = 2_000;
const TITLE_MAX: usize = 256;
const FOOTER_MAX: usize = 1_024;

/// The body of a POST to a Discord webhook.
pub(super) fn body(alert: &Alert) -> Value {
    let (mark, colour) = match alert.event {
        Event::Opened | Event::Worse | Event::Flapping | Event::Steady => ("\u{1f534}", 0x00d1_3438),
        Event::Ended | Event::OwnLineBack | Event::DiskRoom => ("\u{1f7e2}", 0x002e_a043),
        Event::Late | Event::Better => ("\u{26aa}", 0x0080_8890),
        Event::Security | Event::OwnLine | Event::Damage | Event::DiskFull => ("\u{1f7e0}", 0x00e3_b341),
    };
    json!({
        "username": "Isochrone",
        "allowed_mentions": { "parse": [] },
        "content": cut(&format!("{mark} {}", plain(&alert.summary)), CONTENT_MAX),
        "embeds": [{
            "title": cut(&plain(&title(alert)), TITLE_MAX),
            "description": description(alert),
            "color": colour,
            "timestamp": alert.at,
            "footer": { "text": cut(&muted(&format!("{} · {}", alert.collector, alert.id)), FOOTER_MAX) },
        }],
    })
}

fn title(alert: &Alert) -> String {
    match (&alert.incident, &alert.security) {
        (Some(_), _) if !alert.others.is_empty() => {
            let all = words::count(alert.incidents().count(), "node");
            format!("{all} · {}", alert.event.word())
        }
        (Some(incident), _) => format!(
            "{} · {} · {}",
            incident.target,
            incident.check,
            alert.event.word()
        ),
        (None, Some(notice)) => format!("{} · {}", notice.probe, notice.kind),
        (None, None) => format!("collector · {}", alert.event.word()),
    }
}

fn description(alert: &Alert) -> String {
    let Some(incident) = &alert.incident else {
        let text = alert.security.as_ref().map_or("", |notice| notice.text.as_str());
        return cut(&plain(text), DESCRIPTION_MAX);
    };
    let mut text = incident.caveat.as_deref().map(plain).unwrap_or_default();
    for (index, cell) in incident.evidence.iter().enumerate() {
        let line = line(cell);
        let rest = incident.evidence.len() - index;
        let more = format!("\n… and {}", words::count(rest, "more check"));
        if text.chars().count() + line.chars().count() + more.chars().count() + 1 > DESCRIPTION_MAX {
            text.push_str(&more);
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    cut(&text, DESCRIPTION_MAX)
}

fn line(cell: &EvidenceBody) -> String {
    format!(
        "**{}** ({}, {}) {} ×{}: {} {}",
        plain(&cell.vantage),
        plain(&cell.place),
        words::network(cell.network),
        cell.kind,
        cell.failures,
        cell.phase,
        code(&cell.error)
    )
}

/// Text in which nothing is markup, a link or a mention.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '[' | ']' | '(' | ')' | '#' | '<' => {
                plain.push('\\');
                plain.push(character);
            }
            control if control.is_control() => plain.push(' '),
            other => plain.push(other),
        }
    }
    muted(&plain)
}

/// A zero-width space parts each @ from the name after it.
fn muted(text: &str) -> String {
    text.replace('@', "@\u{200b}")
}

/// Verbatim, but for the characters that would end the code span, and long errors cut.
fn code(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|character| match character {
            '`' => '\'',
            control if control.is_control() => ' ',
            other => other,
        })
        .collect();
    match clean.trim() {
        "" => String::new(),
        clean => format!("`{}`", cut(clean, 200)),
    }
}

/// At most `max` characters as Discord counts them (UTF-16 units would be more for emoji; none is cut apart).
fn cut(text: &str, max: usize) -> String {
    if text.encode_utf16().count() <= max {
        return text.to_owned();
    }
    let mut units = 1; // the ellipsis
    let kept = text.chars().take_while(|character| {
        units += character.len_utf16();
        units <= max
    });
    let mut kept: String = kept.collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use isochrone_proto::units::UnixMillis;

    use super::*;
    use crate::alert::SecurityNotice;
    use crate::alert::outbox::tests::{incident_alert, long_alert};

    #[test]
    fn message_stays_within_discords_limits() {
        let body = body(&long_alert());
        let length = |value: &Value| value.as_str().unwrap().encode_utf16().count();
        assert!(length(&body["content"]) <= 2_000);
        let embed = &body["embeds"][0];
        assert!(length(&embed["title"]) <= 256);
        assert!(length(&embed["description"]) <= 2_000);
        let whole: usize = [&embed["title"], &embed["description"], &embed["footer"]["text"]]
            .into_iter()
            .map(length)
            .sum();
        assert!(whole <= 6_000, "{whole}");
        assert!(embed["description"].as_str().unwrap().contains("more check"));
    }

    #[test]
    fn nobody_can_be_mentioned_and_nothing_is_markup() {
        let notice = SecurityNotice {
            kind: "fork".into(),
            probe: "@everyone".into(),
            text: "[x](https://evil) <@1> `a` **b**\n# c".into(),
        };
        let body = body(&Alert::of_security(notice, "lead", UnixMillis(0)));
        assert_eq!(body["allowed_mentions"]["parse"], json!([]));
        let text = body.to_string();
        assert!(!text.contains("@everyone"), "{text}");
        let description = body["embeds"][0]["description"].as_str().unwrap();
        assert_eq!(
            description,
            "\\[x\\]\\(https://evil\\) \\<@\u{200b}1\\> \\`a\\` \\*\\*b\\*\\* \\# c"
        );
    }

    #[test]
    fn evidence_is_a_line_for_each_vantage() {
        let body = body(&incident_alert());
        let description = body["embeds"][0]["description"].as_str().unwrap();
        assert_eq!(
            description,
            "**berlin** (Berlin, DE, AS 1) status4 ×3: connect `timeout in connect, verbatim`\n\
             **paris** (Berlin, DE, AS 2) status4 ×3: connect `timeout in connect, verbatim`"
        );
    }
}
