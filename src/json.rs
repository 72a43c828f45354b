//! JSON, read more strictly than the library does by itself: no member twice, bounded in depth and
//! in number (threat model I-22, I-23).

use std::cell::Cell;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits;

/// A JSON object: whatever a second reader of the same text would take from it, it is what we took.
pub struct Object(pub Map<String, Value>);

impl Object {
    /// Reads an object that fills the whole text.
    ///
    /// # Errors
    /// What is wrong and where, for whoever sent it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let members = Cell::new(0);
        let seed = Strict {
            depth: 0,
            members: &members,
        };
        match seed.deserialize(from)? {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(de::Error::custom("it must be an object, as in {}")),
        }
    }
}

#[derive(Clone, Copy)]
struct Strict<'m> {
    depth: usize,
    members: &'m Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= limits::JSON_DEPTH {
            return Err(E::custom(format_args!(
                "nested deeper than {} levels",
                limits::JSON_DEPTH
            )));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    fn one_more<E: de::Error>(self) -> Result<(), E> {
        self.members.set(self.members.get() + 1);
        if self.members.get() > limits::JSON_MEMBERS {
            return Err(E::custom(format_args!(
                "more than {} members",
                limits::JSON_MEMBERS
            )));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            self.one_more()?;
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.one_more()?;
            if map.contains_key(&name) {
                return Err(de::Error::custom(format_args!(
                    "member {} stands there twice",
                    shown(&name)
                )));
            }
            let value = members.next_value_seed(inner)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

/// A name from the client as a message may show it.
fn shown(name: &str) -> String {
    let short: String = name.chars().take(64).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sound_is_read() {
        let text = r#"{"a":[1,-2,3.5,"x",true,null,{"b":{}}],"b":{"a":1}}"#;
        let read = Value::from(Object::parse(text.as_bytes()).unwrap().0);
        assert_eq!(read, serde_json::from_str::<Value>(text).unwrap());
        assert!(Object::parse(b" {} ").is_ok());
    }

    #[test]
    fn what_is_not_is_refused_i_22_i_23() {
        let nested = |levels| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(Object::parse(nested(31).as_bytes()).is_ok());
        let deep = nested(32);
        let wide = format!("{{\"a\":[{}1]}}", "1,".repeat(999));
        for (text, why) in [
            ("", "EOF"),
            ("{", "EOF"),
            ("{} {}", "trailing"),
            ("[]", "must be an object"),
            ("null", "must be an object"),
            (r#"{"a":1,"a":1}"#, "twice"),
            (r#"{"a":1,"\u0061":2}"#, "twice"),
            (r#"{"x":[{"a":1,"a":2}]}"#, "twice"),
            (&deep, "deeper than 32"),
            (&wide, "more than 1000"),
            ("{\"a\":1e999}", "out of range"),
            ("{\"a\":nix}", "expected"),
        ] {
            let said = Object::parse(text.as_bytes()).err().unwrap_or_default();
            assert!(said.contains(why), "{text}: {said}");
        }
        assert!(Object::parse(b"{\"a\":\"\xff\"}").is_err());
        assert!(Object::parse(br#"{"a":"\ud800"}"#).is_err());
    }
}
