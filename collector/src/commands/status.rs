//! `status`: the page's view in a line or two, with an exit code for scripts.

use std::path::PathBuf;
use std::time::Duration;

use isochrone_base::clock::Clock;
use isochrone_base::words;
use isochrone_proto::units::UnixMillis;
use isochrone_report::status::{Finding, Share, StatusReport, Weight};
use isochrone_web::LiveView;
use isochrone_web::view::{self, Source};
use jiff::Timestamp;

use super::{CommandContext, CommandError, Out, WIDTH};
use crate::cli::Format;
use crate::control::Answers;
use crate::view::head;

/// A view that was made so long ago is no longer what is.
const STALE: Duration = Duration::from_secs(10);
/// Says whether all is well.
pub(super) async fn status(context: &CommandContext, format: Format, out: &Out) -> Result<u8, CommandError> {
    let now = context.clock.wall();
    let report = match &context.views {
        Some(views) => of_view(&views.borrow().clone(), now),
        None => StatusReport::of_no_collector(now, None),
    };
    print(&report, format, out).await
}

/// The same where no collector runs; `demo`: the state folder of a demo's, if the folder named is that of a demo.
pub async fn status_of_no_collector(demo: Option<PathBuf>, format: Format, answers: Answers) -> u8 {
    let out = Out::of_files(answers);
    let report = StatusReport::of_no_collector(Clock::system().wall(), demo.as_deref());
    match print(&report, format, &out).await {
        Ok(code) => code,
        Err(error) => out.end(Err(error)).await,
    }
}

/// The same where the collector runs and gives no answer.
pub async fn status_of_no_answer(reason: String, format: Format, answers: Answers) -> u8 {
    let out = Out::of_files(answers);
    let report = StatusReport::of_no_answer(Clock::system().wall(), &reason);
    match print(&report, format, &out).await {
        Ok(code) => code,
        Err(error) => out.end(Err(error)).await,
    }
}

async fn print(report: &StatusReport, format: Format, out: &Out) -> Result<u8, CommandError> {
    match format {
        Format::Text => out.document(report.text(WIDTH)).await?,
        Format::Json => out.json(&report.json()).await?,
    }
    Ok(report.exit_code())
}

/// What the view comes to: the judgement that the page's head shows, and whether it is still true.
pub(super) fn of_view(view: &LiveView, now: UnixMillis) -> StatusReport {
    let mut nodes = Share::default();
    for node in head::watched(view) {
        let weight = head::of_node(node, view).map(|finding| finding.weight);
        nodes.all += 1;
        nodes.well += usize::from(weight.is_none());
        nodes.unknown += usize::from(weight == Some(view::Weight::CannotTell));
    }
    let probes = Share {
        all: head::members(view).count(),
        well: head::members(view)
            .filter(|probe| head::is_connected(probe))
            .count(),
        unknown: 0,
    };
    let mut findings: Vec<Finding> = view.head.findings.iter().map(of_head).collect();
    findings.extend(of_age(view, now));
    StatusReport {
        at: UnixMillis(milliseconds(view.generated_at)),
        is_demo: view.source == Source::Demo,
        nodes,
        probes,
        findings,
    }
}

fn of_head(finding: &view::Finding) -> Finding {
    Finding {
        weight: match finding.weight {
            view::Weight::Note => Weight::Note,
            view::Weight::CannotTell => Weight::CannotTell,
            view::Weight::Wrong => Weight::Wrong,
        },
        subject: finding.subject.clone(),
        says: finding.says.clone(),
    }
}

/// A view that nobody made anew says nothing of now. A page says so by the age of what it shows.
fn of_age(view: &LiveView, now: UnixMillis) -> Option<Finding> {
    let age = now.since(UnixMillis(milliseconds(view.generated_at)));
    (age > STALE).then(|| Finding {
        weight: Weight::CannotTell,
        subject: None,
        says: format!(
            "The collector has not judged for {}: look into its log.",
            words::duration(age.as_millis() as u64)
        ),
    })
}

fn milliseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
