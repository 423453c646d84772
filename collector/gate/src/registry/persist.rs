//! The registry's tables.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Records, SetAside, Store, StoreError, Transaction};
use serde_json::Value;

use super::members::{Draft, Members};
use super::record::{BurntKey, InvitationRecord, ProbeRecord};
use crate::audit::AuditEntry;
use crate::events::GateEvents;

pub(super) struct Tables {
    probes: Records<ProbeRecord>,
    invitations: Records<InvitationRecord>,
    burnt: Records<BurntKey>,
    audit: Records<AuditEntry>,
}

impl Tables {
    pub(super) fn new(store: &Store) -> Self {
        Self {
            probes: Records::new(store.clone(), "probes"),
            invitations: Records::new(store.clone(), "tokens"),
            burnt: Records::new(store.clone(), "burnt_keys"),
            audit: Records::new(store.clone(), "audit"),
        }
    }

    pub(super) fn load(&self) -> Result<Members, StoreError> {
        let probes = self.probes.list()?.into_iter();
        let invitations = self.invitations.list()?.into_iter();
        let burnt = self.burnt.list()?.into_iter();
        Ok(Members {
            probes: probes.map(|(_, probe)| (probe.id, Arc::new(probe))).collect(),
            invitations: invitations.map(|(_, it)| (it.id, Arc::new(it))).collect(),
            burnt: burnt.map(|(_, burnt)| (burnt.key, burnt)).collect(),
        })
    }

    /// The probes whose records were damaged, as far as these still say whose they were.
    pub(super) fn damaged(&self) -> Result<BTreeSet<ProbeId>, StoreError> {
        let rows = self.probes.set_aside()?.into_iter();
        let ids = rows.flat_map(|(key, json)| {
            let record: Option<Value> = serde_json::from_slice(&json).ok();
            let id = record.and_then(|record| record.get("id")?.as_str()?.parse().ok());
            [key.parse().ok(), id]
        });
        Ok(ids.flatten().collect())
    }

    /// Writes a whole draft, and what is told of it, in one durable transaction.
    pub(super) fn write(&self, draft: &Draft, events: &GateEvents) -> Result<(), StoreError> {
        self.probes.store().write(|transaction| {
            for (id, probe) in &draft.probes {
                self.probes.put_in(transaction, &id.to_string(), probe)?;
            }
            for invitation in &draft.invitations {
                let key = data_encoding::HEXLOWER.encode(&invitation.id.0);
                self.invitations.put_in(transaction, &key, invitation)?;
            }
            for burnt in &draft.burnt {
                self.burnt.put_in(transaction, &burnt.key.to_string(), burnt)?;
            }
            for entry in &draft.audit {
                self.log(transaction, entry)?;
            }
            for (probe, at) in &draft.ended {
                transaction.end_plans(*probe, *at)?;
            }
            for event in &draft.events {
                events.tell_in(transaction, event)?;
            }
            Ok(())
        })
    }

    /// Accepts damage of the store, and logs in the same transaction who did: `entry` of the rows it was.
    pub(super) fn accept_damage(
        &self,
        only: Option<u64>,
        entry: impl FnOnce(&[SetAside]) -> AuditEntry,
    ) -> Result<Vec<SetAside>, StoreError> {
        let store = self.audit.store();
        let accepted = store.write_if(|transaction| {
            let accepted = store.accept_damage_in(transaction, only)?;
            let is_news = !accepted.is_empty();
            if is_news {
                self.log(transaction, &entry(&accepted))?;
            }
            Ok((accepted, is_news))
        })?;
        store.damage_accepted();
        Ok(accepted)
    }

    fn log(&self, transaction: &Transaction, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut place = 0;
        while self.audit.get_in(transaction, &entry.key(place))?.is_some() {
            place += 1;
        }
        self.audit.put_in(transaction, &entry.key(place), entry)
    }

    pub(super) fn audit(&self, since: UnixMillis) -> Result<Vec<AuditEntry>, StoreError> {
        let from = format!("{:016}", since.0);
        let entries = self
            .audit
            .range(Bound::Included(from.as_str()), Bound::Unbounded)?;
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }
}
