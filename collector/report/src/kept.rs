//! What of the window that was asked for can be kept at all, and the sentence of a report where it begins before that.

use isochrone_base::words::{self, date_time};
use isochrone_coverage::note::{BeforeKept as Note, Note as AnyNote};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Store, StoreError};
use serde::{Serialize, Serializer};

use crate::log::Window;
use crate::tiers::oldest_day;

/// A window, cut to what the store can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// What is left of it.
    pub window: Window,
    /// What was asked for beyond; `None`: nothing.
    pub before: Option<BeforeKept>,
}

/// A window was asked for that begins before anything that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BeforeKept {
    /// Where it begins, RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    pub asked_from: UnixMillis,
    /// The hour or day since which something is kept, RFC 3339; `null`: nothing is stored yet.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub kept_from: Option<UnixMillis>,
    /// Retention removed what was before it; else nothing was stored before.
    pub removed: bool,
    /// Kept in Elasticsearch, not in the store.
    #[serde(skip)]
    pub is_elsewhere: bool,
}

fn rfc3339<S: Serializer>(at: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&words::rfc3339(*at))
}

fn rfc3339_or_null<S: Serializer>(at: &Option<UnixMillis>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(words::rfc3339).serialize(serializer)
}

impl From<Window> for Within {
    /// All of it.
    fn from(window: Window) -> Self {
        Self { window, before: None }
    }
}

impl Window {
    /// The part of it that the store can hold: from the day of the oldest batch, or of the oldest sums, until `now`, and
    /// what was asked for before. Without this, a window of centuries would list each of its days.
    ///
    /// # Errors
    /// When the store failed.
    pub fn within(self, store: &Store, now: UnixMillis) -> Result<Within, StoreError> {
        let until = self.until.min(now);
        let from = self.from.max(oldest_day(store)?.unwrap_or(until)).min(until);
        let beginning = store.beginning()?;
        let kept_from = beginning.map(|beginning| beginning.from);
        let before = kept_from.is_none_or(|kept| self.from < kept);
        Ok(Within {
            window: Self { from, until },
            before: before.then_some(BeforeKept {
                asked_from: self.from,
                kept_from,
                removed: beginning.is_some_and(|beginning| beginning.is_removed),
                is_elsewhere: false,
            }),
        })
    }
}

impl BeforeKept {
    /// `The window that was asked for begins at …; nothing was stored before …`
    pub(crate) fn sentence(&self) -> String {
        let minute = |at| date_time(at)[..16].to_owned();
        sentence(
            &minute(self.asked_from),
            self.kept_from.map(minute).as_deref(),
            (self.removed, self.is_elsewhere),
        )
    }

    /// As the mathematics carries it.
    pub(crate) fn note(&self) -> AnyNote {
        AnyNote::BeforeKept(Note {
            asked_from: words::timestamp(self.asked_from),
            kept_from: self.kept_from.map(words::timestamp),
            removed: self.removed,
            is_elsewhere: self.is_elsewhere,
        })
    }
}

/// The same of instants in words.
pub(crate) fn sentence(asked: &str, kept: Option<&str>, (removed, is_elsewhere): (bool, bool)) -> String {
    let rest = match (kept, removed) {
        (None, _) if is_elsewhere => "Elasticsearch holds nothing yet".to_owned(),
        (Some(kept), _) if is_elsewhere => format!("Elasticsearch holds nothing before {kept}"),
        (None, _) => "nothing is stored yet".to_owned(),
        (Some(kept), true) => format!("nothing before {kept} is kept: retention removed it"),
        (Some(kept), false) => format!("nothing was stored before {kept}"),
    };
    format!("The window that was asked for begins at {asked} (UTC); {rest}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_before_anything_kept_is_said_with_its_reason() {
        let before = |kept_from: Option<u64>, removed| BeforeKept {
            asked_from: UnixMillis(1_795_316_400_000),
            kept_from: kept_from.map(UnixMillis),
            removed,
            is_elsewhere: false,
        };
        let kept = Some(1_795_406_400_000);
        assert_eq!(
            before(kept, false).sentence(),
            "The window that was asked for begins at 2026-11-22 03:00 (UTC); nothing was stored before 2026-11-23 04:00."
        );
        assert!(
            before(kept, true)
                .sentence()
                .ends_with("nothing before 2026-11-23 04:00 is kept: retention removed it.")
        );
        assert!(before(None, false).sentence().ends_with("nothing is stored yet."));
        assert_eq!(
            serde_json::to_value(before(None, false)).unwrap(),
            serde_json::json!({ "asked_from": "2026-11-22T03:00:00Z", "kept_from": null, "removed": false })
        );
    }
}
