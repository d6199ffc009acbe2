//! A closed engine leaves nothing behind: no task in its runtime, no socket in its process, no lock on its store.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use syncline::transports::{WebSocket, memory};
use syncline::{Engine, Family, Kind, Operation, Saved, Spec, SqliteStorage, storage};
use syncline_core::wire::MAX_FRAME_BYTES;
use syncline_tests::process::relay::Relay;
use tokio::runtime::Handle;

const SPEC: Spec = Spec { family: Family::Yjs, kind: Kind::Tree };

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

fn sockets() -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter(|file| fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")))
        .count()
}

#[tokio::test]
async fn a_closed_engine_leaves_no_task_and_no_socket_behind() {
    let relay = Relay::start();
    let folder = tempfile::tempdir().unwrap();
    let before = (tasks(), sockets());
    let gone = Relay::start().url();
    for _ in 0..3 {
        let store = SqliteStorage::open(folder.path().join("app.db"), storage::Options::default()).unwrap();
        let connected = WebSocket::new(relay.url().as_str()).max_frame_bytes(MAX_FRAME_BYTES);
        let engine =
            Engine::builder(store).relay(connected).relay(WebSocket::new(gone.as_str())).open().unwrap();
        // Somebody who never says anything, not even that it has heard of the end.
        let (here, _there) = memory::pair();
        engine.accept(here);
        let document = engine.document("board", SPEC).await.unwrap();
        document.perform(Operation::Put { path: "/a".parse().unwrap(), value: true.into() }).unwrap();
        document.saved(Saved::Relay).await.unwrap();
        assert!(tasks() > before.0 && sockets() > before.1);
        engine.close().await;
        assert_eq!((tasks(), sockets()), before);
    }
}
