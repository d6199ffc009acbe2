//! Clients that keep to the protocol and mean harm: nobody's word takes out of a relay what others were told is saved.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use bytes::Bytes;
use syncline::{DocId, Encoding, Family, Kind, Principal, Spec};
use syncline_core::crdt;
use syncline_core::entry::{Blame, Body, Cursor, Digest, Entry, Seen};
use syncline_core::id::{EntryId, Epoch, Have, ReplicaId};
use syncline_core::time::Time;
use syncline_core::wire::{ErrorCode, Hello, Message, Numbered, OLDEST_VERSION, VERSION};
use syncline_tests::process::raw::Raw;
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;

const MALLORYS_LOG: Epoch = Epoch::new([66; 16]);

/// What is in every document of these tests, and saved.
const CONTENT: &str = r#"{"a":1,"b":2}"#;

fn doc() -> DocId {
    DocId::new("d").unwrap()
}

fn specs() -> [Spec; 2] {
    [Family::Yjs, Family::Automerge].map(|family| Spec { family, kind: Kind::Tree })
}

/// A relay, somebody whose edits are saved there, and those edits.
async fn victim(spec: Spec) -> (Relay, Terminal, Vec<EntryId>) {
    let relay = Relay::start();
    let ada = Terminal::with_relay(relay.url());
    ada.ok(["create", "d", "--crdt", &spec.family.to_string()]);
    ada.ok(["set", "d", "/a", "1"]);
    ada.ok(["set", "d", "/b", "2"]);
    ada.ok(["sync"]);
    let mut reader = Raw::greeted(relay.address(), Encoding::Binary).await;
    reader.open(&doc(), spec, Epoch::new([1; 16])).await;
    let mut ids = Vec::new();
    while ids.len() < 2 {
        for message in reader.hear().await.unwrap() {
            if let Message::Entries { entries, .. } = message {
                ids.extend(entries.iter().map(|numbered| numbered.entry.id));
            }
        }
    }
    (relay, ada, ids)
}

/// What somebody new gets from the relay, and what the author is left with.
fn assert_untouched(relay: &Relay, ada: &Terminal) {
    let ben = Terminal::with_relay(relay.url());
    ben.ok(["sync", "d"]);
    assert_eq!(ben.ok(["show", "d"]), CONTENT);
    ada.ok(["sync", "d"]);
    assert_eq!(ada.ok(["show", "d"]), CONTENT);
}

async fn mallory(relay: &Relay, spec: Spec, claims_relay: bool) -> Raw {
    let mut raw = Raw::connect(relay.address(), Encoding::Binary).await;
    let agent = "mallory".to_owned();
    let (oldest, newest, relay, acks) = (OLDEST_VERSION, VERSION, claims_relay, true);
    raw.say(&[Message::Hello(Hello { oldest, newest, agent, relay, acks, compression: Vec::new() })]).await;
    raw.open(&doc(), spec, MALLORYS_LOG).await;
    raw
}

/// Waits until the relay has dealt with everything that was said.
async fn heard(raw: &mut Raw) {
    raw.say(&[Message::Ping { token: 7 }]).await;
    raw.wait_for("pong", |message| matches!(message, Message::Pong { .. }).then_some(())).await;
}

#[tokio::test]
async fn whoever_calls_himself_a_relay_refuses_nothing_at_one() {
    for spec in specs() {
        let (relay, ada, ids) = victim(spec).await;
        let mut mallory = mallory(&relay, spec, true).await;
        for id in ids {
            let (blame, reason) = (Blame::Entry, "because".to_owned());
            mallory.say(&[Message::Refused { doc: doc(), id, blame, reason }]).await;
        }
        heard(&mut mallory).await;
        assert_untouched(&relay, &ada);
    }
}

#[tokio::test]
async fn nobody_voids_what_others_wrote() {
    for spec in specs() {
        let (relay, ada, ids) = victim(spec).await;
        let mut mallory = mallory(&relay, spec, false).await;
        let entry = Arc::new(Entry {
            id: EntryId { replica: ReplicaId::new([66; 16]), counter: 1 },
            author: Principal::new("mallory").unwrap(),
            time: Time(1),
            seen: Seen::default(),
            touched: Vec::new(),
            body: Body::Void(ids[0]),
        });
        mallory.say(&[Message::Entries { doc: doc(), entries: vec![Numbered { offset: 1, entry }] }]).await;
        let refused = |message: &Message| matches!(message, Message::Refused { .. }).then_some(());
        mallory.wait_for("refused", refused).await;
        assert_untouched(&relay, &ada);
    }
}

/// Brings the relay to take a snapshot: of this state, said to hold these entries.
async fn upload(mallory: &mut Raw, state: Bytes, covers: Have) {
    mallory.say(&[Message::NeedHave { doc: doc() }]).await;
    mallory.wait_for("have", |message| matches!(message, Message::Have { .. }).then_some(())).await;
    let cursor = Cursor { epoch: MALLORYS_LOG, offset: 9, digest: Digest(9) };
    let total = state.len() as u64;
    let snapshot = Message::SnapshotPart { doc: doc(), cursor, covers: Some(covers), total, bytes: state };
    mallory.say(&[Message::Resume { doc: doc() }, snapshot]).await;
}

#[tokio::test]
async fn a_snapshot_that_holds_less_than_it_says_takes_nothing_away() {
    for spec in specs() {
        let (relay, ada, mut ids) = victim(spec).await;
        let mut mallory = mallory(&relay, spec, false).await;
        // Something new, so that the relay wants it.
        ids.push(EntryId { replica: ReplicaId::new([66; 16]), counter: 1 });
        let empty = crdt::create(spec).snapshot().unwrap();
        upload(&mut mallory, empty, ids.into_iter().collect()).await;
        heard(&mut mallory).await;
        assert_untouched(&relay, &ada);
        ada.ok(["compact"]);
        ada.ok(["check"]);
        assert_untouched(&relay, &ada);
    }
}

#[tokio::test]
async fn a_snapshot_of_entries_without_what_they_build_on_is_refused() {
    for spec in specs() {
        let relay = Relay::start();
        let ada = Terminal::with_relay(relay.url());
        ada.ok(["create", "d", "--crdt", &spec.family.to_string()]);
        ada.ok(["set", "d", "/a", "[1]"]);
        ada.ok(["sync"]);
        let ben = Terminal::with_relay(relay.url());
        ben.ok(["sync", "d"]);
        ben.ok(["insert", "d", "/a/-", "2"]);
        ben.ok(["sync"]);
        let mut mallory = mallory(&relay, spec, false).await;
        let second = mallory.wait_for("entries", |message| match message {
            Message::Entries { entries, .. } => entries.last().map(|numbered| numbered.entry.id),
            _ => None,
        });
        let covers = [second.await, EntryId { replica: ReplicaId::new([66; 16]), counter: 1 }];
        upload(&mut mallory, crdt::create(spec).snapshot().unwrap(), covers.into_iter().collect()).await;
        let code = mallory.wait_for("failure", |message| match message {
            Message::Failure { code, .. } => Some(*code),
            _ => None,
        });
        assert_eq!(code.await, ErrorCode::Malformed);
        let cyd = Terminal::with_relay(relay.url());
        cyd.ok(["sync", "d"]);
        assert_eq!(cyd.ok(["show", "d"]), r#"{"a":[1,2]}"#);
    }
}
