//! The demo's past: fifteen simulated days, so that the reports have days to draw intervals from.
//!
//! Pure: a plan, a place and a seed in, batches out, as the probe itself would have packed them.

use std::net::IpAddr;

use isochrone_borrowed::host_as_kept;
use isochrone_proto::batch::{Batch, BatchHeader};
use isochrone_proto::codec;
use isochrone_proto::ids::{Digest, EpochId, Sequence};
use isochrone_proto::kind::{Check, Layout};
use isochrone_proto::ledger::{Adoption, Event, HourCount};
use isochrone_proto::limits::BATCH_ROWS_MAX;
use isochrone_proto::measurement::{
    CacheState, ConnectOutcome, ConnectPhases, ConnectResult, EchoOutcome, EndpointOutcome, EndpointResult,
    FailureCause, Measurement, Outcome, Phase, Phases, Stamp,
};
use isochrone_proto::plan::{Plan, PlannedCheck, Target, TargetAddress};
use isochrone_proto::units::{Hour, Micros, UnixMillis};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::time::Duration;

use super::world::{CITIES, rtt_with_jitter};

/// Days before the demo starts.
pub const DAYS: u64 = 15;
/// The node that answers slowly, now and in the past.
pub const SLOW_NODE: &str = "mumbai";
/// How much later it answers.
pub const SLOW_BY: Duration = Duration::from_millis(700);
/// The past's one outage: this node, so long before the start, for so long.
pub const OUTAGE: (&str, Duration, Duration) = (
    "tokyo",
    Duration::from_secs(6 * 86_400 + 3_600),
    Duration::from_secs(25 * 60),
);

/// One probe's past.
pub struct History<'a> {
    /// The plan it followed.
    pub plan: &'a Plan,
    /// Where it stood: index in [`CITIES`].
    pub city: usize,
    /// The epoch.
    pub epoch: EpochId,
    /// First instant.
    pub from: UnixMillis,
    /// First instant after the last.
    pub until: UnixMillis,
}

impl History<'_> {
    /// Every batch, in sequence, encoded.
    #[must_use]
    pub fn batches(&self, seed: u64) -> Vec<(Batch, Vec<u8>)> {
        let mut random = SmallRng::seed_from_u64(seed);
        let (mut batches, mut previous) = (Vec::new(), Digest::ZERO);
        let mut at = self.from;
        while at < self.until {
            let cut = self.until.min(at.plus(WINDOW)).min(at.hour().end());
            let (header, rows) = self.window(at, cut, batches.len() as u64 + 1, previous, &mut random);
            let batch = Batch::pack(header, &rows).expect("a window holds fewer rows than a batch may");
            let payload = codec::encode_batch(&batch);
            previous = Digest::of(&payload);
            batches.push((batch, payload));
            at = cut;
        }
        batches
    }

    fn window(
        &self,
        from: UnixMillis,
        cut: UnixMillis,
        sequence: u64,
        previous: Digest,
        random: &mut SmallRng,
    ) -> (BatchHeader, Vec<Measurement>) {
        let mut rows = Vec::new();
        for (index, check) in self.plan.checks.iter().enumerate() {
            let Some((_, target)) = self.plan.target_of(index as u16) else {
                continue;
            };
            let mut slot = check.schedule.first_from(from);
            while slot < cut && rows.len() < BATCH_ROWS_MAX {
                rows.push(self.run(index as u16, check, target, slot, random));
                slot = check.schedule.after(slot);
            }
        }
        rows.sort_by_key(|row| (row.slot, row.check));
        let last = cut == self.until;
        let header = BatchHeader {
            epoch: self.epoch,
            sequence: Sequence(sequence),
            previous,
            adopted: Adoption {
                version: self.plan.version,
                first_slot: self.from,
            },
            plan: self.plan.version,
            cut,
            hours: vec![self.hour_at(cut)],
            skipped: Vec::new(),
            events: if last { vec![Event::Closed] } else { Vec::new() },
            source_ports: Vec::new(),
        };
        (header, rows)
    }

    /// Everything planned was run.
    fn hour_at(&self, cut: UnixMillis) -> HourCount {
        let hour = Hour(cut.0.saturating_sub(1).div_euclid(3_600_000) as u32);
        let planned = self.plan.count_slots(hour.start().max(self.from), cut);
        HourCount {
            hour,
            planned,
            run: planned,
            skipped: 0,
            pending: 0,
        }
    }

    fn run(
        &self,
        index: u16,
        check: &PlannedCheck,
        target: &Target,
        slot: UnixMillis,
        random: &mut SmallRng,
    ) -> Measurement {
        let city = city_of(&target.name).unwrap_or(self.city);
        let rtt = self.swing(slot, rtt_with_jitter(self.city, city, random.random()));
        let outcome = match check.kind.check.layout() {
            Layout::Echo => Outcome::Echo(echo(rtt, random)),
            Layout::Endpoint => Outcome::Endpoint(Box::new(self.endpoint(check, target, slot, rtt, random))),
            Layout::Connect => {
                let request = self.endpoint(check, target, slot, rtt, random);
                Outcome::Connect(Box::new(connection_of(request)))
            }
        };
        let lateness = Micros::saturating(Duration::from_micros(random.random_range(0..900)));
        Measurement {
            check: index,
            slot,
            lateness,
            outcome,
        }
    }

    /// Paths are a little longer in the evening and differ from day to day, as real ones do.
    fn swing(&self, slot: UnixMillis, rtt: Duration) -> Duration {
        let day = slot.0 / 86_400_000;
        let daily = (day.wrapping_mul(2_654_435_761) >> 7) % 100; // some number from the day
        let evening = ((slot.0 / 3_600_000 % 24).abs_diff(19) < 3) as u64 * 2;
        rtt.mul_f64(1.0 + daily as f64 / 2_500.0 + evening as f64 / 100.0)
    }

    fn endpoint(
        &self,
        check: &PlannedCheck,
        target: &Target,
        slot: UnixMillis,
        rtt: Duration,
        random: &mut SmallRng,
    ) -> EndpointOutcome {
        let (name, before, lasted) = OUTAGE;
        let outage = self.until.minus(before);
        let address = address_of(target);
        let down = target.name == name && (outage..outage.plus(lasted)).contains(&slot);
        if down || random.random_ratio(1, 4_000) {
            let result = EndpointResult::Failed {
                phase: Phase::Connect,
                cause: FailureCause::Refused,
                text: "Connection refused (os error 111)".to_owned(),
            };
            return EndpointOutcome {
                address,
                http_status: None,
                cache: CacheState::Absent,
                certificate_expires: None,
                result,
            };
        }
        answer(check.kind.check, target, slot, rtt, random)
    }
}

/// What a node that is up answers.
fn answer(
    check: Check,
    target: &Target,
    slot: UnixMillis,
    rtt: Duration,
    random: &mut SmallRng,
) -> EndpointOutcome {
    let served = Duration::from_micros(random.random_range(1_500..4_000))
        + if target.name == SLOW_NODE {
            SLOW_BY
        } else {
            Duration::ZERO
        };
    let asset = check == Check::AssetGet;
    let phases = Phases {
        connect: Micros::saturating(rtt),
        first_byte: Micros::saturating(rtt.mul_f64(1.01) + served),
        transfer: Micros::saturating(if asset { rtt.mul_f64(0.3) } else { Duration::ZERO }),
        unattributed: Micros::saturating(Duration::from_micros(random.random_range(50..200))),
        ..Phases::default()
    };
    let status = check == Check::Status;
    EndpointOutcome {
        address: address_of(target),
        http_status: Some(if asset { 206 } else { 200 }),
        cache: if check.is_asset() {
            CacheState::Hit
        } else {
            CacheState::Absent
        },
        certificate_expires: None,
        result: EndpointResult::Ok {
            phases,
            body_bytes: if asset { 65_536 } else { 512 },
            node_uptime_s: status.then_some(slot.0 / 1_000 % (40 * 86_400)),
            node_version: if status { "2.1.2".to_owned() } else { String::new() },
        },
    }
}

/// The connection that a request was made over.
fn connection_of(request: EndpointOutcome) -> ConnectOutcome {
    ConnectOutcome {
        address: request.address,
        certificate_expires: request.certificate_expires,
        result: match request.result {
            EndpointResult::Ok { phases, .. } => ConnectResult::Connected(ConnectPhases {
                resolve: phases.resolve,
                connect: phases.connect,
                tls: phases.tls,
                unattributed: phases.unattributed,
            }),
            EndpointResult::Failed { phase, cause, text } => ConnectResult::Failed { phase, cause, text },
            EndpointResult::Unsent(cause) => ConnectResult::Unsent(cause),
        },
    }
}

fn echo(rtt: Duration, random: &mut SmallRng) -> EchoOutcome {
    if random.random_ratio(1, 500) {
        return EchoOutcome::TimedOut;
    }
    EchoOutcome::Replied {
        rtt: Micros::saturating(rtt),
        claimed_delay: Micros::saturating(Duration::from_micros(random.random_range(15..60))),
        stamp: Stamp::Kernel,
        suspect: false,
    }
}

/// Where a node of the demo listens: all of them on this machine.
fn address_of(target: &Target) -> Option<IpAddr> {
    let TargetAddress::Endpoint { url, .. } = &target.address else {
        return None;
    };
    host_as_kept(url)?.parse().ok()
}

/// The city a node or probe of the demo stands in: a probe's name ends with its city.
fn city_of(name: &str) -> Option<usize> {
    let city = name.rsplit_once('-').map_or(name, |(_, city)| city);
    CITIES.iter().position(|known| known.name == city)
}

/// Slots of a batch span at most so long.
const WINDOW: Duration = Duration::from_secs(30 * 60);
