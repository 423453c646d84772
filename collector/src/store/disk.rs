//! The disk under the store: the space that must stay free, and a backend that can be opened again.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use redb::StorageBackend;

/// Says how many bytes are free where the store lies.
#[derive(Clone)]
pub struct FreeSpace(Arc<dyn Fn() -> io::Result<u64> + Send + Sync>);

impl FreeSpace {
    /// Asks `answer` each time.
    #[must_use]
    pub fn new(answer: impl Fn() -> io::Result<u64> + Send + Sync + 'static) -> Self {
        Self(Arc::new(answer))
    }

    /// Asks the file system that `folder` lies on.
    #[must_use]
    pub fn of_folder(folder: PathBuf) -> Self {
        Self::new(move || {
            let folder = if folder.as_os_str().is_empty() {
                ".".into()
            } else {
                folder.clone()
            };
            let stats = nix::sys::statvfs::statvfs(&folder)?;
            Ok(stats.blocks_available().saturating_mul(stats.fragment_size()))
        })
    }
}

impl fmt::Debug for FreeSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreeSpace")
    }
}

/// The bytes that must stay free: acknowledgements stop before the disk is full, the process does not.
#[derive(Clone, Debug)]
pub struct DiskReserve {
    bytes: u64,
    free_space: Option<FreeSpace>,
}

impl DiskReserve {
    pub(super) fn new(bytes: u64, free_space: Option<FreeSpace>) -> Self {
        Self { bytes, free_space }
    }

    /// The reserve, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `Some(free bytes)` if less than the reserve is free. A file system that does not answer is not full:
    /// writing will tell.
    #[must_use]
    pub fn shortage(&self) -> Option<u64> {
        let free = self.free_space.as_ref()?.0().ok()?;
        (free < self.bytes).then_some(free)
    }
}

/// A backend that outlives the database on it, so that a failed one can be opened again.
#[derive(Debug)]
pub(super) struct Shared(pub(super) Arc<dyn StorageBackend>);

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
