//! The log: a line for each event, whatever the words in it.

use std::fmt;
use std::io::IsTerminal as _;

use isochrone_proto::text::cleaned;
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

/// Writes events to standard error: those that `RUST_LOG` asks for, or this crate's.
pub fn trace() {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,isochrone_probe=info"));
    tracing_subscriber::fmt()
        .fmt_fields(fields())
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .log_internal_errors(false) // they would be printed where nobody reads any more
        .init();
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
