//! What the chain says: families, their buckets, who serves them, and where they claim to stand.

use std::fmt;
use std::str::FromStr;

use isochrone_coverage::geo::Position;
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;

/// The chain as the indexer told it at one block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// The indexer's block height; `None`: its dialect does not tell it.
    pub block: Option<u64>,
    /// In ascending order of their ids.
    pub families: Vec<Family>,
    /// What of the answer could not be taken as it was.
    pub left_out: LeftOut,
}

/// A family of buckets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// Its number on the chain.
    pub id: u32,
    /// The region's name; empty where it has none.
    pub region: String,
    /// In the lead's words; empty where there are none.
    pub description: String,
    /// Whom users' programs time to find their region.
    pub latency_test_targets: Vec<String>,
    /// The region's areas.
    pub areas: Vec<Area>,
    /// In ascending order of their indices.
    pub buckets: Vec<Bucket>,
    /// Some of its buckets could not be read: nothing is concluded from what is missing.
    pub partial: bool,
    /// Its metadata is not kept letter by letter: texts were cleaned or cut, or areas left out.
    pub altered: bool,
}

/// A part of the world that a family is meant to serve, by its code, upper case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Area {
    /// Such as `EU`.
    Continent(String),
    /// ISO 3166-1, such as `DE`.
    Country(String),
    /// ISO 3166-2, such as `US-CA`.
    Subdivision(String),
}

/// A bucket's id, `family:index`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BucketId {
    /// Its family's number.
    pub family: u32,
    /// Its number in the family.
    pub index: u32,
}

/// What is assigned to operators as one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Its id.
    pub id: BucketId,
    /// Whether new bags are assigned to it.
    pub accepting: bool,
    /// Whether users are sent to it.
    pub distributing: bool,
    /// How many bags it holds; `None`: not counted.
    pub bags: Option<u64>,
    /// Some of the newest small objects that it must serve.
    pub objects: Vec<TestObject>,
    /// Who serves it, or is asked to.
    pub operators: Vec<Operator>,
}

/// An object that every node of a bucket must be able to serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestObject {
    /// Its number.
    pub id: String,
    /// In bytes.
    pub size: u64,
    /// Base58 of the multihash of BLAKE3 over its bytes, as it stands on the chain.
    pub ipfs_hash: String,
}

/// Who serves a bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Operator {
    /// The worker's number; `None`: the answer holds none that can be one.
    pub worker: Option<u64>,
    /// Whether they serve it.
    pub status: Status,
    /// The node's public base URL, as written; empty where there is none.
    pub endpoint: String,
    /// Where they claim that it stands.
    pub place: Claim,
}

/// Whether an operator serves the bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Asked to, and has not said yes.
    #[default]
    Invited,
    /// Serves it.
    Active,
}

/// Where a node claims to stand, as written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// ISO 3166-1; empty where there is none.
    pub country: String,
    /// Empty where there is none.
    pub city: String,
    /// Degrees north and east, as written: possible or not.
    pub coordinates: Option<(f64, f64)>,
}

/// An operator of a bucket, as others name it: `0:1-12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperatorId {
    /// The bucket.
    pub bucket: BucketId,
    /// The worker's number, if it has one.
    pub worker: Option<u64>,
}

/// What an answer held that was not taken as it was: counted, and the first of it in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// How often.
    pub count: u64,
    /// The first of it, in plain words.
    pub first: Vec<String>,
}

/// So many sentences of what was left out are kept.
const TOLD: usize = 20;

impl LeftOut {
    /// Notes something, in a sentence that names where it stands.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(what());
        }
    }

    /// Takes over what another part of an answer left out.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        let room = TOLD.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }
}

impl Topology {
    /// Every bucket, with its family.
    pub fn buckets(&self) -> impl Iterator<Item = (&Family, &Bucket)> {
        let families = self.families.iter();
        families.flat_map(|family| family.buckets.iter().map(move |bucket| (family, bucket)))
    }

    /// Every operator, with family and bucket.
    pub fn operators(&self) -> impl Iterator<Item = (&Family, &Bucket, &Operator)> {
        self.buckets()
            .flat_map(|(family, bucket)| bucket.operators.iter().map(move |one| (family, bucket, one)))
    }

    /// A family by its number.
    #[must_use]
    pub fn family(&self, id: u32) -> Option<&Family> {
        self.families.iter().find(|family| family.id == id)
    }
}

impl Family {
    /// How people find it: `family 1 (eu-west-1)`.
    #[must_use]
    pub fn label(&self) -> String {
        match self.region.as_str() {
            "" => format!("family {}", self.id),
            region => format!("family {} ({region})", self.id),
        }
    }
}

impl Bucket {
    /// The operators that serve it.
    pub fn active(&self) -> impl Iterator<Item = &Operator> {
        self.operators.iter().filter(|one| one.status == Status::Active)
    }

    /// An operator's id.
    #[must_use]
    pub fn operator_id(&self, operator: &Operator) -> OperatorId {
        OperatorId {
            bucket: self.id,
            worker: operator.worker,
        }
    }
}

impl Operator {
    /// Its endpoint, if it is one.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        Endpoint::of(&self.endpoint)
    }
}

impl Claim {
    /// The claimed place, if it can be one.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let (latitude, longitude) = self.coordinates?;
        Position::new(latitude, longitude)
    }
}

impl Area {
    /// Its code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Continent(code) | Self::Country(code) | Self::Subdivision(code) => code,
        }
    }

    /// The key in the file that the chain's command takes.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Continent(_) => "continentCode",
            Self::Country(_) => "countryCode",
            Self::Subdivision(_) => "subdivisionCode",
        }
    }
}

impl fmt::Display for BucketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.family, self.index)
    }
}

impl FromStr for BucketId {
    type Err = NoBucketId;

    fn from_str(text: &str) -> Result<Self, NoBucketId> {
        let parsed = text.split_once(':').and_then(|(family, index)| {
            let (family, index) = (digits(family)?, digits(index)?);
            Some(Self { family, index })
        });
        parsed.ok_or(NoBucketId)
    }
}

/// Digits alone: `+1` and an empty text are none.
fn digits(text: &str) -> Option<u32> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all)
}

/// No bucket's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a bucket as family:index, such as 0:0")]
pub struct NoBucketId;

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.worker {
            Some(worker) => write!(f, "{}-{worker}", self.bucket),
            None => write!(f, "{}-?", self.bucket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_id_is_two_numbers_and_nothing_else() {
        assert_eq!("3:12".parse(), Ok(BucketId { family: 3, index: 12 }));
        for text in [
            "",
            "3",
            "3:",
            ":1",
            "3:1:2",
            "+3:1",
            "3: 1",
            "a:b",
            "3:99999999999",
        ] {
            assert_eq!(text.parse::<BucketId>(), Err(NoBucketId), "{text}");
        }
        assert_eq!(BucketId { family: 0, index: 7 }.to_string(), "0:7");
    }

    #[test]
    fn what_is_left_out_is_counted_beyond_what_is_told() {
        let mut left_out = LeftOut::default();
        (0..50).for_each(|number| left_out.note(|| format!("number {number}")));
        assert_eq!((left_out.count, left_out.first.len()), (50, TOLD));
        let mut more = LeftOut::default();
        more.note(|| "one".to_owned());
        more.add(left_out);
        assert_eq!((more.count, more.first.len()), (51, TOLD));
    }
}
