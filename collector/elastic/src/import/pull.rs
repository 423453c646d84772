//! An index, read through a point in time from its oldest document to its newest.
//!
//! Every answer is whole or asked for again. Where the point in time ended, a new one goes on from the last document's time:
//! what comes twice is taken in once.

mod answer;
mod error;

use std::time::Duration;

use isochrone_base::words::rfc3339;
use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::ImportedIndex;
use serde_json::{Value, json};

use self::answer::{Page, Said};
pub use self::error::PullError;
use super::document::READ;
use super::{PIECE, Piece};
use crate::page_size::PageSize;
use crate::{Client, Flavour, Method, RequestError, Server};

/// An index that is being read.
#[derive(Debug)]
pub struct Pull {
    client: Client,
    /// As it is called there.
    name: String,
    index: ImportedIndex,
    /// This machine's time, by which documents of the future are told.
    now: UnixMillis,
    /// Documents before it are not wanted, or known.
    from: Option<UnixMillis>,
    /// The point in time.
    pit: Option<Value>,
    /// The last document's place.
    after: Option<Value>,
    /// In order of time; else as the server has them.
    by_time: bool,
    /// Documents in one answer.
    size: PageSize,
    /// The longest wait between two tries.
    wait_max: Duration,
    done: u64,
    total: u64,
    /// What whoever reads along should know.
    notes: Vec<String>,
}

/// What a call gave.
#[derive(Debug)]
pub enum Pulled {
    /// Documents.
    Piece(Piece),
    /// There are no more.
    End,
}

impl Pull {
    /// Reads the index `name`; documents from `from` on, if one is named. `now` is this machine's time.
    ///
    /// # Errors
    /// When no index can be called so.
    pub fn new(
        client: Client,
        (name, index): (&str, ImportedIndex),
        from: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Result<Self, PullError> {
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "/\\?\"<>|#%&".contains(c);
        if name.is_empty() || name.contains(is_odd) || name.starts_with(['_', '-', '+']) {
            let name = name.to_owned();
            return Err(PullError::Name { name });
        }
        Ok(Self {
            client,
            name: name.to_owned(),
            index,
            now,
            from,
            pit: None,
            after: None,
            by_time: true,
            size: PageSize::new(PIECE),
            wait_max: WAIT_MAX,
            done: 0,
            total: 0,
            notes: Vec::new(),
        })
    }

    /// What whoever reads along should know, once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// The next documents.
    ///
    /// # Errors
    /// When the server refuses, or fails too often in a row.
    ///
    /// # Cancel safety
    /// None of it is lost: the same call gives it again.
    pub async fn next_piece(&mut self) -> Result<Pulled, PullError> {
        let mut failures = 0;
        loop {
            let error = match self.page().await {
                Ok(Some(page)) => return Ok(self.take(page)),
                Ok(None) => continue, // from another beginning
                Err(error) => error,
            };
            if error.is_too_long() && self.size.halve(1) {
                continue;
            }
            let Some(wait) = error.wait(failures) else {
                return Err(error);
            };
            failures += 1;
            if failures >= TRIES {
                let source = Box::new(error);
                return Err(PullError::GivenUp {
                    tries: failures,
                    source,
                });
            }
            if error.is_slow() {
                self.size.halve(SIZE_MIN);
            }
            tracing::debug!(%error, failures, "asked again");
            tokio::time::sleep(wait.min(self.wait_max)).await;
        }
    }

    /// Lets the point in time go; it would end by itself.
    pub async fn close(self) {
        let Some(pit) = self.pit else { return };
        let body = json!({ "id": pit });
        if let Err(error) = self.client.fetch(Method::Delete, "_pit", Some(&body)).await {
            tracing::debug!(%error, "a point in time ends by itself");
        }
    }

    /// One answer; `None`: it has to be asked otherwise, which is set up now.
    async fn page(&mut self) -> Result<Option<Page>, PullError> {
        let pit = match self.pit.clone() {
            Some(pit) => pit,
            None => self.open().await?,
        };
        let query = self.query(&pit);
        let path = "_search?allow_partial_search_results=false";
        let answer = self.client.request(Method::Post, path, Some(&query)).await?;
        match answer::read(&answer, &self.name)? {
            Said::Page(page) => {
                self.size.came(page.hits.len(), answer.length);
                Ok(Some(page))
            }
            Said::PitGone => {
                self.pit = None;
                self.after = None;
                let how = match (self.by_time, self.from) {
                    (true, Some(from)) => format!("goes on from {}", rfc3339(from)),
                    _ => "begins anew, which changes nothing that is taken in".to_owned(),
                };
                self.done = 0;
                let note = format!("the server let its point in time go: the import {how}");
                self.notes.push(note);
                Ok(None)
            }
            Said::NotByTime(reason) if self.by_time => {
                self.by_time = false;
                self.after = None;
                self.from = None;
                self.notes.push(format!(
                    "{} cannot be read by time ({reason}): somebody changed its mapping. It is read in the server's order, \
                     and an interrupted import begins anew",
                    self.name
                ));
                Ok(None)
            }
            Said::NotByTime(reason) => Err(PullError::Refused {
                name: self.name.clone(),
                reason,
            }),
        }
    }

    fn query(&self, pit: &Value) -> Value {
        let mut query = json!({
            "size": self.size.get(),
            "_source": READ,
            "track_total_hits": self.after.is_none(),
            "pit": { "id": pit, "keep_alive": KEEP_ALIVE },
            "sort": match self.by_time {
                true => json!([{ "time": "asc" }, { "_shard_doc": "asc" }]),
                false => json!([{ "_shard_doc": "asc" }]),
            },
        });
        if let Some(after) = &self.after {
            query["search_after"] = after.clone();
        }
        if let Some(from) = self.from.filter(|_| self.by_time) {
            // those without a time are to be named
            query["query"] = json!({ "bool": { "should": [
                { "range": { "time": { "gte": from.0, "format": "epoch_millis" } } },
                { "bool": { "must_not": [{ "exists": { "field": "time" } }] } },
            ] } });
        }
        query
    }

    fn take(&mut self, page: Page) -> Pulled {
        if let Some(pit) = page.pit {
            self.pit = Some(pit);
        }
        if let Some(total) = page.total {
            self.total = total;
            self.done = 0;
        }
        let Some(last) = page.hits.last() else {
            return Pulled::End;
        };
        self.after = Some(last.sort.clone());
        let reached = last.time.filter(|_| self.by_time);
        self.from = reached.or(self.from);
        self.done += page.hits.len() as u64;
        let mut piece = Piece {
            progress: (self.done, self.total),
            reached: self.from.filter(|_| self.by_time),
            ..Piece::default()
        };
        for hit in page.hits {
            hit.sort_into(&mut piece, self.index, self.now);
        }
        Pulled::Piece(piece)
    }

    async fn open(&mut self) -> Result<Value, PullError> {
        let path = format!("{}/_pit?keep_alive={KEEP_ALIVE}", self.name);
        let answer = self.client.request(Method::Post, &path, None).await;
        let answer = match answer {
            Err(RequestError::NotJson { .. }) => return Err(self.other().await),
            answer => answer?,
        };
        if let Some(error) = answer::no_index(&answer, &self.name) {
            return Err(error);
        }
        let is_known = answer.is_success() || matches!(answer.status, 401 | 403 | 429 | 500..=599);
        if !is_known {
            return Err(self.other().await);
        }
        let opened = answer.success()?;
        let id = opened["id"].clone();
        if !id.is_string() {
            return Err(self.other().await);
        }
        self.pit = Some(id.clone());
        Ok(id)
    }

    /// What stands there, where it knows no points in time.
    async fn other(&self) -> PullError {
        let url = self.client.name().to_owned();
        match Server::ask(&self.client).await {
            Ok(Server {
                flavour: Flavour::OpenSearch,
                version,
                ..
            }) => PullError::OpenSearch { url, version },
            Ok(Server { version, .. }) => PullError::NoPit { url, version },
            Err(error) => error.into(),
        }
    }
}

/// How long the server keeps the point in time between two answers.
const KEEP_ALIVE: &str = "5m";
/// Failures in a row after which it gives up: about a minute, or as long as the server asks for.
const TRIES: u32 = 8;
/// As few documents as it asks for where answers are slow.
const SIZE_MIN: usize = 50;
/// The longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
