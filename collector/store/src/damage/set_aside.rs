//! Takes damaged rows out of their tables, keeps them raw, and puts right what hung on them.

use isochrone_base::error_chain::chain;
use isochrone_proto::codec;
use isochrone_proto::ids::{PlanVersion, ProbeId};
use redb::{Key, WriteTransaction};

use super::copies::heal_copies;
use super::key::words_of;
use super::meaning::{BATCH, ROLLUP, consequence};
use super::order::{Taken, take};
use super::recount::{Lost, Suspects, recount, recount_files};
use crate::aside::{SUMS_LOST, SetAside, WRITTEN_ANEW, encode, unhex};
use crate::found::{Damaged, Fault, Found};
use crate::heads::{self, Head};
use crate::numbers::Numbers;
use crate::rows::{TableOf, guarded};
use crate::seal::SEAL_BYTES;
use crate::segment::{Broken, Segment, Segments, are_lost, mark_broken};
use crate::tables::{
    ASIDE, EPOCHS, EPOCHS_AGAIN, HOURS, HOURS_AGAIN, LOG, LOG_HOURS, META_ASIDE, META_ASIDE_BYTES, NUMBERS,
    PLANS, SEALED, SEALED_AGAIN, SEEN, SEGMENTS, SEGMENTS_AGAIN, STREAM, TOMBSTONES, UNROLLED,
    UNROLLED_AGAIN, plan_of, with_each_table,
};
use crate::tier::Tier;
use crate::twice::RECORDS;
use crate::{Store, StoreError, StoredBlob, whole};

/// Bytes kept of all rows that were set aside; further ones are named, and counted, without theirs.
const BYTES_MAX: u64 = 64 << 20;
/// What is put right may find more; after so many rounds the rest waits for the next reader.
const ROUNDS_MAX: usize = 4;

impl Store {
    /// Sets aside what readers found damaged. Only where no transaction is open on this thread. A store that cannot
    /// write now keeps it for the next call.
    pub(crate) fn set_aside_found(&self) {
        for _ in 0..ROUNDS_MAX {
            if let Err(error) = self.rebuild_tables() {
                tracing::error!(error = %chain(&error), "cannot put right a table of which pages cannot be read");
                self.found().set_stuck(true);
                return;
            }
            let damaged = self.found().take();
            if damaged.is_empty() {
                return;
            }
            let result = self.write_quietly(|transaction| {
                self.0.recounts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                set_aside(transaction, (self.found(), &self.0.segments), &damaged)
            });
            match result {
                Ok(told) => {
                    self.found().set_stuck(false);
                    self.damage_changed();
                    self.account_changes().everything();
                    self.found().settled(&damaged);
                    self.forget_plans(&damaged);
                    self.keep_damaged_files(&told);
                    for row in told {
                        tracing::error!(
                            table = row.table,
                            key = row.key,
                            reason = row.reason,
                            consequence = row.consequence,
                            "damaged row set aside"
                        );
                    }
                }
                Err(error) => {
                    tracing::error!(error = %chain(&error), rows = damaged.len(), "cannot set damaged rows aside; they are passed over");
                    self.found().give_back(damaged);
                    self.found().set_stuck(true); // a read needs no write
                    return;
                }
            }
        }
    }

    /// Files of segments that were set aside stay, under names that nobody globs.
    fn keep_damaged_files(&self, told: &[SetAside]) {
        let of_segments = told
            .iter()
            .filter(|row| [SEGMENTS.name, SEGMENTS_AGAIN.name].contains(&row.table.as_str()) && !row.mended);
        for number in of_segments.filter_map(|row| row.key.parse().ok()) {
            self.keep_damaged_file(number);
        }
    }

    /// Reads every row of every table, so that whatever is damaged is found.
    pub(crate) fn read_every_row(&self) -> Result<(), StoreError> {
        self.read(|transaction| {
            let found = self.found();
            with_each_table!(table => read_all(transaction, found, table)?);
            let records = RECORDS.into_iter().flat_map(|(name, copy)| [name, copy]);
            for table in NUMBERS.into_iter().chain(records.map(TableOf::new)) {
                if let Some(table) = table.try_read(transaction, found)? {
                    for row in table.iter()? {
                        row?;
                    }
                    table.compare_copies()?;
                }
            }
            Ok(())
        })
    }

    /// Takes up which plans were missing when the store was open last.
    pub(crate) fn recall_missing_plans(&self) -> Result<(), StoreError> {
        for (row, _) in self.set_aside_of(PLANS.name)? {
            if let (false, Some(key)) = (row.mended, unhex(&row.key)) {
                self.found().is_missing(key);
            }
        }
        Ok(())
    }
}

fn set_aside(
    transaction: &WriteTransaction,
    (found, segments): (&Found, &Segments),
    damaged: &[Damaged],
) -> Result<Vec<SetAside>, StoreError> {
    let (mut rows, mut suspects) = (Vec::new(), Suspects::default());
    let (mut broken, mut of_sums) = (Broken::default(), Vec::new());
    for row in damaged {
        let Taken {
            bytes,
            was_out_of_order,
        } = guarded(found, row.table, || take(transaction, row))?;
        let mut aside = describe(transaction, found, row)?;
        if bytes.is_some() || was_out_of_order {
            match segment_of(row, bytes.as_deref()) {
                Some(segment) if segment.tier != Tier::Raw => {
                    ROLLUP.clone_into(&mut aside.consequence);
                    broken.days.insert(segment.day.0);
                    of_sums.push((rows.len(), segment));
                }
                segment => {
                    suspect(&mut suspects, row, bytes.as_deref());
                    aside.measurements = segment.map_or(aside.measurements, |segment| segment.rows);
                }
            }
            broken.any |= MARKS.contains(&row.table);
            suspects.all_seen |= was_out_of_order && row.table == SEEN.name;
        }
        if bytes.is_none() {
            if row.table == PLANS.name {
                found.is_back(&row.key);
            }
            (aside.consequence, aside.mended) = (WRITTEN_ANEW.to_owned(), true);
        }
        rows.push((aside, bytes.unwrap_or_default()));
    }
    if damaged.iter().any(|row| row.table == LOG_HOURS.name) {
        index_hours(transaction, found)?;
    }
    heal_copies(transaction, found, damaged, &mut rows)?;
    let is_lost = |row: &SetAside| SEGMENT_ROWS.contains(&row.table.as_str()) && !row.mended;
    broken.any |= rows
        .iter()
        .zip(damaged)
        .any(|((row, _), damaged)| is_lost(row) && !matches!(damaged.what, Fault::File { .. }));
    Numbers::open(transaction, found)?.heal(transaction, found)?;
    whole::find(transaction, found)?;
    if suspects.accounts {
        let lost = recount(transaction, (found, segments), &suspects)?;
        broken.commits = lost.iter().filter_map(|lost| lost.commit).collect();
        name_lost(&mut rows, lost);
    } else {
        recount_files(transaction, (found, segments), &suspects.files)?;
    }
    mark_broken(transaction, found, &broken)?;
    for (place, segment) in of_sums {
        if are_lost(transaction, found, &segment)? {
            let (row, _): &mut (SetAside, Vec<u8>) = &mut rows[place];
            SUMS_LOST.clone_into(&mut row.consequence);
        }
    }
    keep(transaction, found, rows)
}

/// Of which table rows say of a day that its rollups do not count.
const MARKS: [&str; 2] = [UNROLLED.name, UNROLLED_AGAIN.name];
const SEGMENT_ROWS: [&str; 2] = [SEGMENTS.name, SEGMENTS_AGAIN.name];

/// Reads every row of a table: a damaged one is noted.
pub(crate) fn read_all<K: Key + 'static>(
    transaction: &redb::ReadTransaction,
    found: &Found,
    table: TableOf<K>,
) -> Result<(), StoreError> {
    let rows = table.read(transaction, found)?;
    for row in rows.iter()? {
        row?;
    }
    rows.compare_copies()
}

/// The segment that a row of the catalogue names, where its file is damaged and not the row.
fn segment_of(row: &Damaged, bytes: Option<&[u8]>) -> Option<Segment> {
    let is_file = row.table == SEGMENTS.name && matches!(row.what, Fault::File { .. });
    let bytes = bytes.filter(|_| is_file)?;
    Segment::decode(bytes.get(..bytes.len().checked_sub(SEAL_BYTES)?)?).ok()
}

fn suspect(suspects: &mut Suspects, row: &Damaged, bytes: Option<&[u8]>) {
    let epoch = row.key.get(..24).unwrap_or_default().to_vec();
    match row.table {
        table if [SEGMENTS.name, SEGMENTS_AGAIN.name].contains(&table) => match segment_of(row, bytes) {
            Some(segment) => {
                suspects.files.push(segment); // nothing else of the accounts is in doubt
                return;
            }
            None => suspects.any_segment = true,
        },
        table if [SEALED.name, SEALED_AGAIN.name].contains(&table) => suspects.heads = true,
        table if table == HOURS.name => suspects.hours.push(epoch),
        table if table == SEEN.name => suspects.seen.push(epoch),
        table if [LOG.name, STREAM.name, EPOCHS.name, TOMBSTONES.name].contains(&table) => {}
        table if [EPOCHS_AGAIN.name, HOURS_AGAIN.name].contains(&table) => {}
        _ => return,
    }
    suspects.accounts = true;
}

/// Joins each lost batch with the row that was it; one of which no row is left is named by itself.
fn name_lost(rows: &mut Vec<(SetAside, Vec<u8>)>, lost: Vec<Lost>) {
    for lost in lost {
        let is_free = |row: &SetAside| row.table == LOG.name && row.probe.is_none();
        let commit = lost.commit.map(|commit| commit.to_string());
        let exact = rows
            .iter()
            .position(|(row, _)| is_free(row) && Some(&row.key) == commit.as_ref());
        let any = || rows.iter().position(|(row, _)| is_free(row));
        let place = exact.or_else(|| lost.commit.and_then(|_| any()));
        let place = place.unwrap_or_else(|| {
            let (table, key) = match &commit {
                Some(commit) => (LOG.name, commit.clone()),
                None => (STREAM.name, String::new()),
            };
            rows.push((
                SetAside {
                    table: table.to_owned(),
                    key,
                    reason: Fault::Missing.to_string(),
                    ..SetAside::default()
                },
                Vec::new(),
            ));
            rows.len() - 1
        });
        let row = &mut rows[place].0;
        row.commit = lost.commit;
        row.probe = Some(lost.probe.to_string());
        row.epoch = Some(lost.epoch.to_string());
        row.sequence = Some(lost.sequence.0);
        row.measurements = lost.measurements;
        row.mended = lost.commit.is_none() && lost.measurements == 0;
        row.consequence = match lost.commit {
            Some(_) => BATCH.to_owned(),
            None => "what stood at that sequence is not known any more; it is not counted a second time"
                .to_owned(),
        };
    }
}

/// What follows from the loss of a row.
fn describe(transaction: &WriteTransaction, found: &Found, row: &Damaged) -> Result<SetAside, StoreError> {
    let mut aside = SetAside {
        table: row.table.to_owned(),
        key: words_of(row),
        reason: row.what.to_string(),
        ..SetAside::default()
    };
    let (consequence, mended) = consequence(row.table);
    (aside.consequence, aside.mended) = (consequence.to_owned(), mended);
    if row.table == PLANS.name
        && let Some((probe, version)) = plan_of(&row.key)
    {
        aside.measurements = measured_under(transaction, found, probe, version)?;
        if aside.measurements > 0 || row.what == Fault::Missing {
            aside.probe = Some(probe.to_string());
            aside.plan = Some(version.to_string());
        }
    }
    Ok(aside)
}

/// Gives each row its number and keeps it.
fn keep(
    transaction: &WriteTransaction,
    found: &Found,
    rows: Vec<(SetAside, Vec<u8>)>,
) -> Result<Vec<SetAside>, StoreError> {
    let mut numbers = Numbers::open(transaction, found)?;
    let (mut last, mut kept) = (numbers.get(META_ASIDE)?, numbers.get(META_ASIDE_BYTES)?);
    let mut table = ASIDE.open(transaction, found)?;
    let mut told = Vec::with_capacity(rows.len());
    for (mut aside, mut bytes) in rows {
        last += 1;
        aside.number = last;
        if kept + bytes.len() as u64 > BYTES_MAX {
            bytes.clear();
        }
        aside.bytes = bytes.len() as u64;
        kept += aside.bytes;
        table.insert(last, &encode(&aside, &bytes)?)?;
        told.push(aside);
    }
    numbers.set(META_ASIDE, last)?;
    numbers.set(META_ASIDE_BYTES, kept)?;
    Ok(told)
}

/// The index of the log by hours, made anew.
fn index_hours(transaction: &WriteTransaction, found: &Found) -> Result<(), StoreError> {
    let log = LOG.open(transaction, found)?;
    let mut firsts = std::collections::BTreeMap::new();
    for row in log.iter()? {
        let (commit, row) = row?;
        if let Some(blob) = log.decode(commit.value(), &row, |row| {
            StoredBlob::decode(row).map(|blob| (blob.rows, blob.slots.1))
        }) && blob.0 > 0
        {
            firsts.entry(blob.1.hour()).or_insert(commit.value());
        }
    }
    let sealed = SEALED.open(transaction, found)?;
    for row in sealed.iter()? {
        let (key, row) = row?;
        let block = sealed
            .decode(key.value(), &row, heads::decode)
            .unwrap_or_default();
        for head in block.iter().filter(|head| head.rows > 0) {
            let first = firsts.entry(head.slots.1.hour()).or_insert(head.commit);
            *first = head.commit.min(*first);
        }
    }
    let mut hours = LOG_HOURS.open(transaction, found)?;
    for (hour, commit) in firsts {
        hours.insert_number(hour.0, commit)?;
    }
    Ok(())
}

/// Measurements of a probe that are stored under a plan.
fn measured_under(
    transaction: &WriteTransaction,
    found: &Found,
    probe: ProbeId,
    version: PlanVersion,
) -> Result<u64, StoreError> {
    let log = LOG.open(transaction, found)?;
    let mut measurements = 0;
    for row in log.iter()? {
        let (_, row) = row?;
        let Ok(blob) = StoredBlob::decode(row.value()) else {
            continue;
        };
        if blob.probe != probe {
            continue;
        }
        let batch = codec::decode_batch(blob.payload);
        if batch.is_ok_and(|batch| batch.header.plan == version) {
            measurements += u64::from(blob.rows);
        }
    }
    let sealed = SEALED.open(transaction, found)?;
    for row in sealed.iter()? {
        let (key, row) = row?;
        let block = sealed
            .decode(key.value(), &row, heads::decode)
            .unwrap_or_default();
        let of = |head: &&Head| head.probe == probe && head.header.plan == version;
        measurements += block
            .iter()
            .filter(of)
            .map(|head| u64::from(head.rows))
            .sum::<u64>();
    }
    Ok(measurements)
}
