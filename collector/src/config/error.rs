//! Why a configuration is refused.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use isochrone_planner::pace::Budget;
use isochrone_web::AccessError;

use super::retention::TOTAL_MIN;
use super::{PER_MINUTE_MAX, RootsError};

/// Which key has which wrong value; the words say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongValue {
    /// No address to listen on.
    #[error("listen = []: name at least one address, such as \"0.0.0.0:7470\"")]
    NoListen,
    /// One address in two places of the list.
    #[error("listen = {address}: {before} before it covers it; name each address once")]
    ListenTwice {
        /// The later one.
        address: SocketAddr,
        /// The earlier one.
        before: SocketAddr,
    },
    /// No address of an indexer.
    #[error(
        "url = {value:?}: write the address that takes GraphQL queries, such as \"https://query.example.org/graphql\""
    )]
    TopologyUrl {
        /// As written.
        value: String,
    },
    /// Too often or too rarely.
    #[error("interval = \"{}\": use 1min to 1day", humantime::format_duration(*value))]
    TopologyInterval {
        /// As written.
        value: Duration,
    },
    /// A file that holds no certificates.
    #[error("extra_roots = {0}")]
    ExtraRoots(RootsError),
    /// A token that can be guessed.
    #[error(transparent)]
    WebToken(AccessError),
    /// A page that others can reach, without a token.
    #[error(
        "web = {web}: a page that is reachable from outside needs `web_token`; `openssl rand -hex 16` makes one"
    )]
    WebWithoutToken {
        /// Where the page would listen.
        web: SocketAddr,
    },
    /// Not `host:port`.
    #[error("public_addresses = {address}: write \"host:port\"")]
    PublicAddress {
        /// The one of the list that is wrong.
        address: String,
    },
    /// A key of an earlier release.
    #[error("{key} = {value}: write `{by}` instead: how often all probes together ask one node in a minute")]
    Replaced {
        /// The key that is gone.
        key: &'static str,
        /// Its value, as TOML.
        value: String,
        /// The key that took its place.
        by: &'static str,
    },
    /// A key of the probes' own files.
    #[error(
        "allow_private = {value}: it is a key of each probe's own probe.toml, on the server of its worker: the collector \
         cannot allow it to them"
    )]
    ProbesOwn {
        /// Its value, as TOML.
        value: String,
    },
    /// No calls a minute, or too many.
    #[error("{key} = {value}: use 1 to {PER_MINUTE_MAX}")]
    PerMinute {
        /// Which budget.
        key: &'static str,
        /// Calls a minute that were asked for.
        value: u32,
    },
    /// Bytes a day that no vantage could keep, or too many.
    #[error(
        "throughput_bytes_per_day = {value} bytes: use {} to {}, or 0B for none",
        bytesize::ByteSize(Budget::THROUGHPUT_MIN),
        bytesize::ByteSize(Budget::THROUGHPUT_MAX)
    )]
    Throughput {
        /// Bytes that were asked for.
        value: u64,
    },
    /// A time in `[retention]` outside of its bounds.
    #[error(
        "retention.{key} = {}: use {} to {}",
        days_of(*value),
        days_of(*min),
        days_of(*max)
    )]
    Kept {
        /// Of which tier.
        key: &'static str,
        /// As it was asked for.
        value: Duration,
        /// The shortest that is taken.
        min: Duration,
        /// The longest that is taken.
        max: Duration,
    },
    /// What is added up would go before what it was added up from.
    #[error(
        "retention.{key} = {}: it must be kept at least as long as {finer} ({}); make {key} longer, or {finer} shorter",
        days_of(*value),
        days_of(*least)
    )]
    KeptShorter {
        /// Of which tier.
        key: &'static str,
        /// As it was asked for.
        value: Duration,
        /// The tier below.
        finer: &'static str,
        /// How long that is kept.
        least: Duration,
    },
    /// Too little room for anything.
    #[error(
        "retention.total = {value} bytes: use {} or more; the last seven days of measurements stay whatever it says",
        bytesize::ByteSize(TOTAL_MIN)
    )]
    Total {
        /// Bytes that were asked for.
        value: u64,
    },
    /// A target of coverage that nothing can meet or miss.
    #[error("coverage.{key} = {value}: use a number above 0")]
    CoverageTarget {
        /// Which.
        key: &'static str,
        /// As it was asked for.
        value: String,
    },
    /// What a user's line adds, in no region, or no time.
    #[error(
        "coverage.access_offset: {region} = {value}: name a country's ISO code, a continent as \"continent:EU\", or \"*\", \
         and 0 to 1000 milliseconds"
    )]
    AccessOffset {
        /// As written.
        region: String,
        /// Milliseconds that were asked for.
        value: String,
    },
    /// A prior that cannot be read.
    #[error("coverage.prior = \"{file}\": {reason}; name such a file, write \"none\", or leave the key away")]
    Prior {
        /// As written.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A cluster that cannot be spoken to so.
    #[cfg(feature = "elasticsearch")]
    #[error(transparent)]
    Elasticsearch(isochrone_elastic::SettingsError),
    /// This program speaks to no cluster.
    #[cfg(not(feature = "elasticsearch"))]
    #[error(
        "[elasticsearch]: this isochrone-collector was built without the feature elasticsearch; remove the section, or \
         build with it"
    )]
    WithoutElasticsearch,
    /// Outside of its bounds.
    #[error(
        "{key} = {}: use {} to {}",
        humantime::format_duration(*value),
        humantime::format_duration(*min),
        humantime::format_duration(*max)
    )]
    Duration {
        /// Of what.
        key: &'static str,
        /// As it was asked for.
        value: Duration,
        /// The shortest that is taken.
        min: Duration,
        /// The longest that is taken.
        max: Duration,
    },
}

/// `30days`, as the file says it.
fn days_of(kept: Duration) -> String {
    match kept.as_secs() {
        seconds if seconds % 86_400 == 0 => format!("{}days", seconds / 86_400),
        _ => humantime::format_duration(kept).to_string(),
    }
}

impl WrongValue {
    /// The section that the key stands in.
    pub(super) fn section(&self) -> Option<&'static str> {
        match self {
            Self::Kept { .. } | Self::KeptShorter { .. } | Self::Total { .. } => Some("retention"),
            Self::CoverageTarget { .. } | Self::AccessOffset { .. } | Self::Prior { .. } => Some("coverage"),
            Self::TopologyUrl { .. } | Self::TopologyInterval { .. } => Some("topology"),
            #[cfg(feature = "elasticsearch")]
            Self::Elasticsearch(_) => Some("elasticsearch"),
            _ => None,
        }
    }

    /// The key.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Kept { key, .. } | Self::KeptShorter { key, .. } => key,
            Self::Total { .. } => "total",
            Self::Throughput { .. } => "throughput_bytes_per_day",
            Self::CoverageTarget { key, .. } => key,
            Self::AccessOffset { .. } => "access_offset",
            Self::Prior { .. } => "prior",
            Self::TopologyUrl { .. } => "url",
            Self::TopologyInterval { .. } => "interval",
            #[cfg(feature = "elasticsearch")]
            Self::Elasticsearch(wrong) => wrong.key(),
            #[cfg(not(feature = "elasticsearch"))]
            Self::WithoutElasticsearch => "[elasticsearch]",
            Self::NoListen | Self::ListenTwice { .. } => "listen",
            Self::ExtraRoots(_) => "extra_roots",
            Self::WebToken(_) => "web_token",
            Self::WebWithoutToken { .. } => "web",
            Self::PublicAddress { .. } => "public_addresses",
            Self::ProbesOwn { .. } => "allow_private",
            Self::Replaced { key, .. } | Self::PerMinute { key, .. } | Self::Duration { key, .. } => key,
        }
    }
}

/// Why a configuration is refused. The process exits with 64 before it binds a port.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not readable.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Named, and not there.
    #[error("there is no {}; correct --config or ISOCHRONE_CONFIG, or leave it away: every key has a default", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words, with line and key.
        reason: String,
    },
    /// A value that cannot be.
    #[error("{}, line {line}: {wrong}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key's line, from 1.
        line: usize,
        /// Key, value, help.
        wrong: WrongValue,
    },
}
