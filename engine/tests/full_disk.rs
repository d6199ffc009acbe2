//! A disk without room, under an engine that goes on: edits say so, nothing that was saved is lost, and with room the same
//! handles work again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod before;
mod relayed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use before::Before;
use futures_util::FutureExt;
use relayed::soon;
use syncline::storage::StorageError;
use syncline::{
    Document, EditError, Engine, Family, Kind, Operation, Saved, Spec, SqliteStorage, Status, Value, storage,
};
use syncline_core::replica::EditFailure;
use tempfile::TempDir;

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
