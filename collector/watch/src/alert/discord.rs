//! An alert as a Discord message: within its limits, and unable to mention anyone.

use isochrone_base::words;
use isochrone_proto::text::cleaned;
use serde_json::{Value, json};

use super::message::{Alert, Event, EvidenceBody, IncidentBody, subject_of};

/// Characters of a message's text.
const CONTENT_MAX: usize = 2_000;
/// Characters of an embed's description: Discord takes 4,096; the whole embed must stay below 6,000.
const DESCRIPTION_MAX: usize = 2_000;
const TITLE_MAX: usize = 256;
const FOOTER_MAX: usize = 1_024;
/// A message's flag: it rings nowhere.
const SUPPRESS_NOTIFICATIONS: u32 = 1 << 12;
/// Lines of evidence of each, where a message is about several.
const LINES_OF_SEVERAL: usize = 2;

/// The body of a POST to a Discord webhook.
pub(super) fn body(alert: &Alert) -> Value {
    let (mark, colour) = match alert.event {
        Event::Opened | Event::Worse | Event::Flapping | Event::Steady => ("\u{1f534}", 0x00d1_3438),
        Event::Ended | Event::OwnLineBack | Event::DiskRoom | Event::CanStore | Event::ElasticGoesOn => {
            ("\u{1f7e2}", 0x002e_a043)
        }
        Event::Late | Event::Better => ("\u{26aa}", 0x0080_8890),
        Event::Security
        | Event::OwnLine
        | Event::Damage
        | Event::DiskFull
        | Event::CannotStore
        | Event::UpkeepFails
        | Event::ElasticStops
        | Event::ElasticRefuses => ("\u{1f7e0}", 0x00e3_b341),
    };
    json!({
        "username": "Isochrone",
        "allowed_mentions": { "parse": [] },
        "flags": if alert.pages { 0 } else { SUPPRESS_NOTIFICATIONS },
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
    let several = alert.ids().count();
    match (&alert.incident, &alert.security) {
        (first, _) if several > 1 => {
            let subject = first.as_ref().map_or("node", |first| subject_of(first.check));
            format!("{} · {}", words::count(several, subject), alert.event.word())
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
    if alert.ids().count() == 1 {
        let caveat = incident.caveat.as_deref().map(plain);
        let left_out = incident.evidence_left_out as usize;
        let lines: Vec<String> = caveat
            .into_iter()
            .chain(incident.evidence.iter().map(line))
            .collect();
        return listed(&lines, left_out, "more check");
    }
    let all: Vec<&IncidentBody> = alert.incidents().collect();
    let lines: Vec<String> = all.iter().map(|incident| of_several(incident)).collect();
    listed(
        &lines,
        alert.rest.len(),
        &format!("more {}", subject_of(incident.check)),
    )
}

/// One of several: whose it is, who saw it, and the first of its evidence.
fn of_several(incident: &IncidentBody) -> String {
    let seen = match incident.vantages {
        0 => String::new(),
        vantages => format!(
            ": seen by {} in {}",
            words::count(vantages as usize, "vantage"),
            words::count(incident.networks as usize, "network")
        ),
    };
    let whose = [incident.worker.as_deref(), incident.place.as_deref()];
    let whose: Vec<String> = whose.into_iter().flatten().map(plain).collect();
    let whose = match whose.is_empty() {
        true => String::new(),
        false => format!(" ({})", whose.join(", ")),
    };
    let mut text = format!("__{}__{whose}{seen}", plain(&incident.target));
    for cell in incident.evidence.iter().take(LINES_OF_SEVERAL) {
        text.push('\n');
        text.push_str(&line(cell));
    }
    text
}

/// As many of the lines as a description takes, and how many more there are.
fn listed(lines: &[String], left_out: usize, what: &str) -> String {
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let more = format!("\n… and {}", words::count(lines.len() - index + left_out, what));
        let length = |text: &str| text.encode_utf16().count();
        if length(&text) + length(line) + length(&more) + 1 > DESCRIPTION_MAX {
            return cut(&format!("{text}{more}"), DESCRIPTION_MAX);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    if left_out > 0 {
        text.push_str(&format!("\n… and {}", words::count(left_out, what)));
    }
    cut(&text, DESCRIPTION_MAX)
}

fn line(cell: &EvidenceBody) -> String {
    format!(
        "**{}** ({}, {}) {} ×{}: {} {}",
        plain(&cell.vantage),
        plain(&cell.place),
        words::network(cell.network),
        plain(&cell.kind),
        cell.failures,
        plain(&cell.phase),
        code(&cell.error)
    )
}

/// Text in which nothing is markup, a link or a mention.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in cleaned(text).chars() {
        match character {
            '\\' | '*' | '_' | '~' | '`' | '|' | '>' | '[' | ']' | '(' | ')' | '#' | '<' => {
                plain.push('\\');
                plain.push(character);
            }
            other => plain.push(other),
        }
    }
    muted(&plain)
}

/// A zero-width space parts each @ from the name after it, and each address from its scheme: what a node says is no link.
fn muted(text: &str) -> String {
    text.replace('@', "@\u{200b}").replace("://", "://\u{200b}")
}

/// Verbatim, but for the characters that would end the code span, and long errors cut.
fn code(text: &str) -> String {
    let clean = cleaned(text).replace('`', "'");
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
    use crate::alert::outbox::tests::{incident_alert, long_alert, several_alert};
    use crate::incident::IncidentCheck;

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
            "\\[x\\]\\(https://\u{200b}evil\\) \\<@\u{200b}1\\> \\`a\\` \\*\\*b\\*\\* \\# c"
        );
    }

    #[test]
    fn address_in_a_nodes_error_is_no_link() {
        let mut alert = incident_alert();
        let error = "500: log in at https://phish.example.org or HTTP://two.example.org";
        alert.summary = format!("berlin is down: {error}");
        let body = body(&alert);
        let content = body["content"].as_str().unwrap();
        assert!(content.contains("phish.example.org") && content.contains("two.example.org"));
        assert!(
            !content.contains("://p") && !content.contains("://t"),
            "{content}"
        );
    }

    #[test]
    fn hostile_words_are_shown_and_not_obeyed() {
        let hostile = "a\u{1b}[2J\u{202e}b\u{2066}\nc\u{9b}\u{7f}";
        let notice = SecurityNotice {
            kind: hostile.into(),
            probe: hostile.into(),
            text: hostile.into(),
        };
        let mut by_node = incident_alert();
        let incident = by_node.incident.as_mut().unwrap();
        incident.evidence[0].error = hostile.into();
        for alert in [Alert::of_security(notice, "lead", UnixMillis(0)), by_node] {
            let body = body(&alert);
            let embed = &body["embeds"][0];
            for value in [&body["content"], &embed["title"], &embed["description"]] {
                let lines = value.as_str().unwrap().lines();
                for line in lines.map(|line| line.replace('\u{200b}', "")) {
                    assert!(isochrone_proto::text::is_clean(&line), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn what_pages_nobody_rings_nowhere() {
        let mut alert = incident_alert();
        assert_eq!((alert.pages, &body(&alert)["flags"]), (true, &json!(0)));
        alert.pages = false;
        assert_eq!(body(&alert)["flags"], 4_096);
    }

    #[test]
    fn message_about_several_says_of_what_and_shows_each() {
        let probes = several_alert(IncidentCheck::Probe, 3, 0);
        let embed = &body(&probes)["embeds"][0];
        assert_eq!(embed["title"], "3 probes · opened");
        let nodes = several_alert(IncidentCheck::Connect, 2, 3);
        let embed = &body(&nodes)["embeds"][0];
        assert_eq!(embed["title"], "2 nodes · opened");
        let line = |vantage: &str| {
            format!("**{vantage}** (Berlin, DE, AS 1) connect4 ×3: connect `Connection refused`")
        };
        let (first, second) = (line("vantage-0"), line("vantage-1"));
        assert_eq!(
            embed["description"],
            format!(
                "__node-0__: seen by 3 vantages in 3 networks\n{first}\n{}\n__node-1__: seen by 3 vantages in 3 networks\n\
                 {first}\n{}",
                second.replace("AS 1", "AS 2"),
                second.replace("AS 1", "AS 2")
            )
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
