//! What imported documents add up to.

use std::collections::BTreeSet;

use isochrone_coverage::histogram::LogHistogram;
use isochrone_store::imported::{ImportedAsset, ImportedCache, ImportedIndex, ImportedSeen, ImportedStatus};

/// Documents of one index about one node.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) documents: u64,
    pub(super) answered: u64,
    pub(super) served: u64,
    pub(super) failed: u64,
    pub(super) absent: u64,
    /// With the bucket switched off: its asset is in no share.
    pub(super) not_distributing: u64,
    /// To the first byte of what the node held.
    pub(super) ttfb: LogHistogram,
    /// Of whole answers, whether the node held them or not.
    pub(super) answer: LogHistogram,
    pub(super) vantages: BTreeSet<String>,
}

impl Counts {
    pub(super) fn add(&mut self, index: ImportedIndex, vantage: &str, seen: ImportedSeen) {
        self.documents += 1;
        if !self.vantages.contains(vantage) {
            self.vantages.insert(vantage.to_owned());
        }
        self.answered += u64::from(seen.status != ImportedStatus::Dead);
        if !seen.distributing {
            self.not_distributing += 1;
            return;
        }
        match seen.asset {
            ImportedAsset::NotTried => {}
            ImportedAsset::Absent { .. } => self.absent += 1,
            ImportedAsset::Failed { .. } => self.failed += 1,
            ImportedAsset::Served { us, cache } => {
                self.served += 1;
                let times = match (index, cache) {
                    (ImportedIndex::OperatorsPing, ImportedCache::Hit) => &mut self.ttfb,
                    (ImportedIndex::DistributorsStatus, _) => &mut self.answer,
                    // of objects that the node fetched first, or of which nobody says it: comparable with nothing
                    (ImportedIndex::OperatorsPing, _) => return,
                };
                if let Some(us) = us {
                    let _is_a_time = times.record_us(f64::from(us));
                }
            }
        }
    }

    pub(super) fn status_ok(&self) -> Option<f64> {
        share(self.answered, self.documents)
    }

    pub(super) fn asset_checks(&self) -> u64 {
        self.served + self.failed
    }

    pub(super) fn asset_ok(&self) -> Option<f64> {
        share(self.served, self.asset_checks())
    }
}

fn share(good: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| good as f64 / of as f64)
}

/// In milliseconds.
pub(super) fn quantile(of: &LogHistogram, q: f64) -> Option<f64> {
    of.quantile_us(q).map(|us| us / 1_000.0)
}
