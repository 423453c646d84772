//! One process per state folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Holds a state folder for this process; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct StateLock {
    _file: File,
}

/// Why a state folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Locked {
    /// Another process has it.
    #[error("another isochrone-probe is using {}; stop it first (`systemctl stop isochrone-probe`)", folder.display())]
    InUse {
        /// The state folder.
        folder: PathBuf,
    },
    /// The lock file cannot be opened.
    #[error("cannot open the lock file in {}; may this user write there?", folder.display())]
    Disk {
        /// The state folder.
        folder: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

impl StateLock {
    /// Takes a folder, which must be there.
    ///
    /// # Errors
    /// When another process has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, Locked> {
        let disk = |source| Locked::Disk {
            folder: folder.to_owned(),
            source,
        };
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(folder.join("lock")).map_err(disk)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Locked::InUse {
                folder: folder.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(disk(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_process_is_refused_until_the_first_ends() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateLock::take(folder.path()).unwrap();
        assert!(matches!(
            StateLock::take(folder.path()),
            Err(Locked::InUse { .. })
        ));
        drop(first);
        StateLock::take(folder.path()).unwrap();
    }
}
