//! Answers of the indexer, decoded: bytes first, then counts, then texts, each with a bound.
//!
//! A page is taken whole or not at all where it is cut or no JSON. Within a page each family, and in it each bucket, is
//! decoded apart: one that cannot be read is named, and costs itself.

mod raw;

use std::collections::BTreeMap;

use isochrone_proto::text::cleaned;
use serde_json::value::RawValue;

use self::raw::{RawAnswer, RawArea, RawBucket, RawCount, RawFamily, RawMetadata, RawObject, RawOperator};
use crate::topology::{Area, Bucket, BucketId, Claim, Family, LeftOut, Operator, Status, TestObject};

/// An answer of more bytes is not read.
pub(crate) const ANSWER_BYTES_MAX: u64 = 32 << 20;
/// A family of more bytes is left out.
const FAMILY_BYTES_MAX: usize = 4 << 20;
/// Characters of a name or a code that are kept.
const NAME_MAX: usize = 100;
/// Characters of a description or a URL that are kept.
const TEXT_MAX: usize = 500;
const AREAS_MAX: usize = 300;
const TARGETS_MAX: usize = 100;
const BUCKETS_MAX: usize = 20_000;
const OPERATORS_MAX: usize = 100;
const OBJECTS_MAX: usize = 5;

/// What one answer about families holds.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) block: Option<u64>,
    pub(crate) families: Vec<Family>,
    /// How many there were, with those that could not be read.
    pub(crate) given: usize,
    pub(crate) left_out: LeftOut,
}

/// Why an answer cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// A web page.
    #[error(
        "answered a web page (HTML) instead of JSON: name the address that takes GraphQL queries, often …/graphql"
    )]
    Html,
    /// It ends too early.
    #[error("the answer was cut off after {bytes} bytes")]
    Cut {
        /// That is what came.
        bytes: usize,
    },
    /// Something else.
    #[error("the answer is no JSON from line {line}, column {column} on")]
    NotJson {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON that is not of an indexer.
    #[error("the answer is JSON, and none of an indexer: {reason}")]
    NotAnAnswer {
        /// The reader's words.
        reason: String,
    },
    /// The indexer refuses the query.
    #[error("the indexer refuses the query: {says}")]
    Refused {
        /// Its words.
        says: String,
    },
    /// No families in it.
    #[error("the answer holds no families (data.distributionBucketFamilies)")]
    NoFamilies,
}

/// Reads an answer about families, in either dialect.
pub(crate) fn page(bytes: &[u8]) -> Result<Page, AnswerError> {
    let answer: RawAnswer<'_> = json(bytes)?;
    let mut page = Page::default();
    let refusals: Vec<String> = answer.refusals();
    let Some((families, status)) = answer
        .into_data()
        .and_then(|data| Some((data.families?, data.squid_status)))
    else {
        return Err(match refusals.into_iter().next() {
            Some(says) => AnswerError::Refused { says },
            None => AnswerError::NoFamilies,
        });
    };
    refusals.into_iter().for_each(|says| {
        page.left_out
            .note(|| format!("the indexer says of a part: {says}"))
    });
    page.block = status.and_then(|status| status.height);
    page.given = families.len();
    for (at, raw) in families.iter().enumerate() {
        if let Some(family) = family(raw, at, &mut page.left_out) {
            page.families.push(family);
        }
    }
    Ok(page)
}

/// Counts of bags, by the name that the query gave each.
pub(crate) fn counts(bytes: &[u8]) -> Result<BTreeMap<String, u64>, AnswerError> {
    let counted: BTreeMap<String, Option<RawCount>> = named(bytes)?;
    let known = counted.into_iter();
    Ok(known
        .filter_map(|(name, count)| Some((name, count?.total_count?)))
        .collect())
}

/// Test objects, by the name that the query gave each bucket.
pub(crate) fn objects(bytes: &[u8]) -> Result<BTreeMap<String, Vec<TestObject>>, AnswerError> {
    let found: BTreeMap<String, Option<Vec<RawObject>>> = named(bytes)?;
    let of_bucket = |raw: Option<Vec<RawObject>>| {
        let raw = raw.into_iter().flatten().take(OBJECTS_MAX);
        raw.filter_map(RawObject::object).collect()
    };
    Ok(found
        .into_iter()
        .map(|(name, raw)| (name, of_bucket(raw)))
        .collect())
}

fn named<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<BTreeMap<String, T>, AnswerError> {
    let answer: raw::Named<T> = json(bytes)?;
    match answer.data {
        Some(data) => Ok(data),
        None => Err(AnswerError::Refused {
            says: answer
                .errors
                .first()
                .map_or_else(|| "it gives no reason".to_owned(), raw::RawError::says),
        }),
    }
}

fn json<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, AnswerError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii_start().starts_with(b"<") {
        return Err(AnswerError::Html);
    }
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => AnswerError::Cut { bytes: bytes.len() },
        serde_json::error::Category::Data => AnswerError::NotAnAnswer {
            reason: cut(&error.to_string(), TEXT_MAX),
        },
        _ => AnswerError::NotJson {
            line: error.line(),
            column: error.column(),
        },
    })
}

fn family(raw: &RawValue, at: usize, left_out: &mut LeftOut) -> Option<Family> {
    let bytes = raw.get().len();
    if bytes > FAMILY_BYTES_MAX {
        let megabytes = bytes as f64 / 1e6;
        left_out.note(|| {
            format!("family number {at} of the answer is left out: {megabytes:.1} MB of one family")
        });
        return None;
    }
    let raw: RawFamily<'_> = match serde_json::from_str(raw.get()) {
        Ok(family) => family,
        Err(error) => {
            left_out.note(|| {
                format!(
                    "family number {at} of the answer is left out: {}",
                    cut(&error.to_string(), NAME_MAX)
                )
            });
            return None;
        }
    };
    let Some(id) = raw.number() else {
        left_out.note(|| {
            format!(
                "family {:?} is left out: its id is no number",
                cut(&raw.id, NAME_MAX)
            )
        });
        return None;
    };
    let name = format!("family {id}");
    let mut family = Family {
        id,
        ..Family::default()
    };
    if let Some(metadata) = raw.metadata {
        describe(&mut family, metadata, left_out);
    }
    match raw.buckets {
        Some(buckets) => {
            family.partial = buckets.len() > BUCKETS_MAX;
            for raw in most(buckets, BUCKETS_MAX, &name, "buckets", left_out) {
                match bucket(raw, id, left_out) {
                    Some(bucket) => family.buckets.push(bucket),
                    None => family.partial = true,
                }
            }
        }
        None => {
            family.partial = true;
            left_out.note(|| format!("{name}: its buckets are missing"));
        }
    }
    family.buckets.sort_by_key(|bucket| bucket.id);
    let before = family.buckets.len();
    family.buckets.dedup_by_key(|bucket| bucket.id);
    if family.buckets.len() < before {
        left_out.note(|| format!("{name}: a bucket stands in it twice; the first is kept"));
    }
    Some(family)
}

fn describe(family: &mut Family, metadata: RawMetadata, left_out: &mut LeftOut) {
    let name = format!("family {}", family.id);
    let mut altered = false;
    let mut taken = |given: Option<String>, max, left_out: &mut LeftOut| {
        let before = given.clone().unwrap_or_default();
        let text = text(given, max, &name, left_out);
        altered |= text != before;
        text
    };
    family.region = taken(metadata.region, NAME_MAX, left_out);
    family.description = taken(metadata.description, TEXT_MAX, left_out);
    let targets = metadata.latency_test_targets.unwrap_or_default();
    let targets = most(targets, TARGETS_MAX, &name, "latency test targets", left_out);
    for target in targets.into_iter().flatten() {
        family
            .latency_test_targets
            .push(taken(Some(target), TEXT_MAX, left_out));
    }
    let areas = metadata.areas.unwrap_or_default();
    let given = areas.len();
    let areas = most(areas, AREAS_MAX, &name, "areas", left_out);
    family.areas = areas
        .into_iter()
        .filter_map(|raw| area(raw, &name, left_out))
        .collect();
    family.altered = altered || family.areas.len() < given;
}

fn bucket(raw: &RawValue, family: u32, left_out: &mut LeftOut) -> Option<Bucket> {
    let raw: RawBucket = match serde_json::from_str(raw.get()) {
        Ok(bucket) => bucket,
        Err(error) => {
            left_out.note(|| {
                format!(
                    "a bucket of family {family} is left out: {}",
                    cut(&error.to_string(), NAME_MAX)
                )
            });
            return None;
        }
    };
    let id: BucketId = match raw.id.parse() {
        Ok(id) => id,
        Err(_) => {
            left_out.note(|| {
                format!(
                    "bucket {:?} of family {family} is left out: no id of a bucket",
                    cut(&raw.id, NAME_MAX)
                )
            });
            return None;
        }
    };
    if id.family != family {
        left_out
            .note(|| format!("bucket {id} stands in family {family} and is left out: its id says another"));
        return None;
    }
    let name = format!("bucket {id}");
    let operators = most(
        raw.operators.unwrap_or_default(),
        OPERATORS_MAX,
        &name,
        "operators",
        left_out,
    );
    Some(Bucket {
        id,
        accepting: raw.accepting_new_bags.unwrap_or_default(),
        distributing: raw.distributing.unwrap_or_default(),
        bags: raw.bags,
        objects: raw
            .objects
            .into_iter()
            .take(OBJECTS_MAX)
            .filter_map(RawObject::object)
            .collect(),
        operators: operators
            .into_iter()
            .filter_map(|raw| operator(raw, id, left_out))
            .collect(),
    })
}

fn operator(raw: RawOperator, bucket: BucketId, left_out: &mut LeftOut) -> Option<Operator> {
    let name = format!("an operator of bucket {bucket}");
    let status = match raw.status.as_deref() {
        Some("ACTIVE" | "Active" | "active") => Status::Active,
        Some("INVITED" | "Invited" | "invited") => Status::Invited,
        other => {
            let other = cut(other.unwrap_or("nothing"), NAME_MAX);
            left_out.note(|| format!("{name} is left out: status {other}"));
            return None;
        }
    };
    let mut operator = Operator {
        worker: raw.worker_id.and_then(|worker| u64::try_from(worker).ok()),
        status,
        ..Operator::default()
    };
    if let Some(metadata) = raw.metadata {
        operator.endpoint = text(metadata.node_endpoint, TEXT_MAX, &name, left_out);
        if let Some(place) = metadata.node_location {
            operator.place = Claim {
                country: text(place.country_code, NAME_MAX, &name, left_out),
                city: text(place.city, NAME_MAX, &name, left_out),
                coordinates: place
                    .coordinates
                    .and_then(|at| Some((at.latitude?, at.longitude?))),
            };
        }
    }
    Some(operator)
}

fn area(raw: RawArea, family: &str, left_out: &mut LeftOut) -> Option<Area> {
    let kind = raw.kind();
    let of = match kind.as_str() {
        "GeographicalAreaContinent" => Area::Continent,
        "GeographicalAreaCountry" => Area::Country,
        "GeographicalAreaSubdivistion" | "GeographicalAreaSubdivision" => Area::Subdivision, // the first is the chain's spelling
        other => {
            let other = cut(other, NAME_MAX);
            left_out.note(|| format!("{family}: an area of an unknown kind, {other:?}, is left out"));
            return None;
        }
    };
    Some(of(cut(&raw.code().unwrap_or_default().to_uppercase(), 16)))
}

/// The first so many.
fn most<T>(mut all: Vec<T>, max: usize, whose: &str, what: &str, left_out: &mut LeftOut) -> Vec<T> {
    if all.len() > max {
        let given = all.len();
        left_out.note(|| format!("{whose}: {given} {what}, of which {max} are kept"));
        all.truncate(max);
    }
    all
}

/// Text through the one door, of at most so many characters.
fn text(given: Option<String>, max: usize, whose: &str, left_out: &mut LeftOut) -> String {
    let given = given.unwrap_or_default();
    if given.chars().nth(max).is_some() {
        left_out.note(|| {
            format!(
                "{whose}: a text of {} bytes is cut to {max} characters",
                given.len()
            )
        });
    }
    cut(&given, max)
}

/// Clean, and no longer than that.
fn cut(text: &str, max: usize) -> String {
    let end = text.char_indices().nth(max).map_or(text.len(), |(at, _)| at);
    cleaned(&text[..end]).into_owned()
}

#[cfg(test)]
mod tests;
