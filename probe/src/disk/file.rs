//! A folder of the real file system.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Disk;

/// Ending of a file that is being written by [`Disk::replace`]; what a crash left of it is ignored.
const HALF_WRITTEN: &str = ".new";

/// A folder, mode 0700, with files of mode 0600.
#[derive(Debug)]
pub struct FileDisk {
    folder: PathBuf,
}

impl FileDisk {
    /// Opens a folder; makes it if need be.
    ///
    /// # Errors
    /// Of the file system.
    pub fn open(folder: &Path) -> io::Result<Self> {
        make_folder(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn parent_of(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        path.parent().map_or_else(|| self.folder.clone(), Path::to_owned)
    }
}

impl Disk for FileDisk {
    fn list(&self, prefix: &str) -> io::Result<Vec<String>> {
        let (sub, _) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let entries = match fs::read_dir(self.folder.join(sub)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Ok(file_name) = entry.file_name().into_string() else {
                continue; // not one of ours
            };
            let name = if sub.is_empty() {
                file_name
            } else {
                format!("{sub}/{file_name}")
            };
            if name.starts_with(prefix) && !name.ends_with(HALF_WRITTEN) && entry.file_type()?.is_file() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(name))
    }

    fn read_at(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path(name))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        let is_new = !path.exists();
        if is_new {
            make_folder(&self.parent_of(name))?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(&path)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        if is_new {
            sync_folder(&self.parent_of(name))?;
        }
        Ok(())
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        make_folder(&self.parent_of(name))?;
        let half = self.path(&format!("{name}{HALF_WRITTEN}"));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&half, self.path(name))?;
        sync_folder(&self.parent_of(name))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        make_folder(&self.parent_of(to))?;
        fs::rename(self.path(from), self.path(to))?;
        sync_folder(&self.parent_of(to))
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(&folder.path().join("state")).unwrap();
        disk.replace("plan", b"keys").unwrap();
        disk.append("spool/a.seg", b"rows").unwrap();
        for name in ["plan", "spool/a.seg"] {
            let mode = fs::metadata(disk.path(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(
            fs::metadata(&disk.folder).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn appended_bytes_are_read_back_and_listed() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(folder.path()).unwrap();
        disk.append("spool/b.seg", b"12").unwrap();
        disk.append("spool/b.seg", b"345").unwrap();
        disk.append("spool/a.seg", b"x").unwrap();
        fs::write(disk.path("spool/c.seg.new"), b"half").unwrap();
        assert_eq!(disk.list("spool/").unwrap(), ["spool/a.seg", "spool/b.seg"]);
        assert_eq!(disk.read_at("spool/b.seg", 1, 3).unwrap(), b"234");
        disk.truncate("spool/b.seg", 2).unwrap();
        assert_eq!(disk.read("spool/b.seg").unwrap(), b"12");
        assert_eq!(disk.list("nothing/").unwrap(), Vec::<String>::new());
    }
}
