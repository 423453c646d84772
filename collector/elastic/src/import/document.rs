//! One document of `operators-ping` or `distributors-status`: what it says of a node.

use isochrone_base::names::composed;
use isochrone_base::words::rfc3339;
use isochrone_proto::text::cleaned;
use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::{
    ImportedAsset, ImportedCache, ImportedIndex, ImportedRun, ImportedSeen, ImportedStatus,
};
use serde_json::Value;
use url::Url;

use super::shape::{Fields, field, instant, number, status, text, wrong};
use super::unfit::{Unfit, excerpt};

/// The fields that are read, for whoever asks for no others.
pub(super) const READ: [&str; 12] = [
    "time",
    "source",
    "nodeEndpoint",
    "statusEndpoint",
    "distributionBucketId",
    "bucketId",
    "distributingStatus",
    "pingStatus",
    "assetDownloadType",
    "assetDownloadResult",
    "assetDownloadStatusCode",
    "assetDownloadResponseTimeMs",
];

/// Reads a document. `now` is this machine's time.
pub(super) fn read(document: &Value, index: ImportedIndex, now: UnixMillis) -> Result<ImportedRun, Unfit> {
    let Value::Object(fields) = document else {
        return Err(Unfit::NotAnObject(excerpt(&document.to_string())));
    };
    let other = match index {
        ImportedIndex::OperatorsPing => ImportedIndex::DistributorsStatus,
        ImportedIndex::DistributorsStatus => ImportedIndex::OperatorsPing,
    };
    if own_fields(other).iter().any(|name| field(fields, name).is_some()) {
        return Err(Unfit::OtherIndex(other.word()));
    }
    let ping = ping(fields)?;
    let asset = match index {
        ImportedIndex::OperatorsPing => asset_of_ping(fields, ping)?,
        ImportedIndex::DistributorsStatus => asset_of_status(fields, ping)?,
    };
    Ok(ImportedRun {
        at: time(fields, now)?,
        vantage: vantage(fields)?,
        endpoint: endpoint(fields)?,
        bucket: bucket(fields)?,
        seen: ImportedSeen {
            status: ping.status(),
            asset,
            distributing: distributing(fields)?,
        },
    })
}

/// Fields that only documents of one index have.
const fn own_fields(index: ImportedIndex) -> [&'static str; 2] {
    match index {
        ImportedIndex::OperatorsPing => ["assetDownloadResult", "assetDownloadType"],
        ImportedIndex::DistributorsStatus => ["assetDownloadStatusCode", "assetDownloadResponseTimeMs"],
    }
}

/// The prober's own verdict.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ping {
    Ok,
    AssetFailed,
    Degraded,
    Dead,
}

impl Ping {
    const fn status(self) -> ImportedStatus {
        match self {
            Self::Ok | Self::AssetFailed => ImportedStatus::Ok,
            Self::Degraded => ImportedStatus::Degraded,
            Self::Dead => ImportedStatus::Dead,
        }
    }
}

fn ping(fields: &Fields) -> Result<Ping, Unfit> {
    match text(fields, "pingStatus")? {
        Some("ok") => Ok(Ping::Ok),
        Some("asset-download-failed") => Ok(Ping::AssetFailed),
        Some("degraded") => Ok(Ping::Degraded),
        Some("dead") => Ok(Ping::Dead),
        Some(other) => Err(Unfit::Field {
            field: "pingStatus",
            given: excerpt(other),
            wanted: "ok, asset-download-failed, degraded or dead is wanted",
        }),
        None => Err(Unfit::Missing("pingStatus")),
    }
}

/// Whether users were sent there; documents that do not say were made when all were.
fn distributing(fields: &Fields) -> Result<bool, Unfit> {
    match text(fields, "distributingStatus")? {
        Some("distributing") | None => Ok(true),
        Some("not-distributing") => Ok(false),
        Some(other) => Err(Unfit::Field {
            field: "distributingStatus",
            given: excerpt(other),
            wanted: "distributing or not-distributing is wanted",
        }),
    }
}

fn asset_of_ping(fields: &Fields, ping: Ping) -> Result<ImportedAsset, Unfit> {
    let result = match field(fields, "assetDownloadResult") {
        None => return Ok(asset((None, None), ping, ImportedCache::Unknown)),
        Some(Value::Object(result)) => result,
        Some(other) => return Err(wrong("assetDownloadResult", other, "an object is wanted")),
    };
    let size_of = |name| number(result, name);
    if let (Some(size), Some(took), Some(speed)) = (
        size_of("downloadSize")?,
        size_of("downloadTime")?,
        size_of("downloadSpeedBps")?,
    ) && size > 0.0
        && took > 0.0
        && speed > 0.0
    {
        // 0.001 for bytes a second and milliseconds, an eighth of it for bits; seconds and microseconds lie far off
        let unit = size / (speed * took);
        if !(1e-5..0.02).contains(&unit) {
            return Err(Unfit::Unit);
        }
    }
    let cache = match text(result, "cacheStatus")? {
        Some(word) if word.eq_ignore_ascii_case("hit") => ImportedCache::Hit,
        Some(word) if word.eq_ignore_ascii_case("miss") => ImportedCache::Miss,
        Some(word) if word.eq_ignore_ascii_case("pending") => ImportedCache::Pending,
        _ => ImportedCache::Unknown,
    };
    let us = micros(result, "ttfb")?;
    Ok(asset((status(result, "status")?, us), ping, cache))
}

fn asset_of_status(fields: &Fields, ping: Ping) -> Result<ImportedAsset, Unfit> {
    let code = status(fields, "assetDownloadStatusCode")?;
    let us = micros(fields, "assetDownloadResponseTimeMs")?;
    Ok(asset((code, us), ping, ImportedCache::Unknown))
}

/// A failure carries no time, whatever the document measured until then.
fn asset((code, us): (Option<u16>, Option<u32>), ping: Ping, cache: ImportedCache) -> ImportedAsset {
    match code {
        Some(code @ (404 | 421)) => ImportedAsset::Absent { code },
        _ if ping == Ping::AssetFailed => ImportedAsset::Failed { code },
        Some(200 | 206) => ImportedAsset::Served { us, cache },
        Some(code) => ImportedAsset::Failed { code: Some(code) },
        None if ping == Ping::Ok && us.is_some() => ImportedAsset::Served { us, cache },
        None => ImportedAsset::NotTried,
    }
}

/// Milliseconds as microseconds; 0 is no time that anything took.
fn micros(fields: &Fields, name: &'static str) -> Result<Option<u32>, Unfit> {
    let Some(millis) = number(fields, name)?.filter(|millis| *millis > 0.0) else {
        return Ok(None);
    };
    let us = (millis * 1_000.0).round().max(1.0);
    match us <= LONGEST_US {
        true => Ok(Some(us as u32)),
        false => Err(Unfit::Field {
            field: name,
            given: millis.to_string(),
            wanted: "milliseconds are wanted, an hour at most",
        }),
    }
}

fn time(fields: &Fields, now: UnixMillis) -> Result<UnixMillis, Unfit> {
    let at = instant(fields, "time")?;
    if at < FIRST {
        return Err(Unfit::Early(rfc3339(at)));
    }
    if at.0 > now.0.saturating_add(AHEAD_MS) {
        return Err(Unfit::Future(rfc3339(at)));
    }
    Ok(at)
}

fn vantage(fields: &Fields) -> Result<String, Unfit> {
    let name = text(fields, "source")?.ok_or(Unfit::Missing("source"))?;
    let name = composed(&cleaned(name)).trim().to_owned();
    match name.chars().count() {
        0 => Err(Unfit::Missing("source")),
        1..=VANTAGE_MAX => Ok(name),
        _ => Err(Unfit::Field {
            field: "source",
            given: excerpt(&name),
            wanted: "a name of at most 100 characters is wanted",
        }),
    }
}

fn bucket(fields: &Fields) -> Result<String, Unfit> {
    let bucket = match text(fields, "distributionBucketId")? {
        Some(bucket) => Some(bucket),
        None => text(fields, "bucketId")?,
    };
    let Some(bucket) = bucket else {
        return Ok(String::new());
    };
    match bucket.len() <= BUCKET_MAX && bucket.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(bucket.to_owned()),
        false => Err(Unfit::Field {
            field: "bucketId",
            given: excerpt(bucket),
            wanted: "family:index is wanted, such as 0:0",
        }),
    }
}

/// The node's base URL, with one slash at its end.
fn endpoint(fields: &Fields) -> Result<String, Unfit> {
    let (name, given) = match (text(fields, "nodeEndpoint")?, text(fields, "statusEndpoint")?) {
        (Some(endpoint), _) => ("nodeEndpoint", endpoint),
        (None, Some(status)) => ("statusEndpoint", status),
        (None, None) => return Err(Unfit::Missing("nodeEndpoint")),
    };
    let unfit = |given: String| Unfit::Field {
        field: name,
        given,
        wanted: "a node's base URL is wanted, such as https://node.example.org/distributor/",
    };
    let mut url = Url::parse(given).map_err(|_| unfit(excerpt(given)))?;
    let is_plain = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    if !url.username().is_empty() || url.password().is_some() {
        return Err(unfit("one with a user or password".to_owned())); // which is shown nowhere
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    let base = match name {
        "statusEndpoint" => path.strip_suffix("api/v1/status").unwrap_or(path),
        _ => path,
    };
    let path = format!("{}/", base.trim_end_matches('/'));
    url.set_path(&path);
    let text = url.to_string();
    match is_plain && text.len() <= ENDPOINT_MAX && !text.contains(' ') {
        true => Ok(text),
        false => Err(unfit(excerpt(given))),
    }
}

/// 2018-01-01: before that there was no such network.
const FIRST: UnixMillis = UnixMillis(1_514_764_800_000);
/// So far ahead a prober's clock may be.
const AHEAD_MS: u64 = 5 * 60_000;
/// An hour.
const LONGEST_US: f64 = 3.6e9;
const VANTAGE_MAX: usize = 100;
const BUCKET_MAX: usize = 40;
const ENDPOINT_MAX: usize = 500;

#[cfg(test)]
mod tests;
