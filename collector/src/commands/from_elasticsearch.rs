//! `report`, `show`, `locate` and `gaps`, of measurements that lie in Elasticsearch.

use isochrone_coverage::report::CoverageReport;
use isochrone_report::coverage::CountReport;
use isochrone_report::{coverage, locate as located, nodes, show as shown};

use super::elsewhere::{Elsewhere, Said};
use super::gaps::{Wanted, asked_gaps, print_draft, ranked};
use super::locate::judged;
use super::placing::{Advice, Told};
use super::reports::{Asked, asked_count, asked_coverage, built};
use super::window::{counting_window, window};
use super::{CommandContext, CommandError, Out, UsageError, blocking};
use crate::cli::{Command, Format, GapsArgs, LocateArgs, ReportCommand, WindowArgs};

/// Carries out what `Command::is_from_elasticsearch` says.
pub(super) async fn carry_out(
    context: &CommandContext,
    command: Command,
    out: &Out,
) -> Result<(), CommandError> {
    match command {
        Command::Report(command) => report(context, command, out).await,
        Command::Locate(args) => locate(context, *args, out).await,
        Command::Place(args) => advise(context, Advice::Place(args), out).await,
        Command::WhatIf(args) => advise(context, Advice::WhatIf(args), out).await,
        Command::Gaps(args) => gaps(context, *args, out).await,
        Command::Show { node, window, format } => show(context, (&node, &window), format, out).await,
        _ => Ok(()),
    }
}

async fn report(context: &CommandContext, command: ReportCommand, out: &Out) -> Result<(), CommandError> {
    match command {
        ReportCommand::Coverage(args) => {
            let asked = asked_coverage(context, &args)?;
            let (report, said) = covered(
                context,
                asked,
                Elsewhere::open(context, window(context, &args.window)?, out).await?,
            )
            .await?;
            said.print(&report, args.format, out).await
        }
        ReportCommand::Count(args) => {
            let asked = asked_count(context, &args)?;
            let args = args.coverage;
            let (mut coverage, said) = covered(
                context,
                asked,
                Elsewhere::open(context, counting_window(context, &args.window)?, out).await?,
            )
            .await?;
            let Some(count) = coverage.count.take() else {
                return Err(CommandError::NotCounted);
            };
            said.print(&CountReport { coverage, count }, args.format, out)
                .await
        }
        ReportCommand::Nodes {
            window,
            without_borrowed,
            format,
        } => {
            let read = Elsewhere::open(context, self::window(context, &window)?, out).await?;
            let (mut report, said) = read.with(nodes::from_elsewhere).await?;
            if without_borrowed {
                report.borrowed.clear();
            }
            said.print(&report, format, out).await
        }
        ReportCommand::Audit { .. } => Err(UsageError::AuditOfStore.into()),
    }
}

async fn advise(context: &CommandContext, advice: Advice, out: &Out) -> Result<(), CommandError> {
    let (asked, args) = (advice.asked(context)?, advice.coverage());
    let read = Elsewhere::open(context, counting_window(context, &args.window)?, out).await?;
    let (coverage, said) = covered(context, asked, read).await?;
    match advice.report(coverage)? {
        Told::Place(report) => said.print(&*report, args.format, out).await,
        Told::WhatIf(report) => said.print(&*report, args.format, out).await,
    }
}

async fn covered(
    context: &CommandContext,
    asked: Asked,
    read: Elsewhere,
) -> Result<(CoverageReport, Said), CommandError> {
    let source = read.source();
    let (found, said) = read
        .with(move |rows, roster, within| coverage::from_elsewhere(rows, roster, within, source))
        .await?;
    let target_ms = context.config.coverage_target_ms;
    let report = blocking(move || Ok(built(target_ms, asked, found)?)).await?;
    Ok((report, said))
}

async fn show(
    context: &CommandContext,
    (node, args): (&str, &WindowArgs),
    format: Format,
    out: &Out,
) -> Result<(), CommandError> {
    let name = node.to_owned();
    if context.past_roster()?.node_named(node).is_none() {
        return Err(CommandError::NoSuchNode { name });
    }
    let read = Elsewhere::open(context, window(context, args)?, out).await?;
    let asked = name.clone();
    let (report, said) = read
        .with(move |rows, roster, within| shown::from_elsewhere(rows, roster, &asked, within))
        .await?;
    let report = report.ok_or(CommandError::NoSuchNode { name })?;
    said.print_shown(&report, format, out).await
}

async fn gaps(context: &CommandContext, args: GapsArgs, out: &Out) -> Result<(), CommandError> {
    let asked = asked_gaps(context, &args)?;
    let window = counting_window(context, &args.coverage.window)?;
    let read = Elsewhere::open(context, window, out).await?;
    let source = read.source();
    let (found, said) = read
        .with(move |rows, roster, within| coverage::from_elsewhere(rows, roster, within, source))
        .await?;
    let wanted = Wanted::of(&args);
    let report = blocking(move || Ok(ranked(asked, found, &wanted)?)).await?;
    match args.draft {
        Some(platform) => print_draft(context, &report, (platform, args.coverage.format), out).await,
        None => said.print(&report, args.coverage.format, out).await,
    }
}

async fn locate(context: &CommandContext, args: LocateArgs, out: &Out) -> Result<(), CommandError> {
    let (format, read) = (
        args.format,
        Elsewhere::open(context, window(context, &args.window)?, out).await?,
    );
    let source = read.source();
    let (found, said) = read
        .with(move |rows, roster, within| located::from_elsewhere(rows, roster, within, source))
        .await?;
    let report = judged(args, found).await?;
    said.print(&report, format, out).await
}
