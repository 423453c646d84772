//! `report` and `show`.

mod imported;
mod weights;

use isochrone_base::roster::Roster;
use isochrone_coverage::count::Thresholds;
use isochrone_coverage::files::{self, FileText};
use isochrone_coverage::locate::{Impossible, Survey, impossible, impossible_by};
use isochrone_coverage::note::Note;
use isochrone_coverage::observations::{Observations, Source};
use isochrone_coverage::report::placement::Ask;
use isochrone_coverage::report::what_if::Change;
use isochrone_coverage::report::{self, CoverageReport, LeftOut, Options};
use isochrone_report::coverage::CountReport;
use isochrone_report::kept::Within;
use isochrone_report::log::Window;
use isochrone_report::nodes::NodesReport;
use isochrone_report::{Printed, coverage, nodes, show};
use isochrone_store::{Store, StoreError};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::OwnedSemaphorePermit;

pub use self::weights::read_weights;
use self::weights::weights;
use super::window::{counting_window, window};
use super::{CommandContext, CommandError, Out, UsageError, WIDTH, blocking, engine};
use crate::cli::{CountArgs, CoverageArgs, Format, RegionsArg, ReportCommand, ReportFormat, WindowArgs};
use crate::config::CoverageSettings;
use crate::control::Answers;

/// `report coverage` or `report count` from two files: no store, no collector.
pub async fn report_from_files(command: ReportCommand, answers: Answers) -> u8 {
    let out = Out::of_files(answers);
    let result = async {
        match command {
            ReportCommand::Coverage(args) => {
                let format = args.format;
                let bar = out.clone();
                let report = blocking(move || report_of_files(&args, Further::default(), &bar)).await?;
                print(&report, format, &out).await
            }
            ReportCommand::Count(args) => {
                let format = args.coverage.format;
                let further = Further {
                    thresholds: thresholds(&args),
                    ..Further::default()
                };
                let bar = out.clone();
                let report = blocking(move || report_of_files(&args.coverage, further, &bar)).await?;
                print_count(report, format, &out).await
            }
            ReportCommand::Nodes { .. } | ReportCommand::Audit { .. } => Err(UsageError::FilesApart.into()),
        }
    };
    out.end(result.await).await
}

/// What is asked beside coverage itself.
#[derive(Default)]
pub(super) struct Further {
    pub(super) thresholds: Thresholds,
    pub(super) place: Option<Ask>,
    pub(super) what_if: Option<Change>,
}

/// What files hold, and what is asked of it; where nodes are placed and none is named, all sites are nodes.
pub(super) fn of_files(
    args: &CoverageArgs,
    further: Further,
) -> Result<(Observations, Options), CommandError> {
    let (Some(sites), Some(rtt)) = (&args.sites, &args.rtt) else {
        return Err(UsageError::FilesApart.into());
    };
    let sites = FileText::load(sites)?;
    let rtt = FileText::load(rtt)?;
    let mesh = files::read_mesh(&sites, &rtt)?;
    let nodes = match (args.nodes.is_empty(), further.place.is_some()) {
        (true, true) => &mesh.names,
        (true, false) => return Err(UsageError::FilesApart.into()),
        (false, _) => &args.nodes,
    };
    let mut observations = files::read(&sites, &rtt, nodes)?;
    let asked = Asked {
        options: Options {
            mesh: Some(mesh),
            subdivisions: args.regions == RegionsArg::Subdivisions,
            place: further.place,
            what_if: further.what_if,
            ..engine::options(&args.engine, weights(args)?, &CoverageSettings::default())?
        },
        thresholds: further.thresholds,
        seed: args.engine.seed,
        without_borrowed: false, // files hold none
    };
    let options = options(asked, &mut observations, None);
    Ok((observations, options))
}

pub(super) fn report_of_files(
    args: &CoverageArgs,
    further: Further,
    out: &Out,
) -> Result<CoverageReport, CommandError> {
    let (observations, options) = of_files(args, further)?;
    let mut random = StdRng::seed_from_u64(args.engine.seed);
    let mut progress = |done, total| out.progress(done, total);
    Ok(report::build_with(
        &observations,
        &options,
        &mut random,
        &mut progress,
    )?)
}

/// What a report on coverage is to be by.
pub(super) struct Asked {
    pub(super) options: Options,
    pub(super) thresholds: Thresholds,
    pub(super) seed: u64,
    /// Borrowed eyes are left out.
    pub(super) without_borrowed: bool,
}

/// The same without whatever light says is not where it claims to be: by all that was measured, as `locate` has it.
fn options(asked: Asked, observations: &mut Observations, survey: Option<&Survey>) -> Options {
    // What is wrong as a whole accuses nobody.
    let impossible = match (observations.notes.iter().any(Note::is_grave), survey) {
        (true, _) => Impossible::default(),
        (false, Some(survey)) => impossible_by(observations, survey),
        (false, None) => impossible(observations, asked.options.mesh.as_ref()),
    };
    if impossible.too_many > 0 {
        let sites = impossible.too_many;
        observations.notes.push(Note::AllContradict { sites });
    }
    if !impossible.undecided.is_empty() {
        let names = impossible.undecided;
        observations.notes.push(Note::Undecided { names });
    }
    let (nodes, vantages) = (impossible.nodes.iter(), impossible.vantages.iter());
    let left_out = LeftOut {
        nodes: nodes.map(|&node| observations.nodes[node].name.clone()).collect(),
        vantages: vantages
            .map(|&vantage| observations.vantages[vantage].name.clone())
            .collect(),
    };
    // Where nodes are placed or exchanged, how many of them there should be is not asked.
    let is_advice = asked.options.place.is_some() || asked.options.what_if.is_some();
    let mut mesh = asked.options.mesh;
    if let Some(mesh) = &mut mesh {
        // A site of files is called the same as a node and as a vantage.
        let names = [&left_out.nodes[..], &left_out.vantages[..]].concat();
        let lies = |site: usize| names.contains(&mesh.names[site]);
        mesh.pairs.retain(|pair| !lies(pair.a) && !lies(pair.b));
    }
    Options {
        impossible: left_out,
        mesh,
        count: (!is_advice).then_some(asked.thresholds),
        ..asked.options
    }
}

fn thresholds(args: &CountArgs) -> Thresholds {
    Thresholds {
        drop_ms: args.drop_ms,
        add_ms: args.add_ms,
    }
}

async fn print_count(
    mut coverage: CoverageReport,
    format: ReportFormat,
    out: &Out,
) -> Result<(), CommandError> {
    let Some(count) = coverage.count.take() else {
        return Err(CommandError::NotCounted);
    };
    print(&CountReport { coverage, count }, format, out).await
}

pub(super) async fn print(
    report: &impl Printed,
    format: ReportFormat,
    out: &Out,
) -> Result<(), CommandError> {
    match format {
        ReportFormat::Text => out.document(report.text(WIDTH)).await,
        ReportFormat::Json => out.json(&report.json()).await,
        ReportFormat::Html => out.document(report.html()).await,
        ReportFormat::Md => out.document(report.markdown()).await,
        ReportFormat::Csv => out.document(report.csv()).await,
    }
}

pub(super) async fn carry_out(
    context: &CommandContext,
    command: ReportCommand,
    out: &Out,
) -> Result<(), CommandError> {
    match command {
        ReportCommand::Coverage(args) => {
            let asked = asked_coverage(context, &args)?;
            let report = match args.imported {
                true => imported::coverage(context, &args.window, asked).await?,
                false => {
                    let window = window(context, &args.window)?;
                    coverage(context, window, asked, Asker { out, turn: None }).await?
                }
            };
            print(&report, args.format, out).await
        }
        ReportCommand::Count(args) if args.coverage.imported => Err(UsageError::NoCountOfImported.into()),
        ReportCommand::Count(args) => {
            let asked = asked_count(context, &args)?;
            let window = counting_window(context, &args.coverage.window)?;
            let report = coverage(context, window, asked, Asker { out, turn: None }).await?;
            print_count(report, args.coverage.format, out).await
        }
        ReportCommand::Nodes {
            window,
            without_borrowed,
            format,
        } => {
            let mut report = nodes(
                context,
                self::window(context, &window)?,
                Asker { out, turn: None },
            )
            .await?;
            if without_borrowed {
                report.borrowed.clear();
            }
            print(&report, format, out).await
        }
        ReportCommand::Audit { .. } => Ok(()), // carried out beside
    }
}

pub(super) fn asked_coverage(context: &CommandContext, args: &CoverageArgs) -> Result<Asked, CommandError> {
    Ok(Asked {
        options: Options {
            subdivisions: args.regions == RegionsArg::Subdivisions,
            ..engine::options(&args.engine, weights(args)?, &context.config.coverage)?
        },
        thresholds: Thresholds::default(),
        seed: args.engine.seed,
        without_borrowed: args.without_borrowed,
    })
}

pub(super) fn asked_count(context: &CommandContext, args: &CountArgs) -> Result<Asked, CommandError> {
    let of = &args.coverage;
    Ok(Asked {
        options: engine::options(&of.engine, weights(of)?, &context.config.coverage)?,
        thresholds: thresholds(args),
        seed: of.engine.seed,
        without_borrowed: of.without_borrowed,
    })
}

/// What `place` and `what-if` ask.
pub(super) fn asked_advice(
    context: &CommandContext,
    of: &CoverageArgs,
    further: Further,
) -> Result<Asked, CommandError> {
    Ok(Asked {
        options: Options {
            place: further.place,
            what_if: further.what_if,
            ..engine::options(&of.engine, weights(of)?, &context.config.coverage)?
        },
        thresholds: further.thresholds,
        seed: of.engine.seed,
        without_borrowed: of.without_borrowed,
    })
}

pub(super) async fn show(
    context: &CommandContext,
    node: &str,
    window: &WindowArgs,
    format: Format,
    out: &Out,
) -> Result<(), CommandError> {
    let window = self::window(context, window)?;
    let (context, progress_out, name) = (context.clone(), out.clone(), node.to_owned());
    let report = reading(None, move || {
        let read = Reading::of(&context, window)?;
        let mut progress = read.progress(&progress_out);
        Ok(show::from_store(
            &read.store,
            &read.roster,
            &name,
            read.window,
            &mut progress,
        )?)
    })
    .await?;
    let Some(report) = report else {
        let name = node.to_owned();
        return Err(CommandError::NoSuchNode { name });
    };
    match format {
        Format::Json => out.json(&report).await,
        Format::Text => out.document(report.text(WIDTH)).await,
    }
}

pub(super) async fn nodes(
    context: &CommandContext,
    window: Window,
    asker: Asker<'_>,
) -> Result<NodesReport, ReportFailure> {
    let (context, out) = (context.clone(), asker.out.clone());
    reading(asker.turn, move || {
        let read = Reading::of(&context, window)?;
        let mut progress = read.progress(&out);
        Ok(nodes::from_store(
            &read.store,
            &read.roster,
            read.window,
            &mut progress,
        )?)
    })
    .await
}

pub(super) async fn coverage(
    context: &CommandContext,
    window: Window,
    asked: Asked,
    asker: Asker<'_>,
) -> Result<CoverageReport, ReportFailure> {
    let (context, out) = (context.clone(), asker.out.clone());
    reading(asker.turn, move || {
        let read = Reading::of(&context, window)?;
        let source = if read.store.is_demo() {
            Source::Demo
        } else {
            Source::Store
        };
        let mut progress = read.progress(&out);
        let found = coverage::from_store(&read.store, &read.roster, read.window, source, &mut progress)?;
        Ok(built(context.config.coverage_target_ms, asked, found)?)
    })
    .await
}

/// What was read, without what light contradicts, and what is asked of it.
pub(super) fn asked_of(asked: Asked, found: coverage::FromStore) -> (Observations, Options) {
    let (mut observations, mut candidates) = (found.observations, found.candidates);
    if asked.without_borrowed && !observations.eyes.is_empty() {
        let eyes = std::mem::take(&mut observations.eyes).len();
        observations.notes.push(Note::WithoutBorrowed { eyes });
        candidates
            .iter_mut()
            .for_each(|candidate| candidate.times.clear());
    }
    let options = Options {
        candidates,
        ..options(asked, &mut observations, Some(&found.survey))
    };
    (observations, options)
}

/// The report on coverage of what was read.
pub(super) fn built(
    target_ms: u32,
    asked: Asked,
    found: coverage::FromStore,
) -> Result<CoverageReport, report::ReportError> {
    let mut random = StdRng::seed_from_u64(asked.seed);
    let (observations, options) = asked_of(asked, found);
    let options = Options {
        target_ms: Some(f64::from(target_ms)),
        ..options
    };
    report::build(&observations, &options, &mut random)
}

/// What a report reads from the log with.
pub(super) struct Reading {
    pub(super) store: Store,
    pub(super) roster: Roster,
    pub(super) window: Within,
    /// Batches in the log, for the progress bar.
    total: u64,
}

impl Reading {
    pub(super) fn of(context: &CommandContext, window: Window) -> Result<Self, StoreError> {
        let store = context.store.clone();
        Ok(Self {
            roster: context.past_roster()?,
            window: window.within(&store, context.clock.wall())?,
            total: store.commit_number()?,
            store,
        })
    }

    pub(super) fn progress(&self, out: &Out) -> impl FnMut(u64) + use<> {
        let (out, total) = (out.clone(), self.total);
        move |done| out.progress(done, total)
    }
}

/// A place among the reports that the page may have made at once; commands need none.
pub(super) type Turn = Option<OwnedSemaphorePermit>;

/// Who asks for a report: where its progress is shown, and the place it was given.
pub(super) struct Asker<'a> {
    pub(super) out: &'a Out,
    pub(super) turn: Turn,
}

/// Reads away from the runtime's workers. The turn is given back when the reading ends, not when whoever asked
/// leaves.
pub(super) async fn reading<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> Result<T, ReportFailure> + Send + 'static,
) -> Result<T, ReportFailure> {
    let read = move || {
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(read).await?
}

/// Why a report was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportFailure {
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Build(#[from] report::ReportError),
    #[error("the report ended early")]
    Ended(#[from] tokio::task::JoinError),
}

impl From<ReportFailure> for CommandError {
    fn from(failure: ReportFailure) -> Self {
        match failure {
            ReportFailure::Store(error) => Self::Unread(error),
            ReportFailure::Build(error) => Self::Coverage(error),
            ReportFailure::Ended(error) => Self::ReportEnded(error),
        }
    }
}

#[cfg(test)]
mod bad_files;

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command, DEFAULT_SEED, Program};
    use crate::control::Answer;
    use crate::demo::world::{CITIES, claimed, rtt};

    /// The demo's places and times as files, each place as it is claimed.
    fn demo_files(folder: &std::path::Path) -> CoverageArgs {
        let mut sites = "site,latitude,longitude\n".to_owned();
        let mut times = "source,destination,rtt_ms\n".to_owned();
        for (a, city) in CITIES.iter().enumerate() {
            let (latitude, longitude) = claimed(city);
            sites += &format!("{},{latitude},{longitude}\n", city.name);
            for b in (0..CITIES.len()).filter(|&b| b != a) {
                let ms = rtt(a, b).as_millis();
                times += &format!("{},{},{ms}\n", city.name, CITIES[b].name);
            }
        }
        let (sites_file, times_file) = (folder.join("sites.csv"), folder.join("rtt.csv"));
        std::fs::write(&sites_file, sites).unwrap();
        std::fs::write(&times_file, times).unwrap();
        let nodes = CITIES.iter().filter(|city| city.has_node);
        CoverageArgs {
            imported: false,
            sites: Some(sites_file),
            rtt: Some(times_file),
            nodes: nodes.map(|city| city.name.to_owned()).collect(),
            ..coverage_args("people")
        }
    }

    #[test]
    fn demo_report_answers_in_its_first_sentences_and_names_the_node_whose_place_lies() {
        let folder = tempfile::tempdir().unwrap();
        let report =
            report_of_files(&demo_files(folder.path()), Further::default(), &Out::nowhere()).unwrap();
        let text = report.text(100).split_whitespace().collect::<Vec<_>>().join(" ");
        let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
        let sentences = [
            at("losangeles is left out: place does not fit; typo?"),
            at("9 vantages in"),
            at("backup distances where it was measured:"),
            at("Best guess for the next city:"),
            at("Of people, 100 ms or less from a node, with predictions:"),
            at("cannot be predicted: no site is known in"),
            at("Measuring from these places would decide most"),
            at("How to read this"),
        ];
        let answer = report.json()["answer"].clone();
        let first: Vec<&str> = answer
            .as_array()
            .unwrap()
            .iter()
            .take(3)
            .filter_map(|said| said.as_str())
            .collect();
        assert!(
            first[0].starts_with("losangeles is left out")
                && first[1].contains("backup distances")
                && first[2].starts_with("Best guess"),
            "{first:?}"
        );
        assert!(sentences.is_sorted(), "{sentences:?}: {text}");
        assert!(report.nodes.iter().all(|node| node.name != "losangeles"));
    }

    #[test]
    fn other_seed_draws_otherwise_and_the_same_seed_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let json = |seed: u64| {
            let mut args = demo_files(folder.path());
            args.engine.seed = seed;
            let report = report_of_files(&args, Further::default(), &Out::nowhere()).unwrap();
            report.json()["shares_predicted"].to_string()
        };
        assert_eq!(coverage_args("people").engine.seed, DEFAULT_SEED);
        let first = json(1);
        assert_eq!(json(1), first);
        assert_ne!(json(2), first);
    }

    #[tokio::test]
    async fn report_from_files_shows_how_far_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let args = demo_files(folder.path());
        let (answers, mut said) = tokio::sync::mpsc::channel(64);
        let out = Out::of_files(answers);
        blocking(move || report_of_files(&args, Further::default(), &out))
            .await
            .unwrap();
        let mut steps = Vec::new();
        while let Some(answer) = said.recv().await {
            if let Answer::Progress { done, total } = answer {
                steps.push((done, total));
            }
        }
        let total = steps[0].1;
        assert!(steps.len() > 2 && steps.is_sorted(), "{steps:?}");
        assert_eq!(steps.last(), Some(&(total, total)));
    }

    pub(super) fn coverage_args(weights: &str) -> CoverageArgs {
        let words = ["isochrone-collector", "report", "coverage", "--weights", weights];
        match Cli::parse_from(words).program {
            Program::Command(Command::Report(ReportCommand::Coverage(args))) => *args,
            other => panic!("{other:?}"),
        }
    }
}
