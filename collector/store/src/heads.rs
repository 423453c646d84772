//! What is kept of each sealed batch beside its measurements: whose it was, when it came, and its account. Blocks of
//! such heads stand in one table, in the order of commits; they do not overlap. A measurement in a segment counts
//! only if the head of its batch is there.

use isochrone_proto::batch::BatchHeader;
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence};
use isochrone_proto::ledger::{Adoption, Event, HourCount, SkippedRange};
use isochrone_proto::units::{Hour, UnixMillis};
use redb::ReadableTable;

use crate::StoreError;
use crate::account::SKIP_CAUSES;
use crate::row::{Malformed, RowReader, RowWriter};
use crate::rows::Rows;

/// A sealed batch without its measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) commit: u64,
    pub(crate) probe: ProbeId,
    pub(crate) received: UnixMillis,
    pub(crate) rows: u16,
    /// As of a stored blob.
    pub(crate) slots: (UnixMillis, UnixMillis),
    /// The digest of the batch before is not kept: it stands under that one's sequence.
    pub(crate) header: BatchHeader,
}

/// Heads in a block, when it is made.
pub(crate) const BLOCK_HEADS: usize = 1_024;

const VERSION: u8 = 1;

/// The heads of a block, lowest commit first.
pub(crate) fn encode(heads: &[Head]) -> Vec<u8> {
    let mut tables = Tables::default();
    let mut body = RowWriter::default();
    let mut before = Before::default();
    for head in heads {
        tables.write(&mut body, head, &mut before);
    }
    let mut row = RowWriter::version(VERSION);
    row.number(tables.epochs.len() as u64);
    for (probe, epoch) in &tables.epochs {
        row.bytes(&probe.0.to_be_bytes()).bytes(&epoch.0);
    }
    row.number(tables.adoptions.len() as u64);
    for adoption in &tables.adoptions {
        row.number(u64::from(adoption.version.promotion))
            .number(adoption.version.number)
            .number(adoption.first_slot.0);
    }
    row.number(heads.len() as u64).bytes(&body.0);
    row.0
}

/// Reads a block.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Head>, Malformed> {
    let mut row = RowReader::new(bytes, VERSION)?;
    let mut tables = Tables::default();
    for _ in 0..row.number("epochs")? {
        let probe = ProbeId(u64::from_be_bytes(row.array("probe")?));
        tables.epochs.push((probe, EpochId(row.array("epoch")?)));
    }
    for _ in 0..row.number("adoptions")? {
        tables.adoptions.push(Adoption {
            version: version(&mut row)?,
            first_slot: UnixMillis(row.number("adopted slot")?),
        });
    }
    let mut before = Before::default();
    let mut heads = Vec::new();
    for _ in 0..row.number("heads")? {
        heads.push(tables.read(&mut row, &mut before)?);
    }
    row.end()?;
    Ok(heads)
}

/// The last commit that has a head; 0 if there is none.
pub(crate) fn last_sealed<T: ReadableTable<u64, &'static [u8]>>(
    blocks: &Rows<'_, u64, T>,
) -> Result<u64, StoreError> {
    let Some((key, row)) = blocks.iter()?.next_back().transpose()? else {
        return Ok(0);
    };
    let heads = blocks.decode(key.value(), &row, decode);
    Ok(heads
        .and_then(|heads| Some(heads.last()?.commit))
        .unwrap_or(key.value()))
}

/// What the heads of a block name by place.
#[derive(Default)]
struct Tables {
    epochs: Vec<(ProbeId, EpochId)>,
    adoptions: Vec<Adoption>,
}

/// The numbers of the head before: the next ones are close to them.
#[derive(Default)]
struct Before {
    commit: u64,
    received: u64,
    /// By epoch.
    sequences: Vec<u64>,
}

impl Before {
    fn sequence(&mut self, epoch: usize) -> &mut u64 {
        if self.sequences.len() <= epoch {
            self.sequences.resize(epoch + 1, 0);
        }
        &mut self.sequences[epoch]
    }
}

/// The batch belongs to the plan that it adopted.
const OF_ADOPTED: u64 = 1;
/// It has measurements.
const HAS_ROWS: u64 = 2;

impl Tables {
    fn write(&mut self, row: &mut RowWriter, head: &Head, before: &mut Before) {
        let header = &head.header;
        let epoch = place(&mut self.epochs, (head.probe, header.epoch));
        let is_of_adopted = header.plan == header.adopted.version;
        let flags = u64::from(is_of_adopted) * OF_ADOPTED + u64::from(head.rows > 0) * HAS_ROWS;
        row.number(flags)
            .number(epoch as u64)
            .step(before.commit, head.commit)
            .step(*before.sequence(epoch), header.sequence.0)
            .step(before.received, head.received.0);
        if head.rows > 0 {
            row.number(u64::from(head.rows))
                .step(head.received.0, head.slots.1.0)
                .step(head.slots.1.0, head.slots.0.0);
        }
        row.number(place(&mut self.adoptions, header.adopted) as u64);
        if !is_of_adopted {
            row.number(u64::from(header.plan.promotion))
                .number(header.plan.number);
        }
        row.step(head.received.0, header.cut.0);
        write_account(row, header);
        (before.commit, before.received) = (head.commit, head.received.0);
        *before.sequence(epoch) = header.sequence.0;
    }

    fn read(&self, row: &mut RowReader<'_>, before: &mut Before) -> Result<Head, Malformed> {
        let flags = row.number("flags")?;
        let place: usize = row.narrow("epoch")?;
        let (probe, epoch) = *self
            .epochs
            .get(place)
            .ok_or(Malformed::Content { what: "epoch" })?;
        before.commit = row.step(before.commit, "commit")?;
        let sequence = row.step(*before.sequence(place), "sequence")?;
        *before.sequence(place) = sequence;
        before.received = row.step(before.received, "received")?;
        let (mut rows, mut slots) = (0, (UnixMillis(u64::MAX), UnixMillis(0)));
        if flags & HAS_ROWS != 0 {
            rows = row.narrow("rows")?;
            let last = row.step(before.received, "last slot")?;
            slots = (UnixMillis(row.step(last, "first slot")?), UnixMillis(last));
        }
        let adopted: usize = row.narrow("adoption")?;
        let adopted = *self
            .adoptions
            .get(adopted)
            .ok_or(Malformed::Content { what: "adoption" })?;
        let plan = match flags & OF_ADOPTED {
            0 => version(row)?,
            _ => adopted.version,
        };
        let cut = UnixMillis(row.step(before.received, "cut")?);
        let mut header = BatchHeader {
            epoch,
            sequence: Sequence(sequence),
            previous: Digest::ZERO,
            adopted,
            plan,
            cut,
            hours: Vec::new(),
            skipped: Vec::new(),
            events: Vec::new(),
            source_ports: Vec::new(),
        };
        read_account(row, &mut header)?;
        Ok(Head {
            commit: before.commit,
            probe,
            received: UnixMillis(before.received),
            rows,
            slots,
            header,
        })
    }
}

fn place<T: PartialEq>(table: &mut Vec<T>, wanted: T) -> usize {
    match table.iter().rposition(|known| *known == wanted) {
        Some(place) => place,
        None => {
            table.push(wanted);
            table.len() - 1
        }
    }
}

fn version(row: &mut RowReader<'_>) -> Result<PlanVersion, Malformed> {
    Ok(PlanVersion {
        promotion: row.narrow("promotion")?,
        number: row.number("plan number")?,
    })
}

fn write_account(row: &mut RowWriter, header: &BatchHeader) {
    let cut_hour = u64::from(header.cut.hour().0);
    row.number(header.hours.len() as u64);
    for told in &header.hours {
        row.step(cut_hour, u64::from(told.hour.0))
            .number(told.run)
            .number(told.skipped)
            .number(told.pending);
    }
    row.number(header.skipped.len() as u64);
    for range in &header.skipped {
        let cause = SKIP_CAUSES.iter().position(|known| *known == range.cause);
        row.number(u64::from(range.check))
            .step(header.cut.0, range.first_slot.0)
            .number(u64::from(range.count))
            .number(cause.unwrap_or(SKIP_CAUSES.len()) as u64);
    }
    row.number(header.events.len() as u64);
    for event in &header.events {
        let (code, value) = code_of(event);
        row.number(code).number(value);
    }
    row.number(header.source_ports.len() as u64);
    for port in &header.source_ports {
        row.number(u64::from(*port));
    }
}

fn read_account(row: &mut RowReader<'_>, header: &mut BatchHeader) -> Result<(), Malformed> {
    let cut_hour = u64::from(header.cut.hour().0);
    for _ in 0..row.number("hours")? {
        let hour = row.step(cut_hour, "hour")?;
        let (run, skipped) = (row.number("run")?, row.number("skipped")?);
        header.hours.push(HourCount {
            hour: Hour(u32::try_from(hour).map_err(|_| Malformed::Content { what: "hour" })?),
            planned: run.saturating_add(skipped), // always so: a batch in which it is not is no batch
            run,
            skipped,
            pending: row.number("pending")?,
        });
    }
    for _ in 0..row.number("skipped ranges")? {
        let check = row.narrow("check")?;
        let first_slot = UnixMillis(row.step(header.cut.0, "skipped slot")?);
        let count = row.narrow("skipped slots")?;
        let cause: usize = row.narrow("cause")?;
        header.skipped.push(SkippedRange {
            check,
            first_slot,
            count,
            cause: *SKIP_CAUSES
                .get(cause)
                .ok_or(Malformed::Content { what: "cause" })?,
        });
    }
    for _ in 0..row.number("events")? {
        let (code, value) = (row.number("event")?, row.number("event's value")?);
        header.events.push(event_of(code, value)?);
    }
    for _ in 0..row.number("source ports")? {
        header.source_ports.push(row.narrow("source port")?);
    }
    Ok(())
}

fn code_of(event: &Event) -> (u64, u64) {
    match *event {
        Event::ClockStep { step_ms } => (0, zigzag(step_ms)),
        Event::LateReplies { count } => (1, u64::from(count)),
        Event::DuplicateReplies { count } => (2, u64::from(count)),
        Event::ForeignDatagrams { count } => (3, u64::from(count)),
        Event::SelfStall { worst_us } => (4, u64::from(worst_us)),
        Event::CorruptRecords { count } => (5, u64::from(count)),
        Event::Closed => (6, 0),
    }
}

fn event_of(code: u64, value: u64) -> Result<Event, Malformed> {
    let narrow = || u32::try_from(value).map_err(|_| Malformed::Content { what: "event" });
    Ok(match code {
        0 => Event::ClockStep {
            step_ms: unzigzag(value),
        },
        1 => Event::LateReplies { count: narrow()? },
        2 => Event::DuplicateReplies { count: narrow()? },
        3 => Event::ForeignDatagrams { count: narrow()? },
        4 => Event::SelfStall { worst_us: narrow()? },
        5 => Event::CorruptRecords { count: narrow()? },
        6 => Event::Closed,
        found => {
            return Err(Malformed::Unknown {
                field: "event",
                found,
            });
        }
    })
}

/// Small numbers of either sign become small ones.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

impl RowWriter {
    /// A number that is close to another one.
    fn step(&mut self, from: u64, to: u64) -> &mut Self {
        self.number(zigzag(to.wrapping_sub(from).cast_signed()))
    }
}

impl RowReader<'_> {
    fn step(&mut self, from: u64, field: &'static str) -> Result<u64, Malformed> {
        let step = unzigzag(self.number(field)?);
        Ok(from.wrapping_add(step.cast_unsigned()))
    }
}
