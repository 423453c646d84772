//! The disk under the store: the space that must stay free.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

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
    pub(crate) fn of_folder(folder: PathBuf) -> Self {
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

    /// The bytes that must stay free.
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
