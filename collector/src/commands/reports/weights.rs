//! What `--weights` names.

use isochrone_coverage::files::FileText;
use isochrone_coverage::weights::Weights;

use crate::cli::CoverageArgs;
use crate::commands::{CommandError, UsageError, engine};

/// A larger file of weights is refused: it goes through the control socket.
const WEIGHTS_BYTES_MAX: u64 = 8 << 20;

/// Reads the files that `--weights` and its like name, so that they go along with the command.
///
/// # Errors
/// When one cannot be read.
pub fn read_weights(args: &mut CoverageArgs) -> Result<(), CommandError> {
    engine::read_files(&mut args.engine)?;
    if ["people", "sites"].contains(&args.weights.as_str()) {
        return Ok(());
    }
    let file = FileText::load_up_to(args.weights.as_ref(), WEIGHTS_BYTES_MAX);
    args.weights_file = Some(file.map_err(CommandError::NoWeights)?.into_text()?);
    Ok(())
}

/// `people`, `sites`, or the file that came with the command: this process may have another working folder and
/// other rights than whoever named it.
pub(super) fn weights(args: &CoverageArgs) -> Result<Weights, CommandError> {
    match (&args.weights_file, args.weights.as_str()) {
        (Some(text), name) => Ok(Weights::from_file(&FileText::new(name, text.as_str()))?),
        (None, "people") => Ok(Weights::people()),
        (None, "sites") => Ok(Weights::sites()),
        (None, file) => {
            let file = file.to_owned();
            Err(UsageError::WeightsLeftBehind { file }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::coverage_args;
    use super::*;
    use crate::cli::{Command, ReportCommand};

    #[test]
    fn file_of_weights_travels_with_the_command_and_is_not_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights.csv");
        std::fs::write(&file, "site,weight\nberlin,3\n").unwrap();
        let mut args = coverage_args(file.to_str().unwrap());
        read_weights(&mut args).unwrap();
        let command =
            serde_json::to_string(&Command::Report(ReportCommand::Coverage(Box::new(args)))).unwrap();
        drop(folder);
        match serde_json::from_str(&command).unwrap() {
            Command::Report(ReportCommand::Coverage(args)) => drop(weights(&args).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn file_of_weights_that_did_not_come_along_is_not_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weights.csv");
        std::fs::write(&file, "site,weight\nberlin,3\n").unwrap();
        let error = weights(&coverage_args(file.to_str().unwrap())).unwrap_err();
        assert!(matches!(error, CommandError::Usage(_)), "{error}");
    }

    #[test]
    fn words_for_weights_are_no_files() {
        for word in ["people", "sites"] {
            let mut args = coverage_args(word);
            read_weights(&mut args).unwrap();
            assert_eq!(args.weights_file, None);
            weights(&args).unwrap();
        }
    }
}
