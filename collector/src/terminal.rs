//! Standard output and error. Whoever reads them may leave (`| head -1`): that is no failure.

use std::io::{ErrorKind, Write};
use std::path::Path;

use isochrone_proto::text::cleaned_lines;

/// Says `text` on standard output, and whether somebody still reads it.
///
/// A disk that is full is a failure of the command: it ends with exit code 1.
pub fn say(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    match out
        .write_all(cleaned_lines(text).as_bytes())
        .and_then(|()| out.flush())
    {
        Ok(()) => true,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => false,
        Err(error) => {
            complain(&format!(
                "isochrone-collector: cannot write the answer: {error}\n"
            ));
            std::process::exit(1);
        }
    }
}

/// A path as a word of a shell's line.
pub fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+:@%".contains(letter);
    if text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Says `text` on standard error; where nobody reads that, there is nobody left to tell.
pub fn complain(text: &str) {
    std::io::stderr()
        .lock()
        .write_all(cleaned_lines(text).as_bytes())
        .unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_that_a_shell_would_take_apart_is_quoted() {
        assert_eq!(word(Path::new("/srv/mesh-1/x.toml")), "/srv/mesh-1/x.toml");
        assert_eq!(word(Path::new("/srv/Ada's mesh")), r"'/srv/Ada'\''s mesh'");
    }
}
