mod borrowed;
mod document;
#[cfg(feature = "elasticsearch")]
mod documents;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use clap::Parser as _;
use isochrone_gate::audit::Actor;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::cli::{Cli, Command, Program};
use crate::commands::{self, CommandContext};
use crate::control;

const NOON: u64 = 1_700_654_400_000; // 2023-11-22T12:00:00Z
const NODES: &str = "[[node]]\nnode = \"berlin\"\nkind = \"argus\"\nurl = \"https://node.example.org/\"\nworker = \"w\"\nplace = \"Berlin, DE\"\nasset = \"1\"\n";

fn world() -> (TempDir, Paths) {
    let folder = tempfile::tempdir().unwrap();
    let paths = Paths::find(
        Some(folder.path().join("collector.toml")),
        Some(folder.path().join("state")),
    );
    fs::write(&paths.config, "disk_reserve = \"1MiB\"\n").unwrap();
    fs::write(&paths.targets, NODES).unwrap();
    (folder, paths)
}

/// Carries out `import …`; its exit code, and what it printed on standard output and error.
async fn import(paths: &Paths, line: &str) -> (u8, String, String) {
    let words = std::iter::once("isochrone-collector").chain(line.split_whitespace());
    let Program::Command(Command::Import(command)) = Cli::try_parse_from(words).unwrap().program else {
        panic!("an import: {line}")
    };
    let (answers, mut waiting) = mpsc::channel(16);
    let (mut out, mut err) = (String::new(), String::new());
    let hearing = async {
        while let Some(answer) = waiting.recv().await {
            match answer {
                Answer::Out(text) => out.push_str(&text),
                Answer::Err(text) => err.push_str(&text),
                _ => {}
            }
        }
    };
    let (code, ()) = tokio::join!(run(paths.clone(), command, answers), hearing);
    (code, out, err)
}

/// A collector that carries out commands on its socket.
struct Serving {
    stop: CancellationToken,
    tasks: tokio::task::JoinSet<std::io::Result<()>>,
}

impl Serving {
    async fn start(paths: &Paths, context: &CommandContext) -> Self {
        let stop = CancellationToken::new();
        let (socket, stopped, served) = (paths.socket(), stop.clone(), context.clone());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let carry_out =
                move |_: Actor, command, answers| commands::carry_out(served.clone(), command, answers);
            control::serve(&socket, stopped, carry_out).await
        });
        while !paths.socket().exists() {
            tokio::task::yield_now().await;
        }
        Self { stop, tasks }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
    }
}

async fn carried_out(context: &CommandContext, words: &[&str]) -> (u8, String) {
    let words = std::iter::once(&"isochrone-collector").chain(words);
    let Program::Command(command) = Cli::try_parse_from(words).unwrap().program else {
        panic!("a command")
    };
    let (answers, mut waiting) = mpsc::channel(16);
    let mut said = String::new();
    let hearing = async {
        while let Some(answer) = waiting.recv().await {
            if let Answer::Out(text) | Answer::Err(text) = answer {
                said.push_str(&text);
            }
        }
    };
    let (code, ()) = tokio::join!(commands::carry_out(context.clone(), command, answers), hearing);
    (code, said)
}
