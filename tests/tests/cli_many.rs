//! The command line over a store with more documents than it opens, fetches or compacts at a time.

use std::collections::BTreeSet;

use syncline::{Engine, Family, Kind, Operation, Saved, Spec, SqliteStorage, storage};
use syncline_tests::process::relay::Relay;
use syncline_tests::process::terminal::Terminal;

/// More than `status` has open at a time.
const DOCUMENTS: usize = 1_010;

/// More than `sync` asks a relay for at a time.
const FETCHED: usize = 100;

/// Makes documents of two edits each.
fn fill(terminal: &Terminal, names: &[String]) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let storage = SqliteStorage::open(terminal.store(), storage::Options::default()).expect("a store");
        let engine = Engine::builder(storage).open().expect("an engine");
        for name in names {
            let spec = Spec { family: Family::Yjs, kind: Kind::Text };
            let document = engine.document(name, spec).await.expect("a document");
            for at in 0..2 {
                let path = "/text".parse().expect("a path");
                let splice = Operation::Splice { path, at, delete: 0, insert: "x".to_owned() };
                document.perform(splice).expect("an edit");
            }
            document.saved(Saved::Local).await.expect("room on the disk");
        }
        engine.close().await;
    });
}

#[test]
fn every_document_of_a_large_store_is_told_of_synced_and_compacted() {
    let relay = Relay::start();
    let (ada, ben) = (Terminal::with_relay(relay.url()), Terminal::with_relay(relay.url()));
    let names: Vec<String> = (0..DOCUMENTS).map(|number| format!("notes/{number:04}")).collect();
    fill(&ada, &names);

    let mut command = ada.command(["status", "--json"]);
    let said = command.env_remove("SYNCLINE_RELAY").output().expect("it starts");
    let said = String::from_utf8(said.stdout).expect("text");
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (all, rows) = lines.split_last().expect("a store");
    assert!(rows.iter().map(|row| row["doc"].as_str()).eq(names.iter().map(|name| Some(name.as_str()))));
    assert!(rows.iter().all(|row| row["pending"] == 2));
    assert_eq!(all["pending"], 2 * DOCUMENTS as u64, "of all of them, however many are open at a time");

    ada.ok(["sync"]);
    assert_eq!(ada.json(["status", "--json"]).last().expect("a store")["pending"], 0);
    let fetched: Vec<&str> = names.iter().rev().take(FETCHED).map(String::as_str).collect();
    ben.ok([&["sync"], &fetched[..]].concat());
    let listed = ben.ok(["list"]);
    assert_eq!(listed.lines().collect::<BTreeSet<_>>(), fetched.into_iter().collect());
    assert_eq!(ben.ok(["export", &names[DOCUMENTS - 1], "--format", "text"]), "xx");

    ada.ok(["compact"]);
    let said = ada.ok(["check"]);
    assert!(said.contains(&format!("{DOCUMENTS} documents, 0 entries, {DOCUMENTS} snapshots")), "{said}");
}
