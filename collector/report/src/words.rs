//! Figures as people read them: JSON and CSV hold all digits.

use isochrone_coverage::report::Interval;

/// Where there is no figure.
pub(crate) const NONE: &str = "–";

/// What an outage that comes and goes waits for while it is up.
pub(crate) const WATCHED: &str = "; watched until it has been up for 10 minutes";

/// A share: `0 %`, `<0.1 %`, `34.2 %`. Only what is exactly all reads 100 %.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        small if small < 0.1 => "<0.1 %".to_owned(),
        large if large > 99.9 && large < 100.0 - 1e-7 => ">99.9 %".to_owned(),
        all if all > 99.9 => "100 %".to_owned(),
        other => format!("{other:.1} %"),
    }
}

/// A share where a column must be narrow: `72 %`. Only nothing reads 0 %, only all reads 100 %.
pub(crate) fn whole_percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        small if small < 1.0 => "<1 %".to_owned(),
        large if large > 99.0 && large < 100.0 - 1e-7 => ">99 %".to_owned(),
        other => format!("{other:.0} %"),
    }
}

/// A time in milliseconds: two digits behind the point below 10 ms, one below 100 ms.
pub(crate) fn ms(value: Option<f64>) -> String {
    match value {
        None => NONE.to_owned(),
        Some(value) if value < 10.0 => format!("{value:.2}"),
        Some(value) if value < 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

/// An interval of times: `12.1–14.0`.
pub(crate) fn ms_interval(interval: Option<Interval>) -> String {
    interval.map_or_else(
        || NONE.to_owned(),
        |interval| range(ms(Some(interval.low)), &ms(Some(interval.high)), "–"),
    )
}

/// From one end to the other; where both read alike `always 3.00`: the same in every draw, and no proof of that figure.
pub(crate) fn range(low: String, high: &str, to: &str) -> String {
    match low == high {
        true => format!("always {low}"),
        false => format!("{low}{to}{high}"),
    }
}

/// What [`range`] means where both ends are alike.
pub(crate) const ALWAYS: &str = "“Always” before a figure: to the digits shown every draw gave the same. It did not move in this window, which does not \
     make it exact.";

/// Whether some interval reads so.
pub(crate) fn is_always(mut printed: impl Iterator<Item = String>) -> bool {
    printed.any(|interval| interval.starts_with("always"))
}

/// A distance: `80 km`, `640 km`, `11,600 km`.
pub(crate) fn km(value: f64) -> String {
    kilometres(value, f64::round)
}

/// The same, never less than it is: what something lies within.
pub(crate) fn km_at_most(value: f64) -> String {
    kilometres(value, f64::ceil)
}

fn kilometres(value: f64, round: fn(f64) -> f64) -> String {
    let step = match value {
        far if far >= 1_000.0 => 100.0,
        near if near >= 100.0 => 10.0,
        _ => 1.0,
    };
    let whole = (round(value / step) * step) as u64;
    match (whole / 1_000, whole % 1_000) {
        (0, rest) => format!("{rest} km"),
        (thousands, rest) => format!("{thousands},{rest:03} km"),
    }
}

/// A weight: `83 M`, `1.2 M`, `640 k`, `12`.
pub(crate) fn weight(value: f64) -> String {
    match value {
        large if large >= 99.5e6 => format!("{:.0} M", large / 1e6),
        large if large >= 0.9995e6 => format!("{:.1} M", large / 1e6),
        large if large >= 9950.0 => format!("{:.0} k", large / 1e3),
        large if large >= 999.5 => format!("{:.1} k", large / 1e3),
        small if (small - small.round()).abs() < 0.05 => format!("{small:.0}"),
        small => format!("{small:.1}"),
    }
}

/// A budget: `50 ms`, `37.5 ms`.
pub(crate) fn budget(budget_ms: f64) -> String {
    format!("{budget_ms} ms")
}

/// At most `max` characters; says with an ellipsis where something is missing.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_without_width_says_that_every_draw_gave_the_same() {
        let interval = |low, high| ms_interval(Some(Interval { low, high }));
        assert_eq!(interval(3.001, 3.004), "always 3.00");
        assert_eq!(interval(3.0, 3.1), "3.00–3.10");
        assert_eq!(ms_interval(None), NONE);
    }

    #[test]
    fn bound_in_kilometres_is_never_rounded_down() {
        assert_eq!(km(11_608.0), "11,600 km");
        assert_eq!(km_at_most(11_608.0), "11,700 km");
        assert_eq!(km_at_most(991.0), "1,000 km");
        assert_eq!((km_at_most(0.2), km(0.2)), ("1 km".to_owned(), "0 km".to_owned()));
        assert_eq!(km(96.6), "97 km");
    }
}
