//! Who is in, who is invited, who is out: the registry's rules, apart from any store or clock.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use isochrone_base::names::is_one_worker;
use isochrone_base::servers::{Position, is_one_place};
use isochrone_proto::control::CertificateDer;
use isochrone_proto::echo::KeyEpoch;
use isochrone_proto::ids::{KeyHash, ProbeId};
use isochrone_proto::join::JoinRefusal;
use isochrone_proto::units::UnixMillis;
use rand::CryptoRng;

use super::record::{
    BurntKey, InvitationId, InvitationRecord, InvitationState, KeyedSecret, ProbeRecord, ProbeSite,
    ProbeState,
};
use crate::audit::{Actor, AuditEntry};
use crate::events::{GateEvent, GateEventKind};

/// Everything the registry knows. Cheap to clone for a few thousand probes; a change is made on a clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    pub(super) probes: BTreeMap<ProbeId, Arc<ProbeRecord>>,
    pub(super) invitations: BTreeMap<InvitationId, Arc<InvitationRecord>>,
    pub(super) burnt: BTreeMap<KeyHash, BurntKey>,
}

/// What a request to join comes to.
#[derive(Debug, PartialEq)]
pub(super) enum JoinVerdict {
    /// A leaf is issued.
    Fresh(Arc<InvitationRecord>),
    /// The answer was lost: the same leaf again.
    Again(Arc<ProbeRecord>, CertificateDer),
    /// Another key spent it before.
    Reused(Reuse),
    /// No.
    Refused(JoinRefusal),
}

/// A spent invitation that was shown with another key.
#[derive(Debug, PartialEq)]
pub(super) struct Reuse {
    pub(super) invitation: Arc<InvitationRecord>,
    /// The probe that it was spent by.
    pub(super) first: Option<Arc<ProbeRecord>>,
    /// The key that was shown.
    pub(super) key: KeyHash,
    /// The probe that is in with that key, if there is one.
    pub(super) other: Option<Arc<ProbeRecord>>,
}

impl Members {
    pub(super) fn by_name(&self, name: &str) -> Option<&Arc<ProbeRecord>> {
        self.probes.values().find(|probe| probe.name == name)
    }

    /// The names of the active probes that one worker has at one place in one network.
    pub(super) fn standing_at(&self, place: &ProbeSite) -> impl Iterator<Item = &str> {
        let is_there = |probe: &&Arc<ProbeRecord>| {
            probe.is_active()
                && is_one_worker(&probe.worker, &place.worker)
                && is_one_place(
                    (&probe.site, Position::new(probe.latitude, probe.longitude)),
                    (&place.site, Position::new(place.latitude, place.longitude)),
                )
        };
        self.probes
            .values()
            .filter(is_there)
            .map(|probe| probe.name.as_str())
    }

    /// Whether a probe has or had that name, or an open invitation promises it.
    pub(super) fn is_taken(&self, name: &str, now: UnixMillis) -> bool {
        let promised =
            |invitation: &Arc<InvitationRecord>| invitation.name == name && invitation.is_open(now);
        self.by_name(name).is_some() || self.invitations.values().any(promised)
    }

    /// Judges a request whose signature fits the invitation.
    pub(super) fn judge(&self, id: InvitationId, key: KeyHash, now: UnixMillis) -> JoinVerdict {
        let Some(invitation) = self.invitations.get(&id) else {
            return JoinVerdict::Refused(JoinRefusal::UnknownToken);
        };
        match &invitation.state {
            InvitationState::Spent { key: first, leaf } if *first == key => {
                match self.probes.get(&ProbeId::of_key(&key)) {
                    Some(probe) if probe.is_active() => JoinVerdict::Again(Arc::clone(probe), leaf.clone()),
                    _ => JoinVerdict::Refused(JoinRefusal::Withdrawn),
                }
            }
            InvitationState::Spent { key: first, .. } => {
                let first = self.probes.get(&ProbeId::of_key(first)).cloned();
                let is_out = first.as_ref().is_none_or(|first| !first.is_active());
                if is_out && self.burnt.contains_key(&key) {
                    // both keys are out already: nothing to revoke, and it was told when they were
                    return JoinVerdict::Refused(JoinRefusal::SpentByAnotherKey);
                }
                JoinVerdict::Reused(Reuse {
                    invitation: Arc::clone(invitation),
                    first,
                    key,
                    other: self.active_with(&key),
                })
            }
            InvitationState::Withdrawn => JoinVerdict::Refused(JoinRefusal::Withdrawn),
            InvitationState::Open if now >= invitation.valid_until => {
                JoinVerdict::Refused(JoinRefusal::Expired)
            }
            InvitationState::Open if self.is_out(&key) => JoinVerdict::Refused(JoinRefusal::RevokedKey),
            InvitationState::Open => JoinVerdict::Fresh(Arc::clone(invitation)),
        }
    }

    fn active_with(&self, key: &KeyHash) -> Option<Arc<ProbeRecord>> {
        let probe = self.probes.get(&ProbeId::of_key(key))?;
        (probe.key == *key && probe.is_active()).then(|| Arc::clone(probe))
    }

    fn is_out(&self, key: &KeyHash) -> bool {
        let probe = self.probes.get(&ProbeId::of_key(key));
        self.burnt.contains_key(key) || probe.is_some_and(|probe| probe.key != *key || !probe.is_active())
    }
}

/// A change in the making: the members as it will be, and what has to be written for it.
pub(super) struct Draft {
    pub(super) members: Members,
    pub(super) probes: BTreeMap<ProbeId, Arc<ProbeRecord>>,
    pub(super) invitations: Vec<Arc<InvitationRecord>>,
    pub(super) burnt: Vec<BurntKey>,
    pub(super) audit: Vec<AuditEntry>,
    pub(super) events: Vec<GateEvent>,
    /// Probes whose plan ends, and when.
    pub(super) ended: Vec<(ProbeId, UnixMillis)>,
}

/// A leaf that was just signed.
pub(super) struct SignedLeaf {
    pub(super) certificate: CertificateDer,
    /// Of the key that it is for.
    pub(super) key: KeyHash,
    pub(super) expires: UnixMillis,
}

impl Draft {
    pub(super) fn of(members: &Members) -> Self {
        Self {
            members: members.clone(),
            probes: BTreeMap::new(),
            invitations: Vec::new(),
            burnt: Vec::new(),
            audit: Vec::new(),
            events: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Tells of it once it is durable.
    pub(super) fn tell(&mut self, at: UnixMillis, probe: &ProbeRecord, kind: GateEventKind) {
        let (probe, name) = (probe.id, probe.name.clone());
        self.events.push(GateEvent {
            at,
            probe,
            name,
            kind,
        });
    }

    pub(super) fn put_probe(&mut self, probe: ProbeRecord) -> Arc<ProbeRecord> {
        let probe = Arc::new(probe);
        self.probes.insert(probe.id, Arc::clone(&probe));
        self.members.probes.insert(probe.id, Arc::clone(&probe));
        probe
    }

    pub(super) fn put_invitation(&mut self, invitation: InvitationRecord) {
        let invitation = Arc::new(invitation);
        self.members
            .invitations
            .insert(invitation.id, Arc::clone(&invitation));
        self.invitations.push(invitation);
    }

    pub(super) fn burn(&mut self, burnt: BurntKey) {
        self.members.burnt.insert(burnt.key, burnt.clone());
        self.burnt.push(burnt);
    }

    /// Spends an invitation: its probe is in from now on. A key that is in already keeps its secrets and takes
    /// over the invitation's name and place.
    pub(super) fn admit(
        &mut self,
        invitation: &InvitationRecord,
        leaf: SignedLeaf,
        now: UnixMillis,
        rng: &mut impl CryptoRng,
    ) -> Arc<ProbeRecord> {
        let SignedLeaf {
            certificate,
            key,
            expires,
        } = leaf;
        let probe = self.invited(invitation, (key, expires), now, rng);
        let mut spent = invitation.clone();
        spent.state = InvitationState::Spent {
            key,
            leaf: certificate,
        };
        self.put_invitation(spent);
        let what = format!(
            "probe {} ({}) joined from {}'s invitation",
            probe.name, probe.id, probe.worker
        );
        let who = Actor::Probe { probe: probe.id };
        self.audit.push(AuditEntry::new(now, &who, "join", what));
        self.put_probe(probe)
    }

    /// The probe that an invitation becomes with a key and its leaf's end.
    fn invited(
        &self,
        invitation: &InvitationRecord,
        (key, leaf_expires): (KeyHash, UnixMillis),
        now: UnixMillis,
        rng: &mut impl CryptoRng,
    ) -> ProbeRecord {
        let id = ProbeId::of_key(&key);
        let known = self.members.probes.get(&id);
        let (secrets, known_secret, announced) = match known {
            Some(known) => (known.secrets.clone(), known.known_secret, known.announced.clone()),
            None => (vec![KeyedSecret::new(KeyEpoch(0), rng)], None, None),
        };
        let ProbeSite {
            worker,
            site,
            latitude,
            longitude,
            country,
            network,
            access,
        } = invitation.place.clone();
        ProbeRecord {
            id,
            name: invitation.name.clone(),
            worker,
            site,
            latitude,
            longitude,
            country,
            network,
            access,
            key,
            state: ProbeState::Active,
            joined: known.map_or(now, |known| known.joined),
            leaf_expires,
            secrets,
            known_secret,
            announced,
        }
    }

    /// Burns a key that a spent invitation was shown with, and revokes the probes of both keys.
    pub(super) fn punish(
        &mut self,
        reuse: &Reuse,
        remote: SocketAddr,
        at: UnixMillis,
        rng: &mut impl CryptoRng,
    ) {
        let Reuse {
            invitation,
            first,
            key,
            other,
        } = reuse;
        self.burn(BurntKey {
            key: *key,
            at,
            invitation: invitation.id,
        });
        let what = format!(
            "{}'s spent invitation was shown with another key, from {remote}",
            invitation.name
        );
        let entry = AuditEntry::new(at, &Actor::Collector, "token reused", what);
        self.audit.push(entry);
        let reasons = [
            "its invitation was used with another key",
            "its key was shown with another probe's spent invitation",
        ];
        for (probe, reason) in [first, other].into_iter().zip(reasons) {
            if let Some(probe) = probe {
                self.revoke(probe.id, &Actor::Collector, reason, at, rng);
            }
        }
        if let Some(first) = first {
            let kind = GateEventKind::TokenReused {
                other: *key,
                revoked: other.as_ref().map(|other| other.name.clone()),
                remote,
            };
            self.tell(at, first, kind);
        }
    }

    /// Revokes a probe and rotates the secret of every other active responder: in a full mesh the revoked
    /// probe held a key of each. The previous secrets stay valid for those who are still planned: the revoked
    /// one is no longer, and no key of its own helps it.
    pub(super) fn revoke(
        &mut self,
        id: ProbeId,
        who: &Actor,
        reason: &str,
        now: UnixMillis,
        rng: &mut impl CryptoRng,
    ) -> Option<Arc<ProbeRecord>> {
        let probe = self.members.probes.get(&id).filter(|probe| probe.is_active())?;
        let mut revoked = ProbeRecord::clone(probe);
        revoked.state = ProbeState::Revoked;
        let revoked = self.put_probe(revoked);
        self.ended.push((id, now));
        let others: Vec<_> = self
            .members
            .probes
            .values()
            .filter(|probe| probe.is_active())
            .cloned()
            .collect();
        for other in &others {
            let mut other = ProbeRecord::clone(other);
            other.rotate(rng);
            self.put_probe(other);
        }
        let what = format!(
            "probe {} ({id}) revoked: {reason}; echo secrets of {} other probes rotated",
            revoked.name,
            others.len()
        );
        self.audit.push(AuditEntry::new(now, who, "revoke", what));
        Some(revoked)
    }
}
