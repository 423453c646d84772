//! The audit log: who let whom in or out, and who changed what is measured.

use isochrone_base::words::rfc3339_second;
use isochrone_proto::units::UnixMillis;
use serde_json::{Value, json};

use crate::lines::Lines;

/// One entry.
#[derive(Clone, Debug)]
pub struct AuditLine {
    /// When.
    pub at: UnixMillis,
    /// A user of the collector's machine, or a probe.
    pub who: String,
    /// Which command or event.
    pub action: String,
    /// In words.
    pub what: String,
}

/// `isochrone.audit-log/1`.
#[must_use]
pub fn json(entries: &[AuditLine]) -> Value {
    let entry = |entry: &AuditLine| json!({ "at": rfc3339_second(entry.at), "who": entry.who, "act": entry.action, "what": entry.what });
    let entries: Vec<_> = entries.iter().map(entry).collect();
    json!({ "schema": "isochrone.audit-log/1", "entries": entries })
}

/// Oldest first, for people.
#[must_use]
pub fn text(entries: &[AuditLine], width: usize) -> String {
    let mut lines = Lines::text(width);
    if entries.is_empty() {
        lines.wrapped("Nothing was done yet.");
    }
    for entry in entries {
        let (at, action, who) = (rfc3339_second(entry.at), &entry.action, &entry.who);
        lines.verbatim(format!("{at}  {action}, by {who}"));
        lines.marked("    ", &entry.what);
    }
    lines.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_is_two_lines_and_an_object_whose_words_are_kept() {
        let entries = [AuditLine {
            at: UnixMillis(1_795_316_283_250),
            who: "user ada".to_owned(),
            action: "revoke".to_owned(),
            what: "bob\n2026-11-22T02:58:03Z  invite, by root".to_owned(),
        }];
        assert_eq!(
            text(&entries, 80),
            "2026-11-22T02:58:03Z  revoke, by user ada\n    bob 2026-11-22T02:58:03Z invite, by root\n"
        );
        let expected = concat!(
            r#"{"entries":[{"act":"revoke","at":"2026-11-22T02:58:03Z","#,
            r#""what":"bob\n2026-11-22T02:58:03Z  invite, by root","who":"user ada"}],"#,
            r#""schema":"isochrone.audit-log/1"}"#
        );
        assert_eq!(json(&entries), serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn empty_log_says_so() {
        assert_eq!(text(&[], 80), "Nothing was done yet.\n");
    }
}
