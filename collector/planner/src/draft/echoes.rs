//! The mesh's part of every plan: whom a probe echoes and whom it answers.

use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::plan::{ResponderPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;

use super::affinity::Mark;
use super::content::Draft;
use super::grid::stretched;
use super::input::PlanInput;
use super::mesh::Mesh;
use super::participant::Participant;
use super::rate::Rates;
use crate::pace::millis;

/// Room is made for so many nodes at most, and for so many checks of each, before they are known.
const NODES_EXPECTED: usize = 32;
const CHECKS_OF_NODE: usize = 4;

/// The plans of all probes as far as the mesh goes.
pub(super) fn drafts(input: &PlanInput, mesh: &Mesh, marks: &[Mark], rates: &Rates) -> Vec<(ProbeId, Draft)> {
    let interval_ms = millis(input.pace.echo_interval);
    let measured: Vec<Measured<'_>> = (input.probes.iter().zip(marks).enumerate())
        .map(|(place, (probe, mark))| Measured {
            probe,
            mark: *mark,
            id: TargetId::of_peer(probe.id),
            interval_ms: stretched(interval_ms, rates.of_peer(place)),
        })
        .collect();
    let nodes = input.nodes.len().min(NODES_EXPECTED);
    let draft = |(place, probe): (usize, &Measured<'_>)| {
        let peers = mesh.peers(place);
        let mut draft = Draft {
            targets: Vec::with_capacity(peers.len() + nodes),
            checks: Vec::with_capacity(2 * peers.len() + CHECKS_OF_NODE * nodes),
            responder: ResponderPlan {
                secrets: probe.probe.secrets.clone(),
                probers: probers(input, mesh.probers(place)),
            },
        };
        for peer in peers {
            add_peer(&mut draft, probe, &measured[*peer as usize]);
        }
        (probe.probe.id, draft)
    };
    measured.iter().enumerate().map(draft).collect()
}

/// A probe as a target, with what is the same in every plan.
struct Measured<'a> {
    probe: &'a Participant,
    mark: Mark,
    id: TargetId,
    interval_ms: u32,
}

/// Whom a probe answers: its probers, and the collector.
fn probers(input: &PlanInput, places: &[u32]) -> Vec<ProbeId> {
    let ids = places.iter().map(|place| input.probes[*place as usize].id);
    let mut probers: Vec<ProbeId> = ids.chain([ProbeId::COLLECTOR]).collect();
    probers.sort_unstable();
    probers
}

fn add_peer(draft: &mut Draft, prober: &Measured<'_>, peer: &Measured<'_>) {
    // a pair has a family only if both ends do: a probe without IPv6 is not told to use it
    let v4 = peer.probe.v4.filter(|_| prober.probe.v4.is_some());
    let v6 = peer.probe.v6.filter(|_| prober.probe.v6.is_some());
    if v4.is_none() && v6.is_none() {
        return;
    }
    let target = Target {
        id: peer.id,
        name: peer.probe.name.clone(),
        address: TargetAddress::Peer {
            probe: peer.probe.id,
            v4,
            v6,
            key: peer.probe.key_for(prober.probe.id),
        },
    };
    let pair = Mark::of_id(prober.mark.affinity(peer.mark) ^ prober.probe.id.0); // each way has its own
    let families = [(Family::V4, v4.is_some()), (Family::V6, v6.is_some())];
    let echoes = families.into_iter().filter(|(_, has)| *has).map(|(family, _)| {
        let offset_ms = pair.number(family as u64, peer.interval_ms);
        let schedule = Schedule::new(peer.interval_ms, offset_ms, Check::Echo.timeout_ms())
            .expect("the interval is within the bounds that the configuration enforces");
        (Kind::new(Check::Echo, family), schedule)
    });
    draft.add(target, echoes);
}
