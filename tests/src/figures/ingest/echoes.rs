//! Plans of a mesh, and the batches that their probes send: a second of 50 peers over both families each.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use anyhow::Result;
use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::control::EpochState;
use isochrone_proto::echo::{KeyEpoch, PairKey, ResponderSecret};
use isochrone_proto::frame::{self, MessageKind};
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::ledger::{Adoption, HourCount};
use isochrone_proto::measurement::{Measurement, Outcome};
use isochrone_proto::plan::{Plan, PlannedCheck, ResponderPlan, Target, TargetAddress};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::UnixMillis;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::figures::wire::{micros, outcome};

/// In a batch.
pub(in crate::figures) const ECHOES: usize = 2 * PEERS;
const PEERS: usize = 50;
const INTERVAL_MS: u32 = 1_000;

/// The plan of probe `place` of `ids`: the next 50 probes of the ring, over both families.
pub(in crate::figures) fn plan(place: usize, ids: &[ProbeId], start: UnixMillis) -> Result<Plan> {
    let probe = ids[place];
    let mut plan = Plan {
        version: version(),
        probe,
        probe_name: format!("probe-{place}"),
        issued: start,
        expires: start.plus(Duration::from_secs(7 * 86_400)),
        targets: Vec::new(),
        checks: Vec::new(),
        responder: ResponderPlan::default(),
    };
    for peer in 0..PEERS {
        let number = (place + 1 + peer) % ids.len();
        let (id, port) = (ids[number], 20_000 + number as u16);
        plan.targets.push(Target {
            id: TargetId::of_peer(id),
            name: format!("probe-{number}"),
            address: TargetAddress::Peer {
                probe: id,
                v4: Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)),
                v6: Some(SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0)),
                key: Some((
                    KeyEpoch(1),
                    PairKey::derive(&ResponderSecret([1; 32]), probe, KeyEpoch(1)),
                )),
            },
        });
        for family in [Family::V4, Family::V6] {
            let kind = Kind::new(Check::Echo, family);
            plan.checks.push(PlannedCheck {
                kind,
                target: peer as u16,
                schedule: Schedule::spread(probe, TargetId::of_peer(id), kind, INTERVAL_MS, 2_000)?,
            });
        }
    }
    Ok(plan)
}

fn version() -> PlanVersion {
    PlanVersion {
        promotion: 0,
        number: 1,
    }
}

/// What one probe sends: an epoch's batches, sealed, in sequence.
pub(in crate::figures) struct Stream {
    pub(super) place: usize,
    pub(super) epoch: EpochState,
    pub(in crate::figures) frames: Vec<Vec<u8>>,
}

impl Stream {
    /// One batch for each of `seconds` from `start` on. RTTs, losses and delays are those of the figures
    /// `wire.*`; `place` is the seed.
    pub(in crate::figures) fn new(
        place: usize,
        plan: &Plan,
        start: UnixMillis,
        seconds: usize,
    ) -> Result<Self> {
        let mut random = StdRng::seed_from_u64(place as u64);
        let bases: Vec<f64> = (0..PEERS)
            .map(|_| random.random_range(1_000.0..300_000.0))
            .collect();
        let adopted = Adoption {
            version: plan.version,
            first_slot: start,
        };
        let epoch = EpochId(random.random());
        let (mut previous, mut run) = (Digest::ZERO, BTreeMap::new());
        let mut frames = Vec::with_capacity(seconds);
        for second in 0..seconds {
            let from = start.plus(Duration::from_secs(second as u64));
            let rows = rows(&mut random, plan, &bases, from);
            let mut hours = Vec::new();
            for row in &rows {
                let hour = row.slot.hour();
                *run.entry(hour).or_insert(0) += 1;
                if hours.last() != Some(&hour) {
                    hours.push(hour);
                }
            }
            let header = BatchHeader {
                epoch,
                sequence: Sequence(second as u64 + 1),
                previous,
                adopted,
                plan: plan.version,
                cut: from.plus(Duration::from_secs(1)),
                hours: hours
                    .into_iter()
                    .map(|hour| HourCount {
                        hour,
                        planned: run[&hour],
                        run: run[&hour],
                        skipped: 0,
                        pending: 0,
                    })
                    .collect(),
                skipped: Vec::new(),
                events: Vec::new(),
                source_ports: Vec::new(),
            };
            let payload = codec::encode_batch(&Batch::pack(header, &rows)?);
            previous = Digest::of(&payload);
            frames.push(frame::seal(MessageKind::Batch, &payload)?);
        }
        let epoch = EpochState {
            epoch,
            first_slot: start,
            first_held: Sequence(1),
            last: Sequence(seconds as u64),
            last_digest: previous,
            closed: false,
        };
        Ok(Self { place, epoch, frames })
    }
}

fn rows(random: &mut StdRng, plan: &Plan, bases: &[f64], from: UnixMillis) -> Vec<Measurement> {
    let mut rows: Vec<_> = plan
        .checks
        .iter()
        .enumerate()
        .map(|(check, planned)| Measurement {
            check: check as u16,
            slot: planned.schedule.first_from(from),
            lateness: micros(random.random_range(0.0..1_000.0)),
            outcome: Outcome::Echo(outcome(random, bases[usize::from(planned.target)])),
        })
        .collect();
    rows.sort_by_key(|row| (row.slot, row.check));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seconds: usize) -> (Plan, Stream) {
        let ids: Vec<_> = (1..=64).map(ProbeId).collect();
        let start = UnixMillis(1_795_345_197_000); // three seconds before a full hour
        let plan = plan(7, &ids, start).unwrap();
        let stream = Stream::new(7, &plan, start, seconds).unwrap();
        (plan, stream)
    }

    #[test]
    fn batches_hold_every_planned_slot_once_and_follow_each_other() {
        let (plan, stream) = stream(6);
        assert!(plan.check().is_ok());
        let (mut previous, mut seen) = (Digest::ZERO, std::collections::BTreeSet::new());
        for (index, bytes) in stream.frames.iter().enumerate() {
            let (_, payload, _) = frame::read(bytes).unwrap();
            let batch = codec::decode_batch(&payload).unwrap();
            assert_eq!(batch.rows(), ECHOES);
            assert_eq!(batch.header.sequence, Sequence(index as u64 + 1));
            assert_eq!(batch.header.previous, previous);
            previous = Digest::of(&payload);
            for (check, slot) in batch.slots() {
                assert!(plan.checks[usize::from(check)].schedule.contains(slot));
                assert!(seen.insert((check, slot)));
            }
            let counted: u64 = batch.header.hours.iter().map(|hour| hour.run).sum();
            assert!(counted >= ECHOES as u64);
        }
        let until = stream.epoch.first_slot.plus(Duration::from_secs(6));
        assert_eq!(
            seen.len() as u64,
            plan.count_slots(stream.epoch.first_slot, until)
        );
        assert_eq!(stream.epoch.last_digest, previous);
    }
}
