//! `[elasticsearch]`: where measurements go beside the store.

use std::path::Path;

use isochrone_elastic::{RawSettings, Settings};

use super::WrongValue;

/// Checks it; a path that is not absolute begins where `config` lies.
pub(super) fn of(raw: Option<RawSettings>, config: &Path) -> Result<Option<Settings>, WrongValue> {
    let folder = config.parent().unwrap_or(Path::new(""));
    let checked = raw.map(|raw| raw.settings(folder)).transpose();
    checked.map_err(WrongValue::Elasticsearch)
}
