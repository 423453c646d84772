//! Endpoint measurements as columns. They are few and wide; texts stand once in a table.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{CacheState, EndpointOutcome, EndpointResult, Phases};
use crate::columns::Packed;
use crate::columns::results::{Ended, FailedColumns, ResultColumn};
use crate::columns::rows::{Row, RowsError, column, micros};
use crate::columns::texts::Texts;
use crate::failure::{Phase, SendFailure};
use crate::limits::LATENCY_MAX_US;
use crate::units::UnixMillis;

/// The columns. Phases, body bytes and node facts stand only for rows that succeeded, `phase` only for rows
/// that failed: a failure has no place where a latency could be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EndpointColumns {
    rows: u16,
    texts: Texts,
    check: Packed,
    slot_ms: Packed,
    lateness_us: Packed,
    result: ResultColumn,
    address: Packed,
    http_status: Packed,
    cache: Packed,
    certificate_expires: Packed,
    failed: FailedColumns,
    ok: OkColumns,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OkColumns {
    resolve_us: Packed,
    connect_us: Packed,
    tls_us: Packed,
    first_byte_us: Packed,
    transfer_us: Packed,
    unattributed_us: Packed,
    body_bytes: Packed,
    /// Uptime in seconds plus 1; 0 says none.
    node_uptime: Packed,
    node_version: Packed,
}

impl EndpointColumns {
    /// Rows in the order given.
    pub(crate) fn pack(rows: &[Row<&EndpointOutcome>]) -> Self {
        let collect = |value: fn(&Row<&EndpointOutcome>) -> u64| {
            let values = rows.iter().map(value);
            Packed::of(&values.collect::<Vec<_>>())
        };
        let outcomes = || rows.iter().map(|row| row.outcome);
        let mut texts = Texts::default();
        let addresses: Vec<u64> = outcomes()
            .map(|outcome| {
                outcome
                    .address
                    .map_or(0, |address| texts.index_of(&address.to_string()))
            })
            .collect();
        let failed = FailedColumns::pack(outcomes().filter_map(failure_of), &mut texts);
        let ok = OkColumns::pack(outcomes(), &mut texts);
        Self {
            rows: rows.len() as u16, // at most BATCH_ROWS_MAX
            check: collect(|row| u64::from(row.check)),
            slot_ms: collect(|row| row.slot.0),
            lateness_us: collect(|row| u64::from(row.lateness.get())),
            result: ResultColumn::pack(outcomes().map(|outcome| ended(&outcome.result))),
            address: Packed::of(&addresses),
            http_status: collect(|row| u64::from(row.outcome.http_status.unwrap_or(0))),
            cache: collect(|row| u64::from(row.outcome.cache.code())),
            certificate_expires: collect(|row| row.outcome.certificate_expires.unwrap_or(0)),
            failed,
            ok,
            texts,
        }
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.rows)
    }

    pub(crate) fn check(&self) -> Result<(), RowsError> {
        let rows = self.len();
        self.texts.check()?;
        self.check
            .check(rows, u64::from(u16::MAX))
            .map_err(column("check"))?;
        self.slot_ms.check(rows, u64::MAX).map_err(column("slot"))?;
        self.lateness_us
            .check(rows, LATENCY_MAX_US)
            .map_err(column("lateness"))?;
        let (ok, failed) = self.result.check(rows)?;
        self.address
            .check(rows, self.texts.highest())
            .map_err(column("address"))?;
        self.http_status.check(rows, 999).map_err(column("http status"))?;
        self.cache.check(rows, 3).map_err(column("cache"))?;
        self.certificate_expires
            .check(rows, u64::MAX)
            .map_err(column("certificate"))?;
        self.failed.check(failed, &self.texts)?;
        self.ok.check(ok, &self.texts)
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = (u16, UnixMillis)> + '_ {
        let rows = self.len();
        self.check
            .values(rows)
            .zip(self.slot_ms.values(rows))
            .map(|(check, slot)| (check as u16, UnixMillis(slot)))
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<EndpointOutcome>> + '_ {
        let rows = self.len();
        let mut failed = self.failed.values(rows, &self.texts);
        let mut ok = self.ok.values(rows, &self.texts);
        let mut lateness = self.lateness_us.values(rows);
        let mut address = self.address.values(rows);
        let mut http_status = self.http_status.values(rows);
        let mut cache = self.cache.values(rows);
        let mut certificate = self.certificate_expires.values(rows);
        self.slots()
            .zip(self.result.values(rows))
            .map(move |((check, slot), ended)| {
                let read = |column: &mut dyn Iterator<Item = u64>| column.next().unwrap_or_default();
                let result = match ended {
                    Ended::Ok => ok.next().unwrap_or(EndpointResult::Unsent(SendFailure::Local)), // `check` counted them
                    Ended::Failed(cause) => {
                        let (phase, text) = failed.next().unwrap_or((Phase::Verify, String::new()));
                        EndpointResult::Failed { phase, cause, text }
                    }
                    Ended::Unsent(cause) => EndpointResult::Unsent(cause),
                };
                let outcome = EndpointOutcome {
                    address: address_in(self.texts.get(read(&mut address))),
                    http_status: Some(read(&mut http_status) as u16).filter(|status| *status != 0),
                    cache: CacheState::from_code(read(&mut cache) as u8).unwrap_or(CacheState::Absent),
                    certificate_expires: Some(read(&mut certificate)).filter(|expires| *expires != 0),
                    result,
                };
                let lateness = micros(read(&mut lateness));
                Row {
                    check,
                    slot,
                    lateness,
                    outcome,
                }
            })
    }
}

impl OkColumns {
    fn pack<'a>(outcomes: impl Iterator<Item = &'a EndpointOutcome>, texts: &mut Texts) -> Self {
        let ok: Vec<_> = outcomes
            .filter_map(|outcome| match &outcome.result {
                EndpointResult::Ok {
                    phases,
                    body_bytes,
                    node_uptime_s,
                    node_version,
                } => Some((*phases, *body_bytes, *node_uptime_s, texts.index_of(node_version))),
                EndpointResult::Failed { .. } | EndpointResult::Unsent(_) => None,
            })
            .collect();
        let phase = |of: fn(&Phases) -> u32| {
            Packed::of(
                &ok.iter()
                    .map(|(phases, ..)| u64::from(of(phases)))
                    .collect::<Vec<_>>(),
            )
        };
        Self {
            resolve_us: phase(|phases| phases.resolve.get()),
            connect_us: phase(|phases| phases.connect.get()),
            tls_us: phase(|phases| phases.tls.get()),
            first_byte_us: phase(|phases| phases.first_byte.get()),
            transfer_us: phase(|phases| phases.transfer.get()),
            unattributed_us: phase(|phases| phases.unattributed.get()),
            body_bytes: Packed::of(&ok.iter().map(|row| u64::from(row.1)).collect::<Vec<_>>()),
            node_uptime: Packed::of(
                &ok.iter()
                    .map(|row| row.2.map_or(0, |uptime| uptime.saturating_add(1)))
                    .collect::<Vec<_>>(),
            ),
            node_version: Packed::of(&ok.iter().map(|row| row.3).collect::<Vec<_>>()),
        }
    }

    fn check(&self, rows: usize, texts: &Texts) -> Result<(), RowsError> {
        self.resolve_us
            .check(rows, LATENCY_MAX_US)
            .map_err(column("resolve"))?;
        self.connect_us
            .check(rows, LATENCY_MAX_US)
            .map_err(column("connect"))?;
        self.tls_us.check(rows, LATENCY_MAX_US).map_err(column("tls"))?;
        self.first_byte_us
            .check(rows, LATENCY_MAX_US)
            .map_err(column("first byte"))?;
        self.transfer_us
            .check(rows, LATENCY_MAX_US)
            .map_err(column("transfer"))?;
        self.unattributed_us
            .check(rows, LATENCY_MAX_US)
            .map_err(column("unattributed"))?;
        self.body_bytes
            .check(rows, u64::from(u32::MAX))
            .map_err(column("body bytes"))?;
        self.node_uptime
            .check(rows, u64::MAX)
            .map_err(column("node uptime"))?;
        self.node_version
            .check(rows, texts.highest())
            .map_err(column("node version"))
    }

    fn values<'a>(&'a self, rows: usize, texts: &'a Texts) -> impl Iterator<Item = EndpointResult> + 'a {
        let mut phases = [
            self.resolve_us.values(rows),
            self.connect_us.values(rows),
            self.tls_us.values(rows),
            self.first_byte_us.values(rows),
            self.transfer_us.values(rows),
            self.unattributed_us.values(rows),
        ];
        let rest = self
            .body_bytes
            .values(rows)
            .zip(self.node_uptime.values(rows))
            .zip(self.node_version.values(rows));
        rest.map(move |((body_bytes, uptime), version)| {
            let [resolve, connect, tls, first_byte, transfer, unattributed] = phases
                .each_mut()
                .map(|phase| micros(phase.next().unwrap_or_default()));
            EndpointResult::Ok {
                phases: Phases {
                    resolve,
                    connect,
                    tls,
                    first_byte,
                    transfer,
                    unattributed,
                },
                body_bytes: body_bytes as u32,
                node_uptime_s: uptime.checked_sub(1),
                node_version: texts.get(version).to_owned(),
            }
        })
    }
}

/// The address in a text, which an older release may have followed by a port; `None` for other words.
fn address_in(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    text.parse().ok().or_else(with_port)
}

fn ended(result: &EndpointResult) -> Ended {
    match result {
        EndpointResult::Ok { .. } => Ended::Ok,
        EndpointResult::Failed { cause, .. } => Ended::Failed(*cause),
        EndpointResult::Unsent(cause) => Ended::Unsent(*cause),
    }
}

fn failure_of(outcome: &EndpointOutcome) -> Option<(Phase, &str)> {
    match &outcome.result {
        EndpointResult::Failed { phase, text, .. } => Some((*phase, text)),
        EndpointResult::Ok { .. } | EndpointResult::Unsent(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_read_with_and_without_a_port() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:443", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("", None),
            ("\u{1b}[2J", None),
            ("node.example.org", None),
        ] {
            assert_eq!(
                address_in(text).map(|ip| ip.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }
}
