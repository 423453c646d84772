//! How much the fields of control and join messages may hold.

use crate::limits::TEXT_BYTES_MAX;
use crate::section::SectionError;

pub(crate) fn text(field: &'static str, value: &str) -> Result<(), ControlError> {
    count(field, value.len(), TEXT_BYTES_MAX)
}

pub(crate) fn count(field: &'static str, found: usize, max: usize) -> Result<(), ControlError> {
    if found > max {
        Err(ControlError::TooMany { field, found, max })
    } else {
        Ok(())
    }
}

/// Why a control message is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// More than the protocol allows.
    #[error("{found} {field}, at most {max} are allowed")]
    TooMany {
        /// Of what, in words.
        field: &'static str,
        /// How many.
        found: usize,
        /// The maximum.
        max: usize,
    },
    /// A section that cannot be, or that is needed and not known.
    #[error("greeting has sections that cannot be taken")]
    Sections(#[from] SectionError),
}
