//! `collector.toml`: read once at start, checked whole before any port is bound.

mod paths;
mod reach;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use isochrone_planner::pace::{Budget, Pace};
use isochrone_watch::alert::AlertsConfig;
use isochrone_watch::judge::Patience;
use serde::Deserialize;

pub use self::paths::Paths;

/// What the collector is told by its file. Every key has a default.
#[derive(Clone, Debug)]
pub struct Config {
    /// UDP addresses for QUIC.
    pub listen: Vec<SocketAddr>,
    /// TCP address of the page and its API.
    pub web: SocketAddr,
    /// Token that a browser must show; `None` only where `web` is a loopback address.
    pub web_token: Option<String>,
    /// How probes reach this collector, `host:port`; goes into invitations.
    pub public_addresses: Vec<String>,
    /// What a plan is made of.
    pub pace: Pace,
    /// How long silence is borne.
    pub health: Patience,
    /// Where alerts go.
    pub alerts: AlertsConfig,
    /// Free bytes on the store's disk below which nothing is acknowledged.
    pub disk_reserve: u64,
    /// The budget, in milliseconds, that a coverage report names as the target.
    pub coverage_target_ms: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawConfig {
    listen: Option<Vec<SocketAddr>>,
    web: Option<SocketAddr>,
    web_token: Option<String>,
    public_addresses: Vec<String>,
    #[serde(with = "humantime_serde")]
    echo_interval: Option<Duration>,
    status_per_minute: Option<u32>,
    asset_per_minute: Option<u32>,
    connect_per_minute: Option<u32>,
    #[serde(with = "humantime_serde")]
    plan_lifetime: Option<Duration>,
    health: Patience,
    alerts: AlertsConfig,
    disk_reserve: Option<bytesize::ByteSize>,
    coverage_target_ms: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, QUIC_PORT)),
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, QUIC_PORT)),
            ],
            web: SocketAddr::from((Ipv4Addr::LOCALHOST, WEB_PORT)),
            web_token: None,
            public_addresses: Vec::new(),
            pace: Pace::default(),
            health: Patience::default(),
            alerts: AlertsConfig::default(),
            disk_reserve: 1 << 30,
            coverage_target_ms: 100,
        }
    }
}

/// UDP port of the collector's QUIC.
pub const QUIC_PORT: u16 = 7470;
/// TCP port of the page.
pub const WEB_PORT: u16 = 7471;

impl Config {
    /// Reads `path`. A file that is not there is an empty one: every key has a default.
    ///
    /// # Errors
    /// Names file, key and value.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                return Err(ConfigError::Unreadable {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        Self::parse(&text, path)
    }

    /// Reads the text of the file that lies at `path`.
    ///
    /// # Errors
    /// Names file, key and value.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let syntax = |error: toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            reason: error.to_string().trim().to_owned(),
        };
        let value = |wrong| ConfigError::Value {
            path: path.to_owned(),
            wrong,
        };
        refuse_replaced(&text.parse().map_err(syntax)?).map_err(value)?;
        let raw: RawConfig = toml::from_str(text).map_err(syntax)?;
        Self::try_from(raw).map_err(value)
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = WrongValue;

    fn try_from(raw: RawConfig) -> Result<Self, WrongValue> {
        let default = Self::default();
        let pace = pace(&raw, default.pace)?;
        let listen = raw.listen.unwrap_or(default.listen);
        if listen.is_empty() {
            return Err(WrongValue::NoListen);
        }
        let web = raw.web.unwrap_or(default.web);
        if !web.ip().is_loopback() && raw.web_token.as_ref().is_none_or(|token| token.len() < 16) {
            return Err(WrongValue::WebWithoutToken { web });
        }
        for address in &raw.public_addresses {
            if !is_host_and_port(address) {
                let address = address.clone();
                return Err(WrongValue::PublicAddress { address });
            }
        }
        Ok(Self {
            listen,
            web,
            web_token: raw.web_token,
            public_addresses: raw.public_addresses,
            pace,
            health: raw.health,
            alerts: raw.alerts,
            disk_reserve: raw
                .disk_reserve
                .map_or(default.disk_reserve, |size| size.as_u64()),
            coverage_target_ms: raw.coverage_target_ms.unwrap_or(default.coverage_target_ms),
        })
    }
}

/// Refuses keys that were replaced, and names the new ones.
fn refuse_replaced(table: &toml::Table) -> Result<(), WrongValue> {
    let replaced = [
        ("status_interval", "status_per_minute"),
        ("asset_interval", "asset_per_minute"),
    ];
    for (key, by) in replaced {
        if let Some(value) = table.get(key) {
            let value = value.to_string();
            return Err(WrongValue::Replaced { key, value, by });
        }
    }
    let probes_own = table.get("allow_private").map(ToString::to_string);
    probes_own.map_or(Ok(()), |value| Err(WrongValue::ProbesOwn { value }))
}

/// How often is measured.
fn pace(raw: &RawConfig, default: Pace) -> Result<Pace, WrongValue> {
    Ok(Pace {
        echo_interval: within("echo_interval", raw.echo_interval, default.echo_interval, 100)?,
        connect_interval: default.connect_interval,
        budget: budget(raw, default.budget)?,
        plan_lifetime: within("plan_lifetime", raw.plan_lifetime, default.plan_lifetime, 60_000)?,
    })
}

/// What a node's checks may cost it.
fn budget(raw: &RawConfig, default: Budget) -> Result<Budget, WrongValue> {
    Ok(Budget {
        status: per_minute("status_per_minute", raw.status_per_minute, default.status)?,
        asset: per_minute("asset_per_minute", raw.asset_per_minute, default.asset)?,
        connect: per_minute("connect_per_minute", raw.connect_per_minute, default.connect)?,
    })
}

/// Calls a minute.
fn per_minute(key: &'static str, value: Option<u32>, default: u32) -> Result<u32, WrongValue> {
    let value = value.unwrap_or(default);
    if (1..=PER_MINUTE_MAX).contains(&value) {
        Ok(value)
    } else {
        Err(WrongValue::PerMinute { key, value })
    }
}

fn within(
    key: &'static str,
    value: Option<Duration>,
    default: Duration,
    min_ms: u64,
) -> Result<Duration, WrongValue> {
    let Some(value) = value else { return Ok(default) };
    let min = Duration::from_millis(min_ms);
    let max = if key == "plan_lifetime" {
        Duration::from_secs(30 * 86_400)
    } else {
        Duration::from_secs(86_400)
    };
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(WrongValue::Duration { key, value, min, max })
    }
}

/// `host:port`, `1.2.3.4:port` or `[v6]:port`.
fn is_host_and_port(address: &str) -> bool {
    if address.parse::<SocketAddr>().is_ok() {
        return true;
    }
    match address.rsplit_once(':') {
        Some((host, port)) => {
            !host.is_empty()
                && host.len() <= 253
                && host.parse::<IpAddr>().is_err()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-')
                && port.parse::<u16>().is_ok_and(|port| port != 0)
        }
        None => false,
    }
}

/// The commented file that `up` writes where there is none.
pub const SAMPLE: &str = include_str!("../../deploy/collector.toml");

/// Most calls a minute that a node's budget may allow.
const PER_MINUTE_MAX: u32 = 6_000;

/// Which key has which wrong value; the words say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongValue {
    /// No address to listen on.
    #[error("listen = []: name at least one address, such as \"0.0.0.0:7470\"")]
    NoListen,
    /// A page that others can reach, without a token or with one of fewer than 16 characters.
    #[error(
        "web = {web}: a page that is reachable from outside needs `web_token` with at least 16 characters"
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
    /// Outside of its bounds.
    #[error(
        "{key} = {}: use {} to {}",
        humantime::format_duration(*value),
        humantime::format_duration(*min),
        humantime::format_duration(*max)
    )]
    Duration {
        /// With its table, `a.b`.
        key: &'static str,
        /// As it was asked for.
        value: Duration,
        /// The shortest that is taken.
        min: Duration,
        /// The longest that is taken.
        max: Duration,
    },
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
    #[error("{}: {wrong}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Key, value, help.
        wrong: WrongValue,
    },
}

#[cfg(test)]
mod tests;
