//! Documents on their way to a cluster: the indices they need, and bulks until each is there or dead.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::bulk::{self, Bulk};
use crate::delivery::{Dead, Delivery, Pace};
use crate::document::Document;
use crate::index::{Family, Histograms, Layout, Names, difference};
use crate::{Client, Method, RequestError};
use isochrone_base::clock::Clock;

/// Sends to one cluster.
#[derive(Debug)]
pub struct Sender {
    client: Client,
    names: Names,
    clock: Clock,
    layout: Layout,
    /// Indices that carry histograms in another form are as they should be, too.
    takes_any_form: bool,
    /// Indices that are there, mapped as they should be.
    ready: BTreeSet<Arc<str>>,
}

/// Why a command gave up sending.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Somebody has to change something first.
    #[error("{reason}")]
    Blocked {
        /// The server's words, and what to do.
        reason: String,
    },
    /// It failed too often in a row.
    #[error("given up after {tries} tries in a row: {reason}")]
    GivenUp {
        /// How many.
        tries: u32,
        /// Why the last one failed.
        reason: String,
    },
}

impl Sender {
    /// Sends through `client`.
    #[must_use]
    pub const fn new(client: Client, names: Names, clock: Clock, layout: Layout) -> Self {
        Self {
            client,
            names,
            clock,
            layout,
            takes_any_form: false,
            ready: BTreeSet::new(),
        }
    }

    /// For documents that were made once, perhaps for a server that could do less: indices carry histograms in the form
    /// in which they were made, and new ones are made in `form`.
    pub(crate) fn take_any_form(&mut self, form: Option<Histograms>) {
        self.takes_any_form = true;
        self.layout.histograms = form.unwrap_or(self.layout.histograms);
    }

    /// What it sends through.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// From now on through another client: files with secrets may have changed.
    pub fn take_client(&mut self, client: Client) {
        self.client = client;
        self.ready.clear();
    }

    /// Sends the next bulk of `delivery`, and lets it know what became of it.
    ///
    /// # Cancel safety
    /// What was sent may be there: it is sent again, and taken once.
    pub async fn step(&mut self, delivery: &mut Delivery) {
        let bulk = match self.prepare(delivery).await {
            Ok(()) => {
                let index = delivery.next().next().map(|first| Arc::clone(&first.index));
                let index = index.as_deref().unwrap_or_default();
                let (count, body) = (delivery.next_count(), bulk::body(index, delivery.next()));
                let bulk = bulk::send(&self.client, (index, count), &body).await;
                bulk.judged_at(self.clock.wall())
            }
            Err(bulk) => bulk,
        };
        delivery.answered(bulk, self.clock.now(), rand::random());
        if delivery.trouble().is_some() {
            self.ready.clear(); // whatever somebody does about it, it is looked at again
        }
    }

    /// Sends all of `documents`, for a command: it waits where the server is busy, and gives up where somebody has to
    /// change something. Gives the dead ones.
    ///
    /// # Errors
    /// When it gave up: some are there then, and may be sent again.
    pub async fn send_all(&mut self, documents: Vec<Document>) -> Result<Vec<Dead>, SendError> {
        let mut delivery = Delivery::new(documents, AT_ONCE, Pace::default());
        let mut failures = 0;
        while !delivery.is_done() {
            if let Some(until) = delivery.until() {
                tokio::time::sleep_until(until).await;
            }
            let before = delivery.left();
            self.step(&mut delivery).await;
            let Some(trouble) = delivery.trouble() else {
                failures = 0;
                continue;
            };
            let reason = trouble.reason.clone();
            if trouble.is_blocked {
                return Err(SendError::Blocked { reason });
            }
            failures = if delivery.left() < before { 0 } else { failures + 1 };
            if failures >= TRIES {
                return Err(SendError::GivenUp {
                    tries: failures,
                    reason,
                });
            }
        }
        Ok(delivery.take_dead())
    }

    /// Makes the indices that the next bulk needs: an index that a bulk made by itself, with no template, would take
    /// anything.
    async fn prepare(&mut self, delivery: &Delivery) -> Result<(), Bulk> {
        let mut wanted: Vec<Arc<str>> = Vec::new();
        for document in delivery.next() {
            let is_known = self.ready.contains(&document.index) || wanted.contains(&document.index);
            if !is_known {
                wanted.push(Arc::clone(&document.index));
            }
        }
        for index in wanted {
            self.ensure(&index).await?;
            self.ready.insert(index);
        }
        Ok(())
    }

    async fn ensure(&self, index: &str) -> Result<(), Bulk> {
        let failed = |error: RequestError| bulk::of_error(&error);
        let Some(family) = self.family_of(index) else {
            let reason = format!("{index} is no index of {}-*", self.names.prefix());
            return Err(Bulk::Blocked { reason });
        };
        let wanted = self.names.body(family, self.layout);
        let path = format!("{index}/_mapping");
        let found = self
            .client
            .request(Method::Get, &path, None)
            .await
            .map_err(failed)?;
        match found.status {
            200 => {
                let mapping = found.body.as_object().and_then(|indices| indices.values().next());
                let mapping = mapping.map_or(&Value::Null, |index| &index["mappings"]);
                match difference(&wanted["mappings"], mapping) {
                    None => Ok(()),
                    Some(_) if self.takes_any_form && self.is_of_some_form(family, mapping) => Ok(()),
                    Some(difference) => Err(Bulk::Blocked {
                        reason: format!(
                            "the mapping of {index} is not as it was made: {difference}; put documents of such an \
                             index into a new one (reindex), or delete it and run `elastic backfill`"
                        ),
                    }),
                }
            }
            404 => {
                let made = self.client.request(Method::Put, index, Some(&wanted)).await;
                let made = made.map_err(failed)?;
                let said = crate::reason(&made.body);
                if made.is_success() || said.contains("resource_already_exists") {
                    return Ok(());
                }
                Err(match bulk::of_error(&made.refusal()) {
                    Bulk::Blocked { reason }
                        if said.contains("validation_exception") && said.contains("shards") =>
                    {
                        let advice = "delete old indices, or raise cluster.max_shards_per_node";
                        Bulk::Blocked {
                            reason: format!("{reason}; {advice}"),
                        }
                    }
                    other => other,
                })
            }
            _ => Err(bulk::of_error(&found.refusal())),
        }
    }

    fn is_of_some_form(&self, family: Family, mapping: &Value) -> bool {
        Histograms::ALL.into_iter().any(|histograms| {
            let layout = Layout {
                histograms,
                ..self.layout
            };
            difference(&self.names.body(family, layout)["mappings"], mapping).is_none()
        })
    }

    fn family_of(&self, index: &str) -> Option<Family> {
        let rest = index
            .strip_prefix(self.names.prefix().as_str())?
            .strip_prefix('-')?;
        let of = |family: &Family| {
            rest.strip_prefix(family.word())
                .is_some_and(|rest| rest.starts_with('-'))
        };
        Family::ALL.into_iter().find(of)
    }
}

/// Documents in one bulk: some 2 MB, of which some 300 kB travel.
pub(crate) const AT_ONCE: usize = 5_000;
/// Failures in a row after which a command gives up: some four minutes.
const TRIES: u32 = 10;
