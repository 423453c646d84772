//! What both programs write: answers that somebody may stop reading, and logs with words from anywhere.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use isochrone_tests::programs::program;
use tracing_subscriber::fmt::FormatFields;

/// A command of each program that prints an answer, and its exit code where that can be read.
const ANSWERS: [(&str, &[&str], i32); 2] = [
    (
        "isochrone-collector",
        &[
            "report",
            "coverage",
            "--sites",
            "../docs/example/sites.csv",
            "--rtt",
            "../docs/example/rtt.csv",
            "--nodes",
            "berlin,singapore",
        ],
        0,
    ),
    ("isochrone-probe", &["measure", "http://127.0.0.1:1/"], 1),
];

/// Exit code and errors of a command whose answer goes to `out`.
fn ended(name: &str, arguments: &[&str], out: impl Into<Stdio>) -> (Option<i32>, String) {
    let mut command = Command::new(program(name));
    command.args(arguments).stdout(out).stderr(Stdio::piped());
    let output = command.output().expect("the program runs");
    let errors = String::from_utf8(output.stderr).expect("UTF-8");
    (output.status.code(), errors)
}

#[test]
fn reader_that_leaves_is_no_failure_and_a_full_disk_is_one() {
    for (name, arguments, code) in ANSWERS {
        let (reader, gone) = std::io::pipe().expect("a pipe");
        drop(reader);
        assert_eq!(
            ended(name, arguments, gone),
            (Some(code), String::new()),
            "{name}"
        );
        let full = OpenOptions::new().write(true).open("/dev/full");
        let (code, errors) = ended(name, arguments, full.expect("Linux has one"));
        assert_eq!(code, Some(1), "{name}");
        assert!(errors.contains("cannot write the answer"), "{name}: {errors}");
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("whole").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A log in which hostile words stand in every place.
fn log(fields: impl for<'writer> FormatFields<'writer> + Send + Sync + 'static) -> String {
    let hostile = "x\n2026-11-22T03:20:00Z  INFO forged\u{1b}[2J\u{202e}\u{9b}1A\u{7f}";
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .fmt_fields(fields)
        .with_writer(move || writer.clone())
        .with_ansi(false);
    tracing::subscriber::with_default(subscriber.finish(), || {
        let _span = tracing::info_span!("session", name = %hostile, text = hostile).entered();
        tracing::warn!(reason = %hostile, text = hostile, option = ?Some(hostile), "{hostile}");
        tracing::info!(n = 3, "an event");
    });
    let bytes = written.0.lock().expect("whole").clone();
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn words_in_the_log_forge_no_line_and_move_no_cursor() {
    for log in [
        log(isochrone_collector::log::fields()),
        log(isochrone_probe::log::fields()),
    ] {
        assert_eq!(log.lines().count(), 2, "{log}");
        assert!(log.lines().all(isochrone_proto::text::is_clean), "{log:?}");
        assert!(
            log.contains("an event n=3") && log.contains("reason=x 2026"),
            "{log}"
        );
    }
}
