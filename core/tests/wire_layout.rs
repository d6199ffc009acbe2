//! The binary encoding is bincode's: an implementation that knows nothing of ours writes the same bytes.
//!
//! The types here mirror the messages as a program in another language would declare them, and `bincode` (its
//! standard configuration) encodes them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod wire_support;

use std::collections::BTreeMap;

use bincode::Encode;
use quickcheck::QuickCheck;
use syncline_core::entry;
use syncline_core::id;
use syncline_core::operation;
use syncline_core::presence;
use syncline_core::value;
use syncline_core::wire::{self, Codec, Message, encode_entry, encode_have, encode_operations};
use wire_support::{AnyEntry, AnyHave, AnyMessage, AnyOperation};

const CASES: u64 = 5_000;

#[derive(Encode)]
struct Spec(Family, Kind);

#[derive(Encode)]
enum Family {
    Yjs,
    Automerge,
    Toy,
}

#[derive(Encode)]
enum Kind {
    Tree,
    Text,
    Board,
    Chart,
}

#[derive(Encode)]
struct EntryId {
    replica: [u8; 16],
    counter: u64,
}

#[derive(Encode)]
struct Cursor {
    epoch: [u8; 16],
    offset: u64,
    digest: u64,
}

#[derive(Encode)]
struct Entry {
    id: EntryId,
    author: String,
    time: u64,
    cursor: Option<Cursor>,
    beyond: Vec<EntryId>,
    touched: Vec<(String, Touch)>,
    body: Body,
}

#[derive(Encode)]
enum Touch {
    Wrote,
    Created,
    Removed,
}

#[derive(Encode)]
enum Body {
    Update(Vec<u8>),
    Void(EntryId),
    Foreign(Vec<u8>),
}

type Selection = (String, String, String);

#[derive(Encode)]
struct Presence {
    user: String,
    name: String,
    color: String,
    status: u32,
    selection: Option<Selection>,
    active: u64,
    metadata: String,
}

#[derive(Encode)]
enum Compression {
    None,
    Gzip,
    Brotli,
}

#[derive(Encode)]
enum ErrorCode {
    Malformed,
    TooLarge,
    Version,
    Unexpected,
    SpecMismatch,
    NotFound,
    Unavailable,
    Gap,
    TooMany,
    Forbidden,
}

#[derive(Encode)]
enum Operation {
    Put { path: String, value: Value },
    Remove { path: String },
    Insert { path: String, values: Vec<Value> },
    Splice { path: String, at: usize, delete: usize, insert: String },
    Increment { path: String, by: i64 },
}

#[derive(Encode)]
enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    Bytes(Vec<u8>),
    Counter(i64),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
    Opaque(String),
}

fn spec(spec: entry::Spec) -> Spec {
    let family = match spec.family {
        entry::Family::Yjs => Family::Yjs,
        entry::Family::Automerge => Family::Automerge,
        entry::Family::Toy => Family::Toy,
    };
    let kind = match spec.kind {
        entry::Kind::Tree => Kind::Tree,
        entry::Kind::Text => Kind::Text,
        entry::Kind::Board => Kind::Board,
        entry::Kind::Chart => Kind::Chart,
    };
    Spec(family, kind)
}

fn id(id: &id::EntryId) -> EntryId {
    EntryId { replica: *id.replica.as_bytes(), counter: id.counter }
}

fn cursor(cursor: &entry::Cursor) -> Cursor {
    Cursor { epoch: *cursor.epoch.as_bytes(), offset: cursor.offset, digest: cursor.digest.0 }
}

fn have(have: &id::Have) -> BTreeMap<[u8; 16], u64> {
    have.iter().map(|id| (*id.replica.as_bytes(), id.counter)).collect()
}

fn entry(entry: &entry::Entry) -> Entry {
    Entry {
        id: id(&entry.id),
        author: entry.author.to_string(),
        time: entry.time.0,
        cursor: entry.seen.cursor.as_ref().map(cursor),
        beyond: entry.seen.beyond.iter().map(id).collect(),
        touched: entry.touched.iter().map(|touch| (touch.path.to_string(), touch_kind(touch.what))).collect(),
        body: match &entry.body {
            entry::Body::Update(bytes) => Body::Update(bytes.to_vec()),
            entry::Body::Void(void) => Body::Void(id(void)),
            entry::Body::Foreign(bytes) => Body::Foreign(bytes.to_vec()),
        },
    }
}

fn sighting(sighting: &presence::Sighting) -> ([u8; 16], Option<Presence>) {
    let shown = sighting.presence.as_ref().map(|shown| Presence {
        user: shown.user.to_string(),
        name: shown.name.clone(),
        color: shown.color.clone(),
        status: shown.status as u32,
        selection: shown.selection.as_ref().map(|selection| {
            (selection.path.to_string(), selection.anchor.0.clone(), selection.head.0.clone())
        }),
        active: shown.active.0,
        metadata: shown.metadata.to_string(),
    });
    (*sighting.session.as_bytes(), shown)
}

fn touch_kind(kind: entry::TouchKind) -> Touch {
    match kind {
        entry::TouchKind::Wrote => Touch::Wrote,
        entry::TouchKind::Created => Touch::Created,
        entry::TouchKind::Removed => Touch::Removed,
    }
}

fn compression(compression: wire::Compression) -> Compression {
    match compression {
        wire::Compression::None => Compression::None,
        wire::Compression::Gzip => Compression::Gzip,
        wire::Compression::Brotli => Compression::Brotli,
    }
}

fn error_code(code: wire::ErrorCode) -> ErrorCode {
    match code {
        wire::ErrorCode::Malformed => ErrorCode::Malformed,
        wire::ErrorCode::TooLarge => ErrorCode::TooLarge,
        wire::ErrorCode::Version => ErrorCode::Version,
        wire::ErrorCode::Unexpected => ErrorCode::Unexpected,
        wire::ErrorCode::SpecMismatch => ErrorCode::SpecMismatch,
        wire::ErrorCode::NotFound => ErrorCode::NotFound,
        wire::ErrorCode::Unavailable => ErrorCode::Unavailable,
        wire::ErrorCode::Gap => ErrorCode::Gap,
        wire::ErrorCode::TooMany => ErrorCode::TooMany,
        wire::ErrorCode::Forbidden => ErrorCode::Forbidden,
        _ => panic!("an error code without a mirror"),
    }
}

fn operation(operation: &operation::Operation) -> Operation {
    let path = operation.path().to_string();
    match operation {
        operation::Operation::Put { value, .. } => Operation::Put { path, value: self::value(value) },
        operation::Operation::Remove { .. } => Operation::Remove { path },
        operation::Operation::Insert { values, .. } => {
            Operation::Insert { path, values: values.iter().map(value).collect() }
        }
        operation::Operation::Splice { at, delete, insert, .. } => {
            Operation::Splice { path, at: *at, delete: *delete, insert: insert.clone() }
        }
        operation::Operation::Increment { by, .. } => Operation::Increment { path, by: *by },
    }
}

fn value(value: &value::Value) -> Value {
    match value {
        value::Value::Null => Value::Null,
        value::Value::Bool(truth) => Value::Bool(*truth),
        value::Value::Int(number) => Value::Int(*number),
        value::Value::Float(number) => Value::Float(*number),
        value::Value::String(text) => Value::String(text.clone()),
        value::Value::Bytes(bytes) => Value::Bytes(bytes.clone()),
        value::Value::Counter(number) => Value::Counter(*number),
        value::Value::Text(text) => Value::Text(text.clone()),
        value::Value::List(list) => Value::List(list.iter().map(self::value).collect()),
        value::Value::Map(map) => {
            Value::Map(map.iter().map(|(key, v)| (key.clone(), self::value(v))).collect())
        }
        value::Value::Opaque(text) => Value::Opaque(text.clone()),
    }
}

fn bincode(value: impl Encode) -> Vec<u8> {
    bincode::encode_to_vec(value, bincode::config::standard()).unwrap()
}

/// The number of a message and its body.
fn mirrored(message: &Message) -> (u8, Vec<u8>) {
    match message {
        Message::Hello(hello) => {
            let compressions: Vec<_> = hello.compression.iter().copied().map(compression).collect();
            (1, bincode((hello.oldest, hello.newest, &hello.agent, hello.relay, hello.acks, compressions)))
        }
        Message::Describe { doc } => (2, bincode(doc.as_str())),
        Message::Described { doc, spec } => (3, bincode((doc.as_str(), spec.map(self::spec)))),
        Message::Open { doc, spec, log, cursors } => {
            let cursors: Vec<_> = cursors.iter().map(cursor).collect();
            (4, bincode((doc.as_str(), self::spec(*spec), cursor(log), cursors)))
        }
        Message::Resume { doc } => (5, bincode(doc.as_str())),
        Message::NeedHave { doc } => (6, bincode(doc.as_str())),
        Message::Have { doc, have } => (7, bincode((doc.as_str(), self::have(have)))),
        Message::Entries { doc, entries } => {
            let entries: Vec<_> =
                entries.iter().map(|numbered| (numbered.offset, entry(&numbered.entry))).collect();
            (8, bincode((doc.as_str(), entries)))
        }
        Message::Durable { doc, cursor } => (9, bincode((doc.as_str(), self::cursor(cursor)))),
        Message::Ack { doc, offset } => (10, bincode((doc.as_str(), offset))),
        Message::SnapshotPart { doc, cursor, covers, total, bytes } => {
            let covers = covers.as_ref().map(have);
            (11, bincode((doc.as_str(), self::cursor(cursor), covers, total, bytes.to_vec())))
        }
        Message::Refused { doc, id, blame, reason } => {
            (12, bincode((doc.as_str(), self::id(id), *blame as u32, reason)))
        }
        Message::Shut { doc } => (13, bincode(doc.as_str())),
        Message::Failure { doc, code, message } => {
            (14, bincode((doc.as_ref().map(id::DocId::as_str), error_code(*code), message)))
        }
        Message::Goodbye { retry_after } => (15, bincode(retry_after)),
        Message::Ping { token } => (16, bincode(token)),
        Message::Pong { token } => (17, bincode(token)),
        Message::Presence { doc, sightings } => {
            (18, bincode((doc.as_str(), sightings.iter().map(sighting).collect::<Vec<_>>())))
        }
    }
}

#[test]
fn messages_are_laid_out_as_bincode_does() {
    fn property(message: AnyMessage) -> bool {
        let codec = Codec::default();
        let frame = codec.frame(&[codec.encode(&message.0)]);
        let (number, body) = mirrored(&message.0);
        let envelope = bincode((number, body));
        assert_eq!(frame.bytes, [&[0xF5, 1, 0], envelope.as_slice()].concat());
        true
    }
    QuickCheck::new().tests(CASES).quickcheck(property as fn(AnyMessage) -> bool);
}

#[test]
fn stored_entries_are_laid_out_as_bincode_does() {
    fn property(any: AnyEntry) -> bool {
        encode_entry(&any.0) == bincode((1u8, entry(&any.0)))
    }
    QuickCheck::new().tests(CASES).quickcheck(property as fn(AnyEntry) -> bool);
}

#[test]
fn a_stored_have_is_laid_out_as_bincode_does() {
    fn property(any: AnyHave) -> bool {
        encode_have(&any.0) == bincode((1u8, have(&any.0)))
    }
    QuickCheck::new().tests(CASES).quickcheck(property as fn(AnyHave) -> bool);
}

#[test]
fn stored_operations_are_laid_out_as_bincode_does() {
    fn property(any: Vec<AnyOperation>) -> bool {
        let operations: Vec<_> = any.into_iter().map(|operation| operation.0).collect();
        let mirrors: Vec<_> = operations.iter().map(operation).collect();
        encode_operations(&operations) == bincode((1u8, mirrors))
    }
    QuickCheck::new().tests(CASES).quickcheck(property as fn(Vec<AnyOperation>) -> bool);
}
