//! The registry: which probes there are, who is invited, and who is out.
//!
//! It is held in memory and kept in the store; a change is durable before anyone sees it. One lock orders the
//! changes; readers never wait for a commit.

mod invite;
mod persist;
mod record;
mod roster;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use isochrone_proto::control::{CertificateDer, Refusal};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::join::{JoinRefusal, JoinRequest, JoinResponse};
use isochrone_proto::token::{ADDRESSES_MAX, Token};
use isochrone_proto::units::UnixMillis;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use rcgen::PublicKeyData;
use tokio::sync::watch;

pub use self::invite::{Invitation, NewInvitation, VALID};
pub use self::record::{
    Access, BurntKey, InvitationId, InvitationRecord, InvitationState, KeyedSecret, Place, ProbeRecord,
    ProbeState,
};
use self::roster::{Draft, JoinVerdict, Roster};
use crate::audit::{Actor, AuditEntry};
use crate::authority::{Authority, AuthorityError, PROBE_LEAF_LIFE, ProbeLeaf, verify_ed25519};
use crate::clock::Clock;
use crate::events::{GateEvent, GateEventKind, GateEvents};
use crate::store::{Store, StoreError};

/// What a registry is built from.
pub struct RegistryParts {
    /// Where it is kept.
    pub store: Store,
    /// Who signs.
    pub authority: Authority,
    /// What time it is.
    pub clock: Clock,
    /// Whom to tell.
    pub events: GateEvents,
    /// Where the collector can be reached, `host:port`: goes into tokens and answers.
    pub addresses: Vec<String>,
    /// Seed of every secret made here: from the system, except in simulations.
    pub seed: [u8; 32],
}

/// The registry. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    tables: persist::Tables,
    authority: Authority,
    clock: Clock,
    events: GateEvents,
    addresses: Vec<String>,
    current: RwLock<Arc<Roster>>,
    /// Held through a change; its rng makes every secret.
    writer: Mutex<StdRng>,
    changes: watch::Sender<u64>,
}

impl Registry {
    /// Reads the registry from the store.
    ///
    /// # Errors
    /// When the store cannot be read, or a record in it cannot be understood.
    pub fn open(parts: RegistryParts) -> Result<Self, RegistryError> {
        let tables = persist::Tables::new(&parts.store);
        let roster = tables.load()?;
        Ok(Self(Arc::new(Inner {
            tables,
            authority: parts.authority,
            clock: parts.clock,
            events: parts.events,
            addresses: parts.addresses,
            current: RwLock::new(Arc::new(roster)),
            writer: Mutex::new(StdRng::from_seed(parts.seed)),
            changes: watch::Sender::new(0),
        })))
    }

    /// The probe of that id, active or revoked.
    #[must_use]
    pub fn probe(&self, id: ProbeId) -> Option<Arc<ProbeRecord>> {
        self.roster().probes.get(&id).cloned()
    }

    /// The probe of that name, active or revoked.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Arc<ProbeRecord>> {
        self.roster().by_name(name).cloned()
    }

    /// Every probe, active or revoked, by id.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<ProbeRecord>> {
        self.roster().probes.values().cloned().collect()
    }

    /// Every invitation ever made, spent or not.
    #[must_use]
    pub fn invitations(&self) -> Vec<Arc<InvitationRecord>> {
        self.roster().invitations.values().cloned().collect()
    }

    /// The audit log from `since` on, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit(&self, since: UnixMillis) -> Result<Vec<AuditEntry>, RegistryError> {
        Ok(self.0.tables.audit(since)?)
    }

    /// Counts up with every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Where the collector can be reached.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.0.addresses
    }

    /// Makes an invitation. The token is in the answer only: it is not kept.
    ///
    /// # Errors
    /// When a value is out of range, the name is taken, the city unknown, or the store refuses.
    pub fn invite(&self, new: &NewInvitation, who: &Actor) -> Result<Invitation, RegistryError> {
        if self.0.addresses.is_empty() {
            return Err(RegistryError::NoAddress);
        }
        let place = new.place()?;
        let valid = new.valid()?;
        let mut rng = self.writer();
        let now = self.0.clock.wall();
        let mut draft = self.draft();
        let name = new.name(&draft.roster, now)?;
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let token = Token {
            collectors: self.0.addresses.iter().take(ADDRESSES_MAX).cloned().collect(),
            authority: self.0.authority.key_hash(),
            seed,
            expires: now.plus(valid),
        };
        let script = invite::script(&token, &name, &place);
        let expires = invite::rfc3339(token.expires);
        let what = format!(
            "{} invited for {} as {name}, until {expires}",
            place.worker, place.site
        );
        draft.audit.push(AuditEntry::new(now, who, "invite", what));
        draft.put_invitation(InvitationRecord {
            id: invitation_id(&seed)?,
            name: name.clone(),
            place,
            made: now,
            valid_until: token.expires,
            state: InvitationState::Open,
        });
        self.commit(draft)?;
        let token = token.to_string();
        Ok(Invitation {
            token,
            script,
            expires,
            name,
        })
    }

    /// Takes back every open invitation of that name; whether there was one.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn withdraw(&self, name: &str, who: &Actor) -> Result<bool, RegistryError> {
        let _writer = self.writer();
        let now = self.0.clock.wall();
        let mut draft = self.draft();
        let open: Vec<_> = draft
            .roster
            .invitations
            .values()
            .filter(|it| it.name == name && it.is_open(now))
            .cloned()
            .collect();
        for invitation in &open {
            let mut withdrawn = InvitationRecord::clone(invitation);
            withdrawn.state = InvitationState::Withdrawn;
            draft.put_invitation(withdrawn);
            let what = format!("invitation of {name} withdrawn");
            draft.audit.push(AuditEntry::new(now, who, "withdraw", what));
        }
        self.commit(draft)?;
        Ok(!open.is_empty())
    }

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
        let id = InvitationId(request.invitation);
        if !self.roster().invitations.contains_key(&id) {
            return Ok(JoinResponse::Refused(JoinRefusal::UnknownToken));
        }
        let message = isochrone_proto::join::signed_message(exporter, &request.csr);
        if !verify_ed25519(&request.invitation, &message, &request.signature) {
            return Ok(JoinResponse::Refused(JoinRefusal::BadSignature));
        }
        let Ok(requested) = Authority::read_request(&request.csr) else {
            return Ok(JoinResponse::Refused(JoinRefusal::BadRequest));
        };
        let mut rng = self.writer();
        let now = self.0.clock.wall();
        let mut draft = self.draft();
        match draft.roster.judge(id, requested.hash(), now) {
            JoinVerdict::Refused(refusal) => Ok(JoinResponse::Refused(refusal)),
            JoinVerdict::Again(probe, leaf) => Ok(self.accepted(&probe, leaf)),
            JoinVerdict::Fresh(invitation) => {
                let leaf = self.0.authority.issue_probe_leaf(&requested, now)?;
                let key = (requested.hash(), now.plus(PROBE_LEAF_LIFE));
                let probe = draft.admit(&invitation, leaf.clone(), key, now, &mut *rng);
                self.commit(draft)?;
                self.tell(now, &probe, GateEventKind::Joined);
                Ok(self.accepted(&probe, leaf))
            }
            JoinVerdict::Reused { invitation, first } => {
                let key = requested.hash();
                draft.burn(BurntKey {
                    key,
                    at: now,
                    invitation: id,
                });
                let what = format!(
                    "{}'s spent invitation was shown with another key, from {remote}",
                    invitation.name
                );
                draft
                    .audit
                    .push(AuditEntry::new(now, &Actor::Collector, "token reused", what));
                let revoked = first.and_then(|first| {
                    let reason = "its invitation was used with another key";
                    draft.revoke(first.id, &Actor::Collector, reason, now, &mut *rng)
                });
                self.commit(draft)?;
                if let Some(first) = revoked {
                    self.tell(now, &first, GateEventKind::TokenReused { other: key, remote });
                }
                Ok(JoinResponse::Refused(JoinRefusal::SpentByAnotherKey))
            }
        }
    }

    fn accepted(&self, probe: &ProbeRecord, leaf: CertificateDer) -> JoinResponse {
        JoinResponse::Accepted {
            probe: probe.id,
            name: probe.name.clone(),
            chain: self.0.authority.chain(leaf),
            addresses: self.0.addresses.clone(),
        }
    }

    /// Revokes a probe for ever; whether it was active. Its live connection is closed by [`crate::session`],
    /// which follows [`Registry::changes`].
    ///
    /// # Errors
    /// When the store refuses.
    pub fn revoke(&self, id: ProbeId, who: &Actor, reason: &str) -> Result<bool, RegistryError> {
        let mut rng = self.writer();
        let now = self.0.clock.wall();
        let mut draft = self.draft();
        let Some(probe) = draft.revoke(id, who, reason, now, &mut *rng) else {
            return Ok(false);
        };
        self.commit(draft)?;
        self.tell(now, &probe, GateEventKind::Revoked { by: who.to_string() });
        Ok(true)
    }

    /// Gives a probe's responder a new secret; the previous one stays valid.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn rotate_secret(&self, id: ProbeId, who: &Actor) -> Result<bool, RegistryError> {
        let mut rng = self.writer();
        let mut draft = self.draft();
        let Some(probe) = draft.roster.probes.get(&id).filter(|probe| probe.is_active()) else {
            return Ok(false);
        };
        let mut probe = ProbeRecord::clone(probe);
        probe.rotate(true, &mut *rng);
        let what = format!("echo secret of {} rotated", probe.name);
        draft
            .audit
            .push(AuditEntry::new(self.0.clock.wall(), who, "rotate", what));
        draft.put_probe(probe);
        self.commit(draft)?;
        Ok(true)
    }

    /// Whether the bearer of a leaf may come in at all; an expired one may only renew.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, leaf: &ProbeLeaf) -> Result<Arc<ProbeRecord>, Refusal> {
        let probe = self
            .probe(leaf.probe)
            .filter(|probe| probe.key == leaf.key)
            .ok_or(Refusal::Unknown)?;
        if !probe.is_active() {
            return Err(Refusal::Revoked);
        }
        if self.0.clock.wall().since(leaf.expires) > crate::authority::RENEW_AFTER_END {
            return Err(Refusal::ExpiredTooLong);
        }
        Ok(probe)
    }

    /// Signs a new leaf for a probe that showed `leaf`: same key, fresh 30 days.
    ///
    /// # Errors
    /// When the store or the authority fails; a refusal is the inner error.
    pub fn renew(
        &self,
        leaf: &ProbeLeaf,
        csr: &[u8],
    ) -> Result<Result<Vec<CertificateDer>, Refusal>, RegistryError> {
        let requested = match Authority::read_request(csr) {
            Ok(requested) if requested.hash() == leaf.key => requested,
            _ => return Ok(Err(Refusal::BadRequest)),
        };
        let _writer = self.writer();
        let mut probe = match self.admit(leaf) {
            Ok(probe) => ProbeRecord::clone(&probe),
            Err(refusal) => return Ok(Err(refusal)),
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
            invite::rfc3339(probe.leaf_expires)
        );
        draft.audit.push(AuditEntry::new(
            now,
            &Actor::Probe { probe: probe.id },
            "renew",
            what,
        ));
        draft.put_probe(probe);
        self.commit(draft)?;
        Ok(Ok(chain))
    }

    fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Logs an act that changes nothing here, such as an edit of the targets.
    ///
    /// # Errors
    /// When the store failed.
    pub fn note(&self, who: &Actor, act: &str, what: String) -> Result<(), RegistryError> {
        let _writer = self.writer();
        let mut draft = self.draft();
        draft
            .audit
            .push(AuditEntry::new(self.0.clock.wall(), who, act, what));
        self.commit(draft)
    }

    fn writer(&self) -> MutexGuard<'_, StdRng> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only with [`Self::writer`] held.
    fn draft(&self) -> Draft {
        Draft::of(&self.roster())
    }

    /// Makes a draft durable, and then visible. Only with [`Self::writer`] held.
    fn commit(&self, draft: Draft) -> Result<(), RegistryError> {
        self.0.tables.write(&draft)?;
        for entry in &draft.audit {
            tracing::info!(
                who = entry.who,
                act = entry.act,
                what = entry.what,
                "registry changed"
            );
        }
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(draft.roster);
        self.0.changes.send_modify(|change| *change += 1);
        Ok(())
    }

    fn tell(&self, at: UnixMillis, probe: &ProbeRecord, kind: GateEventKind) {
        let (probe, name) = (probe.id, probe.name.clone());
        self.0.events.tell(GateEvent {
            at,
            probe,
            name,
            kind,
        });
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("probes", &self.roster().probes.len())
            .finish_non_exhaustive()
    }
}

fn invitation_id(seed: &[u8; 32]) -> Result<InvitationId, RegistryError> {
    let key = crate::authority::key_from_seed(seed)?;
    let public: [u8; 32] = key
        .der_bytes()
        .try_into()
        .expect("an Ed25519 public key has 32 bytes");
    Ok(InvitationId(public))
}

/// Why the registry did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The city is not in the table.
    #[error("--site: {0}")]
    UnknownSite(crate::place::UnknownPlace),
    /// Not on Earth.
    #[error("--location {latitude},{longitude}: latitude must be -90 to 90, longitude -180 to 180")]
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
    /// Too short or too long.
    #[error("--valid {}: must be more than 0 and at most 365 days", humantime::format_duration(*valid))]
    Valid {
        /// As given.
        valid: Duration,
    },
    /// Empty, too long, or with control characters.
    #[error("{option} must be text of 1 to 512 bytes without control characters")]
    Text {
        /// The option.
        option: &'static str,
    },
    /// Not a name.
    #[error(
        "--name {name:?}: a name has up to 63 lower-case letters, digits and single hyphens, like `ada-berlin`"
    )]
    NameForm {
        /// As given.
        name: String,
    },
    /// Names are unique for ever.
    #[error("--name {name}: a probe has or had this name, or an open invitation promises it; choose another")]
    NameTaken {
        /// As given.
        name: String,
    },
    /// A token without an address leads nowhere.
    #[error("no address to put into the token; set public_addresses = [\"HOST:7470\"] in collector.toml")]
    NoAddress,
    /// The authority cannot sign.
    #[error("the authority cannot sign")]
    Authority(#[from] AuthorityError),
    /// The store refuses.
    #[error("the store refuses")]
    Store(#[from] StoreError),
}
