//! Measurements as documents: the same keys as in an export, and an id that says which measurement it is and nothing of
//! whose disk it came from.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use isochrone_base::kinds::OutcomeJson;
use isochrone_proto::ids::{EpochId, ProbeId, TargetId};
use isochrone_proto::kind::Kind;
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
        let mut hasher = blake3::Hasher::new();
        hasher.update(DOMAIN);
        hasher.update(&id.probe.0.to_be_bytes());
        hasher.update(&id.epoch.0);
        hasher.update(&id.target.0.to_be_bytes());
        hasher.update(&id.slot.0.to_be_bytes());
        hasher.update(id.kind.to_string().as_bytes());
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
    /// The index of a period, by family and day.
    indices: HashMap<(Family, u64), Arc<str>>,
    heads: HashMap<HeadKey, Arc<[u8]>>,
    /// Of what was written since [`Writer::take_hours`].
    hours: HourSet,
}

/// Everything in a document's first half.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct HeadKey {
    probe: ProbeId,
    epoch: EpochId,
    plan: (u32, u64),
    check: u16,
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
        let epoch = stored.epoch.to_string();
        self.note_hours(stored);
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
            let key = HeadKey {
                probe: stored.probe,
                epoch: stored.epoch,
                plan: (stored.plan.version.promotion, stored.plan.version.number),
                check: measurement.check,
            };
            if self.heads.len() > HEADS_MAX {
                self.heads.clear();
            }
            let head = self
                .heads
                .entry(key)
                .or_insert_with(|| head(&stored.plan.probe_name, &epoch, &id, &target.name).into());
            let mut source = Vec::with_capacity(head.len() + 160);
            source.extend_from_slice(head);
            let wrote = write!(
                source,
                "\"slot\":{},\"lateness_us\":{},",
                measurement.slot.0,
                measurement.lateness.get()
            );
            wrote.expect("memory takes what is written to it");
            let at = source.len();
            serde_json::to_writer(&mut source, &OutcomeJson::of(&measurement.outcome))
                .expect("an outcome is an object of text and numbers");
            source.remove(at); // the outcome's own brace
            let day = measurement.slot.0 / DAY_MS;
            let family = Family::of(check.kind);
            let names = &self.names;
            let index = self
                .indices
                .entry((family, day))
                .or_insert_with(|| names.index(family, measurement.slot).into());
            each(Document {
                id: DocumentId::of(&id),
                index: Arc::clone(index),
                source,
                version: None,
            });
        }
        if let Some((first, last)) = hours {
            self.hours.insert(first, last);
        }
    }
}

fn head(probe: &str, epoch: &str, id: &MeasurementId, target: &str) -> Vec<u8> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "{{\"probe\":{},\"probe_id\":\"{}\",\"epoch\":\"{epoch}\",\"kind\":\"{}\",\"target\":{},\"target_id\":\"{}\",",
        text(probe),
        id.probe,
        id.kind,
        text(target),
        id.target
    )
    .into_bytes()
}

/// Stands before every id that is hashed: another use of the same bytes gives other hashes.
const DOMAIN: &[u8] = b"isochrone document 1";
/// First halves that are kept.
const HEADS_MAX: usize = 65_536;
const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests;
