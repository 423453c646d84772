//! `report`, `show`, `ledger` and `export`.

use std::io::Write;
use std::time::Duration;

use futures_util::future::BoxFuture;
use isochrone_coverage::files::{self, FileText};
use isochrone_coverage::observations::Source;
use isochrone_coverage::report::{self, CoverageReport, Options};
use isochrone_coverage::weights::Weights;
use isochrone_proto::units::UnixMillis;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{ActError, House, Out, blocking, failed, only};
use crate::cli::{CoverageArgs, ExportAct, Format, ReportAct, WindowArgs};
use crate::control::{Answer, Answers};
use crate::core::roster;
use crate::report::nodes::NodesReport;
use crate::report::{Window, coverage, nodes, show};
use crate::roster::Roster;
use crate::store::{ScanRange, Store};
use crate::web::reports::DEFAULT_SINCE;
use crate::web::{ReportError, ReportQuery, Reports, Weights as PageWeights};
use crate::{export, ledger};

/// Columns of a report on a terminal.
const WIDTH: usize = 100;
/// Resampling is random; the same data gives the same report.
const SEED: u64 = 0x15_0C_17_0E;
/// Exported text travels in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;

/// `report coverage` from two files: no store, no collector.
pub async fn coverage_from_files(args: CoverageArgs, answers: Answers) -> u8 {
    let out = Out::of_files(answers);
    let result = async {
        only(args.format, &[Format::Text, Format::Json, Format::Html])?;
        let format = args.format;
        let report = blocking(move || report_of_files(&args)).await?;
        print_coverage(&report, format, &out).await
    };
    match result.await {
        Ok(()) => 0,
        Err(error) => {
            out.say(Answer::Err(format!("{error}\n"))).await;
            if matches!(error, ActError::Usage(_)) { 2 } else { 1 }
        }
    }
}

fn report_of_files(args: &CoverageArgs) -> Result<CoverageReport, ActError> {
    let (Some(sites), Some(rtt)) = (&args.sites, &args.rtt) else {
        return Err(ActError::Usage(
            "--sites and --rtt go together, and --nodes says which sites are nodes".to_owned(),
        ));
    };
    let sites = FileText::load(sites).map_err(failed)?;
    let rtt = FileText::load(rtt).map_err(failed)?;
    let observations = files::read(&sites, &rtt, &args.nodes).map_err(failed)?;
    let options = Options::new(weights(&args.weights)?);
    report::build(&observations, &options, &mut StdRng::seed_from_u64(SEED)).map_err(failed)
}

/// `people`, `sites`, or a file.
fn weights(text: &str) -> Result<Weights, ActError> {
    match text {
        "people" => Ok(Weights::people()),
        "sites" => Ok(Weights::sites()),
        path => Weights::from_file(&FileText::load(path.as_ref()).map_err(failed)?).map_err(failed),
    }
}

async fn print_coverage(report: &CoverageReport, format: Format, out: &Out) -> Result<(), ActError> {
    match format {
        Format::Json => out.json(&report.json()).await,
        Format::Html => out.document(report.html()).await,
        Format::Text | Format::Md | Format::Csv => out.document(report.text(WIDTH)).await,
    }
}

pub(super) async fn ledger(house: &House, verify: bool, format: Format, out: &Out) -> Result<(), ActError> {
    only(format, &[Format::Text, Format::Json])?;
    let (store, now) = (house.store.clone(), house.clock.wall());
    let (ledger, audit) = blocking(move || {
        let ledger = ledger::read(&store, now).map_err(failed)?;
        let audit = if verify {
            Some(ledger::verify(&store).map_err(failed)?)
        } else {
            None
        };
        Ok((ledger, audit))
    })
    .await?;
    match format {
        Format::Json => out.document(ledger.to_json() + "\n").await?,
        _ => out.text(ledger::render(&ledger, audit.as_ref())).await?,
    }
    match audit {
        Some(audit) if !audit.is_sound() => Err(ActError::Failed(format!(
            "the store and its counters disagree: {} lost, {} twice; keep a copy of the state folder and report this",
            audit.lost, audit.twice
        ))),
        _ => Ok(()),
    }
}

pub(super) async fn export(house: &House, act: ExportAct, out: &Out) -> Result<(), ActError> {
    let ExportAct::Ndjson { window } = act;
    let from = window
        .from
        .as_deref()
        .map(|text| instant("--from", text))
        .transpose()?;
    let until = window
        .to
        .as_deref()
        .map(|text| instant("--to", text))
        .transpose()?;
    let range = ScanRange::slots(from.unwrap_or_default(), until.unwrap_or(UnixMillis(u64::MAX)));
    let (store, out) = (house.store.clone(), out.clone());
    blocking(move || {
        let mut pieces = Pieces {
            out: out.clone(),
            piece: Vec::with_capacity(PIECE_BYTES),
        };
        let result = export::ndjson(&store, range, &mut pieces, |progress| {
            out.progress(progress.commit, progress.commits);
        });
        result.map_err(failed)?;
        pieces.flush().map_err(|_| ActError::Gone)
    })
    .await
}

/// RFC 3339.
pub(super) fn instant(option: &str, text: &str) -> Result<UnixMillis, ActError> {
    let parsed = text
        .parse::<jiff::Timestamp>()
        .ok()
        .and_then(|at| u64::try_from(at.as_millisecond()).ok());
    parsed.map(UnixMillis).ok_or_else(|| {
        ActError::Usage(format!(
            "{option} {text}: write an instant as 2026-11-22T03:00:00Z"
        ))
    })
}

/// Text on its way to whoever asked, in pieces.
struct Pieces {
    out: Out,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES && bytes.ends_with(b"\n") {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let text = String::from_utf8(std::mem::take(&mut self.piece)).map_err(std::io::Error::other)?;
        self.out.document_blocking(text).map_err(std::io::Error::other)
    }
}

pub(super) async fn carry_out(house: &House, act: ReportAct, out: &Out) -> Result<(), ActError> {
    match act {
        ReportAct::Coverage(args) => {
            only(args.format, &[Format::Text, Format::Json, Format::Html])?;
            let (window, weights) = (window(house, &args.window)?, weights(&args.weights)?);
            let report = coverage(house, window, weights, out).await?;
            print_coverage(&report, args.format, out).await
        }
        ReportAct::Nodes { window, format } => {
            let report = nodes(house, self::window(house, &window)?, out).await?;
            match format {
                Format::Text => out.document(report.text()).await,
                Format::Json => out.json(&report).await,
                Format::Html => out.document(report.html()).await,
                Format::Md => out.document(report.markdown()).await,
                Format::Csv => out.document(report.csv()).await,
            }
        }
    }
}

pub(super) async fn show(
    house: &House,
    node: &str,
    window: &WindowArgs,
    format: Format,
    out: &Out,
) -> Result<(), ActError> {
    only(format, &[Format::Text, Format::Json])?;
    let (read, out_of_thread) = (Reading::of(house, self::window(house, window)?), out.clone());
    let name = node.to_owned();
    let report = blocking(move || {
        let Reading {
            store,
            roster,
            window,
            total,
        } = read;
        let mut progress = |done| out_of_thread.progress(done, total);
        show::from_store(&store, &roster, &name, window, &mut progress).map_err(failed)
    })
    .await?;
    let Some(report) = report else {
        return Err(ActError::Failed(format!(
            "no node is called {node:?}; `target list` shows all names"
        )));
    };
    match format {
        Format::Json => out.json(&report).await,
        _ => out.document(report.text()).await,
    }
}

async fn nodes(house: &House, window: Window, out: &Out) -> Result<NodesReport, ActError> {
    let (read, out) = (Reading::of(house, window), out.clone());
    blocking(move || {
        let Reading {
            store,
            roster,
            window,
            total,
        } = read;
        nodes::from_store(&store, &roster, window, &mut |done| out.progress(done, total)).map_err(failed)
    })
    .await
}

async fn coverage(
    house: &House,
    window: Window,
    weights: Weights,
    out: &Out,
) -> Result<CoverageReport, ActError> {
    let target_ms = f64::from(house.config.coverage_target_ms);
    let (read, out) = (Reading::of(house, window), out.clone());
    blocking(move || {
        let Reading {
            store,
            roster,
            window,
            total,
        } = read;
        let source = if store.is_demo() {
            Source::Demo
        } else {
            Source::Store
        };
        let mut progress = |done| out.progress(done, total);
        let observations =
            coverage::from_store(&store, &roster, window, source, &mut progress).map_err(failed)?;
        let options = Options {
            target_ms: Some(target_ms),
            ..Options::new(weights)
        };
        report::build(&observations, &options, &mut StdRng::seed_from_u64(SEED)).map_err(failed)
    })
    .await
}

/// What a report reads from the log with.
struct Reading {
    store: Store,
    roster: Roster,
    window: Window,
    /// Batches in the log, for the progress bar.
    total: u64,
}

impl Reading {
    fn of(house: &House, window: Window) -> Self {
        Self {
            store: house.store.clone(),
            roster: roster(&house.registry, &house.targets.borrow()),
            window,
            total: house.store.commit_number().unwrap_or_default(),
        }
    }
}

/// The window that the options name; seven days without any.
fn window(house: &House, args: &WindowArgs) -> Result<Window, ActError> {
    let now = house.clock.wall();
    if args.from.is_none() && args.to.is_none() {
        let text = args.since.as_deref().unwrap_or("7days");
        let since = humantime::parse_duration(text)
            .map_err(|error| ActError::Usage(format!("--since {text}: {error}; write it as 7d or 12h")))?;
        return Ok(Window::since(now, since));
    }
    let until = args
        .to
        .as_deref()
        .map(|text| instant("--to", text))
        .transpose()?
        .unwrap_or(now);
    let from = args
        .from
        .as_deref()
        .map(|text| instant("--from", text))
        .transpose()?;
    let from = from.unwrap_or(until.minus(Duration::from_secs(7 * 86_400)));
    if from >= until {
        return Err(ActError::Usage("--from must be before --to".to_owned()));
    }
    Ok(Window { from, until })
}

/// The page's way to the reports.
pub struct PageReports(pub House);

impl PageReports {
    fn window(&self, query: &ReportQuery) -> Window {
        let now = self.0.clock.wall();
        let ms = |at: jiff::Timestamp| UnixMillis(u64::try_from(at.as_millisecond()).unwrap_or(0));
        let until = query.to.map_or(now, ms);
        let default = query.since.unwrap_or(DEFAULT_SINCE);
        Window {
            from: query.from.map_or(until.minus(default), ms),
            until,
        }
    }

    async fn coverage(&self, query: ReportQuery) -> Result<CoverageReport, ReportError> {
        let weights = match query.weights {
            None | Some(PageWeights::People) => Weights::people(),
            Some(PageWeights::Sites) => Weights::sites(),
        };
        coverage(&self.0, self.window(&query), weights, &Out::nowhere())
            .await
            .map_err(for_page)
    }
}

/// A page says why it has nothing yet; everything that stops a report on a fresh collector ends as that.
fn for_page(error: ActError) -> ReportError {
    ReportError::NotYet {
        reason: error.to_string(),
    }
}

impl Reports for PageReports {
    fn coverage_html(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        Box::pin(async move { Ok(self.coverage(query).await?.html()) })
    }

    fn nodes_html(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        Box::pin(async move {
            let report = nodes(&self.0, self.window(&query), &Out::nowhere())
                .await
                .map_err(for_page)?;
            Ok(report.html())
        })
    }

    fn coverage_json(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        Box::pin(async move { Ok(self.coverage(query).await?.json().to_string()) })
    }

    fn nodes_json(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        Box::pin(async move {
            let report = nodes(&self.0, self.window(&query), &Out::nowhere())
                .await
                .map_err(for_page)?;
            serde_json::to_string(&report).map_err(|source| ReportError::Store {
                source: Box::new(source),
            })
        })
    }

    fn ledger_json(&self, _: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>> {
        let (store, now) = (self.0.store.clone(), self.0.clock.wall());
        Box::pin(async move {
            let read = blocking(move || Ok(ledger::read(&store, now).map_err(failed)?.to_json()));
            read.await.map_err(for_page)
        })
    }
}
