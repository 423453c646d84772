//! The list of messages: each as bytes, and each read from bytes and checked.

use crate::batch::{Batch, BatchError, BatchHeader, BatchPlace};
use crate::bounds::ControlError;
use crate::control::{CollectorMessage, ProbeMessage, StreamHello};
use crate::ids::Sequence;
use crate::join::{JoinRequest, JoinResponse};
use crate::ledger::Tombstone;
use crate::limits::{BATCH_BYTES_MAX, CONTROL_BYTES_MAX, JOIN_BYTES_MAX, STREAM_HELLO_BYTES_MAX};
use crate::plan::{Plan, PlanError, PlanSections};
use crate::section::{SectionError, SectionRef};
use crate::serializer::{Unreadable, decode, decode_head, encode};

/// Encodes a batch: the bytes that are spooled, hashed, sent and stored.
#[must_use]
pub fn encode_batch(batch: &Batch) -> Vec<u8> {
    encode(&(&batch.header, batch.sections()))
}

/// Decodes and checks a batch.
///
/// # Errors
/// Not a batch, trailing bytes, or counts and columns that disagree.
pub fn decode_batch(payload: &[u8]) -> Result<Batch, DecodeError> {
    let (header, sections) = decode::<_, BATCH_BYTES_MAX>(payload)?;
    let batch = Batch::of_sections(header, sections)?;
    batch.check()?;
    Ok(batch)
}

/// Where a batch stands that [`decode_batch`] refused, if it says so: it can be told apart, kept raw and answered.
#[must_use]
pub fn place_of_batch(payload: &[u8]) -> Option<BatchPlace> {
    let (epoch, sequence, previous) = decode_head::<_, BATCH_BYTES_MAX>(payload).ok()?;
    if sequence == Sequence::NONE {
        return None;
    }
    let header: Option<BatchHeader> = decode_head::<_, BATCH_BYTES_MAX>(payload).ok();
    let adds_up = |header: &BatchHeader| {
        let mut hours = header.hours.iter();
        hours.all(|hour| hour.run.checked_add(hour.skipped) == Some(hour.planned))
    };
    Some(BatchPlace {
        epoch,
        sequence,
        previous,
        header: header.filter(adds_up).map(Box::new),
    })
}

/// The sections of a batch that its reader must know, by name: whoever did not announce them is not sent it.
///
/// # Errors
/// Not a batch, or trailing bytes.
pub fn needed_sections(payload: &[u8]) -> Result<Vec<String>, DecodeError> {
    let (_, sections): (BatchHeader, Vec<SectionRef<'_>>) = decode::<_, BATCH_BYTES_MAX>(payload)?;
    let needed = sections.into_iter().filter(|section| section.needed);
    Ok(needed.map(|section| section.name.to_owned()).collect())
}

/// A tombstone as a frame carries it.
#[must_use]
pub fn encode_tombstone(tombstone: &Tombstone) -> Vec<u8> {
    encode(tombstone)
}

/// Decodes and checks a tombstone.
///
/// # Errors
/// Not a tombstone, trailing bytes, or a range that is none.
pub fn decode_tombstone(payload: &[u8]) -> Result<Tombstone, DecodeError> {
    let tombstone: Tombstone = decode::<_, BATCH_BYTES_MAX>(payload)?;
    if tombstone.first.0 == 0 || tombstone.last < tombstone.first {
        return Err(DecodeError::Range {
            first: tombstone.first.0,
            last: tombstone.last.0,
        });
    }
    if let Some(hour) = tombstone
        .hours
        .iter()
        .find(|hour| hour.run.checked_add(hour.skipped) != Some(hour.planned))
    {
        return Err(BatchError::HourCounts(*hour).into());
    }
    Ok(tombstone)
}

/// Encodes a plan: the bytes that are signed.
#[must_use]
pub fn encode_plan(plan: &Plan) -> Vec<u8> {
    encode(&(plan.head(), plan.sections()))
}

/// Decodes and checks a plan. Verify its signature first.
///
/// # Errors
/// Not a plan, trailing bytes, or a plan that breaks a bound.
pub fn decode_plan(payload: &[u8]) -> Result<Plan, DecodeError> {
    let (head, sections) = decode::<_, CONTROL_BYTES_MAX>(payload)?;
    let plan = PlanSections::read(sections)?.plan(head)?;
    plan.check()?;
    Ok(plan)
}

macro_rules! message {
    ($encode:ident, $decode:ident, $type:ident, $limit:ident) => {
        #[doc = concat!("Encodes a [`", stringify!($type), "`].")]
        #[must_use]
        pub fn $encode(message: &$type) -> Vec<u8> {
            encode(message)
        }

        #[doc = concat!("Decodes and checks a [`", stringify!($type), "`].")]
        ///
        /// # Errors
        /// Another type, trailing bytes, or a bound that is broken.
        pub fn $decode(payload: &[u8]) -> Result<$type, DecodeError> {
            let message: $type = decode::<_, $limit>(payload)?;
            message.check()?;
            Ok(message)
        }
    };
}
message!(
    encode_stream_hello,
    decode_stream_hello,
    StreamHello,
    STREAM_HELLO_BYTES_MAX
);
message!(
    encode_from_probe,
    decode_from_probe,
    ProbeMessage,
    CONTROL_BYTES_MAX
);
message!(
    encode_from_collector,
    decode_from_collector,
    CollectorMessage,
    CONTROL_BYTES_MAX
);
message!(
    encode_join_request,
    decode_join_request,
    JoinRequest,
    JOIN_BYTES_MAX
);
message!(
    encode_join_response,
    decode_join_response,
    JoinResponse,
    JOIN_BYTES_MAX
);

/// Why a payload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not what its kind says, or more than that.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// A section that cannot be, or that is needed and not known.
    #[error("message has sections that cannot be taken")]
    Sections(#[from] SectionError),
    /// A tombstone over nothing.
    #[error("tombstone over batches {first} to {last}")]
    Range {
        /// First of the range.
        first: u64,
        /// Last of the range.
        last: u64,
    },
    /// Counts or columns disagree.
    #[error("batch disagrees with itself")]
    Batch(#[from] BatchError),
    /// A bound of a plan is broken.
    #[error("plan breaks a bound")]
    Plan(#[from] PlanError),
    /// A bound of a control or join message is broken.
    #[error("message breaks a bound")]
    Control(#[from] ControlError),
}

impl DecodeError {
    /// Whether the bytes are no message at all, of whatever release.
    #[must_use]
    pub fn is_framing(&self) -> bool {
        let Self::Unreadable(unreadable) = self else {
            return false;
        };
        matches!(
            unreadable,
            Unreadable::TooLong { .. } | Unreadable::Trailing { .. }
        )
    }
}
