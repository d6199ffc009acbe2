//! What decoding a frame may cost in memory, however its lengths lie, and making one.
//!
//! The allocator has a limit meanwhile. Beyond it, it fails, and the test dies of that. So that
//! nothing else is counted, this file is one test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod wire_support;

use std::alloc::System;
use std::io::Write;

use bytes::Bytes;
use cap::Cap;
use quickcheck::Gen;
use syncline_core::wire::{
    Codec, Compression, Encoding, ErrorCode, Frame, MAX_ENTRIES_MEMORY, MAX_FRAME_BYTES, Message, Packer,
    WireError, decode_entry, decode_have, decode_operations, encode_entry, encode_have, encode_operations,
};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const MEBIBYTE: usize = 1 << 20;

/// Does `work` with no more than `bytes` of memory beside what there is.
fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + bytes).unwrap();
    let result = work();
    ALLOCATOR.set_limit(usize::MAX).unwrap();
    result
}

/// What decoding so many bytes may cost when nothing in them is compressed.
fn fair(input: usize) -> usize {
    16 * input + MEBIBYTE
}

#[test]
fn frames_take_bounded_memory() {
    every_length_may_lie();
    every_stored_length_may_lie();
    bombs_are_refused();
    small_things_do_not_add_up();
    a_small_entry_keeps_no_large_frame();
    making_frames_takes_no_new_memory();
}

fn binary(bytes: impl Into<Bytes>) -> Frame {
    Frame { bytes: bytes.into(), text: false }
}

/// 2^8 to 2^62, as bincode writes them.
fn lies() -> impl Iterator<Item = Vec<u8>> {
    (8..=62).map(|power| [&[253], (1u64 << power).to_le_bytes().as_slice()].concat())
}

/// Puts every lie in the place of every byte, and so of every length.
fn each_lie(bytes: &[u8], mut check: impl FnMut(Vec<u8>)) {
    const LONGEST: usize = 240;
    for at in 0..bytes.len().min(LONGEST) {
        lies().for_each(|lie| check([&bytes[..at], &lie, &bytes[at + 1..]].concat()));
    }
}

fn every_length_may_lie() {
    let mut g = Gen::from_size_and_seed(4, 3);
    for _ in 0..40 {
        let message = wire_support::message(&mut g);
        let codec = Codec::default();
        let frame = codec.frame(&[codec.encode(&message)]);
        // The length of a longer body takes two bytes more.
        let start = if frame.bytes[4] < 251 { 5 } else { 7 };
        each_lie(&frame.bytes[start..], |body| {
            let envelope = [&[frame.bytes[3]], varint(body.len()).as_slice(), &body].concat();
            let frame = binary([&[0xF5, 1, 0], envelope.as_slice()].concat());
            let _ = within(fair(frame.bytes.len()), || Codec::decode(&frame));
        });
    }
}

fn every_stored_length_may_lie() {
    let mut g = Gen::from_size_and_seed(4, 4);
    for _ in 0..5 {
        let operations = [wire_support::operation(&mut g), wire_support::operation(&mut g)];
        each_lie(&encode_entry(&wire_support::entry(&mut g))[1..], |bytes| {
            let bytes = [&[1], bytes.as_slice()].concat();
            let _ = within(fair(bytes.len()), || decode_entry(&bytes));
        });
        each_lie(&encode_have(&wire_support::have(&mut g))[1..], |bytes| {
            let bytes = [&[1], bytes.as_slice()].concat();
            let _ = within(fair(bytes.len()), || decode_have(&bytes));
        });
        each_lie(&encode_operations(&operations)[1..], |bytes| {
            let bytes = [&[1], bytes.as_slice()].concat();
            let _ = within(fair(bytes.len()), || decode_operations(&bytes));
        });
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 1, 24);
    encoder.write_all(bytes).unwrap();
    encoder.into_inner()
}

fn compressed(flags: u8, payload: &[u8]) -> Frame {
    binary([&[0xF5, 1, flags], payload].concat())
}

/// What inflates to far more than a frame may have.
fn bombs_are_refused() {
    let zeros = vec![0; 4 * MAX_FRAME_BYTES];
    let frames = [compressed(1, &gzip(&zeros)), compressed(2, &brotli(&zeros))];
    drop(zeros);
    for frame in &frames {
        let result = within(5 * MAX_FRAME_BYTES, || Codec::decode(frame));
        assert_eq!(result.unwrap_err().code(), ErrorCode::TooLarge);
    }
}

/// An entry of a few bytes in a frame of megabytes, as its neighbour or nothing fills the rest.
fn a_small_entry_keeps_no_large_frame() {
    const FEW: usize = 64 << 10;
    let small = entries_message(&entry(1, &[0]), 1);
    let nothing = [&[99], varint(8 * MEBIBYTE).as_slice(), &vec![0; 8 * MEBIBYTE], &small].concat();
    assert!(kept(compressed(0, &nothing)) < FEW, "as it is");
    assert!(kept(compressed(1, &gzip(&nothing))) < FEW, "from gzip");
    assert!(kept(compressed(2, &brotli(&nothing))) < FEW, "from brotli");
    let part = |bytes| entries_message(&entry_of(1, &[0], &vec![0; bytes]), 1);
    let parts = part(3 * MEBIBYTE).repeat(3);
    assert!(kept(compressed(0, &parts)) < 9 * MEBIBYTE + FEW, "each is copied, the frame goes");
    let frame = compressed(0, &part(7 * MEBIBYTE));
    let shared = within(MEBIBYTE, || Codec::decode(&frame));
    assert!(shared.is_ok(), "what fills its frame is not copied");
}

/// The working memory of a compression is not taken anew for each frame.
fn making_frames_takes_no_new_memory() {
    let codec = Codec { encoding: Encoding::Binary, compression: Compression::Gzip };
    let messages =
        [codec.encode(&Message::Failure { doc: None, code: ErrorCode::Gap, message: "a".repeat(4_000) })];
    let mut packer = Packer::default();
    let first = packer.frame(codec, &messages);
    assert_eq!(within(64 << 10, || packer.frame(codec, &messages)), first);
}

/// How much memory the messages of a frame keep once the frame is gone.
fn kept(frame: Frame) -> usize {
    let before = ALLOCATOR.allocated() - frame.bytes.len();
    let messages = Codec::decode(&frame).unwrap();
    drop(frame);
    assert!(!messages.is_empty());
    ALLOCATOR.allocated().saturating_sub(before)
}

/// Frames of nothing but what is largest in memory for its size in a frame.
fn small_things_do_not_add_up() {
    const MEMORY: &str = "the memory that entries take";
    const TOUCHED: &str = "the number of touched registers";
    const VALUES: &str = "the number of values in a message";
    const MESSAGES: &str = "the number of messages in a frame";
    const BOUND: usize = 2 * MAX_ENTRIES_MEMORY;
    let binary = [
        (tiny_entries(), MEMORY),
        (deep_paths(), MEMORY),
        (many_messages(), MEMORY),
        (endless_entry(), TOUCHED),
    ];
    for (payload, what) in binary {
        let frame = Frame { bytes: [&[0xF5, 1, 0], payload.as_slice()].concat().into(), text: false };
        assert_eq!(within(BOUND, || Codec::decode(&frame)).map_err(too_large), Err(what));
    }
    let json = [(values(), VALUES), (json_entries(), VALUES), (json_paths(), MEMORY), (objects(), MESSAGES)];
    for (text, what) in json {
        let frame = Frame { bytes: text.into(), text: true };
        assert_eq!(within(BOUND, || Codec::decode(&frame)).map_err(too_large), Err(what));
    }
}

fn too_large(error: WireError) -> &'static str {
    match error {
        WireError::TooLarge { what, .. } => what,
        other => panic!("{other}"),
    }
}

fn varint(number: usize) -> Vec<u8> {
    [&[252], u32::try_from(number).unwrap().to_le_bytes().as_slice()].concat()
}

fn entries_message(entries: &[u8], number: usize) -> Vec<u8> {
    let body = [b"\x01d", varint(number).as_slice(), entries].concat();
    [&[8], varint(body.len()).as_slice(), &body].concat()
}

/// An entry at an offset, with what it touched.
fn entry(offset: usize, touched: &[u8]) -> Vec<u8> {
    entry_of(offset, touched, &[9])
}

/// The same with an update.
fn entry_of(offset: usize, touched: &[u8], update: &[u8]) -> Vec<u8> {
    let length = if update.len() == 1 { vec![1] } else { varint(update.len()) };
    let head = [varint(offset).as_slice(), &[7; 16], &[1, 1, b'a', 0, 0, 0]].concat();
    [&head, touched, &[0], length.as_slice(), update].concat()
}

fn tiny_entries() -> Vec<u8> {
    let number = MAX_FRAME_BYTES / 40;
    let entries: Vec<u8> = (1..=number).flat_map(|offset| entry(offset, &[0])).collect();
    entries_message(&entries, number)
}

fn deep_paths() -> Vec<u8> {
    let touched = [&[120], [[64].as_slice(), &[b'/'; 64], &[0]].concat().repeat(120).as_slice()].concat();
    let number = MAX_FRAME_BYTES / 8_000;
    let entries: Vec<u8> = (1..=number).flat_map(|offset| entry(offset, &touched)).collect();
    entries_message(&entries, number)
}

/// One entry that touches the root over and over.
fn endless_entry() -> Vec<u8> {
    let number = MAX_FRAME_BYTES / 2 - 100;
    let touched = [varint(number), vec![0; 2 * number]].concat();
    entries_message(&entry(1, &touched), 1)
}

/// As many messages as a frame may have, each with few entries.
fn many_messages() -> Vec<u8> {
    let touched = [&[60], [[64].as_slice(), &[b'/'; 64], &[0]].concat().repeat(60).as_slice()].concat();
    entries_message(&entry(1, &touched), 1).repeat(4_000)
}

fn values() -> String {
    format!(r#"[{{"type":"ping","token":1,"x":[0{}]}}]"#, ",0".repeat(MAX_FRAME_BYTES / 2 - 100))
}

fn json_entries() -> String {
    in_json(r#"[]"#, MAX_FRAME_BYTES / 240)
}

fn json_paths() -> String {
    let touched = format!(r#"{{"path":"{}","what":"wrote"}},"#, "/".repeat(64)).repeat(120);
    in_json(&format!("[{}]", touched.trim_end_matches(',')), MAX_FRAME_BYTES / 12_000)
}

fn in_json(touched: &str, number: usize) -> String {
    let entry = |offset| {
        format!(
            r#"{{"offset":{offset},"entry":{{"id":{{"replica":"00000000000000000000000000000001","counter":1}},"author":"a","time":0,"seen":{{"beyond":[]}},"touched":{touched},"body":{{"update":""}}}}}}"#
        )
    };
    let entries: Vec<_> = (1..=number).map(entry).collect();
    format!(r#"[{{"type":"entries","doc":"d","entries":[{}]}}]"#, entries.join(","))
}

fn objects() -> String {
    format!("[{}0]", "0,".repeat(MAX_FRAME_BYTES / 2 - 10))
}
