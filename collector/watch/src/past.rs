//! The past as it was judged: kept hour by hour, so that a window of weeks is not judged from its rows each time it is
//! asked for.
//!
//! A keeper ([`keep`]) judges what is over by the same engine, pauses it, and goes on from there. A reader ([`judge`])
//! takes what is kept and judges the rest from the rows. Whoever asks gets what one replay in one go would give: where
//! rows came late, or the roster says otherwise than when an hour was judged, the hours from then on are judged again
//! from the pause before them, by the reader, too, until the keeper has done it. Hours whose rows are gone stand as they
//! were judged.

mod hour;
mod keeper;
mod log;

use isochrone_base::roster::Roster;
use isochrone_proto::measurement::EchoOutcome;
use isochrone_proto::units::UnixMillis;
use isochrone_store::{ScanRange, Store, StoreError, Stored};

use self::hour::{Kept, Mark};
pub use self::keeper::keep;
use self::log::Log;
use crate::clocks::Clocks;
use crate::facts::Facts;
use crate::replay::{Paused, Replay, Replayed};
use crate::spans::Span;

const HOUR_MS: u64 = 3_600_000;
/// An outage that stood so long before a window is judged from then on.
const STOOD_MS: u64 = 24 * HOUR_MS;

/// What the engine says of a window, from inclusive, until exclusive: of kept hours, and of rows where nothing is kept.
/// `progress` gets the count of batches read so far. What came after a window of the past is known in its last hour.
///
/// # Errors
/// When the store failed.
pub fn judge(
    store: &Store,
    (roster, facts): (&Roster, Facts),
    window: Span,
    progress: &mut dyn FnMut(u64),
) -> Result<Replayed, StoreError> {
    judge_by(store, &Kept::of(store), (roster, facts), window, progress)
}

fn judge_by(
    log: &impl Log,
    kept: &Kept,
    (roster, facts): (&Roster, Facts),
    window: Span,
    progress: &mut dyn FnMut(u64),
) -> Result<Replayed, StoreError> {
    let (from, until) = window;
    let Some(pause) = pause_behind(log, kept, (roster, &facts), from)? else {
        let mut replay = Replay::new(roster, window).with_facts(facts);
        read(log, &mut replay, progress)?;
        return Ok(replay.finish());
    };
    let mut replayed = Replayed::default();
    let settled = settled(until);
    for hour in kept.hours((from, pause.at().min(settled)))? {
        replayed.extend(hour.judged_for(roster));
    }
    if pause.at() < settled {
        let rest = until.max(pause.at());
        let mut replay = Replay::resumed(pause, roster, rest).with_facts(facts);
        read(log, &mut replay, progress)?;
        replayed.extend(replay.rest());
    }
    Ok(replayed.within(window))
}

/// From when and until when whoever judges a window anew must judge, to say of it what [`judge`] says now: what is kept knows
/// of outages that stood when the window began, and what came after it. A day before the window at most, and two hours after it.
///
/// # Errors
/// When the store failed.
pub fn judged_span(
    store: &Store,
    (roster, facts): (&Roster, &Facts),
    window: Span,
) -> Result<Span, StoreError> {
    judged_span_by(store, &Kept::of(store), (roster, facts), window)
}

fn judged_span_by(
    log: &impl Log,
    kept: &Kept,
    (roster, facts): (&Roster, &Facts),
    (from, until): Span,
) -> Result<Span, StoreError> {
    let Some(pause) = pause_behind(log, kept, (roster, facts), from)? else {
        return Ok((from, until));
    };
    let stood_from = |hour: hour::JudgedHour| {
        let incidents = hour.judged_for(roster).incidents.into_iter();
        let stood = incidents.filter(|of| of.start < from && of.end.is_none_or(|end| end > from));
        stood.map(|of| of.start).min()
    };
    let hours = kept.hours((from, UnixMillis(from.0.saturating_add(1))))?;
    let stood = hours.into_iter().filter_map(stood_from).min();
    let earliest = UnixMillis(from.0.saturating_sub(STOOD_MS));
    Ok((
        stood.map_or(from, |stood| stood.max(earliest)),
        pause.at().min(settled(until)).max(until),
    ))
}

/// The newest pause that stands, where something of a window that begins at `from` is kept before it.
fn pause_behind(
    log: &impl Log,
    kept: &Kept,
    (roster, facts): (&Roster, &Facts),
    from: UnixMillis,
) -> Result<Option<Paused>, StoreError> {
    let Some(mark) = kept.mark()? else {
        return Ok(None);
    };
    let stands = stands_until(log, kept, (&mark, roster), &facts.clocks)?;
    let pause = kept.pause(mark.pause_before(stands))?;
    Ok(pause.filter(|pause| from < pause.at()))
}

/// Whether a failure counts is known some runs later: the hour after a window's last one is looked at, too. A whole one, as
/// they are kept.
fn settled(until: UnixMillis) -> UnixMillis {
    UnixMillis(
        until
            .0
            .div_ceil(HOUR_MS)
            .saturating_add(1)
            .saturating_mul(HOUR_MS),
    )
}

/// Gives a replay the rows that it judges.
fn read(log: &impl Log, replay: &mut Replay, progress: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
    let (from, until) = replay.reads();
    let range = replay.facts().clocks.slots(from, until);
    let mut batches = 0;
    log.scan(range, &mut |stored| {
        replay.add(&stored);
        batches += 1;
        progress(batches);
    })
}

/// Until when what is kept is what the rows and the roster say now.
fn stands_until(
    log: &impl Log,
    kept: &Kept,
    (mark, roster): (&Mark, &Roster),
    clocks: &Clocks,
) -> Result<UnixMillis, StoreError> {
    let mut until = mark.until;
    let rows_from = rows_from(log, mark)?;
    if mark.roster != hour::digest(roster) {
        let hours = kept.hours((rows_from, until))?;
        let judged_otherwise = hours.iter().find(|hour| !hour.is_of(roster));
        until = judged_otherwise.map_or(until, |hour| hour.from);
    }
    let late = ScanRange {
        from: UnixMillis(1), // batches without measurements judge nothing
        after_commit: mark.commit,
        ..clocks.slots(UnixMillis(1), until)
    };
    log.scan(late, &mut |stored| {
        until = first_slot(&stored, clocks).map_or(until, |slot| slot.min(until));
    })?;
    Ok(until.max(rows_from.min(mark.until)))
}

/// Whole hours from then on can be judged again: what was before may have lost rows.
fn rows_from(log: &impl Log, mark: &Mark) -> Result<UnixMillis, StoreError> {
    let begins = log.begins()?.unwrap_or(mark.until);
    let is_whole = begins <= mark.first;
    let hour = UnixMillis(begins.hour().start().0 + HOUR_MS);
    Ok(if is_whole { begins } else { hour })
}

/// The first slot of a batch that says anything to the engine.
fn first_slot(stored: &Stored, clocks: &Clocks) -> Option<UnixMillis> {
    let replied = |outcome: EchoOutcome| matches!(outcome, EchoOutcome::Replied { .. });
    let echoes = stored.batch.echoes().filter(|row| replied(row.outcome));
    let endpoints = stored.batch.endpoints().map(|row| row.slot);
    let slots = echoes.map(|row| row.slot).chain(endpoints);
    slots
        .filter_map(|slot| clocks.date(stored.probe, slot, stored.received))
        .min()
}

#[cfg(test)]
mod tests;
