//! What stands behind the URLs, and what it can do: asked, not guessed from a version.

use std::fmt;

use serde_json::{Value, json};

use crate::client::reason;
use crate::{Client, Method, RequestError};

/// A server, and what it can do of what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Which software.
    pub flavour: Flavour,
    /// Its version, as it says it.
    pub version: String,
    /// The random id of the cluster; another one, and nothing of ours is in it yet.
    pub cluster: String,
    /// What it can do.
    pub can: Capabilities,
}

/// Which software.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Elasticsearch.
    Elasticsearch,
    /// OpenSearch: the same bulk calls, best effort.
    OpenSearch,
}

/// What not every server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Index lifecycle management.
    pub lifecycle: bool,
    /// ES|QL.
    pub esql: bool,
    /// The field type in which our histograms go as they are.
    pub exponential_histogram: bool,
    /// The older field type for histograms.
    pub histogram: bool,
}

/// Why a server will not do.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It did not answer, or refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Something else listens there.
    #[error(
        "{url} is no Elasticsearch: it answered {said}; elasticsearch.urls names what listens for HTTP, by default port 9200"
    )]
    Other {
        /// The node.
        url: String,
        /// What it said.
        said: String,
    },
    /// A version nothing here was tried with.
    #[error("{url} is version {version}: 8.x and 9.x are supported, from 8.17 on tested; upgrade it")]
    Version {
        /// The node.
        url: String,
        /// What it says.
        version: String,
    },
}

impl Server {
    /// Asks what stands there.
    ///
    /// # Errors
    /// When nothing does, or something that will not do.
    pub async fn ask(client: &Client) -> Result<Self, ServerError> {
        let (flavour, version) = identity(client).await?;
        let cluster = client
            .fetch(
                Method::Get,
                "_cluster/state/version?filter_path=cluster_uuid",
                None,
            )
            .await?;
        let cluster = cluster["cluster_uuid"].as_str().unwrap_or_default().to_owned();
        let major: u32 = version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or_default();
        if flavour == Flavour::Elasticsearch && !SUPPORTED.contains(&major) {
            let url = client.name().to_owned();
            return Err(ServerError::Version { url, version });
        }
        Ok(Self {
            flavour,
            version,
            cluster,
            can: capabilities(client, flavour).await?,
        })
    }

    /// What it cannot do, and what that means here; nothing of it stands in the way of anything.
    #[must_use]
    pub fn lacks(&self) -> Vec<String> {
        let mut lacks = Vec::new();
        let mut say = |text: &str| lacks.push(text.to_owned());
        if self.flavour == Flavour::OpenSearch {
            say("it is OpenSearch: bulk, search and templates are used as with Elasticsearch; best effort");
        }
        if !self.can.lifecycle {
            say("no index lifecycle: old indices stay until somebody deletes them");
        }
        if !self.can.esql {
            say("no ES|QL: the saved queries are for another server");
        }
        match (self.can.exponential_histogram, self.can.histogram) {
            (true, _) => {}
            (false, true) => say("no exponential_histogram: rollups carry a histogram"),
            (false, false) => {
                say("no histogram fields: rollups carry their percentiles, and the histogram as bytes");
            }
        }
        lacks
    }
}

impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flavour = match self.flavour {
            Flavour::Elasticsearch => "Elasticsearch",
            Flavour::OpenSearch => "OpenSearch",
        };
        write!(out, "{flavour} {}", self.version)
    }
}

/// What `GET /` says; where a server has it not, what its nodes say.
async fn identity(client: &Client) -> Result<(Flavour, String), ServerError> {
    let other = |said: String| ServerError::Other {
        url: client.name().to_owned(),
        said,
    };
    let root = client.request(Method::Get, "", None).await;
    let root = match root {
        Err(RequestError::NotJson { text, .. }) => return Err(other(format!("{text:?}"))),
        root => root?,
    };
    match root.status {
        200 => {
            let version = &root.body["version"];
            let number = version["number"].as_str();
            let Some(number) = number else {
                return Err(other(reason(&root.body)));
            };
            let flavour = match version["distribution"].as_str() {
                Some("opensearch") => Flavour::OpenSearch,
                _ => Flavour::Elasticsearch,
            };
            return Ok((flavour, number.to_owned()));
        }
        401 | 403 => return Err(root.refusal().into()),
        _ => {}
    }
    let path = "_nodes/_local/none?filter_path=nodes.*.version";
    let nodes = client.request(Method::Get, path, None).await?;
    if matches!(nodes.status, 401 | 403 | 429 | 500..=599) {
        return Err(nodes.refusal().into());
    }
    let of_nodes = nodes.body["nodes"].as_object();
    let version = of_nodes
        .and_then(|nodes| nodes.values().next())
        .and_then(|node| node["version"].as_str());
    match version {
        Some(version) => Ok((Flavour::Elasticsearch, version.to_owned())),
        None => Err(other(format!("{} {}", root.status, reason(&root.body)))),
    }
}

async fn capabilities(client: &Client, flavour: Flavour) -> Result<Capabilities, RequestError> {
    let is_elastic = flavour == Flavour::Elasticsearch;
    let lifecycle = is_elastic && answers(client, Method::Get, "_ilm/status", None).await?;
    let query = json!({ "query": "ROW a = 1" });
    Ok(Capabilities {
        lifecycle,
        esql: is_elastic && answers(client, Method::Post, "_query", Some(&query)).await?,
        exponential_histogram: is_elastic && has_field(client, "exponential_histogram").await?,
        histogram: is_elastic && has_field(client, "histogram").await?,
    })
}

/// Whether a call exists: 403 says that it does, for others.
async fn answers(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<bool, RequestError> {
    let answer = client.request(method, path, body).await?;
    Ok(answer.is_success() || answer.status == 403)
}

/// Whether a field type exists: a template is tried with it, and not kept.
async fn has_field(client: &Client, kind: &str) -> Result<bool, RequestError> {
    let template = json!({
        "index_patterns": ["isochrone-no-such-index-*"],
        "priority": 0,
        "template": { "mappings": { "properties": { "tried": { "type": kind } } } },
    });
    let answer = client
        .request(Method::Post, "_index_template/_simulate", Some(&template))
        .await?;
    Ok(answer.is_success())
}

/// Major versions.
const SUPPORTED: [u32; 2] = [8, 9];
