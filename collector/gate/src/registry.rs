//! The registry: which probes there are, who is invited, and who is out.
//!
//! It is held in memory and kept in the store; a change is durable before anyone sees it. One lock orders the
//! changes; readers never wait for a commit.

mod error;
mod invite;
mod joining;
mod members;
mod persist;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use isochrone_base::clock::Clock;
use isochrone_base::words;
use isochrone_proto::echo::KeyEpoch;
use isochrone_proto::ids::ProbeId;
use isochrone_proto::known::Known;
use isochrone_proto::token::{ADDRESSES_MAX, Token};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{SetAside, Store};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use rcgen::PublicKeyData;
use tokio::sync::watch;

pub use self::error::RegistryError;
pub use self::invite::{Invitation, NewInvitation};
pub use self::joining::Renewal;
use self::members::{Draft, Members};
pub use self::record::{
    Access, InvitationId, InvitationRecord, InvitationState, KeyedSecret, ProbeRecord, ProbeSite, ProbeState,
};
use crate::audit::{Actor, AuditEntry};
use crate::authority::Authority;
use crate::events::{GateEventKind, GateEvents};

/// Damaged rows that an entry of the audit log names one by one.
const ACCEPTED_NAMED: usize = 10;

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
    current: RwLock<Arc<Members>>,
    /// Probes whose records are damaged: refused, until they join again.
    damaged: BTreeSet<ProbeId>,
    /// Held through a change; its rng makes every secret.
    writer: Mutex<StdRng>,
    changes: watch::Sender<u64>,
    /// How far a probe's clock is ahead, in milliseconds.
    clocks: OnceLock<ClockOf>,
}

/// Says how far a probe's clock is ahead of the collector's, in milliseconds, if that is known.
type ClockOf = Box<dyn Fn(ProbeId) -> Option<i64> + Send + Sync>;

impl Registry {
    /// Reads the registry from the store.
    ///
    /// # Errors
    /// When the store cannot be read. A damaged record is set aside: its probe is refused.
    pub fn open(parts: RegistryParts) -> Result<Self, RegistryError> {
        let tables = persist::Tables::new(&parts.store);
        let members = tables.load()?;
        let damaged = tables.damaged()?;
        Ok(Self(Arc::new(Inner {
            tables,
            authority: parts.authority,
            clock: parts.clock,
            events: parts.events,
            addresses: parts.addresses,
            current: RwLock::new(Arc::new(members)),
            damaged,
            writer: Mutex::new(StdRng::from_seed(parts.seed)),
            changes: watch::Sender::new(0),
            clocks: OnceLock::new(),
        })))
    }

    /// The probe of that id, active or revoked.
    #[must_use]
    pub fn probe(&self, id: ProbeId) -> Option<Arc<ProbeRecord>> {
        self.members().probes.get(&id).cloned()
    }

    /// The probe of that name, active or revoked.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Arc<ProbeRecord>> {
        self.members().by_name(name).cloned()
    }

    /// Every probe, active or revoked, by id.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<ProbeRecord>> {
        self.members().probes.values().cloned().collect()
    }

    /// Every invitation ever made, spent or not.
    #[must_use]
    pub fn invitations(&self) -> Vec<Arc<InvitationRecord>> {
        self.members().invitations.values().cloned().collect()
    }

    /// The audit log from `since` on, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn audit(&self, since: UnixMillis) -> Result<Vec<AuditEntry>, RegistryError> {
        Ok(self.0.tables.audit(since)?)
    }

    /// Has `clock_of` asked for the clocks of probes: what is planned of a revoked one ends by its own.
    pub fn ask_clocks(&self, clock_of: impl Fn(ProbeId) -> Option<i64> + Send + Sync + 'static) {
        if self.0.clocks.set(Box::new(clock_of)).is_err() {
            tracing::warn!("the clocks of probes are asked for already");
        }
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
        let name = new.name(&draft.members, now)?;
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let token = Token {
            collectors: self.0.addresses.iter().take(ADDRESSES_MAX).cloned().collect(),
            authority: self.0.authority.key_hash(),
            seed,
            expires: now.plus(valid),
        };
        let script = invite::script(&token, &name, &place);
        let notes = new.notes(&draft.members, &place);
        let expires = words::rfc3339_second(token.expires);
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
            notes,
        })
    }

    /// The invitations that can still be spent, by name.
    #[must_use]
    pub fn open_invitations(&self) -> Vec<Arc<InvitationRecord>> {
        let (members, now) = (self.members(), self.0.clock.wall());
        let mut open: Vec<_> = members
            .invitations
            .values()
            .filter(|invitation| invitation.is_open(now))
            .cloned()
            .collect();
        open.sort_by(|a, b| a.name.cmp(&b.name));
        open
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
            .members
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
        draft.tell(now, &probe, GateEventKind::Revoked { by: who.to_string() });
        self.commit(draft)?;
        Ok(true)
    }

    /// Notes that the responders of these probes have their newest secret, that of the epoch beside each: from now on
    /// probers get keys of it. For how many that was news; where it was none, nothing is copied or written.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn confirm_secrets(&self, told: &[(ProbeId, KeyEpoch)]) -> Result<usize, RegistryError> {
        let is_news = |members: &Members, (id, epoch): &(ProbeId, KeyEpoch)| {
            members
                .probes
                .get(id)
                .is_some_and(|probe| probe.has_news_of_secret(*epoch))
        };
        let members = self.members();
        if !told.iter().any(|told| is_news(&members, told)) {
            return Ok(0); // without waiting for who writes
        }
        let _writer = self.writer();
        let mut draft = self.draft();
        let news: Vec<_> = told.iter().filter(|told| is_news(&draft.members, told)).collect();
        for (id, epoch) in &news {
            if let Some(probe) = draft.members.probes.get(id) {
                let mut probe = ProbeRecord::clone(probe);
                probe.known_secret = Some(*epoch);
                draft.put_probe(probe);
            }
        }
        let count = news.len();
        if count > 0 {
            self.commit(draft)?;
        }
        Ok(count)
    }

    /// Whether what a probe announces is news.
    pub(crate) fn is_news_of_release(&self, id: ProbeId, known: &Known) -> bool {
        let probe = self.probe(id);
        probe.is_some_and(|probe| probe.announced.as_ref() != Some(known))
    }

    /// Notes what a probe's release can read: from the next plans on it is given nothing else. Whether that was news.
    ///
    /// # Errors
    /// When the store refuses.
    pub(crate) fn announce(&self, id: ProbeId, known: &Known) -> Result<bool, RegistryError> {
        let is_news = |probe: &Arc<ProbeRecord>| probe.announced.as_ref() != Some(known);
        if !self.is_news_of_release(id, known) {
            return Ok(false); // without waiting for who writes
        }
        let _writer = self.writer();
        let mut draft = self.draft();
        let Some(probe) = draft.members.probes.get(&id).filter(|probe| is_news(probe)) else {
            return Ok(false);
        };
        let mut probe = ProbeRecord::clone(probe);
        probe.announced = Some(known.clone());
        draft.put_probe(probe);
        self.commit(draft)?;
        Ok(true)
    }

    fn members(&self) -> Arc<Members> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Logs a change that is made elsewhere, such as an edit of the targets.
    ///
    /// # Errors
    /// When the store failed.
    pub fn note(&self, who: &Actor, action: &str, what: String) -> Result<(), RegistryError> {
        let _writer = self.writer();
        let mut draft = self.draft();
        draft
            .audit
            .push(AuditEntry::new(self.0.clock.wall(), who, action, what));
        self.commit(draft)
    }

    /// Accepts damage of the store: one row by its number, or all there is. Returns the rows that were not accepted
    /// before; the audit log names them, and who knows of them.
    ///
    /// # Errors
    /// When the store failed.
    pub fn accept_damage(&self, only: Option<u64>, who: &Actor) -> Result<Vec<SetAside>, RegistryError> {
        let _writer = self.writer();
        let now = self.0.clock.wall();
        let entry = |rows: &[SetAside]| {
            let named: Vec<String> = rows
                .iter()
                .take(ACCEPTED_NAMED)
                .map(|row| format!("{} ({})", row.number, row.subject()))
                .collect();
            let more = match rows.len().saturating_sub(ACCEPTED_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let what = format!("damaged rows accepted: {}{more}", named.join("; "));
            AuditEntry::new(now, who, "accept damage", what)
        };
        Ok(self.0.tables.accept_damage(only, entry)?)
    }

    fn writer(&self) -> MutexGuard<'_, StdRng> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only with [`Self::writer`] held.
    fn draft(&self) -> Draft {
        Draft::of(&self.members())
    }

    /// Makes a draft durable, and then visible. Only with [`Self::writer`] held.
    fn commit(&self, mut draft: Draft) -> Result<(), RegistryError> {
        for (probe, at) in &mut draft.ended {
            let ahead_ms = self.0.clocks.get().and_then(|clock_of| clock_of(*probe));
            *at = UnixMillis(at.0.saturating_add_signed(ahead_ms.unwrap_or_default()));
        }
        self.0.tables.write(&draft, &self.0.events)?;
        for entry in &draft.audit {
            tracing::info!(
                who = entry.who,
                action = entry.action,
                what = entry.what,
                "registry changed"
            );
        }
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(draft.members);
        self.0.changes.send_modify(|change| *change += 1);
        for event in draft.events {
            self.0.events.committed(event);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry")
            .field("probes", &self.members().probes.len())
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
