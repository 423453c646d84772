//! The whole chain, page by page, from whoever answers queries. Pure but for what `ask` does.

use std::collections::BTreeSet;

use crate::answer::{self, AnswerError, Page};
use crate::query::{self, Dialect, FAMILIES_A_PAGE};
use crate::topology::{Bucket, BucketId, Family, Topology};

/// More families are not taken.
const FAMILIES_MAX: usize = 2_000;
/// More buckets are not taken.
const BUCKETS_MAX: usize = 50_000;
/// Buckets whose bags one request counts.
const COUNTED_AT_ONCE: usize = 25;
/// Buckets whose objects one request names.
const OBJECTS_AT_ONCE: usize = 10;
/// Requests for counts, and as many for objects, in one round: the cost of a chain of any size is bounded.
const REQUESTS_MAX: usize = 40;

/// Why the chain could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError<E: std::error::Error + 'static> {
    /// Nobody answered.
    #[error("the indexer does not answer (families from {offset} on)")]
    Ask {
        /// Which page.
        offset: usize,
        /// Why.
        #[source]
        source: E,
    },
    /// What came is no answer.
    #[error("the indexer's answer cannot be taken (families from {offset} on)")]
    Answer {
        /// Which page.
        offset: usize,
        /// Why.
        #[source]
        source: AnswerError,
    },
    /// The same families again: it does not page, and what is missing cannot be known.
    #[error("the indexer gives the same families again for the page from {offset} on: it ignores `offset`")]
    SamePage {
        /// Which page.
        offset: usize,
    },
    /// More than a chain can hold.
    #[error("the indexer gives more than {FAMILIES_MAX} families or {BUCKETS_MAX} buckets")]
    TooMuch,
}

/// Reads it all: families by pages, then how many bags each bucket holds, then objects to test with.
///
/// # Errors
/// When a page of families is missing: a part of the chain would be judged as the whole. Counts and objects may be missing;
/// that is said in [`Topology::left_out`].
pub fn fetch<E: std::error::Error + 'static>(
    mut ask: impl FnMut(&str) -> Result<Vec<u8>, E>,
) -> Result<Topology, FetchError<E>> {
    let mut topology = families(&mut ask)?;
    count(&mut topology, &mut ask);
    name_objects(&mut topology, &mut ask);
    Ok(topology)
}

/// The chain as a file holds it: an indexer's answer about all families, in either dialect.
///
/// # Errors
/// When it is none.
pub fn from_file(bytes: &[u8]) -> Result<Topology, AnswerError> {
    let page = answer::page(bytes)?;
    let mut seen = Seen::default();
    let mut topology = Topology::default();
    seen.take(page, &mut topology);
    topology.families.sort_by_key(|family| family.id);
    Ok(topology)
}

fn families<E: std::error::Error + 'static>(
    ask: &mut impl FnMut(&str) -> Result<Vec<u8>, E>,
) -> Result<Topology, FetchError<E>> {
    let (mut topology, mut seen) = (Topology::default(), Seen::default());
    let mut dialect = Dialect::Squid;
    let mut offset = 0;
    loop {
        let page = match page(dialect, offset, ask) {
            Err(FetchError::Answer {
                source: AnswerError::Refused { .. },
                ..
            }) if dialect == Dialect::Squid && offset == 0 => {
                dialect = Dialect::Older;
                page(dialect, offset, ask)?
            }
            other => other?,
        };
        let given = page.given;
        let is_new = seen.take(page, &mut topology);
        if given == FAMILIES_A_PAGE && !is_new {
            return Err(FetchError::SamePage { offset });
        }
        if seen.families.len() > FAMILIES_MAX || seen.buckets > BUCKETS_MAX {
            return Err(FetchError::TooMuch);
        }
        if given != FAMILIES_A_PAGE {
            break; // fewer: the last page; more: it gives all at once
        }
        offset += given;
    }
    topology.families.sort_by_key(|family| family.id);
    Ok(topology)
}

fn page<E: std::error::Error + 'static>(
    dialect: Dialect,
    offset: usize,
    ask: &mut impl FnMut(&str) -> Result<Vec<u8>, E>,
) -> Result<Page, FetchError<E>> {
    let bytes = ask(&dialect.families(offset)).map_err(|source| FetchError::Ask { offset, source })?;
    answer::page(&bytes).map_err(|source| FetchError::Answer { offset, source })
}

/// What came so far.
#[derive(Default)]
struct Seen {
    families: BTreeSet<u32>,
    buckets: usize,
}

impl Seen {
    /// Takes a page over; whether any family of it is new.
    fn take(&mut self, page: Page, topology: &mut Topology) -> bool {
        topology.left_out.add(page.left_out);
        topology.block = match (topology.block, page.block) {
            (Some(one), Some(other)) => Some(one.min(other)), // what all of it rests on
            (one, other) => one.or(other),
        };
        let mut is_new = page.families.len() < page.given; // what was left out may have been new
        for family in page.families {
            if self.families.insert(family.id) {
                is_new = true;
                self.buckets += family.buckets.len();
                topology.families.push(family);
            } else {
                let id = family.id;
                topology
                    .left_out
                    .note(|| format!("family {id} is given twice; the first is kept"));
            }
        }
        is_new
    }
}

fn count<E: std::error::Error + 'static>(
    topology: &mut Topology,
    ask: &mut impl FnMut(&str) -> Result<Vec<u8>, E>,
) {
    let wanted = |_: &Bucket| true;
    let ids = ids(topology, wanted, (COUNTED_AT_ONCE, "bags are counted"));
    for some in ids.chunks(COUNTED_AT_ONCE) {
        let counts = match ask(&query::bags(some)).map(|bytes| answer::counts(&bytes)) {
            Ok(Ok(counts)) => counts,
            Ok(Err(error)) => {
                return topology
                    .left_out
                    .note(|| format!("bags are not counted: {error}"));
            }
            Err(error) => {
                return topology
                    .left_out
                    .note(|| format!("bags are not counted: {error}"));
            }
        };
        for (at, id) in some.iter().enumerate() {
            if let Some(bucket) = bucket_mut(&mut topology.families, *id) {
                bucket.bags = counts.get(&format!("b{at}")).copied();
            }
        }
    }
}

fn name_objects<E: std::error::Error + 'static>(
    topology: &mut Topology,
    ask: &mut impl FnMut(&str) -> Result<Vec<u8>, E>,
) {
    let wanted = |bucket: &Bucket| bucket.distributing && bucket.active().next().is_some();
    let ids = ids(
        topology,
        wanted,
        (OBJECTS_AT_ONCE, "objects to test with are named"),
    );
    for some in ids.chunks(OBJECTS_AT_ONCE) {
        let mut found = match ask(&query::objects(some)).map(|bytes| answer::objects(&bytes)) {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                return topology
                    .left_out
                    .note(|| format!("no objects to test with: {error}"));
            }
            Err(error) => {
                return topology
                    .left_out
                    .note(|| format!("no objects to test with: {error}"));
            }
        };
        for (at, id) in some.iter().enumerate() {
            if let Some(bucket) = bucket_mut(&mut topology.families, *id) {
                bucket.objects = found.remove(&format!("o{at}")).unwrap_or_default();
            }
        }
    }
}

/// The buckets that are asked about, as many as the bound of requests allows.
fn ids(
    topology: &mut Topology,
    wanted: impl Fn(&Bucket) -> bool,
    (at_once, what): (usize, &str),
) -> Vec<BucketId> {
    let buckets = topology.buckets().filter(|(_, bucket)| wanted(bucket));
    let mut ids: Vec<BucketId> = buckets.map(|(_, bucket)| bucket.id).collect();
    let most = at_once * REQUESTS_MAX;
    if ids.len() > most {
        let all = ids.len();
        ids.truncate(most);
        topology
            .left_out
            .note(|| format!("{what} of the first {most} buckets only, of {all}"));
    }
    ids
}

fn bucket_mut(families: &mut [Family], id: BucketId) -> Option<&mut Bucket> {
    let at = families
        .binary_search_by_key(&id.family, |family| family.id)
        .ok()?;
    let buckets = &mut families[at].buckets;
    let at = buckets.binary_search_by_key(&id, |bucket| bucket.id).ok()?;
    buckets.get_mut(at)
}

#[cfg(test)]
mod tests;
