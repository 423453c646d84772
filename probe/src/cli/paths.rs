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

    /// Refuses the state folder of a collector: `ISOCHRONE_STATE` names one for whoever works with both.
    pub(super) fn check_state(&self) -> Result<(), ConfigError> {
        let folder = self.state.clone();
        if folder.join("store.redb").exists() {
            return Err(ConfigError::CollectorsFolder { folder });
        }
        Ok(())
    }

    pub(super) fn read_config(&self) -> Result<Config, ConfigError> {
        if self.config_named && self.config.ends_with("collector.toml") {
            let file = self.config.clone();
            return Err(ConfigError::Collectors { file });
        }
        if self.config_named {
            Config::read(&self.config)
        } else {
            Config::read_or_default(&self.config)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectors_file_and_folder_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("collector.toml");
        std::fs::write(&file, "").unwrap();
        let paths = Paths::find(Some(file.clone()), Some(folder.path().to_owned()));
        paths.check_state().unwrap();
        std::fs::write(folder.path().join("store.redb"), "").unwrap();
        let said = paths.check_state().unwrap_err().to_string();
        assert!(
            said.contains("collector's state folder") && said.contains("ISOCHRONE_STATE"),
            "{said}"
        );
        let said = paths.read_config().unwrap_err().to_string();
        assert!(
            said.contains("the collector's file") && said.contains("ISOCHRONE_CONFIG"),
            "{said}"
        );
    }
}
