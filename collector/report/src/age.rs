//! How old a borrowed eye's times are, alike in every report.

use isochrone_base::words::count;
use isochrone_coverage::observations::{Eye, EyeTime};
use jiff::{SignedDuration, Timestamp};

/// The newest of an eye's times.
pub(crate) fn newest(eye: &Eye) -> Option<&EyeTime> {
    eye.times.iter().min_by(|a, b| a.age_days.total_cmp(&b.age_days))
}

/// The UTC day of a time, in a report until `until`; without that, its age.
pub(crate) fn date(until: Option<Timestamp>, time: &EyeTime) -> String {
    match until.and_then(|until| instant(until, time)) {
        Some(at) => at.strftime("%Y-%m-%d").to_string(),
        None => format!("{} ago", count(days(time), "day")),
    }
}

/// When it was measured, in a report until `until`.
pub(crate) fn instant(until: Timestamp, time: &EyeTime) -> Option<Timestamp> {
    let age = SignedDuration::try_from_secs_f64(time.age_days.max(0.0) * 86_400.0).ok()?;
    until.checked_sub(age).ok()
}

/// Whole days.
pub(crate) fn days(time: &EyeTime) -> usize {
    time.age_days.max(0.0).floor() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_dated_by_its_age_and_by_the_end_of_the_report() {
        let time = |age_days| EyeTime {
            node: 0,
            rtt_ms: 1.0,
            least_ms: None,
            age_days,
            answers: 1,
        };
        let until = Some("2026-11-28T12:00:00Z".parse().unwrap());
        assert_eq!(date(until, &time(0.4)), "2026-11-28");
        assert_eq!(date(until, &time(0.6)), "2026-11-27");
        assert_eq!(date(until, &time(-3.0)), "2026-11-28", "a clock that is ahead");
        assert_eq!(date(None, &time(45.9)), "45 days ago");
    }
}
