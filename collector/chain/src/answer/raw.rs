//! The indexer's JSON, as both dialects write it.

use std::collections::BTreeMap;

use isochrone_proto::text::cleaned;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::topology::TestObject;

/// An answer as a server gives it, or the `data` of one as people keep it in a file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawAnswer<'a> {
    #[serde(borrow, default)]
    data: Option<RawData<'a>>,
    #[serde(default)]
    errors: Vec<RawError>,
    #[serde(borrow, default, rename = "distributionBucketFamilies")]
    families: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    squid_status: Option<RawStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawData<'a> {
    #[serde(borrow, default, rename = "distributionBucketFamilies")]
    pub(super) families: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    pub(super) squid_status: Option<RawStatus>,
}

#[derive(Deserialize)]
pub(super) struct RawStatus {
    pub(super) height: Option<u64>,
}

/// A refusal of GraphQL.
#[derive(Deserialize)]
pub(super) struct RawError {
    #[serde(default)]
    message: String,
}

/// An answer whose parts the query named.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Named<T> {
    #[serde(default = "none")]
    pub(super) data: Option<BTreeMap<String, T>>,
    #[serde(default)]
    pub(super) errors: Vec<RawError>,
}

fn none<T>() -> Option<T> {
    None
}

#[derive(Deserialize)]
pub(super) struct RawFamily<'a> {
    pub(super) id: String,
    #[serde(default)]
    pub(super) metadata: Option<RawMetadata>,
    #[serde(borrow, default)]
    pub(super) buckets: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawMetadata {
    pub(super) region: Option<String>,
    pub(super) description: Option<String>,
    pub(super) latency_test_targets: Option<Vec<Option<String>>>,
    pub(super) areas: Option<Vec<RawArea>>,
}

/// `{ __typename, countryCode }`, or in the older dialect `{ area: { __typename, code } }`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawArea {
    area: Option<Box<RawArea>>,
    #[serde(rename = "__typename")]
    kind: String,
    continent_code: Option<String>,
    country_code: Option<String>,
    subdivision_code: Option<String>,
    code: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawBucket {
    pub(super) id: String,
    pub(super) accepting_new_bags: Option<bool>,
    pub(super) distributing: Option<bool>,
    pub(super) operators: Option<Vec<RawOperator>>,
    /// In a file: what an indexer is asked for apart.
    pub(super) bags: Option<u64>,
    /// Likewise.
    #[serde(default)]
    pub(super) objects: Vec<RawObject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawOperator {
    pub(super) worker_id: Option<i64>,
    pub(super) status: Option<String>,
    pub(super) metadata: Option<RawOperatorMetadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawOperatorMetadata {
    pub(super) node_endpoint: Option<String>,
    pub(super) node_location: Option<RawPlace>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawPlace {
    pub(super) country_code: Option<String>,
    pub(super) city: Option<String>,
    pub(super) coordinates: Option<RawCoordinates>,
}

#[derive(Deserialize)]
pub(super) struct RawCoordinates {
    pub(super) latitude: Option<f64>,
    pub(super) longitude: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawCount {
    pub(super) total_count: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawObject {
    id: String,
    size: Size,
    #[serde(default)]
    ipfs_hash: String,
}

/// A number too large for JSON's is written as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Number(u64),
    Text(String),
}

impl<'a> RawAnswer<'a> {
    /// What was asked for.
    pub(super) fn into_data(self) -> Option<RawData<'a>> {
        let bare = self.families.map(|families| RawData {
            families: Some(families),
            squid_status: self.squid_status,
        });
        self.data.or(bare)
    }

    /// What the indexer refuses, the first few of it.
    pub(super) fn refusals(&self) -> Vec<String> {
        self.errors.iter().take(5).map(RawError::says).collect()
    }
}

impl RawError {
    /// Its words, bounded.
    pub(super) fn says(&self) -> String {
        let words: String = self.message.chars().take(300).collect();
        cleaned(&words).into_owned()
    }
}

impl RawFamily<'_> {
    /// Its number.
    pub(super) fn number(&self) -> Option<u32> {
        let is_number = self.id.bytes().all(|byte| byte.is_ascii_digit());
        self.id.parse().ok().filter(|_| is_number)
    }
}

impl RawArea {
    /// The type that it says it is.
    pub(super) fn kind(&self) -> String {
        self.inner().kind.clone()
    }

    /// The code that it holds, under whatever name.
    pub(super) fn code(&self) -> Option<&str> {
        let it = self.inner();
        let codes = [
            &it.continent_code,
            &it.country_code,
            &it.subdivision_code,
            &it.code,
        ];
        codes.into_iter().find_map(|code| code.as_deref()).map(str::trim)
    }

    fn inner(&self) -> &Self {
        self.area.as_deref().unwrap_or(self)
    }
}

impl RawObject {
    /// As it is kept; `None` where it cannot be one.
    pub(super) fn object(self) -> Option<TestObject> {
        let size = match self.size {
            Size::Number(size) => size,
            Size::Text(size) => size.parse().ok()?,
        };
        let is_id =
            !self.id.is_empty() && self.id.len() <= 20 && self.id.bytes().all(|byte| byte.is_ascii_digit());
        let is_hash =
            self.ipfs_hash.len() <= 100 && self.ipfs_hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_id && is_hash).then_some(TestObject {
            id: self.id,
            size,
            ipfs_hash: self.ipfs_hash,
        })
    }
}
