//! What a document holds, as plain data: the value tree that both CRDT families are read into.

use std::collections::BTreeMap;

/// Largest integer that every JavaScript peer holds exactly.
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Largest value written by one operation, in bytes of text and keys.
pub const MAX_VALUE_BYTES: usize = 4 << 20;

/// Largest value that a counter is made with, either side of zero.
pub const MAX_COUNTER_START: i64 = 1 << 62;

/// Largest step of a counter, either side of zero. Even 2^25 concurrent ones, which is more than a document can
/// hold, do not take a counter beyond 64 bits, where Automerge panics.
pub const MAX_COUNTER_STEP: i64 = 1 << 37;

/// A node of a document and everything below it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON's null.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; see [`Value::number`] for which numbers that are.
    Float(f64),
    /// A register holding text, replaced as a whole.
    String(String),
    /// A register holding bytes.
    Bytes(Vec<u8>),
    /// A number that concurrent increments add up in.
    Counter(i64),
    /// A text that is edited in place.
    Text(String),
    /// A sequence.
    List(Vec<Value>),
    /// Values by key.
    Map(BTreeMap<String, Value>),
    /// Something other programs put there that Syncline keeps and shows but cannot edit, such as XML.
    Opaque(String),
}

impl Value {
    /// A number in its one representation: whole numbers within the range of [`Value::Int`] are held as such,
    /// however they came. Yjs writes an integer above 2^31 as a float when that loses nothing, so nobody could
    /// tell the two apart; for the same reason 2^63 reads as the largest integer, and negative zero as zero.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "guarded by the range check"
    )]
    pub fn number(number: f64) -> Self {
        if number.fract() == 0.0 && number.abs() <= i64::MAX as f64 {
            return Self::Int(number as i64);
        }
        Self::Float(number)
    }

    /// What sort of thing this is, for messages to people.
    #[must_use]
    pub const fn kind(&self) -> NodeKind {
        match self {
            Self::Map(_) => NodeKind::Map,
            Self::List(_) => NodeKind::List,
            Self::Text(_) => NodeKind::Text,
            Self::Counter(_) => NodeKind::Counter,
            Self::Opaque(_) => NodeKind::Opaque,
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::String(_) | Self::Bytes(_) => {
                NodeKind::Register
            }
        }
    }

    /// Whether this is a container without content. At the top level of a document such a container is not
    /// there: top-level containers come into being by being written to and go with their last content, because
    /// that is how root types of Yjs behave.
    #[must_use]
    pub fn is_empty_container(&self) -> bool {
        match self {
            Self::Map(map) => map.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }
}

macro_rules! from {
    ($($from:ty => |$value:ident| $into:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $into
            }
        }
    )*};
}

from! {
    bool => |value| Self::Bool(value);
    i64 => |value| Self::Int(value);
    f64 => |value| Self::number(value);
    &str => |value| Self::String(value.to_owned());
    String => |value| Self::String(value);
    Vec<u8> => |value| Self::Bytes(value);
    Vec<Self> => |value| Self::List(value);
    BTreeMap<String, Self> => |value| Self::Map(value);
}

/// The five sorts of node an application can edit, and the one it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// Values by key.
    Map,
    /// A sequence.
    List,
    /// A text that is edited in place.
    Text,
    /// A number that is incremented.
    Counter,
    /// A scalar that is replaced as a whole.
    Register,
    /// Kept and shown, not edited.
    Opaque,
}

impl std::fmt::Display for NodeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Map => "a map",
            Self::List => "a list",
            Self::Text => "a text",
            Self::Counter => "a counter",
            Self::Register => "a register",
            Self::Opaque => "foreign content",
        })
    }
}
