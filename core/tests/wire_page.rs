//! `docs/protocol.md` says what the code does: its examples are decoded, its tables compared.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod wire_support;

use std::collections::BTreeMap;

use quickcheck::Gen;
use syncline_core::entry::{MAX_SEEN_BEYOND, MAX_TOUCHED, MAX_TOUCHED_BYTES, MAX_UPDATE_BYTES};
use syncline_core::wire::{
    Codec, Encoding, Frame, MAX_AGENT_BYTES, MAX_COMPRESSIONS, MAX_ENTRIES_MEMORY, MAX_FRAME_BYTES,
    MAX_FRAME_MESSAGES, MAX_JSON_VALUES, MAX_OPEN_CURSORS, MAX_REASON_BYTES, MAX_SNAPSHOT_PART_BYTES,
    MIN_COMPRESSED_BYTES, Message,
};

const PAGE: &str = include_str!("../../docs/protocol.md");

#[test]
fn every_example_is_a_frame() {
    let examples: Vec<&str> =
        PAGE.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 9);
    for example in examples {
        let frame = Frame { bytes: example.into(), text: true };
        let messages = Codec::decode(&frame).unwrap_or_else(|error| panic!("{error} in {example}"));
        assert_eq!(messages.len(), example.matches("\"type\":").count(), "{example}");
        let codec = Codec { encoding: Encoding::Json, ..Codec::default() };
        let encoded: Vec<_> = messages.iter().map(|message| codec.encode(message)).collect();
        let (written, said) = (codec.frame(&encoded).bytes, example.replace("\n", ""));
        let parse = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&written), parse(said.as_bytes()));
    }
}

#[test]
fn every_message_is_in_the_table() {
    for (number, name) in names() {
        let row = format!("\n| {number} | `{name}` |");
        assert!(PAGE.contains(&row), "no row {row}");
    }
    assert!(PAGE.contains("`F5 01 00 10 01 07` is a frame with one `ping`, token 7"));
    let ping = Codec::decode(&Frame { bytes: vec![0xF5, 1, 0, 0x10, 1, 7].into(), text: false });
    assert_eq!(ping, Ok(vec![Message::Ping { token: 7 }]));
}

/// The number and the name of every message, read off the encoded ones.
fn names() -> BTreeMap<u8, String> {
    const MESSAGES: usize = 18;
    let mut g = Gen::from_size_and_seed(4, 1);
    let mut names = BTreeMap::new();
    while names.len() < MESSAGES {
        let message = wire_support::message(&mut g);
        let codec = Codec::default();
        let number = codec.frame(&[codec.encode(&message)]).bytes[3];
        let object = serde_json::to_value(&message).unwrap();
        names.insert(number, object["type"].as_str().unwrap().to_owned());
    }
    names
}

#[test]
fn every_limit_is_in_the_table() {
    for (what, limit) in [
        ("frame, before and after decompression", mebibytes(MAX_FRAME_BYTES)),
        ("messages in a frame", thousands(MAX_FRAME_MESSAGES)),
        ("values in one JSON message", thousands(MAX_JSON_VALUES)),
        ("memory that the entries of a frame take when decoded", mebibytes(MAX_ENTRIES_MEMORY)),
        ("update of one entry", mebibytes(MAX_UPDATE_BYTES)),
        ("touched paths of one entry", thousands(MAX_TOUCHED)),
        (
            "bytes of these paths, with 8 for each path and each token",
            format!("{} KiB", MAX_TOUCHED_BYTES >> 10),
        ),
        ("ids in `beyond`", thousands(MAX_SEEN_BEYOND)),
        ("cursors in `open`", thousands(MAX_OPEN_CURSORS)),
        ("part of a snapshot", format!("{} KiB", MAX_SNAPSHOT_PART_BYTES >> 10)),
        ("compressions in `hello`", thousands(MAX_COMPRESSIONS)),
        ("`agent`", format!("{MAX_AGENT_BYTES} bytes")),
        ("`reason`, `message`", format!("{} KiB", MAX_REASON_BYTES >> 10)),
    ] {
        let row = format!("\n| {what} | {limit} |");
        assert!(PAGE.contains(&row), "no row {row}");
    }
    assert!(PAGE.contains(&format!("payloads of at least {MIN_COMPRESSED_BYTES} bytes")));
}

fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", bytes >> 20)
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}
