//! The reports that the page links to: whoever holds the store answers them.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// Makes reports from the store. Bodies are complete documents; JSON is as design.md's contract says.
pub trait Reports: Send + Sync + 'static {
    /// `report coverage` as one HTML page. It is served with a policy that allows inline styles and no
    /// script.
    fn coverage_html(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>>;

    /// `report nodes` as one HTML page, served as the one above.
    fn nodes_html(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>>;

    /// `report audit` as one HTML page, served as the ones above.
    fn audit_html(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>>;

    /// `report audit --format json`: `isochrone.audit/1`.
    fn audit_json(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>>;

    /// `report coverage --format json`: `isochrone.coverage/1`.
    fn coverage_json(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>>;

    /// `report nodes --format json`: `isochrone.nodes/1`. The node page shows it; `status_ok` and `asset_ok`
    /// are shares from 0 to 1, or null.
    fn nodes_json(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>>;

    /// `ledger --format json`: `isochrone.ledger/1`.
    fn ledger_json(&self, query: ReportQuery) -> BoxFuture<'_, Result<String, ReportError>>;
}

/// How far back a report reaches if the query does not say.
pub const DEFAULT_SINCE: Duration = Duration::from_secs(15 * 86_400);

/// What a report shall cover. All `None`: the report's own default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportQuery {
    /// So far back from now: `?since=7d`. Not together with `from` or `to`.
    pub since: Option<Duration>,
    /// `?from=2026-11-01T00:00:00Z`
    pub from: Option<Timestamp>,
    /// `?to=…`, RFC 3339; now where it is missing.
    pub to: Option<Timestamp>,
    /// Coverage only, `?weights=people` or `sites`.
    pub weights: Option<Weights>,
}

/// What coverage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// People per city.
    People,
    /// Every vantage counts 1.
    Sites,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Ask again later: not enough was measured so far.
    #[error("there is nothing to report yet: {reason}")]
    NotYet {
        /// What is missing, and when it may be there.
        reason: String,
    },
    /// The query cannot be answered.
    #[error("this report cannot be made: {reason}")]
    BadQuery {
        /// Which key, which value, and what would do.
        reason: String,
    },
    /// The store failed.
    #[error("the report could not be read from the store")]
    Store {
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ReportQuery {
    /// Reads a URL's query; a key or value that is not known is an error, so that a typo never yields
    /// another report than the one that was asked for.
    ///
    /// # Errors
    /// [`ReportError::BadQuery`], which names key and value.
    pub fn parse(query: &str) -> Result<Self, ReportError> {
        let mut parsed = Self::default();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "since" => parsed.since = Some(duration(&value)?),
                "from" => parsed.from = Some(instant("from", &value)?),
                "to" => parsed.to = Some(instant("to", &value)?),
                "weights" => parsed.weights = Some(weights(&value)?),
                _ => return Err(bad(format!("{key} is not known; use since, from, to or weights"))),
            }
        }
        match (parsed.since, parsed.from, parsed.to) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => Err(bad(
                "since stands alone: leave it out, or leave out from and to".to_owned(),
            )),
            (None, Some(from), Some(to)) if from >= to => {
                Err(bad(format!("from {from} is not before to {to}; swap them")))
            }
            _ => Ok(parsed),
        }
    }
}

fn duration(value: &str) -> Result<Duration, ReportError> {
    match humantime::parse_duration(value) {
        Ok(since) if !since.is_zero() => Ok(since),
        _ => Err(bad(format!(
            "since={value} is no length of time; write it as 7d or 12h"
        ))),
    }
}

fn instant(key: &str, value: &str) -> Result<Timestamp, ReportError> {
    let parsed: Result<Timestamp, _> = value.parse();
    match parsed {
        Ok(at) if at < Timestamp::UNIX_EPOCH => Err(bad(format!(
            "{key}={value} is before 1970, when no clock of a probe began"
        ))),
        Ok(at) => Ok(at),
        Err(_) => Err(bad(format!(
            "{key}={value} is no instant; write it as 2026-11-01T00:00:00Z"
        ))),
    }
}

fn weights(value: &str) -> Result<Weights, ReportError> {
    match value {
        "people" => Ok(Weights::People),
        "sites" => Ok(Weights::Sites),
        _ => Err(bad(format!("weights={value} is not known; use people or sites"))),
    }
}

fn bad(reason: String) -> ReportError {
    ReportError::BadQuery { reason }
}

impl IntoResponse for ReportError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::NotYet { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadQuery { .. } => StatusCode::BAD_REQUEST,
            Self::Store { source } => {
                tracing::error!(error = %source, "a report could not be read from the store");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        (status, format!("{self}\n")).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_query_is_read() {
        let query = ReportQuery::parse("from=2026-11-01T00:00:00Z&to=2026-11-02T00%3A00%3A00Z&weights=sites")
            .expect("a good query");
        assert_eq!(
            query.from.map(|at| at.to_string()).as_deref(),
            Some("2026-11-01T00:00:00Z")
        );
        assert_eq!(
            query.to.map(|at| at.to_string()).as_deref(),
            Some("2026-11-02T00:00:00Z")
        );
        assert_eq!(query.weights, Some(Weights::Sites));
        let since = ReportQuery::parse("since=7d").expect("a good query").since;
        assert_eq!(since, Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(ReportQuery::parse("").expect("no query"), ReportQuery::default());
    }

    #[test]
    fn bad_query_names_key_and_value() {
        for (query, part) in [
            ("sicne=7d", "sicne"),
            ("since=yesterday", "since=yesterday"),
            ("since=0s", "since=0s"),
            ("from=noon", "from=noon"),
            ("to=1", "to=1"),
            ("weights=cows", "weights=cows"),
            ("since=7d&to=2026-11-02T00:00:00Z", "stands alone"),
            ("from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", "not before"),
        ] {
            let error = ReportQuery::parse(query).expect_err(query).to_string();
            assert!(error.contains(part), "{query}: {error}");
        }
    }
}
