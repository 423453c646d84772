//! Echo measurements as columns.

use serde::{Deserialize, Serialize};

use super::{EchoOutcome, Stamp};
use crate::columns::Packed;
use crate::columns::rows::{Row, RowsError, column, micros};
use crate::columns::slots::SortedSlots;
use crate::failure::SendFailure;
use crate::limits::LATENCY_MAX_US;
use crate::units::UnixMillis;

/// One echo, as read from the columns: no allocation, copied freely.
pub type EchoRow = Row<EchoOutcome>;

/// The columns, sorted by check, then slot. RTT and claimed delay stand only for the rows that were replied to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EchoColumns {
    slots: SortedSlots,
    lateness_us: Packed,
    outcome: Packed,
    rtt_us: Packed,
    claimed_delay_us: Packed,
}

impl EchoColumns {
    pub(crate) fn pack(mut rows: Vec<EchoRow>) -> Self {
        rows.sort_by_key(|row| (row.check, row.slot));
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
            slots: SortedSlots::pack(&rows.iter().map(|row| (row.check, row.slot)).collect::<Vec<_>>()),
            lateness_us: collect(|row| u64::from(row.lateness.get())),
            outcome: collect(|row| u64::from(code_of(&row.outcome))),
            rtt_us: Packed::of(&rtts),
            claimed_delay_us: Packed::of(&delays),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn check(&self) -> Result<(), RowsError> {
        let rows = self.len();
        self.slots.check()?;
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
                    return Err(RowsError::Code {
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

    pub(crate) fn slots(&self) -> impl Iterator<Item = (u16, UnixMillis)> + '_ {
        self.slots.values()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = EchoRow> + '_ {
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
        EchoOutcome::Unsent(cause) => UNSENT + cause.code(),
    }
}

fn meaning_of(code: u8) -> Option<Meaning> {
    match code {
        0..4 => Some(Meaning::Replied {
            stamp: if code & 1 == 0 { Stamp::Kernel } else { Stamp::User },
            suspect: code & 2 != 0,
        }),
        TIMED_OUT => Some(Meaning::TimedOut),
        UNSENT.. => SendFailure::from_code(code - UNSENT).map(Meaning::Unsent),
        _ => None,
    }
}
