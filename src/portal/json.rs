//! Reads JSON without a tree in between: what is wanted is borrowed from the body, and all else is skipped.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Number, value::RawValue};

/// A longer text, in bytes of JSON, is none. DocSpace's longest are the stack traces of its errors, which are not read.
const MAX_TEXT: usize = 64 * 1024;

/// A value, as far as it is one.
#[derive(Debug, PartialEq)]
pub enum Scalar<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(Cow<'a, str>),
    /// A list, an object, a number beyond all ranges, or a text that is too long or not Unicode.
    Other,
}

impl<'a> Scalar<'a> {
    /// The value.
    pub fn of(json: &'a RawValue) -> Self {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

        let json = json.get();
        match json.as_bytes() {
            b"null" => Self::Null,
            b"true" => Self::Bool(true),
            b"false" => Self::Bool(false),
            [b'"', ..] if json.len() > MAX_TEXT => Self::Other,
            [b'"', ..] => serde_json::from_str(json).map_or(Self::Other, |Text(text)| Self::Text(text)),
            _ => serde_json::from_str(json).map_or(Self::Other, Self::Number),
        }
    }

    /// A whole number, also as text.
    pub fn whole(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

/// The values of an object's fields with these names; of a field that comes twice, the last counts.
///
/// # Errors
/// The JSON is no object.
pub fn fields<'a, const N: usize>(
    json: &'a str,
    names: &[&str; N],
) -> Result<[Option<&'a RawValue>; N], serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let fields = Fields(names).deserialize(&mut deserializer)?;
    deserializer.end().map(|()| fields)
}

/// Hands each field of an object over.
///
/// # Errors
/// The first error of `visit`, which ends it; `None` if the JSON is no object.
pub fn entries<'a, E>(
    json: &'a RawValue,
    visit: impl FnMut(String, &'a RawValue) -> Result<(), E>,
) -> Result<(), Option<E>> {
    let mut failed = None;
    let visitor = Entries {
        visit,
        failed: &mut failed,
    };
    let read = serde_json::Deserializer::from_str(json.get()).deserialize_map(visitor);
    read.map_err(|_| failed)
}

/// Hands the wanted fields of each object of a list over.
///
/// # Errors
/// The first error of `visit`, which ends it; `None` if the JSON is no list of objects.
pub fn objects<'a, const N: usize, E>(
    json: &'a RawValue,
    names: &[&str; N],
    visit: impl FnMut([Option<&'a RawValue>; N]) -> Result<(), E>,
) -> Result<(), Option<E>> {
    items(json, Fields(names), visit)
}

/// Hands each value of a list over.
///
/// # Errors
/// The first error of `visit`, which ends it; `None` if the JSON is no list.
pub fn values<'a, E>(
    json: &'a RawValue,
    visit: impl FnMut(&'a RawValue) -> Result<(), E>,
) -> Result<(), Option<E>> {
    items(json, PhantomData::<&RawValue>, visit)
}

fn items<'a, S: DeserializeSeed<'a> + Copy, E>(
    json: &'a RawValue,
    item: S,
    visit: impl FnMut(S::Value) -> Result<(), E>,
) -> Result<(), Option<E>> {
    let mut failed = None;
    let visitor = Items {
        item,
        visit,
        failed: &mut failed,
    };
    let read = serde_json::Deserializer::from_str(json.get()).deserialize_seq(visitor);
    read.map_err(|_| failed)
}

/// The wanted fields of an object.
#[derive(Clone, Copy)]
struct Fields<'n, const N: usize>(&'n [&'n str; N]);

impl<'a, const N: usize> DeserializeSeed<'a> for Fields<'_, N> {
    type Value = [Option<&'a RawValue>; N];

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a, const N: usize> Visitor<'a> for Fields<'_, N> {
    type Value = [Option<&'a RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [None; N];
        while let Some(at) = map.next_key_seed(Position(self.0))? {
            match at {
                Some(at) => values[at] = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(values)
    }
}

/// Where the name of a field stands among the wanted ones.
struct Position<'n>(&'n [&'n str]);

impl<'a> DeserializeSeed<'a> for Position<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Position<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| *wanted == name))
    }
}

struct Entries<'b, F, E> {
    visit: F,
    failed: &'b mut Option<E>,
}

impl<'a, F: FnMut(String, &'a RawValue) -> Result<(), E>, E> Visitor<'a> for Entries<'_, F, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key()? {
            let visited = (self.visit)(name, map.next_value()?);
            visited.map_err(|error| stop(self.failed, error))?;
        }
        Ok(())
    }
}

struct Items<'b, S, F, E> {
    item: S,
    visit: F,
    failed: &'b mut Option<E>,
}

impl<'a, S, F, E> Visitor<'a> for Items<'_, S, F, E>
where
    S: DeserializeSeed<'a> + Copy,
    F: FnMut(S::Value) -> Result<(), E>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element_seed(self.item)? {
            (self.visit)(item).map_err(|error| stop(self.failed, error))?;
        }
        Ok(())
    }
}

/// Keeps the reader's own error; the library's ends the reading.
fn stop<E, J: Error>(failed: &mut Option<E>, error: E) -> J {
    *failed = Some(error);
    J::custom("stopped")
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn of(json: &str) -> Scalar<'static> {
        let json: &'static RawValue = Box::leak(RawValue::from_string(json.into()).expect("JSON"));
        Scalar::of(json)
    }

    #[test]
    fn each_kind_of_value_is_told_apart() {
        for (json, scalar) in [
            ("null", Scalar::Null),
            ("true", Scalar::Bool(true)),
            ("false", Scalar::Bool(false)),
            ("7", Scalar::Number(7.into())),
            (r#""""#, Scalar::Text("".into())),
            (r#""a\n""#, Scalar::Text("a\n".into())),
            (r#""\ud800""#, Scalar::Other),
            ("[1]", Scalar::Other),
            ("{}", Scalar::Other),
        ] {
            assert_eq!(of(json), scalar, "{json}");
        }
    }

    #[test]
    fn a_text_is_as_long_as_it_may_be() {
        let longest = format!("\"{}\"", "x".repeat(65_534));
        assert!(matches!(of(&longest), Scalar::Text(_)));
        assert_eq!(of(&format!("\"{}\"", "x".repeat(65_535))), Scalar::Other);
    }

    #[test]
    fn whole_numbers_come_as_numbers_or_texts() {
        for (json, whole) in [
            ("7", Some(7)),
            (r#"" -7 ""#, Some(-7)),
            ("7.5", None),
            (r#""seven""#, None),
            ("true", None),
            ("null", None),
        ] {
            assert_eq!(of(json).whole(), whole, "{json}");
        }
    }

    #[test]
    fn of_a_field_that_comes_twice_the_last_counts() {
        let read = |json: &'static str| fields(json, &["a", "b"]);
        let read = |json| read(json).map(|values| values.map(|value| value.map(RawValue::get)));
        assert_eq!(
            read(r#"{"a": 1, "c": {"b": 2}, "a": 3}"#).ok(),
            Some([Some("3"), None])
        );
        for (other, why) in [
            (r#"["a"]"#, "expected an object"),
            (r#"{"a": 1} 2"#, "trailing characters"),
            ("1", "expected an object"),
        ] {
            let error = read(other).expect_err(other).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
