//! What relay and clients put on the wire: encodings, compression, versions, frames and shared connections.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fmt::Write;

use bytes::Bytes;
use futures_util::StreamExt;
use syncline::transports::{Close, WebSocket};
use syncline::{
    Compression, Document, Encoding, Engine, Family, Kind, MemoryStorage, Operation, Path, Saved, Spec, Value,
};
use syncline_core::entry::{Cursor, Digest};
use syncline_core::id::{DocId, Epoch};
use syncline_core::wire::{ErrorCode, FRAME_VERSION, Message, VERSION};
use syncline_tests::process::PATIENCE;
use syncline_tests::process::proxy::Proxy;
use syncline_tests::process::raw::{Raw, hello};
use syncline_tests::process::relay::Relay;

/// What `docs/limits.md` says of clients of a relay that stops, in milliseconds.
const RETRY_AFTER: u64 = 500;

const FAMILIES: [Family; 2] = [Family::Yjs, Family::Automerge];

fn text(family: Family) -> Spec {
    Spec { family, kind: Kind::Text }
}

fn engine(url: &str, encoding: Encoding, compression: Compression) -> Engine {
    let builder = Engine::builder(MemoryStorage::new()).encoding(encoding).compression([compression]);
    builder.relay(WebSocket::new(url)).longest_wait(200).open().unwrap()
}

fn insert(document: &Document, words: &str) {
    let path = Path::root().child(Kind::TEXT_KEY);
    document.perform(Operation::Splice { path, at: 0, delete: 0, insert: words.to_owned() }).unwrap();
}

fn content(document: &Document) -> String {
    match document.value(&Path::root().child(Kind::TEXT_KEY)) {
        Some(Value::Text(text)) => text,
        _ => String::new(),
    }
}

/// Waits until the text is as wanted.
async fn becomes(document: &Document, wanted: impl Fn(&str) -> bool) {
    let mut changes = document.changes();
    let waiting = async {
        while !wanted(&content(document)) {
            changes.next().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("still {:?}", content(document)));
}

async fn everybody_ends_equal(family: Family) {
    let relay = Relay::start();
    let mut documents = Vec::new();
    for encoding in [Encoding::Json, Encoding::Binary] {
        for compression in [Compression::Gzip, Compression::Brotli, Compression::None] {
            let engine = engine(&relay.url(), encoding, compression);
            documents.push(engine.document("d", text(family)).await.unwrap());
        }
    }
    let words: Vec<String> = (0..documents.len()).map(|n| format!("<{n}{}>", "é😀".repeat(200))).collect();
    for (document, words) in documents.iter().zip(&words) {
        (0..3).for_each(|_| insert(document, words));
        document.saved(Saved::Relay).await.unwrap();
    }
    let length: usize = words.iter().map(|words| 3 * words.len()).sum();
    for document in &documents {
        becomes(document, |text| text.len() == length).await;
    }
    let contents: BTreeSet<String> = documents.iter().map(content).collect();
    assert_eq!(contents.len(), 1, "{family}: not equal");
    assert!(words.iter().all(|words| contents.iter().all(|text| text.matches(words).count() == 3)));
}

#[tokio::test]
async fn json_and_binary_clients_with_every_compression_end_equal() {
    for family in FAMILIES {
        everybody_ends_equal(family).await;
    }
}

#[tokio::test]
async fn a_client_is_answered_in_the_encoding_it_speaks() {
    let relay = Relay::start();
    for (encoding, is_text) in [(Encoding::Json, true), (Encoding::Binary, false)] {
        let mut raw = Raw::connect(relay.address(), encoding).await;
        raw.say(&[hello(VERSION, VERSION)]).await;
        let frame = raw.frame().await.unwrap();
        assert_eq!(frame.text, is_text, "{frame:?}");
        assert_eq!(frame.bytes.starts_with(b"[{\"type\":\"hello\""), is_text, "{frame:?}");
    }
}

/// A megabyte of what people write on boards: alike, but never twice the same.
fn megabyte() -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= 1_000_000 {
            break;
        }
        let (who, what) = (["ada", "ben", "cleo"][number % 3], ["opened", "closed", "moved"][number / 3 % 3]);
        writeln!(text, "{who} {what} task {} on the board for the spring release", number * 7919 % 10_007)
            .unwrap();
    }
    text.truncate(1_000_000);
    text
}

/// Bytes that the text took from author to relay and from there to a reader, on the wire.
async fn sent(family: Family, encoding: Encoding, compression: Compression) -> (u64, u64) {
    let relay = Relay::start();
    let (up, down) = (Proxy::start(relay.address()).await, Proxy::start(relay.address()).await);
    let (author, reader) =
        (engine(&up.url(), encoding, compression), engine(&down.url(), encoding, compression));
    let written = author.document("d", text(family)).await.unwrap();
    let read = reader.document("d", text(family)).await.unwrap();
    let message = megabyte();
    insert(&written, &message);
    written.saved(Saved::Relay).await.unwrap();
    becomes(&read, |text| text == message).await;
    (up.up(), down.down())
}

#[tokio::test]
async fn a_text_of_a_megabyte_shrinks_below_a_fifth() {
    const FIFTH: u64 = 200_000;
    for encoding in [Encoding::Binary, Encoding::Json] {
        for compression in [Compression::Gzip, Compression::Brotli] {
            let (up, down) = sent(Family::Yjs, encoding, compression).await;
            println!("{encoding:?}, {compression:?}: {up} bytes to the relay, {down} from it");
            assert!(up < FIFTH && down < FIFTH, "{encoding:?}, {compression:?}: {up} up, {down} down");
        }
    }
    let (_, plain) = sent(Family::Yjs, Encoding::Binary, Compression::None).await;
    assert!(plain > 1_000_000, "a reader without compression is sent {plain} bytes");
}

#[tokio::test]
async fn a_newer_version_is_refused_with_its_code() {
    let relay = Relay::start();
    for encoding in [Encoding::Json, Encoding::Binary] {
        let mut raw = Raw::connect(relay.address(), encoding).await;
        raw.say(&[hello(VERSION + 1, VERSION + 2)]).await;
        assert_eq!(failure(&mut raw).await, ErrorCode::Version);
    }
    let mut raw = Raw::connect(relay.address(), Encoding::Binary).await;
    raw.send(Bytes::from(vec![0xF5, FRAME_VERSION + 1, 0]), false).await;
    assert_eq!(failure(&mut raw).await, ErrorCode::Version);
    // A newer client that still knows our version is welcome.
    let mut raw = Raw::connect(relay.address(), Encoding::Binary).await;
    raw.say(&[hello(VERSION, VERSION + 9), Message::Ping { token: 5 }]).await;
    raw.wait_for("pong", |message| matches!(message, Message::Pong { token: 5 }).then_some(())).await;
}

/// The code of the failure that ends the connection.
async fn failure(raw: &mut Raw) -> ErrorCode {
    let code = raw
        .wait_for("failure", |message| match message {
            Message::Failure { doc: None, code, message } if !message.is_empty() => Some(*code),
            _ => None,
        })
        .await;
    assert!(raw.frame().await.is_none(), "the connection goes on after {code:?}");
    code
}

#[tokio::test]
async fn what_is_no_frame_is_refused_with_a_code_and_others_are_served() {
    let relay = Relay::start();
    let client = engine(&relay.url(), Encoding::Binary, Compression::Gzip);
    let document = client.document("d", text(Family::Yjs)).await.unwrap();
    insert(&document, "untouched");
    document.saved(Saved::Relay).await.unwrap();
    let cases: [(&[u8], bool, ErrorCode); 6] = [
        (b"", false, ErrorCode::Malformed),
        (b"\xF5", false, ErrorCode::Malformed),
        (b"\xF5\x01\x00\x01\xFF\xFF\xFF\xFF", false, ErrorCode::Malformed),
        (b"[{\"type\":\"hello\",\"oldest\":\"x\"}]", true, ErrorCode::Malformed),
        (b"[{\"type\":\"hello\"", true, ErrorCode::Malformed),
        (b"[{\"type\":\"ping\",\"token\":1}]", true, ErrorCode::Unexpected),
    ];
    for (bytes, is_text, expected) in cases {
        let mut raw = Raw::connect(relay.address(), Encoding::Binary).await;
        raw.send(Bytes::from_static(bytes), is_text).await;
        assert_eq!(failure(&mut raw).await, expected, "{bytes:?}");
        let mut raw = Raw::greeted(relay.address(), Encoding::Binary).await;
        raw.open(document.id(), text(Family::Yjs), Epoch::new([9; 16])).await;
        raw.send(Bytes::from_static(b"\xF5\x01\x00\x08\xFF"), false).await;
        assert_eq!(failure(&mut raw).await, ErrorCode::Malformed, "in the middle of a conversation");
    }
    let other = engine(&relay.url(), Encoding::Binary, Compression::Gzip);
    let copy = other.document("d", text(Family::Yjs)).await.unwrap();
    copy.in_sync().await.unwrap();
    assert_eq!((content(&copy).as_str(), content(&document).as_str()), ("untouched", "untouched"));
    insert(&document, "served, ");
    becomes(&copy, |text| text == "served, untouched").await;
}

#[tokio::test]
async fn documents_that_simulations_are_made_of_are_not_served() {
    let relay = Relay::start();
    let mut raw = Raw::greeted(relay.address(), Encoding::Binary).await;
    let (doc, log) = (
        DocId::new("d").unwrap(),
        Cursor { epoch: Epoch::new([9; 16]), offset: 0, digest: Digest::default() },
    );
    let spec = Spec { family: Family::Toy, kind: Kind::Tree };
    raw.say(&[Message::Open { doc: doc.clone(), spec, log, cursors: Vec::new() }]).await;
    let refused = |message: &Message| match message {
        Message::Failure { doc: Some(about), code, .. } if *about == doc => Some(*code),
        _ => None,
    };
    assert_eq!(raw.wait_for("failure", refused).await, ErrorCode::NotFound);
    assert_eq!(relay.status()["documents_stored"], 0);
}

#[tokio::test]
async fn a_stopping_relay_says_goodbye_and_when_to_come_back() {
    let mut relay = Relay::start();
    for encoding in [Encoding::Json, Encoding::Binary] {
        let mut raw = Raw::greeted(relay.address(), encoding).await;
        assert!(relay.stop().status.success());
        let wait = |message: &Message| match message {
            Message::Goodbye { retry_after } => Some(*retry_after),
            _ => None,
        };
        assert_eq!(raw.wait_for("goodbye", wait).await, RETRY_AFTER);
        assert!(raw.frame().await.is_none(), "the connection is closed");
        relay.restart();
    }
}

#[tokio::test]
async fn a_frame_beyond_the_limit_ends_its_connection_only() {
    let relay = Relay::start();
    let mut raw = Raw::greeted(relay.address(), Encoding::Binary).await;
    raw.send(vec![0; syncline_core::wire::MAX_FRAME_BYTES + 1].into(), false).await;
    while raw.frame().await.is_some() {}
    assert_eq!(raw.close_code(), Some(Close::TOO_LARGE));
    Raw::greeted(relay.address(), Encoding::Binary).await;
}

/// On one thread the engine works only while the test waits, so edits without a wait between them are one tick.
#[tokio::test(flavor = "current_thread")]
async fn the_edits_of_one_tick_are_one_frame() {
    const EDITS: u64 = 100;
    for family in FAMILIES {
        let relay = Relay::start();
        let client = engine(&relay.url(), Encoding::Binary, Compression::Gzip);
        let document = client.document("d", text(family)).await.unwrap();
        document.in_sync().await.unwrap();
        let (frames, updates) = (relay.count("frames_in"), relay.count("updates"));
        (0..EDITS).for_each(|_| insert(&document, "x"));
        document.saved(Saved::Relay).await.unwrap();
        assert_eq!(relay.count("updates"), updates + EDITS);
        assert_eq!(relay.count("frames_in"), frames + 1, "{family}: {EDITS} edits");
    }
}

#[tokio::test]
async fn several_documents_share_one_connection() {
    const DOCUMENTS: usize = 20;
    let relay = Relay::start();
    let client = engine(&relay.url(), Encoding::Binary, Compression::Gzip);
    let mut documents = Vec::new();
    for number in 0..DOCUMENTS {
        let document = client.document(&format!("d{number}"), text(FAMILIES[number % 2])).await.unwrap();
        insert(&document, &format!("text {number}"));
        documents.push(document);
    }
    for document in &documents {
        document.saved(Saved::Relay).await.unwrap();
    }
    let status = relay.status();
    assert_eq!(
        (status["links"].as_u64(), status["documents_stored"].as_u64()),
        (Some(1), Some(DOCUMENTS as u64))
    );
    assert!(
        status["documents"].as_array().unwrap().iter().all(|document| document["links"] == 1),
        "{status}"
    );
    let reader = engine(&relay.url(), Encoding::Json, Compression::Brotli);
    reader.connected().await;
    for number in 0..DOCUMENTS {
        let spec = reader.describe(&format!("d{number}")).await.unwrap().unwrap();
        let document = reader.document(&format!("d{number}"), spec).await.unwrap();
        becomes(&document, |text| text == format!("text {number}")).await;
    }
    assert_eq!(relay.count("links"), 2);
}
