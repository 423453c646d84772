//! How often a token may be tried: by one visitor, whatever they bring, so that nobody guesses fast; and wrong ones by all
//! together, which never holds up whoever brings the right one: a crowd of guessers locks nobody out.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::visitor::Visitor;

/// Wrong tokens of one visitor: five at once, then five a minute.
const OF_ONE: Rate = Rate {
    each: Duration::from_secs(12),
    at_once: 5,
};
/// Wrong tokens of all together: 60 at once, then one a second.
const OF_ALL: Rate = Rate {
    each: Duration::from_secs(1),
    at_once: 60,
};

/// Visitors whose wrong tokens are counted at once: each is forgotten a minute after the last, at most.
const VISITORS_MAX: usize = 16_384;

#[derive(Clone, Copy)]
struct Rate {
    each: Duration,
    at_once: u32,
}

/// Wrong tokens that still count, as the instant at which none does any more.
#[derive(Clone, Copy)]
struct Wrong(Instant);

/// The tries of the last while. Time is an argument.
#[derive(Default)]
pub(crate) struct Throttle {
    all: Option<Wrong>,
    /// Of each visitor; at most [`VISITORS_MAX`].
    visitors: HashMap<Visitor, Wrong>,
}

impl Throttle {
    /// Whether a token of this visitor's is looked at; else when to come again.
    pub(crate) fn looks_at(&mut self, visitor: Visitor, now: Instant) -> Result<(), Duration> {
        if self.visitors.len() >= VISITORS_MAX {
            self.visitors.retain(|_, wrong| wrong.0 > now);
        }
        match self.visitors.get(&visitor) {
            Some(wrong) => wrong.room(OF_ONE, now),
            None if self.visitors.len() < VISITORS_MAX => Ok(()),
            None => Err(OF_ALL.each), // so many cannot be counted one by one
        }
    }

    /// Whether a wrong token of this visitor's is told to be wrong; else when to come again.
    fn admits(&mut self, visitor: Visitor, now: Instant) -> Result<(), Duration> {
        self.looks_at(visitor, now)?;
        self.all.map_or(Ok(()), |all| all.room(OF_ALL, now))
    }

    /// Counts a wrong token; an error says when this visitor may try again.
    pub(crate) fn wrong(&mut self, visitor: Visitor, now: Instant) -> Result<(), Duration> {
        self.looks_at(visitor, now)?;
        let admitted = self.admits(visitor, now);
        let own = self.visitors.entry(visitor).or_insert(Wrong(now));
        *own = own.and_one(OF_ONE, now);
        if admitted.is_ok() {
            self.all = Some(self.all.unwrap_or(Wrong(now)).and_one(OF_ALL, now));
        }
        admitted
    }
}

impl Wrong {
    /// How long until there is room for one more.
    fn room(self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let full = rate.each * (rate.at_once - 1);
        match self.0.saturating_duration_since(now).checked_sub(full) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    fn and_one(self, rate: Rate, now: Instant) -> Self {
        Self(self.0.max(now) + rate.each)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::time::advance;

    use super::*;

    fn visitor(number: u32) -> Visitor {
        Visitor::of(IpAddr::from(number.to_be_bytes()))
    }

    /// How many wrong tokens are looked at, of `tries` at this instant.
    fn taken(throttle: &mut Throttle, tries: impl IntoIterator<Item = Visitor>) -> usize {
        let now = now();
        let looked_at = tries
            .into_iter()
            .filter(|visitor| throttle.wrong(*visitor, now).is_ok());
        looked_at.count()
    }

    #[expect(clippy::disallowed_methods, reason = "tokio's paused time")]
    fn now() -> Instant {
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn one_visitor_tries_five_times_then_five_times_a_minute() {
        let mut throttle = Throttle::default();
        let one = visitor(1);
        assert_eq!(taken(&mut throttle, [one; 100]), 5);
        assert_eq!(throttle.admits(one, now()), Err(Duration::from_secs(12)));
        assert_eq!(throttle.admits(visitor(2), now()), Ok(()), "others may");
        let mut looked_at = 0;
        for _ in 0..600 {
            advance(Duration::from_millis(100)).await;
            looked_at += taken(&mut throttle, [one]);
        }
        assert_eq!(looked_at, 5, "in a minute");
        advance(Duration::from_secs(60)).await;
        assert_eq!(taken(&mut throttle, [one; 100]), 5, "a quiet minute is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn many_visitors_try_sixty_times_then_once_a_second() {
        let mut throttle = Throttle::default();
        assert_eq!(taken(&mut throttle, (2..10_000).map(visitor)), 60);
        let mut looked_at = 0;
        for second in 0..60 {
            advance(Duration::from_secs(1)).await;
            looked_at += taken(&mut throttle, (0..50).map(|n| visitor(20_000 + 50 * second + n)));
        }
        assert_eq!(looked_at, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn crowd_that_cannot_be_counted_is_not_looked_at_and_soon_forgotten() {
        let mut throttle = Throttle::default();
        for number in 0..=VISITORS_MAX as u32 {
            let looks = throttle.looks_at(visitor(number), now());
            assert_eq!(looks.is_ok(), number < VISITORS_MAX as u32, "{number}");
            let told = throttle.wrong(visitor(number), now());
            assert_eq!(told.is_ok(), number < 60, "{number}");
        }
        assert_eq!(throttle.visitors.len(), VISITORS_MAX);
        advance(Duration::from_secs(60)).await;
        assert_eq!(throttle.looks_at(visitor(u32::MAX), now()), Ok(()));
        assert!(throttle.visitors.is_empty());
    }
}
