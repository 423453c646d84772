//! Imported documents by node, day and vantage.

use std::collections::BTreeMap;

use isochrone_base::roster::{NodeEntry, Roster};
use isochrone_base::words::{date, rfc3339};
use isochrone_proto::units::UnixMillis;
use isochrone_store::imported::{Imported, ImportedIndex, ImportedSource};
use isochrone_store::{Store, StoreError};
use serde::{Serialize, Serializer};

use super::counts::{Counts, quantile};
use crate::log::Window;

/// What was imported, beside a report of our own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportedNodes {
    /// In the window.
    pub nodes: Vec<ImportedNode>,
    /// In all, whenever: documents, the first, the last.
    pub(crate) ever: Option<(u64, UnixMillis, UnixMillis)>,
}

/// What others saw of a node in a window. It is in no figure of ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportedNode {
    /// Its name in `targets.toml`; `null`: none is at this address.
    pub node: Option<String>,
    /// Its base URL, as the documents name it.
    pub endpoint: String,
    /// Where it comes from: `operators-ping` or `distributors-status`.
    pub source: &'static str,
    /// The whole window.
    #[serde(flatten)]
    pub whole: ImportedFigures,
    /// The UTC days of which there are documents.
    pub days: Vec<ImportedDayReport>,
    /// By name.
    pub vantages: Vec<ImportedVantage>,
}

/// One UTC day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportedDayReport {
    /// `2023-11-22`.
    pub day: String,
    /// What was seen on it.
    #[serde(flatten)]
    pub figures: ImportedFigures,
    /// How many vantages saw it.
    pub vantages: usize,
}

/// One vantage in the whole window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportedVantage {
    /// The name that the prober gave itself.
    pub vantage: String,
    /// Always `imported`: nobody here can check it.
    pub access: &'static str,
    /// Where it stands, as somebody said; `null`: nobody did.
    pub site: Option<String>,
    /// What it saw.
    #[serde(flatten)]
    pub figures: ImportedFigures,
}

/// What documents add up to. Shares are 0…1 of what is counted beside them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportedFigures {
    /// Documents, of which each is a status call.
    pub checks: u64,
    /// Share of status calls that were answered; a degraded node answers.
    pub status_ok: Option<f64>,
    /// Share of asset downloads that succeeded, 404 and 421 and switched-off buckets left out.
    pub asset_ok: Option<f64>,
    /// Asset downloads behind `asset_ok`.
    pub asset_checks: u64,
    /// Answers 404 and 421.
    pub absent: u64,
    /// Documents of a bucket that was switched off.
    pub not_distributing: u64,
    /// Median time to first byte of assets that the node held, in milliseconds; operators-ping only.
    pub ttfb_p50_ms: Option<f64>,
    /// 90th percentile of the same.
    pub ttfb_p90_ms: Option<f64>,
    /// Times behind both.
    pub ttfb_samples: u64,
    /// Median time of an asset's whole answer, held or not, in milliseconds; distributors-status only.
    pub answer_p50_ms: Option<f64>,
    /// 90th percentile of the same.
    pub answer_p90_ms: Option<f64>,
    /// Times behind both.
    pub answer_samples: u64,
}

impl ImportedFigures {
    fn of(counts: &Counts) -> Self {
        Self {
            checks: counts.documents,
            status_ok: counts.status_ok(),
            asset_ok: counts.asset_ok(),
            asset_checks: counts.asset_checks(),
            absent: counts.absent,
            not_distributing: counts.not_distributing,
            ttfb_p50_ms: quantile(&counts.ttfb, 0.5),
            ttfb_p90_ms: quantile(&counts.ttfb, 0.9),
            ttfb_samples: counts.ttfb.count(),
            answer_p50_ms: quantile(&counts.answer, 0.5),
            answer_p90_ms: quantile(&counts.answer, 0.9),
            answer_samples: counts.answer.count(),
        }
    }
}

/// All of a node.
#[derive(Default)]
struct OfNode {
    whole: Counts,
    days: BTreeMap<String, Counts>,
    vantages: BTreeMap<String, Counts>,
}

impl ImportedNodes {
    /// Reads what was imported of `window`.
    ///
    /// # Errors
    /// When the store failed.
    pub fn read(store: &Store, roster: &Roster, window: Window) -> Result<Self, StoreError> {
        let imported = Imported::of(store);
        let sources = imported.sources()?;
        let mut found: BTreeMap<(String, ImportedIndex), OfNode> = BTreeMap::new();
        imported.days((window.from, window.until), &mut |day| {
            let of = found.entry((day.endpoint, day.index)).or_default();
            for (at, seen) in day.runs {
                let add = |counts: &mut Counts| counts.add(day.index, &day.vantage, seen);
                add(&mut of.whole);
                add(of.days.entry(date(at)).or_default());
                add(of.vantages.entry(day.vantage.clone()).or_default());
            }
        })?;
        let site = |index: ImportedIndex, vantage: &str| {
            let is_it = |source: &&ImportedSource| source.index == index && source.vantage == vantage;
            let place = sources.iter().find(is_it)?.place.as_ref()?;
            Some(place.site.clone())
        };
        let node = |((endpoint, index), of): ((String, ImportedIndex), OfNode)| ImportedNode {
            node: node_at(roster, &endpoint).map(|node| node.name.clone()),
            endpoint,
            source: index.word(),
            whole: ImportedFigures::of(&of.whole),
            days: of
                .days
                .into_iter()
                .map(|(day, counts)| ImportedDayReport {
                    day,
                    figures: ImportedFigures::of(&counts),
                    vantages: counts.vantages.len(),
                })
                .collect(),
            vantages: of
                .vantages
                .into_iter()
                .map(|(vantage, counts)| ImportedVantage {
                    site: site(index, &vantage),
                    vantage,
                    access: "imported",
                    figures: ImportedFigures::of(&counts),
                })
                .collect(),
        };
        let mut nodes: Vec<_> = found.into_iter().map(node).collect();
        nodes.sort_by(|one, other| (one.name(), one.source).cmp(&(other.name(), other.source)));
        Ok(Self {
            nodes,
            ever: ever(&sources),
        })
    }

    /// `null` where nothing was imported.
    #[must_use]
    pub(crate) fn beyond(&self) -> Option<String> {
        let (documents, first, last) = self.ever?;
        self.nodes.is_empty().then(|| {
            format!(
                "{documents} imported documents lie outside this window, from {} to {}: name it with --from and --to.",
                rfc3339(first),
                rfc3339(last)
            )
        })
    }
}

/// As the list of its nodes.
impl Serialize for ImportedNodes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.nodes.serialize(serializer)
    }
}

impl ImportedNode {
    /// Its name, or its address where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.node.as_deref().unwrap_or(&self.endpoint)
    }
}

/// How many documents there are, and from when to when.
pub(super) fn ever(sources: &[ImportedSource]) -> Option<(u64, UnixMillis, UnixMillis)> {
    let first = sources.iter().map(|source| source.first).min()?;
    let last = sources.iter().map(|source| source.last).max()?;
    Some((sources.iter().map(|source| source.documents).sum(), first, last))
}

/// The node at an address: one that is in force before one that was removed.
pub(super) fn node_at<'r>(roster: &'r Roster, endpoint: &str) -> Option<&'r NodeEntry> {
    let is_there = |node: &&NodeEntry| node.url.trim_end_matches('/') == endpoint.trim_end_matches('/');
    roster.nodes().filter(is_there).min_by_key(|node| node.removed)
}
