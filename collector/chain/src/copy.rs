//! The last good answer of the indexer, with its age: what everything is judged by while the indexer is away.

use std::collections::BTreeMap;

use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::topology::{BucketId, OperatorId, Status, Topology};

/// A copy of the chain, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copy {
    /// What the chain said.
    pub topology: Topology,
    /// When it said so.
    pub taken: UnixMillis,
    /// Who told it: the indexer's address, or a file's name.
    pub from: String,
    /// Bucket and worker of each operator that is invited, and since when that has been seen.
    invited: Vec<(BucketId, Option<u64>, UnixMillis)>,
    /// The newest attempt to fetch it anew, if that failed.
    #[serde(default)]
    pub failed: Option<Failed>,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// When.
    pub at: UnixMillis,
    /// Why, in words.
    pub says: String,
}

/// Why an answer is no better than the copy that is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBetter {
    /// No families, where there were some.
    #[error("the answer holds no family, and the copy that is kept has {kept}: an indexer that begins anew?")]
    Empty {
        /// So many.
        kept: usize,
    },
    /// An older block.
    #[error(
        "the answer is of block {block}, and the copy that is kept of block {kept}: an indexer that lags or begins anew?"
    )]
    Older {
        /// The answer's.
        block: u64,
        /// The copy's.
        kept: u64,
    },
}

impl Copy {
    /// The first copy, or the one that replaces `before`, fetched `now` from `from`.
    ///
    /// # Errors
    /// When it tells less than the one before, unless `anyway`.
    pub fn next(
        before: Option<&Self>,
        topology: Topology,
        (now, from): (UnixMillis, String),
        anyway: bool,
    ) -> Result<Self, NotBetter> {
        if let Some(before) = before.filter(|_| !anyway) {
            let kept = before.topology.families.len();
            if topology.families.is_empty() && kept > 0 {
                return Err(NotBetter::Empty { kept });
            }
            if let (Some(block), Some(kept)) = (topology.block, before.topology.block)
                && block < kept
            {
                return Err(NotBetter::Older { block, kept });
            }
        }
        let known = before.map(Self::invited_since).unwrap_or_default();
        let invited = topology
            .operators()
            .filter(|(_, _, one)| one.status == Status::Invited)
            .map(|(_, bucket, one)| {
                let since = known.get(&bucket.operator_id(one)).copied();
                (bucket.id, one.worker, since.unwrap_or(now))
            });
        Ok(Self {
            invited: invited.collect(),
            topology,
            taken: now,
            from,
            failed: None,
        })
    }

    /// Since when each operator has been seen invited.
    #[must_use]
    pub fn invited_since(&self) -> BTreeMap<OperatorId, UnixMillis> {
        let invited = self.invited.iter();
        invited
            .map(|&(bucket, worker, since)| (OperatorId { bucket, worker }, since))
            .collect()
    }

    /// The same, with an attempt to replace it that failed.
    #[must_use]
    pub fn with_failure(self, at: UnixMillis, says: String) -> Self {
        Self {
            failed: Some(Failed { at, says }),
            ..self
        }
    }

    /// How old it is, in milliseconds.
    #[must_use]
    pub fn age_ms(&self, now: UnixMillis) -> u64 {
        now.0.saturating_sub(self.taken.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{BLOCK, NOW, world};
    use crate::topology::Operator;

    fn next(before: Option<&Copy>, topology: Topology, at: u64) -> Result<Copy, NotBetter> {
        Copy::next(
            before,
            topology,
            (UnixMillis(NOW.0 + at), "here".to_owned()),
            false,
        )
    }

    #[test]
    fn invitation_is_as_old_as_it_was_first_seen() {
        let mut world = world(2, 1);
        let first = next(None, world.topology.clone(), 0).unwrap();
        assert!(first.invited_since().is_empty());
        world.bucket(0, 0).operators.push(Operator {
            worker: Some(9),
            ..Operator::default()
        });
        let second = next(Some(&first), world.topology.clone(), 1_000).unwrap();
        let third = next(Some(&second), world.topology.clone(), 2_000).unwrap();
        assert_eq!(
            third.invited_since().into_values().collect::<Vec<_>>(),
            [UnixMillis(NOW.0 + 1_000)]
        );
        assert_eq!(third.age_ms(UnixMillis(NOW.0 + 5_000)), 3_000);
        let text = serde_json::to_string(&third).unwrap();
        assert_eq!(serde_json::from_str::<Copy>(&text).unwrap(), third);
    }

    #[test]
    fn indexer_that_begins_anew_does_not_replace_what_is_known() {
        let chain = world(3, 1).topology;
        let kept = next(None, chain.clone(), 0).unwrap();
        let empty = Topology {
            families: Vec::new(),
            ..chain.clone()
        };
        assert_eq!(
            next(Some(&kept), empty.clone(), 1),
            Err(NotBetter::Empty { kept: 3 })
        );
        let older = Topology {
            block: Some(5),
            ..chain
        };
        let refused = NotBetter::Older {
            block: 5,
            kept: BLOCK,
        };
        assert_eq!(next(Some(&kept), older, 1), Err(refused));
        assert!(Copy::next(Some(&kept), empty, (NOW, String::new()), true).is_ok());
    }
}
