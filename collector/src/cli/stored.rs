//! What of the store itself is asked for.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use isochrone_store::Tier;
use serde::{Deserialize, Serialize};

use super::Format;

/// The log itself, for other programs.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum ExportCommand {
    /// Every stored measurement with its id, or what they add up to, one JSON object a line.
    #[command(after_help = "Examples:
  isochrone-collector export ndjson --since 1d > measurements.ndjson
  isochrone-collector export ndjson --tier hour --since 90d > hours.ndjson")]
    Ndjson {
        /// Measurements, or what those of an hour or a day add up to.
        #[arg(long, value_enum, default_value_t = TierName::Raw)]
        tier: TierName,
        /// Which slots; all where nothing is said.
        #[command(flatten)]
        window: ExportWindow,
    },
    /// The same as columns of text, with their names in the first line.
    #[command(after_help = "Example:
  isochrone-collector export csv --tier day > days.csv")]
    Csv {
        /// Measurements, or what those of an hour or a day add up to.
        #[arg(long, value_enum, default_value_t = TierName::Raw)]
        tier: TierName,
        /// Which slots; all where nothing is said.
        #[command(flatten)]
        window: ExportWindow,
    },
    /// The same as Parquet files in a folder, one of each kind and day, with the columns of `store files`.
    #[command(after_help = "Example:
  isochrone-collector export parquet --since 1d --into yesterday")]
    Parquet {
        /// The folder, which is made if it is not there, and holds nothing of this tier yet.
        #[arg(long, value_name = "FOLDER")]
        into: PathBuf,
        /// Measurements, or what those of an hour or a day add up to.
        #[arg(long, value_enum, default_value_t = TierName::Raw)]
        tier: TierName,
        /// Which slots; all where nothing is said.
        #[command(flatten)]
        window: ExportWindow,
    },
}

/// The store itself.
#[derive(Clone, Debug, PartialEq, Subcommand, Serialize, Deserialize)]
pub enum StoreCommand {
    /// The Parquet files of a tier that together hold each sealed measurement once. They stay for ten minutes at least.
    #[command(after_help = "Examples:
  isochrone-collector store files
  isochrone-collector store files --tier hour
  isochrone-collector store files --format json")]
    Files {
        /// Measurements, or what those of an hour or a day add up to.
        #[arg(long, value_enum, default_value_t = TierName::Raw)]
        tier: TierName,
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

/// How far measurements are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum TierName {
    /// Each by itself.
    Raw,
    /// By hours.
    Hour,
    /// By UTC days.
    Day,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::Raw => Self::Raw,
            TierName::Hour => Self::Hour,
            TierName::Day => Self::Day,
        }
    }
}
