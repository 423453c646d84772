//! Where the configuration and the state are.

use std::env;
use std::path::PathBuf;

use crate::config::{Config, ConfigError};

/// The two paths: file and folder.
#[derive(Debug)]
pub(super) struct Paths {
    config: PathBuf,
    /// Named by the user, so that it must be there.
    config_named: bool,
    pub(super) state: PathBuf,
}

impl Paths {
    /// What the user named, else the system's for root, else the user's own (XDG).
    pub(super) fn find(config: Option<PathBuf>, state: Option<PathBuf>) -> Self {
        let is_root = nix::unistd::geteuid().is_root();
        let home = |variable: &str, below: &str| {
            let named = env::var_os(variable)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute());
            named.unwrap_or_else(|| env::home_dir().unwrap_or_default().join(below))
        };
        let default_config = || {
            if is_root {
                PathBuf::from("/etc/isochrone/probe.toml")
            } else {
                home("XDG_CONFIG_HOME", ".config").join("isochrone/probe.toml")
            }
        };
        let default_state = || {
            if is_root {
                PathBuf::from("/var/lib/isochrone-probe")
            } else {
                home("XDG_STATE_HOME", ".local/state").join("isochrone-probe")
            }
        };
        Self {
            config_named: config.is_some(),
            config: config.unwrap_or_else(default_config),
            state: state.unwrap_or_else(default_state),
        }
    }

    pub(super) fn read_config(&self) -> Result<Config, ConfigError> {
        if self.config_named {
            Config::read(&self.config)
        } else {
            Config::read_or_default(&self.config)
        }
    }
}
