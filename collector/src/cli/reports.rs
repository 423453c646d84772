//! What reports are asked for, and of which time.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use super::{ReportFormat, milliseconds};

/// What the log says, over a window of time.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum ReportCommand {
    /// Which cities have a node within which round-trip time, and what the mesh cannot say.
    #[command(after_help = "Examples:
  isochrone-collector report coverage --since 7d
  isochrone-collector report coverage --format html > coverage.html
  isochrone-collector report coverage --regions subdivisions --format csv > regions.csv
  isochrone-collector report coverage --sites sites.csv --rtt rtt.csv --nodes berlin,tokyo")]
    Coverage(Box<CoverageArgs>),
    /// Too many or too few nodes: what each is worth, where the next one belongs, and what to measure before deciding.
    #[command(mut_arg("imported", |option| option.hide(true)))]
    #[command(mut_arg("since", |option| option.help("From so long ago until now, such as 15d or 30d [default: 15d]")))]
    #[command(after_help = "Examples:
  isochrone-collector report count
  isochrone-collector report count --since 30d --drop-ms 0.5 --add-ms 3 --format html > count.html
  isochrone-collector report count --sites sites.csv --rtt rtt.csv --nodes berlin,tokyo")]
    Count(Box<CountArgs>),
    /// Per node and day: availability, time to first byte, outages.
    #[command(after_help = "Examples:
  isochrone-collector report nodes --since 7d
  isochrone-collector report nodes --since 15d --format html > nodes.html")]
    Nodes {
        /// How far back.
        #[command(flatten)]
        window: WindowArgs,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
    },
}

impl ReportCommand {
    /// What the reports that also come from files are made from.
    pub fn coverage_args(&mut self) -> Option<&mut CoverageArgs> {
        match self {
            Self::Coverage(args) => Some(&mut **args),
            Self::Count(args) => Some(&mut args.coverage),
            Self::Nodes { .. } => None,
        }
    }
}

/// What `report count` is made from.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct CountArgs {
    /// The same as coverage.
    #[command(flatten)]
    pub coverage: CoverageArgs,
    /// A node whose loss makes the mean time longer by less than so many milliseconds may go.
    #[arg(long, default_value_t = 1.0, value_parser = milliseconds, value_name = "MS")]
    pub drop_ms: f64,
    /// A node is wanted that makes the mean time shorter by more than so many milliseconds.
    #[arg(long, default_value_t = 2.0, value_parser = milliseconds, value_name = "MS")]
    pub add_ms: f64,
}

/// What `report coverage` is made from.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct CoverageArgs {
    /// How far back.
    #[command(flatten)]
    pub window: WindowArgs,
    /// What counts: people (per city), sites (every vantage 1), or a file with site,weight.
    #[arg(long, default_value = "people", value_name = "people|sites|FILE")]
    pub weights: String,
    /// The text of that file, read by whoever gave the command.
    #[arg(skip)]
    pub weights_file: Option<String>,
    /// Measured sites instead of a store: site, latitude, longitude[, country].
    #[arg(long, requires = "rtt", requires = "nodes", conflicts_with_all = ["since", "from", "to"], value_name = "FILE")]
    pub sites: Option<PathBuf>,
    /// Round-trip times between the sites: source, destination, rtt_ms (or min_rtt_ms, p50_rtt_ms).
    #[arg(long, requires = "sites", value_name = "FILE")]
    pub rtt: Option<PathBuf>,
    /// Which of the sites are nodes.
    #[arg(long, requires = "sites", value_delimiter = ',', value_name = "NAME,NAME,…")]
    pub nodes: Vec<String>,
    /// Of what was imported of others' probers, and nothing of our own; where no window is named, of all of it.
    #[arg(long, conflicts_with = "sites")]
    #[serde(default)]
    pub imported: bool,
    /// Further weights, the prior, targets and offsets.
    #[command(flatten)]
    pub engine: Box<EngineArgs>,
    /// By what regions: countries and continents, or ISO 3166-2 subdivisions too.
    #[arg(long, value_enum, default_value_t = RegionsArg::Countries)]
    #[serde(default)]
    pub regions: RegionsArg,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// By what regions a report on coverage gives figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum RegionsArg {
    /// Countries and continents.
    #[default]
    Countries,
    /// Subdivisions of countries too, such as US-CA.
    Subdivisions,
}

/// What predictions, targets and further weights are.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct EngineArgs {
    /// Further weights beside, such as measured demand: a file as --weights takes it.
    #[arg(long, value_name = "FILE")]
    pub demand: Option<String>,
    /// The text of that file.
    #[arg(skip)]
    pub demand_file: Option<String>,
    /// The share of people who use the internet: country, internet_share (0 to 1).
    #[arg(long, value_name = "FILE")]
    pub internet_shares: Option<String>,
    /// The text of that file.
    #[arg(skip)]
    pub internet_file: Option<String>,
    /// What predictions rest on beside own times: none, or a file [default: the one in the program].
    #[arg(long, value_name = "none|FILE")]
    pub prior: Option<String>,
    /// The bytes of that file.
    #[arg(skip)]
    pub prior_file: Option<Vec<u8>>,
    /// What a user's own line adds in a region, such as NG=30, continent:AF=20 or *=5; may be given several times.
    #[arg(long, value_name = "REGION=MS")]
    pub access_offset: Vec<String>,
    /// The target of the median time to first byte, in milliseconds [default: 350].
    #[arg(long, value_parser = milliseconds, value_name = "MS")]
    pub target_ttfb_ms: Option<f64>,
    /// The target of throughput, in megabits a second [default: 20].
    #[arg(long, value_name = "MBPS")]
    pub target_mbps: Option<f64>,
    /// Hold so many of the heaviest countries against the targets.
    #[arg(long, value_name = "COUNT")]
    pub top_countries: Option<usize>,
    /// What resampling and joint draws begin from; the same data and seed give the same report.
    #[arg(long, default_value_t = DEFAULT_SEED, value_name = "NUMBER")]
    pub seed: u64,
}

/// The seed of every report that nobody gives another.
pub const DEFAULT_SEED: u64 = 0x15_0C_17_0E;

/// What `locate` is made from.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct LocateArgs {
    /// How far back.
    #[command(flatten)]
    pub window: WindowArgs,
    /// Sites whose place is known for sure from elsewhere: only they can confirm others.
    #[arg(long, value_delimiter = ',', value_name = "NAME,NAME,…")]
    pub sure: Vec<String>,
    /// A database of addresses (GeoLite2, DB-IP), as one more witness that counts in no verdict; may be given
    /// several times.
    #[arg(long, value_name = "FILE")]
    pub mmdb: Vec<PathBuf>,
    /// Measured sites instead of a store: site, latitude, longitude[, network].
    #[arg(long, requires = "rtt", conflicts_with_all = ["since", "from", "to", "mmdb"], value_name = "FILE")]
    pub sites: Option<PathBuf>,
    /// Round-trip times between the sites: source, destination, rtt_ms (or min_rtt_ms, p50_rtt_ms).
    #[arg(long, requires = "sites", value_name = "FILE")]
    pub rtt: Option<PathBuf>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
}

/// A window of time.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct WindowArgs {
    /// From so long ago until now, such as 7d or 12h [default: 7d].
    #[arg(long, conflicts_with_all = ["from", "to"], value_name = "DURATION")]
    pub since: Option<String>,
    /// From this instant (RFC 3339, UTC).
    #[arg(long, value_name = "INSTANT")]
    pub from: Option<String>,
    /// Until this instant [default: now].
    #[arg(long, value_name = "INSTANT")]
    pub to: Option<String>,
}
