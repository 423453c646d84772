//! A span of time from left to right.

use maud::{Markup, html};

const DAY_MS: u64 = 86_400_000;
/// More labels than this do not fit beside each other.
const LABELS: u64 = 8;

/// Nor does one behind this.
const LAST_LABEL: f64 = 0.9 * Axis::WIDTH;

/// From an instant until another, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    from: u64,
    until: u64,
}

impl Axis {
    /// Width of every picture over time.
    pub(crate) const WIDTH: f64 = 1000.0;

    /// `until` is at least a millisecond after `from`.
    #[must_use]
    pub(crate) fn new(from: u64, until: u64) -> Self {
        let until = until.max(from + 1);
        Self { from, until }
    }

    /// Where an instant lies; what is outside lies at the nearer end.
    #[must_use]
    pub(crate) fn x(&self, at: u64) -> f64 {
        let at = at.clamp(self.from, self.until);
        (at - self.from) as f64 / (self.until - self.from) as f64 * Self::WIDTH
    }

    /// Where days begin, each with its date if there is room for one: as many as fit, equally far apart.
    fn days(&self) -> Vec<(f64, Option<String>)> {
        let first = self.from.div_ceil(DAY_MS);
        let last = (self.until - 1) / DAY_MS;
        let every = (last.saturating_sub(first) + 1).div_ceil(LABELS).max(1);
        let label = |day: u64| {
            let at = jiff::Timestamp::from_second(i64::try_from(day * 86_400).ok()?).ok()?;
            Some(at.strftime("%d %b").to_string())
        };
        (first..=last)
            .map(|day| {
                let x = self.x(day * DAY_MS);
                let is_labelled = (day - first).is_multiple_of(every) && x <= LAST_LABEL;
                (x, label(day).filter(|_| is_labelled))
            })
            .collect()
    }

    /// The dates below a picture.
    #[must_use]
    pub(crate) fn labels(&self) -> Markup {
        html! {
            div.dates aria-hidden="true" {
                @for (x, label) in self.days() {
                    @if let Some(label) = label { span style=(format!("left:{:.2}%", x / 10.0)) { (label) } }
                }
            }
        }
    }

    /// A line where each day begins.
    pub(super) fn grid(&self, height: f64) -> Markup {
        let lines = self
            .days()
            .into_iter()
            .map(|(x, _)| format!("M{} 0v{height}", super::short(x)));
        html! { path.grid d=(lines.collect::<String>()) {} }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_lie_in_proportion_and_never_outside() {
        let axis = Axis::new(1_000, 3_000);
        assert_eq!(
            [0, 1_000, 2_000, 3_000, 9_000].map(|at| axis.x(at)),
            [0.0, 0.0, 500.0, 1000.0, 1000.0]
        );
        assert_eq!(Axis::new(5, 5).x(5), 0.0);
    }

    #[test]
    fn dates_stand_where_days_begin_and_no_more_than_fit() {
        let few = Axis::new(DAY_MS / 2, 3 * DAY_MS).days();
        assert_eq!(few.len(), 2);
        assert_eq!((few[0].0, few[0].1.as_deref()), (200.0, Some("02 Jan")));
        let many = Axis::new(0, 31 * DAY_MS).days();
        assert_eq!(many.len(), 31);
        assert_eq!(many.iter().filter(|(_, label)| label.is_some()).count(), 7);
    }
}
