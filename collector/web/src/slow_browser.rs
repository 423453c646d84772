//! A browser that stops reading is dropped, so that it holds no place that another one could have.

use std::io;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use tokio::net::TcpStream;

/// A browser that takes nothing of what waits for it for so long is dropped, and its place in the event stream comes
/// free: one that stopped reading as well as one whose machine is gone. Without it, TCP tries on for a quarter of an
/// hour, and as long as it likes where the other side answers that its window is closed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Has the kernel end `stream` once what was sent was not taken for `patience` (RFC 5482, TCP_USER_TIMEOUT).
pub(crate) fn drop_after(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, TcpUserTimeout, &milliseconds)?;
    Ok(())
}
