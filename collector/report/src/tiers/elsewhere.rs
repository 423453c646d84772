//! Reading a window whose measurements lie elsewhere than in the store: single ones, all of it, added up here by the same
//! sums as the store's, so that the figures are the same.

use isochrone_proto::units::UnixMillis;
use isochrone_store::{AddedUp, Period, Scan, ScanRange, Stored, Tier};
use isochrone_watch::clocks::Clocks;
use isochrone_watch::spans::Span;

use super::{ALWAYS, Fill, TierSpan};
use crate::log::{DAY_MS, Window};

/// What is done with a batch beside: those rows of it count whose slots, as the probe says, lie in the window.
pub(crate) type Beside<'b> = &'b mut dyn FnMut(&Stored, Window);

/// Gives `report` everything in `window`, read by `clocks`, in the way of `tiers`; and to `beside` everything in `reads`,
/// which holds the window. It is read once, day by day: what a day adds up to is not kept longer.
pub(crate) fn read_elsewhere<F: Fill, S: Scan>(
    rows: &S,
    (window, reads): (Window, Span),
    (clocks, tiers): (&Clocks, &[TierSpan]),
    report: &mut F,
    beside: Beside<'_>,
) -> Result<(), S::Error> {
    let has_sums = tiers.iter().any(|span| span.tier != Tier::Raw);
    let off = match has_sums {
        true => clocks.off((window.from, window.until)),
        false => Vec::new(),
    };
    let range = clocks.slots(reads.0.min(window.from), reads.1.max(window.until));
    let (mut hours, mut days) = (AddedUp::new(Period::Hour), AddedUp::new(Period::Day));
    for part in parts(range) {
        rows.scan(ScanRange::slots(part.from, part.until), &mut |stored| {
            beside(&stored, part);
            if off.contains(&stored.probe) {
                report.add(&stored, part);
                return;
            }
            for (place, span) in tiers.iter().enumerate() {
                let slots = within(part, slots_of(tiers, place));
                if slots.from >= slots.until {
                    continue;
                }
                match span.tier {
                    Tier::Raw => report.add(&stored, slots),
                    Tier::Hour => hours.add(&stored, (slots.from, slots.until), F::wants),
                    Tier::Day => days.add(&stored, (slots.from, slots.until), F::wants),
                }
            }
        })?;
        hours
            .take()
            .for_each(|rollup| report.add_sums(&rollup, Period::Hour));
        days.take()
            .for_each(|rollup| report.add_sums(&rollup, Period::Day));
    }
    Ok(())
}

/// UTC days.
fn parts(range: ScanRange) -> impl Iterator<Item = Window> {
    let days = range.from.0 / DAY_MS..range.until.0.div_ceil(DAY_MS);
    days.map(move |day| Window {
        from: UnixMillis(day * DAY_MS).max(range.from),
        until: UnixMillis((day + 1) * DAY_MS).min(range.until),
    })
}

/// The window's own ends go by the collector's clock, those between tiers by the probe's, as sums do.
fn slots_of(tiers: &[TierSpan], place: usize) -> Window {
    let span = tiers[place];
    let is_raw = span.tier == Tier::Raw;
    Window {
        from: match is_raw && place == 0 {
            true => ALWAYS.from,
            false => span.from,
        },
        until: match is_raw && place + 1 == tiers.len() {
            true => ALWAYS.until,
            false => span.to,
        },
    }
}

fn within(one: Window, other: Window) -> Window {
    Window {
        from: one.from.max(other.from),
        until: one.until.min(other.until),
    }
}
