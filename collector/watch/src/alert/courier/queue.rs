//! What of a receiver's waiting alerts is sent next, and what need not be sent any more. Pure.

use std::time::Duration;

use isochrone_proto::units::UnixMillis;

use crate::alert::Event;
use crate::alert::outbox::Pending;

/// What to do with what waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// To be sent.
    pub(super) next: Option<Pending>,
    /// A later alert says all that they say, or what they began was over before it was to be told.
    pub(super) covered: Vec<Pending>,
}

/// When an alert may be sent: at once, unless it begins something and its receiver asked to wait.
pub(super) fn ripe_at(pending: &Pending, after: Duration) -> UnixMillis {
    match begins(pending) {
        true => pending.created.plus(after),
        false => pending.created,
    }
}

impl Queue {
    /// Of what waits, oldest first.
    pub(super) fn of(mut waiting: Vec<Pending>, after: Duration, now: UnixMillis) -> Self {
        let mut covered = Vec::new();
        // an end says how long it lasted: its beginning need not be told as well
        while let Some((began, ended)) = pair(&waiting) {
            let was_short = waiting[ended].created < ripe_at(&waiting[began], after);
            if was_short {
                covered.push(waiting.remove(ended));
            }
            covered.push(waiting.remove(began));
        }
        let is_behind = waiting.iter().any(|pending| pending.attempts > 0);
        let ripe = |pending: &&Pending| ripe_at(pending, after) <= now;
        let next = if is_behind {
            waiting.iter().rev().find(ripe) // after an outage the newest state first
        } else {
            waiting.iter().find(ripe)
        };
        Self {
            next: next.cloned(),
            covered,
        }
    }
}

/// A beginning that nobody was told of, and the end of all that it is about.
fn pair(waiting: &[Pending]) -> Option<(usize, usize)> {
    waiting.iter().enumerate().find_map(|(began, pending)| {
        let ids = ids(pending);
        let is_end = |later: &&Pending| {
            later.alert.event == Event::Ended && !ids.is_empty() && self::ids(later) == ids
        };
        let ended = waiting[began + 1..].iter().position(|later| is_end(&later))?;
        begins(pending).then_some((began, began + 1 + ended))
    })
}

fn begins(pending: &Pending) -> bool {
    matches!(
        pending.alert.event,
        Event::Opened | Event::Worse | Event::Flapping | Event::Steady
    )
}

/// The incidents that an alert is about.
fn ids(pending: &Pending) -> Vec<&str> {
    let incidents = pending.alert.incidents();
    let mut ids: Vec<&str> = incidents.map(|incident| incident.id.as_str()).collect();
    ids.sort_unstable();
    ids
}
