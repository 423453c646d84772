//! What reports are asked for, and of which time.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use isochrone_borrowed::lent::Lent;
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
  isochrone-collector report coverage --since 90d --from elasticsearch
  isochrone-collector report coverage --without-borrowed     as it was before eyes of public platforms were imported
  isochrone-collector report coverage --sites sites.csv --rtt rtt.csv --nodes berlin,tokyo")]
    Coverage(Box<CoverageArgs>),
    /// Too many or too few nodes: what each is worth, where the next one belongs, and what to measure before deciding.
    #[command(mut_arg("imported", |option| option.hide(true)))]
    #[command(mut_arg("since", |option| option.help("From so long ago until now, such as 15d or 30d [default: 15d]")))]
    #[command(after_help = "Examples:
  isochrone-collector report count
  isochrone-collector report count --since 30d --drop-ms 0.5 --add-ms 3 --format html > count.html
  isochrone-collector report count --without-borrowed
  isochrone-collector report count --sites sites.csv --rtt rtt.csv --nodes berlin,tokyo")]
    Count(Box<CountArgs>),
    /// Per node and day: availability, time to first byte, outages.
    #[command(after_help = "Examples:
  isochrone-collector report nodes --since 7d
  isochrone-collector report nodes --since 15d --format html > nodes.html
  isochrone-collector report nodes --from elasticsearch --from 2026-08-01T00:00:00Z --to 2026-08-16T00:00:00Z")]
    Nodes {
        /// How far back.
        #[command(flatten)]
        window: WindowArgs,
        /// Leave out what eyes of public platforms measured.
        #[arg(long)]
        #[serde(default)]
        without_borrowed: bool,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
        format: ReportFormat,
    },
    /// Does the chain represent reality: what families, buckets and operators say, held against measurements, with commands drafted
    /// for you to send.
    #[command(mut_arg("from", |option| option.help("Measurements from this instant on (RFC 3339, UTC)")))]
    #[command(after_help = "Examples:
  isochrone-collector report audit
  isochrone-collector report audit --format html > audit.html
  isochrone-collector report audit --since 30d --format json

The chain comes from `import topology` or [topology] in collector.toml. What each rule means: docs/audit.md.")]
    Audit {
        /// How far back measurements are held against it.
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
            Self::Nodes { .. } | Self::Audit { .. } => None,
        }
    }

    /// Whether it is made of what was imported.
    #[must_use]
    pub fn is_of_imported(&self) -> bool {
        match self {
            Self::Coverage(args) => args.imported,
            Self::Count(args) => args.coverage.imported,
            Self::Nodes { .. } | Self::Audit { .. } => false,
        }
    }

    /// Of which time.
    #[must_use]
    pub fn window(&self) -> &WindowArgs {
        match self {
            Self::Coverage(args) => &args.window,
            Self::Count(args) => &args.coverage.window,
            Self::Nodes { window, .. } | Self::Audit { window, .. } => window,
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

/// What `gaps` is made from.
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct GapsArgs {
    /// The same as coverage.
    #[command(flatten)]
    pub coverage: CoverageArgs,
    /// So many eyes at most.
    #[arg(short = 'n', long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100), value_name = "COUNT")]
    pub eyes: u16,
    /// A list of RIPE Atlas's probes, as `import atlas --probes` takes it: eyes then name networks in which probes stand and
    /// nothing was measured. Once for each file.
    #[arg(long, value_name = "FILE")]
    pub probes: Vec<PathBuf>,
    /// What these lists add up to, read by whoever gave the command.
    #[arg(skip)]
    pub lent: Vec<Lent>,
    /// Print the requests for these eyes instead, to all nodes and candidates of targets.toml, ready to send by hand: as a
    /// script for a shell, or with `--format json`. Nothing is sent.
    #[arg(long, value_enum, conflicts_with = "sites", value_name = "PLATFORM")]
    pub draft: Option<DraftArg>,
}

/// Whom requests are drafted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum DraftArg {
    /// RIPE Atlas, for credits.
    Atlas,
    /// Globalping, for tests of an hourly allowance.
    Globalping,
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
    #[arg(long, requires = "rtt", conflicts_with_all = ["since", "from", "to"], value_name = "FILE")]
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
    /// Leave out what eyes of public platforms measured: the advice as it was before they were imported.
    #[arg(long, conflicts_with_all = ["sites", "imported"])]
    #[serde(default)]
    pub without_borrowed: bool,
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
    #[arg(long, conflicts_with = "to", value_name = "DURATION")]
    pub since: Option<String>,
    /// From this instant (RFC 3339, UTC); or `elasticsearch`: of the measurements that lie there instead of the store's.
    /// May be given twice, for both.
    #[arg(long, value_name = "INSTANT|elasticsearch", action = clap::ArgAction::Append)]
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub from: Vec<String>,
    /// Until this instant [default: now].
    #[arg(long, value_name = "INSTANT")]
    pub to: Option<String>,
}

/// The word that `--from` takes beside an instant.
const ELASTICSEARCH: &str = "elasticsearch";

impl WindowArgs {
    /// Whether measurements are read from Elasticsearch.
    #[must_use]
    pub fn is_from_elasticsearch(&self) -> bool {
        self.from.iter().any(|from| from == ELASTICSEARCH)
    }

    /// The instants of `--from`: of a window, one at most.
    pub fn instants(&self) -> impl Iterator<Item = &str> {
        let given = self.from.iter().map(String::as_str);
        given.filter(|from| *from != ELASTICSEARCH)
    }
}

/// An earlier release wrote one text, or none.
fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Many(Vec<String>),
        One(Option<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::Many(many) => many,
        Given::One(one) => one.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_is_an_instant_the_word_for_elasticsearch_or_both() {
        let of = |from: &[&str]| WindowArgs {
            from: from.iter().map(|text| (*text).to_owned()).collect(),
            ..WindowArgs::default()
        };
        let instant = "2026-11-22T03:00:00Z";
        for (given, is_elsewhere, instants) in [
            (&[][..], false, 0),
            (&[instant], false, 1),
            (&["elasticsearch"], true, 0),
            (&["elasticsearch", instant], true, 1),
        ] {
            let window = of(given);
            assert_eq!(window.is_from_elasticsearch(), is_elsewhere, "{given:?}");
            assert_eq!(window.instants().count(), instants, "{given:?}");
        }
    }

    #[test]
    fn window_of_an_earlier_release_is_read() {
        for (text, from) in [
            (r#"{"since":"7d","from":null,"to":null}"#, &[][..]),
            (
                r#"{"since":null,"from":"2026-11-22T03:00:00Z","to":null}"#,
                &["2026-11-22T03:00:00Z"],
            ),
            (r#"{"since":null,"to":null}"#, &[]),
            (
                r#"{"since":null,"from":["elasticsearch"],"to":null}"#,
                &["elasticsearch"],
            ),
        ] {
            let window: WindowArgs = serde_json::from_str(text).unwrap();
            assert_eq!(window.from, from, "{text}");
        }
        let plain = serde_json::to_string(&WindowArgs::default()).unwrap();
        assert!(
            !plain.contains("from"),
            "an earlier collector reads no list: {plain}"
        );
    }
}
