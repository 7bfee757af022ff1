//! Reads the fields of DocSpace's objects, by kind of value.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};

use crate::portal::{
    answer::{Content, Read, unexpected},
    redact::Redactor,
    shape::integer,
};

/// An object, or `None` if DocSpace reports none.
pub fn object(content: Content) -> Read<Option<Map<String, Value>>> {
    match content {
        Content::Response(Value::Object(fields)) => Ok(Some(fields)),
        Content::Response(_) => Err(unexpected("its response is not an object")),
        Content::Nothing => Ok(None),
    }
}

/// A number, or a name that `name` knows, in any case; 0 if missing, as in DocSpace.
pub fn named(fields: &Map<String, Value>, field: &str, name: fn(i64) -> String) -> Read<i64> {
    // No enum of DocSpace has that many names.
    const NAMES: i64 = 16;
    match fields.get(field) {
        None | Some(Value::Null) => Ok(0),
        value => short(value)
            .or_else(|| {
                (0..NAMES).find(|number| {
                    value
                        .and_then(Value::as_str)
                        .is_some_and(|text| text.eq_ignore_ascii_case(&name(*number)))
                })
            })
            .ok_or_else(|| unexpected(&format!("{field} is unknown"))),
    }
}

/// A whole number, also as text. DocSpace's numbers have 32 bits; larger ones are not trusted.
pub fn number(fields: &Map<String, Value>, field: &str, default: i64) -> Read<i64> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(default),
        value => short(value).ok_or_else(|| unexpected(&format!("{field} is no number"))),
    }
}

fn short(value: Option<&Value>) -> Option<i64> {
    integer(value).filter(|number| i32::try_from(*number).is_ok())
}

/// True or false, also as text.
pub fn truth(fields: &Map<String, Value>, field: &str) -> Read<Option<bool>> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(_) => Err(unexpected(&format!("{field} is neither true nor false"))),
    }
}

/// A text for display; `None` if empty.
pub fn text(fields: &Map<String, Value>, field: &str, redactor: &Redactor) -> Option<String> {
    let text = redactor.clean(fields.get(field)?.as_str()?);
    (!text.is_empty()).then_some(text)
}

/// An id, for display and comparison; `None` if empty.
pub fn id(fields: &Map<String, Value>, field: &str, redactor: &Redactor) -> Option<String> {
    let id = redactor.id(fields.get(field)?.as_str()?);
    (!id.is_empty()).then_some(id)
}

/// An instant; `None` if it is missing or means never.
pub fn time(fields: &Map<String, Value>, field: &str) -> Read<Option<Timestamp>> {
    Ok(date(fields, field)?.and_then(|date| match date {
        Date::Never { .. } => None,
        Date::At(time) => Some(time),
    }))
}

/// A date in DocSpace's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Date {
    /// .NET's first instant, in year 1.
    Never {
        /// Whether it has a Z or another offset.
        has_offset: bool,
    },
    /// An instant; without an offset it is UTC.
    At(Timestamp),
}

/// A date; `None` if it is missing.
pub fn date(fields: &Map<String, Value>, field: &str) -> Read<Option<Date>> {
    let no_time = || unexpected(&format!("{field} is no time"));
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => read_date(text).map(Some).ok_or_else(no_time),
        Some(_) => Err(no_time()),
    }
}

fn read_date(text: &str) -> Option<Date> {
    let (time, has_offset) = match text.parse::<Timestamp>() {
        Ok(time) => (time, true),
        Err(_) => {
            let clock: DateTime = text.parse().ok()?;
            (clock.to_zoned(TimeZone::UTC).ok()?.timestamp(), false)
        }
    };
    Some(if time > NEVER_UNTIL {
        Date::At(time)
    } else {
        Date::Never { has_offset }
    })
}

/// Year 1 means never; one day more covers time zones.
const NEVER_UNTIL: Timestamp = Timestamp::constant(-62_135_596_800 + 86_400, 0);
