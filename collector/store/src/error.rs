//! Why the store cannot do what was asked.

use std::path::{Path, PathBuf};

use isochrone_proto::ids::{PlanVersion, ProbeId};

/// Why the store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened as a store.
    #[error("cannot open the store {}; is it a store of Isochrone, and may this user write it?", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DatabaseFailure,
    },
    /// The file is damaged where the database itself begins.
    #[error(
        "the store's file is damaged where the database itself begins ({words}); keep a copy of it, and put back a copy from before, or move it away: the probes' spools fill up what they still hold"
    )]
    Unreadable {
        /// What the database says.
        words: String,
    },
    /// Another process has it open.
    #[error("the store {} is open in another process; while the collector runs, commands reach it through its control socket", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Written by a release with another format.
    #[error(
        "the store has format {found}, this build reads format {expected}, and nothing leads from one to the other: move the collector's state folder away to begin anew, or use the build that wrote it"
    )]
    Format {
        /// The format of the store.
        found: u64,
        /// The format this build reads and writes.
        expected: u64,
    },
    /// A reader still holds the database that failed; the next call tries again.
    #[error("the store is being opened again after an I/O error; try again")]
    Reopening,
    /// redb failed, mostly because the disk did.
    #[error("the store's database failed")]
    Database(#[source] DatabaseFailure),
    /// The database cannot read a page of a table. It is put right before the next call, as far as that can be.
    #[error(
        "a page of the store's table {table:?} cannot be read ({words}); it is being put right; try again"
    )]
    Pages {
        /// Its name in the database.
        table: &'static str,
        /// What the database says.
        words: String,
    },
    /// A row of an account that is about to change is damaged. It is put right before the next call.
    #[error("a row of an account is damaged and is being put right; try again")]
    Unsettled,
    /// The disk does not give, or take, a segment.
    #[error("the store cannot read or write {}", path.display())]
    Segment {
        /// The file, or the folder of segments.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store has segments, and their folder is not there.
    #[error(
        "the store's folder of segments {} is not there, and the store names {segments} of them: put the folder back, or the whole state folder of a backup", path.display()
    )]
    NoSegments {
        /// The folder.
        path: PathBuf,
        /// How many.
        segments: u64,
    },
    /// A folder of segments is there, and the store that they belong to is not.
    #[error(
        "there is no store {}, and {} holds {segments} files of one: put the store back that belongs to them, or the whole state folder of a backup; to begin anew, move that folder away",
        path.display(), folder.display()
    )]
    NoStore {
        /// The store's file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
        /// How many files of segments are in it.
        segments: u64,
    },
    /// A record could not be made into JSON.
    #[error("record {key:?} of table {table} cannot be written")]
    Record {
        /// Its name in the database.
        table: &'static str,
        /// The record's key, as text.
        key: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A plan that has two checks of one kind and target: their measurements would share ids.
    #[error(
        "plan {version} of probe {probe} checks one target twice with one kind (checks {first} and {second})"
    )]
    TwinChecks {
        /// The probe that the plan is for.
        probe: ProbeId,
        /// The plan's version.
        version: PlanVersion,
        /// The one check.
        first: usize,
        /// The other.
        second: usize,
    },
    /// The demo would mix its invented world with what was measured.
    #[error(
        "this store holds real measurements, and the demo never mixes with them; give the demo another folder with --state"
    )]
    NotForTheDemo,
    /// Too little of the disk is free to take in what nobody waits for.
    #[error(
        "the collector's disk has only {free_bytes} bytes free, less than its reserve; make room, then import again: what is taken in stays"
    )]
    Reserve {
        /// What the file system has left.
        free_bytes: u64,
    },
    /// Reading was ended by the reader.
    #[error("the reader of the store's batches failed")]
    Reader(#[source] std::io::Error),
}

/// What the database said; which database that is, no other crate needs to know.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DatabaseFailure(Box<redb::Error>);

impl StoreError {
    pub(super) fn open(path: &Path, source: redb::DatabaseError) -> Self {
        let path = path.to_owned();
        match source {
            redb::DatabaseError::DatabaseAlreadyOpen => Self::InUse { path },
            source => Self::Open {
                path,
                source: DatabaseFailure(Box::new(source.into())),
            },
        }
    }

    /// Whether what was damaged is put right by now: worth another try.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self, Self::Unsettled | Self::Pages { .. })
    }

    /// The same, with the table that it is about, where a page could not be read.
    pub(crate) fn of_table(self, table: &'static str) -> Self {
        match self {
            Self::Database(failure) if matches!(*failure.0, redb::Error::Corrupted(_)) => Self::Pages {
                table,
                words: failure.to_string(),
            },
            error => error,
        }
    }

    /// Whether it is the disk's: nothing can be kept for now.
    pub(crate) fn is_of_disk(&self) -> bool {
        matches!(
            self,
            Self::Open { .. } | Self::Unreadable { .. } | Self::Reopening
        ) || self.needs_reopening()
    }

    /// Whether the database refuses everything until it is opened again.
    pub(crate) fn needs_reopening(&self) -> bool {
        match self {
            Self::Unreadable { .. } => true,
            Self::Database(error) => matches!(
                *error.0,
                redb::Error::Io(_)
                    | redb::Error::PreviousIo
                    | redb::Error::DatabaseClosed
                    | redb::Error::Backend(_)
                    | redb::Error::LockPoisoned(_)
            ),
            Self::Open { .. }
            | Self::InUse { .. }
            | Self::Format { .. }
            | Self::Reopening
            | Self::Pages { .. }
            | Self::Unsettled
            | Self::Segment { .. }
            | Self::NoSegments { .. }
            | Self::NoStore { .. }
            | Self::Record { .. }
            | Self::TwinChecks { .. }
            | Self::NotForTheDemo
            | Self::Reader(_)
            | Self::Reserve { .. } => false,
        }
    }
}

macro_rules! from_redb {
    ($($error:ident)+) => {
        $(impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::Database(DatabaseFailure(Box::new(error.into())))
            }
        })+
    };
}
from_redb!(StorageError TableError TransactionError CommitError);
