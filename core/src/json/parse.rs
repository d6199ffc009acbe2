//! Reading JSON that people and other programs hand in, without altering it on the way.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

/// Reads one JSON text. Unlike the library alone it refuses an object that has a key twice, of which one value would
/// be dropped. The error tells the line and the column.
pub fn parse(text: &str) -> Result<Json, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let json = Exact.deserialize(&mut reader)?;
    reader.end()?;
    Ok(json)
}

/// Reads any JSON value, exactly.
struct Exact;

impl<'de> DeserializeSeed<'de> for Exact {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Exact {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(Self)? {
            list.push(element);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Self)?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {key:?} is there twice in one object")));
            }
            map.insert(key, value);
        }
        Ok(Json::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_reads_is_read_alike() {
        let text =
            r#" {"a":[1,-2,0.1,1e300,18446744073709551615,"ä\ud83e\udd80\u0000",null,true,{}],"":[]} "#;
        assert_eq!(parse(text).unwrap(), serde_json::from_str::<Json>(text).unwrap());
    }

    #[test]
    fn what_would_be_altered_is_refused_with_its_place() {
        for (text, said) in [
            ("{\"a\":1,\n \"a\":1}", "the key \"a\" is there twice in one object at line 2"),
            ("[{\"b\":{\"a\":1,\"a\":2}}]", "twice in one object at line 1"),
            ("\"\\ud800\"", "hex escape"),
            ("[1] 2", "trailing characters"),
            ("{\"a\":", "EOF"),
            (&"[".repeat(200), "recursion limit"),
            ("1e999", "out of range"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
