//! What a server said to a search.

use isochrone_proto::text::cleaned;
use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::ImportedIndex;
use serde_json::Value;

use super::PullError;
use crate::import::document;
use crate::import::unfit::Unfit;
use crate::import::{Origin, Piece, Refused};
use crate::{Answer, reason};

/// What a server said.
pub(super) enum Said {
    /// Documents.
    Page(Page),
    /// The point in time is over.
    PitGone,
    /// The field `time` is nothing to sort by.
    NotByTime(String),
}

/// Documents of one answer.
pub(super) struct Page {
    /// The point in time, where it is another one now.
    pub(super) pit: Option<Value>,
    /// How many there are in all, where that was asked.
    pub(super) total: Option<u64>,
    pub(super) hits: Vec<Hit>,
}

/// A document of an answer.
pub(super) struct Hit {
    id: String,
    source: Option<Value>,
    /// Its place, to go on behind it.
    pub(super) sort: Value,
    /// The time that it is sorted by, if it has one.
    pub(super) time: Option<UnixMillis>,
}

impl Hit {
    /// Puts it where it belongs.
    pub(super) fn sort_into(self, piece: &mut Piece, index: ImportedIndex, now: UnixMillis) {
        let origin = Origin::Id(self.id);
        let read = self.source.ok_or(Unfit::NoSource);
        match read.and_then(|source| document::read(&source, index, now)) {
            Ok(run) => piece.runs.push((origin, run)),
            Err(unfit) => piece.refused.push(Refused { origin, unfit }),
        }
    }
}

/// Reads the answer to a search.
pub(super) fn read(answer: &Answer, name: &str) -> Result<Said, PullError> {
    let body = &answer.body;
    let url = || answer.url.clone();
    let said = || reason(body);
    match answer.status {
        200..=299 => {}
        404 if body.to_string().contains("search_context_missing") => return Ok(Said::PitGone),
        404 => return Err(no_index(answer, name).unwrap_or_else(|| answer.refusal().into())),
        400 if is_about_time(body) => return Ok(Said::NotByTime(said())),
        400 => {
            let name = name.to_owned();
            return Err(PullError::Refused { name, reason: said() });
        }
        401 | 403 => return Err(refused_account(answer, name)),
        status @ (429 | 500..=599) => {
            // a point in time that is over on some shards only comes as one of many failures
            if body.to_string().contains("search_context_missing") {
                return Ok(Said::PitGone);
            }
            return Err(PullError::Busy {
                url: url(),
                status,
                reason: said(),
                retry_after: answer.retry_after,
            });
        }
        _ => return Err(answer.refusal().into()),
    }
    let part = |what: &str| PullError::Part {
        url: url(),
        what: what.to_owned(),
    };
    if body["timed_out"] != false {
        return Err(part("it says that its time was over, or not that it was not"));
    }
    if body["_shards"]["failed"].as_u64() != Some(0) {
        return Err(part("some of its shards failed"));
    }
    let hits = body["hits"]["hits"].as_array().ok_or_else(|| part("no hits"))?;
    let hits = hits.iter().map(hit).collect::<Option<_>>();
    Ok(Said::Page(Page {
        pit: body.get("pit_id").filter(|pit| pit.is_string()).cloned(),
        total: body["hits"]["total"]["value"].as_u64(),
        hits: hits.ok_or_else(|| part("a hit without its place in the order"))?,
    }))
}

fn hit(hit: &Value) -> Option<Hit> {
    let sort = hit.get("sort").filter(|sort| sort.is_array())?;
    let id = hit["_id"].as_str().unwrap_or_default();
    let id: String = id.chars().take(ID_SHOWN).collect();
    let by_time = sort.as_array().is_some_and(|sort| sort.len() > 1);
    Some(Hit {
        id: cleaned(&id).into_owned(),
        source: hit.get("_source").cloned(),
        time: sort[0].as_u64().filter(|_| by_time).and_then(instant),
        sort: sort.clone(),
    })
}

/// A place in the order of time: milliseconds of a `date`, nanoseconds of a `date_nanos`; the largest number stands for no
/// time.
fn instant(sorted_by: u64) -> Option<UnixMillis> {
    match sorted_by {
        0..NANOS_FROM => Some(UnixMillis(sorted_by)),
        NANOS_FROM..NO_TIME => Some(UnixMillis(sorted_by / 1_000_000)),
        _ => None,
    }
}

/// Whether the server says that it cannot sort by the field, or compare it.
fn is_about_time(body: &Value) -> bool {
    let said = body.to_string();
    [
        "No mapping found for [time]",
        "[time]",
        "field data",
        "Fielddata",
        "fielddata",
        "epoch_millis",
        "parse date",
    ]
    .iter()
    .any(|words| said.contains(words))
}

/// That the index is not there, or closed.
pub(super) fn no_index(answer: &Answer, name: &str) -> Option<PullError> {
    let (name, url) = (name.to_owned(), answer.url.clone());
    let said = answer.body.to_string();
    if said.contains("index_closed_exception") {
        return Some(PullError::Closed { name, url });
    }
    if matches!(answer.status, 401 | 403) {
        return Some(refused_account(answer, &name));
    }
    let is_missing = answer.status == 404 && said.contains("index_not_found");
    is_missing.then_some(PullError::NoIndex { name, url })
}

fn refused_account(answer: &Answer, name: &str) -> PullError {
    PullError::Account {
        name: name.to_owned(),
        url: answer.url.clone(),
        status: answer.status,
        reason: reason(&answer.body),
    }
}

/// Milliseconds since 1970 are smaller for 30,000 years, nanoseconds larger since January 1970.
const NANOS_FROM: u64 = 1_000_000_000_000_000;
const NO_TIME: u64 = i64::MAX as u64;
/// Characters of an id that are shown.
const ID_SHOWN: usize = 100;
