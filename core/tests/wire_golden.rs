//! The bytes of one of each message, as they were when the format was released. They must never change: a
//! change here is a format that yesterday's programs cannot read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use syncline_core::entry::{Blame, Body, Cursor, Digest, Entry, Family, Kind, Seen, Spec, Touch, TouchKind};
use syncline_core::id::{DocId, EntryId, Epoch, Have, Principal, ReplicaId};
use syncline_core::operation::Operation;
use syncline_core::presence::{Anchor, Metadata, Presence, Selection, SessionId, Sighting, Status};
use syncline_core::time::Time;
use syncline_core::value::Value;
use syncline_core::wire::{
    Codec, Compression, Encoding, ErrorCode, Frame, Hello, Message, Numbered, decode_entry, decode_have,
    decode_operations, encode_entry, encode_have, encode_operations,
};

fn doc() -> DocId {
    DocId::new("team/bo\u{e4}rd").unwrap()
}

fn id(replica: u8, counter: u64) -> EntryId {
    EntryId { replica: ReplicaId::new([replica; 16]), counter }
}

fn cursor() -> Cursor {
    Cursor { epoch: Epoch::new([0xE0; 16]), offset: 300, digest: Digest(0x0123_4567_89ab_cdef) }
}

fn have() -> Have {
    [id(0x22, 70_000), id(0x11, 250)].into_iter().collect()
}

fn update() -> Entry {
    Entry {
        id: id(0x11, 251),
        author: Principal::new("ann").unwrap(),
        time: Time(1_767_225_600_000),
        seen: Seen { cursor: Some(cursor()), beyond: vec![id(0x22, 1)] },
        touched: vec![Touch { path: "/tasks/0/ti~1tle".parse().unwrap(), what: TouchKind::Created }],
        body: Body::Update(Bytes::from_static(&[0, 0xFB, 0xFF])),
    }
}

fn void() -> Entry {
    Entry { body: Body::Void(id(0x22, 2)), seen: Seen::default(), touched: vec![], ..update() }
}

fn presence() -> Presence {
    let anchor = |text: &str| Anchor(text.to_owned());
    let selection = Selection { path: "/text".parse().unwrap(), anchor: anchor("2@0a"), head: anchor("e") };
    Presence {
        color: "#f0f".to_owned(),
        status: Status::Away,
        selection: Some(selection),
        active: Time(1_767_225_600_000),
        metadata: Metadata::new(serde_json::json!({"tab": 1})).unwrap(),
        ..Presence::of(Principal::new("ann").unwrap())
    }
}

/// A message, its binary frame in hex, and its JSON.
type Golden = (Message, &'static str, &'static str);

fn messages() -> Vec<Golden> {
    [opening(), syncing(), ending()].concat()
}

fn opening() -> Vec<Golden> {
    vec![
        (
            Message::Hello(Hello {
                oldest: 1,
                newest: 1,
                agent: "syncline 0.1.0".into(),
                relay: true,
                acks: true,
                compression: vec![Compression::Brotli, Compression::Gzip],
            }),
            "f50100 01 16 01010e73796e636c696e6520302e312e300101020201",
            r#"{"type":"hello","oldest":1,"newest":1,"agent":"syncline 0.1.0","relay":true,"acks":true,"compression":["brotli","gzip"]}"#,
        ),
        (
            Message::Describe { doc: doc() },
            "f50100 02 0c 0b7465616d2f626fc3a47264",
            r#"{"type":"describe","doc":"team/boärd"}"#,
        ),
        (
            Message::Described {
                doc: doc(),
                spec: Some(Spec { family: Family::Automerge, kind: Kind::Tree }),
            },
            "f50100 03 0f 0b7465616d2f626fc3a47264010100",
            r#"{"type":"described","doc":"team/boärd","spec":{"family":"automerge","kind":"tree"}}"#,
        ),
        (
            Message::Described { doc: doc(), spec: None },
            "f50100 03 0d 0b7465616d2f626fc3a4726400",
            r#"{"type":"described","doc":"team/boärd","spec":null}"#,
        ),
        (
            Message::Open {
                doc: doc(),
                spec: Spec { family: Family::Yjs, kind: Kind::Text },
                log: cursor(),
                cursors: vec![cursor()],
            },
            "f50100 04 47 0b7465616d2f626fc3a472640001e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0fb2c01fdefcdab896745230101e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0fb2c01fdefcdab8967452301",
            r#"{"type":"open","doc":"team/boärd","spec":{"family":"yjs","kind":"text"},"log":{"epoch":"e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e0e0","offset":300,"digest":"0123456789abcdef"},"cursors":[{"epoch":"e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e0e0","offset":300,"digest":"0123456789abcdef"}]}"#,
        ),
        (
            Message::Resume { doc: doc() },
            "f50100 05 0c 0b7465616d2f626fc3a47264",
            r#"{"type":"resume","doc":"team/boärd"}"#,
        ),
        (
            Message::NeedHave { doc: doc() },
            "f50100 06 0c 0b7465616d2f626fc3a47264",
            r#"{"type":"need-have","doc":"team/boärd"}"#,
        ),
        (
            Message::Have { doc: doc(), have: have() },
            "f50100 07 33 0b7465616d2f626fc3a472640211111111111111111111111111111111fa22222222222222222222222222222222fc70110100",
            r#"{"type":"have","doc":"team/boärd","have":{"11111111-1111-1111-1111-111111111111":250,"22222222-2222-2222-2222-222222222222":70000}}"#,
        ),
    ]
}

fn syncing() -> Vec<Golden> {
    vec![
        (
            Message::Entries {
                doc: doc(),
                entries: vec![
                    Numbered { offset: 1, entry: Arc::new(update()) },
                    Numbered { offset: 3, entry: Arc::new(void()) },
                ],
            },
            "f50100 08 ab 0b7465616d2f626fc3a47264020111111111111111111111111111111111fbfb0003616e6efd00a8da769b01000001e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0fb2c01fdefcdab896745230101222222222222222222222222222222220101102f7461736b732f302f74697e31746c6501000300fbff0311111111111111111111111111111111fbfb0003616e6efd00a8da769b010000000000012222222222222222222222222222222202",
            r#"{"type":"entries","doc":"team/boärd","entries":[{"offset":1,"entry":{"id":{"replica":"11111111-1111-1111-1111-111111111111","counter":251},"author":"ann","time":1767225600000,"seen":{"cursor":{"epoch":"e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e0e0","offset":300,"digest":"0123456789abcdef"},"beyond":[{"replica":"22222222-2222-2222-2222-222222222222","counter":1}]},"touched":[{"path":"/tasks/0/ti~1tle","what":"created"}],"body":{"update":"APv/"}}},{"offset":3,"entry":{"id":{"replica":"11111111-1111-1111-1111-111111111111","counter":251},"author":"ann","time":1767225600000,"seen":{"cursor":null,"beyond":[]},"touched":[],"body":{"void":{"replica":"22222222-2222-2222-2222-222222222222","counter":2}}}}]}"#,
        ),
        (
            Message::Durable { doc: doc(), cursor: cursor() },
            "f50100 09 28 0b7465616d2f626fc3a47264e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0fb2c01fdefcdab8967452301",
            r#"{"type":"durable","doc":"team/boärd","cursor":{"epoch":"e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e0e0","offset":300,"digest":"0123456789abcdef"}}"#,
        ),
        (
            Message::Ack { doc: doc(), offset: 5_000_000_000 },
            "f50100 0a 15 0b7465616d2f626fc3a47264fd00f2052a01000000",
            r#"{"type":"ack","doc":"team/boärd","offset":5000000000}"#,
        ),
        (
            Message::SnapshotPart {
                doc: doc(),
                cursor: cursor(),
                covers: Some(have()),
                total: 70_000,
                bytes: Bytes::from_static(b"state"),
            },
            "f50100 0b 5b 0b7465616d2f626fc3a47264e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0fb2c01fdefcdab8967452301010211111111111111111111111111111111fa22222222222222222222222222222222fc70110100fc70110100057374617465",
            r#"{"type":"snapshot-part","doc":"team/boärd","cursor":{"epoch":"e0e0e0e0-e0e0-e0e0-e0e0-e0e0e0e0e0e0","offset":300,"digest":"0123456789abcdef"},"covers":{"11111111-1111-1111-1111-111111111111":250,"22222222-2222-2222-2222-222222222222":70000},"total":70000,"bytes":"c3RhdGU="}"#,
        ),
    ]
}

fn ending() -> Vec<Golden> {
    vec![
        (
            Message::Refused {
                doc: doc(),
                id: id(0x11, 251),
                blame: Blame::Context,
                reason: "not allowed".into(),
            },
            "f50100 0c 2c 0b7465616d2f626fc3a4726411111111111111111111111111111111fbfb00010b6e6f7420616c6c6f776564",
            r#"{"type":"refused","doc":"team/boärd","id":{"replica":"11111111-1111-1111-1111-111111111111","counter":251},"blame":"context","reason":"not allowed"}"#,
        ),
        (
            Message::Shut { doc: doc() },
            "f50100 0d 0c 0b7465616d2f626fc3a47264",
            r#"{"type":"shut","doc":"team/boärd"}"#,
        ),
        (
            Message::Failure { doc: Some(doc()), code: ErrorCode::TooMany, message: "close some".into() },
            "f50100 0e 19 010b7465616d2f626fc3a47264080a636c6f736520736f6d65",
            r#"{"type":"failure","doc":"team/boärd","code":"too-many","message":"close some"}"#,
        ),
        (
            Message::Goodbye { retry_after: 1_000 },
            "f50100 0f 03 fbe803",
            r#"{"type":"goodbye","retry_after":1000}"#,
        ),
        (Message::Ping { token: 7 }, "f50100 10 01 07", r#"{"type":"ping","token":7}"#),
        (
            Message::Presence {
                doc: doc(),
                sightings: vec![
                    Sighting { session: SessionId::new([5; 16]), presence: Some(presence().into()) },
                    Sighting { session: SessionId::new([6; 16]), presence: None },
                ],
            },
            "f50100 12 5e 0b7465616d2f626fc3a4726402050505050505050505050505050505050103616e6e03616e6e04236630660101052f7465787404324030610165fd00a8da769b010000097b22746162223a317d0606060606060606060606060606060600",
            r##"{"type":"presence","doc":"team/boärd","sightings":[{"session":"05050505-0505-0505-0505-050505050505","presence":{"user":"ann","name":"ann","color":"#f0f","status":"away","selection":{"path":"/text","anchor":"2@0a","head":"e"},"active":1767225600000,"metadata":{"tab":1}}},{"session":"06060606-0606-0606-0606-060606060606","presence":null}]}"##,
        ),
        (Message::Pong { token: 250 }, "f50100 11 01 fa", r#"{"type":"pong","token":250}"#),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn every_message_has_its_binary_form() {
    let codec = Codec::default();
    for (message, golden, _) in messages() {
        let frame = codec.frame(&[codec.encode(&message)]);
        assert_eq!(hex(&frame.bytes), hex(&unhex(golden)), "{message:?}");
        assert_eq!(Codec::decode(&frame), Ok(vec![message]));
    }
}

#[test]
fn every_message_has_its_json_form() {
    let codec = Codec { encoding: Encoding::Json, ..Codec::default() };
    for (message, _, golden) in messages() {
        let frame = codec.frame(&[codec.encode(&message)]);
        assert_eq!(std::str::from_utf8(&frame.bytes).unwrap(), format!("[{golden}]"), "{message:?}");
        assert_eq!(Codec::decode(&frame), Ok(vec![message]));
    }
}

#[test]
fn frames_compressed_by_other_programs_are_read() {
    let ping = Ok(vec![Message::Ping { token: 7 }]);
    for golden in [
        "f501011f8b0800000000000003136064070080de186403000000",
        "f501020b018010010703",
        "f501111f8b08000000000000038bae562aa92c4855b2522ac8cc4b57d2512ac9cf4ecd53b232af8d0500e9e934211b000000",
        "f501120b0d805b7b2274797065223a2270696e67222c22746f6b656e223a377d5d03",
    ] {
        let frame = Frame { bytes: unhex(golden).into(), text: false };
        assert_eq!(Codec::decode(&frame), ping);
    }
}

#[test]
fn stored_entries_have_their_form() {
    let golden = "0111111111111111111111111111111111fbfb0003616e6efd00a8da769b01000001e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0fb2c01fdefcdab896745230101222222222222222222222222222222220101102f7461736b732f302f74697e31746c6501000300fbff";
    assert_eq!(hex(&encode_entry(&update())), golden);
    assert_eq!(decode_entry(&unhex(golden)), Ok(update()));
}

#[test]
fn a_stored_have_has_its_form() {
    let golden = "010211111111111111111111111111111111fa22222222222222222222222222222222fc70110100";
    assert_eq!(hex(&encode_have(&have())), golden);
    assert_eq!(decode_have(&unhex(golden)), Ok(have()));
}

#[test]
fn stored_operations_have_their_form() {
    let path = |pointer: &str| pointer.parse().unwrap();
    let list = vec![
        Value::Null,
        Value::Bool(true),
        Value::Int(-300),
        Value::Float(0.5),
        Value::String("s".into()),
        Value::Bytes(vec![1, 2]),
        Value::Counter(7),
        Value::Text("t\u{1f980}".into()),
        Value::Map(BTreeMap::from([("k".into(), Value::List(vec![]))])),
        Value::Opaque("<b/>".into()),
    ];
    let operations = vec![
        Operation::Put { path: path("/a"), value: Value::List(list) },
        Operation::Remove { path: path("/b") },
        Operation::Insert { path: path("/c/-"), values: vec![Value::Int(1)] },
        Operation::Splice { path: path("/d"), at: 1_000, delete: 2, insert: "x".into() },
        Operation::Increment { path: path("/e"), by: -1 },
    ];
    let golden = "010500022f61080a00010102fb570203000000000000e03f04017305020102060e070574f09fa6800901016b08000a043c622f3e01022f6202042f632f2d01020203022f64fbe80302017804022f6501";
    assert_eq!(hex(&encode_operations(&operations)), golden);
    assert_eq!(decode_operations(&unhex(golden)), Ok(operations));
}
