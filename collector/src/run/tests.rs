use super::*;
use crate::carrier::is_in_use;
use crate::cli::{ProbeCommand, TargetCommand};
use crate::commands::CommandContext;

const LIST: Command = Command::Probe(ProbeCommand::List { format: Format::Text });

fn paths(folder: &std::path::Path) -> Paths {
    Paths::find(Some(folder.join("collector.toml")), Some(folder.join("state")))
}

#[tokio::test(start_paused = true)]
async fn command_waits_for_a_store_that_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let paths = paths(folder.path());
    let mut other = Some(CommandContext::open(&paths).unwrap());
    let mut said = Vec::new();
    let reached = reach(&paths, &LIST, |answer| {
        said.push(answer);
        other = None; // whoever had it is done
    });
    assert!(matches!(reached.await.unwrap(), Reached::Opened(_)));
    assert!(
        matches!(&said[..], [Answer::Err(text)] if text.contains("Waiting")),
        "{said:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn command_gives_up_on_a_store_that_stays_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let paths = paths(folder.path());
    let _other = CommandContext::open(&paths).unwrap();
    let error = reach(&paths, &LIST, |_| ())
        .await
        .err()
        .expect("it is still in use");
    assert!(is_in_use(&error), "{error:#}");
}

/// What `status` says where `path` is the control socket.
async fn status_at(folder: &std::path::Path) -> (u8, String) {
    let mut said = String::new();
    let mut show = |answer| match answer {
        Answer::Out(text) | Answer::Err(text) => said.push_str(&text),
        Answer::Progress { .. } | Answer::File { .. } | Answer::Exit(_) => {}
    };
    let paths = paths(folder);
    let asked = status(&paths, Format::Text, &mut show);
    let code = tokio::time::timeout(3 * ANSWER, asked).await;
    let code = code.expect("it gives up by itself").unwrap();
    (code, said)
}

fn control_socket(folder: &std::path::Path) -> tokio::net::UnixListener {
    let socket = paths(folder).socket();
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    tokio::net::UnixListener::bind(socket).unwrap()
}

#[tokio::test(start_paused = true)]
async fn status_of_a_collector_that_says_nothing_is_that_nobody_can_tell() {
    let folder = tempfile::tempdir().unwrap();
    let _silent = control_socket(folder.path());
    let (code, said) = status_at(folder.path()).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("nothing came within 10 s"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn status_of_a_collector_that_may_not_be_asked_is_that_nobody_can_tell() {
    let folder = tempfile::tempdir().unwrap();
    let _silent = control_socket(folder.path());
    let locked = std::os::unix::fs::PermissionsExt::from_mode(0o0);
    std::fs::set_permissions(paths(folder.path()).socket(), locked).unwrap();
    let (code, said) = status_at(folder.path()).await;
    assert_eq!(code, 3);
    let reason = if nix::unistd::geteuid().is_root() {
        "nothing came" // whom modes do not hold back
    } else {
        "Permission denied"
    };
    assert!(said.contains(reason) && said.contains("sudo"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn status_of_a_collector_that_stops_half_way_is_that_nobody_can_tell() {
    let folder = tempfile::tempdir().unwrap();
    let listener = control_socket(folder.path());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"{\"out\":\"All is well.\\n\"}\n")
            .await
            .unwrap();
    });
    let (code, said) = status_at(folder.path()).await;
    assert_eq!(code, 3);
    assert!(!said.contains("All is well"), "half an answer is none: {said}");
}

#[tokio::test(start_paused = true)]
async fn command_whose_socket_is_another_users_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state"), "a file").unwrap();
    let error = reach(&paths(folder.path()), &LIST, |_| ()).await.err().unwrap();
    let said = format!("{error:#}");
    assert!(
        said.contains("control.sock") && said.contains("Not a directory"),
        "{said}"
    );
}

#[tokio::test]
async fn command_that_only_reads_makes_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let paths = paths(folder.path());
    let node = "[[node]]\nnode = \"oslo\"\nkind = \"http\"\nurl = \"https://oslo.example.org/\"\nworker = \"ada\"\nplace = \"Oslo, NO\"\n";
    std::fs::write(&paths.targets, node).unwrap();
    let mut said = String::new();
    let list = TargetCommand::List { format: Format::Text };
    let Reached::Nothing(format) = reach(&paths, &Command::Target(list), |_| ()).await.unwrap() else {
        panic!("there is no store")
    };
    let mut show = |answer| {
        if let Answer::Out(text) | Answer::Err(text) = answer {
            said.push_str(&text);
        }
    };
    let targets = (Targets::read(&paths.targets).unwrap(), paths.targets.clone());
    let listed = show_while(&mut show, |answers| {
        commands::targets_of_file(targets, Config::default().pace, format, answers)
    });
    assert_eq!(listed.await.unwrap(), 0);
    assert!(said.contains("oslo.example.org"), "{said}");
    assert!(reach(&paths, &LIST, |_| ()).await.is_err());
    assert!(!paths.state.exists(), "somebody made it");
}
