//! A stored batch's rows, each at its slot by the collector's clock: decoded and dated once, for all who take them in.

use isochrone_proto::batch::{Batch, EchoRow};
use isochrone_proto::measurement::Measurement;
use isochrone_proto::units::UnixMillis;

/// The rows of one batch; the room is used again for the next one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dated {
    pub(crate) echoes: Vec<EchoRow>,
    pub(crate) endpoints: Vec<Measurement>,
    /// Rows of the batch, those without a date included.
    pub(crate) rows: u64,
}

impl Dated {
    /// Takes the rows of `batch` in the place of those before. `date`: when a slot was; a row without a date is left out.
    pub(crate) fn fill(&mut self, batch: &Batch, date: impl Fn(UnixMillis) -> Option<UnixMillis>) {
        let Self {
            echoes,
            endpoints,
            rows,
        } = self;
        echoes.clear();
        endpoints.clear();
        *rows = batch.rows() as u64;
        batch.echoes().for_each(|row| {
            if let Some(slot) = date(row.slot) {
                echoes.push(EchoRow { slot, ..row });
            }
        });
        batch.endpoints().for_each(|mut row| {
            if let Some(slot) = date(row.slot) {
                row.slot = slot;
                endpoints.push(row);
            }
        });
    }

    /// The rows of `batch`.
    #[cfg(test)]
    pub(crate) fn of(batch: &Batch, date: impl Fn(UnixMillis) -> Option<UnixMillis>) -> Self {
        let mut dated = Self::default();
        dated.fill(batch, date);
        dated
    }
}
