//! A real Elasticsearch on loopback: Elastic's own distribution for integration tests, fetched by Maven and kept in Maven's
//! own folder.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

/// A release that is tested against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its version.
    pub version: &'static str,
    /// The oldest Java that runs it.
    java: u32,
}

/// Every release that is tested against, the older one first.
pub const RELEASES: [Release; 2] = [
    Release {
        version: "8.19.16",
        java: 17,
    },
    Release {
        version: "9.5.2",
        java: 21,
    },
];

/// A running server. Dropping it ends it and removes its folder.
pub struct Elasticsearch {
    release: Release,
    folder: TempDir,
    java: PathBuf,
    launcher: Option<Child>,
    port: u16,
    is_tls: bool,
}

impl Release {
    /// The Java that runs it; `None`, and said, where there is none: then nobody here can start this release.
    #[must_use]
    pub fn java(self) -> Option<PathBuf> {
        let homes = fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
        let mut fitting: Vec<(u32, PathBuf)> = homes
            .map(|entry| entry.path())
            .filter(|home| home.join("bin/java").exists())
            .filter_map(|home| Some((major(&home)?, home)))
            .filter(|(major, _)| *major >= self.java)
            .collect();
        fitting.sort();
        let found = fitting.into_iter().next().map(|(_, home)| home);
        if found.is_none() {
            println!(
                "no Java {} or newer under /usr/lib/jvm: {} is not started",
                self.java, self.version
            );
        }
        found
    }

    /// The archive, from Maven's folder or from Maven.
    fn archive(self) -> anyhow::Result<PathBuf> {
        let home = std::env::var_os("HOME").context("HOME is set")?;
        let name = format!("elasticsearch-{}.zip", self.version);
        let file = Path::new(&home)
            .join(".m2/repository/org/elasticsearch/distribution/integ-test-zip/elasticsearch")
            .join(self.version)
            .join(name);
        if !file.exists() {
            let artifact = format!(
                "-Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:{}:zip",
                self.version
            );
            let get = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get";
            run(Command::new("mvn").args(["-q", get, &artifact, "-Dtransitive=false"]))?;
        }
        ensure!(file.exists(), "Maven left no {}", file.display());
        Ok(file)
    }
}

/// The major version of the Java in a folder.
fn major(home: &Path) -> Option<u32> {
    let text = fs::read_to_string(home.join("release")).ok()?;
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    version.split(['.', '"']).next()?.parse().ok()
}

impl Elasticsearch {
    /// Unpacks a release with these further lines in its configuration; it is not running yet.
    ///
    /// # Errors
    /// When Maven or the file system fails.
    pub fn unpack(release: Release, java: PathBuf, settings: &str) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let archive = release.archive()?;
        run(Command::new("unzip")
            .arg("-q")
            .arg(archive)
            .arg("-d")
            .arg(folder.path()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let is_tls = settings.contains("xpack.security.http.ssl.enabled: true");
        let server = Self {
            release,
            folder,
            java,
            launcher: None,
            port,
            is_tls,
        };
        let security = match settings.contains("xpack.security.enabled") {
            true => "",
            false => "xpack.security.enabled: false\n",
        };
        // how full the machine's disk is, is not what is tested
        let disk = "cluster.routing.allocation.disk.threshold_enabled: false\n";
        let text = format!(
            "discovery.type: single-node\nnetwork.host: 127.0.0.1\nhttp.port: {port}\n{disk}{security}{settings}\n"
        );
        fs::write(server.config().join("elasticsearch.yml"), text)?;
        Ok(server)
    }

    /// Where its configuration lies.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.home().join("config")
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        match self.is_tls {
            true => format!("https://localhost:{}", self.port),
            false => format!("http://127.0.0.1:{}", self.port),
        }
    }

    fn home(&self) -> PathBuf {
        self.folder
            .path()
            .join(format!("elasticsearch-{}", self.release.version))
    }

    /// Runs one of its tools, with this on its standard input.
    ///
    /// # Errors
    /// When it fails.
    pub fn tool(&self, name: &str, arguments: &[&str], input: &str) -> anyhow::Result<()> {
        let mut command = Command::new(self.home().join("bin").join(name));
        command
            .args(arguments)
            .env("ES_JAVA_HOME", &self.java)
            .current_dir(self.home());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        child
            .stdin
            .take()
            .context("its standard input")?
            .write_all(input.as_bytes())?;
        let ended = child.wait()?;
        ensure!(ended.success(), "{name} ended with {ended}");
        Ok(())
    }

    /// Starts it, with the data that it had, and waits until it answers.
    ///
    /// # Errors
    /// When it does not within five minutes, which a busy machine may take.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let log = fs::File::create(self.folder.path().join("log"))?;
        let mut command = match geteuid().is_root() {
            true => {
                // it refuses root
                fs::set_permissions(
                    self.folder.path(),
                    std::os::unix::fs::PermissionsExt::from_mode(0o755),
                )?;
                run(Command::new("chown").args(["-R", "nobody"]).arg(self.home()))?;
                let mut command = Command::new("setpriv");
                command.args(["--reuid=nobody", "--clear-groups", "--"]);
                command.arg(self.home().join("bin/elasticsearch"));
                command
            }
            false => Command::new(self.home().join("bin/elasticsearch")),
        };
        command
            .arg("-p")
            .arg(self.home().join("pid"))
            .env("ES_JAVA_HOME", &self.java)
            .env("ES_JAVA_OPTS", "-Xms512m -Xmx512m")
            .current_dir(self.home())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        self.launcher = Some(command.spawn()?);
        for _ in 0..1_200 {
            let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            if text.contains("\"started ") || text.contains("] started ") || text.contains(" started {") {
                return Ok(());
            }
            if let Some(ended) = self
                .launcher
                .as_mut()
                .and_then(|child| child.try_wait().ok().flatten())
            {
                bail!("Elasticsearch ended with {ended}:\n{text}");
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        bail!("Elasticsearch did not start within five minutes")
    }

    /// Its process; `None`: it does not run.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        let noted = fs::read_to_string(self.home().join("pid")).ok()?;
        noted.trim().parse().ok().filter(|pid| *pid > 1)
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        if let Some(pid) = self.pid() {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok(); // it may be gone
        }
        if let Some(mut launcher) = self.launcher.take() {
            launcher.kill().ok();
            launcher.wait().ok();
        }
        fs::remove_file(self.home().join("pid")).ok();
    }
}

impl Drop for Elasticsearch {
    fn drop(&mut self) {
        self.kill();
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(())
}
