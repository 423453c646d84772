//! Measurements as documents: the same keys as in an export, and an id that says which measurement it is and nothing of
//! whose disk it came from.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use isochrone_base::kinds::OutcomeJson;
use isochrone_proto::ids::{EpochId, ProbeId, TargetId};
use isochrone_proto::kind::Kind;
use isochrone_proto::schedule::Schedule;
use isochrone_proto::units::UnixMillis;
use isochrone_store::Stored;

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
        let hash = hasher.finalize();
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
        }
    }

    /// Only of slots at or after `from`.
    #[must_use]
    pub fn since(self, from: UnixMillis) -> Self {
        Self { from, ..self }
    }

    /// The documents of a batch, in its order.
    pub fn documents(&mut self, stored: &Stored, mut each: impl FnMut(Document)) {
        let epoch = stored.epoch.to_string();
        for measurement in stored.batch.measurements() {
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
            let head = self.heads.entry(key).or_insert_with(|| {
                head(
                    (&stored.plan.probe_name, &epoch),
                    &id,
                    &target.name,
                    &check.schedule,
                )
                .into()
            });
            let mut source = Vec::with_capacity(head.len() + 160);
            source.extend_from_slice(head);
            let wrote = write!(
                source,
                "\"slot\":{},\"lateness_us\":{},\"arrival_ms\":{},",
                measurement.slot.0,
                measurement.lateness.get(),
                i128::from(stored.received.0) - i128::from(measurement.slot.0)
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
            });
        }
    }
}

fn head((probe, epoch): (&str, &str), id: &MeasurementId, target: &str, schedule: &Schedule) -> Vec<u8> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "{{\"probe\":{},\"probe_id\":\"{}\",\"epoch\":\"{epoch}\",\"kind\":\"{}\",\"target\":{},\"target_id\":\"{}\",\
         \"interval_ms\":{},\"timeout_ms\":{},",
        text(probe),
        id.probe,
        id.kind,
        text(target),
        id.target,
        schedule.interval_ms(),
        schedule.timeout_ms()
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
