//! Processes that figures look at from outside: the built binaries, their processor time and their memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// Ticks a second in /proc, the same on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;
/// Both packages, for cargo.
pub(super) const BOTH: [&str; 4] = ["--package", "isochrone-collector", "--package", "isochrone-probe"];
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary of `package`, which bears its name, built as this program was: `cargo run` builds only ours. Both
/// binaries are built at once, so that they get the features they are released with, and none of the tests'.
pub(super) fn binary(package: &str) -> Result<PathBuf> {
    let folder = folder()?;
    let target = folder.parent().context("this program lies in no target folder")?;
    let mut cargo = cargo();
    cargo.args(["build", "--quiet", "--bins"]).args(BOTH);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let built = cargo.arg("--target-dir").arg(target).status()?;
    ensure!(built.success(), "cargo could not build {package}");
    Ok(folder.join(package))
}

/// Processor time of this thread so far, in nanoseconds.
pub(super) fn thread_ns() -> Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("the thread's processor time")?;
    Ok(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// Cargo, in the workspace's root.
pub(super) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    cargo
}

/// Where this program lies: on a disk, unlike some temporary folders.
pub(super) fn folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program
        .parent()
        .context("this program lies in no folder")?
        .to_owned())
}

/// A process of ours; killed if it is dropped.
pub(super) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `binary`; what it says goes into the file `log`.
    pub(super) fn start(binary: &Path, arguments: &[&str], log: PathBuf) -> Result<Self> {
        let said = File::create(&log)?;
        let child = Command::new(binary)
            .args(arguments)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let name = binary
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Self { child, name, log })
    }

    /// Waits until `file` is there.
    pub(super) fn wait_for(&mut self, file: &Path) -> Result<()> {
        let mut waited = Duration::ZERO;
        while !file.exists() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}): {}", self.name, self.said());
            }
            ensure!(
                waited < PATIENCE,
                "{} is not up after 30 s: {}",
                self.name,
                self.said()
            );
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
        Ok(())
    }

    /// Processor time, its own and the system's for it, in seconds.
    pub(super) fn processor_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        Ok(ticks(&stat, [14, 15])? / TICKS_PER_SECOND)
    }

    /// Resident memory, in MB (10^6 bytes).
    pub(super) fn resident_mb(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        resident_mb(&status)
    }

    /// Ends it with SIGTERM, as a service manager does.
    pub(super) fn stop(mut self) -> Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        let status = self.child.wait()?;
        ensure!(
            status.success(),
            "{} ended ({status}): {}",
            self.name,
            self.said()
        );
        Ok(())
    }

    /// Ends it as a crash does.
    pub(super) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// What it said.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Processor time of any process, its own and the system's for it, in seconds.
pub(super) fn processor_seconds_of(pid: i32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(ticks(&stat, [14, 15])? / TICKS_PER_SECOND)
}

/// Processor time of all children that ended, in seconds.
pub(super) fn children_processor_seconds() -> Result<f64> {
    Ok(ticks(&fs::read_to_string("/proc/self/stat")?, [16, 17])? / TICKS_PER_SECOND)
}

/// The sum of two fields of /proc/…/stat, numbered as in proc(5).
fn ticks(stat: &str, fields: [usize; 2]) -> Result<f64> {
    let (_, rest) = stat.rsplit_once(") ").context("/proc/…/stat names no command")?;
    let all: Vec<&str> = rest.split(' ').collect(); // starts with field 3
    let mut sum = 0.0;
    for field in fields {
        let ticks: f64 = all.get(field - 3).context("/proc/…/stat is too short")?.parse()?;
        sum += ticks;
    }
    Ok(sum)
}

/// Resident memory in 10^6 bytes, by /proc/…/status.
pub(super) fn resident_mb(status: &str) -> Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib.context("/proc/…/status names no VmRSS")?.trim().parse()?;
    Ok(kib * 1_024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_a_command_with_spaces_and_parentheses() {
        let stat = "4242 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 30 70 20 0 9 0 100";
        assert_eq!(ticks(stat, [14, 15]).unwrap(), 200.0);
        assert_eq!(ticks(stat, [16, 17]).unwrap(), 100.0);
        assert!(ticks("4242 (a) S 1", [14, 15]).is_err());
    }

    #[test]
    fn resident_memory_is_read_in_kib() {
        let status = "Name:\tx\nVmHWM:\t   99999 kB\nVmRSS:\t   10000 kB\nThreads:\t3\n";
        assert!((resident_mb(status).unwrap() - 10.24).abs() < 1e-9);
        assert!(resident_mb("Name:\tx\n").is_err());
    }

    #[test]
    fn process_that_ends_before_it_is_up_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start(
            Path::new("/bin/sh"),
            &["-c", "echo no port; exit 3"],
            folder.path().join("log"),
        )
        .unwrap();
        let error = process.wait_for(&folder.path().join("never")).unwrap_err();
        assert!(error.to_string().contains("no port"), "{error}");
    }
}
