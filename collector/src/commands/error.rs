//! Why a command was not carried out.

use std::path::PathBuf;

use isochrone_base::error_chain::chain;
use isochrone_base::place::{UnclearPlace, UnknownPlace};
use isochrone_coverage::files::FileError;
use isochrone_coverage::predict::PriorError;
use isochrone_coverage::report::{OffsetError, ReportError};
use isochrone_gate::registry::RegistryError;
use isochrone_planner::targets::{EditError, NodeError, TargetsError};
use isochrone_store::StoreError;
use tokio::task::JoinError;

use super::locate::DatabaseError;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It was said wrongly.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Whoever asked has left.
    #[error("nobody reads the answer")]
    Gone,
    /// No copy of the chain is kept.
    #[error(
        "no copy of the chain is here yet: `isochrone-collector import topology URL`, or name the indexer under [topology] in collector.toml"
    )]
    NoTopology,
    /// An answer of the indexer that is no better than what is kept.
    #[error("the chain that is kept stays; to take in this one nevertheless, say --anyway")]
    NotBetter(#[from] isochrone_chain::copy::NotBetter),
    /// No request can be drafted.
    #[error("no request can be drafted")]
    Draft(#[from] isochrone_borrowed::draft::DraftError),
    /// Nothing that a public platform can measure.
    #[error(
        "no request can be drafted: none of the nodes and candidates has a public name or address; give one in targets.toml (`target list` shows them)"
    )]
    NothingPublic,
    /// A list of probes cannot be read.
    #[error("--probes {}: cannot be read as a list of RIPE Atlas's probes", path.display())]
    ProbeList {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file holds no probe that may be borrowed.
    #[error(
        "--probes {}: holds no public probe that is connected and has a place; fetch a list from https://ftp.ripe.net/ripe/atlas/probes/archive/ and unpack it",
        path.display()
    )]
    NoProbesListed {
        /// The file.
        path: PathBuf,
    },
    /// No eye is wished for.
    #[error("no request can be drafted: no place is ranked; `gaps` says why")]
    NoEyes,
    /// No node has this name.
    #[error("no node is called {name:?}; `target list` shows all names")]
    NoSuchNode {
        /// As given.
        name: String,
    },
    /// No probe has this name or number.
    #[error("no probe is called {name:?}; `probe list` shows all names")]
    NoSuchProbe {
        /// As given.
        name: String,
    },
    /// Another node has this name.
    #[error("a node is called {name} already; take another name, or `target remove {name}` first")]
    NodeNameTaken {
        /// As given.
        name: String,
    },
    /// Rows of the store were lost or counted twice.
    #[error(
        "the store and its counters disagree: {lost} lost, {twice} twice, {damaged} rows damaged, {wrong_sums} sums wrong; keep a copy of the state folder and report this (damage that you know of: `ledger --accept-damage all`)"
    )]
    Unsound {
        /// Rows that are counted and not there.
        lost: u64,
        /// Rows that are there twice.
        twice: u64,
        /// Rows that are damaged for good.
        damaged: u64,
        /// Sums of a day that are not those of its measurements.
        wrong_sums: u64,
    },
    /// The targets are changed, and nothing says who did it.
    #[error("{} is changed and in force, but the audit log could not be written", file.display())]
    Unlogged {
        /// The targets' file.
        file: PathBuf,
        /// Why.
        #[source]
        source: RegistryError,
    },
    /// `--weights` is neither of the two words, nor a file that can be read.
    #[error("--weights takes people, sites, or a file; {}", chain(.0))]
    NoWeights(FileError),
    /// A file of figures cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A database of addresses does not speak.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The coverage report cannot be made.
    #[error(transparent)]
    Coverage(#[from] ReportError),
    /// A report on coverage came without a count.
    #[error("nothing was counted; report this")]
    NotCounted,
    /// A report cannot read the store.
    #[error("the store cannot be read")]
    Unread(#[source] StoreError),
    /// A report's thread ended early.
    #[error("the report ended early")]
    ReportEnded(#[source] JoinError),
    /// Elasticsearch.
    #[cfg(feature = "elasticsearch")]
    #[error(transparent)]
    Elastic(#[from] super::elastic::ElasticError),
    /// No imported vantage has this name.
    #[error("no imported vantage is called {name:?}; `import list` shows all names")]
    NoSuchSource {
        /// As given.
        name: String,
    },
    /// A vantage of a public platform has this name, no imported one.
    #[error("no imported vantage is called {name:?}, but one of {platform} is: add --platform {platform}")]
    OfPlatform {
        /// As given.
        name: String,
        /// Whose vantage it is.
        platform: &'static str,
    },
    /// Nothing was taken in of that.
    #[error("nothing is here of {of}; `import list` shows all vantages")]
    NothingBorrowed {
        /// A platform, and what narrows it.
        of: String,
    },
    /// There is nothing that a report on imported documents could be made from.
    #[error("{0}")]
    NothingImported(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The registry refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// `targets.toml` cannot be read.
    #[error(transparent)]
    Targets(#[from] TargetsError),
    /// `targets.toml` cannot be edited.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The answer cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The command's thread ended early.
    #[error("the command ended early")]
    Ended(#[source] JoinError),
}

impl CommandError {
    /// 2 for wrong usage, 1 for a failure.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Coverage(ReportError::Placement(_)) => 2,
            _ => 1,
        }
    }
}

/// An option that cannot be taken as it was given.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The audit judges by what lies here.
    #[error(
        "report audit holds the chain against the store's own measurements: leave --from elasticsearch out"
    )]
    AuditOfStore,
    /// More than one waits under it.
    #[error("{given}: several nodes wait under it; name one of {endpoints}")]
    SeveralWait {
        /// As given.
        given: String,
        /// Their endpoints.
        endpoints: String,
    },
    /// A node whose place the chain does not tell.
    #[error("{endpoint}: the chain tells no place that can be; use `target add` with --place")]
    NoPlaceOnChain {
        /// Its endpoint.
        endpoint: String,
    },
    /// No operator of the chain has that endpoint or bucket.
    #[error(
        "{given}: no operator of the copied chain waits under it; `target approve` alone lists those that wait"
    )]
    NothingWaits {
        /// As given.
        given: String,
    },
    /// No row of that number is damaged for good, or it was accepted before.
    #[error("no damaged row {number} waits to be accepted; `ledger` lists all of them")]
    NoSuchDamage {
        /// As given.
        number: u64,
    },
    /// No duration.
    #[error("{option} {given}: {error}; write it as {example}")]
    Duration {
        /// With its dashes.
        option: &'static str,
        /// As it stands on the command line.
        given: String,
        /// What is wrong with it.
        error: humantime::DurationError,
        /// One that can be.
        example: &'static str,
    },
    /// No instant.
    #[error("{option} {given}: write an instant as 2026-11-22T03:00:00Z")]
    Instant {
        /// With its dashes.
        option: &'static str,
        /// As it stands on the command line.
        given: String,
    },
    /// Another name than that of what is removed.
    #[error("--confirm {given}: it is {name:?} that would be removed; say that name once more")]
    Confirmed {
        /// As given.
        given: String,
        /// What is removed.
        name: String,
    },
    /// `target set` without anything to set.
    #[error("name what is to change, such as --interval 5s or --unset asset; `target set --help` lists all")]
    NothingToSet,
    /// An instant before all measuring.
    #[error(
        "{option} {given}: before 1970, when no clock of a probe began; write an instant as 2026-11-22T03:00:00Z"
    )]
    BeforeAll {
        /// With its dashes.
        option: &'static str,
        /// As it stands on the command line.
        given: String,
    },
    /// A window that has not begun.
    #[error("--from {given}: that is still to come; it is {now} now")]
    StillToCome {
        /// As it stands on the command line.
        given: String,
        /// The collector's time.
        now: String,
    },
    /// Two beginnings of a window.
    #[error(
        "--from names one instant, and may be given once more as `--from elasticsearch`; with --since it is that word only"
    )]
    TwoBeginnings,
    /// What was imported lies in the store.
    #[error(
        "--imported and --from elasticsearch exclude each other: what was imported lies in the store alone"
    )]
    ImportedElsewhere,
    /// The feature is not built in.
    #[cfg(not(feature = "elasticsearch"))]
    #[error(
        "this isochrone-collector was built without Elasticsearch: take a release, or build it with the feature \
         `elasticsearch`, which is on by default"
    )]
    NoElasticsearch,
    /// A window that ends before it begins.
    #[error("--from must be before --to")]
    Backwards,
    /// No coordinates.
    #[error("--location {given}: write latitude,longitude in degrees, such as 34.69,135.50")]
    Location {
        /// As it stands on the command line.
        given: String,
    },
    /// A name that several cities of the country have.
    #[error("--place {0}; say which with --location LAT,LON beside it")]
    UnclearPlace(#[source] UnclearPlace),
    /// A count of what cannot be predicted from.
    #[error(
        "report count takes no --imported: it rests on round trips, and what was imported are times to first byte"
    )]
    NoCountOfImported,
    /// Likewise.
    #[error(
        "gaps takes no --imported: it rests on round trips, and what was imported are times to first byte"
    )]
    NoGapsOfImported,
    /// Requests are a script, or JSON.
    #[error("gaps --draft prints a script for a shell, or JSON: leave out --format, or take --format json")]
    DraftFormat,
    /// No place.
    #[error("{given}: {source}")]
    Place {
        /// As it stands on the command line.
        given: String,
        /// What to write instead.
        source: UnknownPlace,
    },
    /// No bucket.
    #[error("--bucket {given}: write family:index, such as 0:0")]
    Bucket {
        /// As it stands on the command line.
        given: String,
    },
    /// One of two files.
    #[error("--sites and --rtt go together, and --nodes says which sites are nodes")]
    FilesApart,
    /// One of two files.
    #[error("--sites and --rtt go together")]
    MeshFilesApart,
    /// A name that no site has.
    #[error("--sure: no site is called {name}; {}", example.as_ref().map_or_else(
        || "there is none yet".to_owned(),
        |example| format!("write it as the report does, such as {example}"),
    ))]
    NoSuchSite {
        /// As given.
        name: String,
        /// One that there is.
        example: Option<String>,
    },
    /// The file of a prior cannot be read.
    #[error("--prior {file}: cannot be read; name a file made by make_prior.py, or `none`")]
    NoPrior {
        /// The file's name.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file of a prior holds none.
    #[error("--prior {file}: {error}")]
    BadPrior {
        /// The file's name.
        file: String,
        /// Why.
        error: PriorError,
    },
    /// An access offset that is no region and time.
    #[error("--access-offset {given}: write a region and milliseconds, such as NG=30")]
    AccessOffset {
        /// As it was given.
        given: String,
    },
    /// An access offset that cannot be.
    #[error(transparent)]
    Offset(OffsetError),
    /// The command names a file of weights and does not hold it.
    #[error("--weights {file}: the file did not come with the command; are both of one version?")]
    WeightsLeftBehind {
        /// The file's name.
        file: String,
    },
    /// An invitation that cannot be.
    #[error(transparent)]
    Invitation(RegistryError),
    /// A node that cannot be.
    #[error("{}", of_options(.0))]
    Node(TargetsError),
}

/// What is wrong with a node that options made: no line of its file, for that was never written.
fn of_options(error: &TargetsError) -> String {
    match error {
        TargetsError::Value { node, wrong, .. } => match **wrong {
            NodeError::NoPlace => {
                format!("node {node:?}: say where it stands: --place 'City, CC', or --location LAT,LON")
            }
            _ => format!("node {node:?}: {wrong}"),
        },
        other => chain(other),
    }
}
