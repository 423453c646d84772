//! Why a file is no segment.

use parquet::errors::ParquetError;

/// Why a segment is not what was written, or cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error("column {column} holds what means nothing")]
    Meaning { column: &'static str },
}
