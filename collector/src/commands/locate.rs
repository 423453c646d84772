//! `locate`: whether sites can stand where they say.

mod databases;

use isochrone_coverage::files::{FileText, read_mesh};
use isochrone_coverage::locate::Survey;
use isochrone_coverage::observations::Source;
use isochrone_report::locate::{EyesLocated, FromStore, LocateReport, from_store};

use super::reports::{Reading, ReportFailure, print, reading};
use super::window::window;
use super::{CommandContext, CommandError, Out, UsageError, blocking};
use crate::cli::LocateArgs;
use crate::control::Answers;

pub(super) use self::databases::DatabaseError;

/// Names the files of databases in full, for whoever opens them may have another working folder.
#[must_use]
pub fn with_whole_paths(mut args: LocateArgs) -> LocateArgs {
    for file in &mut args.mmdb {
        if let Ok(whole) = std::path::absolute(&*file) {
            *file = whole;
        }
    }
    args
}

/// `locate` from two files: no store, no collector.
pub async fn locate_from_files(args: LocateArgs, answers: Answers) -> u8 {
    let out = Out::of_files(answers);
    let result = async {
        let format = args.format;
        let report = blocking(move || of_files(&args)).await?;
        print(&report, format, &out).await
    };
    out.end(result.await).await
}

pub(super) fn of_files(args: &LocateArgs) -> Result<LocateReport, CommandError> {
    let (Some(sites), Some(rtt)) = (&args.sites, &args.rtt) else {
        return Err(UsageError::MeshFilesApart.into());
    };
    let mesh = read_mesh(&FileText::load(sites)?, &FileText::load(rtt)?)?;
    let survey = Survey::of_mesh(mesh);
    let sure = sure(&survey, &args.sure)?;
    Ok(LocateReport {
        surveyed: survey.judge(&sure),
        databases: Vec::new(),
        sure,
        eyes: EyesLocated::default(), // files hold none
    })
}

/// `locate` from the store.
pub(super) async fn locate(
    context: &CommandContext,
    args: LocateArgs,
    out: &Out,
) -> Result<(), CommandError> {
    let (format, window) = (args.format, window(context, &args.window)?);
    let (context, progress_out) = (context.clone(), out.clone());
    let found = reading(None, move || {
        let read = Reading::of(&context, window)?;
        let source = if read.store.is_demo() {
            Source::Demo
        } else {
            Source::Store
        };
        let mut progress = read.progress(&progress_out);
        Ok::<_, ReportFailure>(from_store(
            &read.store,
            &read.roster,
            read.window,
            source,
            &mut progress,
        )?)
    })
    .await?;
    let report = judged(args, found).await?;
    print(&report, format, out).await
}

/// By light, with what databases of addresses say beside.
pub(super) async fn judged(args: LocateArgs, found: FromStore) -> Result<LocateReport, CommandError> {
    let FromStore {
        survey,
        addresses,
        eyes,
        eyed,
    } = found;
    blocking(move || {
        let databases = databases::ask(&args.mmdb, &addresses)?;
        let sure = sure(&survey, &args.sure)?;
        let surveyed = survey.judge(&sure);
        Ok(LocateReport {
            eyes: EyesLocated::judged(eyes, eyed, &surveyed),
            surveyed,
            databases,
            sure,
        })
    })
    .await
}

/// The sites of these names, of whatever kind.
fn sure(survey: &Survey, names: &[String]) -> Result<Vec<usize>, UsageError> {
    let mut sure = Vec::new();
    for name in names {
        let before = sure.len();
        let sites = survey.sites.iter().enumerate();
        sure.extend(sites.filter(|(_, site)| site.name == *name).map(|(at, _)| at));
        if sure.len() == before {
            let (name, example) = (name.clone(), survey.sites.first().map(|site| site.name.clone()));
            return Err(UsageError::NoSuchSite { name, example });
        }
    }
    Ok(sure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ReportFormat;

    fn args(sites: &str, rtt: &str) -> (tempfile::TempDir, LocateArgs) {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let args = LocateArgs {
            sites: write("sites.csv", sites),
            rtt: write("rtt.csv", rtt),
            format: ReportFormat::Json,
            ..LocateArgs::default()
        };
        (folder, args)
    }

    const SITES: &str = "site,latitude,longitude\nber,52.5,13.4\npar,48.9,2.4\nlon,51.5,-0.1\n";
    const RTT: &str = "source,destination,rtt_ms\nber,par,18\npar,lon,9\nber,lon,20\n";

    #[test]
    fn name_that_no_site_has_is_wrong_usage_and_an_example_is_given() {
        let (_folder, mut args) = args(SITES, RTT);
        args.sure = vec!["rome".to_owned()];
        let error = of_files(&args).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_eq!(
            error.to_string(),
            "--sure: no site is called rome; write it as the report does, such as ber"
        );
    }

    #[test]
    fn sure_site_confirms_the_others() {
        let (_folder, mut args) = args(SITES, RTT);
        args.sure = vec!["ber".to_owned()];
        let report = of_files(&args).unwrap();
        assert!(report.surveyed.location.sites[2].verdict.radius_km().is_some());
        assert_eq!(report.surveyed.location.sites[2].verdict.as_str(), "confirmed");
    }

    #[test]
    fn latitude_that_can_be_none_is_told_with_its_line() {
        let (_folder, args) = args("site,latitude,longitude\nber,13.4,152.5\npar,102.4,148.9\n", RTT);
        let error = of_files(&args).unwrap_err().to_string();
        assert!(error.contains("sites.csv:3: latitude = `102.4`"), "{error}");
    }
}
