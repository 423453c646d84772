//! `gaps`: what to measure next, and the requests for it.

mod draft;
mod networks;

use isochrone_borrowed::lent::Lent;
use isochrone_coverage::observations::{Observations, Source};
use isochrone_coverage::report::{Options, ReportError, what_to_measure};
use isochrone_report::coverage::{self, FromStore};
use isochrone_report::gaps::GapsReport;

pub use self::networks::read_probe_lists;
use super::reports::{
    Asked, Further, Reading, ReportFailure, asked_coverage, asked_of, of_files, print, reading,
};
use super::window::counting_window;
use super::{CommandContext, CommandError, Out, UsageError, blocking};
use crate::cli::{DraftArg, GapsArgs, ReportFormat};
use crate::control::Answers;

/// `gaps` from two files: no store, no collector, and nothing to draft requests to.
pub async fn gaps_from_files(args: GapsArgs, answers: Answers) -> u8 {
    let out = Out::of_files(answers);
    let result = async {
        let format = args.coverage.format;
        let report = blocking(move || {
            let (observations, options) = of_files(&args.coverage, Further::default())?;
            Ok(report(observations, &options, &Wanted::of(&args))?)
        })
        .await?;
        print(&report, format, &out).await
    };
    out.end(result.await).await
}

/// `gaps` from the store.
pub(super) async fn gaps(context: &CommandContext, args: GapsArgs, out: &Out) -> Result<(), CommandError> {
    let asked = asked_gaps(context, &args)?;
    let window = counting_window(context, &args.coverage.window)?;
    let (wanted, format) = (Wanted::of(&args), args.coverage.format);
    let (reader, progress_out) = (context.clone(), out.clone());
    let report = reading(None, move || {
        let read = Reading::of(&reader, window)?;
        let source = match read.store.is_demo() {
            true => Source::Demo,
            false => Source::Store,
        };
        let mut progress = read.progress(&progress_out);
        let found = coverage::from_store(&read.store, &read.roster, read.window, source, &mut progress)?;
        Ok::<_, ReportFailure>(ranked(asked, found, &wanted)?)
    })
    .await?;
    match args.draft {
        Some(platform) => print_draft(context, &report, (platform, format), out).await,
        None => print(&report, format, out).await,
    }
}

/// What is asked, once it can be.
pub(super) fn asked_gaps(context: &CommandContext, args: &GapsArgs) -> Result<Asked, CommandError> {
    let is_script_or_json = matches!(args.coverage.format, ReportFormat::Text | ReportFormat::Json);
    if args.coverage.imported {
        return Err(UsageError::NoGapsOfImported.into());
    }
    if args.draft.is_some() && !is_script_or_json {
        return Err(UsageError::DraftFormat.into());
    }
    asked_coverage(context, &args.coverage)
}

/// What to measure next, of what was read.
pub(super) fn ranked(asked: Asked, found: FromStore, wanted: &Wanted) -> Result<GapsReport, ReportError> {
    let (observations, options) = asked_of(asked, found);
    report(observations, &options, wanted)
}

/// How many eyes are wanted, and what there is to borrow.
pub(super) struct Wanted {
    most: usize,
    lent: Vec<Lent>,
}

impl Wanted {
    pub(super) fn of(args: &GapsArgs) -> Self {
        Self {
            most: args.eyes.into(),
            lent: args.lent.clone(),
        }
    }
}

fn report(observations: Observations, options: &Options, wanted: &Wanted) -> Result<GapsReport, ReportError> {
    let mut gaps = what_to_measure(&observations, options, wanted.most)?;
    networks::name(&mut gaps, &wanted.lent);
    Ok(GapsReport {
        gaps,
        source: observations.source,
        window: observations.window,
        weights: options.weights.kind(),
        notes: observations.notes,
    })
}

/// The requests for these eyes, to all nodes and candidates in force.
pub(super) async fn print_draft(
    context: &CommandContext,
    report: &GapsReport,
    (platform, format): (DraftArg, ReportFormat),
    out: &Out,
) -> Result<(), CommandError> {
    let targets = context.targets.borrow().clone();
    let drafted = draft::drafted(&targets, &report.gaps, platform)?;
    match format {
        ReportFormat::Json => out.json(&drafted.json(report)).await,
        _ => out.document(drafted.script()).await,
    }
}
