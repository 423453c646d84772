//! What is said of nodes.

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use super::{Format, as_number, name};

/// What is measured: the nodes of targets.toml.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum TargetCommand {
    /// Add a node. Naming a host is approving that probes call it.
    #[command(after_help = "Example:
  isochrone-collector target add berlin --url https://node.example.org/distributor/ \\
      --worker ada --place 'Berlin, DE' --asset 1343 --network 64500")]
    Add(NodeArgs),
    /// Change what targets.toml says of a node; what is not named stays.
    #[command(after_help = "Examples:
  isochrone-collector target set berlin --interval 5s
  isochrone-collector target set berlin --asset 1343
  isochrone-collector target set berlin --unset interval")]
    Set(Box<NodeChanges>),
    /// Stop checking a node for a while; `--resume` goes on.
    #[command(after_help = "Examples:
  isochrone-collector target pause berlin
  isochrone-collector target pause berlin --resume")]
    Pause {
        /// The node's name.
        #[arg(value_parser = name)]
        node: String,
        /// Go on checking it.
        #[arg(long)]
        resume: bool,
    },
    /// Take a node out of targets.toml; what was measured stays.
    #[command(after_help = "Example:
  isochrone-collector target remove berlin")]
    Remove {
        /// The node's name.
        #[arg(value_parser = name)]
        node: String,
    },
    /// Take up a node that the chain names and targets.toml does not: only then do probes call it. Without a name it lists those that
    /// wait.
    #[command(after_help = "Examples:
  isochrone-collector target approve
  isochrone-collector target approve 3:0 --worker ada
  isochrone-collector target approve node.example.org --worker ada --name lima

The chain comes from `import topology` or [topology] in collector.toml.")]
    Approve {
        /// Its bucket (family:index) or its host.
        #[arg(value_name = "NODE")]
        node: Option<String>,
        /// Whose node it is, by the name that their probes have too [default: worker-NUMBER].
        #[arg(long, value_parser = name)]
        worker: Option<String>,
        /// What it is to be called [default: made from region and bucket].
        #[arg(long, value_parser = name)]
        name: Option<String>,
    },
    /// Every node of targets.toml, and what is odd about it.
    #[command(after_help = "Example:
  isochrone-collector target list --format json")]
    List {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// A node to add.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct NodeArgs {
    /// Unique name.
    #[arg(value_parser = name)]
    pub node: String,
    /// Base URL.
    #[arg(long)]
    pub url: String,
    /// Whose node it is.
    #[arg(long, value_parser = name)]
    pub worker: String,
    /// "argus" or "http".
    #[arg(long, default_value = "argus")]
    pub kind: String,
    /// What else is known of it.
    #[command(flatten)]
    pub facts: NodeFacts,
}

/// What is to change of a node.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct NodeChanges {
    /// The node's name.
    #[arg(value_parser = name)]
    pub node: String,
    /// Base URL.
    #[arg(long)]
    pub url: Option<String>,
    /// Whose node it is.
    #[arg(long, value_parser = name)]
    pub worker: Option<String>,
    /// What else changes.
    #[command(flatten)]
    pub facts: NodeFacts,
    /// Takes a key out, so that its default holds; may be given several times.
    #[arg(long, value_enum, value_name = "KEY")]
    pub unset: Vec<NodeKey>,
}

/// What may be said of a node.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct NodeFacts {
    /// City and country, "City, CC".
    #[arg(long, value_parser = name)]
    pub place: Option<String>,
    /// Latitude,longitude in degrees, instead of a place.
    #[arg(long, allow_hyphen_values = true, value_name = "LAT,LON")]
    pub location: Option<String>,
    /// AS number.
    #[arg(long, value_name = "ASN", value_parser = as_number)]
    pub network: Option<u32>,
    /// Bucket it serves, "family:index"; given as often as it serves any.
    #[arg(long = "bucket")]
    pub buckets: Vec<String>,
    /// Object that is fetched.
    #[arg(long)]
    pub asset: Option<String>,
    /// Between two connect checks by one probe; ten seconds where the node has none of its own.
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<String>,
}

/// A key of a node that it can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum NodeKey {
    /// Then only its status is checked.
    Asset,
    /// Then nothing is known of what it should serve.
    Buckets,
    /// Then it is the common one.
    Interval,
    /// Then it is not known.
    Network,
}

impl NodeKey {
    /// As it stands in targets.toml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asset => "asset",
            Self::Buckets => "buckets",
            Self::Interval => "interval",
            Self::Network => "network",
        }
    }
}
