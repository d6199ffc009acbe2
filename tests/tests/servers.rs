//! An engine in front of other people's servers: it shares documents with their own clients, over edits that were made at
//! the same time, offline, and while the server was down.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use serde_json::{Value as Json, json};
use syncline::json::to_canonical_json;
use syncline::{
    Document, Engine, Family, Kind, Operation, Path, Promise, SaveError, Saved, Spec, SqliteStorage, Value,
};
use syncline_core::random::Random;
use syncline_tests::process::PATIENCE;
use syncline_tests::process::clients::{Driver, Kind as Client};
use syncline_tests::process::servers::{Server, Settings};
use syncline_tests::process::terminal::Terminal;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Rounds of edits that are made at the same time, for each server.
const ROUNDS: u64 = 8;

/// How long a client may take to show what a store shows, in milliseconds, before both are looked at again.
const GLANCE: u64 = 500;

/// Longest wait between attempts to connect, in milliseconds.
const LONGEST_WAIT: u64 = 200;

/// A server, what Syncline calls it, and a document at it that clients of its own can edit.
struct Site {
    server: Server,
    clients: Driver,
    kind: Client,
    /// What the clients call the document.
    theirs: String,
    /// What it is called here.
    ours: String,
}

impl Site {
    /// With two clients, ann and bob, of whom ann has written something.
    fn new(kind: Client, settings: Settings) -> Option<Self> {
        let server = Server::start(kind, settings)?;
        let name = "team/größe 1".to_owned();
        let clients = Driver::start(kind)?;
        let mut site = Self { server, clients, kind, theirs: name.clone(), ours: name };
        site.begin();
        Some(site)
    }

    fn begin(&mut self) {
        if self.kind.family() == Family::Automerge {
            let opened = self.open("ann", None);
            self.theirs = opened["doc"].as_str().unwrap().to_owned();
            self.ours = self.theirs.trim_start_matches("automerge:").to_owned();
        } else {
            self.open("ann", Some(self.theirs.clone()));
        }
        let edits = json!([
            { "op": "insert", "at": 0, "value": "begun" },
            { "op": "set", "key": "by", "value": "ann" },
            { "op": "push", "at": 0, "values": [0] },
        ]);
        self.clients.ask("wait", "ann", json!({ "until": { "connected": true }, "timeout": 20_000 }));
        self.clients.ask("edit", "ann", json!({ "edits": edits }));
        self.open("bob", Some(self.theirs.clone()));
        let until = json!({ "until": { "length": 5 }, "timeout": 20_000 });
        self.clients.ask("wait", "bob", until);
    }

    fn open(&mut self, client: &str, doc: Option<String>) -> Json {
        // They come back soon after a server is there again.
        let options = match self.kind {
            Client::YWebsocket => json!({ "maxBackoffTime": LONGEST_WAIT }),
            Client::Hocuspocus => {
                json!({ "delay": LONGEST_WAIT, "minDelay": LONGEST_WAIT, "maxDelay": LONGEST_WAIT })
            }
            _ => json!({ "retryInterval": LONGEST_WAIT }),
        };
        let mut request = json!({ "kind": self.kind.name(), "url": self.server.url(), "options": options });
        if let Some(doc) = doc {
            request["doc"] = doc.into();
        }
        self.clients.ask("open", client, request)
    }

    fn address(&self) -> String {
        address(self.kind, &self.server)
    }

    /// A store that has nothing yet.
    fn store(&self) -> Store {
        Store::new(&self.ours, self.kind.family())
    }

    /// Waits until the clients and the store show the same, and everything of the store has been applied.
    fn settle(&mut self, store: &Store) {
        for _ in 0..PATIENCE.as_millis() / u128::from(GLANCE) {
            store.bring_together();
            let shown = store.json();
            let until = json!({ "until": { "json": shown }, "timeout": GLANCE });
            let same = |client| {
                let waiting = self.clients.send("wait", client, until.clone());
                self.clients.outcome(waiting).is_ok()
            };
            if ["ann", "bob"].into_iter().all(same) && store.json() == shown {
                assert_eq!(store.pending(), 0);
                return;
            }
        }
        let (ann, bob) = (self.read("ann"), self.read("bob"));
        panic!("{}: they do not come together:\n{ann}\n{bob}\n{}", self.kind, store.json());
    }

    fn read(&mut self, client: &str) -> Json {
        self.clients.ask("read", client, json!({}))["json"].take()
    }

    fn edit(&mut self, client: &str, random: &mut Random) {
        let (at, number) = (random.index(12), random.index(1_000));
        let edits = [
            json!({ "op": "insert", "at": at, "value": format!("{client}{number} ") }),
            json!({ "op": "delete", "at": at, "count": random.index(3) }),
            json!({ "op": "set", "key": format!("k{}", random.index(4)), "value": number }),
            json!({ "op": "push", "at": at, "values": [number, client] }),
        ];
        let edits: Vec<&Json> = edits.iter().filter(|_| random.chance(0.7)).collect();
        self.clients.ask("edit", client, json!({ "edits": edits }));
    }
}

/// What Syncline calls a server.
fn address(kind: Client, server: &Server) -> String {
    let scheme = if kind == Client::YWebsocket { "yjs" } else { kind.name() };
    format!("{scheme}+{}", server.url())
}

/// A store with the document, opened with or without a server.
struct Store {
    runtime: Runtime,
    folder: TempDir,
    name: String,
    family: Family,
    open: Option<(Engine, Document)>,
}

impl Store {
    fn new(name: &str, family: Family) -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = TempDir::new().unwrap();
        Self { runtime, folder, name: name.to_owned(), family, open: None }
    }

    /// Opens the store, connected or not. What was open before is closed.
    fn open(&mut self, address: Option<&str>) {
        self.close();
        let _inside = self.runtime.enter();
        let storage =
            SqliteStorage::open(self.folder.path().join("s.db"), syncline::storage::Options::default());
        let builder = Engine::builder(storage.unwrap()).user("store").longest_wait(LONGEST_WAIT);
        let builder = match address {
            Some(address) => builder.server(address.parse().unwrap()),
            None => builder.keeps_unacknowledged(true),
        };
        let engine = builder.open().unwrap();
        let spec = Spec { family: self.family, kind: Kind::Tree };
        let document = self.runtime.block_on(engine.document(&self.name, spec)).unwrap();
        self.open = Some((engine, document));
    }

    fn close(&mut self) {
        if let Some((engine, _)) = self.open.take() {
            self.runtime.block_on(engine.close());
        }
    }

    fn engine(&self) -> &Engine {
        &self.open.as_ref().unwrap().0
    }

    fn document(&self) -> &Document {
        &self.open.as_ref().unwrap().1
    }

    fn json(&self) -> String {
        to_canonical_json(&self.document().value(&Path::root()).unwrap())
    }

    fn pending(&self) -> u64 {
        self.document().progress().pending
    }

    /// Waits until the server has told everything and applied everything.
    fn bring_together(&self) {
        let both = async {
            self.document().in_sync().await.unwrap();
            self.document().saved(Saved::Relay).await.unwrap();
        };
        let in_time = self.runtime.block_on(async { timeout(PATIENCE, both).await });
        let status = self.engine().status();
        in_time.unwrap_or_else(|_| panic!("{:?}, {status:?}", self.document().obstacle()));
    }

    /// How waiting for a relay ends that cannot come to a good end.
    fn failure(&self) -> SaveError {
        let waiting = async { timeout(PATIENCE, self.document().saved(Saved::Relay)).await };
        self.runtime.block_on(waiting).unwrap().unwrap_err()
    }

    fn perform(&self, operation: Operation) {
        self.document().perform(operation).unwrap();
    }

    fn edit(&self, random: &mut Random) {
        let path = |path: &str| path.parse::<Path>().unwrap();
        let document = self.document();
        let length = |at: &str| document.read(|content| content.len(&path(at))).unwrap().unwrap_or(0);
        let number = i64::try_from(random.index(1_000)).unwrap();
        let at = random.index(length("/text") + 1);
        let delete = random.index(3).min(length("/text") - at);
        let insert = format!("store{number} ");
        self.perform(Operation::Splice { path: path("/text"), at, delete, insert });
        self.perform(Operation::Put {
            path: path(&format!("/map/k{}", random.index(4))),
            value: Value::Int(number),
        });
        let at = random.index(length("/list") + 1);
        self.perform(Operation::Insert {
            path: path(&format!("/list/{at}")),
            values: vec![Value::Int(number)],
        });
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

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
            1 => drop(site.clients.ask("disconnect", "ann", json!({}))),
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
