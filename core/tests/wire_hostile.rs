//! Frames that no honest peer sends: cut, bent, oversized, from the future. Each is an error or a valid
//! message, never a panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod wire_support;

use std::sync::Arc;

use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use quickcheck::{Gen, QuickCheck};
use syncline_core::entry::{
    Blame, Body, Cursor, Digest, Entry, Family, Kind, MAX_SEEN_BEYOND, MAX_TOUCHED, MAX_TOUCHED_BYTES,
    MAX_UPDATE_BYTES,
};
use syncline_core::entry::{Seen, Spec, Touch, TouchKind};
use syncline_core::id::{DocId, EntryId, Epoch, Have, Principal, ReplicaId};
use syncline_core::path::{MAX_DEPTH, Path};
use syncline_core::time::Time;
use syncline_core::wire::{
    Codec, Compression, Encoding, ErrorCode, FRAME_VERSION, Frame, Hello, MAX_AGENT_BYTES, MAX_COMPRESSIONS,
    MAX_FRAME_BYTES, MAX_FRAME_MESSAGES, MAX_OPEN_CURSORS, MAX_POSITION, MAX_REASON_BYTES,
    MAX_SNAPSHOT_PART_BYTES, Message, Numbered, WireError, decode_entry, decode_have, decode_operations,
    encode_entry, encode_have, encode_operations,
};
use wire_support::codecs;

const BINARY: Codec = Codec { encoding: Encoding::Binary, compression: Compression::None };
const JSON: Codec = Codec { encoding: Encoding::Json, compression: Compression::None };

fn doc() -> DocId {
    DocId::new("d").unwrap()
}

fn id(counter: u64) -> EntryId {
    EntryId { replica: ReplicaId::new([7; 16]), counter }
}

fn cursor() -> Cursor {
    Cursor { epoch: Epoch::new([8; 16]), offset: 9, digest: Digest(10) }
}

fn entry() -> Entry {
    Entry {
        id: id(1),
        author: Principal::new("ann").unwrap(),
        time: Time(1_000),
        seen: Seen { cursor: Some(cursor()), beyond: vec![id(2)] },
        touched: vec![Touch { path: "/a/b".parse().unwrap(), what: TouchKind::Wrote }],
        body: Body::Update(Bytes::from_static(b"update")),
    }
}

fn entries(change: impl FnOnce(&mut Entry)) -> Message {
    let mut entry = entry();
    change(&mut entry);
    numbered(vec![(1, entry)])
}

fn numbered(entries: Vec<(u64, Entry)>) -> Message {
    let number = |(offset, entry)| Numbered { offset, entry: Arc::new(entry) };
    Message::Entries { doc: doc(), entries: entries.into_iter().map(number).collect() }
}

fn frame(codec: Codec, message: &Message) -> Frame {
    codec.frame(&[codec.encode(message)])
}

fn binary(bytes: impl Into<Bytes>) -> Frame {
    Frame { bytes: bytes.into(), text: false }
}

fn json(text: impl Into<Bytes>) -> Frame {
    Frame { bytes: text.into(), text: true }
}

/// What a frame of such a message is refused with, which is the same in both encodings.
fn refusal(message: &Message) -> ErrorCode {
    let code = |codec| Codec::decode(&frame(codec, message)).expect_err("it must be refused").code();
    assert_eq!(code(BINARY), code(JSON));
    code(BINARY)
}

/// Whatever was made of the bytes, it is an error or messages that can be sent again.
fn decodes_safely(frame: &Frame) {
    if let Ok(messages) = Codec::decode(frame) {
        let encoded: Vec<_> = messages.iter().map(|message| BINARY.encode(message)).collect();
        assert_eq!(Codec::decode(&BINARY.frame(&encoded)), Ok(messages));
    }
}

/// Several of each message, without the longest.
fn samples() -> Vec<Message> {
    const LONGEST: usize = 400;
    let mut g = Gen::from_size_and_seed(8, 11);
    let messages = (0..80).map(|_| wire_support::message(&mut g));
    messages.filter(|message| BINARY.encode(message).len() < LONGEST).collect()
}

#[test]
fn a_frame_cut_anywhere_is_an_error_or_the_messages_before_the_cut() {
    let messages = samples();
    for codec in codecs() {
        for pair in messages.chunks(2) {
            let encoded: Vec<_> = pair.iter().map(|message| codec.encode(message)).collect();
            let whole = codec.frame(&encoded);
            for end in 0..whole.bytes.len() {
                let cut = Frame { bytes: whole.bytes.slice(..end), text: whole.text };
                if let Ok(found) = Codec::decode(&cut) {
                    assert!(found.len() < pair.len() && pair.starts_with(&found), "{codec:?} cut at {end}");
                }
            }
        }
    }
}

#[test]
fn a_frame_bent_anywhere_is_an_error_or_valid() {
    for codec in codecs() {
        for message in samples() {
            let whole = frame(codec, &message);
            for at in 0..whole.bytes.len() {
                for bend in [0x01, 0x10, 0x80, 0xFF] {
                    let mut bytes = whole.bytes.to_vec();
                    bytes[at] ^= bend;
                    decodes_safely(&Frame { bytes: bytes.into(), text: whole.text });
                }
            }
        }
    }
}

#[test]
fn noise_behind_every_header_is_an_error_or_valid() {
    fn property(flags: u8, number: u8, noise: Vec<u8>) -> bool {
        let number = number % 20;
        let body = [&[number, u8::try_from(noise.len()).unwrap()], noise.as_slice()].concat();
        decodes_safely(&binary([&[0xF5, 1, flags & 0x13], noise.as_slice()].concat()));
        decodes_safely(&binary([&[0xF5, 1, 0], body.as_slice()].concat()));
        decodes_safely(&binary(noise));
        true
    }
    QuickCheck::new().tests(20_000).quickcheck(property as fn(u8, u8, Vec<u8>) -> bool);
}

#[test]
fn a_newer_frame_is_refused_with_its_version() {
    let mut bytes = frame(BINARY, &Message::Ping { token: 1 }).bytes.to_vec();
    bytes[1] = FRAME_VERSION + 1;
    let error = Codec::decode(&binary(bytes)).unwrap_err();
    assert_eq!(error, WireError::Version { found: FRAME_VERSION + 1, newest: FRAME_VERSION });
    assert_eq!(error.code(), ErrorCode::Version);
}

#[test]
fn what_is_no_frame_is_malformed() {
    let frames: [&[u8]; 12] = [
        b"",
        b"\xF5",
        b"\xF5\x01",
        b"\xF5\x00\x00",
        b"\xF5\x01\x03",
        b"\xF5\x01\x04",
        b"\xF5\x01\x80",
        b"hello",
        b"[",
        b"[1]",
        b"{}",
        b"[{\"type\":\"ping\",\"token\":1}] and more",
    ];
    for bytes in frames {
        let error = Codec::decode(&binary(bytes)).expect_err(&String::from_utf8_lossy(bytes));
        assert_eq!(error.code(), ErrorCode::Malformed);
    }
}

#[test]
fn messages_of_the_future_are_skipped() {
    let ping = vec![Message::Ping { token: 1 }];
    let future = [0xF5, 1, 0, 99, 3, 1, 2, 3, 16, 1, 1];
    assert_eq!(Codec::decode(&binary(future.to_vec())), Ok(ping.clone()));
    let future = r#"[{"type":"dance","steps":[1,2]},{"type":"ping","token":1,"color":"red"}]"#;
    assert_eq!(Codec::decode(&json(future)), Ok(ping));
}

#[test]
fn compressions_of_the_future_are_ignored() {
    let hello = Message::Hello(Hello {
        oldest: 1,
        newest: 9,
        agent: "next".into(),
        relay: false,
        acks: false,
        compression: vec![Compression::Gzip],
    });
    let mut bytes = frame(BINARY, &hello).bytes.to_vec();
    bytes.splice(bytes.len() - 2.., [3, 77, 1, 200]);
    bytes[4] += 2;
    assert_eq!(Codec::decode(&binary(bytes)), Ok(vec![hello.clone()]));
    let text = String::from_utf8(frame(JSON, &hello).bytes.to_vec()).unwrap();
    let text = text.replace(r#"["gzip"]"#, r#"["zstd",{"name":"x"},"gzip"]"#);
    assert_eq!(Codec::decode(&json(text)), Ok(vec![hello]));
}

#[test]
fn bytes_behind_a_message_are_malformed() {
    let tests: [&[u8]; 3] = [&[0xF5, 1, 0, 16, 2, 1, 0], &[0xF5, 1, 0, 16, 1], &[0xF5, 1, 0, 16, 0]];
    for bytes in tests {
        assert_eq!(Codec::decode(&binary(bytes)).unwrap_err().code(), ErrorCode::Malformed);
    }
}

#[test]
fn bytes_behind_a_compressed_payload_are_malformed() {
    let long = Message::Failure { doc: None, code: ErrorCode::Gap, message: "again and ".repeat(100) };
    for compression in [Compression::Gzip, Compression::Brotli] {
        for extra in [1, 10_000] {
            let mut bytes = frame(Codec { compression, ..BINARY }, &long).bytes.to_vec();
            bytes.extend(vec![0; extra]);
            assert_eq!(
                Codec::decode(&binary(bytes)).unwrap_err().code(),
                ErrorCode::Malformed,
                "{compression:?}"
            );
        }
    }
}

#[test]
fn windows_larger_than_the_standard_knows_are_malformed() {
    let text =
        BINARY.encode(&Message::Failure { doc: None, code: ErrorCode::Gap, message: "x".repeat(1_000) });
    let plain = BINARY.frame(&[text]).bytes.slice(3..);
    for large_window in [false, true] {
        let params = BrotliEncoderParams { large_window, lgwin: 24, ..BrotliEncoderParams::default() };
        let mut compressed = vec![0xF5, 1, 2];
        brotli::BrotliCompress(&mut plain.as_ref(), &mut compressed, &params).unwrap();
        assert_eq!(Codec::decode(&binary(compressed)).is_err(), large_window);
    }
}

#[test]
fn numbers_that_stand_for_nothing_are_malformed() {
    let spec = Spec { family: Family::Yjs, kind: Kind::Tree };
    let have: Have = [EntryId { counter: 1, ..id(1) }].into_iter().collect();
    assert!(Codec::decode(&frame(BINARY, &Message::Have { doc: doc(), have })).is_ok());
    for message in [
        entries(|entry| entry.id.counter = 0),
        entries(|entry| entry.body = Body::Void(id(0))),
        entries(|entry| entry.seen.beyond = vec![id(0)]),
        numbered(vec![(0, entry())]),
        numbered(vec![(2, entry()), (2, entry())]),
        numbered(vec![(3, entry()), (2, entry())]),
        Message::Refused { doc: doc(), id: id(0), blame: Blame::Entry, reason: String::new() },
        Message::Have { doc: doc(), have: [id(0)].into_iter().collect() },
        Message::SnapshotPart {
            doc: doc(),
            cursor: cursor(),
            covers: None,
            total: 1,
            bytes: Bytes::from_static(b"ab"),
        },
        Message::Hello(Hello { oldest: 2, newest: 1, ..hello() }),
    ] {
        assert_eq!(refusal(&message), ErrorCode::Malformed, "{message:?}");
    }
    assert!(Codec::decode(&frame(BINARY, &Message::Described { doc: doc(), spec: Some(spec) })).is_ok());
}

fn hello() -> Hello {
    Hello { oldest: 1, newest: 1, agent: "a".into(), relay: false, acks: false, compression: vec![] }
}

#[test]
fn every_limit_holds_in_both_encodings() {
    let spec = Spec { family: Family::Yjs, kind: Kind::Tree };
    let touch = |_| Touch { path: Path::root(), what: TouchKind::Wrote };
    let part = |size: usize| Message::SnapshotPart {
        doc: doc(),
        cursor: cursor(),
        covers: None,
        total: size as u64,
        bytes: vec![0; size].into(),
    };
    let cursors = |number| Message::Open { doc: doc(), spec, log: cursor(), cursors: vec![cursor(); number] };
    let refused =
        |size| Message::Refused { doc: doc(), id: id(1), blame: Blame::Entry, reason: "x".repeat(size) };
    let failure = |size| Message::Failure { doc: None, code: ErrorCode::Gap, message: "x".repeat(size) };
    let agent = |size| Message::Hello(Hello { agent: "x".repeat(size), ..hello() });
    let compressions =
        |number| Message::Hello(Hello { compression: vec![Compression::Gzip; number], ..hello() });
    let update = |size: usize| entries(|entry| entry.body = Body::Update(vec![0; size].into()));
    let touched = |number| entries(|entry| entry.touched = (0..number).map(touch).collect());
    let paths = |size: usize| {
        let key =
            |length: usize| Touch { path: Path::root().child("x".repeat(length)), what: TouchKind::Wrote };
        let empty = key(0).cost();
        let full = vec![key(4_096 - empty); size / 4_096 - 1];
        let last = key(4_096 + size % 4_096 - empty);
        entries(|entry| entry.touched = full.iter().cloned().chain([last.clone()]).collect())
    };
    let beyond = |number| entries(|entry| entry.seen.beyond = vec![id(1); number]);
    let at_and_beyond: [(usize, &dyn Fn(usize) -> Message); 10] = [
        (MAX_SNAPSHOT_PART_BYTES, &part),
        (MAX_OPEN_CURSORS, &cursors),
        (MAX_REASON_BYTES, &refused),
        (MAX_REASON_BYTES, &failure),
        (MAX_AGENT_BYTES, &agent),
        (MAX_COMPRESSIONS, &compressions),
        (MAX_UPDATE_BYTES, &update),
        (MAX_TOUCHED, &touched),
        (MAX_TOUCHED_BYTES, &paths),
        (MAX_SEEN_BEYOND, &beyond),
    ];
    for (limit, message) in at_and_beyond {
        for codec in [BINARY, JSON] {
            assert_eq!(Codec::decode(&frame(codec, &message(limit))), Ok(vec![message(limit)]));
        }
        assert_eq!(refusal(&message(limit + 1)), ErrorCode::TooLarge, "beyond {limit}");
    }
}

#[test]
fn no_counter_and_no_offset_has_no_next() {
    let far = |offset| Cursor { offset, ..cursor() };
    let messages: [&dyn Fn(u64) -> Message; 5] = [
        &|far| entries(|entry| entry.id.counter = far),
        &|far| entries(|entry| entry.seen.beyond = vec![id(far)]),
        &|offset| Message::Ack { doc: doc(), offset },
        &|offset| Message::Durable { doc: doc(), cursor: far(offset) },
        &|far| Message::Have { doc: doc(), have: [id(far)].into_iter().collect() },
    ];
    for message in messages {
        for codec in [BINARY, JSON] {
            assert_eq!(Codec::decode(&frame(codec, &message(MAX_POSITION))), Ok(vec![message(MAX_POSITION)]));
        }
        assert_eq!(refusal(&message(MAX_POSITION + 1)), ErrorCode::Malformed);
    }
}

#[test]
fn names_and_paths_are_checked() {
    let named = |name: &str| {
        let name = [&[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        Codec::decode(&binary(
            [&[0xF5, 1, 0, 5, u8::try_from(name.len()).unwrap()], name.as_slice()].concat(),
        ))
    };
    assert!(named("fine").is_ok());
    for name in ["", "a\nb", "\u{7f}"] {
        assert_eq!(named(name).unwrap_err().code(), ErrorCode::Malformed, "{name:?}");
        let text = format!(r#"{{"type":"resume","doc":{}}}"#, serde_json::to_string(name).unwrap());
        assert_eq!(Codec::decode(&json(text)).unwrap_err().code(), ErrorCode::Malformed, "{name:?}");
    }
    let deep: Path = (0..=MAX_DEPTH).map(|_| "x").collect();
    let message = entries(|entry| entry.touched = vec![Touch { path: deep.clone(), what: TouchKind::Wrote }]);
    assert_eq!(refusal(&message), ErrorCode::Malformed);
}

#[test]
fn a_have_is_in_order_and_names_no_replica_twice() {
    let have = |replicas: [u8; 2]| {
        let mut body = vec![1, b'd', 2];
        replicas.iter().for_each(|replica| body.extend([[*replica; 16].as_slice(), &[1]].concat()));
        Codec::decode(&binary(
            [&[0xF5, 1, 0, 7, u8::try_from(body.len()).unwrap()], body.as_slice()].concat(),
        ))
    };
    assert!(have([1, 2]).is_ok());
    assert_eq!(have([2, 1]).unwrap_err().code(), ErrorCode::Malformed);
    assert_eq!(have([1, 1]).unwrap_err().code(), ErrorCode::Malformed);
}

#[test]
fn a_frame_has_a_largest_size_and_number_of_messages() {
    for codec in [BINARY, JSON] {
        let ping = codec.encode(&Message::Ping { token: 1 });
        let pings = |number| Codec::decode(&codec.frame(&vec![ping.clone(); number]));
        assert_eq!(pings(MAX_FRAME_MESSAGES).map(|messages| messages.len()), Ok(MAX_FRAME_MESSAGES));
        assert_eq!(pings(MAX_FRAME_MESSAGES + 1).unwrap_err().code(), ErrorCode::TooLarge);
    }
    let large = vec![0xF5; MAX_FRAME_BYTES + 1];
    assert_eq!(Codec::decode(&binary(large)).unwrap_err().code(), ErrorCode::TooLarge);
}

#[test]
fn json_of_any_depth_is_refused() {
    for depth in [100, 1_000, 100_000] {
        for nested in ["[".repeat(depth), r#"{"type":"ping","token":"#.to_owned() + &"[".repeat(depth)] {
            assert!(Codec::decode(&json(nested)).is_err());
        }
        let closed =
            format!(r#"[{{"type":"ping","token":1,"x":{}{}}}]"#, "[".repeat(depth), "]".repeat(depth));
        decodes_safely(&json(closed));
    }
}

#[test]
fn stored_forms_of_the_future_are_refused_with_their_version() {
    let newer = |bytes: Bytes| [&[bytes[0] + 1], &bytes[1..]].concat();
    let codes = [
        decode_entry(&newer(encode_entry(&entry()))).map(drop),
        decode_have(&newer(encode_have(&Have::default()))).map(drop),
        decode_operations(&newer(encode_operations(&[]))).map(drop),
    ];
    assert!(
        codes.iter().all(|code| matches!(code, Err(WireError::Version { found: 2, newest: 1 }))),
        "{codes:?}"
    );
    assert!(decode_entry(&[]).is_err() && decode_have(&[]).is_err() && decode_operations(&[]).is_err());
}

#[test]
fn stored_forms_cut_or_bent_anywhere_are_errors_or_valid() {
    const LONGEST: usize = 1_000;
    let mut g = Gen::from_size_and_seed(8, 12);
    for _ in 0..20 {
        let operations: Vec<_> = (0..3).map(|_| wire_support::operation(&mut g)).collect();
        let whole = [
            encode_entry(&wire_support::entry(&mut g)),
            encode_have(&wire_support::have(&mut g)),
            encode_operations(&operations),
        ];
        for (kind, bytes) in whole.iter().enumerate().filter(|(_, bytes)| bytes.len() < LONGEST) {
            let decode = |bytes: &[u8]| match kind {
                0 => decode_entry(bytes).is_ok(),
                1 => decode_have(bytes).is_ok(),
                _ => decode_operations(bytes).is_ok(),
            };
            assert!(decode(bytes));
            assert!((0..bytes.len()).all(|end| !decode(&bytes[..end])), "a cut form was read");
            for at in 0..bytes.len() {
                let mut bent = bytes.to_vec();
                for bend in [0x01, 0x80, 0xFF] {
                    bent[at] = bytes[at] ^ bend;
                    decode(&bent);
                }
            }
        }
    }
}

#[test]
fn stored_values_of_any_depth_are_refused() {
    // One operation, put at the root, whose value is a list of one list of one list…
    for depth in [1_000, 1_000_000] {
        let bytes = [&[1, 1, 0, 0], [8, 1].repeat(depth).as_slice(), &[0]].concat();
        assert_eq!(decode_operations(&bytes).unwrap_err().code(), ErrorCode::TooLarge);
    }
}
