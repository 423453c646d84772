//! Who measures what: pure. The mesh between probes and the checks of the nodes, within the fleet's rates.

mod rate;

use std::net::{SocketAddrV4, SocketAddrV6};

use isochrone_proto::echo::{KeyEpoch, PairKey, ResponderSecret};
use isochrone_proto::ids::{ProbeId, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::plan::{PlannedCheck, ResponderPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;

pub use self::rate::{HostPrefixes, Stretch};
use crate::pace::Pace;
use crate::targets::{Node, NodeKind};

/// Up to so many probes, each measures every other.
pub const FULL_MESH_MAX: usize = 50;

/// A probe, as far as plans concern it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// The probe.
    pub id: ProbeId,
    /// Its name.
    pub name: String,
    /// Its responder's secrets, the newest first.
    pub secrets: Vec<(KeyEpoch, ResponderSecret)>,
    /// The newest of them that it is known to have: its peers get keys of this one.
    pub known_secret: Option<KeyEpoch>,
    /// Its responder's IPv4 address, once it answered the collector's own echo there.
    pub v4: Option<SocketAddrV4>,
    /// The same over IPv6.
    pub v6: Option<SocketAddrV6>,
}

/// Everything plans are made from.
#[derive(Clone, Debug)]
pub struct World {
    /// The probes that are not revoked.
    pub probes: Vec<Participant>,
    /// The nodes of `targets.toml`.
    pub nodes: Vec<Node>,
    /// How often.
    pub pace: Pace,
    /// Which network prefix each node's host was last seen in.
    pub prefixes: HostPrefixes,
}

/// What a plan says, without version, times and signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What is measured.
    pub targets: Vec<Target>,
    /// How and when.
    pub checks: Vec<PlannedCheck>,
    /// Whom the probe answers.
    pub responder: ResponderPlan,
}

impl Participant {
    /// What `prober` shows this probe's responder. A newer secret than the responder is known to have would
    /// make false losses while the responder is away from the collector.
    fn key_for(&self, prober: ProbeId) -> Option<(KeyEpoch, PairKey)> {
        let known = |(epoch, _): &&(KeyEpoch, ResponderSecret)| Some(*epoch) == self.known_secret;
        let (epoch, secret) = self.secrets.iter().find(known)?;
        Some((*epoch, PairKey::derive(secret, prober, *epoch)))
    }
}

impl World {
    /// The plan of every probe, and what had to be slowed down to keep the fleet's rates.
    #[must_use]
    pub fn draft_all(&self) -> (Vec<(ProbeId, Draft)>, Vec<Stretch>) {
        let stretches = rate::stretches(self);
        let drafts = self
            .probes
            .iter()
            .map(|probe| (probe.id, self.draft(probe, &stretches)))
            .collect();
        (drafts, stretches)
    }

    fn draft(&self, probe: &Participant, stretches: &[Stretch]) -> Draft {
        let mut draft = Draft {
            targets: Vec::new(),
            checks: Vec::new(),
            responder: ResponderPlan {
                secrets: probe.secrets.clone(),
                probers: self.probers_of(probe),
            },
        };
        let factor_of = |name: &str, is_peer: bool| {
            let mut of_target = stretches.iter();
            of_target
                .find(|stretch| stretch.is_peer == is_peer && stretch.target == name)
                .map_or(1.0, |stretch| stretch.factor)
        };
        for peer in self.peers_of(probe) {
            self.add_peer(&mut draft, probe, peer, factor_of(&peer.name, true));
        }
        for node in self.nodes.iter().filter(|node| !node.paused) {
            self.add_node(&mut draft, probe, node, factor_of(&node.name, false));
        }
        draft
    }

    /// The peers `probe` measures: all of them, or beyond [`FULL_MESH_MAX`] as many as that, chosen by
    /// rendezvous hash, so that a probe that joins or leaves changes few pairs.
    fn peers_of(&self, probe: &Participant) -> Vec<&Participant> {
        let mut peers: Vec<&Participant> = self.probes.iter().filter(|peer| peer.id != probe.id).collect();
        if self.probes.len() > FULL_MESH_MAX {
            peers.sort_by_key(|peer| std::cmp::Reverse(affinity(probe.id, peer.id)));
            peers.truncate(FULL_MESH_MAX - 1);
        }
        peers.sort_by_key(|peer| peer.id);
        peers
    }

    /// Whom `probe` answers: the probers that have it as a peer, and the collector.
    fn probers_of(&self, probe: &Participant) -> Vec<ProbeId> {
        let measures_it =
            |peer: &&Participant| peer.id != probe.id && self.peers_of(peer).iter().any(|p| p.id == probe.id);
        let mut probers = vec![ProbeId::COLLECTOR];
        if self.probes.len() <= FULL_MESH_MAX {
            probers.extend(
                self.probes
                    .iter()
                    .map(|peer| peer.id)
                    .filter(|id| *id != probe.id),
            );
        } else {
            probers.extend(self.probes.iter().filter(measures_it).map(|peer| peer.id));
        }
        probers.sort();
        probers
    }

    fn add_peer(&self, draft: &mut Draft, probe: &Participant, peer: &Participant, factor: f64) {
        // a pair has a family only if both ends do: a probe without IPv6 is not told to use it
        let v4 = peer.v4.filter(|_| probe.v4.is_some());
        let v6 = peer.v6.filter(|_| probe.v6.is_some());
        let families = [(Family::V4, v4.is_some()), (Family::V6, v6.is_some())];
        if v4.is_none() && v6.is_none() {
            return;
        }
        let target = Target {
            id: TargetId::of_peer(peer.id),
            name: peer.name.clone(),
            address: TargetAddress::Peer {
                probe: peer.id,
                v4,
                v6,
                key: peer.key_for(probe.id),
            },
        };
        let kinds = families
            .into_iter()
            .filter(|(_, has)| *has)
            .map(|(family, _)| Kind::new(Check::Echo, family));
        let interval = rate::stretched(millis(self.pace.echo_interval), factor);
        add(
            draft,
            probe.id,
            target,
            kinds
                .map(|kind| (kind, interval, kind.check.timeout_ms()))
                .collect(),
        );
    }

    fn add_node(&self, draft: &mut Draft, probe: &Participant, node: &Node, factor: f64) {
        let mut lines = Vec::new();
        for &family in &node.families {
            for (check, interval) in checks_of(node, &self.pace) {
                lines.push((
                    Kind::new(check, family),
                    rate::stretched(interval, factor),
                    check.timeout_ms(),
                ));
            }
        }
        let target = Target {
            id: TargetId::of_node(&node.name),
            name: node.name.clone(),
            address: TargetAddress::Endpoint {
                url: node.url.to_string(),
                asset: node.asset.clone(),
            },
        };
        add(draft, probe.id, target, lines);
    }
}

/// The checks of a node over one family: what, and every so many milliseconds.
fn checks_of(node: &Node, pace: &Pace) -> Vec<(Check, u32)> {
    let status = millis(node.interval.unwrap_or(pace.status_interval));
    let asset = millis(pace.asset_interval);
    match node.kind {
        NodeKind::Http => vec![(Check::Http, status)],
        NodeKind::Argus if node.asset.is_some() => vec![
            (Check::Status, status),
            (Check::AssetHead, asset),
            (Check::AssetGet, asset),
        ],
        NodeKind::Argus => vec![(Check::Status, status)],
    }
}

fn add(draft: &mut Draft, probe: ProbeId, target: Target, lines: Vec<(Kind, u32, u32)>) {
    let Ok(place) = u16::try_from(draft.targets.len()) else {
        return;
    };
    let id = target.id;
    draft.targets.push(target);
    for (kind, interval_ms, timeout_ms) in lines {
        let schedule = Schedule::spread(probe, id, kind, interval_ms, timeout_ms)
            .expect("intervals and timeouts are within the bounds that config and targets enforce");
        draft.checks.push(PlannedCheck {
            kind,
            target: place,
            schedule,
        });
    }
}

fn affinity(a: ProbeId, b: ProbeId) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("isochrone mesh 1");
    hasher
        .update(&a.0.min(b.0).to_be_bytes())
        .update(&a.0.max(b.0).to_be_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(first)
}

fn millis(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
