//! Who keeps the past judged: in the background, a stretch at a time.

use std::time::Duration;

use isochrone_base::roster::Roster;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Store, StoreError};

use super::hour::{self, JudgedHour, Kept, Mark, hour_key, pause_key};
use super::log::Log;
use super::{read, stands_until};
use crate::facts::Facts;
use crate::replay::{Paused, Replay};

/// What is judged is over for so long: its rows are here, and signs of life from after it.
const OVER: Duration = Duration::from_secs(90);
/// Less is not worth a pause.
const LEAST: Duration = Duration::from_secs(300);
/// Judged in one go at most.
const MOST_MS: u64 = DAY_MS;
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// A pause is kept of every hour that is so young …
const HOURLY_MS: u64 = 3 * HOUR_MS;
/// … of every day that is so young, and the newest: rows that come late are judged from the pause before them.
const DAILY_MS: u64 = 32 * DAY_MS;
/// Judged hours are kept so long.
const KEPT: Duration = Duration::from_secs(3 * 366 * 86_400);

/// Judges what is over and not judged, or was judged without rows that came late, and keeps it: a day at most. Whether
/// there may be more to do. Reads the store: not for an async task.
///
/// # Errors
/// When the store failed.
pub fn keep(store: &Store, roster: &Roster, now: UnixMillis) -> Result<bool, StoreError> {
    keep_by(store, &Kept::of(store), (roster, Facts::read(store)?), now)
}

pub(super) fn keep_by(
    log: &impl Log,
    kept: &Kept,
    (roster, facts): (&Roster, Facts),
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let over = now.minus(OVER);
    let over = UnixMillis(over.0 / MINUTE_MS * MINUTE_MS);
    let commit = log.commit_number()?; // what is stored from now on is seen as late
    let Some(mut mark) = kept.mark()?.map_or_else(|| first(log), |mark| Ok(Some(mark)))? else {
        return Ok(false);
    };
    let stands = stands_until(log, kept, (&mark, roster), &facts.clocks)?;
    let is_anew = stands < mark.until;
    let pause = mark.pause_before(stands);
    if is_anew {
        mark.pauses.retain(|at| Some(*at) <= pause);
        mark.until = pause.unwrap_or(stands.hour().start());
    }
    if over <= mark.until || (!is_anew && over.since(mark.until) < LEAST) {
        return Ok(false);
    }
    let ends = ends(mark.until, over);
    let Some(&end) = ends.last() else { return Ok(false) };
    let mut replay = match kept.pause(pause)? {
        Some(pause) => Replay::resumed(pause, roster, end),
        None => Replay::new(roster, (mark.until, end)),
    }
    .with_facts(facts);
    read(log, &mut replay, &mut |_| {})?;
    let probes = replay.probes();
    let mut begins = mark.until;
    let mut parts = Vec::new();
    for (&end, (judged, pause)) in ends.iter().zip(replay.parts(&ends)) {
        let hour = JudgedHour::of(roster, &probes, (begins, end), judged);
        parts.push((hour, pause));
        begins = end;
    }
    (mark.commit, mark.until, mark.roster) = (commit, end, hour::digest(roster));
    put(kept, mark, roster, parts)?;
    Ok(end < over)
}

/// Nothing is judged yet: from the oldest rows on.
fn first(log: &impl Log) -> Result<Option<Mark>, StoreError> {
    Ok(log.begins()?.map(Mark::new))
}

/// The ends of the hours, or of the last one's part, from `from` until `until`, a day at most.
fn ends(from: UnixMillis, until: UnixMillis) -> Vec<UnixMillis> {
    let until = until.min(UnixMillis(from.0 + MOST_MS));
    let mut ends = Vec::new();
    let mut end = from.0;
    while end < until.0 {
        end = ((end / HOUR_MS + 1) * HOUR_MS).min(until.0);
        ends.push(UnixMillis(end));
    }
    ends
}

/// Keeps what was judged, and which pauses are there from then on.
fn put(kept: &Kept, mark: Mark, roster: &Roster, parts: Vec<(JudgedHour, Paused)>) -> Result<(), StoreError> {
    let newest = mark.until;
    let is_kept = |at: UnixMillis| {
        let age_ms = newest.0 - at.0;
        let (hourly, daily) = (at.0.is_multiple_of(HOUR_MS), at.0.is_multiple_of(DAY_MS));
        at == newest || (hourly && age_ms <= HOURLY_MS) || (daily && age_ms <= DAILY_MS)
    };
    kept.store.write(|transaction| {
        for (hour, pause) in &parts {
            let (key, mut hour) = (hour_key(hour.from), hour.clone());
            if !hour.from.0.is_multiple_of(HOUR_MS)
                && let Some(before) = kept.hours.get_in(transaction, &key)?
                && before.until == hour.from
            {
                hour = hour.after(before, roster);
            }
            kept.hours.put_in(transaction, &key, &hour)?;
            kept.hours
                .remove_in(transaction, &hour_key(hour.from.minus(KEPT)))?;
            if is_kept(hour.until) {
                kept.pauses.put_in(transaction, &pause_key(hour.until), pause)?;
            }
        }
        let mut mark = mark.clone();
        mark.pauses.extend(parts.iter().map(|(hour, _)| hour.until));
        for gone in mark.pauses.extract_if(.., |at| !is_kept(*at)) {
            kept.pauses.remove_in(transaction, &pause_key(gone))?;
        }
        kept.put_mark_in(transaction, &mark)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_at_hours_and_with_what_is_over_and_are_a_day_at_most() {
        let minute = |minute: u64| UnixMillis(minute * MINUTE_MS);
        assert_eq!(
            ends(minute(50), minute(130)),
            [minute(60), minute(120), minute(130)]
        );
        assert_eq!(ends(minute(60), minute(65)), [minute(65)]);
        assert_eq!(ends(minute(60), minute(60)), []);
        let most = ends(minute(0), minute(3_000));
        assert_eq!((most.len(), most[23]), (24, minute(1_440)));
    }
}
