//! A bar from nothing to a value, with its interval and a threshold.

use maud::{Markup, html};

/// What part of a bar's width a value lies at; common to all bars that are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// From the lowest of `lows` to the highest of `highs`.
    #[must_use]
    pub(crate) fn over(lows: impl Iterator<Item = f64>, highs: impl Iterator<Item = f64>) -> Self {
        let (low, high) = (lows.fold(0.0, f64::min), highs.fold(0.0, f64::max));
        Self {
            low,
            high: high.max(low + 1e-9),
        }
    }

    /// Where a value lies, in percent of the width.
    fn at(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low) * 100.0).clamp(0.0, 100.0)
    }

    fn span(&self, from: f64, to: f64) -> String {
        let (from, to) = (self.at(from.min(to)), self.at(from.max(to)));
        format!("left:{from:.2}%;width:{:.2}%", to - from)
    }
}

/// A figure stands beside it in words.
#[must_use]
pub(crate) fn interval_bar(
    scale: &Scale,
    class: &str,
    (value, ends): (f64, Option<(f64, f64)>),
    threshold: f64,
) -> Markup {
    html! {
        span.track aria-hidden="true" {
            i.fill.(class) style=(scale.span(0.0, value)) {}
            @if let Some((low, high)) = ends { i.reach style=(scale.span(low, high)) {} }
            i.threshold style=(format!("left:{:.2}%", scale.at(threshold))) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_share_one_scale_and_may_begin_below_nothing() {
        let scale = Scale::over([0.0, -5.0].into_iter(), [15.0, 10.0].into_iter());
        let bar = interval_bar(&scale, "open", (5.0, Some((-5.0, 15.0))), 1.0).into_string();
        assert!(
            bar.contains("class=\"fill open\" style=\"left:25.00%;width:25.00%\""),
            "{bar}"
        );
        assert!(
            bar.contains("class=\"reach\" style=\"left:0.00%;width:100.00%\""),
            "{bar}"
        );
        assert!(bar.contains("class=\"threshold\" style=\"left:30.00%\""), "{bar}");
    }
}
