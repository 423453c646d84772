//! What a distributor node running Argus says: object ids, cache state, status JSON, refusals.
//!
//! Seen on Argus 2.1.2. A field that some versions leave out is optional here; a new one is ignored.

use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE};
use isochrone_proto::measurement::CacheState;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error_text::ErrorText;

/// Path of the status, under a node's base URL.
pub(crate) const STATUS_PATH: &str = "api/v1/status";

/// The id of a data object on chain: what follows `assets/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetId(u64);

/// A text that is not an object id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an object id; write plain digits without a leading zero, like 1343")]
pub struct BadAssetId(String);

impl AssetId {
    /// The id with this number.
    pub fn new(id: u64) -> Self {
        Self(id)
    }

    /// The plain number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Path of the object, under a node's base URL.
    pub fn path(self) -> String {
        format!("api/v1/assets/{}", self.0)
    }
}

impl FromStr for AssetId {
    type Err = BadAssetId;

    fn from_str(text: &str) -> Result<Self, BadAssetId> {
        let bad = || BadAssetId(text.to_owned());
        let id: u64 = text.parse().map_err(|_| bad())?;
        if id.to_string() == text {
            Ok(Self(id))
        } else {
            Err(bad())
        }
    }
}

impl std::fmt::Display for AssetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Whom the bytes came from: the header `x-data-source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DataSource {
    /// The node's own disk (also a download that is still going on).
    Local,
    /// Proxied from a storage node.
    External,
}

impl DataSource {
    /// Reads `x-data-source`; `None` where it is absent or unknown.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        match header(headers, "x-data-source")? {
            value if value.eq_ignore_ascii_case("local") => Some(Self::Local),
            value if value.eq_ignore_ascii_case("external") => Some(Self::External),
            _ => None,
        }
    }
}

/// A node's status, as it says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArgusStatus {
    /// The node's name in its own configuration.
    pub id: String,
    /// Argus' version.
    pub version: String,
    /// The chain's worker id.
    pub worker_id: Option<u64>,
    /// Cached objects, pending ones excluded.
    pub objects_in_cache: u64,
    /// Cache size in bytes that the operator allows.
    pub storage_limit_bytes: u64,
    /// Bytes used, space reserved for downloads included.
    pub storage_used_bytes: u64,
    /// Since the process started. When it goes down, the node was restarted.
    pub uptime_s: u64,
    /// Downloads from storage nodes going on now.
    pub downloads_in_progress: u64,
    /// `production` or `prod` is wanted; empty where unset.
    pub node_env: Option<String>,
    /// Where the node's indexer stands.
    pub query_node: Option<QueryNodeStatus>,
}

/// Where a node's indexer stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueryNodeStatus {
    /// The indexer's URL.
    pub url: Option<String>,
    /// Newest block of the chain that the indexer knows.
    pub chain_head: Option<u64>,
    /// Newest block that it has worked in.
    pub blocks_processed: Option<u64>,
    /// Argus's own release, `1.4.0`.
    pub package_version: Option<String>,
}

/// A status body that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadStatusBody {
    /// Not JSON, or a field of another type.
    #[error("the status is not the expected JSON")]
    Json(#[source] serde_json::Error),
    /// A field that every version sends is missing.
    #[error("the status lacks the field {0:?}")]
    MissingField(&'static str),
}

impl ArgusStatus {
    /// Reads a status body.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, BadStatusBody> {
        let raw: RawStatus = serde_json::from_slice(body).map_err(BadStatusBody::Json)?;
        let missing = BadStatusBody::MissingField;
        let said = |text: String| ErrorText::new(&text).to_string();
        Ok(Self {
            id: raw.id.map(said).ok_or(missing("id"))?,
            version: raw.version.map(said).ok_or(missing("version"))?,
            worker_id: raw.worker_id,
            objects_in_cache: raw.objects_in_cache.ok_or(missing("objectsInCache"))?,
            storage_limit_bytes: raw.storage_limit.ok_or(missing("storageLimit"))?,
            storage_used_bytes: raw.storage_used.ok_or(missing("storageUsed"))?,
            uptime_s: raw.uptime.ok_or(missing("uptime"))?,
            downloads_in_progress: raw.downloads_in_progress.ok_or(missing("downloadsInProgress"))?,
            node_env: raw.node_env.map(said),
            query_node: raw.query_node_status.map(|node| QueryNodeStatus {
                url: node.url.map(said),
                chain_head: node.chain_head,
                blocks_processed: node.blocks_processed,
                package_version: node.package_version.map(said),
            }),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus {
    id: Option<String>,
    version: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    worker_id: Option<u64>,
    #[serde(default, deserialize_with = "whole")]
    objects_in_cache: Option<u64>,
    #[serde(default, deserialize_with = "whole")]
    storage_limit: Option<u64>,
    #[serde(default, deserialize_with = "whole")]
    storage_used: Option<u64>,
    #[serde(default, deserialize_with = "whole")]
    uptime: Option<u64>,
    #[serde(default, deserialize_with = "whole")]
    downloads_in_progress: Option<u64>,
    node_env: Option<String>,
    query_node_status: Option<RawQueryNodeStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawQueryNodeStatus {
    url: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    chain_head: Option<u64>,
    #[serde(default, deserialize_with = "whole")]
    blocks_processed: Option<u64>,
    package_version: Option<String>,
}

/// A count as JavaScript may write it: `5`, `5.0`, `1e3`, a fraction of a second; never negative.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53: beyond it a double skips whole numbers
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    if let Some(whole) = number.as_u64() {
        return Ok(Some(whole));
    }
    match number.as_f64() {
        Some(value) if (0.0..=EXACT).contains(&value) => Ok(Some(value as u64)),
        _ => Err(serde::de::Error::custom(format!("{number} is not a count"))),
    }
}

/// The message of a refusal by Argus itself, `{"message":…}` about a data object; `None` when somebody else (a gateway
/// in front, another server) wrote the body.
pub(crate) fn refusal_message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    serde_json::from_slice::<Refusal>(body)
        .ok()
        .map(|refusal| refusal.message)
        .filter(|message| message.starts_with(ABOUT_AN_OBJECT))
}

/// So begin all that Argus says of an object that it has not got: `… does not exist`, `… has not been uploaded yet`,
/// `… not served by this node`.
const ABOUT_AN_OBJECT: &str = "Data object";

/// Where the node had the object: `x-cache`, without regard to case. [`CacheState::Absent`] where the header
/// is missing or unknown: then nothing can be said about the cache. A server in front may add a line of its own, or
/// words to the node's: a line that is Argus's word counts before one that only begins with it.
pub(crate) fn cache_state(headers: &HeaderMap) -> CacheState {
    let lines = || {
        headers
            .get_all("x-cache")
            .iter()
            .filter_map(|line| line.to_str().ok())
    };
    let first_word = |line: &'_ str| -> Option<CacheState> {
        let word = line
            .trim()
            .split(|char: char| !char.is_ascii_alphanumeric())
            .next()?;
        cache_word(word)
    };
    let whole = lines().find_map(|line| cache_word(line.trim()));
    whole
        .or_else(|| lines().find_map(first_word))
        .unwrap_or(CacheState::Absent)
}

fn cache_word(word: &str) -> Option<CacheState> {
    let states = [
        ("hit", CacheState::Hit),
        ("pending", CacheState::Pending),
        ("miss", CacheState::Miss),
    ];
    let known = states
        .into_iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name));
    known.map(|(_, state)| state)
}

/// `x-cache` as it came, all lines of it; `None` where there is none.
pub(crate) fn cache_words(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all("x-cache").iter();
    let lines: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// Whether the headers are those of Argus' asset controller: a proxy's own 404 lacks them.
pub(crate) fn is_asset_controller(headers: &HeaderMap) -> bool {
    headers.contains_key("timing-allow-origin")
}

/// `content-range: bytes FIRST-LAST/SIZE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// First byte, from 0.
    pub first: u64,
    /// Last byte, included.
    pub last: u64,
    /// Size of the whole object, where given.
    pub size: Option<u64>,
}

impl ContentRange {
    /// Reads the header; `None` where it is absent or makes no sense.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim();
        let (unit, range) = value.split_once(' ')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (range, size) = range.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let size = match size.trim() {
            "*" => None,
            digits => Some(digits.parse().ok()?),
        };
        (first <= last && size.is_none_or(|size| last < size)).then_some(Self { first, last, size })
    }

    /// Number of bytes in the range.
    pub(crate) fn bytes(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// `content-length`; `None` where it is absent (Argus sends none on a miss) or makes no sense.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests;
