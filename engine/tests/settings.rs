//! What an engine is told when it is made, and a document when it is opened.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod relayed;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use syncline::node::Node;
use syncline::transports::memory;
use syncline::{
    Batching, Compaction, Document, Engine, Family, Kind, MemoryStorage, OpenError, Operation, Path, Saved,
    Spec,
};
use syncline_core::event::{DocumentError, Event};
use syncline_core::replica::Policy;

use relayed::{relay, soon};

const TEXT: Spec = Spec { family: Family::Yjs, kind: Kind::Text };
const TREE: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };
const EDITS: usize = 20;

/// Far shorter than a pause for which a merge waits.
const BETWEEN_KEYS: Duration = Duration::from_millis(10);

fn type_x(document: &Document) {
    let path = Path::root().child(Kind::TEXT_KEY);
    document.perform(Operation::Splice { path, at: 0, delete: 0, insert: "x".to_owned() }).unwrap();
}

/// A relay that counts how often it is told something new.
fn counting_relay() -> (memory::MemoryTransport, Arc<AtomicUsize>) {
    let frames = Arc::new(AtomicUsize::new(0));
    let count = frames.clone();
    let on_event = move |_: &Node, event: Event| {
        if matches!(event, Event::Changed { .. }) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (transport, _relay) = relay(MemoryStorage::new(), Policy::relay(), Box::new(on_event));
    (transport, frames)
}

/// How many frames a relay gets of edits each of which is on disk before the next is made.
async fn frames(batching: Batching) -> usize {
    let (transport, frames) = counting_relay();
    let builder = Engine::builder(MemoryStorage::new()).relay(transport).batching(batching);
    let engine = builder.open().unwrap();
    let document = engine.document("d", TEXT).await.unwrap();
    document.in_sync().await.unwrap();
    for _ in 0..EDITS {
        type_x(&document);
        document.saved(Saved::Local).await.unwrap();
    }
    document.saved(Saved::Relay).await.unwrap();
    engine.close().await;
    frames.load(Ordering::Relaxed)
}

#[tokio::test]
async fn edits_without_a_pause_do_not_put_off_for_ever_that_their_log_is_merged() {
    let compaction = Compaction { least_bytes: 1, keep_entries: 1, ..Compaction::default() };
    let engine = Engine::builder(MemoryStorage::new()).compaction(compaction).open().unwrap();
    let document = engine.document("d", TEXT).await.unwrap();
    let types = async {
        let mut tick = tokio::time::interval(BETWEEN_KEYS);
        while document.history().unwrap().merged == 0 {
            tick.tick().await;
            type_x(&document);
        }
    };
    soon("merged", types).await;
    engine.close().await;
}

#[tokio::test]
async fn updates_wait_for_others_if_that_is_set() {
    let delayed = frames(Batching { delay: 1_000, ..Batching::default() });
    assert_eq!(soon("all edits", delayed).await, 1);
    let eager = soon("all edits", frames(Batching::default())).await;
    assert!(eager > 1, "{EDITS} edits in {eager} frames");
}

#[tokio::test]
async fn a_document_opened_as_two_things_at_once_is_one_of_them() {
    let engine = Engine::builder(MemoryStorage::new()).open().unwrap();
    let (text, tree) = tokio::join!(engine.document("d", TEXT), engine.document("d", TREE));
    assert!(text.is_ok());
    let error = tree.err().unwrap();
    assert!(matches!(error, OpenError::Document(DocumentError::SpecMismatch { .. })), "{error:?}");
}
