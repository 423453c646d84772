//! Standard output and error. Whoever reads them may leave (`| head -1`): that is no failure.

use std::io::{ErrorKind, Write};

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

/// Says `text` on standard error; where nobody reads that, there is nobody left to tell.
pub fn complain(text: &str) {
    std::io::stderr()
        .lock()
        .write_all(cleaned_lines(text).as_bytes())
        .unwrap_or_default();
}
