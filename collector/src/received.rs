//! Files that a command's answer brings, on their way into the folder that it named.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;

use crate::cli::TierName;

/// Takes such files, piece by piece.
pub(crate) struct Received {
    folder: PathBuf,
    /// The file of which more is to come.
    open: Option<(String, File)>,
}

impl Received {
    /// Into `folder`, which is made if it is not there.
    pub(crate) fn into(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            open: None,
        })
    }

    /// A file of an earlier export of that tier: together with another's it would count twice.
    pub(crate) fn earlier(&self, tier: TierName) -> io::Result<Option<String>> {
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let of = match name.split_once('-') {
                Some(("hours", _)) => TierName::Hour,
                Some(("days", _)) => TierName::Day,
                _ => TierName::Raw,
            };
            if name.ends_with(".parquet") && of == tier {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Writes the next bytes of a file, given as base64. Its name is there only with all of them.
    pub(crate) fn take(&mut self, name: &str, content: &str, is_last: bool) -> io::Result<()> {
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(io::Error::other("a name that leads out of the folder"));
        }
        let content = BASE64.decode(content.as_bytes());
        let content = content.map_err(|_| io::Error::other("bytes that are none"))?;
        let unfinished = self.folder.join(format!("{name}.unfinished"));
        let mut file = match self.open.take() {
            Some((open, file)) if open == name => file,
            _ => File::create(&unfinished)?,
        };
        file.write_all(&content)?;
        if is_last {
            return fs::rename(unfinished, self.folder.join(name));
        }
        self.open = Some((name.to_owned(), file));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_written_whole_and_never_beside_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut received = Received::into(&folder.path().join("made")).unwrap();
        let made = folder.path().join("made/a.parquet");
        received.take("a.parquet", "AP8=", false).unwrap();
        assert!(!made.exists(), "more of it is to come");
        received.take("a.parquet", "EA==", true).unwrap();
        assert_eq!(fs::read(&made).unwrap(), [0, 255, 16]);
        received.take("a.parquet", "Bw==", true).unwrap();
        assert_eq!(fs::read(&made).unwrap(), [7], "it begins anew");
        for (name, content) in [
            ("../b", "AA=="),
            ("/b", "AA=="),
            (".b", "AA=="),
            ("b", "A"),
            ("b", "A!=="),
        ] {
            assert!(received.take(name, content, true).is_err(), "{name} {content}");
        }
        assert_eq!(fs::read_dir(folder.path().join("made")).unwrap().count(), 1);
    }

    #[test]
    fn file_of_an_earlier_export_is_found_by_its_tier() {
        let folder = tempfile::tempdir().unwrap();
        let mut received = Received::into(folder.path()).unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        for (tier, name) in [
            (TierName::Raw, "echo4-2026-11-22-000001.parquet"),
            (TierName::Hour, "hours-echo4-2026-11-22-000001.parquet"),
            (TierName::Day, "days-echo4-2026-11-22-000001.parquet"),
        ] {
            assert_eq!(received.earlier(tier).unwrap(), None, "{name}");
            received.take(name, "AA==", true).unwrap();
            assert_eq!(received.earlier(tier).unwrap().as_deref(), Some(name));
        }
    }
}
