//! Echo measurements as columns.

use serde::{Deserialize, Serialize};

use super::{BatchError, column};
use crate::columns::{ColumnError, Packed};
use crate::limits::LATENCY_MAX_US;
use crate::measurement::{EchoOutcome, SendFailure, Stamp};
use crate::units::{Micros, UnixMillis};

/// One echo, as read from the columns: no allocation, copied freely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoRow {
    /// Index in the plan's checks.
    pub check: u16,
    /// Planned start.
    pub slot: UnixMillis,
    /// Actual minus planned start.
    pub lateness: Micros,
    /// The result.
    pub outcome: EchoOutcome,
}

/// The columns, sorted by check, then slot: a batch mostly holds each check once, so the steps from check to
/// check take next to nothing. RTT and claimed delay stand only for the rows that were replied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EchoColumns {
    rows: u16,
    first_check: u16,
    /// From each row's check to the next one's: one fewer than rows.
    check_step: Packed,
    slot_ms: Packed,
    lateness_us: Packed,
    outcome: Packed,
    rtt_us: Packed,
    claimed_delay_us: Packed,
}

impl EchoColumns {
    pub(super) fn pack(mut rows: Vec<EchoRow>) -> Self {
        rows.sort_by_key(|row| (row.check, row.slot));
        let step = |pair: &[EchoRow]| u64::from(pair[1].check - pair[0].check);
        let collect = |value: fn(&EchoRow) -> u64| Packed::of(&rows.iter().map(value).collect::<Vec<_>>());
        let replied = rows.iter().filter_map(|row| match row.outcome {
            EchoOutcome::Replied {
                rtt, claimed_delay, ..
            } => Some((rtt, claimed_delay)),
            EchoOutcome::TimedOut | EchoOutcome::Unsent(_) => None,
        });
        let (rtts, delays): (Vec<_>, Vec<_>) = replied
            .map(|(rtt, delay)| (u64::from(rtt.get()), u64::from(delay.get())))
            .unzip();
        Self {
            rows: rows.len() as u16, // at most BATCH_ROWS_MAX
            first_check: rows.first().map_or(0, |row| row.check),
            check_step: Packed::of(&rows.windows(2).map(step).collect::<Vec<_>>()),
            slot_ms: collect(|row| row.slot.0),
            lateness_us: collect(|row| u64::from(row.lateness.get())),
            outcome: collect(|row| u64::from(code_of(&row.outcome))),
            rtt_us: Packed::of(&rtts),
            claimed_delay_us: Packed::of(&delays),
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.rows)
    }

    pub(super) fn check(&self) -> Result<(), BatchError> {
        let rows = self.len();
        self.check_checks()?;
        self.slot_ms.check(rows, u64::MAX).map_err(column("slot"))?;
        self.lateness_us
            .check(rows, LATENCY_MAX_US)
            .map_err(column("lateness"))?;
        self.outcome
            .check(rows, u64::from(u8::MAX))
            .map_err(column("outcome"))?;
        let mut replied = 0;
        for code in self.outcome.values(rows) {
            match meaning_of(code as u8) {
                Some(Meaning::Replied { .. }) => replied += 1,
                Some(_) => {}
                None => {
                    return Err(BatchError::Code {
                        column: "outcome",
                        code,
                    });
                }
            }
        }
        self.rtt_us
            .check(replied, LATENCY_MAX_US)
            .map_err(column("rtt"))?;
        self.claimed_delay_us
            .check(replied, LATENCY_MAX_US)
            .map_err(column("claimed delay"))
    }

    fn check_checks(&self) -> Result<(), BatchError> {
        const MAX: u64 = u16::MAX as u64;
        let steps = self.len().saturating_sub(1);
        self.check_step.check(steps, MAX).map_err(column("check"))?;
        let last = u64::from(self.first_check) + self.check_step.values(steps).sum::<u64>(); // at most 65,536 steps of 65,535
        if last > MAX {
            let highest = Some(last);
            return Err(column("check")(ColumnError::Range { highest, max: MAX }));
        }
        Ok(())
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (u16, UnixMillis)> + '_ {
        let rows = self.len();
        let mut check = u64::from(self.first_check);
        let steps = self.check_step.values(rows.saturating_sub(1)).chain([0]);
        self.slot_ms.values(rows).zip(steps).map(move |(slot, step)| {
            let this = check as u16; // `check` found the last one to fit
            check += step;
            (this, UnixMillis(slot))
        })
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = EchoRow> + '_ {
        let rows = self.len();
        let mut rtts = self.rtt_us.values(rows);
        let mut delays = self.claimed_delay_us.values(rows);
        self.slots()
            .zip(self.lateness_us.values(rows))
            .zip(self.outcome.values(rows))
            .map(move |(((check, slot), lateness), code)| {
                let outcome = match meaning_of(code as u8) {
                    Some(Meaning::Replied { stamp, suspect }) => EchoOutcome::Replied {
                        rtt: micros(rtts.next().unwrap_or_default()),
                        claimed_delay: micros(delays.next().unwrap_or_default()),
                        stamp,
                        suspect,
                    },
                    Some(Meaning::Unsent(cause)) => EchoOutcome::Unsent(cause),
                    Some(Meaning::TimedOut) | None => EchoOutcome::TimedOut, // `check` refused None
                };
                EchoRow {
                    check,
                    slot,
                    lateness: micros(lateness),
                    outcome,
                }
            })
    }
}

/// A number that `check` found to be at most 100 s.
pub(super) fn micros(us: u64) -> Micros {
    Micros::new(us).unwrap_or_default()
}

enum Meaning {
    Replied { stamp: Stamp, suspect: bool },
    TimedOut,
    Unsent(SendFailure),
}

const TIMED_OUT: u8 = 8;
const UNSENT: u8 = 16;

fn code_of(outcome: &EchoOutcome) -> u8 {
    match outcome {
        EchoOutcome::Replied { stamp, suspect, .. } => {
            u8::from(*stamp == Stamp::User) | u8::from(*suspect) << 1
        }
        EchoOutcome::TimedOut => TIMED_OUT,
        EchoOutcome::Unsent(cause) => UNSENT + send_failure_code(*cause),
    }
}

fn meaning_of(code: u8) -> Option<Meaning> {
    match code {
        0..4 => Some(Meaning::Replied {
            stamp: if code & 1 == 0 { Stamp::Kernel } else { Stamp::User },
            suspect: code & 2 != 0,
        }),
        TIMED_OUT => Some(Meaning::TimedOut),
        UNSENT.. => send_failure_of(code - UNSENT).map(Meaning::Unsent),
        _ => None,
    }
}

pub(super) fn send_failure_code(cause: SendFailure) -> u8 {
    match cause {
        SendFailure::Buffers => 0,
        SendFailure::NoRoute => 1,
        SendFailure::Forbidden => 2,
        SendFailure::AddressPolicy => 3,
        SendFailure::Socket => 4,
        SendFailure::Resources => 5,
    }
}

pub(super) fn send_failure_of(code: u8) -> Option<SendFailure> {
    Some(match code {
        0 => SendFailure::Buffers,
        1 => SendFailure::NoRoute,
        2 => SendFailure::Forbidden,
        3 => SendFailure::AddressPolicy,
        4 => SendFailure::Socket,
        5 => SendFailure::Resources,
        _ => return None,
    })
}
