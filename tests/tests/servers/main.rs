//! An engine in front of other people's servers: it shares documents with their own clients, over edits that were made at
//! the same time, offline, and while the server was down.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod site;
mod store;

use std::time::Duration;

use serde_json::json;
use syncline::{Document, Family, Kind, Operation, Promise, SaveError, Saved, Spec, Value};
use syncline_core::random::Random;
use syncline_tests::process::PATIENCE;
use syncline_tests::process::clients::Kind as Client;
use syncline_tests::process::servers::{Server, Settings};
use syncline_tests::process::terminal::Terminal;
use tokio::time::timeout;

use site::{Site, address};
use store::Store;

/// Rounds of edits that are made at the same time, for each server.
const ROUNDS: u64 = 8;

/// Longest wait between attempts to connect, in milliseconds.
const LONGEST_WAIT: u64 = 200;

/// Edits of all three in rounds: with everybody there, without one client, without the store, and without the server.
fn converge(kind: Client) {
    let Some(mut site) = Site::new(kind, Settings::default()) else { return };
    let mut store = site.store();
    let address = site.address();
    store.open(Some(&address));
    site.settle(&store);
    let mut random = Random::new(4);
    for round in 0..ROUNDS {
        match round % 4 {
            1 => site.leave("ann"),
            2 => store.open(None),
            3 => site.server.stop(),
            _ => {}
        }
        for _ in 0..3 {
            store.edit(&mut random);
            site.edit("ann", &mut random);
            site.edit("bob", &mut random);
        }
        match round % 4 {
            1 => drop(site.clients.ask("connect", "ann", json!({}))),
            2 => {
                assert_eq!(store.pending(), 9, "nothing has been applied");
                store.open(Some(&address));
            }
            3 => site.server.restart(),
            _ => {}
        }
        site.settle(&store);
    }
    println!("{kind}: {ROUNDS} rounds, at the end {}", store.json());
    store.open(Some(&address));
    assert_eq!(store.pending(), 0, "what has been applied stays applied");
}

#[test]
fn clients_of_y_websocket_and_a_store_come_together_at_their_server() {
    converge(Client::YWebsocket);
}

#[test]
fn clients_of_hocuspocus_and_a_store_come_together_at_their_server() {
    converge(Client::Hocuspocus);
}

#[test]
fn clients_of_automerge_repo_and_a_store_come_together_at_their_server() {
    converge(Client::Automerge);
}

#[test]
fn a_server_that_was_killed_and_has_forgotten_everything_gets_it_again() {
    for kind in [Client::YWebsocket, Client::Hocuspocus] {
        let Some(mut site) = Site::new(kind, Settings { forgets: true, ..Settings::default() }) else {
            return;
        };
        let mut store = site.store();
        store.open(Some(&site.address()));
        site.settle(&store);
        for client in ["ann", "bob"] {
            site.clients.ask("close", client, json!({}));
        }
        store.edit(&mut Random::new(1));
        store.bring_together();
        let before = store.json();
        site.server.kill();
        site.server.restart();
        let theirs = site.theirs.clone();
        site.open("carol", Some(theirs));
        let until = json!({ "until": { "json": before }, "timeout": 20_000 });
        site.clients.ask("wait", "carol", until);
    }
}

#[test]
fn what_is_saved_at_such_a_server_is_called_applied() {
    let Some(site) = Site::new(Client::YWebsocket, Settings::default()) else { return };
    let mut store = site.store();
    store.open(Some(&site.address()));
    assert_eq!(store.engine().promise(), Some(Promise::Applied));
    store.bring_together();
    let shown = store.engine().status().connections[0].to_string();
    assert!(shown.contains("applies edits and does not say when they are durable"), "{shown}");
    store.open(None);
    assert_eq!(store.engine().promise(), None);
}

#[test]
fn a_wrong_token_is_told_and_loses_nothing() {
    for kind in [Client::YWebsocket, Client::Hocuspocus, Client::Automerge] {
        let settings = Settings { token: Some("right".to_owned()), ..Settings::default() };
        let Some(server) = Server::start(kind, settings) else { return };
        let mut store = Store::new("d", kind.family());
        store.open(Some(&format!("{}?token=wrong", address(kind, &server))));
        store.perform(Operation::Put { path: "/a".parse().unwrap(), value: true.into() });
        let failure = store.failure();
        assert!(matches!(failure, SaveError::NotTaken { .. }), "{kind}: {failure}");
        assert_eq!(store.pending(), 1, "{kind}");
        store.open(Some(&format!("{}?token=right", address(kind, &server))));
        store.bring_together();
        assert_eq!(store.pending(), 0, "{kind}");
    }
}

#[test]
fn who_may_only_read_reads_and_is_told_that_edits_are_refused() {
    let token = |name: &str| Some(name.to_owned());
    let settings = Settings { token: token("all"), read_token: token("read"), forgets: false };
    let Some(server) = Server::start(Client::Hocuspocus, settings) else { return };
    let address = |token| format!("hocuspocus+{}?token={token}", server.url());
    let (mut writer, mut reader) = (Store::new("d", Family::Yjs), Store::new("d", Family::Yjs));
    let put = |key: &str| Operation::Put { path: format!("/{key}").parse().unwrap(), value: true.into() };
    writer.open(Some(&address("all")));
    writer.perform(put("written"));
    writer.bring_together();
    reader.open(Some(&address("read")));
    reader.bring_together();
    assert_eq!(reader.json(), writer.json());
    reader.perform(put("refused"));
    let failure = reader.failure();
    assert!(failure.to_string().contains("refuses what is written here"), "{failure}");
    assert_eq!(reader.pending(), 1);
    writer.perform(put("more"));
    writer.bring_together();
    assert!(!writer.json().contains("refused"));
    reader.open(Some(&address("all")));
    reader.bring_together();
    writer.bring_together();
    assert!(reader.json().contains("refused"), "{}", reader.json());
}

#[test]
fn many_documents_share_a_connection_to_hocuspocus() {
    const DOCUMENTS: usize = 150;
    let Some(server) = Server::start(Client::Hocuspocus, Settings::default()) else { return };
    let (mut ada, mut ben) = (Store::new("d", Family::Yjs), Store::new("d", Family::Yjs));
    for store in [&mut ada, &mut ben] {
        store.open(Some(&format!("hocuspocus+{}", server.url())));
    }
    let spec = Spec { family: Family::Yjs, kind: Kind::Tree };
    let open = |store: &Store| -> Vec<Document> {
        let names = (0..DOCUMENTS).map(|number| format!("doc/{number}"));
        names.map(|name| store.runtime.block_on(store.engine().document(&name, spec)).unwrap()).collect()
    };
    let (written, read) = (open(&ada), open(&ben));
    for (number, document) in written.iter().enumerate() {
        let value = Value::Int(i64::try_from(number).unwrap());
        document.perform(Operation::Put { path: "/n".parse().unwrap(), value }).unwrap();
    }
    let all_saved = async {
        for document in &written {
            document.saved(Saved::Relay).await.unwrap();
        }
    };
    ada.runtime.block_on(async { timeout(PATIENCE, all_saved).await }).unwrap();
    for (number, document) in read.iter().enumerate() {
        let wanted = Value::Int(i64::try_from(number).unwrap());
        let mut changes = document.changes();
        let arrives = async {
            while document.value(&"/n".parse().unwrap()) != Some(wanted.clone()) {
                futures_util::StreamExt::next(&mut changes).await;
            }
        };
        ben.runtime.block_on(async { timeout(PATIENCE, arrives).await }).unwrap();
    }
    assert_eq!(ada.engine().status().pending, 0);
}

#[test]
fn the_command_line_queues_edits_in_front_of_a_server_and_says_what_it_does_not_take() {
    let Some(mut server) = Server::start(Client::YWebsocket, Settings::default()) else { return };
    let address = format!("yjs+{}", server.url());
    let (ada, ben) = (Terminal::with_relay(&address), Terminal::with_relay(&address));
    ada.ok(["create", "d"]);
    ada.ok(["set", "d", "/tasks", r#"{"ship":"Ship it"}"#]);
    ada.ok(["sync"]);
    ben.ok(["sync", "d"]);
    assert_eq!(ben.ok(["show", "d"]), r#"{"tasks":{"ship":"Ship it"}}"#);
    server.stop();
    ada.ok(["set", "d", "/tasks/ada", "1"]);
    ben.ok(["set", "d", "/tasks/ben", "2"]);
    let waiting = ada.run(["sync", "--timeout", "1"]);
    assert_eq!(waiting.code, Some(3), "{waiting:?}");
    assert!(waiting.err.contains("1 edit pending") && waiting.err.contains("offline"), "{}", waiting.err);
    server.restart();
    for terminal in [&ada, &ben, &ada] {
        terminal.ok(["sync"]);
    }
    assert_eq!(ada.ok(["show", "d"]), ben.ok(["show", "d"]));
    assert_eq!(ada.ok(["show", "d"]), r#"{"tasks":{"ada":1,"ben":2,"ship":"Ship it"}}"#);
    let status = ada.ok(["status"]);
    assert!(status.contains("applies edits") && status.contains("pending    0 edits"), "{status}");

    ada.ok(["create", "other", "--crdt", "automerge"]);
    let refused = ada.run(["sync", "other"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("the server takes no documents of automerge"), "{}", refused.err);
    let status = ada.ok(["status"]);
    assert!(status.contains("the server takes no documents of automerge"), "{status}");
    ada.ok(["sync", "d"]);
    let mixed = ada.run(["sync", "d", "--relay", &format!("{address},ws://127.0.0.1:1/sync")]);
    assert!(mixed.err.contains("name either one such server, or relays"), "{}", mixed.err);
}

#[test]
fn a_document_that_nobody_has_is_not_made_by_asking_for_it() {
    let Some(server) = Server::start(Client::Automerge, Settings::default()) else { return };
    let ada = Terminal::with_relay(format!("automerge+{}", server.url()));
    let refused = ada.run(["sync", "nothing"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("the server does not have it"), "{}", refused.err);
    assert_eq!(ada.ok(["list"]), "");
}

/// A server that is not there keeps nobody waiting who does not ask for it.
#[test]
fn without_a_server_edits_wait() {
    let mut store = Store::new("d", Family::Yjs);
    store.open(Some("yjs+ws://127.0.0.1:1"));
    store.perform(Operation::Put { path: "/a".parse().unwrap(), value: true.into() });
    let saved = async { timeout(Duration::from_secs(1), store.document().saved(Saved::Relay)).await };
    assert!(store.runtime.block_on(saved).is_err(), "it cannot be reached");
    assert_eq!(store.pending(), 1);
}
