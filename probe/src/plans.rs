//! The plans a probe keeps: the one in force, and those that its spool still names.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use isochrone_proto::codec::{self, DecodeError};
use isochrone_proto::ids::{PlanVersion, ProbeId};
use isochrone_proto::plan::{Plan, SignedPlan};
use isochrone_proto::units::UnixMillis;
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::disk::Disk;

const FOLDER: &str = "plans/";
const SIGNATURE_BYTES: usize = 64;
/// The newest plans are kept even if nothing names them: rows of those before may still be on their way, and while a mesh
/// comes up several plans come in a second.
const NEWEST_KEPT: usize = 16;

/// Plans, kept in files of mode 0600: they hold keys.
pub(crate) struct PlanStore {
    disk: Arc<dyn Disk>,
    probe: ProbeId,
    authority_key: [u8; 32],
    kept: BTreeMap<PlanVersion, SignedPlan>,
    /// Those of `kept` that the disk does not hold yet.
    unwritten: BTreeSet<PlanVersion>,
    /// Of a probe that was revoked: not removed from the disk yet.
    ended: BTreeSet<PlanVersion>,
    newest: Option<Arc<Plan>>,
}

/// Why a plan is not followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanRefused {
    /// Not signed by the authority that this probe joined.
    #[error("a plan came whose signature is not of this mesh's authority; it is ignored")]
    Signature,
    /// Malformed, or beyond this probe's own ceilings.
    #[error("a plan came that this probe cannot follow; is the probe older than the collector?")]
    Content(#[source] DecodeError),
    /// Made for another probe.
    #[error("a plan came that was made for probe {found}; this is {own}")]
    OtherProbe {
        /// Whom it is for.
        found: ProbeId,
        own: ProbeId,
    },
    /// Older than the one in force.
    #[error("plan {found} came although this probe follows {current}; a probe never goes back")]
    Older {
        /// The version that came.
        found: PlanVersion,
        /// The version in force.
        current: PlanVersion,
    },
    /// Already past its end.
    #[error("plan {version} came although it has expired; is a clock wrong here or at the collector?")]
    Expired { version: PlanVersion },
}

/// The disk did not take a plan.
#[derive(Debug, thiserror::Error)]
#[error("cannot write or remove plan {version} in the state folder")]
pub(crate) struct PlanUnwritten {
    pub version: PlanVersion,
    /// The system's words.
    #[source]
    pub source: io::Error,
}

impl PlanStore {
    /// Reads the kept plans; one that is damaged is left out.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn open(disk: Arc<dyn Disk>, probe: ProbeId, authority_key: [u8; 32]) -> io::Result<Self> {
        let mut store = Self {
            disk,
            probe,
            authority_key,
            kept: BTreeMap::new(),
            unwritten: BTreeSet::new(),
            ended: BTreeSet::new(),
            newest: None,
        };
        for name in store.disk.list(FOLDER)? {
            let bytes = store.disk.read(&name)?;
            let Some((signature, plan)) = bytes.split_at_checked(SIGNATURE_BYTES) else {
                continue;
            };
            let signed = SignedPlan {
                plan: plan.to_vec(),
                signature: signature.to_vec(),
            };
            match store.verify(&signed) {
                Ok(plan) => {
                    store.kept.insert(plan.version, signed);
                    if store
                        .newest
                        .as_ref()
                        .is_none_or(|newest| newest.version < plan.version)
                    {
                        store.newest = Some(Arc::new(plan));
                    }
                }
                Err(error) => {
                    tracing::warn!(error = %error, file = name, "a kept plan is unusable; it is left out")
                }
            }
        }
        Ok(store)
    }

    #[must_use]
    pub(crate) fn newest(&self) -> Option<&Arc<Plan>> {
        self.newest.as_ref()
    }

    /// Checks a plan that the collector sent, and takes it over; [`PlanStore::save`] writes it. `None` if it is the
    /// one in force already.
    ///
    /// # Errors
    /// Says why it is not followed.
    pub(crate) fn accept(
        &mut self,
        signed: SignedPlan,
        now: UnixMillis,
    ) -> Result<Option<Arc<Plan>>, PlanRefused> {
        let plan = self.verify(&signed)?;
        let version = plan.version;
        if let Some(newest) = &self.newest {
            if version == newest.version {
                return Ok(None);
            }
            if version < newest.version {
                return Err(PlanRefused::Older {
                    found: version,
                    current: newest.version,
                });
            }
        }
        if plan.expires <= now {
            return Err(PlanRefused::Expired { version });
        }
        self.unwritten.insert(version);
        self.kept.insert(version, signed);
        let plan = Arc::new(plan);
        self.newest = Some(Arc::clone(&plan));
        Ok(Some(plan))
    }

    /// Writes the plans that the disk does not hold yet.
    ///
    /// # Errors
    /// When it does not take one; the next call tries again.
    pub(crate) fn save(&mut self) -> Result<(), PlanUnwritten> {
        self.remove_ended()?;
        while let Some(&version) = self.unwritten.last() {
            if let Some(signed) = self.kept.get(&version) {
                let bytes = [signed.signature.as_slice(), &signed.plan].concat();
                let written = self.disk.replace(&file_name(version), &bytes);
                written.map_err(|source| PlanUnwritten { version, source })?;
            }
            self.unwritten.remove(&version);
        }
        Ok(())
    }

    /// Versions of all kept plans.
    #[must_use]
    pub(crate) fn versions(&self) -> Vec<PlanVersion> {
        self.kept.keys().copied().collect()
    }

    /// The kept ones among `versions`.
    #[must_use]
    pub(crate) fn signed(&self, versions: &[PlanVersion]) -> Vec<SignedPlan> {
        versions
            .iter()
            .filter_map(|version| self.kept.get(version))
            .cloned()
            .collect()
    }

    /// Forgets every plan: this probe was revoked, and measures nothing more, not even after a restart. What the disk
    /// does not let go of now, [`PlanStore::save`] removes.
    pub(crate) fn end(&mut self) {
        self.newest = None;
        self.unwritten.clear();
        self.ended.extend(std::mem::take(&mut self.kept).into_keys());
        if let Err(error) = self.remove_ended() {
            tracing::warn!(%error, "a plan of a revoked probe could not be removed; tried again");
        }
    }

    fn remove_ended(&mut self) -> Result<(), PlanUnwritten> {
        while let Some(&version) = self.ended.last() {
            let name = file_name(version);
            let emptied = self.disk.replace(&name, b""); // a removal alone may not outlive a power cut
            let removed = emptied.and_then(|()| self.disk.remove(&name));
            removed.map_err(|source| PlanUnwritten { version, source })?;
            self.ended.remove(&version);
        }
        Ok(())
    }

    /// Forgets plans that neither the spool names nor are among the newest.
    pub(crate) fn prune(&mut self, named: &BTreeSet<PlanVersion>) {
        let newest = self.kept.keys().rev().take(NEWEST_KEPT).copied();
        let wanted: BTreeSet<PlanVersion> = newest.chain(named.iter().copied()).collect();
        let unwanted: Vec<PlanVersion> = self
            .kept
            .keys()
            .copied()
            .filter(|version| !wanted.contains(version))
            .collect();
        for version in unwanted {
            self.kept.remove(&version);
            if self.unwritten.remove(&version) {
                continue;
            }
            if let Err(error) = self.disk.remove(&file_name(version)) {
                tracing::debug!(%error, %version, "an old plan could not be removed");
            }
        }
    }

    fn verify(&self, signed: &SignedPlan) -> Result<Plan, PlanRefused> {
        UnparsedPublicKey::new(&ED25519, &self.authority_key)
            .verify(&SignedPlan::message(&signed.plan), &signed.signature)
            .map_err(|_| PlanRefused::Signature)?;
        let plan = codec::decode_plan(&signed.plan).map_err(PlanRefused::Content)?;
        if plan.probe != self.probe {
            return Err(PlanRefused::OtherProbe {
                found: plan.probe,
                own: self.probe,
            });
        }
        Ok(plan)
    }
}

fn file_name(version: PlanVersion) -> String {
    format!("{FOLDER}{:08x}-{:016x}.plan", version.promotion, version.number)
}

#[cfg(test)]
mod tests;
