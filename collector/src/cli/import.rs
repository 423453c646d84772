//! What the group measured before, and is taken in.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use isochrone_borrowed::Platform;
use isochrone_chain::Topology;
use isochrone_store::borrowed::BorrowedBatch;
use isochrone_store::imported::{ImportBatch, ImportedIndex};
use serde::{Deserialize, Serialize};

#[cfg(not(feature = "elasticsearch"))]
use super::AbsentArgs;
use super::{Format, name};

/// What others measured.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum ImportCommand {
    /// Take in a file of documents, one a line: as they were written, as a dump has them, or as a bulk request; also packed
    /// by gzip.
    #[command(after_help = "Examples:
  isochrone-collector import ndjson pings.ndjson --as operators-ping --dry-run
  isochrone-collector import ndjson pings.ndjson --as operators-ping
  zcat old/*.gz | isochrone-collector import ndjson - --as distributors-status

The same file twice changes nothing, nor do files that overlap. Exit codes: 0 done, also where some documents were refused;
1 nothing could be taken in.")]
    #[cfg(feature = "elasticsearch")]
    Ndjson {
        /// The file; - is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Whose documents they are.
        #[arg(long = "as", value_enum, value_name = "INDEX")]
        index: IndexName,
        /// The same for both ways.
        #[command(flatten)]
        options: ImportOptions,
    },
    /// Take in an index of an Elasticsearch (7.12 or later; its account needs no more than `read` on the index). What was
    /// interrupted goes on with the same command.
    #[command(after_help = "Examples:
  isochrone-collector import elasticsearch --url https://es.example.org:9200 --index operators-ping \\
      --user reader --password-file ./es-password --dry-run
  isochrone-collector import elasticsearch --url https://es.example.org:9200 --index operators-ping \\
      --user reader --password-file ./es-password
  isochrone-collector import elasticsearch --url https://es.example.org:9200 --index old-pings --as operators-ping \\
      --api-key-file ./es-key --ca ./es-ca.pem --since 90d

Exit codes: 0 done, also where some documents were refused; 1 nothing could be taken in, or it was interrupted.")]
    #[cfg(feature = "elasticsearch")]
    Elasticsearch {
        /// Which cluster, and as whom.
        #[command(flatten)]
        from: Box<ImportFrom>,
        /// The same for both ways.
        #[command(flatten)]
        options: ImportOptions,
    },
    /// Not in this program: it was built without the feature `elasticsearch`.
    #[cfg(not(feature = "elasticsearch"))]
    #[command(
        hide = true,
        disable_help_flag = true,
        after_help = "Example: none; `isochrone-collector` was built without it."
    )]
    Ndjson(AbsentArgs),
    /// Not in this program: it was built without the feature `elasticsearch`.
    #[cfg(not(feature = "elasticsearch"))]
    #[command(
        hide = true,
        disable_help_flag = true,
        after_help = "Example: none; `isochrone-collector` was built without it."
    )]
    Elasticsearch(AbsentArgs),
    /// Take in what probes of RIPE Atlas measured of nodes and candidates: results of ping, TLS and HTTP as its API gives
    /// them or its stream does, also packed by gzip.
    #[command(after_help = "Examples:
  curl -o results.json 'https://atlas.ripe.net/api/v2/measurements/90000001/results/?format=json'
  curl -o probes.json 'https://atlas.ripe.net/api/v2/probes/?id__in=60001,60002&page_size=500'
  isochrone-collector import atlas results.json --probes probes.json --dry-run
  isochrone-collector import atlas results.json --probes probes.json
  isochrone-collector import atlas results.json more.json.gz --probes probes.json --format json

A list of probes says where they stand; probes of earlier imports are known. Results of other targets than nodes and
[[candidate]] of targets.toml are counted and named, and not taken in. The same file twice changes nothing. Exit codes: 0
done, also where some results were refused; 1 nothing could be taken in, or a file could not be read to its end.")]
    Atlas {
        /// Files of results; - is standard input.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// A list of probes, as the API or the daily archive has it; may be given several times.
        #[arg(long, value_name = "FILE")]
        probes: Vec<PathBuf>,
        /// The same for both platforms.
        #[command(flatten)]
        options: BorrowedOptions,
    },
    /// Take in what probes of Globalping measured of nodes and candidates: measurements of ping, mtr and http as its API
    /// gives them, also packed by gzip.
    #[command(after_help = "Examples:
  curl -o nairobi.json https://api.globalping.io/v1/measurements/ID
  isochrone-collector import globalping nairobi.json --dry-run
  isochrone-collector import globalping *.json
  isochrone-collector import globalping *.json --format json

Results of other targets than nodes and [[candidate]] of targets.toml are counted and named, and not taken in. The same file
twice changes nothing. Exit codes: 0 done, also where some results were refused; 1 nothing could be taken in, or a file could
not be read to its end.")]
    Globalping {
        /// Files of measurements; - is standard input.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// The same for both platforms.
        #[command(flatten)]
        options: BorrowedOptions,
    },
    /// Say where an imported vantage stands: only then is it in `report coverage --imported`.
    #[command(after_help = "Example:
  isochrone-collector import place prober-eu 'Berlin, DE'")]
    Place {
        /// The name that the prober gave itself.
        #[arg(value_name = "VANTAGE")]
        vantage: String,
        /// City and country, "City, CC".
        #[arg(value_parser = name, value_name = "PLACE")]
        place: String,
    },
    /// Every imported vantage, and every borrowed one: how much it measured, from when to when, and where it stands.
    #[command(after_help = "Examples:
  isochrone-collector import list
  isochrone-collector import list --format json")]
    List {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Take an imported vantage out again, with all of its documents, or what was taken in of a public platform: as if it had
    /// never been imported. Without --confirm it only says what would go.
    #[command(after_help = "Examples:
  isochrone-collector import remove prober-eu
  isochrone-collector import remove prober-eu --confirm prober-eu
  isochrone-collector import remove prober-eu --index operators-ping --confirm prober-eu
  isochrone-collector import remove 60001 --platform atlas --dry-run
  isochrone-collector import remove 60001 --platform atlas --confirm 60001
  isochrone-collector import remove --platform atlas --measurement 90000001 --confirm 90000001
  isochrone-collector import remove --platform globalping --confirm globalping

Whoever it was taken from still has it: it can be imported again. What is removed stands in the audit log. Exit codes: 0
removed, or said what would go, or with --confirm nothing of that name was there (any more); 1 without --confirm, nothing of
that name is there.")]
    Remove {
        /// The name that the prober gave itself, or the platform its vantage.
        #[arg(value_name = "VANTAGE", required_unless_present = "platform")]
        vantage: Option<String>,
        /// Only documents of this index.
        #[arg(long, value_enum, conflicts_with = "platform", value_name = "INDEX")]
        index: Option<IndexName>,
        /// What this public platform measured: of the vantage, of --measurement, or all of it.
        #[arg(long, value_enum, value_name = "PLATFORM")]
        #[serde(default)]
        platform: Option<PlatformName>,
        /// Only this measurement of the platform, as it calls it.
        #[arg(long, requires = "platform", value_name = "ID")]
        #[serde(default)]
        measurement: Option<String>,
        /// The name once more (of the vantage, else of the measurement, else of the platform): then it is removed.
        #[arg(long, value_name = "NAME")]
        confirm: Option<String>,
        /// Only say what would go, as without --confirm.
        #[arg(long, conflicts_with = "confirm")]
        #[serde(default)]
        dry_run: bool,
    },
    /// The chain: families, buckets and operators, from its GraphQL indexer or from a file with the indexer's answer. The last good
    /// copy is kept; `report audit` judges it.
    #[command(after_help = "Examples:
  isochrone-collector import topology https://query.example.org/graphql
  isochrone-collector import topology topology.json

To have it followed, name the indexer under [topology] in collector.toml. Exit codes: 0 taken in, 1 not: what is kept stays.")]
    Topology {
        /// Where the indexer takes queries (https://…), or a file.
        #[arg(value_name = "SOURCE")]
        source: String,
        /// Even if it is older than what is kept, or empty.
        #[arg(long)]
        anyway: bool,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// A chain that was read elsewhere.
    #[command(skip)]
    TakeTopology {
        /// It.
        topology: Box<Topology>,
        /// Who told it.
        from: String,
        /// Even if it is older than what is kept, or empty.
        anyway: bool,
    },
    /// Documents that were read elsewhere.
    #[command(skip)]
    Take {
        /// They.
        batch: ImportBatch,
        /// Only say what would come of it.
        dry_run: bool,
    },
    /// Whose results of public platforms are wanted, and which vantages are known.
    #[command(skip)]
    Wanted {
        /// Whose.
        platform: Platform,
    },
    /// Measurements of a public platform that were read elsewhere.
    #[command(skip)]
    TakeBorrowed {
        /// They.
        batch: BorrowedBatch,
        /// Only say what would come of it.
        dry_run: bool,
    },
    /// What was taken in of a public platform, for the audit log.
    #[command(skip)]
    NoteBorrowed {
        /// In words.
        what: String,
    },
    /// How far an import came that was interrupted.
    #[command(skip)]
    Reached {
        /// What is imported.
        from: String,
    },
}

/// Which cluster, and as whom.
#[cfg(feature = "elasticsearch")]
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct ImportFrom {
    /// A node of the cluster; may be given several times.
    #[arg(long, required = true, value_name = "URL")]
    pub url: Vec<String>,
    /// The index's name there.
    #[arg(long, value_name = "NAME")]
    pub index: String,
    /// Whose documents they are, where the index is called otherwise [default: as the index is called].
    #[arg(long = "as", value_enum, value_name = "INDEX")]
    pub shape: Option<IndexName>,
    /// A PEM file of the authority that the nodes' certificates are checked with, beside the public ones.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// As whom.
    #[arg(long, requires = "password_file", value_name = "NAME")]
    pub user: Option<String>,
    /// The file whose first line is the user's password.
    #[arg(long, requires = "user", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The file whose first line is an API key as the server gave it, instead of a user.
    #[arg(long, conflicts_with = "user", value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// Only documents from so long ago on, such as 90d; then nothing interrupted is gone on with.
    #[arg(long, value_name = "DURATION")]
    pub since: Option<String>,
}

/// The same for both ways.
#[cfg(feature = "elasticsearch")]
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct ImportOptions {
    /// Only say what would come.
    #[arg(long)]
    pub dry_run: bool,
    /// Write every document that is refused into this file, a JSON line each with its reason.
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// The same for both platforms.
#[derive(Clone, Copy, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct BorrowedOptions {
    /// Only say what would come.
    #[arg(long)]
    pub dry_run: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Whose vantages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum PlatformName {
    /// RIPE Atlas.
    Atlas,
    /// Globalping.
    Globalping,
}

impl From<PlatformName> for Platform {
    fn from(name: PlatformName) -> Self {
        match name {
            PlatformName::Atlas => Self::Atlas,
            PlatformName::Globalping => Self::Globalping,
        }
    }
}

/// Whose documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum IndexName {
    /// Since November 2023.
    OperatorsPing,
    /// Of 2023.
    DistributorsStatus,
}

impl From<IndexName> for ImportedIndex {
    fn from(name: IndexName) -> Self {
        match name {
            IndexName::OperatorsPing => Self::OperatorsPing,
            IndexName::DistributorsStatus => Self::DistributorsStatus,
        }
    }
}

impl ImportCommand {
    /// Whether whoever gave the command reads what it names: files and secrets never go to the collector.
    #[must_use]
    pub const fn reads_here(&self) -> bool {
        match self {
            Self::Atlas { .. } | Self::Globalping { .. } | Self::Topology { .. } => true,
            #[cfg(feature = "elasticsearch")]
            Self::Ndjson { .. } | Self::Elasticsearch { .. } => true,
            _ => false,
        }
    }

    /// Whether it needs what this program was built without.
    #[cfg(not(feature = "elasticsearch"))]
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Ndjson(_) | Self::Elasticsearch(_))
    }

    /// Whether it puts something into the store.
    #[must_use]
    pub const fn takes_in(&self) -> bool {
        matches!(
            self,
            Self::Take { dry_run: false, .. }
                | Self::TakeBorrowed { dry_run: false, .. }
                | Self::NoteBorrowed { .. }
                | Self::TakeTopology { .. }
        )
    }
}
