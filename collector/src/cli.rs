//! The command line: what can be said, and who carries it out.
//!
//! `serve` and `up` run here. Every other command is an [`Command`]: the running collector carries it out for us
//! through its control socket, or, where none runs, this process opens the store itself.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use isochrone_base::names::composed;
use serde::{Deserialize, Serialize};

/// Knows which node is down and where from, and where nodes cover the world.
#[derive(Debug, Parser)]
#[command(name = "isochrone-collector", version = crate::VERSION, about, propagate_version = true)]
#[command(after_help = "Examples:
  isochrone-collector up --demo            a whole mesh on this machine, to look around
  isochrone-collector serve                run as a service
  isochrone-collector probe invite --worker ada --site 'Berlin, DE'
  isochrone-collector report nodes --since 7d

Exit codes: 0 done, 1 failed, 2 wrong usage, 64 wrong configuration; those of `status` are in its help.")]
pub struct Cli {
    /// Configuration file [default: /etc/isochrone/collector.toml, or under $XDG_CONFIG_HOME].
    #[arg(long, env = "ISOCHRONE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// State folder: store, authority, control socket [default: /var/lib/isochrone-collector, or under
    /// $XDG_STATE_HOME].
    #[arg(long, env = "ISOCHRONE_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub program: Program,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Program {
    /// Start here: make what is missing, run the collector and a probe on this machine.
    #[command(after_help = "Examples:
  isochrone-collector up --site 'Berlin, DE'   collector, page and a probe on this machine
  isochrone-collector up --demo               ten simulated places and nine nodes; a story of two minutes")]
    Up {
        /// A simulated world of probes and nodes on this machine, with a story. Everything says DEMO.
        #[arg(long)]
        demo: bool,
        /// Where this machine stands, "City, CC" [default: the city of its time zone].
        #[arg(long, conflicts_with = "demo", value_name = "CITY, CC")]
        site: Option<String>,
    },
    /// One probe of the demo; its orders come on standard input.
    #[command(
        hide = true,
        after_help = "Example: none; `isochrone-collector up --demo` starts it."
    )]
    DemoProbe,
    /// Run the collector (as a service; see deploy/).
    #[command(after_help = "Example:
  isochrone-collector --config /etc/isochrone/collector.toml serve")]
    Serve {
        /// For the demo.
        #[command(flatten)]
        options: ServeOptions,
    },
    /// One-shot commands.
    #[command(flatten)]
    Command(Command),
}

/// What the demo tells the collector it starts.
#[derive(Clone, Debug, Default, Args)]
pub struct ServeOptions {
    /// Everything this collector shows is marked as DEMO.
    #[arg(long, hide = true)]
    pub demo_source: bool,
}

/// A command that a running collector can carry out for another process.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum Command {
    /// Is all well? In a line or two, with an exit code for scripts.
    #[command(after_help = "Example: a reminder for those who do not look at the page
  isochrone-collector status || echo 'look at Isochrone'

Exit codes: 0 well, 1 something is wrong, 3 cannot tell.")]
    Status {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Invite, list and revoke probes.
    #[command(subcommand)]
    Probe(ProbeCommand),
    /// Add, pause, remove and list the nodes that are checked (edits targets.toml).
    #[command(subcommand)]
    Target(TargetCommand),
    /// Every failure of a node in a window: when, seen from where, which phase, which error.
    #[command(after_help = "Example: what happened in Tokyo at 03:00?
  isochrone-collector show tokyo --from 2026-11-22T02:50:00Z --to 2026-11-22T03:10:00Z")]
    Show {
        /// The node's name.
        #[arg(value_parser = name)]
        node: String,
        /// How far back.
        #[command(flatten)]
        window: WindowArgs,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// What the log says, over a window of time.
    #[command(subcommand)]
    Report(ReportCommand),
    /// Can sites stand where they say? By light alone: what contradicts a place, and how far the others are proved.
    #[command(after_help = "Examples:
  isochrone-collector locate
  isochrone-collector locate --format html > locate.html
  isochrone-collector locate --sure ada-berlin --mmdb GeoLite2-City.mmdb
  isochrone-collector locate --sites sites.csv --rtt rtt.csv")]
    Locate(Box<LocateArgs>),
    /// The account of every planned slot: what was run, skipped, stored, dropped.
    #[command(after_help = "Examples:
  isochrone-collector ledger
  isochrone-collector ledger --verify          also re-reads and recounts every stored batch
  isochrone-collector ledger --accept-damage all  says that you know of all damage it names; only new damage is told of
  isochrone-collector ledger --accept-damage 3    of damaged row 3 alone
  isochrone-collector ledger --format json")]
    Ledger {
        /// Re-read every stored batch and count again, instead of trusting the counters.
        #[arg(long)]
        verify: bool,
        /// Accept damage that the ledger names: row NUMBER, or all. It stays listed; `--verify`, page and reports no
        /// longer complain of it. Logged with who did it.
        #[arg(long, value_name = "NUMBER|all", conflicts_with = "verify")]
        accept_damage: Option<Accepted>,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Write out what is stored.
    #[command(subcommand)]
    Export(ExportCommand),
    /// The store itself: its files.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Who did what and when: invitations, joins, revocations, edits of the targets.
    #[command(after_help = "Example:
  isochrone-collector audit --format json")]
    Audit {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

impl Command {
    /// Whether it only reads the store: then it makes none where there is none yet.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Target(command) => matches!(command, TargetCommand::List { .. }),
            command => !matches!(command, Self::Probe(ProbeCommand::Invite { .. })), // accepting needs damage
        }
    }
}

/// Which damage is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Accepted {
    /// All there is.
    All,
    /// One row.
    Row(u64),
}

impl std::str::FromStr for Accepted {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            number => Ok(Self::Row(number.parse()?)),
        }
    }
}

/// Who measures: invitations, and those who came.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum ProbeCommand {
    /// Print a script with a token that a worker pastes on their server.
    #[command(after_help = "Examples:
  isochrone-collector probe invite --worker ada --site 'Berlin, DE'
  isochrone-collector probe invite --worker bob --site 'Osaka, JP' --location 34.69,135.50 --network 64501
  isochrone-collector probe invite --worker eve --site 'Lima, PE' --valid 24h --format json")]
    Invite {
        /// Whose server it is; a worker's probe never judges the worker's own node.
        #[arg(long, value_parser = name)]
        worker: String,
        /// City and country, "City, CC".
        #[arg(long, value_parser = name)]
        site: String,
        /// Latitude,longitude in degrees, where the city alone is not exact enough or not known.
        #[arg(long, allow_hyphen_values = true, value_name = "LAT,LON")]
        location: Option<String>,
        /// AS number of the server's network.
        #[arg(long, value_name = "ASN", value_parser = as_number)]
        network: Option<u32>,
        /// What kind of line the server sits on; kinds are never mixed in a report.
        #[arg(long, value_enum, default_value_t = AccessArg::DataCentre)]
        access: AccessArg,
        /// The probe's name [default: made from worker and city].
        #[arg(long)]
        name: Option<String>,
        /// How long the invitation is good for.
        #[arg(long, default_value = "72h", value_name = "DURATION")]
        valid: String,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Every probe: place, network, connected since when, spool, plan.
    #[command(after_help = "Example:
  isochrone-collector probe list --format json")]
    List {
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Shut a probe out for good; its connection is closed at once.
    #[command(after_help = "Example:
  isochrone-collector probe revoke ada-berlin")]
    Revoke {
        /// The probe's name or id.
        #[arg(value_parser = name)]
        probe: String,
    },
}

/// A name as it is typed or pasted, in Unicode's composed form.
fn name(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(composed(text))
}

/// An AS number, with or without the letters that listings print before it.
fn as_number(text: &str) -> Result<u32, String> {
    let digits = text.get(..2).filter(|head| head.eq_ignore_ascii_case("as"));
    let digits = digits.map_or(text, |_| text[2..].trim_start());
    digits
        .parse()
        .map_err(|_| "write the AS number, such as 64500 or \"AS 64500\"".to_owned())
}

/// A number of milliseconds that is not negative.
fn milliseconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|ms: &f64| ms.is_finite() && *ms >= 0.0);
    number.ok_or_else(|| "write a number of milliseconds, such as 1.5".to_owned())
}

/// What kind of line a server sits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum AccessArg {
    /// A rented or own server.
    DataCentre,
    /// A home or mobile line, as users have.
    Eyeball,
    /// Not known.
    Unknown,
}

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

/// What the log says, over a window of time.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum ReportCommand {
    /// Which cities have a node within which round-trip time, and what the mesh cannot say.
    #[command(after_help = "Examples:
  isochrone-collector report coverage --since 7d
  isochrone-collector report coverage --format html > coverage.html
  isochrone-collector report coverage --sites sites.csv --rtt rtt.csv --nodes berlin,tokyo")]
    Coverage(Box<CoverageArgs>),
    /// Too many or too few nodes: what each is worth, where the next one belongs, and what to measure before deciding.
    #[command(after_help = "Examples:
  isochrone-collector report count --since 15d
  isochrone-collector report count --since 15d --drop-ms 0.5 --add-ms 3 --format html > count.html
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
    /// Further weights, the prior, targets and offsets.
    #[command(flatten)]
    pub engine: Box<EngineArgs>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
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
}

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

/// The log itself, for other programs.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum ExportCommand {
    /// Every stored measurement with its id, one JSON object a line.
    #[command(after_help = "Example:
  isochrone-collector export ndjson --since 1d > measurements.ndjson")]
    Ndjson {
        /// Which slots; all where nothing is said.
        #[command(flatten)]
        window: ExportWindow,
    },
}

/// The store itself.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum StoreCommand {
    /// The Parquet files that together hold each sealed measurement once. They stay for ten minutes at least.
    #[command(after_help = "Examples:
  isochrone-collector store files
  isochrone-collector store files --format json")]
    Files {
        /// How to print them: text is one path a line.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

/// A window of slots to export; everything by default.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct ExportWindow {
    /// Slots from so long ago on, such as 1d or 12h.
    #[arg(long, conflicts_with_all = ["from", "to"], value_name = "DURATION")]
    pub since: Option<String>,
    /// Slots from this instant on (RFC 3339, UTC).
    #[arg(long, value_name = "INSTANT")]
    pub from: Option<String>,
    /// Slots before this instant.
    #[arg(long, value_name = "INSTANT")]
    pub to: Option<String>,
}

/// How a listing is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Format {
    /// For people, at most 100 columns.
    Text,
    /// For programs.
    Json,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum ReportFormat {
    /// For people, at most 100 columns.
    #[default]
    Text,
    /// For programs.
    Json,
    /// A page that needs nothing else.
    Html,
    /// Markdown.
    Md,
    /// Comma-separated values.
    Csv,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        fn walk(command: &clap::Command) {
            let leaf = command.get_subcommands().next().is_none();
            if leaf && command.get_name() != "help" {
                let help = command
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(
                    help.contains("isochrone-collector"),
                    "{} has no example",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }

    #[test]
    fn names_are_composed_however_they_were_typed() {
        let words = ["isochrone-collector", "show", "ko\u{308}ln"];
        let Program::Command(Command::Show { node, .. }) = Cli::parse_from(words).program else {
            panic!("a command")
        };
        assert_eq!(node, "köln");
    }

    #[test]
    fn as_number_is_read_with_and_without_its_letters() {
        for text in ["64500", "AS64500", "AS 64500", "as 64500"] {
            assert_eq!(as_number(text), Ok(64_500), "{text}");
        }
        for text in ["", "AS", "AS-1", "64500x", "4294967296", "ä"] {
            assert!(as_number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_act_survives_the_control_socket() {
        let cli = Cli::parse_from([
            "isochrone-collector",
            "show",
            "tokyo",
            "--from",
            "2026-11-22T02:50:00Z",
        ]);
        let Program::Command(command) = cli.program else {
            panic!("a command")
        };
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command);
    }

    #[test]
    fn format_that_a_command_does_not_have_is_wrong_usage() {
        for (line, has_all) in [
            ("report coverage", true),
            ("report nodes", true),
            ("report count", true),
            ("locate", true),
            ("ledger", false),
            ("audit", false),
            ("show tokyo", false),
            ("probe list", false),
            ("target list", false),
            ("probe invite --worker ada --site x", false),
        ] {
            for format in ["text", "json", "html", "md", "csv"] {
                let words = format!("isochrone-collector {line} --format {format}");
                let parsed = Cli::try_parse_from(words.split(' '));
                let expected = has_all || ["text", "json"].contains(&format);
                assert_eq!(parsed.is_ok(), expected, "{words}");
                if let Err(error) = parsed {
                    assert_eq!(error.exit_code(), 2);
                }
            }
        }
    }
}
