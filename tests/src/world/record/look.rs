//! Reads spools: which batches are durable there, and which of them the collector has acknowledged.

use std::net::IpAddr;

use isochrone_probe::recorder::SharedSpool;
use isochrone_probe::spool::{ItemKind, Spool};
use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, EpochId, ProbeId, Sequence};

use super::{BatchRecord, Inner, Record, rows_of};

/// How far one machine's records of an epoch were read.
#[derive(Default)]
pub(super) struct Reading {
    /// Records up to here were read.
    seen: Sequence,
    /// Those up to here were read once more, when they were acknowledged.
    told: Sequence,
    /// The mark, when it was read last.
    mark: Sequence,
    /// The mark is the word of a collector that was set back since: it says nothing until it changes.
    distrusted: bool,
}

impl Reading {
    /// The collector was set back: what its next Welcome says counts.
    pub(super) fn distrust(&mut self) {
        self.distrusted = true;
    }

    /// Follows the mark; whether it says what the collector holds now.
    fn follow(&mut self, mark: Sequence) -> bool {
        let changed = std::mem::replace(&mut self.mark, mark) != mark;
        if self.distrusted && changed {
            (self.distrusted, self.told) = (false, Sequence::NONE);
        }
        self.told = self.told.min(mark); // a restored collector's mark is lower
        !self.distrusted
    }
}

impl Record {
    /// Reads what the spool on `host` holds that was not read before, and how far it is acknowledged.
    pub fn look(&self, host: IpAddr, probe: ProbeId, spool: &SharedSpool) {
        spool.with(|spool| {
            let mut inner = self.lock();
            for state in spool.states() {
                inner.look(host, probe, state.epoch, spool);
            }
        });
    }

    /// The process on `host`, or the collector, starts: the marks in the spool may be the word of a collector that
    /// was set back since.
    pub fn look_anew(&self, host: IpAddr, probe: ProbeId, spool: &SharedSpool) {
        let mut inner = self.lock();
        if inner.restored {
            let own = inner.readings.iter_mut().filter(|((owner, _), _)| *owner == host);
            for ((_, epoch), reading) in own {
                reading.mark = spool.with(|spool| spool.stored(*epoch));
                reading.distrust();
            }
        }
        drop(inner);
        self.look(host, probe, spool);
    }
}

impl Inner {
    fn look(&mut self, host: IpAddr, probe: ProbeId, epoch: EpochId, spool: &mut Spool) {
        let mark = spool.stored(epoch);
        let mut reading = self.readings.remove(&(host, epoch)).unwrap_or_else(|| Reading {
            mark,
            distrusted: self.restored,
            ..Reading::default()
        });
        while let Ok(Some(item)) = spool.next_after(epoch, reading.seen) {
            reading.seen = item.last;
            if item.kind == ItemKind::Batch {
                self.batch(probe, &item.payload).held.insert(host);
            }
        }
        if spool.is_forked(epoch) {
            self.epoch(probe, epoch).forked.insert(host); // its mark now moves over what is counted, too
        } else if reading.follow(mark) {
            self.acknowledge(probe, epoch, &mut reading, spool);
        }
        self.readings.insert((host, epoch), reading);
    }

    /// Notes which batches the mark covers, and which tombstones stand where it went.
    fn acknowledge(&mut self, probe: ProbeId, epoch: EpochId, reading: &mut Reading, spool: &mut Spool) {
        while reading.told < reading.mark {
            let Ok(item) = spool.next_after(epoch, reading.told) else {
                return; // the power is cut: with the next process
            };
            let Some(item) = item.filter(|item| item.last <= reading.mark) else {
                reading.told = reading.mark; // it had to make room already
                return;
            };
            reading.told = item.last;
            match item.kind {
                ItemKind::Batch => self.batch(probe, &item.payload).acknowledged = true,
                ItemKind::Tombstone => {
                    let tombstones = &mut self.epoch(probe, epoch).tombstones;
                    tombstones.insert((item.first, item.last));
                }
            }
        }
    }

    fn batch(&mut self, probe: ProbeId, payload: &[u8]) -> &mut BatchRecord {
        let batch = codec::decode_batch(payload).expect("a probe spools only what it can read");
        let plan = &self.plans[&(probe, batch.header.plan)];
        let rows = rows_of(probe, &batch, plan);
        let key = (batch.header.sequence, Digest::of(payload));
        let batches = &mut self.epoch(probe, batch.header.epoch).batches;
        batches.entry(key).or_insert_with(|| BatchRecord {
            rows,
            acknowledged: false,
            held: Default::default(),
        })
    }
}
