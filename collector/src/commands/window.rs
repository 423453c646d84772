//! The window that a command's options name.

use std::time::Duration;

use isochrone_base::words::rfc3339_second;
use isochrone_proto::units::UnixMillis;
use isochrone_report::log::Window;

use super::{CommandContext, CommandError, UsageError};
use crate::cli::WindowArgs;

/// The window that the options name; seven days without any.
pub(super) fn window(context: &CommandContext, args: &WindowArgs) -> Result<Window, CommandError> {
    window_or(context, args, USUAL)
}

/// The same for `report count`; fifteen days without any.
pub(super) fn counting_window(context: &CommandContext, args: &WindowArgs) -> Result<Window, CommandError> {
    window_or(context, args, COUNTED)
}

/// Seven days.
const USUAL: Duration = Duration::from_secs(7 * 86_400);
/// Fifteen days hold seven even ones whole: fewer are not resampled, and then there is never a verdict.
const COUNTED: Duration = Duration::from_secs(15 * 86_400);

/// The window that the options name; without any the last `usual`.
fn window_or(context: &CommandContext, args: &WindowArgs, usual: Duration) -> Result<Window, CommandError> {
    let now = context.clock.wall();
    let mut instants = args.instants();
    let from = instants.next();
    if instants.next().is_some() || from.is_some() && args.since.is_some() {
        return Err(UsageError::TwoBeginnings.into());
    }
    if from.is_none() && args.to.is_none() {
        let asked = args.since.as_deref().map(since).transpose()?;
        return Ok(Window::since(now, asked.unwrap_or(usual)));
    }
    let until = args
        .to
        .as_deref()
        .map(|text| instant("--to", text))
        .transpose()?
        .unwrap_or(now);
    let from = from.map(|text| beginning(text, now)).transpose()?;
    let from = from.unwrap_or(until.minus(usual));
    if from >= until {
        return Err(UsageError::Backwards.into());
    }
    Ok(Window { from, until })
}

/// `7d`.
pub(super) fn since(text: &str) -> Result<Duration, UsageError> {
    humantime::parse_duration(text).map_err(|error| {
        let (option, given, example) = ("--since", text.to_owned(), "7d or 12h");
        UsageError::Duration {
            option,
            given,
            error,
            example,
        }
    })
}

/// RFC 3339.
pub(super) fn instant(option: &'static str, text: &str) -> Result<UnixMillis, CommandError> {
    let given = || text.to_owned();
    let Ok(at) = text.parse::<jiff::Timestamp>() else {
        let given = given();
        return Err(UsageError::Instant { option, given }.into());
    };
    let after_1970 = u64::try_from(at.as_millisecond());
    after_1970.map(UnixMillis).map_err(|_| {
        let given = given();
        UsageError::BeforeAll { option, given }.into()
    })
}

/// When a window begins that names its beginning: not after `now`.
pub(super) fn beginning(text: &str, now: UnixMillis) -> Result<UnixMillis, CommandError> {
    let from = instant("--from", text)?;
    if from > now {
        let (given, now) = (text.to_owned(), rfc3339_second(now));
        return Err(UsageError::StillToCome { given, now }.into());
    }
    Ok(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_before_all_and_still_to_come_are_told_as_such() {
        let now = UnixMillis(1_795_316_400_000);
        let words = |text: &str| {
            let error = beginning(text, now).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        assert!(words("1969-12-31T23:59:59Z").contains("before 1970"));
        let future = words("2099-01-01T00:00:00Z");
        assert!(
            future.contains("still to come") && future.contains("2026-11-22T03:00:00Z"),
            "{future}"
        );
        assert!(words("yesterday").contains("write an instant as"));
        assert!(beginning("2026-11-22T02:00:00Z", now).is_ok());
        assert!(
            instant("--to", "2099-01-01T00:00:00Z").is_ok(),
            "a window may end later"
        );
    }
}
