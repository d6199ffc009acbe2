//! What a drafted block holds.

use super::write::{buffer, number, text};
use crate::fuzzing::Choices;

/// The number of a kind of content, how many clocks it takes, and its bytes.
pub struct Content {
    pub kind: u8,
    pub len: u32,
    pub bytes: Vec<u8>,
}

/// How often which content is drawn. Texts, types and values are what documents are made of; the last ones are
/// refused wherever they stand: the JSON of old versions, and kinds that there are not.
const KINDS: [u8; 26] = [4, 4, 4, 4, 4, 4, 7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 1, 1, 6, 6, 5, 3, 9, 4, 2, 11];

/// How many of these kinds are known to the gate.
const KNOWN: usize = 24;

const TEXTS: [&str; 7] = ["a", "bc", "hello", "🦀", "x🦀y", "e\u{301}", ""];

const JSON: [&str; 9] =
    ["true", "null", "1.5", "\"x\"", "{}", "[1,[2]]", "{\"a\":{\"b\":[]}}", "{\"image\":\"u\"}", "[[["];

const FORMATS: [&str; 4] = ["bold", "link", "", "ychange"];

/// Lengths that clocks and memory may not survive.
const LENGTHS: [u32; 6] = [1 << 16, 1 << 24, (1 << 30) - 1, (1 << 31) - 2, 1 << 31, u32::MAX];

/// Draws content of any kind; of the kinds that are always refused only once in a while.
pub fn content(choices: &mut Choices<'_>) -> Content {
    let all = if choices.once_in(40) { KINDS.len() } else { KNOWN };
    let kind = KINDS[choices.index(all)];
    let (len, bytes) = of_kind(choices, kind);
    Content { kind, len, bytes }
}

/// A number of clocks: a few, or once in a while more than there can be.
pub fn length(choices: &mut Choices<'_>) -> u32 {
    if choices.once_in(60) {
        choices.one_of(&LENGTHS)
    } else {
        u32::from(!choices.once_in(40)) * (1 + choices.few(5))
    }
}

fn of_kind(choices: &mut Choices<'_>, kind: u8) -> (u32, Vec<u8>) {
    let mut out = Vec::new();
    let len = match kind {
        1 => {
            let len = length(choices);
            number(len.into(), &mut out);
            len
        }
        3 => {
            buffer(&choices.bytes(3), &mut out);
            1
        }
        4 => {
            let count = if choices.once_in(60) { 0 } else { 1 + choices.index(3) };
            let string: String = (0..count).map(|_| choices.one_of(&TEXTS)).collect();
            text(&string, &mut out);
            u32::try_from(string.encode_utf16().count()).unwrap_or(0)
        }
        5 => {
            text(choices.one_of(&JSON), &mut out);
            1
        }
        6 => {
            text(choices.one_of(&FORMATS), &mut out);
            text(choices.one_of(&JSON), &mut out);
            1
        }
        7 => {
            shared_type(choices, &mut out);
            1
        }
        8 => {
            let count = choices.few(3) + u32::from(!choices.once_in(20));
            number(count.into(), &mut out);
            (0..count).for_each(|_| value(choices, 2, &mut out));
            count
        }
        9 => {
            text(choices.one_of(&["", "sub", "00000000-0000-0000-0000-000000000000"]), &mut out);
            options(choices, &mut out);
            1
        }
        _ => {
            number(choices.below(3), &mut out);
            out.extend(choices.bytes(6));
            1
        }
    };
    (len, out)
}

/// Array, map, text, XML element, fragment, hook, XML text; rarely a weak link or nothing known.
fn shared_type(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let kinds: &[u8] = if choices.once_in(30) { &[5, 7, 8, 15] } else { &[0, 0, 1, 1, 2, 2, 3, 4, 6] };
    let kind = choices.one_of(kinds);
    out.push(kind);
    if kind == 3 || kind == 5 {
        text(choices.one_of(&["p", "div", ""]), out);
    }
}

/// The options of a document inside a document: usually an object, sometimes anything.
fn options(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    if choices.once_in(3) {
        return value(choices, 2, out);
    }
    out.push(118);
    let keys = ["gc", "autoLoad", "encoding", "collectionid", "meta"];
    let count = choices.below(3);
    number(count, out);
    for _ in 0..count {
        text(choices.one_of(&keys), out);
        value(choices, 1, out);
    }
}

/// A JSON-like value with so many containers inside each other at most.
fn value(choices: &mut Choices<'_>, room: u32, out: &mut Vec<u8>) {
    let kind = choices.one_of(&[119, 120, 121, 126, 127, 125, 123, 124, 122, 116, 117, 118]);
    let kind = if room == 0 && (117..=118).contains(&kind) { 126 } else { kind };
    out.push(kind);
    match kind {
        116 => buffer(&choices.bytes(3), out),
        117 => {
            let count = choices.below(3);
            number(count, out);
            (0..count).for_each(|_| value(choices, room - 1, out));
        }
        118 => {
            let count = choices.below(3);
            number(count, out);
            for _ in 0..count {
                text(choices.one_of(&TEXTS), out);
                value(choices, room - 1, out);
            }
        }
        119 => text(choices.one_of(&TEXTS), out),
        122 => out.extend(choices.one_of(&[1_i64, -1, i64::MIN, i64::MAX]).to_be_bytes()),
        123 => out.extend(choices.one_of(&[0.5, -0.0, f64::NAN, f64::MAX, 1e15]).to_be_bytes()),
        124 => out.extend(choices.one_of(&[0.5_f32, f32::INFINITY, 1e9]).to_be_bytes()),
        125 => integer(choices, out),
        _ => {}
    }
}

fn integer(choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let longest = if choices.once_in(20) { 11 } else { 3 };
    let more = choices.index(longest);
    out.extend((0..more).map(|_| 0x80 | u8::try_from(choices.below(128)).unwrap_or(0)));
    out.push(u8::try_from(choices.below(64)).unwrap_or(0));
}
