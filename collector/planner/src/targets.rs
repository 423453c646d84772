//! `targets.toml`: the nodes that are checked, and places that might get one. Listing a host is the lead's approval of it.

mod candidate;
mod check;
mod edit;
mod line;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isochrone_base::names::composed;
use isochrone_base::roster::NodeEntry;
use isochrone_proto::kind::Family;
use serde::Deserialize;
use url::Url;

pub use self::candidate::Candidate;
use self::candidate::RawCandidate;
pub use self::check::{NodeError, UrlError};
pub use self::edit::{EditError, add, remove, set, set_paused};

/// A node as the lead describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique name.
    pub name: String,
    /// Which API it answers.
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
    pub(crate) families: Vec<Family>,
    /// Not measured for now.
    pub paused: bool,
}

/// Which API a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A distributor node: status and asset are two verdicts.
    Argus,
    /// Any web server: GET must answer with a success.
    Http,
}

/// Every node and candidate of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// In the file's order.
    pub nodes: Vec<Node>,
    /// Places that might get a node, in the file's order.
    pub candidates: Vec<Candidate>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTargets {
    #[serde(default)]
    node: Vec<RawNode>,
    #[serde(default)]
    candidate: Vec<RawCandidate>,
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
        for (index, raw) in raw.node.into_iter().enumerate() {
            let name = composed(&raw.node);
            let is_taken = nodes.iter().any(|known| known.name == name);
            let node = match Node::try_from(raw) {
                Ok(_) if is_taken => Err(NodeError::NameTaken { name: name.clone() }),
                other => other,
            };
            nodes.push(node.map_err(|wrong| TargetsError::Value {
                path: path.to_owned(),
                line: line::of(text, ("node", index), wrong.key()),
                node: name,
                wrong: Box::new(wrong),
            })?);
        }
        let candidates = candidates(raw.candidate, &nodes, (text, path))?;
        Ok(Self { nodes, candidates })
    }

    /// A node by its name, which is unique, in whatever form of Unicode it is given.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        let name = composed(name);
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
        let said = said.map(|(word, names)| format!("{word} {}", names.join(", ")));
        let said: Vec<_> = said.chain(self.candidates_difference(before)).collect();
        if said.is_empty() {
            "nothing changed".to_owned()
        } else {
            said.join("; ")
        }
    }

    fn candidates_difference(&self, before: &Self) -> Vec<String> {
        let find = |targets: &Self, name: &str| {
            let mut candidates = targets.candidates.iter();
            candidates.find(|candidate| candidate.name == name).cloned()
        };
        let here = self.candidates.iter().filter_map(|candidate| {
            let word = match find(before, &candidate.name) {
                None => "added",
                Some(known) if known != *candidate => "changed",
                Some(_) => return None,
            };
            Some(format!("{word} candidate {}", candidate.name))
        });
        let gone = before
            .candidates
            .iter()
            .filter(|candidate| find(self, &candidate.name).is_none());
        here.chain(gone.map(|candidate| format!("removed candidate {}", candidate.name)))
            .collect()
    }
}

/// Who has the host of `url` already: what is measured of it is measured of them.
fn answers_there<'a>(url: &Url, nodes: &'a [Node], candidates: &'a [Candidate]) -> Option<&'a str> {
    let nodes = nodes.iter().map(|node| (&node.url, &*node.name));
    let candidates = candidates
        .iter()
        .map(|candidate| (&candidate.url, &*candidate.name));
    let mut all = nodes.chain(candidates);
    all.find(|(other, _)| other.host() == url.host())
        .map(|(_, name)| name)
}

fn candidates(
    raw: Vec<RawCandidate>,
    nodes: &[Node],
    (text, path): (&str, &Path),
) -> Result<Vec<Candidate>, TargetsError> {
    let mut candidates: Vec<Candidate> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().enumerate() {
        let name = composed(&raw.name);
        let is_taken = nodes.iter().any(|node| node.name == name)
            || candidates.iter().any(|candidate| candidate.name == name);
        let candidate = match Candidate::try_from(raw) {
            Ok(_) if is_taken => Err(NodeError::CandidateTaken { name: name.clone() }),
            Ok(candidate) => match answers_there(&candidate.url, nodes, &candidates) {
                Some(other) => Err(NodeError::HostTaken {
                    url: candidate.url.to_string(),
                    other: other.to_owned(),
                }),
                None => Ok(candidate),
            },
            Err(wrong) => Err(wrong),
        };
        candidates.push(candidate.map_err(|wrong| TargetsError::Candidate {
            path: path.to_owned(),
            line: line::of(text, ("candidate", index), wrong.key()),
            candidate: name,
            wrong: Box::new(wrong),
        })?);
    }
    Ok(candidates)
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
    #[error("{}, line {line}: node {node:?}: {wrong}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key's line, from 1; that of the node where the key is missing.
        line: usize,
        /// The node's name.
        node: String,
        /// Key, value, and what to write instead.
        wrong: Box<NodeError>,
    },
    /// The same of a candidate.
    #[error("{}, line {line}: candidate {candidate:?}: {wrong}", path.display())]
    Candidate {
        /// The file.
        path: PathBuf,
        /// The key's line, from 1; that of the candidate where the key is missing.
        line: usize,
        /// The candidate's name.
        candidate: String,
        /// Key, value, and what to write instead.
        wrong: Box<NodeError>,
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
