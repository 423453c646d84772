//! The control socket: how another process has a running collector carry out an [`Command`].
//!
//! A Unix socket of mode 0600 in the state folder, for redb lets only one process in. One JSON line asks;
//! JSON lines answer ([`Answer`]), the last of them with an exit code.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use isochrone_gate::audit::Actor;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::Command;

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// For standard output.
    Out(String),
    /// For standard error.
    Err(String),
    /// A piece of a file for the folder that the command names.
    File {
        /// Its name.
        name: String,
        /// Its next bytes, as base64.
        content: String,
        /// It is whole with them.
        is_last: bool,
    },
    /// For the progress bar on a terminal.
    Progress {
        /// Steps done.
        done: u64,
        /// Steps in all; 0 if not known.
        total: u64,
    },
    /// The last line.
    Exit(u8),
}

/// Where a command's answers go. Bounded: a slow reader slows the command down.
pub type Answers = mpsc::Sender<Answer>;

/// Longest request, in bytes: a command that carries a file of weights.
const REQUEST_BYTES_MAX: u64 = 20 << 20;
/// A command writes its request at once; whoever takes longer is hung up on.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Commands under way at once; the next one is told so.
const COMMANDS_MAX: usize = 64;
/// Answers that wait for a slow reader.
const ANSWERS_WAITING_MAX: usize = 16;
/// A command that has nothing to say yet says so this often.
const BREATH: Duration = Duration::from_secs(5);
/// Silence after which whoever asked takes the collector to hang.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Between two answers: the command is under way.
const UNDER_WAY: Answer = Answer::Progress { done: 0, total: 0 };

/// Serves commands until `stop`. Whose command it is, the system says of the socket's other end.
///
/// # Errors
/// When the socket cannot be made.
pub async fn serve<F, R>(path: &Path, stop: CancellationToken, carry_out: F) -> io::Result<()>
where
    F: Fn(Actor, Command, Answers) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = u8> + Send + 'static,
{
    remove_stale(path)?; // the store's lock says that no other collector lives here
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    let tasks = TaskTracker::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if tasks.len() >= COMMANDS_MAX => {
                    let text = format!("{COMMANDS_MAX} commands are under way; try again when one has ended\n");
                    let answers = [Answer::Err(text), Answer::Exit(1)];
                    for answer in answers {
                        if let Err(error) = stream.try_write(&line_of(&answer)?) {
                            tracing::debug!(%error, "a control connection ended early");
                        }
                    }
                    drop(stream);
                }
                Ok((stream, _)) => {
                    let carry_out = carry_out.clone();
                    tasks.spawn(async move {
                        if let Err(error) = answer(stream, carry_out).await {
                            tracing::debug!(%error, "a control connection ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a control connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    remove_stale(path)?;
    tasks.close();
    if tokio::time::timeout(Duration::from_secs(5), tasks.wait())
        .await
        .is_err()
    {
        tracing::info!(
            unfinished = tasks.len(),
            "stopping without waiting for commands under way"
        );
    }
    Ok(())
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn answer<F, R>(stream: UnixStream, carry_out: F) -> io::Result<()>
where
    F: Fn(Actor, Command, Answers) -> R,
    R: Future<Output = u8> + Send + 'static,
{
    let actor = Actor::of_user(stream.peer_cred()?.uid());
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut request = BufReader::new(read.take(REQUEST_BYTES_MAX));
    tokio::time::timeout(REQUEST_TIME, request.read_line(&mut line)).await??;
    let command: Command = match serde_json::from_str(&line) {
        Ok(command) => command,
        Err(error) => {
            let text = format!(
                "this collector does not understand the command ({error}); are both of one version?\n"
            );
            send(&mut write, &Answer::Err(text)).await?;
            return send(&mut write, &Answer::Exit(2)).await;
        }
    };
    let (answers, mut waiting) = mpsc::channel(ANSWERS_WAITING_MAX); // full: the command waits
    let mut work = JoinSet::new(); // of its own, so that a busy one still breathes
    work.spawn(carry_out(actor, command, answers));
    loop {
        tokio::select! {
            biased;
            next = waiting.recv() => match next {
                Some(next) => send(&mut write, &next).await?,
                None => break,
            },
            () = tokio::time::sleep(BREATH) => send(&mut write, &UNDER_WAY).await?,
        }
    }
    let code = work.join_next().await.ok_or(io::ErrorKind::UnexpectedEof)??;
    send(&mut write, &Answer::Exit(code)).await
}

async fn send(write: &mut (impl AsyncWriteExt + Unpin), answer: &Answer) -> io::Result<()> {
    write.write_all(&line_of(answer)?).await
}

fn line_of(answer: &Answer) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    Ok(line)
}

/// Asks the collector that runs at `path` to carry out `command`; `None` if none runs there.
///
/// # Errors
/// When the connection breaks half-way, and when nothing comes for [`SILENCE_MAX`]: the collector hangs.
pub async fn ask(path: &Path, command: &Command, mut show: impl FnMut(Answer)) -> io::Result<Option<u8>> {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    unless_silent(stream.write_all(&line)).await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = unless_silent(lines.next_line()).await? {
        match serde_json::from_str(&line)? {
            Answer::Exit(code) => return Ok(Some(code)),
            answer => show(answer),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the collector stopped before it had answered",
    ))
}

/// What `talk` comes to, unless the other end keeps still for too long.
async fn unless_silent<T>(talk: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(SILENCE_MAX, talk).await.unwrap_or_else(|_| {
        let text = format!(
            "the collector runs, but nothing came from it for {} s: it hangs, or the machine is overloaded",
            SILENCE_MAX.as_secs()
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Format, ProbeCommand};

    #[tokio::test]
    async fn an_act_is_carried_out_over_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let stop = CancellationToken::new();
        let (server_path, server_stop) = (path.clone(), stop.clone());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            serve(
                &server_path,
                server_stop,
                |actor, command, answers: Answers| async move {
                    assert_eq!(actor, Actor::of_this_process(), "whoever connected");
                    for _ in 0..100 {
                        answers.send(Answer::Out(format!("{command:?}\n"))).await.unwrap();
                    }
                    3
                },
            )
            .await
        });
        let command = Command::Probe(ProbeCommand::List { format: Format::Json });
        let mut shown = Vec::new();
        let code = loop {
            match ask(&path, &command, |answer| shown.push(answer)).await.unwrap() {
                Some(code) => break code,
                None => tokio::task::yield_now().await,
            }
        };
        assert_eq!(code, 3);
        assert_eq!(shown.len(), 100);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap().unwrap();
        assert!(ask(&path, &command, |_| ()).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn connection_that_asks_nothing_is_hung_up_on() {
        let (_ours, theirs) = UnixStream::pair().unwrap();
        let end = answer(theirs, |_, _, _| async { 0 }).await;
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn commands_beyond_the_bound_are_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let stop = CancellationToken::new();
        let (server_path, server_stop) = (path.clone(), stop.clone());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move { serve(&server_path, server_stop, |_, _, _| async { 0 }).await });
        let mut idle = Vec::new();
        while idle.len() < COMMANDS_MAX {
            match UnixStream::connect(&path).await {
                Ok(stream) => idle.push(stream),
                Err(_) => tokio::task::yield_now().await,
            }
        }
        let command = Command::Probe(ProbeCommand::List { format: Format::Json });
        let mut shown = Vec::new();
        let code = ask(&path, &command, |answer| shown.push(answer)).await.unwrap();
        assert_eq!(code, Some(1));
        assert!(
            matches!(&shown[..], [Answer::Err(text)] if text.contains("try again")),
            "{shown:?}"
        );
        drop(idle);
        loop {
            if ask(&path, &command, |_| ()).await.unwrap() == Some(0) {
                break;
            }
            tokio::task::yield_now().await;
        }
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap().unwrap();
    }

    /// The binary was updated and the running collector was not, or the other way round.
    #[tokio::test]
    async fn command_of_another_release_is_answered_with_a_word_on_versions() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(answer(theirs, |_, _, _| async { 0 }));
        let (read, mut write) = ours.into_split();
        write.write_all(b"{\"Foresee\":{\"days\":7}}\n").await.unwrap();
        let mut lines = BufReader::new(read).lines();
        let Answer::Err(said) = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap()
        else {
            panic!("an error comes first")
        };
        assert!(said.contains("are both of one version?"), "{said}");
        let last: Answer = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!(last, Answer::Exit(2));
        tasks.join_next().await.unwrap().unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn collector_that_says_nothing_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let _silent = UnixListener::bind(&path).unwrap();
        let command = Command::Probe(ProbeCommand::List { format: Format::Json });
        let asked = tokio::time::timeout(2 * SILENCE_MAX, ask(&path, &command, |_| ()));
        let error = asked.await.expect("it gives up by itself").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("nothing came"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn command_that_takes_long_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (stream, _) = listener.accept().await?;
            answer(stream, |_, _, answers| async move {
                tokio::time::sleep(10 * SILENCE_MAX).await;
                answers.send(Answer::Out("done".to_owned())).await.unwrap();
                7
            })
            .await
        });
        let command = Command::Probe(ProbeCommand::List { format: Format::Json });
        let mut shown = Vec::new();
        let code = ask(&path, &command, |answer| shown.push(answer)).await.unwrap();
        assert_eq!(code, Some(7));
        assert_eq!(shown.pop(), Some(Answer::Out("done".to_owned())));
        assert!(shown.iter().all(|answer| *answer == UNDER_WAY), "{shown:?}");
    }
}
