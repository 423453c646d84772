//! What a node says of itself in its status: its version, and by its uptime when it was started.

use std::collections::BTreeMap;

use isochrone_base::words;
use isochrone_proto::measurement::{EndpointResult, Outcome};
use isochrone_proto::units::UnixMillis;
use serde::Serialize;

/// A node's own words over the window, as single answers have them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Answers that it is made from.
    pub answers: u64,
    /// Its newest version.
    pub version: String,
    /// Each version, with its first answer in the window; oldest first.
    pub versions: Vec<VersionSince>,
    /// When the process that answered last was started, RFC 3339; to some seconds.
    pub started: String,
    /// When it was started again within the window, RFC 3339, oldest first: its uptime went down.
    pub restarts: Vec<String>,
}

/// A version and since when it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VersionSince {
    /// As the node says it.
    pub version: String,
    /// RFC 3339.
    pub since: String,
}

/// Starts less far apart than this are one: answers come late, and clocks differ a little.
const APART_MS: u64 = 20_000;
/// So many restarts and versions are kept; the newest.
const KEPT: usize = 200;

/// Answers so far, in any order.
#[derive(Debug, Default)]
pub(super) struct Answers {
    versions: Vec<String>,
    /// By slot: when the process was started, and the place of its version.
    by_slot: BTreeMap<UnixMillis, (UnixMillis, usize)>,
    answers: u64,
}

impl Answers {
    pub(super) fn add(&mut self, slot: UnixMillis, outcome: &Outcome) {
        let Outcome::Endpoint(outcome) = outcome else {
            return;
        };
        let EndpointResult::Ok {
            node_uptime_s: Some(uptime_s),
            node_version,
            ..
        } = &outcome.result
        else {
            return;
        };
        let known = self.versions.iter().position(|version| version == node_version);
        let version = known.unwrap_or_else(|| {
            self.versions.push(node_version.clone());
            self.versions.len() - 1
        });
        let started = UnixMillis(slot.0.saturating_sub(uptime_s.saturating_mul(1_000)));
        self.by_slot.insert(slot, (started, version));
        self.answers += 1;
    }

    /// What they come to; `None` where there was none.
    pub(super) fn finish(self, from: UnixMillis) -> Option<Said> {
        let (_, &(first, _)) = self.by_slot.first_key_value()?;
        let (_, &(_, newest)) = self.by_slot.last_key_value()?;
        let (mut started, mut running) = (first, None);
        let (mut versions, mut restarts) = (Vec::new(), Vec::new());
        if first > from {
            restarts.push(words::rfc3339(first));
        }
        for (slot, (start, version)) in &self.by_slot {
            if start.0 > started.0 + APART_MS {
                started = *start;
                restarts.push(words::rfc3339(*start));
            }
            if running != Some(version) {
                running = Some(version);
                versions.push(VersionSince {
                    version: self.versions[*version].clone(),
                    since: words::rfc3339(*slot),
                });
            }
        }
        restarts.drain(..restarts.len().saturating_sub(KEPT));
        versions.drain(..versions.len().saturating_sub(KEPT));
        Some(Said {
            answers: self.answers,
            version: self.versions[newest].clone(),
            versions,
            started: words::rfc3339(started),
            restarts,
        })
    }
}

impl Said {
    /// In a sentence or two.
    pub(super) fn sentence(&self) -> String {
        let plain = |at: &str| at.get(..16).unwrap_or(at).replace('T', " ");
        let before: Vec<&VersionSince> = self.versions.iter().rev().skip(1).take(3).collect();
        let before: Vec<String> = before.iter().map(|one| one.version.clone()).collect();
        let before = match before.is_empty() {
            true => String::new(),
            false => format!(" (before: {})", before.join(", ")),
        };
        let restarts = match self.restarts.last() {
            Some(last) => format!(
                "{} in this time, the last {} UTC",
                words::count(self.restarts.len(), "start"),
                plain(last)
            ),
            None => format!("running since {} UTC", plain(&self.started)),
        };
        let answers = words::count(self.answers as usize, "answer");
        format!(
            "It says of itself: version {}{before}, {restarts} ({answers}).",
            self.version
        )
    }
}

#[cfg(test)]
mod tests {
    use isochrone_base::fixture::{DAY0, endpoint, good};
    use isochrone_proto::measurement::CacheState;

    use super::*;

    fn said(answers: &[(u64, u64, &str)]) -> Option<Said> {
        let mut all = Answers::default();
        for (minute, uptime, version) in answers {
            let Outcome::Endpoint(good) = good(5) else {
                panic!("an endpoint's")
            };
            let EndpointResult::Ok {
                phases, body_bytes, ..
            } = good.result
            else {
                panic!("good")
            };
            let result = EndpointResult::Ok {
                phases,
                body_bytes,
                node_uptime_s: Some(*uptime),
                node_version: (*version).to_owned(),
            };
            let slot = UnixMillis(DAY0 + minute * 60_000);
            all.add(slot, &endpoint(result, Some(200), CacheState::Absent));
        }
        all.finish(UnixMillis(DAY0))
    }

    #[test]
    fn uptime_that_goes_down_is_a_restart_in_whatever_order_answers_come() {
        let answers = [
            (3, 30, "2.2.0"),
            (1, 5_000, "2.1.2"),
            (2, 5_061, "2.1.2"),
            (4, 88, "2.2.0"),
        ];
        let said = said(&answers).unwrap();
        assert_eq!(said.restarts, [words::rfc3339(UnixMillis(DAY0 + 150_000))]);
        assert_eq!((said.version.as_str(), said.answers), ("2.2.0", 4));
        let versions: Vec<&str> = said.versions.iter().map(|one| one.version.as_str()).collect();
        assert_eq!(versions, ["2.1.2", "2.2.0"]);
        assert!(
            said.sentence()
                .starts_with("It says of itself: version 2.2.0 (before: 2.1.2), 1 start in this time"),
            "{}",
            said.sentence()
        );
    }

    #[test]
    fn steady_node_has_no_restart_though_answers_come_late() {
        let said = said(&[(1, 5_000, "2.1.2"), (2, 5_055, "2.1.2"), (3, 5_130, "2.1.2")]).unwrap();
        assert!(said.restarts.is_empty(), "{said:?}");
        assert_eq!(said.versions.len(), 1);
    }

    #[test]
    fn node_that_says_nothing_of_itself_is_not_told_of() {
        assert_eq!(said(&[]), None);
    }
}
