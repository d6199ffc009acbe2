//! Nobody waits for what will never come: engines that close, stores that die, documents that go.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod before;
mod relayed;

use std::sync::mpsc;

use syncline::transports::memory;
use syncline::{
    EditError, Engine, Family, Kind, MemoryStorage, OpenError, Operation, SaveError, Saved, Spec,
    SqliteStorage, storage,
};
use syncline_core::replica::EditFailure;

use before::Before;
use relayed::soon;

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

fn put(path: impl AsRef<str>) -> Operation {
    Operation::Put { path: path.as_ref().parse().unwrap(), value: true.into() }
}

#[tokio::test]
async fn opening_ends_with_the_store_that_dies_of_it() {
    let store =
        Before { store: MemoryStorage::new(), commit: || Ok(()), load: || panic!("a bug in the store") };
    let engine = Engine::builder(store).open().unwrap();
    for doc in ["one", "another"] {
        let opened = soon("answered", engine.document(doc, SPEC)).await;
        assert!(matches!(opened, Err(OpenError::Document(_))), "{:?}", opened.err());
    }
    assert!(soon("answered", engine.list()).await.is_err());
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_ends_when_the_engine_is_closed() {
    let (asked, asks) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let mut loads = 0;
    let load = move || {
        loads += 1;
        if loads > 1 {
            asked.send(()).unwrap();
            released.recv().unwrap();
        }
    };
    let engine =
        Engine::builder(Before { store: MemoryStorage::new(), commit: || Ok(()), load }).open().unwrap();
    let open = engine.document("open", SPEC).await.unwrap();
    let opening = tokio::spawn({
        let engine = engine.clone();
        async move { engine.document("slow", SPEC).await.err() }
    });
    tokio::task::spawn_blocking(move || asks.recv().unwrap()).await.unwrap();
    let closing = tokio::spawn({
        let engine = engine.clone();
        async move { engine.close().await }
    });
    // The store is busy until the engine has begun to close.
    while open.edit(|_| Ok::<_, std::fmt::Error>(())).is_ok() {
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    soon("closed", closing).await.unwrap();
    let error = soon("answered", opening).await.unwrap();
    assert!(matches!(error, None | Some(OpenError::Closed)), "{error:?}");
    let error = soon("answered", engine.document("late", SPEC)).await.err();
    assert!(matches!(error, Some(OpenError::Closed)), "{error:?}");
}

#[tokio::test]
async fn whoever_waits_for_a_document_that_is_deleted_hears_of_it() {
    let (unreachable, _) = memory::listen();
    let engine = Engine::builder(MemoryStorage::new()).relay(unreachable).open().unwrap();
    let document = engine.document("board", SPEC).await.unwrap();
    document.perform(put("/a")).unwrap();
    document.saved(Saved::Local).await.unwrap();
    assert_eq!(engine.status().pending, 1);
    let waiting = [document.clone(), document.clone()].map(|document| {
        tokio::spawn(async move {
            let saved = document.saved(Saved::Relay).await;
            (saved, document.in_sync().await)
        })
    });
    engine.delete("board").unwrap();
    for waiting in waiting {
        let (saved, in_sync) = soon("told", waiting).await.unwrap();
        assert!(matches!(saved, Err(SaveError::Deleted(_))), "{saved:?}");
        assert!(matches!(in_sync, Err(SaveError::Deleted(_))), "{in_sync:?}");
    }
    soon("nothing to compact", document.compact()).await;
    assert_eq!(engine.status().pending, 0);

    let again = engine.document("board", SPEC).await.unwrap();
    assert!(document.perform(put("/b")).is_err(), "the old handle is dead");
    again.perform(put("/c")).unwrap();
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_was_made_is_in_the_store_whenever_the_engine_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteStorage::open(folder.path().join("app.db"), storage::Options::default()).unwrap();
    let engine = Engine::builder(open()).open().unwrap();
    let document = engine.document("board", SPEC).await.unwrap();
    let (first, made_one) = mpsc::channel();
    let editing = std::thread::spawn(move || {
        let mut made = 0;
        loop {
            match document.perform(put(format!("/{}", made % 100))) {
                Ok(()) => made += 1,
                Err(EditError::Closed) => return made,
                Err(EditError::Failed(EditFailure::Busy)) => std::thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
            let _heard = first.send(());
        }
    });
    tokio::task::spawn_blocking(move || made_one.recv().unwrap()).await.unwrap();
    soon("closed", engine.close()).await;
    let made = tokio::task::spawn_blocking(move || editing.join().unwrap()).await.unwrap();

    let engine = Engine::builder(open()).open().unwrap();
    let document = engine.existing("board").await.unwrap();
    assert_eq!(document.progress().made, made);
    engine.close().await;
}
