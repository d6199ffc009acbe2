//! What is encoded is decoded to the same again, in every encoding and with every compression.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod wire_support;

use quickcheck::{Gen, QuickCheck};
use syncline_core::operation::Operation;
use syncline_core::wire::{
    Codec, Encoding, Frame, Message, decode_entry, decode_have, decode_operations, encode_entry, encode_have,
    encode_operations,
};
use wire_support::{AnyEntry, AnyHave, AnyMessage, AnyOperation, codecs};

const CASES: u64 = 2_000;

fn frame(codec: Codec, messages: &[Message]) -> Frame {
    let encoded: Vec<_> = messages.iter().map(|message| codec.encode(message)).collect();
    codec.frame(&encoded)
}

#[test]
fn messages_survive_every_codec() {
    fn property(messages: Vec<AnyMessage>) -> bool {
        let messages: Vec<Message> = messages.into_iter().map(|message| message.0).collect();
        codecs().into_iter().all(|codec| {
            let frame = frame(codec, &messages);
            assert_eq!(Codec::decode(&frame).as_ref(), Ok(&messages), "{codec:?}");
            Codec::detect(&frame) == codec.encoding
        })
    }
    QuickCheck::new().rng(Gen::new(8)).tests(CASES).quickcheck(property as fn(Vec<AnyMessage>) -> bool);
}

#[test]
fn entries_survive_storage() {
    fn property(entry: AnyEntry) -> bool {
        decode_entry(&encode_entry(&entry.0)).as_ref() == Ok(&entry.0)
    }
    QuickCheck::new().tests(CASES).quickcheck(property as fn(AnyEntry) -> bool);
}

#[test]
fn haves_survive_storage() {
    fn property(have: AnyHave) -> bool {
        decode_have(&encode_have(&have.0)).as_ref() == Ok(&have.0)
    }
    QuickCheck::new().tests(CASES).quickcheck(property as fn(AnyHave) -> bool);
}

#[test]
fn operations_survive_storage() {
    fn property(operations: Vec<AnyOperation>) -> bool {
        let operations: Vec<Operation> = operations.into_iter().map(|operation| operation.0).collect();
        decode_operations(&encode_operations(&operations)).as_ref() == Ok(&operations)
    }
    QuickCheck::new().tests(CASES).quickcheck(property as fn(Vec<AnyOperation>) -> bool);
}

#[test]
fn an_empty_frame_holds_no_messages() {
    for codec in codecs() {
        assert_eq!(Codec::decode(&frame(codec, &[])), Ok(vec![]));
    }
}

#[test]
fn json_travels_as_text_unless_it_is_compressed() {
    let long = [Message::Failure {
        doc: None,
        code: syncline_core::wire::ErrorCode::Gap,
        message: "again and ".repeat(100),
    }];
    for codec in codecs() {
        let frame = frame(codec, &long);
        let plain = codec.encoding == Encoding::Json && codec.compression == Default::default();
        assert_eq!(frame.text, plain, "{codec:?}");
        assert_eq!(frame.bytes.starts_with(b"[{"), plain, "{codec:?}");
    }
}

#[test]
fn a_single_object_and_white_space_are_json_too() {
    let pings = |text: &'static str| Codec::decode(&Frame { bytes: text.into(), text: true });
    assert_eq!(pings(r#"{"type":"ping","token":7}"#), Ok(vec![Message::Ping { token: 7 }]));
    assert_eq!(pings(" \n[ {\"token\":7, \"type\":\"ping\"} ]\n"), Ok(vec![Message::Ping { token: 7 }]));
}

#[test]
fn a_json_number_of_any_sixty_four_bits_is_exact() {
    let codec = Codec { encoding: Encoding::Json, ..Codec::default() };
    let ping = [Message::Ping { token: u64::MAX }];
    assert_eq!(Codec::decode(&frame(codec, &ping)), Ok(ping.to_vec()));
}
