//! The header `Retry-After`: so many seconds, or a date.

use std::time::Duration;

use isochrone_proto::units::UnixMillis;
use jiff::fmt::rfc2822::DateTimeParser;

/// Longer than a day is not believed.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How long to wait. A date counts from `date`, the answer's own, where it has one: so it does not matter whose clock is
/// off; else from `now`. One that has passed is no wait. `None` for what is neither, or longer than a day.
pub(super) fn read(asked: &str, date: Option<&str>, now: UnixMillis) -> Option<Duration> {
    let asked = asked.trim();
    let wait = match asked.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
        Err(_) => {
            let from = date.and_then(instant).unwrap_or(now);
            instant(asked)?.since(from)
        }
    };
    (wait <= LONGEST).then_some(wait)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn instant(text: &str) -> Option<UnixMillis> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let at = PARSER.parse_timestamp(text.trim()).ok()?;
    u64::try_from(at.as_millisecond()).ok().map(UnixMillis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_316_400_000); // 2026-11-22T03:00:00Z

    fn seconds(asked: &str, date: Option<&str>) -> Option<f64> {
        read(asked, date, NOW).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn wait_is_read_as_seconds_and_as_a_date() {
        let later = "Sun, 22 Nov 2026 03:01:30 GMT";
        assert_eq!(seconds(" 1.5 ", None), Some(1.5));
        assert_eq!(seconds(later, None), Some(90.0));
        let their_clock = Some("Sun, 22 Nov 2026 03:01:00 GMT");
        assert_eq!(seconds(later, their_clock), Some(30.0));
        assert_eq!(seconds(later, Some("now")), Some(90.0));
    }

    #[test]
    fn date_that_has_passed_is_no_wait_and_nonsense_says_nothing() {
        assert_eq!(seconds("Sun, 22 Nov 2026 02:00:00 GMT", None), Some(0.0));
        for nonsense in ["", "soon", "-5", "NaN", "86401", "Sun, 22 Nov 2099 03:00:00 GMT"] {
            assert_eq!(seconds(nonsense, None), None, "{nonsense:?}");
        }
    }
}
