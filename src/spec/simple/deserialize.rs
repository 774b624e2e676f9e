//! Values of simple YAML as types. Resolves plain scalars as the full parser does, and gives up where that is not certain.

use super::Value;
use serde::de::value::{BorrowedStrDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, Error, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt;

/// Whatever is wrong, the full parser says it better.
#[derive(Debug)]
pub struct GaveUp;

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not simple")
    }
}

impl std::error::Error for GaveUp {}

impl Error for GaveUp {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// What a plain scalar is.
enum Resolved<'de> {
    Text(&'de str),
    Number(u64),
    Boolean(bool),
    Null,
}

/// Texts that might be any other number are given up.
fn resolve(text: &str) -> Result<Resolved<'_>, GaveUp> {
    let first = text.bytes().next().ok_or(GaveUp)?;
    if !first.is_ascii_digit() {
        return match text {
            "true" => Ok(Resolved::Boolean(true)),
            "false" => Ok(Resolved::Boolean(false)),
            "null" => Ok(Resolved::Null),
            _ if super::scan::reserved(text) => Err(GaveUp),
            _ => Ok(Resolved::Text(text)),
        };
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits && text.len() <= 18 && (first != b'0' || text.len() == 1) {
        return text.parse().map(Resolved::Number).map_err(|_| GaveUp);
    }
    // No number has two points, a hyphen that follows no exponent, or a letter that is neither that nor after a zero.
    let foreign = |b: u8| !(b.is_ascii_digit() || b"_.eE+-".contains(&b));
    let exponent = text.contains(['e', 'E']);
    let is_text = text.matches('.').count() > 1
        || (text.contains('-') && !exponent)
        || (first != b'0' && text.bytes().any(foreign));
    if is_text { Ok(Resolved::Text(text)) } else { Err(GaveUp) }
}

impl<'de> Value<'de> {
    fn text(&self) -> Result<&'de str, GaveUp> {
        match self {
            Value::Quoted(text) => Ok(text),
            Value::Plain(text) => match resolve(text)? {
                Resolved::Text(text) => Ok(text),
                _ => Err(GaveUp),
            },
            _ => Err(GaveUp),
        }
    }
}

impl<'de> IntoDeserializer<'de, GaveUp> for &Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &Value<'de> {
    type Error = GaveUp;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        match self {
            Value::Quoted(text) => visitor.visit_borrowed_str(text),
            Value::Plain(text) => match resolve(text)? {
                Resolved::Text(text) => visitor.visit_borrowed_str(text),
                Resolved::Number(number) => visitor.visit_u64(number),
                Resolved::Boolean(boolean) => visitor.visit_bool(boolean),
                Resolved::Null => visitor.visit_unit(),
            },
            Value::Sequence(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
            Value::Mapping(entries) => {
                let entries = entries.iter().map(|(name, value)| (BorrowedStrDeserializer::new(name), value));
                visitor.visit_map(MapDeserializer::new(entries))
            }
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, GaveUp> {
        if matches!(self, Value::Plain("null")) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, GaveUp> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, GaveUp> {
        visitor.visit_enum(BorrowedStrDeserializer::<GaveUp>::new(self.text()?))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}
