//! A browser that stops reading is dropped, so that it holds no place that another one could have.

use std::io;
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{SndBuf, TcpUserTimeout};
use tokio::net::TcpStream;

/// What may wait in the kernel for a browser. The patience begins only when the browser's own window is full and
/// something waits here; what the kernel would let pile up by itself, megabytes, the feed takes many minutes to write.
const WAITING_BYTES: usize = 64 << 10;

/// A browser that takes nothing of what waits for it for so long, once its own buffer is full, is dropped, and its place in the event stream comes
/// free: one that stopped reading as well as one whose machine is gone. Without it, TCP tries on for a quarter of an
/// hour, and as long as it likes where the other side answers that its window is closed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Has the kernel keep little for `stream`, and end it once what was sent was not taken for `patience` (RFC 5482, TCP_USER_TIMEOUT).
pub(crate) fn drop_after(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, SndBuf, &WAITING_BYTES)?;
    setsockopt(stream, TcpUserTimeout, &milliseconds)?;
    Ok(())
}
