//! What the lead is told of the store itself: rows that are damaged, and a disk that is full.
//!
//! Both are told once, and kept in the store together with what was told, so that a restart repeats nothing.

use std::sync::Arc;
use std::time::Duration;

use isochrone_base::words::date_time;
use isochrone_gate::session::Sessions;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Damage, Records, SetAside, Store, StoreError};
use isochrone_watch::alert::{Alert, Event, Outbox};
use isochrone_watch::monitor::Monitor;
use isochrone_web::view::{Notice, NoticeLevel};
use serde::{Deserialize, Serialize};

const TABLE: &str = "disk_full";
const KEY: &str = "since";
/// A disk has room again once it had for so long: one that hovers at its reserve is told of once.
const ROOM_FOR: Duration = Duration::from_secs(60);
/// Damaged rows that one message names; of the others it says how many there are.
const NAMED: usize = 3;

/// Keeps watch over the store.
pub struct StoreWatch {
    store: Store,
    outbox: Outbox,
    collector: Arc<str>,
    records: Records<DiskFull>,
    full: Option<DiskFull>,
    /// Since when there is room, while that is too short to be told.
    room_since: Option<UnixMillis>,
    /// Rows set aside when last looked.
    rows: Option<u64>,
}

/// A disk that is full, as it is kept until that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct DiskFull {
    since: UnixMillis,
}

impl StoreWatch {
    /// Takes up what was told before. `collector`: the name that alerts carry.
    ///
    /// # Errors
    /// When the store failed.
    pub fn open(store: &Store, outbox: &Outbox, collector: &str) -> Result<Self, StoreError> {
        let records: Records<DiskFull> = Records::new(store.clone(), TABLE);
        Ok(Self {
            store: store.clone(),
            outbox: outbox.clone(),
            collector: collector.into(),
            full: records.get(KEY)?,
            records,
            room_since: None,
            rows: None,
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
        let told = self.look_at_disk(now).and_then(|()| self.look_for_damage(now));
        let is_full = self.full.is_some() || self.store.reserve().shortage().is_some();
        let unstored = if is_full { sessions.unstored() } else { Vec::new() };
        monitor.note_store_full(is_full, &unstored, now);
        told
    }

    /// The collector's clock was set: room that is waited for is waited for as long.
    pub fn clock_stepped(&mut self, by_ms: i64) {
        let moved = |at: UnixMillis| UnixMillis(at.0.saturating_add_signed(by_ms));
        self.room_since = self.room_since.map(moved);
    }

    /// What the page says of the store.
    #[must_use]
    pub fn notices(&self, damage: &Damage, now: UnixMillis) -> Vec<Notice> {
        let at = isochrone_base::words::timestamp(now);
        let disk = self.store.reserve().shortage().map(|free| Notice {
            level: NoticeLevel::Error,
            text: self.full_text(free),
            at,
        });
        let damage = (damage.lost > 0).then(|| Notice {
            level: NoticeLevel::Error,
            text: damage_text(damage),
            at,
        });
        disk.into_iter().chain(damage).collect()
    }

    fn look_at_disk(&mut self, now: UnixMillis) -> Result<(), StoreError> {
        let Some(free) = self.store.reserve().shortage() else {
            return self.look_for_room(now);
        };
        self.room_since = None;
        if self.full.is_some() {
            return Ok(());
        }
        let full = DiskFull { since: now };
        let id = format!("{:013}-disk-full", now.0);
        let alert = self.alert((Event::DiskFull, id), self.full_text(free), now);
        self.store.write(|transaction| {
            self.records.put_in(transaction, KEY, &full)?;
            self.outbox.add_in(transaction, &alert, now)
        })?;
        tracing::error!(
            free,
            reserve = self.store.reserve().bytes(),
            "the disk is full: nothing is acknowledged"
        );
        self.full = Some(full);
        self.outbox.refresh()
    }

    fn look_for_room(&mut self, now: UnixMillis) -> Result<(), StoreError> {
        let Some(full) = self.full else { return Ok(()) };
        let since = *self.room_since.get_or_insert(now);
        if now.since(since) < ROOM_FOR {
            return Ok(());
        }
        let text = format!(
            "The collector's disk has room again since {} UTC; it was full since {} UTC. The probes kept their \
             results, and send them now.",
            date_time(since),
            date_time(full.since)
        );
        let id = format!("{:013}-disk-room", full.since.0);
        let alert = self.alert((Event::DiskRoom, id), text, now);
        self.store.write(|transaction| {
            self.records.remove_in(transaction, KEY)?;
            self.outbox.add_in(transaction, &alert, now)
        })?;
        tracing::info!("the disk has room again");
        (self.full, self.room_since) = (None, None);
        self.outbox.refresh()
    }

    fn look_for_damage(&mut self, now: UnixMillis) -> Result<(), StoreError> {
        let rows = self.store.damaged_rows()?;
        if self.rows == Some(rows) {
            return Ok(());
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
        }
        self.rows = Some(rows);
        Ok(())
    }

    fn alert(&self, what: (Event, String), text: String, now: UnixMillis) -> Alert {
        Alert::of_collector(what, text, &self.collector, now)
    }

    fn full_text(&self, free: u64) -> String {
        let reserve = self.store.reserve().bytes();
        format!(
            "The collector's disk is full: {} ({free} bytes) are free, and {} ({reserve} bytes) must stay free. Nothing \
             is acknowledged; the probes go on measuring and keep their results. Make room: `du -xhd2 / | sort -h | \
             tail` shows what takes it. `disk_reserve` in collector.toml says how much must stay free.",
            bytesize::ByteSize(free),
            bytesize::ByteSize(reserve)
        )
    }
}

const WHAT_TO_DO: &str = "`isochrone-collector ledger` names all that was damaged. Look at the disk (`journalctl -k`, \
    `smartctl -a`), and keep a copy of the state folder.";

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
    let rows = isochrone_base::words::count(damage.lost as usize, "row");
    let mut text = format!("{rows} of the store are damaged and set aside.");
    if damage.measurements > 0 {
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
