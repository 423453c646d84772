//! Standard output and error of the commands. Whoever reads them may leave (`| head -1`): that is no failure.

use std::io::{ErrorKind, Write};

use isochrone_proto::text::cleaned_lines;

/// Says `text` on standard output. A disk that is full is a failure of the command: exit code 1.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    match out
        .write_all(cleaned_lines(text).as_bytes())
        .and_then(|()| out.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(&format!("isochrone-probe: cannot write the answer: {error}\n"));
            std::process::exit(1);
        }
        Ok(()) | Err(_) => {}
    }
}

/// Says `text` on standard error; where nobody reads that, there is nobody left to tell.
pub(super) fn complain(text: &str) {
    std::io::stderr()
        .lock()
        .write_all(cleaned_lines(text).as_bytes())
        .unwrap_or_default();
}
