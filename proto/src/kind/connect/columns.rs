//! Connections as columns: many rows, few bytes each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::{ConnectOutcome, ConnectPhases, ConnectResult};
use crate::columns::Packed;
use crate::columns::results::{Ended, FailedColumns, ResultColumn};
use crate::columns::rows::{Row, RowsError, column, micros};
use crate::columns::slots::SortedSlots;
use crate::columns::texts::Texts;
use crate::failure::{Phase, SendFailure};
use crate::limits::{BATCH_ROWS_MAX, LATENCY_MAX_US};
use crate::units::UnixMillis;

/// The columns, sorted by check, then slot. Phases stand only for rows that succeeded, `failed` only for rows
/// that failed, and the end of a certificate only for rows that saw one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConnectColumns {
    slots: SortedSlots,
    lateness_us: Packed,
    result: ResultColumn,
    address: Packed,
    addresses: Addresses,
    /// 1 where a certificate was seen.
    certificate: Packed,
    certificate_expires: Packed,
    texts: Texts,
    failed: FailedColumns,
    ok: OkColumns,
}

/// The addresses that rows name by index: 0 is none, then those of IPv4, then those of IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Addresses {
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OkColumns {
    resolve_us: Packed,
    connect_us: Packed,
    tls_us: Packed,
    unattributed_us: Packed,
}

impl ConnectColumns {
    pub(crate) fn pack(mut rows: Vec<Row<&ConnectOutcome>>) -> Self {
        rows.sort_by_key(|row| (row.check, row.slot));
        let outcomes = || rows.iter().map(|row| row.outcome);
        let slots: Vec<_> = rows.iter().map(|row| (row.check, row.slot)).collect();
        let addresses = Addresses::of(outcomes().filter_map(|outcome| outcome.address));
        let mut texts = Texts::default();
        Self {
            slots: SortedSlots::pack(&slots),
            lateness_us: packed(rows.iter().map(|row| u64::from(row.lateness.get()))),
            result: ResultColumn::pack(outcomes().map(|outcome| ended(&outcome.result))),
            address: packed(outcomes().map(|outcome| addresses.index_of(outcome.address))),
            addresses,
            certificate: packed(outcomes().map(|outcome| u64::from(outcome.certificate_expires.is_some()))),
            certificate_expires: packed(outcomes().filter_map(|outcome| outcome.certificate_expires)),
            failed: FailedColumns::pack(outcomes().filter_map(failure_of), &mut texts),
            ok: OkColumns::pack(&outcomes().filter_map(phases_of).collect::<Vec<_>>()),
            texts,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn check(&self) -> Result<(), RowsError> {
        let rows = self.len();
        self.slots.check()?;
        self.texts.check()?;
        self.addresses.check()?;
        self.lateness_us
            .check(rows, LATENCY_MAX_US)
            .map_err(column("lateness"))?;
        let (ok, failed) = self.result.check(rows)?;
        self.address
            .check(rows, self.addresses.highest())
            .map_err(column("address"))?;
        self.certificate.check(rows, 1).map_err(column("certificate"))?;
        self.certificate_expires
            .check(self.certificates(), u64::MAX)
            .map_err(column("certificate's end"))?;
        self.failed.check(failed, &self.texts)?;
        self.ok.check(ok)
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = (u16, UnixMillis)> + '_ {
        self.slots.values()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<ConnectOutcome>> + '_ {
        let rows = self.len();
        let mut failed = self.failed.values(rows, &self.texts);
        let mut ok = self.ok.values(rows);
        let mut lateness = self.lateness_us.values(rows);
        let mut address = self.address.values(rows);
        let mut certificate = self.certificate.values(rows);
        let mut expires = self.certificate_expires.values(self.certificates());
        self.slots()
            .zip(self.result.values(rows))
            .map(move |((check, slot), ended)| {
                let result = match ended {
                    Ended::Ok => match ok.next() {
                        Some(phases) => ConnectResult::Connected(phases),
                        None => ConnectResult::Unsent(SendFailure::Local), // `check` counted them
                    },
                    Ended::Failed(cause) => {
                        let (phase, text) = failed.next().unwrap_or((Phase::Connect, String::new()));
                        ConnectResult::Failed { phase, cause, text }
                    }
                    Ended::Unsent(cause) => ConnectResult::Unsent(cause),
                };
                let saw_certificate = certificate.next() == Some(1);
                let outcome = ConnectOutcome {
                    address: self.addresses.get(address.next().unwrap_or_default()),
                    certificate_expires: saw_certificate.then(|| expires.next()).flatten(),
                    result,
                };
                Row {
                    check,
                    slot,
                    lateness: micros(lateness.next().unwrap_or_default()),
                    outcome,
                }
            })
    }

    /// How many rows saw a certificate.
    fn certificates(&self) -> usize {
        self.certificate
            .values(self.len())
            .filter(|seen| *seen == 1)
            .count()
    }
}

impl Addresses {
    fn of(addresses: impl Iterator<Item = IpAddr>) -> Self {
        let mut known = Self::default();
        for address in addresses {
            match address {
                IpAddr::V4(address) if !known.v4.contains(&address) => known.v4.push(address),
                IpAddr::V6(address) if !known.v6.contains(&address) => known.v6.push(address),
                IpAddr::V4(_) | IpAddr::V6(_) => {}
            }
        }
        known
    }

    fn index_of(&self, address: Option<IpAddr>) -> u64 {
        let place = match address {
            None => return 0,
            Some(IpAddr::V4(address)) => self.v4.iter().position(|known| *known == address),
            Some(IpAddr::V6(address)) => {
                let place = self.v6.iter().position(|known| *known == address);
                place.map(|place| place + self.v4.len())
            }
        };
        place.map_or(0, |place| place as u64 + 1)
    }

    fn get(&self, index: u64) -> Option<IpAddr> {
        let place = usize::try_from(index.checked_sub(1)?).ok()?;
        let v6 = || self.v6.get(place - self.v4.len()).copied().map(IpAddr::V6);
        self.v4.get(place).copied().map(IpAddr::V4).or_else(v6)
    }

    /// The highest index that means something.
    fn highest(&self) -> u64 {
        (self.v4.len() + self.v6.len()) as u64
    }

    fn check(&self) -> Result<(), RowsError> {
        if self.v4.len() + self.v6.len() > BATCH_ROWS_MAX {
            return Err(RowsError::Addresses);
        }
        Ok(())
    }
}

impl OkColumns {
    fn pack(rows: &[ConnectPhases]) -> Self {
        let phase = |of: fn(&ConnectPhases) -> u32| packed(rows.iter().map(|row| u64::from(of(row))));
        Self {
            resolve_us: phase(|phases| phases.resolve.get()),
            connect_us: phase(|phases| phases.connect.get()),
            tls_us: phase(|phases| phases.tls.get()),
            unattributed_us: phase(|phases| phases.unattributed.get()),
        }
    }

    fn check(&self, rows: usize) -> Result<(), RowsError> {
        for (name, phase) in [
            ("resolve", &self.resolve_us),
            ("connect", &self.connect_us),
            ("tls", &self.tls_us),
            ("unattributed", &self.unattributed_us),
        ] {
            phase.check(rows, LATENCY_MAX_US).map_err(column(name))?;
        }
        Ok(())
    }

    fn values(&self, rows: usize) -> impl Iterator<Item = ConnectPhases> + '_ {
        let connect = self.connect_us.values(rows).zip(self.tls_us.values(rows));
        let around = self
            .resolve_us
            .values(rows)
            .zip(self.unattributed_us.values(rows));
        connect
            .zip(around)
            .map(|((connect, tls), (resolve, unattributed))| ConnectPhases {
                resolve: micros(resolve),
                connect: micros(connect),
                tls: micros(tls),
                unattributed: micros(unattributed),
            })
    }
}

fn packed(values: impl Iterator<Item = u64>) -> Packed {
    Packed::of(&values.collect::<Vec<_>>())
}

fn ended(result: &ConnectResult) -> Ended {
    match result {
        ConnectResult::Connected(_) => Ended::Ok,
        ConnectResult::Failed { cause, .. } => Ended::Failed(*cause),
        ConnectResult::Unsent(cause) => Ended::Unsent(*cause),
    }
}

fn failure_of(outcome: &ConnectOutcome) -> Option<(Phase, &str)> {
    match &outcome.result {
        ConnectResult::Failed { phase, text, .. } => Some((*phase, text)),
        ConnectResult::Connected(_) | ConnectResult::Unsent(_) => None,
    }
}

fn phases_of(outcome: &ConnectOutcome) -> Option<ConnectPhases> {
    match &outcome.result {
        ConnectResult::Connected(phases) => Some(*phases),
        ConnectResult::Failed { .. } | ConnectResult::Unsent(_) => None,
    }
}
