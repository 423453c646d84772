//! Where configuration and state lie.

use std::env;
use std::path::{Path, PathBuf};

use crate::terminal::word;

/// Name of the state folder.
const FOLDER: &str = "isochrone-collector";

/// The collector's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `collector.toml`.
    pub config: PathBuf,
    /// `targets.toml`, beside it.
    pub targets: PathBuf,
    /// State folder: store, authority, control socket.
    pub state: PathBuf,
    /// State folder of the probe that `up` runs on this machine.
    pub probe_state: PathBuf,
}

impl Paths {
    /// The places that the options name, or the usual ones: `/etc/isochrone` and
    /// `/var/lib/isochrone-collector` for root, `$XDG_CONFIG_HOME` and `$XDG_STATE_HOME` for others. Beside a state
    /// folder that was named, nothing is written: the probe's then lies inside it.
    #[must_use]
    pub fn find(config: Option<PathBuf>, state: Option<PathBuf>) -> Self {
        let root = nix::unistd::geteuid().is_root();
        let config = config.unwrap_or_else(|| {
            let folder = if root {
                PathBuf::from("/etc")
            } else {
                xdg("XDG_CONFIG_HOME", ".config")
            };
            folder.join("isochrone/collector.toml")
        });
        let (state, probe_state) = match state {
            Some(state) => (state.clone(), state.join("probe")),
            None => {
                let folder = if root {
                    PathBuf::from("/var/lib")
                } else {
                    xdg("XDG_STATE_HOME", ".local/state")
                };
                (folder.join(FOLDER), folder.join("isochrone-probe"))
            }
        };
        let targets = config.parent().unwrap_or(Path::new(".")).join("targets.toml");
        Self {
            config,
            targets,
            state,
            probe_state,
        }
    }

    /// The options that lead a command here; none where it looks here anyway.
    #[must_use]
    pub fn options(&self) -> String {
        let usual = Self::find(None, None);
        let config = (self.config != usual.config).then_some(("--config", &self.config));
        let state = (self.state != usual.state).then_some(("--state", &self.state));
        let named = config.into_iter().chain(state);
        let words = named.map(|(option, path)| format!("{option} {}", word(path)));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The folder of the service on this machine, where that is another than this and nobody named one: root's, which
    /// whoever is not root does not look into.
    #[must_use]
    pub fn other_service(&self) -> Option<PathBuf> {
        self.other_than(&Path::new("/var/lib").join(FOLDER))
    }

    fn other_than(&self, service: &Path) -> Option<PathBuf> {
        let is_usual = self.state == Self::find(None, None).state;
        let is_there = service.symlink_metadata().is_ok(); // a link may lead where this user cannot look
        (is_usual && self.state != service && is_there).then(|| service.to_owned())
    }

    /// The control socket in the state folder.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.state.join("control.sock")
    }

    /// What this machine's probe is told locally: `probe.toml`, beside the collector's configuration.
    #[must_use]
    pub fn probe_config(&self) -> PathBuf {
        self.config.with_file_name("probe.toml")
    }

    /// The store's file.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.state.join("store.redb")
    }
}

fn xdg(variable: &str, fallback: &str) -> PathBuf {
    match env::var_os(variable).map(PathBuf::from) {
        Some(path) if path.is_absolute() => path,
        _ => PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(fallback),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_beside_a_state_folder_that_was_named() {
        let named = Paths::find(Some("/etc/x/collector.toml".into()), Some("/srv/mesh".into()));
        assert_eq!(named.probe_state, Path::new("/srv/mesh/probe"));
        assert_eq!(named.probe_config(), Path::new("/etc/x/probe.toml"));
        let usual = Paths::find(None, None);
        let service = tempfile::tempdir().unwrap();
        let other = Some(service.path().to_owned());
        assert_eq!(usual.other_than(service.path()), other, "the service's");
        assert_eq!(usual.other_than(&service.path().join("none")), None);
        assert_eq!(usual.other_than(&usual.state), None, "its own");
        assert_eq!(
            named.other_than(service.path()),
            None,
            "whoever names one means it"
        );
        assert_eq!(
            named.options(),
            "--config /etc/x/collector.toml --state /srv/mesh"
        );
        assert_eq!(usual.options(), "");
        assert_eq!(usual.probe_state, usual.state.with_file_name("isochrone-probe"));
    }
}
