//! What one vantage sees of one target by one check: the colour of its newest run, how long in a row, and what
//! came before.

mod usual;

use std::net::IpAddr;

use isochrone_proto::kind::Kind;
use isochrone_proto::measurement::{FailureCause, Phase};
use isochrone_proto::units::UnixMillis;
use serde::{Deserialize, Serialize};

use self::usual::Usual;
use super::anew::{Anew, each};
use super::observation::{Cadence, Observation, Reached};

/// One (vantage, target, check, family).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cell {
    /// Place of the vantage and of the target in the engine.
    pub(super) vantage: usize,
    pub(super) target: usize,
    pub(super) kind: Kind,
    pub(super) cadence: Cadence,
    /// The newest plan of its vantage holds it: no other is asked, or judges.
    pub(super) is_planned: bool,
    /// It says whether the target can be reached: the best of its vantage's checks over its family.
    pub(super) is_way: bool,
    /// Newest run of any word: the target is measured.
    pub(super) measured: UnixMillis,
    /// Newest run that the probe's own rules forbade.
    pub(super) forbidden: UnixMillis,
    /// The way to the target.
    pub(super) way: Streak,
    /// Its name.
    pub(super) name: Streak,
    /// The newest failure of the way.
    pub(super) failure: Option<Box<Failure>>,
    /// The address dialled last.
    pub(super) host: Option<IpAddr>,
    /// A run with a wrong certificate began last.
    pub(super) mistrusted: UnixMillis,
    /// The line was proven when the first failure in the row began.
    pub(super) proven_before: bool,
    /// Names gave addresses when the first failure to look this one up began.
    pub(super) named_before: bool,
    /// Whether the newest failure is this vantage's alone is looked at when the next run comes.
    pub(super) maybe_alone: bool,
    /// Began last among what counted for the verdict.
    pub(super) counted: UnixMillis,
    usual: Usual,
}

/// Runs of one colour in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Streak {
    /// `None` before the first run that says anything.
    pub(super) colour: Option<Colour>,
    /// How many in a row.
    pub(super) runs: u32,
    /// The first of them began.
    pub(super) since: UnixMillis,
    /// The newest of them began.
    pub(super) began: UnixMillis,
    /// The last run before them, of the other colour, began; 0 if there was none.
    pub(super) before: UnixMillis,
}

/// Green or red.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Colour {
    Green,
    Red,
}

/// A failure, verbatim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) phase: Phase,
    pub(super) cause: FailureCause,
    pub(super) text: Box<str>,
    pub(super) began: UnixMillis,
}

impl Cell {
    pub(super) fn new(
        (vantage, target): (usize, usize),
        kind: Kind,
        cadence: Cadence,
        light_us: u32,
    ) -> Self {
        Self {
            vantage,
            target,
            kind,
            cadence,
            is_planned: true,
            is_way: false,
            measured: UnixMillis(0),
            forbidden: UnixMillis(0),
            way: Streak::default(),
            name: Streak::default(),
            failure: None,
            host: None,
            mistrusted: UnixMillis(0),
            proven_before: false,
            named_before: false,
            maybe_alone: false,
            counted: UnixMillis(0),
            usual: Usual::new(light_us),
        }
    }

    /// Forgets its runs: the clock by which they are known was set.
    pub(super) fn start_anew(&mut self) {
        (self.way, self.name) = (Streak::default(), Streak::default());
        (self.measured, self.counted, self.mistrusted) = (UnixMillis(0), UnixMillis(0), UnixMillis(0));
        self.forbidden = UnixMillis(0);
        (self.failure, self.maybe_alone) = (None, false);
        (self.proven_before, self.named_before) = (false, false);
    }

    /// The clock was set: what was noted by the old one is read by the new.
    pub(super) fn reckon(&mut self, anew: Anew<'_>) {
        each(
            [
                &mut self.measured,
                &mut self.forbidden,
                &mut self.counted,
                &mut self.mistrusted,
            ],
            anew,
        );
        for streak in [&mut self.way, &mut self.name] {
            each([&mut streak.since, &mut streak.began, &mut streak.before], anew);
        }
        each(self.failure.as_mut().map(|failure| &mut failure.began), anew);
        self.usual.reckon(anew);
    }

    /// What a run says of the way to the target. An answer from a box on the way says nothing.
    pub(super) fn reached(&mut self, run: &Observation<'_>) -> Reached {
        let reached = run.word.reached();
        match (reached, run.connect) {
            (Reached::Stood, Some(connect)) if !self.usual.is_plausible(connect, run.began) => {
                Reached::Unknown
            }
            _ => reached,
        }
    }

    /// Takes a run's word on the way. False if a newer one is known.
    pub(super) fn take_way(&mut self, colour: Colour, run: &Observation<'_>) -> bool {
        self.way.take(colour, run.began, self.cadence)
    }

    pub(super) fn fail(&mut self, (phase, cause): (Phase, FailureCause), run: &Observation<'_>) {
        let failure = Failure {
            phase,
            cause,
            text: run.text.into(),
            began: run.began,
        };
        match &mut self.failure {
            Some(known) => **known = failure,
            None => self.failure = Some(Box::new(failure)),
        }
    }

    /// Its fresh word on the way, or on the name.
    pub(super) fn fresh(&self, streak: &Streak, now: UnixMillis) -> Option<Colour> {
        #[cfg(test)]
        tests::LOOKS.set(tests::LOOKS.get() + 1);
        let colour = streak.colour?;
        let lasts_ms = match colour {
            Colour::Green => self.cadence.green_ms(),
            Colour::Red => self.cadence.red_ms(),
        };
        (now.0 <= streak.began.0 + lasts_ms).then_some(colour)
    }

    /// It was measured lately, whatever came of it.
    pub(super) fn is_measured(&self, now: UnixMillis) -> bool {
        now.0 <= self.measured.0 + self.cadence.red_ms()
    }
}

impl Streak {
    /// Adds a run. Runs too far apart are not in a row. False, and no change, if a newer one is known.
    pub(super) fn take(&mut self, colour: Colour, began: UnixMillis, cadence: Cadence) -> bool {
        if self.colour.is_some() && began <= self.began {
            return false;
        }
        let is_apart = self.colour.is_some() && began.0 - self.began.0 > cadence.apart_ms();
        if self.colour == Some(colour) && !is_apart {
            self.runs = self.runs.saturating_add(1);
        } else {
            if self.colour != Some(colour) {
                self.before = self.began;
            }
            (self.runs, self.since) = (1, began);
        }
        (self.colour, self.began) = (Some(colour), began);
        true
    }

    pub(super) fn is_twice(&self) -> bool {
        self.runs >= 2
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    thread_local! {
        /// How often cells were asked for their word, in this thread.
        pub(in super::super) static LOOKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    const CADENCE: Cadence = Cadence {
        interval_ms: 10_000,
        timeout_ms: 4_000,
    };

    fn streak(runs: &[(u64, Colour)]) -> Streak {
        let mut streak = Streak::default();
        for &(second, colour) in runs {
            streak.take(colour, UnixMillis(second * 1_000), CADENCE);
        }
        streak
    }

    #[test]
    fn run_of_the_other_colour_begins_a_streak_and_keeps_what_was_before() {
        let streak = streak(&[(10, Colour::Green), (20, Colour::Red), (30, Colour::Red)]);
        assert_eq!(
            (streak.runs, streak.since.0, streak.before.0),
            (2, 20_000, 10_000)
        );
    }

    #[test]
    fn gap_breaks_a_streak_and_forgets_no_green() {
        let streak = streak(&[(10, Colour::Green), (20, Colour::Red), (60, Colour::Red)]);
        assert_eq!(
            (streak.runs, streak.since.0, streak.before.0),
            (1, 60_000, 10_000)
        );
    }

    #[test]
    fn older_run_changes_nothing() {
        let streak = streak(&[(20, Colour::Red), (30, Colour::Red), (10, Colour::Green)]);
        assert_eq!((streak.runs, streak.colour), (2, Some(Colour::Red)));
    }

    proptest! {
        /// The oracle keeps the runs that were taken and walks back from the newest.
        #[test]
        fn any_runs_give_the_oracles_streak(
            runs in prop::collection::vec((0u64..60, any::<bool>()), 1..40),
        ) {
            let colour = |is_red| if is_red { Colour::Red } else { Colour::Green };
            let mut streak = Streak::default();
            let mut taken: Vec<(u64, Colour)> = Vec::new();
            for &(number, is_red) in &runs {
                let began = number * 5_000;
                let is_newer = taken.last().is_none_or(|(newest, _)| *newest < began);
                prop_assert_eq!(streak.take(colour(is_red), UnixMillis(began), CADENCE), is_newer);
                if is_newer {
                    taken.push((began, colour(is_red)));
                }
            }
            let newest = taken[taken.len() - 1];
            let (mut count, mut since) = (0, newest.0);
            for &(began, colour) in taken.iter().rev() {
                if colour != newest.1 || (count > 0 && since - began > CADENCE.apart_ms()) {
                    break;
                }
                count += 1;
                since = began;
            }
            let before = taken.iter().rev().find(|(_, colour)| *colour != newest.1);
            prop_assert_eq!(streak.colour, Some(newest.1));
            prop_assert_eq!((streak.runs, streak.since.0), (count, since));
            prop_assert_eq!(streak.before.0, before.map_or(0, |(began, _)| *began));
        }
    }
}
