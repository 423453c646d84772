//! The command line: what can be said, and who carries it out.
//!
//! `serve` and `up` run here. Every other command is an [`Command`]: the running collector carries it out for us
//! through its control socket, or, where none runs, this process opens the store itself.

#[cfg(feature = "elasticsearch")]
mod elastic;
mod import;
mod placing;
mod reports;
mod stored;
mod targets;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use isochrone_base::names::composed;
use serde::{Deserialize, Serialize};

#[cfg(feature = "elasticsearch")]
pub use self::elastic::{ElasticCommand, SetupArgs, VerifyArgs};
pub use self::import::{BorrowedOptions, ImportCommand, IndexName, PlatformName};
#[cfg(feature = "elasticsearch")]
pub use self::import::{ImportFrom, ImportOptions};
pub use self::placing::{ObjectiveArg, PlaceArgs, WhatIfArgs, listed};
pub use self::reports::{
    CountArgs, CoverageArgs, DEFAULT_SEED, DraftArg, EngineArgs, GapsArgs, LocateArgs, RegionsArg,
    ReportCommand, WindowArgs,
};
pub use self::stored::{ExportCommand, ExportWindow, StoreCommand, TierName};
pub use self::targets::{NodeArgs, NodeChanges, NodeFacts, NodeKey, TargetCommand};

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
  isochrone-collector up --demo               ten simulated places and nine nodes; a story of two minutes
  isochrone-collector up --demo --elasticsearch http://127.0.0.1:9200")]
    Up {
        /// A simulated world of probes and nodes on this machine, with a story. Everything says DEMO.
        #[arg(long)]
        demo: bool,
        /// Where this machine stands, "City, CC" [default: the city of its time zone].
        #[arg(long, conflicts_with = "demo", value_name = "CITY, CC")]
        site: Option<String>,
        /// With --demo: send it all to this Elasticsearch, too, under names of its own (isochrone-demo-…), and hold the
        /// figures from there against the store's.
        #[cfg(feature = "elasticsearch")]
        #[arg(long, requires = "demo", value_name = "URL")]
        elasticsearch: Option<url::Url>,
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
  isochrone-collector show tokyo --from 2026-11-22T02:50:00Z --to 2026-11-22T03:10:00Z
Of a time that the store keeps no longer:
  isochrone-collector show tokyo --from elasticsearch --from 2026-08-22T02:50:00Z --to 2026-08-22T03:10:00Z")]
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
    /// Where so many nodes should stand: the places, how good the set is and how surely, which others may do as well, and
    /// what to measure before deciding.
    #[command(mut_arg("imported", |option| option.hide(true)))]
    #[command(mut_arg("regions", |option| option.hide(true)))]
    #[command(mut_arg("since", |option| option.help("From so long ago until now, such as 15d or 30d [default: 15d]")))]
    #[command(mut_arg("nodes", |option| option.help("Which of the sites are nodes [default: all of them]")))]
    #[command(after_help = "Examples:
  isochrone-collector place -k 10 --fixed all                      where the next of ten nodes belongs
  isochrone-collector place -k 5 --objective cover:100 --forbid CN
  isochrone-collector place -k 4 --fixed 'berlin,Lagos, NG' --candidates candidates.csv --format md
  isochrone-collector place -k 3 --sites sites.csv --rtt rtt.csv --weights sites")]
    Place(Box<PlaceArgs>),
    /// What another set of nodes would bring: mean and shares today and then, and what they rest on. Calculation only.
    #[command(mut_arg("imported", |option| option.hide(true)))]
    #[command(mut_arg("regions", |option| option.hide(true)))]
    #[command(mut_arg("since", |option| option.help("From so long ago until now, such as 15d or 30d [default: 15d]")))]
    #[command(after_help = "Examples:
  isochrone-collector what-if --add 'Lagos, NG'
  isochrone-collector what-if --add 'Sao Paulo, BR' --remove berlin --format json
  isochrone-collector what-if --remove tokyo --sites sites.csv --rtt rtt.csv --nodes berlin,tokyo")]
    WhatIf(Box<WhatIfArgs>),
    /// Can sites stand where they say? By light alone: what contradicts a place, and how far the others are proved.
    #[command(after_help = "Examples:
  isochrone-collector locate
  isochrone-collector locate --format html > locate.html
  isochrone-collector locate --since 30d --from elasticsearch
  isochrone-collector locate --sure ada-berlin --mmdb GeoLite2-City.mmdb
  isochrone-collector locate --sites sites.csv --rtt rtt.csv")]
    Locate(Box<LocateArgs>),
    /// What to measure next: where a borrowed eye would make it surer which city should get the next node, and the
    /// requests for these eyes.
    #[command(mut_arg("imported", |option| option.hide(true)))]
    #[command(mut_arg("regions", |option| option.hide(true)))]
    #[command(mut_arg("since", |option| option.help("From so long ago until now, such as 15d or 30d [default: 15d]")))]
    #[command(after_help = "Examples:
  isochrone-collector gaps
  isochrone-collector gaps --format csv > gaps.csv
  isochrone-collector gaps --draft globalping > eyes.sh     then read it, and send it by hand
  isochrone-collector gaps --probes probes.json             with networks in which Atlas has probes
  isochrone-collector gaps -n 10 --draft atlas --format json
  isochrone-collector gaps --sites sites.csv --rtt rtt.csv --nodes berlin,tokyo")]
    Gaps(Box<GapsArgs>),
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
    /// Elasticsearch: what must stand there, and whether all that is stored lies there (`[elasticsearch]` in
    /// collector.toml).
    #[cfg(feature = "elasticsearch")]
    #[command(subcommand)]
    Elastic(ElasticCommand),
    /// Take in what others measured: the group before, from Elasticsearch or a file, and probes of RIPE Atlas and Globalping.
    /// It stays apart from our own in every report, and is in no alert, no availability and no ledger.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Not in this program: it was built without the feature `elasticsearch`.
    #[cfg(not(feature = "elasticsearch"))]
    #[command(
        hide = true,
        disable_help_flag = true,
        after_help = "Example: none; `isochrone-collector` was built without it."
    )]
    Elastic(AbsentArgs),
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
    /// Whether it reads measurements from Elasticsearch. What was imported lies in the store alone.
    #[must_use]
    pub fn is_from_elasticsearch(&self) -> bool {
        match self {
            Self::Show { window, .. } => window.is_from_elasticsearch(),
            Self::Report(command) => command.window().is_from_elasticsearch() && !command.is_of_imported(),
            Self::Locate(args) => args.window.is_from_elasticsearch(),
            Self::Place(args) => args.coverage.window.is_from_elasticsearch(),
            Self::WhatIf(args) => args.coverage.window.is_from_elasticsearch(),
            Self::Gaps(args) => args.coverage.window.is_from_elasticsearch(),
            _ => false,
        }
    }

    /// Whether it needs what this program was built without.
    #[cfg(not(feature = "elasticsearch"))]
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        match self {
            Self::Elastic(_) => true,
            Self::Import(command) => command.is_absent(),
            _ => false,
        }
    }

    /// Whether it only reads the store: then it makes none where there is none yet.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Target(command) => matches!(command, TargetCommand::List { .. }),
            Self::Import(command) => !command.takes_in(),
            command => !matches!(command, Self::Probe(ProbeCommand::Invite { .. })), // accepting needs damage
        }
    }
}

/// Whatever is said to a command that this program lacks.
#[cfg(not(feature = "elasticsearch"))]
#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct AbsentArgs {
    /// All of it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
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
