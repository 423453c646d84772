//! Torn writes, damaged records and disks that refuse.

use super::*;

/// Damages the middle of the last record of the only file.
fn damage_last_record(disk: &MemoryDisk) {
    let name = disk.list("spool/").unwrap().remove(0);
    let length = disk.read(&name).unwrap().len();
    disk.corrupt(&name, length - 20, 0x40);
}

#[test]
fn torn_tail_is_cut_at_the_last_whole_record() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = filled(&disk, 4);
    let whole = everything(&mut spool, epoch(1), Sequence::NONE);
    let (batch, payload) = maker.next(3, false);
    disk.cut_power_after(20);
    assert_eq!(spool.append(&batch, &payload), Appended::Dropped);
    disk.power_on();
    let mut again = open(&disk, 1 << 20);
    assert_eq!(everything(&mut again, epoch(1), Sequence::NONE), whole);
    assert_eq!(again.state().corrupt_records, 0, "a torn tail is no damage");
}

#[test]
fn corrupt_record_is_skipped_counted_and_tombstoned() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, _) = filled(&disk, 9);
    let sound = everything(&mut spool, epoch(1), Sequence::NONE);
    let name = disk.list("spool/").unwrap().remove(0);
    let length = disk.read(&name).unwrap().len();
    disk.corrupt(&name, length / 2, 0x40);
    // Found while it is sent, and found when the spool is opened: the same tombstone.
    let live = everything(&mut spool, epoch(1), Sequence::NONE);
    assert_eq!(
        (
            spool.state().corrupt_records,
            spool.take_corrupt(),
            spool.take_corrupt()
        ),
        (1, 1, 0)
    );
    let mut again = open(&disk, 1 << 20);
    assert_eq!(everything(&mut again, epoch(1), Sequence::NONE), live);
    assert_eq!((again.state().corrupt_records, again.take_corrupt()), (1, 1));
    let place = live
        .iter()
        .position(|item| item.kind == ItemKind::Tombstone)
        .unwrap();
    assert_eq!(live[place].first, live[place].last);
    let tombstone = codec::decode_tombstone(&live[place].payload).unwrap();
    assert_eq!(tombstone.cause, DropCause::Corrupt);
    assert_eq!(tombstone.last_digest, Digest::of(&sound[place].payload));
    assert_eq!(account(&live), (24, 3));
}

#[test]
fn refused_writes_become_a_tombstone_once_the_disk_takes_it() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = filled(&disk, 3);
    disk.set_capacity(Some(disk.bytes() + 60));
    for _ in 0..4 {
        let (batch, payload) = maker.next(2, false);
        assert_eq!(spool.append(&batch, &payload), Appended::Dropped);
    }
    assert_eq!(spool.state().dropped, 8, "what was kept before stays");
    disk.set_capacity(None);
    let (batch, payload) = maker.next(5, true);
    assert_eq!(spool.append(&batch, &payload), Appended::Kept);
    let sent = everything(&mut spool, epoch(1), Sequence::NONE);
    assert_eq!(account(&sent), (14, 8));
    let mut again = open(&disk, 1 << 20);
    assert_eq!(everything(&mut again, epoch(1), Sequence::NONE), sent);
    assert!(again.is_finished(epoch(1), Sequence(8)));
}

#[test]
fn damaged_record_at_the_end_of_an_epoch_is_counted() {
    for batches in [1, 5] {
        let disk = Arc::new(MemoryDisk::new());
        drop(filled(&disk, batches));
        damage_last_record(&disk);
        let mut again = open(&disk, 1 << 20);
        assert_eq!(
            (again.state().corrupt_records, again.take_corrupt()),
            (1, 1),
            "{batches} batches"
        );
        assert_eq!(
            everything(&mut again, epoch(1), Sequence::NONE).len(),
            batches - 1
        );
        assert_eq!(open(&disk, 1 << 20).state().corrupt_records, 0, "it was cut off");
    }
}

#[test]
fn damage_at_the_end_of_a_file_is_counted_once() {
    let disk = Arc::new(MemoryDisk::new());
    let (spool, mut maker) = filled(&disk, 5);
    let mut spool = spool;
    spool.log_mut(epoch(1)).unwrap().seal();
    damage_last_record(&disk);
    let (batch, payload) = maker.next(3, false);
    assert_eq!(spool.append(&batch, &payload), Appended::Kept);
    assert_eq!(disk.list("spool/").unwrap().len(), 2);
    let mut again = open(&disk, 1 << 20);
    assert_eq!(
        again.state().corrupt_records,
        1,
        "the gap before the second file tells it"
    );
    assert_eq!(
        account(&everything(&mut again, epoch(1), Sequence::NONE)),
        (15, 3)
    );
}

#[test]
fn torn_bytes_that_could_not_be_cut_off_do_not_mix_with_what_follows() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = (open(&disk, 1 << 20), Maker::new(1));
    spool.open_epoch(maker.epoch, SLOT);
    let (batch, payload) = maker.next(3, false);
    disk.cut_power_after(20); // neither the write nor the cut gets through
    assert_eq!(spool.append(&batch, &payload), Appended::Dropped);
    disk.power_on();
    let (batch, payload) = maker.next(3, false);
    assert_eq!(spool.append(&batch, &payload), Appended::Kept);
    let sent = everything(&mut spool, epoch(1), Sequence::NONE);
    assert_eq!(account(&sent), (3, 3));
    assert_eq!(spool.state().corrupt_records, 0);
    assert_eq!(
        everything(&mut open(&disk, 1 << 20), epoch(1), Sequence::NONE),
        sent
    );
}

/// Changes the bytes of the only file; its name.
fn rewrite_first_record(disk: &MemoryDisk, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let name = disk.list("spool/").unwrap().remove(0);
    let mut bytes = disk.read(&name).unwrap();
    change(&mut bytes);
    disk.replace(&name, &bytes).unwrap();
    name
}

#[test]
fn spool_of_another_format_is_refused_with_what_to_do() {
    let old = |bytes: &mut Vec<u8>| {
        // A record of format 1, as far as that can be told from its first bytes.
        bytes.splice(..3, [0xb5, 0x1c]);
    };
    let later = |bytes: &mut Vec<u8>| {
        bytes[2] = 4;
        let end = record::HEADER_BYTES;
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..end - 4]), &bytes[end..]);
        bytes[end - 4..end].copy_from_slice(&checksum.to_le_bytes());
    };
    type Change = fn(&mut Vec<u8>);
    let changes: [(u8, Change); 2] = [(1, old), (4, later)];
    for (found, change) in changes {
        let disk = Arc::new(MemoryDisk::new());
        drop(filled(&disk, 1));
        let name = rewrite_first_record(&disk, change);
        let before = disk.read(&name).unwrap();
        let shared: Arc<dyn Disk> = disk.clone();
        let error = Spool::open(shared, SpoolOptions::default())
            .err()
            .expect("refused");
        let said = error.to_string();
        assert!(
            matches!(error, SpoolError::Format { found: of, .. } if of == found),
            "{said}"
        );
        assert!(
            said.contains(&name) && said.contains("remove the folder spool"),
            "{said}"
        );
        assert_eq!(disk.read(&name).unwrap(), before, "nothing was touched");
    }
}

#[test]
fn damaged_format_byte_is_damage_and_no_other_format() {
    let disk = Arc::new(MemoryDisk::new());
    drop(filled(&disk, 1));
    rewrite_first_record(&disk, |bytes| bytes[2] = 4);
    assert_eq!(
        everything(&mut open(&disk, 1 << 20), epoch(1), Sequence::NONE),
        []
    );
}

#[test]
fn count_of_what_was_refused_says_so_when_its_file_was_damaged() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, _) = filled(&disk, 1);
    let told = RefusedSoFar {
        batches: 1,
        rows: 7,
        rows_for_time: 7,
    };
    spool.refused(epoch(1), told);
    spool.save_refused();
    drop(spool);
    let whole = open(&disk, 1 << 20);
    assert_eq!(
        (whole.refused_ever(), whole.is_refused_incomplete()),
        (told, false)
    );
    drop(whole);

    disk.corrupt("refused.json", 0, 0x40);
    for again in 0..2 {
        let mut spool = open(&disk, 1 << 20);
        assert!(spool.is_refused_incomplete(), "start {again}");
        spool.refused(epoch(1), told);
        assert_eq!(
            spool.refused_ever().rows,
            7,
            "what the collector tells of epochs held here is known again"
        );
        spool.save_refused();
    }
}
