//! What compression gains: a megabyte of text in one message.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod real_data;

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use syncline_core::entry::{Body, Entry, Seen};
use syncline_core::id::{DocId, EntryId, Principal, ReplicaId};
use syncline_core::random::Random;
use syncline_core::time::Time;
use syncline_core::wire::{
    Codec, Compression, Encoding, Frame, MIN_COMPRESSED_BYTES, Message, Numbered, Packer,
};

use real_data::real_data;

const MEGABYTE: usize = 1 << 20;

fn entries(text: &str) -> Message {
    let entry = Entry {
        id: EntryId { replica: ReplicaId::new([1; 16]), counter: 1 },
        author: Principal::new("ann").unwrap(),
        time: Time(0),
        seen: Seen::default(),
        touched: vec![],
        body: Body::Update(Bytes::copy_from_slice(text.as_bytes())),
    };
    Message::Entries {
        doc: DocId::new("book").unwrap(),
        entries: vec![Numbered { offset: 1, entry: Arc::new(entry) }],
    }
}

fn frame(encoding: Encoding, compression: Compression, text: &str) -> Frame {
    let codec = Codec { encoding, compression };
    let frame = codec.frame(&[codec.encode(&entries(text))]);
    assert_eq!(Codec::decode(&frame), Ok(vec![entries(text)]));
    frame
}

/// Notes as a team keeps them: what was done is said in the same few ways, to what is always something else.
fn notes() -> String {
    const SAID: [&str; 8] = [
        "was edited offline by two clients and merged without a conflict",
        "waits for a review; see the comment on the architecture of the relay",
        "is done, and the measurements are in the table of the closing note",
        "cannot be reproduced any more since the storage was compacted",
        "needs a decision: keep the old format readable, or write a migration",
        "moved to the next milestone, because the fallback has to come first",
        "fails when the connection is lost between the write and its acknowledgement",
        "was assigned to somebody else while its author was travelling",
    ];
    let mut random = Random::new(7);
    let mut text = String::new();
    while text.len() < MEGABYTE {
        writeln!(text, "- [ ] Task {} {}.", random.below(100_000), SAID[random.index(SAID.len())]).unwrap();
    }
    text.truncate(MEGABYTE);
    text
}

/// A file of the real data this project is tested with, if it is there.
fn real(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(real_data(path)?).unwrap())
}

#[test]
fn a_megabyte_of_text_shrinks_below_a_fifth() {
    let texts = [Some(("generated", notes())), real("tasks/issues.jsonl").map(|text| ("real", text))];
    for (name, mut text) in texts.into_iter().flatten() {
        text.truncate(text.floor_char_boundary(MEGABYTE));
        for (encoding, compression) in [
            (Encoding::Binary, Compression::Gzip),
            (Encoding::Binary, Compression::Brotli),
            (Encoding::Json, Compression::Brotli),
        ] {
            let size = frame(encoding, compression, &text).bytes.len();
            println!("{name}: {encoding:?} {compression:?}: {size} of {} bytes", text.len());
            assert!(size < text.len() / 5, "{name}: {encoding:?} {compression:?}: {size}");
        }
        // Base64 hides most repetitions from gzip, though not all.
        let size = frame(Encoding::Json, Compression::Gzip, &text).bytes.len();
        println!("{name}: Json Gzip: {size} of {} bytes", text.len());
        assert!(size < text.len() / 2);
    }
}

#[test]
fn what_does_not_shrink_is_sent_as_it_is() {
    let mut random = Random::new(7);
    let noise: String =
        (0..4096).map(|_| char::from_u32(0x1_0000 + random.below(0xFFFF) as u32).unwrap()).collect();
    let noise = &noise[..];
    for text in ["short", noise] {
        for compression in [Compression::Gzip, Compression::Brotli] {
            let plain = frame(Encoding::Binary, Compression::None, text);
            let sent = frame(Encoding::Binary, compression, text);
            assert!(sent.bytes.len() <= plain.bytes.len());
            assert!(text.len() > MIN_COMPRESSED_BYTES || sent == plain);
        }
    }
}

#[test]
fn a_frame_does_not_depend_on_those_made_before_it() {
    let (mut random, mut packer, notes) = (Random::new(3), Packer::default(), notes());
    for _ in 0..200 {
        let from = random.index(notes.len());
        let text = &notes[from..(from + random.index(20_000)).min(notes.len())];
        let compression = [Compression::None, Compression::Gzip, Compression::Brotli][random.index(3)];
        let codec = Codec { encoding: Encoding::Binary, compression };
        let again = packer.frame(codec, &[codec.encode(&entries(text))]);
        assert_eq!(again, frame(Encoding::Binary, compression, text));
    }
}
