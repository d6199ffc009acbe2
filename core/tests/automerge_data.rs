//! Real documents, real concurrent editing, and inputs that make naive programs fall over.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod real_data;

use std::io::Read;

use automerge::{Automerge as Library, ObjType, ROOT, ReadDoc, Value as LibraryValue};
use flate2::read::GzDecoder;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use syncline_core::crdt::automerge::{Automerge, AutomergeGate};
use syncline_core::crdt::{Crdt, Gate, GateError, Writer};
use syncline_core::entry::Kind;
use syncline_core::path::Path;
use syncline_core::value::Value;

use real_data::real_data;

/// How many changes are merged at once where all are merged: Automerge walks the whole text for each call.
const BATCH: usize = 1_000;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The document as Automerge itself holds it.
fn library(document: &dyn Crdt) -> Library {
    let saved = document.snapshot().expect("a document can be saved");
    Library::load(&saved).expect("what was saved loads")
}

fn heads(document: &dyn Crdt) -> Vec<String> {
    library(document).get_heads().iter().map(|hash| hex(&hash.0)).collect()
}

#[test]
fn fixtures_load_exactly_if_they_should() {
    let Some(fixtures) = real_data("fixtures/automerge") else { return };
    let expected: Json =
        serde_json::from_slice(&std::fs::read(fixtures.join("expected.json")).unwrap()).unwrap();
    for (name, expected) in expected.as_object().unwrap() {
        let bytes = std::fs::read(fixtures.join(name)).unwrap();
        let mut gate = AutomergeGate::new(Kind::Tree);
        let mut document = Automerge::create(Kind::Tree);
        let admitted = (gate.admit_snapshot(&bytes), document.admit_snapshot(&bytes));
        if expected["loads"] == json!(true) {
            assert_eq!(admitted, (Ok(()), Ok(())), "{name}");
            document.merge(&bytes).unwrap();
            check_content(name, expected, &document);
            gate_knows(name, &mut gate, &bytes);
        } else {
            assert!(admitted.0.is_err() && admitted.1.is_err(), "{name}");
            assert!(Automerge::load(Kind::Tree, &bytes).is_err(), "{name}");
        }
    }
}

fn check_content(name: &str, expected: &Json, document: &Automerge) {
    assert_eq!(json!(heads(document)), expected["heads"], "{name}");
    let mut content = tagged(name, &document.value(&Path::root()).unwrap());
    for (key, empty) in empty_roots(&library(document)) {
        assert_eq!(content.as_object_mut().unwrap().insert(key, empty), None, "{name}");
    }
    let content = content.to_string();
    assert_eq!(hex(&Sha256::digest(&content)), expected["jsonSha256"].as_str().unwrap(), "{name}");
}

/// Top-level containers without content: the value tree leaves them out, the expected hashes do not.
fn empty_roots(document: &Library) -> Vec<(String, Json)> {
    let roots = document.map_range(ROOT, ..).filter_map(|root| {
        let LibraryValue::Object(kind) = root.value.clone().into_value() else { return None };
        let empty = match kind {
            ObjType::Map | ObjType::Table => json!({}),
            ObjType::List => json!([]),
            ObjType::Text => json!(""),
        };
        (document.length(root.id()) == 0).then(|| (root.key.into_owned(), empty))
    });
    roots.collect()
}

/// A gate that has seen the snapshot takes every change in it for known, and none for new.
fn gate_knows(name: &str, gate: &mut AutomergeGate, snapshot: &[u8]) {
    let changes = Library::load(snapshot).unwrap().get_changes(&[]);
    for change in changes {
        assert_eq!(gate.admit(&Writer::STRANGER, change.raw_bytes()), Ok(()), "{name}");
    }
}

/// The values in the form that the expected hashes were made from. Timestamps are whole numbers to us, and unsigned
/// numbers too large for a sign the closest float; the largest one is under this key.
fn tagged(key: &str, value: &Value) -> Json {
    match value {
        Value::Float(1.844_674_407_370_955_2e19) if key == "uint" => json!({ "$int": u64::MAX.to_string() }),
        Value::Int(number) if key == "timestamp" => json!({ "$ts": number }),
        Value::Counter(count) => json!({ "$counter": count }),
        Value::String(text) => json!({ "$str": text }),
        Value::Bytes(bytes) => json!({ "$bytes": hex(bytes) }),
        Value::List(list) => list.iter().map(|value| tagged("", value)).collect(),
        Value::Map(map) => map.iter().map(|(key, value)| (key.clone(), tagged(key, value))).collect(),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::Opaque(_) => value.to_json(),
    }
}

#[test]
fn changes_of_real_documents_are_all_admitted() {
    let Some(fixtures) = real_data("fixtures/automerge") else { return };
    for name in ["exemplar", "documents/brave-ape-49.automerge", "documents/monday-meeting-notes.automerge"] {
        let document = Library::load(&std::fs::read(fixtures.join(name)).unwrap()).unwrap();
        let mut gate = AutomergeGate::new(Kind::Tree);
        let mut merged = Automerge::create(Kind::Tree);
        let changes = document.get_changes(&[]);
        for batch in changes.chunks(BATCH) {
            let update: Vec<u8> =
                batch.iter().flat_map(|change| change.clone().bytes().into_owned()).collect();
            assert_eq!(gate.admit(&Writer::STRANGER, &update), Ok(()), "{name}");
            assert_eq!(merged.admit(&Writer::STRANGER, &update), Ok(()), "{name}");
            merged.apply(&[&update]).unwrap();
        }
        let expected: Vec<_> = document.get_heads().iter().map(|hash| hex(&hash.0)).collect();
        assert_eq!(heads(&merged), expected, "{name}");
    }
}

#[test]
fn a_real_session_of_two_is_merged_as_recorded() {
    let Some(streams) = real_data("streams") else { return };
    let stream = streams.join("friendsforever.am-changes.bin.gz");
    let mut records = Vec::new();
    GzDecoder::new(std::fs::File::open(stream).unwrap()).read_to_end(&mut records).unwrap();
    let expected = std::fs::read(streams.join("friendsforever.am.json")).unwrap();
    let expected: Json = serde_json::from_slice(&expected).unwrap();

    let (mut gate, mut document) = (AutomergeGate::new(Kind::Tree), Automerge::create(Kind::Tree));
    let (mut rest, mut update, mut count) = (&records[..], Vec::new(), 0);
    while let Some((header, after)) = rest.split_at_checked(12) {
        let len = u32::from_le_bytes(header[8..].try_into().unwrap()) as usize;
        let (change, after) = after.split_at(len);
        gate.admit(&Writer::STRANGER, change).unwrap();
        update.extend(change);
        count += 1;
        rest = after;
        if count % BATCH == 0 || rest.is_empty() {
            document.admit(&Writer::STRANGER, &update).unwrap();
            document.apply(&[&update]).unwrap();
            update.clear();
        }
    }
    assert_eq!(json!(count), expected["changes"]);
    assert_eq!(json!(heads(&document)), expected["heads"]);
    let Some(Value::Map(root)) = document.value(&Path::root()) else { panic!("a document is a map") };
    let [Value::Text(text)] = &root.values().collect::<Vec<_>>()[..] else { panic!("one text: {root:?}") };
    assert_eq!(hex(&Sha256::digest(text)), expected["textSha256"].as_str().unwrap());
}

#[test]
fn hostile_inputs_are_refused() {
    let Some(hostile) = real_data("hostile") else { return };
    for file in std::fs::read_dir(hostile).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        if name.starts_with("am") || name.starts_with("sync") {
            refuse(&name, &std::fs::read(file.path()).unwrap());
        }
    }
}

fn refuse(name: &str, bytes: &[u8]) {
    let (mut gate, mut document) = (AutomergeGate::new(Kind::Tree), Automerge::create(Kind::Tree));
    let as_update = [gate.admit(&Writer::STRANGER, bytes), document.admit(&Writer::STRANGER, bytes)];
    let as_snapshot = [gate.admit_snapshot(bytes), document.admit_snapshot(bytes)];
    for result in as_update.iter().chain(&as_snapshot) {
        assert!(
            matches!(result, Err(GateError::Malformed { .. } | GateError::Gap { .. })),
            "{name}: {result:?}"
        );
    }
    assert!(Automerge::load(Kind::Tree, bytes).is_err(), "{name}");
    // Even behind the gate's back nothing escapes.
    drop(document.apply(&[bytes]));
    drop(Automerge::create(Kind::Tree).merge(bytes));
}
