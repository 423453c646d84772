//! Servers: each a network and a set of mounts of its own, on one wire.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A command that takes longer than this many seconds hangs.
const COMMAND_SECONDS: &str = "60";
/// The wire that everybody is on; its end in this process holds what is no server.
const WIRE: &str = "wire";
/// What a server has instead of the machine's own.
const MOUNTS: [&str; 4] = ["etc", "usr/local/bin", "var/lib", "run"];
/// Programs that stand in for what is not here, or would do more than a test may.
const STUBS: [(&str, &str); 8] = [
    ("journalctl", include_str!("stubs/journalctl")),
    ("ssh", include_str!("stubs/ssh")),
    ("sudo", include_str!("stubs/sudo")),
    ("sudoedit", include_str!("stubs/sudoedit")),
    ("systemctl", include_str!("stubs/systemctl")),
    ("timedatectl", include_str!("stubs/timedatectl")),
    ("ufw", include_str!("stubs/ufw")),
    ("useradd", include_str!("stubs/useradd")),
];

/// A server. All of them end with the process that made them, the first of its own process namespace.
pub(crate) struct Server {
    /// Its name, for the test's words.
    pub(crate) name: String,
    folder: PathBuf,
    keeper: Child,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Said {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// What it wrote to its standard output.
    pub(crate) out: String,
    /// All that it wrote, errors last.
    pub(crate) text: String,
}

/// Makes the wire, with `addresses` at this process's end.
pub(crate) fn lay_wire(world: &Path, addresses: &[&str]) {
    let stubs = world.join("stubs");
    std::fs::create_dir(&stubs).unwrap();
    for (name, text) in STUBS {
        let file = stubs.join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    done(&format!(
        "ip link set lo up && ip link add name {WIRE} type bridge && ip link set {WIRE} up"
    ));
    for address in addresses {
        done(&format!("ip address add {address}/32 dev {WIRE}"));
    }
    done(&format!("ip route add default dev {WIRE}"));
}

impl Server {
    /// Sets one up, with this public address; `etc` are more files of its `/etc`.
    pub(crate) fn set_up(world: &Path, name: &str, address: &str, etc: &[(&str, String)]) -> Self {
        let folder = world.join(name);
        for place in MOUNTS.iter().chain(&["home", "edits"]) {
            std::fs::create_dir_all(folder.join(place)).unwrap();
        }
        let always = [
            ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
            ("group", "root:x:0:\n"),
            ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
            ("systemd/system/README", "units\n"),
        ];
        let more = etc.iter().map(|(file, text)| (*file, text.as_str()));
        for (file, text) in always.into_iter().chain(more) {
            let path = folder.join("etc").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mounts = MOUNTS.map(|place| format!("mount --bind {}/{place} /{place}", folder.display()));
        let script = format!(
            "set -e; {}; ip link set lo up; echo up; exec sleep infinity",
            mounts.join("; ")
        );
        let mut keeper = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "up\n", "{name} does not come up");
        let server = Self {
            name: name.to_owned(),
            folder,
            keeper,
        };
        server.plug_in(address);
        server
    }

    fn plug_in(&self, address: &str) {
        let (name, pid) = (&self.name, self.keeper.id());
        let inside = format!("nsenter --target {pid} --net ip");
        done(&format!(
            "ip link add name {name} type veth peer name eth0 netns {pid} && ip link set {name} master {WIRE} up && \
             {inside} link set eth0 up && {inside} address add {address}/32 dev eth0 && \
             {inside} route add default dev eth0"
        ));
    }

    /// Gives a line to a shell of this server.
    pub(crate) fn run(&self, line: &str) -> Said {
        self.shell(&["-c", line], "")
    }

    /// The same for a command that runs until Ctrl-C, which comes once it has written `text`.
    pub(crate) fn run_until(&self, line: &str, text: &str) -> Said {
        self.run(&format!(
            "{line} >said 2>&1 & until grep -qF '{text}' said || ! kill -0 $!; do sleep 0.05; done; \
             kill -INT $!; wait $!; code=$?; cat said; exit $code"
        ))
    }

    /// Gives it a program.
    pub(crate) fn has_program(&self, name: &str, file: &Path) {
        symlink(file, self.folder.join("usr/local/bin").join(name)).unwrap();
    }

    /// Pastes lines into an open shell, and asks it whether it is still there.
    pub(crate) fn paste(&self, lines: &str) -> Said {
        let said = self.shell(&[], &format!("{lines}\necho \"The shell is there.\"\n"));
        assert!(
            said.text.contains("The shell is there."),
            "{}: the paste ended the shell: {said:?}",
            self.name
        );
        said
    }

    fn shell(&self, arguments: &[&str], input: &str) -> Said {
        let path = format!(
            "{}/../stubs:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            self.folder.display()
        );
        let mut child = Command::new("nsenter")
            .args(["--target", &self.keeper.id().to_string(), "--net", "--mount"])
            .arg(format!("--wd={}", self.home().display()))
            .args(["timeout", COMMAND_SECONDS, "sh"])
            .args(arguments)
            .env_clear()
            .envs([("PATH", path.as_str()), ("LANG", "C.UTF-8")])
            .env("HOME", self.home())
            .env("WORLD", &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        Said {
            code: output.status.code(),
            text: out.clone() + &String::from_utf8_lossy(&output.stderr),
            out,
        }
    }

    /// Where its shells begin.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// What `sudoedit` does there to the file of this name: a script of sed.
    pub(crate) fn will_edit(&self, file: &str, script: &str) {
        std::fs::write(self.folder.join(format!("edits/{file}.sed")), script).unwrap();
    }

    /// What a service there has logged, for whoever reads a failure.
    pub(crate) fn log_of(&self, unit: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("run/{unit}.log"))).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; its services end with the namespace.
        drop(self.keeper.kill());
        drop(self.keeper.wait());
    }
}

/// A line for a shell that must succeed.
fn done(line: &str) {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
