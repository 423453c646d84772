//! The ledger's rows as they are kept: an epoch's state, an hour's counts, what stands at a sequence.

use isochrone_proto::control::RefusedSoFar;
use isochrone_proto::ids::{Digest, PlanVersion, Sequence};
use isochrone_proto::ledger::{Adoption, DropCause, HourCount, SkipCause};
use isochrone_proto::units::{Hour, UnixMillis};

use super::row::{Malformed, RowReader, RowWriter};

/// What the collector knows of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EpochRow {
    /// In which order the collector came to know epochs: a later epoch ends an earlier one.
    pub(crate) ordinal: u64,
    /// Everything up to here is stored, refused or tombstoned.
    pub(crate) mark: Sequence,
    /// Digest of what stands at the mark.
    pub(crate) digest: Digest,
    /// The first slot, as the probe told it in Hello; 0 if it did not.
    pub(crate) told_first_slot: UnixMillis,
    /// The last sequence, as the probe told it when the epoch was no longer its current one.
    pub(crate) told_last: Option<Sequence>,
    /// Every slot before this instant is in the probe's counts.
    pub(crate) cut: UnixMillis,
    /// `Closed` was among the events: nothing follows.
    pub(crate) closed: bool,
    /// The plans followed, in order, but for those that retention took out.
    pub(crate) adoptions: Vec<Adoption>,
    /// Its first slot, where the first adoption is no longer there; 0: it is.
    pub(crate) began: UnixMillis,
    /// Hours before stand in the line of what was removed, and are counted no more.
    pub(crate) kept_from: Hour,
    /// Nothing is known any more of what stood at lower sequences, but that it stood there.
    pub(crate) stream_from: Sequence,
    /// Batches and tombstones refused for their content.
    pub(crate) refused_batches: u64,
    /// Measurements in them; each stands in an hour, too.
    pub(crate) refused_rows: u64,
    /// Of these, measurements of batches that were refused for their time.
    pub(crate) refused_for_time: u64,
    /// Batches that did not fit, each digest once.
    pub(crate) forked_batches: u64,
    /// Forked batches beyond the bound: counted here and nowhere else.
    pub(crate) forks_uncounted: u64,
}

impl Default for EpochRow {
    fn default() -> Self {
        Self {
            ordinal: 0,
            mark: Sequence::NONE,
            digest: Digest::ZERO,
            told_first_slot: UnixMillis(0),
            told_last: None,
            cut: UnixMillis(0),
            closed: false,
            adoptions: Vec::new(),
            began: UnixMillis(0),
            kept_from: Hour(0),
            stream_from: Sequence(1),
            refused_batches: 0,
            refused_rows: 0,
            refused_for_time: 0,
            forked_batches: 0,
            forks_uncounted: 0,
        }
    }
}

/// 1: without counts of refused rows. 2: with a mark of damaged accounts.
const EPOCH_VERSION: u8 = 4;
/// A row before anything could be removed.
const EPOCH_VERSION_WHOLE: u8 = 3;

impl EpochRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut row = RowWriter::version(EPOCH_VERSION);
        row.number(self.ordinal)
            .number(self.mark.0)
            .bytes(&self.digest.0)
            .number(self.told_first_slot.0)
            .number(self.told_last.map_or(0, |last| last.0 + 1))
            .number(self.cut.0)
            .number(u64::from(self.closed))
            .number(self.adoptions.len() as u64);
        for adoption in &self.adoptions {
            row.number(u64::from(adoption.version.promotion))
                .number(adoption.version.number)
                .number(adoption.first_slot.0);
        }
        row.number(self.refused_batches)
            .number(self.refused_rows)
            .number(self.refused_for_time)
            .number(self.forked_batches)
            .number(self.forks_uncounted)
            .number(self.began.0)
            .number(u64::from(self.kept_from.0))
            .number(self.stream_from.0);
        row.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let is_whole = bytes.first() == Some(&EPOCH_VERSION_WHOLE);
        let version = if is_whole {
            EPOCH_VERSION_WHOLE
        } else {
            EPOCH_VERSION
        };
        let mut row = RowReader::new(bytes, version)?;
        let mut epoch = Self {
            ordinal: row.number("ordinal")?,
            mark: Sequence(row.number("mark")?),
            digest: Digest(row.array("digest")?),
            told_first_slot: UnixMillis(row.number("first slot")?),
            told_last: row.number("last sequence")?.checked_sub(1).map(Sequence),
            cut: UnixMillis(row.number("cut")?),
            closed: row.number("closed")? != 0,
            ..Self::default()
        };
        for _ in 0..row.number("adoptions")? {
            epoch.adoptions.push(Adoption {
                version: PlanVersion {
                    promotion: row.narrow("promotion")?,
                    number: row.number("plan number")?,
                },
                first_slot: UnixMillis(row.number("adopted slot")?),
            });
        }
        epoch.refused_batches = row.number("refused batches")?;
        epoch.refused_rows = row.number("refused rows")?;
        epoch.refused_for_time = row.number("rows refused for their time")?;
        epoch.forked_batches = row.number("forked batches")?;
        epoch.forks_uncounted = row.number("forks uncounted")?;
        if !is_whole {
            epoch.began = UnixMillis(row.number("beginning")?);
            epoch.kept_from = Hour(row.narrow("first hour kept")?);
            epoch.stream_from = Sequence(row.number("first sequence kept")?);
        }
        row.end()?;
        Ok(epoch)
    }

    /// The first slot this epoch can have measured, if anything says so.
    pub(crate) fn first_slot(&self) -> Option<UnixMillis> {
        let known = |slot: UnixMillis| Some(slot).filter(|slot| slot.0 != 0);
        known(self.began)
            .or(self.adoptions.first().map(|adoption| adoption.first_slot))
            .or(known(self.told_first_slot))
    }

    /// What was refused of it so far.
    pub(crate) fn refused(&self) -> RefusedSoFar {
        RefusedSoFar {
            batches: self.refused_batches,
            rows: self.refused_rows,
            rows_for_time: self.refused_for_time,
        }
    }

    /// Whether the probe holds nothing more of it.
    pub(crate) fn is_drained(&self) -> bool {
        self.closed || self.told_last.is_some_and(|last| self.mark >= last)
    }
}

/// One hour's account of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HourRow {
    /// Measurements that were stored, and are whole or removed.
    pub(crate) stored: u64,
    /// Of these, measurements that retention removed.
    pub(crate) removed: u64,
    /// Measurements of refused batches.
    pub(crate) refused: u64,
    /// Measurements that a tombstone stands for.
    pub(crate) dropped: u64,
    /// Measurements of batches that did not fit the epoch.
    pub(crate) forked: u64,
    /// Measurements that were in the log, and are lost with damaged batches.
    pub(crate) damaged: u64,
    /// Skipped slots of stored batches, by cause, in the order of [`SKIP_CAUSES`].
    pub(crate) skipped_by_cause: [u64; 5],
    /// The probe's own cumulative counts: slots whose fate is known,
    pub(crate) planned: u64,
    /// that became a measurement,
    pub(crate) run: u64,
    /// that did not,
    pub(crate) skipped: u64,
    /// and those under way at the cut.
    pub(crate) pending: u64,
}

/// Causes in the order of [`HourRow::skipped_by_cause`]; only ever appended to.
pub(crate) const SKIP_CAUSES: [SkipCause; 5] = [
    SkipCause::Overlap,
    SkipCause::Late,
    SkipCause::NotRunning,
    SkipCause::Shutdown,
    SkipCause::NoKey,
];

/// 1: without what was damaged.
const HOUR_VERSION: u8 = 3;
/// A row before anything could be removed.
const HOUR_VERSION_WHOLE: u8 = 2;

impl HourRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut row = RowWriter::version(HOUR_VERSION);
        for count in [self.stored, self.refused, self.dropped, self.forked, self.damaged] {
            row.number(count);
        }
        for count in self.skipped_by_cause {
            row.number(count);
        }
        for count in [self.planned, self.run, self.skipped, self.pending, self.removed] {
            row.number(count);
        }
        row.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let is_whole = bytes.first() == Some(&HOUR_VERSION_WHOLE);
        let version = if is_whole {
            HOUR_VERSION_WHOLE
        } else {
            HOUR_VERSION
        };
        let mut row = RowReader::new(bytes, version)?;
        let mut hour = Self {
            stored: row.number("stored")?,
            refused: row.number("refused")?,
            dropped: row.number("dropped")?,
            forked: row.number("forked")?,
            damaged: row.number("damaged")?,
            ..Self::default()
        };
        for count in &mut hour.skipped_by_cause {
            *count = row.number("skipped by cause")?;
        }
        hour.planned = row.number("planned")?;
        hour.run = row.number("run")?;
        hour.skipped = row.number("skipped")?;
        hour.pending = row.number("pending")?;
        if !is_whole {
            hour.removed = row.number("removed")?;
        }
        row.end()?;
        Ok(hour)
    }

    /// Whether `told` can follow what was told before: cumulative counts never fall.
    pub(crate) fn can_become(&self, told: &HourCount) -> bool {
        told.planned >= self.planned && told.run >= self.run && told.skipped >= self.skipped
    }

    /// `told`, or what was told before where that is more.
    pub(crate) fn at_least(&self, told: &HourCount) -> HourCount {
        let (run, skipped) = (told.run.max(self.run), told.skipped.max(self.skipped));
        HourCount {
            hour: told.hour,
            planned: run + skipped,
            run,
            skipped,
            pending: told.pending,
        }
    }

    /// Takes the probe's counts over.
    pub(crate) fn told(&mut self, told: &HourCount) {
        self.planned = told.planned;
        self.run = told.run;
        self.skipped = told.skipped;
        self.pending = told.pending;
    }

    /// Measurements whose whereabouts are known, forked ones aside.
    pub(crate) fn placed(&self) -> u64 {
        self.stored + self.refused + self.dropped + self.damaged
    }

    /// Counts skipped slots.
    pub(crate) fn skip(&mut self, cause: SkipCause, slots: u64) {
        if let Some(place) = SKIP_CAUSES.iter().position(|known| *known == cause) {
            self.skipped_by_cause[place] += slots;
        }
    }
}

/// What stands at a sequence of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamEntry {
    pub(crate) kind: StreamKind,
    /// Digest of its payload; of a tombstone, of the last batch it stands for.
    pub(crate) digest: Digest,
}

/// What stands at a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    /// A batch in the log.
    Batch {
        /// Where.
        commit: u64,
    },
    /// A batch or tombstone that was refused for its content.
    Refused,
    /// The last batch of a tombstone's range.
    Tombstone,
    /// A batch that was in the log, and is damaged: its probe may send it again.
    Lost,
    /// Something that was damaged, and that nobody has any more.
    Gone,
    /// A batch whose measurements retention removed.
    Removed,
}

const STREAM_KIND_BATCH: u8 = 1;
const STREAM_KIND_REFUSED: u8 = 2;
const STREAM_KIND_TOMBSTONE: u8 = 3;
const STREAM_KIND_LOST: u8 = 4;
const STREAM_KIND_GONE: u8 = 5;
const STREAM_KIND_REMOVED: u8 = 6;

impl StreamEntry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (code, commit) = match self.kind {
            StreamKind::Batch { commit } => (STREAM_KIND_BATCH, commit),
            StreamKind::Refused => (STREAM_KIND_REFUSED, 0),
            StreamKind::Tombstone => (STREAM_KIND_TOMBSTONE, 0),
            StreamKind::Lost => (STREAM_KIND_LOST, 0),
            StreamKind::Gone => (STREAM_KIND_GONE, 0),
            StreamKind::Removed => (STREAM_KIND_REMOVED, 0),
        };
        let mut row = RowWriter(Vec::with_capacity(42));
        row.bytes(&[code]).bytes(&self.digest.0).number(commit);
        row.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let code = *bytes.first().ok_or(Malformed::Short { field: "kind" })?;
        let mut row = RowReader::new(bytes, code)?;
        let digest = Digest(row.array("digest")?);
        let commit = row.number("commit number")?;
        row.end()?;
        let kind = match code {
            STREAM_KIND_BATCH => StreamKind::Batch { commit },
            STREAM_KIND_REFUSED => StreamKind::Refused,
            STREAM_KIND_TOMBSTONE => StreamKind::Tombstone,
            STREAM_KIND_LOST => StreamKind::Lost,
            STREAM_KIND_GONE => StreamKind::Gone,
            STREAM_KIND_REMOVED => StreamKind::Removed,
            found => {
                return Err(Malformed::Unknown {
                    field: "kind",
                    found: u64::from(found),
                });
            }
        };
        Ok(Self { kind, digest })
    }
}

/// A tombstone that was accepted, under the last sequence of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TombstoneRow {
    /// First sequence of its range.
    pub(crate) first: Sequence,
    /// Measurements it stands for.
    pub(crate) dropped: u64,
    /// Why.
    pub(crate) cause: DropCause,
}

const TOMBSTONE_VERSION: u8 = 1;

impl TombstoneRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let cause = match self.cause {
            DropCause::Full => 0,
            DropCause::Corrupt => 1,
            DropCause::Evicted => 2,
        };
        let mut row = RowWriter::version(TOMBSTONE_VERSION);
        row.number(self.first.0).number(self.dropped).number(cause);
        row.0
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut row = RowReader::new(bytes, TOMBSTONE_VERSION)?;
        let first = Sequence(row.number("first sequence")?);
        let dropped = row.number("dropped")?;
        let cause = match row.number("cause")? {
            0 => DropCause::Full,
            1 => DropCause::Corrupt,
            2 => DropCause::Evicted,
            found => {
                return Err(Malformed::Unknown {
                    field: "cause",
                    found,
                });
            }
        };
        row.end()?;
        Ok(Self {
            first,
            dropped,
            cause,
        })
    }
}
