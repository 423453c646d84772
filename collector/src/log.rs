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
