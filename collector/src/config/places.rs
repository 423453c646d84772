//! Where configuration and state lie.

use std::env;
use std::path::{Path, PathBuf};

/// The collector's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// `collector.toml`.
    pub config: PathBuf,
    /// `targets.toml`, beside it.
    pub targets: PathBuf,
    /// State folder: store, authority, control socket.
    pub state: PathBuf,
}

impl Places {
    /// The places that the options name, or the usual ones: `/etc/isochrone` and
    /// `/var/lib/isochrone-collector` for root, `$XDG_CONFIG_HOME` and `$XDG_STATE_HOME` for others.
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
        let state = state.unwrap_or_else(|| {
            let folder = if root {
                PathBuf::from("/var/lib")
            } else {
                xdg("XDG_STATE_HOME", ".local/state")
            };
            folder.join("isochrone-collector")
        });
        let targets = config.parent().unwrap_or(Path::new(".")).join("targets.toml");
        Self {
            config,
            targets,
            state,
        }
    }

    /// The control socket in the state folder.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.state.join("control.sock")
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
