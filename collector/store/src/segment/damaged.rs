//! Files of segments that were set aside as damaged: they stay for a person to look at, as long as they would have been
//! kept.

use super::catalogue::EXTENSION;
use super::day::Day;
use crate::limits::Retention;
use crate::tier::Tier;
use crate::{Store, StoreError};

use isochrone_proto::units::UnixMillis;

/// What the name of such a file ends with.
pub(super) const ENDING: &str = ".damaged";

impl Store {
    /// Removes the damaged files that would be kept no longer.
    pub(crate) fn remove_damaged_files(&self, now: UnixMillis) -> Result<(), StoreError> {
        let folder = &self.0.segments.folder;
        let failed = |name: &str| {
            let path = folder.path(name);
            move |source| StoreError::Segment { path, source }
        };
        for name in folder.list().map_err(failed(""))? {
            if is_over(&name, self.retention(), now) {
                folder.remove(&name).map_err(failed(&name))?;
                tracing::info!(name, "a damaged file that would be kept no longer was removed");
            }
        }
        Ok(())
    }
}

/// Whether a file is a damaged one, and its day is kept no longer.
fn is_over(name: &str, retention: &Retention, now: UnixMillis) -> bool {
    let Some(stem) = name
        .strip_suffix(ENDING)
        .and_then(|name| name.strip_suffix(EXTENSION))
    else {
        return false;
    };
    let tier = [Tier::Hour, Tier::Day]
        .into_iter()
        .find(|tier| stem.starts_with(tier.prefix()))
        .unwrap_or(Tier::Raw);
    let oldest = Day::of(now.minus(retention.of(tier))).to_string();
    let day = stem
        .rsplit_once('-')
        .and_then(|(rest, _number)| rest.get(rest.len().checked_sub(oldest.len())?..));
    day.is_some_and(|day| day < oldest.as_str()) // dates sort as text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_file_is_over_when_its_day_is_kept_no_longer() {
        let now = Day(20_500).start(); // 2026-02-16
        for (name, expected) in [
            ("echo4-2026-01-16-0000000007.parquet.damaged", true),
            ("echo4-2026-01-17-0000000007.parquet.damaged", false),
            ("echo4-2026-01-16-0000000007.parquet", false),
            ("hours-echo4-2026-01-16-0000000007.parquet.damaged", false),
            ("hours-echo4-2025-08-19-0000000007.parquet.damaged", true),
            ("days-asset-head6-2025-08-19-0000000007.parquet.damaged", false),
            ("notes.damaged", false),
            (".parquet.damaged", false),
        ] {
            assert_eq!(is_over(name, &Retention::default(), now), expected, "{name}");
        }
    }
}
