//! Why something of a file is not taken.

use std::fmt;

use isochrone_proto::text::cleaned;
use isochrone_proto::units::UnixMillis;

use crate::vantage::LeftOut;

/// Why something of a file is not taken. What it says of the file is cleaned and short when it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit<'a> {
    /// Not JSON.
    NotJson(&'a str),
    /// JSON, and nothing that a result could be.
    NotAnObject(&'a str),
    /// The file ends before the object does.
    Cut,
    /// Longer than any result.
    TooLong(usize),
    /// More of something than there can be.
    TooMany(&'static str),
    /// The file holds something else.
    WrongFile(&'static str),
    /// A field that every result has.
    Missing(&'static str),
    /// A field that holds something else.
    Field {
        field: &'static str,
        wanted: &'static str,
    },
    /// Before there was such a platform.
    Early(UnixMillis),
    /// After now.
    Future(UnixMillis),
    /// A measurement that nothing is learnt from here.
    OtherKind(&'a str),
    /// Nobody here asked for that host.
    OtherTarget(&'a str),
    /// The probe is in no list.
    UnknownProbe(u32),
    /// The probe is not used.
    LeftOut(u32, &'a LeftOut),
    /// A vantage that stands nowhere.
    NoPlace,
    /// Written by so old a firmware that it says nothing that is used.
    OldForm(u32),
    /// Not measured yet.
    InProgress,
    /// The vantage was away.
    Offline,
}

/// Why things of a file are not taken, without what is each one's own: for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    what: &'static str,
    of: &'static str,
}

impl Unfit<'_> {
    pub(crate) const fn rule(&self) -> Rule {
        let (what, of) = match self {
            Self::NotJson(_) => ("not JSON", ""),
            Self::NotAnObject(_) => ("no result: a JSON object is wanted", ""),
            Self::Cut => ("cut off: the file ends in the middle of it", ""),
            Self::TooLong(_) => ("longer than any result", ""),
            Self::TooMany(what) => ("more than there can be:", *what),
            Self::WrongFile(what) => ("from another kind of file:", *what),
            Self::Missing(field) => ("it has no", *field),
            Self::Field { field, .. } => ("it does not hold what it should:", *field),
            Self::Early(_) => ("its time is before 2010", ""),
            Self::Future(_) => (
                "its time is later than this machine's clock by more than five minutes",
                "",
            ),
            Self::OtherKind(_) => ("another kind of measurement than ping, TLS and HTTP", ""),
            Self::OtherTarget(_) => ("of another target than the nodes and candidates", ""),
            Self::UnknownProbe(_) => ("its probe is in no list of probes that was given", ""),
            Self::LeftOut(_, why) => ("its probe is left out:", why.rule()),
            Self::NoPlace => ("its vantage stands nowhere: no latitude and longitude", ""),
            Self::OldForm(_) => ("in the form of a firmware before 2012", ""),
            Self::InProgress => ("not measured yet: fetch the measurement again", ""),
            Self::Offline => ("its vantage was offline", ""),
        };
        Rule { what, of }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.what)?;
        match self.of {
            "" => Ok(()),
            of => write!(out, " {of}"),
        }
    }
}

impl fmt::Display for Unfit<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule();
        match self {
            Self::NotJson(why) => write!(out, "{rule}: {}", excerpt(why)),
            Self::NotAnObject(begins) => write!(out, "{rule}; this begins {:?}", excerpt(begins)),
            Self::TooLong(most) => write!(out, "{rule}: {most} bytes are the most"),
            Self::Field { field, wanted } => write!(out, "{field}: {wanted}"),
            Self::Early(at) | Self::Future(at) => write!(out, "{rule}: {}", date_time(*at)),
            Self::OtherKind(kind) => write!(out, "{rule}: {:?}", excerpt(kind)),
            Self::OtherTarget(host) => write!(out, "{rule}: {:?}", excerpt(host)),
            Self::UnknownProbe(id) => write!(out, "{rule}: {id}"),
            Self::LeftOut(id, why) => write!(out, "its probe {id} is left out: {why}"),
            Self::OldForm(firmware) => write!(out, "{rule}: {firmware}"),
            Self::Cut
            | Self::TooMany(_)
            | Self::WrongFile(_)
            | Self::Missing(_)
            | Self::NoPlace
            | Self::InProgress
            | Self::Offline => rule.fmt(out),
        }
    }
}

/// Text of a file, as it may be shown: cleaned, and [`EXCERPT`] characters at most.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(EXCERPT).collect();
    if text.chars().nth(EXCERPT).is_some() {
        short.pop();
        short.push('…');
    }
    cleaned(&short).into_owned()
}

fn date_time(at: UnixMillis) -> String {
    let millis = i64::try_from(at.0).ok();
    let instant = millis.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    instant.map_or_else(
        || format!("{} ms since 1970", at.0),
        |instant| instant.to_string(),
    )
}

/// Characters of a file's own that are shown.
const EXCERPT: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_file_is_shown_short_and_clean() {
        assert_eq!(excerpt("plain"), "plain");
        let hostile = format!("\u{1b}[31m{}", "a".repeat(1_000));
        let shown = excerpt(&hostile);
        assert_eq!(shown.chars().count(), EXCERPT);
        assert!(shown.starts_with("?[31maaa") && shown.ends_with('…'), "{shown}");
    }

    #[test]
    fn time_beyond_every_calendar_is_shown_all_the_same() {
        assert_eq!(
            Unfit::Future(UnixMillis(u64::MAX)).to_string(),
            "its time is later than this machine's clock by more than five minutes: 18446744073709551615 ms since 1970"
        );
        assert!(
            Unfit::Future(UnixMillis(1_800_000_000_000))
                .to_string()
                .ends_with(": 2027-01-15T08:00:00Z")
        );
    }
}
