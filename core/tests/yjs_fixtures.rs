//! Real input: everything that Yjs wrote passes the gate and reads as Yjs reads it; everything hostile is refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod real_data;

use std::io::Read;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value as Json;
use syncline_core::crdt::yjs::{Yjs, YjsGate};
use syncline_core::crdt::{Crdt, Gate, GateError, Writer};
use syncline_core::entry::Kind;
use syncline_core::json::to_canonical_json;
use syncline_core::path::Path;
use syncline_core::value::Value;

use real_data::real_data;

/// Reads lib0 encoding from data that is trusted.
struct Lib0<'a>(&'a [u8]);

impl<'a> Lib0<'a> {
    fn number(&mut self) -> usize {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let byte = self.take(1)[0];
            number |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn buffer(&mut self) -> &'a [u8] {
        let len = self.number();
        self.take(len)
    }

    fn string(&mut self) -> String {
        String::from_utf8(self.buffer().to_vec()).unwrap()
    }

    fn any(&mut self) -> Value {
        match self.take(1)[0] {
            116 => Value::Bytes(self.buffer().to_vec()),
            117 => Value::List((0..self.number()).map(|_| self.any()).collect()),
            118 => Value::Map((0..self.number()).map(|_| (self.string(), self.any())).collect()),
            119 => Value::String(self.string()),
            120 => Value::Bool(true),
            121 => Value::Bool(false),
            123 => Value::number(f64::from_be_bytes(self.take(8).try_into().unwrap())),
            124 => Value::number(f32::from_be_bytes(self.take(4).try_into().unwrap()).into()),
            125 => self.integer(),
            _ => Value::Null,
        }
    }

    fn integer(&mut self) -> Value {
        let first = self.take(1)[0];
        let (mut number, mut shift, mut last) = (i64::from(first & 0x3f), 6, first);
        while last >= 0x80 {
            last = self.take(1)[0];
            number |= i64::from(last & 0x7f) << shift;
            shift += 7;
        }
        Value::Int(if first & 0x40 == 0 { number } else { -number })
    }
}

fn foreign(document: &mut Yjs, update: &[u8]) {
    assert_eq!(document.admit(&Writer::STRANGER, update), Ok(()), "{update:?}");
    document.apply(&[update]).unwrap();
}

fn read(document: &Yjs, pointer: &str) -> Option<Value> {
    document.value(&pointer.parse().unwrap())
}

/// What a document shows, as JSON; also after saving and loading it.
fn shown(document: &Yjs) -> Json {
    let value = document.value(&Path::root()).unwrap();
    let loaded = Yjs::load(Kind::Tree, &document.snapshot().unwrap()).unwrap();
    assert_eq!(loaded.value(&Path::root()).as_ref(), Some(&value));
    value.to_json()
}

#[test]
fn the_yjs_test_dataset_reads_as_expected() {
    let Some(path) = real_data("fixtures/yjs/small-test-dataset.bin") else { return };
    let bytes = std::fs::read(path).unwrap();
    let mut input = Lib0(&bytes);
    let mut updates = 0;
    for run in 0..input.number() {
        let mut document = Yjs::create(Kind::Text);
        for _ in 0..input.number() {
            foreign(&mut document, input.buffer());
            updates += 1;
        }
        let expected =
            [("/text", Value::String(input.string())), ("/map", input.any()), ("/array", input.any())];
        for (pointer, expected) in expected {
            let shown =
                read(&document, pointer).map(|value| to_canonical_json(&value).replace('\u{fffc}', ""));
            let expected = to_canonical_json(&expected);
            match shown {
                Some(shown) => assert_eq!(shown, expected, "{pointer} of run {run}"),
                None => {
                    assert!(["\"\"", "{}", "[]"].contains(&&*expected), "{pointer} of run {run}: {expected}")
                }
            }
        }
    }
    assert_eq!((updates, input.0.len()), (46_385, 0));
}

#[test]
fn an_old_document_reads_as_the_text_it_was_typed_as() {
    let (Some(path), Some(trace)) =
        (real_data("fixtures/yjs/b4-update.bin"), real_data("traces/sequential/automerge-paper.json.gz"))
    else {
        return;
    };
    let update = std::fs::read(path).unwrap();
    assert_eq!(YjsGate::new().admit_snapshot(&update), Ok(()));
    let mut document = Yjs::create(Kind::Text);
    foreign(&mut document, &update);
    let trace: Json = serde_json::from_slice(&unzipped(trace)).unwrap();
    assert_eq!(read(&document, "/text").unwrap().to_json(), trace["endContent"]);
    shown(&document);
}

#[test]
fn a_recorded_stream_reads_as_its_end() {
    let Some(path) = real_data("streams/friendsforever.yjs-updates.bin.gz") else { return };
    let expected = std::fs::read_to_string(real_data("streams/friendsforever.yjs.txt").unwrap()).unwrap();
    let mut document = Yjs::create(Kind::Tree);
    let bytes = unzipped(path);
    let mut rest = &bytes[..];
    while let Some((header, body)) = rest.split_at_checked(12) {
        let (update, next) = body.split_at(u32::from_le_bytes(header[8..].try_into().unwrap()) as usize);
        foreign(&mut document, update);
        rest = next;
    }
    let shown = shown(&document);
    let texts: Vec<_> = shown.as_object().unwrap().values().collect();
    assert_eq!(texts, [&Json::String(expected)]);
}

fn unzipped(path: PathBuf) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn documents_of_older_versions_read_as_yjs_reads_them() {
    let Some(path) = real_data("fixtures/yjs/yjs-compatibility-docs.json") else { return };
    let documents: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for fixture in documents.as_array().unwrap() {
        let update = BASE64_STANDARD.decode(fixture["updateV1Base64"].as_str().unwrap()).unwrap();
        let mut document = Yjs::create(Kind::Tree);
        foreign(&mut document, &update);
        let expected = &fixture["yjs13_6_33"];
        let shown = shown(&document);
        match expected.get("text") {
            None => assert_eq!(&shown, expected, "{}", fixture["name"]),
            Some(delta) => assert_eq!(shown["text"].as_str().unwrap(), plain(delta)),
        }
    }
}

/// The text of a Quill delta, with U+FFFC for embedded objects.
fn plain(delta: &Json) -> String {
    let parts = delta.as_array().unwrap().iter();
    parts.map(|part| part["insert"].as_str().unwrap_or("\u{fffc}")).collect()
}

#[test]
fn payloads_pass_in_the_first_encoding_and_not_in_the_second() {
    let Some(path) = real_data("fixtures/yjs/ycrdt-payloads.json") else { return };
    let payloads: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for payload in payloads.as_array().unwrap() {
        let update = from_hex(payload["hex"].as_str().unwrap());
        match payload["decodesAs"].get("v1") {
            Some(expected) => {
                let mut document = Yjs::create(Kind::Tree);
                foreign(&mut document, &update);
                assert_eq!(shown(&document), expected["json"], "{payload}");
            }
            None => {
                let verdict = YjsGate::new().admit(&Writer::STRANGER, &update);
                assert!(matches!(verdict, Err(GateError::Malformed { .. })), "{payload}");
            }
        }
    }
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn everything_hostile_is_refused() {
    let Some(path) = real_data("hostile") else { return };
    let mut files = 0;
    for file in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        if name.starts_with("y1-") || name.starts_with("y2-") {
            let bytes = std::fs::read(file.path()).unwrap();
            assert!(YjsGate::new().admit(&Writer::STRANGER, &bytes).is_err(), "{name}");
            assert!(YjsGate::new().admit_snapshot(&bytes).is_err(), "{name}");
            files += 1;
        }
    }
    assert!(files >= 29, "{files}");
}
