//! Engines over real stores, in-memory links and both CRDT families: edit, lose the link, come back, be equal.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod relayed;

use std::time::Duration;
use syncline::{
    BoxError, Document, Engine, Family, Kind, MemoryStorage, Operation, Saved, Spec, SqliteStorage, Value,
    storage,
};

use syncline_core::replica::Policy;

use relayed::{engine, relay, soon};

fn spec(family: Family) -> Spec {
    Spec { family, kind: Kind::Tree }
}

fn put(document: &Document, path: &str, value: impl Into<Value>) {
    document.perform(Operation::Put { path: path.parse().unwrap(), value: value.into() }).unwrap();
}

fn whole(document: &Document) -> Value {
    document.value(&syncline::Path::root()).unwrap()
}

#[tokio::test]
async fn who_comes_while_others_write_is_in_sync_before_they_stop() {
    let (transport, _relay) = relay(MemoryStorage::new(), Policy::relay(), Box::new(|_, _| {}));
    let (ada, ben) = (engine(&transport), engine(&transport));
    let written = ada.document("d", spec(Family::Yjs)).await.unwrap();
    let writes = async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        for number in 0.. {
            tick.tick().await;
            put(&written, "/n", number);
        }
    };
    let reads = async {
        let read = ben.document("d", spec(Family::Yjs)).await.unwrap();
        let mut changes = read.changes();
        // They are in the middle of it.
        futures_util::StreamExt::next(&mut changes).await;
        read.in_sync().await.unwrap();
    };
    tokio::select! {
        () = soon("in sync", reads) => {}
        () = writes => {}
    }
}

async fn come_back_equal(family: Family) -> Result<(), BoxError> {
    let (transport, relay) = relay(MemoryStorage::new(), Policy::relay(), Box::new(|_, _| {}));
    let (ada, ben) = (engine(&transport), engine(&transport));
    let a = soon("open", ada.document("team/board", spec(family))).await?;
    let b = soon("open", ben.document("team/board", spec(family))).await?;
    put(&a, "/title", "Plan");
    soon("saved at the relay", a.saved(Saved::Relay)).await?;
    soon("in sync", b.in_sync()).await?;
    transport.faults().refuse(true);
    transport.faults().cut_all();
    put(&a, "/ada", "was here");
    put(&b, "/ben", "too");
    soon("saved here", a.saved(Saved::Local)).await?;
    assert_eq!(a.progress().pending, 1);
    transport.faults().refuse(false);
    for document in [&a, &b] {
        soon("saved at the relay", document.saved(Saved::Relay)).await?;
    }
    let expected = Value::Map(
        [("title", "Plan"), ("ada", "was here"), ("ben", "too")]
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .into(),
    );
    for document in [&a, &b] {
        let mut progress = document.changes();
        while whole(document) != expected {
            soon("the other's edit", futures_util::StreamExt::next(&mut progress)).await;
        }
    }
    assert_eq!(ada.status().pending, 0);
    ada.close().await;
    ben.close().await;
    relay.close().await;
    Ok(())
}

#[tokio::test]
async fn yjs_replicas_edit_offline_and_come_back_equal() -> Result<(), BoxError> {
    come_back_equal(Family::Yjs).await
}

#[tokio::test]
async fn automerge_replicas_edit_offline_and_come_back_equal() -> Result<(), BoxError> {
    come_back_equal(Family::Automerge).await
}

#[tokio::test]
async fn toy_replicas_edit_offline_and_come_back_equal() -> Result<(), BoxError> {
    come_back_equal(Family::Toy).await
}

#[tokio::test]
async fn a_store_keeps_what_was_saved_and_one_engine_holds_it() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("app.db");
    let open = || SqliteStorage::open(&path, storage::Options::default());
    let engine = Engine::builder(open()?).open()?;
    let document = engine.document("notes", spec(Family::Yjs)).await?;
    put(&document, "/kept", true);
    document.saved(Saved::Local).await?;
    assert!(matches!(open(), Err(storage::StorageError::Locked { .. })), "two engines on one store");
    engine.close().await;

    let engine = Engine::builder(open()?).open()?;
    let document = engine.existing("notes").await?;
    assert_eq!(document.value(&"/kept".parse()?), Some(Value::Bool(true)));
    assert_eq!(document.progress().pending, 1, "no relay has it");
    engine.close().await;
    Ok(())
}

#[tokio::test]
async fn an_edit_inside_an_edit_is_an_error_and_a_failed_edit_leaves_nothing() -> Result<(), BoxError> {
    let engine = Engine::builder(MemoryStorage::new()).open()?;
    let document = engine.document("notes", spec(Family::Yjs)).await?;
    let refused = document.edit(|editor| {
        editor.perform(Operation::Put { path: "/half".parse()?, value: true.into() })?;
        assert!(matches!(
            document.perform(Operation::Remove { path: "/half".parse()? }),
            Err(syncline::EditError::Reentrant)
        ));
        Err::<(), BoxError>("changed my mind".into())
    });
    assert!(refused.is_err());
    assert_eq!(whole(&document), Value::Map([].into()));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        document.edit(|editor| -> Result<(), BoxError> {
            editor.perform(Operation::Put { path: "/half".parse()?, value: true.into() })?;
            panic!("in the middle")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(whole(&document), Value::Map([].into()));
    put(&document, "/whole", true);
    assert_eq!(document.value(&"/whole".parse()?), Some(Value::Bool(true)));
    engine.close().await;
    Ok(())
}
