//! The built binary as a process: also makes cargo build it before the tests that need it there.

use std::process::Command;

#[test]
fn version_names_the_release_and_the_commit() {
    let output = Command::new(env!("CARGO_BIN_EXE_isochrone-collector"))
        .arg("--version")
        .output();
    let output = output.expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success());
    let rest = text.strip_prefix(concat!("isochrone-collector ", env!("CARGO_PKG_VERSION"), " ("));
    let commit = rest.and_then(|rest| rest.strip_suffix(")\n")).expect(&text);
    let is_hash = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hash || commit.starts_with("commit unknown"), "{text}");
}

#[test]
fn reader_that_leaves_is_no_failure_and_a_full_disk_is_one() {
    let ended = |out: std::process::Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isochrone-collector"));
        command.args([
            "report",
            "coverage",
            "--sites",
            "../docs/example/sites.csv",
            "--rtt",
            "../docs/example/rtt.csv",
            "--nodes",
            "berlin,singapore",
        ]);
        let output = command.stdout(out).stderr(std::process::Stdio::piped()).output();
        let output = output.expect("the binary runs");
        (
            output.status.code(),
            String::from_utf8(output.stderr).expect("UTF-8"),
        )
    };
    let (reader, gone) = std::io::pipe().expect("a pipe");
    drop(reader);
    let (code, errors) = ended(gone.into());
    assert_eq!(code, Some(0), "the report was made");
    assert_eq!(errors, "");
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux has one");
    let (code, errors) = ended(full.into());
    assert_eq!(code, Some(1));
    assert!(errors.contains("cannot write the answer"), "{errors}");
}
