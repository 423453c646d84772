//! A batch: consecutive measurements of one epoch, as columns, with the account that goes with them.

mod endpoint;
mod rows;

use serde::{Deserialize, Serialize};

pub use self::endpoint::EndpointColumns;
pub use self::rows::{EchoColumns, EchoRow};
use crate::columns::ColumnError;
use crate::ids::{Digest, EpochId, PlanVersion, Sequence};
use crate::ledger::{Adoption, Event, HourCount, SkippedRange};
use crate::limits::{BATCH_ROWS_MAX, BATCH_TEXTS_MAX, TEXT_BYTES_MAX};
use crate::measurement::{EndpointOutcome, Measurement, Outcome};
use crate::units::UnixMillis;

/// What is common to all rows of a batch, and the account up to its cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHeader {
    /// The epoch.
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

/// A batch, checked: its columns agree in length and hold only values that mean something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Header.
    pub header: BatchHeader,
    echo: Option<EchoColumns>,
    endpoint: Option<EndpointColumns>,
}

impl Batch {
    /// Packs `measurements`: echoes sorted by check, then slot; endpoints in the order given.
    ///
    /// # Errors
    /// When there are more than [`BATCH_ROWS_MAX`].
    pub fn pack(header: BatchHeader, measurements: &[Measurement]) -> Result<Self, BatchError> {
        if measurements.len() > BATCH_ROWS_MAX {
            return Err(BatchError::Rows {
                found: measurements.len(),
            });
        }
        let (mut echoes, mut endpoints) = (Vec::new(), Vec::new());
        for measurement in measurements {
            match &measurement.outcome {
                Outcome::Echo(outcome) => echoes.push(EchoRow {
                    check: measurement.check,
                    slot: measurement.slot,
                    lateness: measurement.lateness,
                    outcome: *outcome,
                }),
                Outcome::Endpoint(_) => endpoints.push(measurement),
            }
        }
        let echo = if echoes.is_empty() {
            None
        } else {
            Some(EchoColumns::pack(echoes))
        };
        let endpoint = if endpoints.is_empty() {
            None
        } else {
            Some(EndpointColumns::pack(&endpoints))
        };
        Ok(Self {
            header,
            echo,
            endpoint,
        })
    }

    /// Checks everything that the serializer cannot. [`crate::codec::decode_batch`] calls it; nothing
    /// re-checks later.
    ///
    /// # Errors
    /// Names the first column or count that does not agree.
    pub fn check(&self) -> Result<(), BatchError> {
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
        Ok(())
    }

    /// How many measurements it holds.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.echo_rows_len() + self.endpoint.as_ref().map_or(0, EndpointColumns::len)
    }

    /// How many of them are echoes.
    #[must_use]
    pub fn echo_rows_len(&self) -> usize {
        self.echo.as_ref().map_or(0, EchoColumns::len)
    }

    /// The echo rows, read from the columns one at a time.
    pub fn echoes(&self) -> impl Iterator<Item = EchoRow> + '_ {
        self.echo.iter().flat_map(EchoColumns::rows)
    }

    /// The endpoint rows, read from the columns one at a time.
    pub fn endpoints(&self) -> impl Iterator<Item = Measurement> + '_ {
        self.endpoint.iter().flat_map(EndpointColumns::rows)
    }

    /// Every measurement.
    pub fn measurements(&self) -> impl Iterator<Item = Measurement> + '_ {
        let echoes = self.echoes().map(|row| Measurement {
            check: row.check,
            slot: row.slot,
            lateness: row.lateness,
            outcome: Outcome::Echo(row.outcome),
        });
        echoes.chain(self.endpoints())
    }

    /// (check, slot) of every row: all that placing it in the plan and in the ledger needs.
    pub fn slots(&self) -> impl Iterator<Item = (u16, UnixMillis)> + '_ {
        let echo = self.echo.iter().flat_map(EchoColumns::slots);
        echo.chain(self.endpoint.iter().flat_map(EndpointColumns::slots))
    }
}

/// A table of texts that a batch names by index; index 0 is the empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Texts(Vec<String>);

impl Texts {
    fn index_of(&mut self, text: &str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        let text = truncated(text);
        let known = self.0.iter().position(|known| known == text);
        let index = known.unwrap_or_else(|| {
            self.0.push(text.to_owned());
            self.0.len() - 1
        });
        index as u64 + 1
    }

    fn get(&self, index: u64) -> &str {
        let place = index.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        place
            .and_then(|place| self.0.get(place))
            .map_or("", String::as_str)
    }

    fn check(&self) -> Result<(), BatchError> {
        if self.0.len() > BATCH_TEXTS_MAX || self.0.iter().any(|text| text.len() > TEXT_BYTES_MAX) {
            return Err(BatchError::Texts);
        }
        Ok(())
    }
}

/// `text`, cut at a character's boundary to what a message may carry.
fn truncated(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
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
    /// Too many or too long texts.
    #[error("more than 4096 texts, or one of more than 512 bytes")]
    Texts,
    /// A number that stands for nothing.
    #[error("{column} holds a code without a meaning: {code}")]
    Code {
        /// Which column.
        column: &'static str,
        /// The number.
        code: u64,
    },
    /// A column's form is wrong.
    #[error("column {column} is malformed")]
    Column {
        /// Which column.
        column: &'static str,
        /// How.
        #[source]
        source: ColumnError,
    },
}

fn column(name: &'static str) -> impl FnOnce(ColumnError) -> BatchError {
    move |source| BatchError::Column { column: name, source }
}

fn endpoint_of(measurement: &Measurement) -> &EndpointOutcome {
    match &measurement.outcome {
        Outcome::Endpoint(outcome) => outcome,
        Outcome::Echo(_) => unreachable!("pack() puts only endpoint outcomes here"),
    }
}
