//! Files that are there whole or not at all, whatever dies meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

/// Puts `bytes` at `path` with the permissions `mode`: writes beside it, syncs, renames. A power cut leaves
/// the old file or the new one. The folder must be there.
///
/// # Errors
/// Of the file system; what stood at `path` then stands there still.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    replace_owned(path, bytes, mode, None)
}

/// As [`replace`], with the permissions and, where this process may give files away, the owner of the file that
/// stands at `path`; `mode` if none does.
///
/// # Errors
/// As [`replace`].
pub fn replace_alike(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(old) => replace_owned(path, bytes, old.mode() & 0o777, Some((old.uid(), old.gid()))),
        Err(error) if error.kind() == ErrorKind::NotFound => replace(path, bytes, mode),
        Err(error) => Err(error),
    }
}

fn replace_owned(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {} // gone, or never there: a leftover of a crash would keep its own mode
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    if let Some((user, group)) = owner
        && let Err(error) = fchown(&file, Some(user), Some(group))
    {
        tracing::debug!(%error, path = %path.display(), "only root may keep a file's other owner");
    }
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(folder.path().join("key.new"), b"a leftover that all may read").unwrap();
        replace(&path, b"one", 0o600).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"one".to_vec(), 0o600));
        replace(&path, b"two", 0o640).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"two".to_vec(), 0o640));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn replacement_alike_keeps_mode_and_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("targets.toml");
        replace_alike(&path, b"one", 0o644).unwrap();
        assert_eq!(mode(&path), 0o644);
        replace(&path, b"one", 0o640).unwrap();
        let own = nix::unistd::geteuid();
        let owner = if own.is_root() { 4_242 } else { own.as_raw() }; // only root can give it away
        std::os::unix::fs::chown(&path, Some(owner), None).unwrap();
        replace_alike(&path, b"two", 0o644).unwrap();
        let kept = fs::metadata(&path).unwrap();
        assert_eq!((mode(&path), kept.uid()), (0o640, owner));
    }

    #[test]
    fn failed_replacement_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        replace(&path, b"one", 0o600).unwrap();
        fs::create_dir(folder.path().join("key.new")).unwrap();
        replace(&path, b"two", 0o600).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }
}
