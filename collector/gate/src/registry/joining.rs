//! Who comes in: joining with an invitation, coming back with a leaf, renewing it.

use std::net::SocketAddr;
use std::sync::Arc;

use isochrone_base::words;
use isochrone_proto::control::{CertificateDer, Refusal};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::join::{JoinRefusal, JoinRequest, JoinResponse, signed_message};

use super::members::{JoinVerdict, SignedLeaf};
use super::record::{InvitationId, ProbeRecord};
use super::{Registry, RegistryError};
use crate::audit::{Actor, AuditEntry};
use crate::authority::{
    Authority, PROBE_LEAF_LIFE, ProbeLeaf, RENEW_AFTER_END, RequestedKey, verify_ed25519,
};
use crate::events::GateEventKind;

/// The answer to a request for a new leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Signed.
    Renewed {
        /// The new leaf, and the authority's certificate after it.
        chain: Vec<CertificateDer>,
    },
    /// The probe gets none.
    Refused(Refusal),
}

impl Registry {
    /// Answers a request to join that came over the connection whose TLS exporter is `exporter`.
    ///
    /// # Errors
    /// When the store or the authority fails; a refusal is an answer, not an error.
    pub fn join(
        &self,
        request: &JoinRequest,
        exporter: &[u8; 32],
        remote: SocketAddr,
    ) -> Result<JoinResponse, RegistryError> {
        let requested = match self.read_request(request, exporter) {
            Ok(requested) => requested,
            Err(refusal) => return Ok(JoinResponse::Refused(refusal)),
        };
        let id = InvitationId(request.invitation);
        let mut rng = self.writer();
        let now = self.0.clock.wall();
        let mut draft = self.draft();
        match draft.members.judge(id, requested.hash(), now) {
            JoinVerdict::Refused(refusal) => Ok(JoinResponse::Refused(refusal)),
            JoinVerdict::Again(probe, leaf) => Ok(self.accepted(&probe, leaf)),
            JoinVerdict::Fresh(invitation) => {
                let leaf = self.0.authority.issue_probe_leaf(&requested, now)?;
                let signed = SignedLeaf {
                    certificate: leaf.clone(),
                    key: requested.hash(),
                    expires: now.plus(PROBE_LEAF_LIFE),
                };
                let probe = draft.admit(&invitation, signed, now, &mut *rng);
                draft.tell(now, &probe, GateEventKind::Joined);
                self.commit(draft)?;
                Ok(self.accepted(&probe, leaf))
            }
            JoinVerdict::Reused(reuse) => {
                draft.punish(&reuse, remote, now, &mut *rng);
                self.commit(draft)?;
                Ok(JoinResponse::Refused(JoinRefusal::SpentByAnotherKey))
            }
        }
    }

    /// What can be judged without looking at what became of the invitation.
    fn read_request(&self, request: &JoinRequest, exporter: &[u8; 32]) -> Result<RequestedKey, JoinRefusal> {
        let id = InvitationId(request.invitation);
        if !self.members().invitations.contains_key(&id) {
            return Err(JoinRefusal::UnknownToken);
        }
        let message = signed_message(exporter, &request.csr);
        if !verify_ed25519(&request.invitation, &message, &request.signature) {
            return Err(JoinRefusal::BadSignature);
        }
        Authority::read_request(&request.csr).map_err(|_| JoinRefusal::BadRequest)
    }

    fn accepted(&self, probe: &ProbeRecord, leaf: CertificateDer) -> JoinResponse {
        JoinResponse::Accepted {
            probe: probe.id,
            name: probe.name.clone(),
            chain: self.0.authority.chain(leaf),
            addresses: self.0.addresses.clone(),
        }
    }

    /// Whether the bearer of a leaf may come in at all; an expired one may only renew.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit(&self, leaf: &ProbeLeaf) -> Result<Arc<ProbeRecord>, Refusal> {
        let probe = self
            .probe(leaf.probe)
            .filter(|probe| probe.key == leaf.key)
            .ok_or_else(|| self.unknown(leaf.probe))?;
        if !probe.is_active() {
            return Err(Refusal::Revoked);
        }
        if self.0.clock.wall().since(leaf.expires) > RENEW_AFTER_END {
            return Err(Refusal::ExpiredTooLong);
        }
        Ok(probe)
    }

    /// What a probe is told that the registry does not know.
    fn unknown(&self, probe: ProbeId) -> Refusal {
        if !self.0.damaged.contains(&probe) {
            return Refusal::Unknown;
        }
        Refusal::Busy {
            reason:
                "the record of this probe in its store is damaged; ask the lead for a new invitation and run \
                     `isochrone-probe join TOKEN`"
                    .to_owned(),
        }
    }

    /// Signs a new leaf for a probe that showed `leaf`: same key, fresh 30 days.
    ///
    /// # Errors
    /// When the store or the authority fails; a refusal is an answer, not an error.
    pub(crate) fn renew(&self, leaf: &ProbeLeaf, csr: &[u8]) -> Result<Renewal, RegistryError> {
        let requested = match Authority::read_request(csr) {
            Ok(requested) if requested.hash() == leaf.key => requested,
            _ => return Ok(Renewal::Refused(Refusal::BadRequest)),
        };
        let _writer = self.writer();
        let mut probe = match self.admit(leaf) {
            Ok(probe) => ProbeRecord::clone(&probe),
            Err(refusal) => return Ok(Renewal::Refused(refusal)),
        };
        let now = self.0.clock.wall();
        let chain = self
            .0
            .authority
            .chain(self.0.authority.issue_probe_leaf(&requested, now)?);
        let mut draft = self.draft();
        probe.leaf_expires = now.plus(PROBE_LEAF_LIFE);
        let what = format!(
            "leaf of {} renewed until {}",
            probe.name,
            words::rfc3339_second(probe.leaf_expires)
        );
        draft.audit.push(AuditEntry::new(
            now,
            &Actor::Probe { probe: probe.id },
            "renew",
            what,
        ));
        draft.put_probe(probe);
        self.commit(draft)?;
        Ok(Renewal::Renewed { chain })
    }
}
