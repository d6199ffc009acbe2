//! Rounds: two clients of one kind and a store of ours edit a document at the same time, apart, and while there is no relay.

use std::time::Instant;

use serde_json::json;
use syncline::{Operation, Value};
use syncline_core::path::Path;
use syncline_core::random::Random;

use super::edit::mark;
use super::seed::Named;
use super::{Client, Edit, Kind, Status};
use crate::process::relay::Relay;
use crate::process::terminal::Terminal;

/// Who takes part besides the clients.
const STORE: &str = "store";

/// Most transactions of a client between two quiet points, and most edits in one.
const TRANSACTIONS: usize = 4;
const EDITS: usize = 4;

/// Operations of the store between two quiet points, each a command.
const COMMANDS: usize = 2;

/// Codes with which connections end where the relay was killed, and where it was stopped in good order.
const KILLED: u64 = 1006;
const STOPPED: u64 = 1012;

/// Two clients of a kind, and the relay at which they meet the store.
pub struct Meeting {
    relay: Relay,
    ada: Client,
    ben: Client,
}

impl Meeting {
    /// Starts all of them; `None` where the clients are not installed.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        let (ada, ben) = (Client::start(kind, "ada")?, Client::start(kind, "ben")?);
        Some(Self { relay: Relay::start(), ada, ben })
    }

    /// Plays the round of a seed with an empty document, and returns a line about it.
    ///
    /// # Panics
    /// If not all read the same at a quiet point, or a library reports something else than it should.
    pub fn play(&mut self, seed: u64) -> String {
        let started = Instant::now();
        let kind = self.ada.kind();
        let _named = Named { what: format!("a round of {kind}"), part: "rounds", seed };
        let named = name(kind, seed);
        let doc = self.ada.open(&self.relay, named.as_deref(), json!({}));
        self.ben.open(&self.relay, Some(&doc), json!({}));
        let store = Terminal::with_relay(self.relay.url());
        store.ok(["sync", &doc]);
        let mut round = Round { random: Random::new(seed), meeting: self, store, doc };
        round.online();
        round.apart();
        round.without_relay(seed.is_multiple_of(2));
        let document = round.fresh();
        for client in [&mut self.ada, &mut self.ben] {
            client.close();
            assert_eq!(client.driver().reports(), [""; 0], "{} complains", client.name());
        }
        format!("{kind} round {seed}: {} bytes, {:.1?}", document.len(), started.elapsed())
    }
}

/// What a document is called: anything, where the protocol allows it.
fn name(kind: Kind, seed: u64) -> Option<String> {
    match kind {
        Kind::Automerge => None,
        Kind::YSweet => Some(format!("round-{seed}")),
        Kind::YWebsocket
        | Kind::YWebsocket2
        | Kind::Pycrdt
        | Kind::Hocuspocus
        | Kind::Hocuspocus3
        | Kind::Hocuspocus2 => Some(format!("rounds/№ {seed} 🦀")),
    }
}

/// A round that is being played.
struct Round<'a> {
    random: Random,
    meeting: &'a mut Meeting,
    store: Terminal,
    doc: String,
}

impl Round<'_> {
    /// All edit at the same time.
    fn online(&mut self) {
        self.edit();
        self.settle(1);
    }

    /// Ada edits off the network, the others on it.
    fn apart(&mut self) {
        self.meeting.ada.leave();
        self.edit();
        self.meeting.ada.come_back();
        self.settle(2);
        let closes = self.meeting.ada.status().closes;
        let codes: Vec<Option<u64>> = closes.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, farewell(self.meeting.ada.kind()), "{closes:?}");
    }

    /// The relay goes, all edit, and it comes back with what it had.
    fn without_relay(&mut self, in_order: bool) {
        match in_order {
            true => _ = self.meeting.relay.stop(),
            false => self.meeting.relay.kill(),
        }
        for client in [&mut self.meeting.ada, &mut self.meeting.ben] {
            client.wait(json!({ "connected": false }));
        }
        self.edit();
        self.meeting.relay.restart();
        for client in [&mut self.meeting.ada, &mut self.meeting.ben] {
            if !client.kind().comes_back() {
                client.come_back();
            }
            client.wait(json!({ "connected": true }));
        }
        self.settle(3);
        let code = if in_order { STOPPED } else { KILLED };
        for client in [&mut self.meeting.ada, &mut self.meeting.ben] {
            let closes = client.status().closes;
            assert!(closes.iter().any(|(close, _)| *close == Some(code)), "{code} is not in {closes:?}");
        }
    }

    /// Each of the three makes some edits, on the network or not.
    fn edit(&mut self) {
        for client in [&mut self.meeting.ada, &mut self.meeting.ben] {
            for _ in 0..1 + self.random.index(TRANSACTIONS) {
                client.edit(&Edit::several(&mut self.random, EDITS));
            }
        }
        for _ in 0..COMMANDS {
            let edit = Edit::draw(&mut self.random);
            self.command(&edit);
        }
    }

    fn command(&self, edit: &Edit) {
        let shown = self.store.ok(["show", &self.doc]);
        let document = serde_json::from_str(&shown).expect("what is shown is JSON");
        let document = texts(Value::from_json(&document).expect("a document"));
        for operation in edit.operations(&document) {
            let arguments = arguments(&self.doc, &operation);
            let said = self.store.run(&arguments);
            // What is plain JSON to its author cannot be edited inside, and without the relay that is said.
            assert!(
                said.code == Some(0) || said.err.contains("the edit was not made"),
                "{arguments:?}: {said:?}"
            );
        }
    }

    /// All say that they are done, hear it of each other, and read the same.
    fn settle(&mut self, number: usize) -> String {
        let Meeting { ada, ben, .. } = &mut *self.meeting;
        ada.edit(&Edit::marks("ada", number));
        ben.edit(&Edit::marks("ben", number));
        for edit in Edit::marks(STORE, number) {
            self.command(&edit);
        }
        let Meeting { ada, ben, .. } = &mut *self.meeting;
        ada.wait(mark("ben", number));
        ben.wait(mark("ada", number));
        // What one has from the other is at the relay.
        self.store.ok(["sync", &self.doc]);
        let ours = self.store.ok(["show", &self.doc]);
        for client in [ada, ben] {
            client.wait(mark(STORE, number));
            assert_eq!(client.read(), ours, "{} and the store", client.name());
            // Ben alone has not been away before the second quiet point.
            check(client, number != 2 || client.name() == "ada");
        }
        ours
    }

    /// A client that has never heard of the document reads the same.
    fn fresh(&mut self) -> String {
        let Meeting { relay, ada, ben } = &mut *self.meeting;
        let ours = ben.read();
        ada.close();
        ada.open(relay, Some(&self.doc), json!({}));
        ada.wait(json!({ "json": ours }));
        ours
    }
}

/// Codes that a library reports of the connections that its own application has ended.
fn farewell(kind: Kind) -> &'static [Option<u64>] {
    match kind {
        Kind::YWebsocket | Kind::YWebsocket2 => &[None],
        Kind::Pycrdt => &[],
        Kind::Hocuspocus | Kind::Hocuspocus3 | Kind::Hocuspocus2 | Kind::YSweet | Kind::Automerge => {
            &[Some(1005)]
        }
    }
}

/// What a library must report once everything is quiet, and must have reported if it has connected since it was asked last.
fn check(client: &mut Client, has_connected: bool) {
    let kind = client.kind();
    let mut until = json!({ "connected": true, "synced": true });
    if kind.counts() {
        until["unsynced"] = 0.into();
    }
    client.wait(until);
    let status = client.status();
    let event = if kind == Kind::Automerge {
        json!({ "event": "peer" })
    } else {
        json!({ "event": "synced", "state": true })
    };
    assert_eq!(status.told(&event), has_connected, "{:?}", status.events);
    let Status { unsynced, scope, peers, doc_state, .. } = status;
    match kind {
        Kind::YWebsocket | Kind::YWebsocket2 | Kind::Pycrdt => {
            assert_eq!((unsynced, scope), (None, None));
        }
        Kind::Hocuspocus | Kind::Hocuspocus3 => {
            assert_eq!((unsynced, scope.as_deref()), (Some(0), Some("read-write")));
        }
        // It takes every confirmation for one of what it counts, and counts not all that is confirmed.
        Kind::Hocuspocus2 => {
            assert!(unsynced.is_some_and(|unsynced| unsynced <= 0), "{unsynced:?}");
            assert_eq!(scope.as_deref(), Some("read-write"));
        }
        Kind::YSweet => assert_eq!((unsynced, scope.as_deref()), (Some(0), Some("full"))),
        Kind::Automerge => {
            assert_eq!((unsynced, doc_state.as_deref()), (Some(0), Some("ready")));
            let peers = peers.unwrap_or_default();
            assert!(peers.len() == 1 && peers[0].starts_with("syncline-"), "{peers:?}");
        }
    }
}

/// A document whose texts were read from JSON, where they look like strings.
fn texts(value: Value) -> Value {
    match value {
        Value::String(text) => Value::Text(text),
        Value::List(list) => Value::List(list.into_iter().map(texts).collect()),
        Value::Map(map) => Value::Map(map.into_iter().map(|(key, value)| (key, texts(value))).collect()),
        other => other,
    }
}

/// The command that makes an operation.
fn arguments(doc: &str, operation: &Operation) -> Vec<String> {
    let shown = |path: &Path| path.to_string();
    let of = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    match operation {
        Operation::Put { path, value } => of(&["set", doc, &shown(path), &value.to_json().to_string()]),
        Operation::Remove { path } => of(&["rm", doc, &shown(path)]),
        Operation::Insert { path, values } => {
            of(&["insert", doc, &shown(path), &values[0].to_json().to_string()])
        }
        Operation::Splice { path, at, delete, insert } => {
            let (at, delete) = (at.to_string(), delete.to_string());
            of(&["text", "splice", doc, "--", &shown(path), &at, &delete, insert])
        }
        Operation::Increment { .. } => panic!("nobody counts"),
    }
}
