//! Who carries a command out: the running collector, or this process where none runs.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use isochrone_store::StoreError;

use crate::cli::{Command, Format, TargetCommand};
use crate::commands::CommandContext;
use crate::config::Paths;
use crate::control::{self, Answer};

/// Between two looks whether the store is free, or its collector answers.
const WAIT: Duration = Duration::from_millis(250);
/// Looks before giving up: 30 s.
const WAITS: u32 = 120;

/// Who carries a command out.
pub(crate) enum Reached {
    /// A running collector did; its exit code.
    Answered(u8),
    /// This process will: no collector runs.
    Opened(CommandContext),
    /// This process will, from the list of nodes alone: no collector ran yet.
    Nothing(Format),
}

/// Has a running collector carry out `command`, or opens the store. While somebody else has it open and does not answer
/// (a collector that starts or stops, another command), waits for some seconds.
pub(crate) async fn reach(
    paths: &Paths,
    command: &Command,
    mut show: impl FnMut(Answer),
) -> anyhow::Result<Reached> {
    let mut waits = 0..WAITS;
    loop {
        let socket = paths.socket();
        let asked = control::ask(&socket, command, &mut show).await;
        if let Some(code) = asked.with_context(|| unusable(&socket))? {
            return Ok(Reached::Answered(code));
        }
        if command.only_reads() && !paths.store().exists() {
            if let Command::Target(TargetCommand::List { format }) = command {
                return Ok(Reached::Nothing(*format));
            }
            anyhow::bail!(
                "there is no store in {}: no collector ran with this state folder yet. {}; or start a collector with `up` or `serve`",
                paths.state.display(),
                match paths.other_service() {
                    Some(service) => format!("The service's is {}: run this with sudo", service.display()),
                    None => "Is it another one? Name it with --state".to_owned(),
                }
            );
        }
        match (CommandContext::open(paths), waits.next()) {
            (Ok(context), _) => return Ok(Reached::Opened(context)),
            (Err(error), Some(wait)) if is_in_use(&error) => {
                if wait == 0 {
                    let text = "The store is in use: the collector is starting or stopping, or another command is under way. Waiting for it.\n";
                    show(Answer::Err(text.to_owned()));
                }
                tokio::time::sleep(WAIT).await;
            }
            (Err(error), _) => return Err(error),
        }
    }
}

/// Why a command did not reach the collector.
fn unusable(socket: &Path) -> String {
    format!(
        "cannot ask the collector at {} (run this with sudo if its state folder is not yours)",
        socket.display()
    )
}

pub(crate) fn is_in_use(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| matches!(cause.downcast_ref(), Some(StoreError::InUse { .. })))
}
