//! Why a file is no segment.

use std::io;

use parquet::errors::ParquetError;

/// Why a segment is not what was written, or cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error("column {column} holds what means nothing")]
    Meaning { column: &'static str },
}

impl FileError {
    /// Whether the disk did not give what was to be read.
    pub(super) fn is_of_disk(&self) -> bool {
        match self {
            Self::Parquet(ParquetError::External(source)) => source.is::<io::Error>(),
            Self::Parquet(_) | Self::Meaning { .. } => false,
        }
    }
}
