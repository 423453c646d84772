//! A Unix socket: whoever connects gets the status as JSON, and nothing can be said to it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::{Status, StatusSource};

const FILE: &str = "status.sock";
const ANSWER: Duration = Duration::from_secs(3);
const ANSWER_BYTES: u64 = 64 * 1024;

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Nobody answers.
    #[error(
        "no isochrone-probe runs with the state folder {}; start it (`systemctl start isochrone-probe`), or name its folder with --state",
        folder.display()
    )]
    NotRunning {
        /// The state folder.
        folder: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// It is there and says nothing.
    #[error("the isochrone-probe with the state folder {} does not answer; is the machine overloaded?", folder.display())]
    Silent {
        /// The state folder.
        folder: PathBuf,
    },
    /// What it says is no status.
    #[error("the isochrone-probe that runs is of another release than this command")]
    Malformed(#[source] serde_json::Error),
    /// The socket cannot be made.
    #[error("cannot make the status socket in {}", folder.display())]
    Listen {
        /// The state folder.
        folder: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// Answers until `stop`. The folder is this process's own (`crate::identity::StateLock`) and of mode 0700.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve(folder: &Path, source: StatusSource, stop: CancellationToken) -> Result<(), StatusError> {
    let path = folder.join(FILE);
    let listen = |source| StatusError::Listen {
        folder: folder.to_owned(),
        source,
    };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(listen(error)),
        _ => {} // what an earlier process left
    }
    let listener = UnixListener::bind(&path).map_err(listen)?;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let answered = match accepted {
            Ok((stream, _)) => tokio::time::timeout(ANSWER, answer(stream, &source)).await,
            Err(error) => Ok(Err(error)),
        };
        if !matches!(answered, Ok(Ok(()))) {
            tracing::debug!("a question for the status was not answered");
            tokio::time::sleep(Duration::from_millis(50)).await; // out of descriptors, perhaps
        }
    }
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::debug!(%error, "the status socket could not be removed");
    }
    Ok(())
}

/// Asks the probe that runs with this state folder.
///
/// # Errors
/// When none does, or it does not answer.
pub async fn ask(folder: &Path) -> Result<Status, StatusError> {
    let not_running = |source| StatusError::NotRunning {
        folder: folder.to_owned(),
        source,
    };
    let stream = UnixStream::connect(folder.join(FILE))
        .await
        .map_err(not_running)?;
    let mut text = Vec::new();
    let mut limited = stream.take(ANSWER_BYTES);
    let read = tokio::time::timeout(ANSWER, limited.read_to_end(&mut text)).await;
    let silent = || StatusError::Silent {
        folder: folder.to_owned(),
    };
    read.map_err(|_| silent())?.map_err(not_running)?;
    if text.is_empty() {
        return Err(silent());
    }
    serde_json::from_slice(&text).map_err(StatusError::Malformed)
}

async fn answer(mut stream: UnixStream, source: &StatusSource) -> io::Result<()> {
    let mut text = serde_json::to_vec(&source.now()).map_err(io::Error::other)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    stream.shutdown().await
}
