//! Reading a window from what was chosen: each measurement once.

use std::ops::ControlFlow;

use isochrone_proto::kind::{Check, Family, Kind};
use isochrone_proto::units::UnixMillis;
use isochrone_store::{Period, Rollup, RollupRange, Store, StoreError, Stored, Tier, Timing};
use isochrone_watch::clocks::Clocks;

use super::{Held, TierSpan};
use crate::log::Window;

/// Something that is filled from the store.
pub(crate) trait Fill {
    /// Of which times it wants sums.
    const TIMINGS: &'static [Timing];

    /// Of which checks it wants sums: those of nodes.
    fn wants(check: Check) -> bool {
        check.is_endpoint()
    }

    /// Takes in those rows of a batch whose slots, as the probe says, lie in `slots`.
    fn add(&mut self, stored: &Stored, slots: Window);

    /// Takes in what the measurements of an hour or a day add up to.
    fn add_sums(&mut self, rollup: &Rollup, period: Period);
}

/// Wherever they lie.
pub(crate) const ALWAYS: Window = Window {
    from: UnixMillis(0),
    until: UnixMillis(u64::MAX),
};

/// Gives `report` everything in `window`, read by `clocks`, from `tiers`; the count of batches read so far goes to
/// `progress`. A probe whose clock was off is read from its rows, where they are there: sums stand by its own clock.
pub(crate) fn read<F: Fill>(
    store: &Store,
    (window, clocks): (Window, &Clocks),
    (tiers, held): (&[TierSpan], Held),
    report: &mut F,
    progress: &mut dyn FnMut(u64),
) -> Result<(), StoreError> {
    let has_sums = tiers.iter().any(|span| span.tier != Tier::Raw);
    let off = match has_sums {
        true => clocks.off((window.from, window.until)),
        false => Vec::new(),
    };
    let rows_from = held.rows_instead(tiers);
    let mut batches = 0;
    for (place, span) in tiers.iter().enumerate() {
        let period = match span.tier {
            Tier::Raw => {
                // the window's own ends go by the collector's clock, those between tiers by the probe's, as sums do
                let slots = Window {
                    from: if place == 0 { ALWAYS.from } else { span.from },
                    until: if place + 1 == tiers.len() {
                        ALWAYS.until
                    } else {
                        span.to
                    },
                };
                store.scan(clocks.slots(span.from, span.to), |stored| {
                    if !off.contains(&stored.probe) {
                        report.add(&stored, slots);
                    }
                    batches += 1;
                    progress(batches);
                    ControlFlow::Continue(())
                })?;
                continue;
            }
            Tier::Hour => Period::Hour,
            Tier::Day => Period::Day,
        };
        let range = RollupRange {
            kinds: Some(kinds_of(F::wants)),
            timings: Some(F::TIMINGS.to_vec()),
            ..RollupRange::of(period, span.from, span.to)
        };
        store.rolled(&range, |rollup| {
            if !off.contains(&rollup.probe) || rollup.start < rows_from {
                report.add_sums(&rollup, period);
            }
            ControlFlow::Continue(())
        })?;
    }
    if off.is_empty() {
        return Ok(());
    }
    let slots = Window {
        from: rows_from,
        ..ALWAYS
    };
    let range = clocks.slots(window.from.max(rows_from), window.until);
    store.scan_of(range, &|probe| off.contains(&probe), |stored| {
        report.add(&stored, slots);
        batches += 1;
        progress(batches);
        ControlFlow::Continue(())
    })
}

/// Every kind of such checks.
fn kinds_of(wants: fn(Check) -> bool) -> Vec<Kind> {
    let checks = Check::ALL.into_iter().filter(|check| wants(*check));
    let kinds = checks.flat_map(|check| [Family::V4, Family::V6].map(|family| Kind::new(check, family)));
    kinds.collect()
}
