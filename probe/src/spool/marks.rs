//! How far each epoch is stored, kept beside the segments so that a restart without a collector still knows
//! what may be dropped first. Losing it costs nothing but that: a Welcome tells the marks again.

use std::collections::HashMap;

use isochrone_proto::ids::{EpochId, Sequence};
use serde::{Deserialize, Serialize};

use super::Spool;

const FILE: &str = "marks.json";

/// One epoch's marks.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct KeptMark {
    #[serde(with = "hex")]
    epoch: EpochId,
    pub(super) stored: Sequence,
    pub(super) safe: Sequence,
    #[serde(default)]
    pub(super) forked: bool,
}

impl Spool {
    /// Keeps the marks, if they changed since the last call.
    pub(crate) fn save_marks(&mut self) {
        self.save_refused();
        if !std::mem::take(&mut self.marks_changed) {
            return;
        }
        let marks: Vec<KeptMark> = self
            .logs
            .values()
            .filter(|log| log.has_records())
            .map(|log| KeptMark {
                epoch: log.epoch,
                stored: log.stored,
                safe: log.safe,
                forked: log.forked,
            })
            .collect();
        let text = serde_json::to_vec(&marks).expect("numbers and hexadecimal text become JSON");
        if let Err(error) = self.disk.replace(FILE, &text) {
            tracing::debug!(%error, file = FILE, "the spool's marks could not be kept; the collector tells them again");
            self.marks_changed = true;
        }
    }

    pub(super) fn load_marks(&self) -> HashMap<EpochId, KeptMark> {
        let marks: Vec<KeptMark> = match self.disk.read(FILE) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, file = FILE, "the spool's marks are damaged; the collector tells them again");
                Vec::new()
            }),
            Err(_) => Vec::new(), // a new spool
        };
        marks.into_iter().map(|mark| (mark.epoch, mark)).collect()
    }
}

pub(super) mod hex {
    use isochrone_proto::ids::EpochId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::spool) fn serialize<S: Serializer>(
        epoch: &EpochId,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(epoch)
    }

    pub(in crate::spool) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<EpochId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
