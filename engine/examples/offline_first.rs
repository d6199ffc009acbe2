//! A board and a chart, offline first: run it twice at the same time, with and without a relay.
//!
//!     cargo run --release --bin sync-server                            # in another terminal, now or later
//!     cargo run --release -p syncline --example offline_first -- ada

use std::time::Duration;

use futures_util::StreamExt;
use syncline::board::{Place, TaskText};
use syncline::chart::ElementId;
use syncline::transports::WebSocket;
use syncline::{BoxError, Engine, Family, Saved, SqliteStorage, Value, storage};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let user = std::env::args().nth(1).unwrap_or_else(|| "ada".to_owned());
    let storage = SqliteStorage::open(format!("{user}.db"), storage::Options::default())?;
    let relay = WebSocket::new("ws://127.0.0.1:4455/sync");
    let engine = Engine::builder(storage).user(&user).relay(relay).open()?;
    let board = engine.board("example/board", Family::Yjs).await?;
    let chart = engine.chart("example/chart", Family::Automerge).await?;

    // Whatever changes, here or elsewhere, is told in the operations that one would have made oneself.
    let mut changes = board.changes();
    tokio::spawn(async move {
        while let Some(operations) = changes.next().await {
            operations.iter().for_each(|operation| println!("changed: {operation:?}"));
        }
    });

    // Edits are there at once. Nobody waits for a network.
    let task = board.edit(|board| {
        let task = board.add_task(&format!("Ship what {user} has"), "todo")?;
        board.write(&task, TaskText::Notes, "Everybody may write in here at the same time.")?;
        board.label(&task, "release")?;
        board.move_task(&task, "doing", Place::First)?;
        Ok(task)
    })?;
    chart.edit(|chart| {
        let root = ElementId::chart();
        if chart.state().elements.is_empty() {
            chart.add(&root, "mark", None, &"bar".into())?;
            let data = chart.add(&root, "data", None, &Value::Map([].into()))?;
            let point = Value::Map([("a".to_owned(), 28.into())].into());
            chart.add(&data, "values", None, &point)?;
        }
        chart.update(&root, "/title/text".parse().expect("a path"), Some(user.as_str().into()))
    })?;

    board.saved(Saved::Local).await?; // it survives the process from here on
    println!("{task} is saved; {} tasks on the board", board.state().map_or(0, |board| board.tasks.len()));
    match tokio::time::timeout(Duration::from_secs(5), board.saved(Saved::Relay)).await {
        Ok(saved) => saved.map(|()| println!("the relay has it, durably"))?,
        Err(_) => println!("no relay yet; it is sent when there is one"),
    }
    engine.close().await;
    Ok(())
}
