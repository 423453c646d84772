//! `place` and `what-if`: where nodes should stand, and what another set of them would bring.

use isochrone_coverage::files::{FileText, read_candidates};
use isochrone_coverage::report::CoverageReport;
use isochrone_coverage::report::placement::Ask;
use isochrone_coverage::report::what_if::Change;
use isochrone_report::coverage::{PlaceReport, WhatIfReport};

use super::reports::{Asked, Asker, Further, asked_advice, coverage, print, report_of_files};
use super::window::counting_window;
use super::{CommandContext, CommandError, Out, UsageError, blocking};
use crate::cli::{Command, CoverageArgs, PlaceArgs, WhatIfArgs, listed};
use crate::control::Answers;

/// A larger file of candidates is refused: it goes through the control socket.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// What is asked beside a report on coverage.
#[derive(Clone, Debug)]
pub(super) enum Advice {
    /// Where so many nodes should stand.
    Place(Box<PlaceArgs>),
    /// What another set of nodes would bring.
    WhatIf(Box<WhatIfArgs>),
}

/// Reads the file that `--candidates` names, so that it goes along with the command.
///
/// # Errors
/// When it cannot be read.
pub fn read_candidate_file(args: &mut PlaceArgs) -> Result<(), CommandError> {
    if let Some(file) = &args.candidates {
        args.candidates_file = Some(FileText::load_up_to(file.as_ref(), FILE_BYTES_MAX)?.into_text()?);
    }
    Ok(())
}

/// `place` or `what-if` from two files: no store, no collector.
pub async fn advice_from_files(command: Command, answers: Answers) -> u8 {
    let out = Out::of_files(answers);
    let result = async {
        let Some(advice) = Advice::of(command) else {
            return Err(UsageError::FilesApart.into());
        };
        let (bar, asked) = (out.clone(), advice.clone());
        let report = blocking(move || {
            let further = asked.further()?;
            report_of_files(asked.coverage(), further, &bar)
        })
        .await?;
        advice.print(report, &out).await
    };
    out.end(result.await).await
}

/// The same from the store.
pub(super) async fn carry_out(
    context: &CommandContext,
    advice: Advice,
    out: &Out,
) -> Result<(), CommandError> {
    let asked = advice.asked(context)?;
    let window = counting_window(context, &advice.coverage().window)?;
    let report = coverage(context, window, asked, Asker { out, turn: None }).await?;
    advice.print(report, out).await
}

impl Advice {
    pub(super) fn of(command: Command) -> Option<Self> {
        match command {
            Command::Place(args) => Some(Self::Place(args)),
            Command::WhatIf(args) => Some(Self::WhatIf(args)),
            _ => None,
        }
    }

    pub(super) fn coverage(&self) -> &CoverageArgs {
        match self {
            Self::Place(args) => &args.coverage,
            Self::WhatIf(args) => &args.coverage,
        }
    }

    pub(super) fn asked(&self, context: &CommandContext) -> Result<Asked, CommandError> {
        if self.coverage().imported {
            return Err(UsageError::NoCountOfImported.into());
        }
        asked_advice(context, self.coverage(), self.further()?)
    }

    fn further(&self) -> Result<Further, CommandError> {
        Ok(match self {
            Self::Place(args) => Further {
                place: Some(ask(args)?),
                ..Further::default()
            },
            Self::WhatIf(args) => Further {
                what_if: Some(Change {
                    add: args.add.clone(),
                    remove: listed(&args.remove),
                }),
                ..Further::default()
            },
        })
    }

    async fn print(&self, coverage: CoverageReport, out: &Out) -> Result<(), CommandError> {
        let format = self.coverage().format;
        match self.report(coverage)? {
            Told::Place(report) => print(&*report, format, out).await,
            Told::WhatIf(report) => print(&*report, format, out).await,
        }
    }

    pub(super) fn report(&self, mut coverage: CoverageReport) -> Result<Told, CommandError> {
        Ok(match self {
            Self::Place(_) => {
                let placement = coverage.placement.take().ok_or(CommandError::NotCounted)?;
                Told::Place(Box::new(PlaceReport { coverage, placement }))
            }
            Self::WhatIf(_) => {
                let what_if = coverage.what_if.take().ok_or(CommandError::NotCounted)?;
                Told::WhatIf(Box::new(WhatIfReport { coverage, what_if }))
            }
        })
    }
}

/// What is printed.
pub(super) enum Told {
    /// A placement.
    Place(Box<PlaceReport>),
    /// A calculation.
    WhatIf(Box<WhatIfReport>),
}

fn ask(args: &PlaceArgs) -> Result<Ask, CommandError> {
    let file = args.candidates.as_ref().zip(args.candidates_file.as_ref());
    let candidates = file.map(|(name, text)| read_candidates(&FileText::new(name.as_str(), text.as_str())));
    let mut fixed = listed(&args.fixed);
    let before = fixed.len();
    fixed.retain(|name| name != "all");
    Ok(Ask {
        objective: args.objective.into(),
        keep_all: fixed.len() < before,
        fixed,
        forbidden: listed(&args.forbid),
        candidates: candidates.transpose()?,
        ..Ask::new(args.k)
    })
}

#[cfg(test)]
mod tests;
