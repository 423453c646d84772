//! What reports that are read from Elasticsearch have in common: who is asked, of which window, and what must be said
//! beside.

use std::ops::ControlFlow;

use isochrone_base::roster::Roster;
use isochrone_coverage::observations::Source;
use isochrone_elastic::cursor::Cursors;
use isochrone_elastic::dead_letters;
use isochrone_elastic::index::Names;
use isochrone_elastic::read::{ReadError, Reader};
use isochrone_proto::units::UnixMillis;
use isochrone_report::elsewhere::{self, FromElasticsearch, Holdings};
use isochrone_report::kept::Within;
use isochrone_report::log::Window;
use isochrone_report::{Printed, show::ShowReport};
use isochrone_store::{ScanRange, Store, StoreError};

use super::elastic::{ElasticError, Reached};
use super::reports::print;
use super::{CommandContext, CommandError, Out, WIDTH, blocking};
use crate::cli::{Format, ReportFormat};
use crate::control::Answer;

/// Rows of so long around a window may be read with it.
const AROUND_MS: u64 = 600_000;

/// Measurements in Elasticsearch, to be read.
pub(super) struct Elsewhere {
    reader: Reader,
    store: Store,
    roster: Roster,
    within: Within,
    holdings: Holdings,
}

/// What is said of where the measurements of a report were.
pub(super) struct Said(Holdings);

impl Elsewhere {
    /// Asks the cluster of the settings what it has of a window.
    pub(super) async fn open(
        context: &CommandContext,
        window: Window,
        out: &Out,
    ) -> Result<Self, CommandError> {
        let reached = Reached::of(&context.config, out).await?;
        let store = context.store.clone();
        // before anything is looked at there: what is sent meanwhile is lacking then, at most in words
        let cursor = Cursors::of(&store).get(&reached.names)?;
        let cursor = cursor.filter(|cursor| cursor.cluster == reached.server.cluster);
        let commit = cursor.map_or(0, |cursor| cursor.commit);
        let roster = context.past_roster()?;
        let reader = Reader::open(reached.client, &reached.names, &roster).await;
        let reader = reader.map_err(ElasticError::from)?;
        let mut holdings = Holdings {
            url: reader.extent().url.clone(),
            from: reader.extent().slots.map(|(first, _)| first),
            to: reader.extent().slots.map(|(_, last)| last),
            not_refreshed: reader.extent().not_refreshed.clone(),
            dead_letters: dead_letters::count(&context.dead_letters()).map_err(ElasticError::from)?,
            removed_unsent: store.removed_unsent()?.map_or(0, |removed| removed.measurements),
            ..Holdings::default()
        };
        let within = holdings.within(window, context.clock.wall());
        let (from, until) = (within.window.from, within.window.until);
        holdings.missing_indices = missing(&reader, &reached.names, window);
        let counted = store.clone();
        holdings.unsent = blocking(move || Ok(unsent(&counted, window, commit)?)).await?;
        let bar = out.clone();
        let around = (
            UnixMillis(from.0.saturating_sub(AROUND_MS)),
            UnixMillis(until.0.saturating_add(AROUND_MS)),
        );
        let reader = reader.telling(around, move |done, total| bar.progress(done, total));
        Ok(Self {
            reader: reader.await.map_err(ElasticError::from)?,
            store,
            roster,
            within,
            holdings,
        })
    }

    /// Whatever is a demo's is marked as that.
    pub(super) fn source(&self) -> Source {
        match self.store.is_demo() {
            true => Source::Demo,
            false => Source::Elasticsearch,
        }
    }

    /// Reads it.
    pub(super) async fn with<T: Send + 'static>(
        self,
        read: impl FnOnce(elsewhere::Elsewhere<'_, Reader>, &Roster, Within) -> Result<T, ReadError>
        + Send
        + 'static,
    ) -> Result<(T, Said), CommandError> {
        blocking(move || {
            let rows = elsewhere::Elsewhere {
                rows: &self.reader,
                store: &self.store,
            };
            let report = read(rows, &self.roster, self.within).map_err(ElasticError::from)?;
            let foreign = self.reader.foreign();
            let holdings = Holdings {
                foreign: foreign.documents,
                foreign_example: foreign.example,
                unknown_probes: foreign.strangers,
                ..self.holdings
            };
            Ok((report, Said(holdings)))
        })
        .await
    }
}

impl Said {
    /// Prints a report, and what is to be said of its measurements.
    pub(super) async fn print(
        &self,
        report: &impl Printed,
        format: ReportFormat,
        out: &Out,
    ) -> Result<(), CommandError> {
        let holdings = &self.0;
        print(&FromElasticsearch { report, holdings }, format, out).await?;
        self.warn(out).await;
        Ok(())
    }

    /// The same of `show`.
    pub(super) async fn print_shown(
        &self,
        report: &ShowReport,
        format: Format,
        out: &Out,
    ) -> Result<(), CommandError> {
        match format {
            Format::Json => {
                out.json(&elsewhere::with(serde_json::to_value(report)?, &self.0))
                    .await?;
            }
            Format::Text => {
                let said = elsewhere::text(&self.0, WIDTH);
                out.document(format!("{}{said}", report.text(WIDTH))).await?;
            }
        }
        self.warn(out).await;
        Ok(())
    }

    /// Beside the report, where nobody overlooks it.
    async fn warn(&self, out: &Out) {
        for lack in self.0.lacks() {
            out.say(Answer::Err(format!("note: {lack}\n"))).await;
        }
    }
}

fn missing(reader: &Reader, names: &Names, window: Window) -> Vec<String> {
    reader.extent().missing(names, (window.from, window.until))
}

/// Measurements of a window that were committed later.
fn unsent(store: &Store, window: Window, commit: u64) -> Result<u64, StoreError> {
    let range = ScanRange {
        after_commit: commit,
        ..ScanRange::slots(window.from, window.until)
    };
    let mut unsent = 0;
    store.scan(range, |stored| {
        let slots = stored.batch.measurements().map(|row| row.slot);
        unsent += slots
            .filter(|slot| window.from <= *slot && *slot < window.until)
            .count() as u64;
        ControlFlow::Continue(())
    })?;
    Ok(unsent)
}
