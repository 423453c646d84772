//! The state folder: its store and its authority, for a collector that serves and for a command that runs alone.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use isochrone_base::clock::Clock;
use isochrone_gate::audit::Actor;
use isochrone_gate::authority::Authority;
use isochrone_gate::events::GateEvents;
use isochrone_gate::registry::{Registry, RegistryParts};
use isochrone_gate::session::Sessions;
use isochrone_planner::plans::AddressBook;
use isochrone_planner::targets::Targets;
use isochrone_store::{Store, StoreError, StoreOptions};
use isochrone_watch::alert::Outbox;
use rand::TryRngCore as _;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::commands::CommandContext;
use crate::config::{Config, Paths};
use crate::gate_alerts::GateAlerts;
use crate::supervisor::collector_name;

impl CommandContext {
    /// Opens the store of a collector that does not run, for one command.
    ///
    /// # Errors
    /// Wrong configuration, or a store that cannot be opened.
    pub fn open(paths: &Paths) -> anyhow::Result<Self> {
        let config = Arc::new(Config::read(&paths.config)?);
        let targets = Targets::read(&paths.targets)?;
        let opened = Opened::open(paths, &config)?;
        let addresses = config.invited_addresses();
        let outbox = Outbox::open(&opened.store, config.alerts.receivers(), opened.clock.wall())?;
        let registry = Registry::open(RegistryParts {
            store: opened.store.clone(),
            authority: opened.authority,
            clock: opened.clock.clone(),
            events: GateEvents::to(GateAlerts::new(outbox, collector_name(&addresses))),
            addresses,
            seed: seed(),
        })?;
        Ok(Self {
            addresses: AddressBook::open(&opened.store)?,
            store: opened.store,
            store_file: paths.store(),
            registry,
            sessions: Sessions::default(),
            targets: watch::Sender::new(Arc::new(targets)),
            targets_file: paths.targets.clone(),
            config,
            clock: opened.clock,
            actor: Actor::of_this_process(),
            views: None,
        })
    }
}

/// The state folder, opened.
pub(super) struct Opened {
    pub(super) store: Store,
    pub(super) authority: Authority,
    pub(super) clock: Clock,
}

/// Between two looks whether the store is free.
const WAIT: Duration = Duration::from_millis(250);
/// Looks before giving up: 30 s, as long as a command waits for a collector.
const WAITS: usize = 120;

impl Opened {
    /// The same as [`Self::open`], but waits for a command that has the store open: one that was given before this
    /// collector was up. Another collector in this folder is told by its control socket, and not waited for.
    pub(super) async fn when_free(
        paths: &Paths,
        config: &Config,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        for wait in 0..WAITS {
            match Self::open(paths, config) {
                Err(error) if is_in_use(&error) && UnixStream::connect(paths.socket()).await.is_err() => {
                    if wait == 0 {
                        tracing::info!("a command has the store open; waiting for it");
                    }
                    if stop.run_until_cancelled(tokio::time::sleep(WAIT)).await.is_none() {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
        Self::open(paths, config)
    }

    /// Opens store and authority, or makes them.
    pub(super) fn open(paths: &Paths, config: &Config) -> anyhow::Result<Self> {
        if paths.state.join("identity.json").exists() && !paths.store().exists() {
            anyhow::bail!(
                "{} is a probe's state folder, and the collector has one of its own: leave --state and ISOCHRONE_STATE away, or name that",
                paths.state.display()
            );
        }
        make_private_folder(&paths.state)?;
        let options = StoreOptions {
            reserve_bytes: config.disk_reserve,
            retention: config.retention,
            ..StoreOptions::default()
        };
        let store = Store::open(&paths.store(), options)?;
        let clock = Clock::system();
        let mut random = rand::rngs::OsRng.unwrap_err();
        let folder = paths.state.join("authority");
        make_private_folder(&folder)?;
        let authority = Authority::open(&folder, clock.wall(), &mut random)?;
        Ok(Self {
            store,
            authority,
            clock,
        })
    }
}

/// Makes the state folder, for nobody else to read.
fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StoreError::InUse { .. }))
}

fn make_private_folder(folder: &Path) -> anyhow::Result<()> {
    let describe = || {
        format!(
            "cannot use the state folder {}; name another with --state",
            folder.display()
        )
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(describe)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).with_context(describe)
}

/// Seed of the registry's secrets.
pub(super) fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    rand::rngs::OsRng
        .try_fill_bytes(&mut seed)
        .expect("the system has randomness once it has booted");
    seed
}
