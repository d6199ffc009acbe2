//! Clients that keep to the protocol and fill a relay's memory: each costs it only so much, and others are served.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use bytes::Bytes;
use syncline::{DocId, Encoding, Family, Kind, Principal, Spec};
use syncline_core::entry::{Body, Cursor, Digest, Entry, Seen};
use syncline_core::id::{EntryId, Epoch, Have, ReplicaId};
use syncline_core::time::Time;
use syncline_core::wire::{ErrorCode, MAX_SNAPSHOT_PART_BYTES, Message, Numbered};
use syncline_tests::process::memory;
use syncline_tests::process::raw::Raw;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

/// Replicas that never were, of which a client tells: as many as fit into a frame.
const REPLICAS: u64 = 600_000;

/// Documents of which it does so; each would cost some 20 MiB.
const TOLD_DOCUMENTS: u64 = 24;

/// Replicas of a document of which the relay is asked what it holds: the answer has 720 KB.
const WRITERS: u64 = 30_000;

/// How often it is asked in one frame.
const QUESTIONS: usize = 1_000;

/// Documents of which snapshots are begun, and so many parts of each sent: 64 MiB.
const BEGUN_DOCUMENTS: u64 = 8;
const PARTS: usize = 256;

fn doc(number: u64) -> DocId {
    DocId::new(&format!("d{number}")).unwrap()
}

fn id(number: u64) -> EntryId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    EntryId { replica: ReplicaId::new(bytes), counter: 1 }
}

async fn opened(raw: &mut Raw, number: u64) {
    raw.open(&doc(number), SPEC, Epoch::new([7; 16])).await;
}

async fn heard(raw: &mut Raw) {
    raw.say(&[Message::Ping { token: 7 }]).await;
    raw.wait_for("pong", |message| matches!(message, Message::Pong { .. }).then_some(())).await;
}

/// The relay after a flood: it has grown by this much, and serves.
fn growth(relay: &mut Relay, before: u64) -> u64 {
    let ada = Terminal::with_relay(relay.url());
    ada.ok(["create", "honest"]);
    ada.ok(["set", "honest", "/a", "1"]);
    ada.ok(["sync"]);
    memory::peak(relay.process().pid()) - before
}

#[tokio::test]
async fn what_a_client_says_it_holds_costs_little() {
    let mut relay = Relay::start();
    let mut raw = Raw::greeted(relay.address(), Encoding::Binary).await;
    let have: Have = (1..=REPLICAS).map(id).collect();
    let before = memory::resident(relay.process().pid());
    for number in 0..TOLD_DOCUMENTS {
        opened(&mut raw, number).await;
        raw.say(&[Message::Have { doc: doc(number), have: have.clone() }]).await;
        heard(&mut raw).await;
    }
    let growth = growth(&mut relay, before);
    assert!(growth < 128 << 20, "{growth} bytes");
}

#[tokio::test]
async fn small_questions_with_large_answers_end_their_link() {
    let mut relay = Relay::start();
    let mut raw = Raw::greeted(relay.address(), Encoding::Binary).await;
    opened(&mut raw, 0).await;
    let entry = |number| Entry {
        id: id(number),
        author: Principal::new("mallory").unwrap(),
        time: Time(1),
        seen: Seen::default(),
        touched: Vec::new(),
        body: Body::Update(Bytes::from_static(&[0, 0])),
    };
    let entries = (1..=WRITERS).map(|offset| Numbered { offset, entry: Arc::new(entry(offset)) }).collect();
    raw.say(&[Message::Entries { doc: doc(0), entries }]).await;
    heard(&mut raw).await;
    let before = memory::resident(relay.process().pid());
    raw.say(&vec![Message::NeedHave { doc: doc(0) }; QUESTIONS]).await;
    while raw.hear().await.is_some() {}
    let growth = growth(&mut relay, before);
    assert!(growth < 256 << 20, "{growth} bytes");
}

#[tokio::test]
async fn snapshots_that_are_never_finished_share_one_limit() {
    let mut relay = Relay::start();
    let mut raw = Raw::greeted(relay.address(), Encoding::Binary).await;
    let before = memory::resident(relay.process().pid());
    let cursor = Cursor { epoch: Epoch::new([7; 16]), offset: 9, digest: Digest(9) };
    let bytes = Bytes::from(vec![1; MAX_SNAPSHOT_PART_BYTES]);
    let (total, covers) = (255 << 20, Some([id(1)].into_iter().collect::<Have>()));
    for number in 0..BEGUN_DOCUMENTS {
        opened(&mut raw, number).await;
        raw.say(&[Message::NeedHave { doc: doc(number) }, Message::Resume { doc: doc(number) }]).await;
        for part in 0..PARTS {
            let covers = covers.clone().filter(|_| part == 0);
            let (doc, bytes) = (doc(number), bytes.clone());
            raw.say(&[Message::SnapshotPart { doc, cursor, covers, total, bytes }]).await;
        }
    }
    let code = raw.wait_for("failure", |message| match message {
        Message::Failure { code, .. } => Some(*code),
        _ => None,
    });
    assert_eq!(code.await, ErrorCode::Unavailable);
    heard(&mut raw).await;
    let growth = growth(&mut relay, before);
    assert!(growth < 400 << 20, "{growth} bytes");
}
