//! The built binary as a process: also makes cargo build it before the tests that need it there.

use std::process::Command;

#[test]
fn version_names_the_release_and_the_commit() {
    let output = Command::new(env!("CARGO_BIN_EXE_isochrone-probe"))
        .arg("--version")
        .output();
    let output = output.expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success());
    let rest = text.strip_prefix(concat!("isochrone-probe ", env!("CARGO_PKG_VERSION"), " ("));
    let commit = rest.and_then(|rest| rest.strip_suffix(")\n")).expect(&text);
    let is_hash = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hash || commit.starts_with("commit unknown"), "{text}");
}
