use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;

/// Programs on the worker's server: name, and what each does.
type Programs<'a> = &'a [(&'a str, &'a str)];

/// What the worker's shell printed when the script had been pasted, and a line after it.
struct Pasted {
    out: String,
    errors: String,
}

/// Pastes the script where these programs are all there is, into a shell that goes on with its own next line.
fn pasted(programs: Programs) -> Pasted {
    let folder = tempfile::tempdir().unwrap();
    for (name, does) in programs {
        let file = folder.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{does}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = Office::new().invite("ada", None).unwrap().script;
    let after = "\necho \"still here: $- ${as_root-}\"";
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("{script}{after}")]);
    let output = shell.env_clear().env("PATH", folder.path()).output().unwrap();
    Pasted {
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

const ROOT: (&str, &str) = ("id", "echo 0");
const OTHER: (&str, &str) = ("id", "echo 1000");
const SUDO: (&str, &str) = ("sudo", "exec \"$@\"");
const JOINS: (&str, &str) = ("isochrone-probe", "echo \"probe $1\"");
const FAILS: &str = "exit 1";

#[tokio::test]
async fn script_holds_the_token_the_port_and_the_commands_and_ends_when_it_says() {
    let office = Office::new();
    let invitation = office.invite("ada", None).unwrap();
    let join = format!("isochrone-probe join {}", invitation.token);
    for part in [
        join.as_str(),
        "7472/udp",
        "isochrone-probe run",
        "systemctl enable --now",
    ] {
        assert!(invitation.script.contains(part), "{part}");
    }
    let expires: jiff::Timestamp = invitation.expires.parse().unwrap();
    let expected = START.plus(VALID).0 / 1_000;
    assert_eq!(expires.as_second(), i64::try_from(expected).unwrap());
}

#[tokio::test]
async fn pasted_script_joins_opens_the_port_and_starts_the_probe() {
    let ufw = ("ufw", "echo \"ufw $*\"");
    let systemctl = ("systemctl", "[ \"$1\" = cat ] || echo \"systemctl $*\"");
    for programs in [
        &[ROOT, JOINS, ufw, systemctl][..],
        &[OTHER, SUDO, JOINS, ufw, systemctl][..],
    ] {
        let Pasted { out, errors } = pasted(programs);
        assert_eq!(errors, "");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0], "probe join");
        assert_eq!(lines[1], "ufw allow 7472/udp");
        assert_eq!(lines[2], "systemctl enable --now isochrone-probe.service");
        assert!(lines[3].contains("isochrone-probe status"), "{out}");
        assert!(lines[4].starts_with("still here"), "{out}");
    }
}

#[tokio::test]
async fn script_that_fails_leaves_the_shell_as_it_was_and_a_sentence_behind() {
    let unit = ("systemctl", "[ \"$1\" = cat ]");
    let cases: [(Programs, &str); 7] = [
        (&[ROOT], "isochrone-probe is not installed"),
        (&[OTHER, JOINS], "sudo is not installed"),
        (&[OTHER, ("sudo", FAILS), JOINS], "has not joined"),
        (&[ROOT, ("isochrone-probe", FAILS), unit], "has not joined"),
        (&[ROOT, JOINS, ("ufw", FAILS)], "let UDP port 7472 in yourself"),
        (
            &[ROOT, JOINS, ("firewall-cmd", FAILS)],
            "let UDP port 7472 in yourself",
        ),
        (&[ROOT, JOINS, unit], "journalctl -u isochrone-probe"),
    ];
    for (programs, sentence) in cases {
        let Pasted { out, errors } = pasted(programs);
        assert!(errors.contains(sentence), "{sentence}: {errors}");
        let last = out.lines().last().unwrap_or_default();
        assert!(last.starts_with("still here"), "{sentence}: the shell is gone");
        let changed = last.trim_start_matches("still here:").trim();
        assert!(
            !changed.contains(['e', 'u']),
            "{sentence}: the shell was changed: {last}"
        );
    }
}

#[tokio::test]
async fn without_systemd_or_a_firewall_program_the_script_says_what_is_left_to_do() {
    let Pasted { out, errors } = pasted(&[ROOT, JOINS]);
    assert_eq!(errors, "");
    assert!(
        out.contains("let UDP port 7472 in") && out.contains("isochrone-probe run"),
        "{out}"
    );
}

#[tokio::test]
async fn invitation_for_a_server_that_has_a_probe_says_which_one_to_revoke() {
    let office = Office::new();
    let first = office.invite("ada", None).unwrap();
    assert!(!first.script.contains("probe revoke"));
    office.join(&first, &ed25519());
    let again = office.invite("Ada", None).unwrap();
    assert!(
        again.script.contains("# Ada has a probe there, ada-berlin."),
        "{}",
        again.script
    );
    assert!(again.script.contains("probe revoke ada-berlin\n"));
    let other = office.invite("ben", None).unwrap();
    assert!(!other.script.contains("probe revoke"));
}
