//! `collector.toml`: read once at start, checked whole before any port is bound.

mod coverage;
#[cfg(feature = "elasticsearch")]
mod elastic;
mod error;
mod extra_roots;
mod paths;
mod reach;
mod retention;
mod size;
mod topology;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use isochrone_planner::pace::{Budget, Pace};
use isochrone_store::Retention;
use isochrone_watch::alert::AlertsConfig;
use isochrone_watch::judge::Patience;
use isochrone_web::AccessToken;
use serde::Deserialize;

pub use self::coverage::{CoverageSettings, NO_PRIOR};
pub use self::error::{ConfigError, WrongValue};
pub use self::extra_roots::{ExtraRoots, RootsError};
pub use self::paths::Paths;
use self::retention::RawRetention;
pub use self::topology::TopologySettings;
pub(crate) use self::topology::indexer;

/// What the collector is told by its file. Every key has a default.
#[derive(Clone, Debug)]
pub struct Config {
    /// UDP addresses for QUIC.
    pub listen: Vec<SocketAddr>,
    /// TCP address of the page and its API.
    pub web: SocketAddr,
    /// Token that a browser must show; `None` only where `web` is a loopback address.
    pub web_token: Option<AccessToken>,
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
    /// How long what is stored is kept.
    pub retention: Retention,
    /// The budget, in milliseconds, that a coverage report names as the target.
    pub coverage_target_ms: u32,
    /// What else coverage reports are made with where no option says otherwise.
    pub coverage: CoverageSettings,
    /// Authorities that receivers of alerts may have, beside the system's roots.
    pub extra_roots: ExtraRoots,
    /// The indexer whose chain is followed; `None`: none is.
    pub topology: Option<TopologySettings>,
    /// The cluster that measurements go to; `None`: to none.
    #[cfg(feature = "elasticsearch")]
    pub elasticsearch: Option<isochrone_elastic::Settings>,
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
    #[serde(deserialize_with = "size::deserialize")]
    throughput_bytes_per_day: Option<bytesize::ByteSize>,
    #[serde(with = "humantime_serde")]
    plan_lifetime: Option<Duration>,
    health: Patience,
    alerts: AlertsConfig,
    #[serde(deserialize_with = "size::deserialize")]
    disk_reserve: Option<bytesize::ByteSize>,
    retention: RawRetention,
    coverage_target_ms: Option<u32>,
    coverage: coverage::RawCoverage,
    extra_roots: Vec<String>,
    topology: topology::RawTopology,
    #[cfg(feature = "elasticsearch")]
    elasticsearch: Option<isochrone_elastic::RawSettings>,
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
            retention: Retention::default(),
            coverage_target_ms: 100,
            coverage: CoverageSettings::default(),
            extra_roots: ExtraRoots::default(),
            topology: None,
            #[cfg(feature = "elasticsearch")]
            elasticsearch: None,
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
        let value = |wrong: WrongValue| ConfigError::Value {
            path: path.to_owned(),
            line: line_of(text, wrong.section(), wrong.key()),
            wrong,
        };
        refuse_replaced(&text.parse().map_err(syntax)?).map_err(value)?;
        let mut raw: RawConfig = toml::from_str(text).map_err(syntax)?;
        #[cfg(feature = "elasticsearch")]
        let elasticsearch = elastic::of(raw.elasticsearch.take(), path).map_err(value)?;
        let roots = ExtraRoots::read(&raw.extra_roots, path);
        let extra_roots = roots.map_err(|wrong| value(WrongValue::ExtraRoots(wrong)))?;
        let coverage = coverage::of(&raw.coverage, path).map_err(value)?;
        let topology = topology::of(std::mem::take(&mut raw.topology)).map_err(value)?;
        let config = Self::try_from(raw).map_err(value)?;
        Ok(Self {
            coverage,
            extra_roots,
            topology,
            #[cfg(feature = "elasticsearch")]
            elasticsearch,
            ..config
        })
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
        once(&listen)?;
        let web = raw.web.unwrap_or(default.web);
        let web_token = raw.web_token.as_deref().map(AccessToken::new).transpose();
        let web_token = web_token.map_err(WrongValue::WebToken)?;
        if !web.ip().is_loopback() && web_token.is_none() {
            return Err(WrongValue::WebWithoutToken { web });
        }
        for address in &raw.public_addresses {
            if !is_host_and_port(address) {
                let address = address.clone();
                return Err(WrongValue::PublicAddress { address });
            }
        }
        let retention = retention::of(&raw.retention, default.retention)?;
        Ok(Self {
            listen,
            web,
            web_token,
            public_addresses: raw.public_addresses,
            pace,
            health: raw.health,
            alerts: raw.alerts,
            disk_reserve: raw
                .disk_reserve
                .map_or(default.disk_reserve, |size| size.as_u64()),
            retention,
            coverage_target_ms: raw.coverage_target_ms.unwrap_or(default.coverage_target_ms),
            coverage: default.coverage,
            extra_roots: default.extra_roots,
            topology: default.topology,
            #[cfg(feature = "elasticsearch")]
            elasticsearch: default.elasticsearch,
        })
    }
}

/// The line, from 1, in which a key is set: in that section, or outside of every one.
fn line_of(text: &str, section: Option<&str>, key: &str) -> usize {
    let is_head = |line: &str| section.is_some_and(|name| line.trim() == format!("[{name}]"));
    let before = text.lines().take_while(|line| !is_head(line)).count();
    let begin = if section.is_some() { before } else { 0 };
    let sets = |line: &str| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let found = text.lines().skip(begin).position(sets);
    found.map_or(1, |at| begin + at + 1)
}

/// Refuses an address that another one of the list covers: only one socket can listen there.
fn once(listen: &[SocketAddr]) -> Result<(), WrongValue> {
    let covers = |one: &SocketAddr, other: &SocketAddr| {
        let is_all = one.ip().is_unspecified() || other.ip().is_unspecified();
        let is_one_family = one.is_ipv4() == other.is_ipv4();
        one == other || (is_all && is_one_family && one.port() == other.port())
    };
    for (at, address) in listen.iter().enumerate() {
        let before = listen[..at].iter().find(|before| covers(before, address));
        if let Some(before) = before.filter(|_| address.port() != 0) {
            // port 0 is another one each time
            let (address, before) = (*address, *before);
            return Err(WrongValue::ListenTwice { address, before });
        }
    }
    Ok(())
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
    #[cfg(not(feature = "elasticsearch"))]
    if table.contains_key("elasticsearch") {
        return Err(WrongValue::WithoutElasticsearch);
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
        throughput: throughput(raw.throughput_bytes_per_day, default.throughput)?,
    })
}

/// Bytes a day; 0: none.
fn throughput(value: Option<bytesize::ByteSize>, default: u64) -> Result<u64, WrongValue> {
    let value = value.map_or(default, |size| size.as_u64());
    if value == 0 || (Budget::THROUGHPUT_MIN..=Budget::THROUGHPUT_MAX).contains(&value) {
        Ok(value)
    } else {
        Err(WrongValue::Throughput { value })
    }
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

#[cfg(test)]
mod tests;
