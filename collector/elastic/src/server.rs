//! What stands behind the URLs, and what it can do: asked, not guessed from a version.

use std::fmt;

use isochrone_base::words::duration;
use serde_json::{Value, json};

use crate::client::reason;
use crate::index::{Family, PACKED_COLUMNS, PLAIN_SEQUENCE_NUMBERS, Setting};
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
    /// How far its clock is ahead of this machine's, in milliseconds; negative: behind. 0: not to be told apart, or not
    /// said.
    pub ahead_ms: i64,
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
    /// Columns are packed as those of time series are.
    pub packed_columns: bool,
    /// Sequence numbers without an index of them, which nothing here asks for.
    pub plain_sequence_numbers: bool,
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
    /// Its nodes have not found each other yet.
    #[error(
        "{url} says no id of its cluster: its nodes have not found each other yet, or a proxy takes it away"
    )]
    NoCluster {
        /// The node.
        url: String,
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
        let cluster = cluster["cluster_uuid"].as_str();
        let cluster = cluster.filter(|id| !id.is_empty() && *id != "_na_");
        let cluster = cluster.ok_or_else(|| ServerError::NoCluster {
            url: client.name().to_owned(),
        })?;
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
            cluster: cluster.to_owned(),
            can: capabilities(client, flavour).await?,
            ahead_ms: ahead_ms(client).await?,
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
        if !self.can.packed_columns {
            say(
                "no packed columns (index.use_time_series_doc_values_format): some 6 bytes more of disk a measurement",
            );
        }
        if !self.can.plain_sequence_numbers {
            say(
                "an index of sequence numbers (no index.seq_no.index_options): some 4 bytes more of disk a measurement",
            );
        }
        lacks
    }
}

impl Server {
    /// What is to be said of its clock, where that differs from this machine's by more than two seconds.
    #[must_use]
    pub fn clock(&self) -> Option<String> {
        let by = self.ahead_ms.unsigned_abs();
        let side = if self.ahead_ms > 0 { "ahead of" } else { "behind" };
        (by > CLOCKS_MS).then(|| {
            format!(
                "its clock is {} {side} this machine's: set the wrong one right. What is counted from its now (lifecycles, \
                 NOW() in queries) is off by that; what is sent is not",
                duration(by)
            )
        })
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

/// By the time on an answer: within the time that it took, both clocks are taken for equal.
async fn ahead_ms(client: &Client) -> Result<i64, RequestError> {
    let path = "_nodes/_local/stats/http?filter_path=nodes.*.timestamp";
    let asked = client.wall();
    let answer = client.request(Method::Get, path, None).await?;
    let answered = client.wall();
    let nodes = answer.body["nodes"].as_object();
    let node = nodes.and_then(|nodes| nodes.values().next());
    let says = node.and_then(|node| node["timestamp"].as_u64());
    Ok(says.map_or(0, |says| match says {
        _ if says > answered.0 => says.saturating_sub(answered.0).cast_signed(),
        _ if says < asked.0 => -(asked.0 - says).cast_signed(),
        _ => 0,
    }))
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
        packed_columns: is_elastic && has_setting(client, PACKED_COLUMNS).await?,
        plain_sequence_numbers: is_elastic && has_setting(client, PLAIN_SEQUENCE_NUMBERS).await?,
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

/// Whether a field type exists.
async fn has_field(client: &Client, kind: &str) -> Result<bool, RequestError> {
    let tried = json!({ "mappings": { "properties": { "tried": { "type": kind } } } });
    has(client, &tried, Family::Rollup, |made| {
        let mut fields = made["mappings"]["properties"].as_object().into_iter().flatten();
        fields.any(|(_, field)| field["type"] == kind)
    })
    .await
}

/// Whether a setting of an index exists, with that value.
async fn has_setting(client: &Client, (path, value): Setting) -> Result<bool, RequestError> {
    let tried = json!({ "settings": { (format!("index.{path}")): value } });
    let at = format!("/settings/index/{}", path.replace('.', "/"));
    has(client, &tried, Family::Echo, |made| {
        made.pointer(&at).is_some_and(|made| made == value)
    })
    .await
}

/// Whether a server takes a template: it is tried, and not kept. Whoever may not try, as the sink, sees it in the templates
/// that setup made.
async fn has(
    client: &Client,
    tried: &Value,
    family: Family,
    is_in: impl Fn(&Value) -> bool,
) -> Result<bool, RequestError> {
    let template = json!({
        "index_patterns": ["isochrone-no-such-index-*"],
        "priority": 0,
        "template": tried,
    });
    let answer = client
        .request(Method::Post, "_index_template/_simulate", Some(&template))
        .await?;
    if answer.status != 403 {
        return Ok(answer.is_success());
    }
    let path = format!("_index_template/*-{}", family.word());
    let made = client.request(Method::Get, &path, None).await?;
    let made = made.body["index_templates"].as_array();
    let mut made = made.into_iter().flatten();
    Ok(made.any(|template| is_in(&template["index_template"]["template"])))
}

/// Clocks that differ by no more are taken for equal.
const CLOCKS_MS: u64 = 2_000;
/// Major versions.
const SUPPORTED: [u32; 2] = [8, 9];
