//! A batch: consecutive measurements of one epoch, as columns, with the account that goes with them.

mod layout;

use serde::{Deserialize, Serialize};

use crate::columns::rows::{Row, RowsError};
use crate::ids::{Digest, EpochId, PlanVersion, Sequence};
use crate::kind::Layout;
use crate::kind::connect::ConnectColumns;
use crate::kind::echo::EchoColumns;
pub use crate::kind::echo::EchoRow;
use crate::kind::http::EndpointColumns;
use crate::ledger::{Adoption, Event, HourCount, SkippedRange};
use crate::limits::BATCH_ROWS_MAX;
use crate::measurement::{Measurement, Outcome};
use crate::units::UnixMillis;

/// What is common to all rows of a batch, and the account up to its cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHeader {
    /// The run of the probe that its sequence counts in.
    pub epoch: EpochId,
    /// Number in the epoch; the first is 1.
    pub sequence: Sequence,
    /// Digest of the batch before; zeros before the first.
    pub previous: Digest,
    /// The adoption in force at the cut; told in every batch, so that no lost batch can hide it.
    pub adopted: Adoption,
    /// The plan whose checks and slots the rows and skipped ranges of this batch name: the one in force, or
    /// an earlier one of this epoch whose last runs ended after the change.
    pub plan: PlanVersion,
    /// Every slot before this instant is in the counts below.
    pub cut: UnixMillis,
    /// Cumulative counts, for the hours whose counts changed since the previous batch.
    pub hours: Vec<HourCount>,
    /// Slots that were not run.
    pub skipped: Vec<SkippedRange>,
    /// What else happened.
    pub events: Vec<Event>,
    /// Source ports of the echo sockets, IPv4 then IPv6: in an epoch's first batch, else empty.
    pub source_ports: Vec<u16>,
}

/// Where a batch stands in its epoch: all that can be told of one that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlace {
    /// The run of the probe that its sequence counts in.
    pub epoch: EpochId,
    /// Number in the epoch.
    pub sequence: Sequence,
    /// Digest of the batch before.
    pub previous: Digest,
    /// The whole header, where that can be read.
    pub header: Option<Box<BatchHeader>>,
}

/// A batch, checked: its columns agree in length and hold only values that mean something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Epoch, sequence, predecessor and account.
    pub header: BatchHeader,
    echo: Option<EchoColumns>,
    endpoint: Option<EndpointColumns>,
    connect: Option<ConnectColumns>,
}

impl Batch {
    /// Packs `measurements`: echoes and connections sorted by check, then slot; requests in the order given.
    ///
    /// # Errors
    /// When there are more than [`BATCH_ROWS_MAX`].
    pub fn pack(header: BatchHeader, measurements: &[Measurement]) -> Result<Self, BatchError> {
        if measurements.len() > BATCH_ROWS_MAX {
            return Err(BatchError::Rows {
                found: measurements.len(),
            });
        }
        let (mut echoes, mut endpoints, mut connects) = (Vec::new(), Vec::new(), Vec::new());
        for measurement in measurements {
            match &measurement.outcome {
                Outcome::Echo(outcome) => echoes.push(measurement.with(*outcome)),
                Outcome::Endpoint(outcome) => endpoints.push(measurement.with(&**outcome)),
                Outcome::Connect(outcome) => connects.push(measurement.with(&**outcome)),
            }
        }
        Ok(Self {
            header,
            echo: (!echoes.is_empty()).then(|| EchoColumns::pack(echoes)),
            endpoint: (!endpoints.is_empty()).then(|| EndpointColumns::pack(&endpoints)),
            connect: (!connects.is_empty()).then(|| ConnectColumns::pack(connects)),
        })
    }

    /// Checks everything that the serializer cannot. [`crate::codec::decode_batch`] calls it; nothing
    /// re-checks later.
    ///
    /// # Errors
    /// Names the first column or count that does not agree.
    pub(crate) fn check(&self) -> Result<(), BatchError> {
        if self.rows() > BATCH_ROWS_MAX {
            return Err(BatchError::Rows { found: self.rows() });
        }
        if self.header.sequence == Sequence::NONE {
            return Err(BatchError::SequenceZero);
        }
        if let Some(hour) = self
            .header
            .hours
            .iter()
            .find(|hour| hour.run.checked_add(hour.skipped) != Some(hour.planned))
        {
            return Err(BatchError::HourCounts(*hour));
        }
        if self.header.skipped.iter().any(|range| range.count == 0) {
            return Err(BatchError::EmptyRange);
        }
        if self.header.source_ports.len() > 64 {
            return Err(BatchError::SourcePorts);
        }
        if let Some(echo) = &self.echo {
            echo.check()?;
        }
        if let Some(endpoint) = &self.endpoint {
            endpoint.check()?;
        }
        if let Some(connect) = &self.connect {
            connect.check()?;
        }
        Ok(())
    }

    /// How many measurements it holds.
    #[must_use]
    pub fn rows(&self) -> usize {
        let endpoints = self.endpoint.as_ref().map_or(0, EndpointColumns::len);
        let connects = self.connect.as_ref().map_or(0, ConnectColumns::len);
        self.echo_rows_len() + endpoints + connects
    }

    /// How many of them are echoes.
    #[must_use]
    pub(crate) fn echo_rows_len(&self) -> usize {
        self.echo.as_ref().map_or(0, EchoColumns::len)
    }

    /// The echo rows, read from the columns one at a time.
    pub fn echoes(&self) -> impl Iterator<Item = EchoRow> + '_ {
        self.echo.iter().flat_map(EchoColumns::rows)
    }

    /// The rows of endpoints, requests before connections, read from the columns one at a time.
    pub fn endpoints(&self) -> impl Iterator<Item = Measurement> + '_ {
        let boxed = |row: Row<_>| row.map(|outcome| Outcome::Endpoint(Box::new(outcome)));
        let requests = self.endpoint.iter().flat_map(EndpointColumns::rows).map(boxed);
        let boxed = |row: Row<_>| row.map(|outcome| Outcome::Connect(Box::new(outcome)));
        requests.chain(self.connect.iter().flat_map(ConnectColumns::rows).map(boxed))
    }

    /// The rows of all layouts, one after the other.
    pub fn measurements(&self) -> impl Iterator<Item = Measurement> + '_ {
        let echoes = self.echoes().map(|row| row.map(Outcome::Echo));
        echoes.chain(self.endpoints())
    }

    /// (check, slot) of every row, in the order of [`Batch::measurements`]: all that placing it in the ledger needs.
    pub fn slots(&self) -> impl Iterator<Item = (u16, UnixMillis)> + '_ {
        self.slots_by_layout().map(|(_, check, slot)| (check, slot))
    }

    /// (layout, check, slot) of every row, in the same order: the layout must be that of the planned check.
    pub fn slots_by_layout(&self) -> impl Iterator<Item = (Layout, u16, UnixMillis)> + '_ {
        let of = |layout| move |(check, slot)| (layout, check, slot);
        let echo = self.echo.iter().flat_map(EchoColumns::slots);
        let endpoint = self.endpoint.iter().flat_map(EndpointColumns::slots);
        let connect = self.connect.iter().flat_map(ConnectColumns::slots);
        echo.map(of(Layout::Echo))
            .chain(endpoint.map(of(Layout::Endpoint)))
            .chain(connect.map(of(Layout::Connect)))
    }
}

/// Why the content of a batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// More rows than a batch may have.
    #[error("{found} measurements in one batch; at most 1000")]
    Rows {
        /// Rows found.
        found: usize,
    },
    /// Sequences start at 1.
    #[error("sequence 0")]
    SequenceZero,
    /// `planned` is not `run + skipped`.
    #[error("the counts of hour {} do not add up: planned {} is not run {} + skipped {}", .0.hour.0, .0.planned, .0.run, .0.skipped)]
    HourCounts(HourCount),
    /// A skipped range of no slots.
    #[error("a skipped range of no slots")]
    EmptyRange,
    /// More source ports than a probe has sockets.
    #[error("more than 64 source ports")]
    SourcePorts,
    /// Its columns do not hold rows.
    #[error(transparent)]
    Columns(#[from] RowsError),
}
