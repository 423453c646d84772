//! Follows the store, and takes what is in it to a cluster: from a cursor on, through log and segments alike.
//!
//! It reads what is durable and holds nothing up: a cluster that is away for days costs the store nothing but the room
//! that its measurements take anyway.

pub(crate) mod reader;
mod revising;
mod status;

use std::path::PathBuf;
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_base::error_chain::chain;
use isochrone_store::{Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::reader::{Chunk, Reader};
use self::revising::Revising;
pub use self::status::{SinkStatus, Standing};
use crate::cursor::{Cursor, Cursors};
use crate::dead_letters::DeadLetters;
pub use crate::delivery::Pace;
use crate::delivery::{Dead, Delivery};
use crate::document::Document;
use crate::hours::HourSet;
use crate::index::Names;
use crate::revised::Incidents;
use crate::send::{AT_ONCE, Sender};
use crate::{Client, Server, Settings};

/// What a sink is made from.
#[derive(Clone, Debug)]
pub struct SinkParts {
    /// What is read.
    pub store: Store,
    /// Where it goes.
    pub settings: Settings,
    /// What is judged of it.
    pub incidents: Incidents,
    /// The file of documents that the cluster will not take.
    pub dead_letters: PathBuf,
    /// How long is waited after failures.
    pub pace: Pace,
    /// The time.
    pub clock: Clock,
}

/// Has the store's retention wait for what these settings' indices lack, from now on: before anything is removed, and
/// before the cluster is reached. [`run`] moves it on.
///
/// # Errors
/// When the store failed.
pub fn hold(store: &Store, settings: &Settings) -> Result<(), StoreError> {
    let names = Names::new(settings.prefix.clone(), settings.period);
    let cursor = Cursors::of(store).get(&names)?;
    store.note_sent(cursor.map_or(0, |cursor| cursor.commit));
    Ok(())
}

/// Follows the store until `stop`. Whatever goes wrong is told in `status` and tried again.
///
/// # Errors
/// When a thread that reads the store ended in a panic.
pub async fn run(
    parts: SinkParts,
    status: watch::Sender<SinkStatus>,
    stop: CancellationToken,
) -> Result<(), tokio::task::JoinError> {
    let work = async {
        loop {
            let ended = Sink::open(&parts, &status).await;
            let failed = match ended {
                Ok(mut sink) => match sink.follow().await {
                    Ok(()) => continue, // the cluster is another one now
                    Err(SinkError::Ended(error)) => return Err(error),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let is_blocked = failed.is_blocked();
            status.send_modify(|status| status.trouble(is_blocked, chain(&failed), parts.clock.wall()));
            tokio::time::sleep(parts.pace.blocked.min(AGAIN)).await;
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()), // what is on its way may arrive: it is sent again, and taken once
        ended = work => ended,
    }
}

/// Why a sink has to begin again.
#[derive(Debug, thiserror::Error)]
enum SinkError {
    #[error(transparent)]
    Client(#[from] crate::ClientError),
    #[error(transparent)]
    Server(#[from] crate::ServerError),
    #[error(transparent)]
    Letters(#[from] crate::dead_letters::LetterError),
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    #[error(
        "elasticsearch.period = \"{now}\": documents already lie in indices by {before}, and would lie there twice; set \
         the key back, or choose another elasticsearch.prefix"
    )]
    Period {
        before: crate::Period,
        now: crate::Period,
    },
    #[error("a thread that reads the store panicked")]
    Ended(#[from] tokio::task::JoinError),
}

impl SinkError {
    /// Whether somebody has to change something.
    fn is_blocked(&self) -> bool {
        match self {
            Self::Server(crate::ServerError::Request(error)) => !error.is_transient(),
            Self::Client(_) | Self::Server(_) | Self::Letters(_) | Self::Period { .. } => true,
            Self::Store(_) | Self::Ended(_) => false,
        }
    }
}

/// A sink that knows its cluster.
struct Sink<'s> {
    parts: &'s SinkParts,
    status: &'s watch::Sender<SinkStatus>,
    names: Names,
    sender: Sender,
    cursors: Cursors,
    cursor: Cursor,
    letters: DeadLetters,
    reader: Reader,
    revising: Revising,
    at_once: usize,
}

impl<'s> Sink<'s> {
    async fn open(parts: &'s SinkParts, status: &'s watch::Sender<SinkStatus>) -> Result<Self, SinkError> {
        let settings = &parts.settings;
        let client = Client::new(settings, parts.clock.clone())?;
        for warning in client.warnings() {
            tracing::warn!(warning, "Elasticsearch");
        }
        let letters = DeadLetters::open(&parts.dead_letters)?;
        let server = Server::ask(&client).await?;
        let names = Names::new(settings.prefix.clone(), settings.period);
        let cursors = Cursors::of(&parts.store);
        let mut cursor = begin(cursors.get(&names)?, &server, &names)?;
        let layout = revising::begin(parts, &server, &mut cursor)?;
        parts.store.note_sent(cursor.commit);
        status.send_modify(|status| {
            status.opened(server.to_string(), letters.count(), cursor.commit);
        });
        tracing::info!(server = %server, url = client.name(), commit = cursor.commit, "following the store into Elasticsearch");
        Ok(Self {
            sender: Sender::new(client, names.clone(), parts.clock.clone(), layout),
            reader: Reader::new(parts.store.clone(), names.clone()),
            revising: Revising::open(parts, (&names, &server.cluster), layout.histograms)?,
            at_once: AT_ONCE,
            parts,
            status,
            names,
            cursors,
            cursor,
            letters,
        })
    }

    /// Sends whatever comes, for as long as the cluster is the same.
    async fn follow(&mut self) -> Result<(), SinkError> {
        loop {
            let reader = self.reader.clone();
            let after = self.cursor.commit;
            let reading = tokio::task::spawn_blocking(move || reader.read(after)).await??;
            let (commits, oldest) = (reading.commits, reading.oldest);
            self.status
                .send_modify(|status| status.read(commits, oldest, self.parts.clock.wall()));
            let is_idle = reading.chunks.is_empty();
            for chunk in reading.chunks {
                if !self.deliver(chunk).await? {
                    return Ok(());
                }
            }
            if !self.revise_when_due(is_idle).await? {
                return Ok(());
            }
            if is_idle && !self.is_revising() {
                self.letters.refresh()?;
                let dead = self.letters.count();
                self.status.send_modify(|status| status.idle(dead));
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Sends one chunk whole, and moves the cursor behind it; `false`: the cluster is another one now.
    async fn deliver(&mut self, chunk: Chunk) -> Result<bool, SinkError> {
        let count = chunk.documents.len() as u64;
        if !self.send(chunk.documents).await? {
            return Ok(false);
        }
        let mut cursor = Cursor {
            commit: chunk.last,
            ..self.cursor.clone()
        };
        cursor.hours.extend(&chunk.hours);
        self.put(cursor).await?;
        self.parts.store.note_sent(self.cursor.commit);
        let (commit, dead) = (self.cursor.commit, self.letters.count());
        self.status.send_modify(|status| status.sent(commit, count, dead));
        Ok(true)
    }

    /// Sends until each is there or written down; `false`: the cluster is another one now.
    async fn send(&mut self, documents: Vec<Document>) -> Result<bool, SinkError> {
        let mut delivery = Delivery::new(documents, self.at_once, self.parts.pace);
        let mut unwritten: Vec<Dead> = Vec::new();
        while !delivery.is_done() {
            if let Some(until) = delivery.until() {
                tokio::time::sleep_until(until).await;
                if !self.is_same_cluster().await {
                    return Ok(false);
                }
            }
            self.sender.step(&mut delivery).await;
            unwritten.extend(delivery.take_dead());
            self.letters.keep(&unwritten)?; // else the cursor stays, and all of it comes again
            unwritten.clear();
            self.tell(&delivery);
        }
        // what the server takes at once may have been a passing matter
        self.at_once = delivery.at_once().saturating_mul(2).min(AT_ONCE);
        Ok(true)
    }

    /// Moves the cursor, durably.
    async fn put(&mut self, cursor: Cursor) -> Result<(), SinkError> {
        let (cursors, names) = (self.cursors.clone(), self.names.clone());
        let kept = cursor.clone();
        tokio::task::spawn_blocking(move || cursors.put(&names, &kept)).await??;
        self.cursor = cursor;
        Ok(())
    }

    /// After trouble: the files with secrets are read again, and it is asked who answers.
    async fn is_same_cluster(&mut self) -> bool {
        let Ok(client) = Client::new(&self.parts.settings, self.parts.clock.clone()) else {
            return true; // the next bulk says what is wrong
        };
        let asked = Server::ask(&client).await;
        self.sender.take_client(client);
        asked.map_or(true, |server| server.cluster == self.cursor.cluster)
    }

    fn tell(&self, delivery: &Delivery) {
        let Some(trouble) = delivery.trouble() else {
            return;
        };
        let at = self.parts.clock.wall();
        self.status
            .send_modify(|status| status.trouble(trouble.is_blocked, trouble.reason.clone(), at));
        tracing::debug!(
            reason = trouble.reason,
            blocked = trouble.is_blocked,
            "Elasticsearch takes nothing"
        );
    }
}

/// Where it begins: behind what this cluster has, or with everything.
fn begin(kept: Option<Cursor>, server: &Server, names: &Names) -> Result<Cursor, SinkError> {
    let fresh = Cursor {
        cluster: server.cluster.clone(),
        period: names.period(),
        commit: 0,
        version: 0,
        histograms: None,
        hours: HourSet::default(),
    };
    match kept {
        Some(kept) if kept.cluster != server.cluster => {
            tracing::warn!("this is another Elasticsearch cluster than before: everything is sent to it");
            Ok(fresh)
        }
        Some(kept) if kept.period != names.period() => Err(SinkError::Period {
            before: kept.period,
            now: names.period(),
        }),
        Some(kept) => Ok(kept),
        None => Ok(fresh),
    }
}

/// How often it is looked whether there is something new.
const POLL: Duration = Duration::from_secs(1);
/// After what cannot go on, until it is tried from the start, at most.
const AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
