//! A row that was set aside, as it is kept.

use redb::{ReadableTable, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::found::Found;
use crate::rows::Rows;
use crate::tables::{ASIDE, LOG, PLANS, sequence_of};

/// What follows from a damaged row that was whole again before it could be set aside.
pub(crate) const WRITTEN_ANEW: &str = "it was written anew since";

/// What follows from a damaged file of rollups that nothing can be made again from.
pub(crate) const SUMS_LOST: &str =
    "what they add up to is lost, for the measurements are kept no longer: reports over that day may lack it";

/// A row that was set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Its number among all that were set aside; the first is 1.
    pub number: u64,
    /// The table it stood in.
    pub table: String,
    /// Its key: text, a number, or hexadecimal digits.
    pub key: String,
    /// What is wrong with it, in words.
    pub reason: String,
    /// What follows from it, in words.
    pub consequence: String,
    /// Commit number of the batch that is lost with it.
    pub commit: Option<u64>,
    /// Whose it was, as hexadecimal digits, where that can be told.
    pub probe: Option<String>,
    /// Of which epoch, as hexadecimal digits.
    pub epoch: Option<String>,
    /// Which batch of the epoch.
    pub sequence: Option<u64>,
    /// The plan, where it is one.
    pub plan: Option<String>,
    /// Measurements that are no longer served because of it.
    pub measurements: u64,
    /// Its bytes are kept.
    pub bytes: u64,
    /// Nothing is lost: it was found again from other rows, or came back.
    pub mended: bool,
    /// A person said that they know of it: it is told of no more.
    #[serde(default)]
    pub accepted: bool,
}

/// How many batches of the log were set aside.
pub(crate) fn batches<T: ReadableTable<u64, &'static [u8]>>(
    aside: &Rows<'_, u64, T>,
) -> Result<u64, StoreError> {
    let mut batches = 0;
    for row in aside.iter()? {
        let (key, row) = row?;
        let row = aside.decode(key.value(), &row, |row| decode(row).map(|(row, _)| row));
        batches += u64::from(row.is_some_and(|row| row.table == LOG.name && row.commit.is_some()));
    }
    Ok(batches)
}

impl SetAside {
    /// Whether it was whole again before it could be set aside.
    pub(crate) fn written_anew(&self) -> bool {
        self.mended && self.consequence == WRITTEN_ANEW
    }

    /// It stands in its table again, from the copy.
    pub(crate) fn taken_from_the_copy(&mut self) {
        "taken from the other copy: nothing is lost".clone_into(&mut self.consequence);
        self.mended = true;
    }

    /// Sums of hours or days are lost with it, and nobody accepted that.
    pub(crate) fn are_sums_lost(&self) -> bool {
        self.is_open() && self.consequence == SUMS_LOST
    }

    /// Nothing made it good, and nobody accepted it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.mended && !self.accepted
    }

    /// What was damaged and where, in words.
    #[must_use]
    pub fn subject(&self) -> String {
        let key = match (&self.probe, self.sequence, &self.plan) {
            (Some(probe), Some(sequence), _) => {
                let epoch = self.epoch.as_deref().unwrap_or_default();
                format!("batch {sequence} of epoch {epoch} of probe {probe}")
            }
            (Some(probe), None, Some(plan)) => format!("plan {plan} of probe {probe}"),
            _ => format!("{:?}", self.key),
        };
        let commit = self.commit.map(|commit| format!(", commit {commit}"));
        format!("table {}, {key}{}", self.table, commit.unwrap_or_default())
    }
}

/// A plan came back: what was set aside for it is mended.
pub(crate) fn plan_is_back(
    transaction: &WriteTransaction,
    found: &Found,
    key: &[u8],
) -> Result<bool, StoreError> {
    if !found.is_back(key) {
        return Ok(false);
    }
    let is_it = |aside: &SetAside| aside.table == PLANS.name && aside.key == hex(key) && !aside.mended;
    mend(
        transaction,
        found,
        is_it,
        "the probe returned the plan: its batches are served again",
    )?;
    Ok(true)
}

/// A damaged batch came again from its probe: what was set aside for it is mended. `key`: its key in the stream.
pub(crate) fn batch_is_back(
    transaction: &WriteTransaction,
    found: &Found,
    key: &[u8; 32],
) -> Result<(), StoreError> {
    let (probe, epoch) = (hex(&key[..8]), hex(&key[8..24]));
    let sequence = sequence_of(key).0;
    let is_it = |aside: &SetAside| {
        let of = (aside.probe.as_ref(), aside.epoch.as_ref(), aside.sequence);
        !aside.mended && of == (Some(&probe), Some(&epoch), Some(sequence))
    };
    mend(
        transaction,
        found,
        is_it,
        "its probe sent it again: it is served as before",
    )
}

fn mend(
    transaction: &WriteTransaction,
    found: &Found,
    is_it: impl Fn(&SetAside) -> bool,
    consequence: &str,
) -> Result<(), StoreError> {
    let mut table = ASIDE.open(transaction, found)?;
    let mut back = Vec::new();
    for row in table.iter()? {
        let (number, row) = row?;
        let decoded = table.decode(number.value(), &row, |row| {
            decode(row).map(|(aside, bytes)| (aside, bytes.to_vec()))
        });
        back.extend(decoded.filter(|(aside, _)| is_it(aside)));
    }
    for (mut aside, bytes) in back {
        aside.mended = true;
        consequence.clone_into(&mut aside.consequence);
        table.insert(aside.number, &encode(&aside, &bytes)?)?;
    }
    Ok(())
}

/// One line of JSON, then the bytes as they stood.
pub(crate) fn encode(aside: &SetAside, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut row = serde_json::to_vec(aside).map_err(|source| StoreError::Record {
        table: ASIDE.name,
        key: aside.number.to_string(),
        source,
    })?;
    row.push(b'\n');
    row.extend_from_slice(bytes);
    Ok(row)
}

pub(crate) fn decode(row: &[u8]) -> Result<(SetAside, &[u8]), crate::row::Malformed> {
    let line = row.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let aside = serde_json::from_slice(line).map_err(|_| crate::row::Malformed::Text)?;
    Ok((aside, row.get(line.len() + 1..).unwrap_or_default()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = |place: usize| u8::from_str_radix(text.get(place..place + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(digits).collect()
}
