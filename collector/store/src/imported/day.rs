//! The documents of one vantage, node and UTC day, as they are kept.

use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{DAY_MS, ImportedAsset, ImportedCache, ImportedRun, ImportedSeen, ImportedStatus};

/// A day as it is kept: about 22 bytes a document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct DayRecord {
    /// Buckets that documents name, in the order in which they came.
    buckets: Vec<String>,
    /// By time and bucket.
    runs: Vec<Row>,
}

/// Milliseconds since the day began; place in `buckets`; [`ImportedSeen`] in a number; its time in microseconds, or its
/// status of HTTP.
type Row = (u32, u16, u8, u32);

/// What became of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    New,
    Known,
    /// Another of the same time and bucket is kept.
    Contradicts,
}

impl DayRecord {
    pub(super) fn add(&mut self, run: &ImportedRun) -> Added {
        let at = (run.at.0 % DAY_MS) as u32;
        let known = self.buckets.iter().position(|bucket| *bucket == run.bucket);
        let Ok(bucket) = u16::try_from(known.unwrap_or(self.buckets.len())) else {
            return Added::Contradicts; // 65,536 buckets of one node: no such document is true
        };
        let (what, value) = encode(run.seen);
        let row = (at, bucket, what, value);
        match self
            .runs
            .binary_search_by_key(&(at, bucket), |row| (row.0, row.1))
        {
            Ok(place) if self.runs[place] == row => Added::Known,
            Ok(_) => Added::Contradicts,
            Err(place) => {
                if known.is_none() {
                    self.buckets.push(run.bucket.clone());
                }
                self.runs.insert(place, row);
                Added::New
            }
        }
    }

    /// What it holds, in order of time; `start` is the day's first instant. What another build wrote and this one does not
    /// know is left out.
    pub(super) fn runs(&self, start: UnixMillis) -> impl Iterator<Item = (UnixMillis, ImportedSeen)> + '_ {
        self.runs.iter().filter_map(move |&(at, _, what, value)| {
            Some((UnixMillis(start.0 + u64::from(at)), decode(what, value)?))
        })
    }
}

const CACHES: [ImportedCache; 4] = [
    ImportedCache::Hit,
    ImportedCache::Miss,
    ImportedCache::Pending,
    ImportedCache::Unknown,
];
const STATUSES: [ImportedStatus; 3] = [ImportedStatus::Ok, ImportedStatus::Degraded, ImportedStatus::Dead];

/// The number is distributing + 2 × status + 8 × asset.
fn encode(seen: ImportedSeen) -> (u8, u32) {
    let status = match seen.status {
        ImportedStatus::Ok => 0,
        ImportedStatus::Degraded => 1,
        ImportedStatus::Dead => 2,
    };
    let cache = |cache| match cache {
        ImportedCache::Hit => 0,
        ImportedCache::Miss => 1,
        ImportedCache::Pending => 2,
        ImportedCache::Unknown => 3,
    };
    let (asset, value) = match seen.asset {
        ImportedAsset::NotTried => (0, 0),
        ImportedAsset::Served {
            us: Some(us),
            cache: of,
        } => (1 + cache(of), us),
        ImportedAsset::Served { us: None, cache: of } => (5 + cache(of), 0),
        ImportedAsset::Absent { code } => (9, u32::from(code)),
        ImportedAsset::Failed { code: Some(code) } => (10, u32::from(code)),
        ImportedAsset::Failed { code: None } => (11, 0),
    };
    (u8::from(seen.distributing) + 2 * status + 8 * asset, value)
}

fn decode(what: u8, value: u32) -> Option<ImportedSeen> {
    let code = || u16::try_from(value).ok();
    let asset = match what / 8 {
        0 => ImportedAsset::NotTried,
        served @ 1..=4 => ImportedAsset::Served {
            us: Some(value),
            cache: CACHES[usize::from(served - 1)],
        },
        served @ 5..=8 => ImportedAsset::Served {
            us: None,
            cache: CACHES[usize::from(served - 5)],
        },
        9 => ImportedAsset::Absent { code: code()? },
        10 => ImportedAsset::Failed { code: Some(code()?) },
        11 => ImportedAsset::Failed { code: None },
        _ => return None,
    };
    Some(ImportedSeen {
        status: *STATUSES.get(usize::from(what / 2 % 4))?,
        asset,
        distributing: what % 2 == 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_that_is_known_says_one_thing() {
        let mut known = 0;
        for what in 0..=u8::MAX {
            let Some(seen) = decode(what, 404) else { continue };
            known += 1;
            let (again, value) = encode(seen);
            assert_eq!(again, what, "{seen:?}");
            assert_eq!(decode(again, value), Some(seen));
        }
        assert_eq!(known, 2 * 3 * 12);
    }
}
