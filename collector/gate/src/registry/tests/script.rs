use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::*;

/// Programs on the worker's server: name, and what each does.
type Programs<'a> = &'a [(&'a str, &'a str)];

/// What the worker's shell printed when the script had been pasted, and a line after it.
struct Pasted {
    shell: String,
    out: String,
    errors: String,
}

impl Pasted {
    /// Nothing that the script or the shell complains of.
    fn assert_no_complaint(&self) {
        for word in [
            "isochrone: ",
            "not found",
            "error",
            "bad pattern",
            "number expected",
        ] {
            let Self { shell, errors, .. } = self;
            assert!(!errors.contains(word), "{shell}: {word}: {errors}");
        }
    }
}

/// Shells that a worker may sit at, of those that are here. Each is interactive, which changes what zsh reads.
fn shells() -> Vec<&'static str> {
    let shells = ["/bin/sh", "/bin/bash", "/bin/dash", "/bin/zsh"];
    shells
        .into_iter()
        .filter(|shell| Path::new(shell).exists())
        .collect()
}

/// Pastes the script into each shell.
fn pasted(programs: Programs) -> Vec<Pasted> {
    let script = Office::new().invite("ada", None).unwrap().script;
    let into = |shell| pasted_into(shell, programs, &script);
    shells().into_iter().map(into).collect()
}

/// Pastes a script where these programs are all there is, into a shell that goes on with its own next line.
fn pasted_into(shell: &str, programs: Programs, script: &str) -> Pasted {
    let folder = tempfile::tempdir().unwrap();
    for (name, does) in programs {
        let file = folder.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{does}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let keyboard = folder.path().join("keyboard");
    let after = "echo \"still here: $- ${as_root-}\"\nexit 0\n";
    fs::write(&keyboard, format!("PS1= PS2=\n{script}{after}")).unwrap();
    let mut command = Command::new(shell);
    match shell {
        "/bin/bash" => command.args(["--norc", "--noediting"]),
        "/bin/zsh" => command.arg("-f"),
        _ => &mut command,
    };
    command.arg("-i").stdin(fs::File::open(keyboard).unwrap());
    let output = command.env_clear().env("PATH", folder.path()).output().unwrap();
    Pasted {
        shell: shell.to_owned(),
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
        for pasted in pasted(programs) {
            pasted.assert_no_complaint();
            let lines: Vec<&str> = pasted.out.lines().collect();
            assert_eq!(lines[0], "probe join");
            assert_eq!(lines[1], "ufw allow 7472/udp");
            assert_eq!(lines[2], "systemctl enable --now isochrone-probe.service");
            assert!(lines[3].contains("isochrone-probe status"), "{}", pasted.out);
            assert!(lines[4].starts_with("still here"), "{}", pasted.out);
        }
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
        (
            &[OTHER, SUDO, JOINS, unit],
            "Why: sudo journalctl -u isochrone-probe",
        ),
    ];
    for (programs, sentence) in cases {
        for Pasted { shell, out, errors } in pasted(programs) {
            assert!(errors.contains(sentence), "{shell}: {sentence}: {errors}");
            let last = out.lines().last().unwrap_or_default();
            assert!(
                last.starts_with("still here"),
                "{sentence}: {shell} is gone: {errors}"
            );
            let changed = last.trim_start_matches("still here:").trim();
            assert!(
                !changed.contains(['e', 'u']),
                "{sentence}: {shell} was changed: {last}"
            );
        }
    }
}

#[tokio::test]
async fn without_systemd_or_a_firewall_program_the_script_says_what_is_left_to_do() {
    for pasted in pasted(&[OTHER, SUDO, JOINS]) {
        pasted.assert_no_complaint();
        for words in ["let UDP port 7472 in", "yourself: sudo isochrone-probe run"] {
            assert!(pasted.out.contains(words), "{words}: {}", pasted.out);
        }
    }
}

/// zsh takes a `#` from a keyboard for a command, and a quote or a parenthesis behind it for what they are.
#[tokio::test]
async fn script_has_no_comments_and_no_quote_of_the_leads_words() {
    let office = Office::new();
    let new = NewInvitation {
        worker: "ada".to_owned(),
        site: "Bishop's Stortford (west), GB".to_owned(),
        location: Some((51.87, 0.15)),
        ..NewInvitation::default()
    };
    let script = office.registry.invite(&new, &lead()).unwrap().script;
    assert!(!script.contains('#'), "{script}");
    for shell in shells() {
        let pasted = pasted_into(shell, &[ROOT, JOINS], &script);
        pasted.assert_no_complaint();
        assert!(pasted.out.starts_with("probe join\n"), "{shell}: {}", pasted.out);
    }
}

#[tokio::test]
async fn invitation_for_a_server_that_has_a_probe_says_which_one_to_revoke() {
    let office = Office::new();
    let first = office.invite("ada", None).unwrap();
    assert_eq!(first.notes, [""; 0]);
    office.join(&first, &ed25519());
    let again = office.invite("Ada", None).unwrap();
    let [note] = &again.notes[..] else {
        panic!("{:?}", again.notes)
    };
    assert!(note.starts_with("Ada has a probe there, ada-berlin;"), "{note}");
    assert!(note.ends_with("probe revoke ada-berlin"), "{note}");
    assert!(
        !again.script.contains("probe revoke"),
        "the worker has no such command"
    );
    let other = office.invite("ben", None).unwrap();
    assert_eq!(other.notes, [""; 0]);
}

#[tokio::test]
async fn site_that_may_be_several_cities_asks_the_lead_which() {
    let office = Office::new();
    let new = |location| NewInvitation {
        worker: "ada".to_owned(),
        site: "Springfield, US".to_owned(),
        location,
        ..NewInvitation::default()
    };
    let error = office
        .registry
        .invite(&new(None), &lead())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("may be any of") && error.contains("--location LAT,LON"),
        "{error}"
    );
    assert_eq!(office.registry.open_invitations().len(), 0);
    let clear = office
        .registry
        .invite(&new(Some((42.10, -72.59))), &lead())
        .unwrap();
    assert_eq!(clear.notes, [""; 0]);
}
