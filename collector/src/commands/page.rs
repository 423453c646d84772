//! The page's way to the reports.

mod links;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use isochrone_base::error_chain::chain;
use isochrone_coverage::count::Thresholds;
use isochrone_coverage::report::{self, CoverageReport};
use isochrone_coverage::weights::Weights;
use isochrone_proto::units::UnixMillis;
use isochrone_report::Printed;
use isochrone_report::chain_audit::ChainAudit;
use isochrone_report::frame::Frame;
use isochrone_report::log::Window;
use isochrone_report::nodes::NodesReport;
use isochrone_store::ledger;
use isochrone_web::reports::DEFAULT_SINCE;
use isochrone_web::{ReportError, ReportQuery, Reports, Weights as PageWeights};
use tokio::sync::Semaphore;

use self::links::{Document, links};
use super::reports::{Asked, Asker, ReportFailure, Turn, coverage, nodes, reading};
use super::{CommandContext, Out, chain_audit, engine};
use crate::cli::DEFAULT_SEED;

/// Reports that are made at once for the page: each reads the whole log of its window. One more waits its turn.
const PAGE_REPORTS_MAX: usize = 2;

/// The page's way to the reports.
pub struct PageReports {
    context: CommandContext,
    turns: Arc<Semaphore>,
}

impl PageReports {
    /// Reports of `context`.
    #[must_use]
    pub fn new(context: CommandContext) -> Self {
        Self {
            context,
            turns: Arc::new(Semaphore::new(PAGE_REPORTS_MAX)), // full: the page waits
        }
    }

    async fn turn(&self) -> Turn {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    fn window(&self, query: &ReportQuery) -> Result<Window, ReportError> {
        window(query, self.context.clock.wall())
    }

    async fn coverage(&self, query: ReportQuery) -> Result<CoverageReport, ReportError> {
        let weights = match query.weights {
            None | Some(PageWeights::People) => Weights::people(),
            Some(PageWeights::Sites) => Weights::sites(),
        };
        let (turn, out) = (self.turn().await, Out::nowhere());
        let asker = Asker { out: &out, turn };
        let asked = Asked {
            options: engine::configured(weights, &self.context.config.coverage),
            thresholds: Thresholds::default(),
            seed: DEFAULT_SEED,
            without_borrowed: false,
        };
        Ok(coverage(&self.context, self.window(&query)?, asked, asker).await?)
    }

    async fn nodes(&self, query: ReportQuery) -> Result<NodesReport, ReportError> {
        let (turn, out) = (self.turn().await, Out::nowhere());
        let asker = Asker { out: &out, turn };
        Ok(nodes(&self.context, self.window(&query)?, asker).await?)
    }

    async fn audit(&self, query: ReportQuery) -> Result<ChainAudit, ReportError> {
        let (turn, out) = (self.turn().await, Out::nowhere());
        let asker = Asker { out: &out, turn };
        let made = chain_audit::audit(&self.context, self.window(&query)?, asker).await?;
        made.ok_or_else(|| ReportError::NotYet {
            reason: super::CommandError::NoTopology.to_string(),
        })
    }
}

/// The window that a query means.
fn window(query: &ReportQuery, now: UnixMillis) -> Result<Window, ReportError> {
    let ms = |at: jiff::Timestamp| UnixMillis(u64::try_from(at.as_millisecond()).unwrap_or(0));
    let until = query.to.map_or(now, ms);
    let default = query.since.unwrap_or(DEFAULT_SINCE);
    let from = query.from.map_or(until.minus(default), ms);
    match query.from {
        Some(given) if from > now => Err(ReportError::BadQuery {
            reason: format!("from={given} is still to come"),
        }),
        _ => Ok(Window { from, until }),
    }
}

impl Reports for PageReports {
    fn coverage_html(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        Box::pin(async move {
            let report = self.coverage(query.clone()).await?;
            Ok(served(&report, Document::Coverage, &query))
        })
    }

    fn nodes_html(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        Box::pin(async move {
            let report = self.nodes(query.clone()).await?;
            Ok(served(&report, Document::Nodes, &query))
        })
    }

    fn audit_html(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        Box::pin(async move {
            let report = self.audit(query.clone()).await?;
            Ok(served(&report, Document::Audit, &query))
        })
    }

    fn audit_json(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        Box::pin(async move { Ok(self.audit(query).await?.json().to_string()) })
    }

    fn coverage_json(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        Box::pin(async move { Ok(self.coverage(query).await?.json().to_string()) })
    }

    fn nodes_json(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        Box::pin(async move { Ok(self.nodes(query).await?.json().to_string()) })
    }

    fn ledger_json(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        let (store, now) = (self.context.store.clone(), self.context.clock.wall());
        Box::pin(async move {
            let read = move || Ok(isochrone_report::ledger::json(&ledger::read(&store, now)?, None));
            Ok(reading(self.turn().await, read).await?)
        })
    }
}

/// A report's page with its ways to the others.
fn served(report: &impl Printed, here: Document, query: &ReportQuery) -> String {
    report.html_in(Frame {
        links: links(here, query),
        ..report.frame()
    })
}

/// What a page says of it: only a mesh that is not there yet may be asked again later.
impl From<ReportFailure> for ReportError {
    fn from(failure: ReportFailure) -> Self {
        use report::ReportError::{NoNode, NoVantage};
        match failure {
            ReportFailure::Build(error @ (NoNode | NoVantage)) => Self::NotYet {
                reason: error.to_string(),
            },
            ReportFailure::Build(error) => Self::BadQuery {
                reason: chain(&error),
            },
            failure @ (ReportFailure::Store(_) | ReportFailure::Ended(_)) => Self::Store {
                source: Box::new(failure),
            },
        }
    }
}

#[cfg(test)]
mod tests;
