//! Opening a spool: sound records are found again, a torn tail is cut off, damage is counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, Sequence};

use super::log::{EpochLog, Segment};
use super::name::{FOLDER, SegmentName};
use super::record::{self, ItemKind, RecordHeader, Scan};
use super::refused::RefusedCounts;
use super::{Spool, SpoolError, SpoolOptions};
use crate::disk::Disk;

impl Spool {
    /// Opens the spool in a folder; an empty folder is an empty spool. Epochs found there get no more
    /// batches: a process always opens its own.
    ///
    /// # Errors
    /// When the folder or a file cannot be read, or another build wrote it in another format. Damage inside files
    /// is no error.
    pub fn open(disk: Arc<dyn Disk>, options: SpoolOptions) -> Result<Self, SpoolError> {
        let failed = |action, file: &str| {
            let file = file.to_owned();
            move |source| SpoolError::Disk { action, file, source }
        };
        let mut spool = Self {
            disk: Arc::clone(&disk),
            options,
            logs: BTreeMap::new(),
            bytes: 0,
            dropped: 0,
            own: super::OwnRows::default(),
            corrupt: 0,
            corrupt_untold: 0,
            marks_changed: false,
            refused: RefusedCounts::default(),
        };
        let names = disk.list(FOLDER).map_err(failed("list", FOLDER))?;
        let marks = spool.load_marks();
        // Damage before a sound record shows as a gap; here what is damaged at the end of each epoch.
        let mut tails: BTreeMap<u64, u64> = BTreeMap::new();
        for file in names {
            let Some(name) = SegmentName::parse(&file) else {
                continue;
            };
            let bytes = disk.read(&file).map_err(failed("read", &file))?;
            let scan = record::scan(&bytes);
            if scan.records.is_empty()
                && let Some(found) = record::other_format(&bytes)
            {
                return Err(SpoolError::Format { file, found });
            }
            let log = spool.logs.entry(name.ordinal).or_insert_with(|| {
                let mut log = EpochLog::found(name.ordinal, name.epoch, name.first_slot);
                if let Some(mark) = marks.get(&name.epoch) {
                    (log.stored, log.safe, log.forked) = (mark.stored, mark.safe, mark.forked);
                }
                log
            });
            if name.first > log.last {
                tails.insert(name.ordinal, scan.damaged_after);
            }
            let (mut segment, damaged) = take_over(log, &name, file.clone(), &scan);
            spool.corrupt += damaged;
            if segment.is_empty() {
                // Torn before its first record was whole, damaged, or a leftover that another file covers.
                disk.remove(&file).map_err(failed("remove", &file))?;
                continue;
            }
            if scan.end < bytes.len() as u64 {
                disk.truncate(&file, scan.end).map_err(failed("cut", &file))?;
            }
            spool.bytes += scan.end;
            segment.bytes = scan.end;
            log.take_over(segment);
        }
        spool.load_refused();
        spool.corrupt += tails.values().sum::<u64>();
        spool.logs.retain(|_, log| log.has_records());
        spool.corrupt_untold = u32::try_from(spool.corrupt).unwrap_or(u32::MAX);
        if spool.corrupt > 0 {
            tracing::error!(
                records = spool.corrupt,
                "damaged records in the spool were taken out; the collector is told how many"
            );
        }
        Ok(spool)
    }
}

/// Takes over a file's records that follow what is known of the epoch; tells how many unstored batches are
/// missing before or between them.
fn take_over(log: &mut EpochLog, name: &SegmentName, file: String, scan: &Scan<'_>) -> (Segment, u64) {
    let mut segment = Segment::new(file);
    let mut missing = 0;
    if log.segments.is_empty() {
        log.last = Sequence(name.first.0 - 1);
    }
    for (offset, header, payload) in &scan.records {
        if header.last <= log.last {
            continue; // covered by an earlier file
        }
        let known = log.last.max(log.stored);
        missing += (header.first.0 - 1).saturating_sub(known.0);
        segment.push(header, *offset);
        log.last = header.last;
        log.last_digest = digest_of(header, payload);
        log.closed |= header.closes;
    }
    (segment, missing)
}

fn digest_of(header: &RecordHeader, payload: &[u8]) -> Digest {
    match header.kind {
        ItemKind::Batch => Digest::of(payload),
        ItemKind::Tombstone => {
            let tombstone = codec::decode_tombstone(payload);
            tombstone.map_or(Digest::ZERO, |tombstone| tombstone.last_digest)
        }
    }
}
