//! How runs of endpoints ended, as columns: a code for every row, and a phase and a text for those that failed.

use serde::{Deserialize, Serialize};

use super::Packed;
use super::rows::{RowsError, column};
use super::texts::Texts;
use crate::failure::{FailureCause, Phase, SendFailure};

/// Codes of a result column: 0 success, 1-127 a [`FailureCause`], 128 and up a [`SendFailure`].
const OK: u8 = 0;
const UNSENT: u8 = 128;

/// What a row's result is, without what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Ok,
    Failed(FailureCause),
    Unsent(SendFailure),
}

impl Ended {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => OK,
            Self::Failed(cause) => cause.code(),
            Self::Unsent(cause) => UNSENT + cause.code(),
        }
    }

    fn of_code(code: u8) -> Option<Self> {
        match code {
            OK => Some(Self::Ok),
            UNSENT.. => SendFailure::from_code(code - UNSENT).map(Self::Unsent),
            _ => FailureCause::from_code(code).map(Self::Failed),
        }
    }
}

/// How every row ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResultColumn(Packed);

impl ResultColumn {
    pub(crate) fn pack(rows: impl Iterator<Item = Ended>) -> Self {
        Self(Packed::of(
            &rows.map(|row| u64::from(row.code())).collect::<Vec<_>>(),
        ))
    }

    /// How many rows succeeded, and how many failed.
    pub(crate) fn check(&self, rows: usize) -> Result<(usize, usize), RowsError> {
        self.0.check(rows, u64::from(u8::MAX)).map_err(column("result"))?;
        let (mut ok, mut failed) = (0, 0);
        for code in self.0.values(rows) {
            match Ended::of_code(code as u8) {
                Some(Ended::Ok) => ok += 1,
                Some(Ended::Failed(_)) => failed += 1,
                Some(Ended::Unsent(_)) => {}
                None => {
                    return Err(RowsError::Code {
                        column: "result",
                        code,
                    });
                }
            }
        }
        Ok((ok, failed))
    }

    /// Of columns that were checked.
    pub(crate) fn values(&self, rows: usize) -> impl Iterator<Item = Ended> + '_ {
        let unknown = Ended::Unsent(SendFailure::Local); // `check` refused it
        self.0
            .values(rows)
            .map(move |code| Ended::of_code(code as u8).unwrap_or(unknown))
    }
}

/// What only the rows that failed have: no place where a latency could be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailedColumns {
    phase: Packed,
    text: Packed,
}

impl FailedColumns {
    pub(crate) fn pack<'a>(failed: impl Iterator<Item = (Phase, &'a str)>, texts: &mut Texts) -> Self {
        let (phases, texts): (Vec<u64>, Vec<u64>) = failed
            .map(|(phase, text)| (u64::from(phase.code()), texts.index_of(text)))
            .unzip();
        Self {
            phase: Packed::of(&phases),
            text: Packed::of(&texts),
        }
    }

    pub(crate) fn check(&self, rows: usize, texts: &Texts) -> Result<(), RowsError> {
        self.phase.check(rows, 6).map_err(column("phase"))?;
        self.text.check(rows, texts.highest()).map_err(column("text"))
    }

    pub(crate) fn values<'a>(
        &'a self,
        rows: usize,
        texts: &'a Texts,
    ) -> impl Iterator<Item = (Phase, String)> + 'a {
        let texts = self.text.values(rows).map(|text| texts.get(text).to_owned());
        let phases = self.phase.values(rows);
        phases
            .map(|phase| Phase::from_code(phase as u8).unwrap_or(Phase::Verify))
            .zip(texts)
    }
}
