//! What becomes of edits that a relay refuses, as the application sees it: lost ones are never said to be saved, and
//! those of others are nobody's failure.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod relayed;

use futures_util::StreamExt;
use syncline::transports::memory::{self, MemoryTransport};
use syncline::{Document, Family, Kind, MemoryStorage, Operation, SaveError, Saved, Spec, Value, node::Node};
use syncline_core::entry::Entry;
use syncline_core::id::DocId;
use syncline_core::replica::Policy;

use relayed::{engine, soon};

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

/// Refuses every edit of `/forbidden`.
fn accepts(_: &DocId, entry: &Entry) -> Result<(), String> {
    let forbidden = |touch: &syncline_core::entry::Touch| touch.path.to_string() == "/forbidden";
    if entry.touched.iter().any(forbidden) { Err("that is forbidden".to_owned()) } else { Ok(()) }
}

fn relay() -> (MemoryTransport, Node) {
    relayed::relay(MemoryStorage::new(), Policy { accepts, ..Policy::relay() }, Box::new(|_, _| {}))
}

fn put(document: &Document, path: &str) {
    document.perform(Operation::Put { path: path.parse().unwrap(), value: true.into() }).unwrap();
}

fn holds(document: &Document, path: &str) -> bool {
    document.value(&path.parse().unwrap()) == Some(Value::Bool(true))
}

async fn until(what: &str, document: &Document, done: impl Fn() -> bool) {
    let mut changes = document.changes();
    while !done() {
        soon(what, changes.next()).await;
    }
}

fn is_refused(saved: &Result<(), SaveError>) -> bool {
    matches!(saved, Err(SaveError::Refused { operations: 1, reason, .. }) if reason.contains("forbidden"))
}

#[tokio::test]
async fn a_lost_edit_is_told_whenever_one_asks_until_the_application_takes_note() {
    let (transport, relay) = relay();
    let (ada, ben) = (engine(&transport), engine(&transport));
    let document = soon("open", ada.document("board", SPEC)).await.unwrap();
    put(&document, "/first");
    soon("saved", document.saved(Saved::Relay)).await.unwrap();
    assert_eq!(document.loss(), None);

    put(&document, "/forbidden");
    put(&document, "/second");
    until("taken back", &document, || !holds(&document, "/forbidden")).await;
    for _ in 0..2 {
        let saved = soon("told", document.saved(Saved::Relay)).await;
        assert!(is_refused(&saved), "{saved:?}");
    }
    soon("saved here all the same", document.saved(Saved::Local)).await.unwrap();
    let loss = document.take_loss().unwrap();
    assert_eq!(((loss.operations.len(), loss.count), loss.reason.contains("forbidden")), ((1, 1), true));
    soon("made again and saved", document.saved(Saved::Relay)).await.unwrap();
    assert_eq!(document.take_loss(), None);

    put(&document, "/forbidden");
    let saved = soon("told while it waits", document.saved(Saved::Relay)).await;
    assert!(is_refused(&saved), "{saved:?}");

    let other = soon("open", ben.document("board", SPEC)).await.unwrap();
    soon("in sync", other.in_sync()).await.unwrap();
    assert!(holds(&other, "/first") && holds(&other, "/second") && !holds(&other, "/forbidden"));
    assert_eq!((ada.status().pending, document.progress().lost), (0, 2));
    for engine in [ada, ben] {
        engine.close().await;
    }
    relay.close().await;
}

#[tokio::test]
async fn what_the_relay_refuses_of_somebody_else_fails_nobody_here() {
    let (transport, relay) = relay();
    let (neighbour, mut listener) = memory::listen();
    let (ada, ben) = (engine(&neighbour), engine(&transport));
    transport.faults().refuse(true);
    let accepting = ben.clone();
    tokio::spawn(async move {
        while let Some(link) = listener.accept().await {
            accepting.accept(link);
        }
    });
    let there = soon("open", ada.document("board", SPEC)).await.unwrap();
    let here = soon("open", ben.document("board", SPEC)).await.unwrap();
    put(&there, "/forbidden");
    until("seen by the neighbour", &here, || holds(&here, "/forbidden")).await;
    put(&here, "/fine");

    let saved = here.saved(Saved::Relay);
    transport.faults().refuse(false);
    soon("saved at the relay", saved).await.unwrap();
    until("taken back", &here, || !holds(&here, "/forbidden")).await;
    soon("still saved", here.saved(Saved::Relay)).await.unwrap();
    assert!(here.loss().is_none() && holds(&here, "/fine"));
    until("taken back by its author", &there, || !holds(&there, "/forbidden")).await;
    for engine in [ada, ben] {
        engine.close().await;
    }
    relay.close().await;
}
