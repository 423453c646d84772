//! What an echo costs on the wire: bytes, and processor time of encoding and decoding.
//!
//! Beside it, the plain way: rows of a struct through bincode and zstd, in the same run.

use anyhow::Result;
use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::frame::{self, MessageKind};
use isochrone_proto::ids::{Digest, EpochId, PlanVersion, ProbeId, Sequence, TargetId};
use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::ledger::{Adoption, HourCount};
use isochrone_proto::measurement::{EchoOutcome, Measurement, Outcome, Stamp};
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Micros, UnixMillis};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use super::process::thread_ns;
use super::{Bound, Figure, Measured};
use crate::statistics::median;

/// This module's figures.
pub const FIGURES: &[Figure] = &[
    Figure::quick(&["wire.bytes_per_echo", "wire.bytes_per_echo_rows"], bytes),
    Figure::quick(
        &[
            "wire.encode_ns_per_echo",
            "wire.encode_ns_per_echo_rows",
            "wire.decode_ns_per_echo",
            "wire.decode_ns_per_echo_rows",
        ],
        times,
    ),
];

const ECHOES: usize = 100;
const PEERS: u64 = 50;
const SEEDS: u64 = 501;
/// What issue 3 allows.
const BYTES_MAX: f64 = 8.0;

/// One second of a probe that measures 50 peers over both families every second: 100 echoes.
///
/// Base RTTs 1-300 ms, uniform, the same for both families of a peer; each run's RTT up to 10 % above it;
/// lateness 0-1 ms, uniform; 1 % lost; responders claim 5-60 us, one in fifty up to 1 ms. In the order of the
/// batcher: slot, then check.
fn realistic(seed: u64) -> (BatchHeader, Vec<Measurement>) {
    let mut random = StdRng::seed_from_u64(seed);
    let probe = ProbeId(random.random());
    let from = UnixMillis(1_790_000_000_000 + random.random_range(0..86_400_000));
    let mut measurements = Vec::with_capacity(ECHOES);
    for peer in 0..PEERS {
        let target = TargetId::of_peer(ProbeId(random.random()));
        let base_us = random.random_range(1_000.0..300_000.0);
        for (place, family) in [Family::V4, Family::V6].into_iter().enumerate() {
            let kind = Kind::new(Check::Echo, family);
            let schedule = Schedule::spread(probe, target, kind, 1_000, 2_000).expect("within bounds");
            measurements.push(Measurement {
                check: (peer * 2) as u16 + place as u16,
                slot: schedule.first_from(from),
                lateness: micros(random.random_range(0.0..1_000.0)),
                outcome: Outcome::Echo(outcome(&mut random, base_us)),
            });
        }
    }
    measurements.sort_by_key(|measurement| (measurement.slot, measurement.check));
    (header(&mut random, from), measurements)
}

/// What became of one echo, around a base RTT.
pub(super) fn outcome(random: &mut StdRng, base_us: f64) -> EchoOutcome {
    if random.random_bool(0.01) {
        return EchoOutcome::TimedOut;
    }
    let claimed_us = if random.random_bool(0.02) {
        random.random_range(60.0..1_000.0)
    } else {
        random.random_range(5.0..60.0)
    };
    EchoOutcome::Replied {
        rtt: micros(base_us * random.random_range(1.0..1.1)),
        claimed_delay: micros(claimed_us),
        stamp: Stamp::Kernel,
        suspect: false,
    }
}

/// Rounded.
pub(super) fn micros(us: f64) -> Micros {
    Micros::new(us.round() as u64).expect("below 100 s")
}

/// A batch in the middle of an epoch that has run for some hours.
fn header(random: &mut StdRng, from: UnixMillis) -> BatchHeader {
    let version = PlanVersion {
        promotion: 0,
        number: random.random_range(1..500),
    };
    let run = random.random_range(1_000..350_000);
    BatchHeader {
        epoch: EpochId(random.random()),
        sequence: Sequence(random.random_range(1_000..100_000)),
        previous: Digest(random.random()),
        adopted: Adoption {
            version,
            first_slot: UnixMillis(from.0 - random.random_range(0..86_400_000)),
        },
        plan: version,
        cut: UnixMillis(from.0 + 1_000),
        hours: vec![HourCount {
            hour: from.hour(),
            planned: run,
            run,
            skipped: 0,
            pending: random.random_range(0..30),
        }],
        skipped: vec![],
        events: vec![],
        source_ports: vec![],
    }
}

fn encode(header: BatchHeader, measurements: &[Measurement]) -> Result<Vec<u8>> {
    let batch = Batch::pack(header, measurements)?;
    Ok(frame::seal(MessageKind::Batch, &codec::encode_batch(&batch))?)
}

/// Reads every echo of a frame, as the collector does; the sum keeps the work from being left out.
fn decode(bytes: &[u8]) -> Result<u64> {
    let (_, payload, _) = frame::read(bytes)?;
    let batch = codec::decode_batch(&payload)?;
    Ok(batch
        .echoes()
        .map(|row| row.slot.0 + u64::from(row.check) + rtt_us(&row.outcome))
        .sum())
}

fn rtt_us(outcome: &EchoOutcome) -> u64 {
    match outcome {
        EchoOutcome::Replied { rtt, .. } => u64::from(rtt.get()),
        EchoOutcome::TimedOut | EchoOutcome::Unsent(_) => 0,
    }
}

/// The plain way to send the same: a struct a row.
#[derive(Serialize, Deserialize)]
struct Row {
    check: u16,
    slot_ms: u64,
    lateness_us: u32,
    rtt_us: Option<u32>,
    claimed_delay_us: Option<u32>,
    stamp: Option<Stamp>,
    suspect: bool,
}

#[derive(Serialize, Deserialize)]
struct Rows {
    header: BatchHeader,
    rows: Vec<Row>,
}

fn encode_rows(header: BatchHeader, measurements: &[Measurement]) -> Result<Vec<u8>> {
    let row = |measurement: &Measurement| {
        let replied = match measurement.outcome {
            Outcome::Echo(EchoOutcome::Replied {
                rtt,
                claimed_delay,
                stamp,
                suspect,
            }) => Some((rtt.get(), claimed_delay.get(), stamp, suspect)),
            Outcome::Echo(_) | Outcome::Endpoint(_) | Outcome::Connect(_) => None,
        };
        Row {
            check: measurement.check,
            slot_ms: measurement.slot.0,
            lateness_us: measurement.lateness.get(),
            rtt_us: replied.map(|replied| replied.0),
            claimed_delay_us: replied.map(|replied| replied.1),
            stamp: replied.map(|replied| replied.2),
            suspect: replied.is_some_and(|replied| replied.3),
        }
    };
    let rows = Rows {
        header,
        rows: measurements.iter().map(row).collect(),
    };
    let payload = bincode::serde::encode_to_vec(&rows, bincode::config::standard())?;
    Ok(zstd::bulk::compress(&payload, 1)?)
}

fn decode_rows(bytes: &[u8]) -> Result<u64> {
    const LIMIT: usize = 1 << 20;
    let payload = zstd::bulk::decompress(bytes, LIMIT)?;
    let config = bincode::config::standard().with_limit::<LIMIT>();
    let (rows, _): (Rows, usize) = bincode::serde::decode_from_slice(&payload, config)?;
    Ok(rows
        .rows
        .iter()
        .map(|row| row.slot_ms + u64::from(row.check) + u64::from(row.rtt_us.unwrap_or(0)))
        .sum())
}

fn bytes() -> Result<Vec<Measured>> {
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    for seed in 0..SEEDS {
        let (header, measurements) = realistic(seed);
        columns.push(encode(header.clone(), &measurements)?.len() as f64 / ECHOES as f64);
        rows.push(encode_rows(header, &measurements)?.len() as f64 / ECHOES as f64);
    }
    let how = |what: &str| {
        format!(
            "{what}: whole frame of {ECHOES} echoes, header included, / {ECHOES}; median of {SEEDS} seeds"
        )
    };
    Ok(vec![
        Measured {
            name: "wire.bytes_per_echo".into(),
            value: median(&columns),
            unit: "B",
            how: how("columns"),
            bound: Some(Bound::AtMost(BYTES_MAX)),
        },
        Measured {
            name: "wire.bytes_per_echo_rows".into(),
            value: median(&rows),
            unit: "B",
            how: how("for comparison, rows through bincode and zstd-1"),
            bound: None,
        },
    ])
}

const ROUNDS: usize = 41;
const BATCHES_A_ROUND: u64 = 200;

fn times() -> Result<Vec<Measured>> {
    let batches: Vec<_> = (0..BATCHES_A_ROUND).map(realistic).collect();
    let frames = both(&batches, encode)?;
    let row_frames = both(&batches, encode_rows)?;
    let mut taken = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let rounds = [
            per_echo(|| both(&batches, encode).map(drop))?,
            per_echo(|| both(&batches, encode_rows).map(drop))?,
            per_echo(|| sum(&frames, decode))?,
            per_echo(|| sum(&row_frames, decode_rows))?,
        ];
        for (all, round) in taken.iter_mut().zip(rounds) {
            all.push(round);
        }
    }
    let how =
        "processor time of the thread; columns and rows in turn; median of 41 rounds of 200 batches of 100";
    let names = FIGURES[1].names.iter().zip(&taken);
    Ok(names
        .map(|(name, rounds)| Measured {
            name: (*name).into(),
            value: median(rounds),
            unit: "ns",
            how: how.to_owned(),
            bound: None,
        })
        .collect())
}

type Sample = (BatchHeader, Vec<Measurement>);

fn both(
    batches: &[Sample],
    encode: fn(BatchHeader, &[Measurement]) -> Result<Vec<u8>>,
) -> Result<Vec<Vec<u8>>> {
    batches
        .iter()
        .map(|(header, measurements)| encode(header.clone(), measurements))
        .collect()
}

fn sum(frames: &[Vec<u8>], decode: fn(&[u8]) -> Result<u64>) -> Result<()> {
    let mut total = 0u64;
    for frame in frames {
        total = total.wrapping_add(decode(frame)?);
    }
    std::hint::black_box(total);
    Ok(())
}

/// Nanoseconds of this thread's processor time an echo.
fn per_echo(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = thread_ns()?;
    work()?;
    let echoes = BATCHES_A_ROUND as f64 * ECHOES as f64;
    Ok((thread_ns()? - started) as f64 / echoes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echo_costs_at_most_eight_bytes_and_less_than_rows() {
        let measured = bytes().unwrap();
        for one in &measured {
            assert!(one.holds(), "{}", one.line("test"));
        }
        assert!(measured[0].value < measured[1].value / 1.3, "{measured:?}");
        assert!(
            measured[0].value > 5.0,
            "below its entropy: the sample is not what it says"
        );
    }

    #[test]
    fn sample_is_as_described() {
        let (mut lost, mut rtts, mut all) = (0, Vec::new(), 0);
        for seed in 0..200 {
            let (_, measurements) = realistic(seed);
            assert_eq!(measurements.len(), ECHOES, "seed {seed}");
            for measurement in measurements {
                all += 1;
                assert!(measurement.lateness.get() <= 1_000);
                match measurement.outcome {
                    Outcome::Echo(EchoOutcome::Replied { rtt, .. }) => rtts.push(f64::from(rtt.get())),
                    _ => lost += 1,
                }
            }
        }
        let loss = f64::from(lost) / f64::from(all);
        assert!((0.007..0.013).contains(&loss), "loss {loss}");
        assert!(rtts.iter().all(|rtt| (1_000.0..=330_000.0).contains(rtt)));
        let middle = median(&rtts);
        assert!((145_000.0..172_000.0).contains(&middle), "median RTT {middle} us");
    }

    #[test]
    fn both_ways_carry_the_same_measurements() {
        for seed in 0..20 {
            let (header, measurements) = realistic(seed);
            let expected: u64 = measurements
                .iter()
                .map(|row| match &row.outcome {
                    Outcome::Echo(outcome) => row.slot.0 + u64::from(row.check) + rtt_us(outcome),
                    Outcome::Endpoint(_) | Outcome::Connect(_) => {
                        unreachable!("the sample holds echoes only")
                    }
                })
                .sum();
            let columns = encode(header.clone(), &measurements).unwrap();
            assert_eq!(decode(&columns).unwrap(), expected, "seed {seed}");
            let rows = encode_rows(header, &measurements).unwrap();
            assert_eq!(decode_rows(&rows).unwrap(), expected, "seed {seed}");
        }
    }

    #[test]
    fn times_are_taken_for_every_name() {
        let batches: Vec<_> = (0..2).map(realistic).collect();
        let frames = both(&batches, encode).unwrap();
        assert!(per_echo(|| sum(&frames, decode)).unwrap() > 0.0);
        assert_eq!(FIGURES[1].names.len(), 4);
    }
}
