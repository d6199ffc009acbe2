//! A server and clients of its own.

use serde_json::{Value as Json, json};
use syncline::Family;
use syncline_core::random::Random;
use syncline_tests::process::PATIENCE;
use syncline_tests::process::clients::{Driver, Kind as Client};
use syncline_tests::process::servers::{Server, Settings};

use super::LONGEST_WAIT;
use super::store::Store;

/// How long a client may take to show what a store shows, in milliseconds, before both are looked at again.
const GLANCE: u64 = 500;

/// A server, what Syncline calls it, and a document at it that clients of its own can edit.
pub struct Site {
    pub server: Server,
    pub clients: Driver,
    kind: Client,
    /// What the clients call the document.
    pub theirs: String,
    /// What it is called here.
    ours: String,
}

impl Site {
    /// With two clients, ann and bob, of whom ann has written something.
    pub fn new(kind: Client, settings: Settings) -> Option<Self> {
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

    pub fn open(&mut self, client: &str, doc: Option<String>) -> Json {
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

    pub fn address(&self) -> String {
        address(self.kind, &self.server)
    }

    /// A store that has nothing yet.
    pub fn store(&self) -> Store {
        Store::new(&self.ours, self.kind.family())
    }

    /// Waits until the clients and the store show the same, and everything of the store has been applied.
    pub fn settle(&mut self, store: &Store) {
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
        let (ann, bob) = (self.told("ann"), self.told("bob"));
        panic!("{}: they do not come together:\n{ann}\n{bob}\n{}", self.kind, store.json());
    }

    /// What a client shows, and what has happened to it.
    fn told(&mut self, client: &str) -> String {
        let mut ask = |question| self.clients.ask(question, client, json!({}));
        format!("{client}: {} {}", ask("read")["json"], ask("status"))
    }

    /// A client goes offline, and its server has noticed that. One of automerge-repo never forgets what it has sent a client: what it
    /// sends one that is already gone is lost, and that client is not told of anything any more when it comes back.
    pub fn leave(&mut self, client: &str) {
        // Closes that have been told are not waited for.
        self.clients.ask("status", client, json!({}));
        self.clients.ask("disconnect", client, json!({}));
        self.clients.ask("wait", client, json!({ "until": { "event": "close" }, "timeout": 20_000 }));
    }

    pub fn edit(&mut self, client: &str, random: &mut Random) {
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
pub fn address(kind: Client, server: &Server) -> String {
    let scheme = if kind == Client::YWebsocket { "yjs" } else { kind.name() };
    format!("{scheme}+{}", server.url())
}
