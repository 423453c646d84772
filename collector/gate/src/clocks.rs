//! Whose clock is wrong: each probe's wall clock against the collector's, over the pings of the control stream.

use std::collections::VecDeque;
use std::time::Duration;

use isochrone_base::words::{duration, rfc3339_second};
use isochrone_proto::ids::ProbeId;
use isochrone_proto::units::UnixMillis;

/// Clocks that differ by more are named, in milliseconds.
pub const NAMED_ABOVE_MS: u64 = 2_000;
/// Clocks that differ by more are worth an alert, in milliseconds.
pub const TOLD_ABOVE_MS: u64 = 60_000;
/// Answers in a row that say so before anybody is told: the others have answered meanwhile, so that it is known whose
/// clock it is.
pub(crate) const TOLD_AFTER: u32 = 4;
/// Pings of which the quickest counts.
const RECENT: usize = 8;
/// A clock drifts by less than this between two pings; more, beyond what round trips leave open, is a step.
const DRIFT_MS: u64 = 250;

/// What the recent pings of a probe say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offsets(VecDeque<Sample>);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    rtt: Duration,
    offset_ms: i64,
}

impl Offsets {
    /// Takes an answer in; gives the offset by the quickest of the recent ones, which are all of them since either clock
    /// was stepped.
    pub(crate) fn add(&mut self, rtt: Duration, offset_ms: i64) -> i64 {
        let sample = Sample { rtt, offset_ms };
        if self.best().is_some_and(|best| best.is_apart_from(&sample)) {
            self.0.clear();
        }
        if self.0.len() == RECENT {
            self.0.pop_front();
        }
        self.0.push_back(sample);
        self.best().map_or(offset_ms, |best| best.offset_ms)
    }

    /// A clock was set: nothing is known any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn best(&self) -> Option<&Sample> {
        self.0.iter().min_by_key(|sample| sample.rtt)
    }
}

impl Sample {
    /// Each is within half its round trip.
    fn is_apart_from(&self, other: &Self) -> bool {
        let open_ms = (self.rtt + other.rtt).as_millis() as u64 / 2 + DRIFT_MS;
        self.offset_ms.abs_diff(other.offset_ms) > open_ms
    }
}

/// The clocks of the collector and its connected probes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The collector's clock minus that of most of its probes, in milliseconds, where they agree among themselves and
    /// not with it: then its own is the wrong one.
    pub collector_ms: Option<i64>,
    /// Every probe whose clock is the wrong one: its id, its name, and how wrong it is.
    pub probes: Vec<(ProbeId, String, WrongClock)>,
}

/// A probe's clock that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongClock {
    /// It minus the collector's, in milliseconds.
    pub offset_ms: i64,
    /// The right one minus the collector's: 0, unless that is wrong itself.
    pub right_ms: i64,
    /// No third clock says which of the two is the wrong one.
    pub is_doubtful: bool,
}

impl WrongClock {
    /// How far it is off.
    #[must_use]
    pub fn ms(&self) -> u64 {
        self.offset_ms.abs_diff(self.right_ms)
    }
}

impl Clocks {
    /// Judges the measured offsets, each a probe's clock minus the collector's.
    pub(crate) fn of(offsets: Vec<(ProbeId, String, i64)>) -> Self {
        let collector_ms = common_offset(offsets.iter().map(|(_, _, offset_ms)| *offset_ms).collect());
        let right_ms = collector_ms.unwrap_or(0);
        let count = offsets.len();
        let clocks = offsets.into_iter().map(|(probe, name, offset_ms)| {
            let clock = WrongClock {
                offset_ms,
                right_ms,
                is_doubtful: false,
            };
            (probe, name, clock)
        });
        let mut probes: Vec<_> = clocks
            .filter(|(_, _, clock)| clock.ms() > NAMED_ABOVE_MS)
            .collect();
        probes.sort_by(|a, b| a.1.cmp(&b.1));
        let nobody_agrees = probes.len() == count;
        probes
            .iter_mut()
            .for_each(|(_, _, clock)| clock.is_doubtful = nobody_agrees);
        Self {
            collector_ms: collector_ms.map(|offset_ms| -offset_ms),
            probes,
        }
    }

    /// A sentence for each wrong clock, with the times of both at `now`, the collector's.
    #[must_use]
    pub fn sentences(&self, now: UnixMillis) -> Vec<String> {
        let own = self
            .collector_ms
            .map(|ahead_ms| collector_sentence(ahead_ms, now));
        let probes = self.probes.iter();
        let probes =
            probes.map(|(_, name, clock)| format!("The clock of {name} is {}", probe_words(*clock, now)));
        own.into_iter().chain(probes).collect()
    }
}

/// How far a probe's clock is off, with both times, and what to do.
#[must_use]
pub fn probe_words(clock: WrongClock, now: UnixMillis) -> String {
    let there = UnixMillis(now.0.saturating_add_signed(clock.offset_ms));
    let right = UnixMillis(now.0.saturating_add_signed(clock.right_ms));
    let (of_whom, place) = match clock.right_ms {
        0 => ("this collector's", "here"),
        _ => ("that of most of the probes", "most"),
    };
    let or = match clock.is_doubtful {
        true => ", or this collector's is the wrong one: no third clock says which",
        false => "",
    };
    format!(
        "{} {of_whom} (there {}, {place} {}). Its server should set its clock (timedatectl){or}; measurements more than 5 \
         min ahead are refused.",
        apart(clock.offset_ms.saturating_sub(clock.right_ms)),
        rfc3339_second(there),
        rfc3339_second(right)
    )
}

/// How far the collector's clock is off, with both times, and what to do.
#[must_use]
pub fn collector_sentence(ahead_ms: i64, now: UnixMillis) -> String {
    let there = UnixMillis(now.0.saturating_add_signed(-ahead_ms));
    format!(
        "This collector's clock is the wrong one: it is {} that of most of its probes (here {}, there {}). Set it \
         (timedatectl), or look at the time server that these probes share.",
        apart(ahead_ms),
        rfc3339_second(now),
        rfc3339_second(there)
    )
}

fn apart(offset_ms: i64) -> String {
    let direction = if offset_ms > 0 { "ahead of" } else { "behind" };
    let rounded_ms = (offset_ms.unsigned_abs() + 500) / 1_000 * 1_000;
    format!("{} {direction}", duration(rounded_ms))
}

/// Whether the collector's clock is the wrong one, by each probe's clock minus its own.
pub(crate) fn is_collector_wrong(offsets: Vec<i64>) -> bool {
    common_offset(offsets).is_some()
}

/// What most of the probes, and at least two, are away from the collector by, within [`NAMED_ABOVE_MS`] of each other;
/// `None` where the collector is among the most.
fn common_offset(mut offsets: Vec<i64>) -> Option<i64> {
    offsets.sort_unstable();
    let median = *offsets.get(offsets.len() / 2)?;
    let agree = offsets
        .iter()
        .filter(|offset_ms| offset_ms.abs_diff(median) <= NAMED_ABOVE_MS)
        .count();
    let are_most = agree >= 2 && agree * 2 > offsets.len();
    (are_most && median.unsigned_abs() > NAMED_ABOVE_MS).then_some(median)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_316_283_250);

    fn clocks(offsets: &[i64]) -> Clocks {
        let named = |(number, offset_ms): (usize, &i64)| {
            let number = number as u64 + 1;
            (ProbeId(number), format!("p{number}"), *offset_ms)
        };
        Clocks::of(offsets.iter().enumerate().map(named).collect())
    }

    fn wrong(offsets: &[i64]) -> (Option<i64>, Vec<i64>) {
        let clocks = clocks(offsets);
        let probes = clocks.probes.iter().map(|(_, _, clock)| clock.offset_ms);
        (clocks.collector_ms, probes.collect())
    }

    #[test]
    fn quickest_of_the_recent_answers_counts() {
        let mut offsets = Offsets::default();
        let ms = Duration::from_millis;
        assert_eq!(offsets.add(ms(100), 40), 40);
        assert_eq!(offsets.add(ms(10), 3), 3);
        assert_eq!(offsets.add(ms(300), 140), 3, "slower: it says less");
        for _ in 0..RECENT {
            offsets.add(ms(50), 20);
        }
        assert_eq!(offsets.add(ms(50), 21), 20, "the quickest one is too old by now");
    }

    #[test]
    fn step_of_either_clock_makes_the_earlier_answers_void() {
        let mut offsets = Offsets::default();
        let ms = Duration::from_millis;
        offsets.add(ms(10), 0);
        assert_eq!(offsets.add(ms(100), 1_500), 1_500);
        assert_eq!(offsets.add(ms(100), -600_000), -600_000);
        assert_eq!(offsets.add(ms(20), -600_030), -600_030);
    }

    #[test]
    fn one_wrong_clock_is_named_and_most_of_them_name_the_collectors() {
        assert_eq!(wrong(&[]), (None, vec![]));
        assert_eq!(wrong(&[2_000, -2_000, 0]), (None, vec![]));
        assert_eq!(wrong(&[2_001, 0, 0]), (None, vec![2_001]));
        assert_eq!(
            wrong(&[360_000]),
            (None, vec![360_000]),
            "one against one: the collector is right"
        );
        assert_eq!(wrong(&[360_000, 10]), (None, vec![360_000]));
        assert_eq!(wrong(&[600_000, 600_100]), (Some(-600_000 - 100), vec![]));
        assert_eq!(
            wrong(&[-600_000, -600_100, -600_050, 0]),
            (Some(600_000), vec![0])
        );
        assert_eq!(
            wrong(&[5_000, 90_000, -70_000]),
            (None, vec![5_000, 90_000, -70_000]),
            "they do not agree"
        );
    }

    /// What is named and told of each clock where the collector's is wrong, too.
    #[test]
    fn probe_is_held_against_the_right_time_where_the_collector_is_wrong() {
        let said = clocks(&[600_000, 600_100, 600_050, 0]).sentences(NOW);
        assert_eq!(said.len(), 2, "{said:?}");
        let of_probe = "The clock of p4 is 10 min behind that of most of the probes (there 2026-11-22T02:58:03Z, most \
            2026-11-22T03:08:03Z). ";
        assert!(said[1].starts_with(of_probe), "{said:?}");
        let told = clocks(&[50_000, 50_000, 70_000]);
        assert_eq!(told.collector_ms, Some(-50_000));
        assert!(
            told.probes
                .iter()
                .all(|(_, _, clock)| clock.ms() <= TOLD_ABOVE_MS),
            "{told:?}"
        );
    }

    #[test]
    fn short_question_about_the_own_clock_is_answered_as_the_long_one() {
        for offsets in [
            &[][..],
            &[360_000],
            &[600_000, 600_100],
            &[-600_000, -600_100, -600_050, 0],
            &[5_000, 90_000, -70_000],
        ] {
            assert_eq!(
                is_collector_wrong(offsets.to_vec()),
                clocks(offsets).collector_ms.is_some(),
                "{offsets:?}"
            );
        }
    }

    #[test]
    fn one_clock_against_another_may_be_either() {
        for offsets in [&[360_000][..], &[5_000, 90_000, -70_000]] {
            let said = clocks(offsets).sentences(NOW);
            let is_open =
                |text: &String| text.contains(", or this collector's is the wrong one: no third clock");
            assert!(
                said.len() == offsets.len() && said.iter().all(is_open),
                "{said:?}"
            );
        }
        let said = clocks(&[360_000, 10]).sentences(NOW);
        assert!(!said[0].contains("no third clock"), "{said:?}");
    }

    #[test]
    fn both_times_are_told() {
        let said = clocks(&[360_000, 0, 0]).sentences(NOW);
        assert_eq!(
            said,
            [
                "The clock of p1 is 6 min ahead of this collector's (there 2026-11-22T03:04:03Z, here 2026-11-22T02:58:03Z). \
              Its server should set its clock (timedatectl); measurements more than 5 min ahead are refused."
            ]
        );
        let said = clocks(&[600_000, 600_000, 600_000]).sentences(NOW);
        assert_eq!(
            said,
            [
                "This collector's clock is the wrong one: it is 10 min behind that of most of its probes \
              (here 2026-11-22T02:58:03Z, there 2026-11-22T03:08:03Z). Set it (timedatectl), or look at the time server \
              that these probes share."
            ]
        );
    }
}
