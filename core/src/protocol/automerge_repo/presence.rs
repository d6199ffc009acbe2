//! What clients of automerge-repo tell each other of themselves: ephemeral messages of a known form.

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};
use minicbor::encode::Encoder;
use serde_json::{Map, Number, Value as Json};

/// The key that marks such a message.
const MARK: &str = "__presence";

/// Deepest nesting of what is shown; deeper things are shown as nothing.
const MAX_DEPTH: usize = 16;

/// What a client says of itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Presence {
    /// One part of what it shows is this now.
    Update {
        /// Which part.
        channel: String,
        /// What it is.
        value: Json,
    },
    /// All that it shows.
    Snapshot(Json),
    /// It is still there.
    Heartbeat,
    /// It goes.
    Goodbye,
}

impl Presence {
    /// Reads the data of an ephemeral message; `None` if it is one of an application.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        let json = value(&mut Decoder::new(data), 0).ok()?;
        let message = json.get(MARK)?;
        Some(match message.get("type")?.as_str()? {
            "update" => Self::Update {
                channel: message.get("channel")?.as_str()?.to_owned(),
                value: message.get("value").cloned().unwrap_or_default(),
            },
            "snapshot" => Self::Snapshot(message.get("state").cloned().unwrap_or_default()),
            "heartbeat" => Self::Heartbeat,
            "goodbye" => Self::Goodbye,
            _ => return None,
        })
    }

    /// The data of an ephemeral message that says this.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let message = match self {
            Self::Update { channel, value } => {
                serde_json::json!({"type": "update", "channel": channel, "value": value})
            }
            Self::Snapshot(state) => serde_json::json!({"type": "snapshot", "state": state}),
            Self::Heartbeat => serde_json::json!({"type": "heartbeat"}),
            Self::Goodbye => serde_json::json!({"type": "goodbye"}),
        };
        let mut out = Encoder::new(Vec::new());
        write(&serde_json::json!({MARK: message}), &mut out).expect("a vector takes everything");
        out.into_writer()
    }
}

/// A value as JSON, as far as JSON has such a value.
fn value(decoder: &mut Decoder<'_>, depth: usize) -> Result<Json, Error> {
    if depth > MAX_DEPTH {
        return decoder.skip().map(|()| Json::Null);
    }
    Ok(match decoder.datatype()? {
        Type::Bool => decoder.bool()?.into(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => decoder.u64()?.into(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64()?.into(),
        Type::F32 => float(decoder.f32()?.into()),
        Type::F64 => float(decoder.f64()?),
        Type::String => decoder.str()?.into(),
        Type::Array | Type::ArrayIndef => list(decoder, depth)?,
        Type::Map | Type::MapIndef => map(decoder, depth)?,
        _ => {
            decoder.skip()?;
            Json::Null
        }
    })
}

fn float(number: f64) -> Json {
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

fn list(decoder: &mut Decoder<'_>, depth: usize) -> Result<Json, Error> {
    let (mut left, mut list) = (decoder.array()?, Vec::new());
    while goes_on(decoder, &mut left)? {
        list.push(value(decoder, depth + 1)?);
    }
    Ok(Json::Array(list))
}

fn map(decoder: &mut Decoder<'_>, depth: usize) -> Result<Json, Error> {
    let (mut left, mut map) = (decoder.map()?, Map::new());
    while goes_on(decoder, &mut left)? {
        let key = decoder.str()?.to_owned();
        map.insert(key, value(decoder, depth + 1)?);
    }
    Ok(Json::Object(map))
}

/// Whether there is another element; takes the end of those whose number was not told.
fn goes_on(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, Error> {
    match left {
        Some(0) => Ok(false),
        Some(left) => {
            *left -= 1;
            Ok(true)
        }
        None if decoder.datatype()? == Type::Break => decoder.skip().map(|()| false),
        None => Ok(true),
    }
}

type Written = Result<(), minicbor::encode::Error<core::convert::Infallible>>;

fn write(json: &Json, out: &mut Encoder<Vec<u8>>) -> Written {
    match json {
        Json::Null => out.null().map(drop),
        Json::Bool(bool) => out.bool(*bool).map(drop),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => out.u64(number).map(drop),
            (None, Some(number)) => out.i64(number).map(drop),
            (None, None) => out.f64(number.as_f64().unwrap_or_default()).map(drop),
        },
        Json::String(text) => out.str(text).map(drop),
        Json::Array(list) => {
            out.array(list.len() as u64)?;
            list.iter().try_for_each(|json| write(json, out))
        }
        Json::Object(map) => {
            out.map(map.len() as u64)?;
            map.iter().try_for_each(|(key, json)| {
                out.str(key)?;
                write(json, out)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let state = json!({"name": "ada", "at": [1, -2, 0.5, null, true], "deep": {"x": {}}});
        for presence in [
            Presence::Snapshot(state.clone()),
            Presence::Update { channel: "cursor".to_owned(), value: state },
            Presence::Heartbeat,
            Presence::Goodbye,
        ] {
            assert_eq!(Presence::read(&presence.write()), Some(presence));
        }
    }

    #[test]
    fn what_an_application_says_is_none_of_these() {
        let mut other = Encoder::new(Vec::new());
        assert!(other.map(1).and_then(|out| out.str("hello")?.u8(1)).is_ok());
        let nested = [0x81; 100_000];
        for data in [&b""[..], b"\xa0", &other.into_writer(), &nested] {
            assert_eq!(Presence::read(data), None);
        }
    }
}
