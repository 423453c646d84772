//! What the lead is told of the store itself: rows that are damaged, and a disk that is full or fails.
//!
//! Both are told once, and kept in the store together with what was told, so that a restart repeats nothing. What says
//! that nothing can be stored goes past the store, and is kept once that works.

mod upkeep;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use isochrone_base::words::date_time;
use isochrone_gate::session::Sessions;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Damage, Records, SetAside, Shortfall, Store, StoreError};
use isochrone_watch::alert::{Alert, Event, Outbox};
use isochrone_watch::monitor::Monitor;
use isochrone_web::view::{Notice, NoticeLevel};
use serde::{Deserialize, Serialize};

const TABLE: &str = "disk_full";
const KEY: &str = "since";
/// A disk has room again once it had for so long: one that hovers at its reserve is told of once.
const ROOM_FOR: Duration = Duration::from_secs(60);
/// A commit that fails is told once no other succeeded for so long.
const FAILS_FOR: Duration = Duration::from_secs(5);
/// After damage was told, what more is found is gathered for so long.
const DAMAGE_GATHERED: Duration = Duration::from_secs(600);
/// Damaged rows that one message names; of the others it says how many there are.
const NAMED: usize = 3;

/// Keeps watch over the store.
pub struct StoreWatch {
    store: Store,
    outbox: Outbox,
    collector: Arc<str>,
    /// Where the file system begins that the store lies on.
    mount: PathBuf,
    records: Records<Stop>,
    stop: Option<Stop>,
    /// What was told is not in the store yet.
    is_unkept: bool,
    /// Since when the store cannot be written, while that is too short to be told.
    failing_since: Option<UnixMillis>,
    /// Since when it works, while that is too short to be told.
    works_since: Option<UnixMillis>,
    /// Rows set aside when last looked.
    rows: Option<u64>,
    /// When damage was told last.
    damage_told: Option<UnixMillis>,
    /// It was told that upkeep fails, and it still does.
    is_untended_told: bool,
}

/// Nothing can be stored: kept until that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stop {
    since: UnixMillis,
    /// The error, where the disk fails; `None`: it is full.
    #[serde(default)]
    error: Option<String>,
}

/// Why nothing can be stored.
enum Obstacle {
    /// Less than the reserve is free: so many bytes.
    Full(u64),
    /// Writing fails, in these words.
    Fails(String),
}

impl StoreWatch {
    /// Takes up what was told before. `collector`: the name that alerts carry, and the folder that the store lies in.
    ///
    /// # Errors
    /// When the store failed.
    pub fn open(
        store: &Store,
        outbox: &Outbox,
        (collector, folder): (&str, &Path),
    ) -> Result<Self, StoreError> {
        let records: Records<Stop> = Records::new(store.clone(), TABLE);
        Ok(Self {
            store: store.clone(),
            outbox: outbox.clone(),
            collector: collector.into(),
            mount: mount_of(folder),
            stop: records.get(KEY)?,
            records,
            is_unkept: false,
            failing_since: None,
            works_since: None,
            rows: None,
            damage_told: None,
            is_untended_told: false,
        })
    }

    /// Looks at disk and damage, tells what is new, and lets `monitor` know whether anything is stored. To be called
    /// before each tick of it.
    ///
    /// # Errors
    /// When the store failed: the next call tries again.
    pub fn tick(
        &mut self,
        monitor: &mut Monitor,
        sessions: &Sessions,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let told = match self.obstacle() {
            Some(obstacle) => self.stopped(&obstacle, now),
            None => self.works(now),
        };
        // one commit that fails is no stop: nobody's silence begins anew with it
        let is_stopped = self.stop.is_some();
        let unstored = if is_stopped {
            sessions.unstored()
        } else {
            Vec::new()
        };
        monitor.note_store_full(is_stopped, &unstored, now);
        told.and_then(|()| self.look_for_damage(now))
            .and_then(|()| self.look_at_upkeep(now))
    }

    /// The collector's clock was set: what is waited for is waited for as long.
    pub fn clock_stepped(&mut self, by_ms: i64) {
        for at in [
            &mut self.failing_since,
            &mut self.works_since,
            &mut self.damage_told,
        ] {
            *at = at.map(|at| UnixMillis(at.0.saturating_add_signed(by_ms)));
        }
    }

    /// What the page says of the store.
    #[must_use]
    pub fn notices(&self, damage: &Damage, now: UnixMillis) -> Vec<Notice> {
        let at = isochrone_base::words::timestamp(now);
        let is_told = |obstacle: &Obstacle| matches!(obstacle, Obstacle::Full(_)) || self.stop.is_some();
        let disk = self.obstacle().filter(is_told).map(|obstacle| Notice {
            level: NoticeLevel::Error,
            text: self.stopped_text(&obstacle),
            at,
        });
        let damage = (damage.open() > 0).then(|| Notice {
            level: NoticeLevel::Error,
            text: damage_text(damage),
            at,
        });
        let size = self.store.shortfall().map(|shortfall| Notice {
            level: NoticeLevel::Warning,
            text: shortfall_text(&shortfall),
            at,
        });
        let upkeep = upkeep::fails(&self.store).map(|text| Notice {
            level: NoticeLevel::Error,
            text,
            at,
        });
        disk.into_iter().chain(damage).chain(size).chain(upkeep).collect()
    }

    fn look_at_upkeep(&mut self, now: UnixMillis) -> Result<(), StoreError> {
        let Some(text) = upkeep::fails(&self.store) else {
            self.is_untended_told = false;
            return Ok(());
        };
        if !self.is_untended_told {
            let id = format!("{:013}-upkeep-fails", now.0);
            self.outbox
                .add(&self.alert((Event::UpkeepFails, id), text, now), now)?;
            self.is_untended_told = true;
        }
        Ok(())
    }

    /// What stands in the way of storing anything.
    fn obstacle(&self) -> Option<Obstacle> {
        match self.store.reserve().shortage() {
            Some(free) => Some(Obstacle::Full(free)),
            None => self.store.trouble().map(Obstacle::Fails),
        }
    }

    /// Nothing can be stored. That is told past the store, which may not take even that, and kept as soon as it does.
    fn stopped(&mut self, obstacle: &Obstacle, now: UnixMillis) -> Result<(), StoreError> {
        self.works_since = None;
        let since = *self.failing_since.get_or_insert(now);
        let is_short = matches!(obstacle, Obstacle::Fails(_)) && now.since(since) < FAILS_FOR;
        if self.stop.is_none() && !is_short {
            let (event, word, error) = match obstacle {
                Obstacle::Full(_) => (Event::DiskFull, "disk-full", None),
                Obstacle::Fails(error) => (Event::CannotStore, "cannot-store", Some(error.clone())),
            };
            let text = self.stopped_text(obstacle);
            tracing::error!(text, "nothing is acknowledged");
            self.outbox.hold(
                &self.alert((event, format!("{:013}-{word}", now.0)), text, now),
                now,
            );
            (self.stop, self.is_unkept) = (Some(Stop { since, error }), true);
        }
        match obstacle {
            Obstacle::Full(_) => self.keep(),
            Obstacle::Fails(_) => self.try_to_write(),
        }
    }

    fn works(&mut self, now: UnixMillis) -> Result<(), StoreError> {
        self.failing_since = None;
        self.keep()?;
        let Some(stop) = self.stop.clone() else {
            return Ok(());
        };
        let since = *self.works_since.get_or_insert(now);
        if now.since(since) < ROOM_FOR {
            return Ok(());
        }
        let (event, word) = match stop.error {
            None => (Event::DiskRoom, "disk-room"),
            Some(_) => (Event::CanStore, "can-store"),
        };
        let id = format!("{:013}-{word}", stop.since.0);
        let alert = self.alert((event, id), over_text(&stop, since), now);
        self.store.write(|transaction| {
            self.records.remove_in(transaction, KEY)?;
            self.outbox.add_in(transaction, &alert, now)
        })?;
        tracing::info!("the store takes what comes again");
        (self.stop, self.works_since) = (None, None);
        self.outbox.refresh()
    }

    /// Keeps what was told and is not in the store yet.
    fn keep(&mut self) -> Result<(), StoreError> {
        if let (true, Some(stop)) = (self.is_unkept, &self.stop) {
            self.records.put(KEY, stop)?;
            self.is_unkept = false;
        }
        self.outbox.keep_held()
    }

    /// Whether the store works again shows only when something is written.
    fn try_to_write(&mut self) -> Result<(), StoreError> {
        match &self.stop {
            Some(stop) => {
                self.records.put(KEY, stop)?;
                self.is_unkept = false;
                self.outbox.keep_held()
            }
            None => self.records.remove(KEY).map(drop), // nothing to keep, and a commit
        }
    }

    fn look_for_damage(&mut self, now: UnixMillis) -> Result<(), StoreError> {
        let rows = self.store.damaged_rows()?;
        if self.rows == Some(rows) {
            return Ok(());
        }
        let is_soon = |told: UnixMillis| told <= now && now.since(told) < DAMAGE_GATHERED;
        if self.damage_told.is_some_and(is_soon) {
            return Ok(()); // a disk that fails bit by bit is told of in few messages
        }
        let untold = self.store.damage_untold()?;
        if let (Some(first), Some(last)) = (untold.first(), untold.last()) {
            let id = format!("{:06}-{:06}-damage", first.number, last.number);
            let mut alert = self.alert((Event::Damage, id), untold_text(&untold), now);
            alert.pages = untold.iter().any(|row| !row.mended);
            self.store.write(|transaction| {
                self.store.damage_told_in(transaction, last.number)?;
                self.outbox.add_in(transaction, &alert, now)
            })?;
            self.outbox.refresh()?;
            self.damage_told = Some(now);
        }
        self.rows = Some(rows);
        Ok(())
    }

    fn alert(&self, what: (Event, String), text: String, now: UnixMillis) -> Alert {
        Alert::of_collector(what, text, &self.collector, now)
    }

    fn stopped_text(&self, obstacle: &Obstacle) -> String {
        let reserve = self.store.reserve().bytes();
        let mount = quoted(&self.mount);
        match obstacle {
            Obstacle::Full(free) => format!(
                "The collector's disk is full: {} ({free} bytes) are free, and {} ({reserve} bytes) must stay free. \
                 Nothing is acknowledged; the probes go on measuring and keep their results. Make room: `du -xhd2 \
                 {mount} | sort -h | tail` shows what takes it. `disk_reserve` in collector.toml says how much must \
                 stay free.",
                bytesize::ByteSize(*free),
                bytesize::ByteSize(reserve)
            ),
            Obstacle::Fails(error) => format!(
                "The collector's store cannot be written: {error}. Nothing is acknowledged; the probes go on measuring \
                 and keep their results. Look at the disk under {mount} (`df -h {mount}`, `quota`, `journalctl -k`, \
                 `smartctl -a`): is it full, over a quota, read-only, or failing?"
            ),
        }
    }
}

fn over_text(stop: &Stop, since: UnixMillis) -> String {
    let (now, then) = match stop.error {
        None => ("The collector's disk has room again", "it was full"),
        Some(_) => ("The collector's store can be written again", "it could not"),
    };
    format!(
        "{now} since {} UTC; {then} since {} UTC. The probes kept their results, and send them now.",
        date_time(since),
        date_time(stop.since)
    )
}

/// Where the file system begins that `folder` lies on.
fn mount_of(folder: &Path) -> PathBuf {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let Ok(mut mount) = folder.canonicalize() else {
        return folder.to_owned();
    };
    let device = |path: &Path| std::fs::metadata(path).map(|it| it.dev()).ok();
    let own = device(&mount);
    while let Some(parent) = mount.parent() {
        if device(parent) != own {
            break;
        }
        mount = parent.to_owned();
    }
    mount
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+,:@".contains(letter);
    match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

fn shortfall_text(shortfall: &Shortfall) -> String {
    format!(
        "The collector's segments take {} ({} bytes), more than `retention.total` in collector.toml allows ({}): all that \
         may go is gone, for the last seven days stay. Give it more room, or measure less often.",
        bytesize::ByteSize(shortfall.bytes),
        shortfall.bytes,
        bytesize::ByteSize(shortfall.total)
    )
}

const WHAT_TO_DO: &str = "`isochrone-collector ledger` names all that was damaged. Look at the disk (`journalctl -k`, \
    `smartctl -a`), and keep a copy of the state folder. `isochrone-collector ledger --accept-damage all` says that you \
    know of it.";

fn untold_text(untold: &[SetAside]) -> String {
    let count = untold.len();
    let mut text = match count {
        1 => "A row of the collector's store is damaged and is set aside.".to_owned(),
        count => format!("{count} rows of the collector's store are damaged and are set aside."),
    };
    for row in untold.iter().take(NAMED) {
        text.push_str(&format!(
            " {}: {}; {}.",
            row.subject(),
            row.reason,
            row.consequence
        ));
    }
    if count > NAMED {
        text.push_str(&format!(" And {} more.", count - NAMED));
    }
    format!("{text} Everything else goes on. {WHAT_TO_DO}")
}

fn damage_text(damage: &Damage) -> String {
    let rows = isochrone_base::words::count(damage.open() as usize, "row");
    let mut text = format!("{rows} of the store are damaged and set aside.");
    if damage.measurements > 0 && damage.open_measurements() > 0 {
        text.push_str(&format!(
            " {} measurements are lost with them, and counted as dropped.",
            damage.measurements
        ));
    }
    if damage.withheld > 0 {
        text.push_str(&format!(
            " {} measurements are withheld until their plan is back from its probe.",
            damage.withheld
        ));
    }
    format!("{text} {WHAT_TO_DO}")
}

#[cfg(test)]
mod tests;
