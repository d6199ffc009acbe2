//! The binary encoding: where every field of every message stands.
//!
//! The numbers and orders in this file are the format. A released one never changes; what is new is a new
//! message, with a new number, which older programs skip.

use crate::entry::{
    Blame, Body, Cursor, Digest, Entry, Family, Kind, MAX_SEEN_BEYOND, MAX_TOUCHED, Seen, Spec, Touch,
    TouchKind,
};
use crate::id::{DocId, EntryId, Epoch, Have, Principal, ReplicaId};
use crate::path::Path;
use crate::presence::{Anchor, Metadata, Presence, Selection, SessionId, Sighting, Status};
use crate::time::Time;

use super::layout::{Element, Layout, Reader, choice, record, unknown, write_bytes, write_length};
use super::limits::{EntryBudget, MAX_COMPRESSIONS};
use super::{Compression, ErrorCode, Hello, MAX_OPEN_CURSORS, MAX_SIGHTINGS, Message, Numbered, WireError};

/// What an envelope adds to a body at most.
const MAX_ENVELOPE_BYTES: usize = 10;

/// A message in its envelope: its number, the length of its body, its body.
pub(super) fn to_envelope(message: &Message) -> Vec<u8> {
    let mut body = Vec::new();
    write_body(message, &mut body);
    let mut out = Vec::with_capacity(body.len() + MAX_ENVELOPE_BYTES);
    number(message).write(&mut out);
    write_bytes(&body, &mut out);
    out
}

/// Takes an envelope; `None` if this version does not know what is in it.
pub(super) fn read_envelope(input: &mut Reader) -> Result<Option<Message>, WireError> {
    let number = u8::read(input)?;
    let mut body = input.part()?;
    let Some(message) = read_body(number, &mut body)? else { return Ok(None) };
    body.finish()?;
    Ok(Some(message))
}

/// The messages but [`Message::Hello`], which is a record: number, name, fields.
macro_rules! messages {
    ($($number:literal => $variant:ident { $($field:ident),* })*) => {
        const fn number(message: &Message) -> u8 {
            match message {
                Message::Hello(_) => HELLO,
                $(Message::$variant { .. } => $number,)*
            }
        }

        fn write_body(message: &Message, out: &mut Vec<u8>) {
            match message {
                Message::Hello(hello) => hello.write(out),
                $(Message::$variant { $($field),* } => { $($field.write(out);)* })*
            }
        }

        fn read_body(number: u8, input: &mut Reader) -> Result<Option<Message>, WireError> {
            Ok(Some(match number {
                HELLO => Message::Hello(Hello::read(input)?),
                $($number => Message::$variant { $($field: Layout::read(input)?),* },)*
                _ => return Ok(None),
            }))
        }
    };
}

const HELLO: u8 = 1;

messages! {
    2 => Describe { doc }
    3 => Described { doc, spec }
    4 => Open { doc, spec, log, cursors }
    5 => Resume { doc }
    6 => NeedHave { doc }
    7 => Have { doc, have }
    8 => Entries { doc, entries }
    9 => Durable { doc, cursor }
    10 => Ack { doc, offset }
    11 => SnapshotPart { doc, cursor, covers, total, bytes }
    12 => Refused { doc, id, blame, reason }
    13 => Shut { doc }
    14 => Failure { doc, code, message }
    15 => Goodbye { retry_after }
    16 => Ping { token }
    17 => Pong { token }
    18 => Presence { doc, sightings }
}

record!(Spec { family, kind });
record!(EntryId { replica, counter });
record!(Cursor { epoch, offset, digest });
record!(Seen { cursor, beyond });
record!(Touch { path, what });
record!(Entry { id, author, time, seen, touched, body });
record!(Numbered { offset, entry });
record!(Selection { path, anchor, head });
record!(Presence { user, name, color, status, selection, active, metadata });
record!(Sighting { session, presence });

choice!(Family { 0 => Yjs, 1 => Automerge, 2 => Toy });
choice!(Blame { 0 => Entry, 1 => Context });
choice!(Kind { 0 => Tree, 1 => Text, 2 => Board, 3 => Chart });
choice!(TouchKind { 0 => Wrote, 1 => Created, 2 => Removed });
choice!(Status { 0 => Online, 1 => Away });
choice!(ErrorCode {
    0 => Malformed, 1 => TooLarge, 2 => Version, 3 => Unexpected, 4 => SpecMismatch, 5 => NotFound,
    6 => Unavailable, 7 => Gap, 8 => TooMany, 9 => Forbidden
});

impl Element for EntryId {
    const MOST: usize = MAX_SEEN_BEYOND;
    const WHAT: &'static str = "the number of entries seen beyond a cursor";
}

impl Element for Cursor {
    const MOST: usize = MAX_OPEN_CURSORS;
    const WHAT: &'static str = "the number of cursors";
}

impl Element for Sighting {
    const MOST: usize = MAX_SIGHTINGS;
    const WHAT: &'static str = "the number of sessions";
}

/// As JSON.
impl Layout for Metadata {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.text().as_bytes(), out);
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        input.text(|text| serde_json::from_str::<Self>(text))
    }
}

impl Layout for Anchor {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        Layout::read(input).map(Self)
    }
}

impl Element for Touch {
    const MOST: usize = MAX_TOUCHED;
    const WHAT: &'static str = "the number of touched registers";
}

impl Layout for Body {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Update(bytes) => {
                0u32.write(out);
                bytes.write(out);
            }
            Self::Void(id) => {
                1u32.write(out);
                id.write(out);
            }
            Self::Foreign(bytes) => {
                2u32.write(out);
                bytes.write(out);
            }
        }
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        match u32::read(input)? {
            0 => Ok(Self::Update(Layout::read(input)?)),
            1 => Ok(Self::Void(Layout::read(input)?)),
            2 => Ok(Self::Foreign(Layout::read(input)?)),
            number => Err(unknown("Body", number)),
        }
    }
}

/// The entries of a message, which may take no more memory than those of a frame.
impl Layout for Vec<Numbered> {
    fn write(&self, out: &mut Vec<u8>) {
        write_length(self.len(), out);
        self.iter().for_each(|numbered| numbered.write(out));
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        let mut budget = EntryBudget::default();
        let length = input.length()?;
        let mut entries = Self::new();
        for _ in 0..length {
            let numbered = Numbered::read(input)?;
            budget.spend(&numbered.entry)?;
            entries.push(numbered);
        }
        Ok(entries)
    }
}

impl Layout for Hello {
    fn write(&self, out: &mut Vec<u8>) {
        self.oldest.write(out);
        self.newest.write(out);
        self.agent.write(out);
        self.relay.write(out);
        self.acks.write(out);
        write_length(self.compression.len(), out);
        self.compression.iter().for_each(|compression| number_of(*compression).write(out));
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        Ok(Self {
            oldest: Layout::read(input)?,
            newest: Layout::read(input)?,
            agent: Layout::read(input)?,
            relay: Layout::read(input)?,
            acks: Layout::read(input)?,
            compression: read_compressions(input)?,
        })
    }
}

const fn number_of(compression: Compression) -> u32 {
    match compression {
        Compression::None => 0,
        Compression::Gzip => 1,
        Compression::Brotli => 2,
    }
}

/// Leaves out what a newer peer can do and this version does not know: `Hello` is read before both know which
/// version they speak.
fn read_compressions(input: &mut Reader) -> Result<Vec<Compression>, WireError> {
    let length = input.length()?;
    if length > MAX_COMPRESSIONS {
        return Err(WireError::TooLarge { what: "the number of compressions", limit: MAX_COMPRESSIONS });
    }
    let numbers = (0..length).map(|_| u32::read(input)).collect::<Result<Vec<_>, _>>()?;
    let known = |number| {
        [Compression::None, Compression::Gzip, Compression::Brotli]
            .into_iter()
            .find(|compression| number_of(*compression) == number)
    };
    Ok(numbers.into_iter().filter_map(known).collect())
}

macro_rules! sixteen_bytes {
    ($name:ident) => {
        impl Layout for $name {
            fn write(&self, out: &mut Vec<u8>) {
                self.as_bytes().write(out);
            }

            fn read(input: &mut Reader) -> Result<Self, WireError> {
                Layout::read(input).map(Self::new)
            }
        }
    };
}

sixteen_bytes!(ReplicaId);
sixteen_bytes!(Epoch);
sixteen_bytes!(SessionId);

macro_rules! number {
    ($name:ident) => {
        impl Layout for $name {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }

            fn read(input: &mut Reader) -> Result<Self, WireError> {
                Layout::read(input).map(Self)
            }
        }
    };
}

number!(Digest);
number!(Time);

macro_rules! name {
    ($name:ident) => {
        impl Layout for $name {
            fn write(&self, out: &mut Vec<u8>) {
                write_bytes(self.as_str().as_bytes(), out);
            }

            fn read(input: &mut Reader) -> Result<Self, WireError> {
                input.text(Self::new)
            }
        }
    };
}

name!(DocId);
name!(Principal);

/// A path is a JSON Pointer here too.
impl Layout for Path {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.to_string().as_bytes(), out);
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        input.text(str::parse)
    }
}

/// A map from replica to counter, in order of replica.
impl Layout for Have {
    fn write(&self, out: &mut Vec<u8>) {
        write_length(self.len(), out);
        self.iter().for_each(|id| id.write(out));
    }

    fn read(input: &mut Reader) -> Result<Self, WireError> {
        let length = input.length()?;
        let mut have = Self::default();
        let mut last = None;
        for _ in 0..length {
            let id = EntryId::read(input)?;
            if last.replace(id.replica) >= Some(id.replica) {
                return Err(WireError::malformed("replicas are not in order"));
            }
            have.insert(id);
        }
        Ok(have)
    }
}
