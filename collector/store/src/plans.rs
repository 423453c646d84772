//! The archive of plans: every plan that a stored batch may name.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use isochrone_proto::codec;
use isochrone_proto::ids::{PlanVersion, ProbeId};
use isochrone_proto::plan::{Plan, SignedPlan};
use redb::{ReadTransaction, WriteTransaction};

use super::row::{Malformed, RowReader, RowWriter};
use super::tables::{META_PLAN, META_PROMOTION, PLANS, plan_key, plan_of};
use super::{Store, StoreError};
use crate::aside::plan_is_back;
use crate::found::{Damaged, Fault, Found};
use crate::numbers::{Numbers, read_number};

/// Decoded plans by probe and version. When full it is emptied: the archive fills it again.
#[derive(Default)]
pub(super) struct PlanCache(HashMap<(ProbeId, PlanVersion), Arc<Plan>>);

const CACHED_MAX: usize = 8_192;
const VERSION: u8 = b'P';

impl Store {
    /// A plan that was put here, decoded.
    ///
    /// # Errors
    /// When the store failed.
    pub fn plan(&self, probe: ProbeId, version: PlanVersion) -> Result<Option<Arc<Plan>>, StoreError> {
        let cached = {
            let cache = self.0.plans.read().unwrap_or_else(PoisonError::into_inner);
            cache.0.get(&(probe, version)).cloned()
        };
        if cached.is_some() {
            return Ok(cached);
        }
        let found = self.read(|transaction| {
            let plans = PLANS.read(transaction, self.found())?;
            plans.get_as(&plan_key(probe, version), decode_plan)
        })?;
        let Some(plan) = found else {
            return Ok(None);
        };
        let plan = Arc::new(plan);
        self.cache_plan(probe, version, &plan);
        Ok(Some(plan))
    }

    /// A plan as it was signed.
    ///
    /// # Errors
    /// When the store failed.
    pub fn signed_plan(
        &self,
        probe: ProbeId,
        version: PlanVersion,
    ) -> Result<Option<SignedPlan>, StoreError> {
        self.read(|transaction| {
            let plans = PLANS.read(transaction, self.found())?;
            plans.get_as(&plan_key(probe, version), decode_row)
        })
    }

    /// The newest plan of a probe, as it was signed; none, where a plan of it is damaged that may be newer.
    ///
    /// # Errors
    /// When the store failed.
    pub fn latest_plan(&self, probe: ProbeId) -> Result<Option<SignedPlan>, StoreError> {
        let lowest = plan_key(probe, PlanVersion::default());
        let highest = PlanVersion {
            promotion: u32::MAX,
            number: u64::MAX,
        };
        self.read(|transaction| {
            let plans = PLANS.read(transaction, self.found())?;
            let last = plans
                .range::<&[u8; 20]>(&lowest..=&plan_key(probe, highest))?
                .next_back();
            let Some((key, row)) = last.transpose()? else {
                return Ok(None);
            };
            let newest = plan_of(key.value()).map(|(_, version)| version);
            let is_missing = |missing: &PlanVersion| Some(*missing) > newest;
            if self.missing_plans(probe).iter().any(is_missing) {
                return Ok(None);
            }
            Ok(plans.decode(key.value(), &row, decode_row))
        })
    }

    /// Keeps a plan for good. The caller has verified its signature. A version that is kept already is left
    /// as it is.
    ///
    /// # Errors
    /// When the store failed, or the plan checks one target twice with one kind.
    pub fn put_plan(&self, signed: &SignedPlan, plan: &Plan) -> Result<(), StoreError> {
        self.put_plans(&[(signed, plan)])
    }

    /// Keeps several plans in one transaction, as [`Store::put_plan`].
    ///
    /// # Errors
    /// As [`Store::put_plan`]; none is kept then.
    pub fn put_plans(&self, plans: &[(&SignedPlan, &Plan)]) -> Result<(), StoreError> {
        for (_, plan) in plans {
            refuse_twins(plan)?;
        }
        let keys = plans
            .iter()
            .map(|(_, plan)| plan_key(plan.probe, plan.version).to_vec());
        let known = self.found().missing_plans();
        let missing: Vec<_> = keys.filter(|key| known.contains(key)).collect();
        let kept = self.write_tables(|transaction| {
            let mut is_back = false;
            let mut archive = PLANS.open(transaction, self.found())?;
            let mut numbers = Numbers::open(transaction, self.found())?;
            let mut highest = PlanVersion {
                promotion: numbers.get(META_PROMOTION)? as u32, // written from a u32
                number: numbers.get(META_PLAN)?,
            };
            for (signed, plan) in plans {
                let key = plan_key(plan.probe, plan.version);
                if archive.get(&key)?.is_none() {
                    archive.insert(&key, &encode_row(signed))?;
                    is_back |= plan_is_back(transaction, self.found(), &key)?;
                }
                highest = highest.max(plan.version);
            }
            numbers.set(META_PROMOTION, u64::from(highest.promotion))?;
            numbers.set(META_PLAN, highest.number)?;
            Ok(is_back)
        });
        if !matches!(kept, Ok(false)) {
            self.account_changes().everything();
        }
        if kept.is_err() {
            missing.into_iter().for_each(|key| self.found().is_missing(key)); // nothing was kept
        }
        kept?;
        self.damage_changed(); // it may have been missing
        Ok(())
    }

    /// The highest version of any plan that was ever put here.
    ///
    /// # Errors
    /// When the store failed.
    pub fn highest_plan_version(&self) -> Result<PlanVersion, StoreError> {
        self.read(|transaction| {
            Ok(PlanVersion {
                promotion: read_number(transaction, self.found(), META_PROMOTION)? as u32, // written from a u32
                number: read_number(transaction, self.found(), META_PLAN)?,
            })
        })
    }

    /// Plans of a probe that stored batches or damaged rows name, and that are not here.
    #[must_use]
    pub fn missing_plans(&self, probe: ProbeId) -> Vec<PlanVersion> {
        let keys = self.found().missing_plans().into_iter();
        let plans = keys.filter_map(|key| plan_of(&key));
        plans
            .filter(|(whose, _)| *whose == probe)
            .map(|(_, version)| version)
            .collect()
    }

    /// Notes that a stored batch names a plan that is not here.
    pub(crate) fn note_missing_plan(&self, probe: ProbeId, version: PlanVersion) {
        self.found()
            .note(PLANS.name, &plan_key(probe, version), Fault::Missing);
    }

    /// Damaged plans are no longer taken from memory either: page, commands and reports agree.
    pub(crate) fn forget_plans(&self, damaged: &[Damaged]) {
        let mut cache = self.0.plans.write().unwrap_or_else(PoisonError::into_inner);
        for row in damaged.iter().filter(|row| row.table == PLANS.name) {
            if let Some(plan) = plan_of(&row.key) {
                cache.0.remove(&plan);
            }
        }
    }

    /// These are kept no longer.
    pub(crate) fn forget_plans_of(&self, probe: ProbeId, versions: &[PlanVersion]) {
        let mut cache = self.0.plans.write().unwrap_or_else(PoisonError::into_inner);
        for version in versions {
            cache.0.remove(&(probe, *version));
        }
    }

    fn cache_plan(&self, probe: ProbeId, version: PlanVersion, plan: &Arc<Plan>) {
        let mut cache = self.0.plans.write().unwrap_or_else(PoisonError::into_inner);
        if cache.0.len() >= CACHED_MAX {
            cache.0.clear();
        }
        cache.0.insert((probe, version), Arc::clone(plan));
    }
}

/// The oldest plans of a probe, as they were signed, with their versions: `most` at most.
pub(crate) fn plans_of(
    transaction: &ReadTransaction,
    found: &Found,
    probe: ProbeId,
    most: usize,
) -> Result<Vec<(PlanVersion, SignedPlan)>, StoreError> {
    let plans = PLANS.read(transaction, found)?;
    let lowest = plan_key(probe, PlanVersion::default());
    let mut of_probe = Vec::new();
    for row in plans.range::<&[u8; 20]>(&lowest..)?.take(most) {
        let (key, row) = row?;
        let Some((_, version)) = plan_of(key.value()).filter(|(whose, _)| *whose == probe) else {
            break;
        };
        let signed = plans.decode(key.value(), &row, decode_row);
        of_probe.push((version, signed.ok_or(StoreError::Unsettled)?));
    }
    Ok(of_probe)
}

fn refuse_twins(plan: &Plan) -> Result<(), StoreError> {
    let mut seen = HashMap::with_capacity(plan.checks.len());
    for (second, check) in plan.checks.iter().enumerate() {
        let target = plan
            .targets
            .get(usize::from(check.target))
            .map(|target| target.id);
        if let Some(first) = seen.insert((check.kind, target), second) {
            return Err(StoreError::TwinChecks {
                probe: plan.probe,
                version: plan.version,
                first,
                second,
            });
        }
    }
    Ok(())
}

fn encode_row(signed: &SignedPlan) -> Vec<u8> {
    let mut row = RowWriter::version(VERSION);
    row.number(signed.signature.len() as u64)
        .bytes(&signed.signature)
        .bytes(&signed.plan);
    row.0
}

fn decode_row(bytes: &[u8]) -> Result<SignedPlan, Malformed> {
    let mut row = RowReader::new(bytes, VERSION)?;
    let length: usize = row.narrow("signature's length")?;
    let rest = row.rest();
    let (signature, plan) = rest
        .split_at_checked(length)
        .ok_or(Malformed::Short { field: "signature" })?;
    Ok(SignedPlan {
        plan: plan.to_vec(),
        signature: signature.to_vec(),
    })
}

fn decode_plan(bytes: &[u8]) -> Result<Plan, Malformed> {
    let signed = decode_row(bytes)?;
    codec::decode_plan(&signed.plan).map_err(|_| Malformed::Content { what: "plan" })
}

/// A plan, in a transaction that changes several tables.
pub(crate) fn plan_in(
    transaction: &WriteTransaction,
    found: &Found,
    probe: ProbeId,
    version: PlanVersion,
) -> Result<Option<Plan>, StoreError> {
    let plans = PLANS.open(transaction, found)?;
    plans.get_as(&plan_key(probe, version), decode_plan)
}
