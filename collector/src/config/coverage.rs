//! `[coverage]`: what coverage reports are made with where no option says otherwise.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use isochrone_coverage::predict::{Prior, PriorChoice};
use isochrone_coverage::report::{Offsets, Targets};
use serde::Deserialize;

use super::WrongValue;

/// In the place of a prior's file: none.
pub const NO_PRIOR: &str = "none";

/// What coverage reports are made with.
#[derive(Clone, Debug, Default)]
pub struct CoverageSettings {
    /// The targets of time to first byte and throughput.
    pub targets: Targets,
    /// What a user's own line adds, by region.
    pub offsets: Offsets,
    /// What predictions rest on beside own times.
    pub prior: PriorChoice,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCoverage {
    target_ttfb_ms: Option<f64>,
    target_mbps: Option<f64>,
    access_offset: BTreeMap<String, f64>,
    prior: Option<String>,
}

/// Checks it; a path of a prior that is not absolute begins where `config` lies.
pub(super) fn of(raw: &RawCoverage, config: &Path) -> Result<CoverageSettings, WrongValue> {
    let default = Targets::default();
    let given = raw.access_offset.iter();
    let given: Vec<(&str, f64)> = given.map(|(region, ms)| (region.as_str(), *ms)).collect();
    for &offset in &given {
        Offsets::new([offset]).map_err(|_| WrongValue::AccessOffset {
            region: offset.0.to_owned(),
            value: offset.1.to_string(),
        })?;
    }
    Ok(CoverageSettings {
        targets: Targets {
            ttfb_ms: target("target_ttfb_ms", raw.target_ttfb_ms, default.ttfb_ms)?,
            mbps: target("target_mbps", raw.target_mbps, default.mbps)?,
        },
        offsets: Offsets::new(given).unwrap_or_default(),
        prior: prior(raw.prior.as_deref(), config)?,
    })
}

fn target(key: &'static str, value: Option<f64>, default: f64) -> Result<f64, WrongValue> {
    let value = value.unwrap_or(default);
    match value.is_finite() && value > 0.0 {
        true => Ok(value),
        false => Err(WrongValue::CoverageTarget {
            key,
            value: value.to_string(),
        }),
    }
}

fn prior(file: Option<&str>, config: &Path) -> Result<PriorChoice, WrongValue> {
    let Some(file) = file else {
        return Ok(PriorChoice::Embedded);
    };
    if file == NO_PRIOR {
        return Ok(PriorChoice::None);
    }
    let wrong = |reason: String| WrongValue::Prior {
        file: file.to_owned(),
        reason,
    };
    let folder = config.parent().unwrap_or(Path::new(""));
    let bytes = std::fs::read(folder.join(file))
        .map_err(|error| wrong(format!("the file cannot be read: {error}")))?;
    let prior = Prior::read(&bytes).map_err(|error| wrong(error.to_string()))?;
    Ok(PriorChoice::Given(Arc::new(prior)))
}
