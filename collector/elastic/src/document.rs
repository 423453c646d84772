//! Measurements as documents: the same keys as in an export, and an id that says which measurement it is and nothing of
//! whose disk it came from.

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use isochrone_base::kinds::OutcomeJson;
use isochrone_proto::ids::{EpochId, ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::{EchoOutcome, Measurement, Outcome, Stamp};
use isochrone_proto::plan::Target;
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::{Hour, UnixMillis};
use isochrone_store::Stored;

use crate::hours::HourSet;
use crate::index::{Family, Names};

/// A document's `_id`: base64url of the first 128 bits of BLAKE3 over the measurement's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId([u8; 16]);

/// What a measurement's id is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasurementId {
    /// Who measured.
    pub probe: ProbeId,
    /// In which of its streams.
    pub epoch: EpochId,
    /// How.
    pub kind: Kind,
    /// What.
    pub target: TargetId,
    /// When it was planned.
    pub slot: UnixMillis,
}

impl DocumentId {
    /// The id of a measurement's document; the same on every collector and in every release.
    #[must_use]
    pub fn of(id: &MeasurementId) -> Self {
        Self::of_kind(id, id.kind.to_string().as_bytes())
    }

    /// The same, where the kind's text is at hand.
    fn of_kind(id: &MeasurementId, kind: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(DOMAIN);
        hasher.update(&id.probe.0.to_be_bytes());
        hasher.update(&id.epoch.0);
        hasher.update(&id.target.0.to_be_bytes());
        hasher.update(&id.slot.0.to_be_bytes());
        hasher.update(kind);
        Self::first_half(&hasher.finalize())
    }

    /// The id of a document that may be revised: of what names it, in `domain`, which says what it is.
    #[must_use]
    pub(crate) fn of_parts(domain: &[u8], parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(domain);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        Self::first_half(&hasher.finalize())
    }

    /// Writes it as [`DocumentId`] is shown.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        let at = out.len();
        out.resize(at + BASE64URL_NOPAD.encode_len(self.0.len()), 0);
        BASE64URL_NOPAD.encode_mut(&self.0, &mut out[at..]);
    }

    fn first_half(hash: &blake3::Hash) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&hash.as_bytes()[..16]);
        Self(half)
    }

    /// Reads it back; `None`: it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl std::fmt::Display for DocumentId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl std::fmt::Debug for DocumentId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, out)
    }
}

/// One document on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// Where it goes.
    pub index: Arc<str>,
    /// Its JSON, on one line.
    pub source: Vec<u8>,
    /// Of a document that may be revised: what is written over an older one, and never over a newer. `None`: it is made
    /// once, and never again.
    pub version: Option<u64>,
}

/// Makes documents, and keeps what is the same in many of them.
#[derive(Debug)]
pub struct Writer {
    names: Names,
    /// Earlier slots are passed over.
    from: UnixMillis,
    /// The newest index of each family, with its day: slots come nearly in order.
    indices: HashMap<Family, (u64, Arc<str>)>,
    /// First halves, by the check's place in its plan.
    heads: HashMap<HeadsKey, Vec<Option<Head>>>,
    /// Of what was written since [`Writer::take_hours`].
    hours: HourSet,
}

/// Everything in a document's first half but the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct HeadsKey {
    probe: ProbeId,
    epoch: EpochId,
    plan: (u32, u64),
}

/// What all documents of one check begin with.
#[derive(Clone, Debug)]
struct Head {
    json: Vec<u8>,
    /// As its text is hashed.
    kind: String,
}

impl Writer {
    /// Makes documents for indices of these names.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self {
            names,
            from: UnixMillis(0),
            indices: HashMap::new(),
            heads: HashMap::new(),
            hours: HourSet::default(),
        }
    }

    /// Only of slots at or after `from`.
    #[must_use]
    pub fn since(self, from: UnixMillis) -> Self {
        Self { from, ..self }
    }

    /// The hours that batches said something of since the last call.
    pub(crate) fn take_hours(&mut self) -> HourSet {
        std::mem::take(&mut self.hours)
    }

    fn note_hours(&mut self, stored: &Stored) {
        let header = &stored.batch.header;
        for range in &header.skipped {
            let last = header.cut.max(range.first_slot);
            self.hours.insert(range.first_slot.hour(), last.hour());
        }
    }

    /// The documents of a batch, in its order.
    pub fn documents(&mut self, stored: &Stored, mut each: impl FnMut(Document)) {
        self.note_hours(stored);
        if self.heads.len() > HEADS_MAX {
            self.heads.clear();
        }
        let key = HeadsKey {
            probe: stored.probe,
            epoch: stored.epoch,
            plan: (stored.plan.version.promotion, stored.plan.version.number),
        };
        let heads = self.heads.entry(key).or_default();
        heads.resize(stored.plan.checks.len(), None);
        let mut hours: Option<(Hour, Hour)> = None;
        for measurement in stored.batch.measurements() {
            let hour = measurement.slot.hour();
            hours = Some(hours.map_or((hour, hour), |(first, last)| (first.min(hour), last.max(hour))));
            if measurement.slot < self.from {
                continue;
            }
            let Some((check, target)) = stored.plan.target_of(measurement.check) else {
                continue; // ingest refused it: a stored row always has its check
            };
            let id = MeasurementId {
                probe: stored.probe,
                epoch: stored.epoch,
                kind: check.kind,
                target: target.id,
                slot: measurement.slot,
            };
            let Some(head) = heads.get_mut(usize::from(measurement.check)) else {
                continue; // a plan has a target for each of its checks
            };
            let head = head.get_or_insert_with(|| Head {
                json: head_of(&stored.plan.probe_name, &id, target, &check.schedule),
                kind: check.kind.to_string(),
            });
            let (family, day) = (Family::of(check.kind), measurement.slot.0 / DAY_MS);
            let names = &self.names;
            let index_of = || (day, names.index(family, measurement.slot).into());
            let index = self.indices.entry(family).or_insert_with(index_of);
            if index.0 != day {
                *index = index_of();
            }
            let arrival_ms = i128::from(stored.received.0) - i128::from(measurement.slot.0);
            each(Document {
                id: DocumentId::of_kind(&id, head.kind.as_bytes()),
                index: Arc::clone(&index.1),
                source: source(&head.json, &measurement, arrival_ms),
                version: None,
            });
        }
        if let Some((first, last)) = hours {
            self.hours.insert(first, last);
        }
    }
}

/// The keys of an export's line; of an echo those are left out that say what is so of nearly every one: `stamp` is
/// `kernel`, and `suspect` false.
fn source(head: &[u8], measurement: &Measurement, arrival_ms: i128) -> Vec<u8> {
    let mut source = Vec::with_capacity(head.len() + 120);
    source.extend_from_slice(head);
    source.extend_from_slice(b"\"slot\":");
    number(&mut source, measurement.slot.0);
    source.extend_from_slice(b",\"lateness_us\":");
    number(&mut source, measurement.lateness.get().into());
    source.extend_from_slice(b",\"arrival_ms\":");
    if arrival_ms < 0 {
        source.push(b'-');
    }
    number(
        &mut source,
        u64::try_from(arrival_ms.unsigned_abs()).unwrap_or(u64::MAX),
    );
    source.push(b',');
    match &measurement.outcome {
        Outcome::Echo(EchoOutcome::Replied {
            rtt,
            claimed_delay,
            stamp,
            suspect,
        }) => {
            source.extend_from_slice(b"\"outcome\":\"replied\",\"rtt_us\":");
            number(&mut source, rtt.get().into());
            source.extend_from_slice(b",\"claimed_delay_us\":");
            number(&mut source, claimed_delay.get().into());
            if *stamp == Stamp::User {
                source.extend_from_slice(b",\"stamp\":\"user\"");
            }
            if *suspect {
                source.extend_from_slice(b",\"suspect\":true");
            }
            source.push(b'}');
        }
        outcome => {
            let at = source.len();
            serde_json::to_writer(&mut source, &OutcomeJson::of(outcome))
                .expect("an outcome is an object of text and numbers");
            source.remove(at); // the outcome's own brace
        }
    }
    source
}

/// Writes a number in digits: there are three and more in every document.
fn number(out: &mut Vec<u8>, mut number: u64) {
    let (mut digits, mut at) = ([0_u8; 20], 20);
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn head_of(probe: &str, id: &MeasurementId, target: &Target, schedule: &Schedule) -> Vec<u8> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let candidate = match target.is_candidate() {
        true => "\"candidate\":true,",
        false => "",
    };
    format!(
        "{{\"probe\":{},\"probe_id\":\"{}\",\"epoch\":\"{}\",\"kind\":\"{}\",\"target\":{},\"target_id\":\"{}\",{candidate}\
          \"interval_ms\":{},\"timeout_ms\":{},",
        text(probe),
        id.probe,
        id.epoch,
        id.kind,
        text(&target.name),
        id.target,
        schedule.interval_ms(),
        schedule.timeout_ms()
    )
    .into_bytes()
}

/// Stands before every id that is hashed: another use of the same bytes gives other hashes.
const DOMAIN: &[u8] = b"isochrone document 1";
/// Epochs and plans whose first halves are kept.
const HEADS_MAX: usize = 1_024;
const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests;
