//! `report` and `show`, of measurements that lie in Elasticsearch.

use isochrone_coverage::report::CoverageReport;
use isochrone_report::coverage::CountReport;
use isochrone_report::{coverage, nodes, show as shown};

use super::{Asked, asked_count, asked_coverage, built};
use crate::cli::{Format, ReportCommand, WindowArgs};
use crate::commands::elsewhere::{Elsewhere, Said};
use crate::commands::{CommandContext, CommandError, Out, blocking};

pub(super) async fn report(
    context: &CommandContext,
    command: ReportCommand,
    out: &Out,
) -> Result<(), CommandError> {
    match command {
        ReportCommand::Coverage(args) => {
            let asked = asked_coverage(context, &args)?;
            let (report, said) =
                covered(context, asked, Elsewhere::open(context, &args.window, out).await?).await?;
            said.print(&report, args.format, out).await
        }
        ReportCommand::Count(args) => {
            let asked = asked_count(context, &args)?;
            let args = args.coverage;
            let (mut coverage, said) =
                covered(context, asked, Elsewhere::open(context, &args.window, out).await?).await?;
            let Some(count) = coverage.count.take() else {
                return Err(CommandError::NotCounted);
            };
            said.print(&CountReport { coverage, count }, args.format, out)
                .await
        }
        ReportCommand::Nodes { window, format } => {
            let read = Elsewhere::open(context, &window, out).await?;
            let (report, said) = read.with(nodes::from_elsewhere).await?;
            said.print(&report, format, out).await
        }
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

pub(super) async fn show(
    context: &CommandContext,
    (node, window): (&str, &WindowArgs),
    format: Format,
    out: &Out,
) -> Result<(), CommandError> {
    let name = node.to_owned();
    if context.past_roster()?.node_named(node).is_none() {
        return Err(CommandError::NoSuchNode { name });
    }
    let read = Elsewhere::open(context, window, out).await?;
    let asked = name.clone();
    let (report, said) = read
        .with(move |rows, roster, within| shown::from_elsewhere(rows, roster, &asked, within))
        .await?;
    let report = report.ok_or(CommandError::NoSuchNode { name })?;
    said.print_shown(&report, format, out).await
}
