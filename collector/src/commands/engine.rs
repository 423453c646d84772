//! What a coverage report and a count are told beside the measurements: weights, prior, targets, offsets.

use std::sync::Arc;

use isochrone_coverage::files::FileText;
use isochrone_coverage::predict::{Prior, PriorChoice};
use isochrone_coverage::report::{Offsets, Options, Targets};
use isochrone_coverage::weights::{InternetShares, Weights};

use super::{CommandError, UsageError};
use crate::cli::EngineArgs;
use crate::config::{CoverageSettings, NO_PRIOR};

/// A larger file is refused: it goes through the control socket.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Reads the files that the options name, so that they go along with the command.
///
/// # Errors
/// When one cannot be read.
pub(super) fn read_files(args: &mut EngineArgs) -> Result<(), CommandError> {
    let text = |file: &Option<String>| -> Result<Option<String>, CommandError> {
        let Some(file) = file else { return Ok(None) };
        let loaded = FileText::load_up_to(file.as_ref(), FILE_BYTES_MAX).map_err(CommandError::NoWeights)?;
        Ok(Some(loaded.into_text()?))
    };
    args.demand_file = text(&args.demand)?;
    args.internet_file = text(&args.internet_shares)?;
    if let Some(file) = args.prior.as_ref().filter(|file| *file != NO_PRIOR) {
        let read = std::fs::read(file).map_err(|source| UsageError::NoPrior {
            file: file.clone(),
            source,
        });
        args.prior_file = Some(read?);
    }
    Ok(())
}

/// The options of a report by these weights; files come with the command. What no option says is as the file of
/// configuration does.
pub(super) fn options(
    args: &EngineArgs,
    weights: Weights,
    settings: &CoverageSettings,
) -> Result<Options, CommandError> {
    let file = |name: &Option<String>, text: &Option<String>| {
        name.as_ref()
            .zip(text.as_ref())
            .map(|(name, text)| FileText::new(name.as_str(), text.as_str()))
    };
    let weights = match file(&args.internet_shares, &args.internet_file) {
        Some(file) => weights.with_internet(InternetShares::from_file(&file)?),
        None => weights,
    };
    let beside = match file(&args.demand, &args.demand_file) {
        Some(file) => vec![Weights::from_file(&file)?],
        None => Vec::new(),
    };
    let prior = match (args.prior.as_deref(), &args.prior_file) {
        (None, _) => settings.prior.clone(),
        (Some(NO_PRIOR), _) => PriorChoice::None,
        (Some(file), bytes) => {
            let bytes = bytes.as_deref().unwrap_or_default();
            let prior = Prior::read(bytes).map_err(|error| UsageError::BadPrior {
                file: file.to_owned(),
                error,
            })?;
            PriorChoice::Given(Arc::new(prior))
        }
    };
    Ok(Options {
        beside,
        prior,
        targets: Targets {
            ttfb_ms: args.target_ttfb_ms.unwrap_or(settings.targets.ttfb_ms),
            mbps: args.target_mbps.unwrap_or(settings.targets.mbps),
        },
        top_countries: args.top_countries,
        offsets: offsets(&args.access_offset, &settings.offsets)?,
        ..Options::new(weights)
    })
}

/// What reports are made with that name no option.
pub(super) fn configured(weights: Weights, settings: &CoverageSettings) -> Options {
    Options {
        prior: settings.prior.clone(),
        targets: settings.targets,
        offsets: settings.offsets.clone(),
        ..Options::new(weights)
    }
}

/// `NG=30` and the like; a region that no option names keeps what is configured.
fn offsets(given: &[String], configured: &Offsets) -> Result<Offsets, UsageError> {
    let split = |text: &String| {
        let (region, ms) = text.split_once('=')?;
        Some((region.trim().to_owned(), ms.trim().parse::<f64>().ok()?))
    };
    let mut pairs = Vec::new();
    for text in given {
        let pair = split(text).ok_or_else(|| UsageError::AccessOffset { given: text.clone() })?;
        pairs.push(pair);
    }
    let is_given = |region: &String| pairs.iter().any(|(given, _)| given.eq_ignore_ascii_case(region));
    let kept = configured.given().iter().filter(|(region, _)| !is_given(region));
    let all = kept.chain(&pairs).map(|(region, ms)| (region.as_str(), *ms));
    Offsets::new(all).map_err(UsageError::Offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(prior: Option<&str>, access_offset: &[&str]) -> EngineArgs {
        EngineArgs {
            prior: prior.map(str::to_owned),
            access_offset: access_offset.iter().map(|text| (*text).to_owned()).collect(),
            ..EngineArgs::default()
        }
    }

    #[test]
    fn prior_is_the_embedded_one_none_or_a_file_that_came_along() {
        let prior = |args: &EngineArgs| {
            options(args, Weights::people(), &CoverageSettings::default()).map(|options| options.prior)
        };
        assert!(matches!(prior(&args(None, &[])), Ok(PriorChoice::Embedded)));
        assert!(matches!(prior(&args(Some("none"), &[])), Ok(PriorChoice::None)));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prior.bin");
        std::fs::write(&file, b"no prior").unwrap();
        let mut bad = args(file.to_str(), &[]);
        read_files(&mut bad).unwrap();
        let error = prior(&bad).unwrap_err().to_string();
        assert!(error.contains("prior.bin"), "{error}");
        let mut missing = args(Some("nowhere/prior.bin"), &[]);
        assert!(read_files(&mut missing).is_err());
    }

    #[test]
    fn offset_is_a_region_and_milliseconds() {
        let settings = CoverageSettings::default();
        let offsets = |given: &[&str]| options(&args(None, given), Weights::people(), &settings);
        assert_eq!(offsets(&["NG=30", "*=5"]).unwrap().offsets.given().len(), 2);
        for wrong in ["NG", "NG=fast", "Atlantis=5", "NG=-1"] {
            let error = offsets(&[wrong]).unwrap_err().to_string();
            assert!(error.contains(wrong.split('=').next().unwrap()), "{error}");
        }
    }

    #[test]
    fn options_win_over_what_is_configured_and_the_rest_of_it_stays() {
        let settings = CoverageSettings {
            targets: Targets {
                ttfb_ms: 200.0,
                mbps: 50.0,
            },
            offsets: Offsets::new([("NG", 40.0), ("*", 5.0)]).unwrap(),
            prior: PriorChoice::None,
        };
        let read = |args: &EngineArgs| options(args, Weights::people(), &settings).unwrap();
        let bare = read(&EngineArgs::default());
        assert_eq!(
            (bare.targets, &bare.offsets),
            (settings.targets, &settings.offsets)
        );
        assert!(matches!(bare.prior, PriorChoice::None));
        let given = read(&EngineArgs {
            target_ttfb_ms: Some(300.0),
            ..args(None, &["ng=30"])
        });
        assert_eq!((given.targets.ttfb_ms, given.targets.mbps), (300.0, 50.0));
        let all: Vec<_> = given
            .offsets
            .given()
            .iter()
            .map(|(region, ms)| (region.as_str(), *ms))
            .collect();
        assert_eq!(all, [("*", 5.0), ("ng", 30.0)]);
    }

    #[test]
    fn demand_and_internet_shares_travel_with_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            Some(file.display().to_string())
        };
        let mut args = EngineArgs {
            demand: path("demand.csv", "country,weight\nDE,3\n"),
            internet_shares: path("internet.csv", "country,internet_share\nDE,0.9\n"),
            ..EngineArgs::default()
        };
        read_files(&mut args).unwrap();
        drop(folder);
        let options = options(&args, Weights::people(), &CoverageSettings::default()).unwrap();
        assert_eq!(
            (
                options.beside.len(),
                options.weights.internet().unwrap().countries
            ),
            (1, 1)
        );
    }
}
