//! The hybrid transport over real relays: two of them, killed and restarted in turn under an editing client.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use futures_util::StreamExt;
use syncline::transports::{Hybrid, Transport, WebSocket, memory};
use syncline::{
    Connection, Document, Engine, MemoryStorage, Operation, Saved, SqliteStorage, Status, storage,
};
use syncline_tests::process::relay::Relay;
use syncline_tests::process::{PATIENCE, load, store};
use tempfile::TempDir;

/// How soon better transports are tried here.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// Longest wait between attempts to connect, in milliseconds.
const LONGEST_WAIT: u64 = 100;

const DOC: &str = "board";

fn hybrid(transports: Vec<Box<dyn Transport>>) -> Hybrid {
    Hybrid::new(transports).probe_interval(PROBE_INTERVAL).patience(PROBE_INTERVAL)
}

fn web(url: String) -> Box<dyn Transport> {
    Box::new(WebSocket::new(url))
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Waits until the engine is connected to this endpoint.
async fn connected_to(engine: &Engine, url: &str) {
    let there = |status: &Status| {
        let mut connections = status.connections.iter();
        connections
            .any(|connection| matches!(connection, Connection::Connected { endpoint, .. } if endpoint == url))
    };
    let mut status = engine.watch_status();
    in_time(url, status.wait_for(there)).await.unwrap();
}

/// Waits until the document is as wanted.
async fn becomes(document: &Document, what: &str, wanted: impl Fn(&syncline::Value) -> bool) {
    let mut changes = document.changes();
    let waiting = async {
        while !load::whole(document).is_some_and(|content| wanted(&content)) {
            changes.next().await;
        }
    };
    in_time(what, waiting).await;
}

/// Edits from several phases, each with a name of its own.
struct Editor {
    document: Document,
    made: usize,
}

impl Editor {
    async fn edit(&mut self, times: usize) {
        for _ in 0..times {
            self.made += 1;
            let path = format!("{}/edit.{}", load::EDITS, self.made);
            let edited = self.document.edit(|editor| {
                editor.perform(Operation::Put { path: path.parse().unwrap(), value: true.into() })?;
                editor.perform(Operation::Increment { path: load::COUNT.parse().unwrap(), by: 1 })
            });
            edited.unwrap();
            // Others get their turn, so that edits meet connections in every state.
            tokio::task::yield_now().await;
        }
    }
}

async fn relays_take_turns(family: &str) {
    let spec = load::spec(family).unwrap();
    let (mut first, mut second) = (Relay::start(), Relay::start());
    load::prepare(&first.url(), DOC, spec).await.unwrap();
    let folder = TempDir::new().unwrap();
    let storage = SqliteStorage::open(folder.path().join("app.db"), storage::Options::default()).unwrap();
    let transport = hybrid(vec![web(first.url()), web(second.url())]);
    let engine = Engine::builder(storage).relay(transport).longest_wait(LONGEST_WAIT).open().unwrap();
    let document = engine.document(DOC, spec).await.unwrap();
    becomes(&document, "the prepared document", |content| load::keys(content).is_some()).await;
    let mut editor = Editor { document: document.clone(), made: 1 };
    for _ in 0..2 {
        connected_to(&engine, &first.url()).await;
        editor.edit(20).await;
        first.kill();
        editor.edit(20).await;
        connected_to(&engine, &second.url()).await;
        editor.edit(20).await;
        in_time("saved at the second", document.saved(Saved::Relay)).await.unwrap();
        first.restart();
        editor.edit(20).await;
        connected_to(&engine, &first.url()).await;
        second.kill();
        editor.edit(20).await;
        second.restart();
    }
    // Each relay holds what it has heard; a last visit to each brings what the other was told.
    first.kill();
    connected_to(&engine, &second.url()).await;
    in_time("in sync with the second", document.in_sync()).await.unwrap();
    first.restart();
    connected_to(&engine, &first.url()).await;
    in_time("in sync with the first", document.in_sync()).await.unwrap();
    in_time("saved", document.saved(Saved::Relay)).await.unwrap();

    let reader = Engine::builder(MemoryStorage::new()).relay(WebSocket::new(first.url())).open().unwrap();
    let read = reader.document(DOC, spec).await.unwrap();
    becomes(&read, "every edit at the reader", |content| load::keys(content) == Some(editor.made)).await;
    let expected = load::edits(&load::whole(&document).unwrap()).unwrap();
    assert_eq!(expected.len(), editor.made);
    assert_eq!(load::edits(&load::whole(&read).unwrap()).as_ref(), Ok(&expected));
    for mut relay in [first, second] {
        relay.kill();
        let held = store::read(&relay.store(), DOC).await.unwrap();
        assert_eq!(load::edits(&held).as_ref(), Ok(&expected), "at a relay, every edit once");
    }
}

#[tokio::test]
async fn two_relays_killed_in_turn_end_with_every_yjs_edit_once() {
    relays_take_turns("yjs").await;
}

#[tokio::test]
async fn two_relays_killed_in_turn_end_with_every_automerge_edit_once() {
    relays_take_turns("automerge").await;
}

async fn neighbours_go_on(family: &str) {
    let spec = load::spec(family).unwrap();
    let (mut first, mut second) = (Relay::start(), Relay::start());
    load::prepare(&first.url(), DOC, spec).await.unwrap();
    let (neighbour, mut listener) = memory::listen();
    let relays = || vec![web(first.url()), web(second.url())];
    let with_fallback =
        relays().into_iter().chain([Box::new(neighbour.named("neighbour")) as Box<dyn Transport>]);
    let open = |transport| {
        Engine::builder(MemoryStorage::new()).relay(transport).longest_wait(LONGEST_WAIT).open().unwrap()
    };
    let (ada, ben) = (open(hybrid(with_fallback.collect())), open(hybrid(relays())));
    let accepting = ben.clone();
    tokio::spawn(async move {
        while let Some(link) = listener.accept().await {
            accepting.accept(link);
        }
    });
    let (a, b) = (ada.document(DOC, spec).await.unwrap(), ben.document(DOC, spec).await.unwrap());
    for document in [&a, &b] {
        becomes(document, "the prepared document", |content| load::keys(content).is_some()).await;
    }
    first.kill();
    second.kill();
    connected_to(&ada, "neighbour").await;
    for (document, name) in [(&a, "ada"), (&b, "ben"), (&a, "ada again")] {
        let path = format!("{}/{name}", load::EDITS).parse().unwrap();
        document.perform(Operation::Put { path, value: true.into() }).unwrap();
    }
    for document in [&a, &b] {
        becomes(document, "both neighbours' edits", |content| load::keys(content) == Some(4)).await;
    }
    assert!(a.progress().pending > 0, "a neighbour is no relay");
    first.restart();
    connected_to(&ada, &first.url()).await;
    connected_to(&ben, &first.url()).await;
    for document in [&a, &b] {
        in_time("saved", document.saved(Saved::Relay)).await.unwrap();
    }
    assert_eq!(load::whole(&a), load::whole(&b));
}

#[tokio::test]
async fn two_yjs_engines_of_one_process_go_on_while_both_relays_are_down() {
    neighbours_go_on("yjs").await;
}

#[tokio::test]
async fn two_automerge_engines_of_one_process_go_on_while_both_relays_are_down() {
    neighbours_go_on("automerge").await;
}
