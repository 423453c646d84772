//! Where the configuration and the state are.

use std::env;
use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError};

/// The two paths: file and folder.
#[derive(Debug)]
pub(super) struct Paths {
    config: PathBuf,
    /// Named by the user, so that it must be there.
    config_named: bool,
    pub(super) state: PathBuf,
    state_named: bool,
}

/// The state folder of the service.
const SERVICE: &str = "/var/lib/isochrone-probe";

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
                PathBuf::from(SERVICE)
            } else {
                home("XDG_STATE_HOME", ".local/state").join("isochrone-probe")
            }
        };
        Self {
            config_named: config.is_some(),
            state_named: state.is_some(),
            config: config.unwrap_or_else(default_config),
            state: state.unwrap_or_else(default_state),
        }
    }

    /// The folder of the service on this machine, where that is another than this and nobody named one: root's, which
    /// whoever is not root does not look into.
    pub(super) fn other_service(&self) -> Option<PathBuf> {
        self.other_than(Path::new(SERVICE))
    }

    fn other_than(&self, service: &Path) -> Option<PathBuf> {
        let is_there = service.symlink_metadata().is_ok(); // a link may lead where this user cannot look
        (!self.state_named && self.state != service && is_there).then(|| service.to_owned())
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
    fn folder_of_the_service_is_named_where_nobody_named_another() {
        let service = tempfile::tempdir().unwrap();
        let usual = Paths::find(None, None);
        assert_eq!(usual.other_than(service.path()).as_deref(), Some(service.path()));
        assert_eq!(usual.other_than(&service.path().join("none")), None);
        assert_eq!(usual.other_than(&usual.state), None, "its own");
        let dangling = service.path().join("isochrone-probe");
        std::os::unix::fs::symlink("/var/lib/private/x", &dangling).unwrap();
        assert!(
            usual.other_than(&dangling).is_some(),
            "a service with an id of its own"
        );
        let named = Paths::find(None, Some("/srv/probe".into()));
        assert_eq!(
            named.other_than(service.path()),
            None,
            "whoever names one means it"
        );
    }

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
