//! What cannot be said of these observations, and why.

use std::collections::BTreeSet;

use super::options::Options;
use super::prepare::{Cell, Prepared};
use crate::note::Note;
use crate::observations::Observations;

/// With fewer runs than this a vantage's figures say little.
const LEAST_RUNS: u64 = 30;

/// Notes on what the report cannot say.
pub(super) fn of(prepared: &Prepared<'_>, observations: &Observations, options: &Options) -> Vec<Note> {
    let mut notes = Vec::new();
    let impossible = &options.impossible;
    let nodes = observations.nodes.iter().map(|node| &node.name);
    let nodes = nodes.filter(|name| impossible.nodes.contains(name));
    let vantages = observations.vantages.iter().map(|vantage| &vantage.name);
    let vantages = vantages.filter(|name| impossible.vantages.contains(name));
    let mut names: Vec<String> = nodes.chain(vantages).cloned().collect();
    names.sort();
    names.dedup();
    let (mut nodes, mut vantages) = (prepared.nodes.iter(), prepared.vantages.iter());
    if nodes.any(|node| impossible.nodes.contains(&node.name))
        || vantages.any(|vantage| impossible.vantages.contains(&vantage.name))
    {
        notes.push(Note::PlacesContradict);
    } else if !names.is_empty() {
        notes.push(Note::Impossible { names });
    }
    let unplaced = prepared.nodes.iter().filter(|node| node.position.is_none());
    let nodes: Vec<String> = unplaced.map(|node| node.name.clone()).collect();
    if !nodes.is_empty() {
        notes.push(Note::NodesUnplaced { nodes });
    }
    let measured: BTreeSet<usize> = prepared.cells.keys().map(|(vantage, _)| *vantage).collect();
    if prepared.vantages.len() == 1 || measured.len() == 1 {
        notes.push(Note::OneVantage);
    }
    let vantages = few_runs(prepared);
    if !vantages.is_empty() {
        notes.push(Note::FewRuns {
            vantages,
            least: LEAST_RUNS,
        });
    }
    notes
}

/// Vantages none of whose nodes was reached often enough.
fn few_runs(prepared: &Prepared<'_>) -> Vec<String> {
    let mut most: Vec<Option<u64>> = vec![None; prepared.vantages.len()];
    for (&(vantage, _), cell) in &prepared.cells {
        if let Cell::Days(days) = cell {
            let runs: u64 = days.values().map(|day| day.rtt.times.count()).sum();
            most[vantage] = most[vantage].max(Some(runs));
        }
    }
    let few = |(vantage, runs): (usize, &Option<u64>)| {
        let few = runs.is_some_and(|runs| runs > 0 && runs < LEAST_RUNS);
        few.then(|| prepared.vantages[vantage].name.clone())
    };
    most.iter().enumerate().filter_map(few).collect()
}
