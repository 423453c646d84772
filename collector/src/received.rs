//! Files that a command's answer brings, on their way into the folder that it named.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Takes such files.
pub(crate) struct Received(PathBuf);

impl Received {
    /// Into `folder`, which is made if it is not there.
    pub(crate) fn into(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// Writes a file whose bytes are given as hexadecimal digits. Its name is there only with all of them.
    pub(crate) fn take(&self, name: &str, content: &str) -> io::Result<()> {
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(io::Error::other("a name that leads out of the folder"));
        }
        let content = unhex(content).ok_or_else(|| io::Error::other("bytes that are none"))?;
        let unfinished = self.0.join(format!("{name}.unfinished"));
        fs::write(&unfinished, content)?;
        fs::rename(unfinished, self.0.join(name))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: &u8| char::from(*letter).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_written_whole_and_never_beside_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let received = Received::into(&folder.path().join("made")).unwrap();
        received.take("a.parquet", "00ff10").unwrap();
        let found = fs::read(folder.path().join("made/a.parquet")).unwrap();
        assert_eq!(found, [0, 255, 16]);
        for (name, content) in [
            ("../b", "00"),
            ("/b", "00"),
            (".b", "00"),
            ("b", "0"),
            ("b", "0g"),
        ] {
            assert!(received.take(name, content).is_err(), "{name} {content}");
        }
        assert_eq!(fs::read_dir(folder.path().join("made")).unwrap().count(), 1);
    }
}
