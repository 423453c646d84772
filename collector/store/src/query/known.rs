//! Which commits of a group of segments have heads: only their rows count. Found out once, and again when damage was put
//! right or the group became another one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::ReadOnlyTable;

use crate::StoreError;
use crate::segment::{Group, SealedLog, Span};

/// What is known, by the span of each group.
#[derive(Debug, Default)]
pub(crate) struct KnownCommits(Mutex<BTreeMap<Span, Known>>);

#[derive(Debug)]
struct Known {
    state: State,
    commits: Arc<[Span]>,
}

/// Of what this is known: how often the damage changed, how many segments the group has, and the newest of them.
type State = (u64, usize, Option<u64>);

impl KnownCommits {
    /// The commits of a group that have heads, in stretches without a gap.
    pub(super) fn of(
        &self,
        group: &Group,
        sealed: &SealedLog<'_, ReadOnlyTable<u64, &'static [u8]>>,
        damaged: u64,
    ) -> Result<Arc<[Span]>, StoreError> {
        let newest = group.segments.iter().map(|segment| segment.number).max();
        let state = (damaged, group.segments.len(), newest);
        if let Some(known) = self.lock().get(&group.span).filter(|known| known.state == state) {
            return Ok(Arc::clone(&known.commits));
        }
        let commits: Arc<[Span]> = sealed.commits_of(group)?.into();
        let known = Known {
            state,
            commits: Arc::clone(&commits),
        };
        self.lock().insert(group.span, known);
        Ok(commits)
    }

    /// Forgets groups that are no more.
    pub(super) fn keep(&self, groups: &[Group]) {
        let mut known = self.lock();
        if known.len() > groups.len() {
            let is_there = |span: &Span| groups.binary_search_by_key(span, |group| group.span).is_ok();
            known.retain(|span, _| is_there(span));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Span, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
