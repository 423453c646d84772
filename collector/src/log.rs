//! The log: a line for each event, whatever the words in it.

use std::fmt;
use std::io::IsTerminal as _;

use isochrone_proto::text::cleaned;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::terminal;

/// Writes events to standard error: those that `RUST_LOG` asks for, or `default`.
pub(crate) fn trace(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .fmt_fields(fields())
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false) // they would be printed where nobody reads any more
        .with_ansi(std::io::stderr().is_terminal());
    if subscriber.try_init().is_err() {
        terminal::complain("logging was set up before; it stays as it is\n");
    }
}

/// How the fields of events and spans are written: a name and a value each, the value cleaned.
#[must_use]
pub fn fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(field).delimited(" ")
}

fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = format!("{value:?}");
    match field.name() {
        "message" => write!(writer, "{}", cleaned(&value)),
        name => write!(writer, "{name}={}", cleaned(&value)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn words_in_the_log_forge_no_line_and_move_no_cursor() {
        let hostile = "x\n2026-11-22T03:20:00Z  INFO forged\u{1b}[2J\u{202e}\u{9b}1A\u{7f}";
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(fields())
            .with_writer(move || writer.clone())
            .with_ansi(false);
        tracing::subscriber::with_default(subscriber.finish(), || {
            let _span = tracing::info_span!("session", name = %hostile, text = hostile).entered();
            tracing::warn!(reason = %hostile, text = hostile, option = ?Some(hostile), "{hostile}");
            tracing::info!(n = 3, "an event");
        });
        let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.lines().count(), 2, "{log}");
        assert!(log.lines().all(isochrone_proto::text::is_clean), "{log:?}");
        assert!(
            log.contains("an event n=3") && log.contains("reason=x 2026"),
            "{log}"
        );
    }
}
