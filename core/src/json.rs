//! Documents as JSON: what the command line prints, what people and other programs hand in.
//!
//! JSON has fewer sorts of things than a document. Texts and strings both become JSON strings, counters
//! become numbers, foreign content becomes a string, and bytes become `{"$bytes":"<base64>"}`, which is read
//! back as bytes. So a document read from JSON has registers where it may have had texts and counters.

mod parse;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::operation::EditError;
use crate::value::Value;

pub use parse::parse;

/// The only key of the object that stands for bytes.
pub const BYTES_KEY: &str = "$bytes";

impl Value {
    /// Reads JSON. Whole numbers must fit 64 bits with their sign, and `{"$bytes": …}` must hold base64; both
    /// are refused otherwise, as they could not be kept exactly.
    pub fn from_json(json: &Json) -> Result<Self, EditError> {
        Ok(match json {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(*truth),
            Json::Number(number) => from_number(number)?,
            Json::String(text) => Self::String(text.clone()),
            Json::Array(list) => Self::List(list.iter().map(Self::from_json).collect::<Result<_, _>>()?),
            Json::Object(map) => from_object(map)?,
        })
    }

    /// Writes JSON. A number that JSON cannot express, which only other programs can have put there, becomes
    /// null, as in JavaScript.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(truth) => Json::Bool(*truth),
            Self::Int(number) | Self::Counter(number) => Json::from(*number),
            Self::Float(number) => Json::from(*number),
            Self::String(text) | Self::Text(text) | Self::Opaque(text) => Json::String(text.clone()),
            Self::Bytes(bytes) => {
                Json::Object([(BYTES_KEY.to_owned(), STANDARD.encode(bytes).into())].into_iter().collect())
            }
            Self::List(list) => Json::Array(list.iter().map(Self::to_json).collect()),
            Self::Map(map) => {
                Json::Object(map.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
            }
        }
    }
}

fn from_number(number: &serde_json::Number) -> Result<Value, EditError> {
    if let Some(whole) = number.as_i64() {
        return Ok(Value::Int(whole));
    }
    if number.is_u64() {
        return Err(unsupported(format!("{number} is too large: whole numbers go up to {}", i64::MAX)));
    }
    match number.as_f64() {
        Some(float) if float.is_finite() => Ok(Value::number(float)),
        Some(_) | None => Err(unsupported(format!("{number} is beyond the range of 64-bit floating point"))),
    }
}

fn from_object(map: &serde_json::Map<String, Json>) -> Result<Value, EditError> {
    match map.get(BYTES_KEY) {
        Some(Json::String(text)) if map.len() == 1 => STANDARD
            .decode(text)
            .map(Value::Bytes)
            .map_err(|error| unsupported(format!("{BYTES_KEY:?} must hold base64: {error}"))),
        Some(_) | None => {
            let entries = map.iter().map(|(key, value)| Ok((key.clone(), Value::from_json(value)?)));
            Ok(Value::Map(entries.collect::<Result<_, EditError>>()?))
        }
    }
}

const fn unsupported(reason: String) -> EditError {
    EditError::Unsupported { reason }
}

/// The one way to print a document: equal documents print equal bytes, so that replicas can be compared as
/// text and by hash. Keys are sorted by Unicode code point; there are no spaces; numbers have the fewest
/// digits that read back exactly; what JSON allows to stand unescaped does.
#[must_use]
pub fn to_canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value);
    out
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::List(list) => write_list(out, list),
        Value::Map(map) => write_map(out, map),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Counter(_)
        | Value::Text(_)
        | Value::Opaque(_) => out.push_str(&value.to_json().to_string()),
    }
}

fn write_list(out: &mut String, list: &[Value]) {
    out.push('[');
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_value(out, value);
    }
    out.push(']');
}

/// UTF-8 sorts like the code points it stands for, so the map's own order is the order wanted.
fn write_map(out: &mut String, map: &BTreeMap<String, Value>) {
    out.push('{');
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&Json::from(key.as_str()).to_string());
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, EditError> {
        Value::from_json(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn canonical_json_reads_back_and_prints_alike() {
        for text in [
            "null",
            "[true,false,0,-1,9223372036854775807,-9223372036854775808,1.5,1e+300,5e-324,9007199254740993]",
            r#"{"":{},"a":[],"b":"\u0000\u001f\n\"\\/","z":{"$bytes":"AAEC/w=="},"ä":"👩‍👩‍👧 e\u0301","🦀":1}"#
                .replace("\\u0301", "\u{301}")
                .as_str(),
            r#"{"$bytes":"AA==","more":1}"#,
            r#"{"$bytes":1}"#,
        ] {
            assert_eq!(to_canonical_json(&read(text).unwrap()), text);
        }
    }

    #[test]
    fn keys_are_sorted_by_code_point_not_by_utf16() {
        assert_eq!(
            to_canonical_json(&read(r#"{"😀":1,"￰":2,"b":3,"B":4}"#).unwrap()),
            r#"{"B":4,"b":3,"￰":2,"😀":1}"#
        );
    }

    #[test]
    fn whole_floats_are_integers() {
        assert_eq!(
            read("[3.0,-0.0,1e16,9007199254740992.0]").unwrap(),
            read("[3,0,10000000000000000,9007199254740992]").unwrap()
        );
    }

    #[test]
    fn what_json_says_that_a_document_cannot_hold_is_refused() {
        let reason = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(
            reason("[9223372036854775808]"),
            "9223372036854775808 is too large: whole numbers go up to 9223372036854775807"
        );
        assert!(reason(r#"{"a":{"$bytes":"not base64"}}"#).starts_with(r#""$bytes" must hold base64"#));
    }

    #[test]
    fn everything_shows_as_something() {
        let value = Value::List(vec![
            Value::Text("t".into()),
            Value::String("s".into()),
            Value::Counter(-2),
            Value::Opaque("<b/>".into()),
            Value::Float(f64::NAN),
            Value::Bytes(vec![]),
        ]);
        assert_eq!(to_canonical_json(&value), r#"["t","s",-2,"<b/>",null,{"$bytes":""}]"#);
        assert_eq!(value.to_json().to_string(), to_canonical_json(&value));
    }
}
