//! Reads the fields of DocSpace's objects, by kind of value.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::value::RawValue;

use crate::portal::{
    answer::{Content, Read, unexpected},
    json::{self, Scalar},
    redact::{Redactor, Unread},
};

/// A field of an object. Its texts come out through a [`Redactor`] only.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    name: &'static str,
    value: Option<&'a RawValue>,
}

/// These fields of a response, or `None` if DocSpace reports none.
pub fn fields<'a, const N: usize>(
    content: Content<'a>,
    names: [&'static str; N],
) -> Read<Option<[Field<'a>; N]>> {
    match content {
        Content::Response(response) => match json::fields(response.get(), &names) {
            Ok(values) => Ok(Some(Field::with(names, values))),
            Err(_) => Err(unexpected("its response is not an object")),
        },
        Content::Nothing => Ok(None),
    }
}

impl<'a> Field<'a> {
    /// The fields with these names and values.
    pub fn with<const N: usize>(names: [&'static str; N], values: [Option<&'a RawValue>; N]) -> [Self; N] {
        std::array::from_fn(|at| Self {
            name: names[at],
            value: values[at],
        })
    }

    /// Its value as it is; `None` if missing or null.
    pub fn json(self) -> Option<&'a RawValue> {
        self.value.filter(|value| value.get() != "null")
    }

    fn scalar(self) -> Scalar<'a> {
        self.value.map_or(Scalar::Null, Scalar::of)
    }

    fn unexpected<T>(self, what: &str) -> Read<T> {
        Err(unexpected(&format!("{} {what}", self.name)))
    }

    /// A number, or a name that `name` knows, in any case; 0 if missing, as in DocSpace.
    pub fn named(self, name: fn(i64) -> String) -> Read<i64> {
        // No enum of DocSpace has that many names.
        const NAMES: i64 = 16;
        let scalar = self.scalar();
        let known = match &scalar {
            Scalar::Null => Some(0),
            Scalar::Text(text) => {
                short(&scalar).or_else(|| (0..NAMES).find(|number| text.eq_ignore_ascii_case(&name(*number))))
            }
            _ => short(&scalar),
        };
        known.map_or_else(|| self.unexpected("is unknown"), Ok)
    }

    /// A whole number, also as text. DocSpace's numbers have 32 bits; larger ones are not trusted.
    pub fn number(self, default: i64) -> Read<i64> {
        match self.scalar() {
            Scalar::Null => Ok(default),
            scalar => short(&scalar).map_or_else(|| self.unexpected("is no number"), Ok),
        }
    }

    /// A whole number; `None` for anything else.
    pub fn whole(self) -> Option<i64> {
        self.scalar().whole()
    }

    /// True or false, also as text.
    pub fn truth(self) -> Read<Option<bool>> {
        match self.scalar() {
            Scalar::Null => Ok(None),
            Scalar::Bool(truth) => Ok(Some(truth)),
            Scalar::Text(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Scalar::Text(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            _ => self.unexpected("is neither true nor false"),
        }
    }

    /// A text for display; `None` if empty.
    pub fn text(self, redactor: &Redactor) -> Option<String> {
        self.cleaned(|text| redactor.clean(text))
    }

    /// A name for display; `None` if empty.
    pub fn name(self, redactor: &Redactor) -> Option<String> {
        self.cleaned(|text| redactor.name(text))
    }

    /// An id, for display and comparison; `None` if empty.
    pub fn id(self, redactor: &Redactor) -> Option<String> {
        self.cleaned(|text| redactor.id(text))
    }

    /// A text that is hardly ever shown.
    pub fn unread(self, redactor: &Redactor) -> Unread {
        self.value
            .map_or_else(Unread::default, |value| redactor.unread(value))
    }

    /// The name of a time zone that there is; any other text, which no hour is read in.
    pub fn zone(self, redactor: &Redactor) -> Option<String> {
        let known = match self.scalar() {
            Scalar::Text(text) => TimeZone::get(&text).ok(),
            _ => None,
        };
        match known.as_ref().and_then(TimeZone::iana_name) {
            Some(known) => Some(known.into()),
            None => self.name(redactor),
        }
    }

    fn cleaned(self, clean: impl FnOnce(&str) -> String) -> Option<String> {
        match self.scalar() {
            Scalar::Text(text) => Some(clean(&text)).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// An instant; `None` if it is missing or means never.
    pub fn time(self) -> Read<Option<Timestamp>> {
        Ok(self.date()?.and_then(|date| match date {
            Date::Never { .. } => None,
            Date::At(time) => Some(time),
        }))
    }

    /// A date; `None` if it is missing.
    pub fn date(self) -> Read<Option<Date>> {
        let date = match self.scalar() {
            Scalar::Null => return Ok(None),
            Scalar::Text(text) => read_date(&text),
            _ => None,
        };
        date.map_or_else(|| self.unexpected("is no time"), |date| Ok(Some(date)))
    }
}

fn short(scalar: &Scalar) -> Option<i64> {
    scalar.whole().filter(|number| i32::try_from(*number).is_ok())
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
