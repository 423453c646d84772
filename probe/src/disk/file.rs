//! A folder of the real file system.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Disk;

/// Ending of a file that is being written by [`Disk::replace`]; what a crash left of it is ignored.
const HALF_WRITTEN: &str = ".new";

/// A folder, mode 0700, with files of mode 0600.
#[derive(Debug)]
pub struct FileDisk {
    folder: PathBuf,
    steps: Box<dyn Steps>,
    /// Files whose names are durable: made by this process, and their folder synced since.
    named: Mutex<BTreeSet<String>>,
}

/// The steps of which durable writes are made. A test sees their order, and lets one fail.
trait Steps: std::fmt::Debug + Send + Sync {
    fn write(&self, _path: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn cut(&self, _path: &Path, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, _path: &Path, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// The file system itself.
#[derive(Debug)]
struct System;

impl Steps for System {}

impl FileDisk {
    /// Opens a folder; makes it if need be.
    ///
    /// # Errors
    /// Of the file system.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Self::open_by(folder, Box::new(System))
    }

    fn open_by(folder: &Path, steps: Box<dyn Steps>) -> io::Result<Self> {
        let disk = Self {
            folder: folder.to_owned(),
            steps,
            named: Mutex::default(),
        };
        disk.make_folder(folder)?;
        Ok(disk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn parent_of(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        path.parent().map_or_else(|| self.folder.clone(), Path::to_owned)
    }

    /// Makes a folder and those above it, durably.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        self.make_folder(parent)?;
        match self.steps.make_folder(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        self.steps.sync_folder(parent).inspect_err(|_| {
            fs::remove_dir(folder).ok(); // whoever tries again makes it again
        })
    }

    fn named(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
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
        let is_named = self.named().contains(name);
        if !is_named {
            self.make_folder(&self.parent_of(name))?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(&path)?;
        self.steps.write(&path, &mut file, bytes)?;
        self.steps.sync(&path, &file)?;
        if !is_named {
            self.steps.sync_folder(&self.parent_of(name))?;
            self.named().insert(name.to_owned());
        }
        Ok(())
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let path = self.path(name);
        let file = OpenOptions::new().write(true).open(&path)?;
        self.steps.cut(&path, &file, length)?;
        self.steps.sync(&path, &file)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.make_folder(&self.parent_of(name))?;
        let half = self.path(&format!("{name}{HALF_WRITTEN}"));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)?;
        self.steps.write(&half, &mut file, bytes)?;
        self.steps.sync(&half, &file)?;
        self.steps.rename(&half, &self.path(name))?;
        self.steps.sync_folder(&self.parent_of(name))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.named().remove(name);
        fs::remove_file(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (left, entered) = (self.parent_of(from), self.parent_of(to));
        self.make_folder(&entered)?;
        self.named().remove(from);
        self.steps.rename(&self.path(from), &self.path(to))?;
        self.steps.sync_folder(&entered)?;
        if left != entered {
            self.steps.sync_folder(&left)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use super::*;

    /// Every step by its name and what it was done to, relative to the folder; one of them fails once.
    #[derive(Clone, Debug)]
    struct Recorded {
        folder: PathBuf,
        done: Arc<Mutex<Vec<String>>>,
        fails: Arc<Mutex<Option<&'static str>>>,
    }

    impl Recorded {
        fn disk() -> (tempfile::TempDir, FileDisk, Self) {
            let folder = tempfile::tempdir().unwrap();
            let steps = Self {
                folder: folder.path().to_owned(),
                done: Arc::default(),
                fails: Arc::default(),
            };
            let disk = FileDisk::open_by(&folder.path().join("state"), Box::new(steps.clone())).unwrap();
            (folder, disk, steps)
        }

        fn step(&self, step: &str, path: &Path, real: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
            let path = path.strip_prefix(&self.folder).unwrap().display();
            let step = format!("{step} {path}");
            let mut fails = self.fails.lock().unwrap();
            if fails.is_some_and(|fails| fails == step) {
                *fails = None;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.done.lock().unwrap().push(step);
            real()
        }

        fn fail_once(&self, step: &'static str) {
            *self.fails.lock().unwrap() = Some(step);
        }

        /// The steps since the last call.
        fn done(&self) -> Vec<String> {
            std::mem::take(&mut self.done.lock().unwrap())
        }
    }

    impl Steps for Recorded {
        fn write(&self, path: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
            self.step("write", path, || System.write(path, file, bytes))
        }

        fn cut(&self, path: &Path, file: &File, length: u64) -> io::Result<()> {
            self.step("cut", path, || System.cut(path, file, length))
        }

        fn sync(&self, path: &Path, file: &File) -> io::Result<()> {
            self.step("sync", path, || System.sync(path, file))
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step("rename", from, || System.rename(from, to))
        }

        fn make_folder(&self, folder: &Path) -> io::Result<()> {
            self.step("make", folder, || System.make_folder(folder))
        }

        fn sync_folder(&self, folder: &Path) -> io::Result<()> {
            self.step("sync", folder, || System.sync_folder(folder))
        }
    }

    #[test]
    fn appended_bytes_and_their_name_are_synced_before_append_returns() {
        let (_folder, disk, steps) = Recorded::disk();
        assert_eq!(steps.done(), ["make state", "sync "]);
        disk.append("spool/a.seg", b"1").unwrap();
        let first = [
            "make state/spool",
            "sync state",
            "write state/spool/a.seg",
            "sync state/spool/a.seg",
            "sync state/spool",
        ];
        assert_eq!(steps.done(), first);
        disk.append("spool/a.seg", b"2").unwrap();
        assert_eq!(
            steps.done(),
            ["write state/spool/a.seg", "sync state/spool/a.seg"]
        );
        disk.truncate("spool/a.seg", 1).unwrap();
        assert_eq!(steps.done(), ["cut state/spool/a.seg", "sync state/spool/a.seg"]);
        disk.remove("spool/a.seg").unwrap();
        disk.append("spool/a.seg", b"3").unwrap();
        let again = [
            "write state/spool/a.seg",
            "sync state/spool/a.seg",
            "sync state/spool",
        ];
        assert_eq!(steps.done(), again, "a new file under an old name is a new name");
    }

    #[test]
    fn replaced_file_is_whole_on_disk_before_it_gets_its_name() {
        let (_folder, disk, steps) = Recorded::disk();
        steps.done();
        disk.replace("plan", b"keys").unwrap();
        assert_eq!(
            steps.done(),
            [
                "write state/plan.new",
                "sync state/plan.new",
                "rename state/plan.new",
                "sync state"
            ]
        );
        disk.rename("plan", "old/plan").unwrap();
        assert_eq!(
            steps.done(),
            [
                "make state/old",
                "sync state",
                "rename state/plan",
                "sync state/old",
                "sync state"
            ]
        );
    }

    #[test]
    fn folder_that_could_not_be_synced_is_synced_when_tried_again() {
        let (_folder, disk, steps) = Recorded::disk();
        for fails in ["sync state/spool", "sync state"] {
            let name = if fails == "sync state" {
                "plans/a"
            } else {
                "spool/a.seg"
            };
            steps.fail_once(fails);
            disk.append(name, b"1").unwrap_err();
            steps.done();
            disk.append(name, b"1").unwrap();
            assert!(steps.done().iter().any(|step| step == fails), "{fails}");
        }
    }

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
