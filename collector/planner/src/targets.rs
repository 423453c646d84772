//! `targets.toml`: the nodes that are checked. Listing a host is the lead's approval of it.

mod edit;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isochrone_base::names::{NAME_FORM, is_name};
use isochrone_base::roster::NodeEntry;
use isochrone_proto::kind::Family;
use isochrone_proto::limits::TEXT_BYTES_MAX;
use serde::Deserialize;
use url::Url;

pub use self::edit::{EditError, add, remove, set_paused};

/// A node as the lead describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique name.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Base URL (Argus, always with a slash at its end) or full URL (http).
    pub url: Url,
    /// The URL in the file had no slash at its end: older tools called such nodes dead.
    pub lacks_slash: bool,
    /// Whose node it is.
    pub worker: String,
    /// City, as written; empty if coordinates were given.
    pub place: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// ISO 3166 code, if the place says it.
    pub country: Option<String>,
    /// AS number.
    pub network: Option<u32>,
    /// Buckets it should serve, `family:index`.
    pub buckets: Vec<String>,
    /// Object that asset checks fetch.
    pub asset: Option<String>,
    /// Between two status checks; `None`: the collector's default.
    pub interval: Option<Duration>,
    /// Families that are checked; at least one.
    pub families: Vec<Family>,
    /// Not measured for now.
    pub paused: bool,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A distributor node: status and asset are two verdicts.
    Argus,
    /// Any web server: GET must answer with a success.
    Http,
}

/// Every node of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// In the file's order.
    pub nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTargets {
    #[serde(default)]
    node: Vec<RawNode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNode {
    node: String,
    kind: NodeKind,
    url: String,
    worker: String,
    place: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    network: Option<u32>,
    #[serde(default)]
    buckets: Vec<String>,
    asset: Option<String>,
    #[serde(default, with = "humantime_serde")]
    interval: Option<Duration>,
    families: Option<Vec<u8>>,
    #[serde(default)]
    paused: bool,
}

impl Targets {
    /// Reads the file; one that is not there holds no nodes.
    ///
    /// # Errors
    /// Names file, node, key and value.
    pub fn read(path: &Path) -> Result<Self, TargetsError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(TargetsError::Unreadable {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Reads the text of the file that lies at `path`.
    ///
    /// # Errors
    /// Names file, node, key and value.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TargetsError> {
        let raw: RawTargets = toml::from_str(text).map_err(|error| TargetsError::Syntax {
            path: path.to_owned(),
            reason: error.to_string().trim().to_owned(),
        })?;
        let mut nodes: Vec<Node> = Vec::with_capacity(raw.node.len());
        for raw in raw.node {
            let name = raw.node.clone();
            let wrong = |(key, value, help): Wrong| TargetsError::Value {
                path: path.to_owned(),
                node: name.clone(),
                key,
                value,
                help,
            };
            let node = Node::try_from(raw).map_err(wrong)?;
            if nodes.iter().any(|known| known.name == node.name) {
                let help = "another node has this name; names are unique".to_owned();
                return Err(wrong(("node", node.name, help)));
            }
            nodes.push(node);
        }
        Ok(Self { nodes })
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

impl Targets {
    /// What is different from `before`, in words: "added tokyo; changed lima".
    #[must_use]
    pub fn difference(&self, before: &Self) -> String {
        let names = |nodes: Vec<&Node>| nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
        let (added, kept): (Vec<_>, Vec<_>) = self
            .nodes
            .iter()
            .partition(|node| before.node(&node.name).is_none());
        let is_changed = |node: &&Node| before.node(&node.name) != Some(*node);
        let changed = kept.into_iter().filter(is_changed).collect();
        let removed = before.nodes.iter().filter(|node| self.node(&node.name).is_none());
        let parts = [
            ("added", names(added)),
            ("changed", names(changed)),
            ("removed", names(removed.collect())),
        ];
        let said = parts.iter().filter(|(_, names)| !names.is_empty());
        let said: Vec<_> = said
            .map(|(word, names)| format!("{word} {}", names.join(", ")))
            .collect();
        if said.is_empty() {
            "nothing changed".to_owned()
        } else {
            said.join("; ")
        }
    }
}

type Wrong = (&'static str, String, String);

impl TryFrom<RawNode> for Node {
    type Error = Wrong;

    fn try_from(raw: RawNode) -> Result<Self, Wrong> {
        check_name("node", &raw.node)?;
        check_name("worker", &raw.worker)?;
        let (url, lacks_slash) = endpoint(raw.kind, &raw.url)?;
        let (latitude, longitude, country) = position(&raw)?;
        if let Some(asset) = &raw.asset
            && (asset.is_empty() || asset.len() > 20 || !asset.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err((
                "asset",
                asset.clone(),
                "an object's id is a number, such as \"1343\"".to_owned(),
            ));
        }
        if let Some(interval) = raw.interval
            && !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&interval)
        {
            let value = humantime::format_duration(interval).to_string();
            return Err(("interval", value, "use 1s to 1day".to_owned()));
        }
        let families = match raw.families.as_deref() {
            None => vec![default_family(&url)],
            Some([4]) => vec![Family::V4],
            Some([6]) => vec![Family::V6],
            Some([4, 6] | [6, 4]) => vec![Family::V4, Family::V6],
            Some(other) => {
                return Err((
                    "families",
                    format!("{other:?}"),
                    "use [4], [6] or [4, 6]".to_owned(),
                ));
            }
        };
        Ok(Self {
            name: raw.node,
            kind: raw.kind,
            url,
            lacks_slash,
            worker: raw.worker,
            place: raw.place.unwrap_or_default(),
            latitude,
            longitude,
            country,
            network: raw.network,
            buckets: raw.buckets,
            asset: raw.asset,
            interval: raw.interval,
            families,
            paused: raw.paused,
        })
    }
}

fn check_name(key: &'static str, name: &str) -> Result<(), Wrong> {
    if is_name(name) {
        return Ok(());
    }
    Err((key, name.to_owned(), NAME_FORM.to_owned()))
}

fn endpoint(kind: NodeKind, text: &str) -> Result<(Url, bool), Wrong> {
    let wrong = |help: &str| ("url", text.to_owned(), help.to_owned());
    let mut url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong(
            "write a whole address, such as \"https://node.example.org/distributor/\"",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "leave name and password out: they would travel to every probe",
        ));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(wrong("at most 512 bytes"));
    }
    let lacks_slash = kind == NodeKind::Argus && !url.path().ends_with('/');
    if kind == NodeKind::Argus {
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(
                "leave out what follows '?' or '#': a node answers 400 to it",
            ));
        }
        if lacks_slash {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
    }
    Ok((url, lacks_slash))
}

fn position(raw: &RawNode) -> Result<(f64, f64, Option<String>), Wrong> {
    match (raw.latitude, raw.longitude, &raw.place) {
        (Some(latitude), Some(longitude), place) => {
            if !(-90.0..=90.0).contains(&latitude) {
                return Err(("latitude", latitude.to_string(), "use -90 to 90".to_owned()));
            }
            if !(-180.0..=180.0).contains(&longitude) {
                return Err(("longitude", longitude.to_string(), "use -180 to 180".to_owned()));
            }
            let country = place.as_deref().and_then(isochrone_base::place::country_in);
            Ok((latitude, longitude, country))
        }
        (None, None, Some(place)) => {
            let found = isochrone_base::place::find(place)
                .map_err(|error| ("place", place.clone(), error.to_string()))?;
            Ok((found.latitude, found.longitude, Some(found.country)))
        }
        (None, None, None) => Err((
            "place",
            String::new(),
            "write place = \"City, CC\", or latitude and longitude".to_owned(),
        )),
        _ => Err((
            "latitude",
            String::new(),
            "latitude and longitude go together".to_owned(),
        )),
    }
}

fn default_family(url: &Url) -> Family {
    match url.host() {
        Some(url::Host::Ipv6(_)) => Family::V6,
        _ => Family::V4,
    }
}

/// The file that `up` writes where there is none: an example, every line of it a comment.
pub const SAMPLE: &str = include_str!("../../../deploy/targets.toml");

/// Why `targets.toml` is refused. The targets in force stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum TargetsError {
    /// Not readable.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing key, or a value of the wrong type.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words, with line and key.
        reason: String,
    },
    /// A value that cannot be.
    #[error("{}: node {node:?}: {key} = {value:?}: {help}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The node's name.
        node: String,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What to write instead.
        help: String,
    },
}

impl From<&Node> for NodeEntry {
    fn from(node: &Node) -> Self {
        Self {
            id: isochrone_proto::ids::TargetId::of_node(&node.name),
            name: node.name.clone(),
            url: node.url.to_string(),
            worker: Some(node.worker.clone()),
            place: node.place.clone(),
            latitude: Some(node.latitude),
            longitude: Some(node.longitude),
            country: node.country.clone(),
            network: node.network,
            paused: node.paused,
            removed: false,
            interval: node.interval,
        }
    }
}

#[cfg(test)]
mod tests;
