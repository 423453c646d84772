//! The archive of plans: every plan that a stored batch may name.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use isochrone_proto::codec;
use isochrone_proto::ids::{PlanVersion, ProbeId};
use isochrone_proto::plan::{Plan, SignedPlan};
use redb::ReadableTable;

use super::row::{Damaged, RowReader, RowWriter};
use super::tables::{META, META_PLAN, META_PROMOTION, PLANS, plan_key, read_meta};
use super::{Store, StoreError};

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
        let Some(signed) = self.signed_plan(probe, version)? else {
            return Ok(None);
        };
        let plan = codec::decode_plan(&signed.plan).map_err(|source| StoreError::Content {
            what: format!("plan {version} of probe {probe}"),
            source,
        })?;
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
            let plans = transaction.open_table(PLANS)?;
            let row = plans.get(&plan_key(probe, version))?;
            row.map(|row| decode_row(row.value())).transpose()
        })
    }

    /// The newest plan of a probe, as it was signed.
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
            let plans = transaction.open_table(PLANS)?;
            let last = plans
                .range::<&[u8; 20]>(&lowest..=&plan_key(probe, highest))?
                .next_back();
            last.map(|row| decode_row(row?.1.value())).transpose()
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
        self.write_tables(|transaction| {
            let mut archive = transaction.open_table(PLANS)?;
            let mut meta = transaction.open_table(META)?;
            let read =
                |name| -> Result<u64, StoreError> { Ok(meta.get(name)?.map_or(0, |value| value.value())) };
            let mut highest = PlanVersion {
                promotion: read(META_PROMOTION)? as u32,
                number: read(META_PLAN)?,
            };
            for (signed, plan) in plans {
                let key = plan_key(plan.probe, plan.version);
                if archive.get(&key)?.is_none() {
                    archive.insert(&key, encode_row(signed).as_slice())?;
                }
                highest = highest.max(plan.version);
            }
            meta.insert(META_PROMOTION, u64::from(highest.promotion))?;
            meta.insert(META_PLAN, highest.number)?;
            Ok(())
        })
    }

    /// The highest version of any plan that was ever put here.
    ///
    /// # Errors
    /// When the store failed.
    pub fn highest_plan_version(&self) -> Result<PlanVersion, StoreError> {
        self.read(|transaction| {
            Ok(PlanVersion {
                promotion: read_meta(transaction, META_PROMOTION)? as u32, // written from a u32
                number: read_meta(transaction, META_PLAN)?,
            })
        })
    }

    fn cache_plan(&self, probe: ProbeId, version: PlanVersion, plan: &Arc<Plan>) {
        let mut cache = self.0.plans.write().unwrap_or_else(PoisonError::into_inner);
        if cache.0.len() >= CACHED_MAX {
            cache.0.clear();
        }
        cache.0.insert((probe, version), Arc::clone(plan));
    }
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

fn decode_row(bytes: &[u8]) -> Result<SignedPlan, StoreError> {
    let damaged = |source| StoreError::Row {
        table: "plans",
        source,
    };
    let mut row = RowReader::new(bytes, VERSION).map_err(damaged)?;
    let length: usize = row.narrow("signature's length").map_err(damaged)?;
    let rest = row.rest();
    let (signature, plan) = rest
        .split_at_checked(length)
        .ok_or(Damaged::Short { field: "signature" })
        .map_err(damaged)?;
    Ok(SignedPlan {
        plan: plan.to_vec(),
        signature: signature.to_vec(),
    })
}
