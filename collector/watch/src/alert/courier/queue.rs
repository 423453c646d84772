//! What of a receiver's waiting alerts is sent next, and what need not be sent any more. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use isochrone_proto::units::UnixMillis;

use crate::alert::Event;
use crate::alert::outbox::Pending;

/// What to do with what waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// To be sent.
    pub(super) next: Option<Arc<Pending>>,
    /// A later alert says all that they say, or what they began was over before it was to be told.
    pub(super) covered: Vec<Arc<Pending>>,
    /// A later alert says a part of what they say: they wait without it.
    pub(super) shortened: Vec<Arc<Pending>>,
}

/// An alert from later than this was made before the clock was set back.
const AHEAD: Duration = Duration::from_secs(5);

/// How long it is until an alert may be sent. One of the future is as old as anybody can say: it does not wait.
pub(super) fn ripe_in(pending: &Pending, after: Duration, now: UnixMillis) -> Duration {
    let is_of_the_future = pending.created > now.plus(AHEAD);
    match is_of_the_future {
        true => Duration::ZERO,
        false => ripe_at(pending, after).since(now),
    }
}

/// What comes and goes, told so much later than it might have been, is no word on now.
const LATE: Duration = Duration::from_secs(60);

/// Whether an alert says that something is down again, and comes so late that it may be up since: nothing more is said of
/// it before it was steady. Of what does not come and go, the end would be there.
pub(super) fn is_late(pending: &Pending, after: Duration, now: UnixMillis) -> bool {
    pending.alert.event == Event::Flapping && now.since(ripe_at(pending, after)) > LATE
}

/// When an alert may be sent: at once, unless it begins something and its receiver asked to wait.
fn ripe_at(pending: &Pending, after: Duration) -> UnixMillis {
    match begins(pending) {
        true => pending.created.plus(after),
        false => pending.created,
    }
}

impl Queue {
    /// Of what waits, oldest first. `is_told`: its receivers know of an incident.
    pub(super) fn of(
        mut waiting: Vec<Arc<Pending>>,
        after: Duration,
        (now, is_told): (UnixMillis, impl Fn(&str) -> bool),
    ) -> Self {
        let mut covered = Vec::new();
        while let Some(began) = over_of_the_collector(&waiting) {
            covered.push(waiting.remove(began));
        }
        let (mut short, mut long) = (BTreeSet::new(), BTreeSet::new());
        // an end says how long it lasted: its beginning need not be told as well
        while let Some((began, over_at)) = over(&waiting) {
            let began = waiting.remove(began);
            let known = match over_at < ripe_at(&began, after) {
                true => &mut short,
                false => &mut long,
            };
            known.extend(ids(&began).into_iter().map(str::to_owned));
            covered.push(began);
        }
        let is_needless = |pending: &Arc<Pending>| {
            let ids = ids(pending);
            let is_short = ids.iter().any(|id| short.contains(*id));
            let is_news = ids.iter().any(|id| is_told(id) || long.contains(*id));
            pending.alert.event == Event::Ended && is_short && !is_news
        };
        let (needless, mut waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_needless);
        covered.extend(needless);
        let shortened = shorten(&mut waiting);
        let is_behind = waiting.iter().any(|pending| pending.attempts > 0);
        let ripe = |pending: &&Arc<Pending>| ripe_in(pending, after, now).is_zero();
        let next = if is_behind {
            waiting.iter().rev().find(ripe) // after an outage the newest state first
        } else {
            waiting.iter().find(ripe)
        };
        Self {
            next: next.cloned(),
            covered,
            shortened,
        }
    }
}

/// A beginning that nobody was told of, where all that it is about is over, and since when.
fn over(waiting: &[Arc<Pending>]) -> Option<(usize, UnixMillis)> {
    waiting.iter().enumerate().find_map(|(place, began)| {
        let later = || {
            waiting[place + 1..]
                .iter()
                .filter(|later| later.alert.event == Event::Ended)
        };
        let end = |id: &str| {
            later()
                .find(|later| ids(later).contains(&id))
                .map(|later| later.created)
        };
        let about = ids(began);
        let ends: Option<Vec<UnixMillis>> = about.iter().map(|id| end(id)).collect();
        let last = ends?.into_iter().max()?;
        let is_of_it = begins(began) || began.alert.event == Event::Better;
        is_of_it.then_some((place, last))
    })
}

/// An alert about the collector itself that a later one takes back: its last word must not be the older one.
fn over_of_the_collector(waiting: &[Arc<Pending>]) -> Option<usize> {
    waiting.iter().enumerate().find_map(|(place, began)| {
        let end = match began.alert.event {
            Event::OwnLine => Event::OwnLineBack,
            Event::DiskFull => Event::DiskRoom,
            Event::CannotStore => Event::CanStore,
            Event::ElasticStops => Event::ElasticGoesOn,
            _ => return None,
        };
        let mut later = waiting[place + 1..].iter();
        later.any(|later| later.alert.event == end).then_some(place)
    })
}

/// Takes out of each beginning what is over by a later alert, and gives those that say less now.
fn shorten(waiting: &mut [Arc<Pending>]) -> Vec<Arc<Pending>> {
    let mut over: BTreeSet<String> = BTreeSet::new();
    let mut shortened = Vec::new();
    for pending in waiting.iter_mut().rev() {
        if pending.alert.event == Event::Ended {
            over.extend(ids(pending).into_iter().map(str::to_owned));
        } else if begins(pending)
            && let Some(alert) = pending.alert.without(|id| over.contains(id))
        {
            Arc::make_mut(pending).alert = alert;
            shortened.push(Arc::clone(pending));
        }
    }
    shortened
}

fn begins(pending: &Pending) -> bool {
    matches!(
        pending.alert.event,
        Event::Opened | Event::Worse | Event::Flapping | Event::Steady
    )
}

/// The incidents that an alert is about.
fn ids(pending: &Pending) -> Vec<&str> {
    pending.alert.ids().collect()
}

#[cfg(test)]
mod tests;
