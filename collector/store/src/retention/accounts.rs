//! What of the accounts is no longer of use: found here, a probe at a time, and taken out in `retention/apply.rs`.
//!
//! - An hour whose measurements are all removed becomes part of its probe's line.
//! - The digest of a batch stays for three days. What comes again below that is taken as known: nothing is counted a
//!   second time. A clone of the machine that sent it is found by its Welcome, which names the mark.
//! - A plan that an epoch followed before all that is kept of its account is forgotten, then the plan itself.
//! - An epoch of which nothing is kept goes, the oldest of a probe first.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use isochrone_proto::ids::{EpochId, PlanVersion, ProbeId, Sequence};
use isochrone_proto::plan::SignedPlan;
use isochrone_proto::units::{Hour, UnixMillis};
use redb::ReadTransaction;

use crate::ledger::{Kept, Row, kept_of};
use crate::limits::Removed;
use crate::numbers::read_number;
use crate::plans::plans_of;
use crate::segment::Day;
use crate::tables::{
    EPOCHS, LOG, LOG_HOURS, META_COMMIT, STREAM, epoch_key, parse_epoch_key, sequence_of, stream_key,
};
use crate::{EpochRow, Store, StoreError, StreamEntry, StreamKind};

/// Digests of batches stay for so long.
const DIGESTS: Duration = Duration::from_secs(3 * 86_400);
/// Probes that are looked at in one step.
const PROBES_MAX: usize = 256;
/// Hours of an epoch that go in one step.
const HOURS_MAX: usize = 1_024;
/// Sequences of an epoch that go in one step.
const SEQUENCES_MAX: usize = 8_192;
/// Plans of a probe that go in one step.
const PLANS_MAX: usize = 64;

/// How far the accounts are trimmed.
#[derive(Debug, Default)]
pub(crate) struct Trimming {
    /// As of that day, all were.
    done: Option<Day>,
    next: Option<ProbeId>,
    /// Something went since the first probe.
    is_changed: bool,
}

/// What is kept, and up to where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// No measurement of an earlier hour is kept or taken any more.
    pub(super) hour: Hour,
    /// Nothing earlier is asked of an account any more.
    pub(super) accounts: UnixMillis,
    /// Digests of batches from this commit on are kept.
    commit: u64,
    /// No stored measurement is older.
    oldest: UnixMillis,
}

/// What goes of a probe's accounts.
#[derive(Debug, Default)]
pub(super) struct Surplus {
    pub(super) epochs: Vec<SurplusOfEpoch>,
    pub(super) plans: Vec<PlanVersion>,
}

/// What goes of an epoch's account.
#[derive(Debug)]
pub(super) struct SurplusOfEpoch {
    pub(super) epoch: EpochId,
    /// Its hours before `kept_from`, as the ledger has them.
    pub(super) hours: Vec<Row>,
    pub(super) kept_from: Hour,
    /// Plans that it followed before.
    pub(super) plans: Vec<PlanVersion>,
    /// Sequences that are known no more.
    pub(super) sequences: Vec<Sequence>,
    /// Nothing of it is kept.
    pub(super) is_over: bool,
}

impl Store {
    /// Takes out what is of no use any more of the next probe that has such; `None`: no probe has, today.
    pub(super) fn trim_accounts(&self, now: UnixMillis) -> Result<Option<Removed>, StoreError> {
        let today = Day::of(now.minus(self.retention().raw));
        let mut trimming = self.trimming();
        if trimming.done == Some(today) {
            return Ok(None);
        }
        let limits = self.read(|transaction| self.limits(transaction, (now, today)))?;
        for _ in 0..PROBES_MAX {
            let from = trimming.next.unwrap_or(ProbeId(0));
            let found = self.read(|transaction| self.next_surplus(transaction, from, &limits))?;
            let Some((probe, surplus)) = found else {
                if trimming.is_changed {
                    self.account_changes().everything(); // the first hour may be another
                }
                self.remove_damaged_files(now)?;
                *trimming = Trimming {
                    done: Some(today),
                    ..Trimming::default()
                };
                return Ok(None);
            };
            trimming.next = Some(probe);
            if surplus.is_empty() {
                trimming.next = probe.0.checked_add(1).map(ProbeId);
                continue;
            }
            trimming.is_changed = true;
            let rows = self.take_out(probe, &surplus, &limits)?;
            return Ok(Some(Removed {
                rows,
                ..Removed::default()
            }));
        }
        Ok(Some(Removed::default()))
    }

    fn trimming(&self) -> MutexGuard<'_, Trimming> {
        self.0.trimming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limits(
        &self,
        transaction: &ReadTransaction,
        (now, today): (UnixMillis, Day),
    ) -> Result<Limits, StoreError> {
        let index = LOG_HOURS.read(transaction, self.found())?;
        let oldest = index.iter()?.next().transpose()?;
        let oldest = oldest.map_or(now, |(hour, _)| Hour(hour.value()).start());
        let mut commit = read_number(transaction, self.found(), META_COMMIT)? + 1;
        for row in index.range(now.minus(DIGESTS).hour().0..)? {
            commit = commit.min(row?.1.number());
        }
        let log = LOG.read(transaction, self.found())?;
        if let Some(row) = log.iter()?.next() {
            commit = commit.min(row?.0.value());
        }
        Ok(Limits {
            hour: today.start().hour(),
            accounts: now.minus(self.retention().accounts()),
            commit,
            oldest,
        })
    }

    /// The first probe from `from` on, and what goes of its accounts.
    fn next_surplus(
        &self,
        transaction: &ReadTransaction,
        from: ProbeId,
        limits: &Limits,
    ) -> Result<Option<(ProbeId, Surplus)>, StoreError> {
        let epochs = EPOCHS.read(transaction, self.found())?;
        let lowest = epoch_key(from, EpochId([0; 16]));
        let Some(first) = epochs.range::<&[u8; 24]>(&lowest..)?.next() else {
            return Ok(None);
        };
        let (probe, _) = parse_epoch_key(first?.0.value());
        let mut surplus = Surplus::default();
        let mut named = Vec::new();
        let mut are_over = true; // those before it
        for kept in kept_of(self, transaction, probe)? {
            let of_epoch = self.surplus_of(transaction, (probe, &kept), (limits, are_over))?;
            are_over &= of_epoch.is_over;
            let followed = kept.row.adoptions.iter().map(|adoption| adoption.version);
            named.extend(followed.filter(|version| !of_epoch.plans.contains(version) && !of_epoch.is_over));
            if !of_epoch.is_empty(&kept.row) {
                surplus.epochs.push(of_epoch);
            }
        }
        surplus.plans = self.surplus_plans(transaction, (probe, &named), limits)?;
        Ok(Some((probe, surplus)))
    }

    fn surplus_of(
        &self,
        transaction: &ReadTransaction,
        (probe, kept): (ProbeId, &Kept),
        (limits, are_over): (&Limits, bool),
    ) -> Result<SurplusOfEpoch, StoreError> {
        let row = &kept.row;
        let is_gone = |hour: &&Row| hour.hour < limits.hour && hour.stored == hour.removed;
        let hours: Vec<Row> = kept
            .hours
            .iter()
            .take_while(is_gone)
            .take(HOURS_MAX)
            .cloned()
            .collect();
        let next = kept.hours.get(hours.len()).map(|next| next.hour);
        let kept_from = next
            .map_or(limits.hour, |next| next.min(limits.hour))
            .max(row.kept_from);
        let replaced = row
            .adoptions
            .windows(2)
            .filter(|pair| pair[1].first_slot <= limits.accounts);
        let began = row.first_slot().is_some_and(|slot| slot < limits.accounts);
        let is_quiet =
            began && next.is_none() && row.cut < limits.accounts && kept.last_planned < limits.accounts;
        Ok(SurplusOfEpoch {
            epoch: kept.epoch,
            plans: replaced.map(|pair| pair[0].version).collect(),
            sequences: self.surplus_sequences(transaction, (probe, kept), limits)?,
            is_over: are_over && is_quiet && hours.len() < HOURS_MAX,
            hours,
            kept_from,
        })
    }

    /// The sequences before the last batch that is old enough.
    fn surplus_sequences(
        &self,
        transaction: &ReadTransaction,
        (probe, kept): (ProbeId, &Kept),
        limits: &Limits,
    ) -> Result<Vec<Sequence>, StoreError> {
        let stream = STREAM.read(transaction, self.found())?;
        let lowest = stream_key(probe, kept.epoch, Sequence(0));
        let highest = stream_key(probe, kept.epoch, Sequence(u64::MAX));
        let (mut sequences, mut old) = (Vec::new(), 0);
        for row in stream.range::<&[u8; 32]>(&lowest..=&highest)?.take(SEQUENCES_MAX) {
            let (key, row) = row?;
            let Some(entry) = stream.decode(key.value(), &row, StreamEntry::decode) else {
                return Err(StoreError::Unsettled);
            };
            match entry.kind {
                StreamKind::Batch { commit } if commit >= limits.commit => break,
                StreamKind::Lost => break, // it is asked for
                StreamKind::Batch { .. } | StreamKind::Removed => old = sequences.len(),
                StreamKind::Refused | StreamKind::Tombstone | StreamKind::Gone => {}
            }
            sequences.push(sequence_of(key.value()));
        }
        sequences.truncate(old);
        Ok(sequences)
    }

    /// The oldest plans of a probe that nothing names any more. The newest one stays.
    fn surplus_plans(
        &self,
        transaction: &ReadTransaction,
        (probe, named): (ProbeId, &[PlanVersion]),
        limits: &Limits,
    ) -> Result<Vec<PlanVersion>, StoreError> {
        let until = limits.accounts.min(limits.oldest.minus(DIGESTS));
        let mut surplus = Vec::new();
        let plans = plans_of(transaction, self.found(), probe, PLANS_MAX + 1)?;
        for pair in plans.windows(2) {
            let (version, signed): &(PlanVersion, SignedPlan) = &pair[0];
            let expires = isochrone_proto::codec::decode_plan(&signed.plan).map(|plan| plan.expires);
            if named.contains(version) || expires.is_ok_and(|expires| expires >= until) {
                break;
            }
            surplus.push(*version);
        }
        Ok(surplus)
    }
}

impl Surplus {
    fn is_empty(&self) -> bool {
        self.epochs.is_empty() && self.plans.is_empty()
    }
}

impl SurplusOfEpoch {
    fn is_empty(&self, row: &EpochRow) -> bool {
        let is_as_before = self.kept_from == row.kept_from && self.plans.is_empty();
        is_as_before && self.sequences.is_empty() && !self.is_over
    }
}
