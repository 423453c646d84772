//! Measurements, read back from where the sink put them: as the batches that the store would give.
//!
//! A point in time holds still what is read; documents come in order of their slots, a page at a time. Where the point in
//! time was let go, a new one goes on from the last slot, and what was given already is not given again.

mod batches;
mod error;
mod extent;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use isochrone_base::roster::Roster;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Scan, ScanRange, Stored};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::runtime::Handle;

pub use self::batches::{Batches, Unfit};
pub use self::error::ReadError;
pub use self::extent::Extent;
use crate::index::{Family, Names};
use crate::page_size::PageSize;
use crate::{Client, Method, Packed, RequestError};

/// What the sink of one prefix put into a cluster. Its [`Scan`] blocks, and is for a thread that may.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    patterns: String,
    extent: Extent,
    batches: RefCell<Batches>,
    runtime: Handle,
    size: Cell<PageSize>,
    /// Before something is asked again the first time.
    pause: Duration,
    progress: Progress,
}

type Told = Box<dyn FnMut(u64, u64) + Send>;

/// How far a reading is.
#[derive(Default)]
struct Progress {
    done: Cell<u64>,
    total: Cell<u64>,
    told: RefCell<Option<Told>>,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} of {}", self.done.get(), self.total.get())
    }
}

/// Documents that are no measurements, among those that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foreign {
    /// How many.
    pub documents: u64,
    /// The first one: its id, its index, what is wrong with it.
    pub example: Option<String>,
    /// Measurements of probes that the roster does not know: another collector's, or an earlier one's.
    pub strangers: u64,
}

impl Reader {
    /// Asks what is there. `roster` says which peers' targets are which probes.
    ///
    /// # Errors
    /// When the server does not answer, refuses, or holds nothing of this prefix.
    pub async fn open(client: Client, names: &Names, roster: &Roster) -> Result<Self, ReadError> {
        let extent = extent::ask(&client, names).await?;
        Ok(Self {
            client,
            patterns: patterns(names),
            extent,
            batches: RefCell::new(Batches::new(roster)),
            runtime: Handle::current(),
            size: Cell::new(PageSize::new(SIZE)),
            pause: PAUSE,
            progress: Progress::default(),
        })
    }

    /// What is there.
    #[must_use]
    pub const fn extent(&self) -> &Extent {
        &self.extent
    }

    /// The same, telling how many documents of those between two slots were read.
    ///
    /// # Errors
    /// When the server does not count them.
    pub async fn telling(
        self,
        (from, until): (UnixMillis, UnixMillis),
        progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<Self, ReadError> {
        let path = format!("{}/_count?{MAY_BE_MISSING}", self.patterns);
        let query = json!({ "query": slots(from, until) });
        let counted = self.client.fetch(Method::Post, &path, Some(&query)).await;
        let counted = counted.map_err(|error| ReadError::of(error, &self.patterns))?;
        self.progress
            .total
            .set(counted["count"].as_u64().unwrap_or_default());
        self.progress.told.replace(Some(Box::new(progress)));
        Ok(self)
    }

    /// Documents that were read and are no measurements.
    #[must_use]
    pub fn foreign(&self) -> Foreign {
        self.batches.borrow().foreign().clone()
    }

    /// Smaller pages, and no waiting.
    #[cfg(test)]
    pub(crate) fn in_steps(self, size: PageSize) -> Self {
        Self {
            size: Cell::new(size),
            pause: Duration::from_millis(10),
            ..self
        }
    }

    fn read(&self, range: &ScanRange, each: &mut dyn FnMut(Stored)) -> Result<(), ReadError> {
        let Some((first, last)) = self.extent.slots else {
            return Ok(());
        };
        let from = range.from.max(first);
        let until = range.until.min(UnixMillis(last.0.saturating_add(1)));
        if from >= until {
            return Ok(());
        }
        let mut reading = Reading {
            reader: self,
            from,
            until,
            pit: None,
            after: None,
            last: None,
            given: BTreeSet::new(),
        };
        while let Some(hits) = reading.next()? {
            self.told(hits.len() as u64);
            let mut batches = self.batches.borrow_mut();
            for hit in &hits {
                batches.add(&hit.index, &hit.id, hit.source.get());
            }
            let batches = batches.take();
            let wanted = |stored: &Stored| range.probe.is_none_or(|probe| probe == stored.probe);
            batches.into_iter().filter(wanted).for_each(&mut *each);
        }
        reading.close();
        Ok(())
    }

    fn told(&self, documents: u64) {
        let done = self.progress.done.get() + documents;
        self.progress.done.set(done);
        if let Some(told) = &mut *self.progress.told.borrow_mut() {
            told(done, self.progress.total.get().max(done));
        }
    }
}

/// Commits are the store's: `after_commit` is not heeded here.
impl Scan for Reader {
    type Error = ReadError;

    fn scan(&self, range: ScanRange, each: &mut dyn FnMut(Stored)) -> Result<(), ReadError> {
        self.read(&range, each)
    }
}

/// One range, on its way.
struct Reading<'r> {
    reader: &'r Reader,
    from: UnixMillis,
    until: UnixMillis,
    pit: Option<Value>,
    /// The last document's place in this point in time.
    after: Option<Value>,
    /// Its slot.
    last: Option<u64>,
    /// The documents of that slot that were given.
    given: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    pit_id: Option<Value>,
    timed_out: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    hits: Hits,
}

#[derive(Deserialize)]
struct Shards {
    failed: u64,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    #[serde(rename = "_index")]
    index: String,
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_source")]
    source: Box<RawValue>,
    sort: Vec<Value>,
}

impl Hit {
    fn slot(&self) -> Option<u64> {
        self.sort.first()?.as_u64()
    }
}

impl Reading<'_> {
    /// The next documents; `None`: there are no more.
    fn next(&mut self) -> Result<Option<Vec<Hit>>, ReadError> {
        let mut failures = 0;
        loop {
            let error = match self.reader.runtime.block_on(self.page()) {
                Ok(hits) => return Ok(self.take(hits)),
                Err(error) => error,
            };
            if error.is_gone() {
                self.pit = None;
                self.after = None;
            } else if error.is_too_long() {
                let mut size = self.reader.size.get();
                if !size.halve(1) {
                    return Err(error);
                }
                self.reader.size.set(size);
                continue;
            } else if !error.is_transient() {
                return Err(error);
            }
            failures += 1;
            if failures > TRIES {
                return Err(error);
            }
            let pause = self.reader.pause * (1 << failures.min(5));
            tracing::debug!(%error, failures, "asked again");
            self.reader.runtime.block_on(tokio::time::sleep(pause));
        }
    }

    async fn page(&mut self) -> Result<Vec<Hit>, ReadError> {
        let reader = self.reader;
        let failed = |error: RequestError| ReadError::of(error, &reader.patterns);
        if self.pit.is_none() {
            let path = format!(
                "{}/_pit?keep_alive={KEEP_ALIVE}&ignore_unavailable=true",
                reader.patterns
            );
            let opened = reader.client.request(Method::Post, &path, None).await;
            let opened = opened.map_err(failed)?;
            if matches!(opened.status, 400 | 405) {
                let url = reader.client.name().to_owned();
                let source = opened.refusal();
                return Err(ReadError::NoPit { url, source });
            }
            let opened = opened.success().map_err(failed)?;
            let id = opened["id"].clone();
            if !id.is_string() {
                return Err(reader.shape("the id of a point in time"));
            }
            self.pit = Some(id);
        }
        let from = UnixMillis(self.last.unwrap_or(self.from.0));
        let from = if self.after.is_some() { self.from } else { from };
        let mut query = json!({
            "size": reader.size.get().get(),
            "track_total_hits": false,
            "pit": { "id": self.pit, "keep_alive": KEEP_ALIVE },
            "sort": [{ "slot": { "order": "asc", "unmapped_type": "date" } }, { "_shard_doc": "asc" }],
            "query": slots(from, self.until),
        });
        if let Some(after) = &self.after {
            query["search_after"] = after.clone();
        }
        let packed = Packed::json(&query);
        let path = "_search?allow_partial_search_results=false";
        let answer = reader.client.send(Method::Post, path, Some(&packed)).await;
        let answer = answer.map_err(failed)?;
        if !answer.is_success() {
            return Err(failed(answer.read().map_err(failed)?.refusal()));
        }
        let Ok(page) = serde_json::from_slice::<Page>(&answer.bytes) else {
            answer.read().map_err(failed)?; // it was cut, perhaps
            return Err(reader.shape("documents with their sources and slots"));
        };
        let mut size = reader.size.get();
        size.came(page.hits.hits.len(), answer.bytes.len());
        reader.size.set(size);
        if page.timed_out || page.shards.failed > 0 {
            return Err(reader.shape("a part of the shards"));
        }
        if page.pit_id.is_some() {
            self.pit = page.pit_id;
        }
        Ok(page.hits.hits)
    }

    /// Those that were not given before.
    fn take(&mut self, hits: Vec<Hit>) -> Option<Vec<Hit>> {
        let last = hits.last()?;
        let (after, slot) = (json!(last.sort), last.slot());
        let given = std::mem::take(&mut self.given);
        let earlier = self.last;
        let of_last = hits.iter().filter(|hit| hit.slot() == slot);
        self.given = of_last.map(|hit| hit.id.clone()).collect();
        if slot == earlier {
            self.given.extend(given.iter().cloned());
        }
        (self.after, self.last) = (Some(after), slot.or(earlier));
        let is_new = |hit: &Hit| hit.slot() != earlier || !given.contains(&hit.id);
        Some(hits.into_iter().filter(is_new).collect())
    }

    /// It would end by itself.
    fn close(self) {
        let body = json!({ "id": self.pit });
        let client = &self.reader.client;
        let closed = self
            .reader
            .runtime
            .block_on(client.fetch(Method::Delete, "_pit", Some(&body)));
        if let Err(error) = closed {
            tracing::debug!(%error, "a point in time ends by itself");
        }
    }
}

impl Reader {
    fn shape(&self, what: &'static str) -> ReadError {
        ReadError::Shape {
            url: self.client.name().to_owned(),
            pattern: self.patterns.clone(),
            what,
        }
    }
}

fn patterns(names: &Names) -> String {
    Family::RAW.map(|family| names.pattern(family)).join(",")
}

fn slots(from: UnixMillis, until: UnixMillis) -> Value {
    let range = json!({ "gte": from.0, "lt": until.0, "format": "epoch_millis" });
    json!({ "bool": { "filter": [{ "range": { "slot": range } }] } })
}

/// An index that is not there holds nothing; a shard that does not answer is no such thing.
const MAY_BE_MISSING: &str = "ignore_unavailable=true&allow_no_indices=true";
/// Documents in one answer at most: as many as a server gives.
const SIZE: usize = 10_000;
/// How long the server keeps the point in time between two answers.
const KEEP_ALIVE: &str = "5m";
/// Failures in a row after which it gives up: about half a minute.
const TRIES: u32 = 6;
/// Before something is asked again the first time; doubled each time.
const PAUSE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
