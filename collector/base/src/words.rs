//! Instants and lengths of time as people read them. All times are UTC.

use isochrone_proto::units::UnixMillis;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The same instant as a timestamp; what lies beyond the year 9999 becomes its last instant.
#[must_use]
pub fn timestamp(at: UnixMillis) -> Timestamp {
    i64::try_from(at.0)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or(Timestamp::MAX)
}

/// `2026-11-22T02:58:03Z`, with milliseconds where there are any.
#[must_use]
pub fn rfc3339(at: UnixMillis) -> String {
    timestamp(at).to_string()
}

/// As [`rfc3339`], cut to the second.
#[must_use]
pub fn rfc3339_second(at: UnixMillis) -> String {
    rfc3339(UnixMillis(at.0 - at.0 % 1_000))
}

/// `2026-11-22T02:58:03.250Z`: always with milliseconds.
#[must_use]
pub fn rfc3339_millis(at: UnixMillis) -> String {
    format!("{:.3}", timestamp(at))
}

/// `2026-11-22 02:58:03`
#[must_use]
pub fn date_time(at: UnixMillis) -> String {
    format(at, "%Y-%m-%d %H:%M:%S")
}

/// `02:58:03`
#[must_use]
pub fn time(at: UnixMillis) -> String {
    format(at, "%H:%M:%S")
}

/// `2026-11-22`
#[must_use]
pub fn date(at: UnixMillis) -> String {
    format(at, "%Y-%m-%d")
}

/// `8 min 10 s`, `2 h 5 min`, `3 d 4 h`: the two largest units.
#[must_use]
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let pair = |large: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {small_unit}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", seconds % 60),
        (0, 0, _) => pair(minutes, "min", seconds % 60, "s"),
        (0, _, _) => pair(hours, "h", minutes, "min"),
        _ => pair(days, "d", hours, "h"),
    }
}

/// `30 days`, `1 day`: cut to the day.
#[must_use]
pub fn days(length: std::time::Duration) -> String {
    count((length.as_secs() / 86_400) as usize, "day")
}

/// `3 vantages`, `1 vantage`.
#[must_use]
pub fn count(number: usize, word: &str) -> String {
    let stem = word
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match (number, stem) {
        (1, _) => format!("{number} {word}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {word}s"),
    }
}

/// "7 nodes and 1 candidate", or what there is of them.
#[must_use]
pub fn nodes_and_candidates(nodes: usize, candidates: usize) -> String {
    let said = [(nodes, "node"), (candidates, "candidate")];
    let said = said.iter().filter(|(number, _)| *number > 0);
    let said: Vec<String> = said.map(|(number, word)| count(*number, word)).collect();
    said.join(" and ")
}

/// `AS 64500`, or `network unknown`.
#[must_use]
pub fn network(network: Option<u32>) -> String {
    network.map_or_else(|| "network unknown".to_owned(), |number| format!("AS {number}"))
}

/// In a column of networks: `AS 64500`, or `unknown`.
#[must_use]
pub fn network_in_column(number: Option<u32>) -> String {
    match number {
        Some(_) => network(number),
        None => "unknown".to_owned(),
    }
}

fn format(at: UnixMillis, pattern: &str) -> String {
    timestamp(at)
        .to_zoned(TimeZone::UTC)
        .strftime(pattern)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        for (ms, text) in [
            (999, "0 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (490_000, "8 min 10 s"),
            (3_600_000, "1 h"),
            (7_530_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn network_has_one_spelling() {
        assert_eq!(network(Some(64_500)), "AS 64500");
        assert_eq!(network_in_column(Some(64_500)), network(Some(64_500)));
        assert_eq!(
            (network(None), network_in_column(None)),
            ("network unknown".to_owned(), "unknown".to_owned())
        );
    }

    #[test]
    fn instants_are_utc() {
        let at = UnixMillis(1_795_316_283_000);
        assert_eq!(rfc3339(at), "2026-11-22T02:58:03Z");
        assert_eq!(date_time(at), "2026-11-22 02:58:03");
        assert_eq!(
            (date(at), time(at)),
            ("2026-11-22".to_owned(), "02:58:03".to_owned())
        );
        assert_eq!(rfc3339(UnixMillis(1_795_316_283_250)), "2026-11-22T02:58:03.25Z");
        assert_eq!(
            rfc3339_second(UnixMillis(1_795_316_283_250)),
            "2026-11-22T02:58:03Z"
        );
        assert_eq!(rfc3339_millis(at), "2026-11-22T02:58:03.000Z");
        assert_eq!(timestamp(UnixMillis(u64::MAX)), Timestamp::MAX);
    }

    #[test]
    fn plurals_are_written_as_english_writes_them() {
        let said = [(1, "country"), (2, "country"), (0, "day"), (3, "node")]
            .map(|(number, word)| count(number, word));
        assert_eq!(said, ["1 country", "2 countries", "0 days", "3 nodes"]);
    }
}
