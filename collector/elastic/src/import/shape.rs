//! The fields of a document as JSON gives them: of the type that the older tools wrote, or as text.

use isochrone_proto::units::UnixMillis;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::unfit::{Unfit, excerpt};

/// The fields of a document.
pub(super) type Fields = Map<String, Value>;

/// What a field holds; null is as nothing.
pub(super) fn field<'f>(fields: &'f Fields, name: &str) -> Option<&'f Value> {
    fields.get(name).filter(|value| !value.is_null())
}

/// Text that is not empty.
pub(super) fn text<'f>(fields: &'f Fields, name: &'static str) -> Result<Option<&'f str>, Unfit> {
    match field(fields, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim()).filter(|text| !text.is_empty())),
        Some(other) => Err(wrong(name, other, "text is wanted")),
    }
}

/// A number, or text that is one; finite and not negative.
pub(super) fn number(fields: &Fields, name: &'static str) -> Result<Option<f64>, Unfit> {
    let wanted = "a number that is not negative is wanted";
    let Some(value) = field(fields, name) else {
        return Ok(None);
    };
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.map(Some).ok_or_else(|| wrong(name, value, wanted))
}

/// A status of HTTP, or text that is one.
pub(super) fn status(fields: &Fields, name: &'static str) -> Result<Option<u16>, Unfit> {
    let Some(value) = field(fields, name) else {
        return Ok(None);
    };
    let code = match value {
        Value::Number(number) => number.as_u64().and_then(|code| u16::try_from(code).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    code.filter(|code| (100..=599).contains(code))
        .map(Some)
        .ok_or_else(|| wrong(name, value, "a status of HTTP is wanted, such as 200"))
}

/// An instant as Elasticsearch takes it for a date: RFC 3339, without an offset UTC; or milliseconds since 1970.
pub(super) fn instant(fields: &Fields, name: &'static str) -> Result<UnixMillis, Unfit> {
    let value = field(fields, name).ok_or(Unfit::Missing(name))?;
    let millis = match value {
        Value::Number(number) => number.as_f64().map(|millis| millis as i64),
        Value::String(text) => parse(text.trim()),
        _ => None,
    };
    let wanted = "an instant is wanted, such as 2023-11-22T03:00:00Z";
    let millis = millis.ok_or_else(|| wrong(name, value, wanted))?;
    u64::try_from(millis)
        .map(UnixMillis)
        .map_err(|_| wrong(name, value, wanted))
}

fn parse(text: &str) -> Option<i64> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        let at = civil.to_zoned(TimeZone::UTC).ok()?;
        return Some(at.timestamp().as_millisecond());
    }
    text.parse().ok()
}

/// A field that holds something else.
pub(super) fn wrong(field: &'static str, given: &Value, wanted: &'static str) -> Unfit {
    let given = match given {
        Value::String(text) => excerpt(text),
        other => excerpt(&other.to_string()).trim_matches('"').to_owned(),
    };
    Unfit::Field { field, given, wanted }
}
