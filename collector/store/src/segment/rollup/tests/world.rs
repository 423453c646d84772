//! A probe whose measurements come out in many ways, and the oracle.

use std::collections::BTreeMap;

use isochrone_proto::batch::Batch;
use isochrone_proto::ids::{Digest, EpochId, ProbeId, Sequence, TargetId};
use isochrone_proto::ledger::{HourCount, SkipCause, SkippedRange};
use isochrone_proto::measurement::{
    CacheState, EchoOutcome, EndpointOutcome, EndpointResult, FailureCause, Measurement, Outcome, Phase,
    Phases, SendFailure, Stamp,
};
use isochrone_proto::units::{Hour, Micros};

use super::*;
use crate::ScanRange;
use crate::ingest::Ingested;

/// A stream of batches, and on which day they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) epoch: u64,
    pub(super) day: u64,
}

/// What was stored so far.
#[derive(Default)]
pub(super) struct World {
    streams: BTreeMap<Place, Stream>,
    commits: u64,
    /// So many days later than at first all comes.
    pub(super) ahead_days: u64,
    random: u64,
}

#[derive(Default)]
struct Stream {
    batches: u64,
    previous: Digest0,
    hours: BTreeMap<Hour, HourCount>,
}

/// A digest that begins with zeros.
struct Digest0(Digest);

impl Default for Digest0 {
    fn default() -> Self {
        Self(Digest::ZERO)
    }
}

const DAY_MS: u64 = 86_400_000;

/// When the fixture's day is over, and a while more.
pub(super) fn next_day() -> UnixMillis {
    UnixMillis(START.0 + DAY_MS)
}

impl World {
    /// Stores batches of a minute each; they come one after the other, wherever their slots lie.
    pub(super) fn store(&mut self, store: &Store, place: Place, batches: u64) {
        let ingest = inline(store);
        for _ in 0..batches {
            self.commits += 1;
            let received = UnixMillis(self.began() + self.commits * 1_000);
            let batch = self.next_batch(place);
            let incoming = incoming_at(&batch, received);
            let stream = self.streams.get_mut(&place).unwrap();
            stream.previous = Digest0(incoming.digest);
            let mark = Sequence(stream.batches);
            assert_eq!(submit(&ingest, incoming), Ingested::Stored { mark });
        }
    }

    /// Seals all that came so far, but for a few.
    pub(super) fn seal(&self, store: &Store) {
        let until = UnixMillis(self.began() + self.commits * 1_000 - 1_500);
        while store.seal_before(until, UnixMillis(u64::MAX)).unwrap().is_some() {}
    }

    fn began(&self) -> u64 {
        START.0 + (3 + self.ahead_days) * DAY_MS
    }

    fn next_batch(&mut self, place: Place) -> Batch {
        let stream = self.streams.entry(place).or_default();
        stream.batches += 1;
        let sequence = stream.batches;
        let start = START.0 + place.day * DAY_MS + place.epoch * 4 * 3_600_000 + (sequence - 1) * STEP_MS;
        let hour = UnixMillis(start).hour();
        let count = stream.hours.entry(hour).or_insert(HourCount {
            hour,
            planned: 0,
            run: 0,
            skipped: 0,
            pending: 0,
        });
        count.planned += ROWS + 1;
        count.run += ROWS;
        count.skipped += 1;
        let epoch = EpochId([1 + (place.epoch * 16 + place.day) as u8; 16]);
        let mut header = header(epoch, sequence, stream.previous.0);
        header.adopted.first_slot = UnixMillis(START.0 + place.day * DAY_MS + place.epoch * 4 * 3_600_000);
        header.cut = UnixMillis(start + STEP_MS);
        header.hours = vec![*count];
        header.skipped = vec![SkippedRange {
            check: 1,
            first_slot: UnixMillis(start + 50_000),
            count: 1,
            cause: SkipCause::Overlap,
        }];
        let slots = (0..6).map(|slot| start + slot * 10_000);
        let mut rows: Vec<Measurement> = slots.clone().map(|slot| self.echo(0, slot)).collect();
        rows.extend(slots.take(5).map(|slot| self.echo(1, slot)));
        rows.push(self.status(start));
        Batch::pack(header, &rows).unwrap()
    }

    fn next(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }

    fn us(&mut self) -> Micros {
        let scale = [1, 100, 5_000, 90_000, 100_000_000][self.next() as usize % 5];
        Micros::new(self.next() % scale + u64::from(scale > 1)).unwrap()
    }

    fn echo(&mut self, check: u16, slot: u64) -> Measurement {
        let outcome = match self.next() % 10 {
            0 => EchoOutcome::TimedOut,
            1 => EchoOutcome::Unsent(SendFailure::NoRoute),
            of => EchoOutcome::Replied {
                rtt: self.us(),
                claimed_delay: Micros::new(17).unwrap(),
                stamp: Stamp::Kernel,
                suspect: of == 2,
            },
        };
        Measurement {
            check,
            slot: UnixMillis(slot),
            lateness: Micros::new(250).unwrap(),
            outcome: Outcome::Echo(outcome),
        }
    }

    fn status(&mut self, slot: u64) -> Measurement {
        let result = match self.next() % 6 {
            0 => EndpointResult::Failed {
                phase: Phase::Connect,
                cause: FailureCause::Refused,
                text: "connection refused".to_owned(),
            },
            1 => EndpointResult::Failed {
                phase: Phase::Verify,
                cause: FailureCause::BadStatus,
                text: "500".to_owned(),
            },
            2 => EndpointResult::Unsent(SendFailure::Resources),
            _ => EndpointResult::Ok {
                phases: Phases {
                    resolve: self.us(),
                    connect: self.us(),
                    tls: self.us(),
                    first_byte: Micros::new(22_000).unwrap(),
                    transfer: Micros::new(300).unwrap(),
                    unattributed: Micros::new(12).unwrap(),
                },
                body_bytes: 512,
                node_uptime_s: Some(3_600),
                node_version: "4.2.0".to_owned(),
            },
        };
        let cache = CacheState::ALL[self.next() as usize % CacheState::ALL.len()];
        Measurement {
            check: 2,
            slot: UnixMillis(slot),
            lateness: Micros::new(900).unwrap(),
            outcome: Outcome::Endpoint(Box::new(EndpointOutcome {
                address: "192.0.2.7".parse().ok(),
                http_status: Some(200),
                cache,
                certificate_expires: None,
                result,
            })),
        }
    }
}

type OracleKey = (Kind, ProbeId, TargetId, UnixMillis, CacheState, bool);

#[derive(Default, Debug)]
struct Counted {
    skipped: u64,
    run: u64,
    ok: u64,
    losses: BTreeMap<String, u64>,
    times: BTreeMap<Timing, Vec<u64>>,
}

/// Every measurement, one by one.
pub(super) struct Oracle(BTreeMap<OracleKey, Counted>);

impl Oracle {
    pub(super) fn of(store: &Store, period: Period) -> Self {
        let mut counted: BTreeMap<OracleKey, Counted> = BTreeMap::new();
        let scanned = store.scan(ScanRange::default(), |stored| {
            let key = |check: u16, slot: UnixMillis, cache, suspect| {
                let (check, target) = stored.plan.target_of(check).unwrap();
                let start = UnixMillis(slot.0 / period.millis() * period.millis());
                (check.kind, stored.probe, target.id, start, cache, suspect)
            };
            for range in &stored.batch.header.skipped {
                let interval = stored.plan.checks[usize::from(range.check)]
                    .schedule
                    .interval_ms();
                for place in 0..u64::from(range.count) {
                    let slot = UnixMillis(range.first_slot.0 + place * u64::from(interval));
                    let key = key(range.check, slot, CacheState::Absent, false);
                    counted.entry(key).or_default().skipped += 1;
                }
            }
            for run in stored.batch.measurements() {
                let (cache, suspect) = match &run.outcome {
                    Outcome::Echo(EchoOutcome::Replied { suspect, .. }) => (CacheState::Absent, *suspect),
                    Outcome::Endpoint(outcome) => (outcome.cache, false),
                    _ => (CacheState::Absent, false),
                };
                let of = counted
                    .entry(key(run.check, run.slot, cache, suspect))
                    .or_default();
                of.run += 1;
                of.add(&run.outcome);
            }
            ControlFlow::Continue(())
        });
        scanned.unwrap();
        Self(counted)
    }

    pub(super) fn compare(&self, given: &[Rollup], what: &str) {
        let keys: Vec<OracleKey> = given
            .iter()
            .map(|rollup| {
                (
                    rollup.kind,
                    rollup.probe,
                    rollup.target,
                    rollup.start,
                    rollup.cache,
                    rollup.suspect,
                )
            })
            .collect();
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, self.0.keys().copied().collect::<Vec<_>>(), "{what}");
        for (key, rollup) in keys.iter().zip(given) {
            let (expected, sums) = (&self.0[key], &rollup.sums);
            let counts = (sums.skipped, sums.run, sums.ok, sums.planned());
            let expected_counts = (
                expected.skipped,
                expected.run,
                expected.ok,
                expected.run + expected.skipped,
            );
            assert_eq!(counts, expected_counts, "{what}: {key:?}");
            let losses: BTreeMap<String, u64> = sums
                .losses
                .iter()
                .map(|(loss, count)| (loss.to_string(), *count))
                .collect();
            assert_eq!(losses, expected.losses, "{what}: {key:?}");
            for timing in Timing::ALL {
                let samples = expected.times.get(&timing).cloned().unwrap_or_default();
                compare_times(
                    sums.times(timing),
                    samples,
                    &format!("{what}: {key:?} {timing:?}"),
                );
            }
        }
    }
}

impl Counted {
    fn add(&mut self, outcome: &Outcome) {
        let mut lost = |words: String| *self.losses.entry(words).or_default() += 1;
        match outcome {
            Outcome::Echo(EchoOutcome::TimedOut) => lost("timed-out".to_owned()),
            Outcome::Echo(EchoOutcome::Unsent(cause)) => lost(format!("unsent/{cause}")),
            Outcome::Echo(EchoOutcome::Replied { rtt, .. }) => {
                self.ok += 1;
                self.times
                    .entry(Timing::Rtt)
                    .or_default()
                    .push(u64::from(rtt.get()).max(1));
            }
            Outcome::Endpoint(outcome) => match &outcome.result {
                EndpointResult::Failed { phase, cause, .. } => lost(format!("{phase}/{cause}")),
                EndpointResult::Unsent(cause) => lost(format!("unsent/{cause}")),
                EndpointResult::Ok { phases, .. } => {
                    self.ok += 1;
                    let connect = u64::from(phases.connect.get()).max(1);
                    self.times.entry(Timing::Connect).or_default().push(connect);
                    self.times
                        .entry(Timing::FirstByte)
                        .or_default()
                        .push(phases.ttfb_us());
                    for (timing, us) in [(Timing::Resolve, phases.resolve), (Timing::Tls, phases.tls)] {
                        if us.get() > 0 {
                            self.times.entry(timing).or_default().push(u64::from(us.get()));
                        }
                    }
                }
            },
            Outcome::Connect(_) => unreachable!("this world has none"),
        }
    }
}

fn compare_times(given: &LogHistogram, mut samples: Vec<u64>, what: &str) {
    samples.iter_mut().for_each(|us| *us = (*us).min(100_000_000));
    samples.sort_unstable();
    assert_eq!(given.count(), samples.len() as u64, "{what}");
    let ends = |us: Option<&u64>| us.map(|us| *us as f64);
    assert_eq!(
        (given.min_us(), given.max_us()),
        (ends(samples.first()), ends(samples.last())),
        "{what}"
    );
    for q in [0.05, 0.5, 0.9, 0.99] {
        let Some(got) = given.quantile_us(q) else {
            assert!(samples.is_empty(), "{what}");
            continue;
        };
        let rank = ((q * samples.len() as f64).ceil() as usize).clamp(1, samples.len());
        let exact = samples[rank - 1] as f64;
        assert!((got - exact).abs() <= exact * 0.0055, "{what}: {q} {got} {exact}");
    }
}
