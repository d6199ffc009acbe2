//! The JSON encoding: a frame is an array of objects, each with its message's name under `type`.
//!
//! serde knows the fields. What it does not know is restraint: it reads a message into a tree before it looks
//! at the type, and a sequence to its end. So a message's structure is counted before serde sees it, and
//! sequences are read up to one element more than their limit, which is enough to refuse them afterwards.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::limits::{EntryBudget, MAX_COMPRESSIONS};
use super::{Compression, MAX_FRAME_MESSAGES, Message, Numbered, WireError};

/// Most values in one message: a bound on the memory that reading it takes.
pub const MAX_JSON_VALUES: usize = 1 << 20;

/// The names this version knows; messages of other names are skipped.
const NAMES: [&str; 18] = [
    "hello",
    "describe",
    "described",
    "open",
    "resume",
    "need-have",
    "have",
    "entries",
    "durable",
    "ack",
    "snapshot-part",
    "refused",
    "shut",
    "failure",
    "goodbye",
    "ping",
    "pong",
    "presence",
];

/// A message as one object.
pub(super) fn to_object(message: &Message) -> Vec<u8> {
    serde_json::to_vec(message).expect("every key of a message is text")
}

/// The objects of a frame: an array, or a single object on its own.
pub(super) fn objects(frame: &[u8]) -> Result<Vec<&RawValue>, WireError> {
    let text = std::str::from_utf8(frame).map_err(WireError::malformed)?;
    if text.trim_ascii_start().starts_with('{') {
        return serde_json::from_str(text).map(|object| vec![object]).map_err(WireError::malformed);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let objects = at_most::<_, _, MAX_FRAME_MESSAGES>(&mut deserializer).map_err(WireError::malformed)?;
    deserializer.end().map_err(WireError::malformed)?;
    Ok(objects)
}

/// The message in an object; `None` if this version does not know it.
pub(super) fn from_object(object: &RawValue) -> Result<Option<Message>, WireError> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(rename = "type", borrow)]
        name: Cow<'a, str>,
    }
    let named: Named<'_> = serde_json::from_str(object.get()).map_err(WireError::malformed)?;
    if !NAMES.contains(&&*named.name) {
        return Ok(None);
    }
    check_values(object.get())?;
    serde_json::from_str(object.get()).map(Some).map_err(WireError::malformed)
}

/// Counts what separates values, outside of strings. The text is known to be JSON.
fn check_values(object: &str) -> Result<(), WireError> {
    let mut bytes = object.bytes();
    let mut values = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes),
            b',' | b':' | b'[' | b'{' => values += 1,
            _ => {}
        }
    }
    super::limits::at_most("the number of values in a message", values, MAX_JSON_VALUES)
}

fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

/// For `#[serde(deserialize_with = "…")]` on a sequence of at most `MOST` elements: reads one more than that,
/// by which the check of the message knows that there were too many, and ignores the rest.
pub(crate) fn at_most<'de, D, T, const MOST: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer
        .deserialize_seq(While { more: |elements: &[T]| elements.len() <= MOST, element: PhantomData })
}

/// For the entries of a message, which are limited by the memory they take.
pub(super) fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Numbered>, D::Error> {
    let mut budget = EntryBudget::default();
    let more =
        move |entries: &[Numbered]| entries.last().is_none_or(|last| budget.spend(&last.entry).is_ok());
    deserializer.deserialize_seq(While { more, element: PhantomData })
}

/// Leaves out what a newer peer can do and this version does not know.
pub(super) fn compressions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Compression>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Offer {
        Known(Compression),
        Unknown(IgnoredAny),
    }
    let offers = at_most::<_, Offer, MAX_COMPRESSIONS>(deserializer)?;
    // Too many are all kept, known or not, for the check of the message to refuse.
    let too_many = offers.len() > MAX_COMPRESSIONS;
    let known = |offer| match offer {
        Offer::Known(compression) => Some(compression),
        Offer::Unknown(_) => too_many.then_some(Compression::None),
    };
    Ok(offers.into_iter().filter_map(known).collect())
}

/// Reads a sequence while there may be more elements, and ignores the rest.
struct While<T, F> {
    more: F,
    element: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, F: FnMut(&[T]) -> bool> Visitor<'de> for While<T, F> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        let mut elements = Vec::new();
        while (self.more)(&elements) {
            match sequence.next_element_seed(PhantomData::<T>)? {
                Some(element) => elements.push(element),
                None => return Ok(elements),
            }
        }
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(elements)
    }
}
