//! Values of JSON that may be something else than they should: read without a copy where there is nothing to unescape, and
//! judged later, when it is known what they belong to.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::measurement::Micros;
use crate::unfit::Unfit;

macro_rules! numbers {
    ($value:expr) => {
        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

macro_rules! others {
    ($value:expr) => {
        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

macro_rules! containers {
    ($value:expr) => {
        fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<Self::Value, S::Error> {
            drain(seq)?;
            Ok($value)
        }
        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Self::Value, M::Error> {
            drain_map(map)?;
            Ok($value)
        }
    };
}

/// A text, or none; anything else is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    /// It; empty where there is none.
    pub(crate) fn get(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// It, where there is one and something stands in it.
    pub(crate) fn some(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

/// A text, or the first text of an object: what went wrong, in any of the forms that platforms write it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words<'a>(Option<Cow<'a, str>>);

impl Words<'_> {
    pub(crate) fn some(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor).map(Words)
    }
}

/// A number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Number {
    /// Not there, or null.
    #[default]
    Absent,
    /// It.
    Is(f64),
    /// Something else stands there.
    Wrong,
}

impl Number {
    /// It, where there is one.
    pub(crate) fn some(self) -> Option<f64> {
        match self {
            Self::Is(number) => Some(number),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// A whole number from 0 that is exact.
    pub(crate) fn whole(self) -> Option<u64> {
        self.some()
            .filter(|number| (0.0..=EXACT).contains(number) && number.fract() == 0.0)
            .map(|number| number as u64)
    }
}

impl Number {
    /// [`Number::whole`] of a field that every result has.
    pub(crate) fn required(self, field: &'static str) -> Result<u64, Unfit<'static>> {
        match (self, self.whole()) {
            (_, Some(whole)) => Ok(whole),
            (Self::Absent, None) => Err(Unfit::Missing(field)),
            (_, None) => Err(Unfit::Field {
                field,
                wanted: "a whole number is wanted",
            }),
        }
    }

    /// Milliseconds that something took, where they are told.
    pub(crate) fn millis(self, field: &'static str) -> Result<Option<Micros>, Unfit<'static>> {
        match (self, self.some().and_then(Micros::of_millis)) {
            (Self::Absent, _) => Ok(None),
            (_, Some(micros)) => Ok(Some(micros)),
            (_, None) => Err(Unfit::Field {
                field,
                wanted: "milliseconds are wanted, above 0 and ten minutes at most",
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flag {
    /// Not there, or no yes or no.
    #[default]
    Absent,
    /// It.
    Is(bool),
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

/// Whether anything stands there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Present(pub(crate) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    others!(None);
    numbers!(None);
    containers!(None);
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text, or an object of one")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = Some(Cow::Borrowed("")); // something went wrong, whatever it is
        while let Some((_, Text(value))) = map.next_entry::<IgnoredAny, Text<'de>>()? {
            if value.is_some() && found.as_deref() == Some("") {
                found = value;
            }
        }
        Ok(found)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, seq: S) -> Result<Self::Value, S::Error> {
        drain(seq)?;
        Ok(None)
    }

    others!(None);
    numbers!(None);
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a number")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
        Ok(Number::Is(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
        Ok(Number::Is(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
        Ok(Number::Is(number))
    }

    fn visit_unit<E>(self) -> Result<Number, E> {
        Ok(Number::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Number, E> {
        Ok(Number::Wrong)
    }

    fn visit_str<E>(self, _: &str) -> Result<Number, E> {
        Ok(Number::Wrong)
    }

    containers!(Number::Wrong);
}

struct FlagVisitor;

impl<'de> Visitor<'de> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("yes or no")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Flag, E> {
        Ok(Flag::Is(flag))
    }

    fn visit_unit<E>(self) -> Result<Flag, E> {
        Ok(Flag::Absent)
    }

    fn visit_str<E>(self, _: &str) -> Result<Flag, E> {
        Ok(Flag::Absent)
    }

    numbers!(Flag::Absent);
    containers!(Flag::Absent);
}

/// Passes over what is left of an array.
pub(crate) fn drain<'de, S: SeqAccess<'de>>(mut seq: S) -> Result<(), S::Error> {
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Passes over what is left of an object.
pub(crate) fn drain_map<'de, M: MapAccess<'de>>(mut map: M) -> Result<(), M::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Up to here every whole number has a floating one of its own: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct All<'a> {
        #[serde(borrow)]
        text: Text<'a>,
        #[serde(borrow)]
        words: Words<'a>,
        number: Number,
        flag: Flag,
        any: Present,
    }

    const ANYTHING: [&str; 8] = [
        "null",
        "true",
        "7",
        "-7",
        "7.5",
        "\"x\"",
        "[1,[2],{}]",
        "{\"a\":{\"b\":[1]}}",
    ];

    #[test]
    fn anything_stands_anywhere_and_what_it_is_not_it_never_becomes() {
        for value in ANYTHING {
            let json = format!(
                "{{\"text\":{value},\"words\":{value},\"number\":{value},\"flag\":{value},\"any\":{value},\"more\":{value}}}"
            );
            let all: All<'_> = serde_json::from_str(&json).unwrap();
            assert_eq!(all.text.some().is_some(), value == "\"x\"", "{value}");
            let is_number = value.parse::<f64>().is_ok();
            assert_eq!(
                all.number.some(),
                value.parse().ok().filter(|_| is_number),
                "{value}"
            );
            assert_eq!(all.flag == Flag::Is(true), value == "true", "{value}");
            assert!(all.any.0, "{value}");
            assert_eq!(
                all.words.some().is_some(),
                value == "\"x\"" || value.starts_with('{'),
                "{value}"
            );
        }
    }

    #[test]
    fn text_is_borrowed_and_unescaped_only_where_it_must_be() {
        let all: All<'_> =
            serde_json::from_str(r#"{"text":"plain","words":{"dns":"no \"such\" name"}}"#).unwrap();
        assert!(matches!(all.text, Text(Some(Cow::Borrowed("plain")))));
        assert_eq!(all.words.some(), Some("no \"such\" name"));
    }

    #[test]
    fn whole_number_is_exact_and_not_below_0() {
        assert_eq!(Number::Is(7.0).whole(), Some(7));
        for none in [
            Number::Is(-1.0),
            Number::Is(7.5),
            Number::Is(1e17),
            Number::Wrong,
            Number::Absent,
        ] {
            assert_eq!(none.whole(), None, "{none:?}");
        }
    }
}
