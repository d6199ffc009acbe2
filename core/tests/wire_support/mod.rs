//! Arbitrary messages, entries and operations, for the tests of the wire format.

#![allow(dead_code, reason = "every test uses another part of this module")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use quickcheck::{Arbitrary, Gen};
use syncline_core::entry::{
    Blame, Body, Cursor, Digest, Entry, Family, Kind, MAX_SEEN_BEYOND, MAX_TOUCHED, Seen, Spec, Touch,
    TouchKind,
};
use syncline_core::id::{DocId, EntryId, Epoch, Have, Principal, ReplicaId};
use syncline_core::operation::Operation;
use syncline_core::path::Path;
use syncline_core::presence::{Anchor, Metadata, Presence, Selection, SessionId, Sighting, Status};
use syncline_core::time::Time;
use syncline_core::value::Value;
use syncline_core::wire::{
    Codec, Compression, Encoding, ErrorCode, Hello, MAX_OPEN_CURSORS, MAX_POSITION, Message, Numbered,
    OLDEST_VERSION, VERSION,
};

pub const COMPRESSIONS: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Brotli];

/// Every way to send.
pub fn codecs() -> Vec<Codec> {
    let with = |encoding| COMPRESSIONS.map(|compression| Codec { encoding, compression });
    [with(Encoding::Binary), with(Encoding::Json)].concat()
}

macro_rules! arbitrary {
    ($name:ident($inner:ty) by $make:ident) => {
        #[derive(Clone, Debug)]
        pub struct $name(pub $inner);

        impl Arbitrary for $name {
            fn arbitrary(g: &mut Gen) -> Self {
                Self($make(g))
            }
        }
    };
}

arbitrary!(AnyMessage(Message) by message);
arbitrary!(AnyEntry(Entry) by entry);
arbitrary!(AnyHave(Have) by have);
arbitrary!(AnyOperation(Operation) by operation);

pub fn message(g: &mut Gen) -> Message {
    let doc = doc(g);
    match below(g, 18) {
        0 => Message::Hello(hello(g)),
        1 => Message::Describe { doc },
        2 => Message::Described { doc, spec: maybe(g, spec) },
        3 => Message::Open {
            doc,
            spec: spec(g),
            log: cursor(g),
            cursors: several(g, MAX_OPEN_CURSORS, cursor),
        },
        4 => Message::Resume { doc },
        5 => Message::NeedHave { doc },
        6 => Message::Have { doc, have: have(g) },
        7 => Message::Entries { doc, entries: entries(g) },
        8 => Message::Durable { doc, cursor: cursor(g) },
        9 => Message::Ack { doc, offset: u64::arbitrary(g) % (MAX_POSITION + 1) },
        10 => snapshot_part(g, doc),
        11 => Message::Refused {
            doc,
            id: entry_id(g),
            blame: *g.choose(&[Blame::Entry, Blame::Context]).unwrap(),
            reason: text(g),
        },
        12 => Message::Shut { doc },
        13 => Message::Failure { doc: maybe(g, |_| doc.clone()), code: error_code(g), message: text(g) },
        14 => Message::Goodbye { retry_after: u64::arbitrary(g) },
        15 => Message::Ping { token: u64::arbitrary(g) },
        16 => Message::Presence { doc, sightings: several(g, 4, sighting) },
        _ => Message::Pong { token: u64::arbitrary(g) },
    }
}

fn sighting(g: &mut Gen) -> Sighting {
    Sighting { session: SessionId::new(sixteen(g)), presence: maybe(g, presence).map(Into::into) }
}

fn presence(g: &mut Gen) -> Presence {
    let short = |g: &mut Gen| text(g).chars().take(40).collect::<String>();
    let anchor = |g: &mut Gen| Anchor(short(g));
    let selection = |g: &mut Gen| Selection { path: path(g), anchor: anchor(g), head: anchor(g) };
    let status = *g.choose(&[Status::Online, Status::Away]).unwrap();
    let metadata = Metadata::new(serde_json::json!({"at": u8::arbitrary(g), "in": short(g)})).unwrap();
    let (name, color, selection) = (short(g), short(g), maybe(g, selection));
    let user = Principal::new(&self::name(g)).unwrap();
    Presence { user, name, color, status, selection, active: Time(u64::arbitrary(g)), metadata }
}

fn hello(g: &mut Gen) -> Hello {
    Hello {
        oldest: OLDEST_VERSION,
        newest: VERSION + u16::from(u8::arbitrary(g)),
        agent: text(g).chars().take(60).collect(),
        relay: bool::arbitrary(g),
        acks: bool::arbitrary(g),
        compression: several(g, 3, |g| *g.choose(&COMPRESSIONS).unwrap()),
    }
}

fn snapshot_part(g: &mut Gen, doc: DocId) -> Message {
    let bytes = blob(g);
    let total = bytes.len() as u64 + u64::from(u32::arbitrary(g));
    Message::SnapshotPart { doc, cursor: cursor(g), covers: maybe(g, have), total, bytes }
}

pub fn entries(g: &mut Gen) -> Vec<Numbered> {
    let mut offset = u64::from(u32::arbitrary(g));
    several(g, 5, |g| {
        offset += 1 + below(g, 3) as u64;
        Numbered { offset, entry: Arc::new(entry(g)) }
    })
}

pub fn entry(g: &mut Gen) -> Entry {
    Entry {
        id: entry_id(g),
        author: Principal::new(&name(g)).unwrap(),
        time: Time(u64::arbitrary(g)),
        seen: Seen { cursor: maybe(g, cursor), beyond: several(g, MAX_SEEN_BEYOND, entry_id) },
        touched: several(g, MAX_TOUCHED, touch),
        body: body(g),
    }
}

fn body(g: &mut Gen) -> Body {
    match below(g, 4) {
        0 => Body::Void(entry_id(g)),
        1 => Body::Foreign(blob(g)),
        _ => Body::Update(blob(g)),
    }
}

fn touch(g: &mut Gen) -> Touch {
    let what = *g.choose(&[TouchKind::Wrote, TouchKind::Created, TouchKind::Removed]).unwrap();
    Touch { path: path(g), what }
}

pub fn operation(g: &mut Gen) -> Operation {
    let path = path(g);
    match below(g, 5) {
        0 => Operation::Put { path, value: value(g, 4) },
        1 => Operation::Remove { path },
        2 => Operation::Insert { path, values: several(g, 4, |g| value(g, 3)) },
        3 => {
            Operation::Splice { path, at: usize::arbitrary(g), delete: usize::arbitrary(g), insert: text(g) }
        }
        _ => Operation::Increment { path, by: i64::arbitrary(g) },
    }
}

fn value(g: &mut Gen, depth: usize) -> Value {
    match below(g, if depth == 0 { 9 } else { 11 }) {
        0 => Value::Null,
        1 => Value::Bool(bool::arbitrary(g)),
        2 => Value::Int(i64::arbitrary(g)),
        3 => Value::Float(f64::from(i32::arbitrary(g)) / 7.0),
        4 => Value::String(text(g)),
        5 => Value::Bytes(blob(g).into()),
        6 => Value::Counter(i64::arbitrary(g)),
        7 => Value::Text(text(g)),
        8 => Value::Opaque(text(g)),
        9 => Value::List(several(g, 3, |g| value(g, depth - 1))),
        _ => Value::Map(
            several(g, 3, |g| (text(g), value(g, depth - 1))).into_iter().collect::<BTreeMap<_, _>>(),
        ),
    }
}

pub fn have(g: &mut Gen) -> Have {
    several(g, 9, entry_id).into_iter().collect()
}

fn cursor(g: &mut Gen) -> Cursor {
    Cursor {
        epoch: Epoch::new(sixteen(g)),
        offset: u64::arbitrary(g) % (MAX_POSITION + 1),
        digest: Digest(u64::arbitrary(g)),
    }
}

fn entry_id(g: &mut Gen) -> EntryId {
    EntryId { replica: ReplicaId::new(sixteen(g)), counter: (u64::arbitrary(g) % (MAX_POSITION + 1)).max(1) }
}

fn spec(g: &mut Gen) -> Spec {
    Spec {
        family: *g.choose(&[Family::Yjs, Family::Automerge, Family::Toy]).unwrap(),
        kind: *g.choose(&Kind::ALL).unwrap(),
    }
}

fn error_code(g: &mut Gen) -> ErrorCode {
    *g.choose(&[
        ErrorCode::Malformed,
        ErrorCode::TooLarge,
        ErrorCode::Version,
        ErrorCode::Unexpected,
        ErrorCode::SpecMismatch,
        ErrorCode::NotFound,
        ErrorCode::Unavailable,
        ErrorCode::Gap,
        ErrorCode::TooMany,
    ])
    .unwrap()
}

fn path(g: &mut Gen) -> Path {
    several(g, 6, text).into_iter().collect()
}

fn doc(g: &mut Gen) -> DocId {
    DocId::new(&name(g)).unwrap()
}

fn name(g: &mut Gen) -> String {
    let letters: String = text(g).chars().filter(|letter| !letter.is_control()).take(60).collect();
    format!("x{letters}")
}

/// Letters of all planes, what JSON and pointers must escape, and what combines with its neighbours.
fn text(g: &mut Gen) -> String {
    const LETTERS: &[char] = &[
        'a',
        'Z',
        '0',
        ' ',
        '/',
        '~',
        '"',
        '\\',
        '\n',
        '\t',
        '\u{0}',
        '\u{7f}',
        '\u{2028}',
        'é',
        'ß',
        'Ж',
        'ע',
        'ش',
        'अ',
        '中',
        '\u{301}',
        '\u{200d}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{fffd}',
        '\u{ffff}',
        '🦀',
        '👩',
        '🏽',
        '𝔘',
        '\u{10ffff}',
    ];
    several(g, 12, |g| *g.choose(LETTERS).unwrap()).into_iter().collect()
}

fn blob(g: &mut Gen) -> Bytes {
    let mut bytes = several(g, 40, u8::arbitrary);
    if below(g, 8) == 0 {
        bytes = bytes.repeat(40);
    }
    bytes.into()
}

fn sixteen(g: &mut Gen) -> [u8; 16] {
    u128::arbitrary(g).to_le_bytes()
}

fn maybe<T>(g: &mut Gen, make: impl FnOnce(&mut Gen) -> T) -> Option<T> {
    bool::arbitrary(g).then(|| make(g))
}

fn several<T>(g: &mut Gen, most: usize, mut make: impl FnMut(&mut Gen) -> T) -> Vec<T> {
    let length = if below(g, 50) == 0 { most } else { below(g, most.min(6) + 1) };
    (0..length).map(|_| make(g)).collect()
}

fn below(g: &mut Gen, limit: usize) -> usize {
    usize::arbitrary(g) % limit
}
