//! When an incident is over.

use std::collections::BTreeMap;

use isochrone_base::roster::Roster;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;

use super::Transition;
use super::witness::Case;
use crate::incident::{Ending, Incident};

/// The incident, ended, once a witness got two answers in a row and those who have not are no quorum any
/// more. Silence ends nothing.
pub(super) fn end(case: &Case<'_>, open: &Incident, roster: &Roster) -> Option<Incident> {
    if !case.failing().is_empty() {
        return None;
    }
    let mut standing: BTreeMap<ProbeId, Option<u32>> = BTreeMap::new();
    let mut recovered: BTreeMap<ProbeId, (UnixMillis, Option<u32>)> = BTreeMap::new();
    for witness in case.witnesses {
        let is_witness = open
            .evidence
            .iter()
            .any(|cell| (cell.probe, cell.kind) == (witness.probe.id, witness.cell.kind));
        if !is_witness {
            continue;
        }
        match witness.cell.runs().good_since() {
            Some(since) if witness.is_recovered(case.rules) => {
                let latest = recovered
                    .entry(witness.probe.id)
                    .or_insert((since, witness.probe.network));
                latest.0 = latest.0.max(since);
            }
            _ => {
                standing.insert(witness.probe.id, witness.probe.network);
            }
        }
    }
    recovered.retain(|probe, _| !standing.contains_key(probe));
    if case.is_quorum(standing.iter().map(|(&probe, &network)| (probe, network))) {
        return None;
    }
    let end = match recovered.is_empty() {
        false => end_of_quorum(case, standing, recovered),
        true => end_without_witnesses(case, open, roster)?,
    };
    let mut ended = open.clone();
    ended.end = Some(end.max(open.start));
    ended.ending = Some(Ending::Recovered);
    Some(ended)
}

/// The incident, ended because nobody watches its subject any more.
pub(super) fn by_hand(open: &Incident, ending: Ending, now: UnixMillis) -> Transition {
    let mut ended = open.clone();
    ended.end = Some(now.max(open.start));
    ended.ending = Some(ending);
    Transition::Ended(ended)
}

/// The first answer after which those still failing were no quorum any more.
fn end_of_quorum(
    case: &Case<'_>,
    mut standing: BTreeMap<ProbeId, Option<u32>>,
    recovered: BTreeMap<ProbeId, (UnixMillis, Option<u32>)>,
) -> UnixMillis {
    let mut answers: Vec<_> = recovered
        .iter()
        .map(|(&probe, &(since, _))| (since, probe))
        .collect();
    answers.sort_unstable();
    standing.extend(recovered.iter().map(|(&probe, &(_, network))| (probe, network)));
    let mut end = answers.first().map_or(case.now, |&(since, _)| since);
    for (since, probe) in answers {
        if !case.is_quorum(standing.iter().map(|(&probe, &network)| (probe, network))) {
            break;
        }
        end = since;
        standing.remove(&probe);
    }
    end
}

/// If every witness was revoked since, anyone who may judge ends it; `None` while a witness may come back.
fn end_without_witnesses(case: &Case<'_>, open: &Incident, roster: &Roster) -> Option<UnixMillis> {
    let may_return = open
        .evidence
        .iter()
        .any(|cell| roster.probe(cell.probe).is_some_and(|probe| probe.active));
    if may_return {
        return None;
    }
    let recovered = case
        .witnesses
        .iter()
        .filter(|witness| witness.is_recovered(case.rules));
    recovered
        .filter_map(|witness| witness.cell.runs().good_since())
        .min()
}
