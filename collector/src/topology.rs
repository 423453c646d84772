//! The copy of the chain that is kept, and which of its nodes wait for approval.

mod waiting;

use isochrone_base::words::count;
use isochrone_chain::Topology;
use isochrone_chain::copy::{Copy, NotBetter};
use isochrone_planner::targets::Targets;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, Store, StoreError};
use serde::{Deserialize, Serialize};

pub(crate) use self::waiting::{Waiting, waiting};

const TABLE: &str = "topology";
const KEY: &str = "copy";

fn records(store: &Store) -> Records<Copy> {
    Records::new(store.clone(), TABLE)
}

/// The copy that is kept, if there is one.
///
/// # Errors
/// When the store failed.
pub(crate) fn kept(store: &Store) -> Result<Option<Copy>, StoreError> {
    records(store).get(KEY)
}

/// Keeps a new copy, if it is better than the one that is kept.
///
/// # Errors
/// When the store failed.
pub(crate) fn take(
    store: &Store,
    topology: Topology,
    told: (UnixMillis, String),
    anyway: bool,
) -> Result<Result<Copy, NotBetter>, StoreError> {
    let records = records(store);
    let copy = match Copy::next(records.get(KEY)?.as_ref(), topology, told, anyway) {
        Ok(copy) => copy,
        Err(not_better) => return Ok(Err(not_better)),
    };
    records.put(KEY, &copy)?;
    Ok(Ok(copy))
}

/// Notes beside the copy that it could not be fetched anew. Where none is kept, there is nothing to note it beside.
///
/// # Errors
/// When the store failed.
pub(crate) fn note_failure(store: &Store, at: UnixMillis, says: String) -> Result<(), StoreError> {
    let records = records(store);
    match records.get(KEY)? {
        Some(copy) => records.put(KEY, &copy.with_failure(at, says)),
        None => Ok(()),
    }
}

/// What a copy holds, for whoever had it taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    schema: String,
    block: Option<u64>,
    families: usize,
    buckets: usize,
    operators: usize,
    left_out: u64,
    left_out_first: Vec<String>,
    /// Hosts of active operators that targets.toml does not list: nobody calls them before they are approved.
    waiting: Vec<String>,
}

/// What a copy holds.
pub(crate) fn summary(copy: &Copy, targets: &Targets) -> Summary {
    let topology = &copy.topology;
    Summary {
        schema: "isochrone.import-topology/1".to_owned(),
        block: topology.block,
        families: topology.families.len(),
        buckets: topology.buckets().count(),
        operators: topology.operators().count(),
        left_out: topology.left_out.count,
        left_out_first: topology.left_out.first.clone(),
        waiting: waiting(topology, targets)
            .into_iter()
            .map(|one| one.endpoint.to_string())
            .collect(),
    }
}

impl Summary {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let block = self
            .block
            .map_or_else(String::new, |block| format!(" at block {block}"));
        let mut text = format!(
            "The chain{block}: {}, {}, {}. `report audit` judges it.\n",
            count(self.families, "family"),
            count(self.buckets, "bucket"),
            count(self.operators, "operator")
        );
        for said in self.left_out_first.iter().take(5) {
            text += &format!("Note: {said}.\n");
        }
        if self.left_out as usize > self.left_out_first.len().min(5) {
            text += &format!(
                "{} parts of the answer could not be taken as they were.\n",
                self.left_out
            );
        }
        if !self.waiting.is_empty() {
            let nodes = count(self.waiting.len(), "node");
            text += &format!(
                "Waiting for approval before anybody calls them: {nodes}; `target approve` lists them.\n"
            );
        }
        isochrone_proto::text::cleaned_lines(&text).into_owned()
    }
}

#[cfg(test)]
mod tests;
