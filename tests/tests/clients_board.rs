//! One board for a client of somebody else's and a store of ours, made by the store.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value as Json, json};
use syncline::board::{Board, Field, Task, TaskId, TaskText};
use syncline::transports::WebSocket;
use syncline::{DocId, Engine, MemoryStorage, Saved};
use syncline_core::crdt::automerge::DocumentId;
use syncline_tests::process::board::until;
use syncline_tests::process::clients::{Client, Kind};
use syncline_tests::process::relay::Relay;

const BOARD: &str = "team";

/// Edits as the client's own application makes them.
fn edit(client: &mut Client, edits: Json) {
    client.ask("edit", json!({ "edits": edits }));
}

/// Waits until a field of a task is there for the client.
fn shows(client: &mut Client, task: &TaskId, field: &str, value: &str) {
    client.wait(json!({ "at": { "in": ["tasks", task.0, field], "is": value } }));
}

async fn a_board_is_edited_together(kind: Kind) {
    let mut relay = Relay::start();
    let storage = MemoryStorage::new();
    let engine = Engine::builder(storage).user("ben").relay(WebSocket::new(relay.url())).longest_wait(200);
    let engine = engine.open().unwrap();
    let board = engine.board(BOARD, kind.family()).await.unwrap();
    let bread = board.edit(|edit| edit.add_task("Bake bread", "todo")).unwrap();
    board.edit(|edit| edit.write(&bread, TaskText::Description, "Rye")).unwrap();
    board.saved(Saved::Relay).await.unwrap();

    let Some(mut client) = Client::start(kind, "ada") else { return };
    let doc = match kind {
        Kind::Automerge => DocumentId::of(&DocId::new(BOARD).unwrap()).to_string(),
        _ => BOARD.to_owned(),
    };
    client.open(&relay, Some(&doc), json!({}));
    shows(&mut client, &bread, "description", "Rye");
    let description = json!(["tasks", bread.0, "description"]);
    let moves = json!({ "op": "set", "in": ["tasks", bread.0], "key": "status", "value": "doing" });
    edit(&mut client, json!([moves, { "op": "insert", "in": description, "at": 3, "value": " with seeds" }]));
    let is_moved = |task: &Task| task.status == "doing" && task.description == "Rye with seeds";
    until(&board, "moved task", |board| board.tasks.get(&bread).is_some_and(is_moved)).await;

    // Both go on while the relay is away.
    relay.kill();
    client.wait(json!({ "connected": false }));
    let flour = json!({ "title": "Buy flour", "status": "todo" });
    let adds = json!({ "op": "set", "in": ["tasks"], "key": "flour", "value": flour, "shared": true });
    edit(&mut client, json!([adds, { "op": "insert", "in": description, "at": 0, "value": "Dark " }]));
    board.edit(|edit| edit.set(&bread, Field::Title("Bake two loaves".to_owned()))).unwrap();
    board.edit(|edit| edit.write(&bread, TaskText::Description, "Rye with seeds, slowly")).unwrap();
    let salt = board.edit(|edit| edit.add_task("Buy salt", "todo")).unwrap();
    relay.restart();
    let is_whole = |board: &Board| {
        let task = |id: &TaskId| board.tasks.get(id).cloned().unwrap_or_default();
        let (bread, flour) = (task(&bread), task(&"flour".into()));
        [bread.title, bread.description] == ["Bake two loaves", "Dark Rye with seeds, slowly"]
            && [flour.title, flour.status] == ["Buy flour", "todo"]
    };
    until(&board, "board with what both wrote", is_whole).await;
    shows(&mut client, &salt, "title", "Buy salt");
    shows(&mut client, &bread, "title", "Bake two loaves");
    shows(&mut client, &bread, "description", "Dark Rye with seeds, slowly");
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_y_websocket_and_a_store_edit_one_board() {
    a_board_is_edited_together(Kind::YWebsocket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_automerge_repo_and_a_store_edit_one_board() {
    a_board_is_edited_together(Kind::Automerge).await;
}
