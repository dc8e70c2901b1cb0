//! The parts of a JSON document as they are written, so that numbers keep all their digits.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A member of an object: its name, and its value as it is written.
pub(super) type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// The members of an object in the order of the document.
pub(super) struct Members<'a>(pub(super) Vec<Member<'a>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<Member> = vec![];
        let mut names = HashSet::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            if !names.insert(name.clone()) {
                return Err(Error::custom(format!("`{name}` occurs twice")));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// A name that is borrowed if it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.into())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// A JSON value, one level deep.
pub(super) enum Value<'a> {
    Null,
    Text(String),
    /// A number or a boolean, as it is written.
    Literal(&'a str),
    Object(Vec<Member<'a>>),
    Array(Vec<&'a RawValue>),
}

impl<'a> Value<'a> {
    pub(super) fn of(raw: &'a RawValue) -> serde_json::Result<Value<'a>> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'n') => Value::Null,
            Some(b'"') => Value::Text(serde_json::from_str(text)?),
            Some(b'{') => Value::Object(serde_json::from_str::<Members>(text)?.0),
            Some(b'[') => Value::Array(serde_json::from_str(text)?),
            _ => Value::Literal(text),
        })
    }
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.into()).to_string()
}
