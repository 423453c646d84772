//! The usual minimum of a cell's times to connect: what is far below it was answered by a box on the way.

use isochrone_proto::units::{Micros, UnixMillis};
use serde::{Deserialize, Serialize};

use crate::judge::anew::Anew;

/// Below this a usual minimum tells nothing.
const USUAL_MIN_US: u32 = 5_000;
/// So many times make a minimum usual.
const ENOUGH: u32 = 30;
const HOUR_MS: u64 = 3_600_000;

/// Minimum of this hour and of the last one that had enough.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Usual {
    /// Light needs so long, there and back; 0 if a place is not known.
    light_us: u32,
    hour: u64,
    this: Minimum,
    last: Minimum,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Minimum {
    us: u32,
    times: u32,
}

impl Usual {
    pub(super) fn new(light_us: u32) -> Self {
        Self {
            light_us,
            hour: 0,
            this: Minimum::default(),
            last: Minimum::default(),
        }
    }

    /// The clock was set: the hour under way stays the one under way.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        self.hour = anew(UnixMillis(self.hour * HOUR_MS)).0 / HOUR_MS;
    }

    /// Whether `connect` may have come from the target itself; takes it into the minimum either way, so that a
    /// way that became shorter is believed an hour later.
    pub(super) fn is_plausible(&mut self, connect: Micros, at: UnixMillis) -> bool {
        let us = connect.get();
        let hour = at.0 / HOUR_MS;
        if hour != self.hour {
            if self.this.times >= ENOUGH {
                self.last = self.this;
            }
            (self.hour, self.this) = (hour, Minimum::default());
        }
        let usual = self.usual();
        self.this.add(us);
        let Some(usual) = usual else {
            return true;
        };
        let far_below = usual > USUAL_MIN_US && us < usual / 2;
        // a place that is wrong makes every answer faster than light: then it tells nothing
        let beats_light = usual >= self.light_us && us < self.light_us;
        !far_below && !beats_light
    }

    fn usual(&self) -> Option<u32> {
        let known = [self.last, self.this];
        let enough = known.into_iter().find(|minimum| minimum.times >= ENOUGH);
        enough.map(|minimum| minimum.us)
    }
}

impl Minimum {
    fn add(&mut self, us: u32) {
        self.us = if self.times == 0 { us } else { self.us.min(us) };
        self.times = self.times.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(us: u64) -> Micros {
        Micros::new(us).unwrap()
    }

    /// After an hour of times of `of` microseconds.
    fn usual(of: u64, light_us: u32) -> Usual {
        let mut usual = Usual::new(light_us);
        for run in 0..360 {
            assert!(usual.is_plausible(us(of), UnixMillis(run * 10_000)));
        }
        usual
    }

    const LATER: UnixMillis = UnixMillis(HOUR_MS + 1);

    #[test]
    fn answer_faster_than_half_the_usual_minimum_comes_from_a_box_on_the_way() {
        assert!(!usual(20_000, 0).is_plausible(us(9_999), LATER));
        assert!(usual(20_000, 0).is_plausible(us(10_000), LATER));
    }

    #[test]
    fn usual_minimum_below_five_milliseconds_tells_nothing() {
        assert!(usual(5_000, 0).is_plausible(us(100), LATER));
    }

    #[test]
    fn answer_faster_than_light_comes_from_a_box_on_the_way() {
        assert!(!usual(20_000, 15_000).is_plausible(us(14_999), LATER));
        assert!(
            usual(9_000, 15_000).is_plausible(us(8_000), LATER),
            "the place is wrong, not the answers"
        );
    }

    #[test]
    fn way_that_became_shorter_is_believed_after_an_hour() {
        let mut usual = usual(20_000, 0);
        let first: Vec<bool> = (0..360)
            .map(|run| usual.is_plausible(us(5_500), UnixMillis(HOUR_MS + run * 10_000)))
            .collect();
        assert!(first.iter().all(|plausible| !plausible));
        assert!(usual.is_plausible(us(5_500), UnixMillis(2 * HOUR_MS)));
    }
}
