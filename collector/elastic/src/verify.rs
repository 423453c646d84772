//! Whether what is stored lies in the cluster, no more and no less: by counts and sums of every hour and kind, and where
//! these differ by the ids themselves.

mod compare;
mod remote;
mod revised;
mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use isochrone_base::words;
use isochrone_proto::kind::Kind;
use isochrone_proto::units::{Hour, UnixMillis};
use isochrone_store::{Store, StoreError};
use serde::Serialize;

pub use self::compare::Period;
use self::compare::{Compared, Part, There};
use self::revised::Now;
use crate::cursor::Revision;
use crate::document::{Document, DocumentId};
use crate::index::{Family, Names};
use crate::revised::{Incidents, Revised};
use crate::send::{SendError, Sender};
use crate::{Client, Method, RequestError};

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// From which slot on; whole days.
    pub from: UnixMillis,
    /// Slots before this instant.
    pub until: UnixMillis,
    /// Commits up to which everything should be there: the cursor's.
    pub commit: u64,
    /// The time: what may be revised is compared as of then.
    pub as_of: UnixMillis,
}

/// What the comparison comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// `isochrone.verify/1`
    pub schema: &'static str,
    /// Nothing is missing, and nothing is too much.
    pub equal: bool,
    /// The days that were compared.
    pub window: WindowJson,
    /// Measurements of the window that the sink has not sent yet: neither missing nor too much.
    pub unsent: u64,
    /// Documents that may be revised and are no longer what was sent last, or were not sent yet: neither missing nor too
    /// much.
    pub unsent_revisions: u64,
    /// Measurements that retention removed before the sink had sent them, ever, of all days: on neither side.
    pub removed_unsent: u64,
    /// Documents that were missing and are there now.
    pub repaired: u64,
    /// By kind and day.
    pub periods: Vec<Period>,
    /// Ids of what differs, the first ones.
    pub examples: Vec<Example>,
}

/// From when until when.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowJson {
    /// The first instant.
    pub from: String,
    /// The instant behind the last.
    pub to: String,
}

/// A document that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// `missing`, `extra` or `changed`.
    pub is: &'static str,
}

/// Why it could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store failed.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// The cluster did not answer, or refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// It answered with something else.
    #[error("{url} answered a search with something else: {what} is missing")]
    Shape {
        /// The cluster.
        url: String,
        /// What was looked for.
        what: &'static str,
    },
    /// What is missing could not be sent.
    #[error("what is missing could not be sent")]
    Send(#[from] SendError),
    /// A thread ended in a panic.
    #[error("a thread that reads the store panicked")]
    Ended(#[from] tokio::task::JoinError),
}

/// Compares store and cluster.
#[derive(Debug)]
pub struct Verifier<'c> {
    /// What is compared.
    pub store: Store,
    /// Where it should be.
    pub client: &'c Client,
    /// Under which names.
    pub names: Names,
    /// What is judged of what is stored.
    pub incidents: Incidents,
    /// What lies there of it.
    pub revision: Revision,
}

impl Verifier<'_> {
    /// Compares a window, day by day. With a sender, what is missing is sent; nothing is ever deleted: what is too much
    /// may be another collector's. `progress` is told days done and days in all.
    ///
    /// # Errors
    /// When either side cannot be read, or what is missing could not be sent.
    pub async fn verify(
        &self,
        window: Window,
        mut repair: Option<&mut Sender>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Report, VerifyError> {
        let all = format!("{}-*/_refresh", self.names.prefix());
        self.client.fetch(Method::Post, &all, None).await?;
        let first = window.from.0 / DAY_MS;
        let days = window.until.0.div_ceil(DAY_MS).saturating_sub(first);
        let removed = self.store.removed_unsent()?;
        let mut report = Report {
            schema: "isochrone.verify/1",
            equal: true,
            window: WindowJson {
                from: words::rfc3339(window.from),
                to: words::rfc3339(window.until),
            },
            unsent: 0,
            unsent_revisions: 0,
            removed_unsent: removed.map_or(0, |removed| removed.measurements),
            repaired: 0,
            periods: Vec::new(),
            examples: Vec::new(),
        };
        let mut known = BTreeMap::new();
        for family in [Family::Incident, Family::Ledger] {
            known.insert(family, self.read(family, window).await?);
        }
        for day in first..first + days {
            let part = Window {
                from: window.from.max(UnixMillis(day * DAY_MS)),
                until: window.until.min(UnixMillis((day + 1) * DAY_MS)),
                ..window
            };
            let mut compared = self.day(part).await?;
            if let Some(sender) = repair.as_deref_mut()
                && compared.missing().next().is_some()
            {
                report.repaired += self.repair(part, &compared, sender).await?;
                self.client.fetch(Method::Post, &all, None).await?;
                compared = self.day(part).await?;
            }
            report.take(compared);
            for family in Family::REVISED {
                let read = match known.get(&family) {
                    Some(_) => None,
                    None => Some(self.read(family, part).await?), // a day's at a time
                };
                let now = read.as_ref().or(known.get(&family));
                let mut compared = self.revised_day(family, part, now).await?;
                if let Some(sender) = repair.as_deref_mut()
                    && compared.to_revise().next().is_some()
                {
                    report.repaired += self.revise(part, &compared, sender).await?;
                    self.client.fetch(Method::Post, &all, None).await?;
                    compared = self.revised_day(family, part, now).await?;
                }
                report.take_revised(compared);
            }
            progress(day + 1 - first, days);
        }
        report.equal = report.periods.iter().all(Period::is_equal);
        Ok(report)
    }

    async fn day(&self, part: Window) -> Result<Compared, VerifyError> {
        let store = self.store.clone();
        let ours = tokio::task::spawn_blocking(move || stored::hours(&store, part)).await??;
        let theirs = remote::hours(self.client, &self.names, part).await?;
        let mut compared = Compared::new(part.from, &ours.hours, &theirs);
        compared.unsent = ours.unsent;
        let differing: BTreeSet<Part> = compared.differing(&ours.hours, &theirs);
        if differing.is_empty() {
            return Ok(compared);
        }
        let mut there: BTreeMap<Part, There> = BTreeMap::new();
        for part in &differing {
            there.insert(*part, remote::ids(self.client, &self.names, *part).await?);
        }
        // Read after the cluster was: what came meanwhile is then known here, and nothing of it is too much.
        let (store, wanted) = (self.store.clone(), differing.clone());
        let here = tokio::task::spawn_blocking(move || stored::ids(&store, part, &wanted)).await??;
        for part in differing {
            let none = BTreeMap::new();
            compared.by_ids(part, here.get(&part).unwrap_or(&none), &there[&part]);
        }
        Ok(compared)
    }

    fn revised(&self) -> Revised {
        let source = (self.store.clone(), self.incidents.clone());
        Revised::new(source, self.names.clone(), self.revision.histograms)
    }

    async fn read(&self, family: Family, window: Window) -> Result<Now, VerifyError> {
        let (revised, when) = (self.revised(), (window.hours(), window.as_of));
        Ok(tokio::task::spawn_blocking(move || Now::read(&revised, family, when)).await??)
    }

    /// A day of what may be revised.
    async fn revised_day(
        &self,
        family: Family,
        part: Window,
        now: Option<&Now>,
    ) -> Result<Compared, VerifyError> {
        let mut theirs = remote::revised_hours(self.client, &self.names, (family, part)).await?;
        let nothing = Now::default();
        let whence = (&self.store, &self.names, self.revision.cluster.as_str());
        let hours = (part.hours(), &mut theirs);
        let (ours, unsent) = now.unwrap_or(&nothing).settled(whence, family, hours)?;
        let mut compared = Compared::new(part.from, &ours, &theirs);
        compared.unsent = unsent;
        let differing = compared.differing(&ours, &theirs);
        if differing.is_empty() {
            return Ok(compared);
        }
        let documents = self.documents(part, &differing).await?;
        let here = revised::ids(&documents);
        for part in differing {
            let there = remote::ids(self.client, &self.names, part).await?;
            compared.by_ids(part, here.get(&part).unwrap_or(&BTreeMap::new()), &there);
        }
        Ok(compared)
    }

    async fn documents(
        &self,
        window: Window,
        parts: &BTreeSet<Part>,
    ) -> Result<BTreeMap<Part, Vec<Document>>, VerifyError> {
        let (revised, parts) = (self.revised(), parts.clone());
        let version = self.revision.next(window.as_of);
        let read = move || revised::documents(&revised, (window.as_of, version), &parts);
        Ok(tokio::task::spawn_blocking(read).await??)
    }

    /// Sends hours again of which something is missing or was changed.
    async fn revise(
        &self,
        window: Window,
        compared: &Compared,
        sender: &mut Sender,
    ) -> Result<u64, VerifyError> {
        let parts: BTreeSet<Part> = compared.to_revise().collect();
        let documents = self.documents(window, &parts).await?;
        send(documents.into_values().flatten().collect(), sender).await
    }

    async fn repair(
        &self,
        part: Window,
        compared: &Compared,
        sender: &mut Sender,
    ) -> Result<u64, VerifyError> {
        let missing: BTreeSet<DocumentId> = compared.missing().collect();
        let (store, names, wanted) = (self.store.clone(), self.names.clone(), missing.clone());
        let documents =
            tokio::task::spawn_blocking(move || stored::documents(&store, names, part, &wanted)).await??;
        send(documents, sender).await
    }
}

/// Sends what is missing; gives how many are there now.
async fn send(documents: Vec<Document>, sender: &mut Sender) -> Result<u64, VerifyError> {
    let count = documents.len() as u64;
    let dead = sender.send_all(documents).await?;
    for dead in &dead {
        tracing::warn!(id = %dead.document.id, reason = dead.reason, "a missing document is refused");
    }
    Ok(count - dead.len() as u64)
}

impl Window {
    fn hours(&self) -> Range<Hour> {
        self.from.hour()..Hour(self.until.0.div_ceil(HOUR_MS) as u32)
    }
}

impl Report {
    fn take(&mut self, compared: Compared) {
        self.unsent += compared.unsent;
        self.note(compared);
    }

    fn take_revised(&mut self, compared: Compared) {
        self.unsent_revisions += compared.unsent;
        self.note(compared);
    }

    fn note(&mut self, compared: Compared) {
        for example in compared.examples() {
            if self.examples.len() < EXAMPLES {
                self.examples.push(example);
            }
        }
        self.periods.extend(compared.into_periods());
    }
}

/// The text of a kind in documents; [`Kind`] reads it back.
fn kind_of(text: &str) -> Option<Kind> {
    text.parse().ok()
}

const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;
/// Differing documents that are named.
const EXAMPLES: usize = 20;
