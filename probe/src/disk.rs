//! Where the probe keeps its state: a folder of small files, and the same in memory for tests.
//!
//! All calls are synchronous. [`blocking`] wraps them where a runtime has other threads to go on with.

mod file;
mod memory;

use std::io;

pub use self::file::FileDisk;
pub use self::memory::MemoryDisk;

/// A folder. Names are relative and may hold one `/`. Every file is readable by its owner only.
pub trait Disk: Send + Sync + 'static {
    /// Names of the files whose name starts with `prefix`, sorted.
    ///
    /// # Errors
    /// Of the file system.
    fn list(&self, prefix: &str) -> io::Result<Vec<String>>;

    /// A file's whole content.
    ///
    /// # Errors
    /// Of the file system; `NotFound` if there is no such file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// `length` bytes of a file from `offset`.
    ///
    /// # Errors
    /// Of the file system; `UnexpectedEof` if the file is shorter.
    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;

    /// Adds bytes at the end of a file, made if need be, and returns when file and name are durable.
    ///
    /// # Errors
    /// Of the file system. A part of the bytes may then stand in the file.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file, durably.
    ///
    /// # Errors
    /// Of the file system.
    fn truncate(&self, name: &str, length: u64) -> io::Result<()>;

    /// Replaces a file's content, all or nothing, durably.
    ///
    /// # Errors
    /// Of the file system; the old content then stands, or the new.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file. A crash soon after may bring it back.
    ///
    /// # Errors
    /// Of the file system.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file, durably.
    ///
    /// # Errors
    /// Of the file system.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
}

/// Runs disk work: the other tasks of a multi-threaded runtime move to other threads meanwhile; on a
/// single-threaded one (the simulation, on paused time) it runs inline.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// A file's content, `None` if there is no such file.
///
/// # Errors
/// Any other error of the disk.
pub(crate) fn read_optional(disk: &dyn Disk, name: &str) -> io::Result<Option<Vec<u8>>> {
    match disk.read(name) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
