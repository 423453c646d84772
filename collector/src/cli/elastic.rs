//! What is asked of Elasticsearch.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::Format;

/// Elasticsearch.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum ElasticCommand {
    /// Make what must stand in the cluster: index templates with strict mappings, and a lifecycle policy where it has
    /// these. What stands there already is kept; what is somebody else's is named and left alone.
    #[command(after_help = "Examples:
  isochrone-collector elastic setup --user elastic --password-file ./elastic-password --dry-run
  isochrone-collector elastic setup --user elastic --password-file ./elastic-password
  isochrone-collector elastic setup --role > role.json      the least that the sink's account must be allowed
  isochrone-collector elastic setup --queries               ES|QL, to paste into Kibana")]
    Setup(SetupArgs),
    /// Send everything since an instant again, whatever was sent before: for an index that was deleted. What is there
    /// already stays as it is.
    #[command(after_help = "Example:
  isochrone-collector elastic backfill --since 7d")]
    Backfill {
        /// Slots from so long ago on, such as 7d or 12h.
        #[arg(long, value_name = "DURATION")]
        since: String,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Compare the store with the cluster, by kind and day: what is missing there, and what is too much. Nothing is ever
    /// deleted.
    #[command(after_help = "Examples:
  isochrone-collector elastic verify --since 1d
  isochrone-collector elastic verify --repair               sends what is missing
  isochrone-collector elastic verify --format json

Exit codes: 0 equal, 1 they differ or could not be compared.")]
    Verify(VerifyArgs),
    /// Send documents again that the cluster refused, after somebody put right why.
    #[command(after_help = "Example:
  isochrone-collector elastic retry /var/lib/isochrone-collector/elastic-dead-letters.ndjson")]
    Retry {
        /// The file of dead letters: elastic-dead-letters.ndjson in the state folder, or a copy.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// What is made, and as whom.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct SetupArgs {
    /// Show every change and make none.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the role of the sink's account as JSON, and do nothing else. The cluster is not asked.
    #[arg(long, conflicts_with_all = ["dry_run", "queries"])]
    pub role: bool,
    /// Print ES|QL queries worth saving, and do nothing else. The cluster is not asked.
    #[arg(long, conflicts_with = "dry_run")]
    pub queries: bool,
    /// Make it as this user, who may do more than the sink's account.
    #[arg(long, requires = "password_file", value_name = "NAME")]
    pub user: Option<String>,
    /// The file whose first line is that user's password.
    #[arg(long, requires = "user", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct VerifyArgs {
    /// Days from so long ago on, such as 7d [default: as far as single measurements are kept].
    #[arg(long, value_name = "DURATION")]
    pub since: Option<String>,
    /// Send what is missing.
    #[arg(long)]
    pub repair: bool,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

impl ElasticCommand {
    /// Whether it works on files and the cluster alone.
    #[must_use]
    pub const fn needs_no_store(&self) -> bool {
        match self {
            Self::Setup(_) | Self::Retry { .. } => true,
            Self::Backfill { .. } | Self::Verify(_) => false,
        }
    }
}
