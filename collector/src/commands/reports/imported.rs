//! `report coverage --imported` and `report count --imported`: of what others measured, and nothing of our own.

use isochrone_coverage::report::{self, CoverageReport, Options};
use isochrone_report::imported;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Asked, options, reading, window};
use crate::cli::WindowArgs;
use crate::commands::{CommandContext, CommandError, UsageError};

/// Makes it of all that was imported, or of a window where one is named.
pub(super) async fn coverage(
    context: &CommandContext,
    args: &WindowArgs,
    asked: Asked,
) -> Result<CoverageReport, CommandError> {
    if args.is_from_elasticsearch() {
        return Err(UsageError::ImportedElsewhere.into());
    }
    let is_named = args.since.is_some() || !args.from.is_empty() || args.to.is_some();
    let window = is_named.then(|| window(context, args)).transpose()?;
    let made = context.clone();
    let observations = reading(None, move || {
        Ok(imported::observations(&made.store, &made.past_roster()?, window)?)
    });
    let mut observations = observations.await?;
    if let Some(nothing) = imported::nothing(&observations) {
        return Err(CommandError::NothingImported(nothing));
    }
    let target_ms = f64::from(context.config.coverage_target_ms);
    let report = reading(None, move || {
        let mut random = StdRng::seed_from_u64(asked.seed);
        let options = Options {
            target_ms: Some(target_ms),
            predict: false, // a time to first byte is no round trip
            ..options(asked, &mut observations, None)
        };
        Ok(report::build(&observations, &options, &mut random)?)
    });
    Ok(report.await?)
}
