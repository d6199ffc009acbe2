//! A disk without room, under an engine that goes on: edits say so, nothing that was saved is lost, and with room the same
//! handles work again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod before;
mod relayed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use before::Before;
use futures_util::FutureExt;
use relayed::{engine, relay, soon};
use syncline::node::Node;
use syncline::storage::StorageError;
use syncline::{
    Document, EditError, Engine, Family, Kind, Operation, Saved, Spec, SqliteStorage, Status, Value, storage,
};
use syncline_core::replica::{EditFailure, Policy};
use tempfile::TempDir;

/// More than may wait for a disk.
const LARGE_EDITS: usize = 160;
const LARGE_EDIT_BYTES: usize = 1 << 20;

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

fn put(document: &Document, path: &str) -> Result<(), EditError<syncline_core::operation::EditError>> {
    document.perform(Operation::Put { path: path.parse().unwrap(), value: true.into() })
}

fn open(folder: &TempDir) -> SqliteStorage {
    SqliteStorage::open(folder.path().join("app.db"), storage::Options::default()).unwrap()
}

/// Waits until the status is as wanted.
async fn told(engine: &Engine, wanted: impl FnMut(&Status) -> bool) {
    soon("told", engine.watch_status().wait_for(wanted)).await.unwrap();
}

#[tokio::test]
async fn a_relay_whose_disk_stands_still_takes_in_so_much_and_goes_on_with_the_disk() {
    let (folder, stands) = (TempDir::new().unwrap(), Arc::new(AtomicBool::new(false)));
    let stood = stands.clone();
    let commit = move || {
        while stood.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    };
    let store = Before { store: open(&folder), commit, load: || () };
    let (transport, node) = relay(store, Policy::relay(), Box::new(|_, _| {}));
    let engine = engine(&transport);
    let document = engine.document("d", SPEC).await.unwrap();
    put(&document, "/first").unwrap();
    soon("saved", document.saved(Saved::Relay)).await.unwrap();
    stands.store(true, Ordering::SeqCst);
    for number in 0..LARGE_EDITS {
        let path = format!("/k{number}").parse().unwrap();
        document.perform(Operation::Put { path, value: "x".repeat(LARGE_EDIT_BYTES).into() }).unwrap();
    }
    let full = async {
        while node.has_room().now_or_never().is_some() {
            tokio::task::yield_now().await;
        }
    };
    soon("as much as may wait", full).await;
    let taken = |node: &Node| node.look(|replica| replica.log(document.id()).unwrap().tail_bytes());
    assert!(taken(&node) < LARGE_EDITS * LARGE_EDIT_BYTES, "the rest waits where it comes from");
    stands.store(false, Ordering::SeqCst);
    soon("room again", node.has_room()).await;
    soon("all of it", document.saved(Saved::Relay)).await.unwrap();
    assert!(taken(&node) > LARGE_EDITS * LARGE_EDIT_BYTES);
}

#[tokio::test]
async fn edits_are_refused_while_the_disk_is_full_and_made_again_with_room() {
    let (folder, room) = (TempDir::new().unwrap(), Arc::new(AtomicBool::new(true)));
    let has_room = room.clone();
    let commit = move || match has_room.load(Ordering::SeqCst) {
        true => Ok(()),
        false => Err(StorageError::Full { path: "app.db".into() }),
    };
    let store = Before { store: open(&folder), commit, load: || () };
    let engine = Engine::builder(store).open().unwrap();
    let document = engine.document("board", SPEC).await.unwrap();
    put(&document, "/saved").unwrap();
    soon("saved", document.saved(Saved::Local)).await.unwrap();

    room.store(false, Ordering::SeqCst);
    put(&document, "/made").unwrap();
    told(&engine, |status| status.store.as_ref().is_some_and(|fault| fault.0.contains("no space"))).await;
    assert!(document.saved(Saved::Local).now_or_never().is_none(), "it is not on the disk");
    assert_eq!(document.progress().local, 1);
    let refused = put(&document, "/refused");
    assert!(matches!(refused, Err(EditError::Failed(EditFailure::Stopped(_)))), "{refused:?}");
    assert_eq!(document.value(&"/refused".parse().unwrap()), None);

    room.store(true, Ordering::SeqCst);
    told(&engine, |status| status.store.is_none()).await;
    put(&document, "/again").unwrap();
    soon("saved", document.saved(Saved::Local)).await.unwrap();
    engine.close().await;

    let engine = Engine::builder(open(&folder)).open().unwrap();
    let document = engine.existing("board").await.unwrap();
    for path in ["/saved", "/made", "/again"] {
        assert_eq!(document.value(&path.parse().unwrap()), Some(Value::from(true)), "{path}");
    }
    engine.close().await;
}
