//! Whose word counts on a node's check, and whether enough of them agree.

use std::collections::{BTreeMap, BTreeSet};

use isochrone_base::roster::{NodeEntry, ProbeEntry, count_networks};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::units::UnixMillis;

use super::rules::{NETWORKS, VANTAGES};
use super::{Rules, Scene, Uplink};
use crate::incident::{EvidenceCell, IncidentCheck};
use crate::live::{Cell, Seen};

/// One vantage's fresh word on one kind of check of a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Witness<'a> {
    pub(super) probe: &'a ProbeEntry,
    pub(super) cell: &'a Cell,
    pub(super) word: Seen,
}

/// One node's check, with everyone who may judge it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) node: &'a NodeEntry,
    pub(super) check: IncidentCheck,
    pub(super) witnesses: &'a [Witness<'a>],
    /// Networks of all probes that may judge this node, silent ones included.
    pub(super) mesh_networks: usize,
    pub(super) rules: &'a Rules,
    pub(super) now: UnixMillis,
}

/// The fresh words of all probes that may judge `node`.
pub(super) fn of_node<'a>(
    scene: &Scene<'a>,
    uplinks: &BTreeMap<ProbeId, Uplink<'_>>,
    node: &'a NodeEntry,
    check: IncidentCheck,
) -> Vec<Witness<'a>> {
    let mut witnesses = Vec::new();
    for probe in scene.roster.judges(node) {
        let (Some(vantage), Some(uplink)) = (scene.live.vantage(probe.id), uplinks.get(&probe.id)) else {
            continue;
        };
        for kind in kinds_of(check) {
            let Some(cell) = vantage.cell(node.id, kind).filter(|cell| cell.planned) else {
                continue;
            };
            let Some(word) = cell.word(scene.now) else {
                continue;
            };
            if uplink.may_judge(node, kind.family) {
                witnesses.push(Witness {
                    probe,
                    cell,
                    word: word.seen,
                });
            }
        }
    }
    witnesses
}

fn kinds_of(check: IncidentCheck) -> impl Iterator<Item = Kind> {
    Check::ALL
        .into_iter()
        .filter(move |of| IncidentCheck::of(*of) == Some(check))
        .flat_map(|of| [Kind::new(of, Family::V4), Kind::new(of, Family::V6)])
}

impl Witness<'_> {
    /// It fails often enough in a row, lately and in time.
    pub(super) fn is_failing(&self, rules: &Rules, now: UnixMillis) -> bool {
        self.cell.paging_failures(now) >= rules.failures
    }

    /// It gets answers often enough in a row.
    pub(super) fn is_recovered(&self, rules: &Rules) -> bool {
        self.cell.answers_in_a_row() >= rules.answers
    }

    /// The evidence it gives; `None` if it holds no failure.
    pub(super) fn evidence(&self) -> Option<EvidenceCell> {
        let failure = self.cell.endpoint()?.failure.as_ref()?;
        Some(EvidenceCell {
            probe: self.probe.id,
            vantage: self.probe.name.clone(),
            place: self.probe.site.clone(),
            network: self.probe.network,
            kind: self.cell.kind,
            phase: failure.phase,
            failure: failure.cause,
            error: failure.text.clone(),
            slot: failure.slot,
            first_slot: self.cell.runs().bad_since().unwrap_or(failure.slot),
            failures: self.cell.runs().failures(),
        })
    }
}

impl<'a> Case<'a> {
    /// Whether these probes are enough: of two networks, or two of one if the mesh has no second.
    pub(super) fn is_quorum(&self, probes: impl IntoIterator<Item = (ProbeId, Option<u32>)>) -> bool {
        let probes: BTreeMap<_, _> = probes.into_iter().collect();
        let enough_vantages = probes.len() >= VANTAGES;
        count_networks(probes.into_values()) >= NETWORKS || (self.mesh_networks < NETWORKS && enough_vantages)
    }

    /// The failing witnesses of those kinds for which they are enough. A kind's failures are not added to
    /// another's: an IPv6 fault seen here and an IPv4 fault seen there are not one outage.
    pub(super) fn failing(&self) -> Vec<Witness<'a>> {
        let failing = self
            .witnesses
            .iter()
            .filter(|witness| witness.is_failing(self.rules, self.now));
        let failing: Vec<_> = failing.copied().collect();
        let kinds: BTreeSet<Kind> = failing.iter().map(|witness| witness.cell.kind).collect();
        let enough: BTreeSet<Kind> = kinds
            .into_iter()
            .filter(|kind| {
                let of_kind = failing.iter().filter(|witness| witness.cell.kind == *kind);
                self.is_quorum(of_kind.map(|witness| (witness.probe.id, witness.probe.network)))
            })
            .collect();
        failing
            .into_iter()
            .filter(|witness| enough.contains(&witness.cell.kind))
            .collect()
    }
}
