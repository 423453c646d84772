//! Where segments lie: a folder beside the database, with the few operations that sealing needs.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::content::Content;

/// A folder of files. The tests' disk is another one, which loses what was not synced.
pub(crate) trait Folder: Debug + Send + Sync {
    /// Where a file lies, for people and for readers outside.
    fn path(&self, name: &str) -> PathBuf;

    /// Whether the folder is there.
    fn exists(&self) -> bool;

    /// Makes the folder, durably; nothing, if it is there.
    fn make(&self) -> io::Result<()>;

    /// The names of its files.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file to whoever reads it.
    fn open(&self, name: &str) -> io::Result<Arc<dyn Content>>;

    /// The whole of a file.
    fn read(&self, name: &str) -> io::Result<Bytes> {
        let content = self.open(name)?;
        let length = usize::try_from(content.length()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
        content.read_at(0, length)
    }

    /// Writes a file whose content is durable then; its name is with [`Folder::sync`].
    fn write(&self, name: &str, content: &[u8]) -> io::Result<()>;

    /// Gives a file another name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; nothing, if there is none.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes names durable.
    fn sync(&self) -> io::Result<()>;
}

/// A folder of the file system.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// The folder of segments of the store in `file`.
    pub(crate) fn beside(file: &Path) -> Self {
        Self(file.with_file_name("segments"))
    }
}

impl Folder for Directory {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn exists(&self) -> bool {
        self.0.is_dir()
    }

    fn make(&self) -> io::Result<()> {
        if self.exists() {
            return Ok(());
        }
        fs::create_dir(&self.0)?;
        match self.0.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn Content>> {
        Ok(Arc::new(File::open(self.path(name))?))
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut file = File::create(self.path(name))?;
        file.write_all(content)?;
        file.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}
