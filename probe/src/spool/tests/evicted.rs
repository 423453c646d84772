//! What leaves a spool that is full, and what stands in its place.

use super::super::tombstone::TOLD_BACK;
use super::*;

/// Fills the spool with batches that are stored at once, until `enough`.
fn fill(spool: &mut Spool, maker: &mut Maker, enough: impl Fn(&Spool) -> bool) {
    for _ in 0..10_000 {
        if enough(spool) {
            return;
        }
        let (batch, payload) = maker.next(100, false);
        assert_eq!(spool.append(&batch, &payload), Appended::Kept);
        spool.acknowledge(maker.epoch, maker.sequence, Sequence::NONE);
    }
    panic!("10,000 batches were not enough");
}

#[test]
fn full_spool_drops_oldest_unstored_with_tombstone_in_place() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = (open(&disk, 64 << 10), Maker::new(1));
    spool.open_epoch(maker.epoch, SLOT);
    for _ in 0..600 {
        let (batch, payload) = maker.next(100, false);
        spool.append(&batch, &payload);
        assert!(spool.state().bytes <= 64 << 10, "bounded");
    }
    assert!(disk.bytes() <= 66 << 10, "{} bytes on disk", disk.bytes());
    let sent = everything(&mut spool, epoch(1), Sequence::NONE);
    assert_eq!(sent[0].kind, ItemKind::Tombstone);
    assert!(
        sent[1..].iter().all(|item| item.kind == ItemKind::Batch),
        "one tombstone, in its place"
    );
    let (stored, dropped) = account(&sent);
    assert_eq!((stored + dropped, dropped), (60_000, spool.state().dropped));
    assert_eq!(
        everything(&mut open(&disk, 64 << 10), epoch(1), Sequence::NONE),
        sent
    );
    let tombstone = codec::decode_tombstone(&sent[0].payload).unwrap();
    let next = codec::decode_batch(&sent[1].payload).unwrap();
    assert_eq!(
        next.header.previous, tombstone.last_digest,
        "the chain holds over the tombstone"
    );
    assert_eq!(tombstone.adopted.len(), 1);
}

#[test]
fn safe_leaves_first_then_stored_then_unstored() {
    let disk = Arc::new(MemoryDisk::new());
    let mut spool = open(&disk, 200 << 10);
    let mut makers: Vec<Maker> = (1..=3).map(Maker::new).collect();
    for maker in &mut makers {
        spool.open_epoch(maker.epoch, SLOT);
        for _ in 0..100 {
            let (batch, payload) = maker.next(100, false);
            spool.append(&batch, &payload);
        }
    }
    spool.acknowledge(epoch(2), Sequence(100), Sequence::NONE);
    spool.acknowledge(epoch(3), Sequence(90), Sequence(90));
    let evicts = |spool: &Spool, number| {
        let mut segments = spool.log(epoch(number)).unwrap().segments.iter();
        segments.any(Segment::is_tombstone)
    };
    let (mut maker, mut order) = (makers.remove(2), Vec::new());
    for _ in 0..2_000 {
        let (batch, payload) = maker.next(100, false);
        spool.append(&batch, &payload);
        for number in [3, 2] {
            if evicts(&spool, number) && !order.contains(&number) {
                order.push(number);
            }
        }
        if spool.state().dropped > 0 {
            order.push(1);
            break;
        }
    }
    assert_eq!(order, [3, 2, 1]);
}

#[test]
fn collector_restored_before_what_is_held_gets_a_tombstone_for_the_rest() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = (open(&disk, 64 << 10), Maker::new(1));
    spool.open_epoch(maker.epoch, SLOT);
    for _ in 0..600 {
        let (batch, payload) = maker.next(100, false);
        spool.append(&batch, &payload);
        spool.acknowledge(maker.epoch, maker.sequence, Sequence::NONE);
    }
    assert_eq!(spool.state().dropped, 0);
    let sent = everything(&mut spool, epoch(1), Sequence::NONE);
    assert_eq!(sent[0].kind, ItemKind::Tombstone);
    assert!(
        sent[1..].iter().all(|item| item.kind == ItemKind::Batch),
        "one tombstone"
    );
    let (stored, dropped) = account(&sent);
    assert_eq!(stored + dropped, 60_000);
}

#[test]
fn evicted_epoch_tells_a_restored_collector_its_hours_and_plans() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = (open(&disk, 64 << 10), Maker::new(1));
    spool.open_epoch(maker.epoch, SLOT);
    for hour in 0..4 {
        if hour == 2 {
            maker.adopt(2);
        }
        let until = maker.sequence.0 + 30;
        fill(&mut spool, &mut maker, |spool| spool.stored(epoch(1)).0 == until);
        maker.an_hour_later();
    }
    spool.close_epoch(epoch(1));
    let last = spool.epoch_state(epoch(1)).unwrap();
    let mut next = Maker::new(2);
    spool.open_epoch(next.epoch, maker.slot);
    fill(&mut spool, &mut next, |spool| {
        spool
            .log(epoch(1))
            .unwrap()
            .segments
            .iter()
            .all(Segment::is_tombstone)
    });

    for mut spool in [open(&disk, 64 << 10), spool] {
        assert_eq!(
            (spool.state().dropped, spool.own_rows().dropped),
            (0, 0),
            "all of it was stored"
        );
        let told = spool.states().into_iter().find(|state| state.epoch == epoch(1));
        let told = told.expect("it is still announced");
        assert_eq!(
            (told.last, told.last_digest, told.first_held),
            (last.last, last.last_digest, Sequence(1))
        );
        let sent = everything(&mut spool, epoch(1), Sequence::NONE);
        let tombstone = codec::decode_tombstone(&sent[0].payload).unwrap();
        assert_eq!((sent.len(), tombstone.cause), (1, DropCause::Evicted));
        let hours: Vec<_> = tombstone
            .hours
            .iter()
            .map(|count| (count.hour, count.run))
            .collect();
        let made: Vec<_> = maker.hours.iter().map(|(hour, run)| (*hour, *run)).collect();
        assert_eq!((hours, made.len()), (made, 4));
        let second = SLOT.hour().end().hour().end();
        assert_eq!(tombstone.adopted, [adoption(1, SLOT), adoption(2, second)]);
        assert_eq!(spool.plans().len(), 2, "a restored collector fetches both");
    }
}

#[test]
fn stored_batches_make_room_on_a_disk_full_to_the_brim() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = filled(&disk, 20);
    spool.acknowledge(epoch(1), Sequence(20), Sequence::NONE);
    disk.set_capacity(Some(disk.bytes()));
    let (batch, payload) = maker.next(3, false);
    assert_eq!(spool.append(&batch, &payload), Appended::Kept);
    for mut spool in [open(&disk, 1 << 20), spool] {
        let sent = everything(&mut spool, epoch(1), Sequence::NONE);
        assert_eq!(
            sent.iter().map(|item| item.kind).collect::<Vec<_>>(),
            [ItemKind::Tombstone, ItemKind::Batch]
        );
        assert_eq!(account(&sent), (3, 60));
    }
}

#[test]
fn oldest_stored_tombstones_go_when_nothing_else_is_left() {
    let disk = Arc::new(MemoryDisk::new());
    let mut spool = open(&disk, 20 << 10);
    for number in 0..=255 {
        let mut maker = Maker::new(number);
        maker.slot = UnixMillis(SLOT.0 + 60_000 * u64::from(number));
        spool.open_epoch(maker.epoch, maker.slot);
        fill(&mut spool, &mut maker, |spool| {
            spool.stored(epoch(number)).0 == 40
        });
        spool.close_epoch(maker.epoch);
        assert!(spool.state().bytes <= 20 << 10, "bounded");
    }
    let numbers: Vec<u8> = spool.states().iter().map(|state| state.epoch.0[0]).collect();
    let newest: Vec<u8> = (255 - (numbers.len() as u8 - 1)..=255).collect();
    assert_eq!(numbers, newest);
    assert!(
        (50..255).contains(&numbers.len()),
        "{} epochs are told",
        numbers.len()
    );
    assert_eq!(spool.state().dropped, 0);
}

#[test]
fn tombstone_tells_no_more_than_a_collector_takes() {
    let disk = Arc::new(MemoryDisk::new());
    let (mut spool, mut maker) = (open(&disk, 64 << 10), Maker::new(1));
    spool.open_epoch(maker.epoch, SLOT);
    for day in 1..=40 {
        maker.adopt(day);
        let until = maker.sequence.0 + 24;
        while maker.sequence.0 < until {
            let stored = maker.sequence.0;
            fill(&mut spool, &mut maker, |spool| spool.stored(epoch(1)).0 > stored);
            maker.an_hour_later();
        }
    }
    let sent = everything(&mut spool, epoch(1), Sequence::NONE);
    let tombstone = codec::decode_tombstone(&sent[0].payload).unwrap();
    assert_eq!(
        (tombstone.hours.len(), tombstone.adopted.len()),
        (30 * 24 + 1, 31)
    );
    assert_eq!(tombstone.hours[0].hour, tombstone.cut.minus(TOLD_BACK).hour());
    // A month later nobody asks for the epoch any more.
    spool.close_epoch(epoch(1));
    let much_later = tombstone.cut.plus(2 * TOLD_BACK);
    let mut next = Maker::new(2);
    spool.open_epoch(next.epoch, much_later);
    fill(&mut spool, &mut next, |spool| {
        spool
            .log(epoch(1))
            .unwrap()
            .segments
            .iter()
            .all(Segment::is_tombstone)
    });
    assert_eq!(spool.states().len(), 2);
    spool.open_epoch(epoch(3), much_later.plus(2 * TOLD_BACK));
    assert!(spool.epoch_state(epoch(1)).is_none());
    assert!(spool.epoch_state(epoch(2)).is_some(), "batches are held of it");
}
